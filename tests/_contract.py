# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a single result and a table of many must have in common: the same names, values, units and descriptions."""

import numpy as np


def read_values(column):
    """A column or attribute as an array of plain values."""
    return np.atleast_1d(np.asarray(getattr(column, "value", column)))


def assert_same_row(result, table):
    """A table that was made of one spectrum in a list holds what the result for this spectrum holds.

    Its columns are the attributes of the result, and `to_table` of the result makes it again.
    """
    made = result.to_table()
    assert made.colnames == table.colnames
    assert len(made) == len(table) == 1
    for name in table.colnames:
        attribute = getattr(result, name)
        for other in (made[name], attribute):
            assert getattr(other, "unit", None) == table[name].unit, name
            np.testing.assert_array_equal(read_values(other), read_values(table[name]), err_msg=name)
        assert made[name].info.description == table[name].info.description != "", name
        assert made[name].info.format == table[name].info.format, name
    assert {*table.meta} <= {*made.meta}
