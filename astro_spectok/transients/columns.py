# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The columns of a table of transients, which are the attributes of a single one."""

from astropy import units as u

from astro_spectok.interface.columns import Column

__all__ = ["TRANSIENT_COLUMNS"]

ONE = u.dimensionless_unscaled

#: in their order
TRANSIENT_COLUMNS = {
    "name": Column("name of the spectrum, where it has one", kind="text"),
    "type": Column("most probable type, or the class if it is not a transient", kind="text"),
    "p_type": Column("probability of type, whatever the redshift", digits=3),
    "p_group": Column("probability of the group that type is in: Ia, II or Ibc", digits=3),
    "type_2": Column("next type", kind="text"),
    "p_type_2": Column("probability of type_2", digits=3),
    "phase": Column("days since maximum light, in the frame of the object", u.day, digits=1),
    "phase_err": Column("standard deviation of phase", u.day, digits=1),
    "z": Column("redshift", ONE, digits="z_err"),
    "z_err": Column("standard deviation of z", ONE, digits="z_err"),
    "p_z": Column("probability of a redshift within 0.01 of z", digits=3),
    "p_transient": Column("probability of a transient rather than a galaxy, quasar or star", digits=3),
    "p_host": Column("probability that light of a host galaxy is seen, if it is a transient", digits=3),
    "snr": Column("median signal-to-noise ratio of the good pixels", digits=1),
    "warn": Column("what may be wrong: bits of TransientFlag", kind="int"),
    "medium": Column("what wavelengths were given in: vacuum, air, or unknown (vacuum was assumed)", kind="text"),
    "errors": Column(
        "errors of the flux that were used: stated, raised (too small) or estimated (none, or too large)", kind="text"
    ),
    "message": Column("why it could not be measured", kind="text"),
}
