# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``sizes.py`` to a table of the documentation."""

from _tables import make_table, show

__all__ = ["make_sizes_table"]

COMMAND = "python benchmarks/sizes.py --data DIR --json benchmarks/results/sizes.json"
NOT_MEASURED = f"*Not measured yet: {COMMAND} does it.*\n"
#: heading, figure and digits
COLUMNS = (
    ("redshift loss", "redshift", 3), ("right", "right", 3), ("class right", "right_class", 3),
    ("\\|dv\\|, km/s", "median_abs_dv", 1), ("reconstruction loss", "loss", 3), ("spectra seen", "spectra", 0),
    ("spectra/s, training", "spectra_per_s", 1), ("ms, inference", "ms", 1), ("MB", "megabytes", 1),
)  # fmt: skip


def make_sizes_table(content):
    """The table, a row for each variant; a sentence in its place where ``content`` is None."""
    if content is None:
        return NOT_MEASURED
    settings = content["settings"]
    rows = [
        [row["variant"], *(show(row[key], digits) for _, key, digits in COLUMNS)] for row in content["variants"]
    ]  # fmt: skip
    counted = content["variants"][0]
    title = (
        f"Sizes after {settings['seconds']:g} s of one thread of {settings['device']} each, {settings['templates']}; "
        f"{counted['validation']} validation spectra, {counted['measured']} of them of galaxies and quasars"
    )
    return make_table(title, ["variant", *(heading for heading, _, _ in COLUMNS)], rows)
