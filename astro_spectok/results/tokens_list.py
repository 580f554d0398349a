# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectralTokensList`: the tokens of many spectra, in the order of the input."""

import numpy as np

from astro_spectok.results.html import make_html_table

__all__ = ["SpectralTokensList"]


class SpectralTokensList(list):
    """The tokens of many spectra, one `SpectralTokens` for each, in the order of the input.

    A spectrum that could not be used has no tokens (length 0); its ``meta['warn']`` and ``info.message`` say why.
    """

    @property
    def warn(self):
        """Bits of `~astro_spectok.spectra.InputFlag` for each spectrum, ndarray of int64."""
        return np.array([tokens.meta.get("warn", 0) for tokens in self], dtype=np.int64)

    @property
    def embedding(self):
        """One vector per spectrum, ndarray of shape (n, E); NaN for those that could not be used."""
        return np.array([tokens.embedding for tokens in self])

    def write(self, path, *, overwrite=False):
        """Write all tokens to one ECSV, FITS or Parquet table, from which `read` makes them again."""
        from astro_spectok.results.tokens_io import write_tokens

        write_tokens(self, path, overwrite=overwrite)

    @classmethod
    def read(cls, path, *, weights=None, device="auto"):
        """Read what `write` wrote; keywords as for `SpectralTokens.read`."""
        from astro_spectok.results.tokens_io import read_tokens

        return read_tokens(path, weights=weights, device=device)

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
