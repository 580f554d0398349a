# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell's ``embed``, ``demo`` and ``pretrain``."""

import numpy as np
import pytest
from _training_data import write_corpus
from astropy.table import QTable
from conftest import assert_same_vectors, make_spectrum

import astro_spectok
from astro_spectok.cli import main
from astro_spectok.exceptions import FlaggedSpectraWarning


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


def test_embed_flags_what_cannot_be_read(files, tmp_path, tiny_weights):
    """A file that is no spectrum is a flagged row of NaN."""
    bad = tmp_path / "bad.txt"
    bad.write_text("nothing")
    out = tmp_path / "out.ecsv"
    with pytest.warns(FlaggedSpectraWarning, match=r"1 of 2 .*bad\.txt cannot be read"):
        main(["embed", str(bad), str(files[0]), "-o", str(out), "--weights", str(tiny_weights), "--quiet"])
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
    assert main(["embed", str(files[0]), "-o", str(tmp_path / "out.csv")]) == 1
    assert ".ecsv, .fits" in capsys.readouterr().err


def test_demo(tiny_weights, tmp_path, capsys):
    """The demonstration prints its lines and writes its picture where asked."""
    assert main(["demo", "--weights", str(tiny_weights), "-o", str(tmp_path / "d.png")]) == 0
    out = capsys.readouterr().out
    assert "chi2 per pixel" in out
    assert (tmp_path / "d.png").is_file()


def test_pretrain_stops_resumes_and_exports(tmp_path, capsys):
    """The same command with ``--resume`` goes on to the end, and its weights can be used."""
    data, out = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    write_corpus(data)
    arguments = ["pretrain", "--data", str(data), "--out", str(out), "--config", "tiny", "--steps", "3"]
    arguments += ["--batch-tokens", "64", "--workers", "0", "--device", "cpu", "--precision", "float32", "--quiet"]
    assert main([*arguments, "--stop-after", "2"]) == 0
    assert "--resume" in capsys.readouterr().out
    assert main(arguments) == 1
    assert "already holds a run" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 0
    vector = make_spectrum(200).embed(weights=out / "tiny.safetensors", medium="vacuum", device="cpu")
    assert np.isfinite(vector).all()
