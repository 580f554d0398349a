# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars drawn out of the public sets: as they are, mixed with neighbours, or out of principal components."""

import numpy as np
import torch

from astro_spectok.simulate.stellar_effects import StellarEffects
from astro_spectok.simulate.stellar_sets import INFRARED, OPTICAL, WIDE, read_stars
from astro_spectok.simulate.stellar_types import guess_log_teff
from astro_spectok.simulate.templates import lay_on_grid

__all__ = ["LabelledStars", "RealStars", "RedrockStars", "UltracoolStars", "WideStars"]

#: types of redrock's bases: share, and what they are called
_REDROCK_TYPES = {
    "B": (0.10, "B"), "A": (0.13, "A"), "F": (0.14, "F"), "G": (0.12, "G"), "K": (0.13, "K"), "M": (0.15, "M"),
    "WD": (0.20, "white dwarf"), "CV": (0.03, "CV"),
}  # fmt: skip
#: measured from the decline of their power spectra, with the bins of the grid
_REDROCK_SIGMA = 7e-5
#: of so many random stars the most similar one is mixed in
_CANDIDATES = 48


class RedrockStars:
    """Stars of redrock's bases: 31,000 real coefficient vectors, and mixtures of similar ones.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
    device : str or `torch.device`, optional
    """

    needs = ("redrock_bases",)

    def __init__(self, store, device="cpu"):
        data = store.read("redrock_bases")
        x = np.log(data["wave"])
        self.types = [name for name in _REDROCK_TYPES if f"basis_{name}" in data]
        self.shares = np.array([_REDROCK_TYPES[name][0] for name in self.types])
        self.shares /= self.shares.sum()
        self.bases, self.coefficients = [], []
        for name in self.types:
            basis = lay_on_grid(x, data[f"basis_{name}"], OPTICAL)
            # the outermost bins may lie a fraction of a bin beyond the set
            basis = torch.nan_to_num(basis)
            if name == "CV":
                coefficients = _imagine_cataclysmic(basis)
            else:
                coefficients = torch.from_numpy(data[f"coeff_{name}"].astype(np.float32))
                coefficients = coefficients[_find_physical(coefficients @ basis[:, ::16])]
            level = (coefficients @ basis[:, ::16]).median(1).values
            self.bases.append(basis.to(device))
            self.coefficients.append((coefficients / level[:, None]).to(device))
        self.effects = StellarEffects(OPTICAL, device)

    @classmethod
    def usable(cls, store):
        """Whether the set is there."""
        return store.has(*cls.needs)

    def draw(self, n, random):
        """Draw ``n`` stars; see `Stars.draw`."""
        chosen = np.sort(random.host.choice(len(self.types), n, p=self.shares))
        parts = [self._draw_type(t, int(np.sum(chosen == t)), random) for t in np.unique(chosen)]
        kind = [_REDROCK_TYPES[self.types[t]][1] for t in chosen]
        flux = torch.cat(parts)
        log_teff = torch.tensor([guess_log_teff(k) for k in kind], device=flux.device, dtype=torch.float32)
        sigma = torch.full((n,), _REDROCK_SIGMA, device=flux.device, dtype=torch.float32)
        return self.effects.apply(flux, random, kind=kind, log_teff=log_teff, template_sigma=sigma)

    def _draw_type(self, number, n, random):
        coefficients, basis = self.coefficients[number], self.bases[number]
        first = coefficients[random.integers(len(coefficients), n)]  # (n, K)
        others = coefficients[random.integers(len(coefficients), n, _CANDIDATES)]  # (n, C, K)
        nearest = (others - first[:, None]).square().sum(2).argmin(1)
        second = others[torch.arange(n, device=others.device), nearest]
        share = random.uniform(0, 1, n, 1)
        # positive sums of physical stars are physical, but for the small negative dips of the bases
        return ((first * share + second * (1 - share)) @ basis).clamp(min=0)


def _find_physical(flux):
    """Mask of the rows that are nowhere clearly negative."""
    return flux.min(1).values > -0.05 * flux.median(1).values


def _imagine_cataclysmic(basis):
    """Coefficients of 500 cataclysmic variables: no real ones are published with the basis."""
    generator = torch.Generator().manual_seed(0)
    others = torch.randn(2000, len(basis) - 1, generator=generator, dtype=torch.float32) * 0.8
    coefficients = torch.cat([torch.ones(2000, 1, dtype=torch.float32), others], 1)
    return coefficients[_find_physical(coefficients @ basis[:, ::16])][:500]


class _StoredFamily:
    """Stars of sets that are kept whole; rare types are drawn more often than they occur."""

    needs: tuple[str, ...] = ()
    grid = OPTICAL

    def __init__(self, store, device="cpu"):
        self.stars = read_stars(store, self.needs, self.grid, device=device)
        self.weights = self._weigh()
        self.weights /= self.weights.sum()
        self.effects = StellarEffects(self.grid, device)

    @classmethod
    def usable(cls, store):
        """Whether any of the sets is there."""
        return any(store.has(name) for name in cls.needs)

    def _weigh(self):
        _, inverse, count = np.unique(self.stars.kind, return_inverse=True, return_counts=True)
        return 1 / np.sqrt(count[inverse])

    def draw(self, n, random):
        """Draw ``n`` stars; see `Stars.draw`."""
        rows = random.host.choice(len(self.stars.kind), n, p=self.weights)
        picked = torch.from_numpy(rows).to(self.stars.flux.device)
        return self._finish(rows, self.stars.flux[picked], self.stars.labels[picked], random)

    def _finish(self, rows, flux, labels, random):
        picked = torch.from_numpy(rows).to(flux.device)
        return self.effects.apply(
            flux, random, kind=[self.stars.kind[i] for i in rows], log_teff=self.stars.log_teff[picked],
            template_sigma=self.stars.sigma[picked], labels=labels,
        )  # fmt: skip


class RealStars(_StoredFamily):
    """Real stars of R about 2000 of all types, a few of which have [Fe/H]."""

    needs = (
        "redrock_archetypes", "idlspec2d_templates", "stelib_real_stars", "pyhammer_sdss_stars",
        "kast_optical_standards_real", "jacoby_real_stars",
    )  # fmt: skip


class _MixedFamily(_StoredFamily):
    """Stars with labels: convex mixtures of near neighbours, so that the labels are dense."""

    #: what counts as one step in log10(Teff), logg, [Fe/H], [alpha/Fe]
    scales = (0.02, 0.5, 0.3, 0.2)
    #: steps; stars farther away are no neighbours
    farthest = 5.0
    neighbours = 6

    def __init__(self, store, device="cpu"):
        super().__init__(store, device)
        self.near = self._find_neighbours()

    def _find_neighbours(self):
        """Rows of the nearest stars of the same set, itself first, int64 ndarray (n, 1 + neighbours)."""
        labels = self.stars.labels.cpu().numpy() / np.array(self.scales, np.float32)
        member = self.stars.member.cpu().numpy()
        # a star without the usual labels is mixed with nobody
        usable = np.isfinite(labels[:, :2]).all(1)
        filled, unknown = np.nan_to_num(labels), ~np.isfinite(labels)
        pattern = member * 16 + unknown @ (1 << np.arange(labels.shape[1]))
        same = (pattern[:, None] == pattern) & usable[:, None] & usable
        distance = sum(np.square(column[:, None] - column) for column in filled.T)
        distance = np.where(same & (distance < self.farthest**2), distance, np.inf)
        np.fill_diagonal(distance, -1.0)
        last = min(self.neighbours, len(distance) - 1)
        near = np.argpartition(distance, last, axis=1)[:, : last + 1]
        # argpartition does not sort, and the star itself comes first
        near = np.take_along_axis(near, np.argsort(np.take_along_axis(distance, near, 1), axis=1), 1)
        lone = ~np.isfinite(np.take_along_axis(distance, near, 1))
        return np.where(lone, np.arange(len(labels))[:, None], near)

    def draw(self, n, random):
        """Draw ``n`` stars; see `Stars.draw`."""
        rows = random.host.choice(len(self.stars.kind), n, p=self.weights)
        near = self.near[rows]  # (n, 1 + neighbours)
        # the star itself and two of its neighbours
        picks = np.stack([random.host.permutation(near.shape[1] - 1)[:2] + 1 for _ in range(n)])
        members = np.concatenate([near[:, :1], np.take_along_axis(near, picks, 1)], 1)
        share = random.host.dirichlet(np.ones(3), n)
        share = torch.from_numpy(share).float().to(self.stars.flux.device)  # (n, 3)
        members = torch.from_numpy(members).to(share.device)
        flux = sum(share[:, i, None] * self.stars.flux[members[:, i]] for i in range(3))
        labels = (share[..., None] * self.stars.labels[members]).sum(1)
        return self._finish(rows, flux, labels, random)


class LabelledStars(_MixedFamily):
    """Stars of R about 2000 with temperature, gravity and metallicity: MILES, and Kurucz models."""

    needs = ("miles_real_stars", "kurucz_sdss_stds")

    def _weigh(self):
        # each set counts as its square root, hot and cool stars more often than they occur
        log_teff = self.stars.log_teff.cpu().numpy()
        step = np.nan_to_num(log_teff / 0.05, nan=-1).astype(int)
        _, inverse, count = np.unique(step, return_inverse=True, return_counts=True)
        member = self.stars.member.cpu().numpy()
        return 1 / np.sqrt(count[inverse]) * np.where(member == 0, 1.0, 0.7)


class WideStars(_MixedFamily):
    """Low-resolution stars from the ultraviolet to 2.5 micron: Pickles, CALSPEC, Kurucz models."""

    needs = ("pickles_stars", "calspec_real_stars", "kurucz93_lowres")
    grid = WIDE


class UltracoolStars(_MixedFamily):
    """M, L and T dwarfs from 0.55 to 2.6 micron: SpeX prism spectra, and BT-Settl models."""

    needs = ("splat_spex_real", "btsettl_ultracool")
    grid = INFRARED
