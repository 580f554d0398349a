# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Vectors beside spectra: learned from together or alone, kept with a set and a file, and missed in words."""

import pickle

import numpy as np
import pytest
from _adapt import make_labelled

from astro_spectok.adapt import SpectrumClassifier, SpectrumRegressor, SpectrumSet
from astro_spectok.adapt.features import BLOCKS, VECTORS
from astro_spectok.adapt.reading import CANDIDATES, list_candidates
from astro_spectok.exceptions import FlaggedSpectraWarning


@pytest.fixture(scope="module")
def made(tiny_weights):
    """Spectra with vectors that hold what the spectra do not, labels of both, and a model of both."""
    spectra, labels = make_labelled(60)
    rng = np.random.default_rng(5)
    hidden = rng.normal(size=60)
    vectors = np.stack([hidden + 0.05 * rng.normal(size=60), rng.normal(size=60), 2 - hidden], 1)
    beside = SpectrumSet(spectra, vectors=vectors)
    y = {"depth": labels["depth"], "hidden": hidden}
    model = SpectrumRegressor(tiny_weights, "cpu").fit(beside[:45], {k: v[:45] for k, v in y.items()})
    return beside, y, model


class TestVectors:
    def test_both_are_learned(self, made, tiny_weights):
        """What spectra alone do not say is predicted with vectors, and the reverse."""
        beside, y, model = made
        assert model.validation_["hidden"]["r2"] > 0.9
        found = model.predict(beside[45:])
        assert np.corrcoef(found["hidden"], y["hidden"][45:])[0, 1] > 0.95
        alone = SpectrumRegressor(tiny_weights, "cpu").fit(SpectrumSet(beside.batch)[:45], y["hidden"][:45])
        assert alone.validation_["label"]["r2"] < 0.5
        only = SpectrumRegressor(tiny_weights, "cpu", blocks="vectors").fit(
            beside[:45], {k: v[:45] for k, v in y.items()}
        )
        assert only.validation_["hidden"]["r2"] > 0.9
        assert only.validation_["depth"]["r2"] < 0.5 < model.validation_["depth"]["r2"]

    def test_classes(self, made, tiny_weights):
        beside, y, _ = made
        model = SpectrumClassifier(tiny_weights, "cpu").fit(beside[:45], np.where(y["hidden"][:45] > 0, "up", "down"))
        assert (model.predict(beside[45:]) == np.where(y["hidden"][45:] > 0, "up", "down")).mean() > 0.8

    def test_file(self, made, tiny_weights, tmp_path):
        """A file knows that it needs vectors, and gives the same numbers."""
        beside, _, model = made
        path = model.save(tmp_path / "both.safetensors")
        back = SpectrumRegressor.load(path, weights=tiny_weights, device="cpu")
        np.testing.assert_allclose(back.predict(beside[45:])["hidden"], model.predict(beside[45:])["hidden"], atol=1e-5)
        with pytest.raises(ValueError, match="X must have 3 numbers beside each spectrum, as in fit; got none"):
            back.predict(SpectrumSet(beside.batch))

    def test_missed_in_words(self, made, tiny_weights):
        beside, y, model = made
        with pytest.raises(ValueError, match=r"must have 3 numbers .* got 2; give SpectrumSet"):
            model.estimate(SpectrumSet(beside.batch, vectors=beside.vectors[:, :2]))
        plain = SpectrumRegressor(tiny_weights, "cpu").fit(SpectrumSet(beside.batch), y["depth"])
        with pytest.raises(ValueError, match="X must be spectra alone, as in fit; got 3"):
            plain.predict(beside)
        with pytest.raises(ValueError, match="blocks must be out of"):
            SpectrumRegressor(tiny_weights, "cpu", blocks="vectors").fit(SpectrumSet(beside.batch), y["depth"])

    def test_nan_is_one_flagged_row(self, made):
        """No number, a flag and the reason for a row of NaN; others as before."""
        beside, _, model = made
        vectors = beside.vectors[45:].copy()
        vectors[2, 1] = np.nan
        table = model.estimate(SpectrumSet(beside[45:], vectors=vectors))
        assert np.flatnonzero(np.isnan(table["hidden"])).tolist() == [2]
        assert "vectors must be finite" in table["message"][2]
        assert table["warn"][2] & 2048
        kept = np.arange(15) != 2
        np.testing.assert_allclose(table["hidden"][kept], model.predict(beside[45:])["hidden"][kept], atol=1e-6)
        with pytest.warns(FlaggedSpectraWarning, match="vectors must be finite"):
            model.predict(SpectrumSet(beside[45:], vectors=vectors))


class TestSet:
    def test_split_joined_and_pickled(self, made):
        """Vectors stay with their spectra."""
        beside = made[0]
        np.testing.assert_array_equal(beside[[4, 1]].vectors, beside.vectors[[4, 1]])
        np.testing.assert_array_equal(SpectrumSet([beside[:2], beside[5:6]]).vectors, beside.vectors[[0, 1, 5]])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(beside[:3])).vectors, beside.vectors[:3])
        assert SpectrumSet([SpectrumSet(beside.batch)] * 2).vectors is None
        with pytest.raises(ValueError, match="of one length in all sets that are joined; got 3, none"):
            SpectrumSet([beside[:2], SpectrumSet(beside.batch)])
        assert "3 numbers beside each" in repr(beside)

    @pytest.mark.parametrize(
        ("vectors", "error", "match"),
        [
            (
                np.zeros((59, 3)),
                ValueError,
                r"shape \(60, E\), a row for each spectrum; got \(59, 3\); match them by id",
            ),
            (np.zeros(60), ValueError, r"got \(60,\)"),
            ("text", TypeError, "vectors must be an array of numbers"),
        ],
    )
    def test_wrong(self, made, vectors, error, match):
        with pytest.raises(error, match=match):
            SpectrumSet(made[0].batch, vectors=vectors)

    def test_candidates(self):
        """Without vectors as ever; with them each share without and with them, and they alone."""
        assert list_candidates(BLOCKS) == list(CANDIDATES)
        both = list_candidates((*BLOCKS, VECTORS))
        assert len(both) == 2 * len(CANDIDATES) + 1
        assert both[-1] == (0, 0, 0, 0, 0, 0, 1)
        assert list_candidates((*BLOCKS, VECTORS), "vectors")[0][-1] == 1
