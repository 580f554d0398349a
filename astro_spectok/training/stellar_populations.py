# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Light of many stars at rest beside single stars, and the rule that tells them apart."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from astro_spectok.redshift.reliance import describe_rival
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.spectra.medium import convert_to_vacuum
from astro_spectok.training.redshift_reliance import fit_reliable
from astro_spectok.utils.constants import FWHM_PER_SIGMA

__all__ = ["draw_populations", "draw_real_stars", "fit_blended"]

#: populations; the air wavelengths of some of the others are not known well enough for velocities
POPULATIONS = "emiles_ssp"
#: libraries of stars, and whether their wavelengths are in air
LIBRARIES = {
    "miles_real_stars": True, "cflib_real_stars": True, "stelib_real_stars": True, "pyhammer_sdss_stars": False,
    "jacoby_real_stars": True, "kast_optical_standards_real": False,
}  # fmt: skip
#: velocities of populations over the speed of light, about those of the Local Group; S/N per pixel, even in logarithm
VELOCITY, SNR = (-1e-3, 6e-4), (5.0, 150.0)
#: observed ranges in vacuum Angstrom, widths of pixels in ln(wavelength), resolving powers
RANGES = ((3650.0, 9300.0), (3800.0, 7300.0), (3800.0, 5600.0), (4750.0, 6800.0), (3600.0, 8500.0))
PIXELS, RESOLUTION = (1.5e-4, 2.3e-4, 3.5e-4, 6e-4), (700.0, 2500.0)
#: share of stars that the rule may flag
LOST = 0.002


def draw_populations(data, n, seed):
    """Stellar populations of one age and metallicity nearly at rest, with noise.

    Parameters
    ----------
    data : path-like
        Directory of the public sets.
    n : int
    seed : int or sequence of int

    Returns
    -------
    list of (wavelength, flux, ivar)
        Vacuum Angstrom; empty where there are no populations.
    """
    store, rng = TemplateStore(data), np.random.default_rng(seed)
    if not store.has(POPULATIONS):
        return []
    arrays = store.read(POPULATIONS)
    rest = np.asarray(arrays["wave"], np.float64)
    out = []
    for _ in range(n):
        low, high = RANGES[rng.integers(len(RANGES))]
        seen = np.exp(np.arange(np.log(low), np.log(high), rng.choice(PIXELS)))
        flux = np.exp(np.asarray(arrays["log_flux"][rng.integers(len(arrays["log_flux"]))], np.float64))
        out.append(_observe(seen, rest * (1 + rng.uniform(*VELOCITY)), flux, rng))
    return out


def draw_real_stars(data, n, seed):
    """Stars of public libraries with noise added, and some as they are: as of `draw_populations`."""
    store, rng = TemplateStore(data), np.random.default_rng(seed)
    libraries = [(store.read(name), in_air) for name, in_air in LIBRARIES.items() if store.has(name)]
    out = []
    while libraries and len(out) < n:
        arrays, in_air = libraries[rng.integers(len(libraries))]
        i = int(rng.integers(len(arrays["offsets"]) - 1))
        pixels = slice(int(arrays["offsets"][i]), int(arrays["offsets"][i + 1]))
        wavelength = arrays["wave_shared"] if "wave_shared" in arrays else arrays["wave"][pixels]
        wavelength = np.asarray(wavelength, np.float64)
        flux, ivar = (np.asarray(arrays[key][pixels], np.float64) for key in ("flux", "ivar"))
        good = (ivar > 0) & np.isfinite(flux)
        if np.count_nonzero(good) < 500 or not np.median(flux[good]) > 0:
            continue
        wavelength = convert_to_vacuum(wavelength) if in_air else wavelength
        if rng.random() < 0.3:
            out.append((wavelength, flux / np.median(flux[good]), np.where(good, 1.0, 0.0)))
            continue
        snr = float(np.exp(rng.uniform(*np.log(SNR))))
        level = np.median(flux[good])
        noisy = flux / level + rng.normal(0, 1 / snr, len(flux))
        out.append((wavelength, np.where(good, noisy, 0.0), np.where(good, snr**2, 0.0)))
    return out


def _observe(seen, wavelength, flux, rng):
    """Flux on other pixels, broadened, over its median, with noise."""
    sigma = 1 / (FWHM_PER_SIGMA * rng.uniform(*RESOLUTION)) / (seen[1] / seen[0] - 1)
    flux = gaussian_filter1d(np.interp(seen, wavelength, flux), sigma, mode="nearest")
    snr = float(np.exp(rng.uniform(*np.log(SNR))))
    return seen, flux / np.median(flux) + rng.normal(0, 1 / snr, len(seen)), np.full(len(seen), snr**2)


def fit_blended(shown, star, *, lost=LOST):
    """The rule ``blended`` from what was shown of stars and of populations that were taken for stars.

    Parameters
    ----------
    shown : list of `~astro_spectok.redshift.reliance.Shown`
    star : array_like of bool, shape (n,)
        Which of them are single stars.
    lost : float, optional
        Share of these that may be flagged.

    Returns
    -------
    dict
        As of `~astro_spectok.redshift.reliance.is_population`; empty with fewer than ten of either.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift.reliance import Shown, is_population
    >>> from astro_spectok.training.stellar_populations import fit_blended
    >>> rng, star = np.random.default_rng(0), np.arange(400) < 200
    >>> gained = rng.normal(np.where(star, -200, 200), 50)
    >>> shown = [Shown(30, 2e-4, 0.2, 0.05, evidence=1000, rival=1000 + x) for x in gained]
    >>> rule = fit_blended(shown, star)
    >>> [is_population(one, rule) for one in (shown[0], shown[-1])]
    [False, True]
    """
    compared = np.array([np.isfinite([one.rival, one.structure, one.evidence]).all() for one in shown], bool)
    features = np.array([describe_rival(one) for one, used in zip(shown, compared, strict=True) if used])
    star = np.asarray(star, bool)[compared]
    return fit_reliable(np.full(len(star), "STAR"), features, star, lost=lost).get("STAR", {})
