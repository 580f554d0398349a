# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``redrock/compare.py`` to a table of the documentation."""

from _tables import make_table, show

__all__ = ["make_redrock_table"]

COMMAND = "python benchmarks/redrock/compare.py --data DIR --json benchmarks/results/redrock.json"
NOT_MEASURED = f"*Not measured yet: {COMMAND} does it.*\n"
CLASSES = ("GALAXY", "QSO", "STAR")
HEADER = (
    "spectra", "by", "n", "class right", "< 0.0033", "\\|dv\\| all", *CLASSES, "spectra per CPU-s", "start-up, CPU-s",
    "per grid, CPU-s",
)  # fmt: skip


def make_redrock_table(content):
    """The table and a line on what it was measured with; a sentence in their place where ``content`` is None."""
    if content is None:
        return NOT_MEASURED
    versions = {"redrock": f"redrock {content['redrock']}", "astro_spectok": "astro_spectok"}
    versions["astro_spectok_bfloat16"] = "astro_spectok, ``precision = 'bfloat16'``"
    rows = [
        [row["name"], versions[side], found["n"], show(found["class_right"], 3), show(found["within_0033"], 3),
         show(found["median_abs_dv"], 1), *(_show_class(found, name) for name in CLASSES), show(found["per_second"]),
         show(found["start"], 1), show(found["setup"] / row["grids"]) if found["setup"] else "–"]
        for row in content["sets"]
        for side, found in row["sides"].items()
    ]  # fmt: skip
    title = f"One thread of {content['cpu']}; weights {content['sha256'][:12]}"
    lines = [make_table(title, HEADER, rows)]
    lines += [
        f"On {row['name']}: {row['ratio']:.0f} times as many spectra per CPU-second as redrock; the goal was "
        f"{row['bar']} ({'met' if row['met'] else '**not met**'}).{_tell_bfloat16(row['sides'])}\n"
        for row in content["sets"]
    ]
    origin = f"Templates of redrock: {content['templates']}."
    check = ", ".join(f"{part['same']} of {part['n']} {name}" for name, part in content.get("check", {}).items())
    if check:
        origin += f" Its redshifts agree, within its stated errors, with those from its own templates for {check}."
    return "\n".join([*lines, origin + "\n"])


def _tell_bfloat16(sides):
    """How fast it is with that precision, if that was measured."""
    if "astro_spectok_bfloat16" not in sides:
        return ""
    ratio = sides["astro_spectok_bfloat16"]["per_second"] / sides["redrock"]["per_second"]
    return f" With ``astro_spectok.conf.precision = 'bfloat16'``: {ratio:.0f} times."


def _show_class(found, name):
    """Median |dv| of one class of one side."""
    return show(found["by_class"][name]["median_abs_dv"], 1) if name in found["by_class"] else "–"
