# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra that the tests of the boundary share."""

import numpy as np
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum

__all__ = [
    "F_LAMBDA",
    "SURVEY_UNIT",
    "assert_identical",
    "assert_same",
    "assert_same_rows",
    "make_arrays",
    "make_spectrum",
    "unpack",
]

F_LAMBDA = u.erg / u.s / u.cm**2 / u.AA
SURVEY_UNIT = u.Unit(1e-17 * F_LAMBDA)


def make_arrays(m=200, seed=0, rows=None):
    """Wavelength (m,), flux and std, (m,) or (rows, m): a sloped continuum with a line and noise, flux of order 1."""
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(4000.0, 4000.0 + 1.5 * (m - 1), m)
    shape = (m,) if rows is None else (rows, m)
    model = 1.0 + 1e-4 * (wavelength - 4000.0) + 0.8 * np.exp(-(((wavelength - 4100.0) / 5.0) ** 2))
    std = rng.uniform(0.05, 0.1, shape)
    return wavelength, model + std * rng.standard_normal(shape), std


def make_spectrum(m=200, seed=0, rows=None, unit=SURVEY_UNIT, **options):
    """A Spectrum (a vector one with ``rows``) in Angstrom with standard deviations."""
    wavelength, flux, std = make_arrays(m, seed, rows)
    options.setdefault("uncertainty", StdDevUncertainty(std))
    options.setdefault("spectral_axis", wavelength * u.AA)
    return Spectrum(flux=u.Quantity(flux, unit), spectral_axis_index=flux.ndim - 1, **options)


def unpack(batch, i=0):
    """(wavelength, flux, ivar) of one row, physical: the scale multiplied back, in float64."""
    pixels, scale = batch.pixels(i), batch.scale[i]
    return (
        batch.wavelength[batch.grid(i)],
        batch.flux[pixels].astype(float) * scale,
        batch.ivar[pixels].astype(float) / scale**2,
    )


def assert_same(one, other, i=0, j=0, rtol=2e-6):
    """Rows of two batches are the same spectrum in the same units."""
    for a, b, tolerance in zip(unpack(one, i), unpack(other, j), (1e-12, rtol, 2 * rtol), strict=True):
        assert_allclose(a, b, rtol=tolerance, atol=0)
    assert_array_equal(one.ivar[one.pixels(i)] > 0, other.ivar[other.pixels(j)] > 0)


def assert_same_rows(one, other):
    """All rows of two batches are the same spectra."""
    assert len(one) == len(other)
    for i in range(len(one)):
        assert_same(one, other, i, i)


def assert_identical(one, other):
    """Two batches hold the same bits."""
    for name in ("wavelength", "wave_start", "flux", "ivar", "offsets", "scale", "flags"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name, strict=True)
