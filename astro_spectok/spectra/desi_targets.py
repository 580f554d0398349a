# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Matching of DESI arms in a list of spectra, and of their rows by target."""

import math
from dataclasses import replace

import numpy as np
from specutils import Spectrum

__all__ = ["align_arms", "count_rows", "find_arms", "read_targets", "take_rows"]


def count_rows(spectrum):
    """Number of spectra in a `~specutils.Spectrum` of any shape: int."""
    shape = list(spectrum.data.shape)
    del shape[spectrum.spectral_axis_index]
    return math.prod(shape)


def read_targets(spectrum):
    """Numbers of the targets of a spectrum's rows, from its fibermap.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`

    Returns
    -------
    list of tuple (int, int) or None
        Number, and how often it came before in these rows: a target may have several exposures. None if unknown.
    """
    fibermap = spectrum.meta.get("fibermap")
    if "TARGETID" not in getattr(fibermap, "colnames", ()) or len(fibermap) != count_rows(spectrum):
        return None
    seen, out = {}, []
    for number in np.asarray(fibermap["TARGETID"]).tolist():
        out.append((number, seen.get(number, 0)))
        seen[number] = seen.get(number, 0) + 1
    return out


def _band_of(item):
    """The arm of a Spectrum as the DESI loader marks it, or None."""
    if not isinstance(item, Spectrum):
        return None
    band = item.meta.get("band")
    return band if isinstance(band, str) and {"int_mask", "resolution_data", "bands"} & set(item.meta) else None


def find_arms(spectra, start):
    """Find the arms of one file from ``start`` on: a run of different bands that are known to hold the same targets.

    Arms that name their targets are matched by these. Where one arm of a file alone has the fibermap, as specutils
    reads them, it also lists the other bands, which then are in its order. What neither identifies stays apart.

    Parameters
    ----------
    spectra : list
    start : int

    Returns
    -------
    list of `~specutils.Spectrum`
        Fewer than two if there is nothing to join.
    """
    arms, bands = [], set()
    for item in spectra[start:]:
        band = _band_of(item)
        if band is None or band in bands:
            break
        arms.append(item)
        bands.add(band)
    # the longest run that holds together
    while len(arms) > 1 and align_arms(arms) is None:
        arms.pop()
    return arms


def align_arms(arms):
    """Say which row of each arm is which target.

    Parameters
    ----------
    arms : list of `~specutils.Spectrum`

    Returns
    -------
    rows : ndarray of int, shape (arms, targets), or None
        Row of each target in each arm, -1 where an arm lacks it. None if it is unknown.
    """
    known = [read_targets(arm) for arm in arms]
    counts = [count_rows(arm) for arm in arms]
    owners = [k for k, targets in enumerate(known) if targets is not None]
    silent = [k for k, targets in enumerate(known) if targets is None]
    if silent:
        listed = [arm.meta.get("bands") for arm in arms]
        first = next((k for k, names in enumerate(listed) if names is not None), None)
        if first is None or len(set(counts)) > 1:
            return None
        named = {str(name) for name in listed[first]}
        same = all(known[k] == known[owners[0]] for k in owners)
        if not same or not all(_band_of(arms[k]) in named for k in silent):
            return None
        return np.tile(np.arange(counts[0]), (len(arms), 1))
    targets = list(dict.fromkeys(target for one in known for target in one))
    repeated = {number for one in known for number, before in one if before}
    if any({t for t in one if t[0] in repeated} != {t for t in targets if t[0] in repeated} for one in known):
        return None  # exposures of a target that not all arms have: which is which is not known
    places = [{target: row for row, target in enumerate(one)} for one in known]
    return np.array([[place.get(target, -1) for target in targets] for place in places])


def take_rows(raw, rows):
    """Rows of a `~astro_spectok.spectra.raw.RawSpectra`, as ``rows`` says; -1 gives one without good pixels."""
    if np.array_equal(rows, np.arange(len(raw.flux))):
        return raw
    lacking = np.repeat((rows < 0)[:, None], raw.flux.shape[1], axis=1)
    mask = lacking if raw.mask is None else (np.asarray(raw.mask)[rows] != 0) | lacking
    return replace(
        raw,
        flux=raw.flux[rows],
        uncertainty=None if raw.uncertainty is None else raw.uncertainty[rows],
        mask=mask,
        names=tuple("" if row < 0 else raw.names[row] for row in rows) if raw.names else (),
    )
