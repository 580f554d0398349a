# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Linear layers that take the faster of PyTorch's two libraries for products of matrices on a CPU."""

import functools

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Linear", "add_linear", "apply_linear", "is_plain", "is_plain_inference"]


class Linear(nn.Linear):
    """`torch.nn.Linear`, with `apply_linear` in place of PyTorch's own function."""

    def forward(self, x):
        """Apply to ``x`` (..., in); returns (..., out)."""
        return apply_linear(x, self.weight, self.bias)


def apply_linear(x, weight, bias=None, *, gelu=False):
    """Result of `torch.nn.functional.linear`.

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
        if gelu and is_plain_inference(y):
            return torch.ops.aten.gelu_(y)
        return F.gelu(y) if gelu else y
    activation = ("gelu", [], "none") if gelu else ("none", [], "")
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, *activation)


def add_linear(total, x, weight, bias):
    """Add the result of a linear layer to a tensor in place: on a CPU without gradients, in single precision.

    MKL adds to what is there while it multiplies.

    Parameters
    ----------
    total : tensor, shape (..., out)
        Contiguous.
    x : tensor, shape (..., in)
    weight : tensor, shape (out, in)
    bias : tensor, shape (out,)

    Returns
    -------
    tensor, shape (..., out)
        The one that was given.
    """
    if _has_onednn():
        return total.add_(apply_linear(x, weight, bias))
    total.add_(bias).view(-1, len(weight)).addmm_(x.reshape(-1, weight.shape[1]), weight.T)
    return total


def is_plain_inference(x):
    """Whether what is done with ``x`` is done without gradients, in single precision, on a CPU."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def is_plain(module, kind):
    """Whether a module is of just this kind, and calling it does just what its class says.

    Then, and only then, what it computes may be computed past it. Adapters change that: they replace the module, make
    one of its tensors depend on others (`torch.nn.utils.parametrize`, which changes its class), hang a hook on it, or
    give it another ``forward``.

    Parameters
    ----------
    module : `torch.nn.Module`
    kind : type

    Returns
    -------
    bool
    """
    return (
        type(module) is kind
        and "forward" not in vars(module)
        and not (module._forward_hooks or module._forward_pre_hooks)
    )


@functools.cache
def _has_onednn():
    """Whether PyTorch has oneDNN's linear layer, and the CPU has AVX-512, for which it was measured to be faster."""
    return (
        torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
