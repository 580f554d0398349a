# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell's ``embed``, ``demo`` and ``pretrain``."""

import numpy as np
import pytest
from _training_data import write_corpus
from astropy.table import QTable
from conftest import assert_same_vectors, make_spectrum

import astro_spectok
from astro_spectok.cli import main
from astro_spectok.training import TrainingConfig


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"s{k}.fits" for k in range(3)]
    for k, path in enumerate(paths):
        make_spectrum(200 + 50 * k, seed=k).write(path, format="tabular-fits")
    return paths


@pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
def test_embed_writes_one_row_per_spectrum(files, tmp_path, tiny_weights, capsys, ending):
    """Rows come in the order of the files, with the vectors that ``embed`` gives, and say how they were made."""
    out = tmp_path / f"out.{ending}"
    assert main(["embed", *map(str, files), "-o", str(out), "--weights", str(tiny_weights), "--medium", "vacuum"]) == 0
    table = QTable.read(out)
    assert [str(name).rsplit("/", 1)[-1] for name in table["file"]] == ["s0.fits", "s1.fits", "s2.fits"]
    expected = [make_spectrum(200 + 50 * k, seed=k).embed(weights=tiny_weights, medium="vacuum") for k in range(3)]
    assert_same_vectors(np.array(table["embedding"]), np.array(expected))
    assert table["wave_min"].unit == "Angstrom"
    meta = {key.lower(): value for key, value in table.meta.items()}
    assert meta["weights"] == "tiny"
    assert meta["astro_spectok"] == astro_spectok.__version__
    assert "3 spectra embedded, 0 flagged" in capsys.readouterr().out


def test_embed_flags_what_cannot_be_read(files, tmp_path, tiny_weights, capsys):
    """A file that is no spectrum is a flagged row of NaN."""
    bad = tmp_path / "bad.txt"
    bad.write_text("nothing")
    out = tmp_path / "out.ecsv"
    assert main(["embed", str(bad), str(files[0]), "-o", str(out), "--weights", str(tiny_weights)]) == 3
    written = capsys.readouterr().err
    assert "spectok: warning: 1 of 2 spectra could not be used" in written
    assert "bad.txt is a text without columns of numbers" in written
    table = QTable.read(out)
    assert np.isnan(table["embedding"][0]).all()
    assert np.isfinite(table["embedding"][1]).all()
    assert table["warn"][0] & astro_spectok.spectra.InputFlag.BAD_INPUT


def test_embed_refuses_to_overwrite(files, tmp_path, tiny_weights, capsys):
    """It says so before anything is read, and leaves the file as it is."""
    out = tmp_path / "out.ecsv"
    out.write_text("mine")
    arguments = ["embed", str(files[0]), "-o", str(out), "--weights", str(tiny_weights), "--quiet"]
    assert main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main([*arguments, "--overwrite"]) == 0
    assert len(QTable.read(out)) == 1


def test_embed_refuses_unknown_formats(files, tmp_path, capsys):
    """The message names the endings there are."""
    assert main(["embed", str(files[0]), "-o", str(tmp_path / "out.xls")]) == 1
    assert ".ecsv, .fits" in capsys.readouterr().err


def test_demo(tiny_weights, tmp_path, capsys):
    """The demonstration prints its lines and writes its picture where asked."""
    assert main(["demo", "--weights", str(tiny_weights), "-o", str(tmp_path / "d.png")]) == 0
    out = capsys.readouterr().out
    assert "chi2 per pixel" in out
    assert (tmp_path / "d.png").is_file()


QUICK_RUN = ["--config", "tiny", "--steps", "3", "--batch-tokens", "32", "--workers", "0", "--device", "cpu"]
QUICK_RUN += ["--precision", "float32"]


def test_pretrain_stops_resumes_and_exports(tmp_path, capsys):
    """The same command with ``--resume`` goes on to the end, and its weights can be used."""
    data, out = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    write_corpus(data)
    arguments = ["pretrain", "--data", str(data), "--out", str(out), *QUICK_RUN, "--quiet"]
    assert main([*arguments, "--stop-after", "2"]) == 0
    assert "--resume" in capsys.readouterr().out
    assert main(arguments) == 1
    assert "already holds a run" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 0
    assert capsys.readouterr().out == f"weights: {out / 'tiny.safetensors'}\n"
    vector = make_spectrum(200).embed(weights=out / "tiny.safetensors", medium="vacuum", device="cpu")
    assert np.isfinite(vector).all()


def test_pretrain_needs_no_data(tmp_path, tiny_weights, capsys):
    """Analytic templates are reported on standard error; each row of the log is a line on standard output."""
    arguments = [
        "pretrain",
        "--out",
        str(tmp_path / "run"),
        *QUICK_RUN,
        "--shards",
        "2",
        "--start-from",
        str(tiny_weights),
        "--check",
        "3",
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "simulating from analytic ones, which are coarser" in err
    first, residual, last = out.splitlines()
    assert first.split()[:2] == ["step", "3/3"]
    # what decoding leaves, of weights without a head for redshifts
    assert residual.startswith("residual: ")
    assert " before, " in residual
    assert last.startswith("weights: ")
    assert "spectra/s" in out


def test_pretrain_passes_on_what_is_said_of_real_spectra(tmp_path, monkeypatch):
    """Every directory, and the medium of all of them."""
    given = []
    monkeypatch.setattr("astro_spectok.training.loop.pretrain", lambda *args, **kwargs: given.append(kwargs))
    arguments = ["pretrain", "--out", str(tmp_path), "--quiet"]
    assert main(arguments) == 0
    assert main([*arguments, "--real", "one", "--real", "two", "--medium", "air", "--start-from", "small"]) == 0
    assert [(kwargs["real"], kwargs["real_medium"], kwargs["start"]) for kwargs in given] == [
        ([], None, None),
        (["one", "two"], "air", "small"),
    ]


def test_pretrain_takes_every_setting(tmp_path, monkeypatch, capsys):
    """By name; the options for the usual ones agree with it, or are refused."""
    given = []
    monkeypatch.setattr("astro_spectok.training.loop.pretrain", lambda *args, **kwargs: given.append(args[3]))
    arguments = ["pretrain", "--out", str(tmp_path), "--quiet", "--steps", "9", "--set", "huber=5"]
    assert main([*arguments, "--set", "stored_fraction=0.25", "--set", "steps=9"]) == 0
    assert given == [TrainingConfig(steps=9, huber=5, stored_fraction=0.25)]
    for wrong, message in (
        ("steps=8", "set: steps must be given once, got 8 and --steps 9"),
        ("colour=1", "names steps, batch_tokens"),
        ("stored_fraction=2", "stored_fraction must be between 0 and 1, got 2.0"),
    ):
        assert main([*arguments, "--set", wrong]) == 1
        assert message in capsys.readouterr().err
    assert len(given) == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--data", "nowhere"], "data: nowhere is not a directory"),
        (["--real", "nowhere"], "directory: nowhere is not a directory"),
        (["--start-from", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--check", "-1"], "check must be 0 or a number of spectra; got -1"),
    ],
)
def test_pretrain_tells_what_is_not_there(tmp_path, capsys, option, message):
    """Before anything is written."""
    assert main(["pretrain", "--out", str(tmp_path / "run"), *QUICK_RUN, *option]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_several_processes_speak_with_one_voice(tmp_path, monkeypatch, capsys):
    """The first of them says where to go on."""
    monkeypatch.setattr("astro_spectok.training.loop.pretrain", lambda *args, **kwargs: None)
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        assert main(["pretrain", "--out", str(tmp_path / "run")]) == 0
        assert ("--resume" in capsys.readouterr().out) == (rank == "0")
