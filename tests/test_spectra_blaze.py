# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Orders of an echelle are joined without their blaze, and what has none is left as it is."""

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from scipy.ndimage import gaussian_filter1d
from specutils import Spectrum

from astro_spectok.spectra import join_arms

NUMBERS, CONSTANT, PIXELS, SNR = range(60, 46, -1), 3.3e5, 900, 80.0


def make_object(wavelength):
    """A smooth continuum with lines at fixed places."""
    rng = np.random.default_rng(4)
    flux = (wavelength / 6000) ** -1.5 + 0.3 * np.sin(wavelength / 500)
    for line, depth in zip(rng.uniform(5400, 7200, 120), rng.uniform(0.05, 0.6, 120), strict=True):
        flux = flux * (1 - depth * np.exp(-0.5 * ((wavelength - line) / 0.8) ** 2))
    return flux


def make_orders(blaze):
    rng, orders = np.random.default_rng(7), []
    for number in NUMBERS:
        middle = CONSTANT / number
        wavelength = np.linspace(middle * (1 - 0.62 / number), middle * (1 + 0.62 / number), PIXELS)
        # of a grating: sinc squared of the order times the phase
        shape = np.sinc(0.85 * number * (1 - middle * 1.0006 / wavelength)) ** 2 if blaze else 1.0
        flux, error = 40 * make_object(wavelength) * shape, 40 / SNR * np.ones(PIXELS)
        orders.append(
            Spectrum(
                spectral_axis=wavelength * u.AA, flux=(flux + error * rng.normal(size=PIXELS)) * u.electron,
                uncertainty=StdDevUncertainty(error * u.electron),
            )
        )  # fmt: skip
    return orders


@pytest.mark.parametrize("reverse", [False, True])
def test_the_blaze_of_echelle_orders_is_taken_out(reverse):
    orders = make_orders(blaze=True)
    joined = join_arms(orders[::-1] if reverse else orders, medium="vacuum")
    wavelength = joined.spectral_axis.value
    inside = (wavelength > 5600) & (wavelength < 6900)
    ratio = joined.flux.value / make_object(wavelength)
    smooth = gaussian_filter1d(ratio[inside], 60)
    # the blaze falls to 0.3 at the ends of these orders; the overall slope is not known
    slope = np.polynomial.Polynomial.fit(wavelength[inside], smooth, 3)(wavelength[inside])
    assert np.std(smooth / slope) < 0.02
    assert np.abs(smooth / slope - 1).max() < 0.08
    # errors go along: of what is kept of an order as far from its middle as the next one's
    pulls = (ratio[inside] - smooth) * make_object(wavelength[inside]) * np.sqrt(joined.uncertainty.array[inside])
    assert 0.85 < 1.4826 * np.median(np.abs(pulls)) < 1.15


def test_orders_without_a_blaze_stay_as_they_are():
    orders = make_orders(blaze=False)
    joined = join_arms(orders, medium="vacuum")
    first = orders[0].flux.value
    there = np.isin(first.astype(np.float32), joined.flux.value.astype(np.float32))
    # all but the part of the overlap that the next order has
    assert there.mean() > 0.8
    assert set(np.unique(joined.uncertainty.array.round(3))) == {round((SNR / 40) ** 2, 3)}


def test_a_break_of_the_object_is_no_blaze():
    """Four orders of which one is fainter, as by a slit that moved: not the same in each order."""
    orders = make_orders(blaze=False)[:4]
    faint = orders[2]
    orders[2] = Spectrum(
        spectral_axis=faint.spectral_axis,
        flux=0.5 * faint.flux,
        uncertainty=StdDevUncertainty(faint.uncertainty.quantity),
    )
    joined = join_arms(orders, medium="vacuum")
    assert np.isin(orders[0].flux.value.astype(np.float32), joined.flux.value.astype(np.float32)).mean() > 0.7
