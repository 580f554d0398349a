# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`TransientEstimate`: type, phase and redshift of one transient, with all that is known of how sure they are."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.interface.columns import list_row, make_row
from astro_spectok.redshift.result import sketch_spectrum
from astro_spectok.spectra import SpectrumBatch
from astro_spectok.transients.columns import TRANSIENT_COLUMNS
from astro_spectok.transients.posterior import TransientPosterior
from astro_spectok.transients.warn import TransientFlag
from astro_spectok.utils.digits import format_with_error
from astro_spectok.utils.html import make_html_table

__all__ = ["TransientEstimate"]


@dataclass(frozen=True, eq=False, repr=False)
class TransientEstimate:
    """Type, phase and redshift of one spectrum, made by `~astro_spectok.estimators.TransientEstimator`.

    Its attributes are the columns of a table of many, and `to_table` makes a row of it. What could not be measured is
    NaN. Instances can be copied and pickled.

    Attributes
    ----------
    name : str
        Of the spectrum, where it has one.
    type : str
        Most probable type of transient in the most probable group of types; GALAXY, QSO or STAR where it is more
        probably none.
    p_type : float
        Its probability, whatever the redshift.
    p_group : float
        Probability of its group: Ia (with Iax), II (with IIn and IIb) or Ibc (Ib, Ic, Ic-BL, Ibn); all other types and
        classes are groups by themselves.
    type_2, p_type_2 : str, float
        The next one.
    type_probability : dict of str to float
        Of all types and classes; the sum is 1.
    phase, phase_err : `~astropy.units.Quantity`
        Days since maximum light, in the frame of the object, and their standard deviation; NaN for what is no
        transient, and where the library knows none.
    z, z_err : `~astropy.units.Quantity`
        Redshift and its standard deviation, dimensionless; for what is no transient that of
        `~astro_spectok.estimators.RedshiftEstimator`.
    p_z : float
        Probability of a redshift within 0.01 of it.
    p_transient : float
        Probability of a transient rather than a galaxy, quasar or star, before which both are as probable.
    p_host : float
        Probability that light of a host galaxy is seen, a seventh of all or more; NaN for what is no transient.
    snr : float
        Median signal-to-noise ratio of the good pixels.
    warn : `TransientFlag`
        What may be wrong; 0 is an answer to rely on.
    medium : str
        What wavelengths were given in, 'vacuum' or 'air'; 'unknown' where it is not stated.
    errors : str
        The errors of the flux that were used: 'stated'; 'raised' where the scatter shows that they are too small;
        'estimated' from the scatter where there are none, or far too large ones.
    message : str
        Why it could not be measured; '' here, as a single spectrum that cannot be raises an error.
    meta : dict
        Names the weights (``weights``, ``weights_sha256``), versions, date (UTC) and call.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.transients import TransientEstimate, TransientFlag
    >>> estimate = TransientEstimate(
    ...     type="Ia", p_type=0.98, type_2="Ic", p_type_2=0.01,
    ...     type_probability={"Ia": 0.98, "Ic": 0.01, "GALAXY": 0.01},
    ...     phase=2.3 * u.day, phase_err=2.5 * u.day, z=u.Quantity(0.121), z_err=u.Quantity(0.003), p_z=0.99,
    ...     p_transient=0.99, p_host=0.2, snr=21.0, warn=TransientFlag.NONE,
    ... )
    >>> estimate.to_table()["phase"].unit
    Unit("d")
    """

    type: str
    p_type: float
    type_2: str
    p_type_2: float
    type_probability: dict[str, float]
    phase: u.Quantity
    phase_err: u.Quantity
    z: u.Quantity
    z_err: u.Quantity
    p_z: float
    p_transient: float
    p_host: float
    snr: float
    warn: TransientFlag
    name: str = ""
    medium: str = "unknown"
    errors: str = "stated"
    message: str = ""
    p_group: float = float("nan")
    meta: dict[str, Any] = field(default_factory=dict)
    # probabilities of type and redshift, for series; the spectrum as it was measured, for the sketch
    _posterior: TransientPosterior | None = None
    _batch: SpectrumBatch | None = None
    # the spectrum beside the best template, for the picture
    _match: Any = None

    def list_values(self) -> dict[str, Any]:
        """The numbers and texts of its row in a table, in the units that the table has.

        Returns
        -------
        dict of str to float, int or str
            By the name of the column.
        """
        return list_row(self, TRANSIENT_COLUMNS)

    def to_table(self) -> QTable:
        """A table of one row, as `~astro_spectok.estimators.TransientEstimator` makes it of a list.

        Returns
        -------
        `~astropy.table.QTable`
        """
        return make_row(TRANSIENT_COLUMNS, self.list_values(), self.meta)

    def plot(self, axes: Any = None) -> Any:
        """Plot the spectrum at rest beside the best template of its type, and the probabilities of all types.

        Of what is no transient the flux is drawn, without a template.

        Parameters
        ----------
        axes : sequence of two `~matplotlib.axes.Axes`, optional
            For the spectrum and for the probabilities; a new figure by default.

        Returns
        -------
        ndarray of `~matplotlib.axes.Axes`

        Raises
        ------
        ValueError
            ``axes`` are not two, or the result holds no spectrum: it was not made of one alone.
        """
        from astro_spectok.plotting.transients import plot_transient

        if self._batch is None:
            msg = "a result must be that of a single spectrum to be plotted; call estimate with that spectrum"
            raise ValueError(msg)
        return plot_transient(self, self._batch, self._match, axes)

    def _facts(self):
        """Entries of the representations, as (name, text)."""
        phase = "not known"
        if np.isfinite(self.phase.value):
            phase = f"{format_with_error(self.phase.value, self.phase_err.value)} d"
        return [
            *([("name", self.name)] if self.name else []),
            ("type", f"{self.type} ({self.p_type:.3f})"),
            ("next", f"{self.type_2} ({self.p_type_2:.3f})"),
            ("z", format_with_error(self.z.value, self.z_err.value)),
            ("phase", phase),
            ("transient", f"{self.p_transient:.3f}"),
            ("warn", " | ".join(flag.name for flag in self.warn) or "0"),
            ("S/N", f"{self.snr:.1f}"),
        ]

    def __repr__(self):
        return f"<TransientEstimate: {'; '.join(f'{name} {text}' for name, text in self._facts())}>"

    def _repr_html_(self):
        pictures = [] if self._batch is None else [("spectrum", sketch_spectrum(self._batch))]
        return make_html_table("TransientEstimate", self._facts(), pictures)
