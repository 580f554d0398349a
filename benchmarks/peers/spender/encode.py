# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Encode spectra with spender, in an environment of its own: random weights at the published sizes.

    python benchmarks/peers/spender/encode.py SPECTRA.npz ROUNDS

Its weights are for the grids of SDSS and DESI and are downloaded one by one; what an encoding costs does not depend on
them. Convolutions of 128, 256 and 512 channels are written into its class, and its models of DESI's Early Data Release
(``desi_edr_galaxy`` and ``desi_edr_star`` in its ``hubconf.py``; Liang et al. 2023, arXiv 2307.07664) have six latent
numbers. The flux alone is read, over its median.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1]))

from _measure import load_spectra, report
from spender import SpectrumEncoder

LATENTS, BATCH = 6, 16


def main():
    """Read, encode, report."""
    torch.set_num_threads(1)
    _, flux, _ = load_spectra(sys.argv[1])
    torch.manual_seed(1)
    encoder = SpectrumEncoder(None, LATENTS).eval()

    def encode():
        with torch.inference_mode():
            scaled = flux / flux.median(1, keepdim=True).values
            return [encoder(part) for part in scaled.split(BATCH)]

    size = sum(p.numel() for p in encoder.parameters())
    report(f"spender {version('spender')}, random weights", encode, len(flux), int(sys.argv[2]), size)


if __name__ == "__main__":
    main()
