# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures: what stands on them."""

import matplotlib as mpl
import numpy as np
import pytest
from astropy import units as u
from conftest import make_spectrum

from astro_spectok import tokenize
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.plotting import plot_reconstruction

mpl.use("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("unit", "label"),
    [(u.nm, "Wavelength [$\\mathrm{nm}$]"), (u.GHz, "Frequency [$\\mathrm{GHz}$]"), (u.eV, "Energy [$\\mathrm{eV}$]")],
)
def test_token_plot_is_labelled(tiny_weights, unit, label):
    """The axes carry the units of the spectrum."""
    spectrum = make_spectrum(axis_unit=unit)
    axes = spectrum.tokenize(weights=tiny_weights, medium="vacuum").plot()
    assert axes[1].get_xlabel() == label
    assert "erg" in axes[0].get_ylabel()
    axes[0].figure.canvas.draw()


def test_token_plot_leaves_masked_patches_blank(tiny_weights):
    """A patch without good pixels has no colour."""
    spectrum = make_spectrum(320)
    spectrum.mask = np.arange(320) // 32 == 4
    axes = spectrum.tokenize(weights=tiny_weights, medium="vacuum").plot()
    image = axes[1].collections[0].get_array()
    assert np.ma.getmaskarray(image)[:, 4].all()
    assert not np.ma.getmaskarray(image)[:, 3].any()


def test_plot_without_tokens(tiny_weights):
    """The error says why there are none."""
    with pytest.warns(FlaggedSpectraWarning):
        tokens = tokenize([make_spectrum(20)], weights=tiny_weights, medium="vacuum")[0]
    with pytest.raises(ValueError, match=r"no tokens to plot: .*good pixels"):
        tokens.plot()


def test_reconstruction_plot_shows_residuals_in_sigma(tiny_weights):
    """The lower panel is (data - model) / sigma, without masked pixels."""
    spectrum = make_spectrum(320)
    spectrum.mask = np.arange(320) < 10
    model = spectrum.tokenize(weights=tiny_weights, medium="vacuum").decode(spectrum.spectral_axis)
    axes = plot_reconstruction(spectrum, model)
    drawn = axes[1].lines[-1].get_ydata()
    expected = (spectrum.flux - model.flux).value / spectrum.uncertainty.array
    assert np.isnan(drawn[:10]).all()
    np.testing.assert_allclose(drawn[10:], expected[10:], rtol=1e-6)
