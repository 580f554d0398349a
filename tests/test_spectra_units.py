# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Every unit and kind of axis, flux and uncertainty gives the same batch; medium and resolution are found."""

import pickle

import numpy as np
import pytest
from _spectra import (
    F_LAMBDA,
    assert_same,
    make_arrays,
    make_spectrum,
    unpack,
)
from astropy import constants as const
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum
from specutils.utils.wcs_utils import vac_to_air

from astro_spectok.spectra import InputFlag, convert_to_air, convert_to_vacuum, find_flux_conversion, to_batch

SPECTRAL_UNITS = ["nm", "um", "GHz", "Hz", "eV", "keV", "1/cm", "m"]
DENSITIES = ["Jy", "W / (m2 Hz)", "W / (m2 um)", "photon / (s cm2 Angstrom)", "erg / (s cm2 keV)"]


@pytest.mark.parametrize("unit", SPECTRAL_UNITS)
def test_spectral_unit(unit):
    """Wavelength, frequency, energy and wavenumber axes are one axis, whichever way they run."""
    wavelength, flux, std = make_arrays()
    axis = (wavelength * u.AA).to(unit, u.spectral())
    other = Spectrum(flux=flux * 1e-17 * F_LAMBDA, spectral_axis=axis, uncertainty=StdDevUncertainty(std * 1e-17))
    batch = to_batch(other)
    assert_same(to_batch(make_spectrum()), batch)
    assert not batch.flags[0] & InputFlag.WAVELENGTH_SORTED
    assert batch.info[0].spectral_unit == u.Unit(unit)


def test_frequency_knows_its_medium():
    """A frequency has no medium: nothing is assumed, and the keyword does not shift it."""
    wavelength, flux, std = make_arrays()
    axis = (wavelength * u.AA).to(u.THz, u.spectral())
    batch = to_batch((axis, flux * u.Jy, std * u.Jy), medium="air")
    assert_allclose(batch.wavelength, wavelength, rtol=1e-12)
    assert batch.info[0].medium_source == "axis"
    assert batch.flags[0] == 0


@pytest.mark.parametrize("convention", ["optical", "radio", "relativistic"])
def test_velocity_axis(convention):
    """A velocity axis with a rest value is a wavelength axis."""
    wavelength, flux, std = make_arrays()
    rest = 4100 * u.AA
    equivalency = getattr(u, f"doppler_{convention}")(rest)
    axis = (wavelength * u.AA).to(u.km / u.s, equivalency)
    spectrum = Spectrum(
        flux=flux * 1e-17 * F_LAMBDA,
        spectral_axis=axis,
        uncertainty=StdDevUncertainty(std * 1e-17),
        rest_value=rest,
        velocity_convention=convention,
    )
    batch = to_batch(spectrum)
    assert_allclose(batch.wavelength, wavelength, rtol=1e-11)
    assert batch.info[0].doppler_rest == rest
    assert batch.info[0].doppler_convention == convention
    assert batch.info[0].medium_source == "assumed"


@pytest.mark.parametrize("unit", DENSITIES)
@pytest.mark.parametrize("per_sky", ["", "sr", "arcsec2", "beam", "pix"])
def test_flux_unit(unit, per_sky):
    """Flux densities of any kind become flux per wavelength; a denominator on the sky does not matter."""
    wavelength, flux, std = make_arrays()
    density = u.Unit("erg / (s cm2 Angstrom)")
    if "keV" in unit:
        # astropy has no densities per energy: F_E = F_nu / h
        per_frequency = (np.ones(200) * density).to(u.W / u.m**2 / u.Hz, u.spectral_density(wavelength * u.AA))
        factor = (per_frequency / const.h).to_value(unit)
    else:
        factor = (np.ones(200) * density).to_value(unit, u.spectral_density(wavelength * u.AA))
    given = u.Unit(unit) / u.Unit(per_sky) if per_sky else u.Unit(unit)
    batch = to_batch((wavelength * u.AA, flux * factor * given, std * factor * given))
    got = unpack(batch)
    area = 1 / u.arcsec.to(u.rad) ** 2 if per_sky == "arcsec2" else 1.0
    conversion = find_flux_conversion(given)
    assert conversion.known
    assert_allclose(got[1] * conversion.unit.to(density / (u.Unit(per_sky) if per_sky else 1)), flux, rtol=2e-6)
    assert_allclose(got[2] * (std * area) ** 2, 1, rtol=1e-5)
    assert_allclose(conversion.evaluate(wavelength) * factor, area, rtol=1e-9)


@pytest.mark.parametrize("unit", [u.ct, u.dimensionless_unscaled, u.adu / u.s, u.K, u.def_unit("arbitrary units")])
def test_other_flux_stays(unit):
    """What is no flux density is taken as given."""
    _, flux, std = make_arrays()
    batch = to_batch(make_spectrum(unit=unit))
    assert_allclose(unpack(batch)[1], flux, rtol=2e-7)
    assert_allclose(unpack(batch)[2], std**-2.0, rtol=1e-6)
    assert batch.info[0].flux_unit == unit


def test_unrecognized_unit():
    """A unit that nobody knows is no obstacle, and the batch can still be pickled."""
    batch = to_batch(make_spectrum(unit=u.Unit("flurbs", parse_strict="silent")), on_error="raise")
    assert str(pickle.loads(pickle.dumps(batch)).info[0].flux_unit) == "flurbs"


def test_magnitudes():
    """AB magnitudes are flux per frequency."""
    wavelength, flux, std = make_arrays()
    magnitude = u.Magnitude(flux * 1e-26 * u.W / u.m**2 / u.Hz, u.ABmag)
    error = std / flux * 2.5 / np.log(10)
    linear = to_batch((wavelength * u.AA, flux * u.Jy, std * u.Jy))
    assert_same(linear, to_batch((wavelength * u.AA, magnitude, error * u.mag)))
    spectrum = Spectrum(flux=magnitude, spectral_axis=wavelength * u.AA)
    assert_allclose(unpack(to_batch(spectrum))[1], unpack(linear)[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("unit", "error_unit", "per_mag"),
    [
        (u.mag, u.mag, 1), (u.mag, u.mmag, 1000), (u.mmag, u.mag, 1), (u.dex, u.dex, 0.4), (u.dB, u.mag, 1),
        (u.mag / u.arcsec**2, u.mag, 1), (u.mag / u.arcsec**2, u.mag / u.arcsec**2, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_logarithms_without_a_zero_point(unit, error_unit, per_mag, kind):
    """Are relative fluxes: bright is not faint, whatever the logarithm and the unit of its errors."""
    wavelength, flux, std = make_arrays()
    sky = unit * u.mag**-1 if unit.is_equivalent(u.mag / u.arcsec**2) else u.one
    logarithm = u.Quantity((-2.5 * np.log10(flux) * u.mag).to_value(unit / sky), unit)
    exponent = {StdDevUncertainty: 1, VarianceUncertainty: 2, InverseVariance: -2}[kind]
    error = kind((std / flux * 2.5 / np.log(10) * per_mag) ** exponent, unit=error_unit**exponent)
    linear = to_batch((wavelength * u.AA, flux * u.one, std * u.one))
    assert_same(linear, to_batch((wavelength * u.AA, logarithm, error)))
    assert not to_batch((wavelength * u.AA, logarithm)).info[0].flux_unit.is_equivalent(unit)


def test_errors_of_magnitudes_in_other_units():
    """Thousandths of a magnitude, and those of the linear flux."""
    wavelength, flux, std = make_arrays()
    magnitude, error = (flux * u.Jy).to(u.ABmag), std / flux * 2.5 / np.log(10)
    linear = to_batch((wavelength * u.AA, flux * u.Jy, std * u.Jy))
    for stated in (1000 * error * u.mmag, 0.4 * error * u.dex, std * u.Jy):
        assert_same(linear, to_batch((wavelength * u.AA, magnitude, stated)))
    with pytest.raises(u.UnitsError, match="uncertainty must have a unit convertible to that of flux"):
        to_batch((wavelength * u.AA, magnitude, error * u.K), on_error="raise")


@settings(max_examples=25, deadline=None)
@given(exponent=st.integers(-200, 200), seed=st.integers(0, 50))
def test_scale(exponent, seed):
    """The size of the unit only moves ``scale``: nothing over- or underflows."""
    wavelength, flux, std = make_arrays(seed=seed)
    ones = to_batch((wavelength * u.AA, flux * u.ct, std * u.ct))
    factor = 2.0**exponent
    other = to_batch((wavelength * u.AA, flux * factor * u.ct, std * factor * u.ct))
    assert other.scale[0] == ones.scale[0] * factor
    assert_allclose(other.flux, ones.flux, rtol=3e-7)
    assert_allclose(other.ivar, ones.ivar, rtol=6e-7)


@pytest.mark.parametrize("factor", [1e-17, 1e-30, 1e25])
@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_uncertainty_kinds(kind, factor):
    """Standard deviation, variance and inverse variance mean the same."""
    wavelength, flux, std = make_arrays()
    reference = StdDevUncertainty(std * factor, unit=u.Jy)
    uncertainty = reference.represent_as(kind)
    spectrum = Spectrum(flux=flux * factor * u.Jy, spectral_axis=wavelength * u.AA, uncertainty=uncertainty)
    assert_same(to_batch((wavelength * u.AA, flux * factor * u.Jy, reference)), to_batch(spectrum), rtol=1e-6)


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
@pytest.mark.parametrize("unit", ["mJy", "W / (m2 um)"])
def test_uncertainty_unit(kind, unit):
    """An uncertainty in another unit than the flux is converted, by wavelength where need be."""
    wavelength, flux, std = make_arrays()
    same = to_batch((wavelength * u.AA, flux * u.Jy, std * u.Jy))
    other = (std * u.Jy).to(unit, u.spectral_density(wavelength * u.AA))
    uncertainty = StdDevUncertainty(other).represent_as(kind)
    assert_same(same, to_batch((wavelength * u.AA, flux * u.Jy, uncertainty)))


def test_air_keyword():
    """Air wavelengths of a spectrum give the vacuum wavelengths of the same spectrum."""
    wavelength, flux, std = make_arrays()
    air = vac_to_air(wavelength * u.AA)
    vacuum = to_batch((wavelength * u.AA, flux * u.ct, std * u.ct), medium="vacuum")
    batch = to_batch((air, flux * u.ct, std * u.ct), medium="air")
    assert_allclose(batch.wavelength, vacuum.wavelength, rtol=1e-11)
    assert batch.info[0].medium == "air"
    assert batch.info[0].medium_source == "keyword"
    assert batch.flags[0] == 0


def test_air_wcs():
    """AWAV in the WCS is air, before any header, and the keyword goes before that."""
    _, flux, std = make_arrays()
    wcs = WCS(header={"CTYPE1": "AWAV", "CUNIT1": "Angstrom", "CRVAL1": 4000.0, "CDELT1": 1.5, "CRPIX1": 1})
    spectrum = Spectrum(
        flux=flux * u.ct, wcs=wcs, uncertainty=StdDevUncertainty(std), meta={"header": {"VACUUM": True}}
    )
    batch = to_batch(spectrum)
    assert batch.info[0].medium_source == "wcs"
    assert_allclose(batch.wavelength[0], 4001.1310, atol=1e-3)
    assert_allclose(to_batch(spectrum, medium="vacuum").wavelength[0], 4000.0, rtol=1e-10)


@pytest.mark.parametrize(
    ("meta", "medium"),
    [
        ({"header": {"VACUUM": True}}, "vacuum"),
        ({"header": {"VACUUM": "F"}}, "air"),
        ({"header": {"VACUUM": 1, "INSTRUME": "AAOMEGA-2dF"}}, "vacuum"),
        ({"header": {"INSTRUME": "AAOMEGA-2dF"}}, "air"),
        ({"header": {"AIRORVAC": "vac     "}}, "vacuum"),
        ({"header": {"AIRORVAC": "air"}}, "air"),
        ({"header": {"TELESCOP": "SDSS 2.5-M"}}, "vacuum"),
        ({"header": {"TELESCOP": "JWST"}}, "vacuum"),
        ({"header": {"INSTRUME": "HERMES-2dF"}}, "air"),
        ({"header": {"CTYPE1": "AWAV-LOG"}}, "air"),
        ({"band": "r", "resolution_data": None}, "vacuum"),
        ({"medium": "Air"}, "air"),
        ({"header": {"TELESCOP": "my own"}}, None),
        ({"header": "a string"}, None),
    ],
)
def test_header_medium(meta, medium):
    """Headers of known surveys decide; unknown ones leave vacuum, and a flag."""
    batch = to_batch(make_spectrum(meta=meta))
    assert batch.info[0].medium == (medium or "vacuum")
    assert batch.info[0].medium_source == ("header" if medium else "assumed")
    assert bool(batch.flags[0] & InputFlag.MEDIUM_ASSUMED) == (medium is None)


def test_air_limits():
    """Below 2000 Angstrom there is no air; above, the two directions are inverse to each other."""
    wavelength = np.geomspace(900, 24000, 500)
    vacuum = convert_to_vacuum(wavelength)
    assert_array_equal(vacuum[wavelength < 2000], wavelength[wavelength < 2000])
    assert (np.diff(vacuum) > 0).all()
    above = wavelength > 2001
    assert_allclose(convert_to_air(vacuum)[above], wavelength[above], rtol=1e-11)
    assert_allclose(convert_to_vacuum([6562.80]), 6564.61, atol=0.01)


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        (2000, lambda w: np.full(len(w), 2000.0)),
        (2 * u.AA, lambda w: w / 2),
        (0.2 * u.nm, lambda w: w / 2),
        (100 * u.km / u.s, lambda w: np.full(len(w), 2997.92458)),
        (np.linspace(1000, 2000, 200), lambda w: np.linspace(1000, 2000, 200)),
        (np.linspace(1, 2, 200) * u.AA, lambda w: w / np.linspace(1, 2, 200)),
    ],
)
@pytest.mark.parametrize("flip", [False, True])
def test_resolution(resolution, expected, flip):
    """R or a FWHM, one or per pixel of the axis as given, by keyword or in meta."""
    wavelength, flux, std = make_arrays()
    step = -1 if flip else 1
    if np.ndim(resolution):
        resolution = resolution[::step]
    axis, flux = wavelength[::step] * u.AA, flux[::step] * u.ct
    batch = to_batch((axis, flux, std * u.ct), resolution=resolution)
    assert batch.resolution.dtype == np.float32
    assert_allclose(batch.resolution, expected(wavelength), rtol=1e-6)
    meta = Spectrum(flux=flux, spectral_axis=axis, meta={"resolution": resolution})
    assert_allclose(to_batch(meta).resolution, expected(wavelength), rtol=1e-6)


def test_resolution_unknown():
    """Unknown resolution is NaN beside spectra that know theirs, and None if none does."""
    known = make_spectrum(m=60, meta={"resolution": 1800.0})
    stranger = make_spectrum(m=80, meta={"resolution": "high"})
    batch = to_batch([stranger, known])
    assert np.isnan(batch.resolution[:80]).all()
    assert (batch.resolution[80:] == 1800).all()
    assert to_batch(stranger).resolution is None
