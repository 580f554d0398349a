# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftPosterior`: the joint posterior over class and redshift, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np

from astro_spectok.redshift.compression import ROW_SIZE, compress_posterior, expand_posterior
from astro_spectok.redshift.grid import RedshiftGrid
from astro_spectok.redshift.peaks import Peak, search_peaks
from astro_spectok.redshift.priors import PriorFactors
from astro_spectok.utils.html import make_html_table, make_sparkline

__all__ = ["RedshiftPosterior"]

#: below the logarithm of any number that float64 can hold
LOWEST = -800.0


@dataclass(frozen=True, eq=False, repr=False)
class RedshiftPosterior:
    """The joint posterior over class and redshift of one spectrum.

    Probabilities are those of bins of equal width in ln(1 + z), and add up to 1 over all bins of all classes. The prior
    is flat in class and, within a class, in ln(1 + z), unless `multiply` applies another. For stars z is the radial
    velocity over the speed of light.

    Parameters
    ----------
    grid : `~astro_spectok.redshift.grid.RedshiftGrid`
    log_probability : dict of str to ndarray, shape (lags,)
        For each class of the grid the logarithm of the probability of each of its bins; any constant may be added to
        all of them. Minus infinity is a probability of zero; NaN is refused.

    Raises
    ------
    ValueError
        The arrays do not fit the grid, hold NaN, or are all minus infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift.posterior import RedshiftPosterior
    >>> z = np.expm1(1e-3 * np.arange(1000))
    >>> scores = {"GALAXY": -0.5 * ((z - 0.5) / 0.01) ** 2, "QSO": np.full(1000, -20.0)}
    >>> posterior = RedshiftPosterior.from_redshifts(scores, {"GALAXY": z, "QSO": z})
    >>> round(posterior.class_probability["GALAXY"], 3)
    1.0
    >>> low, high = posterior.find_interval(0.68)
    >>> print(f"{low:.2f} {high:.2f}")
    0.49 0.51
    """

    grid: RedshiftGrid
    log_probability: Mapping[str, np.ndarray]
    _probability: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self):
        given = self.log_probability
        if set(given) != set(self.grid.classes):
            msg = f"log_probability must have the classes {', '.join(self.grid.classes)}; got {', '.join(given)}"
            raise ValueError(msg)
        arrays = {name: np.asarray(given[name], np.float64) for name in self.grid.classes}
        for (name, values), size in zip(arrays.items(), self.grid.size, strict=True):
            if values.shape != (size,):
                msg = f"log_probability[{name!r}] must have the shape ({size},) of its redshifts; got {values.shape}"
                raise ValueError(msg)
        highest = np.max([values.max() for values in arrays.values()])  # unlike max() finds NaN
        if not np.isfinite(highest):
            msg = f"log_probability must have a finite maximum and no NaN; got {highest}"
            raise ValueError(msg)
        above = {name: np.exp(values - highest) for name, values in arrays.items()}
        total = sum(values.sum() for values in above.values())
        logs = {name: values - (highest + np.log(total)) for name, values in arrays.items()}
        object.__setattr__(self, "log_probability", logs)
        object.__setattr__(self, "_probability", {name: values / total for name, values in above.items()})

    @classmethod
    def from_redshifts(cls, log_probability: Mapping[str, np.ndarray], redshifts: Mapping[str, np.ndarray]) -> Self:
        """A posterior of arrays alone.

        Parameters
        ----------
        log_probability : dict of str to ndarray, shape (lags,)
            As for the class.
        redshifts : dict of str to ndarray, shape (lags,)
            Of the same classes; in equal steps of ln(1 + z), on one grid for all classes.

        Returns
        -------
        RedshiftPosterior

        Raises
        ------
        ValueError
            The redshifts lie on no such grid, or the arrays do not fit it.
        """
        return cls(RedshiftGrid.from_redshifts(redshifts), log_probability)

    @property
    def probability(self) -> dict[str, np.ndarray]:
        """For each class the probability of each bin: dict of str to ndarray."""
        return self._probability

    @property
    def redshift(self) -> dict[str, np.ndarray]:
        """For each class the redshifts of its bins: dict of str to ndarray."""
        return self.grid.redshift

    @cached_property
    def class_probability(self) -> dict[str, float]:
        """Probability of each class, whatever the redshift: dict of str to float."""
        return {name: float(p.sum()) for name, p in self.probability.items()}

    @cached_property
    def information(self) -> float:
        """Information of the spectrum on class and redshift: the divergence from the flat prior, in nat.

        Only of use before another prior is multiplied in. It is about 0 for blank sky, and 9 for a galaxy whose
        redshift is known to 100 km/s.
        """
        total = 0.0
        for (name, p), size in zip(self.probability.items(), self.grid.size, strict=True):
            log_prior = -np.log(size * len(self.grid.classes))
            # where a probability is 0 its logarithm need only be finite; a scalar product would wake other threads
            total += float(np.einsum("i,i->", p, np.maximum(self.log_probability[name] - log_prior, LOWEST)))
        return total

    @cached_property
    def _cumulative(self):
        """ln(1 + z) at the edges of all bins, and the probability of lower redshifts, whatever the class."""
        low = min(self.grid.first)
        high = max(first + size for first, size in zip(self.grid.first, self.grid.size, strict=True))
        mass = np.zeros(high - low)
        for (_, p), first in zip(self.probability.items(), self.grid.first, strict=True):
            mass[first - low : first - low + len(p)] += p
        below = np.zeros(len(mass) + 1)
        np.cumsum(mass, out=below[1:])
        below /= below[-1]
        return _make_edges(self.grid.step, low, high), below

    def find_cumulative(self, z: float | Sequence[float] | np.ndarray) -> Any:
        """Probability of a redshift below ``z``, whatever the class.

        Parameters
        ----------
        z : float or array_like
            Redshifts, of stars radial velocities over the speed of light.

        Returns
        -------
        float or ndarray
        """
        edges, below = self._cumulative
        return np.interp(np.log1p(np.asarray(z, np.float64)), edges, below)

    def find_quantile(self, probability: float | Sequence[float] | np.ndarray) -> Any:
        """Redshift below which lies a given probability, whatever the class: the inverse of `find_cumulative`.

        Parameters
        ----------
        probability : float or array_like
            Between 0 and 1.

        Returns
        -------
        float or ndarray
        """
        edges, below = self._cumulative
        return np.expm1(np.interp(np.asarray(probability, np.float64), below, edges))

    def find_interval(self, level: float, around: float | None = None) -> tuple[float, float]:
        """The range of redshifts that holds a given probability, whatever the class.

        Parameters
        ----------
        level : float
            Probability, between 0 and 1.
        around : float, optional
            A redshift with as much of it on either side, as far as there is so much; the median if not given.
            Of what is left out, a quarter at least lies beyond either end.

        Returns
        -------
        low, high : float
            Redshifts.

        Raises
        ------
        ValueError
            ``level`` is not between 0 and 1.
        """
        if not 0 < level < 1:
            msg = f"level must be a probability between 0 and 1; got {level!r}"
            raise ValueError(msg)
        centre = 0.5 if around is None else float(self.find_cumulative(around))
        beyond = (1 - level) / 4
        low = min(max(centre - level / 2, beyond), 1 - level - beyond)
        low, high = self.find_quantile([low, low + level])
        return float(low), float(high)

    def find_peaks(self, count: int = 3) -> list[Peak]:
        """The most probable solutions, most probable first.

        Parameters
        ----------
        count : int, optional
            How many at most.

        Returns
        -------
        list of `~astro_spectok.redshift.Peak`
        """
        return search_peaks(self.probability, self.grid.ln1pz, count=count)

    def multiply(self, prior: Mapping[str, float]) -> "RedshiftPosterior":
        """The posterior with another prior.

        Parameters
        ----------
        prior : dict of str to float, (array_like, array_like) or callable
            Weights of the classes; or a density over the redshift of galaxies and quasars, per unit z, as a pair of
            arrays (z, p) or a function of z, in any normalisation. See
            `~astro_spectok.estimators.RedshiftEstimator`.

        Returns
        -------
        RedshiftPosterior

        Raises
        ------
        TypeError, ValueError
            ``prior`` is none of these, misses a class, has another shape, is negative, or zero everywhere.
        """
        return self.apply_factors(PriorFactors(prior, self.grid).take())

    def apply_factors(self, factors: Mapping[str, np.ndarray]) -> "RedshiftPosterior":
        """The posterior times factors, normalised again.

        Parameters
        ----------
        factors : dict of str to float or ndarray, shape (lags,)
            For each class the natural logarithm of its factors: one, or one for each bin.

        Returns
        -------
        RedshiftPosterior

        Raises
        ------
        ValueError
            Nothing of the posterior is left.
        """
        return RedshiftPosterior(self.grid, {name: x + factors[name] for name, x in self.log_probability.items()})

    def restrict(self, z_range: Any = None, classes: str | Sequence[str] | None = None) -> "RedshiftPosterior":
        """The posterior given that class and redshift are among some; each class stays as probable a priori.

        Parameters
        ----------
        z_range : (float, float) or dict of str to (float, float), optional
            Of all classes but stars, or by class.
        classes : str or sequence of str, optional
            All if not given.

        Returns
        -------
        RedshiftPosterior
            Normalised again.

        Raises
        ------
        TypeError, ValueError
            ``z_range`` or ``classes`` has another form, or is not among what the posterior has.
        """
        cut = self.grid.cut(z_range, classes)
        return RedshiftPosterior(cut.grid, cut.take(self.log_probability))

    def compress(self, size: int = ROW_SIZE) -> dict[str, np.ndarray]:
        """The posterior in the few numbers that a row of a table can hold.

        The ``size`` most probable bins are kept as they are, of the others of each class the sum.

        Parameters
        ----------
        size : int, optional
            Bins that are kept.

        Returns
        -------
        dict of str to ndarray
            ``posterior_bin``, ``posterior_p`` (size,) and ``posterior_rest`` (classes,).
        """
        return compress_posterior(self, size)

    @classmethod
    def expand(cls, row: Mapping[str, Any], meta: Mapping[str, Any]) -> Self:
        """The inverse of `compress`; the rest is spread evenly over the bins of its class that were not kept.

        Parameters
        ----------
        row : mapping
            A row of a table of `~astro_spectok.estimators.RedshiftEstimator` with ``posterior=True``.
        meta : mapping
            The metadata of that table, which define the grid.

        Returns
        -------
        RedshiftPosterior
        """
        return cls(*expand_posterior(row, meta))

    def plot(self, axes: Any = None) -> Any:
        """Plot the probability of each bin over redshift, one line for each class.

        Parameters
        ----------
        axes : `~matplotlib.axes.Axes`, optional
            New ones in a figure of their own by default.

        Returns
        -------
        `~matplotlib.axes.Axes`
        """
        from astro_spectok.plotting.redshift import plot_posterior

        return plot_posterior(self, axes)

    def _repr_html_(self):
        shares = ", ".join(f"{name} {p:.3f}" for name, p in self.class_probability.items())
        peaks = (f"{peak.spectype} {peak.z:.4f} ({peak.probability:.3f})" for peak in self.find_peaks())
        facts = [
            ("classes", shares),
            ("peaks", ", ".join(peaks)),
            ("bins", f"{sum(self.grid.size)} of {self.grid.step:.3g} in ln(1 + z)"),
        ]
        return make_html_table("RedshiftPosterior", facts, [("posterior, logarithmic", self._sketch())])

    def _sketch(self, marks=()):
        """All classes together over ln(1 + z), as a sparkline: four decades of probability."""
        edges, below = self._cumulative
        p = np.diff(below)
        y = np.log10(np.maximum(p, 1e-4 * p.max()))
        marks = [float(np.log1p(z)) for z in marks]
        return make_sparkline((edges[1:] + edges[:-1]) / 2, y, label="posterior over ln(1 + z)", marks=marks)

    def __repr__(self):
        shares = ", ".join(f"{name} {p:.3f}" for name, p in self.class_probability.items())
        return f"<RedshiftPosterior: {shares}; {sum(self.grid.size)} bins of {self.grid.step:.3g} in ln(1 + z)>"


@lru_cache(maxsize=8)
def _make_edges(step, low, high):
    """Edges of bins of one width, from that of bin ``low`` up; shared by the spectra of a run."""
    edges = step * (np.arange(low, high + 1) - 0.5)
    edges.flags.writeable = False
    return edges
