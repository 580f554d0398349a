# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Choice of the device and the precision of computations."""

import functools
from pathlib import Path

__all__ = ["choose_device", "choose_dtype"]

PRECISIONS = ("auto", "float32", "bfloat16")


def choose_device(device="auto"):
    """The `torch.device` meant by ``device``.

    Parameters
    ----------
    device : str or `torch.device`
        'auto' takes cuda, then mps, then cpu, whichever is there first.

    Returns
    -------
    `torch.device`

    Raises
    ------
    ValueError
        A name that PyTorch does not know, or a device that this machine does not have.

    Examples
    --------
    >>> from astro_spectok.engine import choose_device
    >>> choose_device("cpu")
    device(type='cpu')
    >>> choose_device("gpu")
    Traceback (most recent call last):
        ...
    ValueError: device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got 'gpu'
    """
    import torch

    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        # PyTorch knows more kinds, and would fail on them later, in words of its own
        if chosen.type not in ("cpu", "cuda", "mps"):
            raise TypeError("not a device that this package computes on")
    except (RuntimeError, TypeError) as error:
        msg = f"device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {device!r}"
        raise ValueError(msg) from error
    missing = (chosen.type == "cuda" and not torch.cuda.is_available()) or (
        chosen.type == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        msg = f"device {device!r} is not available on this machine; use device='auto' or 'cpu'"
        raise ValueError(msg)
    return chosen


def choose_dtype(device, precision="auto", *, training=False):
    """Precision of the matrix products: `torch.bfloat16`, or None for float32.

    'auto' takes bfloat16 on graphics cards that compute with it natively. On a CPU it does so for training only, and
    where the CPU has instructions for it: embeddings kept in catalogues should not depend on the machine.

    Parameters
    ----------
    device : `torch.device`
        As of `choose_device`.
    precision : {'auto', 'float32', 'bfloat16'}
        What is asked for.
    training : bool
        Whether gradients are to be computed.

    Returns
    -------
    `torch.dtype` or None
        None is float32, without autocasting.

    Raises
    ------
    ValueError
        ``precision`` is none of the three.

    Examples
    --------
    >>> from astro_spectok.engine import choose_device, choose_dtype
    >>> print(choose_dtype(choose_device("cpu")))
    None
    >>> choose_dtype(choose_device("cpu"), "bfloat16")
    torch.bfloat16
    """
    import torch

    if precision not in PRECISIONS:
        msg = f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}"
        raise ValueError(msg)
    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else None
    return torch.bfloat16 if device.type == "cpu" and training and _cpu_has_bfloat16() else None


@functools.cache
def _cpu_has_bfloat16():
    """Whether the CPU multiplies bfloat16 matrices natively, by /proc/cpuinfo; False where there is none."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})
