# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra in the layout of the Multimodal Universe, HDF5 or Parquet: rows of arrays, and rows as batches."""

import logging

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance

from astro_spectok.spectra.batch import SpectrumBatch
from astro_spectok.spectra.convert import to_batch
from astro_spectok.spectra.nested import choose_names, find_columns, list_leaves, read_fields
from astro_spectok.spectra.problems import describe_error, flag_of
from astro_spectok.utils.constants import FWHM_PER_SIGMA
from astro_spectok.utils.optional import import_optional

__all__ = [
    "HDF5_ENDINGS",
    "PARQUET_ENDINGS",
    "HDF5Shard",
    "ParquetShard",
    "convert_row",
    "convert_rows",
    "count_rows",
    "find_resolution",
    "import_h5py",
    "import_parquet",
]

log = logging.getLogger(__name__)

HDF5_ENDINGS = (".h5", ".hdf5")
PARQUET_ENDINGS = (".parquet",)
#: FWHM of a line-spread function in pixels that a spectrograph can have
PLAUSIBLE_FWHM = (1.2, 30.0)


def import_h5py():
    """The module `h5py`; an `ImportError` says how to get it."""
    return import_optional("h5py", "HDF5 files of spectra need h5py", "survey")


def import_parquet():
    """The module `pyarrow.parquet`; an `ImportError` says how to get it."""
    return import_optional("pyarrow.parquet", "Parquet files of spectra need pyarrow", "survey")


def count_rows(path):
    """Count the spectra of each shard of a file, from its header alone.

    Parameters
    ----------
    path : path-like
        Ends in one of `HDF5_ENDINGS`, which is one shard, or `PARQUET_ENDINGS`, of which each row group is one.

    Returns
    -------
    list of int

    Raises
    ------
    OSError, ValueError
        The file is damaged, or has another layout.
    ImportError
        h5py or pyarrow is not installed.
    """
    if str(path).lower().endswith(HDF5_ENDINGS):
        with HDF5Shard(path) as shard:
            return [len(shard)]
    with import_parquet().ParquetFile(path) as file:
        find_columns(file.schema_arrow, path)
        return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]


class HDF5Shard:
    """One HDF5 file with the datasets ``spectrum_flux``, ``spectrum_ivar``, ``spectrum_lambda``, ... of shape (n, L).

    Only the rows asked for are read. ``spectrum_lambda`` may have the shape (L,), for all rows.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    OSError, ValueError
        The file is damaged, or has another layout.
    ImportError
        h5py is not installed.
    """

    #: bytes held in memory
    nbytes = 0

    def __init__(self, path):
        h5py = import_h5py()
        self._file = h5py.File(path, "r")
        try:
            known = {key[len("spectrum_") :] for key in self._file if key.startswith("spectrum_")}
            names = choose_names(known, path)
            self._datasets = {field: self._file[f"spectrum_{name}"] for field, name in names.items()}
            self._length = len(self._datasets["flux"])
            #: what is no spectrum, by name
            self.columns = {
                name: dataset
                for name, dataset in self._file.items()
                if not name.startswith("spectrum_") and isinstance(dataset, h5py.Dataset)
            }
            #: of the file, by name
            self.attributes = dict(self._file.attrs)
        except Exception:
            self._file.close()
            raise

    def __len__(self):
        return self._length

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the file."""
        self._file.close()

    def read_row(self, i):
        """Fields of spectrum ``i``: dict of str to float64 ndarray of shape (L,), or () for one value a spectrum."""
        shared = {"wavelength"} if self._datasets["wavelength"].ndim == 1 else set()
        return {
            field: np.asarray(dataset[:] if field in shared else dataset[i], dtype=np.float64)
            for field, dataset in self._datasets.items()
        }

    def read_rows(self, start, stop):
        """As `read_row` for some rows at once: list of dict; arrays that all rows share are one."""
        shared = "wavelength" if self._datasets["wavelength"].ndim == 1 else None
        arrays = {
            field: np.asarray(dataset[:] if field == shared else dataset[start:stop], dtype=np.float64)
            for field, dataset in self._datasets.items()
        }
        return [
            {field: array if field == shared else array[i] for field, array in arrays.items()}
            for i in range(stop - start)
        ]


class ParquetShard:
    """One row group of a Parquet file: a struct ``spectrum`` of lists, or columns ``spectrum_flux``, ....

    The row group is held in memory, without the columns that are no spectrum.

    Parameters
    ----------
    path : path-like
    group : int

    Raises
    ------
    OSError, ValueError
        The file is damaged, or has another layout.
    ImportError
        pyarrow is not installed.
    """

    def __init__(self, path, group):
        with import_parquet().ParquetFile(path) as file:
            self._struct, self._names = find_columns(file.schema_arrow, path)
            columns = list_leaves(file.schema, self._struct, self._names)
            # threads would compete with the other workers that draw spectra
            self._table = file.read_row_group(group, columns=columns, use_threads=False)

    def __len__(self):
        return self._table.num_rows

    @property
    def nbytes(self):
        """Bytes held in memory."""
        return self._table.nbytes

    def close(self):
        """Nothing is open: the row group is in memory."""

    def read_row(self, i):
        """Fields of spectrum ``i``: dict of str to float64 ndarray of shape (L,), or () for one value a spectrum."""
        (row,) = read_fields(self._table.slice(i, 1), self._struct, self._names)
        return row


def find_resolution(wavelength, lsf_sigma):
    """Resolving power R = wavelength / FWHM from the width of the line-spread function.

    The schema gives ``lsf_sigma`` no unit: the makers of the files used pixels (SDSS, DESI) or Angstrom (APOGEE). It is
    taken as pixels where that makes a FWHM of more than 1.2 pixels, as Angstrom where that does, else as unknown.

    Parameters
    ----------
    wavelength : ndarray, shape (L,)
        Angstrom, increasing but for where arms overlap.
    lsf_sigma : ndarray, shape (L,) or ()
        Standard deviation; NaN and non-positive values are unknown.

    Returns
    -------
    ndarray of float64, shape (L,), or None
        NaN where unknown; None if nothing is known.
    """
    sigma = np.broadcast_to(lsf_sigma, wavelength.shape) if np.size(lsf_sigma) in (1, len(wavelength)) else None
    if sigma is None or len(wavelength) < 2:
        return None
    good = np.isfinite(sigma) & (sigma > 0)
    pixel = np.abs(np.gradient(wavelength))
    good &= pixel > 0
    if not good.any():
        return None
    for in_angstrom in (np.where(good, sigma * pixel, np.nan), np.where(good, sigma, np.nan)):
        fwhm = FWHM_PER_SIGMA * np.median(in_angstrom[good] / pixel[good])
        if PLAUSIBLE_FWHM[0] < fwhm < PLAUSIBLE_FWHM[1]:
            return wavelength / (FWHM_PER_SIGMA * in_angstrom)
    return None


def convert_row(row, *, medium=None):
    """One row as a `SpectrumBatch` of one spectrum.

    Pixels without a positive finite wavelength, which pad short spectra, are left out. Those that are masked (a mask
    that is not 0), whose flux is not finite or whose inverse variance is not positive get ``ivar`` 0. Without any
    errors the noise is estimated from the flux.

    Parameters
    ----------
    row : dict of str to ndarray
        As `HDF5Shard.read_row` returns it.
    medium : {'vacuum', 'air'}, optional
        None is vacuum.

    Returns
    -------
    `~astro_spectok.spectra.SpectrumBatch`
        A row that cannot be used has no pixels.

    Raises
    ------
    ValueError
        Arrays of different lengths.
    """
    return _convert_alike([row], medium)


def convert_rows(rows, *, medium=None, resolution=None):
    """Rows as one `SpectrumBatch`; those that stand together on one grid of wavelengths are converted together.

    Parameters
    ----------
    rows : sequence of dict of str to ndarray
        Each as `convert_row` takes it.
    medium : {'vacuum', 'air'}, optional
        None is vacuum.
    resolution : float or `~astropy.units.Quantity`, optional
        Resolving power, or FWHM with unit, of all; from ``lsf_sigma`` if not given.

    Returns
    -------
    `~astro_spectok.spectra.SpectrumBatch`
        One spectrum for each row; one that cannot be used has no pixels, a flag and the reason.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.spectra.multimodal import convert_rows
    >>> row = {"wavelength": np.linspace(4000, 5000, 100), "flux": np.ones(100), "ivar": np.ones(100)}
    >>> batch = convert_rows([row, row, {"wavelength": np.ones(3), "flux": np.ones(2)}])
    >>> batch.lengths.tolist(), len(batch.wavelength)
    ([100, 100, 0], 100)
    """
    batches, start = [], 0
    while start < len(rows):
        stop = start + 1
        while stop < len(rows) and _share_grid(rows[start], rows[stop]):
            stop += 1
        try:
            batches.append(_convert_alike(rows[start:stop], medium, resolution))
        except (TypeError, ValueError) as error:
            message, flag = describe_error(error), flag_of(error)
            batches += [SpectrumBatch.make_unusable(message, flag=flag) for _ in range(start, stop)]
        start = stop
    return SpectrumBatch.concatenate(batches) if batches else to_batch([])


def _share_grid(row, other):
    """Whether two rows have arrays of the same kinds and lengths, wavelengths and resolution."""
    if row.keys() != other.keys() or any(np.shape(row[key]) != np.shape(other[key]) for key in row):
        return False
    shared = (key for key in ("wavelength", "lsf_sigma") if key in row)
    return all(row[key] is other[key] or np.array_equal(row[key], other[key], equal_nan=True) for key in shared)


def _convert_alike(rows, medium, resolution=None):
    """Rows that share a grid as one batch."""
    first = rows[0]
    wavelength = np.ravel(first["wavelength"])
    keys = [key for key in ("flux", "ivar", "sigma", "mask") if key in first]
    arrays = {key: np.stack([np.ravel(row[key]) for row in rows]) for key in keys}
    lengths = {"wavelength": len(wavelength)} | {key: array.shape[1] for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        msg = f"the arrays of a spectrum must have one length, got {lengths}; write them anew"
        raise ValueError(msg)
    inside = np.isfinite(wavelength) & (wavelength > 0)
    lsf_sigma = np.ravel(first.get("lsf_sigma", np.nan))
    lsf_sigma = lsf_sigma[inside] if len(lsf_sigma) == len(inside) else lsf_sigma
    flux, ivar = arrays["flux"], arrays.get("ivar")
    if ivar is None and "sigma" in arrays:
        with np.errstate(divide="ignore", invalid="ignore"):
            ivar = arrays["sigma"] ** -2.0
    if "mask" in arrays:
        flux = np.where(arrays["mask"] == 0, flux, np.nan)
    spectra = [wavelength[inside] * u.AA, flux[:, inside] * u.dimensionless_unscaled]
    if ivar is not None:
        spectra.append(InverseVariance(ivar[:, inside]))
    if resolution is None:
        resolution = find_resolution(wavelength[inside], lsf_sigma)
    return to_batch(tuple(spectra), medium=medium or "vacuum", resolution=resolution)
