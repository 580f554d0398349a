# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What makes probabilities and errors of a network mean what they say, as fitted on spectra that trained nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

import numpy as np

from astro_spectok.results.posterior import WINDOW

__all__ = ["CALIBRATION_KEY", "Calibration"]

#: where the metadata of a file of weights hold it
CALIBRATION_KEY = "calibration"
#: width in ln(1 + z) of what the posterior was trained towards, where the weights do not tell
TARGET_SIGMA = 1.5e-4


@dataclass(frozen=True)
class Calibration:
    """Corrections to the posterior of a set of weights; the defaults change no probability.

    Attributes
    ----------
    temperature : dict of str to float
        For each class what its evidence, the logarithm of posterior over prior, is divided by; 1 where absent.
    epsilon : float
        Share of the prior that is mixed in: how often a posterior, however sure, has nothing to do with the truth.
    error_scale : dict of str to float
        For each class what its errors in redshift are multiplied by; 1 where absent.
    error_floor : dict of str to float
        For each class the least error in ln(1 + z), before it is scaled; 1e-5, 3 km/s, where absent.
    target_sigma : float
        Width in ln(1 + z) of the Gaussian that the posterior was trained towards. It adds to the width of every peak
        in quadrature, and is taken out again.
    """

    temperature: dict = field(default_factory=dict)
    epsilon: float = 0.0
    error_scale: dict = field(default_factory=dict)
    error_floor: dict = field(default_factory=dict)
    target_sigma: float = TARGET_SIGMA

    def __post_init__(self):
        positive = [("temperature", self.temperature), ("error_scale", self.error_scale)]
        positive.append(("error_floor", self.error_floor))
        for name, values in positive:
            if not isinstance(values, Mapping) or not all(0 < x < np.inf for x in values.values()):
                msg = f"{name} must be a dict of class to a positive number; got {values!r}"
                raise ValueError(msg)
        if not (0 <= self.epsilon < 1 and 0 <= self.target_sigma < np.inf):
            msg = f"epsilon must lie in [0, 1) and target_sigma be positive; got {self.epsilon}, {self.target_sigma}"
            raise ValueError(msg)

    @classmethod
    def from_metadata(cls, metadata):
        """The calibration that a file of weights tells of, or one that changes no probability.

        Parameters
        ----------
        metadata : dict
            As of `~astro_spectok.weights.LoadedWeights`.

        Returns
        -------
        Calibration
        """
        stored, training = metadata.get(CALIBRATION_KEY), metadata.get("training")
        known = {f.name for f in fields(cls)}
        made = cls(**{key: value for key, value in (stored or {}).items() if key in known})
        sigma = training.get("redshift_sigma") if isinstance(training, Mapping) else None
        return made if sigma is None else replace(made, target_sigma=float(sigma))

    def to_dict(self):
        """Plain dictionary, ready for JSON."""
        return asdict(self)

    def apply(self, log_probability):
        """Recalibrate a posterior.

        Parameters
        ----------
        log_probability : dict of str to ndarray, shape (lags,)
            Normalised over all classes, under the prior that is flat in class and, within a class, over its bins.

        Returns
        -------
        dict of str to ndarray
            Likewise; the arrays given if there is nothing to change.
        """
        scaled = any(self.temperature.get(name, 1.0) != 1.0 for name in log_probability)
        if not scaled and not self.epsilon:
            return log_probability
        log_prior = {name: -np.log(len(values) * len(log_probability)) for name, values in log_probability.items()}
        out = {
            name: log_prior[name] + (np.asarray(values, np.float64) - log_prior[name]) / self.temperature.get(name, 1.0)
            for name, values in log_probability.items()
        }
        highest = max(values.max() for values in out.values())
        total = highest + np.log(sum(np.exp(values - highest).sum() for values in out.values()))
        out = {name: values - total for name, values in out.items()}
        if self.epsilon:
            keep, mix = np.log1p(-self.epsilon), np.log(self.epsilon)
            out = {name: np.logaddexp(values + keep, log_prior[name] + mix) for name, values in out.items()}
        return out

    def correct_error(self, spectype, z, z_err):
        """The error of a redshift from the standard deviation of its peak.

        Parameters
        ----------
        spectype : str
        z, z_err : float
            As of `~astro_spectok.results.posterior.Peak`.

        Returns
        -------
        float
        """
        return (1 + z) * self._correct_width(spectype, z_err / (1 + z))

    def correct_interval(self, spectype, z, z_err, interval, step):
        """An interval of redshifts around ``z`` from that of a posterior: both sides shrink as the error does.

        A side that reaches out of the peak, beyond 1000 km/s, stays as it is.

        Parameters
        ----------
        spectype : str
        z, z_err : float
            As for `correct_error`.
        interval : (float, float)
        step : float
            Width of the bins of the posterior in ln(1 + z), over which their probability was spread.

        Returns
        -------
        (float, float)
        """
        width = z_err / (1 + z)
        shrink = self._correct_width(spectype, width) / np.sqrt(width**2 + step**2 / 12)
        out = []
        for end, sign in zip(interval, (-1, 1), strict=True):
            arm = max(sign * (np.log1p(end) - np.log1p(z)), 0.0)
            if arm <= WINDOW:
                arm *= shrink
            out.append(float((1 + z) * np.exp(sign * arm) - 1))
        return tuple(out)

    def _correct_width(self, spectype, width):
        """Take out of a width in ln(1 + z) what the training added, and scale it."""
        added = self.target_sigma**2 * self.temperature.get(spectype, 1.0)
        least = self.error_floor.get(spectype, 1e-5)
        return self.error_scale.get(spectype, 1.0) * float(np.sqrt(max(width**2 - added, least**2)))
