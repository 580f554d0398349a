# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Estimators for labels of one's own: units, missing labels, errors, folds, and what scikit-learn asks of them."""

import pickle

import numpy as np
import pytest
from _adapt import WAVELENGTH, make_labelled
from astropy import units as u
from astropy.table import QTable
from astropy.utils.masked import Masked
from conftest import assert_same_vectors
from numpy.testing import assert_allclose, assert_array_equal

from astro_spectok import embed
from astro_spectok.exceptions import FlaggedSpectraWarning, RepeatedObjectsWarning, WeightsError

pytest.importorskip("sklearn")

from _adapt_numbers import Classifier, Regressor
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from astro_spectok.adapt import AdaptFlag, SpectrumClassifier, SpectrumEmbedder, SpectrumRegressor, SpectrumSet
from astro_spectok.adapt.labels import read_classes, read_labels
from astro_spectok.engine import Runner
from astro_spectok.spectra import InputFlag

SPECTRA, LABELS = make_labelled(60)
TRAIN, TEST = slice(0, 40), slice(40, 60)


@pytest.fixture(scope="module")
def spectra():
    """All of the spectra as one set, whose readings are shared by the tests."""
    return SpectrumSet(SPECTRA, medium="vacuum", redshift=0.0)


@pytest.fixture(scope="module")
def regressor(spectra, tiny_weights):
    y = QTable({"depth": 100 * LABELS["depth"][TRAIN] * u.K, "log_width": np.log10(LABELS["width"][TRAIN]) * u.dex})
    y["depth"][:4] = np.nan
    return SpectrumRegressor(tiny_weights, "cpu").fit(spectra[TRAIN], y)


@pytest.fixture(scope="module")
def classifier(spectra, tiny_weights):
    return SpectrumClassifier(tiny_weights, "cpu").fit(spectra[TRAIN], LABELS["kind"][TRAIN])


def test_labels_of_a_table_come_back_with_units_and_errors(regressor, spectra):
    """Missing labels are no harm to the others; the errors are as large as the errors are."""
    found, error = regressor.predict(spectra[TEST], return_std=True)
    assert (found["depth"].unit, found["log_width"].unit, error["log_width"].unit) == (u.K, u.dex, u.dex)
    pull = (found["depth"] - 100 * LABELS["depth"][TEST] * u.K) / error["depth"]
    assert 0.3 < np.sqrt(np.mean(pull.value**2)) < 2.5
    assert regressor.validation_["depth"]["n"] == 36
    assert regressor.score(spectra[TEST], {"depth": 0.1 * LABELS["depth"][TEST] * u.kK,
                                           "log_width": np.log10(LABELS["width"][TEST]) * u.dex}) > 0.8  # fmt: skip


def test_classes_come_with_probabilities(classifier, spectra):
    assert classifier.score(spectra[TEST], LABELS["kind"][TEST]) == 1
    probability = classifier.predict_proba(spectra[TEST])
    assert_allclose(probability.sum(1), 1)
    assert (classifier.classes_[probability.argmax(1)] == classifier.predict(spectra[TEST])).all()


@pytest.mark.parametrize(
    ("y", "kind"),
    [(np.arange(8.0), np.ndarray), (np.arange(8) * u.km, u.Quantity), (np.ones((8, 2)).cumsum(0), np.ndarray),
     ({"a": np.arange(8.0)}, QTable)],
)  # fmt: skip
def test_predictions_have_the_form_of_labels(y, kind, spectra, tiny_weights):
    model = SpectrumRegressor(tiny_weights, "cpu", blocks="flux").fit(spectra[:8], y)
    found = model.predict(spectra[:3])
    assert type(found) is kind
    assert len(found) == 3
    assert np.shape(found)[1:] == np.shape(y)[1:]


def test_logarithmic_units_and_logarithms(spectra, tiny_weights):
    """log g as dex(cm/s2); a label that is learned as its logarithm is never negative."""
    gravity = LABELS["depth"][TRAIN] * u.dex(u.cm / u.s**2)
    model = SpectrumRegressor(tiny_weights, "cpu", blocks="flux").fit(spectra[TRAIN], QTable({"logg": gravity}))
    found, error = model.predict(spectra[TEST], return_std=True)
    assert (found["logg"].unit, error["logg"].unit) == (u.dex(u.cm / u.s**2), u.dex)
    model = SpectrumRegressor(tiny_weights, "cpu", log="label", blocks="flux")
    model.fit(spectra[TRAIN], 1e-17 * LABELS["depth"][TRAIN] ** 4)
    assert (model.predict(spectra) > 0).all()


def test_pipeline_grid_search_groups_and_clone(spectra, tiny_weights):
    """Cross-validation splits sets and lists, without parting medium and redshift from a spectrum."""
    model = SpectrumRegressor(tiny_weights, "cpu", blocks="lines")
    groups = np.arange(24) // 2
    y = LABELS["depth"][:24] * u.m
    scores = cross_val_score(model, spectra[:24], y, cv=GroupKFold(3), groups=groups)
    assert (scores > 0.5).all()
    search = GridSearchCV(model, {"blocks": ["embedding", "flux"]}, cv=3).fit(spectra[:24], y)
    assert search.best_params_ == {"blocks": "flux"}
    assert clone(search.best_estimator_).get_params()["blocks"] == "flux"
    pipeline = make_pipeline(SpectrumEmbedder(tiny_weights, "cpu", medium="vacuum"), StandardScaler())
    assert pipeline.fit_transform(SPECTRA[:4]).shape == (4, 16)


def test_a_set_keeps_what_belongs_to_a_spectrum(tiny_weights):
    """Its parts share what was read; copies do not."""
    made = SpectrumSet(SPECTRA[:4], medium=["air", "vacuum", None, "air"], resolution=[1e3, 2e3, 3e3, None],
                       redshift=[0.0, 0.1, np.nan, 0.3])  # fmt: skip
    part = made[np.array([False, True, False, True])]
    assert [info.medium for info in part.batch.info] == ["vacuum", "air"]
    assert part.redshift.tolist() == [0.1, 0.3]
    assert part.batch.resolution[part.batch.grid(0)][0] == 2000
    assert np.isnan(part.batch.resolution[part.batch.grid(1)][0])
    assert part[1]._shared is SpectrumSet(part)._shared is made._shared
    assert SpectrumSet(part, redshift=0.2)._shared is not made._shared
    assert pickle.loads(pickle.dumps(part))[-1].redshift.tolist() == [0.3]
    with pytest.raises(ValueError, match="medium must be one for all or one for each of the 4 spectra; got 1"):
        SpectrumSet(SPECTRA[:4], medium=["air"])
    for z in ([0.1, None, 0.3, 0.4], np.ma.masked_array([0.1, 9, 0.3, 0.4], [0, 1, 0, 0]),
              Masked([10, 9, 30, 40] * u.percent, [0, 1, 0, 0])):  # fmt: skip
        assert_allclose(SpectrumSet(SPECTRA[:4], redshift=z).redshift, [0.1, np.nan, 0.3, 0.4])
    with pytest.raises(ValueError, match="got a, which is none"):
        SpectrumSet(SPECTRA[:4], redshift=["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="redshift must be above -1"):
        SpectrumSet(SPECTRA[:4], redshift=-2)


def test_rest_frame_aligns_objects(tiny_weights):
    """The same object at two redshifts is the same, and one without a redshift is flagged."""
    moved = [((1 + z) * WAVELENGTH * u.AA, *SPECTRA[k][1:]) for k, z in enumerate(np.linspace(0, 1, 24))]
    spectra = SpectrumSet(moved, medium="vacuum", redshift=np.linspace(0, 1, 24))
    model = SpectrumRegressor(tiny_weights, "cpu", frame="rest").fit(spectra, LABELS["depth"][:24])
    again = SpectrumSet(SPECTRA[40:50], medium="vacuum", redshift=[*np.zeros(9), np.nan])
    with pytest.warns(FlaggedSpectraWarning, match="redshift must be given"):
        found = model.predict(again)
    assert np.isnan(found[9])
    assert np.abs(found[:9] - LABELS["depth"][40:49]).max() < 0.2


def test_bad_spectra_are_rows_of_nothing(classifier, regressor, spectra):
    """One bad spectrum loses no other; classes of text are '', labels NaN."""
    some = [SPECTRA[40], (WAVELENGTH[:9] * u.AA, np.ones(9) * u.Jy), SPECTRA[41]]
    with pytest.warns(FlaggedSpectraWarning):
        assert (classifier.predict(some) != "").tolist() == [True, False, True]
    table = regressor.estimate(some, medium="vacuum")
    assert np.isfinite(table["depth"].value).tolist() == [True, False, True]
    assert table["message"][1].startswith("spectra[1]: spectrum must have at least 32 good pixels")
    assert AdaptFlag(int(table["warn"][1])).unusable
    assert table.meta["weights"] == "tiny"


def test_what_lies_outside_the_domain_is_flagged(regressor, spectra):
    """Half of the range, another kind of spectrum, and labels beyond those learned."""
    few = (SPECTRA[40][0][:150], SPECTRA[40][1][:150], SPECTRA[40][2][:150])
    strange = (SPECTRA[40][0], (1 + 0.9 * np.sin(WAVELENGTH / 20)) * u.Jy, SPECTRA[40][2])
    warn = regressor.estimate([SPECTRA[40], few, strange], medium="vacuum")["warn"]
    assert AdaptFlag(int(warn[0])) & ~AdaptFlag(63) == AdaptFlag.NONE
    assert AdaptFlag.LITTLE_COVERAGE in AdaptFlag(int(warn[1]))
    assert AdaptFlag.UNLIKE_TRAINING in AdaptFlag(int(warn[2]))


def test_flags_of_the_input_have_names():
    """As those of the label have: bits without a name would be printed as numbers."""
    for flag in InputFlag:
        assert AdaptFlag[flag.name].value == flag.value


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.arange(7), ValueError, "one value of 'label' for each of the 8 spectra"),
        (np.full(8, np.nan), ValueError, "at least 4 spectra that can be used and have a label; got 0"),
        (["a"] * 8, TypeError, "must hold real numbers"),
        (np.arange(8) + 1j, TypeError, "must hold real numbers"),
        (np.full(8, 0.1), ValueError, "must differ from spectrum to spectrum; got 0.1 for all"),
        (np.full(8, np.inf), ValueError, "must be finite"),
        (None, ValueError, "y must be the labels"),
    ],
)
def test_bad_labels_are_refused_in_words(y, error, message, spectra, tiny_weights):
    with pytest.raises(error, match=message):
        SpectrumRegressor(tiny_weights, "cpu").fit(spectra[:8], y)


def test_labels_of_a_structured_array_are_those_of_a_table():
    """scikit-learn splits these, and no table of astropy: with units and without."""
    plain = np.array([(1.0, 4.0), (2.0, np.nan)], dtype=[("a", float), ("b", float)])
    labels = read_labels(plain, 2)
    assert (labels.names, labels.units, labels.form) == (("a", "b"), (None, None), "table")
    assert_array_equal(labels.values, [[1, 4], [2, np.nan]])
    labels = read_labels(u.Quantity(plain, "(km, mag)"), 2)
    assert labels.units == (u.km, u.mag)
    assert read_labels(u.Quantity(plain, "(m, mag)"), 2, like=labels).values[1, 0] == 0.002


@pytest.mark.parametrize(
    ("y", "classes", "number"),
    [
        ([1, None, 0, True], [0, 1], [1, -1, 0, 1]),
        ([2.0, np.nan, 1.0], [1, 2], [1, -1, 0]),
        (np.array(["b", None, "a"], object), ["a", "b"], [1, -1, 0]),
        (np.array([b"b", np.nan, b"a"], object), ["a", "b"], [1, -1, 0]),
        (np.ma.masked_array([5, 6, 5], [True, False, False]), [5, 6], [-1, 1, 0]),
        ([None, None], [], [-1, -1]),
    ],
)
def test_classes_of_any_type(y, classes, number):
    """Whole numbers stay whole where some are unknown."""
    found, which = read_classes(y, len(y))
    assert (found.tolist(), which.tolist()) == (classes, number)
    assert found.dtype.kind in "iU"


def test_classes_that_pandas_does_not_know():
    pandas = pytest.importorskip("pandas")
    for dtype in ("object", "Int64"):
        found, number = read_classes(pandas.Series([3, pandas.NA, 4], dtype=dtype), 3)
        assert (found.tolist(), number.tolist()) == ([3, 4], [0, -1, 1])


def test_a_set_is_no_array(spectra):
    with pytest.raises(TypeError, match=r"no array of numbers: .* put SpectrumEmbedder"):
        np.asarray(spectra)


def test_nothing_goes_through_the_network_twice(tiny_weights, monkeypatch):
    """Not even what is altered to see what other instruments do, in fits with some of the spectra."""
    seen = []
    real = Runner.encode
    monkeypatch.setattr(Runner, "encode", lambda self, part, **k: seen.append(len(part)) or real(self, part, **k))
    spectra, y = SpectrumSet(SPECTRA[:12], medium="vacuum"), LABELS["depth"][:12]
    model = SpectrumRegressor(tiny_weights, "cpu", blocks="flux").fit(spectra, y)
    assert sum(seen) == 12 * 4
    shifts, seen[:] = model.transfer_.shifts, []
    model.fit(spectra[np.arange(12)[::-1]], y[::-1])
    model.fit(spectra[2:], y[2:]).predict(spectra[:2])
    assert sum(seen) == 0
    assert (shifts > 0).all()


def test_wrong_units_are_refused_in_words(regressor, spectra):
    y = {"depth": LABELS["depth"][:4], "log_width": LABELS["width"][:4] * u.dex}
    with pytest.raises(u.UnitsError, match="'depth' must have a unit that converts to K, as in fit; got none"):
        regressor.score(spectra[:4], y)
    with pytest.raises(u.UnitsError, match="converts to K, as in fit; got m"):
        regressor.score(spectra[:4], y | {"depth": LABELS["depth"][:4] * u.m})
    with pytest.raises(ValueError, match="got none named depth"):
        regressor.score(spectra[:4], {"log_width": y["log_width"]})


@pytest.mark.parametrize(
    ("y", "message"),
    [(["a"] * 8, "got the class a alone"), ([""] * 8, "more than one class; got none"),
     (np.linspace(0, 1, 8), "Unknown label type: continuous"),
     (["a", 1] * 4, "must be all text or all whole numbers; got 'a' among others"),
     ([1, "a", *"abab", None, None], "must be all text or all whole numbers; got 1 among others"),
     ([{}] * 8, "must be text or whole numbers; got the type object")],
)  # fmt: skip
def test_bad_classes_are_refused_in_words(y, message, spectra, tiny_weights):
    with pytest.raises(ValueError, match=message):
        SpectrumClassifier(tiny_weights, "cpu").fit(spectra[:8], y)


@pytest.mark.parametrize("name", ["adapt", "frame", "blocks", "log"])
def test_bad_parameters_are_refused_in_words(name, spectra, tiny_weights):
    with pytest.raises(ValueError, match=f"{name} must"):
        SpectrumRegressor(tiny_weights, "cpu").set_params(**{name: "none"}).fit(spectra[:8], np.arange(8.0))


def test_what_would_be_passed_over_is_refused(spectra, classifier, regressor, tiny_weights):
    """Blocks of none, weights of classes that are not there, and weights of other spectra."""
    for blocks in ([], 3):
        with pytest.raises(ValueError, match="blocks must be one or more of tokens"):
            SpectrumRegressor(tiny_weights, "cpu", blocks=blocks).fit(spectra[:8], np.arange(8.0))
    with pytest.raises(ValueError, match="class_weight must name classes of y, absorption, emission; got other"):
        SpectrumClassifier(tiny_weights, "cpu", class_weight={"other": 2}).fit(spectra[:8], LABELS["kind"][:8])
    for model, y in ((classifier, LABELS["kind"][:4]), (regressor, regressor.predict(spectra[:4]))):
        with pytest.raises(ValueError, match=r"sample_weight must be one number .* each of the 4 spectra; got .*2"):
            model.score(spectra[:4], y, sample_weight=[1, 1])
        with pytest.raises(TypeError, match="sample_weight must be numbers"):
            model.score(spectra[:4], y, sample_weight=["a"] * 4)


def test_what_belongs_to_spectra_may_be_given_where_they_are(spectra, classifier, regressor):
    """As for fit, without a set of them."""
    assert (classifier.predict(SPECTRA[:3], medium="vacuum") == classifier.predict(spectra[:3])).all()
    own = classifier.predict_proba(SPECTRA[:3], medium="vacuum")
    assert_allclose(own, classifier.predict_proba(spectra[:3]), atol=1e-6)
    found = regressor.predict(SPECTRA[:3], medium="vacuum")["depth"]
    assert_allclose(found.value, regressor.predict(spectra[:3])["depth"].value, rtol=1e-5)
    with pytest.raises(ValueError, match="medium and resolution must be given when a SpectrumSet is made"):
        regressor.predict(spectra[:3], medium="vacuum")


def test_what_is_missing_is_named(spectra, tiny_weights):
    """Redshifts for the rest frame, and the name of a label where a switch was given."""
    bare = SpectrumSet([SPECTRA[i] for i in range(8)], medium="vacuum")
    with (
        pytest.warns(FlaggedSpectraWarning),
        pytest.raises(ValueError, match="the first that cannot: redshift must be given"),
    ):
        SpectrumRegressor(tiny_weights, "cpu", frame="rest").fit(bare, np.arange(8.0))
    with pytest.raises(TypeError, match="log must be the name of a label"):
        SpectrumRegressor(tiny_weights, "cpu", log=True).fit(spectra[:8], np.arange(1.0, 9.0))


def test_repeated_objects_are_noticed(spectra, tiny_weights):
    """Copies of a spectrum on both sides of a fold: a warning, and none where groups keep them together."""
    twice = spectra[np.arange(16) // 2]
    model = SpectrumRegressor(tiny_weights, "cpu", blocks="flux")
    with pytest.warns(RepeatedObjectsWarning, match="8 spectra are copies of others"):
        model.fit(twice, np.arange(16) // 2)
    model.fit(twice, np.arange(16) // 2, groups=np.arange(16) // 2)
    with pytest.raises(ValueError, match="groups must be at least 3"):
        model.fit(twice, np.arange(16) // 2, groups=np.arange(16) // 8)
    with pytest.raises(ValueError, match="groups must be one for each of the 16 spectra"):
        model.fit(twice, np.arange(16) // 2, groups=[1, 2])
    some = np.arange(16) < 3
    for groups in (np.where(some, np.nan, 1), np.where(some, None, "a"), np.ma.masked_array(np.arange(16), some)):
        with pytest.raises(ValueError, match="groups must be known of all spectra; got none of 3"):
            model.fit(twice, np.arange(16) // 2, groups=groups)


def test_another_backbone_is_refused(regressor, spectra, redshift_weights):
    other = pickle.loads(pickle.dumps(regressor)).set_params(weights=redshift_weights)
    with pytest.raises(WeightsError, match="weights must be those of this SpectrumRegressor, 'tiny' with the backbone"):
        other.predict(spectra[:2])


def test_vectors_are_those_of_embed(tiny_weights):
    model = SpectrumEmbedder(tiny_weights, "cpu", medium="vacuum")
    vectors = model.transform(SPECTRA[:3])
    assert_same_vectors(vectors, embed(SPECTRA[:3], weights=tiny_weights, device="cpu", medium="vacuum"))
    assert model.get_feature_names_out()[-1] == "embedding_15"
    pandas = pytest.importorskip("pandas")
    frame = model.set_output(transform="pandas").fit_transform(SPECTRA[:3])
    assert isinstance(frame, pandas.DataFrame)


#: checks of scikit-learn that fail, and why; without ``legacy`` none of them is run
EXPECTED = {
    "check_supervised_y_2d": "a column is one label of a table, and comes back as such",
}


@pytest.mark.filterwarnings("ignore::astro_spectok.exceptions.RepeatedObjectsWarning")
@pytest.mark.parametrize("cls", [Regressor, Classifier])
def test_checks_of_scikit_learn(cls, tiny_weights):
    """Spectra are drawn from the plain numbers that the checks hand over; all others of their checks pass as well."""
    model = cls(tiny_weights, "cpu", blocks="flux")
    results = check_estimator(model, legacy=False, expected_failed_checks=EXPECTED, on_fail=None, on_skip=None)
    assert {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"} == {}
    assert len([r for r in results if r["status"] == "passed"]) > 8


def test_nothing_is_predicted_before_a_fit(spectra):
    with pytest.raises(NotFittedError, match="call fit"):
        SpectrumClassifier().predict(spectra[:2])
