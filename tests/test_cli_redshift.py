# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell's ``redshift``."""

import numpy as np
import pytest
from _redshift import fake_measure, make_scores
from astropy.table import QTable

from astro_spectok import conf
from astro_spectok.cli import main
from astro_spectok.engine import Runner
from astro_spectok.redshift import RedshiftPosterior

GALAXY = make_scores(("GALAXY", 0.5, 5e-4, 0.97), ("QSO", 1.0, 5e-4, 0.03))
STAR = make_scores(("STAR", 2e-4, 5e-4, 0.5), ("GALAXY", 0.7, 5e-4, 0.5))


@pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
def test_one_row_per_spectrum(files, tmp_path, redshift_weights, monkeypatch, capsys, ending):
    """Rows come in the order of the files, columns are those of the estimator, and the header says how it was made."""
    fake_measure(monkeypatch, GALAXY, None, STAR)
    out = tmp_path / f"z.{ending}"
    bad = tmp_path / "bad.txt"
    bad.write_text("nothing")
    status = main(["redshift", files[0], str(bad), files[1], "-o", str(out), "--weights", str(redshift_weights)])
    assert status == 3
    table = QTable.read(out)
    assert [str(name).rsplit("/", 1)[-1] for name in table["file"]] == ["s0.fits", "bad.txt", "s1.fits"]
    assert [str(name) for name in np.ma.filled(table["spectype"], "")] == ["GALAXY", "", "STAR"]
    assert table["z"].value[0] == pytest.approx(0.5, abs=1e-4)
    assert table["rv"].unit == "km / s"
    assert "is a text without columns of numbers" in table["message"][1]
    meta = {key.lower(): value for key, value in table.meta.items()}
    assert meta["weights"] == "tiny-redshift"
    assert meta["estimator"] == "RedshiftEstimator"
    assert meta["command"].startswith("spectok redshift ")
    assert "call" not in meta
    written, remarks = capsys.readouterr()
    assert "2 spectra measured, 1 with zwarn 0; 1 flagged as unusable" in written
    assert "spectok: warning: 1 of 3 spectra could not be used" in remarks


def test_options(files, tmp_path, redshift_weights, monkeypatch, capsys):
    """Range, classes, posterior and budget reach the estimator, and the setting is what it was afterwards."""
    fake_measure(monkeypatch, GALAXY)
    budgets, make = [], Runner.__init__

    def note(self, *args, **kwargs):
        make(self, *args, **kwargs)
        budgets.append(self.batch_tokens)

    monkeypatch.setattr(Runner, "__init__", note)
    out = tmp_path / "z.fits"
    arguments = ["redshift", files[0], "-o", str(out), "--weights", str(redshift_weights), "--quiet"]
    before = conf.batch_tokens
    options = ["--z-range", "0.8", "1.2", "--classes", "GALAXY,QSO", "--posterior", "--batch-tokens", "77"]
    assert main([*arguments, *options]) == 0
    table = QTable.read(out)
    assert (str(table["spectype"][0]), round(float(table["z"][0]), 3)) == ("QSO", 1.0)
    assert RedshiftPosterior.expand(table[0], table.meta).grid.classes == ("GALAXY", "QSO")
    assert (budgets, conf.batch_tokens) == ([77], before)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--z-range", "0", "20"], "z_range must be increasing and lie within"),
        (["--classes", "PLANET"], "classes must be names out of GALAXY, QSO, STAR; got PLANET"),
    ],
)
def test_wrong_options(files, tmp_path, redshift_weights, capsys, options, message):
    out = tmp_path / "z.fits"
    assert main(["redshift", files[0], "-o", str(out), "--weights", str(redshift_weights), *options]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_refuses_to_overwrite(files, tmp_path, redshift_weights, capsys):
    """It says so before anything is read."""
    out = tmp_path / "z.ecsv"
    out.write_text("mine")
    assert main(["redshift", files[0], "-o", str(out), "--weights", str(redshift_weights)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"
