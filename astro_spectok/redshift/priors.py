# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Priors in the forms that users have them, as factors on a posterior whose prior is flat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u

from astro_spectok.utils.spectypes import STAR

__all__ = ["JointPrior", "PriorFactors"]

_FORMS = (
    "None, a dict of class to weight, a JointPrior as of photometry, a pair (z, p) of a grid of redshifts and the "
    "density on it (one, or a row for "
    "each spectrum), or a function that returns the density at an array of redshifts"
)


@dataclass(frozen=True)
class JointPrior:
    """What is known of class and redshift together before spectra are seen, as from photometry.

    Attributes
    ----------
    step : float
        Width of a bin in ln(1 + z); the first is at z = 0.
    probability : dict of str to ndarray
        For each class the probability of each bin, (n, m), or (n,) for stars; together they are 1 for each object, or
        0 where nothing is known.
    floor : float
        Share of a flat prior that is mixed in, so that what is wrong with the photometry excludes nothing.

    Raises
    ------
    ValueError
        Probabilities are negative or not finite, or shapes do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift import JointPrior
    >>> galaxy = np.full((1, 100), 0.008)
    >>> prior = JointPrior(0.01, {"GALAXY": galaxy, "QSO": galaxy / 8, "STAR": np.array([0.1])})
    >>> len(prior)
    1
    """

    step: float
    probability: Mapping
    floor: float = 0.02

    def __post_init__(self):
        fine = 0 < self.floor <= 1 and self.step > 0
        arrays = {name: np.asarray(p, float) for name, p in self.probability.items()}
        fine = fine and all(np.isfinite(p).all() and (p >= 0).all() for p in arrays.values())
        if not (fine and len({len(p) for p in arrays.values()}) == 1 and all(p.ndim == 1 + (name != STAR)
                for name, p in arrays.items())):  # fmt: skip
            msg = (
                "probability must hold for each class finite numbers, not negative, of the shape (n, m), or (n,) for "
                "stars, and floor be above 0, at most 1; use what PhotometricRedshift.find_prior gives"
            )
            raise ValueError(msg)

    def __len__(self):
        return len(next(iter(self.probability.values())))

    def weigh(self, i: int, ln1pz: Mapping) -> dict[str, Any]:
        """Logarithm of its ratio to a flat one over its own bins.

        Parameters
        ----------
        i : int
            Number of the object.
        ln1pz : dict of str to ndarray, shape (lags,)
            For each class ln(1 + z) of the bins that are wanted.

        Returns
        -------
        dict of str to float or ndarray, shape (lags,)
            One number for stars.
        """
        number, out = len(self.probability), {}
        seen = sum(float(np.sum(p[i])) for p in self.probability.values()) > 0
        for name, x in ln1pz.items():
            p = self.probability.get(name)
            if p is None or not seen:
                ratio = np.ones(() if name == STAR else len(x))
            elif name == STAR:
                ratio = p[i] * number
            else:
                places = self.step * np.arange(p.shape[1])
                ratio = np.interp(np.maximum(x, 0), places, p[i], right=0.0) * p.shape[1] * number
            out[name] = np.log((1 - self.floor) * ratio + self.floor)
        return out


class PriorFactors:
    """A prior, checked, as what the probability of each bin is to be multiplied with.

    The posterior of the network is under a prior that is flat in class and, within a class, in ln(1 + z); the factors
    put another one in its place. A density over z (per unit z, in any normalisation) is that of the redshift given
    that the object is a galaxy or a quasar: it leaves the probabilities of the classes before the data are seen as
    they are, and the radial velocities of stars alone. It is interpolated linearly and is zero beyond the ends of its
    grid, but at blueshifts has the value at z = 0 where the grid does not reach below zero.

    Parameters
    ----------
    prior : dict of str to float, `JointPrior`, (array_like, array_like) or callable, optional
        Weights of all classes in any normalisation, 0 excludes one; or ``(z, p)`` of the shapes (m,) and (m,) or
        (n, m), the latter for n spectra; or a function of an array of redshifts.
    grid : `~astro_spectok.redshift.grid.RedshiftGrid`
    n : int, optional
        Number of spectra.

    Attributes
    ----------
    is_flat : bool
        Whether there is nothing to multiply with.

    Raises
    ------
    TypeError
        The prior has none of these forms.
    ValueError
        It has the wrong shape, does not have all classes, is negative or not finite, or zero everywhere on the grid.
    """

    def __init__(self, prior, grid, n=1):
        self.grid, self._z, self._rows, self._joint = grid, None, None, None
        self.is_flat = prior is None
        self._shared = dict.fromkeys(grid.classes, 0.0)
        if prior is None:
            return
        if isinstance(prior, JointPrior):
            if len(prior) != n:
                msg = f"prior must be of as many objects as there are spectra, {n}; got {len(prior)}; match their rows"
                raise ValueError(msg)
            self._joint = prior
        elif isinstance(prior, Mapping):
            self._shared = self._weigh_classes(prior)
        elif callable(prior):
            self._shared = self._weigh_redshifts(lambda z: _evaluate(prior, np.maximum(z, 0)), "prior")
        else:
            self._z, self._rows = _check_table(prior, n)
            if len(self._rows) == 1:
                self._shared = self._weigh_row(0, "prior")
                self._rows = None

    def take(self, i=0):
        """For each class the logarithm of the factors, a float or ndarray (lags,), for spectrum ``i``."""
        if self._joint is not None:
            return self._joint.weigh(i, self.grid.ln1pz)
        return self._shared if self._rows is None else self._weigh_row(i, f"prior of spectrum {i}")

    def _weigh_classes(self, weights):
        """Logarithm of the weight of each class over their mean."""
        missing = [name for name in self.grid.classes if name not in weights]
        values = np.array([weights.get(name, 0.0) for name in self.grid.classes], np.float64)
        if missing:
            msg = (
                f"prior must give the weight of every class that is searched, {', '.join(self.grid.classes)}; missing "
                f"{', '.join(missing)}; 0 excludes a class"
            )
            raise ValueError(msg)
        if not (np.isfinite(values).all() and (values >= 0).all() and values.any()):
            msg = f"prior must have weights that are finite, not negative, and not all zero; got {dict(weights)}"
            raise ValueError(msg)
        with np.errstate(divide="ignore"):
            return dict(zip(self.grid.classes, np.log(values / values.mean()).tolist(), strict=True))

    def _weigh_row(self, i, what):
        density = self._rows[i]

        def evaluate(z):
            z = np.maximum(z, 0) if self._z[0] >= 0 else z
            return np.interp(z, self._z, density, left=0.0, right=0.0)

        return self._weigh_redshifts(evaluate, what)

    def _weigh_redshifts(self, evaluate, what):
        """Logarithm of the density per bin over its mean, for each class but stars."""
        searched = {name: z for name, z in self.grid.redshift.items() if name != STAR}
        out, means = dict.fromkeys(self.grid.classes, 0.0), []
        for name, z in searched.items():
            density = evaluate(z) * (1 + z)  # per unit ln(1 + z)
            means.append(density.mean())
            with np.errstate(divide="ignore"):
                out[name] = np.log(density / means[-1]) if means[-1] > 0 else -np.inf
        if searched and not any(means):
            low, high = min(z[0] for z in searched.values()), max(z[-1] for z in searched.values())
            msg = f"{what} must be above zero somewhere within {low:.3g} to {high:.3g}, where redshifts are looked for"
            raise ValueError(msg)
        return out


def _evaluate(function, z):
    """Values of a user's function, if it is a density."""
    values = np.asarray(u.Quantity(function(z)).value, np.float64)
    if values.shape != z.shape:
        msg = f"prior must return one value for each of {len(z)} redshifts; got the shape {values.shape}"
        raise ValueError(msg)
    _check_density(values)
    return values


def _check_density(values):
    if not (np.isfinite(values).all() and (values >= 0).all()):
        msg = "prior must be finite and not negative; got values that are not"
        raise ValueError(msg)


def _check_table(prior, n):
    """The grid (m,) and the densities, (1, m) or (n, m), of a pair of arrays."""
    if not isinstance(prior, tuple | list) or len(prior) != 2:
        msg = f"prior must be {_FORMS}; got {type(prior).__name__}"
        raise TypeError(msg)
    try:
        z, p = (np.asarray(u.Quantity(x).value, np.float64) for x in prior)
    except (TypeError, ValueError) as error:
        msg = f"prior must be {_FORMS}; got a pair that holds no numbers"
        raise TypeError(msg) from error
    if z.ndim != 1 or len(z) < 2 or p.ndim not in (1, 2) or p.shape[-1] != len(z) or (p.ndim == 2 and len(p) != n):
        msg = (
            f"prior must be a pair (z, p) of the shapes (m,) and (m,) or ({n}, m), a row for each spectrum; got "
            f"{z.shape} and {p.shape}"
        )
        raise ValueError(msg)
    if not (np.isfinite(z).all() and (np.diff(z) > 0).all()):
        msg = "prior must be a pair (z, p) with z finite and strictly increasing; sort both by z"
        raise ValueError(msg)
    _check_density(p)
    return z, np.atleast_2d(p)
