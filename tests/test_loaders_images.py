# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of spectra in FITS images: sister extensions, files beside, bands, rows and orders."""

import numpy as np
import pytest
from _fits_images import ERROR, FLUX, LINEAR, LOG, N, write_image
from astropy import units as u
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from numpy.testing import assert_allclose, assert_array_equal

from astro_spectok import read
from astro_spectok.spectra.medium import find_medium


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [("ERR", ERROR, StdDevUncertainty), ("STAT", ERROR**2, VarianceUncertainty), ("IVAR", ERROR**-2, InverseVariance)],
)
def test_sisters_by_name(tmp_path, name, values, kind):
    """DATA with ERR, STAT or IVAR, DQ and WAVELENGTH; other images of the size are left alone."""
    quality = np.zeros(N, np.int32)
    quality[[3, 9]] = 4
    path = write_image(
        tmp_path / "a.fits", None, {}, ("DATA", FLUX), (name, values), ("DQ", quality), ("SKY", 100 * FLUX),
        ("WAVELENGTH", LINEAR * 1e-10, {"BUNIT": "meter"}),
    )  # fmt: skip
    spectrum = read(path)
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), LINEAR)
    assert_array_equal(spectrum.flux.value, FLUX)
    assert type(spectrum.uncertainty) is kind
    assert_array_equal(spectrum.uncertainty.array, values)
    assert_array_equal(np.flatnonzero(spectrum.mask), [3, 9])


def test_sisters_by_their_values(tmp_path):
    """Extensions without names: an inverse variance, logarithms of wavelengths, a mask."""
    mask = np.zeros(N, np.uint8)
    mask[5] = 1
    path = write_image(tmp_path / "a.fits", FLUX, {}, (None, ERROR**-2), (None, np.log10(LOG)), (None, mask))
    spectrum = read(path)
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), LOG)
    assert isinstance(spectrum.uncertainty, InverseVariance)
    assert_array_equal(np.flatnonzero(spectrum.mask), [5])
    assert len(spectrum.meta["guesses"]) == 4


def test_cards_of_linetools(tmp_path):
    """Units and medium as json."""
    header = {
        "UNITS": '{"wave": "nm", "flux": "1e-17 erg/s/cm2/A"}',
        "METADATA": '{"headers": ["none"], "airvac": "vac"}',
    }
    path = write_image(tmp_path / "a.fits", FLUX, header, ("ERROR", ERROR), ("WAVELENGTH", LINEAR / 10))
    spectrum = read(path)
    assert spectrum.spectral_axis.unit == u.nm
    assert spectrum.meta["medium"] == "vacuum"
    assert spectrum.flux.unit.to(u.erg / u.s / u.cm**2 / u.AA) == pytest.approx(1e-17)


def test_orders_with_a_wavelength_image(tmp_path):
    """As HIRES and CARMENES have them; joined where that is asked for."""
    waves = np.stack([LINEAR, LINEAR + 550])
    path = write_image(tmp_path / "a.fits", np.stack([FLUX, FLUX]), {}, (None, np.tile(ERROR, (2, 1))), (None, waves))
    found = read(path)
    assert [one.meta["order"] for one in found] == [1, 2]
    assert_array_equal(found[1].spectral_axis.value, waves[1])
    assert_array_equal(found[1].uncertainty.array, ERROR)
    joined = read(path, join=True)
    assert joined.spectral_axis.value[[0, -1]].tolist() == [waves[0, 0], waves[1, -1]]


def test_iraf_bands(tmp_path):
    """Four bands of apall: the first is the spectrum, the last its error, even without a card of its own."""
    header = {"CRVAL1": 4000.0, "CD1_1": 1.5, "CTYPE1": "LINEAR", "WCSDIM": 3, "DC-FLAG": 0,
              "BANDID1": "spectrum - background fit, weights variance, clean no",
              "BANDID2": "raw - background fit, weights none, clean no",
              "BANDID3": "background - background fit"}  # fmt: skip
    bands = np.stack([FLUX, FLUX + 1, FLUX + 7, ERROR])[:, None]
    spectrum = read(write_image(tmp_path / "a.fits", bands, header))
    assert_array_equal(spectrum.flux.value, FLUX)
    assert_array_equal(spectrum.uncertainty.array, ERROR)


def test_rows_by_their_cards(tmp_path):
    """UVES_popler: normalised flux, error (negative where there is none), expected fluctuation, continuum."""
    error = ERROR.copy()
    error[4] = -1e32
    header = {"CRVAL1": 3.6, "CD1_1": 1e-4, "CTYPE1": "LOGLIN", "DC-FLAG": 1, "ARRAY1": "Normalized flux spectrum",
              "ARRAY2": "Normalized error", "ARRAY3": "Norm. expected fluctuation", "ARRAY4": "Continuum"}  # fmt: skip
    spectrum = read(write_image(tmp_path / "a.fits", np.stack([FLUX, error, 2 * ERROR, FLUX]), header))
    assert_array_equal(spectrum.flux.value, FLUX)
    assert_array_equal(np.flatnonzero(spectrum.mask), [4])
    assert find_medium(meta=spectrum.meta) == ("vacuum", "header")


def test_rows_with_wavelengths_by_their_cards(tmp_path):
    """ESPaDOnS: nanometres, intensity, Stokes and check spectra, error bars."""
    header = {f"COL{k}": name for k, name in enumerate(("Wavelength", "Intensity", "Stokes", "CheckN1", "ErrorBar"), 1)}
    rows = np.stack([LINEAR / 10, FLUX, 0 * FLUX, 0 * FLUX, ERROR])
    spectrum = read(write_image(tmp_path / "a.fits", rows, header))
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), LINEAR)
    assert_array_equal(spectrum.flux.value, FLUX)
    assert_array_equal(spectrum.uncertainty.array, ERROR)


@pytest.mark.parametrize("transposed", [False, True])
def test_rows_by_their_values(tmp_path, transposed):
    """Wavelength, flux and error as rows, or as columns, of an image that says nothing."""
    data = np.stack([LINEAR, FLUX, ERROR])
    spectrum = read(write_image(tmp_path / "a.fits", data.T if transposed else data))
    assert_array_equal(spectrum.spectral_axis.value, LINEAR)
    assert_array_equal(spectrum.flux.value, FLUX)
    assert_array_equal(spectrum.uncertainty.array, ERROR)


def test_rows_below_wavelengths_that_are_no_errors(tmp_path):
    """The flux is read, and what else there is left alone."""
    spectrum = read(write_image(tmp_path / "a.fits", np.stack([LINEAR, FLUX, -ERROR])))
    assert_array_equal(spectrum.flux.value, FLUX)
    assert spectrum.uncertainty is None


def test_pairs_of_wavelength_and_flux(tmp_path):
    """CHIRON's orders."""
    waves = np.stack([LINEAR, LINEAR + 500])
    found = read(write_image(tmp_path / "a.fits", np.stack([waves, np.stack([FLUX, 2 * FLUX])], axis=-1)))
    assert_array_equal(found[1].spectral_axis.value, waves[1])
    assert_array_equal(found[1].flux.value, 2 * FLUX)


@pytest.mark.parametrize(
    ("flux_name", "error_name", "kind"),
    [("q_nF.fits", "q_nE.fits", "std"), ("q_f.fits", "q_e.fits", "std"), ("q.fits", "q_ivar.fits", "ivar")],
)
def test_errors_in_a_file_beside(tmp_path, flux_name, error_name, kind):
    """Are read with the flux, and are no spectrum themselves."""
    header = {"CRVAL1": 3.6, "CDELT1": 1e-4, "DC-FLAG": 1}
    values = ERROR if kind == "std" else ERROR**-2
    path = write_image(tmp_path / flux_name, FLUX, header)
    write_image(tmp_path / error_name, values, header)
    spectrum = read(path)
    assert spectrum.uncertainty.uncertainty_type == kind
    assert_array_equal(spectrum.uncertainty.array, values)
    assert error_name in spectrum.meta["guesses"][-1]
    with pytest.raises(OSError, match=rf"^{error_name} holds the errors of {flux_name}"):
        read(tmp_path / error_name)


@pytest.mark.parametrize(("name", "refused"), [("q_nE.fits", True), ("q.sig.fits", True), ("alphaE.fits", False)])
def test_errors_without_their_flux(tmp_path, name, refused):
    """Are recognised by a name that only such files have, if nothing is negative; the user may insist."""
    header = {"CRVAL1": 3.6, "CDELT1": 1e-4, "DC-FLAG": 1}
    path = write_image(tmp_path / name, ERROR, header)
    if refused:
        with pytest.raises(OSError, match="holds errors, by its name"):
            read(path)
    assert_array_equal(read(path, **({"hdu": 0} if refused else {})).flux.value, ERROR)
    path.unlink()
    assert_array_equal(read(write_image(path, FLUX - 2 * FLUX.max(), header)).flux.value, FLUX - 2 * FLUX.max())


def test_a_file_beside_of_another_shape_is_left_alone(tmp_path):
    """And so is one that is no FITS file."""
    header = {"CRVAL1": 4000.0, "CDELT1": 1.5}
    write_image(tmp_path / "a_err.fits", ERROR[:-1], header)
    (tmp_path / "b_err.fits").write_text("none")
    for name in ("a.fits", "b.fits"):
        assert read(write_image(tmp_path / name, FLUX, header)).uncertainty is None


def test_spectra_before_pictures(tmp_path):
    """MUSE's source files: a picture of the object stands before its spectrum."""
    axis = {"CRVAL1": 4750.0, "CDELT1": 1.25, "CTYPE1": "AWAV", "CUNIT1": "Angstrom"}
    path = write_image(
        tmp_path / "a.fits", None, {}, ("IMA_WHITE", np.ones((25, 25))), ("SPE_TOT_DATA", FLUX, axis),
    )  # fmt: skip
    spectrum = read(path)
    assert_array_equal(spectrum.flux.value, FLUX)
    assert spectrum.spectral_axis.value[0] == 4750


def test_quality_of_jwst(tmp_path):
    """Only the first bit means that a pixel is not to be used."""
    quality = np.zeros(N, np.int32)
    quality[[3, 9]] = 4, 5
    header = {"TELESCOP": "JWST", "CRVAL1": 1.0, "CDELT1": 0.01, "CUNIT1": "um"}
    spectrum = read(write_image(tmp_path / "a.fits", None, header, ("DATA", FLUX, header), ("DQ", quality)))
    assert_array_equal(np.flatnonzero(spectrum.mask), [9])


@pytest.mark.parametrize("versions", [True, False])
def test_extensions_of_one_name(tmp_path, versions):
    """Each is a spectrum, with the error and wavelengths of its own EXTVER, or that stand behind it."""
    hdus = [fits.PrimaryHDU()]
    for k in (1, 2):
        for name, values in (("SCI", FLUX), ("ERR", np.full(len(FLUX), 0.1 * k)), ("WAVE", LINEAR + 900 * k)):
            hdus.append(fits.ImageHDU(values, name=name, ver=k if versions else 1))
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    first, second = read(tmp_path / "a.fits")
    np.testing.assert_allclose(second.spectral_axis.value - first.spectral_axis.value, 900)
    np.testing.assert_allclose(second.uncertainty.array / first.uncertainty.array, 2)
    if versions:
        named = read(tmp_path / "a.fits", hdu="SCI,2")
        np.testing.assert_array_equal(named.uncertainty.array, second.uncertainty.array)
        np.testing.assert_array_equal(named.spectral_axis.value, second.spectral_axis.value)


def test_numbers_within_names_of_extensions(tmp_path):
    """IFU.3.DATA belongs to IFU.3.NOISE."""
    header = fits.Header({"CRVAL1": 4000.0, "CDELT1": 1.5, "CUNIT1": "Angstrom"})
    hdus = [
        fits.ImageHDU(values, header, name=f"IFU.{k}.{name}")
        for k in (3, 7)
        for name, values in (("DATA", FLUX), ("NOISE", np.full(len(FLUX), 0.01 * k)))
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    first, second = read(tmp_path / "a.fits")
    np.testing.assert_allclose(second.uncertainty.array / first.uncertainty.array, 7 / 3)


def test_slits_in_extensions_that_are_counted(tmp_path):
    """One spectrum each."""
    header = fits.Header({"CRVAL1": 400.0, "CDELT1": 0.15, "CUNIT1": "nm"})
    slits = [fits.ImageHDU(FLUX * k, header, name=f"SLIT{k}") for k in (1, 2, 3)]
    fits.HDUList([fits.PrimaryHDU(), *slits]).writeto(tmp_path / "a.fits")
    assert [spectrum.meta["extension"] for spectrum in read(tmp_path / "a.fits")] == ["SLIT1,1", "SLIT2,1", "SLIT3,1"]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
def test_rows_in_any_order(tmp_path, order):
    """Flux, error and wavelengths without a word about them."""
    rows = np.stack([FLUX, np.full(len(FLUX), 0.05), LINEAR])[list(order)]
    fits.PrimaryHDU(rows).writeto(tmp_path / "a.fits")
    found = read(tmp_path / "a.fits")
    np.testing.assert_allclose(found.spectral_axis.value, LINEAR)
    np.testing.assert_allclose(found.flux.value, FLUX)
    np.testing.assert_allclose(found.uncertainty.array, 0.05)


def test_wavelengths_in_the_primary_image(tmp_path):
    """Without names."""
    fits.HDUList([fits.PrimaryHDU(LINEAR), fits.ImageHDU(FLUX)]).writeto(tmp_path / "a.fits")
    found = read(tmp_path / "a.fits")
    np.testing.assert_allclose(found.spectral_axis.value, LINEAR)
    np.testing.assert_allclose(found.flux.value, FLUX)


def test_places_along_a_slit_are_no_list(tmp_path):
    """An image with its errors is still a picture."""
    header = fits.Header({"CRVAL1": 400.0, "CDELT1": 0.2, "CUNIT1": "nm", "CRVAL2": -5.0, "CDELT2": 0.2})
    data = np.ones((60, 400))
    fits.HDUList([fits.PrimaryHDU(data, header), fits.ImageHDU(data, header, name="ERRS")]).writeto(tmp_path / "a.fits")
    with pytest.raises(OSError, match="is a two-dimensional image of 400 x 60 pixels"):
        read(tmp_path / "a.fits")
