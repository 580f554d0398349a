# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Features that predict the error of a redshift, beyond the width of its peak."""

import numpy as np

from astro_spectok.redshift.calibration import PIVOT, PIXEL

__all__ = ["KNOTS", "describe_peak", "describe_pixels"]

#: signal-to-noise ratios per pixel between which errors change smoothly, and the range that is distinguished
KNOTS, FAINTEST, BRIGHTEST = (1.0, 3.2, 7.0, 17.0, 55.0), 0.3, 100.0
#: number of good pixels that is neither few nor many, and the range that is distinguished
USUAL, FEWEST, MOST = 4000, 64, 16384
#: least probability, within its class, of the other redshifts that is distinguished, as a power of ten; a medium one
LEAST_OTHERS, SOME_OTHERS = -4, -2
#: range of widths in ln(1 + z) of peaks of a network that is distinguished
WIDTHS = 1e-5, 2e-3
#: standard deviations that a network and templates may differ by; more is not counted
MOST_TENSION = 10.0


def describe_pixels(pixel, count, snr):
    """Features of the spectrum; each is 0 for a usual one, except those of the signal-to-noise ratio.

    Parameters
    ----------
    pixel : float
        Width of its pixels in ln(wavelength), as of `~astro_spectok.redshift.calibration.measure_pixel`.
    count : int
        Good pixels.
    snr : float
        Median signal-to-noise ratio per pixel; what is negative is as faint as any.

    Returns
    -------
    dict of str to float
        ``pixel`` and ``count``, natural logarithms; and for each of `KNOTS` one such as ``'snr 7'``, 1 there and 0 at
        the others, linear in the logarithm in between.
    """
    place = np.log(np.clip(snr, FAINTEST, BRIGHTEST))
    shares = np.interp(place, np.log(KNOTS), np.arange(len(KNOTS)))
    out = {"pixel": float(np.log(pixel / PIXEL)), "count": float(np.log(np.clip(count, FEWEST, MOST) / USUAL))}
    return out | {f"snr {knot:g}": float(max(1 - abs(shares - k), 0.0)) for k, knot in enumerate(KNOTS)}


def describe_peak(share, width, tension=0.0):
    """Features of the posterior, and of the fit of templates to its peak.

    Parameters
    ----------
    share : float
        Probability of the peak among all redshifts of its class.
    width : float
        Of the peak of the network in ln(1 + z), without what the training added.
    tension : float, optional
        By how many standard deviations the network and templates differ; 0 where templates have no part.

    Returns
    -------
    dict of str to float
        ``ambiguity``, the decimal logarithm of 1 - ``share``, less that of one in a hundred; ``breadth``, the
        natural logarithm of the width over 9 km/s; ``tension``, that of 1 + tension.
    """
    others = np.log10(max(1 - share, 0.0) + 10.0**LEAST_OTHERS)
    return {
        "ambiguity": float(others - SOME_OTHERS),
        "breadth": float(np.log(np.clip(width, *WIDTHS) / PIVOT)),
        "tension": float(np.log1p(min(tension, MOST_TENSION))),
    }
