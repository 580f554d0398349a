# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarEstimate`: the parameters of one star with their errors and covariance, or as distributions."""

import operator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.interface.columns import list_row, make_row
from astro_spectok.redshift.result import sketch_spectrum
from astro_spectok.spectra import SpectrumBatch
from astro_spectok.stellar.columns import STELLAR_COLUMNS
from astro_spectok.stellar.hull import StellarHull
from astro_spectok.stellar.labels import PARAMETERS, StellarLabels, make_quantity
from astro_spectok.stellar.warn import StellarFlag
from astro_spectok.utils.digits import count_decimals, format_with_error
from astro_spectok.utils.html import make_html_table, make_sparkline

__all__ = ["StellarDistributions", "StellarEstimate", "check_count", "make_distributions"]


class StellarDistributions(NamedTuple):
    """Parameters of one or many stars as distributions of `astropy.uncertainty`; sample k of all belongs together.

    They can be copied and pickled; the same seed gives the same samples again.

    Attributes
    ----------
    teff, logg, fe_h, alpha_fe, rv, vbroad : `~astropy.uncertainty.Distribution`
        Of one star or, for many, with the shape (n,), in the units of `StellarEstimate`; NaN where a parameter is not
        known.
    warn : `StellarFlag` or ndarray of int64, shape (n,)
        What may be wrong.
    meta : dict
        As of the estimate or the table.

    Examples
    --------
    What is computed of several parameters has the right error, as their samples belong together:

    >>> from astro_spectok.estimators import StellarParameterEstimator
    >>> from astro_spectok.simulate.export import simulate_spectra
    >>> spectrum = simulate_spectra(1, seed=6, families=["stars"], instruments=["sdss"], snr=(50, 50))[0]
    >>> star = StellarParameterEstimator(device="cpu").sample(spectrum, n_samples=500)
    >>> star.rv.n_samples, star.rv.unit
    (500, Unit("km / s"))
    >>> ratio = star.logg.physical / star.teff**4  # goes as mass over luminosity
    >>> ratio.shape, ratio.n_samples
    ((), 500)
    """

    teff: Any
    logg: Any
    fe_h: Any
    alpha_fe: Any
    rv: Any
    vbroad: Any
    warn: Any
    meta: dict

    def __reduce__(self) -> tuple[Any, ...]:
        # Astropy's distributions do not pickle: their samples do
        samples = {name: np.asarray(getattr(self, name).distribution.value) for name in PARAMETERS}
        return _join_samples, (samples, self.warn, self.meta)

    def plot(self, axes: Any = None) -> np.ndarray:
        """Plot histograms of the parameters of one star, or many stars in the Kiel diagram.

        Parameters
        ----------
        axes : `~matplotlib.axes.Axes` or sequence of these, optional
            One for each parameter that is known, or one for the Kiel diagram; a new figure by default.

        Returns
        -------
        ndarray of `~matplotlib.axes.Axes`
        """
        from astro_spectok.plotting.stellar import plot_distributions

        return plot_distributions(self, axes)

    def _repr_html_(self):
        if self.teff.shape:
            facts = [("stars", str(self.teff.size)), ("parameters", ", ".join(PARAMETERS))]
            return make_html_table("StellarDistributions", [*facts, ("samples", str(self.teff.n_samples))])
        facts, pictures = [], []
        for name, (unit, _) in PARAMETERS.items():
            samples = getattr(self, name).distribution.value
            if not np.isfinite(samples).all():
                facts.append((name, "not measured"))
                continue
            low, middle, high = np.percentile(samples, [16, 50, 84])
            digits = count_decimals((high - low) / 2)
            facts.append((name, f"{middle:.{digits}f} (68 %: {low:.{digits}f} to {high:.{digits}f}) {unit}"))
            count, edges = np.histogram(samples, bins=40)
            curve = make_sparkline(edges[1:], count, label=f"samples of {name}", marks=[middle])
            pictures.append((f"{name}, samples", curve))
        facts.append(("samples", str(self.teff.n_samples)))
        return make_html_table("StellarDistributions", facts, pictures)

    def __repr__(self):
        # thousands of samples are not worth printing
        stars = f"{self.teff.size} stars" if self.teff.shape else "one star"
        return f"<StellarDistributions of {stars}: {', '.join(PARAMETERS)}; {self.teff.n_samples} samples>"


def check_count(name, value, least):
    """An integer that is not below ``least``, if it is one."""
    msg = f"{name} must be an integer of {least} or more; got {value!r}"
    try:
        count = operator.index(value)
    except TypeError as error:
        raise TypeError(msg) from error
    if count < least:
        raise ValueError(msg)
    return count


def _join_samples(samples, warn, meta):
    """Arrays of samples, in the units of the parameters, as `StellarDistributions`."""
    from astropy.uncertainty import Distribution

    made = {name: Distribution(make_quantity(name, values)) for name, values in samples.items()}
    return StellarDistributions(**made, warn=warn, meta=meta)


def make_distributions(labels, warn, meta, *, n_samples, seed, shape=None):
    """Labels as `StellarDistributions`.

    Parameters
    ----------
    labels : `~astro_spectok.stellar.labels.StellarLabels` or list of these or None
        One, or one for each of many stars, None for those that were not measured.
    warn, meta
        As they are to be in the result.
    n_samples : int
    seed : int
        With the place of each star among the others: their samples are independent.
    shape : tuple of int, optional
        Of the cube that many are of.

    Returns
    -------
    StellarDistributions

    Raises
    ------
    TypeError, ValueError
        ``n_samples`` is no positive integer, or ``seed`` none of 0 or more.
    """
    n_samples, seed = check_count("n_samples", n_samples, 1), check_count("seed", seed, 0)
    single = isinstance(labels, StellarLabels)
    samples = {name: np.full((1 if single else len(labels), n_samples), np.nan) for name in PARAMETERS}
    for i, one in enumerate([labels] if single else labels):
        if one is not None:
            for name, drawn in one.sample(n_samples, np.random.default_rng([seed, i])).items():
                samples[name][i] = drawn
    if shape is not None:
        samples = {name: x.reshape(*shape, n_samples) for name, x in samples.items()}
        warn = np.reshape(warn, shape)
    return _join_samples({name: x[0] if single else x for name, x in samples.items()}, warn, meta)


@dataclass(frozen=True, eq=False, repr=False)
class StellarEstimate:
    """The parameters of one star, made by `~astro_spectok.estimators.StellarParameterEstimator`.

    Its attributes are the columns of a table of many, and `to_table` makes a row of it. What could not be measured is
    NaN. Instances can be copied and pickled.

    Attributes
    ----------
    name : str
        Of the spectrum, where it has one.
    teff, teff_err : `~astropy.units.Quantity`
        Effective temperature in K and its standard deviation.
    logg : `~astropy.units.Dex`
        Decimal logarithm of the surface gravity, in dex(cm / s2).
    logg_err : `~astropy.units.Quantity`
        In dex.
    fe_h, fe_h_err : `~astropy.units.Quantity`
        [Fe/H] in dex.
    alpha_fe, alpha_fe_err : `~astropy.units.Quantity`
        [alpha/Fe] in dex; NaN where the spectrum does not constrain it, and outside the H band, the only range it was
        learnt from.
    rv, rv_err : `~astropy.units.Quantity`
        Radial velocity in km/s, as observed: no heliocentric correction is applied.
    vbroad, vbroad_err : `~astropy.units.Quantity`
        Broadening by rotation and turbulence in km/s; NaN where the resolution does not constrain it.
    labels : tuple of str
        Names of the parameters in the order of ``covariance``.
    covariance : ndarray, shape (6, 6)
        In the units of the parameters (K, dex, dex, dex, km/s, km/s); NaN for those that are not known.
    p_star : float
        Probability that it is a star at all.
    stellar_type : str
        Coarse type: O, B, A, F, G, K, M, L, T, WD (white dwarf), CV (cataclysmic variable) or C (carbon star); '' for
        other classes, and for weights without a type head.
    p_stellar_type : float
        Its probability, if it is a star; NaN where there is none.
    snr : float
        Median signal-to-noise ratio of the good pixels.
    warn : `StellarFlag`
        What may be wrong; 0 are parameters to be relied on within their errors.
    medium : str
        What wavelengths were given in, 'vacuum' or 'air'; 'unknown' where it is not stated: vacuum was assumed,
        and ``rv_err`` includes the possible shift.
    errors : str
        The errors of the flux that were used: 'stated'; 'raised' where the scatter shows that they are too small;
        'estimated' from the scatter where there are none, or far too large ones.
    message : str
        Why it could not be measured; '' here, as a single spectrum that cannot be raises an error.
    meta : dict
        Names the weights (``weights``, ``weights_sha256``), versions, date (UTC) and call, and the medium of the
        wavelengths with where that was learnt (``medium``, ``medium_source``).

    Examples
    --------
    >>> from astropy import units as u
    >>> from astro_spectok.estimators import StellarParameterEstimator
    >>> from astro_spectok.simulate.export import simulate_spectra
    >>> spectrum = simulate_spectra(1, seed=6, families=["stars"], instruments=["sdss"], snr=(50, 50))[0]
    >>> estimate = StellarParameterEstimator(device="cpu").estimate(spectrum)
    >>> bool(abs(estimate.rv - spectrum.meta["rv"]) < 100 * u.km / u.s)
    True
    >>> estimate.logg.unit, estimate.logg.physical.unit
    (Unit("dex(cm / s2)"), Unit("cm / s2"))
    >>> k = estimate.labels.index("rv")
    >>> bool(abs(estimate.covariance[k, k] ** 0.5 * u.km / u.s - estimate.rv_err) < 0.01 * u.km / u.s)
    True
    """

    teff: u.Quantity
    teff_err: u.Quantity
    logg: u.Quantity
    logg_err: u.Quantity
    fe_h: u.Quantity
    fe_h_err: u.Quantity
    alpha_fe: u.Quantity
    alpha_fe_err: u.Quantity
    rv: u.Quantity
    rv_err: u.Quantity
    vbroad: u.Quantity
    vbroad_err: u.Quantity
    covariance: np.ndarray
    p_star: float
    stellar_type: str
    p_stellar_type: float
    snr: float
    warn: StellarFlag
    name: str = ""
    medium: str = "unknown"
    errors: str = "stated"
    message: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    # the Gaussian that the parameters are from; for pictures, the trained hull and the spectrum as it was measured
    _labels: StellarLabels | None = None
    _hull: StellarHull | None = None
    _batch: SpectrumBatch | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the parameters in the order of ``covariance``."""
        return tuple(PARAMETERS)

    def list_values(self) -> dict[str, Any]:
        """The numbers and texts of its row in a table, in the units that the table has.

        Returns
        -------
        dict of str to float, int or str
            By the name of the column.
        """
        return list_row(self, STELLAR_COLUMNS)

    def to_table(self) -> QTable:
        """A table of one row, as `~astro_spectok.estimators.StellarParameterEstimator` makes it of a list.

        Returns
        -------
        `~astropy.table.QTable`
        """
        return make_row(STELLAR_COLUMNS, self.list_values(), self.meta)

    def sample(self, n_samples: int = 1000, *, seed: int = 0) -> StellarDistributions:
        """The parameters as distributions of joint samples.

        Parameters
        ----------
        n_samples : int, optional
            How many.
        seed : int, optional
            The same seed gives the same samples.

        Returns
        -------
        StellarDistributions

        Raises
        ------
        TypeError, ValueError
            ``n_samples`` is no positive integer, or ``seed`` none of 0 or more.
        """
        return make_distributions(self._labels, self.warn, self.meta, n_samples=n_samples, seed=seed)

    def plot(self, axes: Any = None) -> np.ndarray:
        """Plot the spectrum at rest with the names of strong lines, and beside it the place in the Kiel diagram.

        The ellipses hold 39 and 86 per cent of the probability (one and two standard deviations); the outline is that
        of the stars that were trained on.

        Parameters
        ----------
        axes : sequence of two `~matplotlib.axes.Axes`, optional
            For the spectrum and for the Kiel diagram; a new figure by default.

        Returns
        -------
        ndarray of `~matplotlib.axes.Axes`
        """
        from astro_spectok.plotting.stellar import plot_stellar

        return plot_stellar(self, self._batch, self._hull, axes)

    def _facts(self):
        """Entries of the representations, as (name, text)."""
        facts = [("name", self.name)] if self.name else []
        for name, (unit, _) in PARAMETERS.items():
            value, error = getattr(self, name).value, getattr(self, f"{name}_err").value
            facts.append((name, f"{format_with_error(value, error)} {unit}" if np.isfinite(value) else "not measured"))
        return [
            *facts,
            ("star", f"{self.p_star:.3f}"),
            *([("type", f"{self.stellar_type} ({self.p_stellar_type:.3f})")] if self.stellar_type else []),
            ("warn", " | ".join(flag.name for flag in self.warn) or "0"),
            ("S/N", f"{self.snr:.1f}"),
        ]

    def __repr__(self):
        return f"<StellarEstimate: {'; '.join(f'{name} {text}' for name, text in self._facts())}>"

    def _repr_html_(self):
        pictures = [] if self._batch is None else [("spectrum", sketch_spectrum(self._batch))]
        return make_html_table("StellarEstimate", self._facts(), pictures)
