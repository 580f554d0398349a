# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator`: class and redshift of spectra from any instrument, with a calibrated posterior."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any, NamedTuple

from astropy import units as u
from astropy.table import QTable

from astro_spectok.embedding import tokenize
from astro_spectok.interface.columns import fill_row, lay_out, make_arrays, make_table
from astro_spectok.interface.containment import require_finite
from astro_spectok.interface.estimator import Estimator
from astro_spectok.interface.inputs import (
    describe_input,
    find_source,
    measure_facts,
    measure_medium_error,
    name_errors,
    name_medium,
)
from astro_spectok.interface.provenance import make_provenance
from astro_spectok.redshift.coadd import add_exposures, find_usable, have_mean
from astro_spectok.redshift.columns import list_redshift_columns
from astro_spectok.redshift.compression import describe_grid, make_empty_rows
from astro_spectok.redshift.flags import (
    conclude_flags,
    convert_flags,
    find_flags,
    find_red_end,
    sum_around,
)
from astro_spectok.redshift.integrated_light import is_integrated_light
from astro_spectok.redshift.measure import measure_all, measure_twice, prepare
from astro_spectok.redshift.priors import JointPrior, PriorFactors
from astro_spectok.redshift.rest_lines import has_foreign_lines
from astro_spectok.redshift.result import RedshiftEstimate
from astro_spectok.redshift.series import join_posteriors, sharpen_series
from astro_spectok.redshift.solutions import (
    describe_kind,
    find_solutions,
    move_interval,
    take_spectrum,
    widen_solutions,
)
from astro_spectok.redshift.spectral_type import choose_type
from astro_spectok.redshift.transient_rule import find_transient_rule, judge_transient
from astro_spectok.redshift.zwarn import RedshiftFlag
from astro_spectok.spectra import SpectrumSeries
from astro_spectok.utils.host import own_state
from astro_spectok.utils.spectypes import STAR

__all__ = ["COMPARED", "RedshiftEstimator", "solve_spectrum"]

#: solutions that are compared with each other for ``zwarn``, however many are asked for
COMPARED = 3
#: probability of the interval that is given
LEVEL = 0.68


class Solved(NamedTuple):
    """Solutions of a spectrum.

    Attributes
    ----------
    peaks : list of `~astro_spectok.redshift.peaks.Peak`
        The best first, with their errors calibrated.
    interval : (float, float)
        Of redshift around the best.
    zwarn : RedshiftFlag
    snr : float
        Median signal-to-noise ratio per pixel.
    left : tuple of ndarray, or None
        What templates leave, as of `~astro_spectok.redshift.fit.Refined`.
    """

    peaks: list
    interval: tuple[float, float]
    zwarn: RedshiftFlag
    snr: float
    left: tuple | None


class RedshiftEstimator(Estimator):
    """Class and redshift of spectra.

    Spectral axes in any unit, direction and medium, and flux in any unit, with or without uncertainties, as for
    `~astro_spectok.tokenize`: results do not depend on the units, nor on the values in masked, non-finite or
    zero-weight pixels. Parameters are stored unchanged and checked when `estimate` uses them.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Largest number of tokens in the network at once. Default: ``conf.batch_tokens``, but at most 6144 on a CPU.
    z_range : (float, float) or dict of str to (float, float), optional
        Lowest and highest redshift, which does not limit the velocities of stars; or a dict with the range of each
        class, that of stars as radial velocity over the speed of light. Default: all that the weights know.
    classes : str or sequence of str, optional
        Classes to consider, of ``'GALAXY'``, ``'QSO'`` and ``'STAR'``. Default: all.
    prior : dict of str to float, (array_like, array_like) or callable, optional
        A weight for each class; or a density over the redshift of galaxies and quasars, per unit z, for example from
        photometry, in any normalisation. Give the density as a pair ``(z, p)``, where p has the shape (m,) of z or
        (n, m) for n spectra, interpolated linearly and zero outside z; or as a function of an array of redshifts.
        Default: all classes equally probable, and a flat density in ln(1 + z).
    n_best : int
        Number of solutions to return, including the best: 2 or more. A table has the columns ``z_2`` and ``p_2`` to
        ``z_n`` and ``p_n``, a single result lists them as ``alternatives``.

    See Also
    --------
    astro_spectok.redshift.RedshiftFlag : the bits of ``zwarn``.

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

    def __init__(
        self,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
        *,
        z_range: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
        classes: str | Sequence[str] | None = None,
        prior: Mapping[str, float] | tuple[Any, Any] | Callable[..., Any] | None = None,
        n_best: int = 2,
    ) -> None:
        self.weights = weights
        self.device = device
        self.batch_tokens = batch_tokens
        self.z_range = z_range
        self.classes = classes
        self.prior = prior
        self.n_best = n_best

    @own_state
    def estimate(
        self,
        obj: Any,
        *,
        medium: str | None = None,
        resolution: Any = None,
        progress: bool | None = None,
        posterior: bool = False,
        prior: Any = None,
    ) -> RedshiftEstimate | QTable:
        """Estimate class and redshift of one or many spectra.

        Parameters
        ----------
        obj : `~specutils.Spectrum`, `~specutils.SpectrumCollection`, `~specutils.SpectrumList`, list or tuple
            One spectrum, several on one axis, or a list of spectra of any lengths; or plain arrays with units as a
            tuple ``(spectral_axis, flux)`` or ``(spectral_axis, flux, uncertainty)``. A
            `~astro_spectok.spectra.SpectrumSeries` is one object, with one answer by all of its spectra.
        medium : {'vacuum', 'air'}, optional
            Medium of the wavelengths. Default: that of WCS or header, else of atmospheric lines, else vacuum.
        resolution : float, array_like or `~astropy.units.Quantity`, optional
            Resolving power R, one value or one per pixel, or a FWHM with a unit. Default: from the metadata.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.
        posterior : bool, optional
            Whether each row of a table gets its posterior, in 2 kB (see
            `~astro_spectok.redshift.RedshiftPosterior.expand`). The result for one spectrum has it whole in any case.
        prior : optional
            In place of the estimator's own, for these spectra: in one of its forms, or of class and redshift together,
            a row for each spectrum, as `~astro_spectok.align.PhotometricRedshift.find_prior` gives it.

        Returns
        -------
        `~astro_spectok.redshift.RedshiftEstimate` or `~astropy.table.QTable`
            The former for one spectrum. The latter for several: one row each, in their order; of a cube, columns are
            maps (y, x), for `~astro_spectok.plotting.plot_map`. Columns are the attributes of the former:
            ``name``, ``z``, ``z_err``, ``z_lo``, ``z_hi`` (range of 68 per cent probability),
            ``spectype``, the probability of each class (``p_galaxy``, ``p_qso``, ``p_star``; 0 where it was not
            searched), ``p_best``, ``zwarn`` (bits of `~astro_spectok.redshift.RedshiftFlag`), ``z_2`` and ``p_2`` of
            the next solution, ``rv`` and ``rv_err`` (NaN but for stars), ``snr``, ``stellar_type`` and
            ``p_stellar_type``, the coarse type of a star (O to T, ``WD``, ``CV``, ``C``) and its probability ('' and
            NaN for all else), ``medium``, ``errors``, and ``message``, which says why a spectrum could not be measured;
            then all else is NaN.
            The metadata name the weights, their sha256, the versions of the packages, the date (UTC), the call, and
            what was searched.

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
            More than 2 per cent of the good pixels lie outside the wavelengths that the weights were trained on.
        FlaggedSpectraWarning
            Some of several spectra cannot be used.
        """
        if isinstance(obj, SpectrumSeries):
            return self._estimate_series(obj, medium, resolution, progress, prior)
        count = _check_count(self.n_best)
        prepared = prepare(self, obj, medium=medium, resolution=resolution, prior=prior)
        call = self._word_call("estimate", medium=medium, resolution=resolution, posterior=posterior or None)
        meta = self._make_meta(prepared, call, self.prior if prior is None else prior)
        if prepared.single:
            ((_, estimate),) = self._measure(prepared, count, meta, progress)
            return estimate
        n = len(prepared.batch)
        columns = list_redshift_columns(prepared.whole.classes, count)
        arrays = make_arrays(columns, n)
        arrays["name"][:] = [info.name for info in prepared.batch.info]
        arrays["medium"][:] = [name_medium(info) for info in prepared.batch.info]
        arrays["errors"][:] = [name_errors(flags) for flags in prepared.flags]
        rows = make_empty_rows(n if posterior else 0, prepared.grid)
        for i, estimate in self._measure(prepared, count, meta, progress):
            with prepared.contained.member(i):
                packed = estimate.posterior.compress() if posterior else {}
                fill_row(arrays, i, estimate.list_values())
                fill_row(rows, i, packed)
        unmeasured = arrays["spectype"] == ""
        arrays["zwarn"][unmeasured] = [convert_flags(flags) for flags in prepared.flags[unmeasured]]
        arrays["message"][:] = prepared.contained.messages
        prepared.contained.warn()
        table = make_table(columns, arrays, meta)
        if posterior:
            table.update(rows)
            table.meta |= describe_grid(prepared.grid)
        return lay_out(table, prepared.batch.layout)

    def _measure(self, prepared, count, meta, progress):
        """Yield the place of each usable spectrum and its `RedshiftEstimate`."""
        alone = {}
        if prepared.single:
            source = find_source(prepared.runner.loaded)
            alone = {"_batch": prepared.batch, "_tokenize": partial(tokenize, weights=source, device=self.device)}

        def solve(prepared, i, posterior, information, types):
            solved = solve_spectrum(prepared, i, posterior, information, types, count)
            return (posterior, types, solved), solved.left

        for i, used, (posterior, types, solved) in measure_twice(prepared, solve, progress):
            said = describe_input(used.batch.info[0]) if used.single else {}
            yield i, self._make_result(used, i, posterior, types, solved, count, meta | alone | said)

    def _make_result(self, prepared, i, posterior, types, solved, count, meta):
        """The `RedshiftEstimate` of a spectrum; what it keeps for pictures stands in ``meta`` under its own names."""
        peaks, interval, zwarn, snr, _ = solved
        best, info = peaks[0], prepared.batch.info[i]
        stellar_type, p_stellar_type = choose_type(best.spectype, types)
        kept = {name: meta[name] for name in meta if name.startswith("_")}
        return RedshiftEstimate(
            name=info.name,
            z=u.Quantity(best.z),
            z_err=u.Quantity(best.z_err),
            z_lo=u.Quantity(interval[0]),
            z_hi=u.Quantity(interval[1]),
            spectype=best.spectype,
            class_probability=dict.fromkeys(prepared.whole.classes, 0.0) | posterior.class_probability,
            p_best=best.probability,
            zwarn=zwarn,
            alternatives=tuple(peaks[1:count]),
            posterior=posterior,
            snr=snr,
            stellar_type=stellar_type,
            p_stellar_type=p_stellar_type,
            medium=name_medium(info),
            errors=name_errors(prepared.flags[i]),
            message=info.message,
            meta={name: value for name, value in meta.items() if name not in kept},
            **kept,
        )

    def _estimate_series(self, series, medium, resolution, progress, prior):
        """The `RedshiftEstimate` of one object by several spectra."""
        count = _check_count(self.n_best)
        batch = series.to_batch(medium=medium, resolution=resolution)
        prepared = prepare(self, batch, medium=None, resolution=None, prior=prior)
        call = self._word_call("estimate", medium=medium, resolution=resolution)
        meta = self._make_meta(prepared, call, self.prior if prior is None else prior)
        meta |= describe_input(prepared.batch.info[0]) | {"epochs": len(series)}
        usable, prior, coadd = find_usable(prepared.batch), prepared.prior, None
        if len(usable) > 1 and have_mean(prepared.batch, usable):
            coadd = len(batch)
            prepared = prepared.extend(*add_exposures(prepared.batch, usable))
        # a prior counts once, not once for each spectrum
        flat = replace(prepared, prior=PriorFactors(None, prepared.grid, len(prepared.batch)))

        def solve(prepared, i, posterior, *rest):
            *_, sharp = find_solutions(posterior, prepared.calibration, prepared.batch, i, 1)
            return (posterior, *rest), sharp.left

        found, flat = measure_all(flat, solve, progress)
        prepared, whole = replace(flat, prior=prior), found.pop(coadd, None)
        prepared.contained.warn()
        if not found:
            msg = f"obj must hold a spectrum that can be measured; the first cannot: {prepared.contained.messages[0]}"
            raise ValueError(msg)
        joint, place, types, flags = join_posteriors(prepared, found)
        # spectra that are of unlike objects have no mean
        added = whole is not None and not flags
        if added:
            place, joint, types = coadd, whole[0], whole[2]
        if not prior.is_flat:
            joint = joint.apply_factors(prior.take(0))
        solved = solve_spectrum(prepared, place, joint, joint.information, types, count)
        peaks = solved.peaks
        if not added:
            peaks = sharpen_series(peaks, prepared.calibration, prepared, found, joint.find_peaks(1)[0])
        solved = solved._replace(peaks=peaks, zwarn=solved.zwarn | flags)
        return self._make_result(prepared, place, joint, types, solved, count, meta | {"measured": len(found)})

    def _make_meta(self, prepared, call, prior):
        """Provenance of the result: plain numbers and text, as it goes into headers."""
        kind = "flat" if prior is None else "classes" if hasattr(prior, "keys") else "redshifts"
        kind = "classes and redshifts" if isinstance(prior, JointPrior) else kind
        limits = (f"{name} {low:.4g} {high:.4g}" for name, (low, high) in prepared.grid.limits.items())
        return make_provenance(prepared.runner.loaded, call) | {
            "estimator": type(self).__name__,
            "searched": ", ".join(limits),
            "prior": kind,
        }


def _check_count(n_best):
    """The number of solutions, if it is one."""
    msg = f"n_best must be an integer of 2 or more, the best solution included; got {n_best!r}"
    try:
        count = operator.index(n_best)
    except TypeError as error:
        raise TypeError(msg) from error
    if count < 2:
        raise ValueError(msg)
    return count


def solve_spectrum(prepared, i, posterior, information, types, count):
    """The `Solved` of one spectrum of a batch."""
    batch, grid = prepared.batch, prepared.grid
    facts = measure_facts(batch, i)
    red_end = find_red_end(batch.wavelength[batch.grid(i)], batch.ivar[batch.pixels(i)])
    peaks, raw, sharp = find_solutions(
        posterior, prepared.calibration, batch, i, max(count, COMPARED), facts=facts, red_end=red_end
    )
    interval = move_interval(posterior.find_interval(LEVEL, around=raw[0].z), raw[0], peaks[0], grid.step)
    peaks, interval = widen_solutions(peaks, interval, measure_medium_error(batch, i))
    calibration = prepared.calibration
    shown = describe_kind(sharp, batch, i, calibration.rules, types=types, spectype=peaks[0].spectype, snr=facts[0])
    flags = find_flags(
        posterior, raw[:COMPARED], information, calibration, sharp.evidence, red_end=red_end, snr=shown.snr, shown=shown
    )  # fmt: skip
    require_finite("redshift", peaks[0].z, peaks[0].z_err, peaks[0].probability, interval, shown.snr)
    trained = prepared.runner.loaded.wavelength_range
    zwarn = conclude_flags(convert_flags(prepared.flags[i]), flags, calibration.rules, batch, i, trained)
    if not zwarn and has_foreign_lines(sharp, peaks[0].spectype):
        zwarn |= RedshiftFlag.UNLIKE_CLASS
    if not zwarn and peaks[0].spectype == STAR and is_integrated_light(*take_spectrum(batch, i), sharp.ln1pz):
        zwarn |= RedshiftFlag.UNLIKE_CLASS
    rule = find_transient_rule(prepared.runner)
    # nothing to add where an answer is not relied on
    if rule is not None and not zwarn and not rule.is_certain(raw[0].spectype, shown.evidence):
        around = sum_around(posterior, raw[0], calibration.rules)
        if judge_transient(rule, take_spectrum(batch, i), raw[0], information, shown, around) > rule.flagged:
            zwarn |= RedshiftFlag.TRANSIENT_LIKE
    return Solved(peaks, interval, zwarn, shown.snr, sharp.left)
