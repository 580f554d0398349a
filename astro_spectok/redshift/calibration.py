# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Calibration of the probabilities and errors of a network, fitted to spectra that trained nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

import numpy as np
from scipy.special import entr

from astro_spectok.redshift.rules import RedshiftRules
from astro_spectok.utils.html import make_html_table

__all__ = ["Calibration", "clip_pixel", "measure_breadth", "measure_pixel", "name_errors"]

#: width in ln(1 + z) of the training targets of the posterior, where the weights do not give it
TARGET_SIGMA = 1.5e-4
#: how far the breadth of a peak is measured on either side, in breadths from which it is broad
REACH = 10
#: rest wavelength in Angstrom that a spectrum reaches beyond if it shows lines of gas at rest, [OII] of galaxies, Mg II
#: and [OIII] of quasars, and what marks the errors of those that do not
RED_LINES = {"GALAXY": ((3740.0, " UV"),), "QSO": ((2830.0, " UV"), (5030.0, " Mg II"))}
#: redshift beyond which it is taken not to, where its end is not known
DISTANT, UV = 1.2, " UV"
#: what marks errors of redshifts that were not refined with templates
UNREFINED = " unrefined"
#: width in ln(1 + z) that any power leaves as it is: 9 km/s
PIVOT = 3e-5
#: width of a pixel in ln(wavelength) at which temperatures are as stated, 60 km/s, and the range that is distinguished
PIXEL, PIXELS = 2e-4, (3e-5, 5e-3)


#: attributes, and features of error trends, by the names that weights written earlier hold
_FORMER_NAMES = {"doubt": "tail_fraction", "warmth": "tail_temperature_ratio"}
_FORMER_FEATURES = {"doubt": "ambiguity"}


@dataclass(frozen=True)
class Calibration:
    """Corrections to the posterior of a set of weights; the defaults change no probability.

    Attributes
    ----------
    temperature : dict of str to float
        For each class what its evidence, the logarithm of posterior over prior, is divided by; 1 where absent.
    error_scale : dict of str to float
        For each class what its errors in redshift are multiplied by; 1 where absent. A key such as ``'GALAXY UV'``
        holds where the spectrum ends, in the frame of the galaxy, before any line that shows gas at rest: what remains
        is shifted by more than the noise shifts it; ``'STAR unrefined'`` where templates refined nothing. See
        ``name_errors``; without such a key the next more general one holds.
    error_floor : dict of str to float
        By the same keys, what is added in quadrature to the error in ln(1 + z), before it is scaled; that of
        the rules where absent.
    error_power : dict of str to float
        By the same keys, the power of the error that is taken before it is scaled, at which 9 km/s remain 9 km/s:
        above 1 where faint spectra have errors larger than the noise alone would give; 1 where absent.
    target_sigma : float
        Width in ln(1 + z) of the Gaussian that the posterior was trained towards. It adds to the width of every peak
        in quadrature, and is taken out again.
    sharpening : float
        Where the highest peak of a posterior is broader than ``broad``, all temperatures are divided by this power of
        how much: low resolution makes peaks of a network broader than its errors are.
    broad : float
        Breadth of a peak in bins, as the exponential of its entropy: 4.1 standard deviations of a Gaussian.
    confident : dict of str to float
        For each class the probability from which a solution is relied on (`RedshiftFlag.LOW_CONFIDENCE`); that of
        the rules where absent.
    tail_fraction, tail_temperature_ratio : float
        Heavy tails: fraction of a second posterior that is mixed in, and ratio of its temperatures to those of the
        first. It stands for spectra whose evidence is weaker than usual.
    pixel_power : float
        All temperatures are divided by this power of the width of the pixels over 60 km/s: a network may be surer of
        spectra with wide pixels than of those with narrow ones, or less sure.
    error_trend : dict of str to dict of str to float
        For each class the slope of the logarithm of its errors with each feature of
        ``astro_spectok.redshift.error_features``: the width of a peak does not determine the error alone.
    rules : `~astro_spectok.redshift.rules.RedshiftRules`
        Thresholds and limits; those that a new head begins with if not given.

    Raises
    ------
    ValueError
        An attribute is out of its range; the message names the range.

    References
    ----------
    Guo et al. 2017, arXiv 1706.04599, section 4.2, for temperatures.

    Examples
    --------
    A network that is too sure of galaxies, and whose evidence is worth half of usual once in ten times:

    >>> import numpy as np
    >>> from astro_spectok.redshift.calibration import Calibration
    >>> raw = {"GALAXY": np.log([0.998, 0.0005]), "QSO": np.log([0.001, 0.0005])}
    >>> calibrated = Calibration(temperature={"GALAXY": 2.0}, tail_fraction=0.1, tail_temperature_ratio=2.0).apply(raw)
    >>> print(np.exp(calibrated["GALAXY"]).round(3))
    [0.959 0.032]
    """

    temperature: dict = field(default_factory=dict)
    error_scale: dict = field(default_factory=dict)
    error_floor: dict = field(default_factory=dict)
    target_sigma: float = TARGET_SIGMA
    sharpening: float = 0.0
    broad: float = 10.0
    error_power: dict = field(default_factory=dict)
    confident: dict = field(default_factory=dict)
    tail_fraction: float = 0.0
    tail_temperature_ratio: float = 1.0
    pixel_power: float = 0.0
    error_trend: dict = field(default_factory=dict)
    rules: RedshiftRules = field(default_factory=RedshiftRules.begin)

    def __post_init__(self):
        for name in ("temperature", "error_scale", "error_floor", "error_power", "confident"):
            values = getattr(self, name)
            if not isinstance(values, Mapping) or not all(0 < x < np.inf for x in values.values()):
                msg = f"{name} must be a dict of class to a positive number; got {values!r}"
                raise ValueError(msg)
        trends = self.error_trend.values() if isinstance(self.error_trend, Mapping) else (None,)
        if not all(isinstance(x, Mapping) and all(np.isfinite(list(x.values()))) for x in trends):
            msg = f"error_trend must be a dict of class to a dict of feature to a number; got {self.error_trend!r}"
            raise ValueError(msg)
        if not 0 <= self.target_sigma < np.inf:
            msg = f"target_sigma must be zero or positive; got {self.target_sigma!r}"
            raise ValueError(msg)
        if not abs(self.pixel_power) <= 1:
            msg = f"pixel_power must lie between -1 and 1; got {self.pixel_power!r}"
            raise ValueError(msg)
        if not (0 <= self.tail_fraction < 1 and 1 <= self.tail_temperature_ratio < np.inf):
            msg = (
                "tail_fraction must lie in [0, 1) and tail_temperature_ratio be 1 or more; "
                f"got {self.tail_fraction!r}, {self.tail_temperature_ratio!r}"
            )
            raise ValueError(msg)
        if not (0 <= self.sharpening <= 1 and 1 <= self.broad < np.inf):
            msg = (
                "sharpening must lie between 0 and 1 and broad be 1 bin or more; "
                f"got {self.sharpening!r}, {self.broad!r}"
            )
            raise ValueError(msg)

    @classmethod
    def from_head(cls, head: Any) -> Self:
        """The calibration that is stored with a redshift head, or one that changes no probability.

        Parameters
        ----------
        head : `~astro_spectok.heads.RedshiftHead`

        Returns
        -------
        Calibration
        """
        known = {f.name for f in fields(cls)} - {"rules"}
        values = {_FORMER_NAMES.get(key, key): value for key, value in head.calibration.items()}
        made = {key: value for key, value in values.items() if key in known}
        if trends := made.get("error_trend"):
            made["error_trend"] = {
                cls: {_FORMER_FEATURES.get(name, name): slope for name, slope in trend.items()}
                for cls, trend in trends.items()
            }
        made |= {"target_sigma": float(head.config.target_sigma), "rules": RedshiftRules.from_dict(head.rules)}
        return cls(**made)

    def _repr_html_(self):
        return make_html_table("Calibration", [(name, repr(value)) for name, value in asdict(self).items()])

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON holds them, without the rules, which stand by themselves.

        Returns
        -------
        dict
        """
        return {name: value for name, value in asdict(self).items() if name != "rules"}

    def apply(self, log_probability: Mapping[str, np.ndarray], pixel: float | None = None) -> Mapping[str, np.ndarray]:
        """Recalibrate a posterior.

        Parameters
        ----------
        log_probability : dict of str to ndarray, shape (lags,)
            Normalised over all classes, under the prior that is flat in class and, within a class, over its bins.
        pixel : float, optional
            Width of the pixels of the spectrum, as of ``measure_pixel``; 60 km/s if not given.

        Returns
        -------
        dict of str to ndarray
            Likewise; the arrays given if there is nothing to change.
        """
        scaled = (
            self.sharpening
            or self.pixel_power
            or any(self.temperature.get(name, 1.0) != 1.0 for name in log_probability)
        )
        if not scaled and not self.tail_fraction:
            return log_probability
        log_prior = {name: -np.log(len(values) * len(log_probability)) for name, values in log_probability.items()}
        cooling = self.find_cooling(log_probability, pixel)
        # single precision: three times as fast, and errors of 1e-6 in a logarithm matter to nobody
        evidence = {
            name: np.asarray(x, np.float32) - np.float32(log_prior[name]) for name, x in log_probability.items()
        }
        logs, total = self._temper(evidence, log_prior, cooling)
        if not self.tail_fraction:
            return {name: values - np.float32(np.log(total)) for name, values in logs.items()}
        out = {name: np.exp(values) * np.float32((1 - self.tail_fraction) / total) for name, values in logs.items()}
        tail, tail_total = self._temper(evidence, log_prior, cooling * self.tail_temperature_ratio)
        for name, values in tail.items():
            out[name] += np.exp(values) * np.float32(self.tail_fraction / tail_total)
        for values in out.values():
            # there may be zeros
            np.log(np.maximum(values, np.finfo(np.float32).tiny, out=values), out=values)
        return out

    def _temper(self, evidence, log_prior, factor):
        """Logarithms of posteriors with all temperatures times a factor, 0 the highest, and what they add up to."""
        out = {}
        for name, values in evidence.items():
            out[name] = values / np.float32(factor * self.temperature.get(name, 1.0))
            out[name] += np.float32(log_prior[name])
        highest = max(values.max() for values in out.values())
        for values in out.values():
            values -= highest
        return out, float(sum(np.exp(values).sum(dtype=np.float64) for values in out.values()))

    def find_cooling(self, log_probability: Mapping[str, np.ndarray], pixel: float | None = None) -> float:
        """Factor of all temperatures; see ``sharpening`` and ``pixel_power``.

        Parameters
        ----------
        log_probability : dict of str to ndarray, shape (lags,)
            As for `apply`.
        pixel : float, optional
            As for `apply`.

        Returns
        -------
        float
        """
        cooling = 1.0 if pixel is None else (pixel / PIXEL) ** -self.pixel_power
        if not self.sharpening:
            return cooling
        return cooling * max(measure_breadth(log_probability, self.broad) / self.broad, 1.0) ** -self.sharpening

    def deconvolve_width(self, spectype: str, width: float) -> float:
        """Take out of the width of a peak in ln(1 + z) what the training added to it.

        Parameters
        ----------
        spectype : str
        width : float
            Standard deviation of the peak of a recalibrated posterior.

        Returns
        -------
        float
            At least a fifth of ``target_sigma``: smaller widths cannot be distinguished.
        """
        tail = 1 + self.tail_fraction * (self.tail_temperature_ratio - 1)
        added = self.target_sigma**2 * self.temperature.get(spectype, 1.0) * tail
        return float(np.sqrt(max(width**2 - added, (self.rules.sharpest * self.target_sigma) ** 2)))

    def correct_width(
        self,
        spectype: str,
        width: float,
        z: float | None = None,
        *,
        red_end: float | None = None,
        refined: bool = True,
        features: Mapping[str, float] | None = None,
    ) -> float:
        """The error in ln(1 + z) for a width.

        The floor is added in quadrature; the sum is raised to its power, scaled, and multiplied by the trends with the
        features.

        Parameters
        ----------
        spectype : str
        width : float
            Without what the training added.
        z, red_end, refined : optional
            As for ``name_errors``.
        features : dict of str to float, optional
            Error predictors, as of ``astro_spectok.redshift.error_features``; those that are absent count as 0.

        Returns
        -------
        float
        """
        names = name_errors(spectype, z, red_end=red_end, refined=refined)
        name = next((name for name in names if name in self.error_scale), spectype)
        whole = float(np.hypot(width, self.error_floor.get(name, self.rules.floor)))
        trend, features = self.error_trend.get(spectype, {}), features or {}
        scale = self.error_scale.get(name, 1.0) * np.exp(sum(trend[one] * features.get(one, 0.0) for one in trend))
        return float(scale * PIVOT * (whole / PIVOT) ** self.error_power.get(name, 1.0))

    def find_confident(self, spectype: str) -> float:
        """Probability from which a solution of a class is relied on.

        Parameters
        ----------
        spectype : str
            The class.

        Returns
        -------
        float
        """
        return self.confident.get(spectype, self.rules.confident)


def name_errors(spectype, z=None, *, red_end=None, refined=True):
    """Keys of `Calibration.error_scale`, `Calibration.error_floor` and `Calibration.error_power`.

    Parameters
    ----------
    spectype : str
    z : float, optional
        Redshift; a low one if not given.
    red_end : float, optional
        Vacuum wavelength in Angstrom of the last good pixel; if not given, or NaN, redshifts above 1.2 count as those
        whose red lines are not seen.
    refined : bool, optional
        Whether rest-frame templates had a part in the redshift.

    Returns
    -------
    tuple of str
        The one that says most first; the last is the class.
    """
    far = spectype + UV if z is not None and z > DISTANT else spectype
    own = far
    if z is not None and red_end is not None and np.isfinite(red_end):
        ends = (mark for reach, mark in RED_LINES.get(spectype, ()) if red_end <= reach * (1 + z))
        own = spectype + next(ends, "")
    plain = () if refined else (spectype + UNREFINED,)
    return tuple(dict.fromkeys((*plain, own, far, spectype)))


def measure_pixel(wavelength):
    """Median width of pixels in ln(wavelength), clipped to the range that is distinguished; 60 km/s of a single one."""
    if len(wavelength) < 2:
        return PIXEL
    return clip_pixel(float(np.median(np.diff(np.log(wavelength)))))


def clip_pixel(step):
    """The same of a median step in ln(wavelength), as of `SpectrumBatch.find_step`; NaN is that of a single pixel."""
    return PIXEL if np.isnan(step) else float(np.clip(step, *PIXELS))


def measure_breadth(log_probability, broad):
    """Breadth in bins of the highest peak of a posterior: the exponential of the entropy around its highest bin.

    Parameters
    ----------
    log_probability : dict of str to ndarray, shape (lags,)
    broad : float
        Bins; the peak is looked at ten times as far on either side.

    Returns
    -------
    float
    """
    name = max(log_probability, key=lambda name: log_probability[name].max())
    values, reach = log_probability[name], round(REACH * broad)
    lag = int(np.argmax(values))
    near = np.asarray(values[max(lag - reach, 0) : lag + reach + 1], np.float64)
    p = np.exp(near - values[lag])
    return float(np.exp(entr(p / p.sum()).sum()))
