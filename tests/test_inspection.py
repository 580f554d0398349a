# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Visual inspection: pages, and corrections read back."""

import numpy as np
import pytest
from astropy.table import QTable, Table

from astro_spectok.cli import main
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.example import list_example_files
from astro_spectok.inspection import apply_corrections, rank_for_inspection, write_inspection


@pytest.fixture(scope="module")
def measured(tmp_path_factory, packaged_weights):
    """Table of two of the packaged spectra, and a folder with the pages of both."""
    folder = tmp_path_factory.mktemp("inspection")
    table = RedshiftEstimator(packaged_weights, "cpu").estimate_files(list_example_files()[:2])
    table.write(folder / "z.ecsv", format="ascii.ecsv")
    assert main(["inspect", str(folder / "z.ecsv"), "-o", str(folder / "pages.pdf"), "--device", "cpu"]) == 0
    return table, folder


def fill(folder, changes):
    """Fill in some lines of the file of corrections, by page; give the new file."""
    lines = Table.read(folder / "pages.csv", format="ascii.csv", converters={"*": [str]})
    for page, values in changes.items():
        for name, value in values.items():
            lines[name] = lines[name].astype("U40").filled("") if hasattr(lines[name], "filled") else lines[name]
            lines[name] = lines[name].astype("U40")
            lines[name][page - 1] = value
    lines.write(folder / "filled.csv", format="ascii.csv", overwrite=True)
    return folder / "filled.csv"


def test_worst_come_first():
    """Flagged rows before the others, each by probability; unmeasured rows have no page."""
    table = Table({"zwarn": [0, 4, 0, 512, 4], "p_best": [0.99, 0.6, 0.9, np.nan, 0.2]})
    assert rank_for_inspection(table).tolist() == [4, 1, 2, 0]


def test_pages_and_corrections_are_written(measured):
    """One page a row, and a line for each with the inspector's columns empty."""
    table, folder = measured
    assert (folder / "pages.pdf").read_bytes().count(b"/Type /Page ") == 2
    lines = Table.read(folder / "pages.csv", format="ascii.csv")
    order = rank_for_inspection(table)
    assert lines["z"].tolist() == pytest.approx(table["z"].value[order].tolist())
    assert list(lines["page"]) == [1, 2]
    assert all(np.ma.getmaskarray(lines[name]).all() for name in ("z_vi", "spectype_vi", "quality_vi"))


def test_corrections_come_back(measured):
    """What was filled in stands in its row; what agrees is taken from the measurement; nothing measured changes."""
    table, folder = measured
    path = fill(folder, {1: {"z_vi": "0.5", "spectype_vi": "qso", "quality_vi": "2", "comment_vi": "one, line"},
                         2: {"quality_vi": "4"}})  # fmt: skip
    assert main(["inspect", str(folder / "z.ecsv"), "-o", str(folder / "new.ecsv"), "--corrections", str(path)]) == 0
    new, (first, second) = QTable.read(folder / "new.ecsv"), rank_for_inspection(table)
    assert new["z_vi"][first] == 0.5
    assert new["z_vi"][second] == table["z"][second]
    assert new["spectype_vi"][[first, second]].tolist() == ["QSO", table["spectype"][second]]
    assert new["quality_vi"][[first, second]].tolist() == [2, 4]
    assert new["comment_vi"][first] == "one, line"
    np.testing.assert_array_equal(new["z"].value, table["z"].value)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({1: {"z_vi": "much"}}, "line 2: z_vi must be a number from -1 to 20, got 'much'"),
        ({2: {"quality_vi": "7"}}, "line 3: quality_vi must be a number from 0 to 4"),
        ({1: {"spectype_vi": "blazar"}}, "GALAXY, QSO, STAR or empty, got 'blazar'"),
        ({1: {"quality_vi": "4", "file": "other.fits"}}, "no further spectrum 0 of other.fits"),
    ],
)
def test_wrong_corrections_are_refused(measured, changes, match):
    """The line, the column and the rule are named."""
    table, folder = measured
    with pytest.raises(ValueError, match=match):
        apply_corrections(table, fill(folder, changes))


def test_nothing_is_overwritten(measured, tmp_path):
    """Corrections are never replaced, whatever is asked; other names are refused in words."""
    table, folder = measured
    with pytest.raises(FileExistsError, match="may hold corrections"):
        write_inspection(table, folder / "pages.pdf", overwrite=True)
    with pytest.raises(ValueError, match=r"end in \.pdf"):
        write_inspection(table, tmp_path / "pages.png")
    with pytest.raises(ValueError, match="zwarn is missing"):
        write_inspection(Table({"file": ["a"], "p_best": [0.5], "spectype": ["QSO"], "z": [1.0]}), tmp_path / "a.pdf")
    twice = QTable([*table.itercols()], names=table.colnames)
    twice.add_row(twice[0])
    with pytest.raises(ValueError, match=r"2 rows of .* which holds 1 spectra"):
        write_inspection(twice, tmp_path / "b.pdf")
    assert not list(tmp_path.iterdir())
