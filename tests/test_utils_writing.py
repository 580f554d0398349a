# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`write_table`: a file appears whole or not at all, and never over another unasked."""

import os
import stat
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table

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


def break_writing(monkeypatch, error):
    """Let every table be written half, and then fail."""

    def write(self, target, format):
        target.write_text("half")
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
    """Two jobs with one output: the second to finish is told, and destroys nothing."""

    def write(self, target, format):
        target.write_text("new")
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


@pytest.mark.parametrize("name", ["table.csv", "table", "table.fits.gz", ".ecsv"])
def test_unknown_ending(tmp_path, name):
    with pytest.raises(ValueError, match=r"path must end in \.ecsv, \.fits, \.fit, \.parquet, got"):
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
