# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The coarse type of a star, from tokens gathered by learned queries."""

from astro_spectok.network.label_head import PooledHead

__all__ = ["TypeHead"]


class TypeHead(PooledHead):
    """Scores of every type in ``config.stellar_types``; their softmax is the probability of each, if it is a star."""

    def __init__(self, config):
        super().__init__(config, len(config.stellar_types))
        self.names = tuple(config.stellar_types)
