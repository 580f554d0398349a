# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens of spectra by the codec of AION-1, in an environment of its own: random weights, sizes set after its source.

    python benchmarks/peers/aion/encode.py SPECTRA.npz ROUNDS

Its weights are given by name after a licence is agreed to; what an encoding costs does not depend on them. The codec
alone is measured, which makes the tokens that the large network then reads.
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
#: the published encoder ends in as many channels as the latent layer has; a code of ten bits is one of 1024
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
