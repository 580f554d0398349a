# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra of the files in an archive (zip, tar), as observatories send them; those without any are left out."""

import io
import re
import tarfile
import zipfile

from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._options import OptionError
from astro_spectok.spectra.loaders._source import MAX_BYTES, open_source

__all__ = ["read_tar", "read_zip"]

#: files that are no data, and most files of one archive
_HIDDEN = re.compile(r"(^|/)(__MACOSX/|\.|readme)", re.IGNORECASE)
_MOST_MEMBERS = 1000
#: what else is a zip archive: a file that is in it, what it is, what to do
_NO_ARCHIVES = (
    ("xl/workbook.xml", "is an Excel workbook", "save its sheet as CSV"),
    ("content.xml", "is a document of an office program", "save its sheet as CSV"),
    ("word/document.xml", "is a document of a word processor", "save it as plain text"),
    ("data.pkl", "is a file of PyTorch, which is a pickle", "read it yourself, if you trust it, and give arrays"),
)
_REMEDY = "unpack it and give the files"


def read_zip(source, options):
    """Spectra of the files in a zip archive.

    Parameters
    ----------
    source : Source
    options : ReadOptions

    Returns
    -------
    list of `~specutils.Spectrum`
        With the name of their file in ``meta['member']``.

    Raises
    ------
    UnreadableFileError
        There is none, or the archive is another program's file or too large.
    """
    source.stream.seek(0)
    with zipfile.ZipFile(source.stream) as packed:
        infos = [one for one in packed.infolist() if not one.is_dir()]
        for name, what, remedy in _NO_ARCHIVES:
            if any(one.filename.rpartition("/")[2] == name or one.filename == name for one in infos):
                raise source.refuse(what, remedy)
        files = ((one.filename, one.file_size, lambda one=one: packed.open(one)) for one in infos)
        return _read_members(source, options, files, "zip")


@register_format("spectok tar", kind="tar", sniff=lambda source: True, general=True, takes=("columns", "hdu"))
def read_tar(source, options):
    """Read the spectra of the files in a tar archive, packed with gzip, bzip2 or xz or not."""
    source.stream.seek(0)
    try:
        with tarfile.open(fileobj=source.stream, mode="r:") as packed:
            # what is a link or a device is none of its files
            files = ((one.name, one.size, lambda one=one: packed.extractfile(one)) for one in packed if one.isreg())
            return _read_members(source, options, files, "tar")
    except tarfile.TarError as error:
        raise source.refuse(f"is a damaged tar archive: {error}", "fetch it again") from error


def _read_members(source, options, files, kind):
    """Spectra of files: tuples of a name, the bytes that it has, and what opens it."""
    from astro_spectok.spectra.reading import read_source  # imported when needed: it needs the loaders

    spectra, problem, count, total = [], None, 0, 0
    for name, size, opener in files:
        if _HIDDEN.search(name):
            continue
        count, total = count + 1, total + size
        if count > _MOST_MEMBERS or total > MAX_BYTES:
            what = f"{_MOST_MEMBERS} files" if count > _MOST_MEMBERS else f"{MAX_BYTES >> 20} MB"
            raise source.refuse(f"is a {kind} archive of more than {what}", _REMEDY)
        try:
            with opener() as stream:
                content = io.BytesIO(stream.read(size))
            content.name = name
            with open_source(content) as member:
                # nothing within archives within archives
                own = [] if member.kind in ("zip", "tar") else read_source(member, None, options)
        except OptionError:
            raise
        except Exception as error:  # one that is damaged or locked stops no other
            problem = problem or error
            continue
        for spectrum in own:
            spectrum.meta["member"] = name
        spectra += own
    if not spectra:
        reason = f"is a {kind} archive without a spectrum{f': {problem}' if problem else ''}"
        raise source.refuse(reason, _REMEDY)
    return spectra
