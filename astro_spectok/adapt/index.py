# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectrumIndex`: what in an archive looks like a spectrum, exactly and at once."""

import os
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.table import QTable

from astro_spectok.adapt.cells import VectorCells, import_faiss
from astro_spectok.adapt.index_files import read_index, write_index
from astro_spectok.adapt.spectrum_set import SpectrumSet
from astro_spectok.adapt.table_columns import PlainTable, choose_rows
from astro_spectok.adapt.vectors import check_count, find_nearest, scale_vectors
from astro_spectok.embedding import embed
from astro_spectok.exceptions import WeightsError
from astro_spectok.spectra import is_single
from astro_spectok.utils.host import own_state
from astro_spectok.weights.backbone import digest_backbone
from astro_spectok.weights.format import check_path

__all__ = ["SpectrumIndex"]


class SpectrumIndex:
    """Vectors of many spectra, which can be searched for similar ones.

    The search is exact by default: it compares all vectors. The index records the backbone that made its vectors, and
    refuses those of any other.

    Parameters
    ----------
    obj : optional
        Spectra in any form, as for `SpectrumSet`.
    table : `~astropy.table.Table` or dict, optional
        Columns of numbers or text, a row for each spectrum: returned with what is found, and searched by.
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Most tokens that go through the network at once.
    medium, resolution
        As for `~astro_spectok.embed`.
    progress : bool, optional
        Show a progress bar. Default: for long work on a terminal.
    **options
        Others of `~astro_spectok.embed`, remembered for what is added and searched for.

    Attributes
    ----------
    vectors : ndarray of float32, shape (n, E)
        Of unit length; NaN for spectra that could not be used, which are never found.
    backbone : dict of str to str
        ``name`` and ``sha256`` of the weights.

    Raises
    ------
    TypeError, ValueError
        ``obj`` holds no spectra, or ``table`` does not fit them.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.adapt import SpectrumIndex
    >>> wavelength = np.linspace(4000, 7000, 640)
    >>> spectra = [(wavelength * u.AA, (2 + np.sin(wavelength / (100 + 20 * k))) * u.Jy) for k in range(6)]
    >>> index = SpectrumIndex(spectra, {"period": [100, 120, 140, 160, 180, 200] * u.AA}, medium="vacuum", device="cpu")
    >>> len(index)
    6
    >>> found = index.search(spectra[2], 2, medium="vacuum")
    >>> print(found["row"][0], found["period"][0], f"{found['likeness'][0]:.2f}")
    2 140.0 Angstrom 1.00
    >>> index.search(spectra[2], 1, where={"period": (150 * u.AA, 170 * u.AA)}, medium="vacuum")["row"].tolist()
    [3]
    """

    def __init__(
        self,
        obj: Any = None,
        table: Any = None,
        *,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
        medium: str | None = None,
        resolution: Any = None,
        progress: bool | None = None,
        **options: Any,
    ) -> None:
        self.weights, self.device, self.batch_tokens, self.options = weights, device, batch_tokens, options
        self.vectors, self.names = np.zeros((0, 0), np.float32), np.zeros((0, 1), np.uint8)
        self.table = PlainTable({}, {}, set())
        self.backbone: dict[str, str] = {}
        self._cells: VectorCells | None = None
        if obj is not None:
            self.add(obj, table, medium=medium, resolution=resolution, progress=progress)

    @classmethod
    def from_vectors(
        cls,
        vectors: Any,
        table: Any = None,
        *,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        **options: Any,
    ) -> Self:
        """An index of vectors that are at hand, of spectra or of another kind of data in their space.

        Parameters
        ----------
        vectors : array_like, shape (n, E)
            Such as those of `~astro_spectok.align.embed_photometry`, with ``parts="photometry"`` as an option, so that
            spectra can be searched for; or of a `~astro_spectok.align.ContrastiveAligner`. NaN is never found.
        table, weights, device, **options
            As for the index itself.

        Returns
        -------
        SpectrumIndex

        Raises
        ------
        TypeError
            ``vectors`` cannot be converted to numbers.
        ValueError
            They are no rows of numbers, or ``table`` does not fit them.
        """
        index = cls(weights=weights, device=device, **options)
        try:
            values = np.asarray(vectors, np.float32)
        except (TypeError, ValueError) as error:
            msg = "vectors must be rows of numbers, (n, E); got what cannot be converted to numbers"
            raise TypeError(msg) from error
        if values.ndim != 2 or not values.size:
            msg = f"vectors must be rows of numbers, (n, E); got the shape {values.shape}; one vector is vectors[None]"
            raise ValueError(msg)
        index._load()
        n = len(values)
        index.vectors, index.table = scale_vectors(values), PlainTable.of_table(table, n)
        index.names = np.zeros((n, 1), np.uint8)
        return index

    def __len__(self):
        return len(self.vectors)

    def _load(self):
        """The weights, which must be those that the vectors are from."""
        from astro_spectok.weights import load_weights

        loaded = load_weights(self.weights)
        own = {"name": loaded.name, "sha256": digest_backbone(loaded.network)}
        if not self.backbone:
            self.backbone = own
        elif own["sha256"] != self.backbone["sha256"]:
            msg = (
                f"weights must be those of this index, {self.backbone['name']!r} with the backbone "
                f"{self.backbone['sha256'][:12]}; got {own['name']!r} with {own['sha256'][:12]}; give the path of the "
                "former, or build the index anew"
            )
            raise WeightsError(msg)

    def _embed(self, obj, medium, resolution, progress):
        """Vectors of unit length, and names."""
        self._load()
        batch = SpectrumSet(obj, medium=medium, resolution=resolution, weights=self.weights).batch
        vectors = embed(
            batch, weights=self.weights, device=self.device, batch_tokens=self.batch_tokens, progress=progress,
            **self.options,
        )  # fmt: skip
        return scale_vectors(vectors), [info.name for info in batch.info]

    @own_state
    def add(
        self,
        obj: Any,
        table: Any = None,
        *,
        medium: str | None = None,
        resolution: Any = None,
        progress: bool | None = None,
    ) -> Self:
        """Add spectra at the end.

        Parameters
        ----------
        obj, table, medium, resolution, progress
            As for the index itself; the table has the columns of the index, in units that convert to theirs.

        Returns
        -------
        SpectrumIndex
            The same one.

        Raises
        ------
        ValueError
            ``table`` fits neither spectra nor index.
        `~astro_spectok.exceptions.WeightsError`
            The weights are others than those of the index.
        """
        spectra = SpectrumSet(obj, medium=medium, resolution=resolution, weights=self.weights)
        more = PlainTable.of_table(table, len(spectra))
        more = more if not len(self) else self.table.join(more)
        vectors, names = self._embed(spectra, None, None, progress)
        names = PlainTable.of_table({"name": np.array(names, dtype=str)}, len(spectra)).arrays["name"]
        if len(self):
            width = max(names.shape[1], self.names.shape[1])
            old, names = (np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x in (self.names, names))
            vectors, names = np.concatenate([self.vectors, vectors]), np.concatenate([old, names])
        self.vectors, self.names, self.table = vectors, names, more
        return self

    @own_state
    def search(
        self,
        query: Any,
        k: int = 10,
        *,
        where: Any = None,
        exact: bool = True,
        medium: str | None = None,
        resolution: Any = None,
        progress: bool | None = None,
    ) -> QTable:
        """The spectra that are most like others.

        Parameters
        ----------
        query
            Spectra in any form, as for `SpectrumSet`; or their vectors, an ndarray of shape (E,) or (m, E).
        k : int, optional
            How many for each.
        where : dict, callable or ndarray of bool, optional
            Which rows may be found. For some columns a value, a list of values, or a tuple (low, high) of which either
            may be None; or a function of the table that gives a mask; or a mask.
        exact : bool, optional
            Whether each vector is compared. False looks into the nearest cells alone, through faiss (the extra
            ``faiss``): for more than a million vectors. The cells are made at the first such search, and the nearest
            few are compared exactly; one in a hundred neighbours may be missed.
        medium, resolution, progress
            As for `~astro_spectok.embed`.

        Returns
        -------
        `~astropy.table.QTable`
            Columns ``query`` (number of the spectrum that was searched for), ``rank`` from 1, ``row`` of the index,
            ``name``, ``likeness`` (cosine of the angle between the vectors, at most 1), and those of the table. A
            spectrum that cannot be used has no rows.

        Raises
        ------
        ImportError
            ``exact`` is False, and there is no faiss.
        ValueError
            The index is empty, ``k`` is not positive, ``where`` does not fit, or is given with ``exact=False``.
        `~astro_spectok.exceptions.WeightsError`
            The weights are others than those of the index.
        """
        if not len(self):
            msg = "the index must hold spectra before it is searched; add(...) some"
            raise ValueError(msg)
        k = check_count(k)
        if not exact:
            if where is not None:
                msg = "where must be left out with exact=False, which knows no columns; search with exact=True"
                raise ValueError(msg)
            import_faiss()  # before anything is embedded
        if isinstance(query, np.ndarray) and query.dtype.kind in "fiu":
            size = self.vectors.shape[1]
            if query.ndim not in (1, 2) or query.shape[-1] != size:
                msg = f"query must be spectra, or vectors of the shape ({size},) or (m, {size}); got {query.shape}"
                raise ValueError(msg)
            vectors = scale_vectors(np.atleast_2d(query))
        else:
            vectors, _ = self._embed([query] if is_single(query) else query, medium, resolution, progress)
        allowed = choose_rows(self.table, where, len(self))
        if exact:
            number, row, likeness = find_nearest(vectors, self.vectors, allowed, k)
        else:
            if self._cells is None or self._cells.n != len(self):
                self._cells = VectorCells(self.vectors)
            number, row, likeness = self._cells.find(vectors, k)
        found = QTable()
        found["query"], found["row"], found["likeness"] = number, row, likeness
        rank = np.arange(len(number)) - np.searchsorted(number, number) + 1
        found.add_column(rank, 1, "rank")
        found.add_column(PlainTable({"name": self.names}, {}, {"name"}).read("name", row), 3, "name")
        for name, column in self.table.take(row).items():
            found[f"table_{name}" if name in found.colnames else name] = column
        found.meta = {"weights": self.backbone["name"], "backbone_sha256": self.backbone["sha256"]}
        return found

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the index as one safetensors file, which `open` does not load into memory.

        Parameters
        ----------
        path : str or path-like
            Must end in ``.safetensors``.
        overwrite : bool, optional
            Whether to replace a file that exists.

        Returns
        -------
        `~pathlib.Path`
            The file.

        Raises
        ------
        ValueError
            The index is empty, or the path has another ending.
        FileExistsError
            The file exists and ``overwrite`` is False.
        """
        path = check_path(path, overwrite=overwrite)
        if not len(self):
            msg = "the index must hold spectra before it is saved; add(...) some"
            raise ValueError(msg)
        arrays = {"vectors": self.vectors, "names": self.names}
        arrays |= {f"columns.{k}": x for k, x in enumerate(self.table.arrays.values())}
        about = {
            "n": len(self),
            "backbone": self.backbone,
            "columns": self.table.names,
            "units": self.table.units,
            "text": sorted(self.table.text),
            "options": {name: value for name, value in self.options.items() if value is not None},
        }
        return write_index(path, about, arrays, overwrite=overwrite)

    @classmethod
    @own_state
    def open(
        cls,
        path: str | PathLike[str],
        *,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
    ) -> Self:
        """Open what ``save`` wrote; vectors and columns stay on the disk until they are searched.

        Parameters
        ----------
        path : str or path-like
            The file.
        weights : str or path-like, optional
            Registry name or path of the weights of the index; found by their name if not given, once they are needed.
        device, batch_tokens
            As for the index itself.

        Returns
        -------
        SpectrumIndex

        Raises
        ------
        FileNotFoundError
            There is no such file.
        `~astro_spectok.exceptions.WeightsError`
            It is no index, or damaged.
        """
        path = Path(path).expanduser()
        if not path.is_file():
            msg = f"path must be a file that SpectrumIndex.save wrote; got {os.fspath(path)!r}, where there is none"
            raise FileNotFoundError(msg)
        try:
            return cls._from_file(path, weights, device, batch_tokens)
        except WeightsError:
            raise
        except Exception as error:
            msg = f"The file {os.fspath(path)} cannot be used as an index: {type(error).__name__}: {error}"[:300]
            raise WeightsError(f"{msg}; write it again with SpectrumIndex.save") from error

    @classmethod
    def _from_file(cls, path, weights, device, batch_tokens):
        """The index in a file, its arrays on the disk."""
        about, arrays = read_index(path)
        backbone = {key: str(about["backbone"][key]) for key in ("name", "sha256")}
        index = cls(weights=backbone["name"] if weights is None else weights, device=device, batch_tokens=batch_tokens)
        index.options, index.backbone = dict(about["options"]), backbone
        index.vectors, index.names = arrays["vectors"], arrays["names"]
        kept = {name: arrays[f"columns.{k}"] for k, name in enumerate(about["columns"])}
        index.table = PlainTable(kept, {str(k): str(v) for k, v in about["units"].items()}, about["text"])
        return index

    def __repr__(self):
        name = self.backbone["name"] if self.backbone else "no weights yet"
        return f"<SpectrumIndex of {len(self)} spectra ({name}); columns {', '.join(self.table.names) or 'none'}>"
