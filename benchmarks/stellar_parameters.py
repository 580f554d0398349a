# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarParameterEstimator` as users call it: scatter, offsets, errors and flags, and the bars they are to clear.

    python benchmarks/stellar_parameters.py --data DIR [--train DIR] [--weights NAME|PATH] [--json FILE]
                                            [--simulated N] [--limit N]

``--data`` is the directory of the test sets, ``--train`` that of the public template sets, which simulated stars are
drawn from (``train`` beside ``--data`` if not given; without it there are none). The JSON file holds

- ``weights``, ``sha256``, ``version``, ``limit``, ``seconds``;
- ``real``: rows of ``set, label, n, given, scatter, offset, pull, error`` on real stars, and on stars of the APOGEE
  emulator;
- ``simulated``: the same by ``kind`` (``snr``, ``resolution``, ``window``) and ``value``: the stars of MILES in
  ``--data``, which taught nothing, mixed with near neighbours among themselves, through plain instruments. The Ca II
  triplet, which MILES does not reach, and the H band are drawn as for training, so that these rows show what noise,
  resolution and range cost, not what new stars do;
- ``flags``: rows of ``set, type, n, flagged, withheld, dwarf``; ``clear``: rows of ``set, n, clear``, ordinary stars
  with ``warn`` 0;
- ``visit``: what is found of the file of APOGEE;
- ``kiel``: for each star of MILES ``teff, logg, fe_h`` as found and as known;
- ``bars``: ``name, bar, measured, met, n``.

Stars of MILES and CFLIB are scored between 4000 and 7500 K and all of LAMOST that have labels, whatever their flags;
rows ``LAMOST, 4000-7500 K`` and ``hotter`` have parts of the latter, and rows ``from tokens`` are what the
estimator says of tokens in place of spectra. Stars of CFLIB (and hot ones of both libraries)
are those in ``--train`` that validation leaves out, by star, of what weights with ``hold_out`` learn from; hot
subdwarfs and white dwarfs of CALSPEC have no labels here: of them there are flags, and what they were taken for.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from _bars import judge
from _stellar_scores import estimate_stars, score_flags, score_parameters
from _stellar_sets import LABELS, degrade, draw_stars, make_instrument, read_held_out, read_hot_stars, read_stars
from real_spectra import make_plain, report_rows

import astro_spectok
from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.simulate.stellar_families import RealStars, RedrockStars
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.weights import load_weights

#: far from the seeds of training and of the other benchmarks
SEED = 8101
#: K, between which real stars are scored
SCORED = (4000.0, 7500.0)
#: what real stars of MILES are degraded to
DEGRADED = {"resolution": 2000.0, "snr": 20.0}
OPTICAL, H_BAND = (3700.0, 7300.0), (15170.0, 16930.0)
SNR = (5, 10, 20, 50, 100, 200)
OPTICAL_R, H_BAND_R = (100, 300, 1000, 1800), (1000, 5000, 11500, 22500, 30000)
WINDOWS = {
    "blue, 3800-5500 A": ((3800.0, 5500.0, 1800.0), "optical"),
    "red, 5500-7300 A": ((5500.0, 7300.0, 1800.0), "optical"),
    "Ca triplet, 8400-8900 A": ((8400.0, 8900.0, 1800.0), "triplet"),
    "H band, 15170-16930 A": ((*H_BAND, 22500.0), "apogee"),
}
WINDOW_SNR = 50
#: largest scatter in K and dex, and largest offset
BARS = {
    "MILES": {"teff": 85, "logg": 0.16, "fe_h": 0.10},
    "MILES, S/N 20, R 2000": {"teff": 110, "logg": 0.22, "fe_h": 0.13},
    "LAMOST": {"teff": 90, "logg": 0.18, "fe_h": 0.12},
    "LAMOST, 4000-7500 K": {"teff": 90, "logg": 0.16, "fe_h": 0.11},
    "CFLIB, held out": {"teff": 50, "logg": 0.11, "fe_h": 0.065},
    "APOGEE emulator, S/N 100": {"teff": 23, "logg": 0.07, "fe_h": 0.02, "rv": 0.5},
}
OFFSETS = {"LAMOST": {"teff": 100, "logg": 0.15, "fe_h": 0.1}}
PULL, LEAST = (0.9, 1.2), 30
UNITS = {"teff": "K", "logg": "dex", "fe_h": "dex", "rv": "km/s"}
#: K: hot subdwarfs are hotter, so that one below without a flag is wrong
COOLEST_SUBDWARF = 20000.0
#: types that no parameters are trained for, and what else must not be called a dwarf of type G
OTHERS = ("WD", "CV", "C", "M", "L", "T")
VISIT = "apVisit-r13-5095-55844-128.fits"


def score_real(estimator, data, limit, result, report):
    """Real stars: fill ``real``, ``flags``, ``clear`` and ``kiel`` of the result."""
    miles = data / "miles_real_stars.npz"
    if miles.is_file():
        spectra, truth = read_stars(miles)
        chosen = _choose(truth, limit)
        spectra, truth = [spectra[i] for i in chosen], {key: x[chosen] for key, x in truth.items()}
        found = estimate_stars(estimator, spectra, "air")
        result["real"] += score_parameters(found, truth, LABELS, set="MILES")
        result["clear"].append(_count_clear("MILES", found))
        result["kiel"] = [
            {name: float(found[name][i]) for name in LABELS}
            | {f"{name}_true": float(truth[name][i]) for name in LABELS}
            for i in range(len(spectra))
        ]
        rng = np.random.default_rng(SEED)
        noisy = [degrade(one, DEGRADED["resolution"], DEGRADED["snr"], rng) for one in spectra]
        found = estimate_stars(estimator, noisy, "air", DEGRADED["resolution"])
        result["real"] += score_parameters(found, truth, LABELS, set="MILES, S/N 20, R 2000")
        result["clear"].append(_count_clear("MILES, S/N 20, R 2000", found))
        found = estimate_stars(estimator, noisy, "air", DEGRADED["resolution"], tokens=True)
        result["real"] += score_parameters(found, truth, LABELS, set="MILES, S/N 20, R 2000, from tokens")
        report(f"MILES: {len(spectra)}")
    lamost = data / "lamost_real.npz"
    if lamost.is_file():
        spectra, truth = read_stars(lamost)
        chosen = np.flatnonzero(np.isfinite(truth["teff"]))[:limit]
        found = estimate_stars(estimator, [spectra[i] for i in chosen])
        known = {key: x[chosen] for key, x in truth.items()}
        result["real"] += score_parameters(found, known, (*LABELS, "rv"), set="LAMOST")
        usual = (known["teff"] >= SCORED[0]) & (known["teff"] <= SCORED[1])
        for name, part in ((", 4000-7500 K", usual), (", hotter", known["teff"] > SCORED[1])):
            one, other = ({key: x[part] for key, x in table.items()} for table in (found, known))
            result["real"] += score_parameters(one, other, LABELS, set=f"LAMOST{name}")
        result["clear"].append(_count_clear("LAMOST", found))
        found = estimate_stars(estimator, [spectra[i] for i in chosen], tokens=True)
        result["real"] += score_parameters(found, known, (*LABELS, "rv"), set="LAMOST, from tokens")
        cool = np.flatnonzero(truth["type"] == "M")[:limit]
        found = estimate_stars(estimator, [spectra[i] for i in cool])
        result["flags"] += score_flags(found, truth["type"][cool], set="LAMOST")
        report(f"LAMOST: {len(chosen)}")
    spex = data / "splat_spex_real.npz"
    if spex.is_file():
        spectra, truth = read_stars(spex)
        rows = np.flatnonzero(truth["type"] != "")[:limit]
        found = estimate_stars(estimator, [spectra[i] for i in rows])
        result["flags"] += score_flags(found, truth["type"][rows], set="SpeX")
        report(f"SpeX: {len(rows)}")


def score_held_out(estimator, train, limit, result, report):
    """Stars of the libraries that validation leaves out, and hot ones without labels: fill ``real`` and ``flags``."""
    for name in ("CFLIB", "MILES"):
        spectra, truth = read_held_out(train, name)
        hot = truth["teff"] > SCORED[1]
        for part, rows in (
            (f"{name}, held out", _choose(truth, limit)),
            (f"{name}, held out, hotter", np.flatnonzero(hot)[:limit]),
        ):
            if len(rows):
                found = estimate_stars(estimator, [spectra[i] for i in rows], "air")
                known = {key: x[rows] for key, x in truth.items()}
                result["real"] += score_parameters(found, known, LABELS, set=part)
                result["clear"].append(_count_clear(part, found))
                report(f"{part}: {len(rows)}")
    for kind, spectra in read_hot_stars(train).items():
        found = estimate_stars(estimator, spectra)
        cool = (found["warn"] == 0) & (found["teff"] < COOLEST_SUBDWARF)
        row = {"set": "CALSPEC", "type": kind, "n": len(spectra), "flagged": float(np.mean(found["warn"] != 0)),
               "withheld": float(np.mean(~np.isfinite(found["teff"]))), "dwarf": float(np.mean(cool))}  # fmt: skip
        result["flags"].append(row)
        values = ", ".join(f"{t:.0f} K {g:.1f}{'' if w == 0 else ' flagged'}" for t, g, w in
                           zip(found["teff"], found["logg"], found["warn"], strict=True))  # fmt: skip
        report(f"CALSPEC, {kind}: {values}")


def _choose(truth, limit):
    """Rows of the stars that are scored."""
    return np.flatnonzero((truth["teff"] >= SCORED[0]) & (truth["teff"] <= SCORED[1]))[:limit]


def _count_clear(name, found):
    clear = (found["warn"] == 0) & np.isfinite(found["teff"])
    return {"set": name, "n": len(clear), "clear": float(np.mean(clear)) if len(clear) else None}


def score_simulated(estimator, data, train, n, result, report):
    """Simulated stars: fill ``simulated``, ``real`` (APOGEE-like) and ``flags`` of the result."""
    store = TemplateStore(train)
    families = {
        "optical": (GridStars, TemplateStore(data)),
        "triplet": (GridStars, store),
        "apogee": (ApogeeStars, store),
    }
    made = {name: home.make(family, "cpu") for name, (family, home) in families.items() if family.usable(home)}
    cells = [("snr", f"{snr:g}", (*OPTICAL, 1800.0), "optical", snr) for snr in SNR]
    cells += [("snr, H band", f"{snr:g}", (*H_BAND, 22500.0), "apogee", snr) for snr in SNR]
    cells += [("resolution", f"{r:g}", (*OPTICAL, float(r)), "optical", WINDOW_SNR) for r in OPTICAL_R]
    cells += [("resolution, H band", f"{r:g}", (*H_BAND, float(r)), "apogee", WINDOW_SNR) for r in H_BAND_R]
    cells += [("window", name, setting, family, WINDOW_SNR) for name, (setting, family) in WINDOWS.items()]
    for number, (kind, value, setting, family, snr) in enumerate(cells):
        if family not in made:
            continue
        spectra, truth = draw_stars(made[family], n, make_instrument(*setting), float(snr), [SEED, number])
        if spectra:
            found = estimate_stars(estimator, spectra, resolution=setting[2])
            result["simulated"] += score_parameters(found, truth, (*LABELS, "rv"), kind=kind, value=value)
            report(f"simulated, {kind} {value}: {len(spectra)}")
    if "apogee" in made:
        instrument = make_instrument(*H_BAND, 22500.0)
        spectra, truth = draw_stars(made["apogee"], 2 * n, instrument, 100.0, [SEED, 99], rotation=False)
        found = estimate_stars(estimator, spectra, resolution=22500.0)
        result["real"] += score_parameters(found, truth, (*LABELS, "rv"), set="APOGEE emulator, S/N 100")
    for number, family in enumerate((RedrockStars, RealStars)):
        if family.usable(store):
            instrument, seed = make_instrument(3800.0, 9200.0, 1800.0), [SEED, 200 + number]
            spectra, truth = draw_stars(store.make(family, "cpu"), 4 * n, instrument, 20.0, seed, labelled=False)
            rows = np.flatnonzero(np.isin(truth["type"], OTHERS))
            found = estimate_stars(estimator, [spectra[i] for i in rows], resolution=1800.0)
            result["flags"] += score_flags(found, truth["type"][rows], set=f"simulated ({family.__name__})")
    report("simulated types")


def read_visit(estimator, path):
    """Parameters of the file of APOGEE: three chips, wavelengths decreasing."""
    table = estimator.estimate_files([path], progress=False)
    names = (*LABELS, "alpha_fe", "rv", "vbroad")
    row = {name + end: float(table[name + end].value[0]) for name in names for end in ("", "_err")}
    return row | {
        "snr": float(table["snr"][0]),
        "warn": int(table["warn"][0]),
        "stellar_type": str(table["stellar_type"][0]),
    }


def list_bars(result):
    """Everything that is aimed at, and what was measured."""
    bars = []
    rows = {(row["set"], row["label"]): row for row in result["real"]}
    for name, limits in BARS.items():
        for label, high in limits.items():
            row = rows.get((name, label), {"scatter": None, "n": 0})
            bars.append(judge(f"{name}: scatter of {label}, {UNITS[label]}", row["scatter"], row["n"], high=high))
    for name, limits in OFFSETS.items():
        for label, high in limits.items():
            row = rows.get((name, label), {"offset": None, "n": 0})
            offset = None if row["offset"] is None else abs(row["offset"])
            bars.append(judge(f"{name}: size of the offset of {label}, {UNITS[label]}", offset, row["n"], high=high))
    pulls = [
        row["pull"] for row in result["simulated"]
        if row["kind"].startswith("snr") and row["n"] >= LEAST and row["pull"] is not None
    ]  # fmt: skip
    inside = float(np.mean([PULL[0] <= pull <= PULL[1] for pull in pulls])) if pulls else None
    bars.append(judge("simulated: share of label and S/N with pulls 0.9 to 1.2 wide", inside, len(pulls), low=1))
    others = [row for row in result["flags"] if row["type"] in OTHERS]
    n = sum(row["n"] for row in others)
    dwarf = sum(row["n"] * row["dwarf"] for row in others) / n if n else None
    name = "white dwarfs, CVs, carbon stars, M, L and T called a dwarf of F to K without a flag"
    return [*bars, judge(name, dwarf, n, high=0.0)]


def run_benchmark(estimator, data, train=None, *, limit=None, simulated=300, report=print):
    """All figures for one estimator.

    Parameters
    ----------
    estimator : `~astro_spectok.estimators.StellarParameterEstimator`
    data : `~pathlib.Path`
        Directory of the test sets; those that are absent are left out.
    train : `~pathlib.Path`, optional
        Directory of the template sets; nothing is simulated if not given.
    limit : int, optional
        Most real spectra per set.
    simulated : int, optional
        Stars drawn for each cell; 0 leaves them out.
    report : callable, optional
        Is given each line of the report.

    Returns
    -------
    dict
        As the JSON file, less what describes the run.
    """
    result = {"real": [], "simulated": [], "flags": [], "clear": [], "visit": None, "kiel": []}
    score_real(estimator, data, limit, result, report)
    if train is not None:
        score_held_out(estimator, train, limit, result, report)
    if train is not None and simulated:
        score_simulated(estimator, data, train, simulated, result, report)
    visit = data / "fits" / VISIT
    if visit.is_file():
        result["visit"] = read_visit(estimator, visit)
    result["bars"] = list_bars(result)
    for key in ("real", "simulated", "flags", "clear", "bars"):
        report_rows(key, result[key], report)
    report(f"\n{VISIT}: {result['visit']}")
    return result


def main(argv=None):
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory of the test sets")
    parser.add_argument("--train", type=Path, help="directory of the template sets (default: beside --data)")
    parser.add_argument("--weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--limit", type=int, help="most real spectra per set")
    parser.add_argument("--simulated", type=int, default=300, help="stars for each cell (default: 300)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args(argv)
    start = time.perf_counter()
    train = args.train or args.data.parent / "train"
    result = run_benchmark(
        StellarParameterEstimator(args.weights, args.device), args.data, train if train.is_dir() else None,
        limit=args.limit, simulated=args.simulated, report=lambda line: print(line, flush=True),
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
