# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of files as people have them, and what it asks of the real ones."""

import numpy as np
import pytest
from _paths import TEST, needs
from astropy.io import fits
from astropy.table import Table

WILD = TEST / "wild"


@pytest.fixture(scope="module")
def script(load):
    return load("wild_files")


@pytest.fixture
def folder(tmp_path):
    """Three files with labels: one read, one refused, one read though it should not be."""
    flux = 2 + np.random.default_rng(0).normal(0, 0.1, 100)
    np.savetxt(tmp_path / "sn1979C.p07.dat", np.c_[np.linspace(4508.4619, 7478.4268, 100), flux])
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table({"TIME": np.arange(50.0), "FLUX": np.ones(50)}))]).writeto(
        tmp_path / "curve.fits"
    )
    np.savetxt(tmp_path / "notes.txt", np.c_[np.linspace(4000, 5000, 100), flux])
    rows = ["sn1979C.p07.dat,a,b,superfit,SN1979C,SN II,0 (rest),,repository", "curve.fits,a,b,c,-,NOT A SPECTRUM,,,"]
    head = "file,source repo,source path,instrument,object,class,z,labels,truth from"
    (tmp_path / "labels.csv").write_text("\n".join([head, *rows]) + "\n")
    return tmp_path


def test_rows_and_totals(script, folder):
    """What was read, what was refused, and what should have been."""
    result = script.measure_files(folder)
    rows = {row["file"]: row for row in result["files"]}
    assert set(rows) == {"sn1979C.p07.dat", "curve.fits", "notes.txt"}
    assert rows["sn1979C.p07.dat"]["axis_right"]
    assert rows["curve.fits"]["status"] == "refused"
    assert rows["curve.fits"]["as_it_should"]
    assert rows["notes.txt"]["status"] == "read"
    assert not rows["notes.txt"]["axis_right"]
    totals = result["totals"]
    assert (totals["files"], totals["read"], totals["refused"], totals["as_it_should"]) == (3, 2, 1, 2)
    assert (totals["axis_right"], totals["axis_wrong"], totals["must_be_refused"]) == (1, 1, 2)


def test_truth_of_labels(script, folder):
    """Class and redshift as numbers, None where there is none."""
    truth = script.read_truth(folder)
    assert truth["sn1979C.p07.dat"]["class"] == "SN"
    assert truth["sn1979C.p07.dat"]["z"] == [0.0]
    assert truth["notes.txt"]["wave"] is None


@pytest.mark.parametrize(
    ("found", "known", "right"),
    [
        (("GALAXY", 0.1), ("GALAXY", 0.105), True),
        (("GALAXY", 0.1), ("GALAXY", 0.12), False),
        (("QSO", 0.1), ("GALAXY", 0.1), False),
        (("STAR", 0.0), ("STAR", 0.004), False),
        (("QSO", 0.1), ("SN", 0.1), True),
        (("QSO", 0.1), (None, 0.1), None),
    ],
)
def test_what_is_right(script, found, known, right):
    """Class and redshift; of supernovae the redshift."""
    assert script.judge_row(*found, *known) is right


@needs(WILD)
@pytest.mark.filterwarnings("ignore")
def test_real_files_are_read_or_refused(script):
    """Every spectrum is read with its wavelengths where they are; what is none is refused in one sentence."""
    result = script.measure_files(WILD)
    faults = [row for row in result["files"] if not row["as_it_should"] or row.get("axis_right") is False]
    assert faults == []
    # one is longer than what a network takes as it is, and has no medium then
    assert result["totals"]["medium_wrong"] <= 1
