# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files of fitted estimators: what comes back, and what is refused."""

import json

import numpy as np
import pytest
from _adapt import make_labelled
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose
from safetensors.numpy import load, save

from astro_spectok.exceptions import WeightsError, WeightsIntegrityError
from astro_spectok.weights import load_weights
from astro_spectok.weights.format import _DIGEST_KEY, _digest_content, _split

pytest.importorskip("sklearn")

from astro_spectok.adapt import SpectrumClassifier, SpectrumIndex, SpectrumRegressor, SpectrumSet
from astro_spectok.adapt.files import MODEL_KEY, describe_model

SPECTRA, LABELS = make_labelled(24)


@pytest.fixture(scope="module")
def spectra():
    return SpectrumSet(SPECTRA, medium="vacuum")


@pytest.fixture(scope="module")
def regressor(spectra, tiny_weights):
    y = QTable(
        {"depth": LABELS["depth"] * u.K, "logg": LABELS["depth"] * u.dex(u.cm / u.s**2), "plain": LABELS["width"]}
    )
    return SpectrumRegressor(tiny_weights, "cpu", log="plain").fit(spectra, y)


@pytest.fixture(scope="module")
def saved(regressor, tmp_path_factory):
    return regressor.save(tmp_path_factory.mktemp("models") / "mine.safetensors", card="depths of made-up lines")


def test_an_estimator_comes_back_from_its_file(regressor, saved, spectra, tiny_weights):
    """Labels, units, errors and flags; the file is small, and says what it is."""
    loaded = SpectrumRegressor.load(saved, weights=tiny_weights, device="cpu")
    for found, expected in zip(loaded.predict(spectra, True), regressor.predict(spectra, True), strict=True):
        for name in expected.colnames:
            assert found[name].unit == expected[name].unit
            assert_allclose(found[name].value, expected[name].value, rtol=1e-4, atol=1e-6)
    first, second = (model.estimate(spectra)["warn"].tolist() for model in (loaded, regressor))
    assert first == second
    assert saved.stat().st_size < 2e6
    about = describe_model(saved)
    assert about["card"] == "depths of made-up lines"
    assert about["validation"]["depth"]["n"] == 24
    assert about["backbone"]["name"] == "tiny"


def test_a_classifier_comes_back_from_its_file(spectra, tiny_weights, tmp_path):
    model = SpectrumClassifier(tiny_weights, "cpu", class_weight="balanced").fit(spectra, LABELS["kind"])
    path = model.save(tmp_path / "kinds.safetensors")
    loaded = SpectrumClassifier.load(path, weights=tiny_weights, device="cpu")
    assert_allclose(loaded.predict_proba(spectra), model.predict_proba(spectra), atol=1e-4)
    with pytest.raises(WeightsError, match=r"load it with SpectrumClassifier\.load"):
        SpectrumRegressor.load(path, weights=tiny_weights)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path)


def test_another_backbone_is_refused(saved, redshift_weights):
    with pytest.raises(WeightsError, match=r"weights must be those of the estimator .* 'tiny' with the backbone"):
        SpectrumRegressor.load(saved, weights=redshift_weights, device="cpu")


def test_files_of_other_kinds_are_refused(saved, tiny_weights, tmp_path):
    """Weights are no estimator, an estimator is no weights, and a file that was cut is damaged."""
    with pytest.raises(TypeError, match=r"path must be the name of a file .*; got NoneType"):
        SpectrumRegressor.load(None)
    with pytest.raises(WeightsError, match=r"holds no fitted estimator .*but network configuration"):
        SpectrumRegressor.load(tiny_weights)
    with pytest.raises(WeightsError, match=r"holds no network configuration .*but fitted estimator"):
        load_weights(saved)
    spectrum = tmp_path / "spectrum.fits"
    spectrum.write_bytes(b"SIMPLE  =" + bytes(99))
    for read, what in ((SpectrumRegressor.load, "fitted estimator"), (SpectrumIndex.open, "index of spectra")):
        with pytest.raises(WeightsError, match=f"spectrum.fits is no safetensors file with {what} in it"):
            read(spectrum)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(saved.read_bytes()[:-9])
    with pytest.raises(WeightsIntegrityError, match="truncated or damaged"):
        SpectrumRegressor.load(cut)
    with pytest.raises(FileNotFoundError, match="there is none"):
        SpectrumRegressor.load(tmp_path / "none.safetensors")


def forge(path, out, change):
    """The file of an estimator with a change to its description or its tensors, and the digest that goes with it."""
    content = path.read_bytes()
    header, _ = _split(content)
    tensors, texts = load(content), header["__metadata__"]
    model = json.loads(texts[MODEL_KEY])
    change(model, tensors)
    texts[MODEL_KEY] = json.dumps(model)
    texts[_DIGEST_KEY] = _digest_content(*_split(save(tensors, metadata=texts)))
    out.write_bytes(save(tensors, metadata=texts))
    return out


def put(*names, value):
    def change(model, tensors):
        for name in names[:-1]:
            model = model[name]
        model[names[-1]] = value

    return change


def put_tensor(name, value):
    def change(model, tensors):
        tensors[name] = np.asarray(value, np.float32)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("format", value=7), "format must be 1; got 7"),
        (put("kind", value="os"), "kind must be one of regressor, classifier"),
        (put("reading", "grid", "n_pixels", value=10**9), "n_pixels must be an integer from 2 to 65536"),
        (put("reading", "grid", "n_nodes", value=2.5), "n_nodes must be an integer"),
        (put("reading", "grid", "low", value=99), "grid must run from low to high"),
        (put("reading", "blocks", value=["flux"]), "blocks must be tokens"),
        (put("reading", "maps", value=[]), "maps must be 1 to"),
        (put("parameters", "weights", value="/etc/passwd"), "parameters must be out of"),
        (put("state", "units", 0, value="K" * 300), "200 letters at most"),
        (put("state", "units", 0, value="no such unit"), "did not parse as unit"),
        (put("state", "form", value="pickle"), "form must be array"),
        (put("state", "labels", value=["a"]), "labels.scales must have five values"),
        (put("card", value="x" * 20000), "must have 10000 letters at most"),
        (put_tensor("maps.0.weights", np.ones((3, 1))), "maps.0.weights must be"),
        (put_tensor("maps.0.offset", [np.nan]), "maps.0.offset must hold finite numbers"),
        (put_tensor("components.flux.mean", np.full(4, 1e30)), "numbers up to 1e"),
        (put_tensor("components.flux.mean", np.zeros(4)), "components.flux must be at most 8 rows"),
        (put_tensor("domain.scale", [0.0]), "domain must have"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_in_words(change, message, saved, tiny_weights, tmp_path):
    """Each with a digest that is right: made by somebody who has read the code."""
    path = forge(saved, tmp_path / "forged.safetensors", change)
    with pytest.raises(WeightsError, match=message):
        SpectrumRegressor.load(path, weights=tiny_weights, device="cpu")
