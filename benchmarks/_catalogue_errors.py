# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What redshifts of catalogues are worth themselves, so that posteriors are not blamed for it."""

import numpy as np

__all__ = ["find_catalogue_errors"]

LIGHT_SPEED = 299792.458
#: quasars: scatter of the peak of the best line that is seen about the systemic redshift, in km/s, by the redshift up
#: to which it is: [O III] 5007, Mg II, C IV (Shen et al. 2016, ApJ 831, 7). Pipelines state the noise alone
QUASARS = ((0.8, 56.0), (2.3, 205.0), (np.inf, 415.0))
#: VIMOS: the error of one redshift from two of the same galaxy, of VIPERS (Guzzo et al. 2014, A&A 566, A108)
VIMOS = {"vandels_real": 141.0}


def find_catalogue_errors(name, columns, rows):
    """Standard errors of the redshifts in a catalogue, beside the noise.

    The scatter that lines of quasars, and galaxies in VIMOS spectra, are known to have; 0 for others. Catalogues have
    measured the very spectra that are scored: their noise, which is what they state, is in the answers too.

    Parameters
    ----------
    name : str
        Of the test set.
    columns : dict of str to ndarray
    rows : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
        In redshift, not in km/s.
    """
    key = next((key for key in ("z_true", "z") if key in columns), None)  # sets of stars alone have none
    z = np.zeros(len(rows)) if key is None else columns[key][rows].astype(float)
    velocity = np.full(len(rows), VIMOS.get(name, 0.0))
    quasar = columns["cls"][rows] == "QSO"
    limits, scatter = zip(*QUASARS, strict=True)
    velocity[quasar] = np.array(scatter)[np.searchsorted(limits, np.nan_to_num(z[quasar]))]
    return velocity / LIGHT_SPEED * (1 + np.where(np.isfinite(z), z, 0.0))
