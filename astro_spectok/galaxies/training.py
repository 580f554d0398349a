# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`GalaxyTraining`: domain of the labels of galaxies of a set of weights, correction of errors, and thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from astro_spectok.heads.small_numbers import GALAXY_RULES

__all__ = ["DIRECT", "GalaxyTraining"]

#: what is measured directly, whose errors are corrected as well: velocity dispersion, break and equivalent widths
DIRECT = ("sigma_v", "d4000", "lines")


@dataclass(frozen=True)
class GalaxyTraining:
    """Domain of the labels of galaxies of a set of weights, and the correction of all errors.

    Attributes
    ----------
    labels : dict of str to (float, float)
        Lowest and highest of each that was trained on.
    wavelength : (float, float)
        Vacuum Angstrom at rest, that lines of populations were learned from.
    rules : dict of str to float
        Probability of a galaxy below which it is flagged (``flagged``), and below which nothing is given (``refused``);
        least signal-to-noise ratio (``least_snr``); share of the spread of a label below which its error must lie for
        it to be given (``informative``); greatest error of a velocity dispersion that is given, km/s
        (``most_dispersion_error``); width of lines from which they are broad, km/s (``broad``); least share of the bins
        of the head that a spectrum must fill (``least_filled``); and how far the components of starlight are from any
        real galaxy, over the continuum (``misfit``).
    calibration : dict of str to dict
        By label, and for `DIRECT`: ``scale``, what an error is multiplied by; ``share`` of the value and ``floor``,
        what is added to it in quadrature. That of ``sigma_v`` may have an ``excess``, the square in (km/s)^2 by which
        dispersions come out too large.
    """

    labels: Mapping
    wavelength: tuple
    rules: Mapping = field(default_factory=lambda: dict(GALAXY_RULES))
    calibration: Mapping = field(default_factory=dict)

    @classmethod
    def from_head(cls, head):
        """That of a `~astro_spectok.heads.galaxy.GalaxyHead`.

        Raises
        ------
        ValueError
            A number that it must hold is missing, or no positive one.
        """
        domain = head.domain
        missing = [name for name in ("labels", "wavelength", "stars_resolution") if name not in domain]
        if missing or set(domain.get("labels", ())) != set(head.config.names):
            msg = (
                f"the domain of a head for galaxies must hold labels, wavelength and stars_resolution; got "
                f"{', '.join(domain) or 'nothing'}: make the head with `spectok build`"
            )
            raise ValueError(msg)
        rules = GALAXY_RULES | dict(head.rules)
        for name, parts in head.calibration.items():
            if not (float(parts["scale"]) > 0 and min(float(parts["share"]), float(parts["floor"])) >= 0):
                msg = f"calibration of {name} must have a scale above 0, share and floor of 0 or more; got {parts}"
                raise ValueError(msg)
        labels = {name: tuple(map(float, limits)) for name, limits in domain["labels"].items()}
        return cls(labels, tuple(domain["wavelength"]), rules, dict(head.calibration))

    def correct(self, name, value, error):
        """Error of a label, or of what is measured directly, as it is on average.

        Parameters
        ----------
        name : str
        value, error : float or ndarray
            In the units of the head.

        Returns
        -------
        float or ndarray
        """
        parts = self.calibration.get(name, {"scale": 1.0, "share": 0.0, "floor": 0.0})
        return np.sqrt((parts["scale"] * error) ** 2 + (parts["share"] * value) ** 2 + parts["floor"] ** 2)

    def correct_dispersion(self, sigma, error):
        """Velocity dispersion without what its fit adds on average, and its error, km/s."""
        excess = self.calibration.get("sigma_v", {}).get("excess", 0.0)
        corrected = float(np.sqrt(max(sigma**2 - excess, 100.0)))
        error = min(float(error * sigma / corrected), sigma)
        return corrected, float(self.correct("sigma_v", corrected, error))

    def find_filled(self, rest):
        """Share of the trained range in ln(wavelength) that good pixels (Angstrom at rest, increasing) fill."""
        low, high = np.log(self.wavelength)
        edges = np.linspace(low, high, 65)
        return float(np.mean(np.histogram(np.log(rest), edges)[0] > 0))
