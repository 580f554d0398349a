# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of stellar parameters: the spectrum at rest with its lines, and the Kiel diagram."""

from typing import Any

import numpy as np

from astro_spectok.plotting.lines import list_lines
from astro_spectok.plotting.spectra import mark_lines
from astro_spectok.plotting.style import DATA, MODEL, QUIET, make_axes, set_flux_limits, set_unit, show_unit
from astro_spectok.utils.spectypes import STAR

__all__ = ["list_stellar_lines", "plot_at_rest", "plot_distributions", "plot_kiel", "plot_stellar"]

#: upper levels of the Brackett lines in the H band, and 1 / R for hydrogen in vacuum Angstrom
BRACKETT, INVERSE_RYDBERG = range(10, 19), 911.7633
#: vacuum Angstrom (Smith et al. 2013, ApJ 765, 16)
H_BAND = {
    "MgI15753": 15753.3, "AlI16724": 16723.5, "SiI15964": 15964.4, "KI15167": 15167.2, "MgI15770": 15770.1,
    "AlI16755": 16755.1, "SiI16685": 16685.3, "MgI15745": 15745.0, "AlI16768": 16767.9,
}  # fmt: skip
#: temperatures in K that the Kiel diagram names, where the range is narrow and where it is wide
TICKS, FEW_TICKS = (3000, 3500, 4000, 5000, 6000, 7000, 8000, 10000, 12000, 15000, 20000), (4000, 6000, 10000, 20000)
#: half widths of the ellipses, in standard deviations
SIGMAS = (1.0, 2.0)


def list_stellar_lines():
    """Strong lines of stars, optical and in the H band.

    Returns
    -------
    dict of str to float
        Rest wavelength in vacuum (Angstrom) by name; the strongest diagnostics first.

    Examples
    --------
    >>> from astro_spectok.plotting.stellar import list_stellar_lines
    >>> round(list_stellar_lines()["Br11"], 1)
    16811.2
    """
    brackett = {f"Br{n}": INVERSE_RYDBERG / (1 / 16 - 1 / n**2) for n in BRACKETT}
    return list_lines(STAR) | H_BAND | brackett


def plot_stellar(estimate, batch, hull, axes=None):
    """Plot the spectrum of a star at rest with the names of its lines, and its place in the Kiel diagram.

    Parameters
    ----------
    estimate : `~astro_spectok.stellar.StellarEstimate`
    batch : `~astro_spectok.spectra.SpectrumBatch`
        Of that spectrum alone.
    hull : `~astro_spectok.stellar.hull.StellarHull`
    axes : sequence of two `~matplotlib.axes.Axes`, optional

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        ``axes`` are not two.

    Examples
    --------
    >>> from astro_spectok.estimators import StellarParameterEstimator
    >>> from astro_spectok.simulate.export import simulate_spectra
    >>> (spectrum,) = simulate_spectra(1, seed=5, families=["stars"], instruments=["sdss"], snr=(40, 60))
    >>> estimate = StellarParameterEstimator(device="cpu").estimate(spectrum)
    >>> axes = estimate.plot()  # calls plot_stellar
    >>> axes[0].get_ylabel()
    'Flux per unit wavelength, any scale'
    """
    from astropy import constants as const

    axes = make_axes(1, 2, axes=axes, size=(10, 4.2), width_ratios=(2.2, 1))
    plot_at_rest(axes[0], batch, estimate.rv.value / const.c.to_value("km/s"), list_stellar_lines())
    plot_kiel(axes[1], hull)
    if np.isfinite(estimate.teff.value):
        k = [estimate.labels.index(name) for name in ("teff", "logg")]
        covariance = estimate.covariance[np.ix_(k, k)]
        x, y = estimate.teff.value, estimate.logg.value
        for size in SIGMAS:
            axes[1].plot(*_make_ellipse(x, y, covariance, size), color=MODEL, lw=1.0)
        axes[1].plot(x, y, "o", ms=3, color=MODEL)
    shown = dict(estimate._facts())
    title = "; ".join(f"{name} {shown[name]}" for name in ("teff", "logg", "fe_h"))
    axes[0].set_title(f"{estimate.stellar_type} {title}".strip(), fontsize="medium", pad=52)
    return axes


def plot_at_rest(axes, batch, z, lines):
    """Plot a spectrum in the frame of the object, as observed if its redshift is not known, and name the lines."""
    from astropy import units as u

    good = batch.ivar[batch.pixels(0)] > 0
    x = batch.wavelength[batch.grid(0)] / (1 + np.nan_to_num(z))
    flux = np.where(good, batch.flux[batch.pixels(0)], np.nan)
    axes.plot(x, flux, color=DATA, lw=0.6, drawstyle="steps-mid")
    set_flux_limits(axes, flux)
    set_unit(axes.xaxis, u.AA)
    frame = "at rest" if np.isfinite(z) else "as observed"
    axes.set_xlabel(f"Wavelength {frame}, vacuum [$\\mathrm{{\\AA}}$]")
    axes.set_ylabel("Flux per unit wavelength, any scale")
    mark_lines(axes, lines, x[good].min(), x[good].max())


def plot_kiel(axes: Any, hull: Any = None) -> None:
    """Prepare axes for a Kiel diagram, with the outline of the stars that were trained on.

    Call it after the points are drawn: which temperatures are named depends on them.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
    hull : `~astro_spectok.stellar.hull.StellarHull`, optional
        None draws no outline.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from astro_spectok.plotting.stellar import plot_kiel
    >>> axes = Figure().subplots()
    >>> points = axes.plot([4500, 5000, 5800, 6500], [2.1, 3.0, 4.4, 4.2], "o")
    >>> plot_kiel(axes)
    >>> hot, cool = axes.get_xlim()
    >>> bool(hot > cool)
    True
    """
    if hull is not None:
        log_teff, logg = hull.outline()
        axes.plot(10**log_teff, logg, color=QUIET, lw=1.0, zorder=0)
    from astropy import units as u

    set_unit(axes.xaxis, u.K)
    axes.set_xscale("log")
    if axes.has_data():
        low, high = sorted(axes.get_xlim())
        ticks = TICKS if high < 4 * low else FEW_TICKS  # a wide range has no room for all
        axes.set_xticks([teff for teff in ticks if low <= teff <= high])
    else:  # a logarithmic axis cannot begin at 0, where empty ones do
        axes.set_xlim(FEW_TICKS[0], FEW_TICKS[-1], auto=True)
        axes.set_xticks(FEW_TICKS)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    if not axes.xaxis_inverted():
        axes.invert_xaxis()
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.set_xlabel("$T_\\mathrm{eff}$ [K]")
    axes.set_ylabel("log g [dex(cm s$^{-2}$)]")


def _make_ellipse(x, y, covariance, size):
    """Points of the ellipse that lies ``size`` standard deviations around (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 121)
    root = np.linalg.cholesky(covariance)
    return np.array([x, y])[:, None] + size * root @ np.array([np.cos(angle), np.sin(angle)])


def plot_distributions(distributions, axes=None):
    """Plot distributions of stellar parameters: histograms for one star, the Kiel diagram for many.

    Of one star, parameters that are not known are left out; of many, stars without temperature or gravity. In the Kiel
    diagram points are medians and bars hold 68 per cent of the samples.

    Parameters
    ----------
    distributions : `~astro_spectok.stellar.StellarDistributions`
    axes : `~matplotlib.axes.Axes` or sequence of these, optional
        One for each parameter that is known, or one for the Kiel diagram.

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        ``axes`` are of another number, or nothing is known of the star.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.plotting.stellar import plot_distributions
    >>> from astro_spectok.stellar.result import make_distributions
    >>> from astro_spectok.stellar.labels import StellarLabels
    >>> names = ("teff", "logg", "fe_h")
    >>> labels = StellarLabels(names, np.array([3.76, 4.4, 0.0]), np.diag([4e-5, 0.01, 0.01]), 20.0, 2.0)
    >>> axes = plot_distributions(make_distributions(labels, 0, {}, n_samples=500, seed=0))
    >>> [one.get_xlabel().split()[0] for one in axes]
    ['teff', 'logg', 'fe_h', 'rv']
    """
    if distributions.teff.shape:
        return _plot_many(distributions, axes)

    samples = {name: x.distribution.value for name, x in distributions._asdict().items() if hasattr(x, "distribution")}
    samples = {name: values for name, values in samples.items() if np.isfinite(values).all()}
    if not samples:
        msg = "distributions must hold a parameter that is known; of this star none is, see its warn"
        raise ValueError(msg)
    axes = make_axes(1, len(samples), axes=axes, size=(2.3 * len(samples), 2.6), sharey=True)
    for one, (name, values) in zip(axes, samples.items(), strict=True):
        one.hist(values, bins=30, histtype="stepfilled", color=MODEL, alpha=0.35)
        for q, line in ((16, ":"), (50, "-"), (84, ":")):
            one.axvline(np.percentile(values, q), color=MODEL, ls=line, lw=1.0)
        one.set_xlabel(f"{name}{show_unit(getattr(distributions, name).unit)}")
    axes[0].set_ylabel("Samples")
    return axes


def _plot_many(distributions, axes):
    """Medians and 68 per cent in the Kiel diagram."""
    (one,) = axes = make_axes(axes=axes, size=(5.5, 4.5))
    n = distributions.teff.n_samples
    places = {name: getattr(distributions, name).distribution.value.reshape(-1, n) for name in ("teff", "logg")}
    known = np.all([np.isfinite(values).all(axis=1) for values in places.values()], axis=0)
    (x, y) = (np.percentile(values[known], [16, 50, 84], axis=1) for values in places.values())
    one.errorbar(x[1], y[1], yerr=abs(y[[0, 2]] - y[1]), xerr=abs(x[[0, 2]] - x[1]), fmt="o", ms=4, color=MODEL,
                 ecolor=QUIET, lw=1.0)  # fmt: skip
    set_unit(one.xaxis, distributions.teff.unit)
    plot_kiel(one)
    one.set_title(f"{np.count_nonzero(known)} of {len(known)} stars", fontsize="medium")
    return axes
