# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of ``real_spectra.py`` to tables of the documentation."""

from _tables import make_bars, make_table, show, show_snr

__all__ = ["NAMES", "NOT_MEASURED", "make_redshift_tables"]

#: heading, figure and digits
REDSHIFT_COLUMNS = (
    ("class right", "class_right", 3), ("< 0.0033", "within_0033", 3), ("< 0.01", "within_01", 3),
    ("median dv", "median_dv", 1), ("scatter", "nmad_dv", 1), ("p > 0.9", "confident", 3), ("purity", "purity", 3),
    ("1 sigma", "coverage", 2),
)  # fmt: skip
#: tables that are made, whatever the weights
NAMES = (
    "bars", "redshifts", "redshifts_snr", "types", "nothing", "repeats", "simulated_redshifts",
    "simulated_instruments", "simulated_retrieval", "simulated_chi2",
)  # fmt: skip
NOT_MEASURED = "*Not measured for these weights: python benchmarks/real_spectra.py does it.*\n"


def make_redshift_tables(content):
    """All tables of one file of results: by each of `NAMES` its text."""
    simulated = content.get("simulated", {})
    made = {
        "bars": make_bars("Goals", content),
        "redshifts": _make_redshifts(content["redshift"], by_snr=False),
        "redshifts_snr": _make_redshifts(content["redshift"], by_snr=True),
        "types": _make_types(content.get("types", [])),
        "nothing": _make_nothing(content["no_redshift"], simulated.get("no_redshift", [])),
        "repeats": _make_repeats(content["retrieval"]),
        "simulated_redshifts": _make_kinds(simulated.get("redshift", [])),
        "simulated_instruments": _make_instruments(simulated.get("held_out", [])),
        "simulated_retrieval": _make_retrieval(simulated.get("retrieval", [])),
        "simulated_chi2": _make_chi2(simulated.get("reconstruction", [])),
    }
    return {name: made[name] or NOT_MEASURED for name in NAMES}


def _make_redshifts(found, *, by_snr):
    """Rows of all signal-to-noise ratios, or those of single bins."""
    rows = [
        [row["set"], row["class"] or "–"] + [show_snr(row)] * by_snr + [row["n"]]
        + [show(row[key], digits) for _, key, digits in REDSHIFT_COLUMNS]
        for row in found
        if by_snr != (row["snr_low"] is None and row["snr_high"] is None)
    ]  # fmt: skip
    header = ["set", "class"] + ["S/N"] * by_snr + ["n", *(heading for heading, _, _ in REDSHIFT_COLUMNS)]
    title = "The same by S/N per pixel" if by_snr else "Class and redshift of real spectra"
    return make_table(title, header, rows) if rows else None


def _make_types(found):
    keys = ("exact", "near", "stated")
    rows = [[row["set"], row["type"], row["n"], *(show(row[key], 3) for key in keys)] for row in found]
    header = ["set", "type", "n", "exact", "within one", "stated probability"]
    return make_table("Coarse types of real stars", header, rows) if rows else None


def _make_nothing(real, simulated):
    rows = [[row["set"], row["n"], show(row["confident"], 3)] for row in real]
    rows += [[f"simulated {row['family']}", row["n"], show(row["confident"], 3)] for row in simulated]
    title = "Share of spectra with nothing to find for which p_best > 0.9 is claimed"
    return make_table(title, ["set", "n", "p > 0.9"], rows) if rows else None


def _make_repeats(found):
    rows = [[row["method"], row["n"], show(row["recall"], 3)] for row in found]
    title = "Recall@1 of repeat visits of LAMOST among all stars"
    return make_table(title, ["method", "n", "recall@1"], rows) if rows else None


def _make_kinds(found):
    """One row for each kind, one column for each bin in signal-to-noise ratio."""
    bins = list(dict.fromkeys((row["snr_low"], row["snr_high"]) for row in found))
    by_kind = {}
    for row in found:
        by_kind.setdefault((row["family"], row["kind"]), {})[row["snr_low"], row["snr_high"]] = row
    rows = []
    for (family, kind), by_bin in by_kind.items():
        cells = [f"{show(by_bin[b]['right'], 3)} ({by_bin[b]['n']})" if b in by_bin else "–" for b in bins]
        rows.append([family, kind, *cells])
    header = ["family", "kind", *(f"S/N {low:g}-{high:g}" for low, high in bins)]
    return make_table("Share of right redshifts of simulated spectra (number)", header, rows) if rows else None


def _make_instruments(found):
    """One row for each held-out instrument, and for each trained one that is compared in the same way."""
    rows = [
        [row["instrument"] + " (trained)" * row.get("trained", False), row["n"], show(row.get("right_own"), 3),
         show(row.get("right_alike"), 3), _show_loss(row, "loss_alike"), row["twin"] or "–", show(row["right"], 3),
         show(row["right_twin"], 3), _show_loss(row, "loss")]
        for row in found
    ]  # fmt: skip
    header = ["held out", "n", "right", "right, same light", "lost", "other instruments", "right, narrow"]
    header += ["right, other", "lost to other"]
    return make_table("Instruments that training never drew; lost in percentage points", header, rows) if rows else None


def _show_loss(row, key):
    """A loss and its error; a dash where it was not measured."""
    return "–" if row.get(key) is None else f"{100 * row[key]:.1f} ± {100 * row[f'{key}_error']:.1f}"


def _make_retrieval(found):
    """One row for each pair, noise and method, one column for each class."""
    classes = list(dict.fromkeys(row["class"] for row in found))
    by_method = {}
    for row in found:
        by_method.setdefault((row["pair"], row["noise"], row["method"]), {})[row["class"]] = show(row["recall"], 3)
    pairs = {"desi": "SDSS, DESI", "r600": "SDSS, R 600"}
    rows = [
        [pairs[pair], noise, method, *(cells.get(c, "–") for c in classes)]
        for (pair, noise, method), cells in by_method.items()
    ]
    n = max((row["n"] for row in found), default=0)
    title = f"Recall@1 among {n} simulated objects at S/N 10"
    return make_table(title, ["instruments", "noise", "method", *classes], rows) if rows else None


def _make_chi2(found):
    rows = [[row["noise"], row["n"], *(show(row[k]) for k in ("median", "p16", "p84"))] for row in found]
    title = "chi2 per good pixel of reconstructions of simulated spectra"
    return make_table(title, ["noise", "n", "median", "16 %", "84 %"], rows) if rows else None
