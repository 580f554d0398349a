# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Text with blanks between numbers and points in them, whatever people put there."""

import re

__all__ = ["LEAST_ROWS", "tidy_text"]

#: a remark behind the numbers of a row, and what shows quickly whether there is one
_HAS_REMARK = re.compile(r"^[ \t]*[-+.\d][^\n#!]*[#!]", re.MULTILINE)
_REMARK = re.compile(r"^([ \t]*[-+.\d][^#\n]*?)[ \t]+[#!][^\n]*$", re.MULTILINE)
#: numbers of Fortran without a blank between them: ``0.4000E+04-1.513D+01``, ``10000.123-15.13``
_GLUED = re.compile(r"((?:[\d.][eEdD][-+]\d\d|\.\d+))(?=[-+]\d*\.\d)")
_HAS_GLUED = re.compile(r"^[ \t]*[-+]?\d+\.\d+(?:[eEdD][-+]\d\d)?[-+]\d*\.\d+(?:[eEdD][-+]\d\d|[ \t-]|$)", re.MULTILINE)
#: rows as Python and others print lists of them: ``[4000.0, 1.2],``; and ``4000.0: 1.2``
_IN_LIST = re.compile(r"^[ \t]*[\[(]{1,2}[ \t]*([-+.\d][-+.\d eEnaN,;\t]*?)[ \t]*[\])]{1,2}[,;]?[ \t]*$", re.MULTILINE)
_COLON = re.compile(r"^([ \t]*[-+]?\d+(?:\.\d*)?):[ \t]+(?=[-+.\d])", re.MULTILINE)
#: marks of thousands; rows of LaTeX
_THOUSANDS = re.compile(r"^[ \t]*\d{1,3}(?:,\d{3})+\.\d*[ \t]*[\t;|]", re.MULTILINE)
_LATEX = re.compile(r"^[ \t]*[-+.\d][^\n&]*&[ \t]*[-+.\d]", re.MULTILINE)
#: fewest rows that are a table
LEAST_ROWS = 8
#: characters that show whether commas are the marks of decimals, and a number with one
_GLANCE = 65536
_DECIMAL = re.compile(r"[-+]?\d+(?:,\d+)?(?:[eE][-+]?\d+)?")


def tidy_text(text):
    """Text without remarks behind numbers and quotes around them, with points where commas were marks of decimals."""
    text = _strip_brackets(text.replace("\u2212", "-"))  # the minus of typesetters
    if _HAS_GLUED.search(text):
        text = _GLUED.sub(r"\1 ", text)
    if _HAS_REMARK.search(text):
        text = _REMARK.sub(r"\1", text)
    if len(_THOUSANDS.findall(text[:_GLANCE])) >= LEAST_ROWS:
        text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    if re.search(r"^\s*\"[-+\d.]", text, re.MULTILINE):
        text = re.sub(r'"(\d{1,3}(?:,\d{3})+(?:\.\d*)?)"', lambda found: found[1].replace(",", ""), text)
        text = text.replace('"', "")
    if re.search(r"^\s*-?\d+,\d+(?:[eE][-+]?\d+)?\s*[;\t]\s*-?\d*,?\d", text, re.MULTILINE) or _has_commas(text):
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    return text


def _strip_brackets(text):
    """Rows without the brackets of lists or tuples around them, and with blanks for other signs between numbers."""
    if len(_LATEX.findall(text[:_GLANCE])) >= LEAST_ROWS:
        text = re.sub(r"[ \t]*\\\\(?:[ \t]*\\hline)?[ \t]*$", "", text, flags=re.MULTILINE).replace("&", " ")
    if _IN_LIST.search(text):
        text = _IN_LIST.sub(r"\1", text)
    return _COLON.sub(r"\1 ", text) if len(_COLON.findall(text[:_GLANCE])) >= LEAST_ROWS else text


def _has_commas(text):
    """Whether numbers that blanks separate have commas as marks of decimals: no row has a point, most commas."""
    rows = [line.split() for line in text[:_GLANCE].split("\n")[:-1] if not line[:1].strip(" \t-+0123456789")]
    rows = [row for row in rows if len(row) > 1 and not any("." in field for field in row)]
    decimal = [row for row in rows if all(_DECIMAL.fullmatch(field) for field in row) and any("," in f for f in row)]
    return len(decimal) >= LEAST_ROWS and 10 * len(decimal) > 9 * len(rows)
