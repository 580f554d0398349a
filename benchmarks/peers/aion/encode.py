# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens of spectra by the codec of AION-1, in an environment of its own: random weights, sizes of its documentation.

    python benchmarks/peers/aion/encode.py SPECTRA.npz ROUNDS

Its weights are given by name after a licence is agreed to; what an encoding costs does not depend on them. Depths, grid
(8,704 pixels of 0.8 Angstrom), codes of ten bits and the width of all stages but the last are those of its own
documentation (``docs/architecture.md``) and of the defaults of its class. Of the last stage these say 768 channels, but
the class wants as many as in the latent layer, by default 512: 512 is taken, which costs less. The codec alone is
measured, which makes the tokens that the large network then reads.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1]))

from _measure import load_spectra, report
from aion.codecs.spectrum import SpectrumCodec
from aion.modalities import DESISpectrum

BATCH = 8
#: the last stage is as wide as the latent layer, by default 512; a code of ten bits is one of 1024
DEPTHS, DIMS, BITS = (3, 3, 9, 3), (96, 192, 384, 512), 10


def main():
    """Read, encode, report."""
    torch.set_num_threads(1)
    wave, flux, ivar = load_spectra(sys.argv[1])
    torch.manual_seed(1)
    codec = SpectrumCodec(encoder_depths=DEPTHS, encoder_dims=DIMS, embedding_dim=BITS).eval()

    def encode():
        out = []
        with torch.inference_mode():
            for part, weight in zip(flux.split(BATCH), ivar.split(BATCH), strict=True):
                spectrum = DESISpectrum(
                    flux=part, ivar=weight, mask=weight <= 0, wavelength=wave.repeat(len(part), 1)
                )  # fmt: skip
                out.append(codec.encode(spectrum))
        return out

    parts = (codec.encoder, codec.pre_quant_norm, codec.quant_conv)
    size = sum(p.numel() for part in parts for p in part.parameters())
    text = f"AION-1 codec (polymathic-aion {version('polymathic-aion')}), random weights"
    report(text, encode, len(flux), int(sys.argv[2]), size)


if __name__ == "__main__":
    main()
