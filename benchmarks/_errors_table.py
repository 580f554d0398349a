# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``errors.py`` to a table of the documentation."""

from _tables import make_table

__all__ = ["make_errors_table"]

NOT_MEASURED = "*Not measured for these weights: python benchmarks/errors.py does it.*\n"


def make_errors_table(content):
    """One row for each kind of spectra and each way of altering their errors; without results (None) it says so."""
    if content is None:
        return NOT_MEASURED
    header = [
        "spectra", "errors", "right as given", "right in the end", "flagged", "pull", "before", "claimed error",
        "before", "zwarn 0", "before", "right of these",
    ]  # fmt: skip
    title = (
        f"{content['n']} spectra of each kind, shares in per cent; weights {content['sha256'][:12]}; time with the "
        f"second look over that without, errors as stated: {content['cost']:.2f}"
    )
    return make_table(title, header, [_show(row) for row in content["rows"]])


def _show(row):
    # pipelines' redshifts have errors of their own, and errors of correlated noise are right or wrong in another way
    simulated, shared = row["kind"] == "simulated", "pixels" in row["way"]
    return [
        row["kind"], row["way"], *("–" if shared else _percent(row[name]) for name in ("given", "corrected")),
        _percent(row["flagged"]), *(f"{row[name]:.2f}" if simulated else "–" for name in ("pull", "pull_before")),
        *(f"{row[name]:.2f}" for name in ("claim", "claim_before")),
        *(_percent(row[name]) for name in ("kept", "kept_before", "pure")),
    ]  # fmt: skip


def _percent(value):
    return "–" if value is None else f"{100 * value:.0f}"
