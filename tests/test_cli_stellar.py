# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell's ``stellar``."""

import numpy as np
import pytest
from _redshift import GALAXY, STAR, fake_measure
from _stellar import add_stellar_head
from astropy import units as u
from astropy.table import QTable

from astro_spectok.cli import main


@pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
def test_one_row_per_spectrum(files, tmp_path, redshift_weights, monkeypatch, capsys, ending):
    """Rows come in the order of the files, with units, and the header says how it was made."""
    add_stellar_head(monkeypatch, redshift_weights)
    fake_measure(monkeypatch, STAR, None, GALAXY, types={"G": 1.0})
    out, bad = tmp_path / f"s.{ending}", tmp_path / "bad.txt"
    bad.write_text("nothing")
    arguments = ["stellar", files[0], str(bad), files[1], "-o", str(out), "--weights", str(redshift_weights)]
    assert main(arguments) == 3
    table = QTable.read(out)
    assert [str(name).rsplit("/", 1)[-1] for name in table["file"]] == ["s0.fits", "bad.txt", "s1.fits"]
    assert table["logg"].unit == u.dex(u.cm / u.s**2)
    np.testing.assert_array_equal(np.isfinite(np.ma.filled(table["teff"].value, np.nan)), [True, False, False])
    meta = {key.lower(): value for key, value in table.meta.items()}
    assert meta["estimator"] == "StellarParameterEstimator"
    assert "parameters of 1 star, 1 with warn 0; 2 flagged without parameters" in capsys.readouterr().out


def test_assume_star(files, tmp_path, redshift_weights, monkeypatch, capsys):
    add_stellar_head(monkeypatch, redshift_weights)
    fake_measure(monkeypatch, GALAXY, types={"G": 1.0})
    out = tmp_path / "s.ecsv"
    arguments = ["stellar", files[0], "-o", str(out), "--weights", str(redshift_weights), "--assume-star", "--quiet"]
    assert main(arguments) == 0
    assert np.isfinite(QTable.read(out)["teff"]).all()
    assert capsys.readouterr().out == ""


def test_weights_without_a_head(files, tmp_path, redshift_weights, capsys):
    out = tmp_path / "s.ecsv"
    assert main(["stellar", files[0], "-o", str(out), "--weights", str(redshift_weights)]) == 1
    assert "give no stellar parameters" in capsys.readouterr().err
    assert not out.exists()
