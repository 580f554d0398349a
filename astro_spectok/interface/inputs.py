# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Shared parts of `embed` and the estimators: input to batch and weights, remarks, facts about spectra."""

import os
import sys
import warnings

import numpy as np

from astro_spectok.exceptions import FlaggedSpectraWarning, WavelengthRangeWarning
from astro_spectok.interface.axes import find_form
from astro_spectok.interface.domain import Domain, fit_batch
from astro_spectok.spectra import InputFlag, SpectrumBatch, read_files, read_paths, to_batch
from astro_spectok.spectra.medium import measure_refraction
from astro_spectok.utils.medians import find_median

__all__ = [
    "describe_input",
    "find_source",
    "find_user",
    "measure_facts",
    "measure_medium_error",
    "name_errors",
    "name_medium",
    "note_flags",
    "prepare_inputs",
    "read_inputs",
]

#: share of the good pixels that may lie outside the trained wavelengths without a remark
OUTSIDE_SHARE = 0.02


def prepare_inputs(obj, *, weights, medium, resolution, device, batch_tokens=None, on_error=None):
    """The input as a batch, the weights on their device, and whether it is a single spectrum.

    Parameters
    ----------
    obj, weights, medium, resolution, device, batch_tokens
        As for `~astro_spectok.tokenize`.
    on_error : {'flag', 'raise'}, optional
        What becomes of spectra that cannot be used; if not given, a single one raises and others are flagged.

    Returns
    -------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    runner : `~astro_spectok.engine.Runner`
    single : bool
    """
    form = find_form(weights)
    obj = read_paths(obj) if form.axis.is_light else obj
    single = form.is_single(obj)
    on_error = on_error or ("raise" if single else "flag")
    # before torch is imported: bad input fails at once
    batch = form.read(obj, medium=medium, resolution=resolution, on_error=on_error)
    from astro_spectok.engine import Runner

    runner = Runner(weights, device, batch_tokens=batch_tokens)
    batch = fit_batch(batch, Domain.from_weights(runner.loaded))
    if on_error == "raise" and batch.flags[0] & InputFlag.WHOLLY_OUTSIDE:
        raise ValueError(batch.info[0].message)
    return batch, runner, single


def read_inputs(paths, *, file_format=None, medium=None, resolution=None, **reading):
    """Read the spectra in files as one batch.

    Parameters
    ----------
    paths, file_format, medium, resolution
        As for `~astro_spectok.embed_files`.
    **reading
        ``wave_unit``, ``flux_unit``, ``columns``, ``hdu``, ``join`` and ``spaxel`` of `~astro_spectok.read`.

    Returns
    -------
    batch : `~astro_spectok.spectra.SpectrumBatch`
        A file that cannot be read is one flagged spectrum.
    names : list of str
        The path that each spectrum is from.

    Raises
    ------
    ValueError
        ``paths`` is empty, or an option is not one of those there are.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    to_batch([], medium=medium)  # a misspelt medium is an error, not a flag on each file
    pairs = list(read_files(paths, file_format=file_format, medium=medium, resolution=resolution, **reading))
    if not pairs:
        msg = "paths must name at least one file"
        raise ValueError(msg)
    names = [str(path) for path, batch in pairs for _ in range(len(batch))]
    return SpectrumBatch.concatenate([batch for _, batch in pairs]), names


def find_source(loaded):
    """Identifier of weights: their name if the registry has them, or else the path of their file."""
    from astro_spectok.weights import REGISTRY

    entry = REGISTRY.get(loaded.name)
    return loaded.name if entry and entry.sha256 == loaded.sha256 else str(loaded.path.absolute())


def note_flags(batch, loaded, *, single):
    """Flags of all spectra, with a warning for those outside the trained range and for those that cannot be used.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    loaded : `~astro_spectok.weights.LoadedWeights`
    single : bool
        Whether the user gave one spectrum.

    Returns
    -------
    ndarray of int64, shape (n,)
        Bits of `~astro_spectok.spectra.InputFlag`.
    """
    flags = np.array(batch.flags, dtype=np.int64)
    if loaded.wavelength_range is not None:
        low, high = loaded.wavelength_range
        for i in np.flatnonzero(batch.lengths):
            wavelength = batch.wavelength[batch.grid(i)]
            if low <= wavelength[0] and wavelength[-1] <= high:
                continue
            good = batch.ivar[batch.pixels(i)] > 0
            outside = good & ((wavelength < low) | (wavelength > high))
            if np.count_nonzero(outside) > OUTSIDE_SHARE * np.count_nonzero(good):
                flags[i] |= InputFlag.OUTSIDE_TRAINED_RANGE
        n_outside = np.count_nonzero((flags & InputFlag.OUTSIDE_TRAINED_RANGE) * (batch.lengths > 0))
        if n_outside:
            what = "the spectrum reaches" if single else f"{n_outside} of {len(batch)} spectra reach"
            msg = (
                f"{what} outside {low:.0f} to {high:.0f} Angstrom, what the weights {loaded.name!r} were trained on; "
                "results there are an extrapolation"
            )
            warnings.warn(msg, WavelengthRangeWarning, stacklevel=find_user())
    unusable = np.flatnonzero([InputFlag(int(f)).unusable for f in flags])
    if len(unusable):
        msg = (
            f"{len(unusable)} of {len(batch)} spectra could not be used and are flagged; the first is number "
            f"{unusable[0]}: {batch.info[unusable[0]].message}"
        )
        warnings.warn(msg, FlaggedSpectraWarning, stacklevel=find_user())
    return flags


def find_user():
    """Level in the stack, as `warnings.warn` counts for its caller, of the code that called the package."""
    package, level, frame = __name__.partition(".")[0], 0, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level + 1


def measure_facts(batch, i):
    """Median S/N per good pixel, number of good pixels, and first and last good wavelength in Angstrom."""
    ivar = batch.ivar[batch.pixels(i)]
    good = ivar > 0
    if not good.any():
        return np.nan, 0, np.nan, np.nan
    wavelength = batch.wavelength[batch.grid(i)][good]
    snr = find_median(batch.flux[batch.pixels(i)][good] * np.sqrt(ivar[good]))
    return snr, np.count_nonzero(good), wavelength[0], wavelength[-1]


def measure_medium_error(batch, i):
    """Possible shift of the redshift of a spectrum of unknown medium, in ln(1 + z): 83 km/s in the optical.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    i : int
        Position in the batch.

    Returns
    -------
    float
        0 where the medium is known, and below 2000 Angstrom, where it is vacuum for all.
    """
    if not batch.flags[i] & InputFlag.MEDIUM_ASSUMED:
        return 0.0
    good = batch.ivar[batch.pixels(i)] > 0
    return measure_refraction(batch.wavelength[batch.grid(i)][good])


def describe_input(info):
    """What is remarked of a spectrum in the metadata of its result: medium, where that was learnt, and guesses.

    Parameters
    ----------
    info : `~astro_spectok.spectra.SpectrumInfo`

    Returns
    -------
    dict of str to str
        ``guesses`` only where there are some.
    """
    said = {"medium": info.medium, "medium_source": info.medium_source}
    return said | ({"guesses": "; ".join(info.guesses)} if info.guesses else {})


def name_medium(info):
    """The medium of a spectrum as given: 'vacuum', 'air', or 'unknown' where it is not stated and vacuum was assumed.

    Parameters
    ----------
    info : `~astro_spectok.spectra.SpectrumInfo`

    Returns
    -------
    str
    """
    return "unknown" if info.medium_source == "assumed" else info.medium


def name_errors(flags):
    """Which errors of the flux were used, as tables have it.

    Parameters
    ----------
    flags : int
        Bits of `~astro_spectok.spectra.InputFlag`.

    Returns
    -------
    str
        'estimated' from the scatter where none are stated or they are far too large, 'raised' where they are too
        small, else 'stated'.
    """
    flags = InputFlag(int(flags))
    if InputFlag.UNCERTAINTY_ESTIMATED in flags:
        return "estimated"
    return "raised" if InputFlag.UNCERTAINTY_RAISED in flags else "stated"
