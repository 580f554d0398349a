# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`TokenAttention`: which tokens of a spectrum look at which, by block and head."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from astropy import units as u

from astro_spectok.tokens.spectral_tokens import SpectralTokens
from astro_spectok.utils.html import make_html_table, make_sparkline

__all__ = ["TokenAttention"]


@dataclass(frozen=True, eq=False, repr=False)
class TokenAttention:
    """The attention of the encoder to the tokens of one spectrum, made by `~astro_spectok.measure_attention`.

    What a head attends to is not a measure of what a result depends on; it shows where information was moved from.

    Parameters
    ----------
    weights : ndarray of float32, shape (blocks, heads, T, T)
        For each block and head the share that token i (axis 2) takes of token j (axis 3): they add up to 1 over j.
        Those of a token without a good pixel are 0 for j, and mean nothing for i.
    tokens : `~astro_spectok.SpectralTokens`
        The tokens, with their wavelengths.

    Raises
    ------
    ValueError
        ``weights`` do not fit the tokens.

    Examples
    --------
    Which token receives most from the last block, over what it would receive if all received alike:

    >>> from astropy import units as u
    >>> from astro_spectok import measure_attention
    >>> from astro_spectok.example import read_example
    >>> attention = measure_attention(read_example(), device="cpu")
    >>> last = attention.received[-1].mean(axis=0)
    >>> last.shape, round(float(last.mean()), 3)
    ((126,), 1.0)

    What the token at H-alpha takes of all others in the first head of the third block:

    >>> i = attention.find_token(7127 * u.AA)
    >>> attention.weights[2, 0, i].shape
    (126,)
    """

    weights: np.ndarray
    tokens: SpectralTokens

    def __post_init__(self):
        n = len(self.tokens)
        if self.weights.ndim != 4 or self.weights.shape[2:] != (n, n):
            msg = f"weights must have the shape (blocks, heads, {n}, {n}) of the tokens; got {self.weights.shape}"
            raise ValueError(msg)

    @property
    def wavelength(self) -> u.Quantity:
        """Centre of each patch, `~astropy.units.Quantity` of shape (T,), in the unit and medium of the spectrum."""
        return self.tokens.wavelength

    @property
    def mask(self) -> np.ndarray:
        """True for patches without a good pixel, ndarray of bool, shape (T,)."""
        return self.tokens.mask

    @property
    def meta(self) -> dict[str, Any]:
        """As of the tokens: names the weights and versions."""
        return self.tokens.meta

    @cached_property
    def received(self) -> np.ndarray:
        """Attention that each token receives from all, over an even share: ndarray, shape (blocks, heads, T).

        The mean over tokens that are not masked is 1; masked ones receive 0.
        """
        good = ~self.mask
        return self.weights[:, :, good].sum(axis=2)

    @cached_property
    def given(self) -> np.ndarray:
        """The share of its attention that each token gives to others: ndarray, shape (blocks, heads, T).

        0 if it attends to nothing but itself; NaN for masked tokens.
        """
        own = np.diagonal(self.weights, axis1=2, axis2=3)
        return np.where(self.mask, np.nan, 1 - own)

    def find_token(self, wavelength: u.Quantity) -> int:
        """The token whose centre is nearest to a place on the spectral axis, masked ones left out.

        Parameters
        ----------
        wavelength : `~astropy.units.Quantity`
            One value, in any spectral unit; as observed, in the medium of the spectrum.

        Returns
        -------
        int
            Its place among the tokens.

        Raises
        ------
        `~astropy.units.UnitsError`
            The unit cannot be converted to that of the spectral axis.
        """
        place = u.Quantity(wavelength).to(self.wavelength.unit, u.spectral())
        distance = np.where(self.mask, np.inf, np.abs((self.wavelength - place).value))
        return int(np.argmin(distance))

    def plot(self, axes: Any = None) -> np.ndarray:
        """Plot the spectrum the tokens decode to, and below it how much attention each token receives.

        Parameters
        ----------
        axes : sequence of two `~matplotlib.axes.Axes`, optional
            For the spectrum and for the attention; a new figure by default.

        Returns
        -------
        ndarray of `~matplotlib.axes.Axes`
        """
        from astro_spectok.plotting.spectra import plot_attention

        return plot_attention(self, axes)

    def _facts(self):
        """Entries of the representations, as (name, text)."""
        blocks, heads, n, _ = self.weights.shape
        return [
            ("encoder", f"{blocks} blocks of {heads} heads"),
            ("tokens", f"{n}, {int(self.mask.sum())} masked"),
            ("weights", str(self.meta.get("weights", "unknown"))),
        ]

    def __repr__(self):
        return f"<TokenAttention: {'; '.join(f'{name} {text}' for name, text in self._facts())}>"

    def _repr_html_(self):
        received = np.where(self.mask, np.nan, self.received[-1].mean(axis=0))
        picture = make_sparkline(self.wavelength.value, received, label="attention received over wavelength")
        return make_html_table("TokenAttention", self._facts(), [("received, last block", picture)])
