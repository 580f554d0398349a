# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The methods on specutils' containers are the functions."""

import inspect
import logging
import pickle
import warnings

import numpy as np
import pytest
from astropy import units as u
from conftest import make_spectrum
from specutils import Spectrum, SpectrumCollection, SpectrumList

import astro_spectok
from astro_spectok import accessors
from astro_spectok.accessors import register_accessors

NAMES = ["tokenize", "embed"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("container", [Spectrum, SpectrumCollection, SpectrumList])
def test_method_is_function(container, name):
    """The same object, so they can differ in nothing; all but the spectrum is given by keyword."""
    function = getattr(astro_spectok, name)
    method = inspect.getattr_static(container, name)
    assert method is function
    assert "Parameters" in method.__doc__ or "tokenize" in method.__doc__
    kinds = [p.kind for p in inspect.signature(method).parameters.values()]
    assert kinds[0] is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert set(kinds[1:]) == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("make", [lambda s: s, lambda s: SpectrumList([s, s])])
def test_results(tiny_weights, make):
    obj = make(make_spectrum())
    np.testing.assert_array_equal(
        obj.embed(weights=tiny_weights, medium="air"), astro_spectok.embed(obj, weights=tiny_weights, medium="air")
    )
    expected = astro_spectok.tokenize(obj, weights=tiny_weights)
    actual = obj.tokenize(weights=tiny_weights)
    assert type(actual) is type(expected)
    np.testing.assert_array_equal(actual.embedding, expected.embedding)


def test_collection(tiny_weights):
    spectrum = make_spectrum()
    flux, axis = (u.Quantity([x, x]) for x in (spectrum.flux, u.Quantity(spectrum.spectral_axis)))
    collection = SpectrumCollection(flux=flux, spectral_axis=axis)
    assert collection.embed(weights=tiny_weights).shape == (2, 16)


def test_spectrum1d(tiny_weights):
    """The old name has them too; only its construction warns."""
    from specutils import Spectrum1D

    spectrum = make_spectrum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = Spectrum1D(flux=spectrum.flux, spectral_axis=u.Quantity(spectrum.spectral_axis))
    assert old.embed(weights=tiny_weights).shape == (16,)
    assert len(old.tokenize(weights=tiny_weights)) == 22


def test_registration_is_idempotent(caplog):
    before = [inspect.getattr_static(container, name) for container in accessors.CONTAINERS for name in NAMES]
    with caplog.at_level(logging.DEBUG, logger="astro_spectok"):
        register_accessors()
    after = [inspect.getattr_static(container, name) for container in accessors.CONTAINERS for name in NAMES]
    assert all(a is b for a, b in zip(after, before, strict=True))
    assert not caplog.records


def test_foreign_attribute_is_left_alone(monkeypatch, caplog):
    def embed(self):
        return "theirs"

    monkeypatch.setattr(Spectrum, "embed", embed)
    with caplog.at_level(logging.WARNING, logger="astro_spectok"):
        register_accessors()
    assert make_spectrum().embed() == "theirs"
    assert [record.getMessage() for record in caplog.records] == [
        "Spectrum.embed exists already and is left alone; use astro_spectok.embed(spectrum)"
    ]


def test_attribute_is_put_back(monkeypatch):
    monkeypatch.delattr(SpectrumList, "embed")
    register_accessors()
    assert SpectrumList.embed is astro_spectok.embed


def test_containers_still_pickle():
    assert len(pickle.loads(pickle.dumps(SpectrumList()))) == 0
