# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stellar populations without data: black bodies, breaks and a list of absorption lines."""

import functools
import math

import numpy as np
import torch

from astro_spectok.simulate.profiles import add_gaussians, find_bins

__all__ = ["make_populations"]

#: vacuum wavelength in Angstrom, equivalent width in old and in young stars (Angstrom), Gaussian width (Angstrom)
LINES = (
    (2796.35, 6.0, 0.5, 4.0), (2803.53, 6.0, 0.5, 4.0), (2852.96, 3.0, 0.2, 4.0), (3735.4, 1.0, 2.5, 4.0),
    (3751.2, 1.0, 3.0, 4.5), (3771.7, 1.0, 4.0, 5.0), (3798.98, 1.0, 5.0, 6.0), (3836.47, 1.0, 6.5, 7.0),
    (3890.17, 1.5, 7.0, 7.0), (3934.78, 9.0, 0.8, 5.5), (3969.59, 8.0, 6.5, 6.0), (4102.89, 1.0, 8.0, 9.0),
    (4227.92, 1.6, 0.1, 4.0), (4304.6, 6.0, 0.1, 9.0), (4341.68, 1.0, 8.0, 9.0), (4384.8, 4.0, 0.3, 8.0),
    (4862.68, 1.6, 8.0, 9.0), (5019.0, 1.5, 0.1, 7.0), (5168.7, 2.0, 0.2, 5.0), (5174.1, 2.5, 0.2, 5.0),
    (5185.0, 3.0, 0.2, 5.0), (5270.9, 2.8, 0.3, 6.0), (5329.6, 2.0, 0.2, 6.0), (5891.58, 2.0, 0.2, 3.5),
    (5897.56, 1.6, 0.2, 3.5), (6564.61, 1.0, 5.0, 8.0), (7053.0, 2.0, 0.0, 25.0), (8500.36, 1.6, 0.8, 4.5),
    (8544.44, 3.6, 1.0, 5.0), (8664.52, 3.0, 1.0, 5.0), (8807.0, 0.9, 0.1, 4.0), (22063.0, 4.0, 0.1, 20.0),
    (23535.0, 14.0, 0.3, 60.0),
)  # fmt: skip
AGES = 10 ** np.linspace(math.log10(0.0631), math.log10(14.0), 18)
METALLICITIES = (-1.3, -0.4, 0.2)


def _black_body(ln_wavelength, temperature):
    return torch.exp(-5 * (ln_wavelength - math.log(5500.0))) / torch.expm1(
        1.438777e8 * torch.exp(-ln_wavelength) / temperature
    )


# made once: they are shared, and whatever the program around has set is not kept with them
@functools.lru_cache(maxsize=4)
@torch.inference_mode(False)
def make_populations(grid):
    """Coarse single stellar populations; what is given is shared and must stay as it is.

    Parameters
    ----------
    grid : `~astro_spectok.simulate.objects.RestGrid`

    Returns
    -------
    age, metallicity : ndarray, shape (T,)
        Gyr and [M/H].
    spectra : float32 tensor, shape (T, N)
        1 at 5500 Angstrom.
    """
    ln_wavelength = grid.ln_wavelength()
    wavelength = torch.exp(ln_wavelength)
    ages = np.concatenate([[0.004, 0.012, 0.035], AGES])
    centre, old, young, width = torch.tensor(LINES, dtype=torch.float64, device="cpu").T
    rows, row_age, row_metallicity = [], [], []
    for metallicity in METALLICITIES:
        for age in ages:
            maturity = float(np.clip(math.log10(age / 0.05) / 2.3, 0, 1))  # 0 young, 1 old
            hot = 30000 * (max(age, 0.004) / 0.004) ** -0.24 * 10 ** (-0.04 * metallicity)
            flux = sum(
                share * body / body[find_bins(grid, 5450, 5550)].mean()
                for share, body in (
                    (0.6, _black_body(ln_wavelength, max(hot, 5200.0))),
                    (0.4, _black_body(ln_wavelength, max(0.75 * hot, 4000.0))),
                )
            )
            balmer = 0.5 * math.exp(-(((math.log10(age) + 0.3) / 0.7) ** 2))
            metal_break = 0.9 * maturity**2 * 10 ** (0.4 * metallicity)
            flux = flux / (1 + balmer * torch.sigmoid((3690 - wavelength) / 25))
            flux = flux / (1 + metal_break * torch.sigmoid((3985 - wavelength) / 12))
            flux = flux / (1 + 2.0 * metal_break * torch.sigmoid((2650 - wavelength) / 60))
            # Balmer lines are strongest half a Gyr after the stars form
            balmer_width = (0.25 + balmer) * young
            strength = (1 - maturity) * balmer_width + maturity * old * 10 ** (0.3 * metallicity)
            depth = torch.zeros(1, grid.size, dtype=torch.float32, device="cpu")
            peak = (strength / (width * math.sqrt(2 * math.pi))).float()
            add_gaussians(depth, grid, centre.log(), (width / centre).float(), peak)
            rows.append(flux.float() * torch.exp(-depth[0]))
            row_age.append(age)
            row_metallicity.append(metallicity)
    spectra = torch.stack(rows)
    spectra /= spectra[:, find_bins(grid, 5450, 5550)].mean(1, keepdim=True)
    return np.array(row_age), np.array(row_metallicity), spectra
