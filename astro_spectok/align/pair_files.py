# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Folders of pairs of an image and a spectrum, in the layout of the Multimodal Universe, read a part at a time."""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from astro_spectok.align.features import SpectrumFeatures, join_features, read_features
from astro_spectok.align.images import UNLIKE, cut_middle
from astro_spectok.align.inputs import Samples
from astro_spectok.align.light import measure_light
from astro_spectok.align.pair_shards import CLASSES, ENDINGS, REDSHIFTS, list_shards, open_shard
from astro_spectok.spectra.multimodal import convert_rows
from astro_spectok.utils.atomic import replace_file

__all__ = ["MeasuredImages", "PairFolder", "StoredImages"]

#: rows read at once, and memory for images that are kept once they were read, in bytes
ROWS, MOST_KEPT = 128, 2**30


class PairFolder:
    """A folder of HDF5 or Parquet files that hold an image and a spectrum of each object.

    Parameters
    ----------
    folder : path-like
        Searched to any depth for ``.hdf5``, ``.h5`` and ``.parquet``.
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
    filters : tuple of str
        Of the bands, where all files name them in an attribute ``filters``; else empty.

    Raises
    ------
    FileNotFoundError, ValueError
        There are no such files, or one does not hold pairs: the message names it.
    ImportError
        h5py, or pyarrow for Parquet, is not installed.

    Notes
    -----
    ``image_flux`` (or ``image_array``) of shape (n, bands, height, width), ``image_band`` (n, bands) or (bands,),
    ``object_id`` (n,), and spectra as `~astro_spectok.read` takes them; in Parquet also a nested column ``image`` of
    ``flux`` and ``band``, as the library ``datasets`` writes it. ``image_mask`` is not read: what its values mean
    differs from survey to survey; bad pixels should be NaN.
    """

    def __init__(self, folder, bands=None, size=None):
        self.folder = Path(folder).expanduser()
        files = sorted(
            path for end in ENDINGS for path in self.folder.rglob(f"*{end}") if not path.name.startswith(".")
        )
        if not files:
            msg = f"pairs: {os.fspath(folder)} must be a folder of {', '.join(ENDINGS)} files; it has none"
            raise FileNotFoundError(msg)
        self._shards = list_shards(files)
        self.paths = [path for path, _ in self._shards]
        self.bands = None if bands is None else tuple(bands)
        self._places, self._scales, parts = [], np.zeros(0), []
        for path, group in self._shards:
            parts.append(self._look(path, group))
        self.counts = [part["n"] for part in parts]
        self.starts = np.cumsum([0, *self.counts])
        self.ids = np.concatenate([part["ids"] for part in parts])
        self.classes, self.redshift = (
            np.concatenate([part[name] for part in parts]) if all(part[name] is not None for part in parts) else None
            for name in ("classes", "redshift")
        )
        self.simulated = any(part["simulated"] for part in parts)
        known = {tuple(part["filters"].get(band, "") for band in self.bands) for part in parts}
        self.filters = known.pop() if len(known) == 1 and all(min(known)) else ()
        smallest = min(part["size"] for part in parts)
        self.size = min(smallest, 64) if size is None else size
        if isinstance(self.size, bool) or not isinstance(self.size, int) or not 16 <= self.size <= smallest:
            msg = f"size must be an integer from 16 to {smallest}, the smallest image of the pairs; got {self.size!r}"
            raise ValueError(msg)

    def __len__(self):
        return int(self.starts[-1])

    def _look(self, path, group):
        """What a file, or a row group of it, holds, without its images and spectra."""
        with open_shard(path, group) as shard:
            number, (count, *size) = shard.find_images()
            names = _check_bands(shard.find_bands(), path, count)
            self.bands = self.bands or names
            if missing := [band for band in self.bands if band not in names]:
                lacks, has = ", ".join(missing), ", ".join(names)
                msg = f"pairs: {path} must have the bands {', '.join(self.bands)}; it lacks {lacks}, and has {has}"
                raise ValueError(msg)
            ids, n = shard.find_column("object_id"), len(shard)
            if ids is None:
                msg = f"pairs: {path} must name its objects in object_id, a row for each image and spectrum; add it"
                raise ValueError(msg)
            lengths = {"spectra": n, "images": number, "object_id": len(ids)}
            if len(set(lengths.values())) > 1:
                words = ", ".join(f"{number} {name}" for name, number in lengths.items())
                msg = f"pairs: {path} must have an image, a spectrum and an id of each; got {words}; match them by id"
                raise ValueError(msg)
            self._scales = _check_scale(shard.read_optics("scale"), path, self._scales)
            self._places.append([names.index(band) for band in self.bands])
            found = {"n": n, "size": min(size), "ids": ids.astype(str), "simulated": shard.simulated}
            listed = shard.filters if len(shard.filters) == len(names) else ()
            found["filters"] = dict(zip(names, listed, strict=False))
            for name, keys in (("classes", CLASSES), ("redshift", REDSHIFTS)):
                values = shard.find_column(*keys)
                found[name] = None if values is None or len(values) != n else values
            return found

    def digest(self):
        """What these pairs are recognised by: names, sizes and times of the files, bands and size of the images."""
        about = [(os.fspath(p), p.stat().st_size, p.stat().st_mtime_ns) for p in self.paths]
        return hashlib.sha256(repr((about, self.bands, self.size)).encode()).hexdigest()[:12]

    def read_images(self, number):
        """Images of one file, ndarray of float32 (n, bands, size, size)."""
        n = self.counts[number]
        out = np.empty((n, len(self.bands), self.size, self.size), np.float32)
        with open_shard(*self._shards[number]) as shard:
            for start in range(0, n, ROWS):
                part = shard.read_images(start, start + ROWS)[:, self._places[number]]
                out[start : start + ROWS] = cut_middle(part, self.size)
        return out

    def read_fwhm(self, number):
        """Full widths of the point-spread function in pixels of the images of one file.

        Returns
        -------
        ndarray of float32, shape (n, bands), or None
            NaN where not known; None if nothing is.
        """
        with open_shard(*self._shards[number]) as shard:
            fwhm, scale = shard.read_optics("psf_fwhm"), shard.read_optics("scale")
        if fwhm is None or scale is None:
            return None
        known = (fwhm > 0) & (scale > 0) & np.isfinite(fwhm * scale)
        found = np.divide(fwhm, scale, where=known, out=np.full(fwhm.shape, np.nan))
        return found[:, self._places[number]].astype(np.float32)

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
        for k, (path, group) in enumerate(self._shards):
            about = path.stat()
            key = (path.name, about.st_size, about.st_mtime_ns, network, medium)
            key = repr((*key, group) if group else key).encode()
            stored = None if keep is None else keep / f"features-{hashlib.sha256(key).hexdigest()[:16]}.npz"
            if stored is not None and stored.is_file():
                with np.load(stored) as file:
                    parts.append(SpectrumFeatures(dict(file)))
                continue
            with open_shard(path, group) as shard:
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


class MeasuredImages(StoredImages):
    """Images of a folder of pairs beside the photometry and shapes that are measured on them, once.

    Parameters
    ----------
    pairs : PairFolder
    keep : `~pathlib.Path`, optional
        Folder for what was measured, so that the same call finds it again.
    most : int, optional
        Bytes of images that are kept in memory.
    report : callable, optional

    Attributes
    ----------
    light : tensor, shape (n, 2 bands + 9)
        As of `~astro_spectok.align.light.measure_light`; NaN of images that cannot be used.
    """

    def __init__(self, pairs, keep=None, most=MOST_KEPT, report=None):
        super().__init__(pairs, most)
        stored = None if keep is None else keep / f"light-{pairs.digest()}.npz"
        if stored is not None and stored.is_file():
            with np.load(stored) as file:
                self.light = torch.from_numpy(file["light"])
            return
        self.light = torch.cat([self._measure(number, report) for number in range(len(pairs.paths))])
        if stored is not None:
            keep.mkdir(parents=True, exist_ok=True)
            with replace_file(stored) as partial:
                np.savez(partial, light=self.light.numpy())

    def _measure(self, number, report):
        start, stop = self.pairs.starts[number : number + 2]
        fine = torch.from_numpy(self.usable[start:stop])
        fwhm = self.pairs.read_fwhm(number)
        fwhm = None if fwhm is None else torch.from_numpy(fwhm)[fine]
        found = measure_light(torch.from_numpy(self._read(number))[fine], fwhm)
        if report:
            report(f"{stop} of {len(self)} images measured")
        out = found.new_full((len(fine), found.shape[1]), torch.nan)
        out[fine] = found
        return out

    def take(self, rows):
        """Some images and what was measured on them, as `ImageTower` takes them."""
        return super().take(rows), self.light[torch.from_numpy(np.asarray(rows))]


def _check_scale(scale, path, before):
    """Least and greatest size of pixels so far; unlike ones are refused, for sizes and colours would be wrong."""
    scale = np.zeros(0) if scale is None else scale[np.isfinite(scale) & (scale > 0)]
    known = np.unique(np.concatenate([before, scale]))
    if len(known) and known[-1] > (1 + UNLIKE) * known[0]:
        msg = (
            f"pairs: {path} must have pixels of the same size in all images and bands, as in the files before it; "
            f"image_scale is from {known[0]:.4g} to {known[-1]:.4g}; resample them, or make a folder of each"
        )
        raise ValueError(msg)
    return known[[0, -1]] if len(known) else known


def _check_bands(names, path, n):
    """Names of the bands of a file, which are those of all of its images."""
    if names is None:
        msg = f"pairs: {path} must name the {n} bands of its images in image_band; add it, an array (n, bands)"
        raise ValueError(msg)
    names = np.atleast_2d(names)
    if names.shape[1] != n or (names != names[0]).any():
        msg = f"pairs: {path} must have the same {n} bands in all rows of image_band; got {names[0].tolist()} first"
        raise ValueError(msg)
    return tuple(names[0].tolist())
