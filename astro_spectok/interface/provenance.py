# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Provenance of a result, as plain numbers and text that files can hold."""

import os
from datetime import UTC, datetime
from typing import Any

__all__ = ["make_provenance", "word_call", "word_options"]

#: characters of an option in the record of a call
LONGEST = 80


def make_provenance(loaded: Any, call: str) -> dict[str, str]:
    """Provenance in the metadata of a result: weights, their sha256, versions, date and call.

    Parameters
    ----------
    loaded : `~astro_spectok.weights.LoadedWeights`
    call : str
        As of `word_call`.

    Returns
    -------
    dict of str to str
        ``date`` is UTC, as ISO 8601 and FITS have it.
    """
    import astropy
    import specutils
    import torch

    from astro_spectok.version import __version__

    return {
        "weights": loaded.name,
        "weights_sha256": loaded.sha256,
        "astro_spectok": __version__,
        "astropy": astropy.__version__,
        "specutils": specutils.__version__,
        "torch": str(torch.__version__),  # a subclass of str, which YAML refuses
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "call": call,
    }


def word_call(name: str, **options: Any) -> str:
    """A call in words, without the spectra.

    Parameters
    ----------
    name : str
        What was called.
    **options
        Those that are None are left out, long ones are cut.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> from astro_spectok.interface.provenance import word_call
    >>> word_call("embed_table", weights=None, medium="air")
    "embed_table(..., medium='air')"
    """
    given = {key: value for key, value in options.items() if value is not None}
    return f"{name}({', '.join(['...', *word_options(given)])})"


def word_options(options: dict[str, Any]) -> list[str]:
    """Each option as ``name=value``, in one line, long ones cut."""
    words = []
    for name, value in options.items():
        text = " ".join(repr(os.fspath(value) if isinstance(value, os.PathLike) else value).split())
        words.append(f"{name}={text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'}")
    return words
