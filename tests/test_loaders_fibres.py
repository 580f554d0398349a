# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rows of an image have the names of their objects, and fibres on the sky are no spectra of any."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose

from astro_spectok import read

N, ROWS = 200, 6
WAVE = 4000.0 + 2 * np.arange(N)
FLUX = 3 + np.sin(WAVE / 200) + np.random.default_rng(2).normal(0, 0.05, (ROWS, N))


def save(path, first, *images, table=None, cards=None):
    hdus = [fits.PrimaryHDU(first, fits.Header(cards or {})), *(fits.ImageHDU(image) for image in images)]
    fits.HDUList(hdus + ([] if table is None else [fits.BinTableHDU(Table(table))])).writeto(path)
    return path


def test_hectospec(tmp_path):
    """Wavelengths, flux, inverse variance, and a table that says which fibres are on the sky."""
    kinds = ["TARGET", "SKY", "TARGET", "target", "UNUSED", "SKY"]
    table = {"OBJTYPE": kinds, "FIBERID": np.arange(ROWS) + 1, "TARGET": ["a", "7", "sky high", "c", "", ""]}
    path = save(tmp_path / "a.fits", np.tile(WAVE, (ROWS, 1)), FLUX, np.full((ROWS, N), 400.0), table=table)
    found = read(path)
    assert [one.meta["name"] for one in found] == ["a", "sky high", "c"]
    assert [one.meta["order"] for one in found] == [1, 3, 4]
    assert {one.meta["left_out"] for one in found} == {"2 sky, 1 unused of 6 fibres"}
    assert_allclose(found[2].flux.value, FLUX[3])


def test_one_axis_and_names_of_apertures(tmp_path):
    """IRAF's names of apertures, and spectra on one axis, which are one object."""
    cards = {"CRVAL1": 4000.0, "CDELT1": 2.0, "CRPIX1": 1.0, "CUNIT1": "Angstrom", "APNUM1": "1 1"}
    names = ["HD 1", "SKY 12:00:00.1 -3:01:02", "SkyMapper 7", "sky_2", "HD 2", "HD 3"]
    cards |= {f"APID{k}": name for k, name in enumerate(names, start=1)}
    found = read(save(tmp_path / "a.fits", FLUX, cards=cards))
    assert found.meta["name"] == ["HD 1", "SkyMapper 7", "HD 2", "HD 3"]
    assert_allclose(found.flux.value, FLUX[[0, 2, 4, 5]])


@pytest.mark.parametrize("kinds", [["SKY"] * ROWS, ["TARGET"] * ROWS, None])
def test_all_are_kept(tmp_path, kinds):
    """Where all are of the sky, or none is, or nothing says which."""
    table = {"RA": np.arange(ROWS, dtype=float)} | ({} if kinds is None else {"OBJTYPE": kinds})
    found = read(save(tmp_path / "a.fits", np.tile(WAVE, (ROWS, 1)), FLUX, table=table))
    assert len(found) == ROWS
    assert "left_out" not in found[0].meta
    assert found[0].meta.get("name") == ("sky" if kinds and kinds[0] == "SKY" else None)
