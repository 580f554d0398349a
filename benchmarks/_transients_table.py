# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``benchmarks/transients.py`` as a table."""

from _tables import make_table, show

__all__ = ["make_exposures_table", "make_series_table", "make_transients_table"]

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
    return make_table(title, header, rows) + make_flags_table(content.get("flags", {}))


def make_flags_table(flags):
    """What the redshift estimator makes of transients, and how many right answers its flag costs."""
    if not flags:
        return ""
    rows = [
        [SAID.get(name, name), row["n"], row["unflagged"], row["wrong"], row["alone"], row["flagged"]]
        for name, row in flags.items()
    ]
    header = ["set", "n", "zwarn 0", "of these z off by 0.01", "only TRANSIENT_LIKE", "TRANSIENT_LIKE"]
    return "\n" + make_table("Redshifts of transients and of all else, by ``RedshiftEstimator``", header, rows)


def make_exposures_table(content, unlike=None):
    """What several exposures give together, beside one of them and their mean; then those on unlike grids."""
    if unlike is not None:
        return f"{make_exposures_table(content)}\n{make_exposures_table(unlike)}"
    if content is None:
        return "*Not measured yet: python benchmarks/exposures.py --data DIR --json FILE does it.*\n"
    names = {
        "best": "the exposure with the highest S/N", "most_confident": "that with the highest ``p_best``",
        "joint": "the series", "coadd": "their weighted mean",
    }  # fmt: skip
    if content.get("unlike"):
        names["coadd"] = "the weighted mean of as many on one grid"
    rows = [
        [said, show(row["right"]), show(row["sure"]), row["wrong"], show(row["pull"])]
        for name, said in names.items()
        for row in [content["ways"][name]]
    ]
    title = (
        f"{content['ways']['joint']['n']} simulated objects with {content['exposures']} exposures each, S/N "
        f"{content['snr']:g} per pixel of {'SDSS, of unlike pixels and ranges' if content.get('unlike') else 'each'}"
    )
    return make_table(title, ["redshift of", "right", "zwarn 0", "of these wrong", "scatter of pulls"], rows)


def make_series_table(content):
    """Real spectra of one object at several times: velocities, changes and answers."""
    if content is None:
        return "*Not measured yet: python benchmarks/series.py --data DIR --json FILE does it.*\n"
    rows = [
        [f"{row['shift']:g}", row["n"], show(row["variable"]), show(row["pulls"]), f"{row['error']:.1f}"]
        for row in content["velocities"]
    ]
    text = make_table(
        "Stars that LAMOST observed twice or more, the last visit shifted; variable: ``p_variable`` above 0.9",
        ["shift in km/s", "stars", "variable", "scatter of pulls", "median ``rv_err`` in km/s"],
        rows,
    )
    rows = [
        [name, row["n"], row["changed"], "–" if "visits" in name or "twice" in name else row["at_broad_line"]]
        for name, row in content["changes"].items()
    ]
    title = "``find_changes`` on real spectra"
    text += "\n" + make_table(title, ["spectra", "objects", "changed", "of these at a broad line"], rows)
    rows = [
        [f"{name}, {way}", row["n"], show(row["right"]), show(row["sure"]), row["wrong"]]
        for name, ways in content["answers"].items()
        for way, row in ways.items()
        if way in ("series", "single")
    ]
    title = "Redshifts of series and of their single spectra, within 0.01 of the catalogue"
    text += "\n" + make_table(title, ["spectra", "n", "right", "zwarn 0", "of these wrong"], rows)
    rows = [
        [name, row["n"], show(row["group"]), show(row["z"]), f"{row['phase']:.1f}"]
        for name, row in content["supernovae"].items()
    ]
    title = "Supernovae of the test set with two known phases or more, by ``TransientEstimator``"
    header = ["spectra", "n", "right group", "right redshift", "median error of the phase in days"]
    return text + "\n" + make_table(title, header, rows)
