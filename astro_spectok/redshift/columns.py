# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The columns of a table of redshifts, which are the attributes of a single one."""

from astropy import units as u

from astro_spectok.interface.columns import Column

__all__ = ["list_redshift_columns"]

ONE, SPEED = u.dimensionless_unscaled, u.km / u.s
#: decimals of probabilities
SHARE = 3


def list_redshift_columns(classes, n_best=2):
    """The columns of a table of redshifts.

    Parameters
    ----------
    classes : sequence of str
        Those of the weights.
    n_best : int, optional
        Solutions that the table lists, the best included.

    Returns
    -------
    dict of str to `~astro_spectok.interface.columns.Column`
        In their order.
    """
    columns = {
        "name": Column("name of the spectrum, where it has one", kind="text"),
        "z": Column("redshift of the best solution", ONE, digits="z_err"),
        "z_err": Column("standard deviation of z", ONE, digits="z_err"),
        "z_lo": Column("lower end of the range that holds z with 68 per cent probability", ONE, digits="z_err"),
        "z_hi": Column("upper end of the range that holds z with 68 per cent probability", ONE, digits="z_err"),
        "spectype": Column("class of the best solution", kind="text"),
    }
    for name in classes:
        columns[f"p_{name.lower()}"] = Column(f"probability of {name}, whatever the redshift", digits=SHARE)
    columns |= {
        "p_best": Column("probability of the class and redshift of the best solution", digits=SHARE),
        "zwarn": Column("what may be wrong: bits of RedshiftFlag", kind="int"),
    }
    for k in range(2, n_best + 1):
        columns |= {
            f"z_{k}": Column(f"redshift of solution number {k}", ONE, digits="z_err"),
            f"p_{k}": Column(f"probability of the class and redshift of solution number {k}", digits=SHARE),
        }
    return columns | {
        "rv": Column("radial velocity if it is a star, as observed", SPEED, digits="rv_err"),
        "rv_err": Column("standard deviation of rv", SPEED, digits="rv_err"),
        "snr": Column("median signal-to-noise ratio of the good pixels", digits=1),
        "stellar_type": Column("coarse type if it is a star: O to T, WD, CV or C", kind="text"),
        "p_stellar_type": Column("probability of stellar_type, if it is a star", digits=SHARE),
        "medium": Column("what wavelengths were given in: vacuum, air, or unknown (vacuum was assumed)", kind="text"),
        "errors": Column(
            "errors of the flux that were used: stated, raised (too small) or estimated (none, or too large)",
            kind="text",
        ),
        "message": Column("why it could not be measured", kind="text"),
    }
