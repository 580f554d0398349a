# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated observations as training examples."""

import numpy as np

from astro_spectok.simulate import STELLAR_TYPES
from astro_spectok.training.views import Truth, View, finish_view, hide_pixels, trust_template

__all__ = ["pair_views"]

#: two views can be recognised as one object if both have at least this signal-to-noise ratio per pixel, and this range
#: in ln(wavelength) in common: the others would be noise in the alignment
LEAST_SNR, LEAST_OVERLAP = 2.0, 0.15


def pair_views(group, rng, target_pixels, *, finish=finish_view):
    """Two views of each object of a group.

    Parameters
    ----------
    group : `~astro_spectok.simulate.survey.SimulatedGroup`
        Drawn with two views.
    rng : `numpy.random.Generator`
    target_pixels : int
        Most pixels of the target.
    finish : callable, optional
        What is done with each view in the end.

    Returns
    -------
    list of (View, View)
        Objects with too few good pixels in one of the views are left out.
    """
    objects = group.objects
    z = objects.z.cpu().numpy()
    cls, measurable = objects.cls.tolist(), objects.measurable.tolist()
    types = [STELLAR_TYPES[number] if number >= 0 else "" for number in objects.stellar_type.tolist()]
    labels = {name: values.cpu().numpy() for name, values in objects.labels.items()}
    rows = [[_to_arrays(observation, i) for i in range(len(z))] for observation in group.observations]
    pairs = []
    for i in range(len(z)):
        known = {name: float(values[i]) for name, values in labels.items()}
        seen = measurable[i] and min(float(snr[i]) for snr in group.snr) >= LEAST_SNR
        seen = seen and _find_overlap([row[i][0] for row in rows]) >= LEAST_OVERLAP
        truth = Truth(cls[i], float(np.log1p(z[i])), measurable[i], known, aligned=seen, stellar_type=types[i])
        comparable = all(view[i].calibrated and not view[i].normalised for view in group.instruments)
        pair = [
            _make_view(view[i], rows[1 - k][i], truth, group.family, rng, target_pixels, comparable, finish)
            for k, view in enumerate(rows)
        ]
        if all(view is not None for view in pair):
            pairs.append(tuple(pair))
    return pairs


def _find_overlap(grids):
    """Range in ln(wavelength) that all grids span; negative where there is none."""
    return min(x[-1] for x in grids) - max(x[0] for x in grids)


def _to_arrays(observation, i):
    """One spectrum of an observation as numpy arrays: ln wavelength, flux, ivar, truth, resolution."""
    present = observation.present[i]
    names = ("ln_wavelength", "flux", "ivar", "truth", "resolution")
    return tuple(getattr(observation, name)[i][present].cpu().numpy() for name in names)


def _make_view(own, other, truth, name, rng, target_pixels, comparable, finish):
    """View with one observation as input; the target is noise-free, on its own pixels or sometimes on the other's."""
    x, flux, ivar, clean, resolution = own
    known_resolution = resolution if rng.random() < 0.5 else np.nan
    wanted_x, wanted, wanted_resolution = x, clean, resolution
    if comparable and rng.random() < 0.3:
        wanted_x, _, _, wanted, wanted_resolution = other
    asked = float(np.median(wanted_resolution)) if rng.random() < 0.5 and len(wanted_resolution) else np.nan
    good = ivar > 0
    if not good.any():
        return None
    # where there is no flux, some small part of the noise is all that can be wanted
    noise = 0.02 / np.sqrt(np.median(ivar[good]))
    shown_ivar = hide_pixels(ivar, rng, most=0.25)
    view = View(
        x, flux, shown_ivar, known_resolution, wanted_x, wanted, trust_template(wanted, noise), asked, name, truth
    )
    return finish(view, rng, target_pixels)
