# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General reader of spectra in FITS tables: by the meaning of the columns, in the first extension that has any."""

import re

from astropy import units as u
from astropy.io import fits

from astro_spectok.spectra.column_names import pick_roles
from astro_spectok.spectra.loaders._column_groups import group_columns
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._image_parts import looks_like_wavelengths, read_image
from astro_spectok.spectra.loaders._refusal import UnreadableFileError
from astro_spectok.spectra.loaders._tables import Columns, read_columns, say_what
from astro_spectok.spectra.unit_words import parse_axis_unit

__all__ = ["read_fits_table", "table_columns"]

#: fewest rows of a table of one row per pixel: shorter ones are lists of lines
_LEAST_ROWS = 16
#: names of extensions beside that of a spectrum
_BESIDE = re.compile(r"MODEL|SKY|CONTINUUM|TELLURIC|BACKGROUND|BEST_?FIT|RESPONSE")
#: cards that say how an extension is built
_STRUCTURE = re.compile(
    r"^(XTENSION|SIMPLE|BITPIX|NAXIS\d*|[PG]COUNT|TFIELDS|T[A-Z]{3,4}\d+|EXTEND|CHECKSUM|DATASUM|COMMENT|HISTORY|)$"
)
#: cards that say what a column is
_DESCRIPTION = re.compile(r"^T(UNIT|UCD|UTYP)(\d+)$")
_TABLE = (fits.BinTableHDU, fits.TableHDU)


def table_columns(raw, primary):
    """The `Columns` of a table extension.

    Parameters
    ----------
    raw : RawHDU
    primary : `~astropy.io.fits.Header`
        Is the header of the spectra, with the cards of the table that it lacks.

    Returns
    -------
    Columns
    """
    described = {"UNIT": {}, "UCD": {}, "UTYP": {}}
    for keyword, text in raw.cards.items():
        found = _DESCRIPTION.match(keyword)
        name = found and raw.cards.get(f"TTYPE{found[2]}")
        if name and text.strip():
            described[found[1]][name] = text
    header = merge_headers(primary, fits.Header.fromstring(raw.text))
    return Columns(raw.names, raw.read, described["UNIT"], described["UTYP"] | described["UCD"], header)


def merge_headers(primary, extension):
    """The primary header with those cards of an extension that it lacks and that describe no table or array."""
    header, there = primary.copy(), set(primary)
    for card in extension.cards:
        if not _STRUCTURE.match(card.keyword) and card.keyword not in there:
            try:
                header.append(card, end=True)
                there.add(card.keyword)
            except (ValueError, fits.VerifyError):
                continue
    return header


def _holds_spectrum(raw):
    """Whether an HDU is a table with columns for wavelengths and flux, and rows enough."""
    names = raw.names
    roles = pick_roles(names)
    if "pixel" in roles and "flux" in roles and "wave" not in roles and _read_unit(raw, roles["pixel"][0]) is not None:
        return True
    if not {"wave", "flux"} <= set(roles):
        return bool(group_columns(names)) and raw.count("NAXIS2") >= _LEAST_ROWS
    rows = raw.count("NAXIS2")
    if rows >= _LEAST_ROWS:
        return True
    flux = next(key.replace("TTYPE", "TFORM") for key, name in raw.cards.items()
                if key.startswith("TTYPE") and name == roles["flux"][0])  # fmt: skip
    form = raw.cards.get(flux, "").upper()
    return rows > 0 and ("P" in form or "Q" in form or _width(form) > 8)


def _read_unit(raw, name):
    """The unit of an axis in which a column is, or None."""
    unit = next((parse_axis_unit(raw.cards.get(key.replace("TTYPE", "TUNIT"))) for key, own in raw.cards.items()
                 if key.startswith("TTYPE") and own == name), None)  # fmt: skip
    return None if unit is None or unit.unit == u.pix else unit


def _width(form):
    """Elements of a column in a row, by its TFORM."""
    found = re.match(r"\d+", form)
    return int(found[0]) if found else 1


def find_tables(source, options):
    """Numbers of the extensions whose tables may hold spectra: that of the option, else those that look like it."""
    if options.hdu is not None:
        return [options.hdu]
    if options.columns is not None:
        return [raw.number for raw in source.raw if raw.is_table][:1]
    found = [raw for raw in source.raw if _holds_spectrum(raw)]
    named = {raw.cards.get("EXTNAME", "").strip().upper() for raw in found}
    if {"UNIFORMVELOCITY", "UNIFORMWAVELENGTH"} <= named:
        # SPIRou and NIRPS: one spectrum on two grids
        found = [raw for raw in found if raw.cards.get("EXTNAME", "").strip().upper() != "UNIFORMWAVELENGTH"]
    # what is beside a spectrum in the same columns is none
    found = [raw for raw in found if not _BESIDE.search(raw.cards.get("EXTNAME", "").upper())] or found
    # arms, orders or objects, one in each extension; other tables beside the first are something else
    return [raw.number for raw in found if raw.names == found[0].names]


def is_fits_table(source):
    """Whether a file has a table with wavelengths and flux, which is no list of lines beside an image."""
    tables = [raw for raw in source.raw if _holds_spectrum(raw)]
    if not tables:
        return False
    images = [raw.shape[-1] for raw in source.raw if len(raw.shape) == 1]
    return not images or _width(tables[0].cards.get("TFORM1", "")) > 8 or 4 * tables[0].count("NAXIS2") > max(images)


@register_format("spectok table", sniff=is_fits_table, general=True, takes=("columns", "hdu"))
def read_fits_table(source, options):
    """
    Read spectra from a FITS table, of one row per pixel or of arrays, by the meaning of its columns.

    Of several extensions that hold spectra the first is read, and others with the same columns; ``hdu`` names one.
    Units are understood as people spell them; where there are none, that of the wavelengths follows from their values
    and the flux is relative. Which kind of error in a column follows from its name, unless the data contradict.

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
        No table holds wavelengths and flux.
    """
    numbers = find_tables(source, options)
    if not numbers and options.columns is not None:
        names = ", ".join(hdu.name or str(number) for number, hdu in enumerate(source.hdulist))
        reason = f"has no table, and no extension {options.columns['flux']!r} among {names}"
        raise source.refuse(reason, "name extensions with columns")
    if not numbers:
        raise describe_fits(source)
    spectra, problem = [], None
    for number in numbers:
        raw = source.find_raw(number)
        if raw is None or not raw.is_table:
            raise source.refuse(f"has no table in extension {number}", "name another with hdu")
        try:
            own = read_columns(table_columns(raw, source.header), source, options, number=number)
        except UnreadableFileError as error:
            # one that is empty does not stop the others
            problem = problem or error
            continue
        for spectrum in own if len(numbers) > 1 else ():
            spectrum.meta["extension"] = raw.cards.get("EXTNAME") or number
        spectra += own
    if not spectra and problem is not None:
        raise problem
    return spectra


def describe_fits(source):
    """The error that says what a FITS file without a spectrum is."""
    tables = [hdu for hdu in source.hdulist if isinstance(hdu, _TABLE)]
    images = [hdu for hdu in source.hdulist if hdu.is_image and hdu.shape and min(hdu.shape) > 0]
    wide = [hdu for hdu in images if len(hdu.shape) >= 2]
    if tables and not [hdu for hdu in images if len(hdu.shape) == 1]:
        return source.refuse(
            say_what([name for name in tables[0].columns.names if name]), "name columns or extension with columns, hdu"
        )
    if wide:
        shape = " x ".join(str(n) for n in wide[0].shape[::-1])
        return source.refuse(f"is an image of {shape} pixels without wavelengths", "extract a spectrum first")
    if images and looks_like_wavelengths(read_image(images[0])):
        return source.refuse("holds wavelengths and no flux", "give the file of the flux, beside which it is found")
    if images:
        return source.refuse(
            f"has {images[0].shape[-1]} values of flux and no wavelengths", "calibrate it, or give arrays with units"
        )
    return source.refuse("holds neither an image nor a table: headers alone", "fetch it again")
