# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Formats that this package reads, how each is recognised and read; all are in specutils' registry."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from astropy.io import registry
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra.loaders._finish import check_taken, finish_spectra
from astro_spectok.spectra.loaders._options import ReadOptions, make_options
from astro_spectok.spectra.loaders._refusal import refuse
from astro_spectok.spectra.loaders._registration import GENERAL_PRIORITY, PRIORITY, register_loader
from astro_spectok.spectra.loaders._source import open_source

__all__ = [
    "FORMATS", "Format", "as_result", "find_format", "find_own_format", "identify_foreign", "load_format",
    "register_format",
]  # fmt: skip


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    label : str
        Its name in specutils' registry.
    kind : {'fits', 'text'}
        What `Source.kind` must be.
    general : bool
        Whether it reads what no format by name claims.
    sniff : callable
        ``sniff(source)``: whether a file is of this format; cheap.
    load : callable
        ``load(source, options)``: list of `~specutils.Spectrum`.
    takes : frozenset of str
        Of the options 'columns', 'hdu' and 'spaxel' those that it obeys; all obey the others.
    """

    label: str
    kind: str
    general: bool
    sniff: Callable
    load: Callable
    takes: frozenset = frozenset()

    def claims(self, source):
        """Whether a source is of this format; anything that goes wrong while looking means no."""
        if source.kind != self.kind:
            return False
        try:
            return bool(self.sniff(source))
        except Exception:  # headers of strangers raise whatever they can
            return False


#: formats in the order in which they are tried
FORMATS: dict[str, Any] = {}


def as_result(spectra, name):
    """One `~specutils.Spectrum`, or a `~specutils.SpectrumList` of several."""
    if not spectra:
        raise refuse(name, "holds no spectrum", "give a file that does, or name its columns or hdu")
    return spectra[0] if len(spectra) == 1 else SpectrumList(spectra)


def find_format(source, *, general=True):
    """The label of the first format that claims a source, or None.

    Parameters
    ----------
    source : Source
    general : bool, optional
        Whether the general readers may claim it too.

    Returns
    -------
    str or None
    """
    # the order of registering is kept, but general readers come last
    for own in sorted(FORMATS.values(), key=lambda one: one.general):
        if (general or not own.general) and own.claims(source):
            return own.label
    return None


@lru_cache(maxsize=8)
def _find_in_file(path, size, changed):
    """As `find_format`, for a file that has not changed since: all identifiers of specutils ask for the same one."""
    with open_source(path) as source:
        return find_format(source)


def identify_foreign(hdulist, path="", but=()):
    """The labels of the formats of specutils' registry but ours that claim an open file.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        Handed to each identifier: sixty that open the file for themselves take 40 ms.
    path : str
    but : collection of str
        Labels that are not asked either.

    Returns
    -------
    list of str
        Of formats of `~specutils.SpectrumList`, or, where none claims it, of those that give one spectrum alone.
    """
    identifiers = getattr(registry.compat.default_registry, "_identifiers", {})
    found, asked = [], {}
    for container in (SpectrumList, Spectrum):
        for (label, own), identify in list(identifiers.items()):
            if own is not container or label in FORMATS or label in but:
                continue
            # of most formats both containers have the same
            if identify not in asked:
                with contextlib.suppress(Exception):  # headers of strangers raise whatever they can
                    asked[identify] = identify("read", path, None, hdulist)
                asked.setdefault(identify, False)
            if asked[identify]:
                found.append(label)
        if found:
            break
    return found


def find_own_format(file_obj):
    """The label of the first format of this package that claims a file, whatever names it, or None."""
    if isinstance(file_obj, str | os.PathLike):
        facts = os.stat(file_obj)
        return _find_in_file(os.fspath(file_obj), facts.st_size, facts.st_mtime_ns)
    with open_source(file_obj) as source:
        return find_format(source)


def register_format(label, *, kind="fits", sniff, general=False, takes=()):
    """
    Decorator that makes ``load(source, options)`` a format, and a loader of specutils for one spectrum and for many.

    Parameters
    ----------
    label : str
    kind : {'fits', 'text'}
    sniff : callable
    general : bool
        A general reader gives way to every other loader of specutils; one of a single layout goes before all.
    takes : sequence of str
        As of `Format`.

    Returns
    -------
    decorator : callable
    """

    def decorator(load):
        FORMATS[label] = Format(label, kind, general, sniff, load, frozenset(takes))

        def identify(origin, *args, **kwargs):
            return origin == "read" and find_own_format(args[2] if len(args) > 2 else args[0]) == label

        def read_many(file_obj, **kwargs):
            options = make_options(**kwargs)
            with open_source(file_obj) as source:
                return SpectrumList(finish_spectra(load_format(label, source, options), source.name, options))

        def read_one(file_obj, **kwargs):
            spectra = read_many(file_obj, **kwargs)
            if len(spectra) != 1:
                with open_source(file_obj) as source:
                    raise source.refuse(f"holds {len(spectra)} spectra", "read it with SpectrumList.read")
            return spectra[0]

        priority = GENERAL_PRIORITY if general else PRIORITY
        for dtype, reader in ((Spectrum, read_one), (SpectrumList, read_many)):
            reader.__doc__ = load.__doc__
            register = register_loader(
                label, identify, dtype=dtype, autogenerate_spectrumlist=False, priority=priority, obeys=True
            )
            register(reader)
        return load

    return decorator


def load_format(label, source, options=None):
    """Spectra of a source as one of `FORMATS` reads it.

    Parameters
    ----------
    label : str
    source : Source
    options : ReadOptions, optional

    Returns
    -------
    list of `~specutils.Spectrum`
    """
    options = options or ReadOptions()
    check_taken(options, FORMATS[label].takes, label)
    return list(FORMATS[label].load(source, options))
