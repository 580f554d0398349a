# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of the page on labels of one's own, from what ``depths.py`` measured."""

import numpy as np
from _tables import make_table, show

__all__ = ["make_depths_tables"]

NOT_MEASURED = "*Not measured yet: python benchmarks/depths.py --data DIR does it.*\n"
BASELINES = ("PCA-20", "PCA-50", "flux", "CNN")


def make_depths_tables(content):
    """Scores of the depths beside the best baseline, and what each costs.

    Parameters
    ----------
    content : dict or None
        As ``depths.py --json`` writes it.

    Returns
    -------
    dict of str to str
        ``depths`` and ``depths_cost``.
    """
    if content is None:
        return {"depths": NOT_MEASURED, "depths_cost": NOT_MEASURED}
    depths = list(content["rows"][0]["fit_s"])
    draws = content["seeds"]
    limit = f", at most {content['limit']} spectra of a set" if content.get("limit") else ""
    title = f"Weights {content['sha256'][:12]}; means and scatter of {draws} draws of the labels{limit}"
    rows = []
    for row in content["rows"]:
        sign = -1 if row["score"] == "scatter" else 1
        best = max(
            (name for name in BASELINES if name in row["scores"]), key=lambda x: sign * np.mean(row["scores"][x])
        )
        cells = [_show(row["scores"][name]) for name in (best, *depths)]
        rows.append([f"{row['task']}, {row['score']}", row["labels"], *cells])
        seconds = [f"{np.median(row['fit_s'][depth]):.0f} s" for depth in depths]
        rows.append(["its fit on one core, spectra read before", row["labels"], "–", *seconds])
    header = ["task, score", "labels", "best baseline", *(f"``{depth}``" for depth in depths)]
    tables = {"depths": make_table(title, header, rows), "depths_cost": NOT_MEASURED}
    if content["cost"]:
        one = content["cost"][0]
        title = f"Cost of {one['n']} spectra of {one['pixels']:.0f} pixels on one core, reading and imports included"
        costs = [
            [
                f"``{c['depth']}``",
                f"{c['fit_s']:.0f}",
                f"{c['predict_s']:.0f}",
                f"{c['memory_mb']:.0f}",
                show(c["gain"], 1),
            ]
            for c in content["cost"]
        ]
        header = ["depth", "fit (s)", "prediction (s)", "most memory (MB)", "gain chosen"]
        tables["depths_cost"] = make_table(title, header, costs)
    return tables


def _show(values):
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"
