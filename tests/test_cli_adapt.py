# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell's ``fit``, ``predict``, ``index``, ``similar`` and ``outliers``."""

import numpy as np
import pytest
from _adapt import make_labelled
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table

from astro_spectok.cli import main

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """A folder of files, and a table with their labels."""
    folder = tmp_path_factory.mktemp("survey")
    spectra, labels = make_labelled(14)
    names = [f"s{k:02}.ecsv" for k in range(14)]
    for name, (wavelength, flux, error) in zip(names, spectra, strict=True):
        QTable({"wavelength": wavelength, "flux": flux, "uncertainty": error}).write(folder / name)
    table = Table({"file": names, "kind": labels["kind"], "width": labels["width"]})
    table["depth"] = MaskedColumn(100 * labels["depth"], mask=np.arange(14) == 3)
    table["length"] = labels["width"] * u.m
    table["medium"] = np.where(np.arange(14) < 2, "", "Vacuum")
    table["number"] = MaskedColumn(np.arange(14), mask=np.arange(14) > 11)
    table.write(folder / "labels.ecsv")
    return folder


@pytest.fixture
def run(survey, tiny_weights, monkeypatch):
    """Runs a command in the folder of files, with the smallest weights."""
    monkeypatch.chdir(survey)
    return lambda *arguments: main([*arguments, "--weights", str(tiny_weights), "--device", "cpu"])


def test_labels_are_learned_and_predicted(run, survey, tmp_path, capsys):
    """Units come from the command or the table; masked labels are left out, a bad file is a row with a message."""
    out, mine = tmp_path / "out.ecsv", tmp_path / "mine.safetensors"
    targets = ["--target", "depth:K", "--target", "length:cm", "--medium", "medium", "--log", "length"]
    assert run("fit", "labels.ecsv", *targets, "-o", str(mine)) == 0
    said = capsys.readouterr().out
    assert "learned from 14 of 14 spectra" in said
    assert "depth: rms" in said
    assert "(13 spectra)" in said
    (survey / "bad.txt").write_text("nothing")
    assert run("predict", str(mine), "s*.ecsv", "bad.txt", "-o", str(out), "--medium", "vacuum") == 3
    table = QTable.read(out)
    assert (table["depth"].unit, table["length"].unit, len(table)) == (u.K, u.cm, 15)
    assert table["message"][14]
    assert "14 spectra measured" in capsys.readouterr().out
    assert run("fit", "labels.ecsv", *targets, "-o", str(mine)) == 1
    assert "overwrite=True" in capsys.readouterr().err


def test_classes_are_learned(run, tmp_path, capsys):
    mine, out = str(tmp_path / "kinds.safetensors"), tmp_path / "kinds.csv"
    assert run("fit", "labels.ecsv", "--class", "kind", "--balanced", "--medium", "medium", "-o", mine) == 0
    assert "% right" in capsys.readouterr().out
    assert run("predict", mine, "s00.ecsv", "s01.ecsv", "-o", str(out), "--quiet", "--medium", "vacuum") == 0
    assert Table.read(out)["class"].tolist() == ["emission", "absorption"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "depth:K", "--class", "kind"], "give --target COLUMN:UNIT for numbers, or --class"),
        (["--target", "none"], "none: the table must have a column of that name; it has file, kind"),
        (["--target", "length:K"], "the unit of --target must be one that m, that of the table, converts to; got K"),
        (["--target", "depth", "--files", "names"], "names: the table must have a column of that name"),
        (["--target", "depth", "--adapt", "deep"], "adapt must be one of linear"),
        (["--target", "kind"], "kind: the column of --target must hold numbers; got <U10; --class learns classes"),
        (["--target", "depth", "--medium", "kind"], "kind: medium must be air or vacuum in row 0, or empty"),
        (["--target", "depth", "--resolution", "number"], "number: must be a positive number in row 0, or empty where"),
        (["--target", "depth", "--redshift", "kind"], "(NaN: unknown); got emission, which is none"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(arguments, message, run, tmp_path, capsys):
    assert run("fit", "labels.ecsv", *arguments, "-o", str(tmp_path / "mine.safetensors")) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "mine.safetensors").exists()


def test_each_file_at_its_own_redshift(run, survey, tmp_path, capsys):
    """From a column of a table that names the files; one that it does not name is flagged."""
    mine, out = str(tmp_path / "rest.safetensors"), tmp_path / "out.ecsv"
    table = Table.read(survey / "labels.ecsv")
    table["z"] = np.linspace(0, 0.002, len(table))
    table.write(tmp_path / "z.ecsv")
    fit = ["--target", "width", "--frame", "rest", "--redshift", "z", "--folder", ".", "--medium", "medium"]
    assert run("fit", str(tmp_path / "z.ecsv"), *fit, "-o", mine) == 0
    table[:4].write(tmp_path / "few.ecsv")
    known = ["--redshift", f"{tmp_path / 'few.ecsv'}:z", "--medium", "vacuum", "-o", str(out)]
    assert run("predict", mine, "s03.ecsv", "s04.ecsv", *known) == 3
    found = Table.read(out)
    assert "redshift must be given" in found["message"][1]
    assert run("predict", mine, "s03.ecsv", "--redshift", str(table["z"][3]), *known[2:], "--overwrite") == 0
    assert Table.read(out)["width"][0] == found["width"][0]
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run("predict", mine, "s03.ecsv", "--redshift", "far", "-o", str(out))
    assert "must be a number or TABLE:COLUMN, got 'far'" in capsys.readouterr().err


def test_an_archive_is_searched(run, tmp_path, capsys):
    """An index of files, what is like one of them, and what is like none."""
    index, out = str(tmp_path / "archive.safetensors"), tmp_path / "out.ecsv"
    medium = ["--medium", "vacuum"]
    assert run("index", "s0*.ecsv", "-o", index, *medium) == 0
    assert "10 spectra, 10 of them new; 0 could not be used" in capsys.readouterr().out
    more = str(tmp_path / "more.safetensors")
    assert run("index", "s1*.ecsv", "--add-to", index, "-o", more, "--quiet", *medium) == 0
    assert run("similar", more, "s03.ecsv", "-k", "2", "-o", str(out), *medium) == 0
    assert QTable.read(out)["file_found"][0] == "s03.ecsv"
    where = ["--where", "file=s12.ecsv", "--overwrite"]
    assert run("similar", more, "s03.ecsv", *where, "-o", str(out), *medium) == 0
    assert QTable.read(out)["file_found"].tolist() == ["s12.ecsv"]
    assert (
        run("outliers", "s1*.ecsv", "--index", more, "--fast", "-k", "2", "-o", str(out), "--overwrite", *medium) == 0
    )
    assert "4 spectra scored, 0 flagged" in capsys.readouterr().out
    assert (QTable.read(out)["rarity"] <= 1).all()


def test_whole_numbers_of_which_some_are_masked(run, tmp_path, capsys):
    assert (
        run("fit", "labels.ecsv", "--target", "number", "--medium", "medium", "-o", str(tmp_path / "m.safetensors"))
        == 0
    )
    assert "(12 spectra)" in capsys.readouterr().out
    gone = str(tmp_path / "gone" / "m.safetensors")
    assert run("fit", "labels.ecsv", "--target", "number", "--medium", "medium", "-o", gone) == 1
    assert "`path` must lie in a folder that exists" in capsys.readouterr().err


def test_a_table_away_from_its_files_is_told_of_folder(run, survey, tmp_path, capsys):
    """And a folder in place of the table, or what is no table, is answered without a list of formats."""
    (tmp_path / "labels.ecsv").write_text((survey / "labels.ecsv").read_text())
    (tmp_path / "labels.xyz").write_text("nothing")
    rest = ["--target", "width", "-o", str(tmp_path / "m.safetensors")]
    for table, said in (
        ("labels.ecsv", "file: none of its 14 files is in"),
        ("labels.ecsv", "such as s00.ecsv; give --folder DIR"),
        (".", "it is a folder: give the table that names its files"),
        ("labels.xyz", "must be a table whose format Astropy knows by its name"),
    ):
        assert run("fit", str(tmp_path / table), *rest) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
