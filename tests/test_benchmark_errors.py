# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors are altered as their way says, and the flux with them only where it must be."""

import numpy as np
import pytest

SIZE = 6000


@pytest.fixture(scope="module")
def ways(load):
    return load("_wrong_errors")


@pytest.fixture
def noise():
    """Noise alone, whose errors vary, with bad pixels."""
    rng = np.random.default_rng(0)
    sigma = np.exp(np.sin(np.arange(SIZE) / 500))
    ivar = np.where(np.arange(SIZE) % 37 == 0, 0, sigma**-2)
    return np.linspace(4000, 9000, SIZE), np.where(ivar > 0, sigma * rng.normal(size=SIZE), 0), ivar


def test_errors_are_wrong_as_said(ways, noise):
    """All of them, or those of the redder half; the right ones are those of the noise."""
    for way, alter in ways.WAYS.items():
        _, flux, ivar, right = alter(*noise)
        good = right > 0
        assert np.array_equal(good, ivar > 0)
        if "pixels" in way:
            assert np.array_equal(ivar, right)
            continue
        factor = float(way.split()[-1]) if "times" in way else 1
        assert np.array_equal(flux, noise[1])
        assert np.array_equal(right, noise[2])
        first, second = np.array_split(np.sqrt(right[good] / ivar[good]), 2)
        assert second == pytest.approx(factor)
        assert first[:-50] == pytest.approx(1 if "half" in way else factor)


@pytest.mark.parametrize(
    ("way", "scatter", "far"), [("mean of 3 pixels", 1, 2.7), ("interpolated to 4 pixels", 0.7, 2.7)]
)
def test_pixels_share_their_noise(ways, noise, way, scatter, far):
    """Each pixel varies as stated, or less between two others, and sums of neighbours far more."""
    wavelength, flux, ivar, _ = ways.WAYS[way](*noise)
    good = ivar > 0
    assert np.all(np.diff(wavelength) > 0)
    over = flux[good] * np.sqrt(ivar[good])
    assert np.mean(over**2) == pytest.approx(scatter, rel=0.1)
    assert np.mean(over[: len(over) // 16 * 16].reshape(-1, 16).sum(axis=1) ** 2) / 16 > 2.7


def test_noise_is_added_as_stated(ways, noise):
    """Chi squared stays one."""
    flux, ivar = ways.lower_snr(*noise[1:], 0.2, np.random.default_rng(1))
    assert np.mean((flux**2 * ivar)[ivar > 0]) == pytest.approx(1, rel=0.1)
    assert ivar == pytest.approx(0.04 * noise[2])


def test_table_says_what_was_not_measured(load):
    """Without results, and the pulls of real spectra."""
    made = load("_errors_table").make_errors_table
    assert "Not measured" in made(None)
    row = dict.fromkeys(("given", "corrected", "flagged", "pull", "pull_before", "claim", "claim_before"), 0.5)
    row |= {"kind": "real", "way": "times 2", "kept": 1.0, "kept_before": 0.0, "pure": None}
    text = made({"n": 7, "cost": 1.02, "sha256": "0" * 64, "rows": [row]})
    assert "as stated: 1.02" in text
    assert [line.split("- ")[-1] for line in text.splitlines()[-12:]][5] == "–"
