# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``stellar_parameters.py`` to tables and a picture of the documentation."""

from _tables import make_bars, make_table, show

__all__ = [
    "STELLAR_NAMES",
    "make_heads_table",
    "make_stellar_tables",
    "make_white_dwarf_table",
    "plot_kiel_picture",
]

#: tables that are made, whatever the weights
STELLAR_NAMES = (
    "stellar_bars", "stellar_real", "stellar_snr", "stellar_resolution", "stellar_window", "stellar_flags",
    "stellar_visit", "stellar_kiel",
)  # fmt: skip
NOT_MEASURED = "*Not measured for these weights: python benchmarks/stellar_parameters.py does it.*\n"
#: `plot_kiel_picture`, as a page shows it
KIEL = """.. image:: /_tables/small_kiel.png
   :alt: Gravity against temperature of the test stars of MILES, coloured by metallicity, as known and as estimated
"""
DIGITS = {"teff": 0, "rv": 1}
#: labels, as the head of a table calls them
TITLES = {"teff": "Teff, K", "logg": "logg, dex", "fe_h": "[Fe/H], dex", "rv": "rv, km/s"}


def make_stellar_tables(content=None):
    """All tables of one file of results, by each of `STELLAR_NAMES`; without results a sentence that says so."""
    if content is None:
        return dict.fromkeys(STELLAR_NAMES, NOT_MEASURED)
    made = {
        "stellar_bars": make_bars("Goals, with ``StellarParameterEstimator``", content),
        "stellar_real": _make_real(content["real"]),
        "stellar_snr": _make_cells(content, "snr", "S/N", "Simulated stars by signal-to-noise ratio per pixel"),
        "stellar_resolution": _make_cells(
            content, "resolution", "R", "Simulated stars at a signal-to-noise ratio of 50, by resolving power"
        ),
        "stellar_window": _make_cells(
            content, "window", "range", "Simulated stars at a signal-to-noise ratio of 50, by range"
        ),
        "stellar_flags": _make_flags(content["flags"]),
        "stellar_visit": _make_visit(content["visit"]),
        "stellar_kiel": KIEL if content["kiel"] else None,
    }
    return {name: made[name] or NOT_MEASURED for name in STELLAR_NAMES}


def make_heads_table(content=None):
    """Scatter of every way to read labels that ``stellar_heads.py`` compares, and widths of pulls."""
    if content is None:
        return NOT_MEASURED
    kinds = list(next(iter(content["scatter"].values())))
    header = ["", *(f"{label}, {kind}" for kind in kinds for label in ("Teff, K", "logg", "[Fe/H]")), "widths of pulls"]
    rows = []
    for name, by_kind in content["scatter"].items():
        cells = [
            f"{value:.0f}" if i == 0 else f"{value:.2f}" for kind in kinds for i, value in enumerate(by_kind[kind])
        ]
        pulls = [f"{value:.2f}" for kind in kinds for value in content["pulls"].get(name, {}).get(kind, ())]
        rows.append([name, *cells, ", ".join(pulls) or "–"])
    return make_table("Scatter of labels of stars of MILES that were left out of training", header, rows)


def make_white_dwarf_table(content=None):
    """Scores of white dwarfs of ``white_dwarfs.py``, and how many of those that have no such lines get labels."""
    if content is None:
        return "*Not measured: python benchmarks/white_dwarfs.py does it.*\n"
    units, rows = {"percent": "Teff, per cent", "logg": "logg, dex"}, []
    for row in content["scores"]:
        digits = 1 if row["label"] == "percent" else 3
        figures = [show(row[key], digits) for key in ("scatter", "offset", "error")]
        rows.append([row["set"], units[row["label"]], row["n"], show(row["given"]), *figures, show(row["pull"])])
    header = ["set", "parameter", "n", "share given", "scatter", "offset", "error", "pull"]
    made = make_table("White dwarfs that have labels and no flag, found less known", header, rows)
    counts = {}
    for row in content["others"]:
        n, labelled = counts.get(row["type"], (0, 0))
        counts[row["type"]] = n + row["n"], labelled + row["labelled"]
    title = "What has other lines, of CALSPEC and of templates: how many get labels of a white dwarf without a flag"
    return made + "\n" + make_table(title, ["what", "n", "with labels"], [[key, *x] for key, x in counts.items()])


def _make_real(found):
    rows = []
    for row in found:
        digits = DIGITS.get(row["label"], 3)
        figures = [show(row[key], digits) for key in ("scatter", "offset", "error")]
        rows.append([row["set"], TITLES[row["label"]], row["n"], *figures, show(row["pull"])])
    title = (
        "Scatter around a constant offset, that offset (measured minus catalogue), stated error and width of the pulls"
    )
    return make_table(title, ["set", "parameter", "n", "scatter", "offset", "error", "pull"], rows) if rows else None


def _make_cells(content, kind, column, title):
    """Scatter and pull of each label by the values of one kind, optical first and then the H band."""
    rows = []
    for name, band in ((kind, "optical"), (f"{kind}, H band", "H band")):
        found = [row for row in content["simulated"] if row["kind"] == name]
        for value in dict.fromkeys(row["value"] for row in found):
            by_label = {row["label"]: row for row in found if row["value"] == value}
            cells = []
            for label in TITLES:
                row = by_label.get(label, {"scatter": None, "pull": None})
                cells.append(f"{show(row['scatter'], DIGITS.get(label, 2))} ({show(row['pull'], 1)})")
            rows.append([value if kind == "window" else f"{band}, {value}", next(iter(by_label.values()))["n"], *cells])
    header = [column, "n", *TITLES.values()]
    return make_table(f"{title}: scatter and, in brackets, width of the pulls", header, rows) if rows else None


def _make_flags(found):
    rows = [
        [row["set"], row["type"], row["n"], show(row["flagged"]), show(row["withheld"]), show(row["dwarf"])]
        for row in found
    ]
    title = "Types without parameters: share flagged, given none, and called a dwarf of 4500 to 7500 K without a flag"
    return make_table(title, ["set", "type", "n", "flagged", "given none", "dwarf"], rows) if rows else None


def _make_visit(visit):
    if visit is None:
        return None
    rows = []
    for name in (*TITLES, "alpha_fe", "vbroad"):
        digits = DIGITS.get(name, 2)
        rows.append([f"``{name}``", show(visit[name], digits), show(visit[f"{name}_err"], digits)])
    title = f"A visit of APOGEE, three chips in one; S/N {show(visit['snr'], 0)}, ``warn`` {visit['warn']}"
    return make_table(title, ["parameter", "found", "error"], rows)


def plot_kiel_picture(content, path):
    """Draw the stars of MILES in the Kiel diagram, as known and as found, into an image file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from astro_spectok.plotting.stellar import plot_kiel

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    stars = [row for row in content["kiel"] if row["teff"] is not None]
    for axes, end, title in ((left, "_true", "MILES test stars, catalogue"), (right, "", "the same, estimated")):
        plot_kiel(axes)
        values = {name: [row[name + end] for row in stars] for name in ("teff", "logg", "fe_h")}
        points = axes.scatter(values["teff"], values["logg"], c=values["fe_h"], s=16, cmap="viridis", vmin=-2, vmax=0.5)
        axes.set_xticks([4000, 5000, 6000, 7000], ["4000", "5000", "6000", "7000"])
        axes.set_title(title, fontsize="medium")
    right.set_ylabel("")
    figure.colorbar(points, ax=[left, right], label="[Fe/H]", pad=0.01)
    figure.savefig(path, dpi=100, metadata={"Software": None})
