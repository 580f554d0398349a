# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors and warnings of the package, each a subclass of the builtin or Astropy one it refines."""

from astropy.utils.exceptions import AstropyUserWarning

__all__ = [
    "FlaggedSpectraWarning",
    "RepeatedObjectsWarning",
    "SpectokWarning",
    "UnknownWeightsError",
    "WavelengthRangeWarning",
    "WeightsError",
    "WeightsIntegrityError",
]


class SpectokWarning(AstropyUserWarning):
    """Base class of every warning this package issues.

    Examples
    --------
    One filter for all of them:

    >>> import warnings
    >>> from astro_spectok.exceptions import FlaggedSpectraWarning, SpectokWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", SpectokWarning)
    ...     warnings.warn("2 of 9 spectra could not be used", FlaggedSpectraWarning)
    >>> [base.__name__ for base in SpectokWarning.__mro__[1:3]]
    ['AstropyUserWarning', 'UserWarning']
    """


class WavelengthRangeWarning(SpectokWarning):
    """A spectrum reaches outside the wavelengths that the weights were trained on.

    Results there are an extrapolation; their flags have a bit for it as well.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok import embed
    >>> from astro_spectok.exceptions import WavelengthRangeWarning
    >>> far = np.linspace(4, 6, 200) * u.um
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     vector = embed((far, np.sin(np.arange(200)) * u.Jy, np.ones(200) * u.Jy), device="cpu")
    >>> [issubclass(warning.category, WavelengthRangeWarning) for warning in caught]
    [True]
    """


class FlaggedSpectraWarning(SpectokWarning):
    """Some spectra of many could not be used; their rows hold NaN and a flag that says why.

    Where one spectrum is given and no table is returned, an error is raised instead.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok import embed
    >>> from astro_spectok.exceptions import FlaggedSpectraWarning
    >>> wavelength, flux = np.linspace(4000, 7000, 640) * u.AA, np.sin(np.arange(640)) * u.Jy
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", FlaggedSpectraWarning)
    ...     vectors = embed([(wavelength, flux), (wavelength[:20], flux[:20])], device="cpu")
    >>> np.isnan(vectors).all(axis=1).tolist()
    [False, True]
    """


class RepeatedObjectsWarning(SpectokWarning):
    """Spectra of one object stand on both sides of a validation, which makes errors too small; give ``groups``.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.adapt import SpectrumRegressor
    >>> from astro_spectok.exceptions import RepeatedObjectsWarning
    >>> wavelength = np.linspace(4000, 5000, 200) * u.AA
    >>> spectra = [(wavelength, (2 + np.sin(np.arange(200) / (9 + k % 4))) * u.Jy) for k in range(8)]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", RepeatedObjectsWarning)
    ...     model = SpectrumRegressor(device="cpu").fit(spectra, np.arange(8) % 4, medium="vacuum")
    >>> [warning.category.__name__ for warning in caught]
    ['RepeatedObjectsWarning']
    """


class WeightsError(RuntimeError):
    """A set of weights cannot be used; the message says why and what to do.

    Examples
    --------
    >>> from astro_spectok import embed
    >>> from astro_spectok.exceptions import WeightsError
    >>> from astro_spectok.example import read_example
    >>> try:
    ...     embed(read_example(), weights="runs/first/small.safetensors")
    ... except WeightsError as error:
    ...     print(str(error).split(", got ")[1])
    'runs/first/small.safetensors', where there is nothing; check the path
    """


class WeightsIntegrityError(WeightsError):
    """A weights file is truncated, altered or not what the registry says it is.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.exceptions import WeightsIntegrityError
    >>> from astro_spectok.weights import find_weights, load_weights
    >>> cut = pathlib.Path(tempfile.mkdtemp()) / "small.safetensors"
    >>> _ = cut.write_bytes(find_weights("small").read_bytes()[:-100])
    >>> try:
    ...     load_weights(cut)
    ... except WeightsIntegrityError as error:
    ...     print("truncated" in str(error))
    True
    """


class UnknownWeightsError(WeightsError, LookupError):
    """No set of weights of that name is known; the message holds a table of those that are.

    Examples
    --------
    >>> from astro_spectok.exceptions import UnknownWeightsError
    >>> from astro_spectok.weights import get_entry
    >>> try:
    ...     get_entry("huge")
    ... except UnknownWeightsError as error:
    ...     print(str(error).split(". ")[0])
    `weights` must be the name of a known set or the path of a .safetensors file, got 'huge'
    """
