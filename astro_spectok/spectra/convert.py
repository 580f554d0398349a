# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`to_batch`: from anything specutils can hold to plain arrays."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from astro_spectok.spectra.arms import convert_arms, join_rows
from astro_spectok.spectra.batch import InputFlag, SpectrumBatch, SpectrumInfo
from astro_spectok.spectra.forms import is_single, list_items
from astro_spectok.spectra.layout import find_layout
from astro_spectok.spectra.problems import describe_error, flag_of, make_error
from astro_spectok.spectra.reading import read_paths
from astro_spectok.spectra.resolution import check_resolution
from astro_spectok.spectra.rows import Rows, read_max_pixels
from astro_spectok.spectra.wrong_errors import correct_errors
from astro_spectok.utils.host import own_state

__all__ = ["MIN_GOOD_PIXELS", "is_single", "to_batch"]

log = logging.getLogger(__name__)

#: one patch of the network
MIN_GOOD_PIXELS = 32


def _check_options(medium, resolution, on_error):
    if medium is not None and not (isinstance(medium, str) and medium in ("vacuum", "air")):
        msg = f"medium must be 'vacuum', 'air' or None (detected from WCS and header); got {medium!r}"
        raise ValueError(msg)
    if not isinstance(on_error, str) or on_error not in ("raise", "flag"):
        msg = f"on_error must be 'raise' or 'flag'; got {on_error!r}"
        raise ValueError(msg)
    check_resolution(resolution)


def _read_item(reader, **options):
    """Read and convert one item of the input: rows of one spectral axis, DESI's arms joined."""
    return join_rows(convert_arms(list(reader()), **options))


def _place(position, row, n):
    """Name the row in an error message."""
    if position is None:
        return f"spectrum {row}: " if n > 1 else ""
    return f"spectra[{position}]" + (f", row {row}: " if n > 1 else ": ")


def _refuse_rows(n, error, position):
    """Rows without pixels for an item that cannot be converted."""
    log.debug("%scannot be used: %s", _place(position, 0, 1), error)
    info = SpectrumInfo(message=f"{_place(position, 0, 1)}{describe_error(error)}")
    none = np.zeros((n, 0), np.float32)
    names = (getattr(error, "spectrum_name", ""),) * n
    return Rows(np.zeros(0), none, none, np.ones(n), np.zeros(n, np.int64), flag_of(error), info, names, None)


def _describe_few(count, m):
    what = "none is good: all are masked, not finite, or without a positive uncertainty" if count == 0 else "too few"
    return f"spectrum must have at least {MIN_GOOD_PIXELS} good pixels (one patch); got {count} of {m} ({what})"


def _find_short(rows):
    """Return (row, error) for each row with too few good pixels, unless the item was refused as a whole."""
    if rows.flags.unusable:
        return []
    return [
        (i, make_error(InputFlag.TOO_FEW_PIXELS, ValueError, _describe_few(rows.count[i], rows.ivar.shape[1])))
        for i in np.flatnonzero(rows.count < MIN_GOOD_PIXELS).tolist()
    ]


class _Packer:
    """Collects rows and puts them into one `SpectrumBatch`."""

    def __init__(self):
        self.wavelength, self.resolution, self.size = [], [], 0
        self.flux, self.ivar, self.scale = [], [], []
        self.wave_start, self.lengths, self.flags, self.info = [], [], [], []

    def _add_grid(self, rows):
        """Start of the grid of ``rows``; a grid equal to the last one is shared."""
        start = self.size
        if self.wavelength and np.array_equal(self.wavelength[-1], rows.wavelength):
            old, new = self.resolution[-1], rows.resolution
            if (old is None and new is None) or (
                old is not None and new is not None and np.array_equal(old, new, equal_nan=True)
            ):
                return start - len(rows.wavelength)
        self.wavelength.append(rows.wavelength)
        self.resolution.append(rows.resolution)
        self.size += len(rows.wavelength)
        return start

    def add(self, rows, wrong, short, position):
        """Add rows, with what is ``wrong`` with the errors of each; those in ``short`` without their pixels."""
        n, m = rows.flux.shape
        flags = np.full(n, int(rows.flags), dtype=np.int64)
        flags |= wrong
        lengths = np.full(n, m, dtype=np.int64)
        scale = rows.scale
        named = {"": rows.info}
        info = [named.setdefault(name, replace(rows.info, name=name) if name else rows.info) for name in rows.names]
        flux, ivar = rows.flux, rows.ivar
        if short:
            bad = [i for i, _ in short]
            flags[bad] |= int(InputFlag.TOO_FEW_PIXELS)
            lengths[bad] = 0
            scale = scale.copy()
            scale[bad] = 1.0
            for i, error in short:
                info[i] = replace(info[i], message=f"{_place(position, i, n)}{error}")
            flux, ivar = np.delete(flux, bad, axis=0), np.delete(ivar, bad, axis=0)
        self.wave_start.append(np.full(n, self._add_grid(rows) if len(flux) and m else 0, dtype=np.int64))
        self.flux.append(flux.reshape(-1))
        self.ivar.append(ivar.reshape(-1))
        self.scale.append(scale)
        self.lengths.append(lengths)
        self.flags.append(flags)
        self.info.extend(info)

    def pack(self):
        """Return the `SpectrumBatch`."""

        def join(parts, dtype):
            # one part is passed on as it is: a copy of a large survey costs as much as its conversion
            return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, dtype), *parts])

        resolution = None
        if any(part is not None for part in self.resolution):
            filled = [
                np.full(len(w), np.nan, np.float32) if r is None else r
                for w, r in zip(self.wavelength, self.resolution, strict=True)
            ]
            resolution = join(filled, np.float32)
        lengths = join(self.lengths, np.int64)
        return SpectrumBatch(
            wavelength=join(self.wavelength, np.float64),
            wave_start=join(self.wave_start, np.int64),
            flux=join(self.flux, np.float32),
            ivar=join(self.ivar, np.float32),
            offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
            scale=join(self.scale, np.float64),
            flags=join(self.flags, np.int64),
            resolution=resolution,
            info=tuple(self.info),
        )


@own_state
def to_batch(obj: Any, *, medium: str | None = None, resolution: Any = None, on_error: str = "flag") -> SpectrumBatch:
    """Convert anything specutils can hold to a `SpectrumBatch` of plain arrays.

    Wavelengths become vacuum Angstrom as observed (a redshift of the spectrum is not applied).
    Flux densities of any unit become flux per unit wavelength; counts, normalised flux and
    unknown units stay as given. Pixels that are masked, NaN or infinite, or whose uncertainty
    is not finite and positive, get flux 0 and inverse variance 0, whatever stood there. A
    missing uncertainty is estimated from the flux. The input is never modified.

    Parameters
    ----------
    obj : `~specutils.Spectrum`, `~specutils.SpectrumCollection`, `~specutils.SpectrumList`, list, tuple or table
        One spectrum, many on one axis (the spectral axis may be any axis of the array; the
        others are flattened in C order), or a list, generator or dictionary of these. The arms of a
        DESI file are joined per target, by ``TARGETID`` where they name it.
        A tuple ``(spectral_axis, flux[, uncertainty[, mask]])`` holds plain arrays: a
        Quantity of shape (m,), flux of shape (m,) or (n, m), a Quantity (standard deviation)
        or `~astropy.nddata.NDUncertainty` of the same shape (of a `~astropy.nddata.Covariance` the diagonal
        counts), and a mask that is True in bad pixels. A table (Astropy's or pandas'), a row of one, or a dictionary
        has columns ``wavelength`` (with a unit) and ``flux``, and where known ``error``, ``variance`` or ``ivar``, and
        ``mask``. A `SpectrumBatch` is returned as it is.
    medium : {'vacuum', 'air'}, optional
        Medium of the wavelengths. None reads the WCS, then known headers, then assumes vacuum.
    resolution : float, array_like or `~astropy.units.Quantity`, optional
        Resolving power, or FWHM with unit: one value or one for each pixel of the axis as given.
        None reads ``meta`` where a loader put it there.
    on_error : {'flag', 'raise'}, optional
        What becomes of a spectrum that cannot be used: a row without pixels, with a bit in
        ``flags`` and the reason in ``info[i].message``; or an error.

    Returns
    -------
    SpectrumBatch
        One row for each spectrum, in the order of the input.

    Raises
    ------
    TypeError
        If ``obj`` is none of the forms; with ``on_error='raise'`` also for an item that is no spectrum.
    `~astropy.units.UnitsError`
        With ``on_error='raise'``: an axis in pixels, or in velocity without a rest value.
    ValueError
        ``medium`` or ``resolution`` is given with a `SpectrumBatch`, which has both already. With
        ``on_error='raise'``: fewer than 32 good pixels, or more than ``conf.max_pixels``.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.spectra import to_batch
    >>> wavelength = np.linspace(500, 510, 64) * u.nm
    >>> batch = to_batch((wavelength, np.ones(64) * u.Jy, np.full(64, 0.1) * u.Jy))
    >>> batch.wavelength[[0, -1]]
    array([5000., 5100.])
    """
    _check_options(medium, resolution, on_error)
    if isinstance(obj, SpectrumBatch):
        if medium is not None or resolution is not None:
            msg = (
                "medium and resolution must not be given with a SpectrumBatch, which is in vacuum and has its own "
                f"resolution; got medium={medium!r}, resolution={resolution!r}; give them when it is made"
            )
            raise ValueError(msg)
        return obj
    obj = read_paths(obj)
    options = {"medium": medium, "resolution": resolution, "max_pixels": read_max_pixels()}
    packer = _Packer()
    for n, position, reader in list_items(obj):
        try:
            rows = _read_item(reader, **options)
            wrong = correct_errors(rows.flux, rows.ivar)
        except Exception as error:  # one spectrum never stops the others, whatever is strange about it
            if on_error == "raise":
                raise _with_place(error, position) from error.__cause__
            rows, wrong = _refuse_rows(n, error, position), np.zeros(n, np.int64)
        short = _find_short(rows)
        if short and on_error == "raise":
            row, problem = short[0]
            raise make_error(flag_of(problem), ValueError, f"{_place(position, row, len(rows.flux))}{problem}")
        packer.add(rows, wrong, short, position)
    return replace(packer.pack(), layout=find_layout(obj))


def _with_place(error, position):
    """The same error, saying which item it is about."""
    if position is None or not hasattr(error, "flag"):
        return error
    return make_error(error.flag, type(error), f"{_place(position, 0, 1)}{error}").with_traceback(error.__traceback__)
