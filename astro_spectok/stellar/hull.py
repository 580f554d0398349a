# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StellarHull`: which temperatures, gravities and metallicities go together in the stars that were trained on."""

from dataclasses import dataclass

import numpy as np

__all__ = ["StellarHull"]

#: of labels, the share at either end that `StellarHull.from_labels` leaves out, and fewest stars around a knot
TAIL, LEAST = 0.005, 5
#: distance of the knots in log10 Teff, and how far around each stars are counted
STEP, REACH = 0.05, 0.05


def _to_pairs(rows):
    return tuple(tuple(float(x) for x in row) for row in rows)


@dataclass(frozen=True)
class StellarHull:
    """The range of gravities and metallicities at each temperature; linear between knots, empty beyond the last.

    Attributes
    ----------
    log_teff : tuple of float, length m
        Knots in log10(Teff / K), increasing.
    logg, fe_h : tuple of (float, float), length m
        Lowest and highest at each knot, in dex.

    Raises
    ------
    ValueError
        The knots do not increase, or a lowest value lies above its highest.

    Examples
    --------
    >>> from astro_spectok.stellar.hull import StellarHull
    >>> hull = StellarHull((3.7, 3.8), ((0.3, 4.8), (0.4, 4.7)), ((-2.6, 0.6), (-2.9, 0.5)))
    >>> bool(hull.contains(3.76, 4.4, 0.0)), bool(hull.contains(4.2, 8.0, 0.0))
    (True, False)
    """

    log_teff: tuple
    logg: tuple
    fe_h: tuple

    def __post_init__(self):
        knots = np.asarray(self.log_teff, np.float64)
        if knots.ndim != 1 or len(knots) < 2 or not (np.diff(knots) > 0).all():
            msg = f"log_teff must be two or more increasing knots; got {self.log_teff!r}"
            raise ValueError(msg)
        for name in ("logg", "fe_h"):
            pairs = np.asarray(getattr(self, name), np.float64)
            if pairs.shape != (len(knots), 2) or not (pairs[:, 0] <= pairs[:, 1]).all():
                msg = f"{name} must be (lowest, highest) at each of the {len(knots)} knots; got {getattr(self, name)!r}"
                raise ValueError(msg)

    @classmethod
    def from_labels(cls, log_teff, logg, fe_h):
        """The hull of labelled stars, but for the outermost half per cent on each side.

        Parameters
        ----------
        log_teff, logg, fe_h : array_like, shape (n,)
            Stars for which one of the three is NaN do not count.

        Returns
        -------
        StellarHull

        Raises
        ------
        ValueError
            There are not two temperatures, 0.05 dex apart, with five stars each around them.
        """
        labels = np.array([log_teff, logg, fe_h], np.float64)
        labels = labels[:, np.isfinite(labels).all(axis=0)]
        knots = []
        first, last = (labels[0].min(), labels[0].max()) if labels.size else (0.0, -1.0)
        for centre in np.arange(first, last + STEP / 2, STEP):
            near = labels[1:, np.abs(labels[0] - centre) <= REACH]
            if near.shape[1] >= LEAST:
                knots.append((centre, *np.quantile(near, [TAIL, 1 - TAIL], axis=1).T.ravel()))
        if len(knots) < 2:
            msg = f"log_teff must hold stars of two temperatures or more, {LEAST} each; got {labels.shape[1]} stars"
            raise ValueError(msg)
        rows = _to_pairs(knots)
        return cls(tuple(row[0] for row in rows), tuple(row[1:3] for row in rows), tuple(row[3:5] for row in rows))

    @classmethod
    def from_dict(cls, values):
        """Inverse of `to_dict`.

        Parameters
        ----------
        values : dict

        Returns
        -------
        StellarHull
        """
        return cls(
            tuple(float(x) for x in values["log_teff"]), _to_pairs(values["logg"]), _to_pairs(values["fe_h"])
        )  # fmt: skip

    def to_dict(self):
        """The attributes as JSON holds them.

        Returns
        -------
        dict of str to list
        """
        return {"log_teff": list(self.log_teff), "logg": list(map(list, self.logg)), "fe_h": list(map(list, self.fe_h))}

    def contains(self, log_teff, logg, fe_h):
        """Whether labels lie inside; False for NaN.

        Parameters
        ----------
        log_teff, logg, fe_h : float or array_like
            Of shapes that go together.

        Returns
        -------
        bool or ndarray of bool
        """
        x = np.asarray(log_teff, np.float64)
        inside = (x >= self.log_teff[0]) & (x <= self.log_teff[-1])
        for values, limits in ((logg, self.logg), (fe_h, self.fe_h)):
            low, high = (np.interp(x, self.log_teff, [pair[k] for pair in limits]) for k in (0, 1))
            inside = inside & (np.asarray(values) >= low) & (np.asarray(values) <= high)
        return inside

    def outline(self):
        """The border in the Kiel diagram, closed.

        Returns
        -------
        log_teff, logg : ndarray, shape (2 m + 1,)
            log10(Teff / K) and log10(g / (cm / s2)).
        """
        log_teff = [*self.log_teff, *self.log_teff[::-1], self.log_teff[0]]
        logg = [*(low for low, _ in self.logg), *(high for _, high in self.logg[::-1]), self.logg[0][0]]
        return np.array(log_teff), np.array(logg)
