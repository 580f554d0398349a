# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Survey`: the dataset that a run has written."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from astropy.table import QTable

from astro_spectok.survey.output import import_pyarrow, read_parts
from astro_spectok.survey.work import ERRORS, MANIFEST, RESULTS

__all__ = ["Survey"]


class Survey:
    """The results of a survey run, read only as needed.

    Parameters
    ----------
    out : path-like
        Folder of the run.

    Attributes
    ----------
    paths : list of `~pathlib.Path`
        The files of the dataset, each a table with units, for `astropy.table.QTable.read`, pandas, Arrow and TOPCAT.
    n_unusable : int
        Spectra that could not be measured: rows with a ``message``.
    n_errors : int
        Files, or parts of files, that could not be read: rows of `errors`.
    n_missing : int
        Objects that were asked for by ``ids`` and not found; 0 where that is not known.

    Raises
    ------
    FileNotFoundError
        There is no run in the folder.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok import survey
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> out = pathlib.Path(tempfile.mkdtemp()) / "vectors"
    >>> _ = survey.run(EXAMPLE_PATH, out, "embed", device="cpu")
    >>> found = survey.Survey(out)
    >>> found
    <Survey: 1 spectra, 0 unusable, 0 files not read>
    >>> table = found.read(["id", "wave_max", "embedding"])
    >>> print(table["embedding"].shape, table["wave_max"].unit, table.meta["weights"])
    (1, 376) Angstrom small
    """

    def __init__(self, out: str | PathLike[str]) -> None:
        self.out = Path(out)
        if not (self.out / MANIFEST).is_file():
            msg = f"out: {self.out} holds no run of a survey; give the folder that it was written to"
            raise FileNotFoundError(msg)
        parquet = import_pyarrow().parquet
        self.paths = sorted((self.out / RESULTS).glob("part-*.parquet"))
        self._errors = sorted((self.out / ERRORS).glob("part-*.parquet"))
        self._length = sum(parquet.read_metadata(path).num_rows for path in self.paths)
        self.n_errors = sum(parquet.read_metadata(path).num_rows for path in self._errors)
        self.n_unusable = sum(_count_messages(path) for path in self.paths)
        self.n_missing = 0

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"<Survey: {len(self)} spectra, {self.n_unusable} unusable, {self.n_errors} files not read>"

    def read(self, columns: str | Sequence[str] | None = None) -> QTable:
        """The results as one table, in memory.

        Parameters
        ----------
        columns : str or sequence of str, optional
            All if not given.

        Returns
        -------
        `~astropy.table.QTable`
            A row for each spectrum, in the order of the inputs, with units and descriptions.

        Raises
        ------
        ValueError
            There is no such column.
        FileNotFoundError
            Nothing was measured yet.
        """
        if not self.paths:
            msg = f"out: {self.out} holds no results yet"
            raise FileNotFoundError(msg)
        return read_parts(self.paths, columns)

    def errors(self) -> QTable:
        """Files that could not be read, or not to their end.

        Returns
        -------
        `~astropy.table.QTable`
            Columns ``file``, ``row`` (the first spectrum that is lost, -1 if all are), ``n_lost`` and ``message``.
        """
        if not self._errors:
            return QTable(names=("file", "row", "n_lost", "message"), dtype=("U1", "i8", "i8", "U1"))
        return read_parts(self._errors)

    def write_single(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the results as one Parquet file, for tools that read no folders; memory does not grow with it.

        Parameters
        ----------
        path : str or path-like
            Appears whole or not at all.
        overwrite : bool, optional
            Whether to replace a file that exists.

        Raises
        ------
        FileExistsError
            The file exists and ``overwrite`` is False.
        FileNotFoundError
            Nothing was measured yet.
        """
        from astro_spectok.utils.atomic import replace_file

        if not self.paths:
            msg = f"out: {self.out} holds no results yet"
            raise FileNotFoundError(msg)
        parquet = import_pyarrow().parquet
        schema = _widen(parquet.read_schema(self.paths[0]), [parquet.read_schema(one) for one in self.paths])
        with (
            replace_file(path, overwrite=overwrite) as temporary,
            parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
        ):
            for one in self.paths:
                writer.write_table(parquet.read_table(one).cast(schema))

    def to_hats(self, path: str | PathLike[str], **options: Any) -> None:
        """Write the results as a HATS catalogue, partitioned by position; needs lsdb.

        Parameters
        ----------
        path : str or path-like
            Folder of the catalogue.
        **options
            Of ``lsdb.from_dataframe``, such as ``partition_rows`` and ``catalog_name``.

        Raises
        ------
        ImportError
            lsdb is not installed.
        ValueError
            The dataset has no columns of right ascension and declination.
        """
        from astro_spectok.survey.hats import write_hats

        write_hats(self, path, **options)


def _count_messages(path):
    """Rows of a file that say why they could not be measured."""
    pa = import_pyarrow()
    import pyarrow.compute as compute

    if "message" not in pa.parquet.read_schema(path).names:
        return 0
    messages = pa.parquet.read_table(path, columns=["message"])["message"]
    return compute.sum(compute.not_equal(messages, "")).as_py() or 0


def _widen(schema, others):
    """The schema with the longest text of all files, as Astropy asks for."""
    metadata = dict(schema.metadata)
    for key in metadata:
        if key.startswith(b"table::len::"):
            metadata[key] = str(max(int(other.metadata.get(key, b"1")) for other in others)).encode()
    return schema.with_metadata(metadata)
