# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the log and the loss curve of a run."""

import math
import sys

import pytest
import torch

from astro_spectok.training.history import (
    AVERAGES,
    PANELS,
    Meter,
    _arrange_panels,
    append_log,
    plot_curve,
    read_log,
    trim_log,
)

FIGURES = ("types", "right_type")
COLUMNS = Meter(FIGURES).columns


def make_row(step):
    """A row with that step."""
    return dict.fromkeys(COLUMNS, 0.5) | {"step": step}


def make_log(path, steps):
    """A log with a row for each of ``steps``."""
    for step in steps:
        append_log(path, make_row(step))
    return path


def steps_of(path):
    """The steps in a log."""
    return [int(row["step"]) for row in read_log(path)]


def test_rows_come_back(tmp_path):
    """With six digits, in order; a log that is not there has none."""
    path = tmp_path / "log.csv"
    assert read_log(path) == []
    append_log(path, make_row(50) | {"loss": -1.23456789, "loss_hidden": math.nan})
    append_log(path, make_row(100))
    rows = read_log(path)
    assert [list(row) for row in rows] == [list(COLUMNS)] * 2
    assert rows[0]["step"] == "50"
    assert float(rows[0]["loss"]) == pytest.approx(-1.23457)
    assert math.isnan(float(rows[0]["loss_hidden"]))


@pytest.mark.parametrize("tail", ["", "2", "200", "200,0.1,", "200,0.5,0.5,0.5,0.5,0.5,0.5,0.", "\x00\n"])
def test_trimming_survives_a_row_cut_short(tmp_path, tail):
    """A kill in the middle of a row; what lies behind the checkpoint goes, the rest stays letter by letter."""
    path = make_log(tmp_path / "log.csv", [50, 100, 150])
    kept = "".join(path.read_text().splitlines(keepends=True)[:3])
    with path.open("a") as file:
        file.write(tail)
    trim_log(path, 100)
    assert path.read_text().splitlines() == kept.splitlines()
    append_log(path, make_row(150))
    assert steps_of(path) == [50, 100, 150]
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]


@pytest.mark.parametrize("content", [None, "", "step,lo"])
def test_trimming_a_log_without_rows(tmp_path, content):
    """No file, an empty one, or half a header: what is appended next can be read."""
    path = tmp_path / "log.csv"
    if content is not None:
        path.write_text(content)
    trim_log(path, 100)
    append_log(path, make_row(50))
    assert steps_of(path) == [50]


def test_log_of_an_older_version(tmp_path):
    """What it did not write is unknown; it is trimmed and gone on with, with the columns that it has."""
    path = tmp_path / "log.csv"
    old = [column for column in COLUMNS if column not in ("nearest", "right_type")]
    rows = [old] + [[step] + ["0.5"] * (len(old) - 1) for step in ("50", "100")]
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    assert [(row["step"], row["loss"], row["nearest"]) for row in read_log(path)] == [
        ("50", "0.5", "nan"), ("100", "0.5", "nan"),
    ]  # fmt: skip
    trim_log(path, 50)
    append_log(path, make_row(100))
    # columns stay those of the first row: one file, one header
    assert [row["nearest"] for row in read_log(path)] == ["nan", "nan"]
    assert [row["types"] for row in read_log(path)] == ["0.5", "0.5"]


def test_meter_averages_between_rows():
    """Over the terms there were of each kind; NaN where there was none, and for what the network has no head for."""
    meter = Meter(FIGURES)
    none = {"loss_hidden": (torch.tensor(0.0), torch.tensor(0)), "learning_rate": (1e-3, 1)}
    meter.add(none | {"loss": (torch.tensor(6.0), torch.tensor(3)), "deviation": (3.0, 3), "gradient": (1.0, 1)}, 3)
    meter.add(none | {"loss": (torch.tensor(2.0), torch.tensor(1)), "deviation": (5.0, 1), "gradient": (2.0, 1)}, 1)
    row = meter.flush(20)
    assert list(row) == list(COLUMNS)
    assert (row["step"], row["loss"], row["deviation"], row["gradient"]) == (20, 2.0, 2.0, 1.5)
    assert row["learning_rate"] == pytest.approx(1e-3)
    assert math.isnan(row["loss_hidden"])
    assert math.isnan(row["types"])
    assert row["spectra_per_s"] == pytest.approx(4 / row["seconds"])
    meter.add({"loss": (1.0, 1)}, 1)
    assert meter.flush(30)["loss"] == 1.0


def test_meter_gathers_sums_not_averages():
    """Of three spectra here and one there: each spectrum counts once."""
    meter = Meter()
    meter.add({"loss": (torch.tensor(6.0), torch.tensor(3)), "labels": (0.0, 0)}, 3)
    others = iter([[2.0, 4.0], [1, 2], [1]])
    meter.gather(lambda values: [float(v) + other for v, other in zip(values, next(others), strict=True)])
    row = meter.flush(1)
    assert (row["loss"], row["labels"]) == (2.0, 2.0)
    assert row["spectra_per_s"] == pytest.approx(4 / row["seconds"])


def test_every_average_is_drawn():
    """Each in one panel, with a label."""
    drawn = [key for curves in PANELS.values() for key in curves]
    assert sorted(drawn) == sorted(AVERAGES)
    assert set(AVERAGES) < set(COLUMNS)
    panels = _arrange_panels(make_row(1))
    assert sorted(key for curves in panels.values() for key in curves) == sorted((*AVERAGES, *FIGURES))
    assert panels["share of spectra"]["right_type"] == "right type"


def test_curve_is_a_picture(tmp_path):
    """PNG, of all rows; drawn anew each time."""
    pytest.importorskip("matplotlib")
    log, path = make_log(tmp_path / "log.csv", [50, 100]), tmp_path / "loss.png"
    plot_curve(log, path)
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG")
    append_log(log, make_row(150) | {"loss": 9.0})
    plot_curve(log, path)
    assert path.read_bytes() != first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", "loss.png"]


@pytest.mark.parametrize("reason", ["no rows", "no matplotlib"])
def test_curve_is_left_out_quietly(tmp_path, monkeypatch, reason):
    """A run needs neither."""
    log = tmp_path / "log.csv"
    if reason == "no matplotlib":
        make_log(log, [50])
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    plot_curve(log, tmp_path / "loss.png")
    assert not (tmp_path / "loss.png").exists()
