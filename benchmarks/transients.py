# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`TransientEstimator` as users call it: types, redshifts, phases, false claims, probabilities; beside other methods.

    python benchmarks/transients.py --data DIR [--train DIR] [--weights NAME|PATH] [--limit N] [--left-out N]
                                    [--rivals] [--json FILE]

``--data`` is the directory of the test sets, ``--train`` that of the sets that the library is made of, for the rivals
and for ``--left-out``: so many spectra of the library itself, each compared with the library without its object, for
types that the test sets lack. All shares are means over objects of means over their spectra, never over spectra.

The JSON file holds what describes the run; ``sets``, by set and method the figures of `score_answers`; ``claims``, of
what is no transient, the share with a type and ``warn`` 0; ``flags``, by set the figures of `measure_flags`.

A redshift is right within 0.01. Types are right in three groups, Ia, II (with IIb, as in the labels) and Ibc; ten types
are those of the library without TDE. Spectra of the superfit set are at rest, and are seen at redshifts drawn once from
0.005 to 0.15.
"""

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _reliability import measure_reliability
from _transient_rivals import NearestCoefficients, SnidLike
from _transient_sets import LITERATURE, NONE, Item, group_type, read_none, read_ozdes, read_superfit
from astropy import units as u
from astropy.stats import mad_std

import astro_spectok
from astro_spectok.estimators import RedshiftEstimator, TransientEstimator
from astro_spectok.heads.transient_fit import scan_templates, view_spectrum
from astro_spectok.heads.transient_net import TransientNet, judge_shifts
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.training.transient_networks import assign_folds
from astro_spectok.training.transient_types import read_transients
from astro_spectok.transients.measure import choose_type
from astro_spectok.transients.posterior import TransientCalibration, find_group, make_posterior
from astro_spectok.weights import load_weights

__all__ = ["measure_claims", "measure_left_out", "score_answers", "share_by_object"]

RIGHT = 0.01
#: phases that are scored, in days
PHASES = (-20.0, 40.0)
CHUNK = 50


def share_by_object(right, objects):
    """Mean over objects of the mean over their spectra; None of nothing."""
    right, objects = np.asarray(right, float), np.asarray(objects)
    means = [right[objects == one].mean() for one in np.unique(objects)]
    return float(np.mean(means)) if means else None


def score_answers(items, kinds, redshifts, phases, p_group=None):
    """Figures of merit of answers.

    Parameters
    ----------
    items : list of `~_transient_sets.Item`
    kinds : list of str
    redshifts, phases : sequence of float
    p_group : sequence of float, optional
        Probability of the group of each.

    Returns
    -------
    dict
        ``n``, ``objects``, ``balanced`` and ``groups`` (Ia, II, Ibc), ``balanced_iib`` (IIb is right for both II
        and Ibc), ``fine`` and ``types`` (as labelled),
        ``z_right``, ``z_right_ia``, ``phase_rms``, ``phase_mad``, ``phase_n``, and ``reliability`` of ``p_group``.
    """
    objects = np.array([one.object for one in items])
    truth, found = np.array([one.kind for one in items]), np.array(kinds)
    broad = np.array([group_type(kind) for kind in truth])
    right = broad == np.array([group_type(kind) for kind in found])
    groups = {name: share_by_object(right[broad == name], objects[broad == name]) for name in ("Ia", "II", "Ibc")}
    groups = {name: share for name, share in groups.items() if share is not None}
    fine = {
        name: share_by_object((found == name)[truth == name], objects[truth == name])
        for name in np.unique(truth)
        if name
    }
    z = np.array([one.z for one in items])
    near = np.abs(np.asarray(redshifts, float) - z) < RIGHT
    known = np.isfinite(z)
    ia = known & (broad == "Ia")
    phase, true_phase = np.asarray(phases, float), np.array([one.phase for one in items])
    scored = (truth == "Ia") & (found == "Ia") & np.isfinite(phase)
    scored &= (true_phase >= PHASES[0]) & (true_phase <= PHASES[1])
    off = (phase - true_phase)[scored]
    # sets call the same objects of type IIb II or Ib: with either label IIb is no mistake
    lenient = right | ((found == "IIb") & np.isin(broad, ("II", "Ibc")))
    kindly = [share_by_object(lenient[broad == name], objects[broad == name]) for name in groups]
    out = {
        "n": len(items), "objects": len(np.unique(objects)), "groups": groups,
        "balanced": float(np.mean(list(groups.values()))) if groups else None,
        "balanced_iib": float(np.mean(kindly)) if kindly else None,
        "types": {str(name): share for name, share in fine.items()},
        "fine": float(np.mean(list(fine.values()))) if fine else None,
        "z_right": share_by_object(near[known], objects[known]), "z_right_ia": share_by_object(near[ia], objects[ia]),
        "phase_rms": float(np.sqrt(np.mean(off**2))) if len(off) else None,
        "phase_mad": float(mad_std(off)) if len(off) else None, "phase_n": len(off),
    }  # fmt: skip
    if p_group is not None:
        typed = broad != ""
        out["reliability"] = measure_reliability(np.asarray(p_group)[typed], right[typed])
    return out


def estimate(items, estimator):
    """Columns of the table of an estimator for items, dict of str to ndarray."""
    names, found = ("type", "p_group", "z", "z_err", "phase", "phase_err", "p_transient", "warn"), []
    for start in range(0, len(items), CHUNK):
        inputs = [_to_input(one) for one in items[start : start + CHUNK]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of estimated errors and ranges
            table = estimator.estimate(inputs, medium="vacuum", progress=False)
        found.append({name: np.asarray(getattr(table[name], "value", table[name])) for name in names})
    return {name: np.concatenate([one[name] for one in found]) for name in names}


def _to_input(one):
    axis, unit = one.wavelength * u.AA, u.dimensionless_unscaled
    return (axis, one.flux * unit) if one.sigma is None else (axis, one.flux * unit, one.sigma * unit)


def measure_claims(items, table):
    """Of what is no transient, how many are claimed to be one: dict."""
    claimed = (table["p_transient"] > 0.5) & (table["warn"] == 0)
    return {"n": len(items), "claimed": int(claimed.sum()), "share": float(claimed.mean())}


def measure_flags(items, estimator):
    """What `RedshiftEstimator` makes of items: dict.

    ``unflagged`` have ``zwarn`` 0, ``wrong`` of these a redshift that is off by more than 0.01 (where it is known);
    ``alone`` have no other bit but ``TRANSIENT_LIKE``, and ``flagged`` have it.
    """
    zwarn, z = [], []
    for start in range(0, len(items), CHUNK):
        inputs = [_to_input(one) for one in items[start : start + CHUNK]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = estimator.estimate(inputs, medium="vacuum", progress=False)
        zwarn.append(np.asarray(table["zwarn"])), z.append(np.asarray(getattr(table["z"], "value", table["z"])))
    zwarn, z, known = np.concatenate(zwarn), np.concatenate(z), np.array([one.z for one in items])
    bit = int(RedshiftFlag.TRANSIENT_LIKE)
    return {
        "n": len(items), "unflagged": int((zwarn == 0).sum()),
        "wrong": int((np.abs(z - known) > RIGHT)[zwarn == 0].sum()),
        "alone": int((zwarn == bit).sum()), "flagged": int(((zwarn & bit) > 0).sum()),
    }  # fmt: skip


def measure_left_out(spectra, head, number, seed=3):
    """Items of the library, types alike, and answers of the library without their objects."""
    library, rng = head.get_library(), np.random.default_rng(seed)
    by_kind = {}
    for row, one in enumerate(spectra):
        by_kind.setdefault(one.kind, {}).setdefault(one.object, []).append(row)
    rows = []
    # in turns: one spectrum of one object after the other
    while len(rows) < number and any(by_kind.values()):
        for objects in by_kind.values():
            if objects:
                name = min(objects, key=lambda one: (sum(spectra[r].object == one for r in rows), one))
                rows.append(objects[name].pop(rng.integers(len(objects[name]))))
                if not objects[name]:
                    del objects[name]
    items, kinds, redshifts, phases, sure = [], [], [], [], []
    calibration = TransientCalibration.from_head(head)
    fold = assign_folds(library, len(head.networks)) if head.networks else None
    for row in rows[:number]:
        one, z = spectra[row], float(rng.uniform(0.005, 0.15))
        view = view_spectrum(one.ln_wavelength + np.log1p(z), one.flux, one.ivar, head.config)
        if view is None:
            continue
        own = int(library.group[row])
        only = None if fold is None else int(fold[own])  # the network that has not seen it

        def judge(shifts, view=view, only=only):
            return head.judge(view, shifts, only)

        scan = scan_templates(view, head.get_sums())
        posterior = make_posterior(view, scan, library, calibration, left_out=own, judge=judge)
        p = posterior.type_probability
        kind, _ = choose_type(p)
        ln1pz, _, _ = posterior.find_redshift()
        item = np.exp(one.ln_wavelength + np.log1p(z)), one.flux, None
        items.append(Item(*item, one.kind, one.object, z, one.phase, one.origin))
        kinds.append(kind), redshifts.append(float(np.expm1(ln1pz))), sure.append(find_group(kind, p))
        phases.append(posterior.find_phase(kind, library, ln1pz).mean)
    return items, kinds, redshifts, phases, sure


def answer_without(items, head, networks):
    """Types, redshifts and phases by templates and some networks in place of those of a head, if any."""
    library, calibration, out = head.get_library(), TransientCalibration.from_head(head), []
    if networks is None:
        calibration = replace(calibration, judged=(0.0, 0.0), judged_phase=0.0)
    for one in items:
        ivar = np.ones(len(one.flux)) if one.sigma is None else one.sigma**-2.0
        view = view_spectrum(np.log(one.wavelength), one.flux, ivar, head.config)
        if view is None:
            out.append(("", np.nan, np.nan))
            continue

        def judge(shifts, view=view):
            return None if networks is None else judge_shifts(networks, view, head.config, shifts)

        posterior = make_posterior(view, scan_templates(view, head.get_sums()), library, calibration, judge=judge)
        (kind, _), (ln1pz, _, _) = choose_type(posterior.type_probability), posterior.find_redshift()
        out.append((kind, float(np.expm1(ln1pz)), posterior.find_phase(kind, library, ln1pz).mean))
    return zip(*out, strict=True)


def make_untrained(head, seed=5):
    """Networks of the sizes of those of a head with random parameters."""
    torch.manual_seed(seed)
    sizes = head.config.bins, len(head.config.types), head.config.convolutions, head.config.width
    return [TransientNet(*sizes).eval() for _ in range(head.config.networks)]


def run_rivals(items, spectra, head):
    """Scores of the other methods on items, all of them known to be transients: dict of str to dict."""
    snid, pca, out = SnidLike(spectra), NearestCoefficients(spectra), {}
    answers = [snid.classify(*one[:3]) or ("", np.nan, np.nan) for one in items]
    out["SNID-like"] = score_answers(items, *zip(*answers, strict=True))
    kinds = [pca.classify(*one[:3], one.z) or "" for one in items]
    out["templates alone"] = score_answers(items, *answer_without(items, head, None))
    if head.networks:
        out["networks untrained"] = score_answers(items, *answer_without(items, head, make_untrained(head)))
    nothing = [np.nan] * len(items)
    out["PCA at known redshift"] = score_answers(items, kinds, nothing, nothing)
    return out


def main(argv=None):
    """Measure all sets and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the test sets")
    parser.add_argument(
        "--train", type=Path, help="directory of the sets of the library (default: train beside --data)"
    )
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--limit", type=int, default=60, help="most spectra of a set without transients (default: 60)")
    parser.add_argument(
        "--left-out", type=int, default=0, metavar="N", help="spectra of the library, each without its object"
    )
    parser.add_argument("--rivals", action="store_true", help="measure the other methods too")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    estimator, loaded = TransientEstimator(options.weights, options.device), load_weights(options.weights)
    content = {"version": astro_spectok.__version__, "sha256": loaded.sha256, "sets": {}, "claims": {}, "flags": {}}
    redshifts = RedshiftEstimator(options.weights, options.device)
    train = options.train or options.data.parent / "train"
    spectra = read_transients(train) if train.is_dir() else []
    for name, items in (("superfit", read_superfit(options.data)), ("ozdes", read_ozdes(options.data))):
        table = estimate(items, estimator)
        row = score_answers(items, table["type"], table["z"], table["phase"], table["p_group"])
        sure = table["warn"] == 0
        row["warn_0"] = float(sure.mean())
        row["warn_0_scores"] = score_answers(
            [one for one, use in zip(items, sure, strict=True) if use],
            *(table[key][sure] for key in ("type", "z", "phase")),
        )  # fmt: skip
        content["sets"][name] = {"astro_spectok": row}
        better = [one._replace(kind=LITERATURE.get(one.object, one.kind)) for one in items]
        content["sets"][name]["astro_spectok, types of the literature"] = score_answers(
            better, table["type"], table["z"], table["phase"], table["p_group"]
        )
        known = estimate(items, TransientEstimator(options.weights, options.device, assume_transient=True))
        content["sets"][name]["astro_spectok, known to be transients"] = score_answers(
            better, known["type"], known["z"], known["phase"], known["p_group"]
        )
        content["flags"][name] = measure_flags(items, redshifts)
        print("flags", name, content["flags"][name], flush=True)
        if options.rivals and spectra:
            content["sets"][name] |= run_rivals(items, spectra, loaded.network.heads["transient"])
        for method, values in content["sets"][name].items():
            print(name, method, json.dumps({k: v for k, v in values.items() if k != "reliability"}), flush=True)
    if options.left_out and spectra:
        head = loaded.network.heads["transient"]
        own = [one for one in spectra if one.kind in head.config.types]
        *answers, sure = measure_left_out(own, head, options.left_out)
        content["sets"]["left out"] = {"astro_spectok": score_answers(*answers, sure)}
        print("left out", json.dumps(content["sets"]["left out"]["astro_spectok"]), flush=True)
    for name in NONE:
        items = read_none(options.data, name, limit=options.limit)
        content["claims"][name] = measure_claims(items, estimate(items, estimator))
        content["flags"][name] = measure_flags(items, redshifts)
        print("claims", name, content["claims"][name], "flags", content["flags"][name], flush=True)
    content["seconds"] = time.perf_counter() - start
    if options.json:
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
