# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reconstruction of real spectra: the network against PCA and against the spectrum's own smoothed self.

    python benchmarks/reconstruction.py --test DIR --train DIR [--weights NAME|PATH] [--json FILE]

For each test set the median over its spectra of

- chi2: mean over good pixels of (flux - model)**2 * ivar, all pixels shown to the model;
- held out: the same on every tenth good pixel, hidden from the model;
- R2: 1 - sum(ivar (flux - model)**2) / sum(ivar (flux - mean)**2);
- 1 sigma: share of the hidden pixels within the error of pixel and model together, 0.68 when both are right.

``net`` is the network; ``smooth`` an inverse-variance-weighted Gaussian smoothing of the spectrum with as many degrees
of freedom as the network used on it; ``pca`` an inverse-variance-weighted fit of the mean and 50 principal components
of the training spectra on the set's own range. The degrees of freedom of the network are generalised ones (Ye 1998,
JASA 93, 120): the sum of d model / d flux, estimated with one random perturbation of half a sigma.
Sets without errors are scored with errors estimated from their own scatter (marked *).
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np
from _test_sets import SETS, SNR_EDGES, Pca, read_set, smooth
from astropy import units as u

from astro_spectok.engine import Runner
from astro_spectok.spectra import to_batch
from astro_spectok.training.corpus import Corpus

HELD_OUT = 10


def model_spectra(runner, spectra, medium):
    """The network's model of each spectrum on its own pixels (as sorted by `to_batch`)."""
    batch = to_batch(
        [(w * u.AA, f * u.dimensionless_unscaled, s * u.dimensionless_unscaled) for w, f, s, *_ in spectra],
        medium=medium,
    )
    out = [None] * len(batch)
    for i, e in runner.encode(batch, progress=False):
        ln_wavelength = np.log(batch.wavelength[batch.grid(i)])
        flux, sigma = runner.decode(e.values, e.geometry, e.good, ln_wavelength)
        out[i] = flux * e.scale, sigma * e.scale
    return out


def score(flux, ivar, model, pixels):
    """Mean chi2 and inverse-variance-weighted R2 over ``pixels``."""
    f, w, m = flux[pixels], ivar[pixels], model[pixels]
    mean = np.sum(w * f) / np.sum(w)
    return np.mean(w * (f - m) ** 2), 1 - np.sum(w * (f - m) ** 2) / np.sum(w * (f - mean) ** 2)


def run_set(name, spectra, medium, runner, corpus, rng):
    """Median figures of one set."""
    hidden, noisy, masks, noise = [], [], [], []
    for w, f, s, _ in spectra:
        good = np.isfinite(s)
        held = np.zeros(len(f), bool)
        held[np.flatnonzero(good)[rng.integers(HELD_OUT) :: HELD_OUT]] = True
        hidden.append((w, f, np.where(held, np.inf, s)))
        masks.append((good, held))
        noise.append(rng.normal(size=len(f)))
        noisy.append((w, f + np.where(good, 0.5 * s * noise[-1], 0), s))
    full, part, moved = (model_spectra(runner, x, medium) for x in (spectra, hidden, noisy))
    starts, ends = [x[0][0] for x in spectra], [x[0][-1] for x in spectra]
    low, high = np.percentile(starts, 90), np.percentile(ends, 10)
    pca = Pca(corpus, low, high, int(np.median([len(x[0]) for x in spectra])), rng) if high > 1.05 * low else None
    rows, groups = [], []
    for k, (w, f, s, spectype) in enumerate(spectra):
        if any(x[k] is None for x in (full, part, moved)) or len(full[k][0]) != len(f):
            continue
        good, held = masks[k]
        ivar = np.where(good, s**-2.0, 0)
        inside = good & (w >= low) & (w <= high) if pca else good
        if np.count_nonzero(inside & held) < 10:
            continue
        freedom = np.sum((noise[k] * (moved[k][0] - full[k][0]) / (0.5 * s))[good])
        freedom = float(np.clip(freedom, 2, 0.9 * np.count_nonzero(good)))
        models = {"net": (full[k][0], part[k][0])}
        shown = np.where(held, 0, ivar)
        models["smooth"] = (smooth(f, ivar, freedom), smooth(f, shown, freedom))
        if pca and pca.basis is not None:
            fitted = np.full((2, len(f)), np.nan)
            for row, weight in zip(fitted, (ivar, shown), strict=True):
                row[inside] = pca.fit(np.log(w[inside]), f[inside], weight[inside])
            models["pca"] = tuple(fitted)
        out = inside & held
        near = np.abs(f - part[k][0])[out] < np.hypot(s, part[k][1])[out]
        row = {"freedom": freedom, "pixels": np.count_nonzero(good), "covered": float(np.mean(near))}
        groups.append((spectype, float(np.median(f[good] / s[good]))))
        for method, (all_model, part_model) in models.items():
            row[f"chi2_{method}"], row[f"r2_{method}"] = score(f, ivar, all_model, inside)
            row[f"held_{method}"], row[f"held_r2_{method}"] = score(f, ivar, part_model, out)
        rows.append(row)
    result = {"set": name, "n_pca": pca.n_training if pca else 0} | take_medians(rows)
    return result | {"groups": group_rows(rows, groups)}


def take_medians(rows):
    """Number of rows and the median of each figure."""
    keys = sorted({key for row in rows for key in row})
    return {"n": len(rows)} | {key: float(np.median([row[key] for row in rows if key in row])) for key in keys}


def group_rows(rows, groups):
    """Medians by class and signal-to-noise ratio per pixel."""
    out = []
    for spectype in sorted({g[0] for g in groups}):
        for low, high in itertools.pairwise(SNR_EDGES):
            members = [r for r, (c, snr) in zip(rows, groups, strict=True) if c == spectype and low <= snr < high]
            if members:
                out.append({"class": spectype, "snr_low": low, "snr_high": high} | take_medians(members))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", required=True, type=Path, help="directory of the test sets")
    parser.add_argument("--train", required=True, type=Path, help="directory of the training sets, for the PCA")
    parser.add_argument("--weights")
    parser.add_argument("--limit", type=int, default=60, help="spectra per set (default: 60)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    runner, corpus = Runner(args.weights), Corpus(args.train)
    head = f"{'set':18s}{'n':>4s}{'dof':>6s}{'px':>6s} |" + "".join(
        f"{m + ' ' + x:>15s}" for x in ("chi2", "held out", "R2") for m in ("net", "smooth", "pca")
    )
    print(head + "  1 sigma")
    results = []
    for name, medium in SETS.items():
        path = args.test / f"{name}.npz"
        if not path.is_file():
            continue
        rng = np.random.default_rng(7)
        spectra, estimated = read_set(path, args.limit, rng)
        result = run_set(name, spectra, medium, runner, corpus, rng) | {"errors_estimated": estimated}
        results.append(result)
        cells = "".join(
            f"{result.get(f'{x}_{m}', np.nan):15.3f}" for x in ("chi2", "held", "r2") for m in ("net", "smooth", "pca")
        )
        start = f"{name + '*' * estimated:18s}{result['n']:4d}{result['freedom']:6.0f}{result['pixels']:6.0f} |"
        print(f"{start}{cells}{result['covered']:9.2f}")
        sys.stdout.flush()
    if args.json:
        content = {"weights": runner.loaded.name, "sha256": runner.loaded.sha256, "sets": results}
        args.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
