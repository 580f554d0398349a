# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ClassEstimator` and `classify`: the posterior summed over redshift."""

import numpy as np
import pytest
from _redshift import fake_measure, make_flat, make_scores
from conftest import make_spectrum, rewrite

from astro_spectok.estimators import ClassEstimate, ClassEstimator, classify
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.redshift import RedshiftFlag

#: two redshifts of a galaxy, each less probable than one of a quasar
SPLIT = make_scores(("GALAXY", 0.5, 5e-4, 0.32), ("GALAXY", 1.0, 5e-4, 0.3), ("QSO", 2.0, 5e-4, 0.38))
SURE = make_scores(("STAR", 0.0, 5e-4, 1.0))


def test_one(redshift_weights, monkeypatch):
    """The class that is most probable in all, not that of the best single solution."""
    fake_measure(monkeypatch, SPLIT)
    found = classify(make_spectrum(), weights=redshift_weights, device="cpu")
    assert isinstance(found, ClassEstimate)
    assert (found.spectype, found.zwarn) == ("GALAXY", RedshiftFlag.LOW_CONFIDENCE)
    assert found.class_probability == pytest.approx({"GALAXY": 0.62, "QSO": 0.38, "STAR": 0}, abs=1e-4)
    assert found.p_best == found.class_probability["GALAXY"]
    assert found.meta["estimator"] == "ClassEstimator"
    assert repr(found).startswith("<ClassEstimate: GALAXY 0.620; QSO 0.380; STAR 0.000; zwarn LOW_CONFIDENCE; S/N")
    assert "QSO" in found._repr_html_()


def test_many(redshift_weights, monkeypatch):
    """One row each, in order; flags are those that are about the class."""
    spectrum = make_spectrum()
    fake_measure(monkeypatch, SURE, None, make_flat(), SURE, types={"CV": 0.75, "B": 0.25})
    spectra = [spectrum, make_spectrum(10), spectrum, rewrite(spectrum, flux=-spectrum.flux)]
    with pytest.warns(FlaggedSpectraWarning):
        table = ClassEstimator(redshift_weights, "cpu").estimate(spectra)
    assert table.colnames == [
        "spectype", "p_galaxy", "p_qso", "p_star", "p_best", "zwarn", "snr", "mk_type", "p_mk_type",
    ]  # fmt: skip
    assert table["spectype"][[0, 1, 3]].tolist() == ["STAR", "", "STAR"]
    np.testing.assert_allclose(table["p_star"], [1, np.nan, 1 / 3, 1], rtol=1e-4)
    assert table["mk_type"][[0, 1, 3]].tolist() == ["CV", "", "CV"]
    np.testing.assert_array_equal(table["p_mk_type"][[0, 1, 3]], [0.75, np.nan, 0.75])
    assert table["zwarn"].tolist() == [
        0, RedshiftFlag.TOO_FEW_PIXELS, RedshiftFlag.SKY_LIKE | RedshiftFlag.LOW_CONFIDENCE,
        RedshiftFlag.NEGATIVE_CONTINUUM,
    ]  # fmt: skip
    assert table.meta["weights"] == "tiny-redshift"


def test_type_of_one(redshift_weights, monkeypatch):
    """Of a star; a galaxy has none."""
    fake_measure(monkeypatch, SURE, types={"L": 0.9, "T": 0.1})
    found = classify(make_spectrum(), weights=redshift_weights, device="cpu")
    assert (found.mk_type, found.mk_probability) == ("L", 0.9)
    assert "type L (0.900)" in repr(found)
    fake_measure(monkeypatch, SPLIT, types={"L": 0.9, "T": 0.1})
    found = classify(make_spectrum(), weights=redshift_weights, device="cpu")
    assert (found.mk_type, np.isnan(found.mk_probability)) == ("", True)
    assert "type" not in repr(found)


def test_choices(redshift_weights, monkeypatch):
    """Classes, range and prior are those of the redshift estimator."""
    fake_measure(monkeypatch, SPLIT)
    options = {"weights": redshift_weights, "device": "cpu"}
    assert classify(make_spectrum(), classes=["QSO", "STAR"], **options).spectype == "QSO"
    assert list(classify(make_spectrum(), classes=["QSO", "STAR"], **options).class_probability) == ["QSO", "STAR"]
    assert classify(make_spectrum(), z_range={"GALAXY": (2, 3)}, **options).spectype == "QSO"
    assert classify(make_spectrum(), prior={"GALAXY": 1, "QSO": 5, "STAR": 1}, **options).spectype == "QSO"
    with pytest.raises(TypeError, match="n_best"):
        classify(make_spectrum(), n_best=3, **options)
    assert list(ClassEstimator().get_params()) == ["weights", "device", "z_range", "classes", "prior"]
