# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``wild_files.py`` to a table of the documentation."""

from _tables import make_table

__all__ = ["make_wild_table"]

NOT_MEASURED = "*Not measured: python benchmarks/wild_files.py does it.*\n"


def make_wild_table(content):
    """Totals of reading; a sentence in their place where ``content`` is None."""
    if content is None:
        return NOT_MEASURED
    totals = content["totals"]
    known = totals["medium_right"] + totals["medium_wrong"]
    rows = [
        ["files", totals["files"]],
        ["read", totals["read"]],
        ["refused in words, of those that hold no spectrum", f"{totals['refused']} of {totals['must_be_refused']}"],
        ["wavelengths right, of those read", f"{totals['axis_right']} of {totals['read']}"],
        ["air or vacuum correct, of those where somebody states it", f"{totals['medium_right']} of {known}"],
    ]
    return make_table("Files as people have them, read without options", ["what", "number"], rows)
