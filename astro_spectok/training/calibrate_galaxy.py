# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Correction of the errors of properties of galaxies, fitted to simulated galaxies that trained nothing."""

import warnings

import numpy as np
import torch
from scipy.optimize import minimize

from astro_spectok.engine import Runner
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.galaxies.breaks import measure_d4000
from astro_spectok.galaxies.estimator import GalaxyPropertyEstimator
from astro_spectok.galaxies.measure import find_galaxy_head
from astro_spectok.heads.small_numbers import GALAXY_RULES
from astro_spectok.simulate import Randomness, Survey
from astro_spectok.spectra import SpectrumBatch, to_batch
from astro_spectok.training.galaxy_pool import draw_galaxies
from astro_spectok.training.observed import to_inputs, to_spectra

__all__ = ["LABELS", "LINES", "calibrate_galaxy", "fit_errors", "measure_galaxies", "read_pulls"]

#: what is calibrated; of the simulated lines only these have labels
LABELS = ("age", "metallicity", "a_v", "sigma_v", "d4000")
LINES = {"ew_halpha": "halpha", "ew_oiii": "oiii", "ew_hbeta": "hbeta", "ew_oii": "oii"}
#: signal-to-noise ratio per pixel, the redshift's own error in ln(1 + z), and galaxies at once
SNR, SHIFT, AT_ONCE = (3.0, 100.0), 3e-5, 48
#: fewest galaxies that an error is fitted to
LEAST = 40
#: rules under which nothing is withheld
OPEN = GALAXY_RULES | {"least_snr": 0.0, "informative": 1e9, "most_dispersion_error": 1e9, "refused": 0.0}


def measure_galaxies(weights, data, n, seed, *, instruments=None, snr=SNR, report=None):
    """Simulated galaxies at their redshifts, measured with weights.

    Parameters
    ----------
    weights : path-like
    data : path-like or None
        Directory of the public template sets.
    n, seed : int
        Galaxies that are drawn; those that no instrument sees the stars of are left out.
    instruments : sequence of str, optional
    snr : (float, float), optional
    report : callable, optional
        Is given a text for each part.

    Returns
    -------
    dict of str to ndarray, shape (m,)
        ``snr``; for each of `LABELS` and `LINES` its ``NAME``, ``NAME_err`` and ``NAME_true``; ages as log10 of Gyr.
    """
    survey, random = Survey(data, families=("galaxies",)), Randomness([seed, 2])
    estimator, parts, done = GalaxyPropertyEstimator(weights, "cpu", assume_galaxy=True), [], 0
    while done < n:
        galaxies, number = survey.families["galaxies"], min(AT_ONCE, n - done)
        drawn = draw_galaxies(galaxies, number, random, snr=snr, instruments=instruments, sky=survey.sky)
        done += number
        if drawn is not None:
            parts.append(_measure(estimator, *drawn, random))
            if report:
                report(f"measured: {done} galaxies")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measure(estimator, objects, seen, _, level, random):
    """Truth and measurements of galaxies through instruments."""
    spectra = to_inputs(to_spectra(seen))
    rows = [i for i in range(len(seen)) if int((seen.ivar[i] > 0).sum()) > 200]
    # a single resolving power would be wrong by a third at the ends of many a spectrograph
    sharp = [seen.resolution[i][seen.present[i]].double().numpy() for i in rows]
    batch = SpectrumBatch.concatenate(
        [to_batch([spectra[i]], medium="vacuum", resolution=r) for i, r in zip(rows, sharp, strict=True)]
    )  # fmt: skip
    z = objects.z.numpy()[rows]
    given = np.expm1(np.log1p(z) + random.normal(0, SHIFT, len(rows)).numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpectokWarning)
        table = estimator.estimate(batch, redshift=given, progress=False)
    out = {"snr": level.numpy()[rows], "z": z, "warn": np.asarray(table["warn"])}
    for name in (*LABELS, *LINES):
        column = LINES.get(name)
        found = table[f"ew_{column}" if column else name]
        error = table[f"ew_{column}_err" if column else f"{name}_err"]
        out[name], out[f"{name}_err"] = (np.array(getattr(x, "value", x), float) for x in (found, error))
        if name in objects.labels:
            out[f"{name}_true"] = objects.labels[name].double().numpy()[rows]
    out["age"], out["age_err"] = np.log10(out["age"]), out["age_err"] / out["age"] / np.log(10)
    out["sigma_v_true"] = 10 ** out["sigma_v_true"]
    for name in LINES:
        out[f"{name}_true"] = np.sinh(out[f"{name}_true"])
    out["d4000_true"] = np.array([_measure_true_break(seen, i, z_one) for i, z_one in zip(rows, z, strict=True)])
    return out


def _measure_true_break(seen, i, z):
    """The break of a galaxy without noise, as its instrument sees it."""
    present = seen.present[i]
    known = torch.isfinite(seen.truth[i][present]).float().numpy()
    flux = seen.truth[i][present].nan_to_num(0.0).numpy()
    return measure_d4000(seen.ln_wavelength[i][present].numpy() - np.log1p(z), flux, known)[0]


def read_pulls(measured, name):
    """Value, error and truth of one property, (m,) each, where it was measured."""
    value, error, true = (measured[f"{name}{more}"] for more in ("", "_err", "_true"))
    known = np.isfinite(value) & np.isfinite(true) & (error > 0)
    return value[known], error[known], true[known]


def fit_errors(value, error, true):
    """Scale, share and floor under which deviations are as wide as errors.

    The largest likelihood of Student's t: what is wrong altogether is not to widen the errors of all.

    Returns
    -------
    dict of str to float
        ``scale``, ``share`` and ``floor``, as of `~astro_spectok.galaxies.training.GalaxyTraining`.
    """
    deviation, unit = value - true, float(np.median(error))

    def loss(log_parameters):
        scale, share, floor = np.exp(log_parameters)
        variance = (scale * error) ** 2 + (share * value) ** 2 + (floor * unit) ** 2
        # Student's t of six degrees of freedom, with the variance given
        square = deviation**2 / variance * 6 / 4
        return float(np.mean(3.5 * np.log1p(square / 6) + 0.5 * np.log(variance)))

    starts = ([0.0, -4.0, -2.0], [0.3, -2.5, 0.0])
    best = min((minimize(loss, start, method="Nelder-Mead", options={"maxiter": 600}) for start in starts),
               key=lambda one: one.fun)  # fmt: skip
    scale, share, floor = np.exp(best.x)
    # two thirds of all deviations lie within the errors that are given
    wide = np.sqrt((scale * error) ** 2 + (share * value) ** 2 + (floor * unit) ** 2)
    factor = float(np.quantile(np.abs(deviation) / wide, 0.6827))
    # what counts for less than a thousandth of an error is nothing
    share, floor = (x if x > 1e-3 else 0.0 for x in (share, floor))
    return {"scale": float(factor * scale), "share": float(factor * share), "floor": float(factor * floor * unit)}


def calibrate_galaxy(path, data, n, seed, *, report=None):
    """Calibration of the errors of a head for galaxies.

    Parameters
    ----------
    path : path-like
        Weights with the head, written anew here beside it without calibration.
    data : path-like or None
    n, seed : int
        Galaxies that are drawn.
    report : callable, optional

    Returns
    -------
    dict of str to dict
        As of `~astro_spectok.galaxies.training.GalaxyTraining`.
    """
    from astro_spectok.training.factory.assembly import assemble_weights

    name = find_galaxy_head(Runner(path, "cpu"))
    plain = assemble_weights(
        path, path.with_name("uncalibrated.safetensors"), about={name: {"calibration": {}, "rules": OPEN}}
    )
    measured = measure_galaxies(plain, data, n, seed, report=report)
    out = {}
    for label in LABELS:
        value, error, true = read_pulls(measured, label)
        if len(value) < LEAST:
            continue
        out[label] = fit_errors(value, error, true)
    together = [np.concatenate(parts) for parts in zip(*(read_pulls(measured, one) for one in LINES), strict=True)]
    if len(together[0]) >= LEAST:
        out["lines"] = fit_errors(*together)
    return out
