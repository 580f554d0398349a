# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars with known parameters: real test sets, as they are or degraded, and simulated stars."""

from dataclasses import replace

import numpy as np
import torch
from _types import read_types
from scipy.ndimage import gaussian_filter1d

from astro_spectok.simulate import STELLAR_TYPES, Randomness
from astro_spectok.simulate.instruments import Instrument
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.simulate.star_names import name_star
from astro_spectok.simulate.stellar_library import choose_left_out
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.training.observed import to_spectra

__all__ = ["LABELS", "degrade", "draw_stars", "make_instrument", "read_held_out", "read_hot_stars", "read_stars"]

LABELS = ("teff", "logg", "fe_h")
LIGHT_SPEED = 299792.458
#: pixels to a resolution element of the instruments
SAMPLING = 2.5
#: share of the pixels of an instrument that must see a star, and draws after which no more are tried
SEEN, ROUNDS = 0.6, 12
#: FWHM of MILES in Angstrom (Falcon-Barroso et al. 2011), and of a Gaussian in standard deviations
MILES_FWHM, FWHM = 2.5, 2.3548


def read_stars(path):
    """A test set of stars with their parameters.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    spectra : list of (wavelength, flux, ivar)
        As of `~astro_spectok.simulate.public_sets.load_set`.
    truth : dict of str to ndarray, shape (n,)
        ``teff`` in K, ``logg``, ``fe_h``, ``rv`` in km/s, NaN where unknown, and ``type``.
    """
    spectra, columns = load_set(path)
    n = len(spectra)
    names = {"teff": "teff", "logg": "logg", "fe_h": "feh", "rv": "rv"}
    truth = {
        name: columns[column].astype(float) if column in columns else np.full(n, np.nan)
        for name, column in names.items()
    }
    return spectra, truth | {"type": read_types(columns, np.arange(n))}


#: libraries of which stars are held out: file, and column with the names of stars
HELD_OUT = {"CFLIB": ("cflib_real_stars", "object"), "MILES": ("miles_real_stars", "origin")}
#: names of hot subdwarfs among CALSPEC's stars, and of white dwarfs with lines of hydrogen
HOT = {
    "sdB, sdO": ("bd_28d4211", "bd_75d325", "feige110", "feige34", "feige66", "feige67", "hz44"),
    "DA": ("gd50", "grw_70d5824", "hz4_", "hz43", "hz2_", "g191b2b", "wd0148", "wd0227", "wd0809", "wd1105", "wd1327",
           "wd1544", "wd1713", "wd1911", "wd1919", "wd2039", "wd2126", "wd2149", "wd2341"),
}  # fmt: skip


def read_held_out(train, name):
    """Stars of a library that validation leaves out, and their parameters as published: as of `read_stars`."""
    path, column = train / f"{HELD_OUT[name][0]}.npz", HELD_OUT[name][1]
    if not path.is_file():
        return [], {key: np.zeros(0) for key in (*LABELS, "rv", "type")}
    spectra, truth = read_stars(path)
    names = load_set(path)[1][column]
    rows = np.flatnonzero(choose_left_out([name_star(one) for one in names]))
    return [spectra[i] for i in rows], {key: x[rows] for key, x in truth.items()}


def read_hot_stars(train):
    """Spectra of CALSPEC's hot subdwarfs and white dwarfs between 3600 and 9500 Angstrom, by kind."""
    path, out = train / "calspec_real_stars.npz", {}
    if path.is_file():
        spectra, columns = load_set(path)
        for kind, names in HOT.items():
            rows = [i for i, text in enumerate(columns["id"]) if str(text).startswith(names)]
            out[kind] = [tuple(x[(spectra[i][0] > 3600) & (spectra[i][0] < 9500)] for x in spectra[i]) for i in rows]
    return out


def degrade(spectrum, resolution, snr, rng):
    """A spectrum of MILES at a lower resolving power and with noise.

    The broadening is constant in each of eight parts of the range.

    Parameters
    ----------
    spectrum : (wavelength, flux, ivar)
        On equal steps of wavelength.
    resolution : float
        Parts that are already less sharp stay as they are.
    snr : float
        Of the median of each spectrum, per pixel; the noise is the same everywhere.
    rng : `numpy.random.Generator`

    Returns
    -------
    (wavelength, flux, ivar)
    """
    wavelength, flux, ivar = (np.asarray(x, float) for x in spectrum)
    good = (ivar > 0) & np.isfinite(flux)
    filled = np.interp(wavelength, wavelength[good], flux[good])
    step, out = wavelength[1] - wavelength[0], np.empty(len(flux))
    for part in np.array_split(np.arange(len(flux)), 8):
        wanted = np.median(wavelength[part]) / resolution
        sigma = np.sqrt(max(wanted**2 - MILES_FWHM**2, 0.0)) / FWHM / step
        out[part] = (gaussian_filter1d(filled, sigma) if sigma > 0.1 else filled)[part]
    noise = np.median(out[good]) / snr
    out = out + rng.normal(0, noise, len(out))
    return wavelength, out, np.where(good, noise**-2, 0.0)


def make_instrument(low, high, resolution, name="plain"):
    """A spectrograph without faults: even pixels in ln(wavelength), one resolving power.

    Parameters
    ----------
    low, high : float
        Vacuum Angstrom.
    resolution : float
    name : str

    Returns
    -------
    `~astro_spectok.simulate.instruments.Instrument`
    """
    edges = np.exp(np.arange(np.log(low), np.log(high), 1 / (SAMPLING * resolution)))
    n = len(edges) - 1
    return Instrument(
        name=name, left=edges[:-1], right=edges[1:], resolution=np.full(n, resolution, np.float32),
        arm=np.zeros(n, np.int64), place=((np.arange(n) + 0.5) / n).astype(np.float32),
    )  # fmt: skip


def draw_stars(family, n, instrument, snr, seed, *, rotation=True, labelled=True):
    """Simulated stars through one instrument, with Gaussian noise and nothing else wrong.

    Parameters
    ----------
    family
        Draws stars, as `~astro_spectok.simulate.stars.STAR_FAMILIES` do.
    n : int
        How many are wanted; there are fewer if most of those drawn are not seen by the instrument.
    instrument : `~astro_spectok.simulate.instruments.Instrument`
    snr : float
    seed : sequence of int
    rotation : bool
        Whether they rotate.
    labelled : bool
        Whether those without temperature, gravity and [Fe/H] within the hull of real stars are left out.

    Returns
    -------
    spectra : list of (wavelength, flux, ivar)
    truth : dict of str to ndarray
        As of `read_stars`.
    """
    parts = []
    for number in range(ROUNDS):
        parts.append(_draw_once(family, n, instrument, snr, [*seed, number], rotation, labelled))
        if sum(len(spectra) for spectra, _ in parts) >= n:
            break
    spectra = [one for part, _ in parts for one in part]
    truth = {key: np.concatenate([part[key] for _, part in parts])[:n] for key in parts[0][1]}
    return spectra[:n], truth


def _draw_once(family, n, instrument, snr, seed, rotation, labelled):
    """Those of ``n`` stars that are seen and wanted."""
    random = Randomness(seed)
    objects = family.draw(n, random)
    if not rotation:
        objects = replace(objects, rotation=torch.zeros_like(objects.rotation))
    nothing = torch.full((len(objects),), torch.nan)
    label = {name: objects.labels.get(name, nothing).double().numpy() for name in LABELS}
    kept = StellarTraining.begin().hull.contains(*label.values()) if labelled else np.full(len(objects), True)
    spectra = to_spectra(observe(objects, [instrument] * len(objects), snr, random, clean=True))
    kept &= np.array([np.mean(ivar > 0) > SEEN for _, _, ivar in spectra])
    truth = {name: values[kept] for name, values in label.items()}
    truth["teff"] = 10 ** truth["teff"]
    truth["rv"] = LIGHT_SPEED * objects.z.numpy()[kept]
    types = np.array(["", *STELLAR_TYPES], "U2")[objects.stellar_type.numpy() + 1]
    return [spectra[i] for i in np.flatnonzero(kept)], truth | {"type": types[kept]}
