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
        self._columns = self._shard.columns
        self.simulated = bool(self._shard.attributes.get("simulated", False))
        self.filters = str(self._shard.attributes.get("filters", "")).replace(",", " ").split()

    def find_images(self):
        """Number of images, and their shape (bands, height, width)."""
        image = next((self._columns[name] for name in IMAGES if name in self._columns), None)
        if image is None or image.ndim != 4:
            _refuse_images(self.path, "none" if image is None else f"the shape {image.shape}")
        return len(image), image.shape[1:]

    def find_bands(self):
        """Names of the bands, ndarray of str (n, bands) or (bands,), or None."""
        return self.find_column("image_band")

    def find_column(self, *names):
        """Values of the first of some columns that is there, or None."""
        name = next((name for name in names if name in self._columns), None)
        return None if name is None else _decode(self._columns[name][:])

    def read_images(self, start, stop):
        """Images of some rows, ndarray of float32 (n, bands, height, width)."""
        name = next(name for name in IMAGES if name in self._columns)
        return np.asarray(self._columns[name][start:stop], np.float32)

    def read_optics(self, name):
        """A number of the images in each band, ``psf_fwhm`` or ``scale``: ndarray (n, bands), or None."""
        values = self.find_column(f"image_{name}")
        return None if values is None else _fill(values, *self.find_images())

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
        self.path, self.simulated, self.filters = path, False, []
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

    def read_optics(self, name):
        """A number of the images in each band, ``psf_fwhm`` or ``scale``: ndarray (n, bands), or None."""
        rows = [self._read_field(i, name) for i in range(len(self))]
        return None if any(row is None for row in rows) else _fill(rows, *self.find_images())

    def _read_field(self, i, *names):
        """A field of the image of a row: nested in one way or the other, or flat; None where it is not there."""
        if self._flat is not None:
            name = self._flat if names == NESTED else f"image_{names[0]}"
            return self._table[name][i].as_py() if name in self._table.column_names else None
        row = self._table["image"][i]  # only the field is made an object of Python: images are large
        fields = getattr(row, "values", None)
        if fields is not None and hasattr(fields, "field"):  # a list of structs, one for each band
            name = next((name for name in names if fields.type.get_field_index(name) >= 0), None)
            return None if name is None else fields.field(name).to_pylist()
        if not row.is_valid or not hasattr(row, "keys"):
            return None
        return next((row[name].as_py() for name in names if name in row), None)

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


def _fill(values, n, shape):
    """Values as one number for each of n images and each band, (n, bands); None where they are of no such form."""
    try:
        values = np.asarray(values, np.float64)
        values = values[:, None] if values.shape == (n,) and n != shape[0] else values
        return np.broadcast_to(values, (n, shape[0])).copy()
    except (TypeError, ValueError):
        return None


def _decode(values):
    """Values with bytes as text."""
    if values.dtype.kind in "SO":
        return np.array([x.decode() if isinstance(x, bytes) else str(x) for x in values.ravel()]).reshape(values.shape)
    return values
