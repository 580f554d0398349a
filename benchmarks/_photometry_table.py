# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of the pages on photometry and images: redshifts by set of bands, what is found across, and properties."""

import numpy as np
from _tables import make_table, show

__all__ = ["make_image_table", "make_photometry_tables", "make_properties_table"]

NOT_MEASURED = (
    "*Not measured yet: python benchmarks/photometry.py and benchmarks/align.py, with --data DIR and --json "
    "benchmarks/results/photometry.json and benchmarks/results/align.json, do it.*\n"
)
NAMES = {"tower": "photometry head", "templates": "nearest template", "neighbour": "nearest vector",
         "untrained": "nearest vector, untrained"}  # fmt: skip
ACROSS = {"space": "shared space", "untrained": "untrained", "ceiling": "true colours (ceiling)",
          "colours": "decoded colours", "mixed": "space and decoded colours",
          "optical spectrum": "colours from the noise-free optical spectrum and redshift",
          "observed spectrum": "colours from the observed spectrum in coarse bins and redshift"}  # fmt: skip
#: files that the text names
BOTH = "results/photometry.json and benchmarks/results/align.json"
TOWERS = {
    "images": "images",
    "shapes": "photometry and shapes, measured on them",
    "photometry": "photometry, measured on them",
    "true photometry": "photometry with the true profiles",
    "true shapes": "the same and the true shapes",
    "untrained": "images, untrained",
}
LABELS = {"age": "log10 age", "metallicity": "[M/H]", "a_v": "A_V (mag)", "ln(1+z)": "ln(1 + z)"}


def make_image_table(*surveys):
    """What is found across from images of each survey to spectra and back, as text."""
    measured = [row for images in surveys if images for row in images["rows"]]
    if not measured:
        return NOT_MEASURED.replace(BOTH, "results/images.json")
    found = {tuple(row[key] for key in ("bands", "class", "method", "query", "among")): row for row in measured}
    rows = []
    for bands, cls in dict.fromkeys((row["bands"], row["class"]) for row in measured):
        for method, name in TOWERS.items():
            for query in ("image", "spectrum"):
                if (bands, cls, method, query, "all") not in found:
                    continue
                row, near = (found[bands, cls, method, query, among] for among in ("all", "similar"))
                rows.append(
                    [bands, cls, name, query, row["of"], show(row["recall@1"]), show(row["recall@10"]),
                     show(row["top 1%"]), show(row["median_rank"], 1), show(near["recall@1"]), show(near["recall@10"])]
                )  # fmt: skip
    return make_table(
        "Simulated images (grz: Legacy Surveys; ugriz: SDSS) and spectra at a signal-to-noise ratio of 10 "
        "of objects not used in training: among all of a class, and among the 100 of most similar redshift",
        ["bands", "class", "tower looks at", "query", "among", "recall@1", "recall@10", "best hundredth", "median rank",
         "recall@1, similar", "recall@10, similar"],
        rows,
    )  # fmt: skip


def make_properties_table(properties):
    """Properties from spectra, photometry and both, as text."""
    if not (properties and properties.get("rows")):
        return NOT_MEASURED.replace(BOTH, "results/properties.json")
    rows = [
        [LABELS[row["label"]], row["method"], show(row["rms"], 3), f"{row['nmad']:.2g}", show(row["r2"]),
         show(row.get("off by 0.01"))]
        for label in LABELS for row in properties["rows"] if row["label"] == label
    ]  # fmt: skip
    first = properties["rows"][0]
    return make_table(
        f"{first['n']} simulated galaxies below z = 1, spectra at a signal-to-noise ratio of 2 to 5, ugrizJHK at 20; "
        f"regressors learned from {first['learned from']} others",
        ["label", "from", "rms", "sigma_NMAD", "R2", "off by more than 0.01"],
        rows,
    )


def make_photometry_tables(photometry, align):
    """Name to text; each is made of what was measured."""
    redshifts = NOT_MEASURED
    if photometry and photometry.get("sets"):
        rows = [
            [row["bands"], f"{row['snr']:g}", NAMES[row["method"]], show(row["sigma_nmad"], 3), show(row["outliers"]),
             show(row["class"]), show(row.get("pit"))]
            for row in photometry["sets"]
        ]  # fmt: skip
        n = photometry["objects"]
        redshifts = make_table(
            f"{n} simulated objects not used in training: scatter and outliers of redshifts, share of right classes",
            ["bands", "S/N", "method", "sigma_NMAD", "outliers", "right class", "PIT distance"],
            rows,
        )
    found = NOT_MEASURED
    if align and align.get("rows"):
        near = {_key(row): row for row in align["rows"] if row["among"] == "similar"}
        rows = [
            [row["class"], row["bands"], ACROSS[row["method"]], row["query"], show(row["recall@1"]),
             show(row["recall@10"]), show(row["median_rank"], 1), show(near[_key(row)]["recall@10"])]
            for row in align["rows"] if row["method"] in ACROSS and row["among"] == "all"
        ]  # fmt: skip
        found = make_table(
            f"Spectra at a signal-to-noise ratio of 10, photometry at 20, among up to {align['rows'][0]['of']} objects "
            "of a class, and among the 100 of most similar redshift",
            ["class", "bands", "method", "query", "recall@1", "recall@10", "median rank", "recall@10, similar"],
            rows,
        )
    return {
        "photometry_redshifts": redshifts,
        "photometry_retrieval": found,
        "photometry_prior": _make_prior(photometry),
        "photometry_files": _make_files(photometry),
    }


def _key(row):
    """What a row is about, but for those it is found among."""
    return row["class"], row["bands"], row["method"], row["query"]


def _make_files(photometry):
    """Fluxes in the files of real spectra, as text."""
    if not (photometry and photometry.get("files")):
        return NOT_MEASURED
    rows = [
        [row["file"], row["fluxes"],
         *(_word(row[f"spectype{end}"], row[f"z{end}"]) for end in ("_true", "", "_template")),
         f"{row['z_lo']:.2f} to {row['z_hi']:.2f}" if np.isfinite(row["z_lo"]) else "–"]
        for row in photometry["files"]
    ]  # fmt: skip
    return make_table(
        "Real objects whose files of spectra hold fluxes: class and redshift",
        ["file", "fluxes", "of the spectrum", "photometry head", "nearest template", "68 per cent of the head"],
        rows,
    )


def _word(spectype, z):
    """Class and redshift, which a star has none of."""
    return spectype if spectype == "STAR" else f"{spectype} {z:.3f}"


def _make_prior(photometry):
    """Spectra with and without photometry as a prior, as text."""
    if not (photometry and photometry.get("prior")):
        return NOT_MEASURED
    rows = [
        ["{:g} to {:g}".format(*row["snr"]), row["method"], show(row["class"]), show(row["within 0.01"]),
         str(row["gained"]), str(row["lost"]), str(row.get("zwarn 0", "–")), str(row.get("zwarn 0 and wrong", "–"))]
        for row in photometry["prior"]
    ]  # fmt: skip
    n = photometry["prior"][0]["n"]
    return make_table(
        f"{n} simulated galaxies and quasars in each range of signal-to-noise ratio, photometry in grzW1W2 at 20: "
        "right classes, redshifts within 0.01 (1 + z), how many became right and wrong by the photometry, and answers "
        "without a flag",
        ["S/N of the spectrum", "from", "right class", "right redshift", "gained", "lost", "zwarn 0", "of these wrong"],
        rows,
    )
