# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The network: patches to tokens, tokens to an embedding, to flux on any grid, and to scores over redshift."""

import torch
from torch import nn

from astro_spectok.network.blocks import SelfBlock
from astro_spectok.network.decoder import Decoder
from astro_spectok.network.detail import filter_detail, local_flux
from astro_spectok.network.label_head import LabelHead
from astro_spectok.network.level import N_EXPLICIT, patch_extent, patch_level
from astro_spectok.network.linear import Linear
from astro_spectok.network.patches import N_CHANNELS
from astro_spectok.network.pooling import SummaryPooling
from astro_spectok.network.precision import open_autocast
from astro_spectok.network.redshift_head import RedshiftHead
from astro_spectok.network.stellar_head import StellarHead
from astro_spectok.network.type_head import build_type_head
from astro_spectok.network.wavelength import RotaryPhases, WavelengthEncoding

__all__ = ["SpectralNetwork", "build_network"]


class SpectralNetwork(nn.Module):
    """Encoder-decoder for spectra on their native grids.

    Follows the universal spectral tokenizer (Shen et al., arXiv 2510.17959); what differs, and why, is in the
    developers' notes on architecture. A head that the configuration leaves out is None.

    Parameters
    ----------
    config : `NetworkConfig`
        Sizes; kept as the attribute ``config``.

    References
    ----------
    Shen et al., "Universal Spectral Tokenization via Self-Supervised Panchromatic Representation Learning",
    arXiv 2510.17959.

    Examples
    --------
    Tokens of two spectra, one vector for each, and flux on the pixels of the first patch:

    >>> import torch
    >>> from astro_spectok.network import arrange_patches, build_network, build_patches, get_config
    >>> network = build_network(get_config("tiny")).eval()
    >>> ln_wavelength = torch.log(torch.linspace(4000, 4095, 96, dtype=torch.float64)).repeat(2)
    >>> flux, ivar, offsets = 2 + torch.sin(torch.arange(192.0)), torch.ones(192), torch.tensor([0, 96, 192])
    >>> patches = build_patches(ln_wavelength, flux, ivar, offsets, network.config.patch)
    >>> with torch.inference_mode():
    ...     tokens = network.encode(patches)
    ...     where = patches.mask, patches.grid.geometry
    ...     vectors = network.embed(tokens, *where)
    ...     grid = arrange_patches(ln_wavelength[96:128].repeat(2), torch.tensor([0, 32, 64]), network.config.patch)
    ...     mean, log_sigma = network.decode(tokens, *where, grid)
    >>> tuple(tokens.shape), tuple(vectors.shape), tuple(mean.shape)
    ((2, 3, 32), (2, 16), (2, 1, 32))
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.input = Linear(config.patch * N_CHANNELS, config.width)
        self.wavelength = WavelengthEncoding(config)
        self.rotary = RotaryPhases(config)
        self.blocks = nn.ModuleList([SelfBlock(config) for _ in range(config.encoder_layers)])
        self.norm = nn.LayerNorm(config.width)
        self.pooling = SummaryPooling(config)
        self.decoder = Decoder(config)
        self.redshift_head = RedshiftHead(config) if config.redshift else None
        self.label_head = LabelHead(config) if config.labels else None
        self.type_head = build_type_head(config) if config.stellar_types else None
        self.stellar_head = StellarHead(config) if config.stellar_labels else None

    @property
    def device(self):
        """Where the parameters are: `torch.device`."""
        return self.input.weight.device

    def _autocast(self):
        return open_autocast(self.device)

    def encode(self, patches, *, cosines=True):
        """Tokens of spectra.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`
        cosines : bool, optional
            False leaves out the explicit detail at the end of each token, for the heads that do without.

        Returns
        -------
        float32 tensor, shape (B, T, D)
            Zero for patches without a good pixel.
        """
        return self._join(patches, self.norm(self._run_blocks(patches).float())[..., N_EXPLICIT:], cosines=cosines)

    def _run_blocks(self, patches, weights=None):
        """What the encoder makes of patches, (B, T, width); the attention of each block is added to ``weights``."""
        phases = self.rotary(patches.grid.geometry[..., 0], self.device)
        with self._autocast():
            x = self.input(patches.channels.flatten(2)) + self.wavelength(patches.grid.geometry, patches.resolution)
            for block in self.blocks:
                if weights is not None:
                    weights.append(block.weigh(x, patches.mask, phases))
                x = block(x, patches.mask, phases)
        return x

    def measure_attention(self, patches):
        """What each head of each block of the encoder takes of each token.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`

        Returns
        -------
        float32 tensor, shape (B, blocks, H, T, T)
            The share that each token (last axis but one) takes of each (last axis): they add up to 1, and are 0 for
            tokens without a good pixel.
        """
        weights = []
        self._run_blocks(patches, weights)
        return torch.stack(weights, dim=1)

    def encode_explicit(self, patches):
        """Tokens with zeros in place of all that is learned: level, extent and detail, in a part of the time.

        The stellar head reads nothing else.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`

        Returns
        -------
        float32 tensor, shape (B, T, D)
        """
        nothing = patches.channels.new_zeros(*patches.mask.shape, self.config.width - N_EXPLICIT)
        return self._join(patches, nothing)

    def _join(self, patches, learned, *, cosines=True):
        """Tokens (B, T, D) of what is learned (B, T, width - 2) and what is explicit."""
        level = patch_level(patches)
        tokens = [torch.stack([level, patch_extent(patches)], dim=-1), learned]
        if cosines and self.config.local_cosines:
            with torch.no_grad():
                tokens.append(filter_detail(patches, level, self.config.local_cosines))
        return torch.cat(tokens, dim=-1) * patches.mask[..., None]

    def _split(self, tokens):
        """What the transformer made of each patch, (B, T, width), and its explicit detail (B, T, M) or None."""
        width = self.config.width
        return tokens[..., :width], tokens[..., width:] if self.config.local_cosines else None

    def embed(self, tokens, mask, geometry):
        """One vector for each spectrum.

        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
            Tokens that count.
        geometry : float64 tensor, shape (B, T, 3)
            Where they lie, as of `~astro_spectok.network.PatchGrid`.

        Returns
        -------
        float32 tensor, shape (B, E)
        """
        tokens, cosines = self._split(tokens)
        scores = flux = None
        if self.pooling.contrast is not None:
            flux = local_flux(tokens[..., 0], cosines, mask, geometry, self.config.patch)
        if self.pooling.summary is not None:
            with torch.no_grad():  # the embedding learns to use redshifts, not to find them
                scores = self.redshift_head.score_tokens(tokens, mask, geometry)
        with self._autocast():
            phases = self.rotary(geometry[..., 0], self.device)
            return self.pooling(tokens, mask, phases, geometry, scores, flux).float()

    def decode(self, tokens, mask, geometry, grid, resolution=None, embedding=None, hide=None):
        """Flux and its uncertainty on the pixels of ``grid``, in units of the spectrum's scale.

        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
        geometry : float64 tensor, shape (B, T, 3)
            Of the tokens.
        grid : `PatchGrid`
            The requested pixels.
        resolution : tensor, shape (B, Tq), optional
            Requested resolving power, NaN or None where it does not matter.
        embedding : tensor, shape (B, E), optional
            Computed from the tokens when not given.
        hide : bool tensor, shape (B,), optional
            Spectra to be decoded from their embedding alone.

        Returns
        -------
        mean, log_sigma : float32 tensor, shape (B, Tq, P)
            Flux over the scale of the spectrum, and the logarithm of its standard deviation.
        """
        if embedding is None:
            embedding = self.embed(tokens, mask, geometry)
        if resolution is None:
            resolution = tokens.new_full(grid.present.shape, torch.nan)
        tokens, cosines = self._split(tokens)
        seen = mask if hide is None else mask & ~hide[:, None]
        cos, sin = self.rotary(geometry[..., 0], self.device)
        with self._autocast():
            summary = self.pooling.memory(embedding)  # (B, Q, D)
            encoding = self.wavelength(grid.geometry, resolution)
        n_summary = summary.shape[1]
        memory = (
            torch.cat([summary.float(), tokens], dim=1),
            nn.functional.pad(seen, (n_summary, 0), value=True),
            # the summary stands at no wavelength: it is not turned
            (
                nn.functional.pad(cos, (0, 0, n_summary, 0), value=1.0),
                nn.functional.pad(sin, (0, 0, n_summary, 0), value=0.0),
            ),
        )
        query = (grid, encoding.float(), self.rotary(grid.geometry[..., 0], self.device))
        return self.decoder(tokens, seen, geometry, memory, query, self._autocast, cosines)

    def forward(self, patches, grid, resolution=None, hide=None):
        """Encode and decode.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`
        grid, resolution, hide
            As for `decode`.

        Returns
        -------
        mean, log_sigma : float32 tensor, shape (B, Tq, P)
            As of `decode`.
        """
        tokens = self.encode(patches)
        return self.decode(tokens, patches.mask, patches.grid.geometry, grid, resolution, hide=hide)

    def measure_labels(self, tokens, mask, geometry):
        """Labels of stars and galaxies, with their errors, from tokens.

        Parameters
        ----------
        tokens, mask, geometry
            As for `embed`.

        Returns
        -------
        mean, log_sigma : float32 tensor, shape (B, number of labels)
            Of the labels in ``label_head.names``: value, and logarithm of the standard deviation.

        Raises
        ------
        ValueError
            The network was built without that head.
        """
        self._require("label", "whose config names `labels`")
        with self._autocast():
            return self.label_head(self._split(tokens)[0], mask, self.rotary(geometry[..., 0], self.device))

    def measure_types(self, tokens, mask, geometry, patches=None):
        """Scores of the stellar types.

        Parameters
        ----------
        tokens, mask, geometry
            As for `embed`.
        patches : `~astro_spectok.network.PatchBatch`, optional
            What the tokens were made of; needed, and all that is looked at, where ``config.type_step`` is above 0.

        Returns
        -------
        float32 tensor, shape (B, number of types)
            Their softmax is the probability of each type, if it is a star.

        Raises
        ------
        ValueError
            The network was built without that head, or ``patches`` are needed.
        """
        self._require("type", "whose config names `stellar_types`")
        if self.config.type_step and patches is None:
            msg = "patches must be given where config.type_step is above 0: types are read from pixels; got None"
            raise ValueError(msg)
        with self._autocast():
            if self.config.type_step:
                return self.type_head(patches)
            return self.type_head(self._split(tokens)[0], mask, self.rotary(geometry[..., 0], self.device))

    def measure_stellar(self, tokens, mask, geometry, ln_doppler, patches=None):
        """Labels of stars with their covariance, from tokens, as for `embed`.

        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
        geometry : float64 tensor, shape (B, T, 3)
        ln_doppler : float64 tensor, shape (B,)
            ln(1 + v / c) of each star's radial velocity.
        patches : `~astro_spectok.network.PatchBatch`, optional
            What the tokens were made of, where it is at hand: weak lines are then read from the pixels.

        Returns
        -------
        mean : float32 tensor, shape (B, number of labels)
        tril : float32 tensor, shape (B, number of labels, number of labels)
            Lower Cholesky factor of the covariance.

        Raises
        ------
        ValueError
            The network was built without that head.
        """
        self._require("stellar", "whose config names `stellar_labels`")
        # in single precision: labels are a matter of parts of a per cent
        return self.stellar_head(tokens, mask, geometry, ln_doppler, patches)

    def _require(self, head, which):
        """Say which weights to take if the network has no such head."""
        if getattr(self, f"{head}_head") is None:
            msg = f"the network {self.config.name!r} has no {head} head; use weights {which}"
            raise ValueError(msg)

    def redshift_scores(self, patches, tokens=None):
        """Scores over lags, one tensor per class; see `~astro_spectok.network.redshift_head.RedshiftHead`.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`
        tokens : tensor, shape (B, T, D), optional
            Of these patches, where they are known already.

        Returns
        -------
        list of float32 tensor, shape (B, lags)
            For each class; their softmax over all classes is a posterior.

        Raises
        ------
        ValueError
            The network was built without that head.
        """
        self._require("redshift", "whose config has `redshift` set")
        tokens = self.encode(patches, cosines=False) if tokens is None else self._split(tokens)[0]
        return self.redshift_head(tokens, patches)


def _init_weights(module, depth):
    """Small normal weights; the last layer of every residual branch smaller still, so that depth starts as identity."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Linear):
            residual = name.endswith(("attention.out", "feedforward.2")) and "pooling" not in name
            nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5 / ((2 * depth) ** 0.5 if residual else 1.0))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def build_network(config):
    """Make a network with random parameters.

    Parameters
    ----------
    config : `NetworkConfig`

    Returns
    -------
    SpectralNetwork
        On the CPU, in single precision.

    Examples
    --------
    >>> import torch
    >>> from astro_spectok.network import build_network, get_config
    >>> _ = torch.manual_seed(1)  # what the parameters depend on
    >>> network = build_network(get_config("tiny"))
    >>> network.redshift_head is None, sum(p.numel() for p in network.parameters()) > 10_000
    (True, True)
    """
    # what the program around has set must not show: its default device, and its default type of numbers below
    with torch.inference_mode(False), torch.device("cpu"):
        network = SpectralNetwork(config)
        for parameter in network.parameters():
            parameter.data = parameter.data.float()
        _init_weights(network, config.encoder_layers)
    return network
