# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bands of atmospheric oxygen separate air from vacuum, with a probability, and decide nothing where unclear."""

import numpy as np
import pytest
from astropy import units as u
from scipy.ndimage import gaussian_filter1d

from astro_spectok.spectra import InputFlag, convert_to_air, to_batch
from astro_spectok.spectra.telluric import find_medium_by_oxygen, list_oxygen_lines


def make_star(power=2000, *, depth=20.0, velocity=0.0, snr=100.0, seed=0, low=6500.0, high=8000.0):
    """A continuum that the atmosphere absorbs, line by line, at vacuum wavelengths of a frame with this velocity."""
    x = np.arange(np.log(low) - 0.01, np.log(high) + 0.01, 4e-6)
    tau = np.zeros(len(x))
    for _, lines, strength in list_oxygen_lines():
        tau += np.bincount(np.searchsorted(x, lines), strength, len(x))[: len(x)]
    wings = 1 / (1 + (np.arange(-60, 61) * 4e-6 * 299792.458 / 1.5) ** 2)
    flux = gaussian_filter1d(np.exp(-depth * np.convolve(tau, wings, "same")), 1 / (2.355 * power * 4e-6))
    wavelength = np.exp(np.arange(np.log(low), np.log(high), 0.4 / power))
    flux = np.interp(np.log(wavelength) - velocity / 299792.458, x, flux) * (wavelength / 7000) ** -1.5
    return wavelength, flux + np.random.default_rng(seed).normal(0, 1 / snr, len(flux)), np.full(len(flux), 1 / snr)


def test_heads_of_the_bands():
    """Where Fraunhofer's lines A and B are known to begin in air: 7593.7 and 6867.2 Angstrom."""
    heads = [convert_to_air(np.exp(lines[0])) for _, lines, _ in list_oxygen_lines()]
    assert heads == pytest.approx([7593.7, 6867.2], abs=0.1)


@pytest.mark.parametrize("power", [1500, 5000, 20000])
@pytest.mark.parametrize("medium", ["vacuum", "air"])
@pytest.mark.parametrize("velocity", [0.0, 15.0, -15.0])
def test_recognised(power, medium, velocity):
    """At any resolving power, whatever the Earth's motion, with errors and without."""
    wavelength, flux, error = make_star(power, velocity=velocity)
    axis = (wavelength if medium == "vacuum" else convert_to_air(wavelength)) * u.AA
    for spectrum in ((axis, flux * u.Jy, error * u.Jy), (axis, flux * u.Jy)):
        batch = to_batch(spectrum)
        assert (batch.info[0].medium, batch.info[0].medium_source) == (medium, "oxygen")
        assert 0.95 < batch.info[0].medium_probability <= 1
        assert not batch.flags[0] & InputFlag.MEDIUM_ASSUMED
        np.testing.assert_allclose(batch.wavelength, wavelength, rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 0.0},
        {"velocity": 250.0},
        {"velocity": -41.0},
        {"snr": 1.5},
        {"power": 300},
        {"high": 7500.0, "low": 7000.0},
    ],
    ids=["no atmosphere", "frame of a star", "between", "noise", "low resolution", "not covered"],
)
def test_not_recognised(options):
    """Vacuum is assumed then, and flagged."""
    wavelength, flux, error = make_star(**options)
    batch = to_batch((wavelength * u.AA, flux * u.Jy, error * u.Jy))
    assert (batch.info[0].medium, batch.info[0].medium_source) == ("vacuum", "assumed")
    assert batch.info[0].medium_probability == 0.5
    assert batch.flags[0] & InputFlag.MEDIUM_ASSUMED


def test_who_knows_is_believed():
    """The keyword goes before the spectrum."""
    wavelength, flux, error = make_star()
    batch = to_batch((convert_to_air(wavelength) * u.AA, flux * u.Jy, error * u.Jy), medium="vacuum")
    assert (batch.info[0].medium_source, batch.info[0].medium_probability) == ("keyword", 1.0)


def test_spectra_of_one_grid_count_together():
    """Each of them alone is too faint."""
    stars = [make_star(snr=17.0, seed=k) for k in range(4)]
    wavelength, flux = stars[0][0], np.stack([flux for _, flux, _ in stars])
    ivar = np.full(flux.shape, 17.0**2)
    assert find_medium_by_oxygen(wavelength, flux, ivar).medium == "vacuum"
    assert find_medium_by_oxygen(wavelength, flux[:1], ivar[:1]) is None


def test_bad_pixels_do_not_count():
    wavelength, flux, error = make_star()
    ivar = error**-2.0
    flux[100:110], ivar[100:110] = 1e9, 0
    assert find_medium_by_oxygen(wavelength, flux[None], ivar[None]).medium == "vacuum"
    assert find_medium_by_oxygen(wavelength, flux[None], 0 * ivar[None]) is None
