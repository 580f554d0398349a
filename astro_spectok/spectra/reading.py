# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files to spectra: `read`, by the first loader of this package or of specutils that knows the layout."""

import difflib
import logging
import os
import re
import warnings
from collections import OrderedDict
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from astropy import units as u
from astropy.io import fits, registry
from astropy.units import UnitsWarning
from astropy.utils.exceptions import AstropyUserWarning
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra.loaders._finish import check_taken, finish_spectra, restate_units
from astro_spectok.spectra.loaders._formats import FORMATS, as_result, find_format, identify_foreign, load_format
from astro_spectok.spectra.loaders._image_parts import refuse_extension
from astro_spectok.spectra.loaders._options import OptionError, make_options
from astro_spectok.spectra.loaders._refusal import UnreadableFileError, refuse
from astro_spectok.spectra.loaders._registration import OWN_LABELS
from astro_spectok.spectra.loaders._source import open_source, read_pipe
from astro_spectok.spectra.loaders.cubes import is_cube
from astro_spectok.spectra.problems import Unread
from astro_spectok.utils.host import own_state

__all__ = ["READ_OPTIONS", "check_format", "read", "read_paths", "read_source"]

log = logging.getLogger(__name__)

#: keywords of `read` that all that takes files takes too, beside the format, the medium and the resolution
READ_OPTIONS = ("wave_unit", "flux_unit", "columns", "hdu", "join", "spaxel")
#: loaders of specutils that take any file of a kind, or misread a layout: ours are asked in their place
_NOT_ASKED = frozenset(
    {"tabular-fits", "wcs1d-fits", "iraf", "ASCII", "ECSV", "IPAC", "SDSS-I/II spSpec", "SDSS spPlate", "DESI spectra",
     "DESI coadd", "JWST x1d MIRI MRS"}
)  # fmt: skip
#: formats whose own extensions ``hdu`` may name
_TAKES_HDU = ("DESI arms", "DEEP2 spec1d")
#: files of one structure, which these cards of the primary header and of the first extension state, are of one format:
#: it is looked for once
_STRUCTURE = (
    ("BITPIX", "NAXIS", "NAXIS2", "TELESCOP", "INSTRUME", "ORIGIN", "CTYPE1", "DC-FLAG"),
    ("XTENSION", "EXTNAME", "TTYPE1", "TTYPE2", "TTYPE3", "NAXIS", "TFIELDS"),
)
#: an extension and its EXTVER
_VERSION = re.compile(r"\s*\[?\s*(.+?)\s*,\s*(\d+)\s*\]?\s*")
_MEMORY: OrderedDict[Any, Any] = OrderedDict()
_MEMORY_SIZE = 256


@own_state
def read(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    wave_unit: str | u.UnitBase | None = None,
    flux_unit: str | u.UnitBase | None = None,
    columns: Any = None,
    hdu: Any = None,
    medium: str | None = None,
    resolution: Any = None,
    join: bool | None = None,
    spaxel: Any = None,
) -> Spectrum | SpectrumList:
    """Read all spectra of a file, whatever wrote it.

    What the file does not say is inferred: units from their spelling or the size of the values, columns from their
    names, and kinds of errors from their names or, if these are absurd, from the data. ``meta['guesses']`` lists what
    was guessed. Bad pixels are masked; the medium is kept in ``meta['medium']`` where file or format state it.

    Parameters
    ----------
    path : str, path-like, binary file-like or `~astropy.io.fits.HDUList`
        FITS or text, packed with gzip, bzip2 or xz or not. A pipe, as ``/dev/stdin``, is read to its end.
    format : str, optional
        Name of a format of specutils or of this package.
    wave_unit : str or `~astropy.units.Unit`, optional
        Of the spectral axis, such as ``'nm'`` or ``'log10(Angstrom)'``.
    flux_unit : str or `~astropy.units.Unit`, optional
        As people spell it, such as ``'1E-17 erg/cm^2/s/Ang'``.
    columns : str, sequence of str, or dict, optional
        Names, or numbers from 1, of the columns (of a FITS image: extensions) that hold wavelength, flux and perhaps an
        error: ``'WAVE,FLUX,IVAR'``, or with kinds ``'wave=L,flux=F,ivar=W'`` (wave, loglam, flux, err, ivar, var, snr,
        mask).
    hdu : int or str, optional
        Extension that holds the flux; of several of one name with its EXTVER, as ``'SCI,2'``.
    medium : {'vacuum', 'air'}, optional
        Of the wavelengths.
    resolution : float or `~astropy.units.Quantity`, optional
        Resolving power R, or a FWHM with unit.
    join : bool, optional
        Whether arms or orders become one spectrum; if not given, where they are parts of one by their format.
    spaxel : tuple of int, 'sum' or ndarray of bool, optional
        Of a cube: ``(x, y)`` from 0, the sum over all, or over a mask of shape (y, x).

    Returns
    -------
    `~specutils.Spectrum` or `~specutils.SpectrumList`
        The latter for several on different axes.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    OSError
        It holds no spectrum, or none that can be read; one sentence says why and what to do.
    ValueError
        An option has a value it cannot have.

    Examples
    --------
    >>> from astro_spectok import read
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> spectrum = read(EXAMPLE_PATH)
    >>> print(type(spectrum).__name__, spectrum.shape, spectrum.spectral_axis.unit)
    Spectrum (4015,) Angstrom
    """
    options = make_options(
        wave_unit=wave_unit, flux_unit=flux_unit, columns=columns, hdu=hdu, medium=medium, resolution=resolution,
        join=join, spaxel=spaxel,
    )  # fmt: skip
    if isinstance(path, str) and not path.strip():
        msg = "path must name a file; got an empty text"
        raise FileNotFoundError(msg)
    if isinstance(path, str | os.PathLike):
        path = read_pipe(path) if Path(path).is_fifo() else path
    if isinstance(path, str | os.PathLike):
        _check_path(Path(path))
    with warnings.catch_warnings():
        # odd spellings of units, which are understood; headers that break rules without consequence
        warnings.simplefilter("ignore", UnitsWarning)
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        warnings.simplefilter("ignore", AstropyUserWarning)
        with open_source(path) as source:
            try:
                spectra = read_source(source, format, options)
            except (UnreadableFileError, OptionError):
                raise
            except Exception as error:  # files of strangers make astropy and loaders raise whatever they can
                remedy = "fetch it again, or name columns, hdu or format"
                raise source.refuse(f"cannot be read: {error}", remedy) from error
            return as_result(finish_spectra(spectra, source.name, options), source.name)


def _check_path(path):
    """Refuse what is no file: a folder, a device, a link that leads nowhere."""
    if path.is_file():
        return
    if path.is_dir():
        is_zarr = any((path / name).exists() for name in (".zgroup", ".zarray", "zarr.json"))
        raise (
            refuse(path, "is a folder of Zarr arrays", "open it with zarr and give arrays with units")
            if is_zarr
            else (refuse(path, "is a folder", "give its files"))
        )
    if path.exists():
        raise refuse(path, "is a device and no file", "save what it gives to a file")
    msg = f"{path}: no such file"
    if path.is_symlink():
        msg = f"{path}: no such file; it is a link that leads nowhere"
    raise FileNotFoundError(msg)


def read_source(source, label, options):
    """Spectra of an open file.

    Parameters
    ----------
    source : Source
    label : str or None
        Name of the format.
    options : ReadOptions

    Returns
    -------
    list of `~specutils.Spectrum`
    """
    options = _find_version(source, options)
    if label is not None:
        check_format(label)
        if label in FORMATS:
            return load_format(label, source, options)
        return _read_specutils(source, label, options)
    if options.by_hand:
        return _read_by_hand(source, options)
    key = _make_key(source)
    label = _MEMORY.get(key)
    known = label in FORMATS or label in OWN_LABELS
    if label is None or (label in FORMATS and not FORMATS[label].claims(source)) or (options.restated and not known):
        label = find_format(source, general=False) or _find_specutils(source, options)
    spectra, problem = None, None
    if label is not None and label not in FORMATS:
        try:
            spectra = _read_specutils(source, label, options)
        except UnreadableFileError as error:
            # a loader that stumbles leaves the file to the general readers
            label, problem = None, error
    if spectra is None:
        label = label or find_format(source)
        if label is None:
            raise problem or _describe(source)
        try:
            spectra = load_format(label, source, options)
        except UnreadableFileError:
            if problem is not None:
                log.debug("%s: %s", source.name, problem)
            raise
    if key is not None:
        _MEMORY[key] = label
        _MEMORY.move_to_end(key)
        while len(_MEMORY) > _MEMORY_SIZE:
            _MEMORY.popitem(last=False)
    return spectra


def check_format(label):
    """Refuse the name of a format that nobody has registered.

    Parameters
    ----------
    label : str or None

    Raises
    ------
    ValueError
        With the names that are most like it.
    """
    if label is None or label in FORMATS:
        return
    names = {str(name) for one in (Spectrum, SpectrumList) for name in registry.get_formats(one, "Read")["Format"]}
    if label not in names:
        like = difflib.get_close_matches(str(label), sorted(names), 3, 0.4)
        hint = f" ({', '.join(like)} are like it)" if like else ""
        msg = f"format must be the name of a format that is registered{hint}, or be left out; got {label!r}"
        raise OptionError(msg)


def _find_version(source, options):
    """The options with the number of an extension that is named with its EXTVER, as ``SCI,2``."""
    found = _VERSION.fullmatch(options.hdu) if isinstance(options.hdu, str) and source.kind == "fits" else None
    if found is None:
        return options
    try:
        return replace(options, hdu=source.hdulist.index_of((found[1], int(found[2]))))
    except KeyError as error:
        raise refuse_extension(source, options.hdu) from error


def _describe(source):
    """The error for a file that no format claims."""
    if source.kind == "fits":
        from astro_spectok.spectra.loaders.fits_tables import describe_fits

        return describe_fits(source)
    return source.refuse("is a text without columns of numbers", "give wavelength and flux in columns")


def _read_by_hand(source, options):
    """Spectra where the user says in which extension or columns they stand."""
    if source.kind != "fits":
        if options.hdu is not None:
            msg = f"hdu names an extension of a FITS file, and {source.name} is none; leave it out"
            raise OptionError(msg)
        labels = [own.label for own in FORMATS.values() if "columns" in own.takes and own.claims(source)]
        return load_format(labels[0] if labels else "spectok text", source, options)
    named = [] if options.columns is not None else _TAKES_HDU if isinstance(options.hdu, str) else ()
    label = next((label for label in (*named, "spectok cube") if FORMATS[label].claims(source)), None)
    if label is not None and (label != "spectok cube" or is_cube(source, options)):
        return load_format(label, source, options)
    name = options.hdu
    if options.columns is not None and name is None:
        present = {hdu.name.upper() for hdu in source.hdulist}
        wanted = options.columns["flux"]
        is_table = not (isinstance(wanted, str) and wanted.upper() in present)
    else:
        try:
            is_table = not source.hdulist[name or 0].is_image
        except (KeyError, IndexError) as error:
            raise refuse_extension(source, name) from error
    return load_format("spectok table" if is_table else "spectok image", source, options)


def _make_key(source):
    """Key shared by files of one format in one folder; None for text, whose formats are recognised at once."""
    if source.kind != "fits":
        return None
    key = [os.path.dirname(source.path), source.suffix]
    for raw, keywords in zip(source.raw[:2], _STRUCTURE, strict=False):
        key += [raw.cards.get(keyword) for keyword in keywords]
    return tuple(key)


def _find_specutils(source, options):
    """Name of the format of specutils, of one layout, that claims a FITS file; None if there is none."""
    if source.kind != "fits":
        return None
    found = identify_foreign(source.hdulist, source.path, _NOT_ASKED)
    # what others take for units may be what the user corrects: the general readers look at the file itself
    found = [label for label in found if label in OWN_LABELS or not options.restated]
    return max(found, key=_priority, default=None)


def _priority(label):
    readers = getattr(registry.compat.default_registry, "_readers", {})
    return max((readers[key][1] for key in ((label, Spectrum), (label, SpectrumList)) if key in readers), default=0)


def _read_specutils(source, label, options):
    """Spectra of a file as a format of specutils reads it."""
    check_taken(options, (), label)
    problems = []
    what = source.path or source.hdulist
    for container in (Spectrum, SpectrumList):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = container.read(what, format=label)
            break
        except Exception as error:  # loaders raise whatever their file format makes them stumble over
            problems.append(" ".join(str(error).split()))
    else:
        raise _describe_failure(source, label, problems)
    found = [found] if isinstance(found, Spectrum) else list(found)
    return [restate_units(spectrum, options) for spectrum in found]


def _describe_failure(source, label, problems):
    """The error for a file that a format of specutils claims and does not read."""
    problem = next((text for text in problems if "No reader" not in text), problems[0])
    return source.refuse(f"cannot be read as {label!r}: {problem}", "name another format, or hdu and columns")


def read_paths(obj, **options):
    """Replace names of files by what they hold.

    Parameters
    ----------
    obj
        Anything; a str or path-like is read, and so are those in a list or tuple.
    **options
        Of `read`.

    Returns
    -------
    object
        ``obj`` itself where it holds no name. In the list for a list, a file that cannot be read is an `Unread` that
        keeps the error.

    Raises
    ------
    OSError
        A single file cannot be read.

    Examples
    --------
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> from astro_spectok.spectra import read_paths
    >>> [type(item).__name__ for item in read_paths([EXAMPLE_PATH, "none.fits"])]
    ['Spectrum', 'Unread']
    """
    if isinstance(obj, str | os.PathLike):
        return read(obj, **options)
    if not isinstance(obj, list | tuple) or not any(isinstance(item, str | os.PathLike) for item in obj):
        return obj
    out = []
    for item in obj:
        if not isinstance(item, str | os.PathLike):
            out.append(item)
            continue
        try:
            found = read(item, **options)
        except OSError as error:
            out.append(Unread(error, Path(item).name))
            continue
        out.extend(found if isinstance(found, SpectrumList) else [found])
    return out
