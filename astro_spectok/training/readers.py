# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Real spectra in directories of files, drawn at random without reading them all."""

import logging
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
from astropy.io.fits import VerifyError

from astro_spectok.spectra import read_files
from astro_spectok.spectra.multimodal import (
    HDF5_ENDINGS,
    PARQUET_ENDINGS,
    HDF5Shard,
    ParquetShard,
    convert_row,
    count_rows,
    import_h5py,
    import_parquet,
)
from astro_spectok.training.corpus import Source

__all__ = ["SpectraDirectory", "open_sources"]

log = logging.getLogger(__name__)

#: files that specutils, or a loader of this package, may read
SPECUTILS_ENDINGS = (".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz", ".fits.bz2", ".ecsv", ".txt", ".dat", ".ascii")
#: shards kept open, and the bytes they may hold in memory
MOST_OPEN, MOST_BYTES = 8, 2**29
#: approximate size of a spectrum in a FITS file, to estimate the number of spectra where the header does not give it
TYPICAL_BYTES = 200_000
#: tries after which a directory is given up
MOST_TRIES = 1000
#: what libraries raise for damaged files; EOFError is that of compressed ones that end too early
PROBLEMS = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, VerifyError)


def open_sources(directories, *, medium=None):
    """Open directories of real spectra.

    Parameters
    ----------
    directories : path-like or iterable of path-like
    medium : {'vacuum', 'air'}, optional
        As for `SpectraDirectory`.

    Returns
    -------
    list of `SpectraDirectory`

    Raises
    ------
    FileNotFoundError, ImportError, ValueError
        As for `SpectraDirectory`.
    """
    if isinstance(directories, (str, os.PathLike)):
        directories = [directories]
    return [SpectraDirectory(directory, medium=medium) for directory in directories]


def _list_files(directory):
    """Paths below ``directory`` of files that may hold spectra, relative to it, in order."""
    endings = (*SPECUTILS_ENDINGS, *HDF5_ENDINGS, *PARQUET_ENDINGS)
    found = []
    for place, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = [name for name in files if not name.startswith(".") and name.lower().endswith(endings)]
        found += [os.path.relpath(os.path.join(place, name), directory) for name in shown]
    return sorted(found)


class SpectraDirectory:
    """Observed spectra in all files below a directory, drawn at random.

    FITS and text files of any format that specutils or a loader of this package reads, and HDF5 and Parquet files in
    the layout of the Multimodal Universe [1]_ (``flux``, ``ivar``, ``lambda`` and, if there are, ``mask`` and
    ``lsf_sigma``). One shard is opened at a time (a FITS or HDF5 file, or a row group of a Parquet file) and the last
    few are kept; of an HDF5 file only the rows drawn are read. Files that cannot be read are logged once and left out.

    Wavelengths become vacuum Angstrom. Units of the flux and its size do not matter. Masked, NaN and infinite pixels
    and those without a positive inverse variance get ``ivar`` 0; missing errors are estimated from the flux.

    Parameters
    ----------
    directory : path-like
    medium : {'vacuum', 'air'}, optional
        Of all wavelengths. None: what each file says, else vacuum. HDF5 and Parquet files do not say.

    Attributes
    ----------
    files : list of str
        Their paths relative to ``directory``. Those that turn out not to be spectra are still in it.
    names : list of str
        Of the sets: the folders in ``directory``, and its own name for files right in it. Folders of a partition
        (``healpix=123``) do not count.

    Raises
    ------
    FileNotFoundError
        There is no such directory, or no file in it that may hold spectra.
    ImportError
        There are HDF5 or Parquet files, and h5py or pyarrow is not installed.
    ValueError
        ``medium`` is something else.

    References
    ----------
    .. [1] The Multimodal Universe Collaboration 2024, arXiv:2412.02527.
    """

    def __init__(self, directory, *, medium=None):
        if medium not in (None, "vacuum", "air"):
            msg = f"medium must be 'vacuum', 'air' or None (detected for each file); got {medium!r}"
            raise ValueError(msg)
        self.directory, self.medium = Path(directory), medium
        self.files = _list_files(self.directory)
        if not self.files:
            what = "holds no file of spectra" if self.directory.is_dir() else "is not a directory"
            msg = (
                f"directory: {self.directory} {what}; give one with files that specutils reads (FITS, ECSV, text) or "
                "HDF5 or Parquet files of the Multimodal Universe, in it or in its folders"
            )
            raise FileNotFoundError(msg)
        if any(file.lower().endswith(HDF5_ENDINGS) for file in self.files):
            import_h5py()
        if any(file.lower().endswith(PARQUET_ENDINGS) for file in self.files):
            import_parquet()
        self.names = sorted({self._name_set(file) for file in self.files})
        self._shards = None
        self._problems, self._broken = {}, set()
        self._forget()

    def __len__(self):
        return len(self.files)

    def __getstate__(self):
        # open files belong to one process
        return self.__dict__ | {"_open": OrderedDict(), "_process": None}

    def _forget(self):
        self._open, self._process = OrderedDict(), os.getpid()

    def _name_set(self, file):
        folders = [part for part in Path(file).parts[:-1] if "=" not in part]
        return folders[0] if folders else self.directory.resolve().name

    def _remember_problem(self, file, problem):
        """Log what is wrong with a file, once."""
        if file not in self._problems:
            self._problems[file] = " ".join(str(problem).split())
            log.warning("%s, or a part of it, is left out: %s", self.directory / self.files[file], self._problems[file])

    def _count(self):
        """List the shards, and how many spectra each holds, from headers and sizes: the same in every process."""
        shards, sizes = [], []
        for file, name in enumerate(self.files):
            path = self.directory / name
            try:
                if name.lower().endswith((*HDF5_ENDINGS, *PARQUET_ENDINGS)):
                    counts = count_rows(path)
                else:
                    counts = [max(1, round(path.stat().st_size / TYPICAL_BYTES))]
            except PROBLEMS as error:
                self._remember_problem(file, error)
                continue
            shards += [(file, group) for group in range(len(counts))]
            sizes += counts
        self._shards, self._cumulative = shards, np.cumsum(sizes, dtype=float)
        log.info("%s: %d files, about %d spectra", self.directory, len(self.files), sum(sizes))

    def choose_shards(self, rng, *, count=4):
        """Choose a few shards, to draw from these alone for a while.

        Reading is much faster when many spectra are drawn from one row group of a Parquet file, or one file, than when
        each comes from another. Over all choices every spectrum is still drawn equally often.

        Parameters
        ----------
        rng : `numpy.random.Generator`
        count : int

        Returns
        -------
        ndarray of int, shape (count,)
            For `draw`; a large shard may stand in it twice.
        """
        if self._shards is None:
            self._count()
        total = self._cumulative[-1] if len(self._cumulative) else 0.0
        if not total:
            raise OSError(self._describe_failure())
        return np.searchsorted(self._cumulative, rng.random(count) * total, side="right")

    def draw(self, rng, *, shards=None):
        """One random `Source`, of kind 'observed'.

        Parameters
        ----------
        rng : `numpy.random.Generator`
            The draw depends on the files and the state of ``rng`` alone, not on what was drawn before.
        shards : ndarray of int, optional
            Draw from these alone, see `choose_shards`.

        Returns
        -------
        `~astro_spectok.training.corpus.Source`

        Raises
        ------
        OSError
            None of the files can be read, or hardly any.
        """
        if self._process != os.getpid():  # a fork must not use the files of its parent
            self._forget()
        for _ in range(MOST_TRIES):
            # as many random numbers for each try, so that what is known of a file does not change the draw
            shard = self.choose_shards(rng, count=1)[0] if shards is None else shards[rng.integers(len(shards))]
            source = self._read(int(shard), rng.random())
            if source is not None:
                return source
            if len(self._broken) == len(self._shards):
                break
        raise OSError(self._describe_failure())

    def _describe_failure(self):
        example = "".join(f", {self.files[file]}: {problem}" for file, problem in [*self._problems.items()][:1])
        return (
            f"directory: {self.directory} must hold spectra that can be used; of {len(self.files)} files "
            f"{len(self._problems)} cannot be read, the others have no spectrum with 32 good pixels{example}; see "
            "whether specutils reads them"
        )

    def _read(self, shard, position):
        """The spectrum at ``position`` (0 to 1) in a shard as a `Source`, or None if there is none that can be used."""
        if shard in self._broken:
            return None
        file, group = self._shards[shard]
        try:
            reader = self._get_shard(shard, file, group)
        except PROBLEMS as error:
            self._remember_problem(file, error)
            self._broken.add(shard)
            return None
        try:
            batch, row = reader.read(int(position * len(reader)))
        except PROBLEMS as error:  # of this row; others may be fine
            self._remember_problem(file, error)
            return None
        return _make_source(batch, row, self._name_set(self.files[file]))

    def _get_shard(self, shard, file, group):
        """An open shard; the ones not used for longest are closed."""
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        self._open[shard] = reader = _open_shard(self.directory / self.files[file], group, self.medium)
        while len(self._open) > 1 and (
            len(self._open) > MOST_OPEN or sum(each.nbytes for each in self._open.values()) > MOST_BYTES
        ):
            self._open.popitem(last=False)[1].close()
        return reader


def _open_shard(path, group, medium):
    if path.name.lower().endswith(HDF5_ENDINGS):
        return _RowShard(HDF5Shard(path), medium)
    if path.name.lower().endswith(PARQUET_ENDINGS):
        return _RowShard(ParquetShard(path, group), medium)
    return _FileShard(path, medium)


class _RowShard:
    """Rows in the layout of the Multimodal Universe."""

    def __init__(self, shard, medium):
        self._shard, self._medium = shard, medium
        self.nbytes, self.close = shard.nbytes, shard.close

    def __len__(self):
        return len(self._shard)

    def read(self, i):
        return convert_row(self._shard.read_row(i), medium=self._medium), 0


class _FileShard:
    """All spectra of a file that specutils reads, in memory."""

    def __init__(self, path, medium):
        ((_, self._batch),) = read_files([path], medium=medium)
        self._rows = np.flatnonzero(self._batch.lengths)
        if not len(self._rows):
            raise ValueError(next((i.message for i in self._batch.info if i.message), "no spectrum in it"))
        batch = self._batch
        self.nbytes = batch.wavelength.nbytes + batch.flux.nbytes + batch.ivar.nbytes

    def __len__(self):
        return len(self._rows)

    def read(self, i):
        return self._batch, int(self._rows[i])

    def close(self):
        """Nothing is open: the spectra are in memory."""


def _make_source(batch, row, name):
    """Row of a batch as a `Source`, or None for one that cannot be used."""
    if not batch.lengths[row]:
        return None
    pixels, grid = batch.pixels(row), batch.grid(row)
    resolution = None if batch.resolution is None else batch.resolution[grid]
    if resolution is not None and not np.isfinite(resolution).any():
        resolution = None
    return Source(
        np.log(batch.wavelength[grid]), batch.flux[pixels], batch.ivar[pixels], "observed", name, resolution=resolution
    )
