# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Random galaxies of every kind: stars, dust, gas and what lies before them."""

import math

import numpy as np
import torch

from astro_spectok.simulate.constants import LIGHT_SPEED, MAGNITUDE
from astro_spectok.simulate.dust import attenuate, compute_curves, draw_curve_shares
from astro_spectok.simulate.galaxy_templates import GalaxyTemplates, LymanBreakTemplates
from astro_spectok.simulate.intergalactic import IntergalacticMedium, compute_mean_optical_depth
from astro_spectok.simulate.nebular import LINER, LINES, SEYFERT, WING, NebularLines
from astro_spectok.simulate.objects import GALAXY_LABELS, Objects
from astro_spectok.simulate.populations import HISTORIES, Populations, draw_histories
from astro_spectok.simulate.profiles import measure_continuum, normalize_flux
from astro_spectok.simulate.randomness import choose
from astro_spectok.simulate.ultraviolet import Ultraviolet

__all__ = ["KINDS", "Galaxies"]

#: how often each kind is drawn, and how often each of `HISTORIES` made it
KINDS = {
    "passive": (0.18, (0.0, 0.0, 0.0, 0.0, 0.04, 0.56, 0.40)),
    "star-forming": (0.30, (0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0)),
    "post-starburst": (0.03, (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)),
    "liner": (0.07, (0.1, 0.1, 0.0, 0.0, 0.0, 0.4, 0.4)),
    "agn": (0.07, (0.3, 0.2, 0.2, 0.1, 0.0, 0.1, 0.1)),
    "lyman-break": (0.32, (0.1, 0.2, 0.4, 0.3, 0.0, 0.0, 0.0)),
    "template": (0.03, (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
}
#: redshifts of galaxies that are near
NEAR = (0.003, 0.1)
PASSIVE, FORMING, FADED, LINER_KIND, AGN, BREAK, TEMPLATE = range(len(KINDS))


class Galaxies:
    """Galaxies in their rest frame, 600 to 28000 Angstrom.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        What it does not hold is made of analytic templates.
    device : str or `torch.device`
    """

    def __init__(self, store, device="cpu"):
        self.device = torch.device(device)
        self.populations = Populations(store, device)
        self.grid = self.populations.grid
        self.nebular = NebularLines(store, device)
        self.ultraviolet = Ultraviolet(self.grid, device)
        self.medium = IntergalacticMedium(self.grid, device)
        self.templates = GalaxyTemplates(store, self.grid, device)
        self.lyman_break = LymanBreakTemplates(store, self.grid, device)
        self.curves = compute_curves(torch.exp(self.grid.ln_wavelength(device)))
        self.line_curves = compute_curves(torch.exp(self.nebular.ln_wavelength))

    def draw(self, n, random, *, near=0.0):
        """Draw galaxies.

        Parameters
        ----------
        n : int
        random : `~astro_spectok.simulate.randomness.Randomness`
            On the device of these galaxies.
        near : float, optional
            Share of them that are passive, nearer than a redshift of 0.1, and formed early: of all others hardly one is
            older than 10 Gyr.

        Returns
        -------
        `~astro_spectok.simulate.objects.Objects`
            All of class 0, with redshifts between 0.003 and 14; ``labels`` are NaN for kind 'template'.
        """
        chances = np.array([value[0] for value in KINDS.values()])
        kind = random.host.choice(len(chances), size=n, p=chances / chances.sum())
        if not len(self.templates):
            kind[kind == TEMPLATE] = PASSIVE
        early = random.host.random(n) < near if near else np.zeros(n, bool)
        kind[early] = PASSIVE
        z = self._draw_redshift(kind, random)
        if near:
            z[torch.from_numpy(early)] = torch.from_numpy(random.host.uniform(*NEAR, early.sum())).to(z)
        names, kind = list(KINDS), torch.from_numpy(kind).to(self.device)
        width = self._draw_alpha_width(kind, random)
        early = torch.from_numpy(early).to(self.device) if near else None
        shares, labels = self._draw_stars(kind, z, width, random, early)
        flux, template_sigma = self.populations.mix(shares, random)
        flux, a_v, curve_shares = self._add_dust(flux, kind, width, random)
        flux, covered = self._add_ultraviolet(flux, kind, random)
        self.templates.replace(flux, template_sigma, kind == TEMPLATE, random)
        lines = self._draw_lines(flux, kind, width, labels["metallicity"], a_v, curve_shares, random)
        more = self._draw_ultraviolet_lines(flux, kind, covered, z, lines[2], random)
        lines = [torch.cat(pair, 1) for pair in zip(lines, more, strict=True)]
        labels |= self._label_lines(flux, lines)
        flux = self.medium.absorb(flux, z, random)
        flux, scale = normalize_flux(flux.clamp(min=0))  # real templates carry some noise
        sigma = self._draw_dispersion(kind, random)
        labels |= {"a_v": a_v, "sigma_v": torch.log10(sigma)}
        unknown = kind == TEMPLATE
        labels = {name: torch.where(unknown, torch.nan, labels[name]) for name in GALAXY_LABELS}
        return Objects(
            grid=self.grid,
            flux=flux,
            z=z,
            cls=torch.zeros(n, dtype=torch.int64, device=self.device),
            kind=[names[k] for k in kind.tolist()],
            template_sigma=template_sigma,
            sigma=torch.where(unknown, 0, sigma / LIGHT_SPEED),
            rotation=torch.zeros(n, device=self.device, dtype=torch.float32),
            line_ln_wavelength=lines[0],
            line_flux=torch.where(unknown[:, None], 0, lines[1] / scale),
            line_sigma=lines[2],
            measurable=torch.ones(n, dtype=torch.bool, device=self.device),
            labels=labels,
        )

    def _draw_redshift(self, kind, random):
        n = len(kind)
        choice = random.host.random(n)
        far = np.where((kind == FORMING) | (kind == AGN), 3.0, 1.6)
        high = np.where(choice < 0.5, 0.5, np.where(choice < 0.8, 1.6, far))
        # most of the far ones where optical spectra see their far ultraviolet
        # and a few as far as infrared instruments have found any
        farthest = choice >= 0.93
        low = np.where(kind == BREAK, np.where(choice < 0.7, 2.4, np.where(farthest, 6.8, 1.3)), 0.003)
        high = np.where(kind == BREAK, np.where(choice < 0.7, 5.0, np.where(farthest, 14.0, 6.8)), high)
        return torch.from_numpy(low + (high - low) * random.host.random(n)).to(self.device)

    def _draw_alpha_width(self, kind, random):
        """Rest equivalent width (B,) of H-alpha in Angstrom, above the stellar absorption."""
        n = len(kind)
        exponent = torch.full((n,), -9.0, device=self.device, dtype=torch.float32)
        for which, low, high in (
            (FADED, -1.0, 0.7), (LINER_KIND, -0.3, 1.2), (AGN, 0.3, 2.7), (BREAK, 1.3, 3.2),
            (PASSIVE, -1.5, 0.0),
        ):  # fmt: skip
            exponent = torch.where(kind == which, random.uniform(low, high, n), exponent)
        # four decades, but blue compact dwarfs are few
        extreme = random.chance(0.2, n)
        most = torch.where(extreme, random.uniform(2.0, 3.5, n), random.uniform(-0.5, 2.4, n))
        exponent = torch.where(kind == FORMING, most, exponent)
        lineless = (kind == PASSIVE) & random.chance(0.6, n)
        return torch.where(lineless, 0, 10**exponent)

    def _draw_stars(self, kind, z, width, random, early=None):
        """Shares of the populations, with as many young stars as the lines ask for."""
        chances = torch.tensor([value[1] for value in KINDS.values()], device=self.device, dtype=torch.float32)
        history = torch.multinomial(chances[kind], 1, generator=random.generator)[:, 0]
        young = (width / 2000 * 10 ** random.normal(0, 0.25, len(kind))).clamp(max=0.95)
        young = torch.where((kind == FORMING) | (kind == BREAK), young, 0)
        young = torch.where((kind == BREAK) & (young < 0.1), 0.1, young)
        # what forms stars at that rate has not been quenched
        history = torch.where((width > 30) & (history == HISTORIES.index("exponential")) & (young > 0),
                              HISTORIES.index("delayed"), history)  # fmt: skip
        return draw_histories(self.populations, history, z, young, random, early)

    def _add_dust(self, flux, kind, width, random):
        n = len(flux)
        a_v = random.normal(0, 0.7, n).abs()
        a_v = torch.where(random.chance(0.08, n), random.uniform(0, 3, n), a_v)
        a_v = torch.where((kind == PASSIVE) | (kind == LINER_KIND), 0.4 * a_v, a_v)
        a_v = torch.where((kind == BREAK) | (width > 500), 0.5 * a_v, a_v)
        shares = draw_curve_shares(n, random)
        # the shape of no galaxy, and no flux calibration, is known to better than some percent over a decade
        tilt = random.normal(0, 0.08, n, 1) * (self.grid.ln_wavelength(self.device) - math.log(5500.0)).float()
        return attenuate(flux * torch.exp(tilt), a_v, shares @ self.curves), a_v, shares

    def _add_ultraviolet(self, flux, kind, random):
        """Gas before the stars; the flux, and which rows have the real ultraviolet of Lyman-break galaxies."""
        n = len(flux)
        strength = torch.exp(random.normal(-0.1, 0.4, n))
        passive = (kind == PASSIVE) | (kind == LINER_KIND) | (kind == FADED)
        strength = torch.where(passive, 0.15 * strength, strength)
        covered = (kind == BREAK) & random.chance(0.35, n)
        plain = self.ultraviolet.absorb(flux, strength, random)
        flux = self.lyman_break.replace(plain, covered, random)
        column = torch.where(covered, 12.0, random.uniform(18.5, 21.8, n))
        escape = 0.1 * torch.exp(random.normal(-1.5, 1.0, n)).clamp(max=1)
        return self.ultraviolet.absorb_hydrogen(flux, column, escape), covered

    def _draw_lines(self, flux, kind, width, metallicity, a_v, curve_shares, random):
        """Optical and infra-red lines: ln(wavelength), flux and sigma, each (B, L)."""
        n, index = len(flux), self.nebular.index
        ratios = self.nebular.draw_ratios(metallicity, random)
        ratios = self.nebular.excite(ratios, kind == AGN, SEYFERT, random)
        ratios = self.nebular.excite(ratios, (kind == LINER_KIND) | (kind == PASSIVE), LINER, random)
        # gas lies behind more dust than the stars do
        gas_a_v = a_v * random.uniform(1.0, 2.3, n)
        screen = torch.exp(-MAGNITUDE * gas_a_v[:, None] * (curve_shares @ self.line_curves))
        alpha = index["Halpha"]
        relative = ratios * screen / (ratios[:, alpha] * screen[:, alpha])[:, None]
        continuum = measure_continuum(flux, self.grid, self.nebular.ln_wavelength[alpha : alpha + 1])
        line_flux = relative * width[:, None] * continuum
        velocity = torch.exp(random.normal(math.log(90), 0.5, n)).clamp(25, 300)
        active = (kind == AGN) | (kind == LINER_KIND)
        velocity = torch.where(active, (velocity * random.uniform(1.2, 3, n)).clamp(max=500), velocity)
        sigma = (velocity / LIGHT_SPEED)[:, None].expand(n, len(self.nebular.ln_wavelength))
        centre = self.nebular.ln_wavelength.expand(n, -1)
        wing = [index[name] for name in WING]
        share = random.chance(0.1, n) * random.uniform(0.1, 0.6, n)
        share = share * (1 + active)
        shift, wing_sigma = (random.uniform(low, high, n, 1) / LIGHT_SPEED for low, high in ((-400, 0), (250, 700)))
        return [
            torch.cat([centre, centre[:, wing] + shift], 1),
            torch.cat([line_flux, line_flux[:, wing] * share[:, None]], 1),
            torch.cat([sigma, wing_sigma.expand(n, len(wing))], 1),
        ]

    def _draw_ultraviolet_lines(self, flux, kind, covered, z, sigma, random):
        """Ultraviolet lines and Lyman alpha, as `_draw_lines`."""
        n = len(flux)
        forming = (kind == FORMING) | (kind == BREAK) | (kind == AGN)
        strength = torch.where(forming & ~covered, torch.exp(random.normal(-0.2, 0.8, n)), 0)
        strength = torch.where(kind == AGN, 4 * strength, strength)
        choice = random.uniform(0, 1, n)
        alpha = torch.where(choice < 0.75, 10 ** random.uniform(0, 1.5, n), 10 ** random.uniform(1.3, 2.2, n))
        alpha = torch.where((choice < 0.45) | ~forming | covered, 0, alpha)
        blue = torch.exp(-compute_mean_optical_depth(z.float()))
        ln_wavelength, width, sigma = self.ultraviolet.draw_emission(strength, alpha, blue, sigma[:, 0], random)
        continuum = measure_continuum(flux, self.grid, self.ultraviolet.ln_emission)
        # damped absorption holds the continuum down beside Lyman alpha: what counts is that farther to the red
        beside = measure_continuum(
            flux, self.grid, torch.tensor([math.log(1290.0)], device=flux.device, dtype=torch.float32).double()
        )
        continuum = torch.cat([continuum[:, :-3], beside.expand(n, 3)], 1)
        return [ln_wavelength, width * continuum, sigma]

    def _label_lines(self, flux, lines):
        """asinh of the equivalent widths of the lines as drawn, wings included."""
        names = list(WING)
        parts = {
            "ew_halpha": ["Halpha"], "ew_oiii": ["[OIII]5007"], "ew_hbeta": ["Hbeta"],
            "ew_oii": ["[OII]3726", "[OII]3729"],
        }  # fmt: skip
        first_wing = len(self.nebular.ln_wavelength)
        labels = {}
        for label, members in parts.items():
            columns = [self.nebular.index[name] for name in members]
            columns += [first_wing + names.index(name) for name in members if name in names]
            centre = torch.tensor(
                [np.log(np.mean([LINES[name][0] for name in members]))], device=self.device, dtype=torch.float32
            )
            continuum = measure_continuum(flux, self.grid, centre)[:, 0]
            labels[label] = torch.asinh(lines[1][:, columns].sum(1) / continuum.clamp(min=1e-12))
        return labels

    def _draw_dispersion(self, kind, random):
        """Velocity dispersion (B,) of the stars in km/s."""
        n = len(kind)
        passive = (kind == PASSIVE) | (kind == LINER_KIND)
        centre = choose(passive, math.log(170), math.log(95))
        return torch.exp(centre + random.normal(0, 0.45, n)).clamp(40, 350)
