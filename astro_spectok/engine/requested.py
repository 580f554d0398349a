# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The pixels that tokens are decoded to: their patches, the network's answer there, and what a library adds."""

import numpy as np
import torch

from astro_spectok.engine.hidden import fill_hidden
from astro_spectok.network import arrange_patches

__all__ = ["RequestedPixels"]

#: most requested patches decoded at once
DECODE_PATCHES = 2048


class RequestedPixels:
    """Pixels of one spectrum that are asked for.

    Parameters
    ----------
    ln_wavelength : ndarray of float64, shape (N,)
        Strictly increasing; vacuum, ln of Angstrom.
    resolution : float or ndarray of shape (N,), or None
        Resolving power wanted; None for that of the spectrum.
    patch : int
        Slots per patch.
    """

    def __init__(self, ln_wavelength, resolution, patch):
        requested = torch.from_numpy(np.ascontiguousarray(ln_wavelength, dtype=np.float64))
        self.number = len(requested)
        self.grid = arrange_patches(requested, torch.tensor([0, self.number], device="cpu"), patch)
        index = self.grid.index
        if resolution is None:
            self.resolution = None
            self._resolving = torch.full(index.shape[:2], torch.nan, dtype=torch.float32, device="cpu")
        else:
            self.resolution = np.broadcast_to(np.asarray(resolution, float), self.number)
            slots = torch.from_numpy(self.resolution.astype(np.float32))[index.clamp_min(0)]
            self._resolving = torch.where(index >= 0, slots, torch.nan).nanmean(dim=2)  # (1, T)

    def decode(self, network, tokens, vector, device):
        """Flux and its standard deviation, (N,) of float32 each, over the scale of the spectrum, by the network.

        Parameters
        ----------
        network : `~astro_spectok.network.SpectralNetwork`
        tokens : tuple of tensor
            Values, good and geometry of one spectrum, as a batch of one.
        vector : tensor, shape (1, E)
            The network's embedding of them.
        device : `torch.device`
        """
        out = np.empty((2, self.number), np.float32)
        for start in range(0, self.grid.index.shape[1], DECODE_PATCHES):
            # a patch more on either side: the last layers look at neighbouring pixels
            part = slice(max(start - 1, 0), start + DECODE_PATCHES + 1)
            wanted = type(self.grid)(*(x[:, part] for x in vars(self.grid).values())).to(device)
            result = network.decode(*tokens, wanted, self._resolving[:, part].to(device), vector)
            kept = slice(start - part.start, start - part.start + DECODE_PATCHES)
            index = wanted.index[:, kept].cpu().numpy()
            for row, x in zip(out, result, strict=True):
                row[index[index >= 0]] = x[:, kept].cpu().numpy()[index >= 0]
        return out[0], np.exp(out[1])

    def fill(self, library, pixels, shown, solutions, answer):
        """The answer of the network with what was not shown inferred from the library, on the processor.

        Parameters
        ----------
        library, pixels, shown, solutions
            As of `~astro_spectok.engine.hidden.fill_hidden`.
        answer : tuple of ndarray
            As of `decode`.
        """
        slot = self.grid.index[0].numpy() >= 0
        position = self.grid.ln_wavelength[0].numpy()
        half = np.abs(np.gradient(position, axis=1)) / 2 if position.shape[1] > 1 else np.full(position.shape, 5e-5)
        return fill_hidden(library, pixels, shown, solutions, (position[slot], half[slot], self.resolution), answer)
