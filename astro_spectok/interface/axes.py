# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is given beside weights of any axis, as a batch along that axis."""

import os
from dataclasses import dataclass

from astro_spectok.config import conf
from astro_spectok.spectra import is_single, read_paths, to_batch
from astro_spectok.spectra.sequence_forms import is_single_sequence
from astro_spectok.spectra.sequences import to_sequences
from astro_spectok.utils.axis import LN_WAVELENGTH, Axis

__all__ = ["InputForm", "find_form"]


@dataclass(frozen=True)
class InputForm:
    """What weights take, known from the header of their file alone.

    Attributes
    ----------
    axis : `~astro_spectok.network.Axis`
    least : int
        Fewest good points of a sequence along an axis that is none of wavelengths: a patch.
    """

    axis: Axis = LN_WAVELENGTH
    least: int = 32

    def is_single(self, obj):
        """Whether ``obj`` is exactly one spectrum or sequence: bool."""
        return is_single(read_paths(obj)) if self.axis.is_light else is_single_sequence(obj)

    def read(self, obj, *, medium=None, resolution=None, on_error="flag"):
        """Any form of spectra or sequences as a batch.

        Parameters
        ----------
        obj, medium, resolution, on_error
            As for `~astro_spectok.spectra.to_batch`.

        Returns
        -------
        `~astro_spectok.spectra.SpectrumBatch`

        Raises
        ------
        ValueError
            ``medium`` or ``resolution`` is given for an axis that has neither; and as of ``to_batch`` and
            ``to_sequences``.
        """
        if self.axis.is_light:
            return to_batch(read_paths(obj), medium=medium, resolution=resolution, on_error=on_error)
        for name, value in (("medium", medium), ("resolution", resolution)):
            if value is not None:
                msg = f"{name} must be left out along a {self.axis.describe()} axis, which has none; got {value!r}"
                raise ValueError(msg)
        return to_sequences(obj, self.axis, least=self.least, on_error=on_error)

    def find_reader(self, **options):
        """What reads the sequences of a file, for `~astro_spectok.spectra.read_files`; None for spectra of light.

        An axis without a unit, as text files have it, is taken to have that of the weights.

        Parameters
        ----------
        **options
            For the reading of spectra, which must be left out along another axis: None.

        Returns
        -------
        callable or None

        Raises
        ------
        ValueError
            One is given for another axis.
        """
        if self.axis.is_light:
            return None
        for name, value in options.items():
            if value is not None:
                msg = f"{name} must be left out along a {self.axis.describe()} axis: it is for spectra; got {value!r}"
                raise ValueError(msg)
        return lambda path: to_sequences([path], self.axis, least=self.least, axis_unit=self.axis.unit)


def find_form(weights):
    """The `InputForm` of weights, without loading them.

    Parameters
    ----------
    weights : str, path-like or None

    Returns
    -------
    InputForm
        That of spectra for all weights of the registry.
    """
    from astro_spectok.weights import find_weights, read_metadata
    from astro_spectok.weights.format import CONFIG_KEY
    from astro_spectok.weights.store import is_path

    weights = conf.default_weights if weights is None else weights
    if not isinstance(weights, str | os.PathLike) or not is_path(weights):
        return InputForm()
    stored = read_metadata(find_weights(weights))[CONFIG_KEY].get("backbone") or {}
    if "axis" not in stored:
        return InputForm()  # without PyTorch, which is imported with the network
    from astro_spectok.network import NetworkConfig

    config = NetworkConfig.from_dict(stored)
    return InputForm(config.axis, config.patch)
