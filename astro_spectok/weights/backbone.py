# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What of a set of weights tokens and embeddings depend on, as a digest: heads, their rules and metadata may change."""

import hashlib
from weakref import WeakKeyDictionary

import numpy as np

from astro_spectok.exceptions import WeightsError

__all__ = ["check_backbone", "digest_backbone"]

_KNOWN: WeakKeyDictionary = WeakKeyDictionary()


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
            values = tensor.detach().cpu().float().numpy()
            digest.update(f"{name} {values.shape}\n".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        _KNOWN[network] = digest.hexdigest()
    return _KNOWN[network]


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
