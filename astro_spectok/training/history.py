# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Records of a run in progress: a log with one row every few steps, and the loss curve."""

import csv
import math
import textwrap
import time

from astro_spectok.utils.atomic import replace_file

__all__ = ["Meter", "append_log", "plot_curve", "read_log", "trim_log"]

#: averages over spectra: reconstruction from the tokens and from the embedding alone, of hidden pixels, squared
#: deviation, contrastive loss, share of objects whose other view is the nearest; those of heads come after them
AVERAGES = ("loss", "loss_hidden", "inferred", "deviation", "alignment", "nearest")
#: what is drawn of them, and how each is called; what a head adds to the log is drawn under its own name
PANELS = {
    "weighted negative log-likelihood per pixel": {
        "loss": "decoded from tokens", "loss_hidden": "decoded from the embedding alone", "inferred": "hidden pixels",
    },
    "divergence, loss per label [nat]": {"alignment": "alignment"},
    "share of spectra": {"nearest": "other view nearest"},
    "mean squared deviation": {"deviation": "over the stated variance"},
}  # fmt: skip
#: of what heads add to the log, what is a share of spectra begins so; all else is a loss
SHARES = ("right", "share")
LAST = ("learning_rate", "gradient", "seconds", "spectra_per_s")


class Meter:
    """Averages between two rows of the log.

    Figures are summed where they are: nothing waits for a graphics card before `flush`.

    Parameters
    ----------
    figures : sequence of str
        What heads add to the log.
    """

    def __init__(self, figures=()):
        self.columns = ("step", *AVERAGES, *figures, *LAST)
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
        row = {key: math.nan for key in self.columns}
        for key, total in self.totals.items():
            row[key] = float(total) / float(self.numbers[key]) if self.numbers[key] else math.nan
        row |= {"step": step, "seconds": seconds, "spectra_per_s": float(self.spectra) / seconds}
        self._clear()
        return row


def append_log(path, values):
    """Append one row, a dict as of `Meter.flush`, to the CSV file at ``path``; columns stay those of its first row."""
    columns = _read_columns(path) or list(values)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="nan", extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerow({k: v if isinstance(v, int) else f"{v:.6g}" for k, v in values.items()})


def _read_columns(path):
    """Columns of a log; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return next(csv.reader(file), [])


def read_log(path):
    """The complete rows of a log as a list of dict of str; none where there is no file.

    Those of `AVERAGES` that are absent, as in logs of older versions, are 'nan'.
    """
    if not path.exists():
        return []
    with path.open(newline="") as file:
        # a kill can leave the last row cut short
        rows = [row for row in csv.DictReader(file) if all(row.values())]
    return [row | {key: "nan" for key in ("step", *AVERAGES, *LAST) if key not in row} for row in rows]


def trim_log(path, step):
    """Drop what was logged after ``step``, the checkpoint's: those steps are done again."""
    if not path.exists():
        return
    columns = _read_columns(path)
    rows = [row for row in read_log(path) if int(row["step"]) <= step]
    if not rows:  # of a header cut short nothing can be made
        path.unlink()
        return
    with replace_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _arrange_panels(row):
    """`PANELS` with what heads added to the log."""
    loss, share = "divergence, loss per label [nat]", "share of spectra"
    panels = {title: dict(curves) for title, curves in PANELS.items()}
    for key in row:
        if key not in ("step", *AVERAGES, *LAST):
            panels[share if key.startswith(SHARES) else loss][key] = key.replace("_", " ")
    return panels


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

    # a layout that is computed takes longer than the rest of a short run
    figure = Figure(figsize=(7, 12))
    figure.subplots_adjust(left=0.14, right=0.98, bottom=0.05, top=0.97, hspace=0.25)
    panels = _arrange_panels(rows[0])
    for axes, (title, curves) in zip(figure.subplots(4, sharex=True), panels.items(), strict=True):
        for (key, label), colour, line in zip(curves.items(), COLOURS, LINES, strict=False):
            values = [float(r[key]) for r in rows]
            if not all(math.isnan(value) for value in values):  # parts that were not trained
                axes.plot([int(r["step"]) for r in rows], values, label=label, color=colour, ls=line)
        axes.set_ylabel(textwrap.fill(title, 28))
        if axes.lines:
            axes.legend(
                loc="lower right", bbox_to_anchor=(1, 1), ncols=min(len(axes.lines), 4), frameon=False, fontsize=8
            )
    axes.set_xlabel("step")
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
