# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Indices of spectra and outliers: what is found, what is refused, and what stays on the disk."""

import json

import numpy as np
import pytest
from _adapt import WAVELENGTH, make_labelled
from astropy import units as u
from numpy.testing import assert_allclose
from safetensors.numpy import load, save

from astro_spectok.adapt import SpectrumIndex, outlier_score
from astro_spectok.adapt.index_files import INDEX_KEY
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError
from astro_spectok.weights.format import _split

SPECTRA, LABELS = make_labelled(12)
TABLE = {"depth": LABELS["depth"] * u.mm, "kind": LABELS["kind"], "number": np.arange(12)}
BAD = (WAVELENGTH[:9] * u.AA, np.ones(9) * u.Jy)


@pytest.fixture(scope="module")
def index(tiny_weights):
    return SpectrumIndex(SPECTRA, TABLE, weights=tiny_weights, device="cpu", medium="vacuum")


@pytest.fixture(scope="module")
def saved(index, tmp_path_factory):
    return index.save(tmp_path_factory.mktemp("index") / "archive.safetensors")


def test_each_spectrum_finds_itself_and_its_row(index):
    found = index.search(SPECTRA, 3, medium="vacuum")
    assert found["query"].tolist() == np.repeat(np.arange(12), 3).tolist()
    assert found["rank"].tolist() == [1, 2, 3] * 12
    assert found["row"][::3].tolist() == found["number"][::3].tolist() == list(range(12))
    assert_allclose(found["likeness"][::3], 1, atol=1e-5)
    assert (np.diff(found["likeness"].reshape(12, 3), axis=1) <= 0).all()


def test_search_by_vector_is_exact(index):
    """The same as sorting all likenesses, over the border of blocks too."""
    likeness = index.vectors @ index.vectors[4]
    found = index.search(index.vectors[4], 12)
    assert_allclose(found["likeness"], np.sort(likeness)[::-1], atol=1e-6)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"kind": "emission"}, LABELS["kind"] == "emission"),
        ({"depth": (0.3 * u.mm, None)}, LABELS["depth"] >= 0.3),
        ({"depth": (None, 300 * u.um)}, LABELS["depth"] <= 0.3),
        ({"number": (3, 8), "kind": ["emission"]}, np.isin(np.arange(12), [3, 6])),
        (np.arange(12) < 5, np.arange(12) < 5),
        (lambda table: table["number"] > 9, np.arange(12) > 9),
    ],
)  # fmt: skip
def test_rows_are_chosen_by_columns(where, expected, index):
    found = index.search(index.vectors[0], 12, where=where)
    assert sorted(found["row"].tolist()) == np.flatnonzero(expected).tolist()


def test_an_index_is_opened_without_being_read(index, saved, tiny_weights):
    opened = SpectrumIndex.open(saved, weights=tiny_weights, device="cpu")
    assert isinstance(opened.vectors, np.memmap)
    first, second = (one.search(SPECTRA[:2], 4, medium="vacuum") for one in (index, opened))
    for name in first.colnames:
        assert (first[name] == second[name]).all(), name


def test_more_is_added_at_the_end(saved, tiny_weights, tmp_path):
    """Bad spectra keep their place, and are never found."""
    opened = SpectrumIndex.open(saved, weights=tiny_weights, device="cpu")
    table = {"depth": [1, 2] * u.mm, "kind": ["a longer text", ""], "number": [12, 13]}
    with pytest.warns(FlaggedSpectraWarning):
        opened.add([BAD, SPECTRA[0]], table, medium="vacuum")
    again = SpectrumIndex.open(opened.save(tmp_path / "more.safetensors"), weights=tiny_weights, device="cpu")
    found = again.search(again.vectors[0], 20)
    assert len(again) == 14
    assert 12 not in found["row"]
    assert sorted(found["row"][:2].tolist()) == [0, 13]
    assert again.table.read("kind")[12] == "a longer text"
    said = r"the columns and units of the index, depth \[mm\], kind \[text\], number \[numbers\]; got depth \[K\]$"
    with pytest.raises(ValueError, match=said):
        opened.add(SPECTRA[:1], {"depth": [1] * u.K}, medium="vacuum")
    for bad in ({"depth": [1] * u.K}, {"depth": [1]}, {"kind": [3]}):
        with pytest.raises(ValueError, match="the columns and units of the index"):
            opened.add(SPECTRA[:1], {"depth": [1] * u.mm, "kind": ["a"], "number": [1]} | bad, medium="vacuum")
    opened.add(SPECTRA[:1], {"depth": [1] * u.m, "kind": ["a"], "number": [1]}, medium="vacuum")
    assert opened.table.take([14])["depth"][0] == 1000 * u.mm


def test_what_does_not_fit_is_refused_in_words(index, redshift_weights, saved, tmp_path):
    with pytest.raises(ValueError, match="table must have one row for each of the 2 spectra; got 12"):
        SpectrumIndex(SPECTRA[:2], TABLE)
    with pytest.raises(ValueError, match="where must name columns of the index, which are depth, kind, number"):
        index.search(index.vectors[0], where={"z": 1})
    for wanted, match in (
        ({"depth": (2, 1)}, r"low below high; got \(2, 1\) for 'depth'"),
        ({"depth": (0, np.nan)}, "low below high"),
        ({"depth": "deep"}, "where must be a number for the column 'depth', as that is; got 'deep'"),
        ({"number": None}, "where must be a number"),
        ({"kind": [3]}, "where must be text for the column 'kind', as that is; got 3"),
    ):
        with pytest.raises(ValueError, match=match):
            index.search(index.vectors[0], where=wanted)
    with pytest.raises(ValueError, match="where must be a mask of 12 values"):
        index.search(index.vectors[0], where=[True])
    for wanted in ({"depth": (1 * u.K, None)}, {"depth": 1 * u.K}, {"number": [1 * u.K]}):
        with pytest.raises(
            u.UnitsError, match=r"where: what is wanted of '(depth|number)' must have (a|no) unit.*; got K"
        ):
            index.search(index.vectors[0], where=wanted)
    assert len(index.search(np.zeros(16))) == 0
    assert len(index.search(np.arange(16), 3)) == 3
    with pytest.raises(ValueError, match=r"vectors of the shape \(16,\) or \(m, 16\); got \(3,\)"):
        index.search(np.ones(3))
    with pytest.raises(ValueError, match=r"vectors of the shape .*; got \(1, 1, 16\)"):
        index.search(np.ones((1, 1, 16)))
    with pytest.raises(TypeError, match="vectors must be rows of numbers"):
        SpectrumIndex.from_vectors([["a"]])
    with pytest.raises(TypeError, match="table must be a Table, a data frame or a dict of columns; got str"):
        SpectrumIndex(SPECTRA[:2], "depth")
    with pytest.raises(ValueError, match="k must be a positive integer; got 0"):
        index.search(index.vectors[0], 0)
    with pytest.raises(ValueError, match="must hold spectra before it is searched"):
        SpectrumIndex().search(np.ones(3))
    with pytest.raises(WeightsError, match="weights must be those of this index, 'tiny'"):
        SpectrumIndex.open(saved, weights=redshift_weights, device="cpu").search(SPECTRA[0])
    with pytest.raises(WeightsError, match=r"holds no index of spectra .*but network configuration"):
        SpectrumIndex.open(redshift_weights)
    with pytest.raises(FileNotFoundError, match="there is none"):
        SpectrumIndex.open(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 13}, "vectors must have 13 rows"),
        ({"columns": ["a"] * 2000}, "at most 1000 columns"),
        ({"columns": ["kind"] * 9}, "columns.0"),
        ({"text": []}, "columns.1 must have 12 rows"),
        ({"backbone": None}, "cannot be used as an index"),
    ],
)
def test_hostile_indices_are_refused_in_words(change, message, saved, tmp_path):
    content = saved.read_bytes()
    texts = _split(content)[0]["__metadata__"]
    texts[INDEX_KEY] = json.dumps(json.loads(texts[INDEX_KEY]) | change)
    path = tmp_path / "forged.safetensors"
    path.write_bytes(save(load(content), metadata=texts))
    with pytest.raises(WeightsError, match=message):
        SpectrumIndex.open(path)


def test_the_odd_one_is_rarest(index, tiny_weights):
    """A spectrum of waves among spectra of lines; one that cannot be used has a message, and no score."""
    strange = (SPECTRA[0][0], (1 + 0.9 * np.sin(WAVELENGTH / 20)) * u.Jy, SPECTRA[0][2])
    options = {"weights": tiny_weights, "device": "cpu", "medium": "vacuum", "surprise": False, "k": 2}
    with pytest.warns(FlaggedSpectraWarning):
        scores = outlier_score([SPECTRA[1], strange, BAD], index, **options)
    assert scores.table["distance"][1] > 3 * scores.table["distance"][0]
    assert scores.table["rarity"][1] == 1
    assert np.isnan(scores.table["rarity"][2])
    assert scores.table["message"][2].startswith("spectra[2]")
    own = outlier_score([*SPECTRA, strange], **options)
    assert own.table["distance"].argmax() == 12
    with pytest.raises(ValueError, match="without a reference, obj must hold more than k=2 spectra"):
        outlier_score(SPECTRA[:2], **options)
    for i, error in ((13, IndexError), ("1", TypeError)):
        with pytest.raises(error, match="i must be the number of"):
            own.plot(i)
    with pytest.raises(ValueError, match="surprise=False"):
        own.plot(0)


def test_every_good_pixel_is_expected_once(tiny_weights):
    """Whatever the network expects: bad pixels are left out, and all others compared."""
    flux = SPECTRA[0][1].copy()
    flux[100:103] = np.nan
    scores = outlier_score([(SPECTRA[0][0], flux, SPECTRA[0][2]), *SPECTRA[1:4]], k=1, weights=tiny_weights,
                           device="cpu", medium="vacuum")  # fmt: skip
    assert [len(x) for x in scores.deviation] == [317, 320, 320, 320]
    assert np.isfinite(scores.table["surprise"]).all()
    assert all(np.isfinite(x).all() for x in scores.expected)
    odd = scores.table["odd_wavelength"][1].value
    assert odd in scores.wavelength[1]
    axes = scores.plot(0)
    assert axes[1].get_xlabel().startswith("Wavelength")
