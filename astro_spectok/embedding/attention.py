# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`measure_attention`: which tokens of a spectrum the encoder looks at."""

from os import PathLike
from typing import Any, cast

from astro_spectok.embedding.tokenize_spectra import tokenize
from astro_spectok.interface.inputs import prepare_inputs
from astro_spectok.tokens.spectral_tokens import SpectralTokens
from astro_spectok.tokens.token_attention import TokenAttention
from astro_spectok.utils.host import own_state

__all__ = ["measure_attention"]


@own_state
def measure_attention(
    obj: Any,
    *,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    device: str = "auto",
    batch_tokens: int | None = None,
    progress: bool | None = None,
) -> TokenAttention:
    """Measure how much attention each token of a spectrum gives to each other one, by block and head of the encoder.

    Input is understood as by `tokenize`: units do not matter, and bad pixels change nothing. The spectrum is encoded
    once more for it, without the fused attention, which never forms these shares. They take memory: blocks times heads
    times the square of the number of tokens, 4 bytes each; 2 MB for a spectrum of 4000 pixels with the packaged
    weights, 1 GB for one of 100,000.

    Parameters
    ----------
    obj : `~specutils.Spectrum` or tuple
        One spectrum; or plain arrays with units as a tuple ``(spectral_axis, flux)`` or ``(spectral_axis, flux,
        uncertainty)``.
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    medium : {'vacuum', 'air'}, optional
        Medium of the wavelengths. Default: that of WCS or header, else of atmospheric lines, else vacuum.
    resolution : float, array_like or `~astropy.units.Quantity`, optional
        Resolving power R, one value or one per pixel, or a FWHM with a unit. Default: from the metadata.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Largest number of tokens in the network at once. Default: ``conf.batch_tokens``, but at most 6144 on a CPU. A
        single spectrum always goes as a whole.
    progress : bool, optional
        Show a progress bar. Default: for long work on a terminal.

    Returns
    -------
    `~astro_spectok.tokens.TokenAttention`

    Raises
    ------
    TypeError
        ``obj`` is not a spectrum.
    `~astropy.units.UnitsError`
        Its axis cannot be converted.
    ValueError
        It is not one spectrum, or has too few good pixels, or too many pixels.

    Warns
    -----
    WavelengthRangeWarning
        More than 2 per cent of the good pixels lie outside the wavelengths that the weights were trained on.

    References
    ----------
    Vaswani et al. 2017, arXiv 1706.03762, equation 1: the softmax there is what is measured here.

    Examples
    --------
    >>> from astro_spectok import measure_attention
    >>> from astro_spectok.example import read_example
    >>> attention = measure_attention(read_example(), device="cpu")
    >>> attention.weights.shape
    (5, 5, 126, 126)
    >>> attention.received.shape, attention.wavelength.unit
    ((5, 5, 126), Unit("Angstrom"))
    """
    batch, runner, single = prepare_inputs(
        obj, weights=weights, medium=medium, resolution=resolution, device=device, batch_tokens=batch_tokens
    )
    if not single:
        msg = f"obj must be one spectrum; got {len(batch)} in a {type(obj).__name__}; take them one after the other"
        raise ValueError(msg)
    tokens = tokenize(
        obj, weights=weights, medium=medium, resolution=resolution, device=device, batch_tokens=batch_tokens,
        progress=progress,
    )  # fmt: skip
    # one spectrum has tokens of its own, not a list of them
    return TokenAttention(runner.measure_attention(batch), cast(SpectralTokens, tokens))
