# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of the model card from what ``representation.py`` measured: the same object again, hidden stretches."""

from _tables import make_table, show

__all__ = ["make_representation_tables"]

NOT_MEASURED = "*Not measured yet: python benchmarks/representation.py --data DIR does it.*\n"
#: what a set is called, and which methods stand in the table
SAME = (
    ("instruments", None, "stars of CFLIB (R 5000) among 704 of MILES (R 2200)"),
    ("repeats", "lamost_real", "repeat visits of LAMOST"),
    ("repeats", "sdss_more_real", "repeat visits of SDSS and BOSS"),
    ("warps", None, "stars of MILES after a calibration error of 30 %"),
)
METHODS = ("embed()", "embed(lines)", "embed(), other half", "embed(lines), other half", "flux")


def make_representation_tables(content):
    """Tables by the end of their names.

    Parameters
    ----------
    content : dict or None
        As ``representation.py --json`` writes it.

    Returns
    -------
    dict of str to str
    """
    if content is None:
        return {"same": NOT_MEASURED, "hidden": NOT_MEASURED}
    title = f"Weights {content['sha256'][:12]}"
    same = []
    for part, name, what in SAME:
        for row in content.get(part, []):
            if row["method"] in METHODS and (name is None or row["set"] == name):
                same.append([what, row["method"], row["n"], show(row["recall_1"], 3), show(row["recall_10"], 3)])
    hidden = [
        [f"``{row['set']}``", what, row["n"], *(_pair(row[key]) for key in ("decode", "net", "survey")),
         _share(row["decode"], row["survey"]), f"{row['within_1']:.2f}, {row['within_2']:.2f}"]
        for part, what in (("hidden_blocks", "blocks"), ("hidden_half", "half of the range"))
        for row in content.get(part, [])
    ]  # fmt: skip
    return {
        "same": make_table(title, ["what is looked for", "by", "n", "recall@1", "recall@10"], same),
        "hidden": make_table(
            title,
            [
                "set",
                "hidden",
                "n",
                "decode",
                "network alone",
                "PPCA of the survey",
                "decode over PPCA",
                "within 1, 2 sigma",
            ],
            hidden,
        ),
    }


def _share(decode, survey):
    """Skill of decoding in parts of that of components which have seen the survey; in words where these have none."""
    if survey is None or survey[0] <= survey[1]:
        return "–" if survey is None else "PPCA has no skill"
    return f"{decode[0] / survey[0]:.2f}"


def _pair(values):
    """A figure and its error."""
    return "–" if values is None else f"{values[0]:.2f} ± {values[1]:.2f}"
