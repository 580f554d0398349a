"""Class and redshift of photometry, and spectra measured with it as a prior.

    python benchmarks/photometry.py --data DIR [--weights NAME|PATH] [--objects N] [--templates N] [--faint N]
                                    [--files DIR] [--library DIR] [--keep DIR] [--only PART ...] [--json FILE]

Objects are simulated and trained nothing. By set of bands and signal-to-noise ratio (of the middle band): scatter
sigma_NMAD and share of outliers, |dz| / (1 + z) > 0.15, of galaxies and quasars whose class was found; class
accuracy; and how even the probability integral transform is (largest distance to a straight line). ``tower`` is the
head; ``templates`` the nearest of noiseless objects by chi square; ``neighbour`` the nearest vector of these, and
``untrained`` the same of a tower with random parameters. ``prior``: spectra of little signal alone, photometry alone,
and together, how many redshifts become right and wrong by it, and the same with the photometry of other objects.
``files``: fluxes in the files of real spectra.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from _photometry_sets import (
    draw_objects,
    embed,
    find_distances,
    find_pit,
    make_untrained,
    measure,
    score_redshifts,
    see,
    true_colours,
)
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from astro_spectok.align import PhotometricRedshift
from astro_spectok.align.embed_photometry import load_photometry_head
from astro_spectok.align.filters import BANDS
from astro_spectok.align.fluxes import read_fluxes
from astro_spectok.align.photometric_redshift import summarise
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.simulate import CLASSES, Survey
from astro_spectok.training.observed import to_inputs, to_spectra
from astro_spectok.training.photometry_pairs import CHUNK, LN_WAVELENGTH, draw_pairs, read_pairs

SEED, TEMPLATE_SEED, FAINT_SEED = 9101, 9102, 9103
RATIOS = (5.0, 20.0, 50.0)
SHARES = {"GALAXY": 0.45, "QSO": 0.25, "STAR": 0.3}
FAINT, PRIOR_BANDS, PRIOR_SNR = ((0.5, 1.0), (1.0, 2.0), (3.0, 6.0)), "grzW1W2", 20.0
#: redshifts of spectra that are right
RIGHT = 0.01


def count_classes(n):
    """How many of ``n`` objects are of each class."""
    return {name: round(share * n) for name, share in SHARES.items()}


def read_library(args):
    """Noiseless objects that are the templates."""
    if args.library is None:
        return draw_objects(args.data, count_classes(args.templates), TEMPLATE_SEED, keep=args.keep)
    return read_pairs(sorted(args.library.glob("objects-*.npz"))[: -(-args.templates // CHUNK)])


def measure_sets(args, head):
    """Rows of the table by set of bands and signal-to-noise ratio."""
    objects, library = draw_objects(args.data, count_classes(args.objects), SEED, keep=args.keep), read_library(args)
    fluxes, library_fluxes = measure(objects), measure(library)
    plain, config, rows = make_untrained(head.config), head.config, []
    names = np.array(config.classes)
    for bands in BANDS:
        library_seen = see(library_fluxes, bands, 1e4, seed=5)
        for snr in RATIOS:
            seen = see(fluxes, bands, snr)
            usable = seen.mask.all(1).numpy()
            cls, z = objects["cls"][usable], objects["z"][usable]
            seen = seen.take(usable)
            _, probability = embed(head, seen)
            found = summarise(probability, config)
            number = np.array([list(names).index(name) for name in found["spectype"]])
            pit = np.sort(find_pit(probability, config, cls, z))
            uneven = float(np.abs(pit - (np.arange(len(pit)) + 0.5) / len(pit)).max())
            answers = {"tower": (found["z"], number)}
            best = find_distances(seen, true_colours(library_fluxes, bands)).argmin(1)
            answers["templates"] = library["z"][best], library["cls"][best]
            for name, one in (("neighbour", head), ("untrained", plain)):
                best = (embed(one, seen)[0] @ embed(one, library_seen)[0].T).argmax(1)
                answers[name] = library["z"][best], library["cls"][best]
            for name, answer in answers.items():
                row = {"bands": bands, "snr": snr, "method": name} | score_redshifts(z, cls, *answer)
                rows.append(row | ({"pit": uneven} if name == "tower" else {}))
                print(row, flush=True)
    return rows


def measure_prior(args, head):
    """Spectra alone, photometry alone, and both, by the signal of the spectra; also with photometry of others."""
    rows = []
    for snr in FAINT:
        spectra, cls, z, table = draw_faint(args, snr)
        filters = {name: band for name, band in zip(table.colnames, BANDS[PRIOR_BANDS], strict=False)}
        photometric = PhotometricRedshift(filters, weights=args.weights, unit=u.uJy)
        estimator = RedshiftEstimator(weights=args.weights, device="cpu")
        alone = estimator.estimate(spectra, medium="vacuum")
        answers = {
            "spectrum": alone,
            "photometry": photometric.estimate(table),
            "together": estimator.estimate(spectra, medium="vacuum", prior=photometric.find_prior(table)),
        }
        if snr != FAINT[1]:
            other = photometric.find_prior(table[np.roll(np.arange(len(table)), 1)])
            answers["together, photometry of others"] = estimator.estimate(spectra, medium="vacuum", prior=other)
        before = find_right(alone, cls, z)
        for name, answer in answers.items():
            right, dz = find_right(answer, cls, z), np.abs(np.asarray(answer["z"]) - z) / (1 + z)
            same = np.asarray(answer["spectype"]) == np.array(CLASSES)[cls]
            row = {"snr": list(snr), "method": name, "n": len(z), "class": float(same.mean())}
            row |= {"within 0.01": float((dz < RIGHT).mean()), "within 0.15": float((dz < 0.15).mean())}
            row |= {"gained": int((right & ~before).sum()), "lost": int((before & ~right).sum())}
            if "zwarn" in answer.colnames:
                sure = np.asarray(answer["zwarn"]) == 0
                row |= {"zwarn 0": int(sure.sum()), "zwarn 0 and wrong": int((sure & ~right).sum())}
            rows.append(row)
            print(row, flush=True)
    return rows


def find_right(answer, cls, z):
    """Answers whose class is right, and whose redshift is within `RIGHT`."""
    dz = np.abs(np.asarray(answer["z"]) - z) / (1 + z)
    return (dz < RIGHT) & (np.asarray(answer["spectype"]) == np.array(CLASSES)[cls])


def draw_faint(args, snr):
    """Spectra of galaxies and quasars in a range of signal, their classes and redshifts, and a table of photometry."""
    survey = Survey(args.data, families=("galaxies", "quasars"), instruments=("sdss", "boss", "desi"), snr=snr)
    spectra, parts = [], []
    for k in range(-(-args.faint // 50)):
        # the same draw twice: once as what photometry sees, once as spectra
        parts.append(draw_pairs(args.data, 50, [FAINT_SEED, k], survey=survey))
        for group in survey.draw(50, [FAINT_SEED, k]):
            spectra += to_spectra(group.observations[0])
    truth, cls, z = (np.concatenate([part[name] for part in parts]) for name in ("truth", "cls", "z"))
    seen = see(measure({"truth": truth, "cls": cls}), PRIOR_BANDS, PRIOR_SNR)
    fluxes = {f"flux_{k}": seen.flux[:, k].numpy() for k in range(len(BANDS[PRIOR_BANDS]))}
    errors = {f"{name}_err": seen.error[:, k].numpy() for k, name in enumerate(fluxes)}
    return to_inputs(spectra), cls, z, Table(fluxes | errors)


def measure_files(args, head):
    """Fluxes in the files of real spectra, beside the nearest template."""
    rows, library = [], read_library(args)
    fluxes = measure(library)
    for path in sorted(args.files.rglob("*.fits*")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table, filters, truth, kind = read_fluxes_of_file(path)
        if table is None:
            continue
        found = PhotometricRedshift(filters, weights=args.weights, unit=u.nmgy).estimate(table)[0]
        row = {"file": path.name, "fluxes": kind, "spectype_true": truth[0], "z_true": truth[1]}
        row |= {name: found[name] if name == "spectype" else float(found[name])
                for name in ("spectype", "z", "z_lo", "z_hi", "p_galaxy", "p_qso", "p_star")}  # fmt: skip
        bands = kind if kind in BANDS else "ugriz"
        seen = read_fluxes(table, filters, unit=u.nmgy).to_photometry()
        best = int(find_distances(seen, true_colours(fluxes, bands)).argmin())
        row |= {"spectype_template": CLASSES[library["cls"][best]], "z_template": float(library["z"][best])}
        rows.append(row)
        print(row, flush=True)
    return rows


def read_fluxes_of_file(path):
    """Fluxes, filters, class and redshift of a file of DESI (redrock) or SDSS; None where there are none."""
    nothing = None, None, None, None
    try:
        with fits.open(path) as file:
            tables = {
                hdu.name or str(k): hdu for k, hdu in enumerate(file) if getattr(hdu, "columns", None) is not None
            }
            if "REDSHIFTS" in tables and "FIBERMAP" in tables:
                row, one = tables["FIBERMAP"].data[0], tables["REDSHIFTS"].data[0]
                names = {
                    "G": "decamDR1-g",
                    "R": "decamDR1-r",
                    "Z": "decamDR1-z",
                    "W1": "wise2010-W1",
                    "W2": "wise2010-W2",
                }
                columns = {f"FLUX_{b}": [float(row[f"FLUX_{b}"])] for b in names}
                columns |= {f"FLUX_IVAR_{b}": [float(row[f"FLUX_IVAR_{b}"])] for b in names}
                filters = {f"FLUX_{b}": name for b, name in names.items()}
                return columns, filters, (str(one["SPECTYPE"]), float(one["Z"])), "grzW1W2"
            for hdu in tables.values():
                if not {"CLASS", "Z"} <= set(hdu.columns.names):
                    continue
                row = hdu.data[0]
                kind = next((x for x in ("MODELFLUX", "CALIBFLUX", "SPECTROFLUX") if x in hdu.columns.names
                             and np.ravel(row[x]).any()), None)  # fmt: skip
                if kind is None:
                    continue
                value, ivar = np.ravel(row[kind]), np.ravel(row[f"{kind}_IVAR"])
                columns = {f"f_{b}": [float(value[k])] for k, b in enumerate("ugriz")}
                columns |= {f"f_{b}_ivar": [float(ivar[k])] for k, b in enumerate("ugriz")}
                filters = {f"f_{b}": f"sdss2010-{b}" for b in "ugriz"}
                return columns, filters, (str(row["CLASS"]), float(row["Z"])), kind
    except (OSError, KeyError, IndexError):
        pass
    return nothing


PARTS = {"sets": measure_sets, "prior": measure_prior, "files": measure_files}


def main():
    """Measure the parts that are asked for, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the public template sets")
    parser.add_argument("--weights")
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--templates", type=int, default=2000)
    parser.add_argument("--library", type=Path, help="folder of objects that the head was trained with, for templates")
    parser.add_argument("--faint", type=int, default=200)
    parser.add_argument("--files", type=Path, help="directory of files of DESI and SDSS")
    parser.add_argument("--keep", type=Path, help="folder for what is drawn")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore", SpectokWarning)
    _, head = load_photometry_head(args.weights)
    found = {"bins": len(LN_WAVELENGTH), "weights": Path(args.weights or "packaged").name, "objects": args.objects}
    for name in args.only:
        if name != "files" or args.files is not None:
            found[name] = PARTS[name](args, head)
            if args.json is not None:
                args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
