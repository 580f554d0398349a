# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of chosen parts of a network: what is frozen, and what need not be computed for it."""

__all__ = ["freeze_all_but", "is_trained", "list_parts"]

#: parts of the network that the tokens pass through
ENCODER = ("input", "wavelength", "blocks", "norm")


def list_parts(network):
    """The parts of a network that can be trained alone: names of its children that have parameters.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Returns
    -------
    list of str
    """
    return [name for name, part in network.named_children() if any(True for _ in part.parameters())]


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
        network.get_submodule(name).requires_grad_(not names or name in names)
    return [name for name in there if name in names]


def is_trained(network, *names):
    """Whether any parameter of the named parts has a gradient; a part that the network lacks has none."""
    parts = (getattr(network, name) for name in names)
    return any(p.requires_grad for part in parts if part is not None for p in part.parameters())
