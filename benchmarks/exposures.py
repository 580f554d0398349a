# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One redshift of several faint exposures of an object, beside the best of them and their co-add.

    python benchmarks/exposures.py [--data DIR] [--weights NAME|PATH] [--n N] [--exposures K] [--snr S] [--unlike]
                                   [--json FILE]

Galaxies, quasars and stars are simulated with an instrument as SDSS has it. Each is exposed ``--exposures`` times, with
noise of its own and another scale and slope of the calibration each time. ``best`` is the exposure with the highest
signal-to-noise ratio, ``most_confident`` that with the highest ``p_best``, ``joint`` the answer for a
`~astro_spectok.spectra.SpectrumSeries`, ``coadd`` that for the mean weighted by inverse variances. With ``--unlike``
each exposure has pixels of another width, half to twice those of SDSS, and begins and ends elsewhere, with the same
noise per Angstrom; ``coadd`` is then the mean of exposures of the same ranges and the same noise on the grid of SDSS.

The JSON file holds, for each: ``right``, the share with the right class and redshift (within 0.01 for quasars, else
0.0033); ``sure``, the share with ``zwarn`` 0, and ``wrong``, how many of these are wrong; ``pull``, the scatter by the
median absolute deviation of (z - truth) over ``z_err`` of right ones, and ``error``, the median of their ``z_err``.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from _real_sets import CLASSES
from _scores import is_right
from astropy import units as u
from astropy.nddata import InverseVariance
from astropy.stats import mad_std
from robustness import FAMILIES, choose_whole, list_exposures
from specutils import Spectrum

import astro_spectok
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.simulate import Survey
from astro_spectok.spectra import SpectrumSeries

__all__ = ["add_exposures", "draw_series", "score"]

SEED = 4711
#: standard deviations of the scale of an exposure, and of its slope from end to end
SCALE, SLOPE = 0.15, 0.05
#: width of the pixels of unlike exposures over those of the instrument; most of the range in ln(wavelength) that either
#: end lacks
WIDTHS, CUT = (0.5, 2.0), 0.15
ONE = u.dimensionless_unscaled


def draw_series(data, n, exposures, snr, seed=SEED, *, unlike=False):
    """Exposures of simulated objects, and what they are.

    Parameters
    ----------
    data : path-like or None
    n, exposures : int
        Objects, and exposures of each.
    snr : float
        Median of a pixel of one exposure.
    unlike : bool, optional
        Whether exposures have grids of their own.

    Yields
    ------
    series : list of (ndarray, ndarray, ndarray)
        Wavelength, flux and inverse variance.
    alike : list of (ndarray, ndarray, ndarray)
        The same on one grid, with noise of its own where they are unlike.
    cls : str
    z : float
    """
    for f, family in enumerate(FAMILIES):
        share = n // len(FAMILIES) + (f < n % len(FAMILIES))
        groups = Survey(data, families=(family,)).draw(
            share + 6, [seed, f], instruments=[choose_whole("sdss")], snr=(snr, snr)
        )
        rng = np.random.default_rng([seed, f])
        for one, cls, z in [found for group in groups for found in list_exposures(group)][:share]:
            truth, sigma = np.asarray(one.truth, float), np.where(one.ivar > 0, one.ivar, np.nan) ** -0.5
            series, alike = [], []
            for _ in range(exposures):
                expose = rng.normal(), rng.normal(), rng
                if not unlike:
                    series.append(_expose(one.wavelength, truth, sigma, *expose))
                    continue
                first, last = one.wavelength[[0, -1]] * np.exp(rng.uniform(0, CUT, 2) * [1, -1])
                pixel = np.exp(rng.uniform(*np.log(WIDTHS)))
                # what the instrument does not see is the same for both
                seen = np.where((one.wavelength >= first) & (one.wavelength <= last), sigma, np.nan)
                alike.append(_expose(one.wavelength, truth, seen, *expose))
                series.append(_expose(*_change_pixels(one.wavelength, truth, sigma, first, last, pixel), *expose))
            yield series, alike or series, CLASSES[cls], z


def _expose(wavelength, truth, sigma, scale, slope, rng):
    """Wavelength, flux and inverse variance of an exposure; sigma is NaN where nothing is seen."""
    place = np.linspace(-0.5, 0.5, len(truth))
    curve = np.exp(SCALE * scale + SLOPE * slope * place)
    noise = rng.normal(0, 1, len(truth)) * np.nan_to_num(sigma)
    return wavelength, curve * (truth + noise), np.nan_to_num((curve * sigma) ** -2.0)


def _change_pixels(wavelength, truth, sigma, first, last, width):
    """Wavelength, flux and sigma in pixels of another width over a range, with the same noise per Angstrom."""
    step = width * np.median(np.diff(np.log(wavelength)))
    edges = np.exp(np.arange(np.log(first), np.log(last), step))
    light = np.concatenate([[0.0], np.cumsum((truth[1:] + truth[:-1]) / 2 * np.diff(wavelength))])
    middle = (edges[1:] + edges[:-1]) / 2
    flux = np.diff(np.interp(edges, wavelength, light)) / np.diff(edges)
    return middle, flux, np.interp(middle, wavelength, sigma) / np.sqrt(width)


def add_exposures(series):
    """The mean of exposures on one grid, weighted by their inverse variances, as (wavelength, flux, ivar)."""
    ivar = np.array([one[2] for one in series])
    total = ivar.sum(axis=0)
    flux = (ivar * np.array([one[1] for one in series])).sum(axis=0) / np.where(total > 0, total, 1)
    return series[0][0], flux, total


def score(rows, truth):
    """Figures of rows of (z, z_err, class, zwarn): dict."""
    z, z_err, cls, zwarn = (np.array(values) for values in zip(*rows, strict=True))
    table = {"z": z, "z_true": truth["z"], "class_true": truth["cls"], "wide": np.zeros(len(z), bool)}
    right = is_right(table) & (cls == truth["cls"])
    pulls = ((z - truth["z"]) / z_err)[right]
    return {
        "n": len(z), "right": float(right.mean()), "sure": float((zwarn == 0).mean()),
        "wrong": int((~right & (zwarn == 0)).sum()), "pull": float(mad_std(pulls)) if len(pulls) else None,
        "error": float(np.median(z_err[right])) if len(pulls) else None,
    }  # fmt: skip


def to_spectrum(one):
    """A `~specutils.Spectrum` of arrays."""
    wavelength, flux, ivar = one
    return Spectrum(spectral_axis=wavelength * u.AA, flux=flux * ONE, uncertainty=InverseVariance(ivar), mask=ivar <= 0)


def take_row(found):
    """z, z_err, class and zwarn of an estimate."""
    return float(found.z), float(found.z_err), found.spectype, int(found.zwarn)


def measure(estimator, drawn):
    """Figures of all ways by their names: dict of str to dict."""
    rows, truth = {name: [] for name in ("best", "most_confident", "joint", "coadd")}, {"cls": [], "z": []}
    for series, alike, cls, z in drawn:
        spectra = [to_spectrum(one) for one in series]
        single = [estimator.estimate(one, medium="vacuum") for one in spectra]
        rows["best"].append(take_row(max(single, key=lambda one: one.snr)))
        rows["most_confident"].append(take_row(max(single, key=lambda one: one.p_best)))
        rows["joint"].append(take_row(estimator.estimate(SpectrumSeries(spectra), medium="vacuum")))
        rows["coadd"].append(take_row(estimator.estimate(to_spectrum(add_exposures(alike)), medium="vacuum")))
        truth["cls"].append(cls), truth["z"].append(z)
    truth = {name: np.array(values) for name, values in truth.items()}
    out = {name: score(values, truth) for name, values in rows.items()}
    for cls in CLASSES:
        own = truth["cls"] == cls
        if own.any():
            part = {name: values[own] for name, values in truth.items()}
            for name, values in rows.items():
                chosen = [row for row, use in zip(values, own, strict=True) if use]
                out[f"{name}, {cls}"] = score(chosen, part)
    return out


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="directory of the template sets")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--n", type=int, default=120, help="objects (default: 120)")
    parser.add_argument("--exposures", type=int, default=4, help="of each (default: 4)")
    parser.add_argument("--snr", type=float, default=1.5, help="median per pixel of one exposure (default: 1.5)")
    parser.add_argument("--unlike", action="store_true", help="exposures have pixels and ranges of their own")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(argv)
    estimator = RedshiftEstimator(options.weights, options.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = draw_series(options.data, options.n, options.exposures, options.snr, unlike=options.unlike)
        ways = measure(estimator, drawn)
    for name, row in ways.items():
        print(name, json.dumps(row), flush=True)
    if options.json:
        about = {
            "version": astro_spectok.__version__,
            "exposures": options.exposures,
            "snr": options.snr,
            "unlike": options.unlike,
        }
        options.json.write_text(json.dumps(about | {"ways": ways}, indent=1) + "\n")


if __name__ == "__main__":
    main()
