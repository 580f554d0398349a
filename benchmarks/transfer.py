# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What labels of one's own are worth on a survey of which the packaged heads have seen no spectrum: stars like DESI's.

    python benchmarks/transfer.py --data DIR [--weights NAME|PATH] [--stars SET ...] [--labels N ...] [--seeds N]
                                  [--keep DIR] [--json FILE]

Stars with known [Fe/H], log Teff and log g that the packaged stellar head has not seen, on the pixels of DESI's blue
and red arms (0.8 Angstrom, 3600 to 7600 Angstrom), at a signal-to-noise ratio between 10 and 30: ``cflib``, those of
CFLIB that are left out of training and not in MILES; ``miles``, the test set of MILES. Some have labels (at most 85 per
cent), the others are scored: root mean square of the errors, the same of metal-poor stars (below -1), and their scatter
(1.48 times the median absolute deviation), for which hot and odd stars do not count. The rows:
``head``, the packaged stellar head as it is; ``line``, a straight line through what it says; ``no heads`` and
``linear``, the linear depth of ``astro_spectok.adapt`` without and with what heads say. All of it on the scale of the
labels, which is nearly that of the head, and on one that is stretched by 1.15 and moved by 0.15, as the scale of
another survey might be.

What is to be reached is a gain of a fifth over the packaged head in [Fe/H] with 89 labels.
"""

import argparse
import json
import pickle
from pathlib import Path

import numpy as np
import torch
from _representation_spectra import open_runner, read_spectra, spectrum
from astropy import units as u
from few_labels import READINGS, fit_reading

from astro_spectok.adapt import SpectrumSet
from astro_spectok.adapt.features import FeatureGrid, make_blocks, read_set
from astro_spectok.adapt.heads_say import list_owners, list_spreads
from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.simulate.star_names import name_star
from astro_spectok.simulate.stellar_library import choose_left_out
from astro_spectok.spectra import to_batch
from astro_spectok.utils.constants import SIGMA_PER_MAD

#: Angstrom, edges of the pixels; widest gap between those of a library that is bridged; signal-to-noise ratios
EDGES, GAP, SNR = np.arange(3600.0, 7610.0, 0.8), 5.0, (10.0, 30.0)
#: batches are per wavelength
UNIT = u.Unit("erg / (s cm2 AA)")
#: resolving power that is told; factor and offset of the other scale; below which stars are metal-poor
RESOLUTION, STRETCHED, POOR = 2000.0, (1.15, 0.15), -1.0
#: largest share of the stars that has labels
MOST = 0.85
STARS = {"cflib": "train/cflib_real_stars", "miles": "test/miles_real_stars"}
VALUES = {"feh": "fe_h", "log_teff": "teff", "logg": "logg"}
SCALES = {"own": (1.0, 0.0), "stretched": STRETCHED}


def observe(batch, i, rng):
    """One spectrum of a library on the pixels of `EDGES` with noise, as `to_batch` takes it."""
    wavelength, flux, ivar = spectrum(batch, i)
    x, flux = wavelength[ivar > 0], flux[ivar > 0].astype(float)
    centre, place = (EDGES[1:] + EDGES[:-1]) / 2, np.digitize(x, EDGES) - 1
    inside = (place >= 0) & (place < len(centre))
    count, total = (
        np.bincount(place[inside], weights=w, minlength=len(centre)) for w in (None, flux[inside])
    )  # fmt: skip
    # pixels of the library that are wider are interpolated
    mean = np.where(count > 0, total / np.maximum(count, 1), np.interp(centre, x, flux))
    after = np.searchsorted(x, centre).clip(1, len(x) - 1)
    known = (centre > x[0]) & (centre < x[-1]) & (x[after] - x[after - 1] < GAP)
    sigma = np.full(len(centre), np.median(np.abs(mean[known])) / rng.uniform(*SNR))
    noisy = np.where(known, mean + sigma * rng.normal(size=len(centre)), np.nan)
    return centre * u.AA, noisy * UNIT, sigma * UNIT


def is_wanted(columns):
    """Which stars of a library have all labels, and have trained no head."""
    wanted = np.isfinite([columns[k].astype(float) for k in ("teff", "logg", "feh")]).all(0)
    if "in_miles" in columns:
        wanted &= choose_left_out([name_star(one) for one in columns["object"]]) & ~columns["in_miles"]
    return wanted


def read_stars(name, data, runner, folder, seed=0):
    """Blocks of features, what the head says, and labels of the stars of a set that the head measures."""
    kept = None if folder is None else folder / f"transfer-{runner.loaded.sha256[:12]}-{name}.pkl"
    if kept is not None and kept.is_file():
        return pickle.loads(kept.read_bytes())
    where, library = STARS[name].split("/")
    batch, columns = read_spectra(data / where, library, rows=is_wanted)
    rng = np.random.default_rng([seed, 31])
    seen = to_batch([observe(batch, i, rng) for i in range(len(batch))], medium="vacuum", resolution=RESOLUTION)
    said = StellarParameterEstimator(runner.loaded.path, "cpu", assume_star=True).estimate(seen, progress=False)
    said = {name: np.array(said[column].value, float) for name, column in VALUES.items()}
    seen, readings, _, _ = read_set(SpectrumSet(seen), runner, "observed", heads=True, progress=False)
    blocks, _ = make_blocks(seen, readings, FeatureGrid.of_batch(seen, "observed"), heads=True)
    true = {name: columns[column].astype(float) for name, column in zip(VALUES, ("feh", "teff", "logg"), strict=True)}
    for values in (said, true):
        values["log_teff"] = np.log10(values["log_teff"])
    good = np.isfinite(said["feh"]) & np.isfinite(said["log_teff"]) & np.isfinite(said["logg"])
    stars = [{k: x[good] for k, x in one.items()} for one in (blocks, said, true)]
    stars.append((list_spreads(runner.network), list_owners(runner.network)))
    if kept is not None:
        kept.write_bytes(pickle.dumps(stars))
    return stars


def draw(stars, label, scale, chosen, scored):
    """Errors of each reading for the scored stars: dict of ndarray."""
    blocks, said, true, about = stars
    factor, offset = SCALES[scale]
    y, head = factor * true[label] + offset, said[label]
    design = np.stack([np.ones(len(head)), head], 1)
    found = {"head": head[scored]}
    found["line"] = (design @ np.linalg.lstsq(design[chosen], y[chosen], rcond=None)[0])[scored]
    for name in ("no heads", "linear"):
        made = fit_reading((blocks, blocks), READINGS[name][1], chosen, scored, y[chosen, None], False, about)
        found[name] = made[:, 0]
    return {name: x - y[scored] for name, x in found.items()}


def measure(name, stars, numbers, seeds):
    """Rows by number of labels, label and scale: root mean squares of all draws together, and of each."""
    rows, n = [], len(stars[2]["feh"])
    for number in numbers:
        for label in VALUES:
            for scale in SCALES if label == "feh" else ["own"]:
                errors, poor = {}, []
                for seed in range(seeds):
                    order = np.random.default_rng([seed, 17]).permutation(n)
                    chosen, scored = order[:number], order[number:]
                    for reading, values in draw(stars, label, scale, chosen, scored).items():
                        errors.setdefault(reading, []).append(values)
                    poor.append(stars[2]["feh"][scored] < POOR)
                row = {"stars": name, "label": label, "scale": scale, "labels": number, "n": n, "seeds": seeds}
                row["n_poor"] = int((stars[2]["feh"] < POOR).sum())
                for reading, parts in errors.items():
                    both = np.concatenate(parts), np.concatenate(parts)[np.concatenate(poor)]
                    row[reading], row[f"{reading}, poor"] = (_rms(x) for x in both)
                    row[f"{reading}, draws"] = [_rms(x) for x in parts]
                    middle = np.abs(both[0] - np.median(both[0]))
                    row[f"{reading}, scatter"] = SIGMA_PER_MAD * float(np.median(middle))
                rows.append(row)
                print_row(row)
    return rows


def _rms(values):
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")


def print_row(row):
    """One row as it comes, with the gain over the head."""
    cells = [
        f"{key} {row[key]:.3f} ({100 * (1 - row[key] / row['head']):+.0f} %, "
        f"poor {row[f'{key}, poor']:.3f}, scatter {row[f'{key}, scatter']:.3f})"
        for key in ("head", "line", "no heads", "linear")
    ]
    print(
        f"{row['label']} ({row['stars']}, {row['labels']} of {row['n']}, {row['scale']})", *cells, sep="  ", flush=True
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory that holds train and test")
    parser.add_argument("--weights", help="name or path (default: the packaged set)")
    parser.add_argument("--stars", nargs="+", choices=STARS, default=list(STARS))
    parser.add_argument("--labels", nargs="+", type=int, default=[30, 89], metavar="N")
    parser.add_argument("--seeds", type=int, default=8, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder for what networks make of the stars")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runner = open_runner(options.weights)
    print(f"{runner.loaded.name} ({runner.loaded.sha256[:12]})", flush=True)
    rows = []
    for name in options.stars:
        stars = read_stars(name, options.data, runner, options.keep)
        most = int(MOST * len(stars[2]["feh"]))
        rows += measure(name, stars, [min(number, most) for number in options.labels], options.seeds)
    if options.json:
        content = {"weights": runner.loaded.name, "sha256": runner.loaded.sha256, "rows": rows}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
