# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Photometry and shapes of images: those of galaxies and stars that are drawn by summing their light pixel by pixel."""

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from scipy.special import gammaincinv

from astro_spectok.align.light import LIGHT, _find_mixture, measure_light

#: parts of a pixel that light is summed over
FINE = 5


def draw(flux, radius, ratio, index, fwhm, size=40, noise=1.0, seed=0):
    """Images (B, H, W) of one object in bands of unlike point-spread functions; radius along the geometric mean."""
    place = (np.arange(FINE * size) - (FINE * size - 1) / 2) / FINE
    x, y = np.meshgrid(place, place)
    along, across = 0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x
    images, rng = [], np.random.default_rng(seed)
    for one, width in zip(flux, fwhm, strict=True):
        seen = (1 + 4 * (2 ** (1 / 3.5) - 1) * (x**2 + y**2) / width**2) ** -3.5
        seen /= seen.sum()
        if radius:
            r = np.sqrt(along**2 * ratio + across**2 / ratio) / radius
            light = np.exp(-gammaincinv(2 * index, 0.5) * r ** (1 / index))
            seen = fftconvolve(light / light.sum(), seen, mode="same")
        images.append(one * seen.reshape(size, FINE, size, FINE).sum((1, 3)) + noise * rng.normal(size=(size, size)))
    return np.stack(images)


def measure(images, fwhm=None):
    """Fluxes, errors and shapes by name, of images with unit noise."""
    images = torch.from_numpy(np.asarray(images)[None])
    found = measure_light(images, None if fwhm is None else torch.tensor([fwhm]))[0].numpy()
    n = images.shape[1]
    return found[:n], found[n : 2 * n], dict(zip(LIGHT, found[2 * n :].tolist(), strict=True))


@pytest.mark.parametrize(("kind", "index"), [("exponential", 1), ("de Vaucouleurs", 4)])
def test_mixtures(kind, index):
    """Half of the light lies within a radius of 1."""
    share, variance = (np.array(x) for x in _find_mixture(kind))
    inside = (share * (1 - np.exp(-0.5 / variance))).sum()
    assert inside == pytest.approx(0.5, abs=0.04 if index == 4 else 0.015)
    assert share.sum() == pytest.approx(1)


class TestGalaxies:
    @pytest.mark.parametrize(("index", "share"), [(1, (0, 0.35)), (4, (0.6, 1))])
    def test_shape(self, index, share):
        """Radius before the atmosphere, axis ratio and kind of profile are those of what was drawn."""
        flux, error, shape = measure(draw((6000.0, 9000.0), 4.0, 0.6, index, (4.5, 4.0)), (4.5, 4.0))
        scale = 9000.0 / flux[1]  # the noise of a pixel, as it was measured
        assert scale == pytest.approx(1, abs=0.12)
        assert shape["ln radius"] == pytest.approx(np.log(4.0), abs=0.12 if index == 4 else 0.05)
        assert shape["ellipticity"] == pytest.approx(-np.log(0.6), abs=0.06)
        assert share[0] <= shape["de Vaucouleurs"] <= share[1]
        assert shape["ln fwhm"] == pytest.approx(np.log(4.2), abs=0.1)
        assert shape["signal"] == pytest.approx(np.hypot(*(flux / error)), rel=1e-4)

    def test_colours(self):
        """They do not depend on how unlike the point-spread functions are, as those of one aperture do."""
        truth = np.array([8000.0, 16000.0, 24000.0])
        for fwhm in ((4.0, 4.0, 4.0), (6.0, 4.5, 3.5)):
            flux, _, _ = measure(draw(truth, 3.0, 0.7, 1, fwhm), fwhm)
            np.testing.assert_allclose(flux[1:] / flux[:-1], truth[1:] / truth[:-1], rtol=0.02)

    def test_noise(self):
        """Colours scatter by the errors, which are little above those of the true profile; brightness by more."""
        clean = draw((900.0, 900.0), 3.0, 0.8, 1, (4.5, 4.5), noise=0)
        images = torch.from_numpy(clean[None] + np.random.default_rng(3).normal(size=(80, 2, 40, 40)))
        found = measure_light(images, torch.full((80, 2), 4.5)).numpy()
        flux, error = found[:, :2], found[:, 2:4]
        scatter = np.std(np.log(flux[:, 0] / flux[:, 1]))
        assert np.median(np.hypot(*(error / flux).T)) == pytest.approx(scatter, rel=0.2)
        least = np.sqrt(2) / 900.0 / np.sqrt(((clean[0] / 900.0) ** 2).sum())
        assert scatter < 1.25 * least
        assert np.log(flux).mean(1).std() > scatter  # half of it, if the profile were known


def test_stars():
    """Points have radii far below a pixel's, and galaxies as bright do not."""
    star = measure(draw((4000.0,), 0, 1, 1, (4.5,)), (4.5,))[2]
    galaxy = measure(draw((4000.0,), 2.0, 1, 1, (4.5,)), (4.5,))[2]
    assert star["ln radius"] < -0.3 < 0.5 < galaxy["ln radius"]


def test_what_does_not_matter():
    """The unit, quarter turns, and whatever else is measured with an image."""
    images = draw((3000.0, 5000.0), 3.0, 0.6, 1, (4.0, 4.5))
    turned = np.rot90(images, axes=(1, 2)).copy()
    stack = torch.from_numpy(np.stack([images, 1e-9 * images, turned]))
    found = measure_light(stack).numpy()
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found[2], found[0], rtol=0.02, atol=0.02)
    np.testing.assert_allclose(measure_light(stack[:1]).numpy(), found[:1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_nothing_there(value):
    """Of empty and of even images everything is finite."""
    found = measure_light(torch.full((2, 2, 16, 16), value))
    assert found.shape == (2, 4 + len(LIGHT))
    assert torch.isfinite(found).all()
    assert measure_light(torch.zeros(0, 2, 16, 16)).shape == (0, 4 + len(LIGHT))
