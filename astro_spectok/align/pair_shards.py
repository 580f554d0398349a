# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Parts of a folder of pairs, a file of HDF5 or a row group of Parquet, in the layout of the Multimodal Universe."""

import numpy as np

from astro_spectok.spectra.multimodal import (
    HDF5_ENDINGS,
    PARQUET_ENDINGS,
    HDF5Shard,
    ParquetShard,
    count_rows,
    import_parquet,
)

__all__ = ["ENDINGS", "HDF5Pairs", "ParquetPairs", "list_shards", "open_shard"]

ENDINGS = (*HDF5_ENDINGS, *PARQUET_ENDINGS)
#: names that images and what is known of objects have in files
IMAGES, CLASSES, REDSHIFTS = ("image_flux", "image_array"), ("spectype", "SPECTYPE", "class"), ("Z", "z", "redshift")
#: the same within a nested column ``image``
NESTED = ("flux", "array")


def list_shards(paths):
    """Files and numbers of their parts: list of (path, int)."""
    return [
        (path, group)
        for path in paths
        for group in range(len(count_rows(path)) if path.suffix.lower() in PARQUET_ENDINGS else 1)
    ]


def open_shard(path, group=0):
    """A part of a folder of pairs: `HDF5Pairs` or `ParquetPairs`, to be used in ``with``."""
    return ParquetPairs(path, group) if path.suffix.lower() in PARQUET_ENDINGS else HDF5Pairs(path)


class _Pairs:
    """What both have: a shard of spectra, ``_shard``, which is closed at the end of ``with``."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._shard.close()

    def __len__(self):
        return len(self._shard)


class HDF5Pairs(_Pairs):
    """A file of HDF5.

    Parameters
    ----------
    path : `~pathlib.Path`

    Raises
    ------
    OSError, ValueError
        It is damaged, or has no spectra or images.
    """

    def __init__(self, path):
        self.path, self._shard = path, HDF5Shard(path)
        self._file = self._shard._file
        self.simulated = bool(self._file.attrs.get("simulated", False))

    def find_images(self):
        """Number of images, and their shape (bands, height, width)."""
        image = next((self._file[name] for name in IMAGES if name in self._file), None)
        if image is None or image.ndim != 4:
            _refuse_images(self.path, "none" if image is None else f"the shape {image.shape}")
        return len(image), image.shape[1:]

    def find_bands(self):
        """Names of the bands, ndarray of str (n, bands) or (bands,), or None."""
        return _decode(self._file["image_band"][:]) if "image_band" in self._file else None

    def find_column(self, *names):
        """Values of the first of some columns that is there, or None."""
        name = next((name for name in names if name in self._file), None)
        return None if name is None else _decode(self._file[name][:])

    def read_images(self, start, stop):
        """Images of some rows, ndarray of float32 (n, bands, height, width)."""
        return np.asarray(next(self._file[name] for name in IMAGES if name in self._file)[start:stop], np.float32)

    def read_rows(self, start, stop):
        """Spectra of some rows, as of `~astro_spectok.spectra.multimodal.HDF5Shard.read_rows`."""
        return self._shard.read_rows(start, stop)


class ParquetPairs(_Pairs):
    """A row group of Parquet, as the library ``datasets`` writes it: a nested column ``image``, or flat ones.

    Parameters
    ----------
    path : `~pathlib.Path`
    group : int

    Raises
    ------
    OSError, ValueError
        It is damaged, or has no spectra or images.
    """

    def __init__(self, path, group):
        self.path, self.simulated = path, False
        self._shard = ParquetShard(path, group)
        with import_parquet().ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if not name.startswith("spectrum")]
            self._table = file.read_row_group(group, columns=names, use_threads=False)
        self._flat = next((name for name in IMAGES if name in names), None)
        self._band = "image_band" if self._flat else "image"
        if self._flat is None and "image" not in names:
            _refuse_images(path, "none")

    def find_images(self):
        """Number of images, and their shape (bands, height, width)."""
        first = self._read_image(0) if len(self) else np.zeros((0, 0, 0))
        return len(self), first.shape

    def find_bands(self):
        """Names of the bands, ndarray of str (n, bands), or None."""
        rows = [self._read_field(i, "band") for i in range(len(self))]
        return None if any(row is None for row in rows) or len({len(r) for r in rows}) > 1 else np.array(rows, str)

    def find_column(self, *names):
        """Values of the first of some columns that is there, or None."""
        name = next((name for name in names if name in self._table.column_names), None)
        return None if name is None else _decode(np.array(self._table[name].to_pylist()))

    def _read_field(self, i, *names):
        """A field of the image of a row: nested in one way or the other, or flat; None where it is not there."""
        if self._flat is not None:
            name = "image_band" if "band" in names else self._flat
            return self._table[name][i].as_py() if name in self._table.column_names else None
        row = self._table["image"][i].as_py()
        if isinstance(row, list):  # a list of structs, one for each band
            row = {key: [one.get(key) for one in row] for key in row[0]} if row and isinstance(row[0], dict) else {}
        return next((row[name] for name in names if name in row), None) if isinstance(row, dict) else None

    def _read_image(self, i):
        planes = self._read_field(i, *NESTED)
        try:
            image = np.array(planes, np.float32)
        except (TypeError, ValueError):
            image = None
        if planes is None or image is None or image.ndim != 3:
            got = (
                "none" if planes is None else "planes of unlike shape" if image is None else f"the shape {image.shape}"
            )
            _refuse_images(self.path, f"{got} in row {i}")
        return image

    def read_images(self, start, stop):
        """Images of some rows, ndarray of float32 (n, bands, height, width)."""
        images = [self._read_image(i) for i in range(start, min(stop, len(self)))]
        if len({image.shape for image in images}) > 1:
            _refuse_images(self.path, f"several shapes, {images[0].shape} first")
        return np.stack(images)

    def read_rows(self, start, stop):
        """Spectra of some rows, as of `~astro_spectok.spectra.multimodal.HDF5Shard.read_rows`."""
        return [self._shard.read_row(i) for i in range(start, min(stop, len(self)))]


def _refuse_images(path, got):
    msg = f"pairs: {path} must hold image_flux of the shape (n, bands, height, width); got {got}"
    raise ValueError(msg)


def _decode(values):
    """Values with bytes as text."""
    if values.dtype.kind in "SO":
        return np.array([x.decode() if isinstance(x, bytes) else str(x) for x in values.ravel()]).reshape(values.shape)
    return values
