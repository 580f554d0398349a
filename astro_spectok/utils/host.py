# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Settings of the calling program for NumPy and PyTorch, set aside while the package works."""

import contextlib
import functools
import sys

import numpy as np

__all__ = ["own_state", "set_apart"]


def own_state(function):
    """The function, as it works in a program that has set nothing, whatever the program around has set in its thread.

    For what users call. NumPy handles floating-point errors as it does by default: numbers that underflow in the tail
    of a posterior are no error. PyTorch uses neither autocast, inference mode nor a default device.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
    """

    # not NumPy's own decorator, whose file would be taken for the user's where warnings say where they come from
    @functools.wraps(function)
    def call(*args, **kwargs):
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
    with torch.inference_mode(False), torch.enable_grad(), set_apart(torch.device("cpu")):
        yield


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
