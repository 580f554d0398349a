"""Spectra found by photometry, and photometry by spectra, among objects that trained nothing.

    python benchmarks/align.py --data DIR [--weights NAME|PATH] [--galaxies N] [--quasars N] [--stars N] [--objects N]
                               [--decoded N] [--learned N] [--only PART ...] [--survey NAME] [--steps N] [--more N]
                               [--batch N] [--keep DIR] [--json FILE]

Spectra have a signal-to-noise ratio of 10 per pixel and the errors of calibration that surveys have; photometry 20 in
the middle band. Recall among the 1 and 10 nearest and the nearest hundredth, and the median rank, among all objects
of a class (``all``) and among the 100 of most similar redshift (``similar``). ``space`` is the shared space, in both
directions; ``untrained`` the same of a head with random parameters. ``colours`` compares photometry with the colours
of the decoded spectrum, by chi square at the noise of the photometry, ``ceiling`` with the noiseless colours of the
object itself: what photometry of that noise can say at most. Spectra look for photometry among as many objects as
``--objects`` says, those without a spectrum included; photometry looks for spectra among those there are. ``mixed``:
the distance of the shared space and chi square of decoded colours together.

``--only ceilings`` needs no weights: photometry is compared with the colours that follow from the optical spectrum of
each object without noise or errors of calibration, and its redshift, as a regression learned them from ``--learned``
other objects (``optical spectrum``), and with those that follow from the spectrum as it was observed, in coarse bins
(``observed spectrum``); ``left`` is what it leaves open in ln(flux) in each band.

``--only images`` trains image towers on simulated pairs, more than are measured, and others that look at less, all on
the same pairs in as many steps, and all from the head for photometry on. ``photometry`` knows the fluxes that are
measured on the same images, ``shapes`` also the shapes, ``images`` the pixels besides; ``true photometry`` the fluxes
that the true profile of each object has in the image (no photometry does better), ``true shapes`` also its true size,
axis ratio and bulge; ``untrained`` is an image tower with random parameters.

``--only properties``: age, metallicity, dust and redshift of galaxies (a third of ``--galaxies``; the others are
learned from) from spectra at a signal-to-noise ratio of 2 to 5, from the vectors of their photometry in ugrizJHK, and
from both, as `SpectrumRegressor` learns them; and redshifts of the estimators, where photometry is the prior.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from _across import measure_properties
from _colour_ceiling import measure_ceilings
from _image_sets import measure_images
from _photometry_sets import draw_objects, embed, find_distances, make_untrained, measure, see, true_colours
from astropy import units as u

from astro_spectok import tokenize
from astro_spectok.align.embed_photometry import load_photometry_head
from astro_spectok.align.features import SpectrumFeatures
from astro_spectok.align.filters import BANDS, find_filter
from astro_spectok.engine import Runner
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.simulate import Survey
from astro_spectok.training.observed import to_inputs, to_spectra
from astro_spectok.training.photometry_draws import FilterFluxes
from astro_spectok.training.photometry_pairs import CHUNK

SEED, SNR, RATIO = 9201, (10.0, 10.0), 20.0
SETS = ("grz", "grzW1W2", "ugriz", "ugrizJHK")
#: objects of most similar redshift among which one is looked for
SIMILAR = 100
PARTS = ("photometry", "ceilings", "images", "properties")
#: wavelengths at which decoded spectra are asked for
DECODED = np.exp(np.linspace(np.log(3000.0), np.log(24000.0), 640))
INSTRUMENTS = ("sdss", "boss", "desi")
FAMILIES = {"GALAXY": "galaxies", "QSO": "quasars", "STAR": "stars"}


def rank_own(likeness, z, rows=None):
    """Ranks of the own object (columns ``rows``) among all, and among those of similar redshift."""
    rows = np.arange(len(likeness)) if rows is None else rows
    own = likeness[np.arange(len(likeness)), rows][:, None]
    better = (likeness > own) + 0.5 * (likeness == own)
    everywhere = better.sum(1) + 0.5
    near = np.argsort(np.abs(z[None, :] - z[rows][:, None]), axis=1, kind="stable")[:, :SIMILAR]
    return {"of": likeness.shape[1], "all": everywhere, "similar": np.take_along_axis(better, near, 1).sum(1) + 0.5}


def report(rows, about, ranks):
    """Add figures of ranks to rows, and print them."""
    for among, rank in ranks.items():
        number = ranks["of"] if among == "all" else SIMILAR
        if among == "of":
            continue
        row = about | {"among": among, "recall@1": float((rank < 1.6).mean()), "recall@10": float((rank < 10.6).mean())}
        row |= {"top 1%": float((rank < 0.01 * number + 0.6).mean())}
        row |= {"median_rank": float(np.median(rank)), "n": len(rank), "of": number}
        rows.append(row)
        print(row, flush=True)


def project(head, features):
    """Vectors of spectra."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(features), CHUNK):
            out.append(head.spectrum(*features.take(np.arange(start, min(start + CHUNK, len(features))))).numpy())
    return np.concatenate(out)


def decode_colours(args, cls, n, bands, weights):
    """Fluxes in a set of bands (n, F) of the decoded spectra of the first ``n`` objects of a class."""
    survey = Survey(args.data, families=(FAMILIES[cls],), instruments=INSTRUMENTS, snr=SNR)
    spectra = []
    for k in range(-(-n // CHUNK)):
        number = min(CHUNK, args.numbers[cls] - k * CHUNK)
        for group in survey.draw(number, [SEED, k]):
            spectra += to_spectra(group.observations[0])
    tokens = tokenize(to_inputs(spectra[:n]), medium="vacuum", weights=weights, device="cpu")
    filters = np.array([find_filter(name).weigh(np.log(DECODED)) for name in BANDS[bands]])
    out = np.full((n, len(filters)), np.nan)
    for i, one in enumerate(tokens):
        if len(one):
            model = one.decode(DECODED * u.AA)
            out[i] = filters @ np.asarray(model.flux.value, float)
    return np.where(out > 0, out, np.nan)


def measure_class(args, head, runner, cls, rows):
    """All figures of one class."""
    n = args.numbers[cls]
    pairs = draw_objects(args.data, {cls: n}, SEED, runner=runner, snr=SNR, instruments=INSTRUMENTS, keep=args.keep)
    features, z, fluxes = SpectrumFeatures(pairs), pairs["z"], measure(pairs)
    whole, all_z = fluxes, z
    if args.objects > n:
        more = draw_objects(args.data, {cls: args.objects - n}, SEED + 1, instruments=INSTRUMENTS, keep=args.keep)
        whole = FilterFluxes(fluxes.names, np.concatenate([fluxes.flux, measure(more).flux]))
        all_z = np.concatenate([z, more["z"]])
    untrained = make_untrained(head.config)
    untrained.spectrum.mean.copy_(head.spectrum.mean)
    untrained.spectrum.spread.copy_(head.spectrum.spread)
    vectors = {"space": project(head, features), "untrained": project(untrained, features)}
    for bands in SETS:
        every = see(whole, bands, RATIO)
        seen = every.take(slice(0, n))
        about = {"class": cls, "bands": bands}
        for name, one in (("space", head), ("untrained", untrained)):
            among = embed(one, seen)[0] @ vectors[name].T
            report(rows, about | {"method": name, "query": "photometry"}, rank_own(among, z))
            if name == "space":
                report(
                    rows,
                    about | {"method": name, "query": "spectrum"},
                    rank_own(vectors[name] @ embed(one, every)[0].T, all_z),
                )
        ceiling = -find_distances(seen, true_colours(fluxes, bands), slack=0.02)
        report(rows, about | {"method": "ceiling", "query": "photometry"}, rank_own(ceiling, z))
        if bands == "ugrizJHK" and args.decoded:
            few = np.arange(min(args.decoded, n))
            colours = decode_colours(args, cls, len(few), bands, args.weights)
            distance = -find_distances(every, colours).T  # (few, objects): spectra look for photometry
            distance = np.where(np.isfinite(distance), distance, -1e9)
            about |= {"query": "spectrum"}
            report(rows, about | {"method": "colours"}, rank_own(distance, all_z, few))
            space = vectors["space"][few] @ embed(head, every)[0].T
            report(rows, about | {"method": "space, same queries"}, rank_own(space, all_z, few))
            mixed = space / float(head.temperature.detach().clamp(-4.6, 0).exp()) + 0.5 * np.maximum(distance, -1e3)
            report(rows, about | {"method": "mixed"}, rank_own(mixed, all_z, few))


def write(args, rows):
    """Write what was measured so far, where a file is named."""
    if args.json is not None:
        args.json.write_text(json.dumps({"weights": Path(args.weights or "packaged").name, "rows": rows}, indent=1))


def main():
    """Measure all classes and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the public template sets")
    parser.add_argument("--weights")
    parser.add_argument("--galaxies", type=int, default=1000)
    parser.add_argument("--quasars", type=int, default=1000)
    parser.add_argument("--stars", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=1000, help="among which spectra look for photometry")
    parser.add_argument("--decoded", type=int, default=200, help="spectra that are decoded for the comparison")
    parser.add_argument("--learned", type=int, default=1000, help="objects that --only ceilings learns from")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=["photometry"])
    parser.add_argument("--survey", default="legacy", help="of the images: legacy or sdss")
    parser.add_argument("--steps", type=int, default=600, help="steps in which towers of images are trained")
    parser.add_argument("--more", type=float, default=3, help="pairs that towers are trained on, over those measured")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--keep", type=Path, help="folder for what is drawn; images need one")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore", SpectokWarning)
    args.numbers = {"GALAXY": args.galaxies, "QSO": args.quasars, "STAR": args.stars}
    args.numbers, rows = {cls: number for cls, number in args.numbers.items() if number}, []
    if "images" in args.only:
        if args.keep is None:
            parser.error("--keep must name a folder for the pairs of --only images")
        measure_images(args, rows, report, rank_own, write)
    if "properties" in args.only:
        _, head = load_photometry_head(args.weights)
        measure_properties(args, head, embed, rows)
        write(args, rows)
    if "ceilings" in args.only:
        measure_ceilings(args, rows, report, rank_own, SETS, RATIO, SEED)
        write(args, rows)
    if "photometry" in args.only:
        _, head = load_photometry_head(args.weights)
        runner = Runner(args.weights, "cpu")
        for cls in args.numbers:
            measure_class(args, head, runner, cls, rows)
            write(args, rows)


if __name__ == "__main__":
    main()
