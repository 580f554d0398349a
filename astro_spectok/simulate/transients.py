# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Supernovae: real ones at rest, and black bodies with P Cygni lines where there are none."""

import math

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from astro_spectok.simulate.constants import HC_OVER_K
from astro_spectok.simulate.dust import CURVES, attenuate, compute_curves
from astro_spectok.simulate.objects import Objects, RestGrid
from astro_spectok.simulate.profiles import normalize_flux
from astro_spectok.simulate.stellar_sets import find_drowned
from astro_spectok.simulate.templates import lay_on_grid

__all__ = ["Supernovae"]

#: supernova lines are thousands of km/s wide
_GRID = RestGrid(math.log(1500.0), 5e-4, int(math.log(12000 / 1500) / 5e-4) + 1)
#: real spectra are smoothed by 240 km/s: their own noise goes, their features stay
_SMOOTHING = 8e-4
#: vacuum Angstrom of the strongest features: Ca II, Fe II, S II, Na I / He I, Si II, H alpha, H beta, O I
_FEATURES = (3951.0, 4302.0, 4862.7, 5018.4, 5170.5, 5455.4, 5641.5, 5877.3, 6149.0, 6357.0, 6564.6, 7775.0, 8579.0)


class Supernovae:
    """Supernovae of all types and phases at redshifts from 0.005 to 1, without their host.

    ``cls`` is -1, as none of the classes is meant; ``measurable`` is True. ``kind`` holds the type where it is known.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        Without the set ``sn_superfit_real``, the analytic ones remain.
    device : str or `torch.device`, optional
    """

    def __init__(self, store, device="cpu"):
        self.device = torch.device(device)
        wavelength = torch.exp(_GRID.ln_wavelength(device))
        self.curve = compute_curves(wavelength)[CURVES.index("milky way")]
        self.wavelength = wavelength.float()
        self.features = torch.log(torch.tensor(_FEATURES, device=device, dtype=torch.float64))
        self.flux, self.kind, self.phase = None, [], None
        if store.has("sn_superfit_real"):
            self.flux, self.kind, phase = _read_supernovae(store.read("sn_superfit_real"))
            self.flux, self.phase = self.flux.to(device), phase.to(device)

    def draw(self, n, random):
        """Draw ``n`` supernovae.

        Parameters
        ----------
        n : int
        random : `~astro_spectok.simulate.randomness.Randomness`

        Returns
        -------
        Objects
        """
        kind = ["supernova"] * n
        flux, phase = (
            self._compute_flux(n, random),
            torch.full((n,), torch.nan, device=self.device, dtype=torch.float32),
        )
        if self.flux is not None:
            rows = random.host.integers(len(self.kind), size=n)
            real = random.host.random(n) < 0.9
            kind = [f"supernova {self.kind[row]}" if use else "supernova" for row, use in zip(rows, real, strict=True)]
            rows, real = (torch.from_numpy(a).to(self.device) for a in (rows, real))
            flux, phase = torch.where(real[:, None], self.flux[rows], flux), torch.where(real, self.phase[rows], phase)
        flux, _ = normalize_flux(attenuate(flux, random.normal(0.0, 0.4, n).abs(), self.curve))
        zeros, none = (
            torch.zeros(n, device=self.device, dtype=torch.float32),
            torch.zeros(n, 0, device=self.device, dtype=torch.float32),
        )
        return Objects(
            grid=_GRID, flux=flux, z=(0.005 * 200.0 ** random.uniform(0, 1, n)).double(),
            cls=torch.full((n,), -1, device=self.device), kind=kind,
            template_sigma=torch.full((n,), 1e-3, device=self.device, dtype=torch.float32), sigma=zeros,
            rotation=zeros.clone(),
            line_ln_wavelength=none.double(), line_flux=none, line_sigma=none.clone(),
            measurable=torch.ones(n, dtype=torch.bool, device=self.device), labels={"sn_phase": phase},
        )  # fmt: skip

    def _compute_flux(self, n, random):
        """Expanding photospheres: each line absorbs blueward of itself and emits at rest; float32 (n, N)."""
        teff = random.uniform(4500.0, 14000.0, n, 1)
        flux = (5000 / self.wavelength) ** 5 / torch.expm1((HC_OVER_K / (self.wavelength * teff)).clamp(max=80))
        speed = random.uniform(0.01, 0.04, n, 1)
        depth = random.uniform(-0.3, 1.0, n, len(self.features)).clamp(min=0)
        x = torch.log(self.wavelength.double())
        for i, centre in enumerate(self.features):
            offset = (x - centre).float() / speed
            trough = torch.exp(-0.5 * ((offset + 1) / 0.4) ** 2)
            crest = torch.exp(-0.5 * (offset / 0.5) ** 2)
            flux = flux * torch.exp(depth[:, i, None] * (0.5 * crest - trough))
        # line blanketing by iron below 4000 Angstrom
        blanket = random.uniform(0.0, 1.5, n, 1) * torch.sigmoid((3900 - self.wavelength) / 200)
        return flux * torch.exp(-blanket)


def _read_supernovae(arrays):
    """Fluxes on the grid, float32 (n, N), types, and days since maximum light, float32 (n,)."""
    offsets, rows, kinds, phases = arrays["offsets"], [], [], []
    target = _GRID.ln_wavelength().numpy()
    for i in range(len(offsets) - 1):
        pixels = slice(int(offsets[i]), int(offsets[i + 1]))
        x, flux = np.log(arrays["wave"][pixels].astype(float)), arrays["flux"][pixels].astype(float)
        good = (arrays["ivar"][pixels] > 0) & np.isfinite(flux)
        good[1:] &= np.diff(x) > 0
        if np.count_nonzero(good) < 100 or np.median(flux[good]) <= 0:
            continue
        good &= ~find_drowned(flux, good)
        if np.count_nonzero(good) < 100:
            continue
        x, flux = x[good], flux[good] / np.median(flux[good])
        # holes are bridged, unless they are wider than a line
        gap = np.interp(target, x, np.concatenate([np.diff(x), [0.0]])) > 0.01
        row = np.interp(target, x, flux)
        if np.median(np.diff(x)) < _GRID.ln_step:
            means = lay_on_grid(x, flux, _GRID).numpy()
            row = np.where(np.isfinite(means), means, row)
        row = gaussian_filter1d(row, _SMOOTHING / _GRID.ln_step)
        inside = (target >= x[0]) & (target <= x[-1]) & ~gap
        rows.append(np.where(inside, np.maximum(row, 0), np.nan).astype(np.float32))
        kinds.append(str(arrays["subclass"][i]))
        phases.append(float(arrays["age"][i]))
    return torch.from_numpy(np.array(rows)), kinds, torch.tensor(phases, dtype=torch.float32)
