# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The columns of a table of properties of galaxies, which are the attributes of those of a single one."""

from astropy import units as u

from astro_spectok.galaxies.lines import LINES
from astro_spectok.interface.columns import Column

__all__ = ["PROPERTIES", "list_galaxy_columns"]

#: name, unit and meaning of what is not a line
PROPERTIES = {
    "age": (u.Gyr, "age of the stars, mean of the logarithm, weighted by light at 5500 Angstrom"),
    "metallicity": (u.dex, "[M/H] of the stars, weighted by light at 5500 Angstrom"),
    "a_v": (u.mag, "attenuation of the stars at 5500 Angstrom"),
    "sigma_v": (u.km / u.s, "velocity dispersion of the stars, corrected for the instrument"),
    "d4000": (u.dimensionless_unscaled, "break at 4000 Angstrom, narrow bands of Balogh et al. (1999)"),
}


def list_galaxy_columns(flux_unit):
    """Columns in their order.

    Parameters
    ----------
    flux_unit : `~astropy.units.UnitBase`
        Of integrated fluxes of lines.

    Returns
    -------
    dict of str to `~astro_spectok.interface.columns.Column`
    """
    columns = {
        "name": Column("name of the spectrum, where it has one", kind="text"),
        "z": Column("redshift that all is measured at", u.dimensionless_unscaled, digits=5),
        "z_err": Column("standard deviation of z; NaN if it was given", u.dimensionless_unscaled, digits=5),
    }
    for name, (unit, meaning) in PROPERTIES.items():
        columns[name] = Column(meaning, unit, digits=f"{name}_err")
        columns[f"{name}_err"] = Column(f"standard deviation of {name}", unit, digits=f"{name}_err")
    for name, line in LINES.items():
        columns[f"flux_{name}"] = Column(f"flux of {line.description}, as observed", flux_unit)
        columns[f"flux_{name}_err"] = Column(f"standard deviation of flux_{name}", flux_unit)
        said = f"equivalent width of {line.description} at rest, positive in emission"
        columns[f"ew_{name}"] = Column(said, u.AA, digits=f"ew_{name}_err")
        columns[f"ew_{name}_err"] = Column(f"standard deviation of ew_{name}", u.AA, digits=f"ew_{name}_err")
    return columns | {
        "p_galaxy": Column("probability that it is a galaxy; NaN where the redshift was given", digits=3),
        "snr": Column("median signal-to-noise ratio of the good pixels", digits=1),
        "warn": Column("what may be wrong: bits of GalaxyFlag", kind="int"),
        "medium": Column("what wavelengths were given in: vacuum, air, or unknown (vacuum was assumed)", kind="text"),
        "errors": Column(
            "errors of the flux that were used: stated, raised (too small) or estimated (none, or too large)",
            kind="text",
        ),
        "message": Column("why it could not be measured", kind="text"),
    }
