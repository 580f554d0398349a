# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok simulate``."""

import inspect

import numpy as np
from astropy.table import QTable
from specutils import Spectrum

from astro_spectok.cli import main
from astro_spectok.simulate.export import TRUTH_TABLE, simulate_spectra


def test_shell_writes_what_python_does(tmp_path, capsys):
    """``spectok simulate`` gives the spectra of `simulate_spectra`, and says what their templates are."""
    out = tmp_path / "out"
    arguments = ["simulate", "-n", "3", "-o", str(out), "--seed", "4", "--families", "stars"]
    arguments += ["--instruments", "sdss,boss", "--snr", "5", "20", "--views", "2"]
    assert main(arguments) == 0
    assert "6 spectra of 3 objects, made of analytic templates" in capsys.readouterr().out
    expected = simulate_spectra(3, seed=4, families=["stars"], instruments=["sdss", "boss"], snr=(5, 20), views=2)
    for row, spectrum in zip(QTable.read(out / TRUTH_TABLE), expected, strict=True):
        found = Spectrum.read(str(out / row["file"]))
        np.testing.assert_array_equal(found.flux.value, spectrum.flux.value)
    assert main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_shell_computes_where_python_does(tmp_path, monkeypatch):
    """On the processor unless another is given: other devices draw other spectra."""
    given = []
    monkeypatch.setattr("astro_spectok.simulate.export.write_simulated", lambda *_, **options: given.append(options))
    for option in ([], ["--device", "cuda"]):
        assert main(["simulate", "-n", "1", "-o", str(tmp_path / "out"), "--quiet", *option]) == 0
    assert [options["device"] for options in given] == ["cpu", "cuda"]
    assert inspect.signature(simulate_spectra).parameters["device"].default == "cpu"


def test_shell_lists_the_instruments(tmp_path, capsys):
    """A wrong name is answered with those there are, and nothing is written."""
    assert main(["simulate", "-n", "1", "-o", str(tmp_path / "out"), "--instruments", "hubble"]) == 1
    assert "lamost_lrs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
