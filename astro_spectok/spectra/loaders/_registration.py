# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Registering a loader with specutils so that it wins over the generic ones and never replaces a foreign one."""

import logging

from astropy.io import registry
from specutils import Spectrum, SpectrumList
from specutils.io.registers import data_loader

__all__ = ["FITS_EXTENSIONS", "GENERAL_PRIORITY", "PRIORITY", "register_loader"]

log = logging.getLogger(__name__)

#: specutils' own survey loaders have 10, its generic ones 5 and 6. A tie would be an error, the highest wins.
PRIORITY = 20
#: below all others: what nobody else claims
GENERAL_PRIORITY = -20

FITS_EXTENSIONS = ["fits", "fit", "fits.gz"]


def register_loader(label, identifier, *, dtype=Spectrum, autogenerate_spectrumlist=True, priority=PRIORITY):
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

    Returns
    -------
    decorator : callable
    """
    wanted = {dtype, SpectrumList} if autogenerate_spectrumlist else {dtype}
    if any(_is_registered(label, cls) for cls in wanted):
        log.debug("A loader named %r is registered already and stays.", label)
        return lambda function: function
    return data_loader(
        label=label,
        identifier=identifier,
        dtype=dtype,
        extensions=FITS_EXTENSIONS,
        priority=priority,
        autogenerate_spectrumlist=autogenerate_spectrumlist,
    )


def _is_registered(label, cls):
    """Whether a reader of this name exists for exactly this class."""
    table = registry.get_formats(cls, readwrite="Read")
    return len(table) > 0 and label in table["Format"]
