# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``archive_files.py`` to a table of the documentation."""

from _tables import make_table, show

__all__ = ["make_files_table"]

NOT_MEASURED = "*Not measured for these weights: python benchmarks/archive_files.py does it.*\n"
HEADER = ("file", "known", "z known", "found", "z", "p_best", "zwarn", "S/N")


def make_files_table(content):
    """A row for each file; a sentence in their place where ``content`` is None."""
    if content is None:
        return NOT_MEASURED
    rows = [
        [row["what"], row["class_known"] or "–", show(row["z_known"], 4), row["class"] or "–",
         f"{row['z']:.4f} ± {row['z_err']:.4f}", show(row["p_best"], 3), ", ".join(row["zwarn"]) or "0",
         show(row["snr"], 1)]
        for row in content["files"]
    ]  # fmt: skip
    title = f"Class and redshift of single files; weights {content['sha256'][:12]}"
    return make_table(title, HEADER, rows)
