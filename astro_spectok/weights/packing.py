# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Matrices of weights in a byte a number: half the room of half precision where a percent of each number is enough."""

import os

from astro_spectok.exceptions import WeightsError

__all__ = ["PACKED_KEY", "pack_rows", "unpack_rows"]

#: metadata key of the beginnings of the names of tensors that are stored so
PACKED_KEY = "packed"
#: what stands behind the name of a tensor in that of its scales
_SCALE = ":scale"
#: largest integer, and fewest numbers of a tensor for which scales pay
_LARGEST, _FEWEST = 127, 4096


def pack_rows(tensors, beginnings):
    """Matrices as integers and a scale for each row; all others as they are.

    Numbers are rounded to 1/127 of the largest of their row: by 1 per cent of their standard deviation where that is
    largest four times as much, and at random. What `unpack_rows` gives packs to the same integers and scales again.

    Parameters
    ----------
    tensors : mapping of str to `torch.Tensor`
    beginnings : str or sequence of str
        Of the names of those that are packed, where they have two axes or more, are large and finite.

    Returns
    -------
    dict of str to `torch.Tensor`
        In place of a packed one ``NAME``, int8, and ``NAME:scale``, bfloat16, shape (rows,).
    """
    import torch

    out, beginnings = {}, (beginnings,) if isinstance(beginnings, str) else tuple(beginnings)
    for name, tensor in tensors.items():
        if not _is_packed(name, tensor, beginnings):
            out[name] = tensor
            continue
        rows = tensor.detach().cpu().float().flatten(1)
        # of eight significant bits, so that products with an integer are exact in single precision
        scale = (rows.abs().amax(1) / _LARGEST).to(torch.bfloat16)
        divisor = torch.where(scale > 0, scale.float(), 1.0)[:, None]
        whole = (rows / divisor).round().clamp(-_LARGEST, _LARGEST)
        out[name] = whole.to(torch.int8).reshape(tensor.shape)
        out[name + _SCALE] = scale
    return out


def _is_packed(name, tensor, beginnings):
    import torch

    wanted = name.startswith(beginnings) and tensor.is_floating_point() and tensor.dim() > 1
    return wanted and tensor.numel() >= _FEWEST and bool(torch.isfinite(tensor).all())


def unpack_rows(tensors, path):
    """Tensors as they were before `pack_rows`, float32 where they were packed.

    Parameters
    ----------
    tensors : dict of str to `torch.Tensor`
    path : path-like
        For the message.

    Returns
    -------
    dict of str to `torch.Tensor`

    Raises
    ------
    WeightsError
        Scales are not those of a tensor that is there.
    """
    out = {name: tensor for name, tensor in tensors.items() if not name.endswith(_SCALE)}
    for name, scale in tensors.items():
        if not name.endswith(_SCALE):
            continue
        own = name.removesuffix(_SCALE)
        tensor = out.get(own)
        if tensor is None or tensor.is_floating_point() or tensor.dim() < 2 or scale.shape != tensor.shape[:1]:
            msg = (
                f"The file of weights {os.fspath(path)} cannot be used: {name} must hold a scale for each row of a "
                f"tensor of integers {own}; got {tuple(scale.shape)} for "
                f"{'none' if tensor is None else tuple(tensor.shape)}. Write it again with write_weights."
            )
            raise WeightsError(msg)
        out[own] = (tensor.float().flatten(1) * scale.float()[:, None]).reshape(tensor.shape)
    return out
