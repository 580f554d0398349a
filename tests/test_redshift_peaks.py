# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Peaks of the joint posterior over class and redshift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_spectok.redshift.peaks import WINDOW, _sum_windows, _take_out, find_peaks

STEP = 2e-4
AXES = {"GALAXY": STEP * np.arange(-15, 3000), "QSO": STEP * np.arange(4000), "STAR": STEP * np.arange(-12, 13)}


def make_posterior(*peaks, axes=AXES, floor=-60.0):
    """Log of a sum of Gaussians (class, ln(1 + z), sigma, probability) on a floor."""
    out = {name: np.full(len(axis), np.exp(floor)) for name, axis in axes.items()}
    for name, centre, sigma, probability in peaks:
        bump = np.exp(-0.5 * np.square((axes[name] - centre) / sigma))
        out[name] += probability * bump / bump.sum()
    return {name: np.log(values) for name, values in out.items()}


@pytest.mark.parametrize("part", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_redshift_is_found_between_bins(part, sigma):
    """A peak of known place and width comes back to a hundredth of a bin."""
    centre = (1234 + part) * STEP
    best = find_peaks(make_posterior(("GALAXY", centre, sigma * STEP, 1)), AXES, core=8 * STEP)[0]
    assert best.spectype == "GALAXY"
    assert np.log1p(best.z) == pytest.approx(centre, abs=0.01 * STEP)
    assert best.z_err == pytest.approx(sigma * STEP * (1 + best.z), rel=0.01)
    assert best.probability == pytest.approx(1, abs=1e-6)
    assert AXES["GALAXY"][best.lag] == pytest.approx(centre, abs=0.51 * STEP)


def test_default_reach_of_the_centroid():
    """Three bins of 2e-4 on either side: mass in the fourth moves nothing, mass in the third does."""
    lag = 500
    for away, moves in ((3, True), (4, False)):
        scores = {name: np.full(len(axis), -np.inf) for name, axis in AXES.items()}
        scores["QSO"][lag], scores["QSO"][lag + away] = 0.0, -1.0
        best = find_peaks(scores, AXES)[0]
        assert bool(np.log1p(best.z) > AXES["QSO"][lag] + 0.1 * STEP) is moves
        assert best.z_err > 0


def test_broad_peak_wins_over_the_highest_bin():
    """Highest probability, not highest bin: a spike of 0.2 stands above a broad peak of 0.8."""
    scores = make_posterior(("QSO", 0.5, 6 * STEP, 0.8), ("GALAXY", 0.2, 0.1 * STEP, 0.2))
    assert scores["GALAXY"].max() > scores["QSO"].max()
    first, second = find_peaks(scores, AXES)
    assert (first.spectype, second.spectype) == ("QSO", "GALAXY")
    assert first.probability == pytest.approx(0.8, abs=0.01)
    assert second.probability == pytest.approx(0.2, abs=1e-6)


def test_stars_are_weighed_against_all_others_together():
    """Their lags are one solution even if nothing is known; a star it is only if that is more probable than not."""
    spread = [("GALAXY", z, STEP, 0.1) for z in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]
    first, second = find_peaks(make_posterior(*spread, ("STAR", 0.0, STEP, 0.4)), AXES)
    assert first.spectype == "GALAXY"
    assert first.probability == pytest.approx(0.1, abs=0.01)
    assert (second.spectype, second.probability) == ("STAR", pytest.approx(0.4, abs=0.01))
    (only,) = find_peaks(make_posterior(*spread, ("STAR", 0.0, STEP, 0.4)), AXES, count=1)
    assert only.spectype == "GALAXY"
    first, _ = find_peaks(make_posterior(*spread[:4], ("STAR", 0.0, STEP, 0.6)), AXES)
    assert first.spectype == "STAR"


def test_flank_is_no_second_solution():
    """The second peak lies elsewhere, though the flank of the first one holds more."""
    scores = make_posterior(("QSO", 0.5, 7 * STEP, 0.99), ("QSO", 0.3, STEP, 0.01))
    first, second = find_peaks(scores, AXES)
    assert np.log1p([first.z, second.z]) == pytest.approx([0.5, 0.3], abs=2 * STEP)


def test_same_redshift_in_another_class_is_a_second_solution():
    scores = make_posterior(("GALAXY", 0.4, STEP, 0.6), ("QSO", 0.4, STEP, 0.4))
    first, second = find_peaks(scores, AXES)
    assert (first.spectype, second.spectype) == ("GALAXY", "QSO")
    assert first.z == pytest.approx(second.z, abs=1e-6)


@pytest.mark.parametrize(("name", "lag"), [("STAR", 0), ("STAR", 24), ("GALAXY", 0), ("QSO", 3999)])
def test_peaks_at_the_ends(name, lag):
    """The first and the last bin are as good as any."""
    scores = {key: np.full(len(axis), -np.inf) for key, axis in AXES.items()}
    scores[name][lag] = 3.0
    peaks = find_peaks(scores, AXES, count=5)
    assert len(peaks) == 1
    assert (peaks[0].spectype, peaks[0].lag, peaks[0].probability, peaks[0].z_err) == (name, lag, 1.0, 0.0)
    assert peaks[0].z == pytest.approx(np.expm1(AXES[name][lag]), abs=1e-12)


def test_window_is_a_thousand_km_s():
    """Mass just inside of the window counts, mass just outside does not, whatever the step."""
    for step in (1e-4, 2e-4):
        axes = {"QSO": step * np.arange(4000)}
        inside = int(WINDOW / step + 1e-6)
        for away, expected in ((inside, 1.0), (inside + 1, 0.6)):
            scores = {"QSO": np.full(4000, -np.inf)}
            scores["QSO"][2000], scores["QSO"][2000 + away] = np.log(0.6), np.log(0.4)
            assert find_peaks(scores, axes)[0].probability == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), constant=st.floats(-500, 500), width=st.floats(0.1, 5))
def test_invariances(seed, constant, width):
    """A constant and the order of the classes change nothing; peaks are in order, apart, and add up to 1 at most."""
    rng = np.random.default_rng(seed)
    scores = {name: rng.normal(scale=width, size=len(axis)) for name, axis in AXES.items()}
    peaks = find_peaks(scores, AXES, count=4)
    other = find_peaks({name: scores[name] + constant for name in reversed(AXES)}, AXES, count=4)
    for a, b in zip(peaks, other, strict=True):
        assert (a.spectype, a.lag) == (b.spectype, b.lag)
        assert (a.z, a.probability) == pytest.approx((b.z, b.probability), rel=1e-6, abs=1e-9)
    probability = [peak.probability for peak in peaks]
    assert probability == sorted(probability, reverse=True)
    assert sum(probability) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda p, x: p.clear(), "at least one class"),
        (lambda p, x: p.update(QSO=np.full(4000, np.nan)), "free of NaN"),
        (lambda p, x: p.update(QSO=np.zeros((2, 2000))), "one-dimensional"),
        (lambda p, x: p.update({k: np.full(len(v), -np.inf) for k, v in p.items()}), "finite maximum"),
        (lambda p, x: x.pop("STAR"), "'STAR' is missing"),
        (lambda p, x: x.update(STAR=np.zeros(3)), "shape of its log_probability"),
        (lambda p, x: x.update(QSO=x["QSO"][::-1]), "increase in equal steps"),
        (lambda p, x: x.update(QSO=np.expm1(x["QSO"])), "increase in equal steps"),
    ],
)
def test_refuses(change, rule):
    """What is no posterior is refused, by the name of the argument."""
    scores, axes = make_posterior(("GALAXY", 0.4, STEP, 1)), dict(AXES)
    change(scores, axes)
    with pytest.raises(ValueError, match=rule):
        find_peaks(scores, axes)


@pytest.mark.parametrize("option", ["count", "window", "core", "spread"])
@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_refuses_options(option, value):
    with pytest.raises(ValueError, match=f"{option} must be positive"):
        find_peaks(make_posterior(("GALAXY", 0.4, STEP, 1)), AXES, **{option: value})


@pytest.mark.parametrize(("size", "reach"), [(1, 1), (5, 1), (40, 33), (300, 33), (500, 7)])
def test_windows_are_summed(size, reach):
    """As one by one, at the ends too; small sums beside a large bin as precisely as without it."""
    p = 1e-30 * np.random.default_rng(size).random(size)
    p[size // 3] = 1.0
    expected = [p[max(k - reach, 0) : k + reach + 1].sum() for k in range(size)]
    np.testing.assert_allclose(_sum_windows(p, reach), expected, rtol=1e-12)


def test_windows_are_brought_up_to_date():
    """What is taken out is gone from all sums, and nothing else is."""
    rng = np.random.default_rng(5)
    for start, stop in ((0, 12), (100, 140), (290, 300)):
        p = rng.random(300)
        mass = _sum_windows(p, 9)
        _take_out(p, mass, slice(start, stop), 9)
        assert not p[start:stop].any()
        np.testing.assert_allclose(mass, _sum_windows(p, 9), rtol=1e-12, atol=1e-300)


def test_flat_posterior_has_its_peak_inside():
    """Where all bins are alike, none at the end of a range is the highest."""
    for peak in find_peaks({name: np.zeros(len(axis)) for name, axis in AXES.items()}, AXES):
        assert peak.lag > 3
