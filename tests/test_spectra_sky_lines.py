# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where neither header nor user gives the medium, lines of the night sky in the noise do, and nothing else does."""

import numpy as np
import pytest
from astropy import units as u

from astro_spectok.spectra import InputFlag, convert_to_air, convert_to_vacuum, to_batch
from astro_spectok.spectra.sky_lines import SKY_LINES, find_medium_by_sky
from astro_spectok.utils.constants import LIGHT_SPEED


def make(medium, velocity=0.0, *, pixel=0.8, seed=0, strength=3.0, low=5400.0, high=9300.0):
    """A featureless spectrum whose noise is higher at the lines: wavelengths as given, flux, ivar."""
    rng = np.random.default_rng(seed)
    wavelength = np.arange(low, high, pixel)
    vacuum = convert_to_vacuum(wavelength) if medium == "air" else wavelength
    lines = convert_to_vacuum(np.array(SKY_LINES)) * (1 + velocity / LIGHT_SPEED)
    sky = np.exp(-0.5 * ((vacuum[:, None] - lines) / 1.0) ** 2) @ rng.uniform(0.5, 1.5, len(lines))
    sigma = np.sqrt(1 + strength * sky)
    return wavelength, 20 + rng.normal(0, 1, len(wavelength)) * sigma, sigma**-2 * rng.uniform(0.95, 1.05, len(sigma))


@pytest.mark.parametrize("medium", ["vacuum", "air"])
@pytest.mark.parametrize("velocity", [-25.0, 0.0, 25.0])
def test_medium_is_found_however_the_earth_moves(medium, velocity):
    wavelength, flux, ivar = make(medium, velocity)
    found = find_medium_by_sky(wavelength, flux[None], ivar[None])
    assert found.medium == medium
    assert found.probability > 0.95


@pytest.mark.parametrize("medium", ["vacuum", "air"])
def test_residuals_alone_do_too(medium):
    """Without errors, from how much the flux scatters."""
    wavelength, flux, ivar = make(medium, strength=60.0)
    assert find_medium_by_sky(wavelength, flux[None], ivar[None], has_errors=False).medium == medium


@pytest.mark.parametrize(
    "options",
    [
        {"strength": 0.0},
        {"velocity": 150.0},  # a frame that is not the Earth's
        {"velocity": -41.0},  # as far from one as from the other
        {"pixel": 4.0},
        {"low": 4000.0, "high": 5500.0},
    ],
)
def test_else_it_is_not(options):
    wavelength, flux, ivar = make("vacuum", **options)
    assert find_medium_by_sky(wavelength, flux[None], ivar[None]) is None


def test_no_false_alarms_on_noise():
    """White noise with errors that jitter, a step in them, and emission lines of a galaxy."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        wavelength, flux, ivar = make("vacuum", strength=0.0, seed=seed)
        ivar = ivar * np.where(wavelength > rng.uniform(6000, 9000), 4.0, 1.0)
        for line in (4862.7, 4960.3, 5008.2, 6549.9, 6564.6, 6585.3, 6718.3, 6732.7):
            near = np.exp(-0.5 * ((wavelength - line * rng.uniform(1.1, 1.4)) / 3) ** 2)
            flux, ivar = flux + 50 * near, ivar / (1 + 5 * near)
        assert find_medium_by_sky(wavelength, flux[None], ivar[None]) is None


def test_input_without_a_medium_is_in_vacuum_then():
    """What is found is used, said and not flagged; what the user states goes before."""
    wavelength, flux, ivar = make("air")
    given = (wavelength * u.AA, flux * u.one, ivar**-0.5 * u.one)
    batch = to_batch(given)
    assert (batch.info[0].medium, batch.info[0].medium_source) == ("air", "sky")
    assert not InputFlag(int(batch.flags[0])) & InputFlag.MEDIUM_ASSUMED
    np.testing.assert_allclose(convert_to_air(batch.wavelength), wavelength, rtol=1e-9)
    assert to_batch(given, medium="vacuum").info[0].medium_source == "keyword"
