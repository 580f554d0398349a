# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Strange objects that the rules of flags are fitted to: supernovae of the sets there are, and red noise."""

import numpy as np
import pytest

from astro_spectok.training.strange_objects import draw_strange


@pytest.fixture
def data(tmp_path):
    """Two made-up supernovae, a star among them, and a host."""
    wave = np.linspace(3000, 9000, 500)
    flux = [2 + np.sin(wave / 300), 2 + np.cos(wave / 200), np.ones(500)]
    np.savez(
        tmp_path / "sn_superfit_real.npz", wave=np.tile(wave, 3), flux=np.concatenate(flux), ivar=np.ones(1500),
        offsets=np.arange(4) * 500, cls=np.array(["SN", "SN", "STAR"]), z=np.array([0.0, np.nan, 0.0]),
    )  # fmt: skip
    np.savez(tmp_path / "emiles_ssp.npz", wave=np.linspace(2000, 12000, 800), log_flux=np.zeros((2, 800)))
    return tmp_path


def test_what_is_drawn(data):
    """The same by the same seed; of noise nothing is right, of a supernova its galaxy."""
    drawn = draw_strange(data, 60, 5)
    again = draw_strange(data, 60, 5)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(drawn, again, strict=True))
    assert {one[3] for one in drawn} == {"GALAXY", ""}
    for wavelength, flux, ivar, cls, z in drawn:
        assert np.isfinite(flux).all()
        assert (ivar > 0).all()
        assert wavelength[-1] > 1.15 * wavelength[0]
        assert np.isnan(z) == (cls == "")


def test_without_supernovae_nothing(tmp_path):
    assert draw_strange(tmp_path, 5, 1) == []
