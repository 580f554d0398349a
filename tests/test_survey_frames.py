# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Data frames in and out: the same results whatever holds the spectra, in engines with partitions of their own."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from _multimodal import make_rows, write_parquet
from conftest import assert_same_vectors

from astro_spectok import survey
from astro_spectok.survey import measure_partition

N = 4


@pytest.fixture(scope="module")
def rows():
    """Arrays of a few spectra, by field."""
    return make_rows(N, level=10)


@pytest.fixture(scope="module")
def structs(rows):
    """Their frame with one column of structs, positions, and an index that is not in order."""
    spectrum = [{key: array[i].tolist() for key, array in rows.items()} for i in range(N)]
    columns = {"object_id": [40, 30, 20, 10], "ra": [1.0, 2, 3, 4], "dec": 0.0, "other": "x", "spectrum": spectrum}
    return pd.DataFrame(columns, index=[7, 5, 3, 1])


@pytest.fixture(scope="module")
def expected(rows, tiny_weights, tmp_path_factory):
    """Vectors of the same rows out of a file."""
    folder = tmp_path_factory.mktemp("frames")
    write_parquet(folder / "rows.parquet", rows)
    return survey.run(folder / "rows.parquet", folder / "out", "embed", weights=tiny_weights, progress=False).read()


def to_layout(frame, rows, layout):
    """The frame with its spectra in another form."""
    bare = frame.drop(columns="spectrum")
    lists = {key: list(array) for key, array in rows.items()}
    if layout == "Arrow":
        array = pa.array(frame["spectrum"].tolist())
        return bare.assign(light=pd.Series(array, dtype=pd.ArrowDtype(array.type), index=frame.index))
    if layout == "columns":
        return bare.assign(**{f"spectrum_{key}": pd.Series(values, frame.index) for key, values in lists.items()})
    if layout == "plain columns":
        return bare.assign(**{key: pd.Series(values, frame.index) for key, values in lists.items()})
    return frame


@pytest.mark.parametrize("layout", ["dictionaries", "Arrow", "columns", "plain columns"])
def test_layouts_give_the_same(structs, rows, expected, tiny_weights, layout):
    """One row for each spectrum, with index, ids and positions; units beside."""
    out = measure_partition(to_layout(structs, rows, layout), "embed", weights=tiny_weights)
    assert out.index.tolist() == [7, 5, 3, 1]
    assert out.columns[:4].tolist() == ["object_id", "ra", "dec", "embedding"]
    assert out["object_id"].tolist() == [40, 30, 20, 10]
    assert_same_vectors(np.stack(out["embedding"]), expected["embedding"])
    assert out.attrs["units"]["wave_max"] == "Angstrom"
    assert out.attrs["weights"] == "tiny"


def test_columns_do_not_depend_on_rows(structs, redshift_weights):
    """An empty partition has the same columns and types, which engines ask for first; a bad row is flagged."""
    call = dict(weights=redshift_weights, keep=["object_id"])
    broken = structs.copy()
    broken.at[5, "spectrum"] = {"flux": [1.0], "lambda": [5000.0, 5001.0]}
    broken.at[3, "spectrum"] = None
    out = measure_partition(broken, "redshift", **call)
    for empty in (structs[:0], structs[["object_id"]][:0]):
        none = measure_partition(empty, "redshift", **call)
        assert none.dtypes.to_dict() == out.dtypes.to_dict()
    assert [bool(message) for message in out["message"]] == [False, True, True, False]
    assert np.isnan(out["z"]).tolist() == [False, True, True, False]
    assert str(out["message"].dtype) == str(pd.Series([""], dtype="str").dtype)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(frame=[1]), TypeError, "frame must be a pandas.DataFrame, got a list"),
        (dict(keep=["colour"]), ValueError, "keep must name columns of the frame, got colour"),
        (dict(column="colour"), ValueError, "column must name a column of the frame, got 'colour'"),
        (dict(column="ra"), ValueError, "column must be a nested column with flux and lambda, got 'ra'"),
        (dict(frame=pd.DataFrame({"a": [1]})), ValueError, "must hold a spectrum with flux and lambda"),
        (dict(z_range=(0, 1)), TypeError, "embed has no option z_range"),
    ],
)
def test_bad_input_is_refused_in_words(structs, tiny_weights, change, error, message):
    """With what there is."""
    call = {"frame": structs, "task": "embed", "weights": tiny_weights} | change
    with pytest.raises(error, match=message):
        measure_partition(**call)


def test_dask(structs, rows, expected, tiny_weights):
    """By partitions, with the types of an empty one."""
    frames = pytest.importorskip("dask.dataframe")
    call = dict(task="embed", weights=str(tiny_weights))
    meta = measure_partition(structs[:0], **call)
    # of objects Dask would make text
    divided = frames.from_pandas(to_layout(structs, rows, "Arrow").sort_index(), npartitions=2)
    out = divided.map_partitions(measure_partition, meta=meta, **call).compute(scheduler="synchronous")
    assert out["object_id"].tolist() == [10, 20, 30, 40]
    assert_same_vectors(np.stack(out["embedding"]), expected["embedding"][::-1])
    # older versions of Dask keep text as Arrow's
    assert pd.api.types.is_string_dtype(out["message"])
    assert out.drop(columns="message").dtypes.to_dict() == meta.drop(columns="message").dtypes.to_dict()


@pytest.mark.filterwarnings("ignore")
def test_lsdb(rows, structs, expected, tiny_weights, tmp_path):
    """Catalogues of LSDB, in memory and as files in the layout of HATS; and results as one."""
    lsdb = pytest.importorskip("lsdb")
    array = pa.array(structs["spectrum"].tolist())
    frame = structs.drop(columns=["spectrum", "other"]).reset_index(drop=True)
    frame["spectrum"] = pd.Series(array, dtype=pd.ArrowDtype(array.type))
    catalog = lsdb.from_dataframe(frame, catalog_name="light")
    call = dict(task="embed", weights=str(tiny_weights))
    out = catalog.map_partitions(measure_partition, **call).compute().sort_values("ra")
    assert out["object_id"].tolist() == [40, 30, 20, 10]
    assert_same_vectors(np.stack(out["embedding"]), expected["embedding"])
    catalog.write_catalog(tmp_path / "light")
    found = survey.run(tmp_path / "light", tmp_path / "out", "embed", weights=tiny_weights, progress=False)
    table = found.read()
    table.sort("ra")
    assert table["object_id"].tolist() == [40, 30, 20, 10]
    assert_same_vectors(table["embedding"], expected["embedding"])
    found.to_hats(tmp_path / "results")
    again = lsdb.open_catalog(tmp_path / "results").compute().sort_values("ra")
    assert again["object_id"].tolist() == [40, 30, 20, 10]


def test_hats_is_asked_for_in_words(expected, rows, tiny_weights, tmp_path, monkeypatch):
    """Where lsdb is not installed."""
    write_parquet(tmp_path / "rows.parquet", rows)
    found = survey.run(tmp_path / "rows.parquet", tmp_path / "out", "embed", weights=tiny_weights, progress=False)
    monkeypatch.setitem(__import__("sys").modules, "lsdb", None)
    with pytest.raises(ImportError, match="HATS catalogues need lsdb: pip install lsdb"):
        found.to_hats(tmp_path / "results")
