# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Importing this imports specutils without matplotlib, which takes a second and serves for pictures alone."""

import importlib
import sys

__all__ = []

#: modules that ndcube imports while its classes are made, to copy the help text of one method; it imports them again
#: when something is plotted
PLOTTERS = ("ndcube.visualization.mpl_plotter", "ndcube.visualization.mpl_sequence_plotter")


def _import_specutils():
    """Import specutils, and matplotlib not before something is plotted.

    ndcube does without its plotters where they cannot be imported, as where matplotlib is not installed; afterwards
    they can. What differs is the help text of ``NDCube.plot``, which is that of ndcube until something is plotted.
    Nothing is done where the program has imported ndcube before.
    """
    if "ndcube" in sys.modules:
        return
    hidden = [name for name in PLOTTERS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # Python takes a module that is None as one that is not there
    try:
        importlib.import_module("specutils")
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


_import_specutils()
