# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Classes, redshifts, velocities, reconstruction and retrieval on real spectra, and the bars they are to clear.

    python benchmarks/real_spectra.py --data DIR [--train DIR] [--weights NAME|PATH] [--json FILE] [--limit N]
                                         [--simulated N | --no-simulated]

``--data`` is the directory of the test sets, ``--train`` that of the training sets (``train`` beside ``--data`` if not
given), which the PCA baselines are fitted to; without it they are left out. The JSON file holds

- ``weights``, ``sha256``, ``version`` (of the package), ``device``, ``limit``, ``seconds``;
- ``redshift``: one row per set, class and bin in signal-to-noise ratio (`_scores.group_redshifts`);
- ``no_redshift``: sets with nothing to find: share that claims p_best > 0.9, and median p_best;
- ``labels``: one row per set of stars, of radial velocities: ``n, offset, scatter, stated, coverage`` in km/s;
- ``types``: one row per set and coarse type of star: ``n``, shares ``exact`` and ``near`` (`_types.score_types`);
- ``retrieval``: recall@1 of repeat visits, by method;
- ``reconstruction``: medians per set, of `reconstruction.run_set`;
- ``simulated``: on spectra drawn from the templates of the training sets, see `_simulated.measure_simulated`;
- ``bars``: ``name, bar, measured, met``, and ``n`` spectra; null is what was not measured.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from _bars import make_bars
from _real_sets import SURVEYS, measure_set
from _scores import flatten_flux, group_redshifts, retrieve_repeats, score_labels
from _simulated import measure_simulated
from _test_sets import SETS, Pca, read_set
from _types import score_types
from reconstruction import run_set

import astro_spectok
from astro_spectok.engine import Runner
from astro_spectok.training.corpus import Corpus

#: sets with radial velocities
LABELLED = ("lamost_real", "miles_real_stars")
#: sets without anything to find in them
EMPTY = ("sdss_sky_real",)
#: sets whose reconstruction is scored here; `reconstruction.py` has them all
RECONSTRUCTED = ("sdss_boss_real", "sdss_more_real", "lamost_real", "sixdf_real", "vandels_real", "sim_redrock")
#: heading and form of each figure in the printed table
COLUMNS = {
    "n": ("n", "{:5d}"), "class_right": ("class", "{:7.3f}"), "within_0033": ("<.0033", "{:7.3f}"),
    "within_01": ("<.01", "{:7.3f}"), "median_dv": ("med dv", "{:9.1f}"), "nmad_dv": ("nmad dv", "{:9.1f}"),
    "confident": ("p>.9", "{:7.3f}"), "purity": ("purity", "{:7.3f}"), "coverage": ("cover", "{:7.3f}"),
    "pull_width": ("pull", "{:7.2f}"),
}  # fmt: skip


def score_repeats(table, spectra, corpus, rng):
    """Recall@1 of repeat visits among all stars: embeddings against flux and PCA-50.

    Parameters
    ----------
    table, spectra
        As of `measure_set`.
    corpus : `~astro_spectok.training.corpus.Corpus` or None
        What the PCA is fitted to: to flux as it is, and to flux over its running median, since that of LAMOST is not
        calibrated.
    rng : `~numpy.random.Generator`

    Returns
    -------
    list of dict
        ``method``, ``recall``, and ``n``, the spectra that have a repeat.
    """
    stars = np.flatnonzero(table["class_true"] == "STAR")
    if not len(stars):
        return []
    spectra = [[x[(s[2] > 0) & np.isfinite(s[1])].astype(float) for x in s] for s in (spectra[i] for i in stars)]
    low, high = np.percentile([w[0] for w, _, _ in spectra], 90), np.percentile([w[-1] for w, _, _ in spectra], 10)
    size = int(np.median([len(w) for w, _, _ in spectra]))
    grid = np.linspace(np.log(low), np.log(high), size)
    raw = np.array([np.interp(grid, np.log(w), f) for w, f, _ in spectra])
    flat = np.array([flatten_flux(flux) for flux in raw])
    vectors = {"embedding": table["embedding"][stars], "flux": raw, "flux over running median": flat}
    if corpus:
        vectors |= project_on_pca(spectra, flat, grid, corpus, rng)
    out = []
    for method, x in vectors.items():
        recall, n = retrieve_repeats(x, table["object"][stars])
        out.append({"method": method, "recall": recall, "n": n})
    return out


def project_on_pca(spectra, flat, grid, corpus, rng):
    """Coefficients of 50 components for every spectrum, by method; without that of the mean, which all share."""
    edges = np.exp(grid[0]), np.exp(grid[-1]), len(grid)
    plain, flattened = Pca(corpus, *edges, rng), Pca(corpus, *edges, rng, prepare=flatten_flux)
    out = {}
    if plain.basis is not None:
        rows = []
        for w, f, ivar in spectra:
            inside = (np.log(w) >= grid[0]) & (np.log(w) <= grid[-1])
            rows.append(plain.find_coefficients(np.log(w[inside]), f[inside], ivar[inside])[0][1:])
        out["PCA-50"] = np.array(rows)
    if flattened.basis is not None:
        even = np.ones(len(grid))
        rows = [flattened.find_coefficients(grid, row, even)[0][1:] for row in flat]
        out["PCA-50 of flux over running median"] = np.array(rows)
    return out


def score_velocities(table, name):
    """A row of radial velocities against those of the catalogue."""
    return {"set": name, "label": "rv"} | score_labels(table["rv"], table["rv_err"], table["rv_true"])


def score_reconstruction(runner, corpus, data, limit):
    """Medians per set, of `reconstruction.run_set`; without what it says of single classes."""
    out = []
    for name in RECONSTRUCTED:
        path = data / f"{name}.npz"
        if path.is_file():
            rng = np.random.default_rng(7)
            spectra, estimated = read_set(path, limit, rng)
            row = run_set(name, spectra, SETS[name], runner, corpus, rng) | {"errors_estimated": estimated}
            out.append({key: value for key, value in row.items() if key != "groups"})
    return out


def run_benchmark(runner, data, train=None, *, limit=None, reconstructed=12, simulated=0, report=print):
    """All figures for one set of weights.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    data : `~pathlib.Path`
        Directory of the test sets; those that are absent are left out.
    train : `~pathlib.Path`, optional
        Directory of the training sets, for the PCA and the simulated spectra; without it these are drawn from
        analytic templates.
    limit : int, optional
        Most spectra per set.
    reconstructed : int, optional
        Spectra per set whose reconstruction is scored.
    simulated : int, optional
        Objects that `measure_simulated` draws; 0 leaves it out.
    report : callable, optional
        Is given each line of the report as soon as it is known.

    Returns
    -------
    dict
        As the JSON file, less what describes the run.
    """
    result = {key: [] for key in ("redshift", "no_redshift", "labels", "types", "retrieval", "reconstruction")}
    corpus = Corpus(train) if train is not None and train.is_dir() else None
    tables = {}
    report(
        f"{'set':16s} {'class':7s}{'S/N':>8s}" + "".join(f" {head:>{_width(k)}s}" for k, (head, _) in COLUMNS.items())
    )
    for survey in SURVEYS:
        path = data / f"{survey.name}.npz"
        if not path.is_file():
            continue
        table, spectra = measure_set(runner, survey, path, limit=limit)
        if not len(table["z"]):
            continue
        tables[survey.name] = table
        if survey.name in EMPTY:
            p_best = table["p_best"]
            row = {"n": len(p_best), "confident": float(np.mean(p_best > 0.9)), "median_p": float(np.median(p_best))}
            result["no_redshift"].append({"set": survey.name} | row)
            continue
        rows = [{"set": survey.name} | row for row in group_redshifts(table)]
        result["redshift"] += rows
        for row in rows:
            report(show_redshifts(row))
        if survey.name in LABELLED:
            result["labels"].append(score_velocities(table, survey.name))
        types = score_types(table["type"], table["type_true"], table["p_type"])
        result["types"] += [{"set": survey.name} | row for row in types]
        if survey.name == "lamost_real":
            result["retrieval"] += score_repeats(table, spectra, corpus, np.random.default_rng(7))
    if corpus:
        result["reconstruction"] = score_reconstruction(runner, corpus, data, reconstructed) if reconstructed else []
    for key in ("no_redshift", "labels", "types", "retrieval", "reconstruction"):
        report_rows(key, result[key], report)
    if simulated:
        result["simulated"] = measure_simulated(runner, train if corpus else None, simulated, report=report)
        for key, rows in result["simulated"].items():
            if key != "bars":
                report_rows(f"simulated: {key}", rows, report)
    figures = result.get("simulated", {}).get("bars")
    result["bars"] = make_bars(tables, result, data / "sim_redrock_redrock_result.csv", figures)
    report_rows("bars", result["bars"], report)
    return result


def make_plain(value):
    """The same with None for every number that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: make_plain(x) for key, x in value.items()}
    if isinstance(value, list):
        return [make_plain(x) for x in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _width(column):
    return len(COLUMNS[column][1].format(0))


def show_redshifts(row):
    """One line of the table of redshifts."""
    low, high = row["snr_low"], row["snr_high"]
    snr = "all" if low is None and high is None else f"{low or ''}-{high or ''}"
    cells = [" " + (f.format(row[k]) if row[k] is not None else "-".rjust(_width(k))) for k, (_, f) in COLUMNS.items()]
    return f"{row['set']:16s} {row['class'] or '?':7s}{snr:>8s}" + "".join(cells)


def report_rows(title, rows, report):
    """Report rows of equal keys as columns."""
    if not rows:
        return
    keys = [k for k in rows[0] if all(k in row for row in rows)]
    cells = [keys] + [[_show(row[k]) for k in keys] for row in rows]
    widths = [max(len(line[j]) for line in cells) for j in range(len(keys))]
    report(f"\n{title}")
    for line in cells:
        report("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _show(value):
    """A cell of a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main():
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory of the test sets")
    parser.add_argument("--train", type=Path, help="directory of the training sets (default: beside --data)")
    parser.add_argument("--weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--limit", type=int, help="most spectra per set")
    parser.add_argument("--reconstructed", type=int, default=12, help="spectra per set to reconstruct (default: 12)")
    several = parser.add_mutually_exclusive_group()
    several.add_argument("--simulated", type=int, default=1000, help="simulated objects to measure (default: 1000)")
    several.add_argument("--no-simulated", dest="simulated", action="store_const", const=0)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    start = time.perf_counter()
    runner = Runner(args.weights, args.device)
    train = args.train or args.data.parent / "train"
    result = run_benchmark(
        runner, args.data, train, limit=args.limit, reconstructed=args.reconstructed,
        simulated=args.simulated, report=lambda line: print(line, flush=True),
    )  # fmt: skip
    seconds = round(time.perf_counter() - start, 1)
    print(f"\n{runner.loaded.name}, {seconds} s")
    if args.json:
        content = {
            "weights": runner.loaded.name, "sha256": runner.loaded.sha256, "version": astro_spectok.__version__,
            "device": str(runner.device), "limit": args.limit, "seconds": seconds,
        }  # fmt: skip
        args.json.write_text(json.dumps(make_plain(content | result), indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
