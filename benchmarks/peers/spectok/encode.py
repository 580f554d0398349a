# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Embed spectra with the packaged weights of this package.

python benchmarks/peers/spectok/encode.py SPECTRA.npz ROUNDS
"""

import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1]))

from _measure import load_spectra, report
from astropy import units as u
from astropy.nddata import InverseVariance

from astro_spectok import __version__, embed
from astro_spectok.spectra import to_batch
from astro_spectok.weights import load_network


def main():
    """Read, encode, report."""
    torch.set_num_threads(1)
    wave, flux, ivar = (x.numpy().astype(float) for x in load_spectra(sys.argv[1]))

    def encode():
        batch = to_batch((wave * u.AA, flux * u.one, InverseVariance(ivar)), medium="vacuum")
        return embed(batch, device="cpu", progress=False)

    size = sum(p.numel() for p in load_network().parameters())
    report(f"astro_spectok {__version__}, packaged weights", encode, len(flux), int(sys.argv[2]), size)


if __name__ == "__main__":
    main()
