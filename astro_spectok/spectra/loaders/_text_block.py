# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of numbers in text: where they are, how they are separated, and what the lines above say of them."""

import csv
import re
import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
from astropy import units as u

from astro_spectok.spectra.column_names import find_role
from astro_spectok.spectra.fill_values import FILLS
from astro_spectok.spectra.loaders._error_kind import match_error_kind
from astro_spectok.spectra.loaders._text_tidy import LEAST_ROWS, tidy_text
from astro_spectok.spectra.unit_words import parse_axis_unit, parse_flux_unit

__all__ = [
    "TextBlock", "are_dates", "find_block", "guess_names", "read_block", "read_text_header",
]  # fmt: skip

_COMMENT = re.compile(r"^\s*(?:(?:#|;|!|%|//|@|\\|\"#|\*)+\s?)+")
#: scatter of differences of two forms of one flux from pixel to pixel over that of either, and error over flux that
#: errors in proportion to it have
_SAME_STEPS, _LIKE_ERRORS = 0.2, (1e-4, 1.0)
#: also those of Fortran whose exponent has three digits, and no letter before it
_NUMBER = re.compile(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?|\d*\.\d+[-+]\d{3})")
_NOTHING = re.compile(r"^(?:[-+]?(?:nan|inf|infinity)|null|none|indef|masked|n/?a|--|\.\.\.|)$", re.IGNORECASE)
_SEPARATORS = (",", ";", "\t", "|")
#: words in masks
_WORDS = {"true": 1.0, "false": 0.0}
#: KEY = value, KEY: value, as FITS headers are put into comments
_CARD = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_\- ]{0,30}?)\s*[=:]\s*(.*?)\s*(?:/.*)?$")
#: one column in each line, as the theory server of the Virtual Observatory has it: ``column 1: WAVELENGTH (ANGSTROM)``
_NUMBERED = re.compile(r"^(?:columns?|col\.?|c)\s*\(?(\d{1,2})\)?\s*[:=.)-]+\s*([^,;]+)", re.IGNORECASE)
#: rows that there must be for each line among them that is none
_MOST_SKIPPED = 10
#: scatter of the logarithm of a ratio that is one of units, in figures as they are rounded
_SAME = 0.02
#: letters of the name of an object in a row
_LONGEST_NAME = 40
#: lines that may stand above the numbers
_MAX_HEAD = 5000


def _split(line, separator):
    """The fields of a line."""
    if separator is None:
        return line.split()
    return [part.strip().strip("\"'").strip() for part in next(csv.reader([line], delimiter=separator))]


def _split_row(line):
    """The fields of a line that may be a row of numbers, whatever separates them."""
    separator = next((one for one in _SEPARATORS if one in line), None)
    if separator is None:
        return line.split()
    fields = [field.strip() for field in line.strip().strip("|").split(separator)]
    if len(fields) > 2 and not fields[-1]:
        fields.pop()
    if any(" " in field for field in fields) and separator != "\t":
        # a comma here and a blank there
        mixed = re.split(r"[\s,;|]+", line.strip().strip(",;| "))
        return mixed if all(_is_value(field) for field in mixed) else fields
    return fields


def _is_value(field):
    return bool(_NUMBER.fullmatch(field) or _NOTHING.match(field))


def _is_row(fields):
    """Whether fields are a row of a table of numbers: the first is one, or the name of an object, and one more."""
    if len(fields) > 2 and not _is_value(fields[0]):
        return len(fields[0]) <= _LONGEST_NAME and all(_NUMBER.fullmatch(field) for field in fields[1:])
    if len(fields) < 2 or not _NUMBER.fullmatch(fields[0]):
        return False
    return any(_NUMBER.fullmatch(field) for field in fields[1:]) or all(_is_value(field) for field in fields[1:])


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
    """Find the rows of numbers of a text: those with the number of columns that most have.

    Parameters
    ----------
    lines : list of str

    Returns
    -------
    start : int
        Line of the first row.
    rows : list of list of str
        Their fields; none if more than one line in eleven is no row.
    skipped : int
        Lines below the first row that are neither rows nor comments.
    """
    found = []
    for number, line in enumerate(lines):
        stripped = line.strip()
        if stripped:
            fields = [] if _COMMENT.match(stripped) else _split_row(stripped)
            found.append((number, fields, _is_row(fields), not _COMMENT.match(stripped)))
    counts = Counter(len(fields) for _, fields, is_row, _ in found if is_row)
    if not counts:
        return 0, [], 0
    count = counts.most_common(1)[0][0]
    short = [lines[number] for number, fields, is_row, _ in found if is_row and len(fields) == count]
    if counts[count + 1] and all(line.rstrip().endswith(_SEPARATORS) for line in short):
        count += 1  # of most rows the last value is missing
    for number, fields, is_row, _ in found:
        if is_row and len(fields) == count - 1 and lines[number].rstrip().endswith(_SEPARATORS):
            fields.append("")  # the last of its values is missing
    start = next(number for number, fields, is_row, _ in found if is_row and len(fields) == count)
    rows = [fields for _, fields, is_row, _ in found if is_row and len(fields) == count]
    skipped = sum(1 for number, _, _, plain in found if number > start and plain) + 1 - len(rows)
    return (start, rows, skipped) if len(rows) > _MOST_SKIPPED * skipped else (start, [], skipped)


def _read_plainly(lines):
    """As `find_block`, for long texts of nothing but numbers from one line on: (start, numbers or None, 0)."""
    for start, line in enumerate(lines[:_MAX_HEAD]):
        fields = [] if _COMMENT.match(line) else _split_row(line.strip())
        following = [_split_row(one.strip()) for one in lines[start + 1 : start + LEAST_ROWS]]
        if _is_row(fields) and all(len(one) == len(fields) and _is_row(one) for one in following):
            break
    else:
        return 0, None, 0
    separator = next((one for one in _SEPARATORS if one in line), None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return start, np.loadtxt(lines[start:], delimiter=separator, ndmin=2), 0
    except ValueError:
        return 0, None, 0


def _parse_numbers(rows):
    """Fields as numbers (rows, columns); NaN for what is none."""
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError:
        return np.array([[_parse(field) for field in row] for row in rows], dtype=np.float64)


def _parse(field):
    try:
        return float(field)
    except ValueError:
        if not _NUMBER.fullmatch(field):
            return _WORDS.get(field.lower(), np.nan)
        return float(re.sub(r"[dD]|(?<=\d)(?=[-+]\d{3}$)", "e", field))


def _looks_like_names(words, count, wanted, is_last):
    """Whether the words of a line can be the names of ``count`` columns, among which some may be asked for.

    The last line above the numbers may also name what is no spectrum; above it, that may be a remark.
    """
    if len(words) != count or any(_NUMBER.fullmatch(word) or word == "=" or word.endswith(":") for word in words):
        return False
    if wanted & {word.lower() for word in words}:
        return True
    roles = [find_role(word) for word in words]
    is_other = roles[0] is not None and roles[0].kind == "other"
    if is_last and (is_other or sum("_" in word.strip("_") for word in words) > 1):
        return True
    kinds = {role.kind for role in roles if role}
    return bool(kinds & {"wave", "time"}) or {"flux", "err"} <= kinds or {"flux", "pixel"} <= kinds


def _is_head(words, count):
    return len(words) == count and len(set(words)) == count and not any(_NUMBER.fullmatch(word) for word in words)


def _are_units(words):
    """Whether the words of a line are units, in brackets or not: ``[A] [Jy]``, ``microns Jy Jy``."""
    if all(re.fullmatch(r"[\[(].*[\])]", word) for word in words):
        return True
    first = parse_axis_unit(words[0])
    return first is not None and first.unit != u.pix and all(parse_flux_unit(word)[1] for word in words[1:])


def _find_numbered(above, count):
    """Names of columns that lines describe one by one, or None."""
    found = [match for line in above if (match := _NUMBERED.match(_COMMENT.sub("", line).strip()))]
    if [int(match[1]) for match in found] != list(range(1, count + 1)):
        return None
    return [match[2].strip() for match in found]


def _find_names(above, count, separator, wanted=frozenset()):
    """Names and units of columns in the lines above the numbers: (names or None, units, cards)."""
    names, units, cards, is_last = _find_numbered(above, count), {}, [], True
    for number, line in enumerate(reversed(above[-400:])):
        bare = _COMMENT.sub("", line).strip()
        cards.append(bare)
        # what xmgrace says of its graphs names no columns
        if names is not None or not bare or "=" in bare or (line.lstrip().startswith("@") and '"' in line):
            continue
        for words in (_split(bare, separator), _split(bare, None), re.split(r"\s{2,}|\t|,", bare)):
            words = [word.strip().strip(",|;") for word in words]
            # an index that pandas wrote has no name
            words = ["index", *words[1:]] if len(words) == count and not words[0] else [word for word in words if word]
            if len(words) == count and not units and _are_units(words):
                units = dict(enumerate(word.strip("[]()") for word in words))
                break
            # the head of a csv names its columns, whatever it calls them
            is_head = number == 0 and separator == "," and _is_head(words, count)
            if is_head or _looks_like_names(words, count, wanted, is_last):
                names = words
                break
        else:
            is_last &= not any(letter.isalpha() for letter in bare)
    cards.reverse()
    if names is not None:
        for number, word in enumerate(names):
            inside = re.search(r"[\[(](.*)[\])]", word)
            if inside and number not in units:
                units[number] = inside[1]
    return names, units, cards


def _is_repetition(wave, flux, values):
    """Whether a column says again what others do: the width of the bins, or the flux per unit frequency."""
    good = np.isfinite(wave) & (flux > 0) & (values > 0)
    if np.count_nonzero(good) < LEAST_ROWS:
        return False
    wave, flux, values = wave[good], flux[good], values[good]
    if np.allclose(values, np.abs(np.gradient(wave)), rtol=1e-3):
        return True
    # flux per frequency is that per wavelength times its square; a relative error is in one ratio to the flux
    to_frequency, to_flux = np.std(np.log(values / (flux * wave**2))), np.std(np.log(values / flux))
    return bool(to_frequency < _SAME and to_flux > 3 * to_frequency + 1e-6)


def _has_same_features(flux, values):
    """Whether a column is the flux in another form: over its continuum, as codes that synthesize spectra print it too.

    Both differ from pixel to pixel alike, and in level as no error does from its flux.
    """
    good = (flux > 0) & (values > 0)
    if np.count_nonzero(good) < max(LEAST_ROWS, 0.5 * len(good)):
        return False
    flux, values = flux[good], values[good]
    ratio = np.median(values / flux)
    one, other = (np.diff(np.log(column)) for column in (flux, values))
    same = np.std(other - one) < _SAME_STEPS * np.std(one)
    return bool(same and not _LIKE_ERRORS[0] < ratio < _LIKE_ERRORS[1])


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
        if "err" not in names and not np.all(values == 0) and not _is_repetition(block[:, 0], block[:, 1], values):
            kind = match_error_kind(block[:, 1], values)
            if kind is None and k == 2 and not np.any((values < 0) & ~np.isin(-values, FILLS)):
                kind = "err"
            if kind is not None and (kind == "snr" or not _has_same_features(block[:, 1], values)):
                names[k] = "err" if kind == "err" else {"var": "variance"}.get(kind, kind)
                guesses.append(f"column {k + 1} holds errors, by its values")
                break
    return names, guesses


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
    skipped : int
        Lines among the numbers that could not be read.
    """

    numbers: np.ndarray
    names: list | None
    units: dict
    header: dict
    skipped: int = 0


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
    start, numbers, skipped = _read_plainly(lines)
    if numbers is None:
        start, rows, skipped = find_block(lines)
        if len(rows) < LEAST_ROWS:
            return None
        numbers = _parse_numbers(rows)
        # names of objects, by which rows belong together
        for k in np.flatnonzero(~np.isfinite(numbers).any(axis=0)):
            words = [row[k] for row in rows]
            if 1 < len(set(words)) <= len(words) // LEAST_ROWS:
                numbers[:, k] = np.unique(words, return_inverse=True)[1]
    separator = next((one for one in _SEPARATORS if one in lines[start]), None)
    names, units, cards = _find_names(lines[:start], numbers.shape[1], separator, wanted)
    # columns of words hold no numbers
    kept = np.flatnonzero(np.isfinite(numbers).any(axis=0)).tolist()
    if len(kept) < 2:
        return None
    if len(kept) < numbers.shape[1]:
        numbers = numbers[:, kept]
        names = None if names is None else [names[k] for k in kept]
        units = {new: units[old] for new, old in enumerate(kept) if old in units}
    header = read_text_header(cards)
    for number, key in enumerate(("XUNITS", "YUNITS")):
        if key in header:
            units.setdefault(number, header[key])
    return TextBlock(numbers, names, units, header, skipped)
