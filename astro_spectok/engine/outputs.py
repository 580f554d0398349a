# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a `Runner` gives for one spectrum, as plain arrays."""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["EncodedSpectrum", "Measured"]


@dataclass(frozen=True)
class EncodedSpectrum:
    """What the encoder made of one spectrum, as plain arrays.

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


@dataclass(frozen=True)
class Measured:
    """What the heads say of one spectrum, as plain arrays.

    Attributes
    ----------
    log_probability : dict of str to ndarray of float32, shape (lags,)
        For each class the logarithm of the probability of each redshift; all classes together sum to one.
    redshifts : dict of str to ndarray of float64, shape (lags,)
        For each class, shared by all spectra.
    labels : dict of str to (float, float)
        Mean and standard deviation of each label; empty if not asked for.
    embedding : ndarray of float32, shape (E,), or None
        None if not asked for.
    types : dict of str to float
        Probability of each stellar type, if it is a star; empty where the weights have no head for them.

    Examples
    --------
    >>> from astro_spectok.engine import Runner
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.spectra import to_batch
    >>> ((_, measured),) = Runner(device="cpu").measure(to_batch(read_example()), labels=False, embedding=False)
    >>> best = measured.log_probability["GALAXY"].argmax()
    >>> print(f"{measured.redshifts['GALAXY'][best]:.3f}", measured.labels, measured.embedding)
    0.086 {} None
    """

    log_probability: dict
    redshifts: dict
    labels: dict
    embedding: np.ndarray | None
    types: dict = field(default_factory=dict)
