# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The break at 4000 Angstrom."""

import numpy as np

from astro_spectok.spectra import convert_to_vacuum

__all__ = ["D4000_BANDS", "measure_d4000"]

#: blue and red band of the narrow definition, Angstrom in air
D4000_BANDS = ((3850.0, 3950.0), (4000.0, 4100.0))
#: share of a band that good pixels must fill
FILLED = 0.8


def measure_d4000(ln_rest, flux, ivar):
    """Ratio of the mean flux per unit frequency to the red and to the blue of 4000 Angstrom.

    Parameters
    ----------
    ln_rest : ndarray of float64, shape (n,)
        ln(vacuum Angstrom) at rest, increasing.
    flux, ivar : ndarray, shape (n,)
        Per unit wavelength, in any unit; ``ivar`` 0 marks a bad pixel.

    Returns
    -------
    value, error : float
        NaN where a band is not in the spectrum, or has no flux.

    References
    ----------
    Balogh et al. 1999, ApJ 527, 54, section 3.1: the narrow bands, which dust changes less.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.galaxies.breaks import measure_d4000
    >>> x = np.log(np.linspace(3700, 4300, 1200))
    >>> flux = np.where(x > np.log(3975), 3.0, 2.0) / np.exp(2 * x)
    >>> value, error = measure_d4000(x, flux, np.full(1200, 1e20))
    >>> print(f"{value:.3f}")
    1.500
    """
    wavelength, good = np.exp(ln_rest), ivar > 0
    pixel = np.gradient(wavelength)
    means, relative = [], []
    for band in D4000_BANDS:
        low, high = convert_to_vacuum(np.array(band))
        inside = good & (wavelength >= low) & (wavelength < high)
        if not pixel[inside].sum() > FILLED * (high - low):
            return np.nan, np.nan
        weight = wavelength[inside] ** 2 * pixel[inside]
        means.append(float(weight @ flux[inside]) / pixel[inside].sum())
        variance = float(weight**2 @ (1 / ivar[inside].astype(float))) / pixel[inside].sum() ** 2
        relative.append(variance / means[-1] ** 2 if means[-1] > 0 else np.nan)
    if not (means[0] > 0 and means[1] > 0):
        return np.nan, np.nan
    value = means[1] / means[0]
    return value, float(value * np.sqrt(sum(relative)))
