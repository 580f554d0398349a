# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Groups of spectra of one object, which are not to stand on both sides of a fold."""

import warnings

import numpy as np

from astro_spectok.adapt.labels import find_missing
from astro_spectok.exceptions import RepeatedObjectsWarning
from astro_spectok.interface.inputs import find_user

__all__ = ["check_groups", "check_sample_weight", "warn_repeated"]


def check_groups(groups, n):
    """Groups as integers, or None."""
    if groups is None:
        return None
    values = np.asarray(groups)
    if values.shape != (n,):
        msg = f"groups must be one for each of the {n} spectra; got the shape {values.shape}"
        raise ValueError(msg)
    if unknown := int(find_missing(groups).sum()):
        msg = (
            f"groups must be known of all spectra; got none of {unknown}; if these are objects that are there once, "
            "give each a group of its own"
        )
        raise ValueError(msg)
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def check_sample_weight(sample_weight, n):
    """Weights of spectra as an array (n,); all the same if none are given."""
    if sample_weight is None:
        return np.ones(n)
    try:
        values = np.asarray(sample_weight, dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"sample_weight must be numbers, one for each of the {n} spectra"
        raise TypeError(msg) from error
    if values.shape != (n,) or not (np.isfinite(values) & (values >= 0)).all():
        msg = f"sample_weight must be one number of 0 or more for each of the {n} spectra; got the shape {values.shape}"
        raise ValueError(msg)
    return values


def warn_repeated(batch, labelled):
    """Warn where the same object is there more than once, and groups are not given."""
    names = [batch.info[i].name for i in np.flatnonzero(labelled)]
    marks = [batch.flux[batch.pixels(i)].tobytes() for i in np.flatnonzero(labelled)]
    same = len([x for x in names if x]) - len({x for x in names if x})
    twice = len(marks) - len(set(marks))
    if same or twice:
        what = f"{same} spectra share a name with others" if same else f"{twice} spectra are copies of others"
        msg = (
            f"{what}: one object on both sides of a fold makes errors too small; give groups (one for each object) to "
            "keep its spectra together"
        )
        warnings.warn(msg, RepeatedObjectsWarning, stacklevel=find_user())
