# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Redrock and `RedshiftEstimator` side by side: the same spectra in one run, each on one thread.

    python benchmarks/redrock/compare.py --data DIR [--templates DIR] [--weights NAME|PATH] [-n N] [--native N]
                                                     [--json FILE]

``--data`` is the directory of the test sets, of which ``sim_redrock`` is read; ``--train`` that of the template sets
(``train`` beside it if not given), which the simulated spectra are drawn from. Redrock is installed from the package
index into an environment of its own (``--env``; in the cache directory if not given) and runs there. ``--templates`` is
a directory of redrock's template files, as ``install_redrock_templates`` of redrock fetches it; without it templates
are written from the template sets, see `_template_files`: those of galaxies are then not redrock's.

Two sets are fitted: spectra of ``sim_redrock`` on one grid, and simulated spectra of six surveys on as many grids as
there are spectra. Both sides are given wavelength, flux and inverse variance; redrock is also given the line-spread
function. `RedshiftEstimator` runs twice, as it is and with ``astro_spectok.conf.precision = "bfloat16"``, which is
faster where the processor multiplies such matrices natively, and slower elsewhere. CPU time is that of the process and
its children. Start-up (imports, reading templates or weights, compiling) is measured separately and counts for neither.
Redrock brings its templates to each grid: on one grid that happens once, however many spectra there are, and is not
counted; on grids of their own it is part of every fit, and counted.

The JSON file holds ``redrock``, ``version``, ``weights``, ``sha256``, ``cpu``, ``templates`` (in words), ``check`` and
``sets``; a set has ``name, n, grids, pixels`` (the mean), ``ratio, bar, met`` (of ours as it is) and ``sides``
(``redrock``, ``astro_spectok``, ``astro_spectok_bfloat16``), of which each has the figures of
`_scores.score_redshifts`, ``by_class`` (``n``, ``median_abs_dv``), CPU seconds ``start, setup, fit``, and
``per_second``. ``check`` compares redrock's answers with those that come with ``sim_redrock``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))

from _environment import find_default_folder, limit_threads, make_environment
from _exchange import read_answers, save_spectra
from _scores import score_redshifts
from _spectra_to_fit import draw_native, read_common
from _template_files import write_templates
from astropy.table import Table
from simulate import name_devices

HERE = Path(__file__).parent
#: how many times as many spectra per CPU-second as redrock are aimed at: on one grid, on grids of their own
BARS = {True: 100, False: 500}
FIGURES = ("n", "class_right", "within_0033", "median_abs_dv", "coverage", "pull_width")


def run_process(python, script, spectra, source, answers, *options):
    """Run one side on one thread and read its answers.

    Parameters
    ----------
    python : list
        The Python, and its arguments before the script.
    script : str
    spectra, source, answers : path-like
        Files of spectra and of answers; templates or weights.
    *options : str
        Further arguments of the script.

    Raises
    ------
    RuntimeError
        It failed; the message holds the end of what it said.
    """
    command = [str(part) for part in (*python, HERE / script, spectra, source, answers, *options)]
    found = subprocess.run(command, env=limit_threads(), capture_output=True, text=True)
    if found.returncode:
        msg = f"{script} failed:\n{found.stderr[-2000:]}"
        raise RuntimeError(msg)
    return read_answers(answers)


def score_side(columns, facts, fit_set):
    """Figures of one side on one set."""
    table = fit_set.truth | {
        "class": columns["spectype"], "z_err": columns["z_err"], "p_best": np.full(len(columns["z"]), np.nan),
        # what was not measured is as wrong as can be
        "z": np.nan_to_num(columns["z"], nan=-1.0), "wide": np.zeros(len(columns["z"]), bool),
    }  # fmt: skip
    scores = score_redshifts(table)
    out = {key: scores[key] for key in FIGURES} | {"by_class": {}}
    for name in sorted(set(table["class_true"].tolist())):
        part = score_redshifts({key: x[table["class_true"] == name] for key, x in table.items()})
        out["by_class"][name] = {key: part[key] for key in ("n", "class_right", "within_0033", "median_abs_dv")}
    # on one grid the templates are brought to it once for any number of spectra
    counted = facts["fit"] + (0 if fit_set.one_grid else facts["setup"])
    times = {key: facts[key] for key in ("start", "setup", "fit")}
    return out | times | {"per_second": len(columns["z"]) / counted}


def compare_set(fit_set, commands, folder):
    """Run all sides on one set: its row of the results, and the answers and facts of each side."""
    path = folder / "spectra.npz"
    save_spectra(path, fit_set.spectra)
    answers = {
        side: run_process(python, script, path, source, folder / f"{side}.npz", *options)
        for side, (python, script, source, *options) in commands.items()
    }
    sides = {side: score_side(*answer, fit_set) for side, answer in answers.items()}
    ratio, bar = sides["astro_spectok"]["per_second"] / sides["redrock"]["per_second"], BARS[fit_set.one_grid]
    row = {
        "name": fit_set.name, "n": len(fit_set.spectra), "grids": answers["redrock"][1]["grids"],
        "pixels": float(np.mean([len(s[0]) for s in fit_set.spectra])), "ratio": ratio, "bar": bar,
        "met": bool(ratio >= bar), "sides": sides,
    }  # fmt: skip
    return row, answers


def check_redrock(columns, truth, path):
    """How often redrock says what it is known to have said of the same spectra, by class.

    Parameters
    ----------
    columns : dict of str to ndarray
        Redrock's answers in this run.
    truth : dict of str to ndarray
    path : `~pathlib.Path`
        The answers it gave with its own templates, one row for each spectrum of the set.

    Returns
    -------
    dict of str to dict
        ``n``, and the number ``same`` of the same class and a redshift that differs by less than its stated error.
    """
    known = Table.read(path, format="ascii.csv")[truth["row"]]
    near = np.abs(columns["z"] - np.asarray(known["z"])) < np.asarray(known["zerr"])
    same = near & (columns["spectype"] == np.asarray(known["spectype"]))
    classes = truth["class_true"]
    return {
        name: {"n": int(np.count_nonzero(classes == name)), "same": int(np.count_nonzero(same & (classes == name)))}
        for name in sorted(set(classes.tolist()))
    }


def run_comparison(options, folder, report):
    """All figures, ready for JSON; ``folder`` is for files that are passed between the processes."""
    train = options.train or options.data.parent / "train"
    report("redrock's environment")
    python = make_environment(options.env or find_default_folder())
    templates, origin = options.templates, "as given"
    if templates is None:
        report("templates")
        templates = folder / "templates"
        origin = write_templates(train, templates)
    ours = [sys.executable], "fit_spectok.py", options.weights or "-"
    commands = {
        # -E: what a developer adds to the path of this Python must not reach the other one
        "redrock": ([python, "-E"], "fit_redrock.py", Path(templates).absolute()),
        "astro_spectok": ours,
        "astro_spectok_bfloat16": (*ours, "bfloat16"),
    }
    common = read_common(options.data / "sim_redrock.npz", options.n)
    result, sets = {}, []
    for fit_set in (common, draw_native(train, options.native)):
        report(f"{fit_set.name}: {len(fit_set.spectra)} spectra")
        row, answers = compare_set(fit_set, commands, folder)
        sets.append(row)
        facts = {side: answer[1] for side, answer in answers.items()}
        earlier = options.data / "sim_redrock_redrock_result.csv"
        if fit_set is common and earlier.is_file():
            result["check"] = check_redrock(answers["redrock"][0], common.truth, earlier)
    ours = facts["astro_spectok"]
    return {
        "redrock": facts["redrock"]["version"], "version": ours["version"], "weights": ours["weights"],
        "sha256": ours["sha256"], "cpu": name_devices()["cpu"], "templates": origin,
    } | result | {"sets": sets}  # fmt: skip


def report_results(result, report):
    """Print the figures in lines."""
    report(f"\nredrock {result['redrock']}; templates: {result['templates']}")
    report(f"astro_spectok {result['version']}, weights {result['weights']} ({result['sha256'][:12]}); {result['cpu']}")
    for row in result["sets"]:
        report(f"\n{row['name']}: {row['n']} spectra, {row['grids']} grids, {row['pixels']:.0f} pixels each")
        report(
            f"{'':24s}{'class':>8s}{'< .0033':>9s}{'|dv|':>8s}{'per CPU-s':>11s}{'start':>8s}{'grids':>8s}{'fits':>9s}"
        )
        for side, found in row["sides"].items():
            cells = (found["class_right"], found["within_0033"], found["median_abs_dv"], found["per_second"])
            times = (found["start"], found["setup"], found["fit"])
            report(
                f"{side:24s}{cells[0]:8.3f}{cells[1]:9.3f}{cells[2]:8.1f}{cells[3]:11.3f}"
                f"{times[0]:8.1f}{times[1]:8.1f}{times[2]:9.2f}"
            )
            for name, part in found["by_class"].items():
                report(f"  {name:22s}{part['class_right']:8.3f}{part['within_0033']:9.3f}{part['median_abs_dv']:8.1f}")
        word = "met" if row["met"] else "NOT met"
        report(f"{row['ratio']:.0f} times as many spectra per CPU-second; at least {row['bar']} are aimed at: {word}")
    for name, found in result.get("check", {}).items():
        report(
            f"redrock here as with its own templates, {name}: {found['same']} of {found['n']} within the stated error"
        )


def main():
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory of the test sets")
    parser.add_argument("--train", type=Path, help="directory of the template sets (default: beside --data)")
    parser.add_argument("--templates", type=Path, help="directory of redrock's template files")
    parser.add_argument("--weights")
    parser.add_argument("-n", type=int, default=40, help="spectra on one grid (default: 40)")
    parser.add_argument("--native", type=int, default=20, help="spectra on grids of their own (default: 20)")
    parser.add_argument("--env", type=Path, help="directory of the environment that redrock is installed into")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    if min(options.n, options.native) < 1:
        parser.error("-n and --native must be at least 1")
    with tempfile.TemporaryDirectory() as folder:
        result = run_comparison(options, Path(folder), lambda line: print(line, flush=True))
    report_results(result, lambda line: print(line, flush=True))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
