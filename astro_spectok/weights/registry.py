# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The literal registry of sets of weights: what each one is, and what its file must hash to."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from astropy import units as u
from astropy.table import QTable
from astropy.utils.data import is_url

from astro_spectok.exceptions import UnknownWeightsError

__all__ = ["REGISTRY", "WeightsEntry", "describe_weights", "get_entry", "list_weights", "register_weights"]


@dataclass(frozen=True)
class WeightsEntry:
    """One set of weights.

    Attributes
    ----------
    name : str
        Lower-case letters, digits, ``_`` and ``-``; by this name users ask for the set.
    file : str
        Name of the file, without folder; a mirror holds it under this name.
    sha256 : str
        Digest of the file, 64 hexadecimal digits.
    size : int
        Length of the file in bytes.
    urls : tuple of str
        Where to download it, in order of preference. May be empty for a packaged set.
    licence, citation : str
        Terms of use, and what to cite.
    wavelength_range : tuple of float
        Lowest and highest vacuum wavelength in Angstrom, as observed, that training reached.
    trained_on, description : str
        In words.
    figures : mapping of str to float
        Measured quality, by name of the measure.
    packaged : bool
        Whether the file is installed with the package.

    Raises
    ------
    TypeError, ValueError
        An attribute breaks one of the rules above.

    Examples
    --------
    >>> from astro_spectok.weights import WeightsEntry
    >>> entry = WeightsEntry(name="ours", file="ours.safetensors", sha256="ab" * 32, size=16_000_000,
    ...                      urls=("https://example.org/ours.safetensors",), wavelength_range=(3600, 9800))
    >>> entry.packaged, entry.wavelength_range
    (False, (3600, 9800))
    >>> WeightsEntry(name="Ours!", file="ours.safetensors", sha256="ab" * 32, size=1000)
    Traceback (most recent call last):
        ...
    ValueError: `name` must be lower-case letters, digits, '_' and '-', got 'Ours!'
    """

    name: str
    file: str
    sha256: str
    size: int
    urls: tuple = ()
    licence: str = ""
    citation: str = ""
    wavelength_range: tuple = (0.0, float("inf"))
    trained_on: str = ""
    description: str = ""
    figures: Mapping = field(default_factory=dict, hash=False)
    packaged: bool = False

    def __post_init__(self):
        _check_format("name", self.name, r"[a-z0-9][a-z0-9_-]*", "lower-case letters, digits, '_' and '-'")
        _check_format("file", self.file, r"[\w-][\w.-]*\.safetensors", "a file name, without folder, in .safetensors")
        _check_format("sha256", self.sha256, r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")
        if isinstance(self.urls, str) or not all(isinstance(url, str) for url in self.urls):
            msg = f"`urls` must be a tuple of strings, got {self.urls!r}; write a single one as (url,)"
            raise TypeError(msg)
        object.__setattr__(self, "urls", tuple(self.urls))
        if not_urls := [url for url in self.urls if not is_url(url)]:
            msg = f"`urls` must be full URLs such as https://... or file:///..., got {not_urls[0]!r}"
            raise ValueError(msg)
        if not (self.packaged or self.urls):
            msg = f"`urls` must name at least one source, as {self.name!r} is not packaged; got none"
            raise ValueError(msg)
        if self.size <= 0:
            msg = f"`size` must be the length of the file in bytes, got {self.size!r}"
            raise ValueError(msg)
        low, high = self.wavelength_range
        if not 0 <= low < high:
            msg = f"`wavelength_range` must be (low, high) in Angstrom with low < high, got {self.wavelength_range!r}"
            raise ValueError(msg)


def _check_format(argument, value, pattern, rule):
    """Raise unless ``value`` is a string that matches ``pattern`` as a whole."""
    if not isinstance(value, str):
        msg = f"`{argument}` must be a string, got {type(value).__name__}"
        raise TypeError(msg)
    if not re.fullmatch(pattern, value):
        msg = f"`{argument}` must be {rule}, got {value!r}"
        raise ValueError(msg)


# ---------------------------------------------------------------------------------------------
# The literal entries. After a set is retrained, `size` and `sha256` of its file are set HERE and
# nowhere else; `tests/test_weights.py` compares them with the packaged file.
# ---------------------------------------------------------------------------------------------
_ENTRIES = {
    entry.name: entry
    for entry in (
        WeightsEntry(
            name="small",
            file="small.safetensors",
            size=19961444,
            sha256="f562ac22c07876cf5980450cb9b053c308a54dadac015e73f4ff29b7d27c14ce",
            licence="BSD-3-Clause",
            citation="astro_spectok developers (CITATION.cff); after Shen et al. 2025, arXiv:2510.17959",
            # the wider of the ranges in the metadata of both runs
            wavelength_range=(1094.1, 48187.6),
            trained_on="simulated surveys; public spectra without labels; stars of public libraries with labels",
            description="the packaged default: tokens, embeddings, redshifts, stars, galaxies, transients, photometry",
            # benchmarks/results/small_reconstruction.json: chi2 per pixel, medians
            figures={"chi2_sdss_boss": 0.87, "chi2_lamost": 0.99, "chi2_sim_redrock": 0.96},
            packaged=True,
        ),
    )
}

#: All sets of weights that are known by name, a read-only mapping; `register_weights` adds to it.
REGISTRY = MappingProxyType(_ENTRIES)


def get_entry(name):
    """Return the registry entry of a set of weights.

    Parameters
    ----------
    name : str
        Name of the set.

    Returns
    -------
    WeightsEntry

    Raises
    ------
    UnknownWeightsError
        No set has that name; the message holds a table of those that exist.

    Examples
    --------
    >>> from astro_spectok.weights import get_entry
    >>> entry = get_entry("small")
    >>> entry.packaged, entry.licence
    (True, 'BSD-3-Clause')
    """
    try:
        return REGISTRY[name]
    except (KeyError, TypeError):
        columns = ["name", "size", "packaged", "description"]
        table = "\n".join(list_weights()[columns].pformat(max_lines=-1, max_width=-1))
        near = difflib.get_close_matches(str(name).strip().lower(), REGISTRY, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else "."
        msg = (
            f"`weights` must be the name of a known set or the path of a .safetensors file, got {name!r}{guess} "
            f"Known sets are:\n{table}\nAdd your own with astro_spectok.weights.register_weights."
        )
        raise UnknownWeightsError(msg) from None


def list_weights() -> QTable:
    """List the sets of weights that are known by name.

    Returns
    -------
    `~astropy.table.QTable`
        One row per set, with columns ``name, size`` (Mbyte), ``wavelength_min, wavelength_max``
        (Angstrom, vacuum), ``packaged, licence, trained_on, description``.

    Examples
    --------
    >>> from astro_spectok.weights import list_weights
    >>> table = list_weights()
    >>> print(table["name"][0], table["packaged"][0], table["size"].unit)
    small True Mbyte
    """
    entries = sorted(REGISTRY.values(), key=lambda entry: (not entry.packaged, entry.name))
    table = QTable()
    table["name"] = [entry.name for entry in entries]
    table["size"] = [entry.size / 1e6 for entry in entries] * u.Mbyte
    table["wavelength_min"] = [entry.wavelength_range[0] for entry in entries] * u.AA
    table["wavelength_max"] = [entry.wavelength_range[1] for entry in entries] * u.AA
    for column in ("packaged", "licence", "trained_on", "description"):
        table[column] = [getattr(entry, column) for entry in entries]
    table["size"].info.format = ".1f"
    return table


def describe_weights(name: str) -> str:
    """Describe one set of weights in words.

    Parameters
    ----------
    name : str
        Name of the set.

    Returns
    -------
    str
        Several lines: what it is, what it was trained on, its figures, terms, source and digest.

    Raises
    ------
    UnknownWeightsError
        No set has that name.

    Examples
    --------
    >>> from astro_spectok.weights import describe_weights
    >>> print(describe_weights("small").splitlines()[0].split())
    ['name:', 'small']
    """
    entry = get_entry(name)
    low, high = entry.wavelength_range
    rows = {
        "name": entry.name,
        "description": entry.description,
        "trained on": entry.trained_on,
        "wavelengths": f"{low:g} - {high:g} Angstrom (vacuum)",
        **{str(measure): f"{value:g}" for measure, value in entry.figures.items()},
        "licence": entry.licence,
        "cite": entry.citation,
        "file": f"{entry.file}, {entry.size} bytes" + (", installed with the package" if entry.packaged else ""),
        "sha256": entry.sha256,
        "sources": "\n".join(entry.urls),
    }
    return format_rows(rows)


def format_rows(rows):
    """Lay out a mapping of labels to texts as aligned lines; empty texts are left out."""
    rows = {label: str(text) for label, text in rows.items() if text not in ("", None)}
    width = max(map(len, rows), default=0) + 2
    return "\n".join(f"{label + ':':<{width}}" + text.replace("\n", "\n" + " " * width) for label, text in rows.items())


def register_weights(entry: WeightsEntry) -> None:
    """Register a set of weights of your own by name, for this session.

    Registering an equal entry again does nothing.

    Parameters
    ----------
    entry : WeightsEntry
        The set; `write_weights` makes a file, ``sha256sum`` its digest.

    Raises
    ------
    TypeError
        ``entry`` is no `WeightsEntry`.
    ValueError
        Another set has that name already.

    Examples
    --------
    From then on ``weights="survey-a"`` downloads the file when it is first needed:

    >>> from astro_spectok.weights import WeightsEntry, list_weights, register_weights
    >>> register_weights(WeightsEntry(name="survey-a", file="survey-a.safetensors", sha256="ab" * 32, size=1000,
    ...                               urls=("https://example.org/survey-a.safetensors",)))
    >>> list_weights()["name"].tolist()  # doctest: +ELLIPSIS
    ['small', ...'survey-a'...]
    """
    if not isinstance(entry, WeightsEntry):
        msg = f"`entry` must be a WeightsEntry, got {type(entry).__name__}"
        raise TypeError(msg)
    if entry.packaged:
        msg = "`entry` must not be marked packaged: only sets installed with astro_spectok are; give its `urls`"
        raise ValueError(msg)
    if _ENTRIES.setdefault(entry.name, entry) != entry:
        msg = f"`entry` must not reuse the name of another set, got {entry.name!r}; choose a new name"
        raise ValueError(msg)
