# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarLabels`: a Gaussian over the labels of one star, as parameters with units, their covariance and samples."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

__all__ = ["LOGG_UNIT", "PARAMETERS", "StellarLabels", "make_quantity"]

LOGG_UNIT = u.dex(u.cm / u.s**2)
#: parameters in their order, with the unit of the value and that of its error
PARAMETERS = {
    "teff": (u.K, u.K),
    "logg": (LOGG_UNIT, u.dex),
    "fe_h": (u.dex, u.dex),
    "alpha_fe": (u.dex, u.dex),
    "rv": (u.km / u.s, u.km / u.s),
    "vbroad": (u.km / u.s, u.km / u.s),
}
#: labels of the network that are the decimal logarithm of a parameter, and all others under their own name
LOGARITHMS = {"teff": "teff", "log_vbroad": "vbroad"}
LN_10 = float(np.log(10))


def make_quantity(name, values):
    """Values of a parameter as a `~astropy.units.Quantity`; a `~astropy.units.Dex` for ``logg``."""
    return values * PARAMETERS[name][0]


@dataclass(frozen=True)
class StellarLabels:
    """A Gaussian over the labels of the network, and the radial velocity beside it.

    Attributes
    ----------
    names : tuple of str, length L
        ``teff`` and ``log_vbroad`` are decimal logarithms.
    mean : ndarray, shape (L,)
        NaN for a label that the spectrum does not constrain.
    covariance : ndarray, shape (L, L)
        NaN in the rows and columns of these.
    rv, rv_err : float
        In km/s; independent of the labels.

    Examples
    --------
    An error of 1 per cent in the temperature, and one of 0.1 dex in gravity:

    >>> import numpy as np
    >>> from astro_spectok.stellar.labels import StellarLabels
    >>> mean, covariance = np.array([3.76, 4.4]), np.diag([0.0043, 0.1]) ** 2
    >>> labels = StellarLabels(("teff", "logg"), mean, covariance, rv=12.0, rv_err=1.5)
    >>> known = labels.quantities()
    >>> print(f"{known['teff']:.0f}, {known['teff_err']:.0f}; {known['logg']:.1f}; {known['fe_h']}")
    5754 K, 57 K; 4.4 dex(cm / s2); nan dex
    """

    names: tuple
    mean: np.ndarray
    covariance: np.ndarray
    rv: float = np.nan
    rv_err: float = np.nan

    def values(self):
        """The parameters by name, in the units of ``PARAMETERS``, NaN where there is none.

        Returns
        -------
        dict of str to float
        """
        out = dict.fromkeys(PARAMETERS, np.nan) | {"rv": self.rv}
        for name, x in zip(self.names, self.mean, strict=True):
            out[LOGARITHMS.get(name, name)] = float(10**x if name in LOGARITHMS else x)
        return out

    def parameter_covariance(self):
        """Covariance of the parameters in the order and units of ``PARAMETERS``.

        That of logarithms is carried over to first order.

        Returns
        -------
        ndarray, shape (6, 6)
            NaN for what is not known.
        """
        order = list(PARAMETERS)
        values = self.values()
        slope = np.array([LN_10 * values[LOGARITHMS[name]] if name in LOGARITHMS else 1.0 for name in self.names])
        place = [order.index(LOGARITHMS.get(name, name)) for name in self.names]
        out = np.full((len(order), len(order)), np.nan)
        out[np.ix_(place, place)] = self.covariance * np.outer(slope, slope)
        known = np.isfinite(np.diag(out))
        rv = order.index("rv")
        out[rv, known] = out[known, rv] = 0.0
        out[rv, rv] = self.rv_err**2
        return out

    def quantities(self):
        """The parameters and, as ``<name>_err``, their standard deviations, with units.

        Returns
        -------
        dict of str to `~astropy.units.Quantity`
        """
        values, errors = self.values(), np.sqrt(np.diag(self.parameter_covariance()))
        out = {}
        for (name, (_, error_unit)), error in zip(PARAMETERS.items(), errors, strict=True):
            out |= {name: make_quantity(name, values[name]), f"{name}_err": error * error_unit}
        return out

    def sample(self, n, rng):
        """Draw sets of parameters.

        Logarithms are normal, so that temperatures are not.

        Parameters
        ----------
        n : int
            How many.
        rng : `numpy.random.Generator`

        Returns
        -------
        dict of str to ndarray, shape (n,)
            In the units of ``PARAMETERS``; NaN for what is not known.
        """
        out = {name: np.full(n, np.nan) for name in PARAMETERS}
        # drawn for all, so that what is drawn for one does not depend on which others are known
        normal = rng.standard_normal((n, len(self.names) + 1))
        known = np.isfinite(self.mean)
        if known.any():
            root = np.linalg.cholesky(self.covariance[np.ix_(known, known)])
            drawn = self.mean[known] + normal[:, :-1][:, known] @ root.T
            for name, x in zip(np.array(self.names)[known].tolist(), drawn.T, strict=True):
                out[LOGARITHMS.get(name, name)] = 10**x if name in LOGARITHMS else x
        out["rv"] = self.rv + self.rv_err * normal[:, -1]
        return out
