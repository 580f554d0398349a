# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What makes probabilities and errors of a network mean what they say, as fitted on spectra that trained nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

import numpy as np
from scipy.stats import entropy

__all__ = ["CALIBRATION_KEY", "Calibration", "measure_breadth", "name_errors"]

#: where the metadata of a file of weights hold it
CALIBRATION_KEY = "calibration"
#: width in ln(1 + z) of what the posterior was trained towards, where the weights do not tell
TARGET_SIGMA = 1.5e-4
#: share of it below which the width of a peak tells nothing
SHARPEST = 0.2
#: least error in ln(1 + z) where none was fitted: 3 km/s
FLOOR = 1e-5
#: how far the breadth of a peak is measured on either side, in breadths from which it is broad
REACH = 10
#: redshift from which the lines of the rest-frame ultraviolet tell the redshift, and what marks their errors
DISTANT, UV = 1.2, " UV"


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
        For each class what its errors in redshift are multiplied by; 1 where absent. A key such as ``'GALAXY UV'``
        holds for redshifts above 1.2, where optical spectra show lines of the rest-frame ultraviolet, which gas in
        motion shifts by more than the noise does; without it that of the class holds for all.
    error_floor : dict of str to float
        For each class what is added in quadrature to the error in ln(1 + z), before it is scaled; 1e-5, 3 km/s, where
        absent.
    target_sigma : float
        Width in ln(1 + z) of the Gaussian that the posterior was trained towards. It adds to the width of every peak
        in quadrature, and is taken out again.
    sharpening : float
        Where the highest peak of a posterior is broader than ``broad``, all temperatures are divided by this power of
        how much: low resolution makes peaks of a network broader than its errors are.
    broad : float
        Breadth of a peak in bins, as the exponential of its entropy: 4.1 standard deviations of a Gaussian.
    """

    temperature: dict = field(default_factory=dict)
    epsilon: float = 0.0
    error_scale: dict = field(default_factory=dict)
    error_floor: dict = field(default_factory=dict)
    target_sigma: float = TARGET_SIGMA
    sharpening: float = 0.0
    broad: float = 10.0

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
        if not (0 <= self.sharpening <= 1 and 1 <= self.broad < np.inf):
            msg = (
                "sharpening must lie between 0 and 1 and broad be 1 bin or more; "
                f"got {self.sharpening!r}, {self.broad!r}"
            )
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
        scaled = self.sharpening or any(self.temperature.get(name, 1.0) != 1.0 for name in log_probability)
        if not scaled and not self.epsilon:
            return log_probability
        log_prior = {name: -np.log(len(values) * len(log_probability)) for name, values in log_probability.items()}
        cooling = self.find_cooling(log_probability)
        out = {}
        for name, values in log_probability.items():
            evidence = np.asarray(values, np.float64) - log_prior[name]
            out[name] = log_prior[name] + evidence / (cooling * self.temperature.get(name, 1.0))
        highest = max(values.max() for values in out.values())
        total = highest + np.log(sum(np.exp(values - highest).sum() for values in out.values()))
        if not self.epsilon:
            return {name: values - total for name, values in out.items()}
        # in probabilities: np.logaddexp takes five times as long, and the prior leaves no zeros
        keep = 1 - self.epsilon
        return {
            name: np.log(keep * np.exp(values - total) + self.epsilon * np.exp(log_prior[name]))
            for name, values in out.items()
        }

    def find_cooling(self, log_probability):
        """What all temperatures are multiplied by for the breadth of a posterior; see ``sharpening``.

        Parameters
        ----------
        log_probability : dict of str to ndarray, shape (lags,)
            As for `apply`.

        Returns
        -------
        float
            1 at most.
        """
        if not self.sharpening:
            return 1.0
        return max(measure_breadth(log_probability, self.broad) / self.broad, 1.0) ** -self.sharpening

    def deconvolve_width(self, spectype, width):
        """Take out of the width of a peak in ln(1 + z) what the training added to it.

        Parameters
        ----------
        spectype : str
        width : float
            Standard deviation of the peak of a recalibrated posterior.

        Returns
        -------
        float
            At least a fifth of ``target_sigma``: what is less cannot be told from it.
        """
        added = self.target_sigma**2 * self.temperature.get(spectype, 1.0)
        return float(np.sqrt(max(width**2 - added, (SHARPEST * self.target_sigma) ** 2)))

    def correct_width(self, spectype, width, z=None):
        """The error in ln(1 + z) that a width stands for: with the floor in quadrature, and scaled.

        Parameters
        ----------
        spectype : str
        width : float
            Without what the training added.
        z : float, optional
            Redshift; a low one if not given.

        Returns
        -------
        float
        """
        name = name_errors(spectype, z)
        if name not in self.error_scale:
            name = spectype
        return self.error_scale.get(name, 1.0) * float(np.hypot(width, self.error_floor.get(name, FLOOR)))


def name_errors(spectype, z=None):
    """Key of `Calibration.error_scale` and `Calibration.error_floor` for a class at a redshift."""
    return spectype + UV if z is not None and z > DISTANT else spectype


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
    return float(np.exp(entropy(np.exp(near - values[lag]))))
