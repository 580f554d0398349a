# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator`: ranges, classes, priors, calibrations, and its parameters as scikit-learn has them."""

import numpy as np
import pytest
from _redshift import COLUMNS, ERROR, GALAXY, WIDTH, fake_measure, make_scores
from conftest import make_spectrum

from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError
from astro_spectok.redshift import RedshiftFlag, RedshiftPosterior


@pytest.fixture
def estimator(redshift_weights):
    return RedshiftEstimator(redshift_weights, "cpu")


class TestChoices:
    def test_range(self, redshift_weights, monkeypatch):
        """The best of what was asked for; its end is an edge."""
        fake_measure(monkeypatch, GALAXY)
        found = RedshiftEstimator(redshift_weights, "cpu", z_range=(1, 3)).estimate(make_spectrum())
        assert (found.spectype, round(found.z.value, 3)) == ("QSO", 2.0)
        edge = RedshiftEstimator(redshift_weights, "cpu", z_range={"GALAXY": (0.5, 1)}).estimate(make_spectrum())
        assert edge.zwarn & RedshiftFlag.AT_EDGE

    def test_classes(self, redshift_weights, monkeypatch):
        """Columns stay; what was not looked for has no probability."""
        fake_measure(monkeypatch, GALAXY)
        table = RedshiftEstimator(redshift_weights, "cpu", classes=["QSO"]).estimate([make_spectrum()], posterior=True)
        assert table.colnames[: len(COLUMNS)] == COLUMNS
        assert (table["spectype"][0], table["p_galaxy"][0], table["p_qso"][0]) == ("QSO", 0, pytest.approx(1))
        assert RedshiftPosterior.expand(table[0], table.meta).grid.classes == ("QSO",)

    def test_prior_of_each_spectrum(self, redshift_weights, monkeypatch):
        """A row of densities for each: photometric redshifts."""
        ambiguous = make_scores(("GALAXY", 0.5, WIDTH, 0.5), ("GALAXY", 1.5, WIDTH, 0.5))
        fake_measure(monkeypatch, ambiguous, ambiguous)
        z = np.linspace(0, 3, 301)
        p = np.exp(-0.5 * ((z - np.array([[0.5], [1.5]])) / 0.1) ** 2)
        estimator = RedshiftEstimator(redshift_weights, "cpu", prior=(z, p))
        table = estimator.estimate([make_spectrum(), make_spectrum()])
        np.testing.assert_allclose(table["z"].value, [0.5, 1.5], atol=1e-4)
        assert (table["p_best"] > 0.99).all()
        assert table.meta["prior"] == "redshifts"
        with pytest.raises(ValueError, match=r"or \(3, m\), a row for each spectrum; got \(301,\) and \(2, 301\)"):
            estimator.estimate([make_spectrum()] * 3)

    def test_row_of_a_prior_that_is_zero(self, redshift_weights, monkeypatch):
        fake_measure(monkeypatch, GALAXY, GALAXY)
        estimator = RedshiftEstimator(redshift_weights, "cpu", prior=([0, 1], [[1, 1], [0, 0]]))
        with pytest.warns(FlaggedSpectraWarning, match="prior of spectrum 1 must be above zero somewhere"):
            table = estimator.estimate([make_spectrum()] * 2)
        assert table["zwarn"].tolist() == [0, RedshiftFlag.NO_DATA]
        assert "must be above zero somewhere" in table["message"][1]

    def test_prior_of_classes(self, redshift_weights, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        prior = {"GALAXY": 0, "QSO": 1, "STAR": 1}
        found = RedshiftEstimator(redshift_weights, "cpu", prior=prior).estimate(make_spectrum())
        assert (found.spectype, found.meta["prior"]) == ("QSO", "classes")

    def test_calibration_of_the_weights(self, redshift_weights, tmp_path, monkeypatch):
        """What is stored with the head is applied to probabilities and errors."""
        from astro_spectok.weights import load_network, read_metadata, write_network

        network = load_network(redshift_weights, shared=False)
        network.heads["redshift"].calibration = {"doubt": 0.5, "warmth": 4.0, "error_scale": {"GALAXY": 2.0}}
        path = tmp_path / "calibrated.safetensors"
        write_network(path, network, metadata={"training": read_metadata(redshift_weights)["training"]})
        fake_measure(monkeypatch, GALAXY)
        found = RedshiftEstimator(path, "cpu").estimate(make_spectrum())
        plain = RedshiftEstimator(redshift_weights, "cpu").estimate(make_spectrum())
        assert found.class_probability["STAR"] > 100 * plain.class_probability["STAR"]
        assert plain.z_err.value == pytest.approx(1.5 * ERROR, rel=0.05)
        assert found.z_err.value > 2 * plain.z_err.value

    @pytest.mark.parametrize(
        ("parameter", "value", "error", "rule"),
        [
            ("z_range", (0, 20), ValueError, "z_range must be increasing and lie within -0.003 to 5"),
            ("z_range", 3, TypeError, "z_range must be"),
            ("classes", ["PLANET"], ValueError, "classes must be names out of GALAXY, QSO, STAR"),
            ("prior", np.ones(7), TypeError, "prior must be None, a dict"),
            ("prior", ([0, 1], [1, 1, 1]), ValueError, "prior must be a pair"),
            ("n_best", 1, ValueError, "n_best must be an integer of 2 or more.*got 1"),
            ("n_best", 1.5, TypeError, "n_best must be an integer of 2 or more.*got 1.5"),
            ("device", "gpu", ValueError, "device must be 'auto'"),
        ],
    )
    def test_are_validated_at_use(self, redshift_weights, parameter, value, error, rule):
        """Not when they are stored, as in scikit-learn."""
        estimator = RedshiftEstimator(redshift_weights, "cpu").set_params(**{parameter: value})
        assert estimator.get_params()[parameter] is value
        with pytest.raises(error, match=rule):
            estimator.estimate(make_spectrum())

    def test_weights_without_redshifts(self, tiny_weights):
        with pytest.raises(WeightsError, match=r"weights 'tiny' give no redshifts: .*spectok pretrain"):
            RedshiftEstimator(tiny_weights, "cpu").estimate(make_spectrum())

    def test_bad_spectrum_is_an_error_if_it_is_the_only_one(self, estimator):
        with pytest.raises(ValueError, match="at least 32 good pixels"):
            estimator.estimate(make_spectrum(10))
        with pytest.raises(TypeError, match="obj must be"):
            estimator.estimate(3)
        with pytest.raises(ValueError, match="medium must be"):
            estimator.estimate(make_spectrum(), medium="water")


class TestParameters:
    def test_are_stored_unchanged(self):
        prior = {"GALAXY": 1}
        estimator = RedshiftEstimator("small", z_range=[0, 1], prior=prior)
        assert estimator.get_params()["prior"] is prior
        assert RedshiftEstimator(**estimator.get_params()).get_params() == estimator.get_params()
        assert list(estimator.get_params()) == [
            "weights", "device", "batch_tokens", "z_range", "classes", "prior", "n_best",
        ]  # fmt: skip

    def test_set(self):
        estimator = RedshiftEstimator()
        assert estimator.set_params(n_best=5) is estimator
        assert estimator.n_best == 5
        with pytest.raises(ValueError, match="no parameter 'best'; there are weights, device"):
            estimator.set_params(best=5)

    def test_representations(self):
        assert repr(RedshiftEstimator()) == "RedshiftEstimator()"
        assert repr(RedshiftEstimator(n_best=5, z_range=(0, 1))) == "RedshiftEstimator(z_range=(0, 1), n_best=5)"
        assert "n_best" in RedshiftEstimator()._repr_html_()
