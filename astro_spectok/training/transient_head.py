# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A library of transients in closed form: components of their contrast, and the coefficients of each spectrum."""

from dataclasses import replace

import numpy as np

from astro_spectok.heads import TransientConfig
from astro_spectok.heads.registry import build_head
from astro_spectok.heads.transient_fit import SMOOTH, make_waves, view_spectrum
from astro_spectok.redshift import Calibration, RedshiftPosterior
from astro_spectok.redshift.grid import RedshiftGrid
from astro_spectok.training.calibrate_redshift import find_redshift_head, list_redshifts, recalibrate
from astro_spectok.training.library_components import find_components
from astro_spectok.training.library_rows import simulate_rows
from astro_spectok.training.transient_batches import make_pool
from astro_spectok.training.transient_calibration import answer_left_out, calibrate_transients, draw_cases
from astro_spectok.training.transient_networks import assign_folds, train_networks
from astro_spectok.training.transient_rules import fit_transient_rules, measure_cases
from astro_spectok.training.transient_thresholds import fit_thresholds
from astro_spectok.training.transient_types import read_transients

__all__ = ["lay_on_bins", "make_library", "make_transient_head", "simulate_hosts"]

#: least standard deviation of a bin of a template, over the continuum
LEAST_ERROR = 0.03
#: spectra below which there is no library
LEAST_ROWS = 16


def make_transient_head(
    runner, data, *, hosts=1000, cases=1200, objects=1500, networks=4, steps=4000, quasars=600, stars=600, seed=31,
    folder=None, report=None,
):  # fmt: skip
    """A head for transients with networks, calibrated, with the rule that separates them from all else.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
        With a head for redshifts, calibrated.
    data : path-like
        Directory of the public sets.
    hosts, cases, objects, networks, steps, quasars, stars, seed : int, optional
        As of `~astro_spectok.training.factory.settings.TransientSettings`.
    folder : path-like, optional
        Where networks that are being trained are kept.
    report : callable, optional
        Is given a text now and then.

    Returns
    -------
    head : `~astro_spectok.heads.TransientHead`
    figures : dict

    Raises
    ------
    ValueError
        There is one network, or ``data`` holds too few transients.
    """
    if networks == 1:
        msg = "networks must be 0, or 2 at least, as each is tested on objects that only others have seen; got 1"
        raise ValueError(msg)
    config = TransientConfig(networks=networks)
    galaxies = simulate_hosts(data, config, hosts, seed)
    head, spectra = make_library(read_transients(data), galaxies, config, seed=seed)
    figures, only = {}, None
    if networks:
        pool = make_pool(spectra, head.get_library(), data, galaxies, (quasars, stars), seed + 1)
        figures["networks"] = train_networks(head, pool, steps, seed, keep=folder, report=report)
        only = assign_folds(head.get_library(), networks)
    drawn = draw_cases(spectra, galaxies, config, cases, np.random.default_rng(seed))
    measured = measure_cases(runner, drawn)
    redshifts = find_posteriors(runner, measured, len(drawn))
    calibration, fitted = calibrate_transients(head, spectra, drawn, redshifts=redshifts, only=only, report=report)
    head.calibration = calibration.to_dict()
    rule, kept = fit_transient_rules(runner, head, measured, data, objects, seed, only=only, report=report)
    answered = answer_left_out(head, drawn, redshifts, only, calibration)
    head.rules["sure"] = fit_thresholds(answered, head.get_library(), spectra, kept)
    head.provenance = {
        "hosts": hosts, "cases": cases, "objects": objects, "steps": steps, "quasars": quasars, "stars": stars,
        "seed": seed,
    }  # fmt: skip
    return head, figures | fitted | {"rule": rule, "sure": head.rules["sure"], "library": head.domain}


def find_posteriors(runner, measured, n):
    """The `~astro_spectok.redshift.RedshiftPosterior` of each of n cases, None of what could not be measured: list."""
    grid = RedshiftGrid.from_redshifts(list_redshifts(runner))
    calibration, out = Calibration.from_head(find_redshift_head(runner)), [None] * n
    for row in measured:
        out[row["case"]] = RedshiftPosterior(grid, recalibrate(row, calibration))
    return out


def lay_on_bins(spectra, config):
    """Contrast of spectra at rest on the bins of a library, and its inverse variance: float32 (n, N)."""
    rows = np.full((len(spectra), config.bins), np.nan, np.float32)
    weights = np.zeros(rows.shape, np.float32)
    for row, weight, one in zip(rows, weights, spectra, strict=True):
        view = view_spectrum(one.ln_wavelength, one.flux, one.ivar, config)
        if view is None:
            continue
        low, high = max(view.first, 0), min(view.first + len(view.ratio), config.bins)
        part = slice(low - view.first, high - view.first)
        seen = view.weight[part] > 0
        row[low:high] = np.where(seen, view.ratio[part], np.nan)
        weight[low:high] = view.weight[part]
    return rows, weights


def simulate_hosts(data, config, number, seed):
    """Flux of simulated galaxies at rest on the bins of a library: float64 (n, N), NaN where not known."""
    edges = np.log(config.low) + config.step * np.arange(config.bins + 1)
    return np.exp(np.array(simulate_rows(data, "galaxies", number, edges, seed), np.float64))


def find_coefficients(rows, mean, basis, variance):
    """Posterior mean of the coefficients of each row beside smooth curves, (n, K); rows may be NaN in parts."""
    waves = SMOOTH * make_waves(rows.shape[1])
    both = np.concatenate([basis, waves]).astype(np.float64)
    out = np.zeros((len(rows), len(basis)), np.float32)
    weight = 1 / (variance + LEAST_ERROR**2)
    for k, row in enumerate(rows):
        seen = np.isfinite(row)
        left = (both[:, seen] * weight[seen]) @ both[:, seen].T + np.eye(len(both))
        out[k] = np.linalg.solve(left, (both[:, seen] * weight[seen]) @ (row[seen] - mean[seen]))[: len(basis)]
    return out


def make_library(spectra, hosts, config=None, *, seed=0):
    """A head with a library of spectra; it knows no calibration yet.

    Parameters
    ----------
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`
    hosts : ndarray, shape (n, N)
        As of `simulate_hosts`.
    config : `~astro_spectok.heads.TransientConfig`, optional
    seed : int, optional

    Returns
    -------
    head : `~astro_spectok.heads.TransientHead`
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`
        Those in it, in its order.

    Raises
    ------
    ValueError
        There are too few spectra.
    """
    config = TransientConfig() if config is None else config
    spectra = [one for one in spectra if one.kind in config.types]
    rows, _ = lay_on_bins(spectra, config)
    if len(rows) < LEAST_ROWS:
        msg = (
            f"data must hold {LEAST_ROWS} spectra of transients at least; got {len(rows)}; give a directory of the sets"
        )
        raise ValueError(msg)
    kept = np.isfinite(rows).any(1)
    spectra, rows = [one for one, use in zip(spectra, kept, strict=True) if use], rows[kept]
    mean, basis, variance = find_components(rows, config.components, seed=seed)
    coefficients = find_coefficients(rows, mean, basis, variance)
    galaxies = lay_galaxies(hosts, config)
    host_mean, host_basis, _ = find_components(galaxies, config.hosts - 1, seed=seed)
    config = replace(
        config, components=len(basis), hosts=len(host_basis) + 1, templates=len(spectra),
        types=tuple(name for name in config.types if any(one.kind == name for one in spectra)),
    )  # fmt: skip
    names = sorted({one.object for one in spectra})
    labels = np.array([[config.types.index(one.kind), names.index(one.object), one.phase] for one in spectra])
    head = build_head("transient", config, None)
    # as they are stored
    parts = (np.concatenate([mean[None], basis, host_mean[None], host_basis]), coefficients, labels)
    head.set_library(*(part.astype(np.float16) for part in parts))
    objects = {name: sorted({one.object for one in spectra if one.kind == name}) for name in config.types}
    head.domain = {
        "spectra": {name: sum(one.kind == name for one in spectra) for name in config.types},
        "objects": {name: len(held) for name, held in objects.items()},
    }
    return head, spectra


def lay_galaxies(hosts, config):
    """Contrast of galaxies on the bins of a library: float32 (n, N)."""
    centre = np.log(config.low) + config.step * (np.arange(config.bins) + 0.5)
    out = np.full(hosts.shape, np.nan, np.float32)
    for row, flux in zip(out, hosts, strict=True):
        seen = np.isfinite(flux)
        view = view_spectrum(centre[seen], flux[seen], np.full(seen.sum(), (20 / np.median(flux[seen])) ** 2), config)
        if view is not None:
            row[view.first : view.first + len(view.ratio)] = np.where(view.weight > 0, view.ratio, np.nan)
    return out
