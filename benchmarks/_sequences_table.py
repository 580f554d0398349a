# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``benchmarks/sequences.py`` as a table."""

import numpy as np
from _tables import make_table

__all__ = ["make_sequences_table"]

NOT_MEASURED = "*Not measured yet: python benchmarks/sequences.py --json benchmarks/results/sequences.json does it.*\n"
#: how rows are called
SAID = {
    "network": "pretrained network", "network, no values": "pretrained, without the values",
    "values": "the values alone", "untrained": "untrained network",
    "untrained, no values": "untrained, without the values", "predicting the mean": "nothing (mean, or most frequent)",
}  # fmt: skip


def make_sequences_table(content):
    """A row for each method, a column for each set: mean and scatter over runs."""
    if content is None:
        return NOT_MEASURED
    sets = content["sets"]
    header = ["method", *(f"{name}, {one['score']}" for name, one in sets.items())]
    names = list(dict.fromkeys(name for one in sets.values() for name in one["rows"]))
    rows = [[SAID.get(name, name), *(_show(one["rows"].get(name)) for one in sets.values())] for name in names]
    title = (
        f"{content['steps']} steps of pretraining, "
        f"{max(one['pretraining_cpu_s'] or 0 for one in sets.values()):.0f} s of one core at most; sequences: "
        + ", ".join(f"{name} {one['train']} and {one['test']}" for name, one in sets.items())
    )
    return make_table(title, header, rows)


def _show(values):
    """Mean and scatter over runs, in brackets how many."""
    if not values:
        return "–"
    mean, digits = np.mean(values), 3 if max(values) <= 1 else 2
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {np.std(values):.{digits}f} ({len(values)})"
