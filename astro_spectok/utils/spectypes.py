# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The names of the classes, as redrock and the Sloan surveys spell them."""

__all__ = ["GALAXY", "QSO", "STAR"]

GALAXY, QSO, STAR = "GALAXY", "QSO", "STAR"
