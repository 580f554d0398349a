# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights with a head for photometry, and tables of fluxes."""

import numpy as np
import torch
from astropy import units as u
from astropy.table import QTable

from astro_spectok.align.filters import BANDS
from astro_spectok.heads import build_model
from astro_spectok.heads.photometry import PhotometryConfig
from astro_spectok.network import get_config
from astro_spectok.weights import write_network

NAMES = {f"FLUX_{name.rsplit('-')[1].upper()}": name for name in BANDS["ugrizJHK"]}


def write_photometry_weights(path):
    """Weights of the smallest network with a small head for photometry, random but always the same."""
    head = PhotometryConfig(width=16, blocks=1, hidden=24, size=12, token_width=32, redshift_size=0, values=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20261130)
        network = build_model(get_config("tiny"), {"photometry": head})
    return write_network(
        path, network, metadata={"name": "photometry", "training": {"wavelength_range": [2000, 30000]}}
    )


def make_fluxes(n=6, seed=0):
    """A table of fluxes in ugrizJHK, with errors."""
    rng = np.random.default_rng(seed)
    table = QTable()
    for k, name in enumerate(NAMES):
        table[name] = rng.uniform(5, 20, n) * (1 + 0.1 * k) * u.nmgy
        table[f"{name}_ERR"] = 0.05 * table[name]
    return table
