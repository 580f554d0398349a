# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which spectra of a list are the arms of the same DESI targets: told by TARGETID, never by their place alone."""

import numpy as np
from specutils import Spectrum

__all__ = ["count_rows", "find_arms"]


def count_rows(spectrum):
    """Return the number of spectra in a `~specutils.Spectrum`: int."""
    return spectrum.data.size // max(spectrum.data.shape[spectrum.spectral_axis_index], 1)


def _find_band(item):
    """The arm of a Spectrum as DESI loaders mark it, or None."""
    if not isinstance(item, Spectrum):
        return None
    band = item.meta.get("band")
    return band if isinstance(band, str) and {"int_mask", "resolution_data", "bands"} & set(item.meta) else None


def _find_targets(arm):
    """TARGETIDs of the rows of an arm, or None where it has none that fit."""
    fibermap = arm.meta.get("fibermap")
    if fibermap is None or "TARGETID" not in getattr(fibermap, "colnames", ()):
        return None
    targets = np.asarray(fibermap["TARGETID"])
    return targets if len(targets) == count_rows(arm) else None


def _match_rows(targets, own):
    """Where the rows of one arm are in another; None where these are not the same targets."""
    if np.array_equal(targets, own):
        return slice(None)
    by_target, by_own = np.argsort(targets, kind="stable"), np.argsort(own, kind="stable")
    if not np.array_equal(targets[by_target], own[by_own]):
        return None
    order = np.empty(len(targets), np.int64)
    order[by_target] = by_own
    return order


def find_arms(obj, start):
    """Find the run of arms that begins at a place of a list.

    Arms of different bands with the same TARGETIDs belong together, in whatever order each has them. An arm without
    TARGETIDs belongs to them if the file says so, as specutils' loader has it: the arm that has the fibermap names the
    bands of its file.

    Parameters
    ----------
    obj : sequence
    start : int

    Returns
    -------
    arms : list of `~specutils.Spectrum`
        Empty where there are not at least two.
    orders : list of slice or ndarray of int
        The rows to take of each arm, so that all have the same targets in the same order.
    """
    run, bands = [], set()
    for item in obj[start:]:
        band = _find_band(item)
        if band is None or band in bands or (run and count_rows(run[0]) != count_rows(item)):
            break
        run.append(item)
        bands.add(band)
    known = [_find_targets(arm) for arm in run]
    told = next((k for k, targets in enumerate(known) if targets is not None), None)
    if told is None or len(run) < 2:
        return [], []
    of_file = set(run[told].meta.get("bands", ()))
    arms, orders = [], []
    for arm, targets in zip(run, known, strict=True):
        if targets is None:
            order = slice(None) if arm.meta["band"] in of_file else None
        else:
            order = _match_rows(known[told], targets)
        if order is None:
            break
        arms.append(arm)
        orders.append(order)
    return (arms, orders) if len(arms) > 1 else ([], [])
