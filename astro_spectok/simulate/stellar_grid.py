# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars of MILES and CFLIB with labels, mixed with near neighbours, and carried on to the Ca II triplet."""

import logging
import math

import numpy as np
import torch

from astro_spectok.simulate.label_transfer import STEPS, LabelTransfer, flatten_log_flux
from astro_spectok.simulate.objects import STELLAR_LABELS, RestGrid
from astro_spectok.simulate.stellar_effects import StellarEffects, draw_broadening
from astro_spectok.simulate.stellar_library import RED_START, START, STEP, read_library
from astro_spectok.simulate.stellar_model import StarModel
from astro_spectok.simulate.stellar_sets import read_stars
from astro_spectok.simulate.stellar_types import find_type_of_teff
from astro_spectok.utils.constants import SIGMA_PER_MAD

__all__ = ["GridStars"]

log = logging.getLogger(__name__)

_STEP, _START, _RED_START = STEP, START, RED_START
#: labels are transferred by this range, with so many bins averaged; and these bins join the red to the blue
_SHARED, _AVERAGED, _JOINT = (3700.0, 7350.0), 3, (7340.0, 7395.0)
#: temperatures in kelvin between which spectra determine labels
_DETERMINED = (3500.0, 10000.0)
#: sets without labels that reach the Ca II triplet, and how near their stars must be to labelled ones
_RED_SETS, _NEAREST = ("stelib_real_stars", "pyhammer_sdss_stars"), 0.8
#: absorption by the air was left in one of them: these ranges are unknown
_UNKNOWN = ((7560.0, 7730.0), (8110.0, 8370.0))
#: resolution of MILES in ln(wavelength)
_SIGMA = 2.1e-4
#: how often a star is mixed, and with one of how many neighbours
_MIXED, _NEIGHBOURS = 0.7, 8
_LEAST_FLUX = 2e-3


class GridStars:
    """Real stars of MILES and CFLIB, mixed with near neighbours, drawn more evenly over their diagram than there are.

    Flux and labels are mixed alike, within a library. Labels are on the scale of CFLIB
    (`~astro_spectok.simulate.stellar_library.read_library`), on that of MILES where CFLIB is absent. Beyond 7380
    Angstrom stars of MILES get the flux of `StarModel`, learnt from CFLIB, with the residuals of a real star with
    labels like these; without CFLIB it is learnt from stars of STELIB and from co-added SDSS stars, which get labels
    from their blue part by `LabelTransfer`.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
    device : str or `torch.device`, optional
    without : ndarray of bool, optional
        Stars, as `~astro_spectok.simulate.stellar_library.read_library` has them, that are left out: for validation.
    """

    needs = ("miles_real_stars",)
    #: what it reads besides where it is there
    uses = ("cflib_real_stars",)

    def __init__(self, store, device="cpu", *, without=None):
        stars = read_library(store)
        kept = np.isfinite(stars.labels).all(1)
        if without is not None:
            kept &= ~without
        stars = stars.take(kept)
        self.labels, self.member = stars.labels, stars.member
        self.red = self._fit_red(store, stars, device)
        n_blue = _count(_START, _RED_START)
        self.grid = stars.grid if self.red else RestGrid(stars.grid.ln_start, _STEP, n_blue)
        log_flux = stars.log_flux[:, : self.grid.size]
        # between the good bins of a star of MILES nothing is missing
        self.is_known = torch.from_numpy(np.isfinite(log_flux) | (self.member == 0)[:, None]).to(device)
        self.log_flux = torch.from_numpy(_fill(log_flux).astype(np.float32)).to(device)
        self.known = _find_known(self.grid).to(device)
        self.near, self.weights = _survey_libraries(self.labels, self.member)
        self.device, self.effects = device, StellarEffects(self.grid, device)
        log.info("stars with labels: %d of MILES, %d of CFLIB", *np.bincount(self.member, minlength=2)[:2])

    @classmethod
    def usable(cls, store):
        """Whether the set is there."""
        return store.has(*cls.needs)

    def _fit_red(self, store, stars, device):
        """Model of the red part over the flux at the joint, or None without the sets for it."""
        joint = slice(_count(_START, _JOINT[0]), _count(_START, _JOINT[1]))
        if (stars.member == 1).any():
            rows = stars.member == 1
            labels, log_flux, near = stars.labels[rows], stars.log_flux[rows], np.full(rows.sum(), True)
        else:
            names = [name for name in _RED_SETS if store.has(name)]
            if not names:
                return None
            log_flux = _take_log(read_stars(store, names, stars.grid).flux.numpy())
            transfer = _fit_transfer(stars.log_flux[:, : _count(_START, _RED_START)], stars.labels)
            labels, near = transfer.predict(_prepare(log_flux[:, : _count(_START, _RED_START)]))
            near = near > _NEAREST
        red = log_flux[:, _count(_START, _RED_START) :]
        use = near & (np.isfinite(log_flux[:, joint]).mean(1) > 0.5) & (np.isfinite(red).mean(1) > 0.7)
        level = np.nanmean(log_flux[use, joint], axis=1, keepdims=True)
        self.red_near = _Neighbours(labels[use])
        model = StarModel(labels[use], _fill(red[use] - level), device)
        text = "stars with labels: %d beyond %.0f Angstrom, flux of those left out to %.1f per cent"
        log.info(text, use.sum(), _RED_START, 100 * model.left_out)
        return model

    def draw(self, n, random):
        """Draw ``n`` stars; see `~astro_spectok.simulate.stars.Stars.draw`."""
        rows = random.host.choice(len(self.labels), n, p=self.weights)
        others = self.near[rows, random.host.integers(self.near.shape[1], size=n)]
        share = 0.5 * random.host.random(n) * (random.host.random(n) < _MIXED)
        labels = self.labels[rows] + share[:, None] * (self.labels[others] - self.labels[rows])
        flux = torch.exp(self._compute_log_flux(labels, rows, others, share, random))
        others = np.where(share > 0, others, rows)
        rows, others = (torch.from_numpy(x).to(self.device) for x in (rows, others))
        flux[~(self.is_known[rows] & self.is_known[others] & self.known)] = torch.nan
        return self._apply_effects(flux, torch.from_numpy(labels).float().to(flux.device), random)

    def _compute_log_flux(self, labels, rows, others, share, random):
        """Natural logarithm of flux, float32 (n, N)."""
        carried = torch.from_numpy(self.member[rows] == 0).to(self.device)
        rows, others = (torch.from_numpy(x).to(self.device) for x in (rows, others))
        share = torch.from_numpy(share).float().to(self.device)[:, None]
        log_flux = torch.lerp(self.log_flux[rows], self.log_flux[others], share)
        if self.red and carried.any():
            own = labels[carried.cpu().numpy()]
            nearest = torch.from_numpy(self.red_near.find(own, random)).to(self.device)
            red = self.red(torch.from_numpy(own).float().to(self.device)) + self.red.residuals[nearest]
            joint = slice(_count(_START, _JOINT[0]), _count(_START, _RED_START))
            level = log_flux[carried, joint].mean(1, keepdim=True)
            log_flux[carried, _count(_START, _RED_START) :] = level + red
        return log_flux

    def _apply_effects(self, flux, labels, random):
        """`Objects` with labels, [alpha/Fe] unknown."""
        unknown = torch.full(
            (len(labels), len(STELLAR_LABELS) - 3), torch.nan, device=labels.device, dtype=torch.float32
        )
        objects = self.effects.apply(
            flux, random, kind=[find_type_of_teff(10**t) for t in labels[:, 0].tolist()], log_teff=labels[:, 0],
            template_sigma=torch.full((len(labels),), _SIGMA, device=labels.device, dtype=torch.float32),
            labels=torch.cat([labels, unknown], 1),
        )  # fmt: skip
        objects.rotation, objects.labels["log_vbroad"] = draw_broadening(len(objects), random, objects.rotation)
        return objects


class _Neighbours:
    """A random one of the three nearest stars."""

    def __init__(self, labels):
        self.nodes = labels / STEPS

    def find(self, labels, random):
        distance = ((labels / STEPS)[:, None] - self.nodes) ** 2
        nearest = np.argsort(distance.sum(2), axis=1)[:, :3]
        return nearest[np.arange(len(labels)), random.host.integers(nearest.shape[1], size=len(labels))]


def _count(low, high):
    """Bins between two wavelengths."""
    return round(math.log(high / low) / _STEP)


def _take_log(flux):
    """Natural logarithm where there is flux, NaN elsewhere."""
    return np.log(np.where(flux > _LEAST_FLUX, flux, np.nan).astype(float))


def _fill(log_flux):
    """Unknown bins interpolated, constant beyond the ends."""
    number = np.arange(log_flux.shape[1])
    known = np.isfinite(log_flux)
    return np.stack([np.interp(number, number[k], row[k]) for row, k in zip(log_flux, known, strict=True)])


def _prepare(log_flux):
    """Flattened flux of the range that labels are transferred by, with bins averaged."""
    shared = flatten_log_flux(log_flux[:, _count(_START, _SHARED[0]) : _count(_START, _SHARED[1])], _STEP)
    size = shared.shape[1] // _AVERAGED * _AVERAGED
    return shared[:, :size].reshape(len(shared), -1, _AVERAGED).mean(2)


def _fit_transfer(log_flux, labels):
    """Transfer of labels to stars of other sets."""
    teff = 10 ** labels[:, 0]
    some = (teff > _DETERMINED[0]) & (teff < _DETERMINED[1])
    transfer = LabelTransfer(_prepare(log_flux[some]), labels[some])
    error = SIGMA_PER_MAD * np.median(np.abs(transfer.left_out - labels[some]), axis=0)
    log.info("labels of stars left out: to %.3f, %.2f and %.2f dex", *error)
    return transfer


def _find_known(grid):
    """Bins of the grid (N,) that the model means."""
    wavelength = torch.exp(grid.ln_wavelength())
    known = torch.ones(grid.size, dtype=torch.bool)
    for low, high in _UNKNOWN:
        known &= (wavelength < low) | (wavelength > high)
    return known


def _survey_libraries(labels, member):
    """As `_survey_neighbours`, for libraries of which each keeps to itself."""
    near, weights = np.zeros((len(labels), _NEIGHBOURS), int), np.zeros(len(labels))
    for number in np.unique(member):
        rows = np.flatnonzero(member == number)
        own, share = _survey_neighbours(labels[rows])
        near[rows] = rows[own]
        weights[rows] = share * len(rows)
    return near, weights / weights.sum()


def _survey_neighbours(labels):
    """Rows of the nearest other stars, int64 (n, neighbours); and how often each star is drawn."""
    scaled = labels / STEPS
    distance = np.sqrt(((scaled[:, None] - scaled) ** 2).sum(2))
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1)[:, :_NEIGHBOURS]
    # the density of stars goes as the inverse square of the distance of neighbours; its fourth root is made even
    spacing = np.sort(distance, axis=1)[:, :_NEIGHBOURS].mean(1)
    spacing = np.sqrt(np.minimum(spacing, np.quantile(spacing, 0.95)))
    return near, spacing / spacing.sum()
