# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``robustness.py`` to tables of the documentation."""

from _tables import make_table

__all__ = ["BAR", "NAMES", "NOT_MEASURED", "make_robustness_tables"]

NAMES = ("robustness", "robustness_groups")
NOT_MEASURED = "*Not measured for these weights: python benchmarks/robustness.py does it.*\n"
#: share right that a fault may cost
BAR = 0.02


def make_robustness_tables(content):
    """Both tables of one file of results, by `NAMES`: what faults cost, and to which class and instrument.

    Without results (None) both say so.
    """
    if content is None:
        return dict.fromkeys(NAMES, NOT_MEASURED)
    rows = content["rows"]
    whole = [row for row in rows if row["class"] == row["instrument"] == "all"]
    header = [
        "fault", "errors given", "right", "claimed", "lost", "zwarn 0", "right of these", "lost of these",
        "flagged of lost",
    ]  # fmt: skip
    title = (
        f"{content['n']} simulated spectra at S/N {content['snr']:g}, in per cent; lost: percentage points; "
        f"weights {content['sha256'][:12]}"
    )
    return {
        "robustness": make_table(title, header, [_show_fault(row) for row in whole]),
        "robustness_groups": _make_groups(rows),
    }


def _show_fault(row):
    """The cells of one row; of the reference nothing can be lost."""
    same = row["kind"] == "reference"
    return [
        row["fault"], "yes" if row["errors"] else "no", _percent(row["right"]), _percent(row.get("claimed")),
        "–" if same else _loss(row, mark=True), _percent(row["clear"]), _percent(row["purity"]),
        "–" if same else _percent(row["loss_clear"]), _percent(row["caught"]),
    ]  # fmt: skip


def _make_groups(rows):
    """One column for each class and each instrument."""
    single = [row for row in rows if (row["class"] == "all") != (row["instrument"] == "all")]
    named = [row | {"group": row["class"] if row["instrument"] == "all" else row["instrument"]} for row in single]
    # classes first
    groups = list(dict.fromkeys(row["group"] for row in sorted(named, key=lambda row: row["class"] == "all")))
    by_fault = {}
    for row in named:
        if row["kind"] != "reference":
            by_fault.setdefault((row["fault"], row["errors"]), {})[row["group"]] = _loss(row)
    cells = [
        [fault, "yes" if errors else "no", *(found.get(name, "–") for name in groups)]
        for (fault, errors), found in by_fault.items()
    ]
    title = "Percentage points lost, by class and by instrument"
    return make_table(title, ["fault", "errors", *groups], cells)


def _percent(value):
    return "–" if value is None else f"{100 * value:.1f}"


def _loss(row, *, mark=False):
    """A loss with its error; bold where a fault costs too much and ``mark`` is set."""
    value = f"{100 * row['loss']:.1f}"
    if mark and row["kind"] == "fault" and row["loss"] >= BAR:
        value = f"**{value}**"
    return f"{value} ± {100 * row['loss_error']:.1f}"
