# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectrumSet`: many spectra, each with its medium, resolution and redshift, that can be split as arrays can."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Self

import numpy as np
from astropy import units as u

from astro_spectok.adapt.labels import find_missing
from astro_spectok.interface.axes import find_form
from astro_spectok.spectra import SpectrumBatch, read_paths
from astro_spectok.spectra.batch import InputFlag

__all__ = ["SpectrumSet", "shift_to_rest"]


class SpectrumSet:
    """Many spectra, each with its medium, resolution and redshift, that can be split like an array.

    When a set is split, each spectrum keeps what belongs to it. The parts share what has been computed, so that each
    spectrum goes through a network only once. Everything in `astro_spectok.adapt` that takes spectra takes a set; other
    forms are converted to a set without redshifts.

    Parameters
    ----------
    obj
        Spectra in any form that `~astro_spectok.tokenize` takes, names of files included, or a `SpectrumSet`.
    medium : {'vacuum', 'air'} or sequence of these, optional
        For all, or one for each spectrum (None among them: found out).
    resolution : float, `~astropy.units.Quantity`, or list of these, optional
        Resolving power or FWHM with unit, for all; in a list, one for each spectrum.
    redshift : float or array_like, optional
        For all, or one for each spectrum; NaN where unknown. ``spec.redshift`` is not read: 0 there may mean unknown.
    on_error : {'flag', 'raise'}, optional
        What becomes of spectra that cannot be used.
    weights : str or path-like, optional
        Those that the spectra are for, where these lie along another axis than that of wavelengths
        (:ref:`sequences`): the set is then one of sequences along that axis, and neither medium, resolution nor
        redshift has a meaning.
    vectors : array_like, shape (n, E), optional
        What else is known of each object, as numbers: vectors of its photometry or its image
        (`~astro_spectok.align.embed_photometry`, `~astro_spectok.align.ContrastiveAligner`), say. Estimators learn from
        them beside the spectra, or with ``blocks="vectors"`` in their place. NaN in a row makes it unusable.

    Attributes
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    redshift : ndarray of float64, shape (n,)
        NaN where unknown.
    vectors : ndarray of float64, shape (n, E), or None

    Raises
    ------
    TypeError, ValueError
        ``obj`` holds no spectra, or ``medium``, ``resolution``, ``redshift`` or ``vectors`` does not fit them.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.adapt import SpectrumSet
    >>> wavelength = np.linspace(4000, 7000, 640) * u.AA
    >>> spectra = [(wavelength, (1 + 0.1 * np.sin(np.arange(640) + k)) * u.Jy) for k in range(4)]
    >>> made = SpectrumSet(spectra, medium=["air", "vacuum", "air", "air"], redshift=[0, 0.1, np.nan, 0.3])
    >>> len(made), made[[1, 3]].redshift.tolist(), made[:2].batch.info[0].medium
    (4, [0.1, 0.3], 'air')
    """

    def __init__(
        self,
        obj: Any,
        *,
        medium: str | Sequence[str | None] | None = None,
        resolution: Any = None,
        redshift: Any = None,
        on_error: str = "flag",
        weights: str | PathLike[str] | None = None,
        vectors: Any = None,
    ) -> None:
        self.batch: SpectrumBatch
        self.redshift: np.ndarray
        self.vectors: np.ndarray | None
        if isinstance(obj, SpectrumSet):
            if medium is not None or resolution is not None:
                msg = "medium and resolution must be given when a SpectrumSet is made; this one has them"
                raise ValueError(msg)
            self.batch, own = obj.batch, obj.redshift
        else:
            self.batch, own = _make_batch(obj, medium, resolution, on_error, find_form(weights)), None
        if redshift is not None and not self.batch.axis.is_light:
            msg = f"redshift must be left out for sequences along a {self.batch.axis.describe()} axis, which has none"
            raise ValueError(msg)
        self.redshift = _check_redshift(redshift, len(self.batch), own)
        self.vectors = _check_vectors(vectors, obj, len(self.batch))
        # what was computed, by the place of a spectrum in the whole set; in the rest frame it depends on redshifts
        self._rows = np.arange(len(self.batch))
        self._shared: dict = {}
        if isinstance(obj, SpectrumSet) and redshift is None:
            self._rows, self._shared = obj._rows, obj._shared

    @property
    def shape(self) -> tuple[int]:
        """Number of spectra, as a tuple: arrays of scikit-learn have it."""
        return (len(self.batch),)

    def __len__(self):
        return len(self.batch)

    def __getitem__(self, key: Any) -> Self:
        """Some of the spectra, by number, slice, mask or numbers: a set."""
        key = key[0] if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis else key
        rows = np.atleast_1d(np.arange(len(self))[key])
        part = object.__new__(type(self))
        part.batch, part.redshift = self.batch.take(rows), self.redshift[rows]
        part.vectors = None if self.vectors is None else self.vectors[rows]
        part._rows, part._shared = self._rows[rows], self._shared
        return part

    def __array__(self, dtype=None, copy=None):
        # NumPy would go on to the sets of one spectrum of which a set consists, without end
        msg = (
            "a SpectrumSet is no array of numbers: estimators of astro_spectok.adapt take it as it is; before others "
            "put SpectrumEmbedder, in a pipeline"
        )
        raise TypeError(msg)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getstate__(self):
        # what is shared would be copied with each part
        return {"batch": self.batch, "redshift": self.redshift, "vectors": self.vectors}

    def __setstate__(self, state):
        self.__dict__.update(state, _rows=np.arange(len(state["batch"])), _shared={})

    def __repr__(self):
        known = np.isfinite(self.redshift).sum()
        beside = "" if self.vectors is None else f", {self.vectors.shape[1]} numbers beside each"
        return f"<SpectrumSet of {len(self)} spectra, {known} with a redshift{beside}>"


def _make_batch(obj, medium, resolution, on_error, form):
    """Any form as a batch; media and resolutions that differ are given to each spectrum by itself."""
    if isinstance(obj, list | tuple) and len(obj) and all(isinstance(item, SpectrumSet) for item in obj):
        return SpectrumBatch.concatenate([item.batch for item in obj])
    if not form.axis.is_light:
        return form.read(obj, medium=medium, resolution=resolution, on_error=on_error)
    obj = read_paths(obj)
    several = {
        name: list(value) for name, value in (("medium", medium), ("resolution", resolution)) if _is_several(value)
    }
    if not several:
        return form.read(obj, medium=medium, resolution=resolution, on_error=on_error)
    items = [obj] if form.is_single(obj) else list(obj)
    for name, values in several.items():
        if len(values) != len(items):
            msg = f"{name} must be one for all or one for each of the {len(items)} spectra; got {len(values)}"
            raise ValueError(msg)
    media = several.get("medium", [medium] * len(items))
    resolutions = several.get("resolution", [resolution] * len(items))
    parts = [
        form.read([item], medium=m, resolution=r, on_error=on_error)
        for item, m, r in zip(items, media, resolutions, strict=True)
    ]
    return SpectrumBatch.concatenate(parts)


def _is_several(value):
    """Whether a value stands for one of each spectrum: a list; an array may be one of each pixel."""
    return isinstance(value, list | tuple)


def _check_redshift(redshift, n, own):
    """Redshifts (n,) as given, else those that the spectra have already, else NaN."""
    if redshift is None:
        return np.full(n, np.nan) if own is None else own
    try:
        unknown = find_missing(redshift)
        if unknown.any():
            redshift = np.where(unknown, np.nan, np.ma.getdata(getattr(redshift, "unmasked", redshift))).astype(float)
        values = np.asarray(u.Quantity(redshift, u.dimensionless_unscaled).value, dtype=np.float64)
        values = np.broadcast_to(values, (n,)).copy()
    except (TypeError, ValueError) as error:
        shape = np.shape(redshift)
        got = f"{len(redshift)} values" if shape not in ((), (n,)) else f"{np.ravel(redshift)[0]!s}, which is none"
        msg = f"redshift must be a number, or one for each of the {n} spectra (NaN: unknown); got {got}"
        raise ValueError(msg) from error
    if (values <= -1).any():
        msg = f"redshift must be above -1 (NaN: unknown); got {values[values <= -1][0]:g}"
        raise ValueError(msg)
    return values


def _check_vectors(vectors, obj, n):
    """Vectors (n, E) as given, else those that a set, or all of a list of sets, has already, else None."""
    if vectors is None:
        sets = [obj] if isinstance(obj, SpectrumSet) else obj if isinstance(obj, list | tuple) else []
        own = [item.vectors for item in sets if isinstance(item, SpectrumSet)]
        if len(own) < len(sets) or all(x is None for x in own):
            return None
        lengths = ["none" if x is None else str(x.shape[1]) for x in own]
        if len(set(lengths)) > 1:
            msg = f"vectors must be of one length in all sets that are joined; got {', '.join(lengths)}"
            raise ValueError(msg)
        return np.concatenate(own)
    try:
        values = np.array(vectors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"vectors must be an array of numbers (n, E); got {type(vectors).__name__}"
        raise TypeError(msg) from error
    if values.ndim != 2 or len(values) != n or not values.shape[1]:
        msg = f"vectors must have the shape ({n}, E), a row for each spectrum; got {values.shape}; match them by id"
        raise ValueError(msg)
    return values


def shift_to_rest(batch, redshift):
    """Spectra with their wavelengths in the rest frame.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    redshift : ndarray, shape (n,)

    Returns
    -------
    `~astro_spectok.spectra.SpectrumBatch`
        Each has a grid of its own. Those without a redshift have no pixels, and say so.
    """
    lost = np.flatnonzero((batch.lengths > 0) & ~np.isfinite(redshift))
    flags, info = batch.flags.copy(), list(batch.info)
    for i in lost.tolist():
        flags[i] |= int(InputFlag.BAD_INPUT)
        message = "redshift must be given for spectra that are read in the rest frame (frame='rest'); got NaN"
        info[i] = replace(info[i], message=message)
    lengths = np.where(np.isin(np.arange(len(batch)), lost), 0, batch.lengths)
    kept = [i for i in range(len(batch)) if lengths[i]]
    shifted = [batch.wavelength[batch.grid(i)] / (1 + redshift[i]) for i in kept]
    starts = np.zeros(len(batch), np.int64)
    starts[kept] = np.cumsum([0, *(len(w) for w in shifted)])[:-1]
    resolution = batch.resolution
    if resolution is not None:
        resolution = np.concatenate([resolution[:0], *(resolution[batch.grid(i)] for i in kept)])
    pixels = [batch.pixels(i) for i in kept]
    flux, ivar = (np.concatenate([x[:0], *(x[part] for part in pixels)]) for x in (batch.flux, batch.ivar))
    return replace(
        batch, wavelength=np.concatenate([np.zeros(0), *shifted]), wave_start=starts, flux=flux, ivar=ivar,
        offsets=np.concatenate([[0], np.cumsum(lengths)]), resolution=resolution, flags=flags, info=tuple(info),
    )  # fmt: skip
