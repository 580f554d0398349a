# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarTraining`: what a set of weights tells of its stellar labels: where they hold, and how far off errors are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from astro_spectok.results.stellar_hull import StellarHull

__all__ = ["STELLAR_KEY", "StellarTraining"]

#: where the metadata of a file of weights hold it
STELLAR_KEY = "stellar"
#: parts that a range is divided into to see how much of it a spectrum fills
PARTS = 16
#: vacuum Angstrom of the H band, as labels are learnt from it
H_BAND = ((15150.0, 16960.0),)


@dataclass(frozen=True)
class StellarTraining:
    """What the stellar labels of a set of weights were trained on, and the correction of their errors.

    Attributes
    ----------
    hull : `~astro_spectok.results.stellar_hull.StellarHull`
    wavelength : tuple of (float, float)
        Ranges in the rest frame, vacuum Angstrom, that labels were learnt from.
    resolution : (float, float)
        Lowest and highest resolving power.
    types : tuple of str
        Coarse types of stars among those with labels.
    label_wavelength : dict of str to tuple of (float, float)
        The same as ``wavelength`` for labels that were learnt from a part of it alone; elsewhere they are not told.
    error_scale : dict of str to float
        For each label what its error is multiplied by; 1 where absent.
    error_floor : dict of str to float
        For each label what is added to its error in quadrature, before it is scaled; 0 where absent.
    """

    hull: StellarHull = field(default_factory=StellarHull)
    wavelength: tuple = ((3600.0, 7390.0), (8390.0, 8910.0), *H_BAND)
    resolution: tuple = (100.0, 30000.0)
    types: tuple = ("O", "B", "A", "F", "G", "K", "M")
    # keyword-only, as what came later; real optical spectra have no labels of alpha elements
    label_wavelength: dict = field(default_factory=lambda: {"alpha_fe": H_BAND}, kw_only=True)
    error_scale: dict = field(default_factory=dict)
    error_floor: dict = field(default_factory=dict)

    def __post_init__(self):
        for name, least in (("error_scale", "positive"), ("error_floor", "zero or positive")):
            values = getattr(self, name)
            allowed = isinstance(values, Mapping) and all(
                np.isfinite(x) and (x > 0 or (x == 0 and name == "error_floor")) for x in values.values()
            )
            if not allowed:
                msg = f"{name} must be a dict of label to a {least} number; got {values!r}"
                raise ValueError(msg)
        ranges = [pair for pairs in self.label_wavelength.values() for pair in pairs]
        for low, high in (*self.wavelength, *ranges, self.resolution):
            if not 0 < low < high:
                msg = (
                    "wavelength, label_wavelength and resolution must be (low, high) with 0 < low < high; "
                    f"got ({low!r}, {high!r})"
                )
                raise ValueError(msg)

    @classmethod
    def from_metadata(cls, metadata):
        """What a file of weights tells; what it does not is as by default.

        Parameters
        ----------
        metadata : dict
            As of `~astro_spectok.weights.LoadedWeights`.

        Returns
        -------
        StellarTraining
        """
        stored = metadata.get(STELLAR_KEY) or {}
        made = {name: dict(stored[name]) for name in ("error_scale", "error_floor") if name in stored}
        if "hull" in stored:
            made["hull"] = StellarHull.from_dict(stored["hull"])
        if "wavelength" in stored:
            made["wavelength"] = _to_ranges(stored["wavelength"])
        if "label_wavelength" in stored:
            made["label_wavelength"] = {name: _to_ranges(x) for name, x in stored["label_wavelength"].items()}
        if "resolution" in stored:
            made["resolution"] = tuple(map(float, stored["resolution"]))
        if "types" in stored:
            made["types"] = tuple(stored["types"])
        return cls(**made)

    def to_dict(self):
        """Plain dictionary, ready for JSON."""
        return {
            "hull": self.hull.to_dict(),
            "wavelength": [list(pair) for pair in self.wavelength],
            "resolution": list(self.resolution),
            "types": list(self.types),
            "label_wavelength": {name: [list(pair) for pair in x] for name, x in self.label_wavelength.items()},
            "error_scale": dict(self.error_scale),
            "error_floor": dict(self.error_floor),
        }

    def correct_covariance(self, names, covariance):
        """Make the errors of labels mean what they say; correlations stay.

        Parameters
        ----------
        names : sequence of str, length L
        covariance : ndarray, shape (L, L)

        Returns
        -------
        ndarray, shape (L, L)
        """
        sigma = np.sqrt(np.diag(covariance))
        floor = np.array([self.error_floor.get(name, 0.0) for name in names])
        scale = np.array([self.error_scale.get(name, 1.0) for name in names])
        factor = scale * np.hypot(sigma, floor) / np.maximum(sigma, 1e-12)
        return covariance * np.outer(factor, factor)

    def covers(self, wavelength, label=None):
        """Whether each wavelength (n,), at rest in vacuum Angstrom, lies where a label was learnt: ndarray of bool.

        Where any was if none is named.
        """
        wavelength = np.asarray(wavelength)
        ranges = self.label_wavelength.get(label, self.wavelength)
        return np.any([(wavelength >= low) & (wavelength <= high) for low, high in ranges], axis=0)

    def fills_range(self, wavelength):
        """Whether pixels (n,), at rest in vacuum Angstrom, lie in most parts of any of the ranges."""
        for low, high in self.wavelength:
            parts, _ = np.histogram(np.log(wavelength), PARTS, (np.log(low), np.log(high)))
            if np.count_nonzero(parts) > PARTS / 2:
                return True
        return False


def _to_ranges(pairs):
    return tuple((float(low), float(high)) for low, high in pairs)
