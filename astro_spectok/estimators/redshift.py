# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator`: class and redshift of spectra from any instrument, with a calibrated posterior."""

import operator
from functools import partial

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.embedding import tokenize
from astro_spectok.estimators.base import Estimator
from astro_spectok.estimators.flags import (
    conclude_flags,
    convert_flags,
    find_flags,
    find_red_end,
)
from astro_spectok.estimators.mk_types import choose_type, make_type_column
from astro_spectok.estimators.posteriors import prepare
from astro_spectok.estimators.solutions import find_solutions, move_interval
from astro_spectok.host import own_errstate
from astro_spectok.inputs import find_source, make_provenance, measure_facts
from astro_spectok.results import RedshiftEstimate
from astro_spectok.results.posterior_rows import describe_grid, make_empty_rows
from astro_spectok.results.redshift import to_velocity
from astro_spectok.results.redshift_grid import STAR

__all__ = ["RedshiftEstimator"]

#: solutions that are compared with each other for ``zwarn``, however many are asked for
COMPARED = 3
#: probabilities of the intervals that are given
LEVELS = (0.68, 0.95)
#: columns of a table that are plain numbers
NUMBERS = ("z", "z_err", "z_lo", "z_hi", "p_best", "z_2", "p_2", "rv", "rv_err", "snr", "p_mk_type")


class RedshiftEstimator(Estimator):
    """Class and redshift of spectra.

    Spectral axes in any unit, direction and medium, and flux in any unit, with or without uncertainties, as for
    `~astro_spectok.tokenize`: results do not depend on the units, nor on what stands in masked, non-finite or
    zero-weight pixels. Parameters are stored as they are and checked when `estimate` uses them.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path; the packaged default if not given.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    z_range : (float, float) or dict of str to (float, float), optional
        Lowest and highest redshift, for all classes but stars, whose radial velocities are left alone; or by class,
        those of stars as radial velocity over the speed of light. All that the weights know if not given.
    classes : str or sequence of str, optional
        Out of the classes of the weights, ``'GALAXY'``, ``'QSO'``, ``'STAR'``; all if not given.
    prior : dict of str to float, (array_like, array_like) or callable, optional
        What was known before: a weight for each class; or a density over the redshift of galaxies and quasars, per
        unit z, as from photometry, in any normalisation. That is a pair ``(z, p)``, where p has the shape (m,) of z
        or (n, m) for n spectra, interpolated linearly and zero beyond the ends of z; or a function of an array of
        redshifts. If not given, all classes are equally probable, and so are equal ranges of ln(1 + z).
    n_best : int
        Solutions that a `~astro_spectok.results.RedshiftEstimate` lists, the best included.

    See Also
    --------
    astro_spectok.results.RedshiftFlag : the bits of ``zwarn``.

    References
    ----------
    Tonry & Davis 1979, AJ 84, 1511, for redshifts by correlation in ln(wavelength); here with learned features and
    templates.

    Examples
    --------
    One spectrum gives an estimate, many give a table. This galaxy was made with a redshift of 0.0857:

    >>> from astro_spectok.estimators import RedshiftEstimator
    >>> from astro_spectok.example import read_example
    >>> spectrum = read_example()
    >>> estimator = RedshiftEstimator(device="cpu", classes=("GALAXY", "QSO"), z_range=(0, 3))
    >>> estimate = estimator.estimate(spectrum)
    >>> estimate.spectype, f"{estimate.z:.3f}", bool(abs(estimate.z - 0.0857) < 5 * estimate.z_err)
    ('GALAXY', '0.086', True)
    >>> table = estimator.estimate([spectrum, spectrum[1000:3000]])
    >>> print(table["z"].round(3), table["zwarn"].tolist())
    [0.086 0.086] [0, 0]
    """

    def __init__(self, weights=None, device="auto", z_range=None, classes=None, prior=None, n_best=3):
        self.weights = weights
        self.device = device
        self.z_range = z_range
        self.classes = classes
        self.prior = prior
        self.n_best = n_best

    @own_errstate
    def estimate(self, obj, *, medium=None, resolution=None, progress=None, posterior=False):
        """Estimate class and redshift of one or many spectra.

        Parameters
        ----------
        obj : `~specutils.Spectrum`, `~specutils.SpectrumCollection`, `~specutils.SpectrumList`, list or tuple
            One spectrum, several on one axis, or a list of spectra of any lengths; or plain arrays with units as a
            tuple ``(spectral_axis, flux)`` or ``(spectral_axis, flux, uncertainty)``.
        medium : {'vacuum', 'air'}, optional
            Of the wavelengths; read from WCS and header if not given, and vacuum where these are silent.
        resolution : float, array_like or `~astropy.units.Quantity`, optional
            Resolving power R, for all or per pixel, or a FWHM with unit; read from the metadata where it is there.
        progress : bool, optional
            Show a bar; by default for long work on a terminal.
        posterior : bool, optional
            Whether each row of a table gets its posterior, in 2 kB (see
            `~astro_spectok.results.RedshiftPosterior.expand`). The estimate of one spectrum always has it, whole.

        Returns
        -------
        `~astro_spectok.results.RedshiftEstimate` or `~astropy.table.QTable`
            The latter for several spectra: one row each, in their order, with the columns ``z``, ``z_err``, ``z_lo``,
            ``z_hi`` (range of 68 per cent probability), ``spectype``, the probability of each class (``p_galaxy``,
            ``p_qso``, ``p_star``; 0 where it was not searched), ``p_best``, ``zwarn`` (bits of
            `~astro_spectok.results.RedshiftFlag`), ``z_2`` and ``p_2`` of the next solution, ``rv`` and ``rv_err``
            (NaN but for stars), ``snr``, and ``mk_type`` and ``p_mk_type``, the coarse type of a star (O to T, ``WD``,
            ``CV``, ``C``) and its probability ('' and NaN for all else). What could not be measured is NaN and flagged.
            The metadata name the weights, their sha256, the versions of the packages, and what was asked.

        Raises
        ------
        TypeError
            ``obj`` is no spectrum, or a parameter has another form than it may.
        `~astropy.units.UnitsError`
            The axis of a single spectrum cannot be converted.
        ValueError
            A single spectrum has too few good pixels, or too many pixels; ``z_range`` or ``classes`` are not among
            those that the weights know; ``prior`` has the wrong shape or is zero everywhere.
        `~astro_spectok.exceptions.WeightsError`
            The weights give no redshifts.

        Warns
        -----
        WavelengthRangeWarning
            More than 2 per cent of the good pixels lie outside what the weights were trained on.
        FlaggedSpectraWarning
            Some of several spectra cannot be used.
        """
        count = _check_count(self.n_best)
        prepared = prepare(self, obj, medium=medium, resolution=resolution)
        if prepared.single:
            return self._estimate_one(prepared, count, progress)
        return self._estimate_many(prepared, progress, posterior)

    def _estimate_one(self, prepared, count, progress):
        """The `RedshiftEstimate` of a batch of one usable spectrum."""
        ((_, posterior, information, types),) = prepared.measure(progress)
        peaks, intervals, zwarn, snr = _solve(prepared, 0, posterior, information, count, LEVELS)
        best, info = peaks[0], prepared.batch.info[0]
        mk_type, mk_probability = choose_type(best.spectype, types)
        meta = self._make_meta(prepared) | {"medium": info.medium, "medium_source": info.medium_source}
        return RedshiftEstimate(
            spectype=best.spectype,
            z=u.Quantity(best.z),
            z_err=u.Quantity(best.z_err),
            z_68=u.Quantity(intervals[0]),
            z_95=u.Quantity(intervals[1]),
            p_best=best.probability,
            class_probability=posterior.class_probability,
            alternatives=tuple(peaks[1:count]),
            posterior=posterior,
            zwarn=zwarn,
            snr=snr,
            mk_type=mk_type,
            mk_probability=mk_probability,
            meta=meta,
            _batch=prepared.batch,
            _tokenize=partial(tokenize, weights=find_source(prepared.runner.loaded), device=self.device),
        )

    def _estimate_many(self, prepared, progress, with_posterior):
        """The table of a batch."""
        n = len(prepared.batch)
        names = prepared.runner.network.config.redshift.classes
        numbers = {name: np.full(n, np.nan) for name in NUMBERS}
        shares = {name: np.full(n, np.nan) for name in names}
        spectype = np.full(n, "", dtype=f"U{max(map(len, names))}")
        mk_type = make_type_column(n, prepared.runner.network.config.stellar_types)
        zwarn = np.array([convert_flags(flags) for flags in prepared.flags], dtype=np.int64)
        rows = make_empty_rows(n if with_posterior else 0, prepared.grid)
        for i, posterior, information, types in prepared.measure(progress):
            (best, *others), intervals, zwarn[i], snr = _solve(prepared, i, posterior, information, 2, LEVELS[:1])
            spectype[i] = best.spectype
            mk_type[i], mk_probability = choose_type(best.spectype, types)
            values = _list_numbers(best, others, intervals[0])
            values |= {"snr": snr, "p_mk_type": mk_probability}
            for name, value in values.items():
                numbers[name][i] = value
            for name in names:
                shares[name][i] = posterior.class_probability.get(name, 0.0)
            if with_posterior:
                for name, value in posterior.compress().items():
                    rows[name][i] = value
        meta = self._make_meta(prepared)
        columns = _arrange_columns(numbers, shares, spectype, zwarn, mk_type)
        if with_posterior:
            columns, meta = columns | rows, meta | describe_grid(prepared.grid)
        return QTable(columns, meta=meta)

    def _make_meta(self, prepared):
        """How the result was made: plain numbers and text, as it goes into headers."""
        prior = self.prior
        kind = "flat" if prior is None else "classes" if hasattr(prior, "keys") else "redshifts"
        limits = (f"{name} {low:.4g} {high:.4g}" for name, (low, high) in prepared.grid.limits.items())
        return make_provenance(prepared.runner.loaded) | {
            "estimator": type(self).__name__,
            "searched": ", ".join(limits),
            "prior": kind,
        }


def _check_count(n_best):
    """The number of solutions, if it is one."""
    try:
        count = operator.index(n_best)
    except TypeError as error:
        msg = f"n_best must be a positive integer; got {n_best!r}"
        raise TypeError(msg) from error
    if count < 1:
        msg = f"n_best must be a positive integer; got {n_best!r}"
        raise ValueError(msg)
    return count


def _solve(prepared, i, posterior, information, count, levels):
    """Solutions with their errors calibrated, intervals of probability around the best, flags, and S/N."""
    batch, grid = prepared.batch, prepared.grid
    peaks, raw, evidence = find_solutions(posterior, prepared.calibration, batch, i, max(count, COMPARED))
    intervals = [
        move_interval(posterior.find_interval(level, around=raw[0].z), raw[0], peaks[0], grid.step) for level in levels
    ]
    red_end = find_red_end(batch.wavelength[batch.grid(i)], batch.ivar[batch.pixels(i)])
    confident = prepared.calibration.find_confident(raw[0].spectype)
    snr = measure_facts(batch, i)[0]
    doubts = find_flags(posterior, raw[:COMPARED], information, evidence, red_end=red_end, confident=confident, snr=snr)
    trained = prepared.runner.loaded.wavelength_range
    zwarn = conclude_flags(convert_flags(prepared.flags[i]), doubts, batch, i, trained)
    return peaks, intervals, zwarn, float(snr)


def _list_numbers(best, others, interval):
    """The numbers of one row by column."""
    out = {"z": best.z, "z_err": best.z_err, "z_lo": interval[0], "z_hi": interval[1], "p_best": best.probability}
    if others:
        out |= {"z_2": others[0].z, "p_2": others[0].probability}
    if best.spectype == STAR:
        out |= {"rv": to_velocity(best.z).value, "rv_err": to_velocity(best.z_err).value}
    return out


def _arrange_columns(numbers, shares, spectype, zwarn, mk_type):
    """The columns of a table in their order, with units."""
    one, speed = u.dimensionless_unscaled, u.km / u.s
    return {
        **{name: numbers[name] * one for name in ("z", "z_err", "z_lo", "z_hi")},
        "spectype": spectype,
        **{f"p_{name.lower()}": p for name, p in shares.items()},
        "p_best": numbers["p_best"],
        "zwarn": zwarn,
        "z_2": numbers["z_2"] * one,
        "p_2": numbers["p_2"],
        "rv": numbers["rv"] * speed,
        "rv_err": numbers["rv_err"] * speed,
        "snr": numbers["snr"],
        "mk_type": mk_type,
        "p_mk_type": numbers["p_mk_type"],
    }
