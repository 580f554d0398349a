# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Instruments of the simulator: named ones, random ones, and the choice between them."""

import numpy as np
import pytest

from astro_spectok.simulate.instruments import HELD_OUT, NAMED, choose_instrument, random_instrument
from astro_spectok.simulate.named_instruments import DESIGNS, WEIGHTS
from astro_spectok.simulate.sky import oh_lines


def check_instrument(instrument):
    """What holds for every instrument."""
    n = len(instrument)
    assert n >= 64
    arrays = (instrument.left, instrument.right, instrument.resolution, instrument.arm, instrument.place)
    assert all(a.shape == (n,) for a in arrays)
    assert [a.dtype for a in arrays] == [np.float64, np.float64, np.float32, np.int64, np.float32]
    assert (instrument.right > instrument.left).all()
    # pixels of neighbouring arms must not overlap
    assert (instrument.left[1:] >= instrument.right[:-1] * (1 - 1e-9)).all()
    assert (instrument.resolution > 20).all()
    assert set(np.diff(instrument.arm)) <= {0, 1}
    assert ((instrument.place > 0) & (instrument.place < 1)).all()
    per_fwhm = instrument.wavelength / instrument.resolution / (instrument.right - instrument.left)
    # no file samples its lines worse than this, and oversampling is finite
    assert 1.2 < np.median(per_fwhm) < 12


@pytest.mark.parametrize("name", NAMED)
def test_named_instruments_are_valid(name):
    """Every factory gives instruments near their published range and resolution."""
    rng = np.random.default_rng(1)
    for _ in range(6):
        made = NAMED[name](rng)
        check_instrument(made)
        assert made.name == name
        assert any(
            abs(np.log(made.left[0] / arms[0].start)) < 0.07 and abs(np.log(made.right[-1] / arms[-1].stop)) < 0.07
            for arms in DESIGNS[name].settings
        )
        assert made.calibrated or not made.normalised
        assert not (made.has_errors and made.smoothed)


def test_named_instruments_follow_the_generator():
    """The same seed gives the same instrument, another seed another one."""
    one, same, other = (NAMED["desi"](np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.left, same.left)
    assert len(one) != len(other) or not np.allclose(one.left, other.left, rtol=0, atol=1e-6)


def test_every_name_has_a_weight():
    """Training can draw every named instrument, and knows the held-out ones."""
    assert set(WEIGHTS) == set(NAMED) | {"random"}
    assert set(HELD_OUT) <= set(NAMED)


@pytest.mark.parametrize(("low", "high"), [(3000, 11000), (900, 53000), (15200, 16900), (1000, 3000)])
def test_random_instruments_are_valid(low, high):
    """They lie in the range asked for, have few enough pixels and the resolution of training."""
    rng = np.random.default_rng(2)
    made = [random_instrument(rng, low, high, 2000) for _ in range(100)]
    made = [one for one in made if one is not None]
    assert len(made) > 90
    for one in made:
        check_instrument(one)
        assert len(one) <= 2000
        assert one.left[0] >= low * (1 - 1e-9)
        assert one.right[-1] <= high * (1 + 1e-9)
    sharp = np.log([np.median(one.resolution) for one in made])
    assert sharp.max() - sharp.min() > 2
    assert len({int(one.arm.max()) for one in made}) >= 3
    assert 0.4 < np.mean([one.calibrated for one in made]) < 1


def test_random_instrument_that_does_not_fit():
    """Too short a range for 64 pixels gives None."""
    rng = np.random.default_rng(0)
    assert random_instrument(rng, 5000, 5002, 500) is None
    assert random_instrument(rng, 3000, 9000, 50) is None


@pytest.mark.parametrize(("low", "high"), [(3000, 11000), (1200, 56000), (15168, 16937), (6330, 25800)])
def test_choice_sees_the_object(low, high):
    """Whatever is chosen lies inside of what is known, with few enough pixels, and is not held out."""
    rng = np.random.default_rng(5)
    names = set()
    for _ in range(150):
        made = choose_instrument(rng, low, high, 3000)
        names.add(made.name)
        check_instrument(made)
        assert len(made) <= 3000
        assert made.left[0] >= low
        assert made.right[-1] <= high
    assert len(names) >= 2
    assert not names & set(HELD_OUT)


def test_choice_among_names():
    """Names restrict the choice, held-out ones included; None where nothing fits."""
    rng = np.random.default_rng(6)
    assert {choose_instrument(rng, 3000, 11000, 9000, HELD_OUT).name for _ in range(60)} == set(HELD_OUT)
    assert choose_instrument(rng, 3000, 11000, 9000, ("apogee",)) is None
    assert choose_instrument(rng, 6000, 6010, 9000, ("sdss", "desi")) is None
    with pytest.raises(ValueError, match="names: instruments must be 'random' or keys of NAMED; got \\['hubble'\\]"):
        choose_instrument(rng, 3000, 11000, 9000, ("hubble",))


def test_usual_surveys_are_usual():
    """Shares of the optical draws are those that training asks for."""
    rng = np.random.default_rng(7)
    names = [choose_instrument(rng, 3000, 11000, 4608).name for _ in range(1500)]
    share = {name: names.count(name) / len(names) for name in ("sdss", "boss", "desi", "random")}
    assert share["sdss"] + share["boss"] == pytest.approx(0.24, abs=0.06)
    assert share["desi"] == pytest.approx(0.15, abs=0.05)
    assert share["random"] == pytest.approx(0.25, abs=0.06)


def test_oh_lines_lie_where_they_are_seen():
    """Strong lines of the night sky (Rousselot+2000; Osterbrock+1996, air to vacuum) are there to 3e-4."""
    wave, strength = oh_lines()
    assert (np.diff(wave) >= 0).all()
    for line in (8401.8, 8829.5, 8888.3, 8922.1, 9378.5, 15055.0, 15241.0, 15332.4, 16030.8, 16128.6, 16692.4):
        near = np.abs(wave - line) < 3e-4 * line
        assert strength[near].sum() > 20, line
