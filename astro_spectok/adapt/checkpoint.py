# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checkpoints of the training of the deeper parts: a fit that was cut short goes on, and ends as it would have."""

import hashlib
import json
import os
import pickle
from pathlib import Path

import numpy as np

from astro_spectok.utils.atomic import replace_file

__all__ = ["FitCheckpoint", "digest_fit"]


def digest_fit(batch, settings, *more):
    """What a fit depends on, as 16 hexadecimal digits: spectra, settings, and arrays or text besides."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for array in (batch.flux, batch.ivar, batch.wavelength):
        digest.update(np.ascontiguousarray(array).tobytes())
    for one in more:
        digest.update(one.encode() if isinstance(one, str) else np.ascontiguousarray(one).tobytes())
    return digest.hexdigest()[:16]


class FitCheckpoint:
    """State of a training after each pass, in a folder.

    Parameters
    ----------
    folder : str, path-like or None
        None keeps nothing.
    key : str
        As of `digest_fit`: a checkpoint of another fit is never gone on from.

    Raises
    ------
    ValueError
        ``folder`` is a file, or cannot be made.
    """

    def __init__(self, folder, key):
        self.path = None
        if folder is None:
            return
        folder = Path(os.fspath(folder)).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"checkpoint must be a folder that can be written; got {os.fspath(folder)!r}: {error}"
            raise ValueError(msg) from error
        self.path = folder / f"fit-{key}.pt"

    def write(self, rng, **state):
        """Keep state: tensors, numbers, and dictionaries and lists of these; with both random generators."""
        if self.path is None:
            return
        import torch

        # the state of NumPy's generator holds integers of 128 bits
        state |= {"numpy": json.dumps(rng.bit_generator.state), "torch": torch.get_rng_state()}
        with replace_file(self.path) as temporary:
            torch.save(state, temporary)

    def read(self, rng):
        """What was kept, with both generators set; None where there is nothing.

        Raises
        ------
        ValueError
            The file is damaged.
        """
        if self.path is None or not self.path.is_file():
            return None
        import torch

        try:
            state = torch.load(self.path, weights_only=True)
            rng.bit_generator.state = json.loads(state["numpy"])
            torch.set_rng_state(state["torch"])
        except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
            msg = f"checkpoint: {self.path} cannot be read ({type(error).__name__}); remove it to begin anew"
            raise ValueError(msg) from error
        return state

    def remove(self):
        """Remove the file, once the training has ended."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
