# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From the joint posterior over class and redshift to its peaks: redshift, error, class and their probabilities."""

from dataclasses import dataclass

import numpy as np

from astro_spectok.utils.html import make_html_table

__all__ = ["CORE", "SPREAD", "WINDOW", "Peak", "find_peaks", "search_peaks"]

#: a redshift is right within 1000 km/s: what the probability of a peak is counted in, in ln(1 + z) on either side
WINDOW = 0.0033
#: least reach of the centroid on either side of the highest bin: 180 km/s, six bins of the packaged network's grid
CORE = 6e-4
#: standard deviations that the centroid reaches to, if that is further: what lies beyond is as noisy as it is heavy
CORE_WIDTHS = 2.0
#: reach of the standard deviation around the highest bin: wider than the centroid, or a broad peak looks sharp
SPREAD = 1.6e-3


@dataclass(frozen=True)
class Peak:
    """One solution: a class, a redshift and how probable they are.

    Attributes
    ----------
    spectype : str
        Class.
    z : float
        Redshift, from the mean of ln(1 + z) around the highest bin; further around it the broader the peak.
    z_err : float
        Standard deviation of z around the highest bin; 0 if one bin holds everything.
    probability : float
        Of this class and a redshift within ``window`` of the highest bin; those of different peaks add up to 1 at most.
    lag : int
        The highest bin: where in the arrays of its class.

    Examples
    --------
    A posterior with two solutions, of which the first is three times as probable:

    >>> import numpy as np
    >>> from astro_spectok.redshift.posterior import RedshiftPosterior
    >>> z = np.expm1(1e-4 * np.arange(10000))
    >>> one, other = (np.exp(-0.5 * ((z - centre) / 0.001) ** 2) for centre in (0.3, 0.9))
    >>> best, next_best = RedshiftPosterior.from_redshifts(
    ...     {"GALAXY": np.log(3 * one / one.sum() + other / other.sum() + 1e-30)}, {"GALAXY": z}
    ... ).find_peaks(2)
    >>> print(f"{best.spectype} {best.z:.2f} {next_best.z:.2f}, {best.probability / next_best.probability:.1f}")
    GALAXY 0.30 0.90, 3.0
    """

    spectype: str
    z: float
    z_err: float
    probability: float
    lag: int

    def _repr_html_(self):
        facts = [("class", self.spectype), ("z", f"{self.z:.6f} ± {self.z_err:.6f}")]
        return make_html_table("Peak", [*facts, ("probability", f"{self.probability:.3f}")])


def find_peaks(log_probability, ln1pz, *, count=2, window=WINDOW, core=CORE, spread=SPREAD):
    """Find the most probable solutions of a joint posterior over class and redshift.

    The best solution is the one with the highest probability within ``window`` of its highest bin, in one class, not
    the highest bin of all: a quasar's posterior is broad, and a narrow spike of noise in another class may rise above
    it. The next is sought in what remains when the bins within twice the ``window`` are taken out of that class, so
    that the flank of a broad peak is no second solution, but the same redshift in another class is.

    A class whose bins all lie within one window (stars, whose velocities are small) is a single solution, however
    little is known, while the probability of the others is spread over many. It is therefore compared with all of the
    others together: unless it is the more probable, the best solution is the best of the others.
    Redshifts are dimensionless.

    Parameters
    ----------
    log_probability : dict of str to ndarray, shape (lags,)
        Log of the probability of each bin in redshift, per class, which may differ in length; any constant may be added
        to all of them. Minus infinity is a probability of zero; NaN is refused.
    ln1pz : dict of str to ndarray, shape (lags,)
        ln(1 + z) of each bin in equal steps, increasing, for the same classes.
    count : int, optional
        Most peaks to return.
    window, core, spread : float, optional
        Reach on either side of the highest bin, in ln(1 + z), of the probability, the centroid (twice the standard
        deviation, if that is more and no more than ``spread``) and the standard deviation; at least one bin.

    Returns
    -------
    list of `Peak`
        The best first, the others by their probability; fewer than ``count`` if nothing remains.

    Raises
    ------
    ValueError
        If the classes or shapes differ, the steps are not equal and positive, a probability is NaN or all are zero,
        or an option is not positive.
    """
    for name, value in {"count": count, "window": window, "core": core, "spread": spread}.items():
        if not value > 0:
            msg = f"{name} must be positive; got {value!r}"
            raise ValueError(msg)
    probability = _normalize(log_probability)
    axes = {name: _check_axis(name, ln1pz, len(p)) for name, p in probability.items()}
    return search_peaks(probability, axes, count=count, window=window, core=core, spread=spread)


def search_peaks(probability, axes, *, count=2, window=WINDOW, core=CORE, spread=SPREAD):
    """`find_peaks` of what is known to be a posterior: nothing is checked.

    Parameters
    ----------
    probability : dict of str to ndarray of float64, shape (lags,)
        Probability of each bin in redshift, per class; the sum over all is 1.
    axes : dict of str to ndarray of float64, shape (lags,)
        ln(1 + z) of each bin, as for `find_peaks`.
    count, window, core, spread
        As for `find_peaks`.

    Returns
    -------
    list of `Peak`
    """
    reach = {name: _reach(axis, window) for name, axis in axes.items()}
    remaining = {name: p.copy() for name, p in probability.items()}
    mass = {name: _sum_windows(p, reach[name]) for name, p in remaining.items()}
    highest = {name: _find_highest(remaining[name], mass[name], reach[name]) for name in axes}
    found = []
    # one more than asked for: the single solution of a class may have to make room
    while len(found) < count + 1 and any(highest.values()):
        name = max((name for name in axes if highest[name]), key=lambda name: highest[name][0])
        _, lag, share = highest[name]
        found.append((name, lag, share))
        _take_out(remaining[name], mass[name], _around(lag, axes[name], 2 * window), reach[name])
        highest[name] = _find_highest(remaining[name], mass[name], reach[name])
    # sought by the sum around any bin, reported by that around the highest one: the order may differ by a little
    found = sorted(found, key=lambda one: -one[2])
    single = [name for name, axis in axes.items() if len(axis) <= 2 * reach[name] + 1]
    if sum(probability[name].sum() for name in single) < 0.5:
        first = next((one for one in found if one[0] not in single), None)
        if first is not None:
            found.remove(first)
            found.insert(0, first)
    return [
        Peak(name, *_measure(probability[name], axes[name], lag, core, spread), share, lag)
        for name, lag, share in found[:count]
    ]


def _normalize(log_probability):
    """Probabilities in float64 whose sum over all classes is 1."""
    arrays = {name: np.asarray(values, np.float64) for name, values in log_probability.items()}
    if not arrays:
        msg = "log_probability must hold at least one class; got none"
        raise ValueError(msg)
    for name, values in arrays.items():
        if values.ndim != 1 or not len(values) or np.isnan(values).any():
            msg = (
                f"log_probability[{name!r}] must be one-dimensional, not empty, free of NaN; got shape {values.shape} "
                f"with {np.count_nonzero(np.isnan(values))} NaN; leave out spectra that could not be used"
            )
            raise ValueError(msg)
    highest = max(values.max() for values in arrays.values())
    if not np.isfinite(highest):
        msg = f"log_probability must have a finite maximum; got {highest}"
        raise ValueError(msg)
    arrays = {name: np.exp(values - highest) for name, values in arrays.items()}
    total = sum(values.sum() for values in arrays.values())
    return {name: values / total for name, values in arrays.items()}


def _check_axis(name, ln1pz, n):
    """The axis of one class as float64, if it is one that bins can be counted on."""
    if name not in ln1pz:
        msg = f"ln1pz must have the classes of log_probability; {name!r} is missing, got {', '.join(ln1pz) or 'none'}"
        raise ValueError(msg)
    axis = np.asarray(ln1pz[name], np.float64)
    if axis.shape != (n,):
        msg = f"ln1pz[{name!r}] must have the shape of its log_probability, ({n},); got {axis.shape}"
        raise ValueError(msg)
    step = (axis[-1] - axis[0]) / max(n - 1, 1)
    steps = np.diff(axis)
    if n > 1 and not (step > 0 and np.abs(steps - step).max() <= 1e-3 * step):
        msg = f"ln1pz[{name!r}] must increase in equal steps; got steps of {steps.min()} to {steps.max()}"
        raise ValueError(msg)
    return axis


def _reach(axis, width):
    """Bins on either side within ``width``; at least one."""
    if len(axis) < 2:
        return 1
    # a step of 1e-4 is not exact in binary: 6e-4 holds six of them
    return max(1, int((len(axis) - 1) * width / (axis[-1] - axis[0]) + 1e-6))


def _around(lag, axis, width):
    """The slice of bins within ``width`` of one."""
    reach = _reach(axis, width)
    return slice(max(lag - reach, 0), lag + reach + 1)


def _sum_windows(p, reach):
    """Sum of the bins within ``reach`` on either side of each, (lags,) to (lags,)."""
    # sums of 1, 2, 4, ... bins, joined to one of the length of the window: as precise as they are small, where the
    # difference of two running sums would drown what is left beside a peak that holds nearly everything
    beyond, wanted = np.zeros(reach), 2 * reach + 1
    sums, length = np.concatenate([beyond, p, beyond]), 1
    joined, at = sums[: len(p)], 1
    while 2 * length <= wanted:
        sums, length = sums[:-length] + sums[length:], 2 * length
        if wanted & length:
            joined, at = joined + sums[at : at + len(p)], at + length
    return joined


def _find_highest(p, mass, reach):
    """Probability within a window where it is largest, the highest bin there, and that around this; None if all is 0.

    ``mass`` is the sum of `_sum_windows`.
    """
    centre = int(mass.argmax())
    start = max(centre - reach, 0)
    near = p[start : centre + reach + 1]
    # of bins that are all alike, the one in the middle
    lag = centre if p[centre] == near.max() else start + int(near.argmax())
    if not p[lag] > 0:
        return None
    return mass[centre], lag, float(p[max(lag - reach, 0) : lag + reach + 1].sum())


def _take_out(p, mass, part, reach):
    """Set the bins of ``part`` to zero, and bring what they were summed to up to date; both in place."""
    p[part] = 0
    low, high = max(part.start - reach, 0), min(part.stop + reach, len(p))
    first = max(low - reach, 0)
    mass[low:high] = _sum_windows(p[first : high + reach], reach)[low - first : high - first]


def _measure(probability, axis, lag, core, spread):
    """Redshift and its standard deviation around the highest bin."""
    wide = _around(lag, axis, spread)
    near, weights = axis[wide] - axis[lag], probability[wide] / probability[wide].sum()
    width = np.sqrt(weights @ np.square(near - weights @ near))
    part = _around(lag, axis, min(max(core, CORE_WIDTHS * width), max(core, spread)))
    offset = probability[part] @ (axis[part] - axis[lag]) / probability[part].sum()
    ln1pz, width = axis[lag] + offset, np.sqrt(weights @ np.square(near - offset))
    return float(np.expm1(ln1pz)), float(np.exp(ln1pz) * width)
