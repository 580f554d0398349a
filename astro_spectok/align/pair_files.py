# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Folders of pairs of an image and a spectrum, in the layout of the Multimodal Universe, read a part at a time."""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from astro_spectok.align.features import SpectrumFeatures, join_features, read_features
from astro_spectok.align.images import cut_middle
from astro_spectok.align.inputs import Samples
from astro_spectok.spectra.multimodal import HDF5_ENDINGS, HDF5Shard, convert_rows
from astro_spectok.utils.atomic import replace_file

__all__ = ["PairFolder", "StoredImages"]

#: names that images and what is known of objects have in files
IMAGES, CLASSES, REDSHIFTS = ("image_flux", "image_array"), ("spectype", "SPECTYPE", "class"), ("Z", "z", "redshift")
#: rows read at once, and memory for images that are kept once they were read, in bytes
ROWS, MOST_KEPT = 128, 2**30


class PairFolder:
    """A folder of HDF5 files that hold an image and a spectrum of each object.

    Parameters
    ----------
    folder : path-like
        Searched to any depth for ``.hdf5`` and ``.h5``.
    bands : sequence of str, optional
        Names of the bands to use, in order; all that the first file has if not given.
    size : int, optional
        Height and width of the images in pixels, cut from their middle; at most 64 if not given.

    Attributes
    ----------
    bands : tuple of str
    ids : ndarray of str, shape (n,)
    classes, redshift : ndarray, shape (n,), or None
        Where all files have them.
    simulated : bool
        Whether a file says that its pairs are.

    Raises
    ------
    FileNotFoundError, ValueError
        There are no such files, or one does not hold pairs: the message names it.
    ImportError
        h5py is not installed.

    Notes
    -----
    ``image_flux`` (or ``image_array``) of shape (n, bands, height, width), ``image_band`` (n, bands) or (bands,),
    ``object_id`` (n,), and spectra as `~astro_spectok.read` takes them. ``image_mask`` is not read: what its values
    mean differs from survey to survey; bad pixels should be NaN.
    """

    def __init__(self, folder, bands=None, size=None):
        self.folder = Path(folder).expanduser()
        self.paths = sorted(
            path for end in HDF5_ENDINGS for path in self.folder.rglob(f"*{end}") if not path.name.startswith(".")
        )
        if not self.paths:
            msg = f"pairs: {os.fspath(folder)} must be a folder of {' or '.join(HDF5_ENDINGS)} files; it has none"
            raise FileNotFoundError(msg)
        self.bands = None if bands is None else tuple(bands)
        self._places, parts = [], []
        for path in self.paths:
            parts.append(self._look(path))
        self.counts = [part["n"] for part in parts]
        self.starts = np.cumsum([0, *self.counts])
        self.ids = np.concatenate([part["ids"] for part in parts])
        self.classes, self.redshift = (
            np.concatenate([part[name] for part in parts]) if all(part[name] is not None for part in parts) else None
            for name in ("classes", "redshift")
        )
        self.simulated = any(part["simulated"] for part in parts)
        smallest = min(part["size"] for part in parts)
        self.size = min(smallest, 64) if size is None else size
        if isinstance(self.size, bool) or not isinstance(self.size, int) or not 16 <= self.size <= smallest:
            msg = f"size must be an integer from 16 to {smallest}, the smallest image of the pairs; got {self.size!r}"
            raise ValueError(msg)

    def __len__(self):
        return int(self.starts[-1])

    def _look(self, path):
        """What a file holds, without its images and spectra."""
        with HDF5Shard(path) as shard:
            columns, n = shard._file, len(shard)
            image = next((columns[name] for name in IMAGES if name in columns), None)
            if image is None or image.ndim != 4:
                got = "none" if image is None else f"the shape {image.shape}"
                msg = f"pairs: {path} must hold image_flux of the shape (n, bands, height, width); got {got}"
                raise ValueError(msg)
            names = _read_bands(columns, path, image.shape[1])
            self.bands = self.bands or names
            if missing := [band for band in self.bands if band not in names]:
                lacks, has = ", ".join(missing), ", ".join(names)
                msg = f"pairs: {path} must have the bands {', '.join(self.bands)}; it lacks {lacks}, and has {has}"
                raise ValueError(msg)
            if "object_id" not in columns:
                msg = f"pairs: {path} must name its objects in object_id, a row for each image and spectrum; add it"
                raise ValueError(msg)
            lengths = {"spectra": n, "images": len(image), "object_id": len(columns["object_id"])}
            if len(set(lengths.values())) > 1:
                words = ", ".join(f"{number} {name}" for name, number in lengths.items())
                msg = f"pairs: {path} must have an image, a spectrum and an id of each; got {words}; match them by id"
                raise ValueError(msg)
            self._places.append([names.index(band) for band in self.bands])
            found = {"n": n, "size": min(image.shape[2:]), "ids": _decode(columns["object_id"][:])}
            for name, keys in (("classes", CLASSES), ("redshift", REDSHIFTS)):
                key = next((key for key in keys if key in columns and len(columns[key]) == n), None)
                found[name] = None if key is None else _decode(columns[key][:])
            return found | {"simulated": bool(columns.attrs.get("simulated", False))}

    def digest(self):
        """What tells these pairs from others: names, sizes and times of the files, bands and size of the images."""
        about = [(os.fspath(p), p.stat().st_size, p.stat().st_mtime_ns) for p in self.paths]
        return hashlib.sha256(repr((about, self.bands, self.size)).encode()).hexdigest()[:12]

    def read_images(self, number):
        """Images of one file, ndarray of float32 (n, bands, size, size)."""
        with HDF5Shard(self.paths[number]) as shard:
            image = next(shard._file[name] for name in IMAGES if name in shard._file)
            out = np.empty((len(image), len(self.bands), self.size, self.size), np.float32)
            for start in range(0, len(image), ROWS):
                part = np.asarray(image[start : start + ROWS], np.float32)[:, self._places[number]]
                out[start : start + ROWS] = cut_middle(part, self.size)
        return out

    def read_features(self, runner, keep=None, *, medium=None, report=None):
        """What a network makes of the spectra, a part at a time.

        Parameters
        ----------
        runner : `~astro_spectok.engine.Runner`
        keep : `~pathlib.Path`, optional
            Folder for what was computed of each file, so that the same call goes on from there.
        medium : {'vacuum', 'air'}, optional
            None is vacuum.
        report : callable, optional

        Returns
        -------
        `~astro_spectok.align.features.SpectrumFeatures`
        """
        from astro_spectok.weights.backbone import digest_backbone

        network, parts = digest_backbone(runner.network)[:12], []
        for k, path in enumerate(self.paths):
            about = path.stat()
            key = repr((path.name, about.st_size, about.st_mtime_ns, network, medium)).encode()
            stored = None if keep is None else keep / f"features-{hashlib.sha256(key).hexdigest()[:16]}.npz"
            if stored is not None and stored.is_file():
                with np.load(stored) as file:
                    parts.append(SpectrumFeatures(dict(file)))
                continue
            with HDF5Shard(path) as shard:
                own = [
                    read_features(
                        runner, convert_rows(shard.read_rows(start, min(start + ROWS, len(shard))), medium=medium)
                    )
                    for start in range(0, len(shard), ROWS)
                ]
            parts.append(join_features(own))
            if stored is not None:
                keep.mkdir(parents=True, exist_ok=True)
                with replace_file(stored) as partial:
                    np.savez(partial, **parts[-1].arrays)
            if report:
                report(f"{self.starts[k + 1]} of {len(self)} spectra encoded")
        return join_features(parts)


class StoredImages(Samples):
    """Images of a folder of pairs as samples of a tower: read when they are asked for, and kept while there is room.

    Parameters
    ----------
    pairs : PairFolder
    most : int, optional
        Bytes of images that are kept in memory.

    Attributes
    ----------
    usable : ndarray of bool, shape (n,)
        Images without NaN or infinite numbers.
    """

    def __init__(self, pairs, most=MOST_KEPT):
        self.pairs, self._room, self._kept = pairs, most, {}
        self.usable = np.concatenate(
            [np.isfinite(self._read(number)).all((1, 2, 3)) for number in range(len(pairs.paths))]
        )

    def __len__(self):
        return len(self.pairs)

    def _read(self, number):
        if number in self._kept:
            return self._kept[number]
        images = self.pairs.read_images(number)
        if images.nbytes <= self._room:
            self._kept[number], self._room = images, self._room - images.nbytes
        return images

    def take(self, rows):
        """Some images, float32 tensor (B, bands, size, size)."""
        rows = np.asarray(rows)
        numbers = np.searchsorted(self.pairs.starts, rows, side="right") - 1
        out = np.empty((len(rows), len(self.pairs.bands), self.pairs.size, self.pairs.size), np.float32)
        for number in np.unique(numbers):
            own = numbers == number
            out[own] = self._read(int(number))[rows[own] - self.pairs.starts[number]]
        return torch.from_numpy(out)


def _read_bands(columns, path, n):
    """Names of the bands of a file, which are those of all of its images."""
    if "image_band" not in columns:
        msg = f"pairs: {path} must name the {n} bands of its images in image_band; add it, an array (n, bands)"
        raise ValueError(msg)
    names = _decode(np.atleast_2d(columns["image_band"][:]))
    if names.shape[1] != n or (names != names[0]).any():
        msg = f"pairs: {path} must have the same {n} bands in all rows of image_band; got {names[0].tolist()} first"
        raise ValueError(msg)
    return tuple(names[0].tolist())


def _decode(values):
    """Values with bytes as text."""
    if values.dtype.kind in "SO":
        return np.array([x.decode() if isinstance(x, bytes) else str(x) for x in values.ravel()]).reshape(values.shape)
    return values
