# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Correction of the errors of stellar labels, fitted to simulated stars that trained nothing."""

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
from astropy.stats import mad_std

from astro_spectok.redshift import Calibration, RedshiftPosterior
from astro_spectok.redshift.calibration import measure_pixel
from astro_spectok.redshift.grid import RedshiftGrid
from astro_spectok.simulate import Randomness
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.stellar_library import choose_left_out, read_library
from astro_spectok.simulate.stellar_survey import LABELLED_FAMILIES, StellarSurvey, choose_stellar_instrument
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.spectra import to_batch
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.stellar.measure import find_stellar_head
from astro_spectok.stellar.velocity import find_velocity
from astro_spectok.training.calibrate_redshift import find_redshift_head, list_redshifts
from astro_spectok.training.observed import to_inputs, to_spectra

__all__ = [
    "calibrate_stellar",
    "draw_measured",
    "draw_stars",
    "fit_errors",
    "fit_training",
    "score_pulls",
    "take_stars",
]

CHUNK = 100
SNR_EDGES = (5, 10, 20, 50, 100, 300)
#: facts about each star besides its labels
FACTS = ("snr", "clean", "range")
#: number of the H band among the ranges, and draws after which no instrument is sharp enough for it
INFRARED, TRIES = 2, 16
#: fewest stars whose pulls are measured
LEAST = 20
#: floors that are tried, over the median error: a larger one would hide how well the best spectra determine a label
FLOORS = (0.0, *np.geomspace(0.05, 0.5, 20))


def calibrate_stellar(runner, left_out, data, n, seed, *, report=None):
    """The domain of the stellar labels of a set of weights, with a correction of their errors.

    Optical stars are drawn from those of MILES and CFLIB that were left out of the training of a second head, and
    measured with that one: what is wrong with the labels of the others is wrong in the head as well. Stars of the H
    band are made up, each one new, and measured with the weights themselves, through instruments that are as sharp as
    labels there need. All are seen without faults of instruments: with those of a simulated survey errors of real
    stars, which surveys correct for most of that, would come out too large. Every other star fits a scale and a floor
    for the error of each label in each range, so that pulls are as wide at every signal-to-noise ratio.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
        Of the weights, whose redshifts are calibrated: velocities are of the calibrated posterior.
    left_out : `~astro_spectok.engine.Runner`
        Of weights whose head has not seen some of the stars, as of `~astro_spectok.training.stellar_head`.
    data : path-like
        Directory of the public template sets.
    n, seed : int
        Stars that are drawn, half of them to be measured, and the seed that they are drawn from.
    report : callable, optional
        Is given a text for each family of stars.

    Returns
    -------
    training : `~astro_spectok.stellar.domain.StellarTraining`
    pulls : list of dict
        Of the stars that fitted nothing, as of `score_pulls`.
    """
    stars = draw_stars(runner, left_out, data, n, seed, faults=(False,), report=report)
    rows = np.arange(len(stars["snr"]))
    known = StellarTraining.from_head(_find_head(runner))
    training = fit_training(take_stars(stars, rows[::2]), known)
    return training, score_pulls(take_stars(stars, rows[1::2]), training)


def _find_head(runner):
    """The first stellar head of the weights of a runner."""
    return runner.network.heads[find_stellar_head(runner)]


def draw_stars(runner, left_out, data, n, seed, *, faults=(False, True), report=None):
    """Stars of all families that there are, as of `draw_measured`, measured with the weights that are meant for them.

    Parameters
    ----------
    runner, left_out, data, n, seed, report
        As of `calibrate_stellar`.
    faults
        As of `draw_measured`.
    """
    store = TemplateStore(data)
    seen = ~choose_left_out(read_library(store).names)
    runners = {"grid": left_out, "apogee": runner}
    known, parts = StellarTraining.from_head(_find_head(runner)), []
    for number, (family, (share, kind)) in enumerate(LABELLED_FAMILIES.items()):
        if not kind.usable(store):
            continue
        others = {name: 0 for name in LABELLED_FAMILIES if name != family}
        survey = StellarSurvey(store, shares=others, without=seen)
        if family == "apogee":
            survey.instruments = partial(choose_sharp, known.limit_resolution(INFRARED)[0])
        made = draw_measured(runners[family], survey, round(share * n), [seed, number], faults=faults)
        if report:
            report(f"measured: {len(made['snr']) if made else 0} stars, {family}")
        # of few stars none may be in a lot that is measured
        parts += [made] if made else []
    if not parts:
        msg = f"stars must be more, so that some are measured; got {n}; give {8 * CHUNK}, say"
        raise ValueError(msg)
    return join_stars(parts)


def choose_sharp(least, rng, low, high, max_pixels):
    """`choose_stellar_instrument` of at least some resolving power."""
    for _ in range(TRIES):
        made = choose_stellar_instrument(rng, low, high, max_pixels)
        if made is not None and np.median(made.resolution) >= least:
            return made
    return None


def draw_measured(runner, survey, n, seed, *, faults=(False, True)):
    """Labels as found and as drawn, of simulated stars, every second lot of them seen without faults of instruments.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    survey : `~astro_spectok.simulate.stellar_survey.StellarSurvey`
    n : int
    seed : sequence of int
    faults : sequence of bool, optional
        Which lots are measured: those seen without faults, those seen with, or both.

    Returns
    -------
    dict of str to ndarray, or None where nothing was measured
        ``snr`` (n,), ``clean`` (n,), whether it was seen without faults, ``range`` (n,), the number of the range that
        most of a spectrum lies in, -1 for none and for a resolving power below the minimum of the range, and by
        label ``found``, ``sigma`` and ``truth``: dict of str to ndarray (n,), the last NaN where unknown.
    """
    head, name = _find_head(runner), find_stellar_head(runner)
    training, calibration = StellarTraining.from_head(head), Calibration.from_head(find_redshift_head(runner))
    names, rows = tuple(head.names), []
    for number, start in enumerate(range(0, n, CHUNK)):
        if (not number % 2) not in faults:
            continue
        for group in survey.draw(min(CHUNK, n - start), [*seed, number]):
            seen, clean = group.observations[0], bool(number % 2)
            if clean:
                random = Randomness([*seed, number, len(rows)])
                seen = observe(group.objects, group.instruments[0], group.snr[0], random, clean=True)
            batch = to_batch(to_inputs(to_spectra(seen)), medium="vacuum", on_error="flag")
            velocity = measure_velocities(runner, batch, calibration)
            labels = group.objects.labels
            for i, measured in runner.measure(batch, [name], given={"ln_doppler": velocity}, progress=False):
                mean, covariance = (measured.heads[name][key] for key in ("mean", "covariance"))
                truth = [float(labels[name][i]) if name in labels else np.nan for name in names]
                good = batch.wavelength[batch.grid(i)][batch.ivar[batch.pixels(i)] > 0]
                place = training.find_range(good / np.exp(velocity[i]))
                sharp = np.median(group.instruments[0][i].resolution) >= training.limit_resolution(place)[0]
                where = place if sharp and place is not None else -1
                rows.append((float(group.snr[0][i]), clean, where, mean, np.sqrt(np.diag(covariance)), truth))
    if not rows:
        return None
    *facts, found, sigma, truth = (np.array(x) for x in zip(*rows, strict=True))
    parts = [dict(zip(names, part.T, strict=True)) for part in (found, sigma, truth)]
    return dict(zip((*FACTS, "found", "sigma", "truth"), (*facts, *parts), strict=True))


def join_stars(parts):
    """Several answers of `draw_measured` as one."""
    made = {key: np.concatenate([part[key] for part in parts]) for key in FACTS}
    for key in ("found", "sigma", "truth"):
        made[key] = {name: np.concatenate([part[key][name] for part in parts]) for name in parts[0][key]}
    return made


def take_stars(stars, rows):
    """Some rows of what `draw_measured` answers."""
    made = {key: stars[key][rows] for key in FACTS}
    return made | {key: {name: x[rows] for name, x in stars[key].items()} for key in ("found", "sigma", "truth")}


def measure_velocities(runner, batch, calibration):
    """ln(1 + rv / c) of each star as the estimator finds it, (n,); NaN where it cannot be measured."""
    out, name = np.full(len(batch), np.nan), runner.find_head("redshift")
    redshifts, rules = list_redshifts(runner), StellarTraining.from_head(_find_head(runner)).rules
    for i, measured in runner.measure(batch, [name], progress=False):
        pixel = measure_pixel(batch.wavelength[batch.grid(i)])
        grid = RedshiftGrid.from_redshifts(redshifts)
        posterior = RedshiftPosterior(grid, calibration.apply(measured.heads[name], pixel))
        out[i] = find_velocity(posterior, calibration, rules, batch, i).ln_doppler
    return out


def fit_errors(difference, sigma, snr):
    """Scale and floor of the errors of one label, under which pulls are one wide at every signal-to-noise ratio.

    Parameters
    ----------
    difference, sigma, snr : ndarray, shape (n,)
        Found less true, its error, and the signal-to-noise ratio.

    Returns
    -------
    scale, floor : float
    """
    bins = np.digitize(snr, SNR_EDGES)
    parts = [bins == k for k in np.unique(bins) if np.count_nonzero(bins == k) >= LEAST] or [bins >= 0]
    typical, best = np.median(sigma), None
    for share in FLOORS:
        pull = difference / np.hypot(sigma, share * typical)
        widths = np.log([mad_std(pull[part]) for part in parts])
        loss = np.var(widths)
        if best is None or loss < best[0]:
            best = loss, float(np.exp(widths.mean())), float(share * typical)
    return best[1:]


def fit_training(stars, known):
    """`StellarTraining` with errors fitted to stars.

    Parameters
    ----------
    stars : dict
        As of `draw_measured`.
    known : `~astro_spectok.stellar.domain.StellarTraining`
        What stays as it is.

    Returns
    -------
    StellarTraining
    """
    scale, floor = {}, {}
    for (name, truth), number in itertools.product(stars["truth"].items(), range(len(known.wavelength))):
        known_truth = np.isfinite(truth) & (stars["range"] == number)
        if np.count_nonzero(known_truth) >= LEAST:
            difference, key = (stars["found"][name] - truth)[known_truth], known.name_error(name, number)
            scale[key], floor[key] = fit_errors(
                difference, stars["sigma"][name][known_truth], stars["snr"][known_truth]
            )
    return replace(known, error_scale=scale, error_floor=floor)


def score_pulls(stars, training):
    """Pulls by label in a range and signal-to-noise ratio: ``label, snr_low, snr_high, n, width, scatter``."""
    out = []
    for (name, truth), number in itertools.product(stars["truth"].items(), range(len(training.wavelength))):
        difference = stars["found"][name] - truth
        pull = difference / training.correct_errors(name, number, stars["sigma"][name])
        known_truth = np.isfinite(truth) & (stars["range"] == number)
        for low, high in itertools.pairwise(SNR_EDGES):
            own = known_truth & (stars["snr"] >= low) & (stars["snr"] < high)
            if np.count_nonzero(own) >= LEAST:
                row = {
                    "label": training.name_error(name, number),
                    "snr_low": low,
                    "snr_high": high,
                    "n": int(own.sum()),
                }
                out.append(row | {"width": float(mad_std(pull[own])), "scatter": float(mad_std(difference[own]))})
    return out
