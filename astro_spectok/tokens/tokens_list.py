# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectralTokensList`: the tokens of many spectra, in the order of the input."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Self, SupportsIndex, overload

import numpy as np

from astro_spectok.tokens.spectral_tokens import SpectralTokens
from astro_spectok.tokens.token_files import read_tokens, write_tokens
from astro_spectok.utils.html import make_html_table

__all__ = ["SpectralTokensList"]


class SpectralTokensList(list):
    """The tokens of many spectra, one `SpectralTokens` for each, in the order of the input.

    A spectrum that could not be used has no tokens (length 0); its ``meta['warn']`` and ``info.message`` say why. A
    slice, a list of positions and a mask of True and False give a list of this kind again.

    Examples
    --------
    Two spectra of different lengths in, and the same two from a file:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok import SpectralTokensList, tokenize
    >>> wavelength, flux = np.linspace(4000, 7000, 640) * u.AA, (2 + np.sin(np.arange(640))) * u.Jy
    >>> many = tokenize([(wavelength, flux), (wavelength[:320], flux[:320])], medium="vacuum", device="cpu")
    >>> [len(tokens) for tokens in many], many.embedding.shape
    ([20, 10], (2, 376))
    >>> many[many.warn < 256].embedding.shape
    (2, 376)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tokens.fits"
    >>> many.write(path)
    >>> [len(tokens) for tokens in SpectralTokensList.read(path)]
    [20, 10]
    """

    # an array of one number may be a position too
    @overload
    def __getitem__(self, key: SupportsIndex) -> SpectralTokens: ...  # type: ignore[overload-overlap]

    @overload
    def __getitem__(self, key: slice | Sequence[int] | np.ndarray) -> Self: ...

    def __getitem__(self, key: Any) -> Any:
        """The tokens at a position; those at a slice, several positions or a mask, as a list like this one."""
        if isinstance(key, slice):
            return type(self)(super().__getitem__(key))
        if isinstance(key, list | np.ndarray) and np.ndim(key) == 1:
            places = np.arange(len(self))[np.asarray(key, None if len(key) else int)]
            return type(self)([self[int(i)] for i in places])
        return super().__getitem__(key)

    def __add__(self, other: Any) -> Self:
        return type(self)(super().__add__(other))

    @property
    def warn(self) -> np.ndarray:
        """Bits of `~astro_spectok.spectra.InputFlag` for each spectrum, ndarray of int64."""
        return np.array([tokens.meta.get("warn", 0) for tokens in self], dtype=np.int64)

    @property
    def embedding(self) -> np.ndarray:
        """One vector per spectrum, ndarray of shape (n, E); NaN for those that could not be used."""
        return np.array([tokens.embedding for tokens in self])

    def embed(self, parts: str | Sequence[str] | None = None) -> np.ndarray:
        """One vector per spectrum, of the parts that are asked for.

        Parameters
        ----------
        parts : str or sequence of str, optional
            As for `SpectralTokens.embed`, whose errors are raised here too.

        Returns
        -------
        ndarray of float32, shape (n, E)
            NaN for those that could not be used.
        """
        return np.array([tokens.embed(parts) for tokens in self])

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write all tokens to one ECSV, FITS or Parquet table, from which `read` makes them again.

        Parameters
        ----------
        path, overwrite
            As for `SpectralTokens.write`, whose errors are raised here too.
        """
        write_tokens(self, path, overwrite=overwrite)

    @classmethod
    def read(
        cls, path: str | PathLike[str], *, weights: str | PathLike[str] | None = None, device: str = "auto"
    ) -> Self:
        """Read what `write` wrote.

        Parameters
        ----------
        path, weights, device
            As for `SpectralTokens.read`.

        Returns
        -------
        SpectralTokensList
        """
        return cls(SpectralTokens(**tokens) for tokens in read_tokens(path, weights=weights, device=device))

    def plot(self, axes: Any = None) -> Any:
        """Plot a map of the embeddings, numbered in the order of the input.

        See `~astro_spectok.plotting.plot_embeddings` for what it shows.

        Parameters
        ----------
        axes : `~matplotlib.axes.Axes`, optional
            New ones in a figure of their own by default.

        Returns
        -------
        `~matplotlib.axes.Axes`
        """
        from astro_spectok.plotting import plot_embeddings

        return plot_embeddings(self.embedding, axes)

    def _facts(self):
        counts = [len(tokens) for tokens in self]
        empty = sum(count == 0 for count in counts)
        return [
            ("spectra", f"{len(self)}, {empty} of them without tokens"),
            ("tokens", f"{sum(counts)} in all, {min(counts, default=0)} to {max(counts, default=0)} per spectrum"),
        ]

    def __repr__(self):
        return f"<SpectralTokensList: {'; '.join(f'{name} {text}' for name, text in self._facts())}>"

    def _repr_html_(self):
        return make_html_table("SpectralTokensList", self._facts())
