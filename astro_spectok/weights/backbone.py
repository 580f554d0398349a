# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What of a set of weights tokens and embeddings depend on, as a digest: heads, their rules and metadata may change."""

import hashlib
from weakref import WeakKeyDictionary

import numpy as np

from astro_spectok.exceptions import WeightsError

__all__ = ["check_backbone", "check_heads", "digest_backbone", "digest_heads"]

_KNOWN: WeakKeyDictionary = WeakKeyDictionary()
_KNOWN_HEADS: WeakKeyDictionary = WeakKeyDictionary()


def digest_backbone(network):
    """SHA-256 of the parameters of a network that tokens and embeddings are made with.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Returns
    -------
    str
        64 hexadecimal digits; the same for all files that hold these parameters, whatever else they hold.
    """
    if network not in _KNOWN:
        heads = tuple(f"heads.{name}." for name, _ in network.config.summaries)
        digest = hashlib.sha256()
        for name, tensor in network.state_dict().items():
            if name.startswith("heads.") and not name.startswith(heads):
                continue
            _add_tensors(digest, [(name, tensor)])
        _KNOWN[network] = digest.hexdigest()
    return _KNOWN[network]


def _add_tensors(digest, items):
    """Add names, shapes and values of tensors to a digest."""
    for name, tensor in items:
        values = tensor.detach().cpu().float().numpy()
        digest.update(f"{name} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).tobytes())


def check_backbone(loaded, digest, name, what):
    """Refuse weights whose tokens are others.

    Parameters
    ----------
    loaded : `~astro_spectok.weights.LoadedWeights`
    digest, name : str
        Of the weights that are needed.
    what : str
        What needs them, for the message.

    Raises
    ------
    WeightsError
    """
    found = digest_backbone(loaded.network)
    if found != digest:
        msg = (
            f"weights must be those of {what}, {name!r} with the backbone {digest[:12]}; got {loaded.name!r} with "
            f"{found[:12]}; give the path of the former as weights, or make it anew with the latter"
        )
        raise WeightsError(msg)


def digest_heads(network, names):
    """SHA-256 of the parameters and sizes of some heads of a network.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`
    names : tuple of str

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    known = _KNOWN_HEADS.setdefault(network, {})
    if names not in known:
        digest = hashlib.sha256()
        for name in names:
            head = network.heads[name]
            digest.update(f"{name} {head.kind} {head.config}\n".encode())
            _add_tensors(digest, head.state_dict().items())
        known[names] = digest.hexdigest()
    return known[names]


def check_heads(found, digest, name, what):
    """Refuse weights whose heads say something else.

    Parameters
    ----------
    found : str
        Digest of the heads that there are, as of `digest_heads`.
    digest : str
        Of those that are needed.
    name : str
        Of the weights that there are.
    what : str
        What needs them, for the message.

    Raises
    ------
    WeightsError
    """
    if found != digest:
        msg = (
            f"weights must have the heads that {what} has learned from, {digest[:12]}; got {name!r} with {found[:12]}; "
            f"give the path of the weights it was fitted with, or fit it anew"
        )
        raise WeightsError(msg)
