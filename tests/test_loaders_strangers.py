# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files by the layouts that pipelines publish and in the habits of people, each with the values that are right."""

import json
import os

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from astropy.table import Table
from numpy.testing import assert_allclose
from specutils import Spectrum

from astro_spectok import read
from astro_spectok.spectra import find_medium, to_batch
from astro_spectok.spectra.loaders import UnreadableFileError, _source
from astro_spectok.spectra.loaders._refusal import MAX_LENGTH
from astro_spectok.spectra.parts import find_part

N = 200
WAVE = 4000.0 + 2 * np.arange(N)
ERROR = 0.05 + 0.02 * np.abs(np.sin(np.arange(N) / 40))
FLUX = 3 + np.sin(np.arange(N) / 25) + np.random.default_rng(3).normal(0, 1, N) * ERROR
AXIS = {"CRVAL1": 4000.0, "CDELT1": 2.0, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}
CUBE = np.broadcast_to(FLUX[:, None, None], (N, 2, 3)).copy()
CUBE_AXES = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "WAVE", "CUNIT3": "Angstrom", "CRVAL3": 4000.0,
             "CDELT3": 2.0, "CRPIX3": 1.0}  # fmt: skip


def primary(data=None, **cards):
    return fits.PrimaryHDU(data, fits.Header(cards))


def image(name, data, **cards):
    hdu = fits.ImageHDU(data, fits.Header(cards), name=name)
    hdu.ver = cards.get("EXTVER", 1)
    return hdu


def table(name, units=None, **columns):
    hdu = fits.BinTableHDU(Table(columns), name=name)
    for column, unit in (units or {}).items():
        hdu.columns[column].unit = unit
    return hdu


def rows(*columns, separator=" ", end="\n"):
    return "".join(separator.join(f"{value:.7g}" for value in row) + end for row in zip(*columns, strict=True))


def check(found, *, number=1, error=ERROR, medium=None, bad=0, unit=None, parts=None):
    """The first spectrum has the axis, flux, error and medium that are right, in order of wavelength."""
    spectra = [found] if isinstance(found, Spectrum) else list(found)
    assert len(spectra) == number
    first = spectra[0]
    wave = first.spectral_axis.to_value(u.AA, u.spectral())
    order = np.argsort(wave)
    flux, mask = (np.reshape(part, (-1, len(wave)))[0][order] for part in (first.flux.value, first.mask))
    assert_allclose(wave[order], WAVE, rtol=2e-6)
    assert np.count_nonzero(mask) == bad
    assert_allclose(flux[~mask], FLUX[~mask], rtol=1e-4)
    if error is None:
        assert first.uncertainty is None
    else:
        sigma = np.reshape(first.uncertainty.represent_as(StdDevUncertainty).array, (-1, len(wave)))[0][order]
        assert_allclose(sigma[~mask], error[~mask], rtol=1e-4)
    if medium is not None:
        assert find_medium(meta=first.meta) == (medium, "header")
    if unit is not None:
        assert first.flux.unit.is_equivalent(u.Unit(unit))
    if parts is not None:
        assert [find_part(spectrum.meta) for spectrum in spectra] == parts
    return spectra


QUALITY = np.where(np.arange(N) == 5, 4, 0).astype(np.int16)
#: name: (extensions, what `check` is told)
FITS = {
    "GMOS by DRAGONS": (
        [primary(INSTRUME="GMOS-S"), *(
            hdu for k in (1, 2) for hdu in (
                image("SCI", FLUX, CTYPE1="AWAV", EXTVER=k, **AXIS | {"CRVAL1": 400.0, "CDELT1": 0.2, "CUNIT1": "nm"}),
                image("VAR", ERROR**2, EXTVER=k), image("DQ", QUALITY, EXTVER=k))
        )], {"number": 2, "medium": "air", "bad": 1}),
    "stack of orders by PypeIt": (
        [primary(PYP_SPEC="keck_hires"), table("ORDERS", **{
            f"{name}_stack": np.stack([value, other], 1) for name, value, other in (
                ("wave", WAVE, WAVE + 390), ("flux", FLUX, FLUX), ("ivar", ERROR**-2, ERROR**-2),
                ("mask", np.ones(N, int), np.ones(N, int)))
        })], {"number": 2, "medium": "vacuum"}),
    "vectors of one element": (
        [primary(), table("S", wave=WAVE[:, None], flux=FLUX[:, None], err=ERROR[:, None])], {}),
    "marz": (
        [primary(np.stack([FLUX] * 3), EXTNAME="INTENSITY"), image("VARIANCE", np.stack([ERROR**2] * 3)),
         image("SKY", 0 * FLUX), image("WAVELENGTH", np.stack([WAVE] * 3)), table("FIBRES", TYPE=["P"] * 3)],
        {"number": 3}),
    "fibres": (
        [primary(np.stack([FLUX] * 60), **AXIS), image("FIBERS", np.zeros(3))], {"error": None}),
    "KCWI": (
        [primary(CUBE, INSTRUME="KCWI", BUNIT="FLAM16", **CUBE_AXES), image("UNCERT", 0 * CUBE + ERROR[:, None, None]),
         image("MASK", np.zeros(CUBE.shape, np.uint8))], {"unit": "erg/(s cm2 AA)"}),
    "cube with an axis of Stokes": ([primary(CUBE[None], CTYPE4="STOKES", **CUBE_AXES)], {"error": None}),
    "EXES of SOFIA": (
        [primary(np.stack([1e8 / WAVE, FLUX, ERROR, ERROR]), XUNITS="cm-1", YUNITS="erg s-1 cm-2 sr-1 (cm-1)-1")],
        {"unit": "erg/(s cm2 sr cm-1)"}),
    "FRODOSpec": (
        [primary(np.ones((30, N))), image("RSS_NONSS", np.ones((30, N))), image("SPEC_NONSS", 9 * FLUX[None], **AXIS),
         image("SPEC_SS", FLUX[None], **AXIS)], {"error": None}),
    "CRIRES+ in the M band": (
        [primary(INSTRUME="CRIRES"), table("CHIP1.INT1", **{"02_01_SPEC": FLUX, "02_01_ERR": ERROR, "02_01_WL": WAVE})],
        None),
    "GALAH DR4": ([primary(), table("S", wave=WAVE, sob=FLUX, uob=ERROR, smod=0 * FLUX)], {}),
    "MaStar": (
        [primary(), table("S", MANGAID=["a", "b"], WAVE=np.stack([WAVE] * 2), FLUX=np.stack([FLUX] * 2),
                          IVAR=np.stack([ERROR**-2] * 2), MASK=np.zeros((2, N), int))], {"medium": "vacuum"}),
    "rows of Stokes": (
        [primary(np.stack([FLUX, FLUX / 100, FLUX / 90]), CTYPE2="STOKES", CRVAL2=1.0, CDELT2=1.0, CRPIX2=1.0, **AXIS)],
        {"error": None}),
    "rows by cards": (
        [primary(np.stack([FLUX, ERROR, 50 * FLUX, 0 * FLUX]), ROW1="Spectrum", ROW2="Error", ROW3="Spectrum_nocalib",
                 ROW4="Sky", **AXIS)], {}),
    "science and noise of an arm": (
        [primary(), image("RED_SCIENCE", FLUX, **AXIS), image("RED_NOISE", ERROR),
         image("RED_TELLURIC", 0 * FLUX)], {}),
    "orders of STIS": (
        [primary(TELESCOP="HST"), table("SCI", SPORDER=np.array([91, 90]), WAVELENGTH=np.stack([WAVE, WAVE + 390]),
                                        FLUX=np.stack([FLUX] * 2), ERROR=np.stack([ERROR] * 2))],
        {"number": 2, "medium": "vacuum", "parts": ["order 91", "order 90"]}),
    "HARPS-N": ([primary(FLUX, INSTRUME="HARPN", **AXIS)], {"error": None, "medium": "air"}),
    "images of one dimension by name": ([primary(), image("SPEC1D", FLUX, **AXIS), image("VAR1D", ERROR**2)], {}),
    "MUSE by MPDAF": (
        [primary(), image("DATA", FLUX, CTYPE1="AWAV", BUNIT="10**(-20)*erg/s/cm**2/Angstrom", **AXIS),
         image("STAT", ERROR**2), image("DQ", QUALITY.astype(np.int32))],
        {"medium": "air", "bad": 1, "unit": "erg/(s cm2 AA)"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_fits(tmp_path, name):
    hdus, right = FITS[name]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    found = read(tmp_path / "a.fits")
    if right is None:
        assert found.spectral_axis.unit == u.nm
    else:
        check(found, **right)


def lines(text):
    return "".join(f"{text.format(*row)}\n" for row in zip(WAVE, FLUX, ERROR, strict=True))


HALF = rows(WAVE, FLUX, ERROR).splitlines(keepends=True)
#: name: (text, what `check` is told)
TEXT = {
    "lists": (lines("[{:.1f}, {:.6f}, {:.6f}],"), {}),
    "tuples": (lines("({:.1f}, {:.6f}, {:.6f})"), {}),
    "colons": (lines("{:.1f}: {:.6f}"), {"error": None}),
    "LaTeX": ("Wavelength & Flux & Error \\\\\n\\hline\n" + lines("{:.1f} & {:.6f} & {:.6f} \\\\") + "\\hline\n", {}),
    "thousands": ("Wavelength\tFlux\n" + lines("{:,.1f}\t{:.6f}"), {"error": None}),
    "xmgrace": (
        f'@title "x"\n{rows(WAVE, FLUX)}&\n@type xy\n{rows(WAVE, 2 * FLUX)}&\n', {"number": 2, "error": None}),
    "title and numbers of rows": (f"HD 12345\n{N} 2\n{rows(WAVE, FLUX)}", {"error": None}),
    "-9999 in a gap": ("".join(HALF[:90]) + "4180 -9999 -9999\n4182 -9999 -9999\n" + "".join(HALF[92:]), {"bad": 2}),
    "pixels below cards": (
        f"NAXIS1 = {N}\nCRVAL1 = 4000.0\nCDELT1 = 2.0\nEND\n\n" + "".join(
            f"{value:13.6f}" + "\n" * (k % 5 == 4) for k, value in enumerate(FLUX)), {"error": None}),
    "remarks behind a few rows": (
        "wave,flux,err,note\n" + "".join(f"{row.strip()},{'telluric' * (k % 9 == 0)}\n" for k, row in enumerate(
            rows(WAVE, FLUX, ERROR, separator=",").splitlines())), {}),
    "signal-to-noise ratio": (rows(WAVE, FLUX, FLUX / ERROR), {}),
    "flux over its continuum and not": (rows(WAVE, FLUX, 1e6 * FLUX * (WAVE / 4000)), {"error": None}),
    "points that were taken out": (
        lines("{:.1f} {:.6f} {:.6f}").replace(f"{FLUX[7]:.6f} {ERROR[7]:.6f}", "-1.23e34 -1.23e34"), {"bad": 1}),
    "spec and espec": ("obj,lambda,spec,espec\n" + rows(np.full(N, 7), WAVE, FLUX, ERROR, separator=","), {}),
    "YAML": (f"wave: {WAVE.tolist()}\nflux: {FLUX.tolist()}\n", {"error": None}),
    "dict of Python": (str({"wave": WAVE.tolist(), "flux": FLUX.tolist()}), {"error": None}),
    "numbered fluxes": (
        "wave,flux_1,err_1,flux_2,err_2\n" + rows(WAVE, FLUX, ERROR, 2 * FLUX, ERROR, separator=","), {"number": 2}),
    "columns of stars": ("wavelength,star1,star2\n" + rows(WAVE, FLUX, FLUX, separator=","),
                         {"number": 2, "error": None}),
    "units at the end of names": (
        "wave_um,fnu_mjy,fnu_err_mjy\n" + "".join(f"{w / 1e4!r},{f},{e}\n" for w, f, e in zip(
            WAVE.tolist(), FLUX, ERROR, strict=True)), {"unit": "Jy"}),
    "single letters": ("wl_nm,I,dI\n" + rows(WAVE / 10, FLUX, ERROR, separator=","), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXT)
def test_text(tmp_path, name):
    text, right = TEXT[name]
    (tmp_path / "a.txt").write_text(text)
    check(read(tmp_path / "a.txt"), **right)


EVEN = np.linspace(0.1, 50, N)
LINES = (3727, 4102, 4341, 4861, 4959, 5007, 6548, 6563, 6583, 6717, 6731, 7136)
#: name: (text, what the message says)
NO_SPECTRA = {
    "periods": ("period power\n" + rows(EVEN, FLUX), "has period in the place of wavelengths"),
    "Raman": ("Raman shift (cm-1)\tIntensity\n" + rows(100 + 50 * EVEN, FLUX, separator="\t"), "has Raman shift"),
    "extinction": ("# wavelength A_lambda/A_V\n" + rows(WAVE, FLUX), "is a curve of extinction"),
    "rotation": ("# R(kpc) V(km/s) err\n" + rows(EVEN, FLUX, ERROR), "in the place of wavelengths"),
    "transit": ("wavelength,depth,depth_err\n" + rows(WAVE, FLUX, ERROR, separator=","), "no wavelength and flux"),
    "dates": ("# HJD-2450000 V err\n" + rows(WAVE, FLUX, ERROR), "is a light curve"),
    "catalogue": ("ra dec mag\n" + rows(EVEN, EVEN, FLUX), "is a catalogue"),
    "few lines": (
        "# line wave flux err\n" + "".join(f"x{w} {w} {w % 7 + 1} 0.1\n" for w in LINES),
        "is a list of lines",
    ),
    "velocities": ("# v_kms flux\n" + rows(300 + 50 * EVEN, FLUX), "has v_kms in the place of wavelengths"),
    "places": ("id x y z\n" + rows(np.arange(N), FLUX, FLUX, FLUX), "has a column x in disorder"),
    "tracks": ("star_age star_mass log_Teff log_g\n" + rows(1e3 * EVEN, FLUX, FLUX, FLUX), "no wavelength and flux"),
    "tree": ("a: 1\nb: [1, 2, 3]\n", "is YAML without spectra"),
}


@pytest.mark.parametrize("name", NO_SPECTRA)
def test_what_is_no_spectrum(tmp_path, name):
    text, words = NO_SPECTRA[name]
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UnreadableFileError, match=f"^a.txt .*{words}") as caught:
        read(tmp_path / "a.txt")
    assert len(str(caught.value)) <= MAX_LENGTH


def test_a_channel_in_angstrom_is_an_axis(tmp_path):
    """Fluxed spectra of RGS have X-rays in it."""
    hdu = table("RGS", {"CHANNEL": "Angstrom"}, CHANNEL=WAVE / 200, FLUX=FLUX, ERROR=ERROR)
    fits.HDUList([primary(), hdu]).writeto(tmp_path / "a.fits")
    with pytest.raises(UnreadableFileError, match="is an X-ray or gamma-ray spectrum"):
        read(tmp_path / "a.fits")


@pytest.mark.parametrize("unit", [{}, {"CUNIT1": "Angstrom"}, {"WAT1_001": "wtype=linear units=angstroms"}])
def test_counted_pixels_are_no_angstrom(tmp_path, unit):
    """IRAF says so of what nobody has calibrated."""
    fits.HDUList([primary(FLUX, CTYPE1="LINEAR", CRVAL1=1.0, CDELT1=1.0, CRPIX1=1.0, **unit)]).writeto(
        tmp_path / "a.fits"
    )
    with pytest.raises(UnreadableFileError, match=r"an axis that counts pixels|no wavelengths"):
        read(tmp_path / "a.fits")


def test_a_matrix_is_no_spectrum(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(N))
    with pytest.raises(UnreadableFileError, match="is an array of shape"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("arrays", [(WAVE, FLUX, ERROR), (np.stack([WAVE, FLUX, ERROR]),)])
def test_arrays_without_names(tmp_path, arrays):
    """What `numpy.savez` and HDF5 hold by default, in their order."""
    np.savez(tmp_path / "a.npz", *arrays)
    check(read(tmp_path / "a.npz"))
    if len(arrays) == 1:
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["data"] = arrays[0].T
        check(read(tmp_path / "a.h5"))


def test_frame_of_pandas(tmp_path):
    """In HDF5: a block of columns, and their names."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["df/block0_items"] = np.array([b"wave", b"flux", b"err"])
        file["df/block0_values"], file["df/axis1"] = np.stack([WAVE, FLUX, ERROR], axis=1), np.arange(N)
    check(read(tmp_path / "a.h5"))


def test_packed_netcdf(tmp_path):
    """Integers with a factor and a zero point, and a value for none, are not the flux."""
    h5py = pytest.importorskip("h5py")
    packed = np.round((FLUX - 1) * 1e6).astype(np.int32)
    packed[7] = -9999
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["wavelength"], file["flux"] = WAVE / 10, packed
        file["wavelength"].attrs["units"] = "nm"
        file["flux"].attrs.update({"scale_factor": 1e-6, "add_offset": 1.0, "_FillValue": np.int32(-9999)})
    check(read(tmp_path / "a.nc"), error=None, bad=1)


def test_arrow(tmp_path):
    """Feather is read as Parquet is; what is cut off is refused in words."""
    pa = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    feather.write_feather(pa.table({"wavelength": WAVE, "flux": FLUX, "flux_error": ERROR}), tmp_path / "a.feather")
    check(read(tmp_path / "a.feather"))
    (tmp_path / "b.feather").write_bytes((tmp_path / "a.feather").read_bytes()[:900])
    with pytest.raises(UnreadableFileError, match="is no Arrow table"):
        read(tmp_path / "b.feather")


def test_resolving_power_of_each_pixel(tmp_path):
    """SDSS has a sigma in its pixels of log10, MaNGA an image, tables a FWHM with its unit; 0 is not known."""
    wdisp = np.full(N, 1.0)
    wdisp[3] = 0
    expected = np.where(wdisp > 0, 1 / (2.354820045 * 1e-4 * np.log(10)), np.nan)
    spec = table("COADD", flux=FLUX, loglam=np.log10(WAVE), ivar=ERROR**-2, and_mask=np.zeros(N, int), wdisp=wdisp)
    fits.HDUList([primary(TELESCOP="SDSS 2.5-M"), spec]).writeto(tmp_path / "spec.fits")
    assert_allclose(read(tmp_path / "spec.fits").meta["resolution"], expected)
    assert_allclose(to_batch(read(tmp_path / "spec.fits")).resolution, expected, rtol=1e-6)
    cube = fits.HDUList([primary(), image("FLUX", CUBE, **CUBE_AXES), image("SPECRES", WAVE / 2)])
    cube.writeto(tmp_path / "cube.fits")
    assert_allclose(to_batch(read(tmp_path / "cube.fits")).resolution, WAVE / 2, rtol=1e-6)
    wide = table("S", {"fwhm": "Angstrom"}, wave=WAVE, flux=FLUX, err=ERROR, fwhm=np.full(N, 2.0))
    fits.HDUList([primary(), wide]).writeto(tmp_path / "wide.fits")
    assert_allclose(to_batch(read(tmp_path / "wide.fits")).resolution, WAVE / 2, rtol=1e-6)
    plain = table("S", wave=WAVE, flux=FLUX, err=ERROR, fwhm=np.full(N, 2.0))
    fits.HDUList([primary(), plain]).writeto(tmp_path / "plain.fits")
    assert "resolution" not in read(tmp_path / "plain.fits").meta


def test_pipe(tmp_path, monkeypatch):
    """Is read to its end; one through which nothing comes is given up."""
    content = rows(WAVE, FLUX, ERROR).encode()
    os.mkfifo(tmp_path / "pipe")
    # both ends are open at once
    ends = [os.open(tmp_path / "pipe", flags) for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY)]
    os.write(ends[1], content)
    os.close(ends[1])
    check(read(tmp_path / "pipe"))
    os.close(ends[0])
    monkeypatch.setattr(_source, "PATIENCE", 0.01)
    ends = [os.open(tmp_path / "pipe", flags) for flags in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY)]
    with pytest.raises(UnreadableFileError, match="is a pipe through which nothing came"):
        read(tmp_path / "pipe")
    for end in ends:
        os.close(end)


def test_exponents_of_units_are_small():
    """FLAM16 is 1e-16 of a unit, not its sixteenth power."""
    from astro_spectok.spectra.unit_words import parse_flux_unit

    assert parse_flux_unit("FLAM16")[0] == u.Unit("1e-16 erg/(s cm2 Angstrom)")
    assert not parse_flux_unit("flam^16")[1]
    assert not parse_flux_unit("A d17")[1]
    for text in ("1d-17 erg/s/cm2/A", "E-17 erg/s/cm2/A", "F_lambda (1e-17 erg/s/cm2/A)"):
        assert parse_flux_unit(text)[0] == u.Unit("1e-17 erg/(s cm2 Angstrom)")
    assert parse_flux_unit("W m-2 (cm-1)-1")[0] == u.Unit("W/m") * 1e-2


def test_json_with_units_in_names(tmp_path):
    lists = {"wavelength_nm": (WAVE / 10).tolist(), "flux": FLUX.tolist(), "flux_err": ERROR.tolist()}
    (tmp_path / "a.json").write_text(json.dumps({"name": "x", "spectrum": lists}))
    check(read(tmp_path / "a.json"))
