# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General reader of spectra in text: columns with or without names, separated and commented in any habit."""

import csv
import re
import warnings

import numpy as np
from astropy import units as u
from astropy.table import Table

from astro_spectok.spectra.loaders._draft import guess_axis_unit, is_pixel_axis
from astro_spectok.spectra.loaders._error_kind import match_error_kind
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._roles import find_role
from astro_spectok.spectra.loaders._tables import Columns, read_columns, tell_what
from astro_spectok.spectra.loaders._unit_words import parse_axis_unit, parse_flux_unit

__all__ = ["read_text_header", "read_text_table", "read_votable"]

_COMMENT = re.compile(r"^\s*(?:#|;|!|%|//|@|\\|\"#|\*)+\s?")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?|[-+]?(?:nan|inf|infinity|NaN|NAN|Inf|INF|null|NULL|INDEF|--)"
_NUMERIC = re.compile(rf"^\s*(?:{_NUMBER})(?:[\s,;|\t]+(?:{_NUMBER}))*[\s,;|]*$")
_WORDS = re.compile(r"^(?:nan|null|indef|--|)$", re.IGNORECASE)
#: KEY = value, KEY: value, as FITS headers are put into comments
_CARD = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_\- ]{0,30}?)\s*[=:]\s*(.*?)\s*(?:/.*)?$")
_LEAST_ROWS = 8


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


def _find_block(lines):
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


def _guess_names(block):
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


def _tidy(text):
    """Text without quotes around numbers, and with points where commas were the marks of decimals."""
    if re.search(r"^\s*\"[-+\d.]", text, re.MULTILINE):
        text = text.replace('"', "")
    if re.search(r"^\s*-?\d+,\d+(?:[eE][-+]?\d+)?\s*[;\t]\s*-?\d*,?\d", text, re.MULTILINE):
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    return text


def _is_text(source):
    lines = [line for line in _tidy(source.head).split("\n")[:4000] if line.strip()]
    start, stop, count = _find_block(lines)
    return stop - start >= min(_LEAST_ROWS, len(lines)) and count >= 2


@register_format("spectok text", kind="text", sniff=_is_text, general=True)
def read_text_table(source, options):
    """
    Read a spectrum from columns of text.

    Columns are separated by blanks, tabs, commas, semicolons or bars, and named in a line above the numbers, in a
    comment or not; without names the first two are wavelength and flux, and the third is an error. Comments begin with
    ``#``, ``;``, ``!``, ``%``, ``//``, ``@`` or ``\\``, and ``KEY = value`` in them goes into the header.

    Parameters
    ----------
    source : Source
    options : ReadOptions

    Returns
    -------
    list of `~specutils.Spectrum`

    Raises
    ------
    UnreadableFileError
        There are no columns of numbers.
    """
    lines = _tidy(source.text).split("\n")
    start, stop, count = _find_block(lines)
    if stop - start < _LEAST_ROWS or count < 2:
        raise source.refuse("is a text without columns of numbers", "give wavelength and flux in columns")
    rows = [line for line in lines[start:stop] if line.strip()]
    separator = _tell_separator(rows[:: max(len(rows) // 20, 1)])
    block = _parse_numbers(rows, separator, count)
    wanted = {name.lower() for name in (options.columns or {}).values() if isinstance(name, str)}
    names, units, cards = _find_names(lines[:start], block.shape[1], separator, wanted)
    guesses = []
    named = names is not None
    if not named:
        names, guesses = _guess_names(block)
    header = read_text_header(cards)
    if "XUNITS" in header and 0 not in units:
        units[0] = header["XUNITS"]
    if "YUNITS" in header and 1 not in units:
        units[1] = header["YUNITS"]
    if (
        named
        and options.columns is None
        and not any(find_role(name) and find_role(name).kind == "flux" for name in names)
    ):
        raise source.refuse(tell_what(names), "name them with columns='WAVE,FLUX,ERR'")
    told = named or options.wave_unit is not None or 0 in units
    if not told and guess_axis_unit(block[:, 0]) is None and not is_pixel_axis(block[:, 0]):
        low, high = np.nanmin(block[:, 0]), np.nanmax(block[:, 0])
        raise source.refuse(
            f"has a first column from {low:.6g} to {high:.6g}, which are no wavelengths",
            "name the columns with columns, wave_unit",
        )
    if not told and _are_dates(block[:, 0]):
        raise source.refuse("has a first column of Julian dates: is a light curve", "give a spectrum, or wave_unit")
    names = [name if name not in names[:k] else f"{name} ({k + 1})" for k, name in enumerate(names)]
    columns = Columns(
        names, lambda name: block[:, names.index(name)], {names[k]: unit for k, unit in units.items()}, {}, header
    )
    spectra = read_columns(columns, source, options)
    for spectrum in spectra:
        if guesses:
            spectrum.meta["guesses"] = (*guesses, *spectrum.meta.get("guesses", ()))
    return spectra


def _are_dates(values):
    """Whether numbers are Julian dates, plain or modified, of the years of CCDs, rather than wavelengths."""
    low, high = np.nanmin(values), np.nanmax(values)
    modified = low > 45000 and high < 64000 and high - low < 8000
    step = np.diff(values)
    even = np.ptp(step) < 0.5 * abs(np.median(step))
    return bool(modified or (low > 2.445e6 and high < 2.464e6)) and not even


def _is_votable(source):
    return "<VOTABLE" in source.head[:2000].upper() or "<votable" in source.head[:2000]


def _is_ipac(source):
    lines = [line for line in source.head.split("\n")[:500] if line.strip() and not line.startswith("\\")]
    return len(lines) > 4 and all(line.startswith("|") for line in lines[:2]) and not lines[4].startswith("|")


def _is_ecsv(source):
    return source.head.startswith("# %ECSV")


def read_votable(source, options, table_format):
    """Spectra of a table that astropy reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if table_format == "votable":
                source.stream.seek(0)
                table = Table.read(source.stream, format=table_format)
            else:
                table = Table.read(source.text.split("\n"), format=table_format)
        except Exception as error:  # astropy's readers raise whatever they stumble over
            raise source.refuse(
                f"cannot be read as {table_format}: {error}", "write it as FITS or plain columns"
            ) from error
    units = {name: str(table[name].unit) for name in table.colnames if table[name].unit is not None}
    ucds = {name: str(table[name].meta.get("ucd", "")) for name in table.colnames}

    def read(name):
        data = table[name]
        if hasattr(data, "filled") and data.dtype.kind == "f":
            data = data.filled(np.nan)
        return np.asarray(getattr(data, "value", data))

    header = {
        str(key).upper(): value for key, value in table.meta.items() if isinstance(value, str | int | float | bool)
    }
    return read_columns(Columns(list(table.colnames), read, units, ucds, header), source, options)


@register_format("spectok VOTable", kind="text", sniff=_is_votable)
def read_vo(source, options):
    """Read spectra from a VOTable, by the meaning of its columns and its UCDs."""
    return read_votable(source, options, "votable")


@register_format("spectok IPAC", kind="text", sniff=_is_ipac)
def read_ipac(source, options):
    """Read a spectrum from an IPAC table, by the meaning of its columns."""
    return read_votable(source, options, "ascii.ipac")


@register_format("spectok ECSV", kind="text", sniff=_is_ecsv)
def read_ecsv(source, options):
    """Read a spectrum from an ECSV table, by the meaning of its columns."""
    return read_votable(source, options, "ascii.ecsv")
