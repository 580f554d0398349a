# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`to_spectrum`: what was measured, in the terms of the user."""

import numpy as np
import pytest
from _spectra import make_spectrum
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from specutils import Spectrum

from astro_spectok.spectra import to_batch, to_spectrum


@pytest.mark.parametrize("medium", ["vacuum", "air"])
@pytest.mark.parametrize("axis_unit", [u.AA, u.um, u.THz])
def test_round_trip(axis_unit, medium):
    """Axis, flux and errors come back, in their units; the axis in order of increasing wavelength."""
    spectrum = make_spectrum(spectral_axis=(np.linspace(4000, 4300, 200) * u.AA).to(axis_unit, u.spectral()))
    back = to_spectrum(to_batch(spectrum, medium=medium))
    assert back.spectral_axis.unit == axis_unit
    assert back.flux.unit == spectrum.flux.unit
    np.testing.assert_allclose(back.spectral_axis.value, spectrum.spectral_axis.value, rtol=1e-10)
    np.testing.assert_allclose(back.flux.value, spectrum.flux.value, rtol=1e-5)
    sigma = back.uncertainty.represent_as(StdDevUncertainty).array
    np.testing.assert_allclose(sigma, spectrum.uncertainty.array, rtol=1e-5)
    # frequencies do not depend on the medium
    assert back.meta["medium"] == ("vacuum" if axis_unit == u.THz else medium)


def test_any_row_of_a_batch():
    spectra = [make_spectrum(seed=1), make_spectrum(150, seed=2)]
    back = to_spectrum(to_batch(spectra), 1)
    np.testing.assert_allclose(back.flux.value, spectra[1].flux.value, rtol=1e-5)


def test_as_it_was_understood():
    """Sorted, magnitudes as flux, errors estimated, bad pixels masked."""
    spectrum = make_spectrum(unit=u.Jy)
    flux = spectrum.flux.to(u.ABmag)[::-1]
    mask = np.arange(200) < 5
    given = Spectrum(flux=flux, spectral_axis=spectrum.spectral_axis[::-1], mask=mask)
    back = to_spectrum(to_batch(given))
    assert back.flux.unit.is_equivalent(u.Jy)
    assert back.mask.tolist() == mask[::-1].tolist()
    np.testing.assert_allclose(back.flux[:-5].to_value(u.Jy), spectrum.flux.value[:-5], rtol=1e-5)
    assert (back.uncertainty.array[:-5] > 0).all()


def test_refuses_what_could_not_be_used():
    with pytest.raises(ValueError, match=r"batch\[0\] must have pixels; .*at least 32 good pixels"):
        to_spectrum(to_batch([make_spectrum(20)]))
