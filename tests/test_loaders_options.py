# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Options are obeyed or refused in words by every loader that is registered, whichever way it is called."""

import io
import json
import tarfile

import numpy as np
import pytest
from _foreign import write_idl
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table
from scipy.io import savemat
from specutils import Spectrum, SpectrumList

from astro_spectok import read
from astro_spectok.spectra.loaders._formats import FORMATS
from astro_spectok.spectra.loaders._options import OptionError
from astro_spectok.spectra.loaders._registration import OWN_LABELS

N = 64
WAVE = 4000.0 + 2 * np.arange(N)
LOGLAM = 3.6 + 1e-4 * np.arange(N)
FLUX = 3 + np.sin(np.arange(N) / 5)
ERROR = np.full(N, 0.1)
LINEAR = {"CRVAL1": 4000.0, "CDELT1": 2.0, "CRPIX1": 1.0}


def primary(data=None, **cards):
    return fits.PrimaryHDU(data, fits.Header({key.replace("__", "-"): value for key, value in cards.items()}))


def image(data, name, **cards):
    return fits.ImageHDU(np.asarray(data), fits.Header(cards), name=name)


def table(name=None, cards=None, **columns):
    hdu = fits.BinTableHDU(Table(columns), name=name)
    hdu.header.update(cards or {})
    return hdu


def row(name=None, cards=None, **columns):
    """A table of one row of arrays."""
    return table(name, cards, **{key: np.atleast_1d(values)[None] for key, values in columns.items()})


def save(*hdus):
    return lambda path: fits.HDUList(list(hdus)).writeto(path)


def write(text):
    return lambda path: path.write_text(text)


def lines(*columns, separator=" "):
    return "\n".join(separator.join(f"{value:.6g}" for value in values) for values in zip(*columns, strict=True)) + "\n"


def save_table(table_format):
    columns = QTable({"wavelength": WAVE / 10 * u.nm, "flux": FLUX * u.Jy, "error": ERROR * u.Jy})
    return lambda path: columns.write(path, format=table_format)


def save_hdf5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["wave"], file["flux"], file["err"] = WAVE, FLUX, ERROR


def save_parquet(path):
    pytest.importorskip("pyarrow")
    Table({"wave": WAVE, "flux": FLUX, "err": ERROR}).write(path, format="parquet")


def save_feather(path):
    pa = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    feather.write_feather(pa.table({"wave": WAVE, "flux": FLUX, "err": ERROR}), path)


def save_asdf(path):
    asdf = pytest.importorskip("asdf")
    asdf.AsdfFile({"wave": WAVE, "flux": FLUX, "err": ERROR}).write_to(path)


def save_idl(path):
    write_idl(path, packed=False, wave=WAVE, flux=FLUX, err=ERROR)


def save_tar(path):
    content = ("wave flux err\n" + lines(WAVE, FLUX, ERROR)).encode()
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def make_lamost(mrs):
    columns = {"FLUX": FLUX, "IVAR": ERROR**-2, "WAVELENGTH": WAVE}
    if mrs:
        return save(primary(TELESCOP="LAMOST"), table("COADD_B", **columns))
    return save(primary(TELESCOP="LAMOST"), row("COADD", **columns))


def make_iue(high):
    columns = {"WAVELENGTH": [2000.0], "DELTAW": [2.0], "NPOINTS": [N], "QUALITY": np.zeros((1, N), int)}
    if high:
        columns |= {"ORDER": [66], "STARTPIX": [1], "ABS_CAL": FLUX[None], "NOISE": ERROR[None]}
        name = "MEHI"
    else:
        columns |= {"APERTURE": ["LARGE"], "FLUX": FLUX[None], "SIGMA": ERROR[None]}
        name = "MELO"
    return save(primary(TELESCOP="IUE"), table(name, **columns))


def make_desi():
    arm = [image(WAVE, "B_WAVELENGTH"), image(FLUX[None], "B_FLUX"), image(ERROR[None] ** -2, "B_IVAR")]
    return save(primary(), table("FIBERMAP", TARGETID=[7]), *arm)


def make_snid():
    head = f"1 {N} 3000 10000 3 sn1990x 0.0 Ia 1 1\n0 1.0 0.0\n"
    knots = "".join(f"{k} {k * 30.0} 0.5\n" for k in (0, 1, 2))
    return write(head + knots + "0 5.0\n" + lines(WAVE, FLUX / 10))


def make_e2ds():
    cards = {"HIERARCH ESO DRS CAL TH DEG LL": 1}
    for order in (0, 1):
        cards |= {f"HIERARCH ESO DRS CAL TH COEFF LL{2 * order}": 4000.0 + 200 * order,
                  f"HIERARCH ESO DRS CAL TH COEFF LL{2 * order + 1}": 2.0}  # fmt: skip
    return save(fits.PrimaryHDU(np.stack([FLUX, FLUX]), fits.Header(cards)))


def make_mrt():
    rule, columns = f"{'-' * 80}\n", ((1, 12, "nm", "wave"), (14, 25, "mJy", "flux"), (27, 38, "mJy", "err"))
    described = "".join(f"  {a:2d}- {b} F12.5   {unit:7s} {name:6s} {name}\n" for a, b, unit, name in columns)
    above = f"Title: X\n{rule}Byte-by-byte Description of file: a.txt\n{rule}"
    head = f"{above}   Bytes Format Units   Label  Explanations\n"
    rows = "".join(f"{a:12.5f} {b:12.5f} {c:12.5f}\n" for a, b, c in zip(WAVE, FLUX, ERROR, strict=True))
    return write(f"{head}{rule}{described}{rule}{rows}")


ROWS = np.stack([FLUX, FLUX, ERROR, np.zeros(N), FLUX])
CATALOG = {"SN1990x": {"spectra": [{"time": "1", "u_wavelengths": "Angstrom", "u_fluxes": "Uncalibrated",
                                    "data": [[str(a), str(b)] for a, b in zip(WAVE, FLUX, strict=True)]}]}}  # fmt: skip
OBJECT = {"OPT_WAVE": WAVE, "OPT_COUNTS": FLUX, "OPT_COUNTS_IVAR": ERROR**-2, "OPT_MASK": np.ones(N, bool)}
XP = "[" + ",".join(f"{value:.4f}" for value in np.linspace(1, 2, 343)) + "]"
GAIA = {"source_id": [7], "flux": np.linspace(1, 2, 343)[None], "flux_error": np.full((1, 343), 0.1)}
CUBE = np.broadcast_to(FLUX[:, None, None], (N, 2, 3)).copy()
SKY = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 4000.0,
       "CD3_3": 2.0, "CRPIX3": 1.0, "CD1_1": -1e-4, "CD2_2": 1e-4}  # fmt: skip

#: a small file of each format: its name, and what writes it
FILES = {
    "spectok VOTable": ("a.vot", save_table("votable")),
    "spectok IPAC": ("a.tbl", save_table("ascii.ipac")),
    "spectok ECSV": ("a.ecsv", save_table("ascii.ecsv")),
    "spectok MRT": ("a.txt", make_mrt()),
    "spectok table": ("a.fits", save(primary(), table("T", WAVE=WAVE, FLUX=FLUX, ERR=ERROR))),
    "spectok image": ("a.fits", save(primary(FLUX, **LINEAR), image(ERROR, "ERR"))),
    "spectok cube": ("a.fits", save(primary(), image(CUBE, "DATA", **SKY), image(CUBE, "STAT", **SKY))),
    "spectok text": ("a.txt", write(lines(WAVE, FLUX, ERROR))),
    "spectok json": ("a.json", write(json.dumps({"wave": WAVE.tolist(), "flux": FLUX.tolist()}))),
    "spectok npz": ("a.npz", lambda path: np.savez(path, wave=WAVE, flux=FLUX, err=ERROR)),
    "spectok npy": ("a.npy", lambda path: np.save(path, np.stack([WAVE, FLUX, ERROR]))),
    "spectok Parquet": ("a.parquet", save_parquet),
    "spectok Arrow": ("a.feather", save_feather),
    "spectok HDF5": ("a.h5", save_hdf5),
    "spectok ASDF": ("a.asdf", save_asdf),
    "spectok IDL": ("a.sav", save_idl),
    "spectok MATLAB": ("a.mat", lambda path: savemat(path, {"wave": WAVE, "flux": FLUX, "err": ERROR})),
    "spectok tar": ("a.tar", save_tar),
    "DEEP2 spec1d": ("a.fits", save(primary(), row("Bxspf-B", SPEC=FLUX, LAMBDA=WAVE, IVAR=ERROR**-2))),
    "DESI arms": ("a.fits", make_desi()),
    "HARPS e2ds": ("a.fits", make_e2ds()),
    "APERO e2ds": ("a.fits", save(primary(WAVEORDN=2, WAVEDEGN=1, WAVE0000=400.0, WAVE0001=0.2, WAVE0002=420.0,
                                          WAVE0003=0.2), image(np.stack([FLUX, FLUX]), "E"))),
    "Keck MAKEE": ("a.fits", save(primary(np.stack([FLUX, FLUX]), WV_0_01="4000. 2. 0. 0.", WV_0_02="4200. 2. 0. 0."))),
    "Gaia single CSV": ("RVS-Gaia DR3 7.csv", write("wavelength,flux\n" + lines(WAVE / 5, FLUX, separator=","))),
    "Gaia CSV": ("a.csv", write(f'source_id,flux,flux_error\n7,"{XP}","{XP}"\n')),
    "Gaia FITS": ("a.fits", save(primary(), table("G", **GAIA))),
    "IUE MXLO": ("a.fits", make_iue(False)),
    "IUE MXHI": ("a.fits", make_iue(True)),
    "PypeIt spec1d": ("a.fits", save(primary(PYP_SPEC="x"), table("SPAT0100-SLIT0001-DET01", **OBJECT))),
    "PypeIt coadd": ("a.fits", save(primary(), table("S", {"DMODCLS": "OneSpec"}, wave=WAVE, flux=FLUX,
                                                    ivar=ERROR**-2))),
    "SDSS spSpec": ("a.fit", save(primary(ROWS, TELESCOP="SDSS 2.5-M", COEFF0=3.6, COEFF1=1e-4))),
    "SDSS plate": ("a.fits", save(primary(np.stack([FLUX] * 6), TELESCOP="SDSS 2.5-M", COEFF0=3.6, COEFF1=1e-4),
                                  image(np.ones((6, N)), "IVAR"))),
    "SDSS spec": ("a.fits", save(primary(TELESCOP="SDSS 2.5-M"),
                                 table("COADD", flux=FLUX, loglam=LOGLAM, ivar=ERROR**-2))),
    "SDSS-V mwm arms": ("a.fits", save(primary(V_ASTRA="0.6"), row("BOSS/APO", wavelength=WAVE, flux=FLUX,
                                                                  ivar=ERROR**-2))),
    "Spextool": ("a.fits", save(primary(np.stack([WAVE / 1e4, FLUX, ERROR]), INSTR="SpeX", XUNITS="um", YUNITS="Jy",
                                        NORDERS=1, NAPS=1, ORDERS="3"))),
    "SNID template": ("a.lnw", make_snid()),
    "Open Supernova Catalog": ("a.json", write(json.dumps(CATALOG))),
    "Subaru PFS": ("a.fits", save(primary(), image(WAVE / 10, "WAVELENGTH"), image(FLUX, "FLUX"),
                                  image(np.ones((3, N)), "COVAR"), image(np.zeros(N, int), "MASK"))),
    "WEAVE L1": ("a.fits", save(primary(), image(FLUX[None], "BLUE_DATA", **LINEAR),
                                image(ERROR[None] ** -2, "BLUE_IVAR"), table("FIBTABLE", TARGUSE=["T"]))),
    "Euclid SIR": ("a.fits", save(primary(), table("7", WAVELENGTH=4 * WAVE, SIGNAL=FLUX, VAR=ERROR**2))),
    "LAMOST LRS": ("a.fits", make_lamost(False)),
    "LAMOST MRS": ("a.fits", make_lamost(True)),
    "GALAH HERMES": ("a.fits", save(primary(FLUX, INSTRUME="HERMES", **LINEAR), image(0.03 * ERROR, "INPUT_SIGMA"))),
    "GTC OSIRIS": ("a.fits", save(primary(FLUX, INSTRUME="OSIRIS", TELESCOP="GTC", **LINEAR))),
    "AAOmega 2dfdr": ("a.fits", save(primary(FLUX, INSTRUME="AAOMEGA-2dF", **LINEAR), image(ERROR**2, "VARIANCE"))),
    "CALSPEC": ("a.fits", save(primary(TARGETID="HZ4"), table("S", {"TUNIT1": "ANGSTROMS", "TUNIT2": "FLAM"},
                WAVELENGTH=WAVE, FLUX=FLUX, STATERROR=ERROR, SYSERROR=ERROR, FWHM=ERROR, DATAQUAL=np.ones(N, "i2"),
                TOTEXP=ERROR))),
}  # fmt: skip
HDU_OF = {"spectok table": "T", "spectok image": 0, "spectok cube": "DATA", "DESI arms": "B", "DEEP2 spec1d": "Bxspf"}


@pytest.fixture(params=list(FILES))
def known(request, tmp_path):
    """A file of each format, and its label."""
    label = request.param
    name, make = FILES[label]
    path = tmp_path / name
    make(path)
    return path, label


def take_first(found):
    return found[0] if isinstance(found, list) else found


def check_loaders(path, label, **options):
    """What `read` and specutils' registry give with options, which must agree."""
    ours = take_first(read(path, format=label, **options))
    theirs = take_first(SpectrumList.read(path, format=label, **options))
    assert ours.flux.unit == theirs.flux.unit
    assert ours.spectral_axis.unit == theirs.spectral_axis.unit
    np.testing.assert_array_equal(ours.spectral_axis.value, theirs.spectral_axis.value)
    for key in ("medium", "resolution"):
        np.testing.assert_array_equal(ours.meta.get(key), theirs.meta.get(key))
    return ours


def test_files_of_all_loaders():
    """The walk below leaves none out."""
    assert set(FILES) == set(FORMATS) | OWN_LABELS


def test_found_without_options(known):
    path, label = known
    spectrum = take_first(read(path))
    assert isinstance(spectrum, Spectrum)
    np.testing.assert_array_equal(
        spectrum.spectral_axis.value, take_first(read(path, format=label)).spectral_axis.value
    )


def test_units_are_obeyed(known):
    path, label = known
    spectrum = check_loaders(path, label, wave_unit="nm", flux_unit="mJy")
    assert (spectrum.spectral_axis.unit, spectrum.flux.unit) == (u.nm, u.mJy)
    if spectrum.uncertainty is not None:
        kind = {"std": 1, "var": 2, "ivar": -2}[spectrum.uncertainty.uncertainty_type]
        assert spectrum.uncertainty.unit == u.mJy**kind
    # the numbers are those of the file: a unit is stated, not converted to
    plain = take_first(read(path, format=label))
    np.testing.assert_allclose(spectrum.flux.value, plain.flux.value)
    assert take_first(read(path, wave_unit="nm", flux_unit="mJy")).flux.unit == u.mJy


def test_medium_and_resolution_are_obeyed(known):
    path, label = known
    other = "air" if take_first(read(path)).meta.get("medium") == "vacuum" else "vacuum"
    spectrum = check_loaders(path, label, medium=other, resolution=1234.0)
    assert (spectrum.meta["medium"], spectrum.meta["resolution"]) == (other, 1234.0)


def test_join_is_obeyed(known):
    path, label = known
    assert not isinstance(read(path, format=label, join=True), list)


@pytest.mark.parametrize(
    ("option", "value"),
    [("columns", {"wave": "none", "flux": "nothing"}), ("hdu", 9), ("spaxel", (9, 9))],
)
def test_what_is_not_there_is_refused(known, option, value):
    """Nothing that a user states is passed over in silence: neither by name of the format nor without."""
    path, label = known
    for arguments in ({"format": label}, {}):
        with pytest.raises((OptionError, OSError)) as caught:
            read(path, **arguments, **{option: value})
        message = str(caught.value)
        assert len(message) <= 200
        assert option in message or str(value) in message or "nothing" in message.lower()


@pytest.mark.parametrize("label", HDU_OF)
def test_extensions_are_obeyed(label, tmp_path):
    name, make = FILES[label]
    make(tmp_path / name)
    named = read(tmp_path / name, hdu=HDU_OF[label])
    np.testing.assert_array_equal(named.flux.value, read(tmp_path / name).flux.value)


@pytest.mark.parametrize("label", [label for label, one in FORMATS.items() if "columns" in one.takes])
def test_columns_are_obeyed(label, tmp_path):
    """The errors as flux: a choice that no guess makes."""
    name, make = FILES[label]
    make(tmp_path / name)
    given = {"spectok cube": {"flux": "STAT"}, "spectok json": {"wave": "flux", "flux": "wave"}}
    columns = given.get(label, {"wave": "wave", "flux": "err"})
    if label in ("spectok VOTable", "spectok IPAC", "spectok ECSV"):
        columns = {"wave": "wavelength", "flux": "error"}
    if label in ("spectok text", "spectok npy"):
        columns = {"wave": 1, "flux": 3}
    if label == "spectok image":
        pytest.skip("an extension has no axis of its own here")
    expected = {"spectok json": WAVE, "spectok cube": np.moveaxis(CUBE, 0, -1)}.get(label, ERROR)
    extra = {"wave_unit": "nm"} if label == "spectok json" else {}
    spectrum = read(tmp_path / name, columns=columns, **extra)
    np.testing.assert_allclose(np.sort(np.ravel(spectrum.flux.value)), np.sort(np.ravel(expected)), rtol=1e-5)
