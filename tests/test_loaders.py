# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the loaders on small files of every layout, whose values are known exactly."""

import numpy as np
import pytest
from _fits_layouts import (
    FLUX,
    LAMOST_BAD,
    N_PIXEL,
    WAVELENGTH,
    claiming_formats,
    make_calspec,
    make_hermes,
    make_lamost_image,
    make_lamost_mrs,
    make_lamost_table,
    make_osiris,
    make_twodfdr,
    write_file,
)
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra import loaders


def flat_error(spec):
    """The standard deviation of each pixel."""
    return spec.uncertainty.represent_as(StdDevUncertainty).array


def test_help_names_the_formats():
    """Of this package and of specutils, those that are read and those that are written."""
    for name in ("LAMOST LRS", "CALSPEC", "tabular-fits", "DESI coadd"):
        assert name in Spectrum.read.__doc__, name
        assert name in SpectrumList.read.__doc__, name
    assert "tabular-fits" in Spectrum.write.__doc__
    assert "CALSPEC" not in Spectrum.write.__doc__


# ------------------------------------------------------------------------------------------------ LAMOST


@pytest.mark.parametrize(
    "hdulist",
    [
        make_lamost_image(VACUUM=True),
        make_lamost_image(early=True),
        make_lamost_table(),
        make_lamost_table(vector=False),
    ],
    ids=["image", "early image", "table of vectors", "table of pixels"],
)
def test_lamost_lrs_layouts_give_the_same_spectrum(hdulist, tmp_path):
    """Flux, ivar, wavelengths, mask and medium are those written, in every layout."""
    spec = Spectrum.read(write_file(hdulist, tmp_path))
    assert_allclose(spec.spectral_axis.to_value(u.AA), WAVELENGTH, rtol=6e-8)  # one row of float32
    assert_array_equal(np.flatnonzero(spec.mask), LAMOST_BAD)
    good = ~spec.mask
    assert_array_equal(spec.flux.value[good], FLUX[good])
    assert spec.flux.unit == u.dimensionless_unscaled
    assert isinstance(spec.uncertainty, InverseVariance)
    assert_array_equal(spec.uncertainty.array[good], 4.0)
    assert spec.meta["medium"] == "vacuum"
    assert spec.meta["flux_calibration"] == "relative"
    assert spec.meta["or_mask"][8] == 1
    assert spec.flux.value.dtype.isnative


def test_lamost_redshift_stays_in_the_header(tmp_path):
    """The survey's answer is not made the spectrum's redshift."""
    spec = Spectrum.read(write_file(make_lamost_image(), tmp_path))
    assert spec.redshift == 0
    assert spec.meta["header"]["Z"] == 0.5


@pytest.mark.parametrize(("card", "medium"), [(True, "vacuum"), (False, "air"), ("T", "vacuum"), ("F", "air")])
def test_lamost_medium_follows_the_card(card, medium, tmp_path):
    """VACUUM may be a logical or a string."""
    assert Spectrum.read(write_file(make_lamost_image(VACUUM=card), tmp_path)).meta["medium"] == medium


def test_lamost_table_without_masks_uses_ivar_alone(tmp_path):
    """The mask columns are optional."""
    spec = Spectrum.read(write_file(make_lamost_table(without=("ANDMASK", "ORMASK")), tmp_path))
    assert_array_equal(np.flatnonzero(spec.mask), [3, 4])


@pytest.mark.parametrize("vector", [False, True])
def test_lamost_mrs_gives_the_coadded_arms(vector, tmp_path):
    """Two arms in file order, exposures only when asked for."""
    path = write_file(make_lamost_mrs(vector=vector), tmp_path)
    arms = SpectrumList.read(path)
    assert [arm.meta["band"] for arm in arms] == ["COADD_B", "COADD_R"]
    assert_allclose(arms[1].spectral_axis.value, WAVELENGTH, rtol=1e-12)
    assert_array_equal(np.flatnonzero(arms[0].mask), LAMOST_BAD)
    assert arms[0].flux.unit == u.ct
    assert arms[0].meta["medium"] == "vacuum"
    exposures = loaders.read_lamost_mrs(path, exposures=True)
    assert [arm.meta["band"] for arm in exposures] == ["B-84420148"]
    assert_array_equal(np.flatnonzero(exposures[0].mask), LAMOST_BAD)


def test_lamost_mrs_without_coadds_gives_exposures(tmp_path):
    """A file that has single exposures only is read all the same."""
    arms = SpectrumList.read(write_file(make_lamost_mrs(names=("B-1", "R-1")), tmp_path))
    assert [arm.meta["band"] for arm in arms] == ["B-1", "R-1"]


# ----------------------------------------------------------------------------------------------- CALSPEC


def test_calspec_values(tmp_path):
    """The errors add in quadrature, DATAQUAL 0 and zero errors are masked, FWHM is the resolution."""
    spec = Spectrum.read(write_file(make_calspec(), tmp_path))
    flam = u.erg / u.s / u.cm**2 / u.AA
    assert spec.flux.unit == flam
    assert_array_equal(spec.flux.value, FLUX)
    assert_array_equal(spec.spectral_axis.to_value(u.AA), WAVELENGTH)
    assert_array_equal(np.flatnonzero(spec.mask), [2, 3])
    assert_allclose(flat_error(spec)[~spec.mask], 5.0)
    assert spec.uncertainty.unit == flam
    assert_array_equal(spec.meta["resolution"], np.full(N_PIXEL, 5.5) * u.AA)
    assert_array_equal(spec.meta["exposure_time"], np.full(N_PIXEL, 60.0) * u.s)
    assert_allclose(spec.meta["sys_error"].to_value(flam)[0], 4.0)
    assert spec.meta["medium"] == "vacuum"


def test_calspec_model_without_errors(tmp_path):
    """Models have no error columns: no uncertainty, and nothing is masked."""
    without = ("STATERROR", "SYSERROR", "FWHM", "DATAQUAL", "TOTEXP")
    spec = Spectrum.read(write_file(make_calspec(without=without), tmp_path))
    assert spec.uncertainty is None
    assert not spec.mask.any()


def test_calspec_other_units(tmp_path):
    """A unit that astropy knows is taken as it stands, a missing one is CALSPEC's."""
    spec = Spectrum.read(write_file(make_calspec(units={"FLUX": "Jy", "WAVELENGTH": "nm"}), tmp_path))
    assert (spec.flux.unit, spec.spectral_axis.unit) == (u.Jy, u.nm)
    spec = Spectrum.read(write_file(make_calspec(units={"FLUX": None, "WAVELENGTH": None}), tmp_path, "bare.fits"))
    assert (spec.flux.unit, spec.spectral_axis.unit) == (u.erg / u.s / u.cm**2 / u.AA, u.AA)


# ------------------------------------------------------------------------------------------------- 2dfdr


@pytest.mark.parametrize("vacuum", [True, False])
def test_2dfdr_one_fibre(vacuum, tmp_path):
    """A file of one fibre is one spectrum, in air unless the header says vacuum."""
    path = write_file(make_twodfdr(vacuum=vacuum), tmp_path)
    spec = Spectrum.read(path)
    assert spec.flux.shape == (N_PIXEL,)
    assert_allclose(spec.spectral_axis.to_value(u.AA), 6000 + 2.0 * (np.arange(N_PIXEL) - 60))
    assert_array_equal(np.flatnonzero(spec.mask), [1, 2])
    assert isinstance(spec.uncertainty, VarianceUncertainty)
    assert spec.uncertainty.unit == u.ct**2
    assert_allclose(flat_error(spec)[~spec.mask], 0.5)
    assert spec.meta["medium"] == ("vacuum" if vacuum else "air")
    assert spec.meta["name"] == "target 0"
    (same,) = SpectrumList.read(path)
    assert_array_equal(same.flux, spec.flux)
    assert same.meta["medium"] == spec.meta["medium"]


@pytest.mark.parametrize("types", ["P", "S", "PS"])
def test_2dfdr_many_fibres(types, tmp_path):
    """Fibres are chosen by their type, in file order; both readers agree."""
    path = write_file(make_twodfdr(8), tmp_path)
    expected = [number for number, letter in enumerate("PSUPPSUP") if letter in types]
    spec = Spectrum.read(path, fibre_types=types)
    assert spec.flux.shape == (len(expected), N_PIXEL)
    assert_array_equal(spec.flux.value[:, 0], FLUX[0] + expected)
    assert spec.meta["name"] == [f"target {number}" for number in expected]
    spectra = SpectrumList.read(path, fibre_types=types)
    assert [one.meta["fibre_index"] for one in spectra] == expected
    assert_allclose([(one.meta["ra"], one.meta["dec"]) for one in spectra], [(90.0, -30.0)] * len(expected))
    for row, one in enumerate(spectra):
        assert_array_equal(one.flux, spec.flux[row])
        assert_array_equal(one.mask, spec.mask[row])
        assert_array_equal(one.uncertainty.array, spec.uncertainty.array[row])


def test_2dfdr_one_target_among_many_stays_a_vector(tmp_path):
    """The shape follows from the file, not from how many fibres were targets."""
    assert Spectrum.read(write_file(make_twodfdr(3, types="SPU"), tmp_path)).flux.shape == (1, N_PIXEL)


def test_2dfdr_logarithmic_wavelength_extension(tmp_path):
    """LOGSCALE makes the extension log10, and it goes before the header's linear cards."""
    spec = Spectrum.read(write_file(make_twodfdr(log_wavelength=WAVELENGTH), tmp_path))
    assert_allclose(spec.spectral_axis.to_value(u.AA), WAVELENGTH, rtol=1e-12)


def test_2dfdr_wavelengths_of_each_fibre(tmp_path):
    """Fibres with wavelengths of their own are a list; one object cannot hold them and says so."""
    own = WAVELENGTH * (1 + 1e-3 * np.arange(3))[:, None]
    path = write_file(make_twodfdr(3, types="PPP", log_wavelength=own), tmp_path)
    spectra = SpectrumList.read(path)
    assert_allclose([one.spectral_axis.value for one in spectra], own, rtol=1e-12)
    with pytest.raises(ValueError, match=r"different wavelengths; read it with SpectrumList\.read"):
        Spectrum.read(path)


def test_2dfdr_without_variance_or_fibres(tmp_path):
    """Without variance there is no uncertainty; without the table all fibres are read, nameless."""
    hdulist = make_twodfdr(2)
    del hdulist["VARIANCE"]
    spec = Spectrum.read(write_file(hdulist, tmp_path))
    assert spec.uncertainty is None
    assert_array_equal(np.flatnonzero(spec.mask[0]), [1])
    hdulist = make_twodfdr(4)
    del hdulist["FIBRES"]
    spec = Spectrum.read(write_file(hdulist, tmp_path, "bare.fits"))
    assert spec.flux.shape == (4, N_PIXEL)
    assert "name" not in spec.meta


def test_2dfdr_leaves_data_central_lists_to_specutils(tmp_path):
    """A list that specutils reads itself is not taken over; the vector it cannot read is."""
    path = write_file(make_twodfdr(4, data_central=True), tmp_path)
    assert "AAOmega 2dfdr" not in claiming_formats(path, SpectrumList)
    assert "Data Central AAOmega" in claiming_formats(path, SpectrumList)
    assert Spectrum.read(path).flux.shape == (2, N_PIXEL)


# ---------------------------------------------------------------------------------------- HERMES, OSIRIS


def test_hermes_error_is_made_absolute(tmp_path):
    """The stored error is relative; it is positive for negative flux too."""
    path = write_file(make_hermes(), tmp_path)
    spec = Spectrum.read(path)
    assert_allclose(spec.spectral_axis.to_value(u.AA), 4713.5 + 0.0625 * np.arange(N_PIXEL))
    assert_array_equal(np.flatnonzero(spec.mask), [2])
    good = ~spec.mask
    assert_allclose(flat_error(spec)[good], 0.1 * np.abs(spec.flux.value)[good], rtol=1e-6)
    assert spec.flux.unit == spec.uncertainty.unit == u.ct
    assert spec.meta["medium"] == "air"
    assert len(SpectrumList.read(path)) == 1


def test_hermes_leaves_galah_files_to_specutils(tmp_path):
    """ORIGIN = GALAH is what specutils' own loader looks for."""
    path = write_file(make_hermes(ORIGIN="GALAH"), tmp_path)
    assert "GALAH HERMES" not in claiming_formats(path, SpectrumList)
    assert "GALAH" in claiming_formats(path, SpectrumList)


@pytest.mark.parametrize("log", [0, 1])
def test_osiris_unit_and_axis(log, tmp_path):
    """A is Angstrom, not ampere; DC-FLAG 1 means log10."""
    cards = {"DC-FLAG": 1, "CRVAL1": 3.5682, "CD1_1": 1e-4, "CDELT1": 1e-4} if log else {}
    spec = Spectrum.read(write_file(make_osiris(**cards), tmp_path))
    assert spec.flux.unit == u.erg / u.cm**2 / u.s / u.AA
    expected = WAVELENGTH if log else 3600 + 2.0 * np.arange(N_PIXEL)
    assert_allclose(spec.spectral_axis.to_value(u.AA), expected, rtol=1e-12)
    assert_array_equal(np.flatnonzero(spec.mask), [4])
    assert spec.uncertainty is None
    assert spec.meta["medium"] == "air"
