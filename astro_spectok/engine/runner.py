# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra through a network: from a `SpectrumBatch` to the tokens of each spectrum, and from tokens to flux."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np

from astro_spectok.config import conf
from astro_spectok.engine.batching import choose_budget, gather_patches, plan_groups
from astro_spectok.engine.device import choose_device, choose_dtype
from astro_spectok.engine.embedder import Embedder
from astro_spectok.engine.outputs import EncodedSpectrum, Measured, ShownPixels, list_solutions
from astro_spectok.engine.progress import show_progress
from astro_spectok.engine.threads import map_groups
from astro_spectok.spectra import SpectrumBatch
from astro_spectok.utils.host import set_apart
from astro_spectok.weights import load_weights

__all__ = ["Runner"]

#: most spectra that heads read at once
MOST_MEASURED = 64


class Runner:
    """A set of weights on a device, ready to encode and decode.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str or `torch.device`
        'auto' takes the best there is.
    precision : {'auto', 'float32', 'bfloat16'}, optional
        ``conf.precision`` if not given.
    batch_tokens : int, optional
        Largest number of tokens in the network at once. Default: ``conf.batch_tokens``, but at most 6144 on a CPU.

    Raises
    ------
    TypeError, ValueError
        ``device``, ``precision`` or ``batch_tokens`` is not what it may be.
    `~astro_spectok.exceptions.WeightsError`
        The weights cannot be had; see `~astro_spectok.weights.load_weights`.

    Examples
    --------
    Tokens, and their flux at three wavelengths over the scale of the spectrum:

    >>> import numpy as np
    >>> from astro_spectok.engine import Runner
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.spectra import to_batch
    >>> runner = Runner(device="cpu")
    >>> ((_, encoded),) = runner.encode(to_batch(read_example()))
    >>> tokens = encoded.values, encoded.geometry, encoded.good
    >>> flux, sigma = runner.decode(*tokens, np.log([7100.0, 7127.2, 7150.0]))  # around H-alpha
    >>> bool(flux.argmax() == 1), bool((sigma > 0).all())
    (True, True)
    """

    def __init__(
        self,
        weights: str | PathLike[str] | None = None,
        device: Any = "auto",
        *,
        precision: str | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.loaded = load_weights(weights, self.device)
        self.dtype = choose_dtype(self.device, precision or conf.precision)
        self.batch_tokens = choose_budget(batch_tokens, self.device)

    @property
    def network(self) -> Any:
        """The network, which is shared with all that use these weights."""
        return self.loaded.network

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Without gradients and in this runner's precision, whatever other threads and the program around have set.

        Yields
        ------
        None
        """
        import torch

        from astro_spectok.network import compute_in

        with torch.inference_mode(), set_apart(self.device), compute_in(self.dtype):
            yield

    @cached_property
    def embedder(self) -> Any:
        """What makes embeddings of tokens and pixels, part by part."""
        return Embedder(self.network)

    def encode(self, batch: SpectrumBatch, *, progress: bool | None = None) -> Iterator[tuple[int, EncodedSpectrum]]:
        """Encode all usable spectra of a batch.

        The result for one spectrum does not depend on which others are in the batch.

        Parameters
        ----------
        batch : `~astro_spectok.spectra.SpectrumBatch`
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Yields
        ------
        i : int
            Position in the batch; positions come in no particular order, each once.
        encoded : `EncodedSpectrum`
        """
        from astro_spectok.network.shown import find_noise, find_unfiltered

        patch = self.network.config.patch

        def compute(group):
            patches = gather_patches(batch, group, patch).to(self.device)
            with self.computing():
                tokens = self.network.encode(patches)
                solutions = {}
                embedding = self.embedder(self.embedder.names, patches, tokens, solutions=solutions)
                noise = find_noise(patches)
                # a network whose tokens hold no detail has none to keep
                config = self.network.config
                more = (find_unfiltered(patches, tokens, config),) if config.dct_coefficients else ()
            found = (
                tokens, patches.grid.geometry, patches.mask, patches.grid.present, patches.scale, embedding,
                patches.valid, noise, patches.resolution, *more,
            )  # fmt: skip
            return [x.cpu().numpy() for x in found], list_solutions(self.network, solutions, len(group))

        for group, (arrays, allowed) in self._map(compute, plan_groups(batch, self), "encode", progress):
            for i, values, geometry, good, present, scale, vector, *shown, solved in zip(
                group, *arrays, allowed, strict=True
            ):
                yield (
                    int(i),
                    EncodedSpectrum(
                        values[present], geometry[present], good[present], float(scale * batch.scale[i]), vector,
                        ShownPixels(*(x[present] for x in shown)), solved,
                    ),
                )  # fmt: skip

    def arrange(self, batch: SpectrumBatch) -> Iterator[tuple[np.ndarray, Any]]:
        """The usable spectra of a batch as the network takes them, some at a time.

        Parameters
        ----------
        batch : `~astro_spectok.spectra.SpectrumBatch`

        Yields
        ------
        group : ndarray of int
            Positions in the batch.
        patches : `~astro_spectok.network.PatchBatch`
            On the device.
        """
        for group in plan_groups(batch, self):
            yield group, gather_patches(batch, group, self.network.config.patch).to(self.device)

    def embed_batch(
        self,
        batch: SpectrumBatch,
        parts: Any = None,
        *,
        redshift: np.ndarray | None = None,
        progress: bool | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Embed all usable spectra of a batch; only what the parts need is computed.

        Parameters
        ----------
        batch : `~astro_spectok.spectra.SpectrumBatch`
        parts : str or sequence of str, optional
            As of `~astro_spectok.embed`.
        redshift : ndarray, shape (n,), optional
            Of the objects, for lines and colours; NaN where it is to be found.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Yields
        ------
        i : int
            Position in the batch; positions come in no particular order, each once.
        vector : ndarray of float32, shape (E,)

        Raises
        ------
        TypeError, ValueError
            ``parts`` is not what it may be, or the weights have no such part.
        """
        names = self.embedder.choose(parts)

        def compute(group):
            patches = gather_patches(batch, group, self.network.config.patch).to(self.device)
            known = None if redshift is None else np.asarray(redshift, float)[group]
            with self.computing():
                return self.embedder(names, patches, redshift=known).cpu().numpy()

        for group, vectors in self._map(compute, plan_groups(batch, self), "embed", progress):
            yield from zip(map(int, group), vectors, strict=True)

    def find_head(self, kind: str) -> str | None:
        """Name of the first head of a kind.

        Parameters
        ----------
        kind : str
            As of `~astro_spectok.heads.list_heads`.

        Returns
        -------
        str or None
            None if the weights have none.
        """
        heads: Any = self.loaded.network.heads
        return next((name for name, head in heads.items() if head.kind == kind), None)

    def measure(
        self,
        batch: SpectrumBatch,
        heads: Sequence[str] | None = None,
        *,
        given: Mapping[str, np.ndarray] | None = None,
        embedding: bool = False,
        progress: bool | None = None,
    ) -> Iterator[tuple[int, Measured]]:
        """Output of heads for all usable spectra of a batch; shared inputs are computed once.

        Parameters
        ----------
        batch : `~astro_spectok.spectra.SpectrumBatch`
        heads : sequence of str, optional
            Their names; if not given, all that need nothing but the spectra.
        given : dict of str to ndarray, shape (n,), optional
            What heads ask for besides, for each spectrum; those with NaN are left out.
        embedding : bool, optional
            Whether it is wanted too.
        progress : bool, optional
            Show a progress bar. Default: for long work on a terminal.

        Yields
        ------
        i : int
            Position in the batch; positions come in no particular order, each once.
        measured : `Measured`

        Raises
        ------
        ValueError
            The weights have no such head, or a head needs what is not ``given``.
        """
        import torch

        network, given = self.network, given or {}
        if heads is None:
            heads = [name for name, head in network.heads.items() if head.needs and not head.given]
        needs = {need for name in heads if name in network.heads for need in network.heads[name].needs}
        needs |= {"tokens", "detail"} if embedding else set()
        known = np.all([np.isfinite(values) for values in given.values()], axis=0) if given else True

        def compute(group):
            patches, tokens = gather_patches(batch, group, network.config.patch).to(self.device), None
            where = patches.mask, patches.grid.geometry
            values = {name: torch.from_numpy(x[group]).to(where[1].device) for name, x in given.items()}
            with self.computing():
                if needs - {"patches"}:
                    tokens = network.encode(patches, learned="tokens" in needs, detail="detail" in needs)
                found = {}
                for name in heads:
                    output = network.read(name, tokens, *where, patches, values)
                    found[name] = network.heads[name].interpret(output)
                vectors = self.embedder(self.embedder.names, patches, tokens).cpu().numpy() if embedding else None
            return {name: {key: x.cpu().numpy() for key, x in one.items()} for name, one in found.items()}, vectors

        groups = plan_groups(batch, self, MOST_MEASURED, known)
        for group, (found, vectors) in self._map(compute, groups, "measure", progress):
            for j, i in enumerate(group):
                row = {name: {key: x[j] for key, x in one.items()} for name, one in found.items()}
                yield int(i), Measured(row, None if vectors is None else vectors[j])

    def _map(self, compute, groups, label, progress):
        """Yield each group with what is computed of it, and show how far it is."""
        return zip(show_progress(groups, label, progress), map_groups(compute, groups, self.device), strict=False)

    def measure_attention(self, batch: SpectrumBatch, i: int = 0) -> np.ndarray:
        """Attention of the encoder among the tokens of one spectrum.

        Parameters
        ----------
        batch : `~astro_spectok.spectra.SpectrumBatch`
        i : int, optional
            Position in the batch of a usable spectrum.

        Returns
        -------
        ndarray of float32, shape (blocks, heads, T, T)
            As of `~astro_spectok.tokens.TokenAttention`.
        """
        patches = gather_patches(batch, np.array([i]), self.network.config.patch).to(self.device)
        with self.computing():
            (weights,) = self.network.measure_attention(patches).cpu().numpy()
        present = patches.grid.present[0].cpu().numpy()
        return weights[:, :, present][..., present]

    def embed(self, values: np.ndarray, geometry: np.ndarray, good: np.ndarray, parts: Any = None) -> np.ndarray:
        """Embedding of the tokens of one spectrum.

        Parameters
        ----------
        values, geometry, good
            As of `EncodedSpectrum`.
        parts : str or sequence of str, optional
            As of `~astro_spectok.embed`.

        Returns
        -------
        ndarray of float32, shape (E,)
            NaN if no token is good.

        Raises
        ------
        TypeError, ValueError
            As of `embed_batch`; or a part is read from pixels, which tokens do not hold.
        """
        names = self.embedder.choose(parts, pixels=False)
        if not np.any(good):
            return np.full(self.embedder.find_size(names), np.nan, np.float32)
        with self.computing():
            tokens, mask, geometry = self._tokens(values, geometry, good)
            return self.embedder.embed_tokens(names, tokens, mask, geometry)[0].cpu().numpy()

    def decode(
        self,
        values: np.ndarray,
        geometry: np.ndarray,
        good: np.ndarray,
        ln_wavelength: np.ndarray,
        resolution: np.ndarray | None = None,
        *,
        shown: Any = None,
        solutions: Sequence[tuple[str, float, float]] = (),
        embedding: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Flux and its uncertainty, over the scale of the spectrum, on any pixels.

        Parameters
        ----------
        values, geometry, good
            Tokens of one spectrum, as of `EncodedSpectrum`.
        ln_wavelength : ndarray of float64, shape (N,)
            Strictly increasing; vacuum, ln of Angstrom.
        resolution : float or ndarray of shape (N,), optional
            Resolving power wanted; that of the spectrum if not given.
        shown, solutions
            As of `EncodedSpectrum`: with these, and weights that have a library, what was not shown is inferred from
            it. Otherwise it is the network's guess.
        embedding : ndarray, shape (E,), optional
            As of `EncodedSpectrum`, where it is at hand: it need not be computed again.

        Returns
        -------
        flux, sigma : ndarray of float32, shape (N,)
            The latter is a standard deviation.
        """
        import torch

        from astro_spectok.engine.requested import RequestedPixels
        from astro_spectok.network.shown import find_pixels

        tokens = self._tokens(values, geometry, good)
        asked = RequestedPixels(ln_wavelength, resolution, self.network.config.patch)
        with self.computing():
            if embedding is None:
                vector = self.network.embed(*tokens)
            else:
                vector = torch.from_numpy(np.asarray(embedding, np.float32))[None].to(self.device)
            answer = asked.decode(self.network, tokens, vector, self.device)
            given, good_tokens, places = (x.cpu() for x in tokens)
            known = None if shown is None else shown.unfiltered
            # what the filter took for noise counts where many pixels say the same
            known = None if known is None else torch.from_numpy(np.asarray(known, np.float32))[None]
            pixels = find_pixels(given, good_tokens, places, self.network.config, known)
        library = self.find_head("library")
        if shown is None or library is None:
            return answer
        return asked.fill(self.network.heads[library], [x[0].numpy() for x in pixels], shown, solutions, answer)

    def _tokens(self, values, geometry, good):
        """Tokens of one spectrum as a batch of one, on the device."""
        import torch

        exact = "cpu" if self.device.type == "mps" else self.device
        return (
            torch.from_numpy(np.asarray(values, np.float32))[None].to(self.device),
            torch.from_numpy(np.asarray(good, bool))[None].to(self.device),
            torch.from_numpy(np.asarray(geometry, np.float64))[None].to(exact),
        )
