# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``redrock/compare.py`` and ``specutils_tools.py`` to the measured table of the page that compares."""

from _tables import make_table, show

__all__ = ["make_comparison_table"]

NOT_MEASURED = "*Not measured yet: python benchmarks/redrock/compare.py --data DIR does it.*\n"
CLASSES = ("GALAXY", "QSO", "STAR")
HEADER = (
    "spectra", "tool", "given beforehand", "n", "class right", "within 0.0033", *(f"{name}, km/s" for name in CLASSES),
    "spectra per CPU-s",
)  # fmt: skip
#: what each side of the comparison with redrock is called, and what it is given of the spectra
SIDES = {"redrock": ("redrock {}", "line-spread function"), "astro_spectok": ("astro_spectok", "nothing")}


def make_comparison_table(redrock, specutils=None):
    """The table: one row for each tool and set of spectra.

    Parameters
    ----------
    redrock, specutils : dict, optional
        Results of both scripts, as read from their JSON files; those of the second are shown if they exist.

    Returns
    -------
    str
    """
    if redrock is None:
        return NOT_MEASURED
    rows = []
    for row in redrock["sets"]:
        for side, (name, given) in SIDES.items():
            found = row["sides"][side]
            title = name.format(redrock["redrock"])
            rows.append([row["name"], title, given, *_show_figures(found)])
    for found in (specutils or {}).get("tools", []):
        title = f"specutils {specutils['specutils']}, ``{found['tool']}``"
        rows.append([specutils["name"], title, found["given"], *_show_figures(found)])
    title = f"One thread of {redrock['cpu']}; weights {redrock['sha256'][:12]}"
    return make_table(title, HEADER, rows)


def _show_figures(found):
    """The cells of one side: how many, how right, how precise by class, how fast."""
    by_class = [found["by_class"].get(name) for name in CLASSES]
    return [
        found["n"], show(found["class_right"], 3), show(found["within_0033"], 3),
        *(show(part["median_abs_dv"], 1) if part else "–" for part in by_class), show(found["per_second"]),
    ]  # fmt: skip
