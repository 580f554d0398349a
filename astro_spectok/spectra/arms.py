# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The arms of one spectrograph are joined into one spectrum per target."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from astropy import units as u
from specutils import Spectrum

from astro_spectok.spectra.back import make_spectrum
from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.blaze import remove_blaze
from astro_spectok.spectra.flux_units import find_flux_conversion
from astro_spectok.spectra.problems import make_error
from astro_spectok.spectra.raw import read_spectrum
from astro_spectok.spectra.rows import Rows, convert_rows, read_max_pixels
from astro_spectok.utils.host import own_state

__all__ = ["convert_arms", "join_arms", "join_rows"]

#: pixels of two arms are the same pixel if their centres differ by less than this fraction of a pixel
_SAME_PIXEL = 0.02
#: sources of a medium that was found in the spectrum itself
FOUND = ("oxygen", "sky")


def convert_arms(raws, **options):
    """Convert the arms of one target, or of the same targets, in one medium.

    An arm that does not state its medium has that of the others: a header is often in one of them alone, and the bands
    of the atmosphere by which it is found lie in few orders of an echelle.

    Parameters
    ----------
    raws : list of `~astro_spectok.spectra.raw.RawSpectra`
    **options
        Of `~astro_spectok.spectra.rows.convert_rows`.

    Returns
    -------
    list of Rows
    """
    arms = [convert_rows(raw, **options) for raw in raws]
    known = [arm.info for arm in arms if arm.info.medium_source not in ("assumed", "axis")]
    stated = [info for info in known if info.medium_source not in FOUND]
    likeliest = max(stated or known, key=lambda info: info.medium_probability, default=None)
    if likeliest is None or len({info.medium for info in stated}) > 1:
        return arms
    # what bands show in one order does not stand against what is stated
    unsure = ("assumed",) if not stated else ("assumed", *FOUND)
    for k, (raw, arm) in enumerate(zip(raws, arms, strict=True)):
        source, medium = arm.info.medium_source, arm.info.medium
        if source in unsure or (not stated and medium != likeliest.medium and source in FOUND):
            again = convert_rows(raw, **options | {"medium": likeliest.medium})
            info = replace(
                again.info, medium_source=likeliest.medium_source, medium_probability=likeliest.medium_probability
            )
            arms[k] = replace(again, info=info)
    return arms


def join_rows(arms):
    """Join converted arms of the same targets, in any order.

    Where two arms overlap on the same pixels, these are averaged by inverse variance. Where
    their pixels differ the overlap is cut at the wavelength that keeps the most inverse
    variance: native pixels stay independent and their errors honest, which interpolation
    would corrupt for at best a factor of 1.4 in a narrow range. Orders of an echelle are
    divided by their blaze first.

    Parameters
    ----------
    arms : list of Rows
        Each with the same number of rows; one is returned as it is.

    Returns
    -------
    Rows
    """
    # an arm may hold no usable wavelength at all
    filled = [arm for arm in arms if len(arm.wavelength)] or list(arms[:1])
    filled.sort(key=lambda arm: arm.wavelength[0] if len(arm.wavelength) else 0.0)
    filled = remove_blaze(filled)
    joined = filled[0]
    for arm in filled[1:]:
        joined = _join_two(joined, arm)
    if len(arms) == 1:
        return joined
    flags = InputFlag.NONE
    for arm in arms:
        flags |= arm.flags
    names = next((arm.names for arm in arms if any(arm.names)), arms[0].names)
    count = np.count_nonzero(joined.ivar, axis=1)
    return replace(joined, count=count, flags=flags, info=replace(arms[0].info, part=""), names=names)


def _rescale(arms):
    """Bring both arms to one scale per target (powers of two: exact); arms without good pixels have no say."""
    scales = np.stack([np.where((arm.ivar > 0).any(axis=1), arm.scale, 0.0) for arm in arms])
    scale = scales.max(axis=0)
    scale[scale == 0] = 1.0
    fluxes, ivars = [], []
    for arm in arms:
        ratio = (arm.scale / scale)[:, None]
        good = arm.ivar > 0
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            flux = np.where(good, arm.flux * ratio, 0.0)
            ivar = np.where(good, arm.ivar / ratio**2, 0.0)
        fluxes.append(np.where(ivar > 0, flux, 0).astype(np.float32))
        ivars.append(np.minimum(ivar, np.finfo(np.float32).max).astype(np.float32))
    return fluxes, ivars, scale


def _match(left, right):
    """Return (i, j) of the pixels that two grids share, or None if the overlap is not one common grid."""
    spacing = np.gradient(left) if len(left) > 1 else np.ones(1)
    near = np.clip(np.searchsorted(left, right), 1, max(len(left) - 1, 1)) - 1
    near = near + (np.abs(left[np.minimum(near + 1, len(left) - 1)] - right) < np.abs(left[near] - right))
    near = np.minimum(near, len(left) - 1)
    same = np.abs(left[near] - right) < _SAME_PIXEL * spacing[near]
    inside = (right >= left[0] - spacing[0] / 2) & (right <= left[-1] + spacing[-1] / 2)
    covered = (left >= right[0] - spacing / 2) & (left <= right[-1] + spacing / 2)
    if not np.array_equal(same, inside) or same.sum() != covered.sum():
        return None
    return near[same], np.flatnonzero(same)


def _choose_cut(left, right, left_ivar, right_ivar):
    """Return (keep_left, keep_right): the cut of the overlap that keeps the most inverse variance over all targets."""
    weight = [np.add.reduce(ivar, axis=0, dtype=np.float64) for ivar in (left_ivar, right_ivar)]
    if right[-1] <= left[-1]:
        # the right arm lies inside the left one: the better of the two has that range
        inside = (left >= right[0]) & (left <= right[-1])
        if weight[1].sum() > weight[0][inside].sum():
            return ~inside, np.ones(len(right), bool)
        return np.ones(len(left), bool), np.zeros(len(right), bool)
    edges = np.concatenate((right[right <= left[-1]], [np.nextafter(left[-1], np.inf)]))
    below = np.concatenate(([0.0], np.cumsum(weight[0])))[np.searchsorted(left, edges)]
    above = np.concatenate(([0.0], np.cumsum(weight[1][::-1])))[::-1][np.searchsorted(right, edges)]
    cut = edges[np.argmax(below + above)]
    keep_left, keep_right = left < cut, right >= cut
    if keep_left.any():
        last = left[keep_left][-1]
        # two samples closer than half a pixel would look like one narrow pixel
        keep_right &= right > last + 0.5 * (left[-1] - left[-2] if len(left) > 1 else 0.0)
    return keep_left, keep_right


def _join_resolution(left, right, order, keep_left, keep_right):
    if left.resolution is None and right.resolution is None:
        return None
    parts = [
        np.full(len(arm.wavelength), np.nan, np.float32) if arm.resolution is None else arm.resolution
        for arm in (left, right)
    ]
    return np.concatenate((parts[0][keep_left], parts[1][keep_right]))[order]


def _join_two(left, right):
    """Join two arms of which ``left`` starts at the shorter wavelength."""
    (flux, other), (ivar, weight), scale = _rescale((left, right))
    keep_left, keep_right = np.ones(len(left.wavelength), bool), np.ones(len(right.wavelength), bool)
    if right.wavelength[0] <= left.wavelength[-1]:
        pairs = _match(left.wavelength, right.wavelength)
        if pairs is None:
            keep_left, keep_right = _choose_cut(left.wavelength, right.wavelength, ivar, weight)
        else:
            i, j = pairs
            total = ivar[:, i] + weight[:, j]
            mean = ivar[:, i] * flux[:, i] + weight[:, j] * other[:, j]
            flux[:, i] = np.divide(mean, total, out=np.zeros_like(mean), where=total > 0)
            ivar[:, i] = total
            keep_right[j] = False
    wavelength = np.concatenate((left.wavelength[keep_left], right.wavelength[keep_right]))
    order = np.argsort(wavelength, kind="stable")
    return Rows(
        wavelength[order],
        np.concatenate((flux[:, keep_left], other[:, keep_right]), axis=1)[:, order],
        np.concatenate((ivar[:, keep_left], weight[:, keep_right]), axis=1)[:, order],
        scale,
        left.count,  # of no use here: counted when all arms are together
        left.flags | right.flags,
        left.info,
        left.names,
        _join_resolution(left, right, order, keep_left, keep_right),
    )


@own_state
def join_arms(spectra: Sequence[Spectrum], *, medium: str | None = None) -> Any:
    """Join the arms of one target (or of the same n targets) into one spectrum.

    Overlapping pixels are averaged by inverse variance if the arms share them; otherwise the
    overlap is cut where the other arm becomes better. The result has the units and the medium
    of the first arm, wavelengths that increase, an `~astropy.nddata.InverseVariance`, and a
    mask for bad pixels (masked, not finite or of no positive uncertainty in all arms; their
    flux is 0). Missing uncertainties are estimated from the flux.

    Parameters
    ----------
    spectra : list of `~specutils.Spectrum`
        In any order, with flux of shape (m,) or (n, m) with the same n.
    medium : {'vacuum', 'air'}, optional
        As for `~astro_spectok.spectra.to_batch`.

    Returns
    -------
    `~specutils.Spectrum`
        Flux of shape (M,) or (n, M).

    Raises
    ------
    TypeError
        If ``spectra`` is no list of spectra.
    ValueError
        If the numbers of targets differ.
    `~astropy.units.UnitsError`
        If the flux units cannot be brought to one.

    Examples
    --------
    A blue and a red arm share ten pixels; these are averaged:

    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astropy.nddata import StdDevUncertainty
    >>> from specutils import Spectrum
    >>> from astro_spectok.spectra import join_arms
    >>> def make_arm(first, flux):
    ...     wavelength = np.arange(first, first + 50) * u.nm
    ...     return Spectrum(flux=np.full(50, flux) * u.Jy, spectral_axis=wavelength,
    ...                     uncertainty=StdDevUncertainty(np.full(50, 0.1)))
    >>> joined = join_arms([make_arm(540, 3.0), make_arm(500, 1.0)])
    >>> print(joined.shape, joined.flux[[0, 45, -1]].round(3), joined.spectral_axis.unit)
    (90,) [1. 2. 3.] Jy nm
    """
    if not isinstance(spectra, list | tuple) or not spectra or not all(isinstance(arm, Spectrum) for arm in spectra):
        got = [type(arm).__name__ for arm in spectra] if isinstance(spectra, list | tuple) else type(spectra).__name__
        msg = f"spectra must be a list of Spectrum, the arms of one target; got {got}"
        raise TypeError(msg)
    raws = [read_spectrum(arm) for arm in spectra]
    counts = sorted({len(raw.flux) for raw in raws})
    if len(counts) > 1:
        msg = f"spectra must hold the same targets, so the same number of rows in each arm; got {counts}"
        raise ValueError(msg)
    units = [find_flux_conversion(raw.flux_unit).unit for raw in raws]
    if any(unit != units[0] for unit in units):
        msg = f"spectra must have flux units convertible to one another; got {[str(raw.flux_unit) for raw in raws]}"
        raise make_error(InputFlag.BAD_UNITS, u.UnitsError, msg)
    rows = join_rows(convert_arms(raws, medium=medium, max_pixels=read_max_pixels()))
    shape = spectra[0].data.shape if spectra[0].data.ndim == 1 else (counts[0], 1)
    return make_spectrum(rows, spectra[0].meta, one=len(shape) == 1)
