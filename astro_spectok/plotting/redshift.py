# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of a redshift: the spectrum with its model and lines, and the posterior over class and redshift."""

import numpy as np

from astro_spectok.plotting.spectra import mark_lines, plot_with_model
from astro_spectok.plotting.style import list_styles, make_axes, name_spectral

__all__ = ["plot_posterior", "plot_redshift"]

#: probability of a bin below which a posterior is not drawn
LEAST_PROBABILITY = 1e-7
#: redshifts that the axis may name; its scale is even in ln(1 + z)
REDSHIFTS = (0, 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 15)
#: posteriors no wider than this, as those of stars, are drawn on a scale even in z, which matplotlib names by itself
NARROW = 0.1
#: probability from which an alternative solution is marked
LEAST_MARKED = 1e-3


def plot_posterior(posterior, axes=None, *, solutions=()):
    """Plot a posterior over class and redshift: the probability of each bin, one line for each class.

    The vertical axis is logarithmic, the horizontal one even in ln(1 + z), so that all bins are as wide.

    Parameters
    ----------
    posterior : `~astro_spectok.redshift.RedshiftPosterior`
    axes : `~matplotlib.axes.Axes`, optional
    solutions : sequence of (str, float), optional
        Class and redshift of solutions, the best first, to be marked with their rank.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        ``axes`` are several.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.plotting.redshift import plot_posterior
    >>> from astro_spectok.redshift.posterior import RedshiftPosterior
    >>> z = np.expm1(1e-3 * np.arange(1000))
    >>> scores = {"GALAXY": -0.5 * ((z - 0.5) / 0.01) ** 2, "QSO": np.full(1000, -9.0)}
    >>> axes = plot_posterior(RedshiftPosterior.from_redshifts(scores, {"GALAXY": z, "QSO": z}))
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['GALAXY 0.993', 'QSO 0.007']
    """
    (axes,) = make_axes(axes=axes, size=(9, 3))
    redshifts = posterior.redshift
    low = min(z[0] for z in redshifts.values())
    high = max(z[-1] for z in redshifts.values())
    if high - low > NARROW:
        axes.set_xscale("function", functions=(_log1p, np.expm1))
        ticks = [z for z in REDSHIFTS if low <= z <= high]
        axes.set_xticks(ticks, [f"{z:g}" for z in ticks])
        axes.minorticks_off()
    axes.set_yscale("log")
    styles = list_styles(list(posterior.probability))
    for name, p in posterior.probability.items():
        colour, line, _, _ = styles[name]
        seen = np.where(p > LEAST_PROBABILITY, p, np.nan)
        label = f"{name} {posterior.class_probability[name]:.3f}"
        axes.plot(redshifts[name], seen, color=colour, lw=1.0, ls=line, label=label)
        # a peak of one bin between bins that are not drawn has no line
        alone = np.isfinite(seen) & np.isnan(np.roll(seen, 1)) & np.isnan(np.roll(seen, -1))
        axes.plot(redshifts[name][alone], seen[alone], ".", ms=3, color=colour)
    margin = 0.02 * (np.log1p(high) - np.log1p(low))
    axes.set_xlim(*np.expm1([np.log1p(low) - margin, np.log1p(high) + margin]))
    axes.set_ylim(LEAST_PROBABILITY, 3)
    _mark_solutions(axes, solutions, styles)
    axes.set_xlabel("Redshift")
    axes.set_ylabel("Probability of a bin")
    axes.legend(loc="upper right", frameon=False, fontsize="small")
    return axes


def _log1p(z):
    """ln(1 + z), also of what is asked for beyond the axis."""
    return np.log1p(np.maximum(z, -0.999))


def _mark_solutions(axes, solutions, styles):
    """A triangle with its rank above each solution; the best one is filled."""
    place = ("data", "axes fraction")
    for rank, (name, z) in enumerate(solutions, 1):
        colour = styles[name][0]
        face = colour if rank == 1 else "none"
        axes.plot(z, 1, "v", color=colour, mfc=face, ms=7, clip_on=False, transform=axes.get_xaxis_transform())
        axes.annotate(str(rank), (z, 1), xycoords=place, xytext=(0, 5), textcoords="offset points", ha="center",
                      va="bottom", fontsize="small")  # fmt: skip


def plot_redshift(estimate, spectrum, model, axes=None):
    """Plot a spectrum with its model and the lines at its redshift, and below the posterior over class and redshift.

    Parameters
    ----------
    estimate : `~astro_spectok.redshift.RedshiftEstimate`
    spectrum : `~specutils.Spectrum`
        One spectrum, with an uncertainty; where its wavelengths are in air, ``meta['medium']`` says so.
    model : `~specutils.Spectrum`
        On the same spectral axis, in the same flux unit.
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
    >>> from astro_spectok import tokenize
    >>> from astro_spectok.estimators import RedshiftEstimator
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.plotting.redshift import plot_redshift
    >>> spectrum = read_example()
    >>> estimate = RedshiftEstimator(device="cpu").estimate(spectrum)
    >>> model = tokenize(spectrum, device="cpu").decode(spectrum.spectral_axis)
    >>> axes = plot_redshift(estimate, spectrum, model)
    >>> axes[1].get_xlabel()
    'Redshift'
    """
    axes = make_axes(2, axes=axes, size=(8.5, 5.8), height_ratios=(3, 2))
    plot_with_model(axes[0], spectrum, model)
    name_spectral(axes[:1], spectrum.spectral_axis.unit)
    _plot_lines(axes[0], spectrum, estimate)
    shown = f"z = {estimate.z.value:.5f} ± {estimate.z_err.value:.5f}"
    if np.isfinite(estimate.rv):
        shown = f"{estimate.rv.value:.1f} ± {estimate.rv_err.value:.1f} km/s"
    axes[0].set_title(f"{estimate.spectype}, {shown}, probability {estimate.p_best:.3f}", fontsize="medium", pad=52)
    solutions = [(estimate.spectype, estimate.z.value)]
    solutions += [(peak.spectype, peak.z) for peak in estimate.alternatives if peak.probability > LEAST_MARKED]
    plot_posterior(estimate.posterior, axes[1], solutions=solutions)
    return axes


def _plot_lines(axes, spectrum, estimate):
    """Mark the lines of a class at a redshift, with the names of those that have room."""
    from astro_spectok.plotting.lines import list_lines
    from astro_spectok.spectra import convert_to_air, depends_on_medium, wavelength_to_axis

    lines = list_lines(estimate.spectype)
    wavelength = np.array(list(lines.values())) * (1 + estimate.z.value)
    axis = spectrum.spectral_axis
    if spectrum.meta.get("medium") == "air" and depends_on_medium(axis.unit, axis.doppler_rest):
        wavelength = convert_to_air(wavelength)
    places = wavelength_to_axis(
        wavelength, axis.unit, doppler_rest=axis.doppler_rest, doppler_convention=axis.doppler_convention
    )
    mark_lines(axes, dict(zip(lines, places, strict=True)), axis.value.min(), axis.value.max())
