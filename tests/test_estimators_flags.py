# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The flag of solutions that rest on the end of a spectrum."""

import numpy as np
import pytest
from _redshift import GRID, STEP, make_scores

from astro_spectok.estimators.flags import find_flags, find_red_end
from astro_spectok.results import RedshiftFlag, RedshiftPosterior


@pytest.mark.parametrize(
    ("cls", "z", "red_end", "flagged"),
    [
        ("GALAXY", 2.9, 5000.0, True),  # 1282 Angstrom at rest: nothing but the forest and Lyman alpha
        ("GALAXY", 2.9, 5200.0, False),
        ("GALAXY", 2.9, np.nan, False),
        ("QSO", 2.9, 5000.0, False),
    ],
)
def test_galaxies_need_more_than_lyman_alpha(cls, z, red_end, flagged):
    posterior = RedshiftPosterior(GRID, make_scores((cls, z, STEP, 1.0)))
    flags = find_flags(posterior, posterior.find_peaks(2), posterior.information, 50.0, red_end=red_end)
    assert flags == (RedshiftFlag.AT_EDGE if flagged else RedshiftFlag.NONE)


def test_red_end_is_that_of_good_pixels():
    """Whatever their order; there is none without a good pixel."""
    wavelength = np.array([5000.0, 4000.0, 6000.0])
    assert find_red_end(wavelength, np.array([1.0, 1.0, 0.0])) == 5000
    assert np.isnan(find_red_end(wavelength, np.zeros(3)))
