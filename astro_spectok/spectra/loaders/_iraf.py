# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""IRAF's dispersion solutions in the WAT cards of a header: multispec, with all of its functions."""

import re

import numpy as np
from numpy.polynomial import chebyshev, legendre

__all__ = ["evaluate_function", "read_multispec", "read_wat", "wat_unit"]

_SPEC = re.compile(r"spec(\d+)\s*=\s*\"([^\"]*)\"")
_UNIT = re.compile(r"units?\s*=\s*\"?([^\s\"]+)")
_LABEL = re.compile(r"label\s*=\s*\"?([^\s\"]+)")


def read_wat(header, axis):
    """The text of the WAT cards of an axis, put together; '' where there are none.

    Parameters
    ----------
    header : mapping
    axis : int

    Returns
    -------
    str
    """
    parts, number = [], 1
    while (card := header.get(f"WAT{axis}_{number:03d}")) is not None:
        # 68 characters each: blanks at the end are lost in the header
        parts.append(str(card).ljust(68))
        number += 1
    return "".join(parts).rstrip()


def wat_unit(header):
    """The unit of the first axis in the WAT cards as text, or its label; None where there is neither."""
    text = read_wat(header, 1)
    found = _UNIT.search(text)
    return found[1] if found else None


def wat_label(header):
    """The label of the first axis in the WAT cards, which some put the unit into; None where there is none."""
    found = _LABEL.search(read_wat(header, 1))
    return found[1] if found else None


def _spline(numbers, pixel, low, high, pieces, order):
    """Cubic (order 3) or linear (order 1) spline of IRAF."""
    coefficients = np.asarray(numbers[: pieces + order])
    if len(coefficients) != pieces + order:
        msg = "a spline has too few coefficients"
        raise ValueError(msg)
    place = (pixel - low) / (high - low) * pieces
    piece = np.clip(np.floor(place).astype(int), 0, pieces - 1)
    b = place - piece
    a = 1.0 - b
    if order == 1:
        return coefficients[piece] * a + coefficients[piece + 1] * b
    terms = (a**3, 1 + 3 * a * (1 + a * b), 1 + 3 * b * (1 + a * b), b**3)
    return sum(coefficients[piece + k] * term for k, term in enumerate(terms))


def evaluate_function(numbers, pixel):
    """Evaluate one dispersion function of a multispec string, and return what is left of its numbers.

    Parameters
    ----------
    numbers : list of float
        From the type of the function on: 1 Chebyshev, 2 Legendre, 3 cubic spline, 4 linear spline, 5 pixel
        coordinates, 6 sampled coordinates.
    pixel : ndarray
        From 1.

    Returns
    -------
    values : ndarray
    rest : list of float

    References
    ----------
    The IRAF/NOAO spectral world coordinate systems (Valdes 1993), section 5.
    """
    kind = int(numbers[0])
    if kind in (1, 2):
        order, low, high = int(numbers[1]), numbers[2], numbers[3]
        coefficients, rest = numbers[4 : 4 + order], numbers[4 + order :]
        place = (pixel - (high + low) / 2) / ((high - low) / 2)
        return (chebyshev.chebval if kind == 1 else legendre.legval)(place, coefficients), rest
    if kind in (3, 4):
        pieces, low, high = int(numbers[1]), numbers[2], numbers[3]
        order = 3 if kind == 3 else 1
        return _spline(numbers[4:], pixel, low, high, pieces, order), numbers[4 + pieces + order :]
    if kind == 5:
        count = int(numbers[1])
        table = np.asarray(numbers[2 : 2 + count])
        return np.interp(pixel, np.arange(1, count + 1), table), numbers[2 + count :]
    if kind == 6:
        count = int(numbers[1])
        pairs = np.asarray(numbers[2 : 2 + 2 * count]).reshape(-1, 2)
        return np.interp(pixel, pairs[:, 0], pairs[:, 1]), numbers[2 + 2 * count :]
    msg = f"the dispersion function {kind} is not known"
    raise ValueError(msg)


def _evaluate_spec(text, pixel):
    """Wavelengths of one ``specN = "ap beam dtype w1 dw nw z aplow aphigh [functions]"``; NaN for no solution."""
    numbers = [float(word.replace("INDEF", "nan")) for word in text.split()]
    kind, first, step, redshift = int(numbers[2]), numbers[3], numbers[4], numbers[6]
    if kind == -1:
        return np.full(len(pixel), np.nan)
    if kind in (0, 1):
        wave = first + step * (pixel - 1)
        wave = 10.0**wave if kind == 1 else wave
        return wave / (1 + redshift)
    rest, wave = numbers[9:], np.zeros(len(pixel))
    while len(rest) >= 3:
        weight, zero = rest[0], rest[1]
        values, rest = evaluate_function(rest[2:], pixel)
        wave = wave + weight * (zero + values)
    if not wave.any():
        msg = "a non-linear dispersion has no function"
        raise ValueError(msg)
    return wave / (1 + redshift)


def read_multispec(header, n_pixel):
    """Wavelengths of all apertures of a multispec image.

    Parameters
    ----------
    header : mapping
    n_pixel : int

    Returns
    -------
    wavelengths : ndarray, shape (apertures, n_pixel), or None
        None where the header has no multispec. NaN for an aperture without a solution.
    numbers : list of tuple (aperture, beam)

    Raises
    ------
    ValueError
        A solution is incomplete.
    """
    specs = {int(number): text for number, text in _SPEC.findall(read_wat(header, 2))}
    if not specs:
        return None, []
    # a trimmed or binned image remembers its physical pixels
    pixel = (np.arange(1, n_pixel + 1) - float(header.get("LTV1", 0.0))) / float(header.get("LTM1_1", 1.0) or 1.0)
    order = sorted(specs)
    try:
        waves = np.array([_evaluate_spec(specs[number], pixel) for number in order])
    except (IndexError, OverflowError) as error:
        msg = "an IRAF dispersion solution is incomplete"
        raise ValueError(msg) from error
    return waves, [tuple(int(float(word)) for word in specs[number].split()[:2]) for number in order]
