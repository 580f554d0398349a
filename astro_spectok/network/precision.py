# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Precision of the matrix products of a network, for as long as a context lasts and in one thread alone."""

import contextlib
from contextvars import ContextVar

import torch

__all__ = ["compute_in", "open_autocast"]

#: what `compute_in` was asked for
_DTYPE = ContextVar("dtype", default=None)


@contextlib.contextmanager
def compute_in(dtype):
    """Let networks compute their matrix products in a lower precision; everything else stays in float32.

    Nothing is written to a network, which other threads may be using.

    Parameters
    ----------
    dtype : `torch.dtype` or None
        As of `~astro_spectok.engine.choose_dtype`; None for float32.

    Yields
    ------
    None

    Examples
    --------
    >>> import torch
    >>> from astro_spectok.network import build_network, build_patches, compute_in, get_config
    >>> network = build_network(get_config("tiny")).eval()
    >>> ln_wavelength = torch.log(torch.linspace(4000, 4095, 96, dtype=torch.float64))
    >>> flux, ivar = 2 + torch.sin(torch.arange(96.0)), torch.ones(96)
    >>> patches = build_patches(ln_wavelength, flux, ivar, torch.tensor([0, 96]), network.config.patch)
    >>> with torch.inference_mode():
    ...     single = network.encode(patches)
    ...     with compute_in(torch.bfloat16):
    ...         half = network.encode(patches)
    >>> half.dtype, bool((half == single).all()), bool((half - single).abs().max() < 0.1)
    (torch.float32, False, True)
    """
    token = _DTYPE.set(dtype)
    try:
        yield
    finally:
        _DTYPE.reset(token)


def open_autocast(device):
    """Context of the matrix products on a device, in the precision asked for.

    Parameters
    ----------
    device : `torch.device`

    Returns
    -------
    context manager
    """
    dtype = _DTYPE.get()
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype)
