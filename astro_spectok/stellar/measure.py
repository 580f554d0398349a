# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From prepared spectra to velocities, labels and flags of stars."""

from typing import NamedTuple

import numpy as np

from astro_spectok.exceptions import WeightsError
from astro_spectok.interface.containment import require_finite
from astro_spectok.interface.heads import require_head
from astro_spectok.interface.inputs import measure_facts, measure_medium_error
from astro_spectok.redshift.calibration import measure_pixel
from astro_spectok.redshift.integrated_light import is_integrated_light
from astro_spectok.redshift.measure import measure_all
from astro_spectok.redshift.rest_lines import has_foreign_lines
from astro_spectok.redshift.solutions import describe_kind, take_resolution, take_spectrum
from astro_spectok.redshift.spectral_type import choose_type
from astro_spectok.stellar.binaries import find_second_star
from astro_spectok.stellar.flags import (
    LEAST_PIXELS,
    combine_stellar_flags,
    convert_stellar_flags,
    find_coverage_flags,
    find_label_flags,
    find_signal_flags,
    find_star_flags,
    is_refused,
    is_withheld,
)
from astro_spectok.stellar.infrared_velocity import load_infrared_templates
from astro_spectok.stellar.labels import StellarLabels
from astro_spectok.stellar.velocity import find_velocity
from astro_spectok.stellar.warn import StellarFlag
from astro_spectok.stellar.white_dwarfs import fit_white_dwarf, is_hydrogen
from astro_spectok.utils.constants import LIGHT_SPEED
from astro_spectok.utils.spectypes import STAR

__all__ = ["Star", "find_labels", "find_stars", "find_stellar_head", "name_type"]

#: labels that not every spectrum constrains: they are given where their errors are well below the spread of the stars
OPTIONAL = ("alpha_fe", "log_vbroad")
#: labels of white dwarfs
WHITE_DWARF_NAMES = ("teff", "logg")


class Star(NamedTuple):
    """Velocity, class and flags of one spectrum, before its labels."""

    z: float
    z_err: float
    p_star: float
    snr: float
    types: dict
    flags: StellarFlag
    refused: bool
    withheld: bool
    infrared: bool


def find_stars(prepared, training, assume_star, progress):
    """Radial velocity, and how much of a star it is, of each usable spectrum.

    Returns
    -------
    stars : dict of int to `Star`
    prepared : `~astro_spectok.redshift.measure.Prepared`
        With errors mended, if some were.
    """
    if STAR not in prepared.grid.classes:
        msg = f"weights {prepared.runner.loaded.name!r} know no class {STAR}; use others, see `spectok weights list`"
        raise WeightsError(msg)
    assume = {"assume_star": bool(assume_star)}

    def solve(prepared, i, posterior, information, types):
        return _find_star(prepared, i, posterior, information, types, training, assume)

    return measure_all(prepared, solve, progress)


def find_labels(prepared, name, training, stars, progress):
    """Labels of each spectrum, None where nothing was measured, and flags: two lists of length n."""
    batch, head = prepared.batch, prepared.runner.network.heads[name]
    n = len(batch)
    labels, own_flags = [None] * n, [StellarFlag.NONE] * n
    ln_doppler, names, spread = np.full(n, np.nan), tuple(head.names), head.spread.double().cpu().numpy()
    for i, star in stars.items():
        with prepared.contained.member(i):
            velocity = (np.nan, np.nan) if star.refused else (LIGHT_SPEED * star.z, LIGHT_SPEED * star.z_err)
            unknown = np.full(len(names), np.nan), np.full((len(names), len(names)), np.nan)
            labels[i] = StellarLabels(names, *unknown, *velocity)
            coverage, enough = _judge_coverage(batch, i, star, training)
            own_flags[i] = star.flags | coverage
            white = training.is_white(star.types)
            if star.withheld or not enough:
                own_flags[i] |= StellarFlag.TYPE_NOT_COVERED if white else StellarFlag.NONE
            elif white:
                labels[i], flags = _measure_white(batch, i, star, labels[i])
                own_flags[i] |= flags
            else:
                ln_doppler[i] = np.log1p(star.z)

    for i, read in prepared.read_head(name, ln_doppler, progress):
        with prepared.contained.member(i):
            mean, covariance = read["mean"], read["covariance"]
            rest = _take_good(batch, i) / (1 + stars[i].z)
            require_finite("stellar label", mean, covariance)
            place = training.find_range(rest)
            filtered = prepared.filtered is not None and bool(prepared.filtered[i])
            covariance = training.correct_covariance(names, covariance, place, of_tokens=filtered)
            if filtered and not training.knows_tokens(place):
                own_flags[i] |= StellarFlag.EXTRAPOLATED
            outside = [label for label in names if np.count_nonzero(training.covers(rest, label)) < LEAST_PIXELS]
            _drop_unconstrained(names, mean, covariance, training.rules.informative * spread, outside)
            labels[i] = StellarLabels(names, mean, covariance, labels[i].rv, labels[i].rv_err)
            second = _find_second(batch, i, ln_doppler[i], stars[i].infrared)
            own_flags[i] |= find_label_flags(labels[i], training.hull, stars[i].types, training.rules, second)
    for i in prepared.contained.failed:
        labels[i], own_flags[i] = None, StellarFlag.NONE
    prepared.contained.warn()
    noticed = [convert_stellar_flags(flags) for flags in prepared.flags]
    return labels, [combine_stellar_flags(*pair) for pair in zip(noticed, own_flags, strict=True)]


def _find_star(prepared, i, posterior, information, types, training, assume):
    """The `Star` of one spectrum, and what templates leave of it."""
    velocity = find_velocity(posterior, prepared.calibration, training.rules, prepared.batch, i)
    p_star, snr = posterior.class_probability[STAR], float(measure_facts(prepared.batch, i)[0])
    known = {"types": types, "covered": training.list_covered(types), "rules": training.rules} | assume
    shown = describe_kind(velocity.sharp, prepared.batch, i, prepared.calibration.rules, types=types, spectype=STAR)
    flags = find_star_flags(
        p_star, information=information, evidence=velocity.evidence, snr=snr, shown=shown,
        redshift_rules=prepared.calibration.rules, **known,
    )  # fmt: skip
    if not flags and not assume["assume_star"] and has_foreign_lines(velocity.sharp, STAR):
        flags |= StellarFlag.NOT_A_STAR
    ln_wavelength, flux, ivar = take_spectrum(prepared.batch, i)
    if not flags and not assume["assume_star"] and is_integrated_light(ln_wavelength, flux, ivar, velocity.sharp.ln1pz):
        flags |= StellarFlag.NOT_A_STAR
    flags |= find_signal_flags(np.exp(ln_wavelength), flux, ivar)
    width = float(np.hypot(velocity.width, measure_medium_error(prepared.batch, i)))
    z, z_err = float(np.expm1(velocity.ln_doppler)), float(np.exp(velocity.ln_doppler) * width)
    require_finite("radial velocity", z, z_err, p_star, snr)
    refused, withheld = is_refused(p_star, training.rules, **assume), is_withheld(p_star, **known)
    star = Star(z, z_err, p_star, snr, types, flags, refused, withheld, velocity.infrared)
    return star, velocity.sharp.left


def find_stellar_head(runner):
    """Name of the head for stellar parameters.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`

    Returns
    -------
    str

    Raises
    ------
    WeightsError
        The weights have none.
    """
    return require_head(runner, "stellar", "stellar parameters", "give them one with `spectok build heads`")


def _judge_coverage(batch, i, star, training):
    """Flags of range, noise and resolution of a spectrum, and whether it reaches what labels were trained on."""
    good = _take_good(batch, i)
    rest = good / (1 + star.z)
    n_inside, filled = int(np.count_nonzero(training.covers(rest))), training.fills_range(rest)
    resolution, limits = take_resolution(batch, i), training.limit_resolution(training.find_range(rest))
    if resolution is None:
        # what its pixels allow at most
        resolution = min(0.5 / measure_pixel(good), limits[1])
    flags = find_coverage_flags(n_inside, len(good), star.snr, resolution, limits, training.rules, filled=filled)
    return flags, n_inside >= LEAST_PIXELS


def _take_good(batch, i):
    """Wavelengths of the good pixels of a spectrum."""
    return batch.wavelength[batch.grid(i)][batch.ivar[batch.pixels(i)] > 0]


def _find_second(batch, i, ln_doppler, infrared):
    """`find_second_star` with the templates that the velocity is from."""
    templates = load_infrared_templates() if infrared else None
    return find_second_star(
        *take_spectrum(batch, i), ln_doppler, resolution=take_resolution(batch, i), templates=templates
    )


def _measure_white(batch, i, star, unknown):
    """Labels of what is taken for a white dwarf, and flags: it has none where the models do not fit."""
    ln_wavelength, flux, ivar = take_spectrum(batch, i)
    fit = fit_white_dwarf(ln_wavelength - np.log1p(star.z), flux, ivar, resolution=take_resolution(batch, i))
    if not is_hydrogen(fit):
        return unknown, StellarFlag.TYPE_NOT_COVERED
    require_finite("label of a white dwarf", fit.mean, fit.covariance)
    return StellarLabels(WHITE_DWARF_NAMES, fit.mean, fit.covariance, unknown.rv, unknown.rv_err), StellarFlag.NONE


def _drop_unconstrained(names, mean, covariance, most, outside):
    """Put NaN where an optional label is hardly known better than without the spectrum, or was not learnt there."""
    sigma = np.sqrt(np.diag(covariance))
    for k, name in enumerate(names):
        if name in OPTIONAL and (name in outside or not sigma[k] < most[k]):
            mean[k] = covariance[k, :] = covariance[:, k] = np.nan


def name_type(star):
    """The most probable type and its probability; '' and NaN of what is not taken for a star."""
    return choose_type("" if star.refused else STAR, star.types)
