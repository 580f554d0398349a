# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectrumEmbedder`: `~astro_spectok.embed` as a transformer of scikit-learn."""

from os import PathLike
from typing import Any, Self

import numpy as np

from astro_spectok.adapt.sklearn_parts import BaseEstimator, TransformerMixin
from astro_spectok.adapt.spectrum_set import SpectrumSet
from astro_spectok.embedding import embed
from astro_spectok.utils.host import own_state

__all__ = ["SpectrumEmbedder"]


class SpectrumEmbedder(TransformerMixin, BaseEstimator):
    """Turn spectra into vectors: a scikit-learn transformer that needs no fit.

    Parameters
    ----------
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:N', 'mps'.
    batch_tokens : int, optional
        Most tokens that go through the network at once.
    medium : {'vacuum', 'air'}, optional
        Of the wavelengths; what each spectrum says if not given.
    resolution : float or `~astropy.units.Quantity`, optional
        Resolving power, or FWHM with unit.
    parts : str or sequence of str, optional
        Parts of the embedding, as for `~astro_spectok.embed`; all by default.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from astro_spectok.adapt import SpectrumEmbedder
    >>> wavelength = np.linspace(4000, 7000, 640) * u.AA
    >>> spectra = [(wavelength, (2 + np.sin(wavelength.value / 200 + k)) * u.Jy) for k in range(6)]
    >>> make_pipeline(SpectrumEmbedder(device="cpu", medium="vacuum"), PCA(2)).fit_transform(spectra).shape
    (6, 2)
    """

    def __init__(
        self,
        weights: str | PathLike[str] | None = None,
        device: str = "auto",
        batch_tokens: int | None = None,
        *,
        medium: str | None = None,
        resolution: Any = None,
        parts: Any = None,
    ) -> None:
        self.weights = weights
        self.device = device
        self.batch_tokens = batch_tokens
        self.medium = medium
        self.resolution = resolution
        self.parts = parts

    @own_state
    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing: there is nothing to learn.

        Parameters
        ----------
        X, y
            Ignored.

        Returns
        -------
        SpectrumEmbedder
        """
        return self

    @own_state
    def transform(self, X: Any) -> np.ndarray:
        """Vectors of spectra.

        Parameters
        ----------
        X
            Spectra, as for `SpectrumSet`; a single one is a set of one.

        Returns
        -------
        ndarray of float32, shape (n, E)
            NaN for spectra that cannot be used. ``set_output(transform="pandas")`` makes a data frame of it.
        """
        batch = SpectrumSet(X, medium=self.medium, resolution=self.resolution, weights=self.weights).batch
        return embed(
            batch,
            parts=self.parts,
            weights=self.weights,
            device=self.device,
            batch_tokens=self.batch_tokens,
            progress=False,
        )

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns.

        Parameters
        ----------
        input_features
            Ignored.

        Returns
        -------
        ndarray of str, shape (E,)
        """
        from astro_spectok.engine.embedder import Embedder
        from astro_spectok.weights import load_network

        embedder = Embedder(load_network(self.weights))
        size = embedder.find_size(embedder.choose(self.parts))
        return np.array([f"embedding_{k}" for k in range(size)], object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.allow_nan = False, True
        tags.no_validation, tags.requires_fit = True, False
        return tags

    def __sklearn_is_fitted__(self):
        return True
