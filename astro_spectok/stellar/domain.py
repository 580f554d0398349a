# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarTraining`: domain of the stellar labels of a set of weights, and the correction of their errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from astro_spectok.heads.small_numbers import STELLAR_DOMAIN, STELLAR_RULES
from astro_spectok.stellar.hull import StellarHull
from astro_spectok.stellar.rules import StellarRules

__all__ = ["StellarTraining"]

#: parts that a range is divided into to see how much of it a spectrum fills
PARTS = 16


@dataclass(frozen=True)
class StellarTraining:
    """Domain of the stellar labels of a set of weights, and the correction of their errors.

    Attributes
    ----------
    hull : `~astro_spectok.stellar.hull.StellarHull`
        Temperatures, gravities and metallicities that go together.
    wavelength : tuple of (float, float)
        Ranges in the rest frame, vacuum Angstrom, that labels were learnt from.
    resolution : (float, float)
        Lowest and highest resolving power.
    types : tuple of str
        Coarse types of stars among those with labels.
    label_wavelength : dict of str to tuple of (float, float)
        The same as ``wavelength`` for labels that were learnt from a part of it alone; elsewhere they are not given.
    range_resolution : dict of str to float
        Lowest resolving power in one of the ranges, named as `name_range` does; ``resolution`` holds where absent.
    rules : `~astro_spectok.stellar.rules.StellarRules`
        Thresholds and limits; those that a new head begins with if not given.
    error_scale : dict of str to float
        What the error of a label is multiplied by; 1 where absent. Keys are labels, or labels in one of the ranges:
        of `name_error`.
    error_floor : dict of str to float
        The same for what is added to its error in quadrature, before it is scaled; 0 where absent.

    Raises
    ------
    ValueError
        An error is scaled by what is not positive, or a range has its ends in the wrong order.

    Examples
    --------
    What the packaged weights were trained on:

    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from astro_spectok.stellar.domain import StellarTraining
    >>> from astro_spectok.weights import load_weights
    >>> training = StellarTraining.from_head(load_weights().network.heads["stellar"])
    >>> training.covers([5000.0, 12000.0, 16000.0]).tolist()
    [True, False, True]
    >>> doubled = replace(training, error_scale={"teff": 2.0}, error_floor={})
    >>> np.sqrt(doubled.correct_covariance(["teff"], np.array([[0.01**2]]))).round(4).tolist()
    [[0.02]]
    """

    hull: StellarHull
    wavelength: tuple
    resolution: tuple
    types: tuple
    label_wavelength: dict
    range_resolution: dict
    rules: StellarRules = field(default_factory=StellarRules.begin)
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
    def from_head(cls, head):
        """Domain stored with a head.

        Parameters
        ----------
        head : `~astro_spectok.heads.StellarHead`

        Returns
        -------
        StellarTraining
        """
        return cls._read(head.domain, head.calibration, head.rules)

    @classmethod
    def _read(cls, domain, errors, rules):
        """From what JSON holds."""
        return cls(
            hull=StellarHull.from_dict(domain["hull"]),
            wavelength=_to_ranges(domain["wavelength"]),
            resolution=tuple(map(float, domain["resolution"])),
            types=tuple(domain["types"]),
            label_wavelength={name: _to_ranges(x) for name, x in domain["label_wavelength"].items()},
            range_resolution=dict(domain["range_resolution"]),
            rules=StellarRules.from_dict(rules),
            error_scale=dict(errors.get("error_scale", {})),
            error_floor=dict(errors.get("error_floor", {})),
        )

    @classmethod
    def begin(cls, **changes):
        """Domain of a new head.

        Parameters
        ----------
        **changes
            Attributes that are known.

        Returns
        -------
        StellarTraining
        """
        return replace(cls._read(STELLAR_DOMAIN, {}, STELLAR_RULES), **changes)

    def to_dict(self):
        """The attributes as a head holds them.

        Returns
        -------
        dict of str to dict
            ``domain`` and ``calibration``.
        """
        domain = {
            "hull": self.hull.to_dict(),
            "wavelength": [list(pair) for pair in self.wavelength],
            "resolution": list(self.resolution),
            "types": list(self.types),
            "label_wavelength": {name: [list(pair) for pair in x] for name, x in self.label_wavelength.items()},
            "range_resolution": dict(self.range_resolution),
        }
        calibration = {"error_scale": dict(self.error_scale), "error_floor": dict(self.error_floor)}
        return {"domain": domain, "calibration": calibration}

    def is_white(self, types):
        """Whether a star is taken for a white dwarf, whose labels models are fitted for.

        Parameters
        ----------
        types : dict of str to float
            Probability of each coarse type.

        Returns
        -------
        bool
        """
        return types.get("WD", 0.0) > self.rules.certain

    def list_covered(self, types):
        """Coarse types that have labels if a star is taken for what it most probably is: tuple of str."""
        return (*self.types, "WD") if self.is_white(types) else self.types

    def find_range(self, wavelength):
        """The range that labels of a spectrum are read from for the most part.

        Parameters
        ----------
        wavelength : ndarray, shape (n,)
            Of the pixels, at rest, vacuum Angstrom.

        Returns
        -------
        int or None
            Number in ``wavelength`` of the range that holds most of the pixels, None if none does.
        """
        wavelength = np.asarray(wavelength)
        counts = [np.count_nonzero((wavelength >= low) & (wavelength <= high)) for low, high in self.wavelength]
        return int(np.argmax(counts)) if any(counts) else None

    def name_error(self, label, number, *, of_tokens=False):
        """Key of `error_scale` and `error_floor` for a label in a range.

        Parameters
        ----------
        label : str
        number : int or None
            As of `find_range`.
        of_tokens : bool, optional
            Whether it is read from the filtered flux that tokens of files of earlier versions hold.

        Returns
        -------
        str
            The label alone where no range is given.
        """
        where = label if number is None else f"{label} {self.name_range(number)}"
        return f"{where} tokens" if of_tokens else where

    def knows_tokens(self, number):
        """Whether the errors of labels that are read from the filtered flux of tokens are known.

        Parameters
        ----------
        number : int or None
            As of `find_range`.

        Returns
        -------
        bool
        """
        return self.name_error("teff", number, of_tokens=True) in self.error_scale

    def name_range(self, number):
        """Name of a range: its ends.

        Parameters
        ----------
        number : int
            As of `find_range`.

        Returns
        -------
        str
        """
        return "{:.0f}-{:.0f}".format(*self.wavelength[number])

    def limit_resolution(self, number):
        """Lowest and highest resolving power that labels were learnt from.

        Parameters
        ----------
        number : int or None
            Of the range, as of `find_range`.

        Returns
        -------
        low, high : float
        """
        low, high = self.resolution
        return (low if number is None else self.range_resolution.get(self.name_range(number), low)), high

    def correct_errors(self, label, number, sigma, *, of_tokens=False):
        """Make errors of a label mean what they say.

        Parameters
        ----------
        label : str
        number : int or None
            As of `find_range`.
        sigma : float or ndarray
        of_tokens : bool, optional
            As of `name_error`.

        Returns
        -------
        float or ndarray
        """
        keys = [self.name_error(label, number, of_tokens=True)] if of_tokens else []
        keys += [self.name_error(label, number), label]
        key = next((key for key in keys if key in self.error_scale), label)
        return self.error_scale.get(key, 1.0) * np.hypot(sigma, self.error_floor.get(key, 0.0))

    def correct_covariance(self, names, covariance, number=None, *, of_tokens=False):
        """Make the errors of labels mean what they say; correlations stay.

        Parameters
        ----------
        names : sequence of str, length L
            Labels.
        covariance : ndarray, shape (L, L)
            In the units of the labels.
        number : int, optional
            The range that they are from, as of `find_range`.
        of_tokens : bool, optional
            As of `name_error`.

        Returns
        -------
        ndarray, shape (L, L)
        """
        sigma = np.sqrt(np.diag(covariance))
        right = [
            self.correct_errors(name, number, one, of_tokens=of_tokens) for name, one in zip(names, sigma, strict=True)
        ]
        factor = np.array(right) / np.maximum(sigma, 1e-12)
        return covariance * np.outer(factor, factor)

    def covers(self, wavelength, label=None):
        """Whether wavelengths lie where a label was learnt.

        Parameters
        ----------
        wavelength : array_like, shape (n,)
            At rest, vacuum Angstrom.
        label : str, optional
            Any label if not given.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        wavelength = np.asarray(wavelength)
        ranges = self.label_wavelength.get(label, self.wavelength)
        return np.any([(wavelength >= low) & (wavelength <= high) for low, high in ranges], axis=0)

    def fills_range(self, wavelength):
        """Whether pixels lie in most parts of any of the ranges.

        Parameters
        ----------
        wavelength : ndarray, shape (n,)
            Of the pixels, at rest, vacuum Angstrom.

        Returns
        -------
        bool
        """
        for low, high in self.wavelength:
            parts, _ = np.histogram(np.log(wavelength), PARTS, (np.log(low), np.log(high)))
            if np.count_nonzero(parts) > PARTS / 2:
                return True
        return False


def _to_ranges(pairs):
    return tuple((float(low), float(high)) for low, high in pairs)
