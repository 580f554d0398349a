# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`tokenize`: from anything specutils holds to tokens."""

from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from astro_spectok.interface.containment import Containment, require_finite
from astro_spectok.interface.inputs import describe_input, find_source, note_flags, prepare_inputs
from astro_spectok.interface.provenance import make_provenance, word_call
from astro_spectok.tokens.spectral_tokens import SpectralTokens
from astro_spectok.tokens.tokens_list import SpectralTokensList
from astro_spectok.utils.host import own_state

__all__ = ["tokenize"]


@own_state
def tokenize(
    obj: Any,
    *,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    device: str = "auto",
    batch_tokens: int | None = None,
    progress: bool | None = None,
) -> SpectralTokens | SpectralTokensList:
    """Turn spectra into tokens: one vector for each patch of native pixels.

    Spectral axes in any unit and direction become vacuum wavelengths as observed (``spec.redshift`` is never
    applied); the scale of the flux is set aside, so results do not depend on units. Masked, non-finite and
    zero-weight pixels have no effect. If no uncertainty is given, it is estimated from the scatter of the flux, and
    the spectrum is flagged.

    Parameters
    ----------
    obj : `~specutils.Spectrum`, `~specutils.SpectrumCollection`, `~specutils.SpectrumList`, list or tuple
        One spectrum, several on one axis, or a list of spectra of any lengths; or plain arrays with units as a tuple
        ``(spectral_axis, flux)`` or ``(spectral_axis, flux, uncertainty)``.
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    medium : {'vacuum', 'air'}, optional
        Medium of the wavelengths. Default: that of WCS or header, else of atmospheric lines, else vacuum.
    resolution : float, array_like or `~astropy.units.Quantity`, optional
        Resolving power R, one value or one per pixel, or a FWHM with a unit. Default: from the metadata.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Largest number of tokens in the network at once. Default: ``conf.batch_tokens``, but at most 6144 on a CPU.
    progress : bool, optional
        Show a progress bar. Default: for long work on a terminal.

    Returns
    -------
    SpectralTokens or SpectralTokensList
        The latter for several spectra, in their order; those that cannot be used have no tokens and a flag.

    Raises
    ------
    TypeError
        ``obj`` is not a spectrum.
    `~astropy.units.UnitsError`
        The axis of a single spectrum cannot be converted.
    ValueError
        A single spectrum has too few good pixels, or too many pixels.

    Warns
    -----
    WavelengthRangeWarning
        More than 2 per cent of the good pixels lie outside the wavelengths that the weights were trained on.
    FlaggedSpectraWarning
        Some of several spectra cannot be used.

    References
    ----------
    Shen et al., "Universal Spectral Tokenization via Self-Supervised Panchromatic Representation Learning",
    arXiv 2510.17959.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from specutils import Spectrum
    >>> from astro_spectok import tokenize
    >>> wavelength = np.linspace(4000, 7000, 640) * u.AA
    >>> flux = (1 + 0.3 * np.exp(-0.5 * ((wavelength.value - 5500) / 20) ** 2)) * u.Jy
    >>> tokens = tokenize(Spectrum(flux=flux, spectral_axis=wavelength), medium="vacuum", device="cpu")
    >>> len(tokens), tokens.wavelength.unit
    (20, Unit("Angstrom"))
    """
    batch, runner, single = prepare_inputs(
        obj, weights=weights, medium=medium, resolution=resolution, device=device, batch_tokens=batch_tokens
    )
    flags = note_flags(batch, runner.loaded, single=single)
    contained = Containment(batch, flags, single=single)
    config, decoder = runner.network.config, _make_decoder(runner, device)
    sizes = runner.embedder.sizes
    made = make_provenance(
        runner.loaded, word_call("tokenize", weights=weights, medium=medium, resolution=resolution)
    ) | {"weights_source": find_source(runner.loaded), "patch": config.patch, "embedding_parts": sizes}
    if not config.axis.is_light:
        made["axis"] = config.axis.to_dict()
    nothing = np.zeros((0, config.token_size), np.float32), np.zeros((0, 3)), np.zeros(0, bool), 1.0
    unknown = np.full(sum(sizes.values()), np.nan, np.float32)
    out = [
        SpectralTokens(*nothing, info, _make_meta(made, info, flag), decoder, unknown)
        for info, flag in zip(batch.info, flags, strict=True)
    ]
    for i, encoded in _encode(contained, runner, progress):
        tokens = encoded.values, encoded.geometry, ~encoded.good, encoded.scale
        shown = encoded.shown
        out[i] = SpectralTokens(
            *tokens, batch.info[i], out[i].meta, decoder, encoded.embedding, shown.good, shown.noise, shown.resolution,
            encoded.solutions, shown.unfiltered,
        )  # fmt: skip
    for i in contained.failed:
        info = replace(batch.info[i], message=contained.messages[i])
        out[i] = SpectralTokens(*nothing, info, _make_meta(made, info, flags[i]), decoder, unknown)
    contained.warn()
    return out[0] if single else SpectralTokensList(out)


def _encode(contained, runner, progress):
    """Yield the place and the `~astro_spectok.engine.EncodedSpectrum` of each spectrum that has a finite one."""
    for i, encoded in contained.run(lambda batch, _: runner.encode(batch, progress=progress)):
        finite = False
        with contained.member(i):
            require_finite("embedding", encoded.embedding, encoded.values)
            finite = True
        if finite:
            yield i, encoded


def _make_meta(made, info, flags):
    """Provenance of tokens as plain numbers and text, as it goes into files."""
    return made | {"warn": int(flags)} | ({} if "axis" in made else describe_input(info))


def _make_decoder(runner, device):
    from astro_spectok.engine import TokenDecoder

    precision = "float32" if runner.dtype is None else "bfloat16"
    return TokenDecoder(find_source(runner.loaded), runner.loaded.sha256, device, precision, runner)
