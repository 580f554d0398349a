# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What faults of spectra cost in classes and redshifts, each applied to the same simulated spectra.

    python benchmarks/robustness.py [--data DIR] [--weights NAME|PATH] [-n N] [--snr S] [--noise clean|real]
                                    [--json FILE]

N galaxies, quasars and stars in equal parts, half of them as SDSS and half as DESI sees them, at S/N 5 per pixel, are
measured with `RedshiftEstimator` as they are and with each of `_damage.FAULTS`; all of that again without errors.
``--data`` is the directory of the public template sets; without it templates are analytic, and easier than the sky.

The noise is Gaussian and as stated (``--noise clean``), and nothing else is wrong: a spectrum of the simulator as it
comes may have hot pixels, waves and wrong errors of its own already, and the cost of one more would say neither what
one costs nor what it costs in a good spectrum. ``--noise real`` measures that.

The JSON file holds what describes the run, and ``rows``, one for each fault, with and without errors, of all spectra,
of each class and of each instrument; see `score_fault`.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from _damage import COMPARED, FAULTS, Exposure, damage, has_both_arms
from _real_sets import CLASSES
from _robustness_table import BAR
from _scores import is_right
from _simulated import clean_groups

import astro_spectok
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.simulate import Survey
from astro_spectok.simulate.instruments import choose_instrument
from astro_spectok.simulate.named_instruments import DESIGNS
from astro_spectok.training.observed import to_inputs, to_spectra

__all__ = ["NO_ERRORS", "REFERENCE", "draw_exposures", "measure_faults", "score_fault"]

#: far from the seeds of any training and of the other benchmarks
SEED = 86243
FAMILIES, INSTRUMENTS = ("galaxies", "quasars", "stars"), ("sdss", "desi")
#: names of the spectra as they are
REFERENCE, NO_ERRORS = "none", "no errors given"
#: spectra measured at once: bounds the memory that posteriors take
CHUNK = 100
#: faults that do nothing to a spectrum without errors
OF_ERRORS = ("ivar twice too large", "ivar twice too small")
COLUMNS = ("n", "right", "claimed", "loss", "loss_error", "clear", "purity", "loss_clear", "caught")


def choose_whole(name):
    """A function, as `Survey.draw` takes it, that gives an instrument with all of its arms and with errors."""

    def choose(rng, low, high, max_pixels):
        made = choose_instrument(rng, low, high, max_pixels, [name])
        # now and then a spectrum is cut short: one that lacks an arm cannot lose it
        if made is None or len(np.unique(made.arm)) < len(DESIGNS[name].settings[0]):
            return None
        return replace(made, has_errors=True, smoothed=0.0, calibrated=True, normalised=False)

    return choose


def draw_exposures(data, n, snr, *, noise="clean"):
    """Simulated spectra with their truth.

    Parameters
    ----------
    data : path-like or None
        Directory of the template sets.
    n : int
        Spectra; those of which hardly anything is left without one arm are not among them.
    snr : float
        Median per pixel.
    noise : {'clean', 'real'}

    Returns
    -------
    exposures : list of `~_damage.Exposure`
    truth : dict of str to ndarray, shape (n,)
        ``class_true``, ``z_true``, ``instrument``, and ``wide`` (False), as `~_scores.is_right` wants them.
    """
    exposures, truth = [], {"class_true": [], "z_true": [], "instrument": []}
    share = -(-n // (len(FAMILIES) * len(INSTRUMENTS)))
    for f, family in enumerate(FAMILIES):
        survey = Survey(data, families=(family,))
        for k, name in enumerate(INSTRUMENTS):
            # more than are wanted: some are left out
            groups = survey.draw(share + share // 4 + 4, [SEED, f, k], instruments=[choose_whole(name)], snr=(snr, snr))
            if noise == "clean":
                groups = clean_groups(groups, [SEED, f, k, 1])
            found = [found for group in groups for found in list_exposures(group)][:share]
            exposures += [exposure for exposure, _, _ in found]
            truth["class_true"] += [CLASSES[cls] for _, cls, _ in found]
            truth["z_true"] += [z for _, _, z in found]
            truth["instrument"] += [name] * len(found)
    return exposures, {key: np.array(x) for key, x in truth.items()} | {"wide": np.zeros(len(exposures), bool)}


def list_exposures(group):
    """The spectra of a `SimulatedGroup` that have a class, a redshift and two arms: (exposure, class, redshift)."""
    out = []
    objects, instruments = group.objects, group.instruments[0]
    seen = group.observations[0]
    for i, (wavelength, flux, ivar) in enumerate(to_spectra(seen)):
        exposure = Exposure(
            wavelength, flux, ivar, instruments[i].arm[: len(flux)], seen.truth[i][seen.present[i]].cpu().numpy()
        )
        if int(objects.cls[i]) >= 0 and bool(objects.measurable[i]) and has_both_arms(exposure):
            out.append((exposure, int(objects.cls[i]), float(objects.z[i])))
    return out


def measure_exposures(estimator, spectra, truth):
    """What the estimator says of spectra (wavelength, flux, ivar), and how right it is.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``right``: class and redshift, bool; ``clear``: no flag but that the errors are estimates, bool; ``p_best``.
    """
    table = {"z": [], "spectype": [], "zwarn": [], "p_best": []}
    for start in range(0, len(spectra), CHUNK):
        # a list of one is a list all the same
        found = estimator.estimate(to_inputs(spectra[start : start + CHUNK]), medium="vacuum", progress=False)
        for name, values in table.items():
            values.append(np.asarray(found[name]))
    z, spectype, zwarn, p_best = (np.concatenate(x) for x in table.values())
    right = is_right(truth | {"z": z}) & (spectype == truth["class_true"])
    return {"right": right, "clear": (zwarn & ~int(RedshiftFlag.ERRORS_ESTIMATED)) == 0, "p_best": p_best}


def score_fault(before, after):
    """What a fault costs.

    Parameters
    ----------
    before, after : dict of str to ndarray, shape (n,)
        As of `measure_exposures`, of the same spectra without and with it.

    Returns
    -------
    dict
        ``n``; ``right``, the share with it; ``claimed``, the share that should be right by the probabilities that the
        estimator gives, their mean: where they are true, what is lost is lost with the information; ``loss``, by how
        much ``right`` is less than without; ``loss_error``, its error from the pairs that differ, of which at least one
        is assumed; ``clear``, the share that ``zwarn`` calls good; ``purity``, the share of these that is right;
        ``loss_clear``, the loss among those that were clear without the fault; ``caught``, the share flagged of what
        was right and is wrong now. None where there is nothing to measure.
    """
    was, now = before["right"], after["right"]
    n, lost = len(was), was & ~now
    return {
        "n": n,
        "right": _share(now),
        "claimed": _share(after["p_best"]),
        "loss": float(was.mean() - now.mean()),
        "loss_error": float(np.sqrt(max(np.count_nonzero(was != now), 1)) / n),
        "clear": _share(after["clear"]),
        "purity": _share(now[after["clear"]]),
        "loss_clear": _share((was.astype(float) - now)[before["clear"]]),
        "caught": _share(~after["clear"][lost]),
    }


def _share(values):
    """Mean as a float; None of nothing, which JSON can hold."""
    return float(np.mean(values)) if len(values) else None


def list_groups(truth):
    """(class, instrument, rows) of all spectra, of each class, of each instrument, and of each of both."""
    everything = np.ones(len(truth["z_true"]), bool)
    for name in ("all", *CLASSES):
        for instrument in ("all", *INSTRUMENTS):
            rows = everything if name == "all" else truth["class_true"] == name
            rows = rows & (everything if instrument == "all" else truth["instrument"] == instrument)
            if rows.any():
                yield name, instrument, rows


def measure_faults(estimator, exposures, truth, *, report=print):
    """All rows of the table; see the docstring of the module.

    Parameters
    ----------
    estimator : `~astro_spectok.estimators.RedshiftEstimator`
    exposures, truth
        As of `draw_exposures`.
    report : callable, optional
        Called with each fault as soon as it is measured.

    Returns
    -------
    list of dict
        ``fault``, ``errors`` (whether they are given), ``kind`` ('reference', 'fault', 'compared'), ``class``,
        ``instrument`` and the figures of `score_fault`. Spectra without errors are compared with the same without
        errors; these themselves, called `NO_ERRORS`, with those that have them.
    """
    rows, numbers = [], {name: k for k, name in enumerate(FAULTS | COMPARED)}

    def measure(name, errors):
        spectra = [
            x.arrays if name in (REFERENCE, NO_ERRORS) else damage(name, x, [SEED, numbers[name], i])
            for i, x in enumerate(exposures)
        ]
        if not errors:
            # ivar of 1 stands for no errors, as in the real sets
            spectra = [(w, flux, (ivar > 0).astype(np.float32)) for w, flux, ivar in spectra]
        return measure_exposures(estimator, spectra, truth)

    def add(name, errors, kind, before, after):
        for cls, instrument, members in list_groups(truth):
            pair = [{key: x[members] for key, x in table.items()} for table in (before, after)]
            head = {"fault": name, "errors": errors, "kind": kind, "class": cls, "instrument": instrument}
            rows.append(head | score_fault(*pair))
            if cls == instrument == "all":
                report(show_row(rows[-1]))

    report(f"{'':36s}{'errors':>7s}" + "".join(f"{name:>11s}" for name in COLUMNS))
    reference = measure(REFERENCE, True)
    add(REFERENCE, True, "reference", reference, reference)
    for name in FAULTS:
        add(name, True, "fault", reference, measure(name, True))
    for name in COMPARED:
        add(name, True, "compared", reference, measure(name, True))
    without = measure(NO_ERRORS, False)
    add(NO_ERRORS, False, "fault", reference, without)
    for name in FAULTS:
        if name not in OF_ERRORS:
            add(name, False, "fault", without, measure(name, False))
    return rows


def show_row(row):
    """One line of the printed table; shares in per cent."""
    cells = [f"{row['n']:11d}"]
    cells += [f"{'-':>11s}" if row[k] is None else f"{100 * row[k]:11.1f}" for k in COLUMNS[1:]]
    return f"{row['fault']:36s}{'yes' if row['errors'] else 'no':>7s}" + "".join(cells)


def report_missed(rows, report=print):
    """Say which faults cost too much, and to which class and instrument."""
    for row in rows:
        if row["kind"] != "fault" or row["loss"] < BAR or row["class"] != "all" or row["instrument"] != "all":
            continue
        same = [r for r in rows if (r["fault"], r["errors"]) == (row["fault"], row["errors"])]
        parts = [f"{r['class']} {r['instrument']} {100 * r['loss']:.1f}" for r in same if "all" not in r.values()]
        report(f"{row['fault']}, errors {'given' if row['errors'] else 'not given'}: {', '.join(parts)}")


def main(argv=None):
    """Draw, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory of the public template sets")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-n", type=int, default=300, help="spectra (default: 300)")
    parser.add_argument("--snr", type=float, default=5.0, help="median signal-to-noise ratio per pixel (default: 5)")
    parser.add_argument("--noise", choices=("clean", "real"), default="clean")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    estimator = RedshiftEstimator(options.weights, options.device)
    exposures, truth = draw_exposures(options.data, options.n, options.snr, noise=options.noise)
    meta = estimator.estimate(to_inputs([exposures[0].arrays]), medium="vacuum", progress=False).meta
    rows = measure_faults(estimator, exposures, truth, report=lambda line: print(line, flush=True))
    print(f"\nloss of {100 * BAR:g} points or more, by class and instrument:")
    report_missed(rows)
    print(f"{time.perf_counter() - start:.0f} s")
    if options.json:
        content = {
            "weights": meta["weights"], "sha256": meta["weights_sha256"], "version": astro_spectok.__version__,
            "seed": SEED, "n": len(exposures), "snr": options.snr, "noise": options.noise,
            "templates": "analytic" if options.data is None else "public", "rows": rows,
        }  # fmt: skip
        options.json.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
