# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The trials of sizes: variants are what their names say, and a run is measured, kept and not repeated."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from astro_spectok.network import get_config

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def sizes():
    """The script as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield importlib.import_module("sizes")


def test_variants_differ_in_what_they_name(sizes):
    """Each in one size of the packaged network, and the seeds in nothing else."""
    base, _ = sizes.make_config(sizes.VARIANTS["base"])
    assert (base.width, base.patch, base.redshift) == tuple(
        getattr(get_config("small"), key) for key in ("width", "patch", "redshift")
    )
    flat = [base.to_dict() | base.to_dict()["redshift"]]
    for name, changes in sizes.VARIANTS.items():
        config, _ = sizes.make_config(changes)
        flat.append(config.to_dict() | config.to_dict()["redshift"])
        differ = {key for key, value in flat[-1].items() if value != flat[0][key]} - {"redshift", "heads"}
        words = {"layers": "encoder_layers", "base": None, "base,": None}
        assert differ == {words.get(word, word) for word in name.split()[:2] if word in words or word in flat[0]} - {
            None
        }
        assert config.width // config.heads == 32
    assert len({sizes.make_config(sizes.VARIANTS[name])[1] for name in sizes.VARIANTS if name.startswith("base")}) == 3


@pytest.mark.parametrize("seed", range(4))
def test_instruments_are_optical(sizes, seed):
    """At most as many pixels as are allowed, and within the optical."""
    made = [sizes.choose_optical(np.random.default_rng([seed, i]), 1000.0, 30000.0, 2400) for i in range(6)]
    made = [one for one in made if one is not None]
    assert {one.name for one in made} <= {"sdss", "random"}
    for one in made:
        assert 64 <= len(one) <= 2400
        assert 3400 < one.left[0] < one.right[-1] < 10100


def test_views_are_mixed_and_repeat(sizes):
    """As many as wanted, the same each time, and not family by family."""
    survey = sizes.Survey(families=("galaxies", "stars"))
    views = sizes.draw_views(survey, 40, 3)
    again = sizes.draw_views(survey, 40, 3)
    assert len(views) == 40
    for one, other in zip(views, again, strict=True):
        np.testing.assert_array_equal(one.flux, other.flux)
    classes = np.array([view.truth.cls for view in views])
    assert np.count_nonzero(np.diff(classes)) > 5


def test_run_is_kept(sizes, monkeypatch, tmp_path, capsys):
    """One step of a small network: all figures, in a file that holds them; what is there is not trained again."""
    small = replace(
        get_config("tiny"), labels=(("teff", 3.75, 0.2),),
        redshift=replace(get_config("small").redshift, channels=2, step=1e-3, kernel=3),
    )  # fmt: skip
    monkeypatch.setattr(sizes, "get_config", lambda name: small)
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
