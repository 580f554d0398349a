# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a run writes about itself while it goes on: a log with one row per some steps, and the loss curve."""

import csv
import math
import time

from astro_spectok.utils.atomic import replace_file

__all__ = ["COLUMNS", "Meter", "append_log", "plot_curve", "read_log", "trim_log"]

#: averages over spectra (or pixels, labels): reconstruction from the tokens and from the embedding alone, squared
#: deviation, divergence of the posterior over class and redshift, share of highest scores at the right redshift and in
#: the right class, likelihood of labels, cross-entropy of types of stars and share of right ones, joint likelihood of
#: stellar labels, contrastive loss, share of objects whose other view is the nearest
AVERAGES = (
    "loss", "loss_hidden", "deviation", "redshift", "right", "right_class", "labels", "types", "right_type",
    "stellar", "alignment", "nearest",
)  # fmt: skip
#: what is drawn of them
PANELS = {
    "weighted negative log-likelihood per pixel": {
        "loss": "decoded from tokens", "loss_hidden": "decoded from the embedding alone",
    },
    "divergence, loss per label [nat]": {
        "redshift": "class and redshift", "labels": "labels", "types": "types of stars",
        "stellar": "stellar labels", "alignment": "alignment",
    },
    "share of spectra": {
        "right": "redshift within 0.0033", "right_class": "class", "right_type": "type of stars",
        "nearest": "other view nearest",
    },
    "mean squared deviation": {"deviation": "over the stated variance"},
}  # fmt: skip
COLUMNS = ("step", *AVERAGES, "learning_rate", "gradient", "seconds", "spectra_per_s")


class Meter:
    """Averages between two rows of the log.

    Figures are summed where they are: nothing waits for a graphics card before `flush`.
    """

    def __init__(self):
        self._clear()

    def _clear(self):
        self.totals, self.numbers, self.spectra, self.start = {}, {}, 0, time.perf_counter()

    def add(self, figures, spectra=0):
        """Add ``figures`` (dict of (sum, number of terms), numbers or 0-d tensors) of that many ``spectra``."""
        for key, (total, number) in figures.items():
            self.totals[key] = self.totals.get(key, 0) + total
            self.numbers[key] = self.numbers.get(key, 0) + number
        self.spectra += spectra

    def gather(self, sum_over_processes):
        """Make all sums those of all processes together."""
        for sums in (self.totals, self.numbers):
            sums.update(zip(sums, sum_over_processes(list(sums.values())), strict=True))
        (self.spectra,) = sum_over_processes([self.spectra])

    def flush(self, step):
        """The row of the log after ``step`` steps, and begin anew; NaN where no spectrum was of the kind."""
        seconds = time.perf_counter() - self.start
        row = {key: math.nan for key in COLUMNS}
        for key, total in self.totals.items():
            row[key] = float(total) / float(self.numbers[key]) if self.numbers[key] else math.nan
        row |= {"step": step, "seconds": seconds, "spectra_per_s": float(self.spectra) / seconds}
        self._clear()
        return row


def append_log(path, values):
    """Append one row, a dict with the keys `COLUMNS`, to the CSV file at ``path``."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow({k: v if isinstance(v, int) else f"{v:.6g}" for k, v in values.items()})


def read_log(path):
    """The complete rows of a log as a list of dict of str; none where there is no file.

    Columns that are absent, as in logs of older versions, are 'nan'.
    """
    if not path.exists():
        return []
    with path.open(newline="") as file:
        # a kill can leave the last row cut short
        rows = [row for row in csv.DictReader(file) if all(row.values())]
    return [{column: row.get(column, "nan") for column in COLUMNS} for row in rows]


def trim_log(path, step):
    """Drop what was logged after ``step``, the checkpoint's: those steps are done again."""
    if not path.exists():
        return
    rows = [row for row in read_log(path) if int(row["step"]) <= step]
    with replace_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def plot_curve(log_path, path):
    """Plot the parts of the loss over the steps as PNG, where matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    rows = read_log(log_path)
    if not rows:
        return
    from astro_spectok.plotting.style import COLOURS, LINES

    figure = Figure(figsize=(7, 12), layout="constrained")
    for axes, (title, curves) in zip(figure.subplots(4, sharex=True), PANELS.items(), strict=True):
        for (key, label), colour, line in zip(curves.items(), COLOURS, LINES, strict=False):
            values = [float(r[key]) for r in rows]
            if not all(math.isnan(value) for value in values):  # parts that were not trained
                axes.plot([int(r["step"]) for r in rows], values, label=label, color=colour, ls=line)
        axes.set_ylabel(title)
        if axes.lines:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(axes.lines), frameon=False)
    axes.set_xlabel("step")
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
