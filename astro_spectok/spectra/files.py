# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files to spectra, whatever specutils (or a loader of this package) makes of them."""

import warnings
from dataclasses import replace
from pathlib import Path

from astropy.units import UnitsWarning
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra.batch import SpectrumBatch
from astro_spectok.spectra.convert import to_batch

__all__ = ["read_file", "read_files"]


def read_file(path, *, file_format=None):
    """Read all spectra of a file.

    Parameters
    ----------
    path : str or path-like
        The file.
    file_format : str, optional
        Name of a specutils format; found out from the file if not given.

    Returns
    -------
    `~specutils.Spectrum` or `~specutils.SpectrumList`
        Whichever of the two specutils reads the file as, in this order.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    OSError
        Nothing that specutils can read; the message says what was tried.

    Examples
    --------
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> from astro_spectok.spectra import read_file
    >>> spectrum = read_file(EXAMPLE_PATH)
    >>> print(type(spectrum).__name__, spectrum.shape, spectrum.spectral_axis.unit)
    Spectrum (4015,) Angstrom
    """
    if not Path(path).is_file():
        msg = f"{path}: no such file"
        raise FileNotFoundError(msg)
    options = {} if file_format is None else {"format": file_format}
    problems = []
    for container in (Spectrum, SpectrumList):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UnitsWarning)  # odd spellings of units, which are understood
                return container.read(str(path), **options)
        except Exception as error:  # loaders raise whatever their file format makes them stumble over
            problems.append(f"{container.__name__}: {' '.join(str(error).split())[:160]}")
    msg = (
        f"{path} cannot be read as a spectrum ({'; '.join(problems)}); name its format if specutils knows it, see "
        "specutils.list_loaders in its documentation"
    )
    raise OSError(msg)


def read_files(paths, *, file_format=None, medium=None, resolution=None):
    """Read files one after the other, each as a batch; a file that cannot be read is one flagged spectrum.

    Parameters
    ----------
    paths : iterable of str or path-like
    file_format : str, optional
        As for `read_file`.
    medium, resolution : optional
        As for `~astro_spectok.spectra.to_batch`.

    Yields
    ------
    path
        As given.
    batch : `~astro_spectok.spectra.SpectrumBatch`
        Spectra without a name of their own are called like the file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> from astro_spectok.spectra import InputFlag, read_files
    >>> text = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> _ = text.write_text("clouds")
    >>> for path, batch in read_files([EXAMPLE_PATH, text]):
    ...     print(path.name, batch.lengths, InputFlag(int(batch.flags[0])).unusable)
    example_galaxy.fits [4015] False
    notes.txt [0] True
    """
    for path in paths:
        try:
            batch = to_batch(read_file(path, file_format=file_format), medium=medium, resolution=resolution)
        except (OSError, TypeError, ValueError) as error:
            batch = SpectrumBatch.make_unusable(str(error))
        if not len(batch):
            batch = SpectrumBatch.make_unusable(f"{path} holds no spectrum")
        info = tuple(i if i.name else replace(i, name=Path(path).name) for i in batch.info)
        yield path, replace(batch, info=info)
