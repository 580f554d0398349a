# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimate`: class and redshift of one spectrum, with all that is known of how sure they are."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable
from specutils import Spectrum

from astro_spectok.interface.columns import make_row
from astro_spectok.redshift.columns import list_redshift_columns
from astro_spectok.redshift.compression import describe_grid
from astro_spectok.redshift.peaks import Peak
from astro_spectok.redshift.posterior import RedshiftPosterior
from astro_spectok.redshift.zwarn import RedshiftFlag
from astro_spectok.spectra import SpectrumBatch, to_spectrum
from astro_spectok.utils.constants import LIGHT_SPEED
from astro_spectok.utils.digits import count_decimals, format_with_error
from astro_spectok.utils.html import make_html_table, make_sparkline
from astro_spectok.utils.spectypes import GALAXY, QSO, STAR

__all__ = ["RedshiftEstimate", "sketch_spectrum"]

#: signal-to-noise ratio of what a sparkline shows: pixels are averaged until they have it
SMOOTH = 15.0
_KMS = u.km / u.s


def sketch_spectrum(batch):
    """The flux of the good pixels of the only spectrum of a batch, as a sparkline; what is noisy is averaged."""
    flux, ivar = (values[batch.pixels(0)].astype(float) for values in (batch.flux, batch.ivar))
    good = ivar > 0
    noise = np.median(ivar[good]) ** -0.5
    level = max(abs(np.median(flux[good])), 1e-6 * noise)
    together = int(np.clip(np.ceil((SMOOTH * noise / level) ** 2), 1, max(1, len(flux) // 60)))
    starts = np.arange(0, len(flux), together)
    weight = np.add.reduceat(ivar, starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.add.reduceat(np.where(good, flux * ivar, 0.0), starts) / weight
    return make_sparkline(batch.wavelength[batch.grid(0)][starts], mean, label="flux over wavelength")


@dataclass(frozen=True, eq=False, repr=False)
class RedshiftEstimate:
    """Class and redshift of one spectrum, made by `~astro_spectok.estimators.RedshiftEstimator`.

    Its attributes are the columns of a table of many, and `to_table` makes a row of it. Redshifts are dimensionless and
    as observed (no heliocentric correction is applied). Instances can be copied and pickled.

    Attributes
    ----------
    name : str
        Of the spectrum, where it has one.
    z, z_err : `~astropy.units.Quantity`
        Redshift of the best solution, the most probable of class and redshift together, and its standard deviation.
    z_lo, z_hi : `~astropy.units.Quantity`
        Range that holds the redshift with 68 per cent probability, whatever the class; if several solutions are
        comparable it reaches from one to the other. The posterior has those of other probabilities.
    spectype : str
        Class of the best solution.
    class_probability : dict of str to float
        Of all classes of the weights, whatever the redshift; 0 for those that were not searched.
    p_galaxy, p_qso, p_star : float
        The same, one by one.
    p_best : float
        Probability of the best solution: this class, and a redshift within 1000 km/s.
    zwarn : `RedshiftFlag`
        What may be wrong; 0 is a redshift to be relied on.
    z_2 : `~astropy.units.Quantity`
        Redshift of the next solution; NaN if there is none.
    p_2 : float
        Its probability.
    alternatives : tuple of `~astro_spectok.redshift.Peak`
        The next solutions, most probable first.
    rv, rv_err : `~astropy.units.Quantity`
        Radial velocity, c times z, if it is a star; NaN otherwise.
    snr : float
        Median signal-to-noise ratio of the good pixels.
    stellar_type : str
        Coarse type of a star: O, B, A, F, G, K, M, L, T, WD (white dwarf), CV (cataclysmic variable) or C (carbon
        star); '' for all else, and for weights without a type head.
    p_stellar_type : float
        Its probability, if it is a star; NaN where there is none.
    medium : str
        What wavelengths were given in, 'vacuum' or 'air'; 'unknown' where it is not stated: vacuum was assumed, and
        the errors include the possible shift.
    errors : str
        The errors of the flux that were used: 'stated'; 'raised' where the scatter shows that they are too small;
        'estimated' from the scatter where there are none, or far too large ones.
    message : str
        Why it could not be measured; '' here, as a single spectrum that cannot be raises an error.
    posterior : `RedshiftPosterior`
        All of it. Its peaks are as wide as the network was trained to make them, which is wider than ``z_err``.
    meta : dict
        Names the weights (``weights``, ``weights_sha256``), versions, date (UTC) and call, and the medium of the
        wavelengths with where that was learnt (``medium``, ``medium_source``).

    Examples
    --------
    >>> from astro_spectok.estimators import RedshiftEstimator
    >>> from astro_spectok.example import read_example
    >>> spectrum = read_example()
    >>> estimate = RedshiftEstimator(device="cpu").estimate(spectrum)
    >>> estimate.spectype, f"{estimate.z:.3f}", int(estimate.zwarn)
    ('GALAXY', '0.086', 0)
    >>> print(estimate.rv)  # no star
    nan km / s
    >>> at_rest = estimate.apply(spectrum)
    >>> at_rest.shift_spectrum_to(redshift=0)
    >>> print(f"{at_rest.spectral_axis[0]:.0f}")
    3362 Angstrom
    """

    z: u.Quantity
    z_err: u.Quantity
    z_lo: u.Quantity
    z_hi: u.Quantity
    spectype: str
    class_probability: dict[str, float]
    p_best: float
    zwarn: RedshiftFlag
    alternatives: tuple[Peak, ...]
    posterior: RedshiftPosterior
    snr: float
    stellar_type: str = ""
    p_stellar_type: float = np.nan
    name: str = ""
    medium: str = "unknown"
    errors: str = "stated"
    message: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    # the spectrum as it was measured, and a function of it that returns its tokens, for pictures
    _batch: SpectrumBatch | None = None
    _tokenize: Callable[..., Any] | None = None

    @property
    def p_galaxy(self) -> float:
        """Probability of a galaxy, whatever the redshift: float."""
        return self.class_probability.get(GALAXY, 0.0)

    @property
    def p_qso(self) -> float:
        """Probability of a quasar, whatever the redshift: float."""
        return self.class_probability.get(QSO, 0.0)

    @property
    def p_star(self) -> float:
        """Probability of a star, whatever its velocity: float."""
        return self.class_probability.get(STAR, 0.0)

    @property
    def z_2(self) -> u.Quantity:
        """Redshift of the next solution, `~astropy.units.Quantity`; NaN if there is none."""
        return u.Quantity(self.alternatives[0].z if self.alternatives else np.nan)

    @property
    def p_2(self) -> float:
        """Probability of the next solution; NaN if there is none."""
        return self.alternatives[0].probability if self.alternatives else np.nan

    @property
    def rv(self) -> u.Quantity:
        """Radial velocity c z as a `~astropy.units.Quantity` in km/s if it is a star, NaN otherwise."""
        return u.Quantity(self._as_velocity(self.z), _KMS)

    @property
    def rv_err(self) -> u.Quantity:
        """Standard deviation of the radial velocity in km/s if it is a star, NaN otherwise."""
        return u.Quantity(self._as_velocity(self.z_err), _KMS)

    def _as_velocity(self, z):
        """A redshift of a star as a number in km/s, NaN for all else."""
        return LIGHT_SPEED * z.value if self.spectype == STAR else np.nan

    def list_values(self) -> dict[str, Any]:
        """The numbers and texts of its row in a table, in the units that the table has.

        Returns
        -------
        dict of str to float, int or str
            By the name of the column.
        """
        plain = ("name", "spectype", "p_best", "snr", "stellar_type", "p_stellar_type", "medium", "errors", "message")
        values = {name: getattr(self, name) for name in plain}
        values |= {name: getattr(self, name).value for name in ("z", "z_err", "z_lo", "z_hi")}
        values |= {"rv": self._as_velocity(self.z), "rv_err": self._as_velocity(self.z_err)}
        values |= {f"p_{name.lower()}": p for name, p in self.class_probability.items()}
        for k, peak in enumerate(self.alternatives, 2):
            values |= {f"z_{k}": peak.z, f"p_{k}": peak.probability}
        return values | {"zwarn": int(self.zwarn)}

    def to_table(self, *, posterior: bool = False) -> QTable:
        """A table of one row, as `~astro_spectok.estimators.RedshiftEstimator` makes it of a list.

        Parameters
        ----------
        posterior : bool, optional
            Whether the row gets the posterior, in 2 kB.

        Returns
        -------
        `~astropy.table.QTable`
        """
        columns = list_redshift_columns(self.class_probability, 1 + max(len(self.alternatives), 1))
        table = make_row(columns, self.list_values(), self.meta)
        if posterior:
            for name, values in self.posterior.compress().items():
                table[name] = values[None]
            table.meta |= describe_grid(self.posterior.grid)
        return table

    def apply(self, spec: Spectrum) -> Spectrum:
        """A copy of a spectrum that knows this redshift, or this radial velocity if it is a star.

        Nothing is shifted: ``spectral_axis`` has the same values. To see it at rest, call
        ``shift_spectrum_to(redshift=0)`` of the copy.

        Parameters
        ----------
        spec : `~specutils.Spectrum`
            One spectrum; it stays as it is.

        Returns
        -------
        `~specutils.Spectrum`
            A copy, pixel by pixel the same.

        Raises
        ------
        TypeError
            ``spec`` is no `~specutils.Spectrum`.
        ValueError
            It holds more than one spectrum.
        """
        if not isinstance(spec, Spectrum):
            msg = f"spec must be a specutils Spectrum, which alone can hold a redshift; got {type(spec).__name__}"
            raise TypeError(msg)
        if spec.data.ndim != 1:
            msg = f"spec must be one spectrum; got an array of spectra of the shape {spec.data.shape}; give spec[i]"
            raise ValueError(msg)
        out = copy.deepcopy(spec)
        if self.spectype == STAR:
            out.set_radial_velocity_to(self.rv)
        else:
            out.set_redshift_to(self.z)
        return out

    def plot(self, axes: Any = None) -> np.ndarray:
        """Plot the spectrum with its model and the lines at this redshift, and below it the posterior.

        The model is decoded from the tokens, which are made now.

        Parameters
        ----------
        axes : sequence of two `~matplotlib.axes.Axes`, optional
            For the spectrum and for the posterior; a new figure by default.

        Returns
        -------
        ndarray of `~matplotlib.axes.Axes`

        Raises
        ------
        ValueError
            The result was not made by an estimator, and holds no spectrum.
        """
        from astro_spectok.plotting.redshift import plot_redshift

        if self._batch is None or self._tokenize is None:
            msg = "plot needs the spectrum, which only a result of RedshiftEstimator.estimate holds"
            raise ValueError(msg)
        tokens = self._tokenize(self._batch)[0]
        spectrum = to_spectrum(self._batch)
        return plot_redshift(self, spectrum, tokens.decode(spectrum.spectral_axis), axes)

    def _facts(self):
        """Entries of the representations, as (name, text)."""
        decimals = count_decimals(self.z_err.value, 6)
        others = (f"{peak.spectype} {peak.z:.4f} ({peak.probability:.3f})" for peak in self.alternatives)
        facts = [
            *([("name", self.name)] if self.name else []),
            ("class", f"{self.spectype}, probability {self.class_probability[self.spectype]:.3f}"),
            ("z", f"{format_with_error(self.z.value, self.z_err.value, 6)}, probability {self.p_best:.3f}"),
            ("68 %", f"{self.z_lo.value:.{decimals}f} to {self.z_hi.value:.{decimals}f}"),
        ]
        if self.spectype == STAR:
            facts.append(("rv", f"{format_with_error(self.rv.value, self.rv_err.value, 1)} km/s"))
        if self.stellar_type:
            facts.append(("type", f"{self.stellar_type} ({self.p_stellar_type:.3f})"))
        return [
            *facts,
            ("alternatives", ", ".join(others) or "none"),
            ("zwarn", " | ".join(flag.name for flag in self.zwarn) or "0"),
            ("S/N", f"{self.snr:.1f}"),
        ]

    def __repr__(self):
        return f"<RedshiftEstimate: {'; '.join(f'{name} {text}' for name, text in self._facts())}>"

    def _repr_html_(self):
        marks = [self.z.value, *(peak.z for peak in self.alternatives)]
        pictures = [("posterior, logarithmic", self.posterior._sketch(marks))]
        if self._batch is not None:
            pictures.insert(0, ("spectrum", sketch_spectrum(self._batch)))
        return make_html_table("RedshiftEstimate", self._facts(), pictures)
