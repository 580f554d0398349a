# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator`: what ``zwarn`` tells of."""

import numpy as np
import pytest
from _redshift import GALAXY, QUASAR, STEP, WIDTH, fake_measure, make_flat, make_scores
from conftest import make_spectrum, rewrite

from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.exceptions import WavelengthRangeWarning
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.redshift.fit import Refined


@pytest.fixture
def estimator(redshift_weights):
    return RedshiftEstimator(redshift_weights, "cpu")


class TestFlags:
    @pytest.mark.parametrize(
        ("scores", "expected"),
        [
            (QUASAR, 0),
            # any single redshift is less probable than a star of any velocity
            (make_flat(), RedshiftFlag.SKY_LIKE | RedshiftFlag.LOW_CONFIDENCE | RedshiftFlag.TWO_PEAKS),
            (make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("GALAXY", 1.0, WIDTH, 0.25)),
             RedshiftFlag.TWO_PEAKS | RedshiftFlag.LOW_CONFIDENCE),
            (make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("QSO", 0.5, WIDTH, 0.25)), RedshiftFlag.LOW_CONFIDENCE),
            (make_scores(("QSO", 0.0, 0.1 * STEP, 1.0)), RedshiftFlag.AT_EDGE),
            (make_scores(("QSO", 4.999, 0.1 * STEP, 1.0)), RedshiftFlag.AT_EDGE),
            (make_scores(("GALAXY", 0.0, STEP, 1.0)), 0),
        ],
        ids=["sure", "sky", "two redshifts", "two classes", "first bin", "last bin", "nearby"],
    )  # fmt: skip
    def test_of_posteriors(self, estimator, monkeypatch, scores, expected):
        fake_measure(monkeypatch, scores)
        assert estimator.estimate(make_spectrum()).zwarn == expected

    @pytest.mark.parametrize("n_best", [2, 5])
    def test_are_the_same_for_one_and_many(self, redshift_weights, monkeypatch, n_best):
        """Here the second solution is the same redshift in another class, the third another redshift."""
        fake_measure(
            monkeypatch,
            make_scores(("GALAXY", 0.5, WIDTH, 0.4), ("QSO", 0.5, WIDTH, 0.35), ("QSO", 2.0, WIDTH, 0.25)),
        )
        estimator = RedshiftEstimator(redshift_weights, "cpu", n_best=n_best)
        expected = RedshiftFlag.TWO_PEAKS | RedshiftFlag.LOW_CONFIDENCE
        assert estimator.estimate(make_spectrum()).zwarn == expected
        assert estimator.estimate([make_spectrum()])["zwarn"].tolist() == [expected]

    def test_sky_is_told_whatever_was_asked(self, redshift_weights, monkeypatch):
        """A star in a search for stars has told that it is one; blank sky has told nothing."""
        for scores, expected in ((make_scores(("STAR", 0.0, 0.1, 1.0)), 0), (make_flat(), RedshiftFlag.SKY_LIKE)):
            fake_measure(monkeypatch, scores)
            found = RedshiftEstimator(redshift_weights, "cpu", classes="STAR").estimate(make_spectrum())
            assert found.zwarn & RedshiftFlag.SKY_LIKE == expected

    def test_negative_continuum(self, estimator, monkeypatch):
        fake_measure(monkeypatch, GALAXY, GALAXY)
        spectrum = make_spectrum()
        table = estimator.estimate([spectrum, rewrite(spectrum, flux=-spectrum.flux)])
        assert table["zwarn"].tolist() == [0, RedshiftFlag.NEGATIVE_CONTINUUM]

    def test_errors_estimated(self, estimator, monkeypatch):
        """By itself no reason for doubt; beside one it is said."""
        spectrum = make_spectrum()
        fake_measure(monkeypatch, GALAXY)
        assert estimator.estimate((spectrum.spectral_axis, spectrum.flux)).zwarn == RedshiftFlag.NONE
        fake_measure(monkeypatch, make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("QSO", 0.5, WIDTH, 0.25)))
        expected = RedshiftFlag.ERRORS_ESTIMATED | RedshiftFlag.LOW_CONFIDENCE
        assert estimator.estimate((spectrum.spectral_axis, spectrum.flux)).zwarn == expected

    def test_broad_peak_is_not_doubtful(self, estimator, monkeypatch):
        """Wider than the 1000 km/s of ``p_best``, but within 0.01."""
        fake_measure(monkeypatch, make_scores(("QSO", 2.0, 3e-3, 1.0)))
        found = estimator.estimate(make_spectrum())
        assert found.p_best < 0.8
        assert found.zwarn == RedshiftFlag.NONE

    def test_without_features(self, estimator, monkeypatch):
        """However sure the network is: what templates explain no better than a continuum does is like sky."""
        fake_measure(monkeypatch, GALAXY)
        for evidence, expected in ((2.0, RedshiftFlag.SKY_LIKE), (20.0, RedshiftFlag.NONE)):
            found = Refined(np.log1p(0.5), 1e-5, evidence)
            monkeypatch.setattr("astro_spectok.redshift.solutions.refine_redshift", lambda *a, f=found, **k: f)
            assert estimator.estimate(make_spectrum()).zwarn == expected

    def test_outside_trained_range(self, estimator, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        with pytest.warns(WavelengthRangeWarning):
            found = estimator.estimate(make_spectrum(low=1000.0, high=3000.0))
        assert found.zwarn == RedshiftFlag.OUTSIDE_TRAINED_RANGE

    def test_values_of_sdss(self):
        """What pipelines know under these numbers is what is meant."""
        known = {"SKY_LIKE": 0, "TOO_FEW_PIXELS": 1, "TWO_PEAKS": 2, "NEGATIVE_CONTINUUM": 3, "AT_EDGE": 5}
        known["NO_DATA"] = 9
        assert {name: RedshiftFlag[name].value.bit_length() - 1 for name in known} == known
        assert not RedshiftFlag(512 | 4).measured
        assert RedshiftFlag(4 | 1).measured
