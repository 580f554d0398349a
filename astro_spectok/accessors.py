# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`tokenize` and `embed` as methods of specutils' containers."""

import logging

from specutils import Spectrum, SpectrumCollection, SpectrumList

from astro_spectok.embedding import embed, tokenize

__all__ = ["register_accessors"]

log = logging.getLogger(__name__)

#: ``Spectrum1D`` is a subclass or another name of ``Spectrum``, and gets them from it
CONTAINERS = (Spectrum, SpectrumCollection, SpectrumList)


def register_accessors():
    """Put `~astro_spectok.tokenize` and `~astro_spectok.embed` on the containers of specutils.

    The functions take the spectrum first and all else by keyword, so they are the methods as they stand:
    ``spectrum.embed(device="cpu")`` is ``embed(spectrum, device="cpu")``. May be called again; an attribute of that
    name that somebody else put there is left alone, with a remark in the log.

    Examples
    --------
    >>> from specutils import Spectrum
    >>> import astro_spectok
    >>> Spectrum.embed is astro_spectok.embed
    True
    """
    for container in CONTAINERS:
        for function in (tokenize, embed):
            present = getattr(container, function.__name__, None)
            # by module and not by identity, so that reloading the package replaces its own
            if present is None or getattr(present, "__module__", None) == function.__module__:
                setattr(container, function.__name__, function)
            else:
                log.warning(
                    "%s.%s exists already and is left alone; use astro_spectok.%s(spectrum)",
                    container.__name__, function.__name__, function.__name__,
                )  # fmt: skip
