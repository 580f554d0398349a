# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`TransientEstimator`: type, phase and redshift of supernovae and other transients from any instrument."""

from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.interface.columns import fill_row, lay_out, make_arrays, make_table
from astro_spectok.interface.estimator import Estimator
from astro_spectok.interface.inputs import describe_input, name_errors, name_medium
from astro_spectok.interface.provenance import make_provenance
from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.redshift.measure import measure_all, measure_twice, prepare
from astro_spectok.spectra import SpectrumSeries
from astro_spectok.transients.columns import TRANSIENT_COLUMNS
from astro_spectok.transients.measure import choose_type, combine_flags, find_transient, find_transient_head
from astro_spectok.transients.posterior import find_group
from astro_spectok.transients.result import TransientEstimate
from astro_spectok.transients.series import join_found
from astro_spectok.transients.warn import TransientFlag
from astro_spectok.utils.host import own_state

__all__ = ["TransientEstimator"]


class TransientEstimator(Estimator):
    """Type, phase and redshift of supernovae and other transients, also when blended with their hosts.

    The continuum-normalised spectrum is compared with a library of real ones at all redshifts up to 1, together with
    components of galaxies; small networks judge the best of these redshifts. The best template, the networks and the
    result of `RedshiftEstimator` decide whether it is a transient at all. Input forms, units and bad pixels are as for
    `~astro_spectok.tokenize`. Parameters are stored unchanged and checked when `estimate` uses them.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Largest number of tokens in the network at once. Default: ``conf.batch_tokens``, but at most 6144 on a CPU.
    assume_transient : bool
        All spectra are known to be of transients, for example from their light curves: galaxies, quasars and stars
        are not considered.

    See Also
    --------
    astro_spectok.transients.TransientFlag : the bits of ``warn``.

    References
    ----------
    Blondin & Tonry 2007, ApJ 666, 1024, for types by comparison with templates at all redshifts; here in their
    components, weighted by the noise, beside galaxies.

    Examples
    --------
    >>> from astro_spectok.estimators import TransientEstimator
    >>> from astro_spectok.example import read_example
    >>> found = TransientEstimator(device="cpu").estimate(read_example())
    >>> found.type, found.warn.name
    ('GALAXY', 'NOT_A_TRANSIENT')
    """

    def __init__(
        self,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
        *,
        assume_transient: bool = False,
    ) -> None:
        self.weights = weights
        self.device = device
        self.batch_tokens = batch_tokens
        self.assume_transient = assume_transient

    @own_state
    def estimate(
        self, obj: Any, *, medium: str | None = None, resolution: Any = None, progress: bool | None = None
    ) -> TransientEstimate | QTable:
        """Estimate type, phase and redshift of one or many spectra.

        Parameters
        ----------
        obj : `~specutils.Spectrum`, `~specutils.SpectrumCollection`, `~specutils.SpectrumList`, list or tuple
            One spectrum, several on one axis, or a list of spectra of any lengths; or plain arrays with units as a
            tuple ``(spectral_axis, flux)`` or ``(spectral_axis, flux, uncertainty)``. A
            `~astro_spectok.spectra.SpectrumSeries` is one object, with one answer by all of its spectra: its phase is
            that of the first, and consistent with the dates.
        medium : {'vacuum', 'air'}, optional
            Medium of the wavelengths. Default: that of WCS or header, else of atmospheric lines, else vacuum.
        resolution : float, array_like or `~astropy.units.Quantity`, optional
            Resolving power R, one value or one per pixel, or a FWHM with a unit. Default: from the metadata.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Returns
        -------
        `~astro_spectok.transients.TransientEstimate` or `~astropy.table.QTable`
            The former for one spectrum. The latter for several: one row each, in their order; of a cube, columns are
            maps (y, x). Columns are the attributes of the former: ``name``, ``type`` and ``p_type``, ``p_group``,
            ``type_2`` and ``p_type_2``, ``phase`` and ``phase_err`` in days, ``z`` and ``z_err``, ``p_z``,
            ``p_transient``, ``p_host``, ``snr``, ``warn`` (bits of `~astro_spectok.transients.TransientFlag`),
            ``medium``, ``errors``, and ``message``, which says why a spectrum could not be measured. The metadata name
            the weights, their sha256, the versions of the packages, the date (UTC) and the call.

        Raises
        ------
        TypeError
            ``obj`` is no spectrum, or a parameter has another form than it may.
        `~astropy.units.UnitsError`
            The axis of a single spectrum cannot be converted.
        ValueError
            A single spectrum has too few good pixels, or too many pixels.
        `~astro_spectok.exceptions.WeightsError`
            The weights have no head for transients, or none for redshifts.

        Warns
        -----
        WavelengthRangeWarning
            More than 2 per cent of the good pixels lie outside the wavelengths that the weights were trained on.
        FlaggedSpectraWarning
            Some of several spectra cannot be used.
        """
        if isinstance(obj, SpectrumSeries):
            return self._estimate_series(obj, medium, resolution, progress)
        prepared, find, meta = self._prepare(obj, medium, resolution)
        arrays = make_arrays(TRANSIENT_COLUMNS, len(prepared.batch))
        arrays["name"][:] = [info.name for info in prepared.batch.info]
        arrays["medium"][:] = [name_medium(info) for info in prepared.batch.info]
        arrays["errors"][:] = [name_errors(flags) for flags in prepared.flags]
        for i, used, found in measure_twice(prepared, find, progress):
            with used.contained.member(i):
                said = describe_input(used.batch.info[0]) if used.single else {}
                estimate = _make_estimate(used, i, found, meta | said)
                if prepared.single:
                    return estimate
                fill_row(arrays, i, estimate.list_values())
        unmeasured = arrays["type"] == ""
        arrays["warn"][unmeasured] = [
            int(combine_flags(flags, TransientFlag.NONE)) for flags in prepared.flags[unmeasured]
        ]
        arrays["message"][:] = prepared.contained.messages
        prepared.contained.warn()
        return lay_out(make_table(TRANSIENT_COLUMNS, arrays, meta), prepared.batch.layout)

    def _prepare(self, obj, medium, resolution):
        """Prepared spectra, what finds the transient of one of them, and the provenance."""
        if not isinstance(self.assume_transient, bool | np.bool_):
            msg = f"assume_transient must be True or False; got {self.assume_transient!r}"
            raise TypeError(msg)
        redshifts = RedshiftEstimator(self.weights, self.device, self.batch_tokens)
        prepared = prepare(redshifts, obj, medium=medium, resolution=resolution)
        head, rule = find_transient_head(prepared.runner)
        call = self._word_call("estimate", medium=medium, resolution=resolution)
        meta = make_provenance(prepared.runner.loaded, call) | {"estimator": type(self).__name__}

        def find(prepared, i, *measured):
            return find_transient(prepared, i, measured, head, rule, assume_transient=bool(self.assume_transient))

        return prepared, find, meta

    def _estimate_series(self, series, medium, resolution, progress):
        """The `TransientEstimate` of one object by several spectra."""
        batch = series.to_batch(medium=medium, resolution=resolution)
        prepared, find, meta = self._prepare(batch, medium, resolution)
        meta |= describe_input(prepared.batch.info[0]) | {"epochs": len(series)}

        def find_both(prepared, i, *measured):
            answer, left = find(prepared, i, *measured)
            return (answer, measured[0]), left

        both, prepared = measure_all(prepared, find_both, progress)
        found, classes = ({i: pair[k] for i, pair in both.items()} for k in (0, 1))
        prepared.contained.warn()
        if not found:
            msg = f"obj must hold a spectrum that can be measured; the first cannot: {prepared.contained.messages[0]}"
            raise ValueError(msg)
        places = sorted(found)
        days = None if series.times is None else series.times.mjd[places] - series.times.mjd[places[0]]
        head, _ = find_transient_head(prepared.runner)
        joint = join_found([found[i] for i in places], [classes[i] for i in places], days, head)
        return _make_estimate(prepared, places[0], joint, meta | {"measured": len(found)})


def _make_estimate(prepared, i, found, meta):
    """The `TransientEstimate` of one spectrum of a batch."""
    info = prepared.batch.info[i]
    best, other = choose_type(found.probabilities)
    return TransientEstimate(
        type=best,
        p_type=found.probabilities[best],
        p_group=find_group(best, found.probabilities),
        type_2=other,
        p_type_2=found.probabilities[other],
        type_probability=found.probabilities,
        phase=found.phase.mean * u.day,
        phase_err=found.phase.sigma * u.day,
        z=u.Quantity(found.z),
        z_err=u.Quantity(found.z_err),
        p_z=found.p_z,
        p_transient=found.p_transient,
        p_host=found.p_host,
        snr=found.snr,
        warn=combine_flags(prepared.flags[i], found.flags),
        name=info.name,
        medium=name_medium(info),
        errors=name_errors(prepared.flags[i]),
        message=info.message,
        meta=meta,
        _posterior=found.posterior,
        _batch=prepared.batch if prepared.single else None,
        _match=found.match,
    )
