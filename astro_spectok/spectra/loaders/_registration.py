# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Registering a loader with specutils so that it wins over the generic ones and never replaces a foreign one."""

import contextlib
import functools
import logging
from pathlib import PurePath

from astropy.io import registry
from specutils import Spectrum, SpectrumList
from specutils.io.registers import data_loader

from astro_spectok.spectra.loaders._finish import check_taken, finish_spectra, restate_units
from astro_spectok.spectra.loaders._options import make_options

__all__ = [
    "FITS_EXTENSIONS",
    "GENERAL_PRIORITY",
    "OWN_LABELS",
    "PRIORITY",
    "obey_options",
    "register_loader",
    "registering",
]

log = logging.getLogger(__name__)

#: specutils' own survey loaders have 10, its generic ones 5 and 6. A tie would be an error, the highest wins.
PRIORITY = 20
#: below all others: what nobody else claims
GENERAL_PRIORITY = -20
_OPTIONS = ("wave_unit", "flux_unit", "columns", "hdu", "medium", "resolution", "join", "spaxel")
#: formats of this package whose loaders do not know the options of `~astro_spectok.read`
OWN_LABELS: set[str] = set()
FITS_EXTENSIONS = ["fits", "fit", "fits.gz"]
#: names of the formats of each class while many are registered
_KNOWN: dict[type, set[str]] = {}


@contextlib.contextmanager
def registering():
    """A context for registering many loaders: astropy writes its tables of formats once, not twice for each of them.

    Yields
    ------
    None
    """
    _KNOWN.update({cls: _list_labels(cls) for cls in (Spectrum, SpectrumList)})
    written = type(Spectrum.write)
    help_on_writing = written.__doc__
    try:
        # both classes have one text: that of lists, which are read from more formats, comes last
        with registry.delay_doc_updates(SpectrumList), registry.delay_doc_updates(Spectrum):
            yield
    finally:
        written.__doc__ = help_on_writing  # but lists are written to none
        _KNOWN.clear()


def register_loader(
    label, identifier, *, dtype=Spectrum, autogenerate_spectrumlist=True, priority=PRIORITY, obeys=False
):
    """
    Decorator that registers a loader with specutils, unless one of that name is there already.

    A later specutils may bring a loader of the same name: then that one stays, and importing this package does not
    fail. Importing twice registers once.

    Parameters
    ----------
    label : str
        Name of the format, as for ``Spectrum.read(file, format=label)``.
    identifier : callable
        ``identifier(origin, *args, **kwargs)``, true for files of this format. specutils turns any exception it
        raises into "no".
    dtype : type, optional
        What the loader returns: `~specutils.Spectrum` or `~specutils.SpectrumList`.
    autogenerate_spectrumlist : bool, optional
        Whether ``SpectrumList.read`` shall read the same files into a list of one.
    priority : int, optional
    obeys : bool, optional
        Whether the loader obeys the options of `~astro_spectok.read` by itself.

    Returns
    -------
    decorator : callable
    """
    wanted = {dtype, SpectrumList} if autogenerate_spectrumlist else {dtype}
    if any(_is_registered(label, cls) for cls in wanted):
        log.debug("A loader named %r is registered already and stays.", label)
        return lambda function: function
    for cls in wanted & set(_KNOWN):
        _KNOWN[cls].add(label)
    register = data_loader(
        label=label,
        identifier=identifier,
        dtype=dtype,
        extensions=FITS_EXTENSIONS,
        priority=priority,
        autogenerate_spectrumlist=autogenerate_spectrumlist,
    )
    if obeys:
        return register
    OWN_LABELS.add(label)
    return lambda function: register(obey_options(label, function, dtype))


def _is_registered(label, cls):
    """Whether a reader of this name exists for exactly this class."""
    return label in (_KNOWN.get(cls) or _list_labels(cls))


def _list_labels(cls):
    """Names of the formats that are read into exactly this class."""
    table = registry.get_formats(cls, readwrite="Read")
    return set(table["Format"]) if len(table) else set()


def obey_options(label, read, dtype):
    """A loader that obeys the options of `~astro_spectok.read`, or refuses them in words.

    Parameters
    ----------
    label : str
        Name of the format.
    read : callable
        ``read(file_obj, **kwargs)``, which knows none of them.
    dtype : type
        What it returns: `~specutils.Spectrum` or `~specutils.SpectrumList`.

    Returns
    -------
    callable
    """

    @functools.wraps(read)
    def wrapped(file_obj, **kwargs):
        options = make_options(**{name: kwargs.pop(name) for name in _OPTIONS if name in kwargs})
        check_taken(options, (), label)
        found = read(file_obj, **kwargs)
        spectra = [restate_units(one, options) for one in (found if dtype is SpectrumList else [found])]
        name = str(getattr(file_obj, "name", file_obj)) if not isinstance(file_obj, list) else ""
        spectra = finish_spectra(spectra, PurePath(name).name, options)
        return SpectrumList(spectra) if dtype is SpectrumList else spectra[0]

    return wrapped
