# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Embedder`: the parts of an embedding from patches and tokens, none that is not asked for."""

from typing import Any

import numpy as np

from astro_spectok.exceptions import WeightsError
from astro_spectok.utils.parts import LEARNED, PHOTOMETRY, PIXEL_PARTS, STARS, check_parts

__all__ = ["Embedder"]

#: ln(1 + z) below which a redshift is a velocity, of which vectors that meet photometry say nothing
STILL = 0.0024


class Embedder:
    """The parts of the embeddings of one network.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Attributes
    ----------
    sizes : dict of str to int
        How many numbers each part has, in the order in which they stand in the embedding.

    Examples
    --------
    >>> from astro_spectok.engine.embedder import Embedder
    >>> from astro_spectok.network import build_network, get_config
    >>> embedder = Embedder(build_network(get_config("tiny")))
    >>> embedder.sizes, embedder.choose(None)
    ({'learned': 16}, ('learned',))
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self._head = next((head for head in network.heads.values() if head.kind == "embedding"), None)
        self._photometry: Any = next((head for head in network.heads.values() if head.kind == PHOTOMETRY), None)
        # the head whose summary the embedding takes finds redshifts for the others
        self._source = next((name for name, size in network.config.summaries if size), None)
        self._redshift = None if self._source is None else network.heads[self._source]
        if self._head is None:
            self.sizes = {LEARNED: network.config.embedding_size}
        else:
            self.sizes = self._head.config.sizes

    @property
    def names(self) -> tuple[str, ...]:
        """All parts, in their order."""
        return tuple(self.sizes)

    @property
    def redshift_size(self) -> int:
        """How many numbers `summarise_redshift` gives."""
        return 0 if self._redshift is None else self._redshift.summary.size

    def find_size(self, names: Any) -> int:
        """How many numbers some parts have together."""
        if names == (PHOTOMETRY,):
            return self._photometry.config.size
        return sum(self.sizes[name] for name in names)

    def choose(self, parts: Any, *, pixels: bool = True) -> tuple[str, ...]:
        """Names of the parts that are asked for, in their order.

        Parameters
        ----------
        parts : str, sequence of str or None
            None for all.
        pixels : bool, optional
            Whether pixels are at hand.

        Returns
        -------
        tuple of str

        Raises
        ------
        TypeError
            It is neither a text nor a sequence of texts.
        ValueError
            There is no such part, or the weights, or tokens, do not give it.
        WeightsError
            It is ``'photometry'``, and the weights have no head for it.
        """
        asked = check_parts(parts)
        if asked is not None and PHOTOMETRY in asked:
            if self._photometry is None:
                msg = (
                    f"weights must have a head {PHOTOMETRY!r} for parts={PHOTOMETRY!r}; these have "
                    f"{', '.join(self.network.heads) or 'none'}; use weights that have it (spectok build makes one)"
                )
                raise WeightsError(msg)
            return (PHOTOMETRY,)
        if asked is not None and (missing := [part for part in asked if part not in self.sizes]):
            msg = (
                f"parts must be among those of these weights, {', '.join(self.sizes)}; got {missing[0]!r}, for which "
                "they have no head; use weights that have it, or leave it out"
            )
            raise ValueError(msg)
        names = tuple(part for part in self.sizes if asked is None or part in asked)
        if not pixels and (unread := [part for part in names if part in PIXEL_PARTS]):
            msg = (
                f"parts must be without {' and '.join(unread)} here, which are read from pixels, and tokens alone are "
                "at hand; embed the spectrum itself, or ask for 'learned'"
            )
            raise ValueError(msg)
        return names

    def __call__(
        self,
        names: Any,
        patches: Any,
        tokens: Any = None,
        redshift: np.ndarray | None = None,
        *,
        solutions: dict | None = None,
    ) -> Any:
        """Parts of the embeddings of some spectra.

        Parameters
        ----------
        names : tuple of str
            As of `choose`.
        patches : `~astro_spectok.network.PatchBatch`
        tokens : tensor, shape (B, T, D), optional
            Where they are at hand; with all of their values.
        redshift : ndarray of float64, shape (B,), optional
            Of the objects, NaN where it is to be found.
        solutions : dict, optional
            Is given, by the name of the head that finds them, the redshifts that the tokens allow, where these are
            computed.

        Returns
        -------
        float32 tensor, shape (B, E)
        """
        import torch

        where = patches.mask, patches.grid.geometry
        if names == (PHOTOMETRY,):
            tokens = self.network.encode(patches, detail=False) if tokens is None else tokens
            return self._meet_photometry(tokens, *where)
        given = None if redshift is None else torch.from_numpy(np.log1p(redshift)).to(patches.grid.geometry.device)
        shifted = [name for name in names if name in PIXEL_PARTS]
        found = set(names) - set(PIXEL_PARTS)
        if shifted and (given is None or bool(torch.isnan(given).any())):
            found.add("redshift")
        if tokens is None and found:
            tokens = self.network.encode(patches, detail=LEARNED in names)
        parts, best = self._read_tokens(found, tokens, *where, solutions)
        if self._head is None:
            return parts[LEARNED]
        if shifted:
            parts |= self._read_pixels(patches, best, given, STARS in names)
        return self._join(parts, names, best)

    def embed_tokens(self, names: Any, tokens: Any, mask: Any, geometry: Any) -> Any:
        """The same from tokens alone, (B, E): of parts that need no pixels."""
        if names == (PHOTOMETRY,):
            return self._meet_photometry(tokens, mask, geometry)
        parts, best = self._read_tokens(set(names), tokens, mask, geometry)
        return parts[LEARNED] if self._head is None else self._join(parts, names, best)

    def _join(self, parts, names, best):
        """Parts side by side; their weights follow the redshift, where there is one."""
        return self._head.join(parts, names, None if best is None else self._head.find_sure(best))

    def _meet_photometry(self, tokens, mask, geometry):
        """Vectors (B, E) that are compared with those of photometry."""
        redshift = self.summarise_redshift(tokens, mask, geometry)
        return self._photometry.project_tokens(tokens, mask, geometry, redshift)

    def find_best(self, tokens: Any, mask: Any, geometry: Any) -> Any:
        """`~astro_spectok.heads.posterior_summary.BestRedshift` of tokens; None where no head finds redshifts."""
        if self._redshift is None:
            return None
        scores = self._redshift.score_tokens(tokens[..., : self.network.config.width], mask, geometry)
        return self._redshift.summary.find_best(scores)

    def summarise_redshift(self, tokens: Any, mask: Any, geometry: Any) -> Any:
        """Which redshifts tokens allow, (B, R), as long as they are sure, and zero at none; R may be 0."""
        if self._redshift is None:
            return tokens.new_zeros(len(tokens), 0)
        import torch

        scores = self._redshift.score_tokens(tokens[..., : self.network.config.width], mask, geometry)
        best, summary = self._redshift.summary.find_best(scores), self._redshift.summary(scores)
        sure = best.probability * (best.ln_one_plus_z.abs() > STILL).to(best.probability)
        return torch.nn.functional.normalize(summary, dim=1) * sure[:, None]

    def _read_tokens(self, names, tokens, mask, geometry, solutions=None):
        """Parts that tokens hold: dict of str to tensor, and the best redshift, or None."""
        if self._head is None:
            return {LEARNED: self.network.embed(tokens, mask, geometry, solutions=solutions)}, None
        parts, best = {}, None
        if "redshift" in names and self._redshift is not None:
            scores = self._redshift.score_tokens(tokens[..., : self.network.config.width], mask, geometry)
            summary, best, classes = self._redshift.summary.read(scores, self._head.config.still)
            if solutions is not None:
                solutions[self._source] = self._redshift.list_solutions(scores)
            parts["redshift"] = self._head.map_redshift(summary, best, classes)
        if LEARNED in names:
            # what the network says of the redshift is a part of its own
            nothing = tokens.new_zeros(len(tokens), sum(size for _, size in self.network.config.summaries))
            parts[LEARNED] = self._head.map_learned(self.network.embed(tokens, mask, geometry, nothing))
        return parts, best

    def _read_pixels(self, patches, best, given, stars):
        """Lines and colours, at the redshifts that are given, or else found, and the part of stars if it is wanted."""
        import torch

        from astro_spectok.network import HeadInputs

        shift = torch.zeros(len(patches.mask), dtype=torch.float64, device=patches.grid.geometry.device)
        found, sure = shift, torch.ones_like(shift)
        if best is not None:
            shift, found = self._head.find_shift(best).to(shift), best.ln_one_plus_z.to(shift)
            sure = self._head.find_sure(best).to(shift)
        if given is not None:
            known = torch.isfinite(given)
            shift, found, sure = (torch.where(known, x, y) for x, y in ((given, shift), (given, found), (1.0, sure)))
        at = {"ln_one_plus_z": shift}
        if stars:
            at["ln_velocity"] = self._head.find_velocity(found, sure)
        inputs = HeadInputs(None, None, patches.mask, patches.grid.geometry, patches, at)
        return self._head(inputs)
