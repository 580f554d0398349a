# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Linear layers that take the faster of PyTorch's two libraries for products of matrices on a CPU."""

import functools

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Linear", "apply_linear", "is_plain_inference"]


class Linear(nn.Linear):
    """`torch.nn.Linear`, with `apply_linear` in place of PyTorch's own function."""

    def forward(self, x, *, gelu=False):
        """Apply to ``x`` (..., in), and GELU to what comes out if asked for; returns (..., out)."""
        return apply_linear(x, self.weight, self.bias, gelu=gelu)


def apply_linear(x, weight, bias=None, *, gelu=False):
    """What `torch.nn.functional.linear` computes.

    For single precision PyTorch calls MKL, which keeps to AVX2 on CPUs that are not Intel's; oneDNN, which is there as
    well, uses AVX-512 and is twice as fast. It has no gradients, so that it serves for inference alone.

    Parameters
    ----------
    x : tensor, shape (..., in)
    weight : tensor, shape (out, in)
    bias : tensor, shape (out,), optional
    gelu : bool
        Apply GELU to the result, while it is in the cache.

    Returns
    -------
    tensor, shape (..., out)
    """
    if not (is_plain_inference(x) and weight.dtype == x.dtype and x.numel() and _has_onednn()):
        y = F.linear(x, weight, bias)
        return F.gelu(y) if gelu else y
    activation = ("gelu", [], "none") if gelu else ("none", [], "")
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, *activation)


def is_plain_inference(x):
    """Whether what is done with ``x`` is done without gradients, in single precision, on a CPU."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


@functools.cache
def _has_onednn():
    """Whether PyTorch has oneDNN's linear layer, and the CPU has AVX-512, for which it was measured to be faster."""
    return (
        torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
