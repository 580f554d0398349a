# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`align_images`: an image tower from a folder of pairs, in one call that goes on where one before it was stopped."""

import os
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import torch

from astro_spectok.align.aligner import ContrastiveAligner
from astro_spectok.align.embed_photometry import load_photometry_head
from astro_spectok.align.image_tower import ImageTower, ImageTowerConfig
from astro_spectok.align.pair_files import MeasuredImages, PairFolder, StoredImages
from astro_spectok.align.timm_tower import TimmTower
from astro_spectok.exceptions import WeightsError
from astro_spectok.utils.host import own_state
from astro_spectok.weights.format import check_path

__all__ = ["align_images"]

#: what the card of a tower says that has seen simulated pairs
DEMONSTRATION = (
    "Demonstration: learned from simulated images of simulated objects, smooth ones without neighbours. It shows what "
    "alignment does; train on real pairs for science."
)


@own_state
def align_images(
    pairs: str | PathLike[str],
    path: str | PathLike[str],
    *,
    bands: Sequence[str] | None = None,
    size: int | None = None,
    width: int = 16,
    filters: Sequence[str] | None = None,
    network: str | None = None,
    weights: str | PathLike[str] | None = None,
    device: str = "auto",
    batch: int = 256,
    steps: int = 1000,
    seed: int = 0,
    validation: float = 0.1,
    folder: str | PathLike[str] | None = None,
    medium: str | None = None,
    card: str = "",
    overwrite: bool = False,
    report: Callable[[str], None] | None = None,
) -> ContrastiveAligner:
    """Train an image tower on a folder of pairs, and write it.

    Parameters
    ----------
    pairs : path-like
        Folder of HDF5 or Parquet files in the layout of the Multimodal Universe, with an image and a spectrum of each
        object.
        Rows with NaN in their image, or without a spectrum that can be used, are left out; rows of one ``object_id``
        are one object.
    path : path-like
        File to write; ends in ``.safetensors``.
    bands : sequence of str, optional
        Bands to use, in order; all of the files if not given.
    size : int, optional
        Height and width in pixels of what is cut from the middle of the images; 64 or what they have if not given.
    width : int, optional
        Channels of the first layer of the `ImageTower`.
    filters : sequence of str, optional
        Names of the filters of the bands, for `~astro_spectok.align.find_filter`, of images in a flux per unit
        frequency. With them the tower and the side of the spectra begin as the head for photometry of the weights;
        without, with random numbers. Simulated pairs say what they are.
    network : str, optional
        Name of a network of timm, which must be installed, in place of the `ImageTower`: see `TimmTower`. It begins
        with random numbers, and neither ``width`` nor ``filters`` are of use.
    weights : str or path-like, optional
        Of the encoder of spectra; the packaged ones if not given.
    device : str, optional
        That the encoder runs on.
    batch, steps, seed : int, optional
        As for `ContrastiveAligner`.
    validation : float, optional
        Share of the objects on which recall is measured.
    folder : path-like, optional
        Where features of spectra and a checkpoint are kept, from which the same call goes on; ``path`` with the ending
        ``.run`` if not given. It may be removed at the end.
    medium : {'vacuum', 'air'}, optional
        Of the spectra; vacuum if not given.
    card : str, optional
        What others should know, written into the file. Of simulated pairs it says besides that it is a demonstration.
    overwrite : bool, optional
    report : callable, optional
        Is given a line of text now and then: loss, and recall among pairs that are kept for validation.

    Returns
    -------
    ContrastiveAligner
        As `ContrastiveAligner.load` reads it from ``path``.

    Raises
    ------
    FileExistsError
        The file exists, and ``overwrite`` is False.
    FileNotFoundError, TypeError, ValueError
        There are no pairs, or they do not match; the message names the file.
    ImportError
        h5py, or pyarrow for Parquet, or timm for ``network``, is not installed.

    Examples
    --------
    Twelve made-up pairs in a file, and the steps of a try:

    >>> import pathlib, tempfile
    >>> import h5py
    >>> import numpy as np
    >>> from astro_spectok.align import align_images
    >>> folder, rng = pathlib.Path(tempfile.mkdtemp()), np.random.default_rng(1)
    >>> with h5py.File(folder / "pairs.hdf5", "w") as file:
    ...     file["object_id"] = np.arange(12)
    ...     file["spectrum_lambda"] = np.linspace(4000, 7000, 640)
    ...     file["spectrum_flux"] = rng.normal(10, 1, (12, 640))
    ...     file["spectrum_ivar"] = np.ones((12, 640))
    ...     file["image_flux"] = rng.normal(size=(12, 2, 16, 16))
    ...     file["image_band"] = np.array(["g", "r"], "S1")
    >>> aligner = align_images(folder, folder / "tower.safetensors", width=4, steps=2, device="cpu")
    >>> aligner.tower.config.bands, sorted(path.name for path in folder.iterdir())
    (('g', 'r'), ['pairs.hdf5', 'tower.run', 'tower.safetensors'])
    """
    out = check_path(path, overwrite=overwrite)
    if not isinstance(card, str):
        msg = f"card must be text; got {type(card).__name__}"
        raise TypeError(msg)
    stored = PairFolder(pairs, bands, size)
    folder = out.with_suffix(".run") if folder is None else Path(folder)
    tower, sizes = _make_tower(stored, filters, width, weights, seed, network)
    aligner = ContrastiveAligner(tower, weights=weights, device=device, batch=batch, steps=steps, seed=seed, **sizes)
    features = stored.read_features(aligner._load(), folder, medium=medium, report=report)
    images = MeasuredImages(stored, folder, report=report) if network is None else StoredImages(stored)
    lost = len(stored) - int((features.usable & images.usable).sum())
    if report:
        report(
            f"{len(stored)} pairs, {lost} left out (NaN in the image, or no spectrum), bands {', '.join(stored.bands)}"
        )
    kind = f"{'-'.join(tower.config.filters)}-{width}" if network is None else network
    run = folder / f"{stored.digest()}-{kind}-{batch}-{steps}-{seed}-{validation:g}"
    aligner.fit(
        features, images, groups=stored.ids, classes=stored.classes, redshift=stored.redshift, validation=validation,
        folder=run, report=report,
    )  # fmt: skip
    if stored.simulated:
        card = f"{DEMONSTRATION} {card}".strip()
    aligner.save(out, overwrite=overwrite, card=card)
    if report:
        for way, found in aligner.validation_.items():
            words = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
            report(f"{os.fspath(out)}: {way}, objects that trained nothing: {words}")
    return aligner


def _make_tower(stored, filters, width, weights, seed, network):
    """A tower for a folder of pairs, and sizes of the aligner that go with it."""
    asked = filters is not None
    if network is not None and asked:
        msg = f"filters must not be given with network, which begins with no head for photometry; got {filters}"
        raise ValueError(msg)
    filters = tuple(filters) if asked else stored.filters
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if network is not None:
            return TimmTower(network, stored.bands), {}
        if not filters:
            return ImageTower(ImageTowerConfig(bands=stored.bands, width=width)), {}
        try:
            _, head = load_photometry_head(weights)
        except WeightsError:
            if asked:
                raise
            return ImageTower(ImageTowerConfig(bands=stored.bands, width=width)), {}
        tower = ImageTower.begin_with(head, stored.bands, filters, width=width)
    return tower, {"size": head.config.size, "queries": head.config.queries, "hidden": head.config.hidden}
