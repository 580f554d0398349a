# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of numbers in text: where they are, how they are separated, and what the lines above say of them."""

import csv
import re
from dataclasses import dataclass

import numpy as np
from astropy import units as u

from astro_spectok.spectra.loaders._error_kind import match_error_kind
from astro_spectok.spectra.loaders._roles import find_role
from astro_spectok.spectra.loaders._unit_words import parse_axis_unit, parse_flux_unit

__all__ = [
    "LEAST_ROWS", "TextBlock", "are_dates", "find_block", "guess_names", "read_block", "read_text_header", "tidy_text",
]  # fmt: skip

_COMMENT = re.compile(r"^\s*(?:#|;|!|%|//|@|\\|\"#|\*)+\s?")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?|[-+]?(?:nan|inf|infinity|NaN|NAN|Inf|INF|null|NULL|INDEF|--)"
_NUMERIC = re.compile(rf"^\s*(?:{_NUMBER})(?:[\s,;|\t]+(?:{_NUMBER}))*[\s,;|]*$")
_WORDS = re.compile(r"^(?:nan|null|indef|--|)$", re.IGNORECASE)
#: KEY = value, KEY: value, as FITS headers are put into comments
_CARD = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_\- ]{0,30}?)\s*[=:]\s*(.*?)\s*(?:/.*)?$")
LEAST_ROWS = 8


def _split(line, separator):
    """The fields of a line."""
    if separator is None:
        return line.split()
    return [part.strip().strip("\"'").strip() for part in next(csv.reader([line], delimiter=separator))]


def _tell_separator(lines):
    """What separates columns: comma, semicolon, tab, bar, or None for blanks."""
    for separator in (",", ";", "\t", "|"):
        if all(separator in line.strip().strip(separator) for line in lines):
            return separator
    return None


def read_text_header(lines):
    """Cards in comments, such as ``# OBJECT = SN2021zac`` or ``# EXPTIME: 2250``.

    Parameters
    ----------
    lines : sequence of str
        Without their comment signs.

    Returns
    -------
    dict
        Numbers and bools where values are some; keywords in capitals.
    """
    header = {}
    for line in lines:
        found = _CARD.match(line)
        if not found or found[1].strip().upper() in header:
            continue
        value = found[2].strip().strip("'\"").strip()
        for convert in (int, float):
            try:
                value = convert(value)
                break
            except ValueError:
                continue
        header[found[1].strip().upper()] = {"True": True, "T": True, "False": False, "F": False}.get(value, value)
    return header


def find_block(lines):
    """(first, last) line of the longest run of lines of numbers with one count of columns, and that count."""
    best, start, count = (0, 0, 0), None, 0
    for number, line in enumerate([*lines, "end"]):
        stripped = line.strip()
        fields = len(re.split(r"[\s,;|]+", stripped.strip(",;| "))) if stripped and _NUMERIC.match(stripped) else 0
        if start is not None and fields == 0 and not stripped:
            continue  # blank lines between
        if fields != count or fields == 0:
            if start is not None and number - start > best[1] - best[0]:
                best = (start, number, count)
            start, count = (number, fields) if fields else (None, 0)
    return best


def _parse_numbers(lines, separator, count):
    """The numbers of lines as (rows, columns); NaN for what stands for no number."""
    joined = "\n".join(lines)
    if re.search(r"[dD][-+]?\d", joined):
        joined = re.sub(r"(\d\.?)[dD]([-+]?\d)", r"\1e\2", joined)
    try:
        return np.loadtxt(joined.split("\n"), delimiter=separator, ndmin=2, comments=None)
    except ValueError:
        rows = []
        for line in joined.split("\n"):
            fields = re.split(r"[\s,;|]+", line.strip().strip(",;| ")) if separator is None else _split(line, separator)
            fields = fields[:count]
            if fields and any(fields):
                rows.append([np.nan if _WORDS.match(field) else float(field) for field in fields])
        return np.array(rows, dtype=float)


def _looks_like_names(words, count, wanted):
    """Whether the words of a line can be the names of ``count`` columns, among which some may be asked for."""
    if len(words) != count or any(re.fullmatch(_NUMBER, word) or word in ("=", ":") for word in words):
        return False
    if wanted & {word.lower() for word in words}:
        return True
    kinds = {role.kind for word in words if (role := find_role(word))}
    return bool(kinds & {"wave", "time"}) or {"flux", "err"} <= kinds


def _are_units(words):
    """Whether the words of a line are units, in brackets or not: ``[A] [Jy]``, ``microns Jy Jy``."""
    if all(re.fullmatch(r"[\[(].*[\])]", word) for word in words):
        return True
    first = parse_axis_unit(words[0])
    return first is not None and first.unit != u.pix and all(parse_flux_unit(word)[1] for word in words[1:])


def _find_names(above, count, separator, wanted=frozenset()):
    """Names and units of columns in the lines above the numbers: (names or None, units, cards)."""
    names, units, cards = None, {}, []
    for line in reversed(above[-400:]):
        bare = _COMMENT.sub("", line).strip()
        cards.append(bare)
        if names is not None or not bare or "=" in bare:
            continue
        for words in (_split(bare, separator), _split(bare, None), re.split(r"\s{2,}|\t|,", bare)):
            words = [word.strip().strip(",|;") for word in words]
            # an index that pandas wrote has no name
            words = ["index", *words[1:]] if len(words) == count and not words[0] else [word for word in words if word]
            if len(words) == count and not units and _are_units(words):
                units = dict(enumerate(word.strip("[]()") for word in words))
                break
            if _looks_like_names(words, count, wanted):
                names = words
                break
    cards.reverse()
    if names is not None:
        for number, word in enumerate(names):
            inside = re.search(r"[\[(](.*)[\])]", word)
            if inside and number not in units:
                units[number] = inside[1]
    return names, units, cards


def guess_names(block):
    """Names for columns that have none: wavelength, flux, and an error where one agrees with the scatter."""
    names = [f"column {k + 1}" for k in range(block.shape[1])]
    names[0], names[1] = "wavelength", "flux"
    guesses = []
    for k in range(2, block.shape[1]):
        values = block[:, k]
        whole = np.isfinite(values).all() and np.all(values == np.round(values)) and np.ptp(values) > 0
        if k > 2 and whole and np.abs(values).max() < 2**31 and np.mean(values == 0) > 0.5:
            names[k] = "mask"
            continue
        if "err" not in names and not np.all(values == 0):
            kind = match_error_kind(block[:, 1], values)
            if kind is None and k == 2 and np.nanmin(values) >= 0:
                kind = "err"
            if kind is not None:
                names[k] = "err" if kind == "err" else {"var": "variance", "ivar": "ivar"}[kind]
                guesses.append(f"column {k + 1} holds errors, by its values")
                break
    return names, guesses


def tidy_text(text):
    """Text without quotes around numbers, and with points where commas were the marks of decimals."""
    if re.search(r"^\s*\"[-+\d.]", text, re.MULTILINE):
        text = text.replace('"', "")
    if re.search(r"^\s*-?\d+,\d+(?:[eE][-+]?\d+)?\s*[;\t]\s*-?\d*,?\d", text, re.MULTILINE):
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    return text


def are_dates(values):
    """Whether numbers are Julian dates, plain or modified, of the years of CCDs, rather than wavelengths."""
    low, high = np.nanmin(values), np.nanmax(values)
    modified = low > 45000 and high < 64000 and high - low < 8000
    step = np.diff(values)
    even = np.ptp(step) < 0.5 * abs(np.median(step))
    return bool(modified or (low > 2.445e6 and high < 2.464e6)) and not even


@dataclass
class TextBlock:
    """Columns of numbers.

    Attributes
    ----------
    numbers : ndarray, shape (rows, columns)
        NaN for what stands for no number.
    names : list of str or None
        None where no line names the columns.
    units : dict
        Unit as text by number of the column.
    header : dict
        Of ``KEY = value`` in comments.
    """

    numbers: np.ndarray
    names: list | None
    units: dict
    header: dict


def read_block(text, wanted=frozenset()):
    """Read the columns of numbers of a text.

    Parameters
    ----------
    text : str
    wanted : set of str
        Names in lower case that the user asks for, which a line of names holds.

    Returns
    -------
    TextBlock or None
        None where there are none.
    """
    lines = tidy_text(text).split("\n")
    start, stop, count = find_block(lines)
    if stop - start < LEAST_ROWS or count < 2:
        return None
    rows = [line for line in lines[start:stop] if line.strip()]
    separator = _tell_separator(rows[:: max(len(rows) // 20, 1)])
    numbers = _parse_numbers(rows, separator, count)
    names, units, cards = _find_names(lines[:start], numbers.shape[1], separator, wanted)
    header = read_text_header(cards)
    for number, key in enumerate(("XUNITS", "YUNITS")):
        if key in header:
            units.setdefault(number, header[key])
    return TextBlock(numbers, names, units, header)
