# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Broad lines and iron of real quasars over a smooth continuum, from bases, archetypes and composites."""

import logging

import numpy as np
import torch

from astro_spectok.simulate.constants import GAUSS_AREA, LIGHT_SPEED
from astro_spectok.simulate.profiles import add_gaussians, find_bins, smooth_flux
from astro_spectok.simulate.templates import lay_on_grid

__all__ = ["BLENDS", "BROAD_LINES", "QuasarTemplates", "fit_continuum"]

log = logging.getLogger(__name__)

#: vacuum wavelength (Angstrom), rest equivalent width, Gaussian width in km/s, velocity in km/s: Vanden Berk et al.
#: (2001), table 2; beyond H-alpha Glikman, Helfand & White (2006)
BROAD_LINES = (
    (775.0, 8.0, 4000, 0), (834.5, 6.0, 4000, 0), (977.0, 5.0, 3500, 0), (1033.0, 9.7, 3200, -200),
    (1215.67, 75.0, 2300, 0), (1240.15, 14.0, 2500, 0), (1304.46, 1.7, 2300, 0), (1335.3, 0.7, 2000, 0),
    (1396.76, 8.0, 3000, -200), (1549.06, 24.0, 2200, -600), (1640.42, 3.0, 3000, -300), (1663.48, 0.7, 2500, 0),
    (1857.4, 0.4, 2500, 0), (1892.0, 2.5, 2600, 0), (1908.73, 18.0, 2700, -200), (2326.4, 2.0, 2600, 0),
    (2798.75, 24.0, 1800, 0), (3127.7, 1.0, 2000, 0), (3889.7, 0.5, 1800, 0), (3970.1, 1.5, 1900, 0),
    (4102.89, 4.5, 1900, 0), (4341.68, 11.0, 1800, 0), (4687.0, 1.5, 2500, 0), (4862.68, 45.0, 1800, 0),
    (5877.2, 4.5, 2000, 0), (6564.61, 190.0, 1700, 0), (7067.1, 3.0, 1800, 0), (8449.0, 9.0, 1700, 0),
    (9231.5, 3.0, 1800, 0), (9548.6, 6.0, 1800, 0), (10052.1, 9.0, 1800, 0), (10833.2, 40.0, 1900, 0),
    (10941.1, 18.0, 1800, 0), (12821.6, 35.0, 1800, 0), (18756.1, 75.0, 1800, 0), (21661.2, 10.0, 1800, 0),
)  # fmt: skip
#: blends of Fe II and the Balmer continuum, likewise
BLENDS = (
    (2080.0, 4.0, 5000, 0), (2480.0, 22.0, 12000, 0), (2950.0, 30.0, 20000, 0), (3280.0, 45.0, 22000, 0),
    (3600.0, 25.0, 10000, 0),
    (4570.0, 22.0, 4500, 0), (5305.0, 20.0, 4500, 0),
)  # fmt: skip
#: where a quasar shows its continuum most nearly (Angstrom)
WINDOWS = (1010, 1290, 1350, 1455, 1700, 2200, 3020, 4200, 5080, 5600, 6100, 7100, 8100, 9000)
#: extra Gaussian widths (km/s) at which the lines are kept
BROADENINGS = (0.0, 1200.0, 2800.0)
DRAWN = 48


def fit_continuum(spectra, grid):
    """A smooth continuum through the windows between the lines of quasars.

    Parameters
    ----------
    spectra : float32 tensor, shape (n, N)
        NaN where nothing is known.
    grid : `~astro_spectok.simulate.objects.RestGrid`

    Returns
    -------
    float32 tensor, shape (n, N)
        Power laws from window to window, going on beyond the first and the last that are known.
    """
    x = grid.ln_wavelength().numpy()
    centres = np.log(np.array(WINDOWS, float))
    columns = np.round((centres - grid.ln_start) / grid.ln_step).astype(int)[:, None] + np.arange(-60, 61)
    out = np.empty(spectra.shape, np.float32)
    for row, values in zip(out, spectra.numpy(), strict=True):
        level = values[columns]
        level = np.where(np.isfinite(level).all(1), np.median(level, axis=1), np.nan)
        good = _find_continuum(centres, level)
        known, y = centres[good], np.log(level[good])
        # the slopes at the ends go on outside
        before = y[0] + (x[0] - known[0]) * (y[1] - y[0]) / (known[1] - known[0])
        after = y[-1] + (x[-1] - known[-1]) * (y[-1] - y[-3]) / (known[-1] - known[-3])
        row[:] = np.exp(np.interp(x, np.r_[x[0], known, x[-1]], np.r_[before, y, after]))
    return torch.from_numpy(out)


def _find_continuum(centres, level):
    """Mask of the windows that hold continuum: positive, and not far below (a trough) or above the others."""
    good = level > 0
    for _ in range(4):
        if good.sum() <= 4:
            break
        y = np.log(np.where(good, level, 1.0))
        away = np.full(len(level), 0.0)
        for i in np.nonzero(good)[0]:
            others = np.nonzero(good & (np.arange(len(level)) != i))[0]
            near = others[np.argsort(np.abs(centres[others] - centres[i]))[:4]]
            _, constant = np.polyfit(centres[near] - centres[i], y[near], 1)
            away[i] = abs(y[i] - constant)
        if away.max() < 0.35:
            break
        good[away.argmax()] = False
    return good


class QuasarTemplates:
    """Line spectra over their continuum, less one: what is 0 where there is continuum alone.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        Bases and archetypes of redrock, composites; without them there are only `BROAD_LINES`.
    grid : `~astro_spectok.simulate.objects.RestGrid`
    device : str or `torch.device`
    """

    def __init__(self, store, grid, device="cpu"):
        self.grid = grid
        lines = self._make_synthetic()
        if store.has("redrock_bases", "redrock_archetypes"):
            drawn = self._isolate(_draw_from_bases(store, grid), lines)
            # the mean of those that reach beyond Lyman alpha serves where others end
            others = [_read_archetypes(store, grid)]
            if store.has("galaxy_qso_seds"):
                others.append(_read_composites(store, grid))
            lines = torch.cat([lines, drawn, self._isolate(torch.cat(others), drawn.mean(0, keepdim=True))])
        self.lines = torch.stack(
            [smooth_flux(lines, round(2 * width / LIGHT_SPEED / grid.ln_step)) for width in BROADENINGS]
        ).to(device)  # fmt: skip

    def _make_synthetic(self):
        table = torch.tensor(BROAD_LINES + BLENDS, dtype=torch.float64)
        wavelength, width, sigma, shift = table.T
        sigma = sigma / LIGHT_SPEED
        peak = (width / (wavelength * sigma * GAUSS_AREA)).float()
        centre = wavelength.log() + shift / LIGHT_SPEED
        out = torch.zeros(1, self.grid.size, dtype=torch.float32)
        return add_gaussians(out, self.grid, centre, sigma.float(), peak)

    def _isolate(self, spectra, fill):
        """Lines of spectra over their continuum; where a spectrum is not known, those of ``fill`` (1, N)."""
        excess = spectra / fit_continuum(spectra, self.grid) - 1
        known = torch.isfinite(excess)
        excess = torch.where(known, excess, fill)
        wavelength = torch.exp(self.grid.ln_wavelength()).float()
        sane = _find_sane(excess, wavelength)
        log.debug("%d of %d quasar templates have a continuum that could be placed", sane.sum(), len(sane))
        excess, known = excess[sane].clamp(min=-0.9).minimum(_limit_excess(wavelength)), known[sane]
        # from the known to the filled part in steps too small to see; Lyman alpha may end in its middle
        alpha = find_bins(self.grid, 1216.5, 1219.0)
        ratio = (excess[:, alpha].mean(1) / fill[:, alpha].mean()).clamp(0.1, 4)[:, None]
        taper = torch.sigmoid((wavelength - 1195) / 5) * (wavelength < 1217)
        weight = smooth_flux(smooth_flux(known.float(), 400, passes=1).ge(0.999).float(), 400, passes=1)
        weight = torch.where((wavelength > 1217) & (wavelength < 1500), known.float(), weight)
        weight = torch.where(wavelength < 1217, weight * known, weight)
        excess = torch.lerp((fill * (1 + (ratio - 1) * taper)).expand_as(excess), excess, weight)
        # a dip there belongs to a continuum that bends, or to gas before the quasar
        excess[:, : alpha.start] = excess[:, : alpha.start].clamp(min=-0.2)
        # combinations of eigenvectors can turn narrow lines into absorption
        for line in (3728.5, 3869.9, 4960.3, 5008.24):
            near = find_bins(self.grid, line * 0.995, line * 1.005)
            excess[:, near] = torch.maximum(excess[:, near], excess[:, [near.start, near.stop]].mean(1, keepdim=True))
        return excess

    def draw(self, n, random):
        """Line spectra of n quasars, float32 (n, N): two mixed in random shares, at one of the widths."""
        number = self.lines.shape[1]
        flat = self.lines.flatten(0, 1)
        shares = torch.tensor([0.72, 0.21, 0.07], device=flat.device, dtype=torch.float32)
        level = torch.multinomial(shares, n, replacement=True, generator=random.generator)
        first, second = random.integers(number, n), random.integers(number, n)
        first = torch.where(random.chance(0.06, n), 0, first)  # the synthetic lines alone
        share = random.uniform(0, 0.5, n, 1) * random.chance(0.5, n, 1)
        return torch.lerp(flat[level * number + first], flat[level * number + second], share)


def _limit_excess(wavelength):
    """Upper limit of quasars: above it lies a continuum that could not be placed."""
    limit = torch.full_like(wavelength, 5.0)
    for low, high, value in ((0, 1180, 1.5), (1180, 1270, 18.0), (6300, 6800, 15.0)):
        limit[(wavelength > low) & (wavelength < high)] = value
    return limit


def _find_sane(excess, wavelength):
    """Mask of the line spectra (n, N) that are neither noise, nor host galaxies, nor over a misplaced continuum."""
    outside = (excess > 1.2 * _limit_excess(wavelength)).float().mean(1)
    smooth = smooth_flux(excess, 300)
    middle = (wavelength > 1290) & (wavelength < 8500)
    quiet = (wavelength > 1290) & (wavelength < 6000)
    noise = (excess - smooth_flux(excess, 7))[:, quiet].abs().median(1).values
    iron = (wavelength > 2000) & (wavelength < 4600)
    return (outside < 1e-3) & (smooth[:, middle].amin(1) > -0.3) & (noise < 0.05) & (smooth[:, iron].amax(1) < 1.3)


def _trim(flux):
    """NaN in place of the constant runs that fill a spectrum up to its ends."""
    change = np.nonzero(np.abs(np.diff(flux)) > 1e-6 * np.max(np.abs(flux)))[0]
    out = np.full(len(flux), np.nan)
    out[change[0] + 5 : change[-1] - 5] = flux[change[0] + 5 : change[-1] - 5]
    return out


def _lay_known(wavelength, flux, grid, low=950.0, high=1e9):
    """On the grid; below ``low`` the light is absorbed by gas in the foreground."""
    known = np.isfinite(flux) & (wavelength > low) & (wavelength < high)
    return lay_on_grid(np.log(wavelength[known].astype(float)), flux[known], grid)


def _read_archetypes(store, grid):
    data = store.read("redrock_archetypes")
    rows = []
    for i in np.nonzero(data["cls"] == "QSO")[0]:
        pixels = slice(data["offsets"][i], data["offsets"][i + 1])
        # blueward of Lyman alpha they show the forest of their own lines of sight
        rows.append(_lay_known(data["wave"][pixels], _trim(data["flux"][pixels]), grid, low=1217.0))
    rows = torch.stack(rows)
    known = torch.isfinite(rows)
    # less noise at the price of 120 km/s, narrow for a quasar
    return torch.where(known, smooth_flux(torch.where(known, rows, 0), 9, passes=2), torch.nan)


def _read_composites(store, grid):
    data = store.read("galaxy_qso_seds")
    rows = []
    for i in np.nonzero(np.char.startswith(data["origin"], "Vanden Berk") | (data["id"] == "QSO_SDSS.sed"))[0]:
        pixels = slice(data["offsets"][i], data["offsets"][i + 1])
        # the composite is absorbed by the intergalactic medium blueward of Lyman alpha
        rows.append(_lay_known(data["wave"][pixels], data["flux"][pixels], grid, low=1216.0, high=9000.0))
    return torch.stack(rows)


def _draw_from_bases(store, grid):
    """Random members of redrock's families for low and high redshift, joined where both are known."""
    data, rng = store.read("redrock_bases"), np.random.default_rng(1)
    parts = {}
    for name, low, high in (("LOZ", 1450.0, 9000.0), ("HIZ", 950.0, 4400.0)):
        basis = data[f"qso_basis_{name}"]
        basis = basis / np.abs(basis).mean(axis=1, keepdims=True)
        basis[0] *= np.sign(np.median(basis[0]))
        wavelength = data[f"qso_wave_{name}"]
        keep = (wavelength > low) & (wavelength < high)
        rows = lay_on_grid(np.log(wavelength[keep]), basis[:, keep], grid)
        coefficients = np.column_stack([np.ones(DRAWN), rng.normal(0, [0.25, 0.15, 0.1], (DRAWN, 3))])
        mixed = torch.from_numpy(coefficients.astype(np.float32)) @ rows
        # a draw far from any real quasar goes below zero
        floor = 0.1 * rows[0]
        parts[name] = torch.maximum(mixed, floor)
    loz, hiz = parts["LOZ"], parts["HIZ"]
    both = torch.isfinite(loz[0]) & torch.isfinite(hiz[0])
    ratio = torch.median(loz[:, both] / hiz[:, both], dim=1, keepdim=True).values
    hiz = hiz * ratio
    x = grid.ln_wavelength()
    blend = torch.sigmoid((x - np.log(2450.0)) / 0.03).float()
    joined = torch.where(both, torch.lerp(hiz, loz, blend), torch.where(torch.isfinite(hiz), hiz, loz))
    return joined
