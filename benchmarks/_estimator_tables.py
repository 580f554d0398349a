# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``redshift_estimator.py`` to tables and a picture of the documentation."""

import numpy as np
from _tables import make_bars, make_table, show, show_snr

__all__ = ["ESTIMATOR_NAMES", "make_estimator_tables", "plot_reliability"]

#: tables that are made, whatever the weights
ESTIMATOR_NAMES = (
    "estimator_bars", "estimator_precision", "estimator_pulls", "estimator_reliability", "estimator_zwarn",
    "estimator_nothing",
)  # fmt: skip
NOT_MEASURED = "*Not measured for these weights: python benchmarks/redshift_estimator.py does it.*\n"
#: sets whose reliability is shown
POOLED = ("simulated", "real")


def make_estimator_tables(content=None):
    """All tables of one file of results, by each of `ESTIMATOR_NAMES`; without results a sentence that says so."""
    if content is None:
        return dict.fromkeys(ESTIMATOR_NAMES, NOT_MEASURED)
    made = {
        "estimator_bars": make_bars("Goals, with ``RedshiftEstimator``", content),
        "estimator_precision": _make_precision(content["precision"]),
        "estimator_pulls": _make_pulls(content["pulls"]),
        "estimator_reliability": _make_reliability(content["reliability"]),
        "estimator_zwarn": _make_zwarn(content["zwarn"]),
        "estimator_nothing": _make_nothing(content["nothing"]),
    }
    return {name: made[name] or NOT_MEASURED for name in ESTIMATOR_NAMES}


def _make_precision(found):
    rows = [
        [row["class"], f"{row['snr']:g}", row["n"], show(row["ours"], 1), show(row["redrock"], 1), show(row["bar"], 1)]
        for row in found
    ]
    title = "Median error in km/s on redrock's own templates (``sim_redrock``)"
    return make_table(title, ["class", "S/N", "n", "ours", "redrock", "aimed at"], rows) if rows else None


def _make_pulls(found):
    rows = [
        [row["set"], row["class"], show_snr(row), row["n"], show(row["width"]), show(row["median"])] for row in found
    ]
    title = "(z - z_true) / z_err of right redshifts: width and median"
    return make_table(title, ["set", "class", "S/N", "n", "width", "median"], rows) if rows else None


def _make_reliability(found):
    rows = [
        [row["set"], f"{row['low']:g}-{row['high']:g}", row["n"], show(row["claimed"], 3), show(row["right"], 3)]
        for row in found
        if row["set"] in POOLED
    ]
    title = "How often an answer is right, by the probability that it claims"
    return make_table(title, ["set", "p_best", "n", "claimed", "right"], rows) if rows else None


def _make_zwarn(found):
    rows = [
        [row["set"], row["n"], show(row["right"], 3), show(row["kept"], 3), show(row["purity"], 3), row["n_kept"]]
        for row in found
        if row["n"]
    ]
    title = "Spectra at S/N > 2: share that is right, share of these with ``zwarn`` 0, and how many of those are right"
    return make_table(title, ["set", "n", "right", "kept", "purity", "n with zwarn 0"], rows) if rows else None


def _make_nothing(found):
    rows = [[row["kind"], row["n"], show(row["flagged"], 3)] for row in found]
    title = "Spectra with nothing to find: share that ``zwarn`` flags"
    return make_table(title, ["kind", "n", "flagged"], rows) if rows else None


def plot_reliability(content, path):
    """Draw claimed against right shares, and the distribution of PIT, into an image file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from astro_spectok.plotting.style import COLOURS, LINES, MARKERS

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for name, colour, marker, line in zip(POOLED, COLOURS, MARKERS, LINES, strict=False):
        rows = [row for row in content["reliability"] if row["set"] == name]
        share, n = np.array([row["right"] for row in rows]), np.array([row["n"] for row in rows])
        error = np.sqrt(np.maximum(share * (1 - share), 0.25 / np.maximum(n, 1)) / np.maximum(n, 1))
        left.errorbar([row["claimed"] for row in rows], share, error, capsize=2, label=name,
                      color=colour, marker=marker, ls=line)  # fmt: skip
        for row in content["pit"]:
            if row["set"] == name and row["n"]:
                density = np.array(row["counts"]) / row["n"] * len(row["counts"])
                right.stairs(density, np.linspace(0, 1, len(density) + 1), label=name, color=colour, ls=line)
    left.plot([0, 1], [0, 1], color="0.6", lw=1)
    left.set(xlabel="p_best", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    right.axhline(1, color="0.6", lw=1)
    right.set(xlabel="probability of a redshift below the true one", ylabel="density", ylim=(0, None))
    left.legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})
