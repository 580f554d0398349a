# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra of what is in none of the classes: real supernovae, also faint and in hosts, and noise, red or white."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from astro_spectok.simulate.templates import TemplateStore

__all__ = ["SUPERNOVAE", "draw_strange"]

#: public sets of real supernovae, those that there are
SUPERNOVAE = ("sn_superfit_real", "snid_sesne_real", "osc_pre1990_real", "deepsip_snia_real")
#: host galaxies
HOSTS = "emiles_ssp"
#: shares that are red noise, and white noise on a continuum without lines; that of supernovae that are as they were
#: observed
RED, FEATURELESS, AS_OBSERVED = 0.12, 0.25, 0.3
#: ranges that are drawn from: redshift, share of light of the supernova, S/N per pixel, all even in the logarithm but
#: the second
REDSHIFT, SHARE, SNR = (0.005, 0.5), (0.1, 1.0), (0.8, 60.0)
#: observed range in Angstrom, and widths of pixels
RANGE, PIXELS = (3600.0, 9000.0), (1.0, 1.0, 2.0, 4.0)
#: least ratio of the ends of a spectrum; fewest pixels of a supernova
LEAST_RATIO, FEWEST = 1.35, 100
#: of red noise: pixels, width over which it is smoothed, amplitude over the level, white noise over that
RED_PIXELS, RED_WIDTH, RED_AMPLITUDE, WHITE = (300, 4000), (3.0, 300.0), (0.02, 0.5), (0.02, 1.0)
#: of continua without lines: powers of the wavelength that are added up, and logarithm of the share of a second one
POWERS, SECOND = (-4.0, 4.0), (-3.0, 0.0)


def draw_strange(data, n, seed):
    """Spectra of strange objects, with what would be right.

    Parameters
    ----------
    data : path-like or None
        Directory of the public sets.
    n : int
    seed : int or sequence of int

    Returns
    -------
    list of (wavelength, flux, ivar, cls, z)
        Of a supernova what is right is the galaxy that it is in: ``cls`` is 'GALAXY'; '' for noise, of which nothing is
        right. Empty without any set of supernovae.

    Examples
    --------
    >>> from astro_spectok.training.strange_objects import draw_strange
    >>> draw_strange(None, 10, 1)
    []
    """
    store, rng = TemplateStore(data), np.random.default_rng(seed)
    known = [one for name in SUPERNOVAE if store.has(name) for one in _read(store.read(name))]
    if not known:
        return []
    hosts = None
    if store.has(HOSTS):
        arrays = store.read(HOSTS)
        hosts = np.asarray(arrays["wave"], np.float64), arrays["log_flux"]
    out = []
    while len(out) < n:
        if (kind := rng.random()) < RED + FEATURELESS:
            out.append(_draw_red_noise(rng) if kind < RED else _draw_featureless(rng))
            continue
        one = known[rng.integers(len(known))]
        drawn = (*one[:2], np.ones(len(one[0])), "GALAXY", one[2]) if rng.random() < AS_OBSERVED else None
        drawn = drawn or _draw_supernova(one, hosts, rng)
        if drawn is not None:
            out.append(drawn)
    return out


def _read(arrays):
    """Wavelength, flux and redshift of the supernovae of a set, as observed."""
    out, offsets = [], arrays["offsets"]
    for i in np.flatnonzero(arrays["cls"] == "SN").tolist():
        pixels = slice(int(offsets[i]), int(offsets[i + 1]))
        wavelength, flux, ivar = (np.asarray(arrays[name][pixels], np.float64) for name in ("wave", "flux", "ivar"))
        good = (ivar > 0) & np.isfinite(flux)
        if np.count_nonzero(good) >= FEWEST and np.median(flux[good]) > 0 and (np.diff(wavelength[good]) > 0).all():
            out.append((wavelength[good], flux[good], float(np.nan_to_num(arrays["z"][i]))))
    return out


def _draw_supernova(one, hosts, rng):
    """A supernova at some redshift, in a host, with noise; None where too little of it is seen."""
    wavelength, flux, z = one
    rest = wavelength / (1 + z)
    z = float(np.exp(rng.uniform(*np.log(REDSHIFT))))
    first, last = max(RANGE[0], rest[0] * (1 + z)), min(RANGE[1], rest[-1] * (1 + z))
    if last < LEAST_RATIO * first:
        return None
    seen = np.arange(first, last, rng.choice(PIXELS))
    flux = np.interp(seen, rest * (1 + z), flux)
    share, snr = rng.uniform(*SHARE), float(np.exp(rng.uniform(*np.log(SNR))))
    flux = share * flux / max(np.median(flux), 1e-30)
    if hosts is not None:
        host = np.exp(np.interp(seen, hosts[0] * (1 + z), hosts[1][rng.integers(len(hosts[1]))]))
        flux = flux + (1 - share) * host / np.median(host)
    return seen, flux + rng.normal(0, 1 / snr, len(seen)), np.full(len(seen), snr**2), "GALAXY", z


def _draw_axis(rng):
    """Wavelengths in Angstrom, evenly spaced, anywhere."""
    first = np.exp(rng.uniform(np.log(1200), np.log(9000)))
    return np.linspace(first, first * rng.uniform(1.2, 2.5), int(rng.integers(*RED_PIXELS)))


def _draw_featureless(rng):
    """White noise with true errors on a level, or on powers of the wavelength."""
    seen, snr = _draw_axis(rng), float(np.exp(rng.uniform(*np.log(SNR))))
    x = seen / np.sqrt(seen[0] * seen[-1])
    flux = x ** rng.uniform(*POWERS) + np.exp(rng.uniform(*SECOND)) * x ** rng.uniform(*POWERS)
    flux = np.ones(len(x)) if rng.random() < 0.3 else flux / np.median(flux)
    return seen, flux + rng.normal(0, 1 / snr, len(x)), np.full(len(x), snr**2), "", np.nan


def _draw_red_noise(rng):
    """Smoothed noise on a level, with white noise, whose errors alone are stated."""
    seen = _draw_axis(rng)
    n = len(seen)
    noise = gaussian_filter1d(rng.normal(0, 1, n), min(np.exp(rng.uniform(*np.log(RED_WIDTH))), n / 8))
    amplitude = np.exp(rng.uniform(*np.log(RED_AMPLITUDE)))
    white = amplitude * np.exp(rng.uniform(*np.log(WHITE)))
    flux = 1 + amplitude * noise / noise.std() + rng.normal(0, white, n)
    return seen, flux, np.full(n, white**-2), "", np.nan
