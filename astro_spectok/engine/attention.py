# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Looking at the attention of a network while it encodes; at all other times nothing is recorded and nothing slower."""

from contextlib import contextmanager

__all__ = ["record_attention"]


@contextmanager
def record_attention(network):
    """Record what each block of the encoder attends to, for as long as the context lasts.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Yields
    ------
    list of ndarray of float32, shape (B, H, T, T)
        One more for each block that has run: the share that each head takes of each token (last axis) for each token;
        shares add up to 1 over the last axis, and are 0 for tokens without a good pixel.
    """
    found = []

    def note(module, inputs, _):
        found.append(module.weigh(*inputs).float().cpu().numpy())

    handles = [block.attention.register_forward_hook(note) for block in network.blocks]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
