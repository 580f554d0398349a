# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The trials of sizes: variants are what their names say, and a run is measured, kept and not repeated."""

import json
import sys

import pytest

from astro_spectok.heads import RedshiftConfig
from astro_spectok.network import get_config


@pytest.fixture(scope="module")
def sizes(load):
    """The script as a module."""
    return load("sizes")


def test_run_is_kept(sizes, monkeypatch, tmp_path, capsys):
    """One step of a small network: all figures, in a file that holds them; what is there is not trained again."""
    monkeypatch.setattr(sizes, "get_config", lambda name: get_config("tiny"))
    monkeypatch.setattr(sizes, "REDSHIFT", RedshiftConfig(channels=2, step=1e-3, kernel=3))
    monkeypatch.setattr(sizes, "VARIANTS", {"base": {}, "4 channels": {"channels": 4}})
    monkeypatch.setattr(sizes, "DRAWN", 24)
    path = tmp_path / "sizes.json"
    options = ["sizes.py", "--pool", "24", "--validation", "6", "--seconds", "0.001", "--json", str(path)]
    monkeypatch.setattr(sys, "argv", [*options, "--variants", "base"])
    sizes.main()
    first = json.loads(path.read_text())["variants"]
    assert [row["variant"] for row in first] == ["base"]
    row = first[0]
    assert row["spectra"] == 24
    assert row["spectra_per_s"] == pytest.approx(24000)
    assert 0 <= row["right"] <= 1
    assert row["redshift"] > 1
    assert min(row["ms"], row["megabytes"]) > 0
    monkeypatch.setattr(sys, "argv", [*options, "--variants", "base", "4 channels"])
    sizes.main()
    both = json.loads(path.read_text())["variants"]
    assert both[0] == row
    assert both[1]["variant"] == "4 channels"
    assert both[1]["megabytes"] > row["megabytes"]
    assert "4 channels" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*options, "--seconds", "5"])
    with pytest.raises(SystemExit):
        sizes.main()
    assert "measured with other settings" in capsys.readouterr().err
