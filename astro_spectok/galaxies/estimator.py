# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`GalaxyPropertyEstimator`: stellar populations, dispersion, lines and 4000 Angstrom break of galaxies."""

from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.galaxies.columns import PROPERTIES, list_galaxy_columns
from astro_spectok.galaxies.lines import LINES
from astro_spectok.galaxies.measure import combine_flags, find_galaxies, find_galaxy_head, find_properties
from astro_spectok.galaxies.result import GalaxyEstimate
from astro_spectok.galaxies.training import GalaxyTraining
from astro_spectok.galaxies.warn import GalaxyFlag
from astro_spectok.interface.columns import fill_row, lay_out, make_arrays, make_table
from astro_spectok.interface.estimator import Estimator
from astro_spectok.interface.inputs import describe_input, name_errors, name_medium
from astro_spectok.interface.provenance import make_provenance
from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.redshift.measure import prepare
from astro_spectok.spectra import find_flux_conversion
from astro_spectok.utils.host import own_state
from astro_spectok.utils.spectypes import GALAXY
from astro_spectok.weights.checks import naming

__all__ = ["GalaxyPropertyEstimator"]


class GalaxyPropertyEstimator(Estimator):
    """Properties of galaxies: light-weighted age, metallicity, attenuation, velocity dispersion, lines and D4000.

    Spectral axes in any unit, direction and medium, and flux in any unit, with or without uncertainties, as for
    `~astro_spectok.tokenize`: apart from fluxes of lines, results do not depend on the units, nor on the values in
    masked, non-finite or zero-weight pixels. The redshift is that of `RedshiftEstimator`, or one that is given.
    Parameters of the estimator are stored unchanged and checked when `estimate` uses them.

    Age, metallicity and attenuation come from a head of the weights that was trained on simulated galaxies. Everything
    else is measured directly: starlight is fitted between the emission lines, and the lines above the starlight.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Largest number of tokens in the network at once. Default: ``conf.batch_tokens``, but at most 6144 on a CPU.
    assume_galaxy : bool
        All spectra are known to be of galaxies. Otherwise, spectra that are more probably of something else get no
        properties.

    See Also
    --------
    astro_spectok.galaxies.GalaxyFlag : the bits of ``warn``.

    References
    ----------
    Vazdekis et al. 2016, MNRAS 463, 3409, for the populations that ages and metallicities are of.

    Examples
    --------
    Made-up galaxies, seen as SDSS might see them:

    >>> from astro_spectok.estimators import GalaxyPropertyEstimator
    >>> from astro_spectok.simulate.export import simulate_spectra
    >>> spectra = simulate_spectra(2, seed=3, families=["galaxies"], instruments=["sdss"], snr=(30, 30))
    >>> estimator = GalaxyPropertyEstimator(device="cpu", assume_galaxy=True)
    >>> table = estimator.estimate(spectra)
    >>> print(len(table), table["sigma_v"].unit, table["age"].unit)
    2 km / s Gyr
    """

    def __init__(
        self,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
        *,
        assume_galaxy: bool = False,
    ) -> None:
        self.weights = weights
        self.device = device
        self.batch_tokens = batch_tokens
        self.assume_galaxy = assume_galaxy

    @own_state
    def estimate(
        self,
        obj: Any,
        *,
        redshift: Any = None,
        medium: str | None = None,
        resolution: Any = None,
        progress: bool | None = None,
    ) -> GalaxyEstimate | QTable:
        """Estimate the properties of one or many galaxies.

        Parameters
        ----------
        obj : `~specutils.Spectrum`, `~specutils.SpectrumCollection`, `~specutils.SpectrumList`, list or tuple
            One spectrum, several on one axis, or a list of spectra of any lengths; or plain arrays with units as a
            tuple ``(spectral_axis, flux)`` or ``(spectral_axis, flux, uncertainty)``.
        redshift : float or array_like, optional
            Redshift of all, or one for each spectrum; NaN where it is to be found. Found for all if not given.
        medium : {'vacuum', 'air'}, optional
            Medium of the wavelengths. Default: that of WCS or header, else of atmospheric lines, else vacuum.
        resolution : float, array_like or `~astropy.units.Quantity`, optional
            Resolving power R, one value or one per pixel, or a FWHM with a unit. Default: from the metadata. No
            velocity dispersion is given where it is unknown.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Returns
        -------
        `~astro_spectok.galaxies.GalaxyEstimate` or `~astropy.table.QTable`
            The former for one spectrum. The latter for several: one row each, in their order; of a cube, columns are
            maps (y, x), for `~astro_spectok.plotting.plot_map`. Columns are the attributes of the former: ``name``;
            ``z``; ``age``, ``metallicity``, ``a_v``, ``sigma_v``, ``d4000``, each followed by its standard deviation
            (``age_err`` ...); ``flux_X`` and ``ew_X`` with errors for each line X; ``p_galaxy``; ``snr``; ``warn``
            (bits of `~astro_spectok.galaxies.GalaxyFlag`); ``medium``; ``errors``; and ``message``, which says why a
            spectrum could not be measured. What could not be measured is NaN. Fluxes of lines are in the unit of the
            first spectrum. The metadata name the weights, their sha256, the versions of the packages, the date (UTC)
            and the call.

        Raises
        ------
        TypeError
            ``obj`` is no spectrum, or a parameter has another form than it may.
        `~astropy.units.UnitsError`
            The axis of a single spectrum cannot be converted.
        ValueError
            A single spectrum has too few good pixels, or too many pixels; ``redshift`` is not one for each, or not
            above -1.
        `~astro_spectok.exceptions.WeightsError`
            The weights give no properties of galaxies or no redshifts.

        Warns
        -----
        WavelengthRangeWarning
            More than 2 per cent of the good pixels lie outside the wavelengths that the weights were trained on.
        FlaggedSpectraWarning
            Some of several spectra cannot be used.
        """
        call = self._word_call("estimate", redshift=redshift, medium=medium, resolution=resolution)
        if not isinstance(self.assume_galaxy, bool | np.bool_):
            msg = f"assume_galaxy must be True or False; got {self.assume_galaxy!r}"
            raise TypeError(msg)
        classes = GALAXY if self.assume_galaxy else None
        redshifts = RedshiftEstimator(self.weights, self.device, self.batch_tokens, classes=classes)
        prepared = prepare(redshifts, obj, medium=medium, resolution=resolution)
        name = find_galaxy_head(prepared.runner)
        given = _read_redshift(redshift, len(prepared.batch))
        with naming(f"rules of the head {name}", prepared.runner.loaded):
            training = GalaxyTraining.from_head(prepared.runner.network.heads[name])
        galaxies, prepared = find_galaxies(prepared, given, training, bool(self.assume_galaxy), progress)
        found, warn = find_properties(prepared, name, training, galaxies, progress)
        meta = make_provenance(prepared.runner.loaded, call) | {
            "estimator": type(self).__name__,
            "assume_galaxy": bool(self.assume_galaxy),
        }
        if prepared.single:
            meta |= describe_input(prepared.batch.info[0])
            unit = _find_unit(prepared.batch, 0)
            return _make_estimate(prepared, 0, galaxies[0], found[0], warn[0], unit, meta)
        return self._tabulate(prepared, galaxies, found, warn, meta)

    def _tabulate(self, prepared, galaxies, found, warn, meta):
        """The table of many."""
        batch = prepared.batch
        usable = np.flatnonzero(batch.lengths > 0)
        unit = _find_unit(batch, usable[0]) if len(usable) else u.AA
        columns = list_galaxy_columns(unit)
        arrays = make_arrays(columns, len(batch))
        for i, info in enumerate(batch.info):
            row = {
                "name": info.name, "message": prepared.contained.messages[i], "warn": int(warn[i]),
                "medium": name_medium(info), "errors": name_errors(prepared.flags[i]),
            }  # fmt: skip
            if i in galaxies and i not in prepared.contained.failed:
                row = _make_estimate(prepared, i, galaxies[i], found[i], warn[i], unit, meta).list_values()
            fill_row(arrays, i, row)
        return lay_out(make_table(columns, arrays, meta), batch.layout)


def _read_redshift(redshift, n):
    """Redshifts (n,), NaN where they are to be found; None if none is given."""
    if redshift is None:
        return None
    try:
        values = u.Quantity(redshift, u.dimensionless_unscaled, dtype=float).value
    except (TypeError, ValueError, u.UnitsError) as error:
        msg = f"redshift must be a number, or one for each spectrum, without unit; got {redshift!r:.80}"
        raise TypeError(msg) from error
    if values.ndim and values.size != n:
        msg = f"redshift must be one number, or one for each of the {n} spectra; got the shape {values.shape}"
        raise ValueError(msg)
    values = np.broadcast_to(values.reshape(-1) if values.ndim else values, (n,)).copy()
    if np.isinf(values).any() or (values <= -1).any():
        wrong = values[np.isinf(values) | (values <= -1)][0]
        msg = f"redshift must be finite and above -1, or NaN where it is to be found; got {wrong}"
        raise ValueError(msg)
    return values


def _find_unit(batch, i):
    """Unit of the fluxes of lines of a spectrum."""
    return find_flux_conversion(batch.info[i].flux_unit).unit * u.AA


def _make_estimate(prepared, i, galaxy, found, warn, unit, meta):
    """The `GalaxyEstimate` of one usable spectrum of a batch."""
    batch, info = prepared.batch, prepared.batch.info[i]
    values, errors, names, covariance, lines = (
        (dict.fromkeys(PROPERTIES, np.nan), dict.fromkeys(PROPERTIES, np.nan), (), np.zeros((0, 0)), None)
        if found is None else found
    )  # fmt: skip
    quantities = {}
    for name, (own, _) in PROPERTIES.items():
        quantities[name] = u.Quantity(values[name], own)
        quantities[f"{name}_err"] = u.Quantity(errors[name], own)
    try:
        factor = float(batch.scale[i]) * _find_unit(batch, i).to(unit)
    except u.UnitsError:
        factor = np.nan
        warn = combine_flags(warn, GalaxyFlag.OTHER_FLUX_UNIT)
    table = {}
    for k, name in enumerate(LINES):
        four = [np.nan] * 4
        if lines is not None:
            flux, error = lines.flux[k] * factor, lines.flux_err[k] * factor
            four = [flux, error, lines.width[k], lines.width_err[k]]
        for more, value, own in zip(("flux_{}", "flux_{}_err", "ew_{}", "ew_{}_err"), four,
                                    (unit, unit, u.AA, u.AA), strict=True):  # fmt: skip
            table[more.format(name)] = u.Quantity(float(value), own)
    return GalaxyEstimate(
        z=u.Quantity(galaxy.z),
        z_err=u.Quantity(galaxy.z_err),
        **quantities,
        lines=table,
        labels=names,
        covariance=covariance,
        p_galaxy=galaxy.p_galaxy,
        snr=galaxy.snr,
        warn=warn,
        name=info.name,
        medium=name_medium(info),
        errors=name_errors(prepared.flags[i]),
        message=info.message,
        meta=meta,
        _batch=batch if prepared.single else None,
    )
