# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator` as users call it: right answers, errors, probabilities and flags, and the bars they are to clear.

    python benchmarks/redshift_estimator.py --data DIR [--train DIR] [--weights NAME|PATH] [--json FILE]
                                            [--limit N] [--simulated N]

``--data`` is the directory of the test sets, ``--train`` that of the public template sets, which simulated spectra are
drawn from (``train`` beside ``--data`` if not given; analytic templates where there is none). The JSON file holds

- ``weights``, ``sha256``, ``version``, ``limit``, ``seconds``;
- ``redshift``: one row per set, class and bin in signal-to-noise ratio (`_scores.group_redshifts`);
- ``precision``: median \\|dv\\| on ``sim_redrock`` in km/s, by class and S/N, beside redrock's and the bar;
- ``repeats``: normalised median absolute deviation of pairs of radial velocities of LAMOST, over the root of 2;
  ``repeat_pulls``, the same of their differences over both stated errors;
- ``pulls``: widths of (z - z_true) / z_err; ``reliability``, ``zwarn``, ``nothing``: see the functions below;
- ``pit``: distances ``ks`` of the distribution of the probability below the true redshift from an even one, and
  ``ks_beside``, with the errors of catalogues (`_catalogue_errors`) beside those of the answers;
- ``bars``: ``name, bar, measured, met, n``.

A redshift is right within 0.0033 in dz / (1 + z), 0.01 for quasars and at R of 600 or less, if the class is right too.
The reliability of ``p_best`` is that of what it claims: the class, and 1000 km/s (`judge_claim`).
"""

import argparse
import csv
import itertools
import json
import time
from pathlib import Path

import numpy as np
from _bars import judge, make_bars
from _estimated import draw_nothing, estimate_set, estimate_simulated, estimate_spectra
from _real_sets import SURVEYS
from _reliability import LEAST, judge_reliability, measure_ks, measure_reliability
from _scores import group_redshifts, is_right
from astropy.stats import mad_std
from real_spectra import make_plain, report_rows

import astro_spectok
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.redshift.peaks import WINDOW
from astro_spectok.weights import load_weights

LIGHT_SPEED = 299792.458
#: far from the seeds of training, of the calibration and of the other benchmarks
SEED = 6007
SNR_EDGES = (0.3, 2, 5, 10, 30, 101)
#: what the median error may be: times redrock's, and in km/s
PRECISION = {"GALAXY": (2.0, 4.0), "QSO": (1.5, 60.0), "STAR": (2.0, 4.0)}
#: km/s that repeat visits of one star may differ by, and the S/N from which
REPEATS, REPEATS_SNR = 6.0, 30
PULL = (0.9, 1.2)
#: sets whose classes and redshifts are those of a pipeline or of people
REAL = (
    "lamost_real", "sdss_boss_real", "sdss_more_real", "rodot_qso_real", "desi_andes_real", "sixdf_real",
    "vandels_real",
)  # fmt: skip


#: sets whose redshifts are those that they were made with
MADE = ("simulated", "sim_redrock")
#: real spectra without those that people chose for their redshifts being secure, however faint, as VANDELS's flags do:
#: a posterior does not know that it was chosen
UNCHOSEN = "real but VANDELS"
#: families of the simulator in which nothing is to be found
NOTHING = ("sky", "blazars")
#: sets that are scored for something else
OTHERS = ("sim_redrock", "sdss_sky_real")


def judge_right(table):
    """Whether redshift and class are right."""
    return is_right(table) & (table["class"] == table["class_true"])


def judge_claim(table, name):
    """Whether what ``p_best`` claims is true: the class, and the redshift within 1000 km/s.

    Labels of real quasars differ by more than that from one pipeline to the next: theirs count within 0.01.
    """
    near = np.where((table["class_true"] == "QSO") & (name not in MADE), 0.01, WINDOW)
    offset = np.abs(table["z"] - table["z_true"]) / (1 + table["z_true"])
    return (offset < near) & (table["class"] == table["class_true"])


def score_precision(table, redrock):
    """Median error on ``sim_redrock`` of right redshifts, beside redrock's.

    Returns
    -------
    list of dict
        ``class, snr, n, ours, redrock, bar, met``, in km/s.
    """
    if not redrock.is_file():
        return []
    with redrock.open() as file:
        answers = {int(row["targetid"]): row for row in csv.DictReader(file)}
    theirs = np.array([float(answers[i]["z"]) for i in table["row"].tolist()])
    ours, theirs = (LIGHT_SPEED * np.abs(z - table["z_true"]) / (1 + table["z_true"]) for z in (table["z"], theirs))
    out = []
    for name, snr in sorted(set(zip(table["class_true"].tolist(), table["snr"].tolist(), strict=True))):
        group = (table["class_true"] == name) & (table["snr"] == snr)
        factor, least = PRECISION[name]
        row = {"class": name, "snr": snr, "n": int(group.sum())}
        row |= {"ours": float(np.median(ours[group])), "redrock": float(np.median(theirs[group]))}
        row["bar"] = max(factor * row["redrock"], least)
        out.append(row | {"met": bool(row["ours"] <= row["bar"])})
    return out


def score_repeats(table):
    """Scatter of the radial velocities of repeat visits: (km/s or None, number of pairs)."""
    differences, _ = _pair_visits(table)
    return (float(mad_std(differences) / np.sqrt(2)) if len(differences) else None), len(differences)


def score_repeat_pulls(table):
    """Width of differences between repeat visits over both stated errors: (width or None, number of pairs).

    Catalogues measured their redshifts on the spectra that are scored: what is wrong with the wavelength scale is in
    both, and offsets from the catalogue are smaller than errors. Between visits it differs.
    """
    differences, errors = _pair_visits(table)
    return (float(mad_std(differences / errors)) if len(differences) else None), len(differences)


def _pair_visits(table):
    """Differences of velocities, and their stated errors, of each two bright spectra of one star: two of (pairs,)."""
    usable = (table["class_true"] == "STAR") & (table["snr"] > REPEATS_SNR)
    velocity, error = (LIGHT_SPEED * table[key][usable] for key in ("z", "z_err"))
    names, pairs = table["object"][usable], []
    for name in dict.fromkeys(names.tolist()):
        if name:
            pairs += itertools.combinations(np.flatnonzero(names == name).tolist(), 2)
    first, second = np.array(pairs, int).reshape(-1, 2).T
    return velocity[first] - velocity[second], np.hypot(error[first], error[second])


def score_pulls(table, name):
    """Width of (z - z_true) / z_err of right redshifts by class and S/N: rows of ``set, class, snr_low ...``."""
    right, out = judge_right(table), []
    pull = (table["z"] - table["z_true"]) / table["z_err"]
    near = right & (np.abs(table["z"] - table["z_true"]) / (1 + table["z_true"]) < 0.0033)
    for cls in sorted(set(table["class_true"].tolist()) - {""}):
        for low, high in itertools.pairwise(SNR_EDGES):
            own = near & (table["class_true"] == cls) & (table["snr"] >= low) & (table["snr"] < high)
            if np.count_nonzero(own) > 1:
                row = {"set": name, "class": cls, "snr_low": low, "snr_high": high, "n": int(own.sum())}
                out.append(row | {"width": float(mad_std(pull[own])), "median": float(np.median(pull[own]))})
    return out


def score_unchosen(tables):
    """`measure_reliability` of the real sets that are `UNCHOSEN`, together."""
    known = join([table for name, table in tables.items() if name in REAL and name != "vandels_real"])
    known = {key: x[np.isfinite(known["z_true"]) & (known["class_true"] != "")] for key, x in known.items()}
    rows = measure_reliability(known["p_best"], judge_claim(known, UNCHOSEN))
    return [{"set": UNCHOSEN} | row for row in rows]


def score_zwarn(table, name):
    """What zwarn 0 keeps of the right ones at S/N > 2, and how many of those it keeps are right."""
    known = np.isfinite(table["z_true"]) & (table["class_true"] != "") & (table["snr"] > 2)
    right, clear = judge_right(table), table["zwarn"] == 0
    good, kept = known & right, known & clear
    return {
        "set": name, "n": int(known.sum()), "right": _share(right[known]), "kept": _share(clear[good]),
        "purity": _share(right[kept]), "n_kept": int(kept.sum()),
    }  # fmt: skip


def _share(values):
    return float(np.mean(values)) if len(values) else None


def score_sets(estimator, data, limit, report):
    """Answers and truth of the test sets, by name."""
    tables = {}
    for survey in SURVEYS:
        path = data / f"{survey.name}.npz"
        if survey.name in (*REAL, *OTHERS) and path.is_file():
            table = estimate_set(estimator, survey, path, limit=limit)
            if len(table["z"]):
                tables[survey.name] = table
                report(f"{survey.name}: {len(table['z'])}")
    return tables


def score_nothing(estimator, tables, train, n):
    """Share of spectra with nothing to find that are flagged, by kind; ``n`` of each that can be drawn."""
    flagged = {}
    if "sdss_sky_real" in tables:
        flagged["SDSS sky fibres, real"] = tables["sdss_sky_real"]["zwarn"] != 0
    for number, family in enumerate(NOTHING if n else ()):
        drawn = estimate_simulated(estimator, train, n, [SEED, number], families=(family,))
        flagged[f"{family}, simulated"] = drawn["zwarn"] != 0
    for kind, spectra in draw_nothing(n, SEED).items():
        flagged[kind] = estimate_spectra(estimator, spectra, "vacuum")["zwarn"] != 0
    return [{"kind": kind, "n": len(x), "flagged": _share(x)} for kind, x in flagged.items()]


def join(tables):
    """Several tables as one, with the columns they share."""
    keys = set.intersection(*(set(table) for table in tables))
    return {key: np.concatenate([table[key] for table in tables]) for key in keys}


def list_bars(result, tables, redrock):
    """All bars: those of the training that concern class and redshift, and those of the estimator."""
    bars = [bar for bar in make_bars(tables, {"retrieval": [], "reconstruction": [], "types": []}, redrock) if bar["n"]]
    for row in result["precision"]:
        if row["snr"] >= 5:
            name = f"sim_redrock: median |dv| of {row['class']} at S/N {row['snr']:g}, km/s"
            bars.append(judge(name, row["ours"], row["n"], high=row["bar"]))
    if result["repeats"][0] is not None:
        bars.append(judge("LAMOST: scatter of repeat visits at S/N > 30, km/s", *result["repeats"], high=REPEATS))
        name = "LAMOST: differences of these over their stated errors, width"
        width, n = result["repeat_pulls"]
        bars.append(judge(name, width, n, low=PULL[0], high=PULL[1]))
    widths = [row["width"] for row in result["pulls"] if row["n"] >= LEAST and row["set"] == "simulated"]
    inside = [PULL[0] <= width <= PULL[1] for width in widths]
    bars.append(
        judge("simulated: share of class and S/N with pulls 0.9 to 1.2 wide", _share(inside), len(widths), low=1)
    )
    for name, allowed in (("simulated", 0.03), ("real", 0.05), (UNCHOSEN, 0.05)):
        rows = [row for row in result["reliability"] if row["set"] == name]
        n = sum(row["n"] for row in rows)
        worst, mean = judge_reliability(rows)
        bars.append(
            judge(f"{name}: p_best wrong by, worst bin beyond twice its binomial error", worst, n, high=allowed)
        )
        bars.append(judge(f"{name}: p_best wrong by, mean", mean, n, high=allowed))
    for row in result["pit"]:
        if row["set"] in ("simulated", "real"):
            bars.append(judge(f"{row['set']}: PIT, KS distance", row["ks"], row["n"], high=0.05))
        if row["set"] == "real":
            name = "real: PIT, KS distance, with the errors of catalogues"
            bars.append(judge(name, row["ks_beside"], row["n"], high=0.05))
    for row in result["zwarn"]:
        if row["set"] in ("simulated", "real") and row["n"]:
            bars.append(
                judge(f"{row['set']}: right ones at S/N > 2 that zwarn 0 keeps", row["kept"], row["n"], low=0.9)
            )
            bars.append(judge(f"{row['set']}: of those it keeps, right", row["purity"], row["n_kept"], low=0.99))
    for row in result["nothing"]:
        bars.append(judge(f"nothing to find, flagged: {row['kind']}", row["flagged"], row["n"], low=0.97))
    return bars


def run_benchmark(estimator, data, train=None, *, limit=None, simulated=4000, nothing=200, report=print):
    """All figures for one estimator.

    Parameters
    ----------
    estimator : `~astro_spectok.estimators.RedshiftEstimator`
    data : `~pathlib.Path`
        Directory of the test sets; those that are absent are left out.
    train : `~pathlib.Path`, optional
        Directory of the template sets; analytic templates if not given.
    limit : int, optional
        Most spectra per set.
    simulated : int, optional
        Simulated objects; 0 leaves them out.
    nothing : int, optional
        Spectra of each kind of `NOTHING`, of white noise, and of power laws with white noise.
    report : callable, optional
        Is given each line of the report.

    Returns
    -------
    dict
        As the JSON file, less what describes the run.
    """
    tables = score_sets(estimator, data, limit, report)
    drawn = estimate_simulated(estimator, train, simulated, SEED) if simulated else None
    groups = {name: tables[name] for name in REAL if name in tables}
    if groups:
        groups["real"] = join(list(groups.values()))
    if "sim_redrock" in tables:
        groups["sim_redrock"] = tables["sim_redrock"]
    if drawn is not None:
        groups["simulated"] = drawn
    result = {"redshift": [], "pulls": [], "reliability": [], "pit": [], "zwarn": []}
    for name, table in groups.items():
        named = np.isfinite(table["z_true"]) & (table["class_true"] != "")
        known = {key: x[named] for key, x in table.items()}
        result["redshift"] += [{"set": name} | row for row in group_redshifts(known)]
        if name in ("lamost_real", "sim_redrock", "simulated"):
            result["pulls"] += score_pulls(known, name)
        rows = measure_reliability(known["p_best"], judge_claim(known, name))
        result["reliability"] += [{"set": name} | row for row in rows]
        counts = np.histogram(known["pit"], 10, (0, 1))[0].tolist()
        result["pit"].append({
            "set": name, "n": len(known["pit"]), "ks": measure_ks(known["pit"]),
            "ks_beside": measure_ks(known["pit_beside"]), "counts": counts,
        })  # fmt: skip
        result["zwarn"].append(score_zwarn(table, name))
    if any(name in REAL and name != "vandels_real" for name in tables):
        result["reliability"] += score_unchosen(tables)
    redrock = data / "sim_redrock_redrock_result.csv"
    result["precision"] = score_precision(tables["sim_redrock"], redrock) if "sim_redrock" in tables else []
    lamost = tables.get("lamost_real")
    result["repeats"], result["repeat_pulls"] = (
        (None, 0) if lamost is None else score(lamost) for score in (score_repeats, score_repeat_pulls)
    )
    result["nothing"] = score_nothing(estimator, tables, train, nothing)
    result["bars"] = list_bars(result, tables, redrock)
    for key in ("pulls", "reliability", "pit", "zwarn", "nothing", "precision", "bars"):
        report_rows(key, result[key], report)
    return result


def main(argv=None):
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory of the test sets")
    parser.add_argument("--train", type=Path, help="directory of the template sets (default: beside --data)")
    parser.add_argument("--weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--limit", type=int, help="most spectra per set")
    parser.add_argument("--simulated", type=int, default=4000, help="simulated objects (default: 4000)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args(argv)
    start = time.perf_counter()
    train = args.train or args.data.parent / "train"
    estimator = RedshiftEstimator(args.weights, args.device)
    result = run_benchmark(
        estimator, args.data, train if train.is_dir() else None, limit=args.limit, simulated=args.simulated,
        report=lambda line: print(line, flush=True),
    )  # fmt: skip
    loaded = load_weights(args.weights)
    seconds = round(time.perf_counter() - start, 1)
    print(f"\n{loaded.name}, {seconds} s")
    if args.json:
        content = {
            "weights": loaded.name, "sha256": loaded.sha256, "version": astro_spectok.__version__,
            "limit": args.limit, "seconds": seconds,
        }  # fmt: skip
        args.json.write_text(json.dumps(make_plain(content | result), indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
