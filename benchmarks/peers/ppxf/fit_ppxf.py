# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fit galaxies with ppxf, in an environment of its own: ages, metallicities, attenuation and velocity dispersion.

    python benchmarks/peers/ppxf/fit_ppxf.py SPECTRA.npz TEMPLATES.npz OUT.npz

``SPECTRA`` is what ``benchmarks/galaxies.py`` writes: ``wave`` (vacuum Angstrom at rest), ``flux``, ``error``,
``resolution`` (of each pixel) and ``offsets``; ``TEMPLATES`` is the set of E-MILES populations of the training data.
Light-weighted values are means over the weights of templates that are one at 5500 Angstrom. Two fits: one with
multiplicative polynomials, for all but the attenuation, and one with dust in their place.
"""

import sys
import time
from itertools import pairwise

import numpy as np
from ppxf import ppxf_util
from ppxf.ppxf import ppxf

LIGHT_SPEED, FWHM = 299792.458, 2.0 * np.sqrt(2.0 * np.log(2.0))
#: km/s per pixel; Gaussian width of the templates; Angstrom at rest that are fitted; degree of the polynomials
SCALE, TEMPLATE_SIGMA, RANGE, DEGREE = 60.0, 63.0, (3600.0, 7400.0), 8


def read_templates(path):
    """ln(wavelength), spectra (n, templates) one at 5500 Angstrom, log10 of ages in Gyr, and metallicities."""
    data = np.load(path)
    wave, keep = data["wave"].astype(float), np.isin(data["age"], np.unique(data["age"])[::2])
    age, metal = data["age"][keep], data["feh"][keep]
    flux = np.exp(data["log_flux"][keep].astype(float))
    grid = np.arange(np.log(RANGE[0] * 0.97), np.log(RANGE[1] * 1.03), SCALE / LIGHT_SPEED)
    rows = np.array([np.interp(np.exp(grid), wave, one) for one in flux])
    middle = (np.exp(grid) > 5450) & (np.exp(grid) < 5550)
    return grid, (rows / rows[:, middle].mean(1)[:, None]).T, np.log10(age), metal


def prepare(wave, flux, error):
    """A spectrum at rest on pixels even in the logarithm: grid, flux, error and the pixels that count."""
    inside = (wave > RANGE[0]) & (wave < RANGE[1])
    wave, flux, error = wave[inside], flux[inside], error[inside]
    grid = np.arange(np.log(wave[0]), np.log(wave[-1]), SCALE / LIGHT_SPEED)
    good = np.isfinite(error) & (error > 0)
    level = np.median(flux[good])
    values = np.interp(np.exp(grid), wave[good], flux[good] / level)
    noise = np.interp(np.exp(grid), wave[good], error[good] / level)
    near = np.interp(np.exp(grid), wave, good.astype(float)) > 0.99
    return grid, values, noise, near


def fit(spectrum, templates, resolution):
    """Age, metallicity, attenuation, dispersion and its error of one galaxy."""
    grid, stars, log_age, metal = templates
    wave, flux, noise, near = prepare(*spectrum)
    # templates as sharp as the instrument at each wavelength, where that is the less sharp
    instrument = LIGHT_SPEED / FWHM / np.interp(grid, np.log(spectrum[0]), resolution)
    more = np.sqrt(np.maximum(instrument**2 - TEMPLATE_SIGMA**2, 0)) / LIGHT_SPEED
    seen = ppxf_util.varsmooth(grid, stars, more) if more.any() else stars
    pixels = ppxf_util.determine_goodpixels(wave, np.exp(grid[[0, -1]]), 0.0)
    pixels = np.intersect1d(pixels, np.flatnonzero(near))
    common = {"velscale": SCALE, "start": [0.0, 150.0], "goodpixels": pixels, "moments": 2, "quiet": True,
              "lam": np.exp(wave), "lam_temp": np.exp(grid)}  # fmt: skip
    one = ppxf(seen, flux, noise, degree=-1, mdegree=DEGREE, **common)
    weight = one.weights / one.weights.sum()
    dust = [{"start": [0.2, -0.1], "bounds": [[0, 4], [-0.4, 0.2]], "component": np.ones(seen.shape[1], bool)}]
    dust[0]["fixed"] = [False, True]
    other = ppxf(seen, flux, noise, degree=-1, mdegree=-1, dust=dust, **common)
    excess = np.sqrt(max(one.chi2, 1.0))
    return weight @ log_age, weight @ metal, other.dust[0]["sol"][0], one.sol[1], one.error[1] * excess


def main():
    spectra, templates = np.load(sys.argv[1]), read_templates(sys.argv[2])
    out, start = [], time.process_time()
    for i, (first, last) in enumerate(pairwise(spectra["offsets"])):
        wave, flux, error, resolution = (spectra[name][first:last] for name in ("wave", "flux", "error", "resolution"))
        try:
            out.append(fit([wave, flux, error], templates, resolution))
        except Exception as error:
            print(f"spectrum {i}: {type(error).__name__}: {error}", file=sys.stderr)
            out.append((np.nan,) * 5)
    names = ("age", "metallicity", "a_v", "sigma_v", "sigma_v_err")
    found = dict(zip(names, np.array(out).T, strict=True))
    np.savez(sys.argv[3], **found, seconds=time.process_time() - start)


if __name__ == "__main__":
    main()
