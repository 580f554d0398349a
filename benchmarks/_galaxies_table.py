# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``benchmarks/galaxies.py`` as tables."""

from _tables import make_table, show

__all__ = ["NAMES", "make_galaxies_tables"]

NAMES = ("galaxies", "galaxies_lines", "galaxies_ppxf")
NOT_MEASURED = "*Not measured yet: python benchmarks/galaxies.py --data DIR --ppxf PYTHON --json FILE does it.*\n"
#: what is said of each property, and its unit
SAID = {
    "age": "log age [dex]", "metallicity": "[M/H] [dex]", "a_v": "A_V [mag]", "sigma_v": "dispersion [km/s]",
    "d4000": "D4000", "ew_halpha": "EW H alpha [A]", "ew_oiii": "EW [O III] [A]", "ew_hbeta": "EW H beta [A]",
    "ew_oii": "EW [O II] [A]",
}  # fmt: skip


def make_galaxies_tables(content):
    """Tables of properties by S/N, of real lines, and beside ppxf: name to text."""
    if content is None:
        return dict.fromkeys(NAMES, NOT_MEASURED)
    rivals = {(row["label"], row["snr"][0]): row for row in content["populations"]}
    rows = []
    for row in content["estimator"]:
        low, high = row["snr"]
        other = rivals.get((row["property"], low))
        both = ["–"] * 3 if other is None else [show(other[k]["scatter"]) for k in ("head", "linear", "untrained")]
        figures = [show(row[k]) for k in ("bias", "scatter", "error", "within_1", "within_2")]
        rows.append([SAID[row["property"]], f"{low:g}-{high:g}", row["n"], *figures, *both])
    header = ["property", "S/N", "n", "bias", "scatter", "error", "in 1 error", "in 2", "head", "linear", "untrained"]
    title = f"Simulated galaxies not used in training; weights {content['sha256'][:12]}"
    out = {"galaxies": make_table(title, header, rows)}
    lines = [
        [row["set"], row["line"], row["n"], *(show(row[k]) for k in ("median", "scatter", "within_2", "within_5"))]
        for row in content["real"]
        if row["n"] >= 5
    ]
    title = "Real galaxies: estimator minus specutils, in standard deviations"
    header = ["set", "what", "n", "median", "scatter", "within 2", "within 5"]
    out["galaxies_lines"] = make_table(title, header, lines)
    if "ppxf" not in content:
        return out | {"galaxies_ppxf": NOT_MEASURED}
    beside = [
        [SAID[row["property"]], row["estimator"]["n"]]
        + [show(row[which][k]) for which in ("estimator", "ppxf") for k in ("bias", "scatter", "rms")]
        for row in content["ppxf"]
    ]
    header = ["property", "n", "bias", "scatter", "rms", "ppxf: bias", "scatter", "rms"]
    return out | {"galaxies_ppxf": make_table("Simulated galaxies of SDSS, S/N 10 to 50", header, beside)}
