# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of the page on photometry: redshifts and classes by set of bands, and what is found across."""

from _tables import make_table, show

__all__ = ["make_photometry_tables"]

NOT_MEASURED = (
    "*Not measured yet: python benchmarks/photometry.py and benchmarks/align.py, with --data DIR and --json "
    "benchmarks/results/photometry.json and benchmarks/results/align.json, do it.*\n"
)
NAMES = {"tower": "photometry head", "templates": "nearest template", "neighbour": "nearest vector",
         "untrained": "nearest vector, untrained"}  # fmt: skip
ACROSS = {"space": "shared space", "untrained": "untrained", "ceiling": "true colours (ceiling)",
          "colours": "decoded colours", "mixed": "space and decoded colours"}  # fmt: skip


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
            f"{n} simulated objects that trained nothing: scatter and outliers of redshifts, share of right classes",
            ["bands", "S/N", "method", "sigma_NMAD", "outliers", "right class", "PIT distance"],
            rows,
        )
    found = NOT_MEASURED
    if align and align.get("rows"):
        rows = [
            [row["class"], row["bands"], ACROSS[row["method"]], row["query"], f"{row['among']} ({row['of']})",
             show(row["recall@1"]), show(row["recall@10"]), show(row["top 1%"]), show(row["median_rank"], 1)]
            for row in align["rows"] if row["method"] in ACROSS
        ]  # fmt: skip
        found = make_table(
            f"{align['rows'][0]['n']} objects with spectra at a signal-to-noise ratio of 10, photometry at 20",
            ["class", "bands", "method", "query", "among", "recall@1", "recall@10", "best hundredth", "median rank"],
            rows,
        )
    return {"photometry_redshifts": redshifts, "photometry_retrieval": found}
