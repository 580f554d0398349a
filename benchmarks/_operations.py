# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Operations of matrices, convolutions and attention; PyTorch and nothing else."""

import math

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["Counter"]


def _count_linear(x, weight, *args, **kwargs):
    return 2 * x.numel() * weight.shape[0]


def _count_attention(query, key, value, *args, **kwargs):
    products = math.prod(query.shape[:-1]) * key.shape[-2]
    return 2 * products * (query.shape[-1] + value.shape[-1])


#: what PyTorch's own list lacks: layers of oneDNN, and attention on a processor
OTHERS = {
    "mkldnn::_linear_pointwise": _count_linear,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _count_attention,
}


class Counter(TorchDispatchMode):
    """Counts the operations of matrix products, convolutions and attention, also without gradients.

    Attributes
    ----------
    total : int
    """

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        packet, kwargs = func._overloadpacket, kwargs or {}
        if other := OTHERS.get(packet._qualified_op_name):
            self.total += other(*args, **kwargs)
            return func(*args, **kwargs)
        # what adds to a tensor in place has as many as what gives a new one
        count = flop_registry.get(packet) or flop_registry.get(
            getattr(torch.ops.aten, packet.__name__.rstrip("_"), None)
        )
        if count is None:
            # in inference mode products come as linear layers, whose parts are what is counted
            with self:
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = func(*args, **kwargs)
        if count is not None:
            self.total += count(*args, **kwargs, out_val=out)
        return out
