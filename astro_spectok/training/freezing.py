# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of chosen parts of a network: what is frozen, and what need not be computed for it."""

from torch import nn

__all__ = ["find_part", "freeze_all_but", "get_part", "is_trained", "list_parts"]

#: modules that make a part of the network itself
BACKBONE = {
    "encoder": ("input", "wavelength", "blocks", "norm"),
    "pooling": ("pooling",),
    "decoder": ("decoder",),
}


def list_parts(network):
    """The parts of a network that can be trained alone.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Returns
    -------
    list of str
        ``encoder``, ``pooling``, ``decoder``, and the names of the heads.
    """
    return [*BACKBONE, *network.heads]


def get_part(network, name):
    """The modules that a part consists of.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`
    name : str
        Out of `list_parts`.

    Returns
    -------
    `torch.nn.ModuleList`
    """
    if name in BACKBONE:
        return nn.ModuleList(network.get_submodule(child) for child in BACKBONE[name])
    return nn.ModuleList([network.heads[name]])


def find_part(key):
    """The part that a parameter belongs to, by the name that it has in the network."""
    first, *rest = key.split(".")
    return rest[0] if first == "heads" else next(part for part, children in BACKBONE.items() if first in children)


def freeze_all_but(network, names):
    """Let only the named parts of a network have gradients; all of it where none is named.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`
    names : str or sequence of str
        Out of `list_parts`.

    Returns
    -------
    list of str
        Those that are trained, in the order of the network; empty where none was named.

    Raises
    ------
    ValueError
        The network has no such part.
    """
    names, there = {names} if isinstance(names, str) else set(names), list_parts(network)
    unknown = sorted(str(name) for name in names - set(there))
    if unknown:
        msg = (
            f"train_only must be names of parts of the network, which are {', '.join(there)}; got {', '.join(unknown)}"
        )
        raise ValueError(msg)
    for name in there:
        get_part(network, name).requires_grad_(not names or name in names)
    return [name for name in there if name in names]


def is_trained(network, *names):
    """Whether any parameter of the named parts has a gradient."""
    return any(p.requires_grad for name in names for p in get_part(network, name).parameters())
