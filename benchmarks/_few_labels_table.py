# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of the page on labels of one's own, from what ``few_labels.py`` measured."""

import numpy as np
from _draws import BASELINES, count_ahead
from _tables import make_table

__all__ = ["make_ahead_table", "make_few_labels_table"]

NOT_MEASURED = "*Not measured yet: python benchmarks/few_labels.py --data DIR does it.*\n"
#: numbers of labels of the table
SHOWN = (30, 100)
WORDS_READING = {"linear": "with heads", "no heads": "without heads"}
WORDS = {"labels": "yes", "other labels": "other stars", "none": "no"}


def make_few_labels_table(content):
    """The table.

    Parameters
    ----------
    content : dict or None
        As ``few_labels.py --json`` writes it.

    Returns
    -------
    str
    """
    if content is None:
        return NOT_MEASURED
    title = f"Weights {_name_weights(content)}; means and scatter of {content['seeds']} draws of the labels"
    header = ["task, score", "labels", "seen by heads", "best baseline", "untrained", "without heads", "with heads"]
    rows = []
    for row in content["rows"]:
        if row["asked"] not in SHOWN:
            continue
        sign = -1 if row["score"] == "scatter" else 1
        best = max((name for name in BASELINES if name in row), key=lambda name: sign * np.mean(row[name]))
        names = (best, "untrained", "no heads", "linear")
        rows.append(
            [
                f"{row['task']}, {row['score']}",
                row["labels"],
                WORDS[row["known"]],
                *(_show(row[name]) for name in names),
            ]
        )
    return make_table(title, header, rows)


def make_ahead_table(content):
    """On how many tasks readings with and without heads are ahead of all others; as of `make_few_labels_table`."""
    if content is None:
        return NOT_MEASURED
    title = (
        f"Tasks on which all baselines and the untrained network are beaten, or one of them is not reached; weights "
        f"{_name_weights(content)}. By the standard error of the mean difference over {content['seeds']} draws of the "
        "labels, all readings on the same draws; in brackets by the scatter of the differences of single draws"
    )
    rows = [
        [WORDS_READING[name], row["asked"] or "all", row["n"], row["ahead_baselines"], row["ahead_mean"],
         f"{row['ahead']} ({row['ahead_each']})",
         f"{row['behind']} ({row['behind_each']})"]
        for name in WORDS_READING for row in count_ahead(content["rows"], name)
    ]  # fmt: skip
    header = [
        "reading", "labels", "tasks", "mean above baselines", "and untrained", "ahead of all, surely", "behind one",
    ]  # fmt: skip
    return make_table(title, header, rows)


def _name_weights(content):
    """The weights that rows were measured with, the tasks of each but of the most frequent ones named."""
    tasks = {}
    for row in content["rows"]:
        tasks.setdefault(row.get("sha256", content["sha256"])[:12], {})[row["task"]] = None
    first, *others = sorted(tasks, key=lambda key: -len(tasks[key]))
    return first + "".join(f", but {key} for {'; '.join(tasks[key])}" for key in others)


def _show(values):
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"
