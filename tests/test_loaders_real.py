# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the loaders on real files: are the lines where physics puts them, in the medium that is stated?"""

import numpy as np
import pytest
from _fits_layouts import OURS, claiming_formats
from _paths import FITS, needs, read_real
from astropy import constants as const
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from numpy.testing import assert_allclose
from specutils import Spectrum, SpectrumList
from specutils.utils.wcs_utils import air_to_vac

import astro_spectok.spectra.loaders  # noqa: F401  (registers the formats)

pytestmark = [
    needs(FITS),
    # specutils' own loaders of SDSS and JWST files warn of the units in them
    pytest.mark.filterwarnings("ignore::astropy.units.UnitsWarning"),
]

HERMES = [f"140708006401203{arm}.fits" for arm in (1, 2, 3, 4)]
LAMOST_IMAGE_WITH_WAVELENGTHS = "lamost_spec-55859-F5902_sp01-001_dr7.fits.gz"
LAMOST_EARLY = "lamost_spec-55862-B6212_sp06-003.fits"
AAOMEGA_AIR, AAOMEGA_VACUUM = "aaomega_emlLinearSkyAirHelio.fits", "aaomega_emlLogVacuumNoHelio.fits"
CALSPEC, GTC = "calspec_16cygb_stis_004.fits.gz", "gtc_osiris_gp121903.fits"

EXPECTED = (
    dict.fromkeys(HERMES, "GALAH HERMES")
    | dict.fromkeys((LAMOST_IMAGE_WITH_WAVELENGTHS, LAMOST_EARLY), "LAMOST LRS")
    | dict.fromkeys((AAOMEGA_AIR, AAOMEGA_VACUUM), "AAOmega 2dfdr")
    | {CALSPEC: "CALSPEC", GTC: "GTC OSIRIS"}
)

# Wavelengths in air from the NIST atomic spectra database; in vacuum they are about 1.8 Angstrom longer at H-alpha.
H_ALPHA, H_BETA, OIII = 6562.79, 4861.35, 5006.84
KM_S = const.c.to_value("km/s")


def every_file():
    """Names of all files in the folder."""
    return sorted(path.name for path in FITS.glob("*.fits*"))


def measure_line(spec, near, window):
    """Centre of the line within the window: where a parabola through the extreme pixel and its neighbours turns."""
    wavelength, flux = spec.spectral_axis.to_value(u.AA), spec.flux.value.astype(float)
    inside = np.flatnonzero((np.abs(wavelength - near) < window) & ~spec.mask)
    level = np.median(flux[inside])
    peak = inside[np.argmax(np.abs(flux[inside] - level))]
    around = slice(peak - 2, peak + 3)
    a, b, _ = np.polyfit(wavelength[around] - wavelength[peak], flux[around], 2)
    return wavelength[peak] - b / (2 * a)


def in_vacuum(wavelength):
    """The vacuum wavelength of a line tabulated in air."""
    return air_to_vac(wavelength * u.AA, scheme="Piskunov").to_value(u.AA)


def velocity(spec, line, window):
    """Velocity in km/s of a line that the spectrum holds at rest in its stated medium."""
    rest = line if spec.meta["medium"] == "air" else in_vacuum(line)
    return (measure_line(spec, rest, window) / rest - 1) * KM_S


def signal_to_noise(spec):
    """Median over good pixels."""
    good = ~spec.mask
    with np.errstate(divide="ignore", invalid="ignore"):  # in the masked pixels
        error = spec.uncertainty.represent_as(StdDevUncertainty).array
    return np.median(spec.flux.value[good] / error[good])


@pytest.mark.parametrize("name", every_file())
@pytest.mark.parametrize("cls", [Spectrum, SpectrumList])
def test_formats_claim_their_own_files_alone(name, cls):
    """Each of ours claims its files and no other's."""
    assert claiming_formats(FITS / name, cls) & OURS == ({EXPECTED[name]} if name in EXPECTED else set())


@pytest.mark.parametrize("name", [name for name in every_file() if "redrock" not in name])
def test_every_file_with_a_spectrum_reads(name):
    """Without naming a format; DESI's file of arms reads as a list only."""
    spectra = read_real(name)
    for spec in spectra if isinstance(spectra, SpectrumList) else [spectra]:
        assert spec.spectral_axis.unit.is_equivalent(u.AA)
        assert np.isfinite(spec.flux.value).mean() > 0.9
        # ct and relative flux are as they are; what is calibrated must be a flux density and nothing else
        if spec.flux.unit not in (u.ct, u.dimensionless_unscaled):
            assert spec.flux.unit.is_equivalent("erg / (s cm2 AA)", u.spectral_density(5000 * u.AA))


@pytest.mark.parametrize("name", EXPECTED)
def test_ours_state_the_medium_and_mask_only_bad_pixels(name):
    """meta['medium'] is set; at most a twentieth is masked."""
    spec = read_real(name)
    assert spec.meta["medium"] in ("air", "vacuum")
    assert spec.mask.mean() < 0.05
    assert np.all(np.diff(spec.spectral_axis.value) > 0)
    assert spec.redshift == 0


def test_lamost_lines_are_in_vacuum():
    """Balmer lines and the calcium triplet at LAMOST's own velocity; read as air they would be 80 km/s off."""
    spec = read_real(LAMOST_EARLY)
    assert spec.meta["medium"] == "vacuum"
    velocities = [velocity(spec, line, 8) for line in (H_ALPHA, H_BETA, 4340.47, 8498.02, 8542.09, 8662.14)]
    assert_allclose(np.median(velocities), spec.meta["header"]["Z"] * KM_S, atol=25)


def test_lamost_stored_and_computed_wavelengths_agree():
    """One file stores its wavelengths, the other only log10 cards: their stars differ by LAMOST's two velocities."""
    early, later = (read_real(name) for name in (LAMOST_EARLY, LAMOST_IMAGE_WITH_WAVELENGTHS))
    step = 10.0
    grid = np.log(4000) + np.arange(0, 0.25, step / KM_S)
    lines = []
    for spec in (early, later):
        flux = np.interp(grid, np.log(spec.spectral_axis.value[~spec.mask]), spec.flux.value[~spec.mask])
        lines.append(flux / np.polynomial.Polynomial.fit(grid, flux, 10)(grid) - 1)
    shifts = np.arange(-30, 31)
    match = [np.sum(np.roll(lines[0], shift) * lines[1]) for shift in shifts]
    found = shifts[np.argmax(match)] * step
    assert_allclose(found, (later.meta["header"]["Z"] - early.meta["header"]["Z"]) * KM_S, atol=25)


@pytest.mark.parametrize(("name", "low", "high"), [(LAMOST_IMAGE_WITH_WAVELENGTHS, 12, 37), (LAMOST_EARLY, 71, 99)])
def test_lamost_signal_to_noise_is_the_survey_s(name, low, high):
    """The median lies within what the header says of the g to i bands."""
    assert low < signal_to_noise(read_real(name)) < high


@pytest.mark.parametrize(("arm", "line"), [(0, H_BETA), (2, H_ALPHA)])
def test_hermes_lines_are_in_air(arm, line):
    """Tau Ceti moves with -16.6 km/s; read as vacuum the lines would give -100."""
    spec = read_real(HERMES[arm])
    assert spec.meta["medium"] == "air"
    assert_allclose(velocity(spec, line, 3), -16.6, atol=12)


def test_hermes_error_is_absolute():
    """Five exposures of a bright star: S/N of hundreds, and not of 1e8 as the stored fractions would give."""
    assert all(300 < signal_to_noise(read_real(name)) < 1500 for name in HERMES)


def test_aaomega_air_and_vacuum_are_the_same_spectrum():
    """One spectrum, written once in air and linear, once in vacuum and log: converted, the axes agree."""
    air, vacuum = read_real(AAOMEGA_AIR), read_real(AAOMEGA_VACUUM)
    assert (air.meta["medium"], vacuum.meta["medium"]) == ("air", "vacuum")
    converted = in_vacuum(air.spectral_axis.to_value(u.AA))
    assert_allclose(vacuum.spectral_axis.to_value(u.AA), converted, atol=0.02)
    assert np.abs(air.spectral_axis - vacuum.spectral_axis).min() > 1 * u.AA
    assert air.meta["name"] == "D0221394-2854323"
    assert 5 < signal_to_noise(air) < 20


def test_calspec_is_16_cyg_b():
    """V = 6.2 and H-alpha at -27.7 km/s in vacuum, as far as a FWHM of 9.8 Angstrom allows."""
    spec = read_real(CALSPEC)
    wavelength = spec.spectral_axis.to_value(u.AA)
    # Bessell 1998: a star of V = 0 has 3.63e-9 erg/s/cm2/A at V
    near_v = np.abs(wavelength - 5450) < 100
    assert_allclose(np.mean(spec.flux.value[near_v]), 3.63e-9 * 10 ** (-0.4 * 6.2), rtol=0.1)
    assert_allclose(measure_line(spec, in_vacuum(H_ALPHA), 20), in_vacuum(H_ALPHA) * (1 - 27.7 / KM_S), atol=1.0)
    model = spec.meta["exposure_time"] == 0
    assert wavelength[model].min() > 10000
    assert 40 < signal_to_noise(spec) < 101


def test_gtc_osiris_is_a_green_pea():
    """Emission lines at z = 0.1956 in air (SDSS), at a flux density that a galaxy can have."""
    spec = read_real(GTC)
    for line in (H_ALPHA, OIII):
        assert_allclose(measure_line(spec, line * 1.1956, 12) / line - 1, 0.1956, atol=2e-4)
    assert spec.flux.unit.is_equivalent("erg / (s cm2 AA)")
    assert 1e-15 < spec.flux.max().to_value("erg / (s cm2 AA)") < 1e-14
