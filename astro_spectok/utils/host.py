# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Settings of the calling program for NumPy and PyTorch, set aside while the package works."""

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

__all__ = ["own_state", "set_apart"]

P = ParamSpec("P")
R = TypeVar("R")


# typed, as what it decorates would otherwise have no type for the programs of users
def own_state(function: Callable[P, R]) -> Callable[P, R]:
    """The function, as it works in a program that has set nothing, whatever the program around has set in its thread.

    For what users call. NumPy handles floating-point errors as it does by default: numbers that underflow in the tail
    of a posterior are no error. PyTorch uses neither autocast, inference mode nor a default device, and makes numbers
    in single precision.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
    """

    # not NumPy's own decorator, whose file would be taken for the user's where warnings say where they come from
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"), _own_torch():
            return function(*args, **kwargs)

    return call


@contextlib.contextmanager
def _own_torch():
    """Nothing of PyTorch is set, of which nothing can be where it was not imported."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    with torch.inference_mode(False), torch.enable_grad(), set_apart(torch.device("cpu")), _make_single(torch):
        yield


def _make_single(torch):
    """A context in which what is made without a type is float32, in this thread alone: the default is that of all."""
    default = torch.get_default_dtype()
    if default == torch.float32:
        return contextlib.nullcontext()
    from torch.overrides import TorchFunctionMode

    made = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.linspace, torch.eye}

    class Single(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = dict(kwargs or {})
            if function in made and kwargs.get("dtype") is None:
                kwargs["dtype"] = torch.float32
            out = function(*args, **kwargs)
            # of numbers of Python, whose kind decides; arrays and tensors have a type of their own
            if function in (torch.tensor, torch.full) and kwargs.get("dtype") is None and out.dtype == default:
                given = args[0] if args else kwargs.get("data")
                if function is torch.full or isinstance(given, float | list | tuple):
                    out = function(*args, **kwargs | {"dtype": torch.float32})
            return out

    return Single()


@contextlib.contextmanager
def set_apart(device):
    """Compute as if the program around had set neither autocast nor a default device, in this thread alone.

    Parameters
    ----------
    device : `torch.device`
        Where to compute.
    """
    import torch

    with contextlib.ExitStack() as stack:
        for kind in {"cpu", device.type}:
            # an outer context keeps what inner ones cast: a training would go on with the weights of its first step
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False, cache_enabled=False))
        if torch.get_default_device().type != "cpu":  # the context makes each call a little slower
            stack.enter_context(torch.device("cpu"))
        yield
