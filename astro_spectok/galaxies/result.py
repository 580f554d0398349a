# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`GalaxyEstimate`: the properties of one galaxy with their errors."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.galaxies.columns import PROPERTIES, list_galaxy_columns
from astro_spectok.galaxies.lines import LINES
from astro_spectok.galaxies.warn import GalaxyFlag
from astro_spectok.interface.columns import list_row, make_row
from astro_spectok.redshift.result import sketch_spectrum
from astro_spectok.spectra import SpectrumBatch
from astro_spectok.utils.digits import format_with_error
from astro_spectok.utils.html import make_html_table

__all__ = ["GalaxyEstimate"]


@dataclass(frozen=True, eq=False, repr=False)
class GalaxyEstimate:
    """The properties of one galaxy, made by `~astro_spectok.estimators.GalaxyPropertyEstimator`.

    Its attributes are the columns of a table of many, and `to_table` makes a row of it. What could not be measured is
    NaN. Instances can be copied and pickled. Fluxes and equivalent widths of lines are attributes as well, by the names
    of the columns: ``flux_halpha``, ``flux_halpha_err``, ``ew_halpha``, ``ew_halpha_err``, and so on for ``oii``,
    ``neiii``, ``hdelta``, ``hgamma``, ``hbeta``, ``oiii``, ``oi``, ``nii`` and ``sii``.

    Attributes
    ----------
    name : str
        Of the spectrum, where it has one.
    z, z_err : `~astropy.units.Quantity`
        Redshift that all is measured at, dimensionless; the error is NaN if it was given.
    age, age_err : `~astropy.units.Quantity`
        Age of the stars in Gyr: ten to the mean of its logarithm, weighted by light at 5500 Angstrom. The logarithm is
        normally distributed.
    metallicity, metallicity_err : `~astropy.units.Quantity`
        [M/H] in dex, weighted likewise.
    a_v, a_v_err : `~astropy.units.Quantity`
        Attenuation of the stars at 5500 Angstrom in mag.
    sigma_v, sigma_v_err : `~astropy.units.Quantity`
        Velocity dispersion of the stars in km/s, corrected for the instrument; NaN where the resolving power is unknown
        or the spectrum does not constrain it.
    d4000, d4000_err : `~astropy.units.Quantity`
        Break at 4000 Angstrom, in the narrow bands of Balogh et al. (1999), dimensionless; not corrected for dust.
    lines : dict of str to `~astropy.units.Quantity`
        Flux and equivalent width of each line with errors, by the names of the columns. Fluxes are as observed, in the
        unit of the spectrum (per wavelength) times Angstrom; widths are at rest, positive in emission.
    labels : tuple of str
        Names of what ``covariance`` is of, in its order: log10 of the age in Gyr, metallicity in dex, attenuation in
        mag.
    covariance : ndarray, shape (3, 3)
        NaN for those that are not known.
    p_galaxy : float
        Probability that it is a galaxy; NaN where the redshift was given.
    snr : float
        Median signal-to-noise ratio of the good pixels.
    warn : `GalaxyFlag`
        What may be wrong; 0 are properties to be relied on within their errors.
    medium : str
        What wavelengths were given in, 'vacuum' or 'air'; 'unknown' where it is not stated: vacuum was assumed.
    errors : str
        The errors of the flux that were used: 'stated'; 'raised' where the scatter shows that they are too small;
        'estimated' from the scatter where there are none, or far too large ones.
    message : str
        Why it could not be measured; '' here, as a single spectrum that cannot be raises an error.
    meta : dict
        Names the weights (``weights``, ``weights_sha256``), versions, date (UTC) and call, and the medium of the
        wavelengths with where that was learnt (``medium``, ``medium_source``).

    Examples
    --------
    >>> from astropy import units as u
    >>> from astro_spectok.galaxies import GalaxyEstimate, GalaxyFlag
    >>> sizes = dict(age=3 * u.Gyr, metallicity=0.1 * u.dex, a_v=0.2 * u.mag, sigma_v=150 * u.km / u.s)
    >>> sizes |= {f"{name}_err": 0.1 * value for name, value in sizes.items()}
    >>> numbers = dict(z=u.Quantity(0.1), z_err=u.Quantity(1e-4), d4000=u.Quantity(1.8), d4000_err=u.Quantity(0.1))
    >>> estimate = GalaxyEstimate(**sizes, **numbers, lines={"ew_halpha": 3 * u.AA}, labels=(), covariance=None,
    ...                           p_galaxy=1.0, snr=20.0, warn=GalaxyFlag.NONE)
    >>> print(repr(estimate)[:58])
    <GalaxyEstimate: z 0.10000 ± 0.00010; age 3.00 ± 0.30 Gyr;
    >>> estimate.ew_halpha
    <Quantity 3. Angstrom>
    """

    z: u.Quantity
    z_err: u.Quantity
    age: u.Quantity
    age_err: u.Quantity
    metallicity: u.Quantity
    metallicity_err: u.Quantity
    a_v: u.Quantity
    a_v_err: u.Quantity
    sigma_v: u.Quantity
    sigma_v_err: u.Quantity
    d4000: u.Quantity
    d4000_err: u.Quantity
    lines: dict[str, Any]
    labels: tuple[str, ...]
    covariance: np.ndarray
    p_galaxy: float
    snr: float
    warn: GalaxyFlag
    name: str = ""
    medium: str = "unknown"
    errors: str = "stated"
    message: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    # for pictures, the spectrum as it was measured
    _batch: SpectrumBatch | None = None

    def __getattr__(self, name):
        lines = self.__dict__.get("lines", {})
        if name in lines:
            return lines[name]
        msg = f"{type(self).__name__} has no attribute {name!r}; lines are {', '.join(lines) or 'not measured'}"
        raise AttributeError(msg)

    def __dir__(self):
        return [*super().__dir__(), *self.lines]

    @property
    def _columns(self):
        unit = self.lines.get(f"flux_{next(iter(LINES))}", u.Quantity(0)).unit
        return list_galaxy_columns(unit)

    def list_values(self) -> dict[str, Any]:
        """The numbers and texts of its row in a table, in the units that the table has.

        Returns
        -------
        dict of str to float, int or str
            By the name of the column.
        """
        return list_row(self, self._columns)

    def to_table(self) -> QTable:
        """A table of one row, as `~astro_spectok.estimators.GalaxyPropertyEstimator` makes it of a list.

        Returns
        -------
        `~astropy.table.QTable`
        """
        return make_row(self._columns, self.list_values(), self.meta)

    def plot(self, axes: Any = None) -> Any:
        """Plot the spectrum at rest, with the lines that are measured.

        Parameters
        ----------
        axes : `~matplotlib.axes.Axes`, optional
            A new figure by default.

        Returns
        -------
        `~matplotlib.axes.Axes`

        Raises
        ------
        ValueError
            The result holds no spectrum: it was not made of one alone.
        """
        from astro_spectok.plotting.stellar import plot_at_rest
        from astro_spectok.plotting.style import make_axes

        if self._batch is None:
            msg = "a result must be that of a single spectrum to be plotted; call estimate with that spectrum"
            raise ValueError(msg)
        (axes,) = make_axes(1, 1, axes=axes, size=(10, 4.2))
        lines = {line.description.partition(",")[0]: line.wavelength for line in LINES.values()}  # of two the first
        plot_at_rest(axes, self._batch, float(self.z.value), lines)
        shown = dict(self._facts())
        title = "; ".join(f"{name} {shown[name]}" for name in ("z", "age", "metallicity", "sigma_v"))
        axes.set_title(title, fontsize="medium", pad=52)
        return axes

    def _facts(self):
        """Entries of the representations, as (name, text)."""
        facts = [("name", self.name)] if self.name else []
        for name in ("z", *PROPERTIES):
            unit = getattr(self, name).unit
            value, error = float(getattr(self, name).value), float(getattr(self, f"{name}_err").value)
            said = format_with_error(value, error) if np.isfinite(error) else f"{value:.5f}"
            facts.append((name, f"{said} {unit}".strip() if np.isfinite(value) else "not measured"))
        return [
            *facts,
            *([("galaxy", f"{self.p_galaxy:.3f}")] if np.isfinite(self.p_galaxy) else []),
            ("warn", " | ".join(flag.name for flag in self.warn) or "0"),
            ("S/N", f"{self.snr:.1f}"),
        ]

    def __repr__(self):
        return f"<GalaxyEstimate: {'; '.join(f'{name} {text}' for name, text in self._facts())}>"

    def _repr_html_(self):
        facts = self._facts()
        for name in LINES:
            width, error = (self.lines.get(f"ew_{name}{more}") for more in ("", "_err"))
            if width is not None and error is not None and width > 3 * error:
                facts.append((f"ew_{name}", f"{format_with_error(width.value, error.value)} Angstrom"))
        pictures = [] if self._batch is None else [("spectrum", sketch_spectrum(self._batch))]
        return make_html_table("GalaxyEstimate", facts, pictures)
