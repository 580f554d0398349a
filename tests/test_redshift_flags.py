# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Flags of solutions that rest on the end of a spectrum, on its continuum, or on too little."""

import numpy as np
import pytest
from _redshift import GRID, STEP, make_scores

from astro_spectok.heads.small_numbers import RECEDING
from astro_spectok.redshift import Calibration, RedshiftFlag, RedshiftPosterior
from astro_spectok.redshift.flags import combine_flags, find_flags, find_red_end, lacks_features, measure_outside
from astro_spectok.redshift.reliance import Shown
from astro_spectok.redshift.rules import RedshiftRules

CALIBRATION = Calibration()
RULES = CALIBRATION.rules


@pytest.mark.parametrize(
    ("cls", "z", "red_end", "flagged"),
    [
        ("GALAXY", 2.9, 5000.0, True),  # 1282 Angstrom at rest: nothing but the forest and Lyman alpha
        ("GALAXY", 2.9, 5200.0, False),
        ("GALAXY", 2.9, np.nan, False),
        ("QSO", 2.9, 5000.0, False),
        ("QSO", 2.9, 4700.0, True),  # 1205 Angstrom: nothing but the forest
    ],
)
def test_galaxies_need_more_than_lyman_alpha_and_quasars_that(cls, z, red_end, flagged):
    posterior = RedshiftPosterior(GRID, make_scores((cls, z, STEP, 1.0)))
    flags = find_flags(posterior, posterior.find_peaks(2), posterior.information, CALIBRATION, 50.0, red_end=red_end)
    assert flags == (RedshiftFlag.AT_EDGE if flagged else RedshiftFlag.NONE)


@pytest.mark.parametrize(
    ("cls", "probability", "evidence", "snr", "flagged"),
    [
        ("STAR", 0.99, 0.0, 5.0, False),
        ("STAR", 0.99, -10.0, 5.0, True),
        ("STAR", 0.99, 0.0, 50.0, False),
        ("STAR", 0.90, 0.0, 5.0, True),
        ("STAR", 0.90, 15.0, 5.0, False),
        ("STAR", 0.90, 15.0, 50.0, True),
        ("GALAXY", 0.99, 0.0, 5.0, True),
        ("GALAXY", 0.99, 10.0, 50.0, False),
    ],
)
def test_stars_may_be_recognised_by_their_continua(cls, probability, evidence, snr, flagged):
    """If they are certain, and templates do not contradict; else their features must be more than a wave."""
    posterior = RedshiftPosterior(GRID, make_scores((cls, 0.0, STEP, probability), ("QSO", 2.0, STEP, 1 - probability)))
    flags = find_flags(posterior, posterior.find_peaks(2), posterior.information, CALIBRATION, evidence, snr=snr)
    assert flags == (RedshiftFlag.SKY_LIKE if flagged else RedshiftFlag.NONE)


@pytest.mark.parametrize(("confident", "flagged"), [(0.6, False), (0.8, True)])
def test_low_confidence_is_what_the_calibration_says(confident, flagged):
    posterior = RedshiftPosterior(GRID, make_scores(("GALAXY", 0.5, STEP, 0.7), ("GALAXY", 0.52, STEP, 0.3)))
    flags = find_flags(
        posterior, posterior.find_peaks(1), posterior.information, Calibration(confident={"GALAXY": confident}), 50.0
    )
    assert flags == (RedshiftFlag.LOW_CONFIDENCE if flagged else RedshiftFlag.NONE)


@pytest.mark.parametrize(
    ("cls", "probability", "pixel", "flagged"),
    [
        ("QSO", 0.96, 2e-3, True),
        ("QSO", 0.98, 2e-3, False),
        ("QSO", 0.96, 1e-3, False),  # widths of lines are seen
        ("STAR", 0.75, 2e-3, True),
        ("STAR", 0.85, 2e-3, False),
        ("GALAXY", 0.85, 2e-3, False),
    ],
)
def test_classes_without_widths_of_lines_must_be_certain(cls, probability, pixel, flagged):
    """The other class has the same redshift, so that nothing but the class is in doubt."""
    other, z = "QSO" if cls == "GALAXY" else "GALAXY", 0.0 if cls == "STAR" else 2.0
    posterior = RedshiftPosterior(GRID, make_scores((cls, z, STEP, probability), (other, z, STEP, 1 - probability)))
    peaks, sure = posterior.find_peaks(2), Calibration(confident={cls: 0.5})
    flags = find_flags(posterior, peaks, posterior.information, sure, 50.0, shown=Shown(snr=5.0, pixel=pixel))
    assert bool(flags & RedshiftFlag.LOW_CONFIDENCE) == flagged


def test_red_end_is_that_of_good_pixels():
    """Whatever their order; there is none without a good pixel."""
    wavelength = np.array([5000.0, 4000.0, 6000.0])
    assert find_red_end(wavelength, np.array([1.0, 1.0, 0.0])) == 5000
    assert np.isnan(find_red_end(wavelength, np.zeros(3)))


@pytest.mark.parametrize(
    ("outside", "flagged"),
    [(RULES.extrapolated - 0.01, False), (RULES.extrapolated + 0.01, True)],
)
def test_a_little_outside_is_a_remark(outside, flagged):
    """Set beside another flag, and by itself only if much of the spectrum lies there, or it is not known how much."""
    noticed = RedshiftFlag.OUTSIDE_TRAINED_RANGE | RedshiftFlag.ERRORS_ESTIMATED
    assert combine_flags(noticed, RedshiftFlag.NONE, RULES, outside=outside) == (
        noticed if flagged else RedshiftFlag.NONE
    )
    flag = RedshiftFlag.TWO_PEAKS
    assert combine_flags(noticed, flag, RULES, outside=outside) == noticed | flag
    assert combine_flags(noticed, RedshiftFlag.NONE, RULES) == noticed


def test_share_outside_is_that_of_good_pixels():
    wavelength, ivar = np.array([1000.0, 3000.0, 5000.0, 9000.0]), np.array([1.0, 1.0, 0.0, 2.0])
    assert measure_outside(wavelength, ivar, (2000.0, 6000.0)) == pytest.approx(2 / 3)
    assert measure_outside(wavelength, ivar, (900.0, 1e4)) == 0
    assert measure_outside(wavelength, ivar, None) == 0
    assert measure_outside(wavelength, np.zeros(4), (2000.0, 6000.0)) == 0


@pytest.mark.parametrize(
    ("evidence", "pixel", "probability", "flagged"),
    [
        # noise on a flat continuum: no template of a star explains anything of it
        (-1.0, 2e-4, 0.98, True),
        # a very sure one, one that shows lines, and one of a prism, whose continuum is all that there is
        (-1.0, 2e-4, 0.999, False),
        (8.0, 2e-4, 0.98, False),
        (-1.0, 5e-3, 0.98, False),
    ],
)
def test_stars_of_narrow_pixels_need_lines(evidence, pixel, probability, flagged):
    assert lacks_features(evidence, "STAR", probability, RedshiftRules.begin(), 5.0, pixel) is flagged


def test_rules_of_older_files():
    """They ask for no lines, but, as they always did, whether a receding star is a near galaxy."""
    old = RedshiftRules.begin().to_dict()
    del old["resolved"], old["receding"]
    assert RedshiftRules.from_dict(old).receding == RECEDING
    assert lacks_features(-1.0, "STAR", 0.98, RedshiftRules.from_dict(old), 5.0, 2e-4) is False


@pytest.mark.parametrize(
    ("spectype", "evidence", "correlation", "flagged"),
    [
        # red noise, of which a template explains a little by chance
        ("GALAXY", 60.0, 8.0, True),
        ("STAR", 60.0, 12.0, True),
        # lines that explain far more than the misfit, or a misfit that neighbours do not share
        ("GALAXY", 200.0, 8.0, False),
        ("QSO", 60.0, 1.2, False),
        ("STAR", -1.0, 1.2, False),
    ],
)
def test_correlated_noise_calls_for_evidence(spectype, evidence, correlation, flagged):
    rules = RedshiftRules.begin()
    assert lacks_features(evidence, spectype, 0.999, rules, 5.0, 2e-4, correlation) is flagged
