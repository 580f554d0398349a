# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Random observations of a spectrum: cut, moved, broadened, resampled, with noise and missing pixels."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from astro_spectok.simulate.constants import FWHM
from astro_spectok.simulate.templates import average_between

__all__ = [
    "Truth",
    "View",
    "cut_target",
    "draw_view",
    "finish_view",
    "hide_pixels",
    "scale_view",
    "shift_source",
    "trust_template",
]

#: good pixels that the encoder is shown at least: one patch
MIN_PIXELS = 32
#: no instrument that we know of reaches further
LN_LONGEST = np.log(56000.0)
#: flux below which a spectrum is zero but for the rounding of its noise
TINY = 1e-200
#: how far beyond the data, in ln(wavelength), the decoder may be asked for
BEYOND = 0.15
#: instruments whose sampling is drawn often: ln range, ln step or None with the step in Angstrom, pixels per FWHM
PRESETS = (
    ("sdss", 3700.0, 9250.0, np.log(10) * 1e-4, None, 2.2),
    ("boss", 3580.0, 10390.0, np.log(10) * 1e-4, None, 2.2),
    ("desi", 3600.0, 9824.0, None, 0.8, 2.5),
    ("lamost", 3700.0, 9100.0, np.log(10) * 1e-4, None, 2.4),
    ("aaomega", 3750.0, 8900.0, None, 1.04, 3.5),
)


@dataclass(frozen=True)
class Truth:
    """Labels of an object; none by default.

    Attributes
    ----------
    cls : int
        Index into `~astro_spectok.simulate.CLASSES`, -1 for unknown.
    ln_one_plus_z : float
        0 where unknown.
    measurable : bool
        False where there is no redshift to be found.
    labels : dict of str to float
    aligned : bool
        Whether it can be distinguished from other objects.
    stellar_type : str
        Out of `~astro_spectok.simulate.STELLAR_TYPES`, '' where unknown.
    """

    cls: int = -1
    ln_one_plus_z: float = 0.0
    measurable: bool = True
    labels: dict = field(default_factory=dict)
    aligned: bool = True
    stellar_type: str = ""


@dataclass(frozen=True)
class View:
    """One training example: what the encoder is shown, and what the decoder is asked for.

    Attributes
    ----------
    ln_wavelength, flux, ivar : ndarray, shape (N,)
        Input; ``ivar`` 0 in bad and hidden pixels.
    resolution : float or ndarray, shape (N,)
        Resolving power given to the encoder, NaN for unknown.
    target_ln_wavelength, target_flux, target_ivar : ndarray, shape (M,)
        Wanted; ``target_ivar`` 0 where nothing is known.
    target_resolution : float
    name : str
        Set or family that the spectrum comes from.
    truth : `Truth`
    """

    ln_wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    resolution: float
    target_ln_wavelength: np.ndarray
    target_flux: np.ndarray
    target_ivar: np.ndarray
    target_resolution: float
    name: str
    truth: Truth = Truth()


def draw_view(source, rng, max_pixels, target_pixels, *, shift=None, finish=None):
    """A random `View` of a `Source`, or None where the cut holds nothing.

    Spectra with errors are shown on their own pixels, the others mostly through a random instrument. Flux is scaled to
    a median absolute value of one over the good input pixels. Bad pixels have ``ivar`` 0 and a finite flux.

    Parameters
    ----------
    source : `~astro_spectok.training.corpus.Source`
    rng : `numpy.random.Generator`
        The view depends on ``source`` and the state of ``rng`` alone.
    max_pixels, target_pixels : int
        Most pixels of the input, and of the target.
    shift : float, optional
        In ln(wavelength); a random one, see `shift_source`, if not given.
    finish : callable, optional
        What is done with the view in the end; `finish_view` if not given.

    Returns
    -------
    View or None
        None as well for fewer good pixels than one patch, and for flux that is zero.
    """
    if len(source.flux) < MIN_PIXELS:
        return None
    if shift is None:
        shift = shift_source(source, rng)
    if source.ivar is not None or rng.random() < 0.25:
        view = _own_pixels(source, shift, rng, max_pixels)
    else:
        view = _random_instrument(source, shift, rng, max_pixels)
    return None if view is None else (finish or finish_view)(view, rng, target_pixels)


def finish_view(view, rng, target_pixels):
    """Scale a view and cut its target to at most ``target_pixels``; None where too little of it is good.

    Flux is scaled to a median absolute value of one over the good input pixels.
    """
    if np.count_nonzero(view.ivar) < MIN_PIXELS or np.count_nonzero(view.target_ivar) < 16:
        return None
    size = np.median(np.abs(view.flux[view.ivar > 0]))
    if not np.isfinite(size) or size <= TINY:
        return None
    return cut_target(scale_view(view, size), rng, target_pixels)


def scale_view(view, size):
    """Flux over ``size``, in float32; whatever does not fit is a bad pixel."""
    flux, ivar = _fit_single(view.flux, view.ivar, size)
    target_flux, target_ivar = _fit_single(view.target_flux, view.target_ivar, size)
    return replace(view, flux=flux, ivar=ivar, target_flux=target_flux, target_ivar=target_ivar)


def _fit_single(flux, ivar, size):
    flux, ivar = flux / size, ivar * size**2
    good = np.isfinite(flux) & (np.abs(flux) < 1e6) & np.isfinite(ivar) & (ivar > 1e-12)
    return np.where(good, flux, 0).astype(np.float32), np.where(good, np.minimum(ivar, 1e8), 0).astype(np.float32)


def cut_target(view, rng, n_max):
    """A view whose target is a random stretch of at most ``n_max`` pixels."""
    n = len(view.target_flux)
    start = rng.integers(n - n_max + 1) if n > n_max else 0
    s = slice(start, start + n_max)
    return replace(
        view,
        target_ln_wavelength=view.target_ln_wavelength[s],
        target_flux=view.target_flux[s],
        target_ivar=view.target_ivar[s],
    )


def shift_source(source, rng):
    """Random shift in ln(wavelength): a velocity for stars, any redshift for galaxies, zero for observed spectra."""
    if source.kind == "observed":
        return 0.0
    if source.kind == "star":
        return rng.normal(0, 5e-4)
    return np.log1p(10 ** rng.uniform(-3, 0.75) if rng.random() < 0.5 else rng.uniform(0, 3.5))


def _own_pixels(source, shift, rng, max_pixels):
    """A view of a stretch of the spectrum as it is sampled, with more noise."""
    n = len(source.flux)
    size = min(n, int(max_pixels * rng.uniform(0.6, 1)))
    start = rng.integers(n - size + 1)
    s = slice(start, start + size)
    x = source.ln_wavelength[s] + shift
    flux = source.flux[s].astype(float)
    if source.ivar is None:
        wanted_ivar = trust_template(flux)
        shown, shown_ivar = _observe(flux, rng)
    else:
        wanted_ivar = source.ivar[s].astype(float)
        shown, shown_ivar = _add_noise(flux, source.ivar[s], rng)
    reached = np.searchsorted(x, LN_LONGEST)
    resolution = _draw_resolution(source, slice(start, start + reached), rng)
    # two views of one observed spectrum share its noise: what they have in common is not the object alone
    truth = Truth(aligned=source.ivar is None)
    return View(x[:reached], shown[:reached], hide_pixels(shown_ivar, rng)[:reached], resolution, x[:reached],
                flux[:reached], wanted_ivar[:reached], np.nan, source.name, truth)  # fmt: skip


def _draw_resolution(source, pixels, rng):
    """Resolving power of the pixels of a stretch in half of the draws where it is known, else NaN."""
    if source.resolution is None or rng.random() < 0.5:
        return np.nan
    return np.broadcast_to(source.resolution, source.flux.shape)[pixels]


def trust_template(flux, noise=0.0):
    """Inverse variance that a template is trusted with: half a per cent of its level, and never below ``noise``."""
    finite = np.abs(flux[np.isfinite(flux)])
    sigma = 0.005 * (np.abs(flux) + 0.2 * (np.median(finite) if len(finite) else 0.0) + 1e-300) + noise
    return np.where(np.isfinite(flux), _inverse_variance(sigma), 0)


def _inverse_variance(sigma):
    """``sigma**-2``; infinite, which makes bad pixels later on, where a spectrum is zero and sigma next to it."""
    with np.errstate(over="ignore"):
        return sigma**-2.0


def _random_pixels(low, high, finest, n_max, rng):
    """Pixel edges in ln(wavelength) of a random instrument that fits into [low, high], and pixels per FWHM."""
    fitting = [p for p in PRESETS if min(high, np.log(p[2])) - max(low, np.log(p[1])) > 0.5 * np.log(p[2] / p[1])]
    if fitting and rng.random() < 0.5:
        _, start, stop, ln_step, step, per_fwhm = fitting[rng.integers(len(fitting))]
        start, stop = max(low, np.log(start)), min(high, np.log(stop))
        if ln_step is None:
            edges = np.log(np.arange(np.exp(start), np.exp(stop), step))
        else:
            edges = np.arange(start, stop, ln_step)
        if len(edges) > n_max + 1:
            first = rng.integers(len(edges) - n_max)
            edges = edges[first : first + n_max + 1]
        return edges, per_fwhm * rng.uniform(0.9, 1.1)
    per_fwhm = rng.uniform(1.5, 4)
    n = int(n_max * rng.uniform(0.6, 1))
    shortest = min(n * finest, high - low)
    span = np.exp(rng.uniform(np.log(shortest), np.log(min(high - low, 2.5) + 1e-9))) if shortest < 2.5 else 2.5
    start = rng.uniform(low, max(high - span, low + 1e-9))
    n = min(n, max(int(span / finest), 2))
    edges = np.linspace(start, start + span, n + 1)
    if rng.random() < 0.4:  # evenly spaced in wavelength
        edges = np.log(np.linspace(np.exp(start), np.exp(start + span), n + 1))
    return edges, per_fwhm


def _edges(x):
    """Edges between pixel centres."""
    middle = (x[1:] + x[:-1]) / 2
    return np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])


def _random_instrument(source, shift, rng, max_pixels):
    """A view through an instrument with its own range, pixels, resolution, calibration and noise."""
    x = source.ln_wavelength + shift
    own = np.median(np.diff(x))
    reach = (x[0], min(x[-1], LN_LONGEST), own)
    if reach[1] - reach[0] < MIN_PIXELS * own:
        return None
    edges, per_fwhm = _random_pixels(*reach[:2], 0.8 * own, max_pixels, rng)
    if len(edges) <= MIN_PIXELS:
        return None
    pixel = np.median(np.diff(edges))
    fwhm = per_fwhm * pixel
    fine, flux = _broaden(x, source.flux, edges, pixel, fwhm, own)
    if len(fine) < 40:
        return None
    if rng.random() < 0.7:  # wrong flux calibration: the same for input and target
        flux = flux * np.exp(np.polynomial.chebyshev.chebval(np.linspace(-1, 1, len(flux)), rng.normal(0, 0.08, 6)))
    fwhm = max(fwhm, 2 * own)
    x_in, shown = (edges[1:] + edges[:-1]) / 2, average_between(fine, flux, edges)
    x_out, wanted, sharp_in, sharp_out = _target(fine, flux, edges, x_in, shown, fwhm, reach, max_pixels, rng)
    noisy, ivar = _observe(shown, rng)
    return View(x_in, np.nan_to_num(noisy), hide_pixels(ivar, rng), sharp_in, x_out, np.nan_to_num(wanted),
                trust_template(wanted), sharp_out, source.name)  # fmt: skip


def _broaden(x, flux, edges, pixel, fwhm, own):
    """A spectrum of resolution ``2 * own`` at resolution ``fwhm``: the edges of fine pixels, and the flux in them.

    The pixels are even in ln(wavelength), so that the line-spread function is one Gaussian.
    """
    margin = max(4 * fwhm, BEYOND)
    low, high = max(x[0], edges[0] - margin), min(x[-1], edges[-1] + margin)
    fine_step = max(pixel / 2.5, (high - low) / 30000)
    fine = np.arange(low, high, fine_step)
    if len(fine) < 40:
        return fine, None
    flux = np.nan_to_num(average_between(_edges(x), flux.astype(float), fine))
    added = np.sqrt(max(fwhm**2 - (2 * own) ** 2, 0)) / FWHM / fine_step
    return fine, gaussian_filter1d(flux, added, truncate=3.5) if added > 0.3 else flux


def _target(fine, flux, edges, x_in, shown, fwhm, reach, max_pixels, rng):
    """Pixels and flux requested of the decoder: the same pixels, others, or another resolution too."""
    given = 1 / fwhm if rng.random() < 0.5 else np.nan
    case = rng.random()
    if case < 0.5:
        return x_in, shown, given, given if rng.random() < 0.5 else np.nan
    low, high, own = reach
    low, high = max(low, edges[0] - BEYOND), min(high, edges[-1] + BEYOND)
    low, high = max(low, fine[1]), min(high, fine[-2])
    other, per_fwhm = _random_pixels(low, high, 0.8 * own, max_pixels, rng)
    if len(other) < 20:
        return x_in, shown, given, np.nan
    x_out = (other[1:] + other[:-1]) / 2
    other_fwhm = per_fwhm * np.median(np.diff(other))
    if case < 0.75 or other_fwhm < fwhm:
        return x_out, average_between(fine, flux, other), given, np.nan
    added = np.sqrt(other_fwhm**2 - fwhm**2) / FWHM / (fine[1] - fine[0])
    return x_out, average_between(fine, gaussian_filter1d(flux, added, truncate=3.5), other), given, 1 / other_fwhm


def _add_noise(flux, ivar, rng):
    """More noise on top of the known one, in half of the draws."""
    good = ivar > 0
    sigma = np.where(good, 1 / np.sqrt(np.where(good, ivar, 1)), 0)
    extra = sigma * (10 ** rng.uniform(-1, 0.7) if rng.random() < 0.5 else 0.0)
    noisy = flux + extra * rng.normal(size=len(flux))
    return noisy, np.where(good, 1 / np.where(good, sigma**2 + extra**2, 1), 0)


def _observe(flux, rng):
    """Noise of object, sky and detector on a spectrum without any, with outliers, and its stated inverse variance."""
    n = len(flux)
    finite = np.abs(flux[np.isfinite(flux)])
    size = np.median(finite) if len(finite) else 0.0
    level = size / 10 ** rng.uniform(0.0, 2.4)
    profile = np.exp(np.polynomial.chebyshev.chebval(np.linspace(-1, 1, n), rng.normal(0, [0, 0.4, 0.3, 0.15])))
    sky = _draw_sky(n, rng)
    share = rng.uniform(0, 0.9)  # of the variance that follows the object's own light
    sigma = level * profile * np.sqrt((1 - share) * sky**2 + share * np.clip(flux / max(size, 1e-300), 0, 1e3))
    sigma = np.nan_to_num(np.maximum(sigma, 1e-3 * level), nan=level) + 1e-300
    noisy = flux + sigma * rng.normal(size=n)
    if rng.random() < 0.3:  # what the pipeline missed
        hit = rng.random(n) < 10 ** rng.uniform(-3.5, -2)
        noisy = noisy + hit * (size + 10 * sigma) * rng.exponential(3.0, n)
    if rng.random() < 0.3:  # errors stated too large or too small
        sigma = sigma * np.exp(rng.normal(0, 0.25))
    return noisy, np.where(np.isfinite(noisy), _inverse_variance(sigma), 0)


def _draw_sky(n, rng):
    """Noise of the sky over its floor: one, and in most draws night-sky lines, denser to the red."""
    if rng.random() >= 0.7:
        return np.ones(n)
    n_line = rng.integers(1, 80)
    centres = (n * rng.beta(1.7, 1.0, n_line)).astype(int).clip(0, n - 1)
    strength = np.zeros(n)
    np.add.at(strength, centres, rng.exponential(6.0, n_line))
    return 1 + gaussian_filter1d(strength, rng.uniform(0.8, 2.5))


def hide_pixels(ivar, rng, *, most=0.4):
    """Bad pixels, and stretches that the network must fill in: in six of ten draws up to ``most`` of all pixels."""
    n = len(ivar)
    ivar = np.array(ivar, float)
    if rng.random() < 0.5:
        ivar[rng.random(n) < 10 ** rng.uniform(-3.5, -1)] = 0
    if rng.random() < 0.6:
        share = rng.uniform(0, most)  # in stretches of a few pixels up to several patches
        while share > 0:
            length = min(int(10 ** rng.uniform(0.9, 2.4)), int(n * 0.3) + 1)
            start = rng.integers(n)
            ivar[start : start + length] = 0
            share -= length / n
    return ivar
