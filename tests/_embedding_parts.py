# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights of a tiny network with the parts of an embedding, whose components are waves: random but always the same."""

import torch
from _redshift import RANGES, STEP

from astro_spectok.heads import EmbeddingConfig, RedshiftConfig, build_model
from astro_spectok.network import NetworkConfig
from astro_spectok.weights import write_network

__all__ = ["SIZES", "fill_components", "make_head_config", "write_parts"]

PERIODS = 2
SIZES = {"lines": 8, "colours": 6, "redshift": 3 * (2 * PERIODS + 1), "learned": 5}


def make_head_config(**changes):
    """A head of few components, for the network of `write_parts`."""
    sizes = {"line_components": 8, "colour_components": 6, "redshift_size": SIZES["redshift"], "learned_size": 5}
    return EmbeddingConfig(**(sizes | {"network_size": 16} | changes))


def fill_components(components, seed):
    """Smooth random components, of a few per cent of the continuum."""
    generator = torch.Generator().manual_seed(seed)
    number, n_bins = components.basis.shape
    steps = torch.randn(number, n_bins, generator=generator)
    components.basis.copy_(0.3 * torch.nn.functional.avg_pool1d(steps[:, None], 9, stride=1, padding=4)[:, 0])
    components.sigma.fill_(0.02)
    components.whiten.copy_(torch.randn(components.whiten.shape, generator=generator))
    components.centre.fill_(0.01)


def write_parts(path, **changes):
    """Write the weights."""
    head = RedshiftConfig(
        classes=tuple(RANGES), z_range=tuple(RANGES.values()), channels=2, step=STEP, kernel=3,
        summary_periods=PERIODS,
    )  # fmt: skip
    config = NetworkConfig(
        name="tiny", width=32, heads=2, encoder_layers=1, decoder_layers=1, embedding_size=16, summary_queries=2,
        detail_channels=4, summaries=(("redshift", SIZES["redshift"]),),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20251130)
        network = build_model(config, {"redshift": head, "embedding": make_head_config(**changes)})
        head = network.heads["embedding"]
        fill_components(head.lines, 1)
        fill_components(head.colours, 2)
        head.learned_map.copy_(torch.randn(head.learned_map.shape))
    metadata = {"name": "tiny-parts", "training": {"wavelength_range": [2000.0, 30000.0]}}
    return write_network(path, network, metadata=metadata)
