# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The columns of a table of stellar parameters, which are the attributes of those of a single star."""

from astropy import units as u

from astro_spectok.interface.columns import Column
from astro_spectok.stellar.labels import PARAMETERS

__all__ = ["STELLAR_COLUMNS", "VELOCITY_COLUMNS"]

MEANINGS = {
    "teff": "effective temperature",
    "logg": "decimal logarithm of the surface gravity",
    "fe_h": "[Fe/H]",
    "alpha_fe": "[alpha/Fe]",
    "rv": "radial velocity, as observed",
    "vbroad": "broadening by rotation and turbulence",
}


def _list_columns():
    """Each parameter with its error, and what is known besides."""
    columns = {"name": Column("name of the spectrum, where it has one", kind="text")}
    for name, (unit, error_unit) in PARAMETERS.items():
        columns |= {
            name: Column(MEANINGS[name], unit, digits=f"{name}_err"),
            f"{name}_err": Column(f"standard deviation of {name}", error_unit, digits=f"{name}_err"),
        }
    return columns | {
        "p_star": Column("probability that it is a star", digits=3),
        "stellar_type": Column("coarse type if it is a star: O to T, WD, CV or C", kind="text"),
        "p_stellar_type": Column("probability of stellar_type, if it is a star", digits=3),
        "snr": Column("median signal-to-noise ratio of the good pixels", digits=1),
        "warn": Column("what may be wrong: bits of StellarFlag", kind="int"),
        "medium": Column("what wavelengths were given in: vacuum, air, or unknown (vacuum was assumed)", kind="text"),
        "errors": Column(
            "errors of the flux that were used: stated, raised (too small) or estimated (none, or too large)",
            kind="text",
        ),
        "message": Column("why it could not be measured", kind="text"),
    }


#: in their order
STELLAR_COLUMNS = _list_columns()
#: of a table of velocities of one star
VELOCITY_COLUMNS = {
    "time": Column("middle of the exposure, MJD", u.day, digits=5),
    "rv": Column("radial velocity, as observed", u.km / u.s, digits="rv_err"),
    "rv_err": Column("standard deviation of rv, relative to the other epochs", u.km / u.s, digits="rv_err"),
    "snr": Column("median signal-to-noise ratio of the good pixels", digits=1),
    "p_star": Column("probability that it is a star", digits=3),
    "message": Column("why it could not be measured", kind="text"),
}
