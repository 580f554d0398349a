# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a frozen network makes of spectra, computed once, so that thousands of pairs a batch cost next to nothing."""

import numpy as np

__all__ = ["SpectrumFeatures", "join_features", "read_features"]

#: bins of a spectrum that are looked at in a step of training at most, at random
LOOKED_AT = 24
#: spectra that moments are taken of at most, in bins; least standard deviation
MOST, LEAST = 50_000, 0.05


class SpectrumFeatures:
    """Tokens of spectra, averaged in bins of 9,000 km/s, and the redshifts that they allow.

    Parameters
    ----------
    arrays : dict of str to ndarray
        ``nodes`` (m, W) float16, ``place`` (m,), the number of the bin of each, ``offsets`` (n + 1,), where spectra
        begin, and ``redshift`` (n, R) float16.

    Attributes
    ----------
    arrays : dict of str to ndarray
    """

    def __init__(self, arrays):
        self.arrays = {name: arrays[name] for name in ("nodes", "place", "offsets", "redshift")}

    def __len__(self):
        return len(self.arrays["offsets"]) - 1

    @property
    def usable(self):
        """Spectra with a token: ndarray of bool, shape (n,)."""
        return np.diff(self.arrays["offsets"]) > 0

    def take(self, rows, rng=None):
        """Some spectra, as `~astro_spectok.heads.photometry_tower.TokenProjection` takes them.

        Parameters
        ----------
        rows : ndarray of int, shape (B,)
        rng : `numpy.random.Generator`, optional
            With one, 24 of the bins of each spectrum are taken at random, for training.

        Returns
        -------
        list of tensor
            Nodes (B, N, W), filled (B, N), ln(wavelength) (B, N), redshifts (B, R).
        """
        import torch

        from astro_spectok.heads.token_nodes import find_places

        arrays = self.arrays
        start = arrays["offsets"][rows][:, None]
        lengths = np.diff(arrays["offsets"])[rows]
        filled = np.arange(max(lengths.max(initial=0), 1)) < lengths[:, None]
        index = np.where(filled, start + np.arange(filled.shape[1]), 0)
        if rng is not None and filled.shape[1] > LOOKED_AT:
            order = np.argpartition(rng.random(filled.shape) + ~filled, LOOKED_AT - 1, axis=1)[:, :LOOKED_AT]
            index, filled = (np.take_along_axis(x, order, 1) for x in (index, filled))
        if not len(arrays["nodes"]):
            nodes, place = np.zeros((*index.shape, arrays["nodes"].shape[1]), np.float32), index
        else:
            nodes, place = arrays["nodes"][index].astype(np.float32), arrays["place"][index]
        found = nodes, filled, find_places()[place].astype(np.float32), arrays["redshift"][rows].astype(np.float32)
        return [torch.from_numpy(x) for x in found]

    def find_moments(self):
        """Mean and standard deviation (W,) of the values of tokens."""
        nodes = self.arrays["nodes"]
        some = nodes[:: max(1, len(nodes) // MOST)].astype(np.float32)
        return some.mean(0), np.maximum(some.std(0), LEAST)


def join_features(parts):
    """Features of several sets of spectra as those of one: `SpectrumFeatures`."""
    out = {name: np.concatenate([part.arrays[name] for part in parts]) for name in ("nodes", "place", "redshift")}
    lengths = [np.diff(part.arrays["offsets"]) for part in parts]
    return SpectrumFeatures(out | {"offsets": np.cumsum(np.concatenate([[0], *lengths]))})


def read_features(runner, batch, *, progress=None):
    """Features of the spectra of a batch.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    batch : `~astro_spectok.spectra.SpectrumBatch`
    progress : bool, optional
        Show a bar.

    Returns
    -------
    SpectrumFeatures
        Spectra that cannot be used have no tokens.
    """
    import torch

    from astro_spectok.engine.progress import show_progress
    from astro_spectok.heads.token_nodes import gather_nodes

    width, size = runner.network.config.width, runner.embedder.redshift_size
    rows = [(np.zeros((0, width)), np.zeros(0))] * len(batch)
    redshift = np.zeros((len(batch), size), np.float16)
    with torch.inference_mode():
        for group, patches in show_progress(list(runner.arrange(batch)), "encode", progress):
            tokens = runner.network.encode(patches, detail=False)
            where = patches.mask, patches.grid.geometry
            nodes, filled = gather_nodes(tokens[..., :width], where[0], where[1][..., 0])
            redshift[group] = runner.embedder.summarise_redshift(tokens, *where).cpu().numpy()
            for k, i in enumerate(group):
                rows[i] = nodes[k][filled[k]].cpu().numpy(), np.flatnonzero(filled[k].cpu().numpy())
    most = float(np.finfo(np.float16).max)
    return SpectrumFeatures(
        {
            "nodes": np.clip(np.concatenate([nodes for nodes, _ in rows]), -most, most).astype(np.float16),
            "place": np.concatenate([place for _, place in rows]).astype(np.int16),
            "offsets": np.cumsum([0, *(len(place) for _, place in rows)]),
            "redshift": redshift,
        }
    )
