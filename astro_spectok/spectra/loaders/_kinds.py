# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kind of a file by its first bytes: what can hold a spectrum, and in words what cannot."""

import re

from astro_spectok.spectra.loaders._refusal import refuse

__all__ = ["HEAD", "find_utf16", "tell_kind"]

#: bytes that are examined
HEAD = 2**16
_PRINTABLE = bytes([9, 10, 13, *range(32, 127)])
#: files of arrays, which have readers of their own
_ARRAYS = (
    (b"\x89HDF", "hdf5"), (b"\x93NUMPY", "npy"), (b"PK\x03\x04", "zip"), (b"PAR1", "parquet"), (b"ARROW1", "arrow"),
    (b"#ASDF", "asdf"), (b"SR\x00\x04", "sav"), (b"SR\x00\x06", "sav"),
    (b"MATLAB 5.0", "mat"),
)  # fmt: skip
#: where an archive of tar says what it is, and HDF5 behind a block of the user's, as MATLAB 7.3 has it
_TAR, _USER_BLOCKS = (257, b"ustar"), (512, 1024, 2048, 4096)
_UNPACK, _GIVE = "unpack it and give the files", "read it yourself and give arrays with units"
_PICTURE = "give a file with wavelengths and flux"
#: beginning, what it is, what to do
_FOREIGN = (
    (b"%PDF", "is a PDF document", _PICTURE),
    (b"%!PS", "is a PostScript document", _PICTURE),
    (b"{\\rtf", "is a document of a word processor", "save it as plain text"),
    (b"\x89PNG", "is a PNG picture", _PICTURE),
    (b"\xff\xd8\xff", "is a JPEG picture", _PICTURE),
    (b"GIF8", "is a GIF picture", _PICTURE),
    (b"II*\x00", "is a TIFF picture, or one of a camera", _PICTURE),
    (b"MM\x00*", "is a TIFF picture, or one of a camera", _PICTURE),
    (b"CDF\x01", "is a netCDF file of version 3", "convert it with nccopy -k nc4, or give arrays with units"),
    (b"CDF\x02", "is a netCDF file of version 3", "convert it with nccopy -k nc4, or give arrays with units"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook", "save its sheet as CSV"),
    (b"SQLite format 3", "is an SQLite database", _GIVE),
    (b"FEA1", "is a Feather table of version 1", "save it as Parquet"),
    (b"7z\xbc\xaf", "is a 7z archive", _UNPACK),
    (b"Rar!", "is a RAR archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "is packed with Zstandard", "unpack it with unzstd"),
    (b"\x04\x22\x4d\x18", "is packed with LZ4", "unpack it with unlz4"),
    (b"\x1f\x9d", "is packed with compress", "unpack it with uncompress"),
    (b"imhv2", "is an IRAF image", "convert it with wfits"),
    (b"i\x00m\x00h\x00", "is an IRAF image", "convert it with wfits"),
    (b"\x00i\x00m\x00h", "is an IRAF image", "convert it with wfits"),
    (b"version https://git-lfs", "is a pointer of Git LFS and not the file", "fetch the file with git lfs pull"),
)
_PICKLE = re.compile(
    rb"\x80[\x02-\x05]|\([dl]p?\d|[}\])]q\x00|"
    rb"c(?:numpy|__builtin__|builtins|copy_?reg|collections|pandas|astropy|specutils|posix|nt)[\w.]*\n[A-Za-z_]\w*\n"
)
_MARKUP = re.compile(rb"(<\?xml.*?\?>\s*)?(?:<!--.*?-->\s*)*<(!doctype\s+)?([a-z_][\w:.-]*)", re.IGNORECASE | re.DOTALL)
_VOTABLE = re.compile(rb"<(?:\w+:)?votable\b", re.IGNORECASE)
#: of binary files without a mark of their own, by the ending of their name
_BY_NAME = {
    "mat": (
        "MATLAB file of version 4",
        "save it with -v7, or read it with scipy.io.loadmat and give arrays with units",
    ),
    "sdf": ("Starlink NDF", "convert it with ndf2fits"),
    "bdf": ("MIDAS frame", "convert it with outdisk/fits"),
    "tbl": ("MIDAS table", "convert it with outdisk/fits"),
    "imh": ("IRAF image", "convert it with wfits"),
    "pix": ("IRAF image", "convert it with wfits"),
    "pkl": ("Python pickle", "read it yourself, if you trust it, and give arrays with units"),
    "pickle": ("Python pickle", "read it yourself, if you trust it, and give arrays with units"),
    "ised": ("binary model of GALAXEV", "convert it with galaxevpl"),
    "safetensors": ("file of tensors", _GIVE),
}


def find_utf16(data):
    """Encoding of text in two bytes a character, with a mark at its start or without; None if it is no such text."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    head = data[: min(len(data), 4096) // 2 * 2]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        other = head[1 - first :: 2]
        if len(head) > 16 and not any(head[first::2]) and not other.translate(None, _PRINTABLE):
            return encoding
    return None


def _describe_markup(head):
    """What a page, a drawing or another document with tags is: (what, remedy); None for a VOTable and for no markup."""
    head = head[:8192].removeprefix(b"\xef\xbb\xbf").lstrip()
    found = _MARKUP.match(head)
    if found is None or _VOTABLE.search(head):
        return None
    word = found[3].decode().lower()
    if word in ("html", "head", "body", "script", "meta", "title"):
        return "is a web page in place of the file", "log in if the archive asks for it, and fetch the file again"
    if word == "svg":
        return "is an SVG drawing", _PICTURE
    if not found[1] and not found[2] and b"</" not in head:
        return None  # names of columns in brackets
    return f"is an XML document (<{word}>) and no VOTable", "fetch the file again"


def tell_kind(head, name):
    """The kind of a file.

    Parameters
    ----------
    head : bytes
        The first `HEAD` of the file.
    name : str
        For messages; of what has no mark of its own, the ending tells what it is.

    Returns
    -------
    {'fits', 'arrow', 'hdf5', 'npy', 'zip', 'tar', 'parquet', 'asdf', 'sav', 'mat', 'text'}

    Raises
    ------
    UnreadableFileError
        No spectrum can be in it, or none that is read; a pickle is never opened, since it may run anything.
    """
    if head.startswith(b"SIMPLE  =") and b"\n" not in head[:400]:
        return "fits"  # and not its header as text above columns
    if not head.strip():
        raise refuse(name, "is empty", "fetch it again")
    kind = next((kind for mark, kind in _ARRAYS if head.startswith(mark)), None)
    if kind is not None:
        return kind
    if head[_TAR[0] :].startswith(_TAR[1]):
        return "tar"
    if any(head[place:].startswith(b"\x89HDF\r\n") for place in _USER_BLOCKS):
        return "hdf5"
    for mark, what, remedy in _FOREIGN:
        if head.startswith(mark):
            raise refuse(name, what, remedy)
    if _PICKLE.match(head):
        raise refuse(name, "is a Python pickle, which could run any program", _BY_NAME["pkl"][1])
    if (said := _describe_markup(head)) is not None:
        raise refuse(name, *said)
    if b"\0" in head[:4096] and find_utf16(head) is None:
        what, remedy = _BY_NAME.get(name.lower().rpartition(".")[2], ("", ""))
        raise refuse(name, f"is a {what}" if what else "is binary, of no known kind", remedy or _GIVE)
    return "text"
