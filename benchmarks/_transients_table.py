# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``benchmarks/transients.py`` as a table."""

from _tables import make_table, show

__all__ = ["make_transients_table"]

NOT_MEASURED = "*Not measured yet: python benchmarks/transients.py --data DIR --rivals --json FILE does it.*\n"
#: what is said of each set
SAID = {"superfit": "superfit, other objects", "ozdes": "OzDES", "left out": "training sets, object left out"}


def make_transients_table(content):
    """Types, redshifts and phases by set, beside rivals; balanced over types, by object."""
    if content is None:
        return NOT_MEASURED
    rows = []
    for name, ways in content["sets"].items():
        for way, row in ways.items():
            figures = [show(row[key]) for key in ("balanced", "fine", "z_right", "z_right_ia")]
            phase = "–" if row["phase_mad"] is None else f"{row['phase_mad']:.1f}"
            rows.append([SAID.get(name, name), way, row["n"], row["objects"], *figures, phase])
            if "warn_0_scores" in row:
                sure = row["warn_0_scores"]
                figures = [show(sure[key]) for key in ("balanced", "fine", "z_right", "z_right_ia")]
                phase = "–" if sure["phase_mad"] is None else f"{sure['phase_mad']:.1f}"
                rows.append([SAID.get(name, name), f"{way}, warn 0", sure["n"], sure["objects"], *figures, phase])
    claims = content["claims"].values()
    wrong, n = sum(row["claimed"] for row in claims), sum(row["n"] for row in claims)
    title = (
        f"Share right, by object; weights {content['sha256'][:12]}. Of {n} galaxies, quasars, stars and skies {wrong} "
        "are called transients with warn 0"
    )
    header = ["set", "what answers", "n", "objects", "Ia, II, Ibc", "all types", "z", "z of Ia", "phase of Ia [d]"]
    return make_table(title, header, rows)
