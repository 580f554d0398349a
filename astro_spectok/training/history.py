# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a run writes about itself while it goes on: a log with one row per some steps, and the loss curve."""

import csv
import math
import os
import time

__all__ = ["COLUMNS", "Meter", "append_log", "draw_curve", "read_log", "trim_log"]

COLUMNS = ("step", "loss", "loss_hidden", "deviation", "learning_rate", "gradient", "seconds", "spectra_per_s")


class Meter:
    """Averages between two rows of the log.

    Figures are summed where they are: nothing waits for a graphics card before `flush`.
    """

    def __init__(self):
        self._clear()

    def _clear(self):
        self.sums, self.steps, self.spectra, self.start = {}, 0, 0, time.perf_counter()

    def add(self, figures, spectra):
        """Add the ``figures`` (dict of numbers or 0-d tensors) of one step over that many ``spectra``."""
        for key, value in figures.items():
            self.sums[key] = self.sums.get(key, 0) + value
        self.steps += 1
        self.spectra += spectra

    def flush(self, step):
        """The row of the log after ``step`` steps, and begin anew; NaN where no spectrum was of the kind."""
        s = {key: float(value) for key, value in self.sums.items()}
        seconds = time.perf_counter() - self.start
        values = (
            step, _ratio(s["loss"], s["n_shown"]), _ratio(s["loss_hidden"], s["n_hidden"]),
            _ratio(s["deviation"], s["n_shown"]), s["learning_rate"] / self.steps, s["gradient"] / self.steps,
            seconds, self.spectra / seconds,
        )  # fmt: skip
        self._clear()
        return dict(zip(COLUMNS, values, strict=True))


def _ratio(total, number):
    return total / number if number else math.nan


def append_log(path, values):
    """Append one row, a dict with the keys `COLUMNS`, to the CSV file at ``path``."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow({k: v if isinstance(v, int) else f"{v:.6g}" for k, v in values.items()})


def read_log(path):
    """The complete rows of a log as a list of dict of str; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        # a kill can leave the last row cut short
        return [row for row in csv.DictReader(file) if all(row.get(column) for column in COLUMNS)]


def trim_log(path, step):
    """Drop what was logged after ``step``, the checkpoint's: those steps are done again."""
    if not path.exists():
        return
    rows = [row for row in read_log(path) if int(row["step"]) <= step]
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, path)


def draw_curve(log_path, path):
    """Draw the loss over the steps as PNG, where matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    rows = read_log(log_path)
    if not rows:
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for key, label in (("loss", "decoded from tokens"), ("loss_hidden", "decoded from the embedding alone")):
        axes.plot([int(r["step"]) for r in rows], [float(r[key]) for r in rows], label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("weighted negative log-likelihood per pixel")
    axes.legend()
    temporary = path.with_name(path.name + ".part")
    figure.savefig(temporary, dpi=100, format="png")
    os.replace(temporary, path)
