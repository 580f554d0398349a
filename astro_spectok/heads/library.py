# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A library of spectra at rest: for each family of objects a mean and principal components of ln(flux)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from astro_spectok.heads.protocol import Head, HeadConfig
from astro_spectok.heads.registry import register_head

__all__ = ["FamilyConfig", "FamilyTable", "LibraryConfig", "LibraryHead", "make_edges"]


#: standard deviation of the line spread function of a library, in bins: two of them to a FWHM
SHARPNESS = 0.85


def make_edges(segments):
    """ln(wavelength) between bins that are even within segments.

    Parameters
    ----------
    segments : sequence of (float, float, float)
        Wavelengths in Angstrom from which and to which, and width of the bins in ln(wavelength), about; one begins
        where the one before it ends.

    Returns
    -------
    ndarray of float64, shape (G + 1,)

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.heads.library import make_edges
    >>> edges = make_edges([(4000, 5000, 0.01), (5000, 10000, 0.02)])
    >>> len(edges), np.exp(edges[[0, 22, -1]]).round().tolist()
    (58, [4000.0, 5000.0, 10000.0])
    """
    parts = []
    for low, high, step in segments:
        number = max(1, round(math.log(high / low) / step))
        parts.append(np.linspace(math.log(low), math.log(high), number + 1)[:-1])
    return np.append(np.concatenate(parts), math.log(segments[-1][1]))


#: name, class of the redshift head, segments of the bins, number of components
_FAMILIES = (
    ("stars", "STAR", ((1200.0, 3400.0, 1.5e-3), (3400.0, 9500.0, 3e-4), (9500.0, 26000.0, 2e-3)), 40),
    ("ultracool", "STAR", ((5500.0, 26000.0, 1.5e-3),), 40),
    ("galaxies", "GALAXY", ((900.0, 3400.0, 8e-4), (3400.0, 7300.0, 3.5e-4), (7300.0, 26000.0, 1.5e-3)), 26),
    ("quasars", "QSO", ((900.0, 10000.0, 1.2e-3), (10000.0, 26000.0, 3e-3)), 30),
    ("supernovae", "", ((1500.0, 11000.0, 2e-3),), 48),
)


@dataclass(frozen=True)
class FamilyConfig:
    """Sizes of one family of a library.

    Attributes
    ----------
    name : str
    cls : str
        Class of the redshift head whose redshifts it is tried at; '' for a family that no class stands for, whose
        redshift is looked for with its own components.
    segments : tuple of (float, float, float)
        Of its bins, as of `make_edges`.
    components : int
    """

    name: str
    cls: str
    segments: tuple
    components: int


@dataclass(frozen=True)
class LibraryConfig(HeadConfig):
    """Sizes of a library.

    Attributes
    ----------
    families : tuple of (str, str, tuple, int)
        Name, class, segments and number of components of each, as of `FamilyConfig`.

    Examples
    --------
    >>> from astro_spectok.heads.library import LibraryConfig
    >>> [family.name for family in LibraryConfig().list_families()]
    ['stars', 'ultracool', 'galaxies', 'quasars', 'supernovae']
    """

    families: tuple = _FAMILIES

    def list_families(self):
        """The families: list of `FamilyConfig`."""
        return [FamilyConfig(*one) for one in self.families]


@dataclass(frozen=True)
class FamilyTable:
    """Mean, components and what they leave, as integrals over ln(wavelength), so that any pixel has its mean over them.

    Attributes
    ----------
    config : `FamilyConfig`
    edges : ndarray of float64, shape (G + 1,)
    integral : ndarray of float64, shape (G + 1, 1 + K + 1)
        Up to each edge, of the mean, the components and the variance that they leave.
    """

    config: FamilyConfig
    edges: np.ndarray
    integral: np.ndarray

    def sample(self, x, half, sigma, columns=slice(None)):
        """Means over pixels, as sharp as an instrument sees them.

        Parameters
        ----------
        x, half : ndarray, shape (...,)
            Centre and half width of each, in ln(wavelength) at rest; pixels beyond the ends get what stands there,
            and none is narrower than a bin.
        sigma : ndarray, shape (...,)
            Standard deviation of the line spread function in ln(wavelength); what is finer than the library itself
            changes nothing.
        columns : slice, optional
            Of the table.

        Returns
        -------
        values : ndarray of float64, shape (..., columns)
        inside : bool ndarray, shape (...,)
            Pixels that lie within the bins.
        step : ndarray, shape (...,)
            Width of the bin at each.
        """
        edges, table = self.edges, self.integral[:, columns]
        last = len(edges) - 2
        step = np.diff(edges)[np.clip(np.searchsorted(edges, x, side="right") - 1, 0, last)]
        # a box of the same variance as pixel and line spread function together
        half = np.sqrt(half**2 + 3 * np.maximum(sigma**2 - (SHARPNESS * step) ** 2, 0))
        half = np.clip(half, step / 2, (edges[-1] - edges[0]) / 4)
        inside = (x - half >= edges[0]) & (x + half <= edges[-1])
        middle = np.clip(x, edges[0] + half, edges[-1] - half)
        low, high = self._integrate(table, middle - half, last), self._integrate(table, middle + half, last)
        return (high - low) / (2 * half)[..., None], inside, step

    def _integrate(self, table, x, last):
        left = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, last)
        part = np.clip((x - self.edges[left]) / (self.edges[left + 1] - self.edges[left]), 0, 1)[..., None]
        return table[left] * (1 - part) + table[left + 1] * part


@register_head
class LibraryHead(Head):
    """Components of spectra at rest, with which decoding infers what is hidden; see `astro_spectok.engine.hidden`.

    They are made in closed form (``training/library.py``), not trained, and the head measures nothing by itself.

    Parameters
    ----------
    config : `LibraryConfig`
    network : `~astro_spectok.network.NetworkConfig`

    Attributes
    ----------
    mean_NAME, variance_NAME : tensor, shape (G,)
        Of each family: ln(flux), but for a constant, and the variance that the components leave in a bin.
    basis_NAME : tensor, shape (K, G)
        Components, for coefficients of unit variance.
    """

    kind = "library"
    config_class = LibraryConfig
    needs: ClassVar[tuple] = ()

    def __init__(self, config, network=None):
        super().__init__(config, network)
        self._tables = {}
        plain = {"dtype": torch.float32, "device": "cpu"}  # whatever the defaults of the program around are
        for family in config.list_families():
            size = len(make_edges(family.segments)) - 1
            self.register_buffer(f"mean_{family.name}", torch.zeros(size, **plain))
            self.register_buffer(f"basis_{family.name}", torch.zeros(family.components, size, **plain))
            self.register_buffer(f"variance_{family.name}", torch.ones(size, **plain))

    @property
    def gives(self):
        """Nothing; see `Head.gives`."""
        return {}

    def set_family(self, name, mean, basis, variance):
        """Give a family its mean (G,), components (K, G), fewer if there are fewer, and variance (G,)."""
        own = {key: getattr(self, f"{key}_{name}") for key in ("mean", "basis", "variance")}
        own["basis"].zero_()
        self._tables = {}
        for key, values in (("mean", mean), ("basis", basis), ("variance", variance)):
            own[key][: len(values)] = torch.as_tensor(np.array(values), dtype=torch.float32)

    def list_families(self):
        """The families: list of `FamilyConfig`."""
        return self.config.list_families()

    def _load_from_state_dict(self, *args, **kwargs):
        self._tables = {}
        super()._load_from_state_dict(*args, **kwargs)

    def get_table(self, family):
        """Numbers of a family, ready to be sampled; made once.

        Parameters
        ----------
        family : `FamilyConfig`

        Returns
        -------
        FamilyTable
        """
        kept = self._tables
        if family.name not in kept:
            # replaced as a whole, for other threads
            kept = self._tables = kept | {family.name: self._make_table(family)}
        return kept[family.name]

    def _make_table(self, family):
        edges = make_edges(family.segments)
        rows = [getattr(self, f"{key}_{family.name}").detach().cpu().numpy() for key in ("mean", "basis", "variance")]
        values = np.concatenate([rows[0][None], rows[1], rows[2][None]]).T.astype(np.float64)  # (G, K + 2)
        integral = np.zeros((len(edges), values.shape[1]))
        np.cumsum(values * np.diff(edges)[:, None], axis=0, out=integral[1:])
        return FamilyTable(family, edges, integral)
