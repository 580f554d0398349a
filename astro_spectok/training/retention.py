# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether weights that went on to be trained have forgotten what they knew: measured before and after, the same way."""

import logging
import warnings

import numpy as np

from astro_spectok.embedding import tokenize
from astro_spectok.engine import Runner
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.simulate import CLASSES, Survey
from astro_spectok.spectra import to_batch
from astro_spectok.training.factory.assembly import assemble_weights
from astro_spectok.training.observed import to_inputs, to_spectra
from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["RETENTION_KEY", "check_retention", "compare_figures", "measure_known"]

log = logging.getLogger(__name__)

#: metadata key of what is written into a file
RETENTION_KEY = "retention"
#: seed and signal-to-noise ratios of the spectra, and km/s within which a redshift is right
SEED, SNR, RIGHT = 60221, (3.0, 50.0), 1000.0
#: spectra that are decoded, at most; objects at once
DECODED, AT_ONCE = 48, 64
#: standard errors by which a share must fall, and part by which a residual must grow, for something to be forgotten
LEAST_FALL, LEAST_GROWTH = 2.0, 0.1


def measure_known(weights, data, n, *, device="auto"):
    """What weights know of simulated galaxies, quasars and stars, the same ones at every call.

    Parameters
    ----------
    weights : str or path-like
    data : path-like or None
        Directory of the public template sets; None for analytic templates.
    n : int
        Spectra.
    device : str, optional

    Returns
    -------
    dict of str to float
        ``redshift_GALAXY`` and so on, the share of the objects of a class whose class and redshift are right, where
        the weights have a head for them, with ``n_GALAXY``; and ``residual``, the median over spectra of the root mean
        square of what decoding leaves, over the noise.
    """
    survey = Survey(data, families=("galaxies", "quasars", "stars"), snr=SNR)
    spectra, z, cls, part = [], [], [], 0
    while len(spectra) < n:
        for group in survey.draw(min(AT_ONCE, n - len(spectra)), [SEED, part]):
            spectra += to_inputs(to_spectra(group.observations[0]))
            z, cls = [*z, *group.objects.z.tolist()], [*cls, *group.objects.cls.tolist()]
        part += 1
    batch = to_batch(spectra, medium="vacuum", on_error="flag")
    out = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpectokWarning)
        if Runner(weights, device).find_head("redshift") is not None:
            table = RedshiftEstimator(weights, device).estimate(batch, progress=False)
            error = LIGHT_SPEED * np.abs(np.asarray(table["z"].value) - z) / (1 + np.array(z))
            right = (error < RIGHT) & (np.asarray(table["spectype"]) == np.array(CLASSES)[cls])
            for number, name in enumerate(CLASSES):
                some = np.array(cls) == number
                if some.any():
                    out |= {f"redshift_{name}": float(right[some].mean()), f"n_{name}": int(some.sum())}
        out["residual"] = _measure_residual(batch.take(np.flatnonzero(batch.lengths > 0)[:DECODED]), weights, device)
    return out


def _measure_residual(batch, weights, device):
    """Median of the root mean square of what decoding leaves of spectra, over their noise."""
    found = []
    for i, tokens in enumerate(tokenize(batch, weights=weights, device=device, progress=False)):
        model = tokens.decode(tokens.own_axis())
        wavelength = batch.wavelength[batch.grid(i)]
        good = batch.ivar[batch.pixels(i)] > 0
        flux = np.interp(wavelength, model.spectral_axis.value, model.flux.value)
        # decoding returns the unit that was given; these spectra have none
        left = (batch.flux[batch.pixels(i)] * batch.scale[i] - flux)[good]
        noise = batch.scale[i] / np.sqrt(batch.ivar[batch.pixels(i)][good])
        found.append(np.sqrt(np.mean((left / noise) ** 2)))
    return float(np.median(found))


def compare_figures(before, after):
    """Names of figures that got worse by more than chance: list of str.

    Parameters
    ----------
    before, after : dict of str to float
        As of `measure_known`.
    """
    worse = []
    for name, value in before.items():
        if name not in after:
            continue
        if name.startswith("redshift_"):
            n = before[f"n_{name.removeprefix('redshift_')}"]
            error = np.sqrt(max(value * (1 - value), 1 / n) / n)
            if value - after[name] > LEAST_FALL * error:
                worse.append(name)
        elif name == "residual" and not after[name] <= value * (1 + LEAST_GROWTH):
            worse.append(name)
    return worse


def check_retention(path, before, data, n, *, device="auto"):
    """Measure weights after a training, and write both measurements into their file.

    Parameters
    ----------
    path : path-like
        Of the weights, rewritten.
    before : dict of str to float
        As of `measure_known`, of those that the training started from.
    data, n, device
        As there.

    Returns
    -------
    dict
        ``before``, ``after``, ``forgotten`` (names of figures that got worse by more than chance), ``n``.
    """
    after = measure_known(path, data, n, device=device)
    report = {"n": n, "before": before, "after": after, "forgotten": compare_figures(before, after)}
    assemble_weights(path, path, metadata={RETENTION_KEY: report})
    for name in report["forgotten"]:
        log.warning("%s went from %.3f to %.3f: the training has made it worse", name, before[name], after[name])
    return report
