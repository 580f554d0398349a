# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`write_table`: a file appears whole or not at all, and never over another unasked."""

import os
import stat
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table

from astro_spectok.stellar.labels import LOGG_UNIT
from astro_spectok.utils import writing
from astro_spectok.utils.writing import check_output, find_format, write_table


@pytest.fixture
def table():
    return QTable(
        {"x": np.arange(3.0) * u.AA, "v": np.arange(6, dtype=np.float32).reshape(3, 2), "name": ["a", "", "é"]},
        meta={"weights_sha256": "0" * 64, "short": 1, "author": "Ångström"},
    )


@pytest.fixture(params=["ecsv", "fits", "parquet"])
def path(request, tmp_path):
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"table.{request.param}"


def write_some(target, text):
    """Write to what a table is written to: a path, or a stream."""
    (target.write if hasattr(target, "write") else target.write_text)(text)


def break_writing(monkeypatch, error):
    """Let every table be written half, and then fail."""

    def write(self, target, format):
        write_some(target, "half")
        raise error

    monkeypatch.setattr(Table, "write", write)


def test_round_trip(table, path):
    write_table(table, path)
    back = QTable.read(path)
    assert back.colnames == table.colnames
    assert back["x"].unit == u.AA
    np.testing.assert_array_equal(back["x"].value, table["x"].value)
    np.testing.assert_array_equal(back["v"], table["v"])
    # FITS knows ASCII only
    assert list(np.ma.filled(back["name"], "")) == ["a", "", "?" if path.suffix == ".fits" else "é"]
    assert table["name"][2] == "é"
    assert back["v"].dtype.kind == "f"
    assert back["v"].dtype.itemsize == 4
    expected = table.meta | ({"author": "?ngstr?m"} if path.suffix == ".fits" else {})
    assert {key.lower(): value for key, value in back.meta.items()} == expected
    assert os.listdir(path.parent) == [path.name]


def test_existing_file_is_refused(table, path):
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=r"table\.\w+ exists; give overwrite=True \(--overwrite\) to replace it"):
        write_table(table, path)
    assert path.read_text() == "precious"
    write_table(table, path, overwrite=True)
    assert len(QTable.read(path)) == 3


def test_file_that_appears_meanwhile_is_kept(table, path, monkeypatch):
    """Two jobs with one output: the second to finish gets an error, and destroys nothing."""

    def write(self, target, format):
        write_some(target, "new")
        path.write_text("precious")

    monkeypatch.setattr(Table, "write", write)
    with pytest.raises(FileExistsError, match="give overwrite=True"):
        write_table(table, path)
    assert path.read_text() == "precious"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt()])
def test_failure_leaves_nothing(table, path, monkeypatch, error):
    break_writing(monkeypatch, error)
    with pytest.raises(type(error)):
        write_table(table, path)
    assert os.listdir(path.parent) == []


def test_failure_keeps_the_old_file(table, path, monkeypatch):
    path.write_text("precious")
    break_writing(monkeypatch, OSError("the disk is full"))
    with pytest.raises(OSError, match="the disk is full"):
        write_table(table, path, overwrite=True)
    assert path.read_text() == "precious"
    assert os.listdir(path.parent) == [path.name]


def test_file_system_without_links(table, path, monkeypatch):
    def link(*args):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    write_table(table, path)
    assert len(QTable.read(path)) == 3
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions")
def test_permissions_are_the_usual(table, path):
    write_table(table, path)
    usual = path.with_name("usual")
    usual.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


@pytest.mark.parametrize("name", ["table.xls", "table", "table.fits.gz", ".ecsv"])
def test_unknown_ending(tmp_path, name):
    with pytest.raises(ValueError, match=r"path must end in \.ecsv, \.fits, \.fit, \.parquet, \.vot, \.csv, got"):
        check_output(tmp_path / name)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the directory of .* does not exist; make it first"):
        check_output(tmp_path / "none" / "table.ecsv")


def test_folder(tmp_path):
    (tmp_path / "table.ecsv").mkdir()
    with pytest.raises(FileExistsError, match="exists"):
        check_output(tmp_path / "table.ecsv")
    with pytest.raises(IsADirectoryError, match="path must be a file"):
        check_output(tmp_path / "table.ecsv", overwrite=True)


def test_parquet_without_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'astro_spectok\[parquet\]'; or use .fits or .ecsv"):
        find_format("table.parquet")
    assert find_format("table.FIT") == "fits"


def test_votable(table, tmp_path):
    """For TOPCAT: units that the Virtual Observatory knows, logarithms as numbers, metadata as INFO, vectors whole."""
    from astropy.io.votable import parse

    table["logg"] = u.Dex([4.4, np.nan, 2.0], LOGG_UNIT)
    table["rv"] = [1.0, 2.0, 3.0] * u.km / u.s
    table["name"] = ["a\x00b", "", "é"]
    write_table(table, tmp_path / "t.vot")
    tree = parse(tmp_path / "t.vot", verify="exception")
    back = tree.get_first_table().to_table()
    assert back["x"].unit == u.nm  # as the standard wants it
    np.testing.assert_allclose(back["x"], [0, 0.1, 0.2])
    assert back["rv"].unit == u.km / u.s
    assert back["logg"].unit is None
    assert back["logg"].description == "decimal logarithm of a value in cm / s2"
    np.testing.assert_array_equal(np.ma.filled(back["logg"], np.nan), [4.4, np.nan, 2.0])
    np.testing.assert_array_equal(back["v"], table["v"])
    assert list(back["name"]) == ["a b", "", "é"]
    assert {info.name: info.value for info in tree.resources[0].infos} == {k: str(x) for k, x in table.meta.items()}
    assert table["x"].unit == u.AA


def test_csv(table, tmp_path):
    """A vector is a column for each component; no units, no metadata, no comment lines."""
    table["logg"] = u.Dex([4.4, np.nan, 2.0], LOGG_UNIT)
    write_table(table, tmp_path / "t.csv")
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "x,v_0,v_1,name,logg"
    back = Table.read(tmp_path / "t.csv")
    np.testing.assert_array_equal(back["v_1"], table["v"][:, 1])
    np.testing.assert_array_equal(np.ma.filled(back["logg"], np.nan), [4.4, np.nan, 2.0])


def test_bytes_that_are_no_letters(path):
    """Names of files may hold what no encoding does: the table is written nevertheless."""
    write_table(QTable({"file": ["a\udcff.fits", "b.fits"]}), path)
    assert list(QTable.read(path)["file"]) == ["a?.fits", "b.fits"]


def test_place_that_forbids_writing(tmp_path, monkeypatch):
    """Known before the work, with the reason."""

    def forbid(**kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(writing.tempfile, "NamedTemporaryFile", forbid)
    with pytest.raises(PermissionError, match=r"t\.fits cannot be written \(Read-only file system\)"):
        check_output(tmp_path / "t.fits")
