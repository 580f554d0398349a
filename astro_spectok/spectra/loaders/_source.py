# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files opened with bounds: what a file claims about its size is checked before anything is built from it."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import select
import zlib
from dataclasses import dataclass
from functools import cached_property

from astropy.io import fits

from astro_spectok.spectra.loaders._kinds import HEAD, find_utf16, tell_kind
from astro_spectok.spectra.loaders._raw_fits import RawHDU, list_raw
from astro_spectok.spectra.loaders._refusal import refuse

__all__ = ["MAX_BYTES", "Source", "open_source", "read_pipe"]

#: bytes that a packed file may unpack to, and that a file of text may have
MAX_BYTES = 2**31
MAX_TEXT_BYTES = 2**28
#: seconds without a byte after which a pipe is given up
PATIENCE = 60
#: blocks of 2880 bytes of one FITS header (36 cards each); the longest seen in surveys have 300
MAX_HEADER_BLOCKS = 3000
MAX_HDUS = 5000
#: axes of an image and columns of a table, as of the FITS standard
MOST_AXES = 999
_BLOCK = 2880

_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_INTEGER = re.compile(rb"^([A-Z0-9]+) *= +(-?\d+)")


@dataclass
class Source:
    """An open file, whatever names it.

    Attributes
    ----------
    name : str
        Without its folder, for messages.
    kind : {'fits', 'text', ...}
        Found from its first bytes.
    stream : binary file object
        At its start; unpacked where the file is packed.
    path : str
        Empty where the source is no file of its own.
    """

    name: str
    kind: str
    stream: object = None
    path: str = ""
    head: str = ""
    _hdulist: object = None
    _raw: list | None = None

    @property
    def suffix(self):
        """Ending of the name in lower case, without that of a packer, such as ``.fits``."""
        name = re.sub(r"\.(gz|bz2|xz)$", "", self.name.lower())
        return os.path.splitext(name)[1]

    @cached_property
    def hdulist(self):
        """The open `~astropy.io.fits.HDUList` of a FITS file."""
        if self._hdulist is not None:
            return self._hdulist
        self.stream.seek(0)
        # it is not closed, since that reads the headers of all extensions first; the stream is
        return fits.open(self.stream, memmap=False)

    def first_names(self, count=10):
        """Names of the first extensions: the headers of the rest are not read."""
        if self._raw is not None:
            names = [raw.cards.get("EXTNAME", "" if raw.number else "PRIMARY") for raw in self._raw[:count]]
            return [name.strip().upper() for name in names]
        names = []
        for number in range(count):
            try:
                names.append(self.hdulist[number].name)
            except IndexError:
                break
        return names

    @cached_property
    def extension(self):
        """The first extension of a FITS file, or None."""
        try:
            return self.hdulist[1]
        except IndexError:
            return None

    @cached_property
    def raw(self):
        """The HDUs of a FITS file as they stand there: list of RawHDU."""
        return list_raw(self) if self._raw is None else self._raw

    def find_raw(self, which):
        """That of an extension by its number or name; None where there is none."""
        if isinstance(which, str):
            try:
                which = self.hdulist.index_of(which)
            except KeyError:
                return None
        return self.raw[which] if -len(self.raw) <= which < len(self.raw) else None

    @cached_property
    def header(self):
        """The primary header."""
        return self.hdulist[0].header if self._raw is None else fits.Header.fromstring(self._raw[0].text)

    @cached_property
    def text(self):
        """All of a file of text."""
        self.stream.seek(0)
        data = self.stream.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise refuse(self.name, f"is a text of more than {MAX_TEXT_BYTES >> 20} MB", "cut it into single spectra")
        return _decode(data)

    def refuse(self, reason, remedy=""):
        """The error to raise for this file; see `refuse`."""
        return refuse(self.name, reason, remedy)


def _decode(data):
    """Bytes as text, with the line ends of Unix, whatever wrote them."""
    wide = find_utf16(data)
    if wide is not None:
        return data.decode(wide, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_pipe(path):
    """What comes through a pipe, in memory.

    Parameters
    ----------
    path : str or path-like
        A named pipe, ``/dev/stdin``, or what a shell makes of ``<(command)``.

    Returns
    -------
    `~io.BytesIO`

    Raises
    ------
    UnreadableFileError
        Nothing comes within a minute, or more than `MAX_BYTES`.
    """
    out, waited = io.BytesIO(), False
    # not to wait for a writer that never comes
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as stream:
        while True:
            part = stream.read(2**20)
            if part:
                waited = False
                out.write(part)
                if out.tell() > MAX_BYTES:
                    raise refuse(path, f"gives more than {MAX_BYTES >> 20} MB", "save it to a file")
            elif part is not None and (waited or out.tell()):
                break  # nobody writes any more; without a byte nobody may have begun
            elif not select.select([stream], [], [], PATIENCE)[0]:
                reason = f"is a pipe through which nothing came within {PATIENCE} s"
                raise refuse(path, reason, "save what it gives to a file")
            else:
                waited = True
    out.name = os.fspath(path)
    out.seek(0)
    return out


def _unpack(opener, stream, name):
    """The unpacked bytes of a packed file, refused where they are more than `MAX_BYTES`."""
    out, size = io.BytesIO(), 0
    try:
        with opener(stream) as packed:
            while part := packed.read(2**22):
                size += len(part)
                if size > MAX_BYTES:
                    raise refuse(name, f"unpacks to more than {MAX_BYTES >> 20} MB", "unpack and check it by hand")
                out.write(part)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise refuse(name, f"is damaged: {error}", "fetch it again") from error
    out.seek(0)
    return out


def _read_sizes(stream, name):
    """Bytes of the data that follow the FITS header at the place of ``stream``, which is left behind it; the header."""
    cards, blocks = {}, []
    for _ in range(MAX_HEADER_BLOCKS):
        block = stream.read(_BLOCK)
        blocks.append(block)
        if len(block) < _BLOCK:
            raise refuse(name, "is cut off within a FITS header", "fetch it again")
        for at in range(0, _BLOCK, 80):
            card = block[at : at + 80]
            if card[:8] == b"END     ":
                bits, axes = cards.get(b"BITPIX", 8), cards.get(b"NAXIS", 0)
                for key in (b"NAXIS", b"TFIELDS"):
                    if not 0 <= cards.get(key, 0) <= MOST_AXES:
                        card = f"{key.decode()} = {cards[key]}"
                        raise refuse(name, f"has a FITS header that is damaged: {card}", "fetch it again")
                size = 1 if axes else 0
                for axis in range(1, axes + 1):
                    size *= cards.get(b"NAXIS%d" % axis, 0)
                if axes and cards.get(b"NAXIS1") == 0 and b"GROUPS" in cards:
                    size = 0
                size = abs(bits) // 8 * cards.get(b"GCOUNT", 1) * (cards.get(b"PCOUNT", 0) + size)
                return size, b"".join(blocks)
            if card[:8] == b"GROUPS  ":
                cards[b"GROUPS"] = 1
            elif card[8:9] == b"=" and (found := _INTEGER.match(card)):
                cards[found[1]] = int(found[2][:18])
    raise refuse(name, f"has a FITS header of more than {MAX_HEADER_BLOCKS * 36} cards", "rewrite it")


def _check_fits(stream, name, source):
    """Refuse a FITS file whose headers are endless or announce more data than it has; else its HDUs as RawHDU."""
    stream.seek(0, os.SEEK_END)
    end, place, found = stream.tell(), 0, []
    for number in range(MAX_HDUS):
        stream.seek(place)
        start = stream.read(10)
        if place and not start.startswith(b"XTENSION"):
            break
        stream.seek(place)
        size, header = _read_sizes(stream, name)
        found.append(RawHDU(header.decode("latin-1"), stream.tell(), number, source))
        place = stream.tell() + size
        if size < 0 or place > end:
            raise refuse(
                name, f"is cut off: HDU {number} announces {size} bytes and {max(end - stream.tell(), 0)} are there",
                "fetch it again",
            )  # fmt: skip
        place += -place % _BLOCK
        if place >= end:
            break
    stream.seek(0)
    return found


@contextlib.contextmanager
def open_source(file_obj):
    """
    Open a file by whatever names it, within bounds, and close it again if it was opened here.

    Parameters
    ----------
    file_obj : str, path-like, binary file-like or `~astropy.io.fits.HDUList`
        gzip, bzip2 and xz are recognised.

    Yields
    ------
    Source

    Raises
    ------
    UnreadableFileError
        It is empty, damaged, of a kind that holds no spectra, or larger than a spectrum can be.
    """
    if isinstance(file_obj, fits.HDUList):
        name = os.path.basename(str(file_obj.filename() or "the HDUList"))
        yield Source(name, "fits", path=file_obj.filename() or "", _hdulist=file_obj)
        return
    with contextlib.ExitStack() as stack:
        if isinstance(file_obj, str | os.PathLike):
            path = os.fspath(file_obj)
            stream = stack.enter_context(open(path, "rb"))
        else:
            path, stream = getattr(file_obj, "name", ""), file_obj
            stack.callback(stream.seek, 0)
            stream.seek(0)
        path = path if isinstance(path, str) else ""
        name = os.path.basename(path) or "the file"
        # what is in memory has no folder with files beside it
        path = "" if isinstance(file_obj, io.BytesIO) else path
        head = stream.read(HEAD)
        stream.seek(0)
        opener = next((opener for magic, opener in _PACKED.items() if head.startswith(magic)), None)
        if opener is not None:
            stream = _unpack(opener, stream, name)
            head = stream.read(HEAD)
        kind = tell_kind(head, name)
        source = Source(name, kind, stream, path)
        if kind == "fits":
            source._raw = _check_fits(stream, name, source)
        else:
            source.head = _decode(head)
        yield source
