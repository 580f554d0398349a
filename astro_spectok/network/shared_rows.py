# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What depends on the wavelengths of spectra alone, computed once where all of a batch have the same."""

import torch

__all__ = ["compute_shared"]

#: integers whose bits are those of the numbers: NaN equals itself
_BITS = {torch.float64: torch.int64, torch.float32: torch.int32}


def compute_shared(function, *tensors):
    """Result of a function that takes the rows of tensors one by one, computed for one row where all are alike.

    The spectra of a survey often share a grid. To look costs little on a processor; elsewhere the answer would have to
    be waited for, and all rows are computed.

    Parameters
    ----------
    function : callable
        Takes tensors with as many rows as it gives back, in a tensor or a tuple of them.
    *tensors : float tensor, shape (B, ...)

    Returns
    -------
    tensor or tuple of tensor, shape (B, ...)
        Rows may share their memory: not to be changed in place.

    Examples
    --------
    >>> import torch
    >>> from astro_spectok.network.shared_rows import compute_shared
    >>> compute_shared(torch.exp, torch.zeros(3, 2)).tolist()
    [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    """
    number = len(tensors[0])
    if number < 2 or not all(map(_are_alike, tensors)):
        return function(*tensors)
    found = function(*(x[:1] for x in tensors))
    if isinstance(found, tuple):
        return tuple(x.expand(number, *x.shape[1:]) for x in found)
    return found.expand(number, *found.shape[1:])


def _are_alike(x):
    if x.device.type != "cpu" or torch.is_grad_enabled() or x.dtype not in _BITS:
        return False
    bits = x.view(_BITS[x.dtype])
    return torch.equal(bits[1:], bits[:1].expand_as(bits[1:]))
