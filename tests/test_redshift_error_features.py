# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Features that predict the errors of redshifts: zero for the usual, bounded, smooth."""

import numpy as np
import pytest

from astro_spectok.redshift.calibration import PIVOT, PIXEL
from astro_spectok.redshift.error_features import KNOTS, describe_peak, describe_pixels


def test_usual_pixels_say_nothing():
    features = describe_pixels(PIXEL, 4000, 7.0)
    assert features["pixel"] == features["count"] == 0
    assert features["snr 7"] == pytest.approx(1)
    assert describe_pixels(3 * PIXEL, 2000, 7.0)["pixel"] == pytest.approx(np.log(3))
    assert describe_pixels(PIXEL, 2000, 7.0)["count"] == pytest.approx(-np.log(2))


@pytest.mark.parametrize("snr", [-3.0, 0.0, 0.5, *KNOTS, 10.0, 30.0, 1e4])
def test_brightness_is_shared_by_two_knots(snr):
    shares = [value for name, value in describe_pixels(PIXEL, 4000, snr).items() if name.startswith("snr")]
    assert sum(shares) == pytest.approx(1)
    assert np.count_nonzero(np.array(shares) > 1e-9) <= 2
    assert len(shares) == len(KNOTS)


def test_knots_are_joined_by_lines():
    middle = describe_pixels(PIXEL, 4000, float(np.sqrt(7.0 * 17.0)))
    assert middle["snr 7"] == pytest.approx(0.5)
    assert middle["snr 17"] == pytest.approx(0.5)


def test_peaks():
    """Ambiguity is 0 at one in a hundred; nothing is counted beyond its range."""
    assert describe_peak(0.99, PIVOT) == pytest.approx({"ambiguity": 0.0, "breadth": 0.0, "tension": 0.0}, abs=0.01)
    features = describe_peak(0.9, 2 * PIVOT, 3.0)
    assert features == pytest.approx({"ambiguity": 1.0, "breadth": np.log(2), "tension": np.log(4)}, abs=0.01)
    sure, unsure = describe_peak(1.0 + 1e-12, 0.0, 1e9), describe_peak(0.0, 1.0)
    assert sure["ambiguity"] == pytest.approx(-2)
    assert unsure["ambiguity"] == pytest.approx(2, abs=1e-3)
    assert np.isfinite([*sure.values(), *unsure.values()]).all()
    assert sure["tension"] == pytest.approx(np.log(11))
