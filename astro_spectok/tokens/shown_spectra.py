# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens as spectra again, of the pixels that they were made from: for estimators, where the pixels are not at hand."""

import numpy as np

from astro_spectok.spectra import InputFlag, SpectrumBatch
from astro_spectok.tokens.spectral_tokens import SpectralTokens

__all__ = ["is_tokens", "show_spectra"]


def is_tokens(obj):
    """Whether an object is tokens, of one spectrum or of several: bool."""
    if isinstance(obj, SpectralTokens):
        return True
    return isinstance(obj, list | tuple) and len(obj) > 0 and all(isinstance(one, SpectralTokens) for one in obj)


def show_spectra(tokens, config):
    """The explicit part of tokens as a batch of spectra.

    What is finer than the coefficients of a patch is not there, and in tokens of earlier versions, which hold filtered
    ones alone, nor are weak lines that the filter took for noise. Errors are those of the pixels as they were.

    Parameters
    ----------
    tokens : sequence of `~astro_spectok.SpectralTokens`
    config : `~astro_spectok.network.NetworkConfig`
        Of the network that made them.

    Returns
    -------
    `~astro_spectok.spectra.SpectrumBatch`
        With the units and media of the spectra as they were given; without pixels where there are no tokens.

    Raises
    ------
    ValueError
        Tokens do not say which pixels they are of, as those in files of earlier versions, or lie along another axis.
    """
    return SpectrumBatch.concatenate([_show(one, config) for one in tokens])


def _show(tokens, config):
    """One of them."""
    import torch

    from astro_spectok.network.shown import find_pixels

    if not len(tokens):
        flag = InputFlag(tokens.meta.get("warn", 0)) or InputFlag.BAD_INPUT
        return SpectrumBatch.make_unusable(tokens.message, flag=flag, name=tokens.name)
    if tokens.good_pixels is None or tokens.noise is None:
        msg = (
            "tokens must say which pixels they were made from, and how noisy these were; got those of a file of an "
            "earlier version; tokenize the spectrum again"
        )
        raise ValueError(msg)
    good = ~np.asarray(tokens.mask)
    arrays = (torch.from_numpy(np.asarray(x)[None]) for x in (tokens.values, good, tokens.geometry))
    known = None if tokens.unfiltered is None else torch.from_numpy(np.asarray(tokens.unfiltered)[None])
    position, width, flux = (x[0].numpy() for x in find_pixels(*arrays, config, known))
    # where a patch reaches into the next one, that one counts
    ends = np.append(position[1:, 0], np.inf)
    wanted = good[:, None] & (position < ends[:, None] - width[:, None] / 2)
    known = np.isfinite(tokens.noise) & (tokens.noise > 0)
    ivar = np.where(known, np.where(known, tokens.noise, 1.0) ** -2.0, 0.0)[:, None] * tokens.good_pixels
    resolution = np.full(len(tokens), np.nan) if tokens.resolution is None else tokens.resolution
    resolution = np.broadcast_to(resolution[:, None], wanted.shape)[wanted].astype(np.float32)
    wavelength, flux, ivar = np.exp(position[wanted]), flux[wanted], ivar[wanted].astype(np.float32)
    return SpectrumBatch(
        wavelength=wavelength, wave_start=np.zeros(1, np.int64), flux=np.where(ivar > 0, flux, 0).astype(np.float32),
        ivar=ivar, offsets=np.array([0, len(flux)]), scale=np.array([float(tokens.scale)]),
        flags=np.array([int(tokens.meta.get("warn", 0))]),
        resolution=resolution if np.isfinite(resolution).any() else None, info=(tokens.info,),
    )  # fmt: skip
