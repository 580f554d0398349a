# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars that are computed when drawn: an emulator of APOGEE spectra, and analytic stars that need no data."""

import math

import torch

from astro_spectok.simulate.constants import FWHM, HC_OVER_K
from astro_spectok.simulate.objects import STELLAR_LABELS, RestGrid
from astro_spectok.simulate.randomness import choose
from astro_spectok.simulate.stellar_effects import StellarEffects, draw_broadening
from astro_spectok.simulate.stellar_types import find_type_of_teff

__all__ = ["AnalyticStars", "ApogeeStars"]

#: FWHM of R = 22500 as sigma in ln(wavelength)
_APOGEE_SIGMA = 1 / 22500 / FWHM


class ApogeeStars:
    """Stars at R = 22500 from 15168 to 16937 Angstrom, out of the emulators of El-Badry et al.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
    device : str or `torch.device`, optional

    References
    ----------
    El-Badry et al. 2018, MNRAS 473, 5043.
    """

    needs = ("apogee_emulator_binspec",)

    def __init__(self, store, device="cpu"):
        data = store.read("apogee_emulator_binspec")
        x = torch.log(torch.from_numpy(data["wavelength"]))
        step = float(x[1] - x[0])
        # the pixels lie on an even grid in ln(wavelength), with gaps between the chips
        self.bins = ((x - x[0]) / step).round().long().to(device)
        self.grid = RestGrid(float(x[0]), step, int(self.bins[-1]) + 1)
        self.networks = {
            name: {
                key: torch.from_numpy(data[f"{name}_{key}"]).float().to(device)
                for key in ("w_array_0", "b_array_0", "w_array_1", "b_array_1", "x_min", "x_max")
            }
            for name in ("norm", "flux")
        }
        self.effects = StellarEffects(self.grid, device)

    @classmethod
    def usable(cls, store):
        """Whether the set is there."""
        return store.has(*cls.needs)

    def draw(self, n, random):
        """Draw ``n`` stars; see `Stars.draw`."""
        giant = random.host.random(n) < 0.5
        giant.sort()
        n_giant = int(giant.sum())
        dwarfs = self._draw_dwarfs(n - n_giant, random)
        giants = self._draw_giants(n_giant, random)
        labels = torch.cat([dwarfs[:, :4], giants])
        values = torch.cat([self._emulate("norm", dwarfs), self._emulate("flux", giants)])
        flux = torch.full((n, self.grid.size), torch.nan, device=values.device, dtype=torch.float32)
        flux[:, self.bins] = values.clamp(min=0)
        teff = labels[:, 0]
        labels = torch.cat([torch.log10(labels[:, :1]), labels[:, 1:]], 1)
        objects = self.effects.apply(
            flux, random, kind=[find_type_of_teff(t) for t in teff.tolist()], log_teff=labels[:, 0],
            template_sigma=torch.full((n,), _APOGEE_SIGMA, device=flux.device, dtype=torch.float32), labels=labels,
        )  # fmt: skip
        objects.rotation, rotation = draw_broadening(n, random, objects.rotation)
        # of giants nothing is known besides
        turbulence = torch.cat([dwarfs[:, 4], torch.full((n_giant,), 4.0, device=flux.device, dtype=torch.float32)])
        objects.labels["log_vbroad"] = 0.5 * torch.log10(100**rotation + turbulence**2)
        return objects

    def _draw_dwarfs(self, n, random):
        """Labels over the whole range of the network: Teff, logg, [Fe/H], [Mg/Fe], macroturbulence."""
        network = self.networks["norm"]
        low = network["x_min"].clone()
        low[4] = 0.0
        return low + (network["x_max"] - low) * random.uniform(0, 1, n, 5)

    def _draw_giants(self, n, random):
        """Labels along the giant branch, where the network was trained: Teff, logg, [Fe/H], [Mg/Fe]."""
        network = self.networks["flux"]
        metallicity = random.uniform(-0.95, 0.45, n)
        logg = random.uniform(0.4, 3.6, n)
        teff = 3650 + 520 * (logg - 0.4) - 350 * metallicity + random.normal(0, 90.0, n)
        alpha = (0.05 - 0.2 * metallicity + random.normal(0, 0.1, n)).clamp(-0.2, 0.5)
        labels = torch.stack([teff, logg, metallicity, alpha], 1)
        return torch.minimum(torch.maximum(labels, network["x_min"]), network["x_max"])

    def _emulate(self, name, labels):
        """Flux in the pixels of the emulator, (B, P)."""
        net = self.networks[name]
        x = (labels - net["x_min"]) / (net["x_max"] - net["x_min"]) - 0.5  # (B, K)
        n_pixel, n_hidden, n_label = net["w_array_0"].shape
        hidden = x @ net["w_array_0"].reshape(-1, n_label).T  # (B, P * H)
        hidden = torch.sigmoid(hidden.reshape(-1, n_pixel, n_hidden) + net["b_array_0"])
        return (hidden * net["w_array_1"]).sum(2) + net["b_array_1"]


#: vacuum Angstrom, width in ln(wavelength), depth: at 3500, 5000, 7000, 10000, 20000 and 40000 K.
#: NIST; widths as seen at R about 2000. Hydrogen is added apart.
_LINES = (
    (3934.78, 1.2e-3, (0.75, 0.85, 0.80, 0.30, 0.02, 0.0)), (3969.59, 1.1e-3, (0.7, 0.8, 0.7, 0.2, 0.0, 0.0)),
    (4227.92, 5e-4, (0.8, 0.35, 0.08, 0.0, 0.0, 0.0)), (4305.6, 1.2e-3, (0.3, 0.35, 0.1, 0.0, 0.0, 0.0)),
    (4384.78, 3e-4, (0.4, 0.3, 0.12, 0.02, 0.0, 0.0)), (4482.5, 2.5e-4, (0.0, 0.1, 0.15, 0.25, 0.15, 0.0)),
    (5168.76, 4e-4, (0.5, 0.35, 0.15, 0.03, 0.0, 0.0)), (5174.13, 4e-4, (0.6, 0.4, 0.15, 0.03, 0.0, 0.0)),
    (5185.05, 4e-4, (0.6, 0.45, 0.18, 0.04, 0.0, 0.0)), (5271.0, 4e-4, (0.35, 0.3, 0.1, 0.0, 0.0, 0.0)),
    (5891.58, 3e-4, (0.85, 0.4, 0.15, 0.04, 0.02, 0.0)), (5897.56, 3e-4, (0.8, 0.35, 0.12, 0.03, 0.02, 0.0)),
    (8500.36, 4e-4, (0.4, 0.4, 0.3, 0.15, 0.0, 0.0)), (8544.44, 5e-4, (0.55, 0.55, 0.45, 0.2, 0.0, 0.0)),
    (8664.52, 5e-4, (0.5, 0.5, 0.4, 0.2, 0.0, 0.0)), (8185.5, 4e-4, (0.5, 0.1, 0.0, 0.0, 0.0, 0.0)),
    (8197.1, 4e-4, (0.55, 0.12, 0.0, 0.0, 0.0, 0.0)), (7667.0, 5e-4, (0.6, 0.1, 0.0, 0.0, 0.0, 0.0)),
    (7701.1, 5e-4, (0.55, 0.08, 0.0, 0.0, 0.0, 0.0)), (4472.73, 4e-4, (0.0, 0.0, 0.0, 0.03, 0.3, 0.25)),
    (4027.33, 4e-4, (0.0, 0.0, 0.0, 0.02, 0.28, 0.2)), (5877.25, 4e-4, (0.0, 0.0, 0.0, 0.02, 0.25, 0.3)),
    (6679.99, 4e-4, (0.0, 0.0, 0.0, 0.01, 0.2, 0.2)), (4687.02, 4e-4, (0.0, 0.0, 0.0, 0.0, 0.02, 0.3)),
    (4542.86, 4e-4, (0.0, 0.0, 0.0, 0.0, 0.01, 0.25)), (5413.02, 4e-4, (0.0, 0.0, 0.0, 0.0, 0.0, 0.2)),
)  # fmt: skip
_NODES = tuple(math.log10(t) for t in (3500, 5000, 7000, 10000, 20000, 40000))
_BALMER_DEPTH = (0.05, 0.3, 0.55, 0.75, 0.45, 0.3)
#: heads of the TiO bands (Angstrom, vacuum) and their depth at 3000 K; each recovers to the red over 3 %
_TIO = ((4762, 0.3), (4956, 0.35), (5168, 0.35), (5450, 0.3), (5850, 0.3), (6160, 0.45), (6652, 0.4), (7055, 0.55),
        (7590, 0.45), (8435, 0.4), (8860, 0.25))  # fmt: skip


class AnalyticStars:
    """Black bodies with the lines that matter: what can be made without any data.

    Temperatures go from 2500 to 50000 K; one in six is a white dwarf with very broad Balmer lines. The recipe is too
    crude for labels: they are NaN.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        Not looked at.
    device : str or `torch.device`, optional
    """

    needs = ()

    def __init__(self, store=None, device="cpu"):
        self.grid = RestGrid(math.log(2500.0), 1e-4, int(math.log(11000 / 2500) / 1e-4) + 1)
        x = self.grid.ln_wavelength(device)
        self.wavelength = torch.exp(x).float()
        balmer = [3646.98 / (1 - 4 / n**2) for n in range(3, 17)]
        paschen = [8205.8 / (1 - 9 / n**2) for n in range(9, 17)]
        hydrogen = torch.tensor(balmer + paschen, device=device, dtype=torch.float64)
        order = torch.tensor([*range(14), *range(4, 12)], device=device).float()
        self.hydrogen_ratio = torch.exp(-0.11 * order) * choose(hydrogen > 8300, 0.4, 1.0)
        self.offsets = (x - torch.log(hydrogen)[:, None]).float()  # (H, N)
        lines = torch.tensor([line[0] for line in _LINES], device=device, dtype=torch.float64)
        widths = torch.tensor([line[1] for line in _LINES], device=device, dtype=torch.float32)
        self.profiles = torch.exp(-0.5 * ((x - torch.log(lines)[:, None]).float() / widths[:, None]) ** 2)  # (L, N)
        self.depths = torch.tensor([line[2] for line in _LINES], device=device, dtype=torch.float32)  # (L, 6)
        heads = torch.tensor(_TIO, device=device, dtype=torch.float32)
        distance = torch.log(self.wavelength) - torch.log(heads[:, :1])
        band = torch.sigmoid(distance / 3e-4) * torch.exp(-distance.clamp(min=0) / 0.03)
        self.bands = (heads[:, 1:] * band).sum(0)  # (N,)
        self.balmer_depth = torch.tensor([_BALMER_DEPTH], device=device, dtype=torch.float32)
        self.nodes = torch.tensor(_NODES, device=device, dtype=torch.float32)
        self.effects = StellarEffects(self.grid, device)

    @classmethod
    def usable(cls, store):
        """Always."""
        return True

    def draw(self, n, random):
        """Draw ``n`` stars; see `Stars.draw`."""
        white = random.chance(0.17, n)
        log_teff = random.uniform(math.log10(2500), math.log10(50000), n)
        log_teff = torch.where(white, random.uniform(3.8, 4.8, n), log_teff)
        metals = 10 ** (random.uniform(-1.5, 0.3, n) * 0.5)
        metals = torch.where(white, 0.0, metals)
        flux = self._compute_flux(log_teff, metals, white, random)
        kind = [
            "white dwarf" if w else find_type_of_teff(10**t)
            for w, t in zip(white.tolist(), log_teff.tolist(), strict=True)
        ]
        sigma = torch.full((n,), 2e-4, device=flux.device, dtype=torch.float32)
        labels = torch.full((n, len(STELLAR_LABELS)), torch.nan, device=flux.device, dtype=torch.float32)
        return self.effects.apply(flux, random, kind=kind, log_teff=log_teff, template_sigma=sigma, labels=labels)

    def _compute_flux(self, log_teff, metals, white, random):
        """Flux, float32 (B, N)."""
        teff = 10 ** log_teff[:, None]
        exponent = (HC_OVER_K / (self.wavelength * teff)).clamp(max=80)
        flux = (5000 / self.wavelength) ** 5 / torch.expm1(exponent)
        flux = flux / flux.amax(1, keepdim=True)
        depth = _interpolate(log_teff, self.nodes, self.depths)  # (B, L)
        depth = depth * metals[:, None] * torch.exp(random.normal(0, 0.15, *depth.shape))
        flux = flux * torch.exp(-1.3 * depth @ self.profiles)
        strength = _interpolate(log_teff, self.nodes, self.balmer_depth)[:, 0] * choose(white, 1.1, 1.0)
        width = torch.where(
            log_teff < math.log10(6800),
            random.uniform(1.5e-4, 5e-4, len(teff)),
            random.uniform(6e-4, 3.5e-3, len(teff)),
        )
        width = torch.where(white, random.uniform(4e-3, 1.2e-2, len(teff)), width)
        # one line at a time: all at once would need hundreds of megabytes
        for ratio, offset in zip(self.hydrogen_ratio, self.offsets, strict=True):
            profile = 1 / (1 + (offset / width[:, None]) ** 2)
            flux = flux * (1 - (strength * ratio)[:, None].clamp(max=0.9) * profile)
        # what the crowded series and the Balmer continuum take away below 3700 Angstrom
        drop = (0.55 * strength)[:, None] * torch.sigmoid((3698 - self.wavelength) / 8)
        cool = ((math.log10(4200) - log_teff) / 0.12).clamp(0, 1.6)[:, None]
        return flux * (1 - drop) * torch.exp(-1.4 * cool * self.bands)


def _interpolate(x, nodes, values):
    """Linear interpolation of rows of ``values`` (L, K) at x (B,): shape (B, L)."""
    upper = torch.bucketize(x, nodes).clamp(1, len(nodes) - 1)
    share = ((x - nodes[upper - 1]) / (nodes[upper] - nodes[upper - 1])).clamp(0, 1)
    return (values[:, upper - 1] * (1 - share) + values[:, upper] * share).T
