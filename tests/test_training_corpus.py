# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the corpus, on a small synthetic directory in the documented layout."""

import numpy as np
import pytest
from _training_data import write_corpus, write_stored

from astro_spectok.simulate.public_sets import SIMULATED, STORED, find_sets
from astro_spectok.spectra import convert_to_vacuum
from astro_spectok.training.corpus import Corpus

ALL_SETS = {
    "desi_real_unlabelled": "observed",
    "marz_redshift_templates": "galaxy",
    "miles_real_stars": "star",
    "pickles_stars": "star",
    "ssp_galaxy_templates": "galaxy",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """The synthetic sets."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def draw_many(corpus, n=300, seed=0):
    """Sources by the name of their set."""
    rng = np.random.default_rng(seed)
    sources = {}
    for _ in range(n):
        source = corpus.draw(rng)
        sources.setdefault(source.name, []).append(source)
    return sources


def test_every_set_is_found_and_drawn(directory):
    """And has the kind that decides how it may be moved."""
    corpus = Corpus(directory)
    sources = draw_many(corpus)
    assert corpus.names == list(ALL_SETS)
    assert {name: drawn[0].kind for name, drawn in sources.items()} == ALL_SETS
    assert list(find_sets(directory)) == corpus.names


def test_every_source_is_finite_and_in_order(directory):
    """Whatever makes it."""
    for name, drawn in draw_many(Corpus(directory)).items():
        for source in drawn:
            assert source.ln_wavelength.dtype == np.float64, name
            assert len(source.flux) == len(source.ln_wavelength) > 100, name
            assert np.isfinite(source.flux).all(), name
            assert np.isfinite(source.ln_wavelength).all(), name
            assert (np.diff(source.ln_wavelength) > 0).all(), name
            assert np.std(source.flux) > 0, name


def test_draws_vary_and_depend_on_the_generator_alone(directory):
    """Two corpora give the same with the same seed; a set gives more than one spectrum."""
    one, other, third = (draw_many(Corpus(directory), 80, seed) for seed in (1, 1, 2))
    assert list(one) == list(other)
    for name, drawn in one.items():
        for a, b in zip(drawn, other[name], strict=True):
            np.testing.assert_array_equal(a.flux, b.flux)
    assert [len(drawn) for drawn in one.values()] != [len(drawn) for drawn in third.values()]
    for name, drawn in one.items():
        assert len({source.flux.tobytes() for source in drawn}) > 1, name


def test_sets_in_air_are_converted(directory):
    """By the set's name or by the origin of the spectrum; all others stay as they are."""
    sources = draw_many(Corpus(directory))
    optical = np.linspace(3800, 7400, 1200).astype(np.float32).astype(float)
    np.testing.assert_allclose(sources["pickles_stars"][0].ln_wavelength, np.log(optical), rtol=1e-14)
    for source in sources["miles_real_stars"]:
        np.testing.assert_allclose(source.ln_wavelength, np.log(convert_to_vacuum(optical)), rtol=1e-14)
    first = {len(s.flux): np.exp(s.ln_wavelength[0]) for s in sources["ssp_galaxy_templates"]}
    air, vacuum = convert_to_vacuum(np.array([3700.0]))[0], 3700.0
    assert [first[n] for n in (700, 750, 800, 850)] == pytest.approx([air, vacuum, air, vacuum], rel=1e-9)


def test_eigenvectors_are_no_spectra(directory):
    """Of the four rows two are left."""
    lengths = {len(source.flux) for source in draw_many(Corpus(directory))["marz_redshift_templates"]}
    assert lengths == {750, 850}


def test_errors_are_kept_where_they_are_known(directory):
    """``ivar`` 1 throughout means that none is; bad pixels of a set with errors stay, with ``ivar`` 0."""
    sources = draw_many(Corpus(directory))
    assert all(source.ivar is None for source in sources["miles_real_stars"])
    for source in sources["desi_real_unlabelled"]:
        assert len(source.ivar) == len(source.flux) == 900
        assert (source.ivar == 0).any()
        assert source.ivar.max() == pytest.approx(400)


def test_bad_pixels_of_sets_without_errors_are_cut(tmp_path):
    """NaN, zero ``ivar`` and steps back in wavelength."""
    rng = np.random.default_rng(0)
    path = tmp_path / "pickles_stars.npz"
    write_stored(path, [np.linspace(4000, 6000, 500)], rng)
    with np.load(path) as data:
        arrays = dict(data)
    arrays["flux"][10], arrays["ivar"][20], arrays["wave"][30] = np.nan, 0, arrays["wave"][29]
    np.savez(path, **arrays)
    source = Corpus(tmp_path).draw(rng)
    assert len(source.flux) == 497
    assert np.isfinite(source.flux).all()
    assert (np.diff(source.ln_wavelength) > 0).all()


@pytest.mark.parametrize("exists", [True, False])
def test_directory_without_sets_is_named(tmp_path, exists):
    """The message distinguishes a missing directory from an empty one, and says what to give."""
    directory = tmp_path / "nowhere"
    if exists:
        directory.mkdir()
        (directory / "other.npz").write_bytes(b"")
    reason = "holds none of the known sets" if exists else "is not a directory"
    with pytest.raises(FileNotFoundError, match=f"data: .*nowhere {reason}.*give the directory"):
        Corpus(directory)


@pytest.mark.parametrize("name", SIMULATED)
def test_sets_for_the_simulator_are_found_and_not_drawn(tmp_path, name):
    """Bases and grids are no spectra: they are known, and not read here."""
    assert name not in STORED
    path = tmp_path / f"{name}.npz"
    path.write_bytes(b"not looked at")
    assert find_sets(tmp_path) == {name: path}
    assert Corpus(tmp_path).names == []


def test_weights_of_the_draw(directory):
    """Sets are drawn as often as their weights say, not as large as they are."""
    sources = draw_many(Corpus(directory), 2000)
    share = {name: len(drawn) / 2000 for name, drawn in sources.items()}
    total = 0.6 + 0.7 + 1.5 + 0.6 + 1.0
    assert share["miles_real_stars"] == pytest.approx(1.5 / total, rel=0.1)
    assert share["pickles_stars"] == pytest.approx(0.6 / total, rel=0.2)
