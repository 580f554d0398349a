# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Samples beside spectra, checked: tensors with a row for each object, ids that match, objects that stay together."""

import numpy as np
import torch

__all__ = ["Samples", "check_columns", "check_ids", "check_numbers", "read_samples", "split_groups"]

#: pairs that training needs
LEAST = 4


class Samples:
    """What a tower takes: one tensor, or several, with a row for each object.

    Parameters
    ----------
    values : tensor, ndarray, or tuple of these

    Attributes
    ----------
    usable : ndarray of bool, shape (n,)
        Rows without NaN or infinite numbers.
    """

    def __init__(self, values):
        self.single = not isinstance(values, tuple)
        try:
            parts = [torch.as_tensor(np.asarray(x) if not torch.is_tensor(x) else x) for x in
                     ((values,) if self.single else values)]  # fmt: skip
        except (TypeError, ValueError) as error:
            msg = f"samples must be a tensor, an array, or a tuple of these; got {type(values).__name__}"
            raise TypeError(msg) from error
        if not parts or any(part.ndim == 0 for part in parts) or len({len(part) for part in parts}) > 1:
            msg = (
                f"samples must have a row for each object, in all of their parts; got {[tuple(x.shape) for x in parts]}"
            )
            raise ValueError(msg)
        self.parts = [part.float() if part.is_floating_point() else part for part in parts]
        finite = [torch.isfinite(part).flatten(1).all(1) if part.ndim > 1 else torch.isfinite(part)
                  for part in self.parts if part.is_floating_point()]  # fmt: skip
        self.usable = np.ones(len(parts[0]), bool)
        for one in finite:
            self.usable &= one.numpy()

    def __len__(self):
        return len(self.parts[0])

    def take(self, rows):
        """Some rows, as the tower takes them."""
        index = torch.from_numpy(np.asarray(rows))
        parts = tuple(part[index] for part in self.parts)
        return parts[0] if self.single else parts


def read_samples(values, tower=None):
    """What is given as `Samples`; such, as they are. A tower with a method ``prepare`` adds to a single part once."""
    if isinstance(values, Samples):
        return values
    samples = Samples(values)
    prepare = getattr(tower, "prepare", None)
    return Samples(prepare(samples.parts[0])) if prepare is not None and samples.single else samples


def check_numbers(integers, floats):
    """Refuse settings that are not positive."""
    for name, value in integers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            remedy = "; give it, or a tower with an attribute size" if name == "tower_size" else ""
            msg = f"{name} must be a positive integer; got {value!r}{remedy}"
            raise ValueError(msg)
    for name, value in floats.items():
        if not (isinstance(value, int | float) and 0 < value < np.inf):
            msg = f"{name} must be a number above 0; got {value!r}"
            raise ValueError(msg)


def check_ids(ids, n):
    """Refuse pairs whose ids differ."""
    if ids is None:
        return
    first, second = (np.asarray(x) for x in ids)
    if first.shape != (n,) or second.shape != (n,):
        msg = f"ids must be two arrays of {n}, of spectra and of samples; got {first.shape} and {second.shape}"
        raise ValueError(msg)
    wrong = np.flatnonzero(first != second)
    if len(wrong):
        i = int(wrong[0])
        msg = (
            f"ids must be the same of spectra and samples; {len(wrong)} of {n} differ, first in row {i}: {first[i]!r} "
            f"and {second[i]!r}; sort both by id, and leave out what has no partner"
        )
        raise ValueError(msg)


def check_columns(n, **columns):
    """Columns as arrays, None where not given; those that are not one value for each of n spectra are refused."""
    found = []
    for name, values in columns.items():
        values = None if values is None else np.asarray(values)
        if values is not None and (values.shape != (n,) or (name == "redshift" and values.dtype.kind not in "fiu")):
            what = "number" if name == "redshift" else "value"
            msg = f"{name} must be one {what} for each of the {n} spectra; got {values.dtype} of shape {values.shape}"
            raise ValueError(msg)
        found.append(values)
    return found


def split_groups(usable, groups, share, seed):
    """Rows that teach, rows that are kept, and the number of the object of each row.

    Parameters
    ----------
    usable : ndarray of bool, shape (n,)
    groups : array_like, shape (n,), or None
    share : float
        Of the objects that is kept.
    seed : int

    Returns
    -------
    taught, kept, numbers : ndarray of int
    """
    if not (isinstance(share, int | float) and 0 <= share < 1):
        msg = f"validation must be a share from 0 to below 1; got {share!r}"
        raise ValueError(msg)
    numbers = np.arange(len(usable))
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != usable.shape:
            msg = f"groups must be one for each of the {len(usable)} spectra; got the shape {groups.shape}"
            raise ValueError(msg)
        numbers = np.unique(groups, return_inverse=True)[1]
    objects = np.unique(numbers[usable])
    if len(objects) < LEAST:
        msg = (
            f"spectra and samples must make at least {LEAST} pairs of different objects that can be used; got "
            f"{len(objects)} of {len(usable)} rows; the others have no good spectrum, or NaN in their sample"
        )
        raise ValueError(msg)
    order = np.random.default_rng(seed).permutation(objects)
    held = order[: round(share * len(objects))]
    rows = np.flatnonzero(usable)
    kept = np.isin(numbers[rows], held)
    return rows[~kept], rows[kept], numbers
