# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The table of how well odd spectra are told from usual ones."""

from _tables import make_table, show

__all__ = ["make_outliers_table"]


def make_outliers_table(content):
    """Chances for each thing that was done to a spectrum, as text."""
    if content is None:
        return "*Not measured yet: python benchmarks/outliers.py --data DIR --json FILE does it.*\n"
    rows = [
        [row["done"], *(show(row[name]) for name in ("distance", "surprise", "odd_sigma", "pixel")),
         show(row["place"]) if "place" in row else "–"]
        for row in content["rows"]
    ]  # fmt: skip
    n = content["rows"][0]["n"]
    title = (
        f"{n} spectra of SDSS and BOSS, beside the same after something was done to them, and an archive of "
        f"{content['archive']} others: chance that the odd one scores higher (0.5: it says nothing)"
    )
    header = ["what was done", "``distance``", "``surprise``", "``odd_sigma``", "median filter", "line found"]
    return make_table(title, header, rows)
