# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checks of the metadata of a file of weights against the file: sizes, types, ranges."""

import contextlib
import json
import math
import os
from itertools import pairwise

from astro_spectok.exceptions import WeightsError, WeightsIntegrityError

__all__ = ["MOST_HEADER", "check_config", "check_header", "check_metadata", "limit_size", "naming"]

#: bytes of a header; that of the packaged set has 37 thousand
MOST_HEADER = 2**23
#: bytes of a number of each type that weights are stored in
WIDTHS = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
#: numbers of a network beside those in the file: what it computes when it is built, and what building needs
BESIDE_FACTOR, BESIDE = 2, 2**20
#: what making one tensor counts for at least, in numbers
LEAST_TENSOR = 256

#: lowest and highest value of the integers of a configuration
INTEGERS = {
    "patch": (1, 4096), "width": (1, 65536), "heads": (1, 1024), "encoder_layers": (0, 4096),
    "decoder_layers": (0, 4096), "mlp_ratio": (1, 64), "frequencies": (1, 65536), "summary_queries": (1, 4096),
    "embedding_size": (1, 2**20), "embedding_nodes": (0, 65536), "posterior_periods": (0, 4096),
    "detail_channels": (1, 4096), "dct_coefficients": (0, 4096), "local_cosines": (0, 4096), "channels": (1, 4096),
    "kernel": (1, 65536),
}  # fmt: skip
#: the same of numbers; steps may also be 0 where that leaves something out
NUMBERS = {
    "longest_period": (1e-9, 1e9), "shortest_period": (1e-9, 1e9), "rotary_longest": (1e-9, 1e9),
    "rotary_shortest": (1e-9, 1e9), "step": (1e-6, 1.0), "type_step": (1e-6, 1.0), "contrast_step": (1e-6, 1.0),
}  # fmt: skip
MAY_BE_ZERO = ("type_step", "contrast_step")
#: what stands beside the sizes of a head and is none: a step of the training, say, is no step of a grid
NO_SIZES = ("domain", "calibration", "rules", "provenance", "training")
#: wavelengths in Angstrom, from lowest to highest
RANGES = ("observed_range", "rest_range", "wavelength_range")
#: of whatever else there is: the largest number, letters of a text, values in a list, depth
LARGEST, LONGEST, MOST, DEEPEST = 1e12, 10_000, 100_000, 12


def check_header(path):
    """Check the sizes that a safetensors file claims against those it has, without reading its numbers.

    Parameters
    ----------
    path : path-like
        A file that begins as safetensors files do.

    Returns
    -------
    dict of str to tuple
        Type and shape of each tensor.

    Raises
    ------
    WeightsIntegrityError
        The file is shorter than it says, or its header cannot be read.
    WeightsError
        A tensor has a type, a shape or a place that it cannot have; the message names it.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(MOST_HEADER, max(size - 8, 0)):
            msg = (
                f"The file of weights {os.fspath(path)} is truncated or damaged: its header says that it has {length} "
                f"bytes, of {size} in the file and {MOST_HEADER} at most; copy, download or write it again."
            )
            raise WeightsIntegrityError(msg)
        text = stream.read(length)
    try:
        header = json.loads(text)
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    except (AttributeError, ValueError, RecursionError) as error:
        msg = (
            f"The file of weights {os.fspath(path)} is truncated or damaged (its header is no JSON object: {error}); "
            "copy, download or write it again."
        )
        raise WeightsIntegrityError(msg) from error
    return {name: _check_tensor(name, entry, size - 8 - length, path) for name, entry in tensors.items()}


def _check_tensor(name, entry, room, path):
    """Type and shape of one tensor whose bytes lie within ``room``."""
    entry = entry if isinstance(entry, dict) else {}
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in WIDTHS:
        raise _refuse(path, f"{name}.dtype", f"must be one of {', '.join(WIDTHS)}", dtype)
    if not _are_counts(shape) or len(shape) > 8:
        raise _refuse(path, f"{name}.shape", "must be a list of sizes", shape)
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _refuse(path, f"{name}.data_offsets", "must be where its bytes begin and end", offsets)
    if offsets[1] > room:
        msg = (
            f"The file of weights {os.fspath(path)} is truncated or damaged: {name} ends at byte {offsets[1]} of its "
            f"data, which have {room}; copy, download or write it again."
        )
        raise WeightsIntegrityError(msg)
    needed = WIDTHS[dtype] * math.prod(shape)
    if offsets[1] - offsets[0] != needed:
        rule = f"must span the {needed} bytes that its shape and dtype need"
        raise _refuse(path, f"{name}.data_offsets", rule, offsets)
    return dtype, tuple(shape)


def _are_counts(values):
    return isinstance(values, list) and all(type(x) is int and 0 <= x < 2**62 for x in values)


def check_metadata(metadata, path):
    """Check what a file of weights says about itself, beside its configuration.

    Parameters
    ----------
    metadata : dict
        Decoded.
    path : path-like
        For messages.

    Raises
    ------
    WeightsError
        A value is not what it may be; the message names its field.
    """
    for name, value in metadata.items():
        _check_value(name, value, path, 0)


def check_config(config, path):
    """Check the configuration in a file of weights, before a network is built of it.

    Parameters
    ----------
    config : dict
    path : path-like
        For messages.

    Raises
    ------
    WeightsError
        A value is not what it may be; the message names its field.

    Examples
    --------
    >>> from astro_spectok.network import get_config
    >>> from astro_spectok.weights.checks import check_config
    >>> check_config(get_config("small").to_dict(), "ours.safetensors")
    >>> check_config({"width": 160, "redshift": {"step": 0}}, "ours.safetensors")
    Traceback (most recent call last):
    ...
    astro_spectok.exceptions.WeightsError: The file of weights ours.safetensors cannot be used: redshift.step must ...
    """
    for name, value in config.items():
        _check_value(name, value, path, 0)
        _check_sizes(name, value, path)


def _check_value(name, value, path, depth):
    """Refuse what no field holds: numbers that are not finite, endless texts and lists, abysses."""
    if depth > DEEPEST:
        raise _refuse(path, name, f"must be nested {DEEPEST} times at most", "more")
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if not (math.isfinite(value) and abs(value) <= LARGEST):
            raise _refuse(path, name, f"must be finite and {LARGEST:g} at most", value)
    elif isinstance(value, str):
        if len(value) > LONGEST:
            raise _refuse(path, name, f"must have {LONGEST} letters at most", len(value))
    else:
        if len(value) > MOST:
            raise _refuse(path, name, f"must have {MOST} values at most", len(value))
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in inside:
            _check_value(f"{name}.{key}" if isinstance(value, dict) else f"{name}[{key}]", item, path, depth + 1)
        if name.rpartition(".")[2] in RANGES:
            _check_range(name, value, path)


def _check_sizes(name, value, path):
    """Refuse sizes that no network has, at any depth of a configuration."""
    key = name.rpartition(".")[2]
    if key in NO_SIZES:
        return
    if isinstance(value, dict) and (key == "heads" or key not in INTEGERS.keys() | NUMBERS.keys()):
        for inner, item in value.items():
            _check_sizes(f"{name}.{inner}", item, path)
    elif isinstance(value, list | tuple) and all(isinstance(item, dict) for item in value):
        for k, item in enumerate(value):
            _check_sizes(f"{name}[{k}]", item, path)
    elif key in INTEGERS:
        low, high = INTEGERS[key]
        if type(value) is not int or not low <= value <= high:
            raise _refuse(path, name, f"must be an integer from {low} to {high}", value)
    elif key in NUMBERS:
        low, high = NUMBERS[key]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not (low <= value <= high or (value == 0 and key in MAY_BE_ZERO)):
            raise _refuse(path, name, f"must be a number from {low:g} to {high:g}", value)
    elif key == "z_range" and not (
        isinstance(value, list | tuple) and all(_is_range(pair, -1.0, 1e3) for pair in value)
    ):
        raise _refuse(path, name, "must hold pairs of redshifts from lowest to highest, above -1", value)


def _is_range(pair, low, high):
    numbers = isinstance(pair, list | tuple) and len(pair) == 2 and all(type(x) in (int, float) for x in pair)
    return numbers and all(low < x < high for x in pair) and all(a < b for a, b in pairwise(pair))


def _check_range(name, value, path):
    if not _is_range(value, 0.0, 1e9):
        raise _refuse(path, name, "must be two wavelengths in Angstrom from lowest to highest", value)


def _refuse(path, name, rule, got):
    """The error for a field that breaks a rule."""
    msg = (
        f"The file of weights {os.fspath(path)} cannot be used: {name:.200} {rule}; got {got!r:.80}. Use another set "
        "('spectok weights list'), or write this one again."
    )
    return WeightsError(msg)


@contextlib.contextmanager
def limit_size(tensors, config, path):
    """A context in which no more numbers are made than a network of a file of this size has, and none drawn for layers.

    Parameters
    ----------
    tensors : dict of str to tuple
        As of `check_header`.
    config : dict
        Whose largest sizes the message names.
    path : path-like

    Raises
    ------
    WeightsError
        More are asked for.
    """
    from torch.nn import init
    from torch.overrides import TorchFunctionMode

    drawn = init.kaiming_uniform_, init.uniform_, init.normal_
    held = sum(math.prod(shape) for _, shape in tensors.values())
    budget = BESIDE_FACTOR * held + BESIDE

    class Count(TorchFunctionMode):
        made = 0

        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if function in drawn:  # what the file holds takes their place
                return kwargs["tensor"] if "tensor" in kwargs else args[0]
            if getattr(function, "__name__", "") in _MAKERS:
                self.made += max(_count_wanted(function, args, kwargs), LEAST_TENSOR)
                if self.made > budget:
                    sizes = sorted(_list_sizes(config), key=lambda pair: -pair[1])[:3]
                    msg = (
                        f"asks for more than {budget} numbers, where the file holds {held} (largest sizes: "
                        f"{', '.join(f'{name}={value}' for name, value in sizes)})"
                    )
                    raise WeightsError(_word_size(path, msg))
            return function(*args, **kwargs)

    with Count():
        yield


#: functions of PyTorch that make tensors of a given size
_MAKERS = ("empty", "zeros", "ones", "full", "rand", "randn", "eye", "arange", "linspace", "logspace", "tril_indices")


def _count_wanted(function, args, kwargs):
    """Number of values requested of a function that makes a tensor."""
    name = function.__name__
    if name == "arange":
        numbers = [x for x in args if isinstance(x, int | float)]
        start, stop, step = (0, *numbers, 1) if len(numbers) == 1 else (*numbers, 1)[:3] if numbers else (0, 0, 1)
        return int(abs((stop - start) / step)) if step else 0
    if name in ("linspace", "logspace"):
        steps = kwargs.get("steps", args[2] if len(args) > 2 else 0)
        return int(steps)
    size = kwargs.get("size", args[0] if args else ())
    if isinstance(size, int):
        sizes = [x for x in args if isinstance(x, int)]
        sizes = sizes * 2 if name == "eye" and len(sizes) == 1 else sizes
    else:
        sizes = list(size)
    return math.prod(int(x) for x in sizes)


def _list_sizes(config, prefix=""):
    """Yield name and value of each integer of a configuration."""
    for name, value in config.items():
        if isinstance(value, list | tuple):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            yield from _list_sizes(value, f"{prefix}{name}.")
        elif type(value) is int:
            yield f"{prefix}{name}", value


def _word_size(path, what):
    return (
        f"The file of weights {os.fspath(path)} cannot be used: its configuration {what}. Use another set ('spectok "
        "weights list'), or write this one again."
    )


@contextlib.contextmanager
def naming(field, loaded):
    """A context in which a field of the metadata of weights is read: what is wrong with it names the field.

    Parameters
    ----------
    field : str
    loaded : `~astro_spectok.weights.LoadedWeights`

    Raises
    ------
    WeightsError
        Whatever goes wrong.
    """
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:
        msg = (
            f"The file of weights {os.fspath(loaded.path)} cannot be used: its field {field!r} is not what it may be "
            f"({type(error).__name__}: {error}). Use another set ('spectok weights list'), or write this one again."
        )
        raise WeightsError(msg) from error
