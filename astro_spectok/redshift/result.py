# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimate`: class and redshift of one spectrum, with all that is known of how sure they are."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from astropy import constants as const
from astropy import units as u
from specutils import Spectrum

from astro_spectok.redshift.posterior import RedshiftPosterior
from astro_spectok.redshift.zwarn import RedshiftFlag
from astro_spectok.spectra import SpectrumBatch, to_spectrum
from astro_spectok.utils.html import make_html_table, make_sparkline
from astro_spectok.utils.spectypes import STAR

__all__ = ["RedshiftEstimate", "sketch_spectrum", "to_velocity"]

#: signal-to-noise ratio of what a sparkline shows: pixels are averaged until they have it
SMOOTH = 15.0


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


def to_velocity(z):
    """Radial velocity of a star, c times z, as a `~astropy.units.Quantity` in km/s."""
    return (z * const.c).to(u.km / u.s)


@dataclass(frozen=True, eq=False, repr=False)
class RedshiftEstimate:
    """Class and redshift of one spectrum, made by `~astro_spectok.estimators.RedshiftEstimator`.

    Redshifts are dimensionless; wavelengths count as observed, in the rest frame of whoever observed (no heliocentric
    correction is applied). Instances can be copied and pickled.

    Attributes
    ----------
    spectype : str
        Class of the best solution: the most probable of class and redshift together.
    z, z_err : `~astropy.units.Quantity`
        Its redshift, and the standard deviation.
    z_68, z_95 : `~astropy.units.Quantity`, shape (2,)
        Range that holds the redshift with 68 and 95 per cent probability, whatever the class; if several solutions are
        comparable it reaches from one to the other.
    p_best : float
        Probability of the best solution: this class, and a redshift within 1000 km/s.
    class_probability : dict of str to float
        Whatever the redshift.
    alternatives : tuple of `~astro_spectok.redshift.peaks.Peak`
        The next solutions, most probable first.
    posterior : `RedshiftPosterior`
        All of it. Its peaks are as wide as the network was trained to make them, which is wider than ``z_err``.
    zwarn : `RedshiftFlag`
        What may be wrong; 0 is a redshift to be relied on.
    rv, rv_err : `~astropy.units.Quantity`
        Radial velocity, c times z, if it is a star; NaN otherwise.
    snr : float
        Median signal-to-noise ratio of the good pixels.
    mk_type : str
        Coarse type of a star: O, B, A, F, G, K, M, L, T, WD (white dwarf), CV (cataclysmic variable) or C (carbon
        star); '' for all else, and with weights that tell none.
    mk_probability : float
        Of this type, if it is a star; NaN where there is none.
    meta : dict
        Names the weights (``weights``, ``weights_sha256``) and versions, and the medium of the wavelengths with where
        that was learnt (``medium``, ``medium_source``).

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

    spectype: str
    z: u.Quantity
    z_err: u.Quantity
    z_68: u.Quantity
    z_95: u.Quantity
    p_best: float
    class_probability: dict
    alternatives: tuple
    posterior: RedshiftPosterior
    zwarn: RedshiftFlag
    snr: float
    mk_type: str = ""
    mk_probability: float = np.nan
    meta: dict = field(default_factory=dict)
    # the spectrum as it was measured, and a function of it that returns its tokens, for pictures
    _batch: SpectrumBatch | None = None
    _tokenize: Callable | None = None

    @property
    def rv(self):
        """Radial velocity c z as a `~astropy.units.Quantity` in km/s if it is a star, NaN otherwise."""
        return to_velocity(self.z if self.spectype == STAR else u.Quantity(np.nan))

    @property
    def rv_err(self):
        """Standard deviation of the radial velocity in km/s if it is a star, NaN otherwise."""
        return to_velocity(self.z_err if self.spectype == STAR else u.Quantity(np.nan))

    def apply(self, spec):
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

    def plot(self, axes=None):
        """Plot the spectrum with its model and the lines at this redshift, and below it the posterior.

        The model is decoded from the tokens, which are made now.

        Parameters
        ----------
        axes : sequence of two `~matplotlib.axes.Axes`, optional
            For the spectrum and for the posterior; a new figure by default.

        Returns
        -------
        ndarray of `~matplotlib.axes.Axes`
        """
        from astro_spectok.plotting import plot_redshift

        tokens = self._tokenize(self._batch)[0]
        spectrum = to_spectrum(self._batch)
        return plot_redshift(self, spectrum, tokens.decode(spectrum.spectral_axis), axes)

    def _facts(self):
        """What the representations show, as (name, text)."""
        others = (f"{peak.spectype} {peak.z:.4f} ({peak.probability:.3f})" for peak in self.alternatives)
        facts = [
            ("class", f"{self.spectype}, probability {self.class_probability[self.spectype]:.3f}"),
            ("z", f"{self.z.value:.6f} ± {self.z_err.value:.6f}, probability {self.p_best:.3f}"),
            ("68 %", f"{self.z_68[0].value:.6f} to {self.z_68[1].value:.6f}"),
        ]
        if self.spectype == STAR:
            facts.append(("radial velocity", f"{self.rv.value:.1f} ± {self.rv_err.value:.1f} km/s"))
        if self.mk_type:
            facts.append(("type", f"{self.mk_type} ({self.mk_probability:.3f})"))
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
