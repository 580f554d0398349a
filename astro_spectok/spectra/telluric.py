# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Air or vacuum, from the atmospheric oxygen bands in a spectrum from the ground."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr

from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED

__all__ = ["FoundMedium", "find_medium_by_oxygen", "list_oxygen_lines", "weigh_media"]

#: bands of O2: name, origin in cm-1, rotational constants of the upper state, and optical depth of their strongest line
#: relative to the first (Babcock & Herzberg 1948, ApJ 108, 167)
BANDS = (("A", 13120.909, 1.391246, 5.369e-6, 1.0), ("B", 14525.661, 1.372951, 5.358e-6, 0.07))
#: of the lower state: rotation, and the splitting of its three spins
LOWER, LOWER_D, SPLITTING, SPIN_ROTATION = 1.437678, 4.842e-6, 1.98475, -0.0084255
#: K, and k T over h c in cm-1 per K
TEMPERATURE, BOLTZMANN = 250.0, 0.6950348
HIGHEST_N = 41
#: km/s: half width of a line by the pressure of the air, and how far its wings are followed
HALF_WIDTH, WINGS = 1.3, 100.0
#: column densities, as optical depths of the strongest line, that are tried
DEPTHS = (3.0, 10.0, 30.0, 100.0, 300.0)
#: km/s: step and reach of the shifts that are tried; the motion of the Earth, which most pipelines take out, and the
#: standard deviation of calibration
STEP, REACH, EARTH, CALIBRATION = 6.0, 402.0, 30.0, 8.0
#: step in ln(wavelength) of the model, and margins of a band in it
FINE, MARGIN = 4e-6, 1.2e-3
#: resolving powers between which a band resolves 83 km/s, fewest pixels of it, and most that are looked at
LOWEST_R, HIGHEST_R, FEWEST, MOST = 900.0, 2e5, 40, 3000
#: resolution elements to the inverse width of a pixel that are tried where the resolving power is not known
PIXELS = (0.5, 0.4, 0.3, 0.2)
#: fall of chi squared by the bands, over that of noise as it scatters around the fit, from which they are there
DETECTED = 60.0
#: share of spectra whose bands stand elsewhere, as those of libraries that were shifted to the frame of the star; and
#: probability from which a medium is adopted
ASTRAY, SURE = 0.15, 0.95
#: of the shifts that a first glance takes, one in so many, and fall of chi squared from which it is worth a second
GLANCE, SEEN = 6, 20.0
#: what a fall of chi squared counts: models of bands are never perfect
SOFT = 0.3
#: km/s by which wavelengths in air are shifted at the bands
AIR_SHIFT = 82.5
#: spectra of one grid that are looked at
ROWS = 4


class FoundMedium(NamedTuple):
    """Medium found in a spectrum.

    Attributes
    ----------
    medium : {'vacuum', 'air'}
    probability : float
        That it is this one, rather than the other or a frame that is not the Earth's.
    """

    medium: str
    probability: float


@lru_cache(maxsize=1)
def list_oxygen_lines():
    """Lines of the A and B bands of O2 as (name, ln of vacuum Angstrom, relative optical depth) of each band.

    Energies of the two states, with the three spins of the lower one (Schlapp 1937, Phys. Rev. 51, 342), and strengths
    of a thermal population at 250 K.
    """
    return tuple((name, *_list_band(*constants)) for name, *constants in BANDS)


def _list_band(origin, rotation, distortion, strongest):
    waves, depths = [], []
    for n in range(1, HIGHEST_N + 1, 2):
        level = LOWER * n * (n + 1) - LOWER_D * (n * (n + 1)) ** 2
        up, down = (2 * n + 3) * LOWER, (2 * n - 1) * LOWER
        split_up = np.sqrt(up**2 + SPLITTING**2 - 2 * SPLITTING * LOWER)
        split_down = np.sqrt(down**2 + SPLITTING**2 - 2 * SPLITTING * LOWER)
        spins = {
            n: level,
            n + 1: level + up - SPLITTING - split_up + SPIN_ROTATION * (n + 1),
            n - 1: level - down - SPLITTING + split_down - SPIN_ROTATION * n,
        }
        population = np.exp(-level / (BOLTZMANN * TEMPERATURE))
        # to levels of even J: P branches to N - 1, R branches to N + 1, each from two of the spins
        for upper, origins, strength in ((n - 1, (n, n - 1), n), (n + 1, (n, n + 1), n + 1)):
            energy = origin + rotation * upper * (upper + 1) - distortion * (upper * (upper + 1)) ** 2
            for j in origins:
                waves.append(1e8 / (energy - spins[j]))
                depths.append(population * strength)
    order = np.argsort(waves)
    waves, depths = np.array(waves)[order], np.array(depths)[order]
    return np.log(waves), strongest * depths / depths.max()


@lru_cache(maxsize=64)
def _make_absorption(band, depth, resolution):
    """Depth of the absorption by a band at some column and resolving power, on a fine grid in ln(wavelength)."""
    _, waves, depths = list_oxygen_lines()[band]
    low, high = waves[0] - 5 * MARGIN, waves[-1] + 5 * MARGIN
    tau = np.bincount(np.rint((waves - low) / FINE).astype(int), depths, int((high - low) / FINE))
    reach = round(WINGS / LIGHT_SPEED / FINE)
    pressure = 1 / (1 + (np.arange(-reach, reach + 1) * FINE * LIGHT_SPEED / HALF_WIDTH) ** 2)
    absorbed = 1 - np.exp(-depth * np.convolve(tau, pressure, mode="same"))
    return low, gaussian_filter1d(absorbed, 1 / (resolution * FINE * FWHM_PER_SIGMA))


def find_medium_by_oxygen(wavelength, flux, ivar, *, resolution=None):
    """The medium of wavelengths, from the A and B bands of atmospheric oxygen.

    The bands are fitted to the flux over a parabola, at shifts up to 400 km/s. Where they stand as they do in vacuum,
    or 83 km/s to the blue as they do in air, but for the motion of the Earth, the medium is found; where they stand
    elsewhere, as in libraries that were shifted to the frame of the star, or are not seen, it is not.

    Parameters
    ----------
    wavelength : ndarray, shape (m,)
        Increasing, in Angstrom as given.
    flux, ivar : ndarray, shape (n, m)
        Of spectra on this grid, of which the first few count together; ``ivar`` 0 marks a bad pixel. How far errors are
        right does not matter.
    resolution : float, optional
        Resolving power; some are tried if not given.

    Returns
    -------
    FoundMedium or None
        None if it remains unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.telluric import find_medium_by_oxygen, list_oxygen_lines
    >>> name, lines, _ = list_oxygen_lines()[0]
    >>> print(name, np.exp(lines[[0, -1]]).round(0))
    A [7596. 7736.]
    >>> find_medium_by_oxygen(np.linspace(7000, 8000, 2000), np.ones((1, 2000)), np.ones((1, 2000))) is None
    True
    """
    shifts = np.arange(-REACH, REACH + STEP / 2, STEP)
    ln_wavelength, gained = np.log(np.asarray(wavelength, np.float64)), np.zeros(len(shifts))
    for band in range(len(BANDS)):
        part = _find_part(band, ln_wavelength)
        for row in range(min(len(flux), ROWS) if part is not None else 0):
            gained += _fit_band(band, ln_wavelength[part], flux[row, part], ivar[row, part], resolution, shifts)
    return weigh_media(shifts, gained, AIR_SHIFT) if gained.max() > DETECTED else None


def weigh_media(shifts, gained, air_shift, *, calibration=CALIBRATION):
    """The medium that features of the atmosphere give, from how well they fit at each shift.

    Parameters
    ----------
    shifts : ndarray, shape (n,)
        In km/s, of the features against vacuum.
    gained : ndarray, shape (n,)
        Fall of chi squared, in units of the scatter around the best.
    air_shift : float
        In km/s, by which features stand to the blue in air.
    calibration : float, optional
        Standard deviation of the zero point in km/s, if that is more than a good one has.

    Returns
    -------
    FoundMedium or None
        None unless one of the two has more than 95 per cent, by a prior of the motion of the Earth around either and a
        share of spectra in other frames.
    """
    calibration = max(calibration, CALIBRATION)
    likelihood = np.exp(SOFT * (gained - gained.max()) / 2)
    weight = {}
    for medium, at in (("vacuum", 0.0), ("air", -air_shift)):
        prior = ndtr((shifts - at + EARTH) / calibration) - ndtr((shifts - at - EARTH) / calibration)
        weight[medium] = (1 - ASTRAY) / 2 * float(likelihood @ prior / prior.sum())
    likeliest = max(weight, key=weight.get)
    probability = weight[likeliest] / (sum(weight.values()) + ASTRAY * float(likelihood.mean()))
    return FoundMedium(likeliest, probability) if probability > SURE else None


def _find_part(band, ln_wavelength):
    """The slice of the pixels of a band; None where not all of it is covered."""
    _, lines, _ = list_oxygen_lines()[band]
    low, high = lines[0] - MARGIN, lines[-1] + MARGIN
    first, last = np.searchsorted(ln_wavelength, [low, high])
    if last - first < FEWEST or ln_wavelength[first] > low + MARGIN or ln_wavelength[last - 1] < high - MARGIN:
        return None
    return slice(first, last)


def _fit_band(band, x, flux, ivar, resolution, shifts):
    """Fall of chi squared by a band at each shift, in units of the scatter around the best; 0 where nothing is seen."""
    used = ivar > 0
    if np.count_nonzero(used) < FEWEST:
        return np.zeros(len(shifts))
    stride = -(-len(x) // MOST)
    x, flux, weight = (_average(values[used], stride) for values in (x, flux.astype(np.float64), ivar))
    level = np.median(flux)
    pixel = np.median(np.diff(x))
    powers = [resolution] if resolution else [share / pixel for share in PIXELS]
    powers = [float(f"{power:.1e}") for power in powers if LOWEST_R < power < HIGHEST_R]
    if not level > 0 or not powers:
        return np.zeros(len(shifts))
    # errors that vary with the band do not make it, and no flux is known to better than two thousandths
    weight = min(float(np.sqrt(np.median(weight))) * level, 500.0)
    place = (x - x.mean()) / (x[-1] - x[0])
    smooth, _ = np.linalg.qr(np.stack([np.ones_like(place), place, place**2], axis=1))
    left = weight * flux / level
    left -= smooth @ (smooth.T @ left)
    few, middle = shifts[::GLANCE], DEPTHS[len(DEPTHS) // 2]

    def see(tried, shifts):
        return _match(x, left, weight, smooth, [_make_absorption(band, *one) for one in tried], shifts)

    if see([(middle, powers[-1])], few).max() < SEEN:
        return np.zeros(len(shifts))
    # the depth changes how a band looks less than the width does
    seen = see([(middle, power) for power in powers], few).max(axis=1)
    power = powers[int(np.argmax(seen))]
    seen = see([(depth, power) for depth in DEPTHS], few).max(axis=1)
    (best,) = see([(DEPTHS[int(np.argmax(seen))], power)], shifts)
    noise = max((left @ left - best.max()) / len(x), 1.0)
    return best / noise


def _match(x, left, weight, smooth, tried, shifts):
    """Fall of chi squared by each of some absorptions of one band at each shift, (absorptions, shifts).

    ``left`` is what is not smooth, over the noise.
    """
    start = tried[0][0]
    at = (x[:, None] - shifts / LIGHT_SPEED - start) / FINE  # (m, shifts)
    index = np.clip(at.astype(np.int64), 0, len(tried[0][1]) - 2)
    part = at - index
    rest = 1 - part
    gained = np.empty((len(tried), len(shifts)))
    for k, (_, absorbed) in enumerate(tried):
        model = rest * absorbed.take(index)
        model += part * absorbed.take(index + 1)
        model *= weight
        # of the model, what is not smooth either; ``left`` is orthogonal to the rest
        power = np.einsum("ms,ms->s", model, model) - np.sum((smooth.T @ model) ** 2, axis=0)
        # flux falls where light is absorbed
        gained[k] = np.maximum(-(left @ model), 0.0) ** 2 / np.maximum(power, 1e-30)
    return gained


def _average(values, stride):
    """Means of so many neighbours each; those left over at the end go without."""
    values = values[: len(values) // stride * stride]
    return values.reshape(-1, stride).mean(axis=1)
