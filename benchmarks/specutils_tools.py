# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What specutils' own tools make of the spectra that ``redrock/compare.py`` gives to redrock and to us.

    python benchmarks/specutils_tools.py --data DIR [--train DIR] [-n N] [--json FILE]

``--data`` is the directory of the test sets, of which ``sim_redrock`` is read; ``--train`` that of the template sets
(``train`` beside it if not given), of which the templates of Marz are. specutils has no templates of its own, and its
tools compare a spectrum with one template. As a help they are given the class, and a redshift within 0.02 (1 + z)
of the true one, and get the best of all templates of that class.

``template_redshift`` tries redshifts in steps of 2.5e-4 (1 + z), with linear interpolation (its default, which
conserves flux, takes 25 times as long). ``template_correlate`` is given the spectrum and the template without their
continuum, as ``fit_generic_continuum`` finds it, uses FFT, and answers with the lag of its highest value within that
range. CPU time counts all of that, on one thread.

The JSON file holds ``specutils`` (version), ``name``, ``n`` and ``tools``, each with ``tool, given, n, class_right``
(null: it was given), ``within_0033, median_abs_dv, by_class`` and ``per_second``.
"""

import argparse
import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent / "redrock"))

from _spectra_to_fit import read_common
from astropy import log
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from astropy.utils.exceptions import AstropyUserWarning
from specutils import Spectrum
from specutils.analysis import template_correlate, template_redshift
from specutils.fitting import fit_generic_continuum

from astro_spectok.spectra import convert_to_vacuum

SPEED_OF_LIGHT = 299792.458
#: how well the redshift is known beforehand, and the steps in which it is sought, in units of 1 + z
WINDOW, STEP = 0.02, 2.5e-4
#: the set of templates, and what the names of those begin with that are no spectra
TEMPLATES, NOT_SPECTRA = "marz_redshift_templates.npz", "EIGENVECTOR"
GIVEN = "class, z within 0.02 (1 + z)"


def read_templates(path):
    """Templates of Marz by class: lists of `~specutils.Spectrum` in vacuum, at rest."""
    found = {}
    with np.load(path) as data:
        offsets = data["offsets"]
        for i, name in enumerate(data["sptype"]):
            if str(name).startswith(NOT_SPECTRA):
                continue
            pixels = slice(offsets[i], offsets[i + 1])
            wave, flux = data["wave"][pixels].astype(float), data["flux"][pixels].astype(float)
            if str(data["origin"][i]).endswith("AIR"):
                wave = convert_to_vacuum(wave)
            found.setdefault(str(data["cls"][i]), []).append(_make_spectrum(wave, flux, np.full(len(flux), flux.std())))
    return found


def _make_spectrum(wave, flux, sigma):
    return Spectrum(flux=flux * u.Jy, spectral_axis=wave * u.AA, uncertainty=StdDevUncertainty(sigma))


def to_specutils(spectrum):
    """A spectrum of ``read_common`` without its bad pixels, which the tools do not pass over."""
    wave, flux, ivar, _ = spectrum
    good = ivar > 0
    return _make_spectrum(wave[good], flux[good], ivar[good] ** -0.5)


def find_by_chi2(spectrum, templates, z_known):
    """Redshift of lowest chi2 over templates and redshifts."""
    tried = z_known + np.arange(-WINDOW, WINDOW + STEP, STEP) * (1 + z_known)
    answers = [
        template_redshift(spectrum, template, redshift=tried, resample_method="linear_interpolated")
        for template in templates
    ]
    best = min((answer for answer in answers if answer[3] is not None), key=lambda answer: answer[3], default=None)
    return np.nan if best is None else float(best[1])


def find_by_correlation(spectrum, templates, z_known):
    """Redshift of the highest correlation over templates, each divided by its own scatter."""
    flat = spectrum - fit_generic_continuum(spectrum)(spectrum.spectral_axis)
    best = (-np.inf, np.nan)
    for template in templates:
        still = template - fit_generic_continuum(template)(template.spectral_axis)
        values, lags = template_correlate(flat, still, lag_units=u.one, method="FFT")
        inside = np.abs(lags.value - z_known) <= WINDOW * (1 + z_known)
        if inside.any():
            k = np.argmax(np.where(inside, values.value, -np.inf))
            best = max(best, (values.value[k] / np.std(values.value), float(lags.value[k])))
    return best[1]


TOOLS = {"template_redshift": find_by_chi2, "template_correlate": find_by_correlation}


def score_tool(find, spectra, truth, templates, rng):
    """Run one tool on all spectra and score it, ready for JSON."""
    started, found = time.process_time(), []
    for spectrum, name, z in zip(spectra, truth["class_true"], truth["z_true"], strict=True):
        # what is known beforehand is not the truth itself, nor a step of the grid from it
        known = z + 0.8 * WINDOW * rng.uniform(-1, 1) * (1 + z)
        found.append(find(spectrum, templates[str(name)], known))
    seconds = time.process_time() - started
    dv = SPEED_OF_LIGHT * np.abs(np.array(found) - truth["z_true"]) / (1 + truth["z_true"])
    dv = np.where(np.isfinite(dv), dv, SPEED_OF_LIGHT)
    by_class = {
        str(name): {"n": int(np.sum(truth["class_true"] == name)),
                    "median_abs_dv": float(np.median(dv[truth["class_true"] == name]))}
        for name in np.unique(truth["class_true"])
    }  # fmt: skip
    return {
        "n": len(found), "class_right": None, "within_0033": float(np.mean(dv < 0.0033 * SPEED_OF_LIGHT)),
        "median_abs_dv": float(np.median(dv)), "by_class": by_class, "per_second": len(found) / seconds,
    }  # fmt: skip


def run_tools(options, report):
    """All figures, ready for JSON."""
    common = read_common(options.data / "sim_redrock.npz", options.n)
    templates = read_templates((options.train or options.data.parent / "train") / TEMPLATES)
    spectra = [to_specutils(spectrum) for spectrum in common.spectra]
    result = {"specutils": version("specutils"), "name": common.name, "n": len(spectra), "tools": []}
    for tool, find in TOOLS.items():
        with warnings.catch_warnings():
            # of models that are linear, of templates that do not reach all of a spectrum, of 0 / 0 where they end
            for category in (AstropyUserWarning, UserWarning, RuntimeWarning):
                warnings.simplefilter("ignore", category)
            found = score_tool(find, spectra, common.truth, templates, np.random.default_rng(7))
        result["tools"].append({"tool": tool, "given": GIVEN} | found)
        by_class = ", ".join(f"{name} {part['median_abs_dv']:.0f}" for name, part in found["by_class"].items())
        report(f"{tool}: {found['within_0033']:.3f} within 0.0033, km/s {by_class}; {found['per_second']:.2f} a second")
    return result


def main():
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory of the test sets")
    parser.add_argument("--train", type=Path, help="directory of the template sets (default: beside --data)")
    parser.add_argument("-n", type=int, default=32, help="spectra (default: 32)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    log.setLevel("WARNING")  # remarks of astropy on every template that is resampled
    result = run_tools(options, lambda line: print(line, flush=True))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
