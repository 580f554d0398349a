# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether one reading of few labels is better than others, by what draws of the labels tell."""

import numpy as np

__all__ = ["BASELINES", "compare_draws", "count_ahead"]

#: readings that take no network that was trained beforehand
BASELINES = ("PCA-20", "PCA-50", "flux", "CNN")
#: what a reading of the weights is to be ahead of
RIVALS = (*BASELINES, "untrained")


def compare_draws(row, name, rivals):
    """Whether a reading is ahead of each of its rivals, or behind any, by what the draws of the labels tell.

    Readings learn from the same labels in each draw and are scored on the same spectra, so that their differences
    count, draw by draw. What decides whether one is better on the mean is the standard error of the mean difference;
    whether it is better in nearly every single draw, the scatter of the differences. Both are of the draws alone:
    other spectra to score would add to them.

    Parameters
    ----------
    row : dict
        Scores, one for each draw, by reading; ``score``, what they are: of a ``scatter`` less is better.
    name : str
    rivals : sequence of str
        Those that are absent are left out.

    Returns
    -------
    dict of str to (bool, bool)
        Ahead of all and behind one, by ``error`` and by ``scatter``.
    """
    sign = -1 if row["score"] == "scatter" else 1
    gains = np.array([sign * (np.array(row[name]) - np.array(row[rival])) for rival in rivals if rival in row])
    mean, spread = gains.mean(1), gains.std(1, ddof=1) if gains.shape[1] > 1 else np.full(len(gains), np.nan)
    limits = {"error": spread / np.sqrt(gains.shape[1]), "scatter": spread}
    return {key: (bool(np.all(mean > limit)), bool(np.any(-mean > limit))) for key, limit in limits.items()}


def count_ahead(rows, name):
    """On how many tasks a reading is ahead of all others, and behind one.

    Returns
    -------
    list of dict
        By number of labels asked for: ``asked``, ``reading``, ``n``, and ``ahead``, ``behind`` by the standard error of
        the mean difference and, as ``ahead_each``, ``behind_each``, by the scatter of single draws (`compare_draws`);
        ``ahead_mean``, on how many its mean is above that of each rival, and ``ahead_baselines``, of each of
        `BASELINES`.
    """
    out = []
    for asked in dict.fromkeys(row["asked"] for row in rows):
        wanted = [row for row in rows if row["asked"] == asked]
        judged = [compare_draws(row, name, RIVALS) for row in wanted]
        counts = {key: np.sum([one[key] for one in judged], axis=0).tolist() for key in ("error", "scatter")}
        out.append(
            {"asked": asked, "reading": name, "n": len(judged)}
            | dict(zip(("ahead", "behind"), counts["error"], strict=True))
            | dict(zip(("ahead_each", "behind_each"), counts["scatter"], strict=True))
            | {f"ahead_{key}": sum(_is_above(row, name, rivals) for row in wanted)
               for key, rivals in (("mean", RIVALS), ("baselines", BASELINES))}
        )  # fmt: skip
    return out


def _is_above(row, name, rivals):
    """Whether the mean of a reading is better than that of each rival."""
    sign = -1 if row["score"] == "scatter" else 1
    return all(sign * np.mean(row[name]) > sign * np.mean(row[one]) for one in rivals if one in row)
