# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of what the package returns; matplotlib is imported when the first is drawn."""

import numpy as np

__all__ = ["draw_reconstruction", "draw_redshift", "draw_tokens", "mark_lines"]

#: Okabe and Ito's colours, told apart by the colour-blind and in print
DATA, MODEL, QUIET = "0.45", "#0072B2", "0.75"
#: for the classes of a posterior, in their order
CLASS_COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
#: labels of lines stand at least so far apart, as a share of the width of the axes
LABEL_DISTANCE = 0.022
#: probability of a bin below which a posterior is not drawn
LEAST_PROBABILITY = 1e-7
#: what the unit of a spectral axis measures, as Astropy calls it, and what we call it
SPECTRAL_NAMES = {
    "length": "Wavelength", "frequency": "Frequency", "energy": "Energy", "wavenumber": "Wavenumber",
    "speed": "Velocity",
}  # fmt: skip


def _new_axes(heights, size, *, sharex=True):
    """Axes above each other, by default with a common wavelength axis."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        msg = "plots need matplotlib: pip install 'astro_spectok[plot]'"
        raise ImportError(msg) from error
    _, axes = plt.subplots(
        len(heights), sharex=sharex, figsize=size, height_ratios=heights, layout="constrained", squeeze=False
    )
    return axes[:, 0]


def _latex(unit):
    """A unit for a label, nothing for none."""
    text = unit.to_string("latex_inline")
    return f" [{text}]" if text not in ("", "$\\mathrm{}$") else ""


def _label_spectral(axes, unit):
    """Name the spectral axis by what its unit measures."""
    kind = str(unit.physical_type).split("/")[0]
    axes.set_xlabel(f"{SPECTRAL_NAMES.get(kind, 'Spectral axis')}{_latex(unit)}")


def _set_flux_limits(axes, flux):
    """Show all of the flux but single wild pixels."""
    flux = flux[np.isfinite(flux)]
    if len(flux):
        low, high = np.percentile(flux, [0.2, 99.8])
        margin = 0.12 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)


def draw_tokens(tokens, axes=None):
    """Draw the spectrum that tokens decode to, and below it the tokens over wavelength.

    Parameters
    ----------
    tokens : `~astro_spectok.SpectralTokens`
    axes : sequence of two `~matplotlib.axes.Axes`, optional

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`
    """
    if not len(tokens):
        msg = f"there are no tokens to plot: {tokens.info.message or 'the spectrum could not be used'}"
        raise ValueError(msg)
    axes = _new_axes((1, 1), (8, 5)) if axes is None else np.asarray(axes)
    model = tokens.decode(tokens.own_axis())
    x = model.spectral_axis.value
    flux, sigma = model.flux.value, model.uncertainty.array
    axes[0].fill_between(x, flux - sigma, flux + sigma, color=MODEL, alpha=0.25, lw=0, label="predicted error")
    axes[0].plot(x, flux, color=MODEL, lw=0.8, label="decoded from the tokens")
    _set_flux_limits(axes[0], flux)
    axes[0].set_ylabel(f"Flux{_latex(model.flux.unit)}")
    axes[0].legend(loc="upper right", frameon=False)
    values = np.where(tokens.mask[:, None], np.nan, tokens.values)
    values = values / np.maximum(np.nanpercentile(np.abs(values), 99, axis=0), 1e-12)  # each component on its own scale
    centre = tokens.wavelength.value
    order = np.argsort(centre)
    middle = (centre[order][1:] + centre[order][:-1]) / 2
    first, last = (2 * centre[order][k] - middle[k] if len(middle) else centre[k] for k in (0, -1))
    edges = np.concatenate([[first], middle, [last]]) if len(middle) else centre[0] * np.array([0.999, 1.001])
    image = axes[1].pcolormesh(
        edges, np.arange(values.shape[1] + 1), values[order].T, cmap="RdBu_r", vmin=-1, vmax=1, rasterized=True
    )
    axes[1].set_ylabel("Token component")
    axes[1].figure.colorbar(image, ax=axes[1], label="value over its largest", pad=0.01)
    _label_spectral(axes[1], tokens.info.spectral_unit)
    return axes


def _draw_model(axes, spectrum, model):
    """Draw a spectrum and its model; return its flux, NaN in bad pixels, and its standard deviation."""
    from astropy.nddata import StdDevUncertainty

    x = spectrum.spectral_axis.value
    with np.errstate(divide="ignore"):  # bad pixels may have no weight
        sigma = spectrum.uncertainty.represent_as(StdDevUncertainty).array
    good = np.isfinite(spectrum.flux.value) & np.isfinite(sigma) & (sigma > 0)
    if spectrum.mask is not None:
        good &= ~np.asarray(spectrum.mask, bool)
    flux = np.where(good, spectrum.flux.value, np.nan)
    axes.plot(x, flux, color=DATA, lw=0.6, drawstyle="steps-mid", label="data")
    spread = model.uncertainty.array
    axes.fill_between(x, model.flux.value - spread, model.flux.value + spread, color=MODEL, alpha=0.25, lw=0)
    axes.plot(x, model.flux.value, color=MODEL, lw=1.0, label="decoded from the tokens")
    _set_flux_limits(axes, flux)
    axes.set_ylabel(f"Flux{_latex(spectrum.flux.unit)}")
    axes.legend(loc="upper right", frameon=False)
    return flux, sigma


def draw_reconstruction(spectrum, model, axes=None):
    """Draw a spectrum with its model, and the residual in units of the error.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`
        One spectrum, with an uncertainty.
    model : `~specutils.Spectrum`
        On the same spectral axis, in the same flux unit.
    axes : sequence of two `~matplotlib.axes.Axes`, optional

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`
    """
    axes = _new_axes((3, 1), (9, 5)) if axes is None else np.asarray(axes)
    x = spectrum.spectral_axis.value
    flux, sigma = _draw_model(axes[0], spectrum, model)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = (flux - model.flux.value) / sigma
    axes[1].axhline(0, color=MODEL, lw=1.0)
    for level in (-2, 2):
        axes[1].axhline(level, color=QUIET, lw=0.8, ls=":")
    axes[1].plot(x, residual, color=DATA, lw=0.6, drawstyle="steps-mid")
    axes[1].set_ylim(-5, 5)
    axes[1].set_ylabel("(data - model) / $\\sigma$")
    _label_spectral(axes[1], spectrum.spectral_axis.unit)
    return axes


def draw_redshift(estimate, spectrum, model, axes=None):
    """Draw a spectrum with its model and the lines at its redshift, and below the posterior over class and redshift.

    Parameters
    ----------
    estimate : `~astro_spectok.results.RedshiftEstimate`
    spectrum : `~specutils.Spectrum`
        One spectrum, with an uncertainty; where its wavelengths are in air, ``meta['medium']`` says so.
    model : `~specutils.Spectrum`
        On the same spectral axis, in the same flux unit.
    axes : sequence of two `~matplotlib.axes.Axes`, optional

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`
    """
    axes = _new_axes((3, 2), (10, 6.5), sharex=False) if axes is None else np.asarray(axes)
    _draw_model(axes[0], spectrum, model)
    _label_spectral(axes[0], spectrum.spectral_axis.unit)
    _draw_lines(axes[0], spectrum, estimate)
    z = estimate.z.value
    shown = f"z = {z:.5f} ± {estimate.z_err.value:.5f}"
    if np.isfinite(estimate.rv):
        shown = f"{estimate.rv.value:.1f} ± {estimate.rv_err.value:.1f} km/s"
    axes[0].set_title(f"{estimate.spectype}, {shown}, probability {estimate.p_best:.3f}", fontsize="medium", pad=52)
    for k, (name, p) in enumerate(estimate.posterior.probability.items()):
        seen = np.where(p > LEAST_PROBABILITY, p, np.nan)
        share = estimate.class_probability[name]
        colour = CLASS_COLOURS[k % len(CLASS_COLOURS)]
        axes[1].plot(
            estimate.posterior.redshift[name], seen, ".-", ms=2, color=colour, lw=0.8, label=f"{name} {share:.3f}"
        )
    axes[1].plot(z, 1, "v", color=MODEL, ms=6, clip_on=False)
    axes[1].set_yscale("log")
    axes[1].set_ylim(LEAST_PROBABILITY, 1)
    axes[1].set_xlabel("Redshift")
    axes[1].set_ylabel("Probability of a bin")
    axes[1].legend(loc="upper right", frameon=False)
    return axes


def _draw_lines(axes, spectrum, estimate):
    """Mark the lines of a class at a redshift, with the names of those that have room."""
    from astro_spectok.lines import list_lines
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


def mark_lines(axes, lines, first, last):
    """Mark lines, with the names of those that have room.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
    lines : dict of str to float
        Where they stand on the horizontal axis; of names too close to each other the first is written.
    first, last : float
        Only lines between these are marked.
    """
    named = []
    for name, x in lines.items():
        if not first <= x <= last:
            continue
        axes.axvline(x, color=QUIET, lw=0.6, ls=":", zorder=0)
        if all(abs(x - other) > LABEL_DISTANCE * (last - first) for other in named):
            named.append(x)
            axes.annotate(
                name, (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 2), textcoords="offset points",
                rotation=90, ha="center", va="bottom", fontsize="x-small",
            )  # fmt: skip
