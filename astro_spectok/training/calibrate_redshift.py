# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Calibration of the redshifts of a set of weights, fitted to simulated spectra that trained nothing."""

import warnings
from dataclasses import replace

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

from astro_spectok.interface.inputs import measure_facts, note_flags
from astro_spectok.redshift import Calibration, RedshiftPosterior
from astro_spectok.redshift.calibration import PIXEL, measure_pixel, name_errors
from astro_spectok.redshift.error_features import describe_peak
from astro_spectok.redshift.estimator import COMPARED
from astro_spectok.redshift.flags import (
    conclude_flags,
    convert_flags,
    find_flags,
    find_red_end,
    sum_around,
)
from astro_spectok.redshift.grid import RedshiftGrid
from astro_spectok.redshift.peaks import WINDOW
from astro_spectok.redshift.reliance import describe_answer
from astro_spectok.redshift.rules import RedshiftRules
from astro_spectok.redshift.solutions import (
    describe_kind,
    describe_spectrum,
    find_solutions,
    sharpen_peak,
)
from astro_spectok.simulate import CLASSES, Survey
from astro_spectok.spectra import to_batch
from astro_spectok.training.error_fits import fit_confident, fit_errors
from astro_spectok.training.observed import WIDE_RESOLUTION, to_inputs, to_spectra
from astro_spectok.training.redshift_evidence import (
    Evidence,
    Probabilities,
    find_pit,
    fit_probabilities,
    measure_evidence,
)
from astro_spectok.training.redshift_reliance import fit_reliable
from astro_spectok.training.stellar_populations import draw_populations, draw_real_stars, fit_composite, show_star
from astro_spectok.training.strange_objects import draw_strange

__all__ = [
    "answer",
    "calibrate_redshift",
    "draw_measured",
    "find_redshift_head",
    "find_right",
    "fit_calibration",
    "fit_reliable_rules",
    "fit_reliance",
    "list_redshifts",
    "measure_rows",
    "measure_strange",
]

#: objects drawn at a time
CHUNK = 200
#: and how many times until it is said how far it has got
REPORTED = 5
#: breadth in ln(1 + z) from which a peak is broad; 4.1 standard deviations of a Gaussian
BROAD = 1e-3
#: fewest spectra whose errors say something about a width and how it grows
LEAST = 40
#: |dz| / (1 + z) within which a quasar is right, and anything at a resolving power of 600 or less; and all else
WIDE, NARROW = 0.01, 0.0033
#: S/N beyond which redshifts are to be relied on; share of right ones among those that are, wished for and needed, and
#: share of all right ones that is to be left: each a little more than what is aimed at, since wrong ones are few
BRIGHT, PURITY, LEAST_PURITY, KEPT = 2.0, 0.995, 0.991, 0.912
#: simulated spectra for each strange one
STRANGE = 2
#: simulated spectra for each population at rest, and for each real star beside them
POPULATIONS = 3
#: a threshold that no probability is below
NO_THRESHOLD = 1e-12


def calibrate_redshift(runner, data, n, seed, *, report=None):
    """The `~astro_spectok.redshift.Calibration` of the redshifts of a set of weights, and how it was fitted.

    All objects fit it. The probabilities from which solutions are relied on are those of answers with it.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
        Of the weights.
    data : path-like or None
        Directory of the public template sets; None for analytic templates, which are easier than the sky.
    n, seed : int
        Objects that are drawn, and the seed that they are drawn from.
    report : callable, optional
        Is given a text for every thousand objects or so.

    Returns
    -------
    calibration : `~astro_spectok.redshift.Calibration`
    fit : dict
        ``n`` (objects with a redshift within the grid), ``loss_before`` and ``loss_after``: mean of -ln of the
        probability of the truth.
    """
    rows, redshifts = draw_measured(runner, data, n, seed, report=report)
    head = find_redshift_head(runner)
    calibration, fit = fit_calibration(rows, redshifts, head.config.target_sigma)
    calibration = replace(calibration, rules=RedshiftRules.from_dict(head.rules))
    unlimited = replace(calibration, confident=dict.fromkeys(redshifts, NO_THRESHOLD))
    calibration = replace(calibration, confident=fit_reliance(answer(rows, redshifts, unlimited)))
    strange = measure_strange(runner, data, n // STRANGE, seed)
    if report and strange:
        report(f"measured: {len(strange)} supernovae and spectra of noise")
    calibration = fit_reliable_rules(rows + strange, redshifts, calibration)
    return fit_population_rule(data, rows, calibration, n // POPULATIONS, seed), fit


def fit_population_rule(data, rows, calibration, n, seed):
    """The calibration with the rule ``composite`` fitted to stars and to populations at rest, all fitted as stars.

    Parameters
    ----------
    data, seed
        As for `calibrate_redshift`.
    rows
        As of `draw_measured`: its stars are among those that the rule must let pass.
    calibration : `~astro_spectok.redshift.Calibration`
        With all else fitted.
    n : int
        Populations, and as many real stars.

    Returns
    -------
    `~astro_spectok.redshift.Calibration`
        The same where there are no populations.
    """
    drawn = draw_populations(data, n, [seed, 2]) if data is not None else []
    if not drawn:
        return calibration
    simulated = [row for row in rows if row["cls"] == "STAR" and np.isfinite(row["z"])]
    taken = [(row["batch"], row["i"], row["z"]) for row in simulated] + _at_rest(draw_real_stars(data, n, [seed, 3]))
    stars = len(taken)
    shown = [show_star(*one, calibration.rules) for one in taken + _at_rest(drawn)]
    compared = [k for k, one in enumerate(shown) if one is not None]
    rule = fit_composite([shown[k] for k in compared], np.array(compared) < stars)
    return replace(calibration, rules=replace(calibration.rules, composite=rule))


def _at_rest(drawn):
    """Spectra (wavelength, flux, ivar, name) as (batch, i, 0), for `show_star`."""
    batch = to_batch(to_inputs([one[:3] for one in drawn]), medium="vacuum")
    return [(batch, i, 0.0) for i in range(len(drawn))]


def measure_strange(runner, data, n, seed):
    """What `draw_measured` gives, of `~astro_spectok.training.strange_objects.draw_strange`."""
    drawn, out = draw_strange(data, n, [seed, 1]), []
    for start in range(0, len(drawn), CHUNK):
        part = drawn[start : start + CHUNK]
        truth = [
            {"cls": cls, "z": z, "snr": np.nan, "family": "strange", "wide": False} for *_, cls, z in part
        ]  # fmt: skip
        out += measure_rows(runner, [spectrum[:3] for spectrum in part], truth)
    return out


def fit_reliable_rules(rows, redshifts, calibration):
    """The calibration with the rules ``reliable`` fitted to answers to what is right and what cannot be.

    Parameters
    ----------
    rows, redshifts
        As of `draw_measured`.
    calibration : `~astro_spectok.redshift.Calibration`
        With all else fitted.

    Returns
    -------
    `~astro_spectok.redshift.Calibration`
        The same where too few answers of a class are wrong.
    """
    without = replace(calibration, rules=replace(calibration.rules, reliable={}))
    table = answer(rows, redshifts, without)
    # objects of a class without a redshift to be found have no right answer that is worse than others
    judged = (table["zwarn"] == 0) & ((table["cls_true"] == "") | np.isfinite(table["z_true"]))
    fitted = fit_reliable(table["cls"][judged], table["features"][judged], find_right(table)[judged])
    if not fitted:
        return calibration
    return replace(calibration, rules=replace(calibration.rules, reliable=fitted))


def find_redshift_head(runner):
    """The first redshift head of the weights of a runner."""
    return runner.network.heads[runner.find_head("redshift")]


def list_redshifts(runner):
    """Redshifts of the lags of each class of the first redshift head: dict of str to ndarray."""
    head = find_redshift_head(runner)
    return dict(zip(head.config.classes, (z.numpy() for z in head.redshifts()), strict=True))


def draw_measured(runner, data, n, seed, *, report=None):
    """Posteriors and truth of simulated spectra.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    data : path-like or None
        Directory of the template sets.
    n : int
        Objects.
    seed : int
    report : callable, optional
        Is given a text for every thousand objects or so.

    Returns
    -------
    list of dict
        ``log_probability`` (dict of float32 arrays), ``cls`` ('' for none of the classes), ``z`` (NaN where there is
        none to be found), ``snr``, ``family``, ``wide`` (resolving power of 600 or less), ``noticed``
        (`RedshiftFlag`), the spectrum: ``batch`` and ``i``, its ``red_end``, its ``pixel``, and the range of
        wavelengths that the weights were ``trained`` on.
    redshifts : dict of str to ndarray
    """
    survey, out = Survey(data), []
    redshifts = list_redshifts(runner)
    for number, start in enumerate(range(0, n, CHUNK)):
        for group in survey.draw(min(CHUNK, n - start), [seed, number]):
            spectra = to_spectra(group.observations[0])
            objects, truth = group.objects, []
            for i in range(len(spectra)):
                known, cls = bool(objects.measurable[i]), int(objects.cls[i])
                truth.append({
                    "cls": CLASSES[cls] if cls >= 0 else "", "z": float(objects.z[i]) if known else np.nan,
                    "snr": float(group.snr[0][i]), "family": group.family,
                    "wide": bool(np.median(group.instruments[0][i].resolution) <= WIDE_RESOLUTION),
                })  # fmt: skip
            out += measure_rows(runner, spectra, truth)
        if report and (number + 1) % REPORTED == 0:
            report(f"measured: {len(out)} of {n} simulated spectra")
    return out, redshifts


def measure_rows(runner, spectra, truth):
    """Rows of `draw_measured` of spectra with their truth, those that can be measured."""
    batch, out = to_batch(to_inputs(spectra), medium="vacuum"), []
    name, types = runner.find_head("redshift"), runner.find_head("spectral_type")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        flags = note_flags(batch, runner.loaded, single=False)
    for i, measured in runner.measure(batch, [name] if types is None else [name, types], progress=False):
        wavelength = batch.wavelength[batch.grid(i)]
        found = {} if types is None else measured.heads[types]
        out.append(truth[i] | {
            "log_probability": {cls: np.array(x) for cls, x in measured.heads[name].items()},
            "types": {kind: float(p) for kind, p in found.items()},
            "noticed": convert_flags(flags[i]), "trained": runner.loaded.wavelength_range, "batch": batch, "i": i,
            "red_end": find_red_end(wavelength, batch.ivar[batch.pixels(i)]), "pixel": measure_pixel(wavelength),
        })  # fmt: skip
    return out


def fit_calibration(rows, redshifts, target_sigma):
    """The `Calibration` of spectra with their truth, but for what is relied on, and the loss before and after.

    Parameters
    ----------
    rows, redshifts
        As of `draw_measured`.
    target_sigma : float
        Of the training.
    """
    classes = tuple(redshifts)
    ln1pz = {name: np.log1p(z) for name, z in redshifts.items()}
    inside = [row for row in rows if row["cls"] in classes and np.isfinite(row["z"])]
    inside = [row for row in inside if (np.abs(ln1pz[row["cls"]] - np.log1p(row["z"])) <= WINDOW).any()]
    grid = RedshiftGrid.from_redshifts(redshifts)
    broad = max(BROAD / grid.step, 1.0)
    parts = []
    for row in inside:
        best = RedshiftPosterior(grid, row["log_probability"]).find_peaks(1)[0]
        parts.append(measure_evidence(row["log_probability"], ln1pz, row["cls"], np.log1p(row["z"]), best, broad))
    pixels = np.array([row.get("pixel", PIXEL) for row in inside])
    evidence = Evidence(*(np.array(x) for x in zip(*parts, strict=True)), pixels)
    (temperatures, *shares), before, after = fit_probabilities(evidence, broad)
    shares = dict(zip(Probabilities._fields[1:], shares, strict=True))
    temperature = dict(zip(classes, temperatures, strict=True))
    made = Calibration(temperature, target_sigma=target_sigma, broad=broad, **shares)
    made = replace(made, **fit_all_errors(inside, grid, made))
    return made, {"loss_before": before, "loss_after": after, "n": len(inside)}


def recalibrate(row, calibration):
    """The posterior of one row of `draw_measured` under a calibration."""
    return calibration.apply(row["log_probability"], row.get("pixel"))


def fit_all_errors(rows, grid, calibration):
    """Scale, floor, power and trends of the errors: four fields of `Calibration`; see `fit_calibration`."""
    found = {}
    for row in rows:
        posterior = RedshiftPosterior(grid, recalibrate(row, calibration))
        peak = posterior.find_peaks(1)[0]
        batch, i = row.get("batch"), row.get("i", 0)
        sharp = sharpen_peak(peak, calibration, batch, i)
        offset = sharp.ln1pz - np.log1p(row["z"])
        if peak.spectype == row["cls"] and abs(offset) < WINDOW:
            name = name_errors(peak.spectype, peak.z, red_end=row.get("red_end"), refined=sharp.refined)[0]
            share = peak.probability / posterior.class_probability[peak.spectype]
            features = describe_peak(share, sharp.network_width, sharp.tension)
            features |= {} if batch is None else describe_spectrum(batch, i)
            found.setdefault(peak.spectype, []).append((name, offset, sharp.width, features))
    fields = ("error_scale", "error_floor", "error_power", "error_trend")
    out = {field: {} for field in fields}
    for cls, values in found.items():
        names = [value[0] for value in values]
        # fewer say nothing about a width and how it grows
        groups = [name for name in dict.fromkeys(names) if names.count(name) >= LEAST]
        own = [value for value in values if value[0] in groups]
        if own:
            group = np.array([groups.index(value[0]) for value in own])
            features = np.array([list(value[3].values()) for value in own])
            *fits, trend = fit_errors(*np.array([value[1:3] for value in own]).T, group, features)
            for field, fit in zip(fields, fits, strict=False):
                out[field] |= dict(zip(groups, fit.tolist(), strict=True))
            out["error_trend"][cls] = dict(zip(own[0][3], trend.tolist(), strict=True))
    return out


def fit_reliance(table):
    """`fit_confident` of results (`answer`, without a threshold) for bright spectra without any other flag."""
    right = find_right(table)
    bright = np.isfinite(table["z_true"]) & (table["cls_true"] != "") & (table["snr"] > BRIGHT)
    own, kept = bright & (table["zwarn"] == 0), int(KEPT * np.count_nonzero(bright & right))
    return fit_confident(
        table["cls"][own], table["around"][own], right[own], purity=PURITY, least=LEAST_PURITY, kept=kept
    )


def find_right(table):
    """Whether class and redshift are right, (n,)."""
    near = np.where((table["cls_true"] == "QSO") | table["wide"], WIDE, NARROW)
    return (np.abs(table["z"] - table["z_true"]) / (1 + table["z_true"]) < near) & (table["cls"] == table["cls_true"])


def answer(rows, redshifts, calibration):
    """Answers beside the truth: dict of str to ndarray, shape (n,)."""
    grid = RedshiftGrid.from_redshifts(redshifts)
    names = (
        "cls", "cls_true", "z", "z_true", "z_err", "p_best", "zwarn", "snr", "pit", "wide", "family", "around",
        "features", "shown",
    )  # fmt: skip
    table = {name: [] for name in names}
    for row in rows:
        posterior = RedshiftPosterior(grid, recalibrate(row, calibration))
        peaks, raw, sharp = find_solutions(posterior, calibration, row["batch"], row["i"], COMPARED)
        best = peaks[0]
        known = np.isfinite(row["z"])
        shown, around = (
            describe_kind(
                sharp, row["batch"], row["i"], calibration.rules, types=row.get("types"), spectype=best.spectype
            ),
            sum_around(posterior, raw[0], calibration.rules),
        )
        flags = find_flags(
            posterior, raw, posterior.information, calibration, sharp.evidence, red_end=row["red_end"],
            snr=measure_facts(row["batch"], row["i"])[0],
            shown=shown,
        )  # fmt: skip
        zwarn = conclude_flags(row["noticed"], flags, calibration.rules, row["batch"], row["i"], row["trained"])
        values = {
            "cls": best.spectype, "cls_true": row["cls"], "z": best.z, "z_true": row["z"], "z_err": best.z_err,
            "p_best": best.probability, "zwarn": int(zwarn), "snr": row["snr"],
            "pit": find_pit(posterior, best, best.z_err, row["z"]) if known else np.nan,
            "wide": row["wide"], "family": row["family"], "around": around,
            "features": describe_answer(best.z, best.probability, around, posterior.information, shown),
            "shown": shown,
        }  # fmt: skip
        for name, value in values.items():
            table[name].append(value)
    return {name: values if name == "shown" else np.array(values) for name, values in table.items()}
