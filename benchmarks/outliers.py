# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How well `~astro_spectok.adapt.outlier_score` tells odd spectra from usual ones, on real spectra of SDSS and BOSS.

    python benchmarks/outliers.py --data DIR [--weights NAME|PATH] [--number N] [--json FILE]

``--data`` is the folder of the test sets. Two thirds of the galaxies, quasars and stars are the archive, the others
usual; odd are the usual ones after something was done to them: a line 1.5e-3 wide in ln(wavelength) added at random,
with a peak of 0.8 or 0.3 of the median flux; the flux beyond 6000 Angstrom times 1.4, as after a wrong join of two
arms; or another spectrum added, as light. Given for each score is the chance that an odd spectrum has more of it than
a usual one: 0.5 says nothing, 1 everything. ``pixel`` is the largest deviation of single pixels from a running median
of 51, in units of their errors, as a simple rival. ``place`` is the share of added lines within 1 % of
``odd_wavelength``.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from scipy.ndimage import median_filter, uniform_filter1d
from series import to_spectrum

import astro_spectok
from astro_spectok.adapt import SpectrumIndex, outlier_score
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.weights import load_weights

SETS, SEED = ("sdss_more_real", "sdss_boss_real"), 4
#: range that lines are added in, Angstrom, and their width in ln(wavelength)
PLACES, WIDTH = (4500.0, 8000.0), 0.0015
#: where arms are joined, Angstrom, and by what factor wrongly
JOINT, FACTOR = 6000.0, 1.4
SCORES = ("distance", "surprise", "odd_sigma", "pixel")


def add_line(one, centre, peak):
    """The spectrum (wavelength, flux, ivar) with a line of a peak over its median flux."""
    wavelength, flux, ivar = one
    profile = np.exp(-0.5 * ((np.log(wavelength) - np.log(centre)) / WIDTH) ** 2)
    return wavelength, flux + peak * np.median(np.abs(flux)) * profile, ivar


def join_wrongly(one):
    """The spectrum with its red arm too bright."""
    wavelength, flux, ivar = one
    factor = np.where(wavelength > JOINT, FACTOR, 1.0)
    return wavelength, flux * factor, ivar / factor**2


def add_spectra(one, other):
    """The spectrum with as much light of another."""
    wavelength, flux, ivar = one
    light = np.interp(wavelength, other[0], other[1])
    return wavelength, flux + light * np.median(np.abs(flux)) / max(np.median(np.abs(light)), 1e-30), ivar


def find_pixel(one):
    """Largest deviation of nine pixels from a running median, in units of their error."""
    _, flux, ivar = one
    off = (flux - median_filter(flux, 51)) * np.sqrt(ivar)
    return float(np.abs(3 * uniform_filter1d(off, 9)).max())


def find_chance(odd, usual):
    """Chance that one of the first is larger than one of the second."""
    odd, usual = (x[np.isfinite(x)] for x in (odd, usual))
    return float(((odd[:, None] > usual) + 0.5 * (odd[:, None] == usual)).mean())


def make_sets(usual, rng):
    """Odd spectra by what was done to them, and where lines were added: dict of str to (list, ndarray or None)."""
    centres = rng.uniform(*PLACES, len(usual))
    lines = {
        f"a line of {peak:g}": ([add_line(*pair, peak) for pair in zip(usual, centres, strict=True)], centres)
        for peak in (0.8, 0.3)
    }
    others = usual[7:] + usual[:7]
    return lines | {
        "a wrong join of arms": ([join_wrongly(one) for one in usual], None),
        "light of another object": ([add_spectra(*pair) for pair in zip(usual, others, strict=True)], None),
    }


def measure(spectra, index, weights):
    """Scores of some spectra: dict of str to ndarray."""
    table = outlier_score([to_spectrum(*one) for one in spectra], index, weights=weights, device="cpu").table
    out = {name: np.abs(np.asarray(table[name], float)) for name in SCORES[:3]}
    out["place"] = table["odd_wavelength"].to_value(u.AA)
    return out | {"pixel": np.array([find_pixel(one) for one in spectra])}


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the test sets")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--number", type=int, help="most spectra (default: all)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore", SpectokWarning)
    rng = np.random.default_rng(SEED)
    spectra = [one for name in SETS for one in load_set(options.data / f"{name}.npz")[0]]
    order = rng.permutation(len(spectra))[: options.number]
    known, usual = ([spectra[i] for i in part] for part in np.split(order, [2 * len(order) // 3]))
    index = SpectrumIndex([to_spectrum(*one) for one in known], weights=options.weights, device="cpu")
    before, rows = measure(usual, index, options.weights), []
    for name, (odd, centres) in make_sets(usual, rng).items():
        after = measure(odd, index, options.weights)
        row = {"done": name, "n": len(odd)} | {score: find_chance(after[score], before[score]) for score in SCORES}
        if centres is not None:
            row["place"] = float((np.abs(after["place"] / centres - 1) < 0.01).mean())
        rows.append(row)
        print(row, flush=True)
    if options.json:
        about = {"version": astro_spectok.__version__, "sha256": load_weights(options.weights or "small").sha256}
        options.json.write_text(json.dumps(about | {"archive": len(known), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
