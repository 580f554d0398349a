# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator`: the bits of ``zwarn``."""

import numpy as np
import pytest
from _redshift import GALAXY, QUASAR, STAR, STEP, WIDTH, fake_measure, make_flat, make_scores
from astropy import units as u
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
            (make_flat(), RedshiftFlag.SKY_LIKE | RedshiftFlag.LOW_CONFIDENCE | RedshiftFlag.TWO_PEAKS
             | RedshiftFlag.UNLIKE_CLASS),
            (make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("GALAXY", 1.0, WIDTH, 0.25)),
             RedshiftFlag.TWO_PEAKS | RedshiftFlag.LOW_CONFIDENCE),
            (make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("QSO", 0.5, WIDTH, 0.25)), RedshiftFlag.LOW_CONFIDENCE),
            (make_scores(("QSO", 0.0, 0.1 * STEP, 1.0)), RedshiftFlag.AT_EDGE | RedshiftFlag.UNLIKE_CLASS),
            (make_scores(("QSO", 4.999, 0.1 * STEP, 1.0)), RedshiftFlag.AT_EDGE),
            (make_scores(("GALAXY", 0.003, STEP, 1.0)), 0),
            # a star may have that velocity
            (make_scores(("GALAXY", 0.0006, 0.1 * STEP, 1.0)), RedshiftFlag.UNLIKE_CLASS),
        ],
        ids=["sure", "sky", "two redshifts", "two classes", "first bin", "last bin", "nearby", "like a star"],
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

    def test_sky_is_flagged_whatever_was_asked(self, redshift_weights, monkeypatch):
        """A star in a search for stars is given as one; blank sky carries no information."""
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
        """By itself no flag; set beside another one."""
        spectrum = make_spectrum()
        fake_measure(monkeypatch, GALAXY)
        assert estimator.estimate((spectrum.spectral_axis, spectrum.flux)).zwarn == RedshiftFlag.NONE
        fake_measure(monkeypatch, make_scores(("GALAXY", 0.5, WIDTH, 0.75), ("QSO", 0.5, WIDTH, 0.25)))
        expected = RedshiftFlag.ERRORS_ESTIMATED | RedshiftFlag.MEDIUM_UNKNOWN | RedshiftFlag.LOW_CONFIDENCE
        assert estimator.estimate((spectrum.spectral_axis, spectrum.flux)).zwarn == expected

    def test_medium_unknown(self, estimator, monkeypatch):
        """No flag by itself; errors hold the 83 km/s that it may cost, and a column says so."""
        fake_measure(monkeypatch, *[GALAXY] * 3)
        media = [{}, {"medium": "vacuum"}, {"medium": "air"}]
        table = estimator.estimate([make_spectrum(meta=meta) for meta in media])
        assert table["zwarn"].tolist() == [0, 0, 0]
        assert table["medium"].tolist() == ["unknown", "vacuum", "air"]
        assert table["z_err"][1] == table["z_err"][2]
        unknown, known = table["z_err"].value[:2]
        assert np.sqrt(unknown**2 - known**2) / 1.5 * 299792.458 == pytest.approx(83, abs=1)
        for low, high in ((table["z_lo"], table["z"]), (table["z"], table["z_hi"])):
            assert (high - low)[0] > (high - low)[1]

    def test_nothing_but_a_spike(self, estimator, monkeypatch):
        """However sure a network is that it is a star: no flux, and one pixel of any height, are no spectrum."""
        fake_measure(monkeypatch, *[STAR] * 4)
        wavelength = np.linspace(4000, 7000, 1000) * u.AA
        spikes = [np.where(np.arange(1000) == 500, height, 0.0) for height in (0.0, 1e-3, 5.0, 1e3)]
        table = estimator.estimate([(wavelength, x * u.Jy, np.ones(1000) * u.Jy) for x in spikes], medium="vacuum")
        assert (table["zwarn"] & RedshiftFlag.SKY_LIKE != 0).all()

    @pytest.mark.parametrize(("n", "high", "flagged"), [(200, 4200, True), (200, 7000, False), (640, 4200, False)])
    def test_little_coverage(self, estimator, monkeypatch, n, high, flagged):
        """Few pixels that fill little; a prism has few, and an arm of an echelle is narrow."""
        fake_measure(monkeypatch, GALAXY)
        found = estimator.estimate(make_spectrum(n, 4000, high))
        assert found.zwarn == (RedshiftFlag.LITTLE_COVERAGE if flagged else RedshiftFlag.NONE)

    def test_broad_peak_is_not_flagged(self, estimator, monkeypatch):
        """Wider than the 1000 km/s of ``p_best``, but within 0.01, at low resolution."""
        fake_measure(monkeypatch, make_scores(("QSO", 2.0, 3e-3, 1.0)))
        found = estimator.estimate(make_spectrum(200))
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
