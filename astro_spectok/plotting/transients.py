# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of transients: the spectrum beside the best template, and the probabilities of types."""

import numpy as np

from astro_spectok.plotting.lines import list_lines
from astro_spectok.plotting.stellar import plot_at_rest
from astro_spectok.plotting.style import DATA, MODEL, make_axes, place_legend, set_unit

__all__ = ["plot_transient"]

#: types with a bar of their own, the most probable ones
MOST_BARS = 6


def plot_transient(estimate, batch, match=None, axes=None):
    """Plot the spectrum of a transient at rest with the best template of its type, and how probable each type is.

    Parameters
    ----------
    estimate : `~astro_spectok.transients.TransientEstimate`
    batch : `~astro_spectok.spectra.SpectrumBatch`
        Of that spectrum alone.
    match : `~astro_spectok.transients.measure.Match`, optional
        None draws the flux, with the lines of its class.
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
    >>> from astro_spectok.estimators import TransientEstimator
    >>> from astro_spectok.example import read_example
    >>> axes = TransientEstimator(device="cpu").estimate(read_example()).plot()  # calls plot_transient
    >>> axes[1].get_xlabel()
    'Probability'
    """
    axes = make_axes(1, 2, axes=axes, size=(10, 4.2), width_ratios=(2.8, 1))
    if match is None:
        plot_at_rest(axes[0], batch, float(estimate.z.value), list_lines(estimate.type))
    else:
        _plot_match(axes[0], match, estimate.type)
    shown = dict(estimate._facts())
    title = "; ".join(f"{name} {shown[name]}" for name in ("type", "z", "phase") if shown[name] != "not known")
    axes[0].set_title(title, fontsize="medium", pad=52 if match is None else 6)
    _plot_types(axes[1], estimate.type_probability)
    return axes


def _plot_match(axes, match, kind):
    """The contrast of the spectrum and that of the template."""
    from astropy import units as u

    known = np.isfinite(match.phase)
    label = f"{kind} of the library{f', {match.phase:+.0f} d' if known else ''}"
    axes.plot(match.wavelength, match.contrast, color=DATA, lw=0.7, drawstyle="steps-mid", label="spectrum")
    axes.plot(match.wavelength, match.template, color=MODEL, lw=1.2, label=label)
    set_unit(axes.xaxis, u.AA)
    axes.set_xlabel("Wavelength at rest, vacuum [$\\mathrm{\\AA}$]")
    axes.set_ylabel("Flux over its smooth continuum, less 1")
    place_legend(axes)


def _plot_types(axes, probability):
    """A bar for each of the most probable types."""
    names = sorted(probability, key=probability.get)[-MOST_BARS:]
    axes.barh(names, [probability[name] for name in names], color=MODEL)
    axes.set(xlim=(0, 1), xlabel="Probability")
