# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ContrastiveAligner`: any other view of objects brought into one space with their spectra."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from astro_spectok.align.aligner_files import read_aligner, write_aligner
from astro_spectok.align.batches import SimilarBatches
from astro_spectok.align.features import SpectrumFeatures, read_features
from astro_spectok.align.inputs import check_columns, check_ids, check_numbers, read_samples, split_groups
from astro_spectok.align.pair_training import Pair, begin_pair, train_pair
from astro_spectok.align.retrieval import measure_retrieval
from astro_spectok.spectra import to_batch
from astro_spectok.utils.host import own_state
from astro_spectok.weights.backbone import check_backbone, digest_backbone

__all__ = ["ContrastiveAligner"]

#: samples that go through the tower at once when they are embedded
CHUNK = 512


class ContrastiveAligner:
    """Align vectors of spectra with those of other data of the same objects, such as images.

    The encoder of spectra stays as it is: what it makes of each spectrum is computed once, so that large batches cost
    little. Learned are queries that gather the tokens, the tower, and a projection of either side, with a symmetric
    contrastive loss whose temperature is learned too. Half of the batches hold objects of one class and of similar
    redshift, where these are given.

    Parameters
    ----------
    tower : `torch.nn.Module`
        Maps a batch of samples to vectors (B, ``tower_size``): `ImageTower`, or any of one's own. It is trained in
        place, unless its parameters ask for no gradient.
    tower_size : int, optional
        Numbers that it gives; its attribute ``size`` if not given.
    size : int, optional
        Numbers in the vectors that are compared.
    queries, hidden : int, optional
        Learned queries on the tokens, and width of the perceptrons.
    weights : str or path-like, optional
        Of the encoder of spectra: registry name or path; the packaged default if not given.
    device : str, optional
        That the encoder runs on; the pair is trained on the processor.
    batch, steps : int, optional
        Pairs in a batch, and batches.
    rate : float, optional
        Greatest learning rate.
    seed : int, optional

    Attributes
    ----------
    history_ : list of dict
        ``step``, ``loss``, ``temperature``, and ``recall@1``, ``recall@10`` and ``median_rank`` of the pairs kept for
        validation.
    validation_ : dict
        The same of both directions in the end: ``spectrum to sample`` and ``sample to spectrum``.
    card_ : str
        What was written for others with the file that it was loaded from.

    Raises
    ------
    TypeError, ValueError
        ``tower`` is no module, or a setting is not positive.

    References
    ----------
    Radford et al. 2021, arXiv 2103.00020; Parker et al. 2024, MNRAS 531, 4990 (AstroCLIP); Lanusse et al. 2023,
    arXiv 2310.03024.

    Examples
    --------
    Twelve spectra beside two numbers each, from which a single layer is learned:

    >>> import numpy as np
    >>> import torch
    >>> from astropy import units as u
    >>> from astro_spectok.align import ContrastiveAligner
    >>> wavelength = np.linspace(4000, 7000, 640)
    >>> period = 100 + 20 * np.arange(12)
    >>> spectra = [(wavelength * u.AA, (2 + np.sin(wavelength / p)) * u.Jy) for p in period]
    >>> samples = torch.tensor(np.stack([period / 100, period**2 / 1e4], 1), dtype=torch.float32)
    >>> aligner = ContrastiveAligner(torch.nn.Linear(2, 8), tower_size=8, size=16, steps=5, device="cpu")
    >>> aligner = aligner.fit(spectra, samples, medium="vacuum")
    >>> aligner.embed_spectra(spectra[:3], medium="vacuum").shape, aligner.embed_samples(samples[:2]).shape
    ((3, 16), (2, 16))
    """

    def __init__(
        self,
        tower: nn.Module,
        *,
        tower_size: int | None = None,
        size: int = 128,
        queries: int = 8,
        hidden: int = 128,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch: int = 1024,
        steps: int = 1000,
        rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        tower_size = getattr(tower, "size", None) if tower_size is None else tower_size
        if not isinstance(tower, nn.Module):
            msg = f"tower must be a torch.nn.Module from samples to vectors; got {type(tower).__name__}"
            raise TypeError(msg)
        values = {"tower_size": tower_size, "size": size, "queries": queries, "hidden": hidden, "batch": batch}
        check_numbers(values | {"steps": steps}, {"rate": rate})
        if getattr(tower, "is_projected", False) and size != tower_size:
            msg = f"size must be {tower_size}, the numbers that the tower gives, which are not projected; got {size}"
            raise ValueError(msg)
        self.tower, self.tower_size, self.size, self.queries, self.hidden = tower, tower_size, size, queries, hidden
        self.weights, self.device, self.batch, self.steps = weights, device, batch, steps
        self.rate, self.seed = rate, seed
        self.history_: list[dict[str, float]] = []
        self.validation_: dict[str, Any] = {}
        self.card_ = ""
        self._pair: Pair | None = None
        self._about: dict[str, Any] = {}

    def _load(self):
        from astro_spectok.engine import Runner

        runner = Runner(self.weights, self.device)
        if "backbone" in self._about:
            known = self._about["backbone"]
            check_backbone(runner.loaded, known["sha256"], known["name"], "this aligner")
        return runner

    def read_spectra(
        self, obj: Any, *, medium: str | None = None, resolution: Any = None, progress: bool | None = None
    ) -> SpectrumFeatures:
        """What the encoder makes of spectra, to be given to the other methods in their place, many times.

        Parameters
        ----------
        obj
            Spectra in any form, as for `~astro_spectok.embed`.
        medium, resolution, progress
            As for `~astro_spectok.embed`.

        Returns
        -------
        SpectrumFeatures
        """
        if isinstance(obj, SpectrumFeatures):
            return obj
        batch = to_batch(obj, medium=medium, resolution=resolution, on_error="flag")
        return read_features(self._load(), batch, progress=progress)

    @own_state
    def fit(
        self,
        spectra: Any,
        samples: Any,
        *,
        ids: tuple[Any, Any] | None = None,
        groups: Any = None,
        classes: Any = None,
        redshift: Any = None,
        validation: float = 0.1,
        folder: str | PathLike[str] | None = None,
        medium: str | None = None,
        report: Callable[[str], None] | None = None,
    ) -> Self:
        """Learn from pairs.

        Parameters
        ----------
        spectra
            In any form, or as of `read_spectra`.
        samples : tensor, ndarray, or tuple of these
            What the tower takes, a row for each spectrum.
        ids : (array_like, array_like), optional
            Of spectra and of samples: refused where they differ.
        groups : array_like, shape (n,), optional
            Rows of one value are one object: each is a right answer to the other, and they are never on both sides of
            the validation.
        classes, redshift : array_like, shape (n,), optional
            Of which half of the batches are made alike.
        validation : float, optional
            Share of the objects that is kept for it.
        folder : path-like, optional
            Where a checkpoint is kept: the same call goes on from it.
        medium : {'vacuum', 'air'}, optional
        report : callable, optional
            Is given a text now and then.

        Returns
        -------
        ContrastiveAligner
            The same one.

        Raises
        ------
        TypeError, ValueError
            Pairs do not match in number or id, too few of them can be used, or an option is out of range.
        """
        features = self.read_spectra(spectra, medium=medium)
        samples = read_samples(samples, self.tower)
        n = len(features)
        if len(samples) != n:
            msg = f"samples must be one for each of the {n} spectra; got {len(samples)}; match them by id first"
            raise ValueError(msg)
        check_ids(ids, n)
        usable = features.usable & samples.usable
        taught, kept, numbers = split_groups(usable, groups, validation, self.seed)
        columns = check_columns(n, classes=classes, redshift=redshift)
        batches = SimilarBatches(taught, *columns)
        runner = self._load()
        pair = self._pair = begin_pair(self.tower, features, self._settings())
        own = {"name": runner.loaded.name, "sha256": digest_backbone(runner.loaded.network)}
        places = np.exp(np.quantile(features.take(taught)[2].numpy(), [0.0, 1.0])) if len(taught) else []
        self._about = {"backbone": own, "domain": {"wavelength": [round(float(x)) for x in places]}}
        self.history_ = train_pair(
            pair, features, samples, batches, numbers, self._settings(), folder=folder, report=report,
            watch=lambda: self._watch(features, samples, kept, numbers),
        )  # fmt: skip
        self.validation_ = self.evaluate(features, samples, rows=kept, groups=numbers)
        self._about |= {"n_pairs": len(taught), "n_validation": len(kept), "n_left_out": int((~usable).sum())}
        return self

    def _settings(self):
        names = ("tower_size", "size", "queries", "hidden", "batch", "steps", "rate", "seed")
        return {name: getattr(self, name) for name in names}

    def _watch(self, features, samples, rows, groups):
        """Recall from samples to spectra among pairs that train nothing."""
        if len(rows) < 2:
            return {}
        found = self.evaluate(features, samples, rows=rows, groups=groups)["sample to spectrum"]
        return {name: found[name] for name in ("recall@1", "recall@10", "median_rank")}

    def evaluate(self, spectra: Any, samples: Any, *, rows: Any = None, groups: Any = None) -> dict[str, Any]:
        """Measure retrieval both ways.

        Parameters
        ----------
        spectra, samples
            As for `fit`.
        rows : ndarray of int, optional
            All if not given.
        groups : array_like, shape (n,), optional

        Returns
        -------
        dict of str to dict
            ``spectrum to sample`` and ``sample to spectrum``, each with ``recall@1`` and ``recall@10``, the share whose
            own is among the 1 or 10 most like it, ``median_rank`` (1 is best) and ``n``.
        """
        features, samples = self.read_spectra(spectra), read_samples(samples, self.tower)
        rows = np.arange(len(features)) if rows is None else np.asarray(rows)
        first, second = self._embed_features(features, rows), self._embed_rows(samples, rows)
        own = None if groups is None else np.asarray(groups)[rows]
        return {
            "spectrum to sample": measure_retrieval(first, second, groups=own),
            "sample to spectrum": measure_retrieval(second, first, groups=own),
        }

    def _check_fitted(self):
        if self._pair is None:
            msg = "the aligner must be fitted or loaded first; call fit(spectra, samples)"
            raise ValueError(msg)
        return self._pair

    def _embed_features(self, features, rows):
        pair, out = self._check_fitted(), np.full((len(rows), self.size), np.nan, np.float32)
        good = np.flatnonzero(features.usable[rows])
        with torch.inference_mode():
            for start in range(0, len(good), CHUNK):
                part = good[start : start + CHUNK]
                out[part] = pair.spectrum(*features.take(rows[part])).numpy()
        return out

    def _embed_rows(self, samples, rows):
        pair, out = self._check_fitted(), np.full((len(rows), self.size), np.nan, np.float32)
        good = np.flatnonzero(samples.usable[rows])
        with torch.inference_mode():
            for start in range(0, len(good), CHUNK):
                part = good[start : start + CHUNK]
                out[part] = pair.embed_samples(samples.take(rows[part])).numpy()
        return out

    @own_state
    def embed_spectra(self, obj: Any, *, medium: str | None = None) -> np.ndarray:
        """Vectors of spectra.

        Parameters
        ----------
        obj
            In any form, or as of `read_spectra`.
        medium : {'vacuum', 'air'}, optional

        Returns
        -------
        ndarray of float32, shape (n, ``size``)
            At unit length; NaN for spectra that cannot be used.
        """
        self._check_fitted()
        features = self.read_spectra(obj, medium=medium)
        return self._embed_features(features, np.arange(len(features)))

    @own_state
    def embed_samples(self, samples: Any) -> np.ndarray:
        """Vectors of samples, for `~astro_spectok.adapt.SpectrumIndex` and `embed_spectra` to be compared with.

        Parameters
        ----------
        samples : tensor, ndarray, or tuple of these

        Returns
        -------
        ndarray of float32, shape (n, ``size``)
            At unit length; NaN for samples that are not finite.
        """
        samples = read_samples(samples, self.tower)
        return self._embed_rows(samples, np.arange(len(samples)))

    def save(self, path: str | PathLike[str], *, overwrite: bool = False, card: str = "") -> Path:
        """Write all that was learned as one safetensors file: the tower too, the encoder of spectra by its digest.

        Parameters
        ----------
        path : str or path-like
            Must end in ``.safetensors``.
        overwrite : bool, optional
        card : str, optional
            What others should know: what it was trained on, what for.

        Returns
        -------
        `~pathlib.Path`
        """
        pair = self._check_fitted()
        about = self._about | {"settings": self._settings(), "validation": self.validation_, "card": card}
        return write_aligner(path, about, pair, self.tower, overwrite=overwrite)

    @classmethod
    @own_state
    def load(
        cls,
        path: str | PathLike[str],
        tower: nn.Module | None = None,
        *,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
    ) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or path-like
        tower : `torch.nn.Module`, optional
            Of the same sizes as the one that was saved, whose parameters are filled in; needed for all but
            `ImageTower`.
        weights : str or path-like, optional
            Of the encoder of spectra; found by name if not given.
        device : str, optional

        Returns
        -------
        ContrastiveAligner

        Raises
        ------
        FileNotFoundError
            There is no such file.
        `~astro_spectok.exceptions.WeightsError`
            It is no such file, damaged, of another tower, or the weights are others than those it was made with.
        """
        about, tensors, tower = read_aligner(path, tower)
        settings = dict(about["settings"])
        name = about["backbone"]["name"] if weights is None else weights
        aligner = cls(tower, weights=name, device=device, **settings)
        aligner._about = {key: about[key] for key in about if key not in ("settings", "validation", "card")}
        aligner.validation_, aligner.card_ = about["validation"], about["card"]
        joined, values = tensors["spectrum.first.weight"].shape[1], len(tensors["spectrum.values.bias"])
        widths = len(tensors["spectrum.mean"]), joined - settings["queries"] * values, settings["tower_size"]
        pair = Pair(tower, widths, aligner.size, aligner.queries, aligner.hidden, values)
        pair.load_state_dict(tensors)
        aligner._pair = pair.eval()
        aligner._load()
        return aligner
