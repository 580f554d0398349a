# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which spectra both fit: on one grid, and each on its own."""

from dataclasses import dataclass, replace

import numpy as np
from _simulated import clean_groups

from astro_spectok.simulate import CLASSES, Survey
from astro_spectok.simulate.instruments import choose_instrument
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.training.observed import to_spectra

__all__ = ["FitSet", "draw_native", "read_common"]

#: vacuum Angstrom within which every template of redrock covers every pixel at each of its redshifts; redrock's own
#: reader of BOSS spectra ends at the same place
RANGE = (3560.0, 10000.0)
#: surveys whose spectra redrock could be given: calibrated flux on one stretch of pixels
INSTRUMENTS = ("sdss", "boss", "desi", "lamost_lrs", "aaomega", "muse")
FEWEST_PIXELS = 1000
SNR = (3.0, 20.0)
SEED = 1031
#: redshifts that redrock looks for, by class
REDSHIFTS = {"GALAXY": (-0.004, 1.69), "QSO": (0.06, 6.9), "STAR": (-0.0019, 0.0019)}
#: kinds of stars that redrock has templates of
STARS = {"B", "A", "F", "G", "K", "M", "white dwarf", "CV"}
FWHM = 2.3548


@dataclass(frozen=True)
class FitSet:
    """Spectra and what is true of them.

    Attributes
    ----------
    name : str
    spectra : list of tuple of ndarray
        As `_exchange.save_spectra` takes them.
    truth : dict of str to ndarray, shape (n,)
        ``class_true``, ``z_true``, ``snr``, and ``row`` in the set they are from.
    one_grid : bool
    """

    name: str
    spectra: list
    truth: dict
    one_grid: bool


def read_common(path, n):
    """Spectra of ``sim_redrock``, on one grid, chosen at random.

    Parameters
    ----------
    path : `~pathlib.Path`
    n : int

    Returns
    -------
    FitSet
    """
    spectra, columns = load_set(path)
    with np.load(path) as data:
        sigma = measure_lsf(data["Rdata"])
    rows = np.sort(np.random.default_rng(SEED).permutation(len(spectra))[:n])
    kept = slice(*np.searchsorted(spectra[0][0], RANGE))
    chosen = [tuple(x[kept] for x in spectra[i]) for i in rows]
    chosen = [(*s, np.full(len(s[0]), sigma)) for s in chosen]
    truth = {"class_true": columns["cls"][rows], "z_true": columns["z_true"][rows], "snr": columns["sn"][rows]}
    return FitSet("one grid", chosen, truth | {"row": rows}, one_grid=True)


def measure_lsf(diagonals):
    """Standard deviation in pixels of a Gaussian from the diagonals of its resolution matrix, (2 k + 1, n)."""
    middle = len(diagonals) // 2
    beside = 0.5 * (diagonals[middle - 1] + diagonals[middle + 1])
    return float(np.median(np.sqrt(0.5 / np.log(diagonals[middle] / beside))))


def draw_native(sets, n):
    """Simulated spectra of several surveys, each on a grid of its own, with Gaussian noise as stated.

    Only what redrock has templates of: its classes, redshifts and kinds of stars.

    Parameters
    ----------
    sets : `~pathlib.Path`
        Directory of the template sets.
    n : int

    Returns
    -------
    FitSet
    """
    survey = Survey(sets, families=("galaxies", "quasars", "stars"))
    found, turn = [], 0
    while len(found) < n:
        groups = survey.draw(2 * n, [SEED, turn], instruments=[choose_calibrated], snr=SNR)
        for group in clean_groups(groups, [SEED, turn, 1]):
            found += list_known(group)
        turn += 1
    # families come one after another
    order = np.random.default_rng(SEED).permutation(len(found))[:n]
    spectra, truth = zip(*(found[i] for i in order), strict=True)
    truth = {key: np.array([one[key] for one in truth]) for key in truth[0]}
    return FitSet("grids of their own", list(spectra), truth | {"row": np.arange(n)}, one_grid=False)


def choose_calibrated(rng, low, high, max_pixels):
    """An instrument of `INSTRUMENTS` that gives calibrated flux and errors, within `RANGE`; None if none sees it."""
    made = choose_instrument(rng, low, high, max_pixels, INSTRUMENTS)
    if made is None:
        return None
    inside = np.flatnonzero((made.left > RANGE[0]) & (made.right < RANGE[1]))
    if len(inside) < FEWEST_PIXELS:
        return None
    made = made.crop(inside[0], inside[-1] + 1)
    return replace(made, calibrated=True, normalised=False, has_errors=True, smoothed=0.0)


def list_known(group):
    """Spectrum and truth of each object of a group that redrock has templates of."""
    objects, out = group.objects, []
    rows = zip(to_spectra(group.observations[0]), group.instruments[0], strict=True)
    for i, ((wave, flux, ivar), instrument) in enumerate(rows):
        name, z = CLASSES[int(objects.cls[i])], float(objects.z[i])
        low, high = REDSHIFTS[name]
        if not low < z < high or (name == "STAR" and objects.kind[i] not in STARS):
            continue
        # the width of the pixel, which redrock integrates over, is part of the simulator's resolving power
        width = wave / instrument.resolution / FWHM / (instrument.right - instrument.left)
        lsf = np.sqrt(np.maximum(width**2 - 1 / 12, 0.1))
        truth = {"class_true": name, "z_true": z, "snr": float(group.snr[0][i])}
        out.append(((wave, flux, ivar, lsf), truth))
    return out
