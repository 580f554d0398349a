# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Effects common to all stars: velocity, rotation, emission lines, interstellar dust."""

import math

import torch

from astro_spectok.simulate.constants import LIGHT_SPEED
from astro_spectok.simulate.dust import CURVES, attenuate, compute_curves
from astro_spectok.simulate.objects import CLASSES, STELLAR_LABELS, Objects
from astro_spectok.simulate.profiles import measure_continuum, normalize_flux
from astro_spectok.simulate.stellar_types import number_types

__all__ = ["EMISSION_LINES", "StellarEffects", "draw_broadening", "draw_velocity"]

#: vacuum Angstrom (NIST): H alpha to H delta, Ca II K and H, He I, He II, Ca II triplet; in each the strength relative
#: to H alpha that is typical of active dwarfs, Be stars and cataclysmic variables
EMISSION_LINES = (
    (6564.61, 1.0, 1.0, 1.0), (4862.68, 0.40, 0.18, 0.80), (4341.68, 0.22, 0.06, 0.65), (4102.89, 0.15, 0.02, 0.50),
    (3934.78, 0.25, 0.0, 0.05), (3969.59, 0.25, 0.0, 0.35), (5877.25, 0.04, 0.03, 0.35), (6679.99, 0.01, 0.02, 0.20),
    (4472.73, 0.0, 0.0, 0.22), (4687.02, 0.0, 0.0, 0.15), (8500.36, 0.03, 0.08, 0.15), (8544.44, 0.03, 0.09, 0.15),
    (8664.52, 0.03, 0.08, 0.15),
)  # fmt: skip


def draw_velocity(n, random):
    """Radial velocities over c, float64 (n,): mostly of the disc and halo, some out to 700 km/s."""
    usual = random.normal(0.0, 120.0, n)
    wide = random.uniform(-600.0, 600.0, n)
    velocity = torch.where(random.chance(0.15, n), wide, usual).clamp(-700.0, 700.0)
    return velocity.double() / LIGHT_SPEED


def _draw_log_uniform(low, high, n, random):
    return low * (high / low) ** random.uniform(0.0, 1.0, n)


def draw_broadening(n, random, usual):
    """Rotation of stars that is worth measuring: the ``usual`` one, and for a third of them 5 to 300 km/s.

    Parameters
    ----------
    n : int
    random : `~astro_spectok.simulate.randomness.Randomness`
    usual : float32 tensor, shape (n,)
        v sin i over c.

    Returns
    -------
    rotation : float32 tensor, shape (n,)
        v sin i over c.
    label : float32 tensor, shape (n,)
        log10 of it in km/s, 0 at least.
    """
    wide = 5.0 * 60.0 ** random.uniform(0, 1, n) / LIGHT_SPEED
    rotation = torch.where(random.chance(1 / 3, n), wide, usual)
    return rotation, torch.log10((rotation * LIGHT_SPEED).clamp(min=1.0))


class StellarEffects:
    """Effects on the fluxes of stars at rest, which make `Objects` of them.

    Parameters
    ----------
    grid : `~astro_spectok.simulate.objects.RestGrid`
    device : str or `torch.device`
    """

    def __init__(self, grid, device):
        self.grid = grid
        wavelength = torch.exp(grid.ln_wavelength(device))
        self.curve = compute_curves(wavelength)[CURVES.index("milky way")]
        lines = torch.tensor(EMISSION_LINES, device=device, dtype=torch.float64)
        keep = (lines[:, 0] > wavelength[0] * 1.03) & (lines[:, 0] < wavelength[-1] / 1.03)
        self.lines = torch.log(lines[keep, 0])
        self.strengths = lines[keep, 1:].float().T  # (3, L)

    def apply(self, flux, random, *, kind, log_teff, template_sigma, labels=None):
        """Stars with velocity, rotation, emission lines and dust.

        Parameters
        ----------
        flux : float32 tensor, shape (B, N)
            At rest; NaN where nothing is known.
        random : `~astro_spectok.simulate.randomness.Randomness`
        kind : list of str
        log_teff : float32 tensor, shape (B,)
            Steers rotation and emission.
        template_sigma : float32 tensor, shape (B,)
        labels : float32 tensor, shape (B, 4), optional
            `STELLAR_LABELS`.

        Returns
        -------
        Objects
        """
        n, device = len(flux), flux.device
        white = torch.tensor(["white" in k for k in kind], device=device)
        erupting = torch.tensor([k == "CV" for k in kind], device=device)
        rotation = self._draw_rotation(n, random, hot=(log_teff > math.log10(6800)) & ~white & ~erupting)
        flux, _ = normalize_flux(flux)
        line_flux, line_sigma = self._draw_emission(flux, random, log_teff, white, erupting)
        a_v = torch.where(random.chance(0.05, n), random.uniform(0, 4, n), random.normal(0, 0.5, n).abs())
        flux, scale = normalize_flux(attenuate(flux, a_v, self.curve))
        if len(self.lines):
            bins = ((self.lines - self.grid.ln_start) / self.grid.ln_step).round().long()
            line_flux = attenuate(line_flux, a_v, self.curve[bins]) / scale
        if labels is None:
            labels = torch.full((n, len(STELLAR_LABELS)), torch.nan, device=device, dtype=torch.float32)
        teff, logg = (10 ** labels[:, 0]).tolist(), labels[:, 1].tolist()
        return Objects(
            grid=self.grid, flux=flux, z=draw_velocity(n, random),
            cls=torch.full((n,), CLASSES.index("STAR"), device=device), kind=kind,
            template_sigma=template_sigma.float(), sigma=torch.zeros(n, device=device, dtype=torch.float32),
            rotation=rotation,
            line_ln_wavelength=self.lines.expand(n, -1), line_flux=line_flux, line_sigma=line_sigma,
            measurable=torch.ones(n, dtype=torch.bool, device=device),
            labels={name: labels[:, i].contiguous() for i, name in enumerate(STELLAR_LABELS)},
            stellar_type=torch.tensor(number_types(kind, teff, logg), dtype=torch.int64, device=device),
        )  # fmt: skip

    def _draw_rotation(self, n, random, *, hot):
        """v sin i / c: slow for cool stars, with a few exceptions, anything for hot ones."""
        fast = _draw_log_uniform(2.0, 250.0, n, random)
        slow = _draw_log_uniform(1.0, 20.0, n, random)
        exception = _draw_log_uniform(20.0, 80.0, n, random)
        slow = torch.where(random.chance(0.05, n), exception, slow)
        return torch.where(hot, fast, slow) / LIGHT_SPEED

    def _draw_emission(self, flux, random, log_teff, white, erupting):
        """Integrated fluxes and widths of emission lines, each (B, L)."""
        n = len(flux)
        cool = (log_teff < math.log10(5200)) & (log_teff > math.log10(2000)) & ~white
        early = (log_teff > math.log10(9000)) & ~white & ~erupting
        active, disc = cool & random.chance(0.05, n), early & random.chance(0.08, n)
        # cataclysmic variables have lines already; some get more
        flare = erupting & random.chance(0.3, n)
        which = torch.where(disc, 1, 0) + torch.where(flare, 2, 0)
        width = torch.where(active, _draw_log_uniform(0.5, 12.0, n, random), 0.0)
        width = torch.where(disc, _draw_log_uniform(3.0, 60.0, n, random), width)
        width = torch.where(flare, _draw_log_uniform(10.0, 120.0, n, random), width)
        speed = torch.where(active, random.uniform(10.0, 50.0, n), random.uniform(60.0, 200.0, n))
        speed = torch.where(flare, random.uniform(250.0, 900.0, n), speed)
        strength = self.strengths[which] * torch.exp(random.normal(0.0, 0.2, n, len(self.lines)))
        # ratios are of fluxes: equivalent widths times the continuum at H alpha
        continuum = measure_continuum(flux, self.grid, self.lines)
        reference = continuum[:, :1].clamp(min=0)
        # outside the known range there is no continuum to judge by, and no lines are drawn
        line_flux = torch.where(continuum > 0, width[:, None] * strength * reference, 0.0)
        return line_flux, (speed / LIGHT_SPEED)[:, None].expand(-1, len(self.lines))
