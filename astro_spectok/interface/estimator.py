# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Base of all estimators: parameters that are stored as they are given, and files as input."""

import inspect
from collections.abc import Sequence
from os import PathLike
from typing import Any, Self

from astropy.table import QTable

from astro_spectok.interface.provenance import word_call, word_options
from astro_spectok.interface.streaming import measure_in_chunks
from astro_spectok.spectra import READ_OPTIONS
from astro_spectok.utils.html import make_html_table

__all__ = ["Estimator"]


class Estimator:
    """An estimator in the manner of scikit-learn: parameters are stored unchanged, and validated when they are used.

    Subclasses take ``weights``, ``device``, ``batch_tokens`` and parameters of their own, store each under its name,
    and have ``estimate(obj, *, medium=None, resolution=None, progress=None)``.

    Examples
    --------
    >>> from astro_spectok.estimators import RedshiftEstimator
    >>> from astro_spectok.interface import Estimator
    >>> estimator = RedshiftEstimator(device="cpu")
    >>> isinstance(estimator, Estimator)
    True
    >>> estimator.set_params(n_best=5, classes="GALAXY")
    RedshiftEstimator(device='cpu', classes='GALAXY', n_best=5)
    >>> estimator.get_params()["n_best"]
    5

    Files become rows of a table:

    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> table = estimator.estimate_files([EXAMPLE_PATH])
    >>> print(f"{table['name'][0]}: {table['z'][0]:.3f}")
    made-up galaxy: 0.086
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name.

        Parameters
        ----------
        deep : bool, optional
            Is there for scikit-learn and changes nothing.

        Returns
        -------
        dict
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name.

        Parameters
        ----------
        **params
            New values; they are checked when ``estimate`` uses them.

        Returns
        -------
        Estimator
            The same one.

        Raises
        ------
        ValueError
            There is no parameter of that name.
        """
        known = self.get_params()
        for name in params:
            if name not in known:
                msg = f"{type(self).__name__} has no parameter {name!r}; there are {', '.join(known)}"
                raise ValueError(msg)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def estimate(
        self, obj: Any, *, medium: str | None = None, resolution: Any = None, progress: bool | None = None
    ) -> Any:
        """Result of one spectrum, or a table of many; subclasses define it.

        Parameters
        ----------
        obj, medium, resolution, progress
            As for `~astro_spectok.tokenize`.

        Raises
        ------
        NotImplementedError
            This class estimates nothing.
        """
        msg = f"{type(self).__name__} must have a method estimate"
        raise NotImplementedError(msg)

    def estimate_files(
        self,
        paths: str | PathLike[str] | Sequence[str | PathLike[str]],
        *,
        file_format: str | None = None,
        medium: str | None = None,
        resolution: Any = None,
        progress: bool | None = None,
        **kwargs: Any,
    ) -> QTable:
        """Estimate for the spectra in files, which are read some hundred at a time and forgotten once measured.

        Parameters
        ----------
        paths : str, path-like, or sequence of these
            Files of any format that specutils or this package reads.
        file_format : str, optional
            specutils' name of the format of all of them; found out from each file if not given.
        medium, resolution, progress
            As for ``estimate``.
        **kwargs
            Others of ``estimate``; and ``wave_unit``, ``flux_unit``, ``columns``, ``hdu``, ``join``, ``spaxel`` of
            `~astro_spectok.read`, for what the files do not say.

        Returns
        -------
        `~astropy.table.QTable`
            As of ``estimate`` for many spectra, with the column ``file`` before the others, and ``part`` where a file
            holds several orders, arms or extensions; one row for each spectrum, in order. A file that cannot be read is
            one flagged row.

        Raises
        ------
        ValueError
            ``paths`` is empty, or an option is not one of those there are.
        """
        reading = {name: kwargs.pop(name) for name in READ_OPTIONS if name in kwargs}

        def measure(batch, progress):
            return self.estimate(batch, progress=progress, **kwargs)

        table = measure_in_chunks(
            paths, measure, label=type(self).__name__, file_format=file_format, medium=medium, resolution=resolution,
            progress=progress, **reading,
        )  # fmt: skip
        options = {"file_format": file_format, "medium": medium, "resolution": resolution} | reading | kwargs
        table.meta["call"] = self._word_call("estimate_files", **options)
        return table

    def _word_call(self, method: str, **options: Any) -> str:
        """A call of a method in words, for the metadata."""
        return word_call(f"{self!r}.{method}", **options)

    def __repr__(self) -> str:
        changed = {
            name: getattr(self, name)
            for name, parameter in inspect.signature(type(self)).parameters.items()
            if getattr(self, name) is not parameter.default
        }
        return f"{type(self).__name__}({', '.join(word_options(changed))})"

    def _repr_html_(self) -> str:
        return make_html_table(type(self).__name__, [(name, repr(x)) for name, x in self.get_params().items()])
