# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Numbers of tables are printed to their errors."""

import numpy as np

from astro_spectok.interface.columns import Column, make_table


def test_nothing_prints_as_minus_zero():
    """What rounds to zero has no sign; what does not, and what is not a number, stays what it is."""
    columns = {"z": Column("redshift", digits="z_err"), "z_err": Column("its error", digits="z_err")}
    z = np.array([-1e-9, -4e-6, np.nan, 0.5])
    table = make_table(columns, {"z": z, "z_err": np.full(4, 2.3e-5)}, {})
    assert [line.split()[0] for line in table.pformat()[2:]] == ["0.000000", "-0.000004", "nan", "0.500000"]
    np.testing.assert_array_equal(table["z"][1:], z[1:])
