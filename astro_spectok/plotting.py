# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of what the package returns; matplotlib is imported when the first is drawn."""

import numpy as np

__all__ = ["draw_reconstruction", "draw_tokens"]

#: Okabe and Ito's colours, told apart by the colour-blind and in print
DATA, MODEL, QUIET = "0.45", "#0072B2", "0.75"
#: what the unit of a spectral axis measures, as Astropy calls it, and what we call it
SPECTRAL_NAMES = {
    "length": "Wavelength", "frequency": "Frequency", "energy": "Energy", "wavenumber": "Wavenumber",
    "speed": "Velocity",
}  # fmt: skip


def _new_axes(heights, size):
    """Axes above each other with a common wavelength axis."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        msg = "plots need matplotlib: pip install 'astro_spectok[plot]'"
        raise ImportError(msg) from error
    _, axes = plt.subplots(
        len(heights), sharex=True, figsize=size, height_ratios=heights, layout="constrained", squeeze=False
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
    axes[0].legend(loc="best", frameon=False)
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
    from astropy.nddata import StdDevUncertainty

    axes = _new_axes((3, 1), (9, 5)) if axes is None else np.asarray(axes)
    x = spectrum.spectral_axis.value
    sigma = spectrum.uncertainty.represent_as(StdDevUncertainty).array
    good = np.isfinite(spectrum.flux.value) & np.isfinite(sigma) & (sigma > 0)
    if spectrum.mask is not None:
        good &= ~np.asarray(spectrum.mask, bool)
    flux = np.where(good, spectrum.flux.value, np.nan)
    axes[0].plot(x, flux, color=DATA, lw=0.6, drawstyle="steps-mid", label="data")
    spread = model.uncertainty.array
    axes[0].fill_between(x, model.flux.value - spread, model.flux.value + spread, color=MODEL, alpha=0.25, lw=0)
    axes[0].plot(x, model.flux.value, color=MODEL, lw=1.0, label="decoded from the tokens")
    _set_flux_limits(axes[0], flux)
    axes[0].set_ylabel(f"Flux{_latex(spectrum.flux.unit)}")
    axes[0].legend(loc="best", frameon=False)
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
