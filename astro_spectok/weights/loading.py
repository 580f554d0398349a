# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From a file of weights to a network, strictly, and kept so that the next call costs nothing."""

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_spectok.exceptions import WeightsError
from astro_spectok.weights.checks import check_config, check_header, limit_size
from astro_spectok.weights.format import read_file, word_remedy, write_weights
from astro_spectok.weights.integrity import compute_sha256
from astro_spectok.weights.registry import REGISTRY
from astro_spectok.weights.store import find_weights

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LoadedWeights", "clear_loaded_weights", "load_network", "load_weights", "name_tensors", "write_network"]

# networks in use, least recently used first, by (digest, device); the most that are kept
_LOADED: OrderedDict[tuple[str, str], Any] = OrderedDict()
_MAX_LOADED = 4
#: absolute value that a parameter may have: those of the packaged set are below 131
LARGEST_WEIGHT = 1e6
_LOCK = threading.RLock()


def _renew_lock():
    """In a forked process, where the thread that may hold the lock does not exist."""
    global _LOCK
    _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@dataclass(frozen=True)
class LoadedWeights:
    """A network and what identifies its weights.

    Attributes
    ----------
    network : `torch.nn.Module`
        In evaluation mode, on its device, in float32.
    name : str
        Registry name; for a file outside the registry, the name inside it, or else the file's own.
    sha256 : str
        Digest of the file.
    metadata : dict
        What the file says about itself, see `read_metadata`.
    wavelength_range : tuple of float, or None
        Vacuum wavelengths in Angstrom, as observed, that training reached; None if unknown.
    path : `~pathlib.Path`
        The file.

    Examples
    --------
    >>> from astro_spectok.weights import load_weights
    >>> loaded = load_weights("small")
    >>> loaded.name, loaded.path.name, len(loaded.sha256)
    ('small', 'small.safetensors', 64)
    >>> "redshift" in loaded.network.heads
    True
    """

    network: "nn.Module"
    name: str
    sha256: str
    metadata: dict
    wavelength_range: tuple | None
    path: Path


def load_network(weights: str | PathLike[str] | None = None, device: Any = "cpu", **kwargs: Any) -> Any:
    """Load a set of weights and return its network only.

    Parameters
    ----------
    weights, device, **kwargs
        As for `load_weights`, whose errors are raised here too.

    Returns
    -------
    `torch.nn.Module`

    Examples
    --------
    >>> from astro_spectok.weights import load_network
    >>> network = load_network("small")
    >>> network.config.patch, network.config.token_size
    (32, 176)
    """
    return load_weights(weights, device, **kwargs).network


def load_weights(
    weights: str | PathLike[str] | None = None,
    device: Any = "cpu",
    *,
    download: bool = True,
    progress: bool | None = None,
    shared: bool = True,
) -> LoadedWeights:
    """Load a set of weights as a network with its identification.

    The network is built from the configuration inside the file, and every tensor must match.
    Tensors stored in half precision become float32. Networks are kept, so that loading a set again
    costs only the look-up; the kept network is shared by all callers and must not be changed.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path; ``conf.default_weights`` if not given.
    device : str or `torch.device`, optional
        Where the network goes.
    download, progress : optional
        As for `find_weights`.
    shared : bool, optional
        False gives a network of one's own, for instance to train on.

    Returns
    -------
    LoadedWeights

    Raises
    ------
    ValueError
        ``device`` is none that PyTorch knows.
    WeightsError
        The file does not hold the network that its configuration describes, or not finite
        numbers; and whatever `find_weights` and `read_weights` raise.

    Examples
    --------
    >>> from astro_spectok.weights import load_weights
    >>> loaded = load_weights()
    >>> loaded.network is load_weights("small").network
    True
    >>> loaded.network is load_weights("small", shared=False).network
    False
    """
    import torch

    try:
        device = torch.device(device)
    except RuntimeError as error:
        msg = f"`device` must be a torch device such as 'cpu' or 'cuda:0', got {device!r}"
        raise ValueError(msg) from error
    path = find_weights(weights, download=download, progress=progress)
    # the packaged set and its copy are one network, two devices are two
    key = (compute_sha256(path), str(device))
    if not shared:
        return _load_file(path, device)
    with _LOCK:
        if key not in _LOADED:
            _LOADED[key] = _load_file(path, device)
        _LOADED.move_to_end(key)
        while len(_LOADED) > _MAX_LOADED:
            _LOADED.popitem(last=False)
        return _LOADED[key]


def clear_loaded_weights() -> None:
    """Forget the networks that are kept, to free their memory.

    Examples
    --------
    >>> from astro_spectok.weights import clear_loaded_weights, load_network
    >>> network = load_network()
    >>> clear_loaded_weights()
    >>> load_network() is network
    False
    """
    with _LOCK:
        _LOADED.clear()


def _load_file(path, device):
    """Read, build, check and identify."""
    import torch

    config, metadata, tensors = read_file(path)
    network = _build(config, path, metadata)
    expected, retired = name_tensors(network), list_retired(network)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(retired)}
    _check_tensors(tensors, expected, path, metadata)
    state = {short: tensors[name] for name, short in zip(expected, network.state_dict(), strict=True)}
    # parameters of the network, and not of the inference that the program around may be at
    with torch.inference_mode(False):
        # copying into the network also turns half precision into float32
        network.load_state_dict(state, strict=True)
        network = network.to(device).eval()
    sha256 = compute_sha256(path)
    entry = next((entry for entry in REGISTRY.values() if entry.sha256 == sha256), None)
    return LoadedWeights(
        network=network,
        name=entry.name if entry else str(metadata.get("name") or path.stem),
        sha256=sha256,
        metadata=metadata,
        wavelength_range=entry.wavelength_range if entry else _read_range(metadata),
        path=path,
    )


def name_tensors(network):
    """The tensors of a network by the names that they have in a file.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Returns
    -------
    dict of str to `torch.Tensor`
        In the order of its ``state_dict``.
    """
    state = network.state_dict()
    return {name if name.startswith("heads.") else f"backbone.{name}": tensor for name, tensor in state.items()}


def list_retired(network):
    """What the names begin with of tensors that files written earlier hold and the heads of a network no longer read.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Returns
    -------
    tuple of str
        As of `name_tensors`.
    """
    return tuple(f"heads.{name}.{start}" for name, head in network.heads.items() for start in head.retired)


def write_network(
    path: str | PathLike[str],
    network: Any,
    *,
    metadata: Mapping[str, Any] | None = None,
    half: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a network with its heads, and all that is known of these, as a file of weights.

    Parameters
    ----------
    path, metadata, overwrite
        As for `write_weights`, whose errors are raised here too.
    network : `~astro_spectok.network.SpectralNetwork`
    half : bool, optional
        Whether to store half precision.

    Returns
    -------
    `~pathlib.Path`
        The file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.network import build_network, get_config
    >>> from astro_spectok.weights import load_weights, write_network
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ours.safetensors"
    >>> path = write_network(path, build_network(get_config("tiny")), metadata={"name": "ours"})
    >>> load_weights(path).name
    'ours'
    """
    from astro_spectok.heads.model import describe_model

    tensors = name_tensors(network)
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    return write_weights(path, describe_model(network), tensors, metadata=metadata, overwrite=overwrite)


def _read_range(metadata):
    """Return the trained wavelength range given in a file, or None."""
    training = metadata.get("training")
    found = training.get("wavelength_range") if isinstance(training, dict) else None
    return tuple(map(float, found)) if isinstance(found, list) and len(found) == 2 else None


def _build(config, path, metadata):
    """Build the network of a configuration."""
    import torch

    from astro_spectok.heads import ModelConfig, build_model

    check_config(config, path)
    try:
        # the random numbers of a user must not depend on whether a network was loaded in between
        with torch.random.fork_rng(devices=[]), limit_size(check_header(path), config, path):
            return build_model(ModelConfig.from_dict(config), random=False)
    except WeightsError:
        raise
    except Exception as error:  # whatever a configuration of another version or kind of network runs into
        msg = (
            f"The configuration in the file of weights {os.fspath(path)} describes no network of this version: "
            f"{error}. {word_remedy(metadata)}"
        )
        raise WeightsError(msg) from error


def _check_tensors(found, expected, path, metadata):
    """Raise unless the tensors of the file are those of the network, in name, shape and finiteness."""
    import torch

    faults = [f"missing {name}" for name in expected if name not in found]
    faults += [f"unexpected {name}" for name in found if name not in expected]
    faults += [
        f"{name} has shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        msg = (
            f"The tensors in the file of weights {os.fspath(path)} are not those of the network that its configuration "
            f"describes: {'; '.join(faults[:5])}{more}. {word_remedy(metadata)}"
        )
        raise WeightsError(msg)
    if strange := [name for name, tensor in found.items() if not tensor.is_floating_point()]:
        msg = (
            f"The file of weights {os.fspath(path)} cannot be used: {strange[0]} must hold floating-point numbers; got "
            f"{found[strange[0]].dtype}. {word_remedy(metadata)}"
        )
        raise WeightsError(msg)
    if broken := [name for name, tensor in found.items() if not torch.isfinite(tensor).all()]:
        msg = (
            f"The file of weights {os.fspath(path)} holds NaN or infinite numbers (first in {broken[0]}), as training "
            "that diverged leaves them; use an earlier checkpoint or another set of weights."
        )
        raise WeightsError(msg)
    if large := [name for name, tensor in found.items() if tensor.numel() and tensor.abs().max() > LARGEST_WEIGHT]:
        msg = (
            f"The file of weights {os.fspath(path)} cannot be used: {large[0]} holds numbers above {LARGEST_WEIGHT:g}, "
            "which no training leaves; use another set of weights."
        )
        raise WeightsError(msg)
