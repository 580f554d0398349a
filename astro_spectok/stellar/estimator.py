# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarParameterEstimator`: temperature, gravity, abundances and radial velocity of stars from any instrument."""

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
from astro_spectok.redshift.measure import prepare
from astro_spectok.spectra import SpectrumSeries
from astro_spectok.stellar.columns import STELLAR_COLUMNS, VELOCITY_COLUMNS
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.stellar.from_tokens import prepare_tokens
from astro_spectok.stellar.measure import find_labels, find_stars, find_stellar_head, name_type
from astro_spectok.stellar.result import StellarDistributions, StellarEstimate, check_count, make_distributions
from astro_spectok.stellar.series import find_variability, make_velocity_rows
from astro_spectok.tokens.shown_spectra import is_tokens
from astro_spectok.utils.host import own_state
from astro_spectok.weights.checks import naming

__all__ = ["StellarParameterEstimator"]

#: of the zero point of wavelengths from epoch to epoch: repeat visits of LAMOST, at low resolution
STABILITY = 3.5 * u.km / u.s


class StellarParameterEstimator(Estimator):
    """Parameters of stars: temperature, gravity, [Fe/H], [alpha/Fe], radial velocity and broadening, with errors.

    Spectral axes in any unit, direction and medium, and flux in any unit, with or without uncertainties, calibrated or
    not, as for `~astro_spectok.tokenize`: results do not depend on the units, nor on the values in masked, non-finite
    or zero-weight pixels. The radial velocity is that of `RedshiftEstimator` for a star, refined once more by sharp
    lines of the H band, and the parameters are read in the frame of the star. Parameters of the estimator are stored as
    they are and checked when `estimate` uses them.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Largest number of tokens in the network at once. Default: ``conf.batch_tokens``, but at most 6144 on a CPU.
    assume_star : bool
        All spectra are known to be of stars. Otherwise, spectra that are more probably of something else get no
        parameters. Types for which no parameters were trained get none in either case.

    See Also
    --------
    astro_spectok.stellar.StellarFlag : the bits of ``warn``.

    References
    ----------
    Cenarro et al. 2007, MNRAS 374, 664, for the scale of the labels (that of the MILES library).

    Examples
    --------
    Made-up stars, whose radial velocities are known:

    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.estimators import StellarParameterEstimator
    >>> from astro_spectok.simulate.export import simulate_spectra
    >>> spectra = simulate_spectra(3, seed=6, families=["stars"], instruments=["sdss"], snr=(50, 50))
    >>> table = StellarParameterEstimator(device="cpu").estimate(spectra)
    >>> table.colnames[1:5], table["logg"].unit
    (['teff', 'teff_err', 'logg', 'logg_err'], Unit("dex(cm / s2)"))
    >>> truth = u.Quantity([spectrum.meta["rv"] for spectrum in spectra])
    >>> bool((abs(table["rv"] - truth) < 100 * u.km / u.s).all())
    True
    """

    def __init__(
        self,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
        *,
        assume_star: bool = False,
    ) -> None:
        self.weights = weights
        self.device = device
        self.batch_tokens = batch_tokens
        self.assume_star = assume_star

    @own_state
    def estimate(
        self, obj: Any, *, medium: str | None = None, resolution: Any = None, progress: bool | None = None
    ) -> StellarEstimate | QTable:
        """Estimate the parameters of one or many stars.

        Parameters
        ----------
        obj : `~specutils.Spectrum`, `~specutils.SpectrumCollection`, `~specutils.SpectrumList`, list or tuple
            One spectrum, several on one axis, or a list of spectra of any lengths; or plain arrays with units as a
            tuple ``(spectral_axis, flux)`` or ``(spectral_axis, flux, uncertainty)``; or tokens, of one spectrum or of
            several, that the same weights made.
        medium : {'vacuum', 'air'}, optional
            Medium of the wavelengths. Default: that of WCS or header, else of atmospheric lines, else vacuum.
        resolution : float, array_like or `~astropy.units.Quantity`, optional
            Resolving power R, one value or one per pixel, or a FWHM with a unit. Default: from the metadata.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Returns
        -------
        `~astro_spectok.stellar.StellarEstimate` or `~astropy.table.QTable`
            The former for one spectrum. The latter for several: one row each, in their order; of a cube, columns are
            maps (y, x), for `~astro_spectok.plotting.plot_map`. Columns are the attributes of the former:
            ``name``; ``teff``, ``logg``, ``fe_h``, ``alpha_fe``, ``rv``, ``vbroad``, each
            followed by its standard deviation (``teff_err`` ...); the probability of a star ``p_star``; the coarse type
            ``stellar_type`` and its probability ``p_stellar_type``; ``snr``; ``warn`` (bits of
            `~astro_spectok.stellar.StellarFlag`); ``medium``; ``errors``; and ``message``, which says why a spectrum
            could not be measured. What could not be measured is NaN and flagged. The metadata name the weights, their
            sha256, the versions of the packages, the date (UTC) and the call.

        Raises
        ------
        TypeError
            ``obj`` is no spectrum, or a parameter has another form than it may.
        `~astropy.units.UnitsError`
            The axis of a single spectrum cannot be converted.
        ValueError
            A single spectrum has too few good pixels, or too many pixels; tokens are of other weights, or of a file of
            an earlier version, or given with ``medium`` or ``resolution``, which they know.
        `~astro_spectok.exceptions.WeightsError`
            The weights give no stellar parameters or no redshifts of stars.

        Warns
        -----
        WavelengthRangeWarning
            More than 2 per cent of the good pixels lie outside the wavelengths that the weights were trained on.
        FlaggedSpectraWarning
            Some of several spectra cannot be used.
        """
        call = self._word_call("estimate", medium=medium, resolution=resolution)
        prepared = self._prepare(obj, medium, resolution)
        stars, labels, warn, meta, prepared = self._measure(prepared, call, progress)
        if prepared.single:
            return _make_estimate(prepared, 0, stars[0], labels[0], warn[0], meta)
        arrays = make_arrays(STELLAR_COLUMNS, len(labels))
        for i, found in enumerate(labels):
            info = prepared.batch.info[i]
            row = {
                "name": info.name, "message": prepared.contained.messages[i], "warn": int(warn[i]),
                "medium": name_medium(info), "errors": name_errors(prepared.flags[i]),
            }  # fmt: skip
            if found is not None:
                row = _make_estimate(prepared, i, stars[i], found, warn[i], meta).list_values()
            fill_row(arrays, i, row)
        return lay_out(make_table(STELLAR_COLUMNS, arrays, meta), prepared.batch.layout)

    @own_state
    def estimate_velocities(
        self,
        series: SpectrumSeries,
        *,
        stability: u.Quantity = STABILITY,
        medium: str | None = None,
        resolution: Any = None,
        progress: bool | None = None,
    ) -> QTable:
        """Estimate the velocities of one star at several times, and whether they vary.

        Each spectrum is compared with the mean of the others, so that what templates lack cancels: velocities relative
        to each other are better than they are by themselves.

        Parameters
        ----------
        series : `~astro_spectok.spectra.SpectrumSeries`
            Of one star; it is taken for one however little it looks so.
        stability : `~astropy.units.Quantity`, optional
            Standard deviation of the zero point of the wavelengths from one epoch to the next, as a speed.
        medium, resolution, progress
            As for `estimate`.

        Returns
        -------
        `~astropy.table.QTable`
            A row for each epoch, by time: ``time`` (MJD in days, NaN where unknown), ``rv``, ``rv_err`` (with the
            stability, without what is common to all), ``snr``, ``p_star``, ``message``. The metadata hold
            ``rv_mean`` and ``rv_mean_err`` in km/s, ``chi2`` of a constant velocity, ``dof``, ``p_constant`` and
            ``p_variable``, the probability that it varies by 2 to 200 km/s, besides the provenance.

        Raises
        ------
        TypeError
            ``series`` is no `~astro_spectok.spectra.SpectrumSeries`.
        `~astropy.units.UnitsError`
            ``stability`` is no speed.
        `~astro_spectok.exceptions.WeightsError`
            As for `estimate`.
        """
        if not isinstance(series, SpectrumSeries):
            msg = f"series must be a SpectrumSeries; got {type(series).__name__}; write SpectrumSeries(spectra), say"
            raise TypeError(msg)
        floor = float(u.Quantity(stability).to_value(u.km / u.s))
        call = self._word_call("estimate_velocities", stability=stability, medium=medium, resolution=resolution)
        prepared = self._prepare(series.to_batch(medium=medium, resolution=resolution), None, None)
        name = find_stellar_head(prepared.runner)
        training = StellarTraining.from_head(prepared.runner.network.heads[name])
        stars, prepared = find_stars(prepared, training, True, progress)
        prepared.contained.warn()
        rows = make_velocity_rows(prepared.batch, stars, floor)
        arrays = make_arrays(VELOCITY_COLUMNS, len(series)) | rows
        arrays["message"] = np.array(prepared.contained.messages, dtype=object)
        # velocities assume a star: those of all else are nothing to rely on
        arrays["message"][rows["p_star"] < 0.5] = "more probably no star"
        if series.times is not None:
            arrays["time"] = series.times.mjd
        meta = make_provenance(prepared.runner.loaded, call) | {"estimator": type(self).__name__}
        varied = find_variability(arrays["rv"], arrays["rv_err"])._asdict()
        varied = {"rv_mean": varied.pop("mean"), "rv_mean_err": varied.pop("mean_err")} | varied
        return make_table(VELOCITY_COLUMNS, arrays, meta | varied)

    @own_state
    def sample(
        self,
        obj: Any,
        *,
        n_samples: int = 1000,
        seed: int = 0,
        medium: str | None = None,
        resolution: Any = None,
        progress: bool | None = None,
    ) -> StellarDistributions:
        """Estimate the parameters of one or many stars as distributions of joint samples.

        Parameters
        ----------
        obj, medium, resolution, progress
            As for `estimate`, whose errors and warnings are raised here too.
        n_samples : int, optional
            Samples of each star.
        seed : int, optional
            The same seed gives the same samples.

        Returns
        -------
        `~astro_spectok.stellar.StellarDistributions`
            Of one star, or with one entry for each of many, in their order or in the shape of a cube.

        Raises
        ------
        TypeError, ValueError
            ``n_samples`` is no positive integer, or ``seed`` none of 0 or more.
        """
        check_count("n_samples", n_samples, 1), check_count("seed", seed, 0)
        call = self._word_call("sample", n_samples=n_samples, seed=seed, medium=medium, resolution=resolution)
        prepared = self._prepare(obj, medium, resolution)
        _, labels, warn, meta, _ = self._measure(prepared, call, progress)
        if prepared.single:
            return make_distributions(labels[0], warn[0], meta, n_samples=n_samples, seed=seed)
        warn = np.array([int(flags) for flags in warn], np.int64)
        layout = prepared.batch.layout
        shape = None if layout is None else layout.shape
        return make_distributions(labels, warn, meta, n_samples=n_samples, seed=seed, shape=shape)

    def _prepare(self, obj, medium, resolution):
        """Spectra and weights, checked."""
        redshifts = RedshiftEstimator(self.weights, self.device, self.batch_tokens)
        if is_tokens(obj):
            return prepare_tokens(redshifts, obj, medium, resolution)
        prepared = prepare(redshifts, obj, medium=medium, resolution=resolution)
        find_stellar_head(prepared.runner)
        return prepared

    def _measure(self, prepared, call, progress):
        """Stars by place, labels and flags of each spectrum, provenance, and the spectra with their errors mended."""
        name = find_stellar_head(prepared.runner)
        with naming(f"rules of the head {name}", prepared.runner.loaded):
            training = StellarTraining.from_head(prepared.runner.network.heads[name])
        stars, prepared = find_stars(prepared, training, self.assume_star, progress)
        labels, warn = find_labels(prepared, name, training, stars, progress)
        meta = make_provenance(prepared.runner.loaded, call) | {
            "estimator": type(self).__name__,
            "assume_star": bool(self.assume_star),
        }
        if prepared.single:
            meta |= describe_input(prepared.batch.info[0])
        return stars, labels, warn, meta, prepared


def _make_estimate(prepared, i, star, labels, warn, meta):
    """The `StellarEstimate` of one usable spectrum of a batch."""
    info, alone = prepared.batch.info[i], {}
    if prepared.single:
        head = prepared.runner.network.heads[find_stellar_head(prepared.runner)]
        hull = StellarTraining.from_head(head).hull
        alone = {"_labels": labels, "_hull": hull, "_batch": prepared.batch}
    stellar_type, p_stellar_type = name_type(star)
    return StellarEstimate(
        **labels.quantities(),
        covariance=labels.parameter_covariance(),
        p_star=star.p_star,
        stellar_type=stellar_type,
        p_stellar_type=p_stellar_type,
        snr=star.snr,
        warn=warn,
        name=info.name,
        medium=name_medium(info),
        errors=name_errors(prepared.flags[i]),
        message=info.message,
        meta=meta,
        **alone,
    )
