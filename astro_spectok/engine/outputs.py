# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of a `Runner` for one spectrum, as plain arrays."""

from dataclasses import dataclass

import numpy as np

__all__ = ["EncodedSpectrum", "Measured", "ShownPixels", "list_solutions"]


@dataclass(frozen=True)
class ShownPixels:
    """What the tokens of one spectrum were made of, as plain arrays.

    Attributes
    ----------
    good : ndarray of bool, shape (T, P)
        Slots of the patches in which a good pixel stood.
    noise : ndarray of float32, shape (T,)
        Standard deviation of a good pixel over the scale of the spectrum, 1 / sqrt(mean of ivar); NaN where there is
        none.
    resolution : ndarray of float32, shape (T,)
        Resolving power, NaN where unknown.
    unfiltered : ndarray of float32, shape (T, M), or None
        DCT coefficients of each patch without the filter of tokens, as of
        `~astro_spectok.network.shown.find_unfiltered`.
    """

    good: np.ndarray
    noise: np.ndarray
    resolution: np.ndarray
    unfiltered: np.ndarray | None = None


@dataclass(frozen=True)
class EncodedSpectrum:
    """Output of the encoder for one spectrum, as plain arrays.

    Attributes
    ----------
    values : ndarray of float32, shape (T, D)
        The tokens.
    geometry : ndarray of float64, shape (T, 3)
        Centre of each patch in ln(vacuum wavelength / Angstrom), width per pixel, curvature.
    good : ndarray of bool, shape (T,)
        Patches with a good pixel.
    scale : float
        Flux per unit wavelength that the decoder's unit stands for.
    embedding : ndarray of float32, shape (E,)
        One vector for the whole spectrum.
    shown : `ShownPixels` or None
        Which pixels the tokens were made of, how noisy and how sharp.
    solutions : tuple of (str, float, float)
        Class, ln(1 + z) and probability of the redshifts that the tokens allow, best first; () where the weights have
        no head that says so.

    Examples
    --------
    >>> from astro_spectok.engine import Runner
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.spectra import to_batch
    >>> ((i, encoded),) = Runner(device="cpu").encode(to_batch(read_example()))
    >>> i, encoded.values.shape, encoded.geometry.shape, bool(encoded.good.all())
    (0, (126, 176), (126, 3), True)
    """

    values: np.ndarray
    geometry: np.ndarray
    good: np.ndarray
    scale: float
    embedding: np.ndarray
    shown: ShownPixels | None = None
    solutions: tuple = ()


@dataclass(frozen=True)
class Measured:
    """Output of heads for one spectrum, as plain arrays.

    Attributes
    ----------
    heads : dict of str to dict of str to ndarray
        By the name of the head, what it gives by the names in its ``gives``; what is one number is a numpy scalar.
    embedding : ndarray of float32, shape (E,), or None
        None if not asked for.

    Examples
    --------
    >>> from astro_spectok.engine import Runner
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.spectra import to_batch
    >>> ((_, measured),) = Runner(device="cpu").measure(to_batch(read_example()), ["redshift", "spectral_type"])
    >>> {name: len(values) for name, values in measured.heads.items()}, measured.embedding
    ({'redshift': 3, 'spectral_type': 12}, None)
    >>> measured.heads["redshift"]["STAR"].shape
    (48,)
    """

    heads: dict
    embedding: np.ndarray | None = None


def list_solutions(network, found, number):
    """Class, ln(1 + z) and probability of the redshifts that each of ``number`` spectra allows, best first.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`
    found : dict of str to tensor
        By the name of a head, as `astro_spectok.engine.embedder.Embedder` collects them.
    number : int

    Returns
    -------
    list of tuple of (str, float, float)
    """
    out = [[] for _ in range(number)]
    for name, values in found.items():
        classes = network.heads[name].config.classes
        for solved, rows in zip(out, values.cpu().numpy().astype(float), strict=True):
            solved += [(classes[int(k)], float(shift), float(p)) for k, shift, p in rows]
    return [tuple(sorted(one, key=lambda row: -row[2])) for one in out]
