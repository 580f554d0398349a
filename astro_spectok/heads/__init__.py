# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Heads: what is read from spectra and tokens; one protocol, and a file for each kind."""

from astro_spectok.heads.embedding import EmbeddingHead
from astro_spectok.heads.embedding_config import EmbeddingConfig
from astro_spectok.heads.galaxy import GalaxyConfig, GalaxyHead
from astro_spectok.heads.library import LibraryConfig, LibraryHead
from astro_spectok.heads.model import MODELS, ModelConfig, add_head, build_model, get_model_config
from astro_spectok.heads.photometry import PhotometryConfig, PhotometryHead
from astro_spectok.heads.pooled import TokenReader
from astro_spectok.heads.protocol import Head, HeadConfig, HeadLoss
from astro_spectok.heads.redshift import RedshiftConfig, RedshiftHead
from astro_spectok.heads.registry import build_head, find_kind, list_heads, register_head
from astro_spectok.heads.spectral_type import STELLAR_TYPES, SpectralTypeConfig, SpectralTypeHead
from astro_spectok.heads.stellar import STELLAR_LABELS, StellarConfig, StellarHead
from astro_spectok.heads.transient import TRANSIENT_TYPES, TransientConfig, TransientHead

# what else is imported here is for other rooms
__all__ = ["Head", "HeadConfig", "HeadLoss", "ModelConfig", "TokenReader", "add_head", "register_head"]
