# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Headers and columns of FITS files as they stand there: what astropy builds of them takes longer than the rest."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from astropy.io import fits

__all__ = ["RawHDU", "list_raw"]

#: of the letters of TFORM: dtype where values stand in the file as they are; bytes of an element elsewhere
_PLAIN = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_WIDTHS = {"L": 1, "A": 1, "C": 8, "M": 16, "P": 8, "Q": 16}
_FORM = re.compile(r"^\s*(\d*)([A-Z])")
#: cards of a column whose values are others than those in the file
_CHANGED = ("TSCAL", "TZERO", "TNULL", "TDIM")
#: a keyword of eight letters, "= ", and a text in quotes or what stands before a comment
_CARD = re.compile(r"^([A-Z0-9_-]+) *= +(?:'((?:[^']|'')*)'|([^/ ]+))")


@lru_cache(maxsize=256)
def _parse_cards(text):
    """Values of the cards of a header by keyword, the first of each: texts and numbers as text.

    Files of one survey have the same headers of extensions, which are thus parsed once.
    """
    cards = {}
    for start in range(0, len(text), 80):
        found = _CARD.match(text[start : start + 80])
        if found:
            value = found[3] if found[2] is None else found[2].replace("''", "'").rstrip()
            cards.setdefault(found[1], value)
    return cards


@dataclass
class RawHDU:
    """The header of an HDU and the place of its data.

    Attributes
    ----------
    text : str
        Of the header, cards of 80 letters.
    place : int
        Of the data, in the file.
    number : int
    source : Source
        Whose file it is in.
    """

    text: str
    place: int
    number: int
    source: object

    @cached_property
    def cards(self):
        """Values by keyword, all as text: dict of str to str."""
        return _parse_cards(self.text)

    def count(self, keyword):
        """A card as whole number; 0 where there is none."""
        try:
            return int(self.cards.get(keyword, 0))
        except ValueError:
            return 0

    @property
    def is_table(self):
        """Whether it is a table."""
        return self.cards.get("XTENSION", "") in ("BINTABLE", "TABLE") and self.cards.get("ZIMAGE") != "T"

    @property
    def names(self):
        """Names of the columns of a table: list of str."""
        if not self.is_table:
            return []
        names = (self.cards.get(f"TTYPE{number + 1}") for number in range(self.count("TFIELDS")))
        return [name for name in names if name]

    @property
    def shape(self):
        """Of an image, as NumPy has it; empty where there is none."""
        packed = "Z" if self.cards.get("ZIMAGE") == "T" else ""
        axes = 0 if self.is_table else self.count(f"{packed}NAXIS")
        return tuple(self.count(f"{packed}NAXIS{axis}") for axis in range(axes, 0, -1))

    def read(self, name):
        """Values of a column in native order.

        Parameters
        ----------
        name : str

        Returns
        -------
        ndarray, shape (rows,) or (rows, pixels)
            Of objects where lengths differ from row to row.
        """
        layout = _find_column(self.text, name)
        if layout is None or self.place < 0:
            data = self.source.hdulist[self.number].data[name]
            if data.dtype == object:
                return data
            data = np.asarray(data)
        else:
            stream = self.source.stream
            stream.seek(self.place)
            data = np.frombuffer(stream.read(layout.itemsize * self.count("NAXIS2")), layout)["x"]
        return data.astype(data.dtype.newbyteorder("="))


@lru_cache(maxsize=1024)
def _find_column(text, name):
    """Where a column stands in a row, as dtype of a field x; None where astropy has to make something of it."""
    cards, offset, found = _parse_cards(text), 0, None
    if cards.get("XTENSION") != "BINTABLE":
        return None
    for number in range(1, int(cards["TFIELDS"]) + 1):
        form = _FORM.match(cards.get(f"TFORM{number}", ""))
        if form is None:
            return None
        count, letter = int(form[1] or 1), form[2]
        plain = _PLAIN.get(letter)
        if cards.get(f"TTYPE{number}") == name:
            if found or not plain or not count or any(f"{card}{number}" in cards for card in _CHANGED):
                return None
            found = offset, plain if count == 1 else (plain, count)
        elif not plain and letter not in _WIDTHS and letter != "X":
            return None
        width = np.dtype(plain).itemsize if plain else _WIDTHS.get(letter, 0)
        offset += -(-count // 8) if letter == "X" else count * width
    if found is None or offset != int(cards["NAXIS1"]):
        return None
    return np.dtype({"names": ["x"], "formats": [found[1]], "offsets": [found[0]], "itemsize": offset})


def list_raw(source):
    """What the HDUs of an open `~astropy.io.fits.HDUList` are, in the same form; their data are read through astropy.

    Parameters
    ----------
    source : Source

    Returns
    -------
    list of RawHDU
    """
    return [
        RawHDU(hdu.header.tostring() if isinstance(hdu.header, fits.Header) else "", -1, number, source)
        for number, hdu in enumerate(source.hdulist)
    ]
