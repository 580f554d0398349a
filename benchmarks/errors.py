# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What becomes of spectra whose stated errors are wrong, or whose pixels share their noise.

    python benchmarks/errors.py --data DIR [--train DIR] [--weights NAME|PATH] [-n N] [--json FILE]

N simulated galaxies, quasars and stars in equal parts, half of them as SDSS and half as DESI sees them, at S/N 3, 10,
30 and 100 per pixel, with Gaussian noise as stated, and N real spectra, of SDSS and LAMOST, are measured as they are
and with their errors altered in each of `_wrong_errors.WAYS`. ``--data`` is the directory of the test sets, without
which there are no real ones; ``--train`` that of the public template sets, ``train`` beside it if not given.

The JSON file holds what describes the run; ``rows``, one for each way and kind of spectra (``simulated``, ``real``),
see `score_way`; and ``cost``: processor time of all spectra as stated, over that without a second look at errors.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from _real_sets import SURVEYS
from _scores import is_right
from _wrong_errors import WAYS, lower_snr
from robustness import draw_exposures

import astro_spectok
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.redshift.estimator import solve_spectrum
from astro_spectok.redshift.measure import measure_twice, prepare
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import InputFlag, to_batch
from astro_spectok.training.observed import to_inputs

__all__ = ["measure_way", "score_way"]

SEED = 31415
LEVELS = (3.0, 10.0, 30.0, 100.0)
REAL = ("sdss_more_real", "lamost_real")
#: factor within which errors are right
WITHIN = 1.3
FLAGS = int(InputFlag.UNCERTAINTY_RAISED | InputFlag.UNCERTAINTY_ESTIMATED)
#: times that the cost is measured
REPEATED = 3
#: of `solve_spectrum`: solutions
COUNT = 3
COLUMNS = ("kind", "way", "n", "given", "corrected", "flagged", "pull_before", "pull", "claim_before", "claim",
           "kept_before", "kept", "pure_before", "pure")  # fmt: skip


def draw_simulated(train, n):
    """Simulated spectra (wavelength, flux, ivar), and their truth as of `robustness.draw_exposures`."""
    exposures, truth = draw_exposures(train, n, LEVELS[-1])
    rng, spectra = np.random.default_rng(SEED), []
    for i, one in enumerate(exposures):
        flux, ivar = lower_snr(one.flux, one.ivar, LEVELS[i % len(LEVELS)] / LEVELS[-1], rng)
        spectra.append((one.wavelength, flux, ivar))
    return spectra, truth


def read_real(data, n):
    """Spectra and truth of the test sets, in the same form."""
    chosen, truth = [], {"class_true": [], "z_true": []}
    for survey in SURVEYS:
        if survey.name in REAL:
            spectra, columns = load_set(data / f"{survey.name}.npz")
            rows = np.flatnonzero(survey.select(columns))
            rows = np.sort(np.random.default_rng(SEED).permutation(rows)[: n // len(REAL)])
            chosen += [spectra[i] for i in rows]
            truth["class_true"] += columns["cls"][rows].tolist()
            truth["z_true"] += columns["z"][rows].tolist()
    return chosen, {key: np.array(x) for key, x in truth.items()} | {"wide": np.zeros(len(chosen), bool)}


def measure_way(estimator, spectra, way):
    """What the estimator says of altered spectra before and after the second look at their errors.

    Returns
    -------
    before, after : dict of str to ndarray, shape (n,)
        ``z``, ``z_err``, ``zwarn`` and ``class``; NaN and '' where nothing was measured. ``after`` has
        ``corrected``: whether the errors of either half are right on the median; and ``flagged``.
    """
    altered = [WAYS[way](*one) for one in spectra]
    batch = to_batch(to_inputs([one[:3] for one in altered]), medium="vacuum")
    prepared = prepare(estimator, batch, medium=None, resolution=None)
    n = len(batch)
    tables = [
        {"z": np.full(n, np.nan), "z_err": np.full(n, np.nan), "zwarn": np.full(n, -1), "class": np.full(n, "", "U6")}
        for _ in range(2)
    ]

    def note(table, i, solved):
        best = solved.peaks[0]
        table["z"][i], table["z_err"][i], table["zwarn"][i] = best.z, best.z_err, int(solved.zwarn)
        table["class"][i] = best.spectype

    def solve(prepared, i, posterior, information, types):
        solved = solve_spectrum(prepared, i, posterior, information, types, COUNT)
        if not tables[0]["class"][i]:
            note(tables[0], i, solved)
        return solved, solved.left

    corrected = np.zeros(n, bool)
    for i, mended, solved in measure_twice(prepared, solve, progress=False):
        note(tables[1], i, solved)
        corrected[i] = _are_right(mended.batch, i, altered[i])
    given = np.array([_are_right(batch, i, altered[i]) for i in range(n)])
    return tables[0] | {"corrected": given}, tables[1] | {
        "corrected": corrected, "flagged": (prepared.flags & FLAGS) != 0,
    }  # fmt: skip


def _are_right(batch, i, altered):
    """Whether errors of both halves are right on the median; False where pixels were averaged."""
    right, ivar = altered[3], batch.ivar[batch.pixels(i)] / batch.scale[i] ** 2
    if len(right) != len(ivar):
        return False
    good = (right > 0) & (ivar > 0)
    ratio = np.log(right[good] / ivar[good]) / 2
    return all(abs(np.median(part)) < np.log(WITHIN) for part in np.array_split(ratio, 2) if len(part))


def score_way(kind, way, found, truth, usual):
    """One row.

    Parameters
    ----------
    kind, way : str
    found : tuple of dict
        Of `measure_way`.
    truth : dict of str to ndarray
    usual : ndarray, shape (n,)
        Errors of the redshifts of the spectra as stated.

    Returns
    -------
    dict
        ``n``; shares of spectra whose errors are right (within 30 per cent) when measured first (``given``) and in the
        end (``corrected``), and ``flagged``; and before and after: ``pull``, 1.48 times the median size of
        (z - z_true) over the stated error, of what is right; ``claim``, the median of the stated error over that of the
        spectrum as stated; ``kept``, the share with ``zwarn`` 0, and ``pure``, the share of those that are right.
    """
    row = {"kind": kind, "way": way, "n": len(usual), "given": float(found[0]["corrected"].mean()),
           "corrected": float(found[1]["corrected"].mean()), "flagged": float(found[1]["flagged"].mean())}  # fmt: skip
    for table, suffix in zip(found, ("_before", ""), strict=True):
        right = is_right(truth | {"z": table["z"]}) & (table["class"] == truth["class_true"])
        pull = np.abs(table["z"] - truth["z_true"])[right] / table["z_err"][right]
        kept = table["zwarn"] == 0
        row |= {
            f"pull{suffix}": float(1.4826 * np.median(pull)) if len(pull) else None,
            f"claim{suffix}": float(np.nanmedian(table["z_err"] / usual)),
            f"kept{suffix}": float(kept.mean()),
            f"pure{suffix}": float(right[kept].mean()) if kept.any() else None,
        }
    return row


def measure_cost(estimator, sets):
    """Processor time of all spectra as stated, over that of measuring them once."""
    seconds = np.zeros(2)
    for spectra, _ in sets:
        batch = to_batch(to_inputs(spectra), medium="vacuum")
        for _ in range(REPEATED):
            for k, measure in enumerate((_measure_once, measure_twice)):
                prepared = prepare(estimator, batch, medium=None, resolution=None)
                start = time.process_time()
                for _ in measure(prepared, _solve, False):
                    pass
                seconds[k] += time.process_time() - start
    return float(seconds[1] / seconds[0])


def _solve(prepared, i, posterior, information, types):
    solved = solve_spectrum(prepared, i, posterior, information, types, COUNT)
    return solved, solved.left


def _measure_once(prepared, solve, progress):
    for i, *found in prepared.measure(progress):
        yield solve(prepared, i, *found)


def run_benchmark(estimator, data, train, n, *, cost=True, report=print):
    """Rows and cost; each row is reported as soon as it is known."""
    sets = {"simulated": draw_simulated(train, n)} | ({} if data is None else {"real": read_real(data, n)})
    rows = []
    report(" ".join(f"{name:>12s}" for name in COLUMNS))
    for kind, (spectra, truth) in sets.items():
        usual = None
        for way in WAYS:
            found = measure_way(estimator, spectra, way)
            usual = found[1]["z_err"] if usual is None else usual
            rows.append(score_way(kind, way, found, truth, usual))
            report(" ".join(_show(rows[-1][name]) for name in COLUMNS))
    return {"rows": rows, "cost": measure_cost(estimator, sets.values()) if cost else None}


def _show(value):
    return f"{value:12.3f}" if isinstance(value, float) else f"{value!s:>12s}"


def main():
    """Draw, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="directory of the test sets")
    parser.add_argument("--train", type=Path, help="directory of the public template sets (default: beside --data)")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("-n", type=int, default=48, help="spectra of each kind (default: 48)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    start = time.process_time()
    train = args.train or (None if args.data is None else args.data.parent / "train")
    estimator = RedshiftEstimator(args.weights, "cpu")
    found = run_benchmark(estimator, args.data, train, args.n)
    loaded = prepare(estimator, [], medium="vacuum", resolution=None).runner.loaded
    print(f"cost {found['cost']:.3f}; {time.process_time() - start:.0f} s of processor time")
    if args.json:
        described = {"weights": loaded.name, "sha256": loaded.sha256, "version": astro_spectok.__version__, "n": args.n}
        args.json.write_text(json.dumps(described | found, indent=1) + "\n")


if __name__ == "__main__":
    main()
