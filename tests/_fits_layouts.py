# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small FITS files in the layouts of surveys, with values that are known exactly, for the tests of the loaders."""

import numpy as np
from astropy.io import fits
from specutils.io.registers import identify_spectrum_format

__all__ = [
    "ALL",
    "N_PIXEL",
    "OURS",
    "SINGLE",
    "WAVELENGTH",
    "claiming_formats",
    "make_calspec",
    "make_hermes",
    "make_lamost_image",
    "make_lamost_mrs",
    "make_lamost_table",
    "make_osiris",
    "make_twodfdr",
    "write_file",
]

N_PIXEL = 120
#: log-linear, as LAMOST's
WAVELENGTH = 10 ** (3.5682 + 1e-4 * np.arange(N_PIXEL))
FLUX = np.linspace(10, 20, N_PIXEL).astype("f4")
IVAR = np.full(N_PIXEL, 4.0, "f4")


def lamost_pixels():
    """Flux, inverse variance, ANDMASK and ORMASK, with one pixel of each kind of trouble."""
    flux, ivar = FLUX.copy(), IVAR.copy()
    and_mask, or_mask = np.zeros(N_PIXEL, "f4"), np.zeros(N_PIXEL, "f4")
    ivar[3] = 0
    flux[4] = np.nan
    and_mask[[5, 6]] = 1, 32  # BADCCD, NODATA: unusable
    and_mask[7] = 8  # BRIGHTSKY: usable
    or_mask[8] = 1  # bad in one exposure: usable
    return flux, ivar, and_mask, or_mask


LAMOST_BAD = [3, 4, 5, 6]


def _lamost_header(**cards):
    header = fits.Header({"TELESCOP": "LAMOST  ", "Z": 0.5, "CLASS": "GALAXY", "COEFF0": 3.5682, "COEFF1": 1e-4})
    header.update(cards)
    return header


def make_lamost_image(*, early=False, **cards):
    """DR1-DR7; the early one has no wavelengths in row 3."""
    flux, ivar, and_mask, or_mask = lamost_pixels()
    third = np.ones(N_PIXEL) if early else WAVELENGTH
    rows = np.array([flux, ivar, third, and_mask, or_mask], dtype=">f4")
    return fits.HDUList([fits.PrimaryHDU(rows, _lamost_header(**cards))])


def _pixel_table(columns, name, *, vector):
    """A table of one row with vectors, or of one row per pixel."""
    made = []
    for key, values in columns.items():
        values = np.asarray(values)
        code = {"f": "E", "i": "J"}[values.dtype.kind]
        code = "D" if values.dtype == np.float64 else code
        made.append(
            fits.Column(key, f"{values.size}{code}" if vector else code, array=values[None] if vector else values)
        )
    return fits.BinTableHDU.from_columns(made, name=name)


def make_lamost_table(*, vector=True, without=(), **cards):
    """The layout of later releases."""
    flux, ivar, and_mask, or_mask = lamost_pixels()
    columns = {
        "FLUX": flux,
        "IVAR": ivar,
        "WAVELENGTH": WAVELENGTH,
        "ANDMASK": and_mask.astype(int),
        "ORMASK": or_mask.astype(int),
        "NORMALIZATION": np.ones(N_PIXEL, "f4"),
    }
    columns = {name: values for name, values in columns.items() if name not in without}
    return fits.HDUList(
        [fits.PrimaryHDU(header=_lamost_header(**cards)), _pixel_table(columns, "COADD", vector=vector)]
    )


def make_lamost_mrs(*, names=("COADD_B", "COADD_R", "B-84420148"), vector=False):
    """Medium resolution: one table per arm and exposure."""
    flux, ivar, and_mask, or_mask = lamost_pixels()
    hdus = [fits.PrimaryHDU(header=_lamost_header(VACUUM=True))]
    for name in names:
        mask = {"ANDMASK": and_mask.astype(int), "ORMASK": or_mask.astype(int)}
        if not name.startswith("COADD"):
            mask = {"PIXMASK": and_mask.astype(int)}
        columns = {"FLUX": flux, "IVAR": ivar, "LOGLAM": np.log10(WAVELENGTH)} | mask
        hdus.append(_pixel_table(columns, name, vector=vector))
    return fits.HDUList(hdus)


def make_calspec(*, without=(), units=None):
    """A standard star; pixel 2 is flagged bad, pixel 3 has no error."""
    stat, sys = np.full(N_PIXEL, 3.0, "f4"), np.full(N_PIXEL, 4.0, "f4")
    stat[3] = sys[3] = 0
    quality = np.ones(N_PIXEL, "i2")
    quality[2] = 0
    units = {"WAVELENGTH": "ANGSTROMS", "FLUX": "FLAM", "TOTEXP": "SEC", "FWHM": "ANGSTROMS"} | (units or {})
    columns = {
        "WAVELENGTH": ("D", WAVELENGTH),
        "FLUX": ("E", FLUX),
        "STATERROR": ("E", stat),
        "SYSERROR": ("E", sys),
        "FWHM": ("E", np.full(N_PIXEL, 5.5)),
        "DATAQUAL": ("I", quality),
        "TOTEXP": ("E", np.full(N_PIXEL, 60.0)),
    }
    made = [
        fits.Column(name, code, unit=units.get(name, "FLAM"), array=values)
        for name, (code, values) in columns.items()
        if name not in without
    ]
    primary = fits.PrimaryHDU()
    primary.header["MAPKEY"] = "calspec "
    return fits.HDUList([primary, fits.BinTableHDU.from_columns(made, name="SCI")])


def make_twodfdr(n_fibre=1, *, vacuum=False, log_wavelength=None, types="PSUP", data_central=False, **cards):
    """A 2dfdr frame; each fibre's flux is FLUX plus its number, pixel 1 is NaN, pixel 2 has variance 0."""
    flux = FLUX + np.arange(n_fibre, dtype="f4")[:, None]
    flux[:, 1] = np.nan
    variance = np.full((n_fibre, N_PIXEL), 0.25, "f4")
    variance[:, 2] = 0
    if n_fibre == 1:
        flux, variance = flux[0], variance[0]
    header = fits.Header({"INSTRUME": "AAOMEGA-2dF", "CTYPE1": "Wavelength", "CUNIT1": "Angstroms"})
    header.update({"CRVAL1": 6000.0, "CDELT1": 2.0, "CRPIX1": 61.0, "OBJECT": "field", "MEANRA": 1.0, "MEANDEC": 2.0})
    if vacuum:
        header["VACUUM"] = True
    header.update(cards)
    hdus = [fits.PrimaryHDU(flux, header), fits.ImageHDU(variance, name="VARIANCE")]
    fibres = [
        fits.Column("NAME", "20A", array=[f"target {number}" for number in range(n_fibre)]),
        fits.Column("RA", "D", array=np.full(n_fibre, np.pi / 2)),
        fits.Column("DEC", "D", array=np.full(n_fibre, -np.pi / 6)),
        fits.Column("TYPE", "1A", array=list((types * n_fibre)[:n_fibre])),
    ]
    hdus.append(fits.BinTableHDU.from_columns(fibres, name="FIBRES"))
    if log_wavelength is not None:
        header["LOGSCALE"] = True
        hdus[0].header["LOGSCALE"] = True
        hdus.append(fits.ImageHDU(np.log10(log_wavelength), name="WAVELENGTH"))
    if data_central:
        hdus.append(fits.BinTableHDU.from_columns([fits.Column("X", "E", array=[0.0])], name="REDUCTION_ARGS"))
    return fits.HDUList(hdus)


def make_hermes(**cards):
    """One arm in GALAH's layout: the error is relative; pixel 2 has none."""
    sigma = np.full(N_PIXEL, 0.1, "f4")
    sigma[2] = 0
    header = fits.Header({"INSTRUME": "HERMES-2dF", "ORIGIN": "NOAO-IRAF", "CTYPE1": "LINEAR", "CUNIT1": "Angstroms"})
    header.update({"CRVAL1": 4713.5, "CDELT1": 0.0625, "CRPIX1": 1.0, "WCSDIM": 1})
    header.update(cards)
    flux = FLUX.copy()
    flux[4] = -5.0
    hdus = [fits.PrimaryHDU(flux, header), fits.ImageHDU(sigma, name="input_sigma")]
    hdus += [fits.ImageHDU(flux, name="no_sky_subspectrum"), fits.ImageHDU(sigma, name="no_sky_sigma")]
    return fits.HDUList([*hdus, fits.ImageHDU(np.ones(N_PIXEL // 2))])


def make_osiris(**cards):
    """A one-dimensional IRAF spectrum whose flux unit ends in A."""
    header = fits.Header({"INSTRUME": "OSIRIS", "GTCOBID": 6, "DC-FLAG": 0, "CTYPE1": "LINEAR", "CRPIX1": 1.0})
    header.update({"CRVAL1": 3600.0, "CD1_1": 2.0, "CDELT1": 2.0, "BUNIT": "erg/cm2/s/A", "WCSDIM": 1})
    header.update(cards)
    flux = FLUX.copy()
    flux[4] = np.nan
    return fits.HDUList([fits.PrimaryHDU(flux, header)])


#: the formats that the package registers
OURS = {"LAMOST LRS", "LAMOST MRS", "CALSPEC", "AAOmega 2dfdr", "GALAH HERMES", "GTC OSIRIS"}

#: label: a file of that format that Spectrum.read can read
SINGLE = {
    "LAMOST LRS": make_lamost_image,
    "CALSPEC": make_calspec,
    "AAOmega 2dfdr": make_twodfdr,
    "GALAH HERMES": make_hermes,
    "GTC OSIRIS": make_osiris,
}
ALL = SINGLE | {"LAMOST MRS": make_lamost_mrs}


def write_file(hdulist, tmp_path, name="file.fits"):
    """Write the file and return its path."""
    path = tmp_path / name
    hdulist.writeto(path)
    return path


def claiming_formats(path, cls):
    """Names of all formats that claim the file."""
    found = identify_spectrum_format(path, cls)
    return {found} if isinstance(found, str) else set(found)
