# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Random quasars and broad-line active nuclei: continuum, lines of real ones with more variety, absorption, host."""

import math

import numpy as np
import torch

from astro_spectok.simulate.constants import GAUSS_AREA, LIGHT_SPEED, MAGNITUDE
from astro_spectok.simulate.dust import attenuate, compute_curves
from astro_spectok.simulate.intergalactic import IntergalacticMedium
from astro_spectok.simulate.objects import Objects
from astro_spectok.simulate.populations import EMILES_SIGMA, Populations, draw_histories
from astro_spectok.simulate.profiles import add_gaussians, find_bins, measure_continuum, normalize_flux
from astro_spectok.simulate.quasar_absorbers import QuasarAbsorbers
from astro_spectok.simulate.quasar_templates import BROAD_LINES, QuasarTemplates
from astro_spectok.simulate.randomness import Randomness

__all__ = ["NARROW_LINES", "Quasars"]

#: vacuum wavelength (Angstrom) and flux over [O III] 5008
NARROW_LINES = (
    (3346.79, 0.03), (3426.86, 0.08), (3727.092, 0.08), (3729.875, 0.09), (3869.86, 0.10), (3968.59, 0.03),
    (4341.684, 0.04), (4364.435, 0.03), (4687.02, 0.02), (4862.683, 0.09), (4960.295, 0.3356), (5008.240, 1.0),
    (6302.046, 0.04), (6549.85, 0.09), (6564.614, 0.28), (6585.27, 0.27), (6718.29, 0.07), (6732.67, 0.07),
    (9071.1, 0.05), (9533.2, 0.12),
)  # fmt: skip
FIXED = ((11, 10, 2.98), (15, 13, 3.05))  # pairs from one upper level, by place in the list above
HOSTS = 48


class Quasars:
    """Quasars in their rest frame, 600 to 28000 Angstrom.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        What it does not hold is made of power laws and published lists of lines.
    device : str or `torch.device`
    """

    def __init__(self, store, device="cpu"):
        self.device = torch.device(device)
        populations = Populations(store, "cpu", families=False)
        self.grid = populations.grid
        self.hosts = self._draw_hosts(populations).to(device)
        self.templates = QuasarTemplates(store, self.grid, device)
        self.absorbers = QuasarAbsorbers(self.grid, device)
        self.medium = IntergalacticMedium(self.grid, device)
        self.ln_wavelength = self.grid.ln_wavelength(device)
        self.relative = (self.ln_wavelength - math.log(3000.0)).float()
        self.smc = compute_curves(torch.exp(self.ln_wavelength))[2]
        self.broad = torch.tensor(BROAD_LINES, dtype=torch.float64, device=device)
        self.narrow = torch.tensor(NARROW_LINES, dtype=torch.float64, device=device)
        self.visual = find_bins(self.grid, 5450, 5550)

    @staticmethod
    def _draw_hosts(populations):
        """A fixed set of host galaxies, old and young."""
        random = Randomness(3)
        history = random.integers(7, HOSTS)
        young = random.uniform(0, 0.15, HOSTS) * (history < 4)
        shares, _ = draw_histories(
            populations, history, torch.full((HOSTS,), 0.2, dtype=torch.float32).double(), young, random
        )
        return attenuate(shares @ populations.spectra, random.uniform(0, 0.6, HOSTS),
                         compute_curves(torch.exp(populations.grid.ln_wavelength()))[0])  # fmt: skip

    def draw(self, n, random):
        """Draw quasars.

        Parameters
        ----------
        n : int
        random : `~astro_spectok.simulate.randomness.Randomness`
            On the device of these quasars.

        Returns
        -------
        `~astro_spectok.simulate.objects.Objects`
            All of class 1, kinds 'quasar', 'broad absorption quasar' and 'broad-line galaxy'.
        """
        z = self._draw_redshift(n, random)
        faint = (z < 1) & random.chance(0.35, n)  # nuclei that their hosts outshine
        troughs = ~faint & random.chance(0.12, n)
        flux = self._draw_continuum(n, random)
        excess = self._draw_lines(flux, faint, random)
        bare = flux.clone()
        flux *= (1 + excess).clamp(min=0.02)
        self.absorbers.absorb_broad(flux, troughs, random)
        self.absorbers.absorb_narrow(flux, z, random)
        a_v = random.normal(0, 0.15, n).abs()
        a_v = torch.where(random.chance(0.1, n), random.uniform(0.1, 1.0, n), a_v)
        screen = torch.exp(-MAGNITUDE * a_v[:, None] * self.smc)
        flux, bare = flux * screen, bare * screen
        lines = self._draw_narrow(bare, faint, random)
        flux, host = self._add_host(flux, z, faint, random)
        self.absorbers.absorb_damped(flux, z, random)
        flux = self.medium.absorb(flux, z, random)
        flux, scale = normalize_flux(flux)
        kinds = np.where(faint.cpu(), "broad-line galaxy", np.where(troughs.cpu(), "broad absorption quasar", "quasar"))
        return Objects(
            grid=self.grid,
            flux=flux,
            z=z,
            cls=torch.ones(n, dtype=torch.int64, device=self.device),
            kind=kinds.tolist(),
            template_sigma=torch.full((n,), EMILES_SIGMA, device=self.device, dtype=torch.float32),
            # quasar lines are broad already; where the host shows, its stars move
            sigma=torch.where(host, random.uniform(60, 300, n) / LIGHT_SPEED, EMILES_SIGMA),
            rotation=torch.zeros(n, device=self.device, dtype=torch.float32),
            line_ln_wavelength=lines[0],
            line_flux=lines[1] / scale,
            line_sigma=lines[2],
            measurable=torch.ones(n, dtype=torch.bool, device=self.device),
        )

    def _draw_redshift(self, n, random):
        # the near ones, with their hosts, are those taken for galaxies
        low, high = np.array([0.01, 0.05, 1.5, 0.01]), np.array([0.6, 2.2, 4.5, 7.0])
        choice = random.host.choice(4, size=n, p=(0.15, 0.37, 0.39, 0.09))
        return torch.from_numpy(random.host.uniform(low[choice], high[choice])).to(self.device)

    def _draw_continuum(self, n, random):
        """Broken power laws: steep in the ultraviolet, flatter where dust of the torus begins to glow."""
        x = self.relative
        blue = random.normal(-1.5, 0.4, n, 1)
        # the slope turns near 1100 (Telfer et al. 2002) and near 5000 Angstrom (Vanden Berk et al. 2001)
        extreme = (blue + random.normal(0.9, 0.4, n, 1)).clamp(-1.8, 0.3)
        red = blue + random.normal(1.1, 0.3, n, 1)
        turn_blue, turn_red, turn_dust = (math.log(value / 3000) for value in (1100, 5000, 10500))
        exponent = blue * x
        exponent = exponent + (extreme - blue) * (x - turn_blue).clamp(max=0)
        exponent = exponent + (red - blue) * (x - turn_red).clamp(min=0)
        exponent = exponent + random.uniform(-0.4, 0.5, n, 1) * (x - turn_dust).clamp(min=0)
        return torch.exp(exponent)

    def _draw_field(self, n, scatter, length, random):
        """Smooth normal field (n, N) of this scatter, correlated over ``length`` in ln(wavelength)."""
        knots = int(self.grid.size * self.grid.ln_step / length) + 2
        values = random.normal(0, scatter, n, 1, knots)
        return torch.nn.functional.interpolate(values, size=self.grid.size, mode="linear", align_corners=True)[:, 0]

    def _draw_lines(self, flux, faint, random):
        """Broad lines and iron over the continuum, (B, N)."""
        n = len(flux)
        excess = self.templates.draw(n, random)
        # in brighter quasars the lines are weaker, those of high ions the more (Baldwin 1977)
        luminosity = random.normal(0, 1, n, 1)
        slope = -0.12 * luminosity * torch.exp(self.relative.clamp(max=0) * 0.8)
        gain = self._draw_field(n, 0.35, 0.05, random) + slope + random.normal(0, 0.25, n, 1)
        excess *= torch.exp(gain.clamp(-2, 1.5))
        wavelength, width, sigma, shift = self.broad.T
        share = random.uniform(0, 1, n, 1) ** 2 * random.chance(0.6, n, 1)
        share = torch.where(faint[:, None], random.uniform(0.2, 1, n, 1), share)
        width = share * width.float() * torch.exp(random.normal(0, 0.4, n, len(width)))
        sigma = (sigma.float() / LIGHT_SPEED) * torch.exp(
            random.normal(0, 0.4, n, 1) + random.normal(0, 0.1, n, len(sigma))
        )
        high = (wavelength < 1700) & (wavelength > 1250)
        velocity = torch.where(high, random.normal(0, 450, n, 1), random.normal(0, 150, n, 1))
        centre = wavelength.log() + (shift.float() + velocity) / LIGHT_SPEED
        peak = width / (wavelength.float() * sigma * GAUSS_AREA)
        return add_gaussians(excess, self.grid, centre, sigma.clamp(max=0.03), peak)

    def _draw_narrow(self, continuum, faint, random):
        """Narrow lines and the wings of [O III]: ln(wavelength), flux and sigma, each (B, L)."""
        n = len(continuum)
        centre = self.narrow[:, 0].log()
        strength = 10 ** random.uniform(math.log10(0.5), math.log10(80), n)
        strength = torch.where(faint, 10 ** random.uniform(0.7, 2.5, n), strength)
        ratios = self.narrow[:, 1].float() * 10 ** random.normal(0, 0.2, n, len(centre))
        ratios[:, 12:] *= 10 ** random.normal(0.2, 0.35, n, 1)
        ratios[:, 2:4] *= 10 ** random.normal(0.2, 0.35, n, 1)
        for strong, weak, value in FIXED:
            ratios[:, weak] = ratios[:, strong] / value
        level = measure_continuum(continuum, self.grid, centre[11:12])
        flux = strength[:, None] * ratios / ratios[:, 11:12] * level
        sigma = (torch.exp(random.normal(math.log(180), 0.4, n, 1)) / LIGHT_SPEED).clamp(2e-4, 2e-3)
        wing = random.chance(0.4, n, 1) * random.uniform(0.2, 1.0, n, 1)
        shift, wing_sigma = random.uniform(-700, 0, n, 1) / LIGHT_SPEED, random.uniform(350, 1000, n, 1) / LIGHT_SPEED
        return (
            torch.cat([centre.expand(n, -1), centre[10:12] + shift], 1),
            torch.cat([flux, flux[:, 10:12] * wing], 1),
            torch.cat([sigma.expand(n, len(centre)), wing_sigma.expand(n, 2)], 1),
        )

    def _add_host(self, flux, z, faint, random):
        """Starlight of the host below redshift 1; the flux, and which rows have some."""
        n = len(flux)
        share = torch.where(faint, random.uniform(0.4, 0.92, n), random.uniform(0.0, 0.7, n))
        shown = (z < 1) & (faint | random.chance(0.25, n))
        level = flux[:, self.visual].mean(1) * share / (1 - share)
        rows = torch.nonzero(shown)[:, 0]
        if len(rows):
            flux[rows] += level[rows, None] * self.hosts[random.integers(HOSTS, len(rows))]
        return flux, shown
