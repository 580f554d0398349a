# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The network: patches to tokens, tokens to an embedding and to flux on any grid; and the heads that read them."""

import contextlib

import torch
from torch import nn

from astro_spectok.network.blocks import SelfBlock, run_in_parts
from astro_spectok.network.decoder import Decoder
from astro_spectok.network.detail import filter_detail, local_flux
from astro_spectok.network.head_inputs import HeadInputs
from astro_spectok.network.level import N_EXPLICIT, patch_extent, patch_level
from astro_spectok.network.linear import Linear, is_plain_inference
from astro_spectok.network.patches import N_CHANNELS
from astro_spectok.network.pooling import SummaryPooling
from astro_spectok.network.precision import open_autocast
from astro_spectok.network.wavelength import RotaryPhases, WavelengthEncoding

__all__ = ["SpectralNetwork", "build_network"]


class SpectralNetwork(nn.Module):
    """Encoder-decoder for spectra on their native grids.

    Follows the universal spectral tokenizer (Shen et al., arXiv 2510.17959); what differs, and why, is in the
    developers' notes on architecture. What is read from tokens is the matter of heads: the network hands them what
    they need, and knows none by name.

    Parameters
    ----------
    config : `NetworkConfig`
        Sizes; kept as the attribute ``config``.
    heads : mapping of str to `~astro_spectok.heads.Head`, optional
        Kept as the attribute ``heads``, a `torch.nn.ModuleDict`.

    Raises
    ------
    ValueError
        A head whose summary the embedding takes is not there, or gives another number of values.

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

    def __init__(self, config, heads=()):
        super().__init__()
        self.config = config
        self.input = Linear(config.patch * N_CHANNELS, config.width)
        self.wavelength = WavelengthEncoding(config)
        self.rotary = RotaryPhases(config)
        self.blocks = nn.ModuleList([SelfBlock(config) for _ in range(config.encoder_layers)])
        self.norm = nn.LayerNorm(config.width)
        self.pooling = SummaryPooling(config)
        self.decoder = Decoder(config)
        self.heads = nn.ModuleDict(dict(heads))
        _check_summaries(config, self.heads)

    @property
    def device(self):
        """Device of the parameters: `torch.device`."""
        return self.input.weight.device

    def _autocast(self):
        return open_autocast(self.device)

    def encode(self, patches, *, learned=True, detail=True):
        """Tokens of spectra.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`
        learned : bool, optional
            False leaves zeros in place of the output of the transformer: faster, for heads that do not read it.
        detail : bool, optional
            False leaves out the DCT coefficients at the end of each token, for heads that do not need them.

        Returns
        -------
        float32 tensor, shape (B, T, D)
            Zero for patches without a good pixel.
        """
        level = patch_level(patches)
        tokens = [torch.stack([level, patch_extent(patches)], dim=-1)]
        if learned:
            tokens.append(self.norm(self._run_blocks(patches).float())[..., N_EXPLICIT:])
        else:
            tokens.append(level.new_zeros(*level.shape, self.config.width - N_EXPLICIT))
        if detail and self.config.dct_coefficients:
            with torch.no_grad():
                tokens.append(filter_detail(patches, level, self.config.dct_coefficients))
        return torch.cat(tokens, dim=-1) * patches.mask[..., None]

    def _run_blocks(self, patches, weights=None):
        """Output of the encoder for patches, (B, T, width); the attention of each block is appended to ``weights``."""
        phases = self.rotary(patches.grid.geometry[..., 0], self.device)
        with self._autocast():
            x = self.input(patches.channels.flatten(2)) + self.wavelength(patches.grid.geometry, patches.resolution)
            if weights is None and is_plain_inference(x):
                return run_in_parts(self.blocks, x, patches.mask, phases)
            for block in self.blocks:
                if weights is not None:
                    weights.append(block.weigh(x, patches.mask, phases))
                x = block(x, patches.mask, phases)
        return x

    def measure_attention(self, patches):
        """Attention weights of each head of each block of the encoder.

        Parameters
        ----------
        patches : `~astro_spectok.network.PatchBatch`

        Returns
        -------
        float32 tensor, shape (B, blocks, H, T, T)
            The weight that each token (last axis but one) gives to each (last axis): they add up to 1, and are 0 for
            tokens without a good pixel.
        """
        weights = []
        self._run_blocks(patches, weights)
        return torch.stack(weights, dim=1)

    def _split(self, tokens):
        """Output of the transformer for each patch, (B, T, width), and its DCT coefficients (B, T, M) or None."""
        width = self.config.width
        return tokens[..., :width], tokens[..., width:] if tokens.shape[-1] > width else None

    def embed(self, tokens, mask, geometry, summary=None, *, solutions=None):
        """One vector for each spectrum.

        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
            Tokens that count.
        geometry : float64 tensor, shape (B, T, 3)
            Where they lie, as of `~astro_spectok.network.PatchGrid`.
        summary : tensor, shape (B, S), optional
            What heads have to say, where it is at hand; computed from the tokens when not given.
        solutions : dict, optional
            Is given, by the name of each head whose summary enters the vector, what `Head.solve_tokens` finds.

        Returns
        -------
        float32 tensor, shape (B, E)
        """
        tokens, coefficients = self._split(tokens)
        flux = None
        if self.pooling.contrast is not None:
            flux = local_flux(tokens[..., 0], coefficients, mask, geometry, self.config.patch)
        if self.config.summaries and summary is None:
            inputs = HeadInputs(tokens, coefficients, mask, geometry)
            with torch.no_grad():  # the embedding learns to use what heads find, not to find it
                if solutions is None:
                    found = [self.heads[name].summarise_tokens(inputs) for name, _ in self.config.summaries]
                else:
                    solved = {name: self.heads[name].solve_tokens(inputs) for name, _ in self.config.summaries}
                    found = [one for one, _ in solved.values()]
                    solutions.update({name: one for name, (_, one) in solved.items() if one is not None})
            summary = torch.cat(found, dim=1)
        with self._autocast():
            phases = self.rotary(geometry[..., 0], self.device)
            return self.pooling(tokens, mask, phases, geometry, summary, flux).float()

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
        tokens, coefficients = self._split(tokens)
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
        return self.decoder(tokens, seen, geometry, memory, query, self._autocast, coefficients)

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

    def read(self, name, tokens, mask, geometry, patches=None, given=()):
        """Output of a head.

        Parameters
        ----------
        name : str
            Of the head.
        tokens : tensor, shape (B, T, D), or None
            None where the head needs none.
        mask : bool tensor, shape (B, T)
        geometry : float64 tensor, shape (B, T, 3)
        patches : `~astro_spectok.network.PatchBatch`, optional
            What the tokens were made of, for heads that read pixels.
        given : mapping of str to tensor, optional
            What else the head asks for.

        Returns
        -------
        object
            As of its ``forward``.

        Raises
        ------
        ValueError
            The network has no such head, or the head needs what is not given.
        """
        if name not in self.heads:
            msg = (
                f"name must be that of a head of the network {self.config.name!r}, which are "
                f"{', '.join(self.heads) or 'none'}; got {name!r}; use weights that have it"
            )
            raise ValueError(msg)
        head, given = self.heads[name], dict(given)
        there = {"tokens": tokens, "detail": tokens, "patches": patches} | given
        if missing := [what for what in (*head.needs, *head.given) if there.get(what) is None]:
            msg = f"{', '.join(missing)} must be given for the head {name!r}, which reads them; got None"
            raise ValueError(msg)
        parts = (None, None) if tokens is None else self._split(tokens)
        with self._autocast() if head.mixed_precision else contextlib.nullcontext():
            return head(HeadInputs(*parts, mask, geometry, patches, given))


def _check_summaries(config, heads):
    """Refuse a network whose embedding takes what no head gives."""
    sizes = {name: head.summary_size for name, head in heads.items()}
    for name, size in config.summaries:
        if sizes.get(name, 0) != size:
            msg = (
                f"heads must have one named {name!r} that gives the embedding {size} numbers, as config.summaries "
                f"says; got {', '.join(f'{other} with {n}' for other, n in sizes.items()) or 'none'}"
            )
            raise ValueError(msg)


def _init_weights(module, depth):
    """Small normal weights; the last layer of every residual branch smaller still, so that depth starts as identity."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Linear):
            residual = name.endswith(("attention.out", "feedforward.2")) and "pooling" not in name
            nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5 / ((2 * depth) ** 0.5 if residual else 1.0))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def build_network(config, heads=(), *, random=True):
    """Make a network with random parameters.

    Parameters
    ----------
    config : `NetworkConfig`
    heads : mapping of str to `~astro_spectok.heads.Head`, optional
        Their linear layers are initialised as those of the network.
    random : bool, optional
        False leaves the parameters as they come, for those that are read from a file next.

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
    >>> len(network.heads), sum(p.numel() for p in network.parameters()) > 10_000
    (0, True)
    """
    # what the program around has set must not show: its default device, and its default type of numbers below
    with torch.inference_mode(False), torch.device("cpu"):
        network = SpectralNetwork(config, heads)
        for parameter in network.parameters():
            parameter.data = parameter.data.float()
        if random:
            _init_weights(network, config.encoder_layers)
    return network
