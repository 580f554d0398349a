# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Table of what ``transfer.py`` measured."""

from _tables import make_table

__all__ = ["make_transfer_table"]

NOT_MEASURED = "*Not measured yet: python benchmarks/transfer.py --data DIR does it.*\n"
READINGS = {"head": "packaged head", "line": "a line", "no heads": "without heads", "linear": "with heads"}
SETS = {"cflib": "CFLIB", "miles": "MILES"}


def make_transfer_table(content):
    """Errors in [Fe/H] by stars, labels and scale, and the gain over the head.

    Parameters
    ----------
    content : dict or None
        As ``transfer.py --json`` writes it.
    """
    if content is None:
        return NOT_MEASURED
    rows = [
        [SETS[row["stars"]], row["labels"], row["scale"]]
        + [f"{row[name]:.3f} ({row[f'{name}, poor']:.3f}; {row[f'{name}, scatter']:.3f})" for name in READINGS]
        + [f"{100 * (1 - row['linear'] / row['head']):.0f} %"]
        for row in content["rows"]
        if row["label"] == "feh"
    ]
    title = (
        f"[Fe/H] of stars as DESI would see them, S/N 10 to 30: rms in dex (below -1; scatter of all); weights "
        f"{content['sha256'][:12]}, {content['rows'][0]['seeds']} draws of the labels"
    )
    return make_table(title, ["stars", "labels", "scale", *READINGS.values(), "gain"], rows)
