# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of one spectrum: with its tokens, its attention, its reconstruction; and the names of lines."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from specutils import Spectrum

from astro_spectok.plotting.style import (
    DATA,
    MODEL,
    QUIET,
    RANKED,
    make_axes,
    name_spectral,
    place_legend,
    set_flux_limits,
    set_unit,
    show_unit,
)

__all__ = ["mark_lines", "plot_attention", "plot_reconstruction", "plot_tokens"]

#: labels of lines stand at least so far apart, as a share of the width of the axes
LABEL_DISTANCE = 0.022
#: attention over the even share that has the darkest and the lightest colour
ATTENTION_RANGE = 0.1, 30.0


def _plot_decoded(axes, tokens):
    """Plot the spectrum that tokens decode to, with its predicted error."""
    model = tokens.decode(tokens.own_axis())
    x = model.spectral_axis.value
    flux, sigma = model.flux.value, model.uncertainty.array
    axes.fill_between(x, flux - sigma, flux + sigma, color=MODEL, alpha=0.25, lw=0, label="predicted error")
    axes.plot(x, flux, color=MODEL, lw=0.8, label="decoded from the tokens")
    set_flux_limits(axes, flux)
    set_unit(axes.yaxis, model.flux.unit)
    axes.set_ylabel(f"Flux{show_unit(model.flux.unit)}")
    place_legend(axes)


def _find_edges(centre):
    """Increasing edges between patches, (T + 1,), and the order of the patches along them, (T,)."""
    order = np.argsort(centre)
    if len(centre) < 2:
        return centre[0] * np.array([0.999, 1.001]), order
    middle = (centre[order][1:] + centre[order][:-1]) / 2
    first, last = (2 * centre[order][k] - middle[k] for k in (0, -1))
    return np.concatenate([[first], middle, [last]]), order


def _refuse_nothing(tokens):
    if not len(tokens):
        msg = f"there are no tokens to plot: {tokens.info.message or 'the spectrum could not be used'}"
        raise ValueError(msg)


def plot_tokens(tokens, axes=None):
    """Plot the spectrum that tokens decode to, and below it the tokens over wavelength.

    Masked tokens stay blank. Both axes know the unit of the spectrum.

    Parameters
    ----------
    tokens : `~astro_spectok.SpectralTokens`
    axes : sequence of two `~matplotlib.axes.Axes`, optional

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        There are no tokens, or ``axes`` are not two.

    Examples
    --------
    >>> from astro_spectok import tokenize
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.plotting.spectra import plot_tokens
    >>> axes = plot_tokens(tokenize(read_example(), device="cpu"))
    >>> axes[1].get_ylabel()
    'Token component'
    """
    _refuse_nothing(tokens)
    axes = make_axes(2, axes=axes, size=(8, 5), sharex=True)
    _plot_decoded(axes[0], tokens)
    values = np.where(tokens.mask[:, None], np.nan, tokens.values)
    values = values / np.maximum(np.nanpercentile(np.abs(values), 99, axis=0), 1e-12)  # each component on its own scale
    edges, order = _find_edges(tokens.wavelength.value)
    image = axes[1].pcolormesh(
        edges, np.arange(values.shape[1] + 1), values[order].T, cmap="RdBu_r", vmin=-1, vmax=1, rasterized=True
    )
    axes[1].set_ylabel("Token component")
    axes[1].figure.colorbar(image, ax=axes[1], label="value over its largest", pad=0.01)
    name_spectral(axes, tokens.info.spectral_unit)
    return axes


def plot_attention(attention, axes=None):
    """Plot the spectrum that the tokens decode to, and below it how much attention each token receives.

    One row for each head, block above block, the first on top; 1 is what each token would receive if all received
    alike, and the scale of colours is logarithmic. Masked tokens stay blank.

    Parameters
    ----------
    attention : `~astro_spectok.tokens.TokenAttention`
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
    >>> from astro_spectok import measure_attention
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.plotting.spectra import plot_attention
    >>> axes = plot_attention(measure_attention(read_example(), device="cpu"))
    >>> axes[1].get_ylabel()
    'Encoder block'
    """
    from matplotlib.colors import LogNorm

    axes = make_axes(2, axes=axes, size=(8, 5.5), sharex=True, height_ratios=(1, 1.4))
    _plot_decoded(axes[0], attention.tokens)
    blocks, heads, n = attention.received.shape
    edges, order = _find_edges(attention.wavelength.value)
    received = np.where(attention.mask, np.nan, attention.received)[..., order].reshape(blocks * heads, n)
    image = axes[1].pcolormesh(
        edges, np.arange(blocks * heads + 1), np.maximum(received, ATTENTION_RANGE[0]), cmap=RANKED,
        norm=LogNorm(*ATTENTION_RANGE), rasterized=True,
    )  # fmt: skip
    for block in range(1, blocks):
        axes[1].axhline(block * heads, color="white", lw=1.0)
    axes[1].set_yticks(heads * (np.arange(blocks) + 0.5), [str(block + 1) for block in range(blocks)])
    axes[1].tick_params(axis="y", length=0)
    axes[1].set_ylim(blocks * heads, 0)
    axes[1].set_ylabel("Encoder block")
    axes[1].figure.colorbar(image, ax=axes[1], label="received, over an even share", pad=0.01, extend="both")
    name_spectral(axes, attention.wavelength.unit)
    return axes


def plot_with_model(axes, spectrum, model):
    """Plot a spectrum and its model.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
    spectrum, model : `~specutils.Spectrum`
        As for `plot_reconstruction`.

    Returns
    -------
    flux, sigma : ndarray
        Of the spectrum, with NaN in bad pixels, and its standard deviation.
    """
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
    set_flux_limits(axes, flux)
    set_unit(axes.yaxis, spectrum.flux.unit)
    axes.set_ylabel(f"Flux{show_unit(spectrum.flux.unit)}")
    place_legend(axes)
    return flux, sigma


def plot_reconstruction(spectrum: Spectrum, model: Spectrum, axes: Any = None) -> np.ndarray:
    """Plot a spectrum with its model, and the residuals in units of the error.

    Masked pixels, and those without an error, are left out.

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

    Raises
    ------
    ValueError
        ``axes`` are not two.

    Examples
    --------
    >>> from astro_spectok import tokenize
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.plotting import plot_reconstruction
    >>> spectrum = read_example()
    >>> model = tokenize(spectrum, device="cpu").decode(spectrum.spectral_axis)
    >>> plot_reconstruction(spectrum, model)[1].get_ylim()
    (np.float64(-5.0), np.float64(5.0))
    """
    axes = make_axes(2, axes=axes, size=(9, 5), sharex=True, height_ratios=(3, 1))
    x = spectrum.spectral_axis.value
    flux, sigma = plot_with_model(axes[0], spectrum, model)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = (flux - model.flux.value) / sigma
    axes[1].axhline(0, color=MODEL, lw=1.0)
    for level in (-2, 2):
        axes[1].axhline(level, color=QUIET, lw=0.8, ls=":")
    axes[1].plot(x, residual, color=DATA, lw=0.6, drawstyle="steps-mid")
    axes[1].set_ylim(-5, 5)
    axes[1].set_ylabel("(data - model) / $\\sigma$")
    name_spectral(axes, spectrum.spectral_axis.unit)
    return axes


def mark_lines(axes: Any, lines: Mapping[str, float], first: float, last: float) -> None:
    """Mark lines, and write their names where there is room.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
    lines : dict of str to float
        Where they stand on the horizontal axis; of names too close to each other the first is written.
    first, last : float
        Only lines between these are marked.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from astro_spectok.plotting import mark_lines
    >>> axes = Figure().subplots()
    >>> mark_lines(axes, {"Halpha": 6564.6, "[NII]": 6585.3, "[OII]": 3728.8}, 5000, 7000)
    >>> [text.get_text() for text in axes.texts]
    ['Halpha']
    """
    named: list[float] = []
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
