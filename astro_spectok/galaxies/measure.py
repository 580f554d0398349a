# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From prepared spectra to redshifts, properties and flags of galaxies."""

from typing import NamedTuple

import numpy as np

from astro_spectok.galaxies.breaks import measure_d4000
from astro_spectok.galaxies.emission import fit_lines
from astro_spectok.galaxies.starlight import Starlight, fit_stars
from astro_spectok.galaxies.warn import GalaxyFlag
from astro_spectok.interface.containment import require_finite
from astro_spectok.interface.heads import require_head
from astro_spectok.interface.inputs import measure_facts
from astro_spectok.redshift.estimator import COMPARED, solve_spectrum
from astro_spectok.redshift.fit import assume_resolution, refine_redshift
from astro_spectok.redshift.flags import convert_flags
from astro_spectok.redshift.measure import measure_all, mend_errors
from astro_spectok.redshift.signal import has_little_coverage, lacks_signal
from astro_spectok.redshift.solutions import NEAR, suppose_resolution, take_spectrum
from astro_spectok.redshift.zwarn import RedshiftFlag
from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED
from astro_spectok.utils.spectypes import GALAXY

__all__ = ["REMARKS", "Galaxy", "Properties", "find_galaxies", "find_galaxy_head", "find_properties"]

#: bits about the input that by themselves do not make properties unreliable
REMARKS = GalaxyFlag.ERRORS_ESTIMATED | GalaxyFlag.MEDIUM_UNKNOWN | GalaxyFlag.RESOLUTION_UNKNOWN
#: bits that `convert_flags` sets of an input; they have the same value in both enumerations
SHARED = (
    RedshiftFlag.TOO_FEW_PIXELS
    | RedshiftFlag.NO_DATA
    | RedshiftFlag.ERRORS_ESTIMATED
    | RedshiftFlag.MEDIUM_UNKNOWN
)  # fmt: skip


class Galaxy(NamedTuple):
    """Redshift, class and flags of one spectrum, before its properties."""

    z: float
    z_err: float
    p_galaxy: float
    snr: float
    flags: GalaxyFlag
    refused: bool


class Properties(NamedTuple):
    """Properties of one galaxy, with errors as they are on average.

    Attributes
    ----------
    values, errors : dict of str to float
        By the names of `~astro_spectok.galaxies.columns.PROPERTIES`, in the units of the columns; NaN where not known.
    names : tuple of str
        Of the labels in ``covariance``.
    covariance : ndarray, shape (L, L)
        Of the labels of the head: log10 of the age in Gyr, dex, mag.
    lines : `~astro_spectok.galaxies.emission.LinesFit`
        With fluxes over the scale of the batch.
    """

    values: dict
    errors: dict
    names: tuple
    covariance: np.ndarray
    lines: object


def find_galaxy_head(runner):
    """Name of the head for galaxies.

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
    return require_head(runner, "galaxy", "properties of galaxies", "give them one with `spectok build galaxy`")


def find_galaxies(prepared, redshift, training, assume_galaxy, progress):
    """Redshift of each usable spectrum, found or given.

    Parameters
    ----------
    prepared : `~astro_spectok.redshift.measure.Prepared`
    redshift : ndarray, shape (n,), or None
        NaN where it is to be found.
    training : `~astro_spectok.galaxies.training.GalaxyTraining`
    assume_galaxy : bool
    progress : bool or None

    Returns
    -------
    galaxies : dict of int to `Galaxy`
    prepared : `~astro_spectok.redshift.measure.Prepared`
        With errors mended, if some were.
    """
    n, out = len(prepared.batch), {}
    given = np.full(n, np.nan) if redshift is None else redshift
    known = np.flatnonzero(np.isfinite(given) & (prepared.batch.lengths > 0)).tolist()
    prepared = _mend_known(prepared, known, given)
    for i in known:
        with prepared.contained.member(i):
            z, snr = float(given[i]), float(measure_facts(prepared.batch, i)[0])
            out[i] = Galaxy(z, np.nan, np.nan, snr, _judge_signal(prepared.batch, i, snr, training), False)
    if np.isfinite(given).all():
        return out, prepared

    def solve(prepared, i, *measured):
        return (out[i], None) if i in out else _find_galaxy(prepared, i, measured, training, assume_galaxy)

    found, prepared = measure_all(prepared, solve, progress)
    return out | found, prepared


def _mend_known(prepared, known, redshift):
    """The same with the errors of spectra whose redshift is given mended, where they are not those of what is left."""
    wrong = {}
    for i in known:
        with prepared.contained.member(i):
            resolution = suppose_resolution(prepared.batch, i)
            ln1pz = float(np.log1p(redshift[i]))
            fit = refine_redshift(*take_spectrum(prepared.batch, i), GALAXY, ln1pz, NEAR, resolution=resolution)
            ivar = None if fit is None else mend_errors(prepared, i, fit.left)
            if ivar is not None:
                wrong[i] = ivar
    return prepared.mend(wrong) if wrong else prepared


def _find_galaxy(prepared, i, measured, training, assume_galaxy):
    """The `Galaxy` of one spectrum, and what templates leave of it."""
    posterior, information, types = measured
    peaks, _, zwarn, snr, left = solve_spectrum(prepared, i, posterior, information, types, COMPARED)
    p_galaxy = float(posterior.class_probability.get(GALAXY, 0.0))
    best = next((peak for peak in peaks if peak.spectype == GALAXY), None)
    flags = _judge_signal(prepared.batch, i, snr, training)
    if zwarn or (best is not None and best is not peaks[0]):
        flags |= GalaxyFlag.UNCERTAIN_REDSHIFT
    if zwarn & RedshiftFlag.SKY_LIKE:
        flags |= GalaxyFlag.SKY_LIKE
    if p_galaxy < training.rules["flagged"] and not assume_galaxy:
        flags |= GalaxyFlag.NOT_A_GALAXY
    refused = best is None or (p_galaxy < training.rules["refused"] and not assume_galaxy)
    if refused:
        return Galaxy(np.nan, np.nan, p_galaxy, snr, flags | GalaxyFlag.NOT_A_GALAXY, True), left
    require_finite("redshift", best.z, best.z_err, p_galaxy, snr)
    return Galaxy(best.z, best.z_err, p_galaxy, snr, flags, refused), left


def _judge_signal(batch, i, snr, training):
    """Flags of the spectrum itself."""
    ln_wavelength, flux, ivar = take_spectrum(batch, i)
    flags = GalaxyFlag.NONE
    if lacks_signal(flux, ivar):
        flags |= GalaxyFlag.SKY_LIKE
    if not snr >= training.rules["least_snr"] or has_little_coverage(np.exp(ln_wavelength), ivar):
        flags |= GalaxyFlag.LOW_SNR
    return flags


def find_properties(prepared, name, training, galaxies, progress):
    """Properties of each spectrum, None where nothing was measured, and flags: two lists of length n."""
    batch, head = prepared.batch, prepared.runner.network.heads[name]
    n = len(batch)
    found, own_flags = [None] * n, [GalaxyFlag.NONE] * n
    ln_doppler, starlight = np.full(n, np.nan), Starlight.of_head(head)
    for i, galaxy in galaxies.items():
        own_flags[i] = galaxy.flags
        if galaxy.refused:
            continue
        with prepared.contained.member(i):
            found[i], more = _measure_directly(batch, i, galaxy.z, starlight, training, tuple(head.config.names))
            own_flags[i] |= more
            ln_wavelength, _, ivar = take_spectrum(batch, i)
            rest = np.exp(ln_wavelength[ivar > 0]) / (1 + galaxy.z)
            if training.find_filled(rest) >= training.rules["least_filled"]:
                ln_doppler[i] = np.log1p(galaxy.z)
            else:
                own_flags[i] |= GalaxyFlag.OUT_OF_WAVELENGTH_RANGE

    spread = head.spread.double().cpu().numpy()
    for i, read in prepared.read_head(name, ln_doppler, progress):
        with prepared.contained.member(i):
            mean, covariance = read["mean"], read["covariance"]
            require_finite("property of the stars", mean, covariance)
            own_flags[i] |= _add_populations(found[i], mean, covariance, spread, training)
    for i in prepared.contained.failed:
        found[i], own_flags[i] = None, GalaxyFlag.NONE
    prepared.contained.warn()
    noticed = [GalaxyFlag(int(convert_flags(flags) & SHARED)) for flags in prepared.flags]
    return found, [combine_flags(*pair) for pair in zip(noticed, own_flags, strict=True)]


def combine_flags(noticed, flags):
    """``warn`` from remarks about an input and flags of its properties: remarks are set beside other flags only."""
    warn = noticed | flags
    return warn if warn & ~REMARKS else GalaxyFlag.NONE


def _find_instrument(batch, i, ln_wavelength):
    """Standard deviation of the line-spread function, km/s, for each pixel; and whether it is known."""
    known = None if batch.resolution is None else batch.resolution[batch.grid(i)].astype(float)
    if known is not None and np.isfinite(known).any():
        resolution = np.where(np.isfinite(known), known, np.nanmedian(known))
        return LIGHT_SPEED / FWHM_PER_SIGMA / resolution, True
    return np.full(len(ln_wavelength), LIGHT_SPEED / FWHM_PER_SIGMA / assume_resolution(ln_wavelength)), False


def _measure_directly(batch, i, z, starlight, training, names):
    """Properties that need no learned labels, and flags."""
    ln_wavelength, flux, ivar = take_spectrum(batch, i)
    ln_rest, flags = ln_wavelength - np.log1p(z), GalaxyFlag.NONE
    instrument, known = _find_instrument(batch, i, ln_wavelength)
    stars = fit_stars(ln_rest, flux, ivar, starlight, instrument)
    lines = fit_lines(ln_rest, flux, ivar, stars.level, stars.stars, instrument, z, starlight.misfit)
    d4000, d4000_err = measure_d4000(ln_rest, flux, ivar)
    width_err = training.correct("lines", lines.width, lines.width_err)
    with np.errstate(divide="ignore", invalid="ignore"):
        lines = lines._replace(width_err=width_err, flux_err=lines.flux_err * width_err / lines.width_err)
    sigma, sigma_err = training.correct_dispersion(stars.sigma, stars.sigma_err)
    if not known:
        flags |= GalaxyFlag.RESOLUTION_UNKNOWN
    if not known or not sigma_err < training.rules["most_dispersion_error"]:
        sigma = sigma_err = np.nan
    if lines.sigma > training.rules["broad"] and lines.gain > 200:
        flags |= GalaxyFlag.BROAD_LINES
    values = {"sigma_v": sigma, "d4000": d4000}
    errors = {"sigma_v": sigma_err, "d4000": float(training.correct("d4000", d4000, d4000_err))}
    unknown = dict.fromkeys(("age", "metallicity", "a_v"), np.nan)
    size = len(names)
    found = Properties(unknown | values, unknown | errors, names, np.full((size, size), np.nan), lines)
    return found, flags


def _add_populations(found, mean, covariance, spread, training):
    """Put labels of the head into properties, those that the spectrum says something of; returns flags."""
    flags = GalaxyFlag.NONE
    raw = np.sqrt(np.diag(covariance))
    error = np.array([training.correct(name, m, e) for name, m, e in zip(found.names, mean, raw, strict=True)])
    factor = error / raw
    found.covariance[:] = covariance * factor[:, None] * factor[None, :]
    for k, name in enumerate(found.names):
        if not error[k] < training.rules["informative"] * spread[k]:
            found.covariance[k, :] = found.covariance[:, k] = np.nan
            continue
        low, high = training.labels[name]
        if mean[k] < low or mean[k] > high:
            flags |= GalaxyFlag.EXTRAPOLATED
        value, width = mean[k], error[k]
        if name == "age":
            value = 10 ** mean[k]
            width = value * np.log(10) * error[k]
        elif name == "a_v":
            value = max(value, 0.0)
        found.values[name], found.errors[name] = float(value), float(width)
    return flags
