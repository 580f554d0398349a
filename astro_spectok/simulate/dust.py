# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Dust: attenuation curves of starbursts, the Milky Way and the Small Magellanic Cloud, and random mixtures of them."""

import torch

from astro_spectok.simulate.constants import MAGNITUDE

__all__ = ["CURVES", "attenuate", "compute_curves", "draw_curve_shares"]

#: names of the curves, in the order of the rows of `compute_curves`
CURVES = ("calzetti", "milky way", "smc")

# Pei (1992), table 4: a, lambda (micron), b, n of the six terms
_PEI = {
    "milky way": ((165.0, 14.0, 0.045, 0.002, 0.002, 0.012), (0.047, 0.08, 0.22, 9.7, 18.0, 25.0),
                  (90.0, 4.0, -1.95, -1.95, -1.8, 0.0), (2.0, 6.5, 2.0, 2.0, 2.0, 2.0)),
    "smc": ((185.0, 27.0, 0.005, 0.010, 0.012, 0.030), (0.042, 0.08, 0.22, 9.7, 18.0, 25.0),
            (90.0, 5.5, -1.95, -1.95, -1.8, 0.0), (2.0, 4.0, 2.0, 2.0, 2.0, 2.0)),
}  # fmt: skip


def _calzetti(wavelength):
    x = 1e4 / wavelength.clamp(900, 22000)  # the published range ends there
    blue = -2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3
    red = -1.857 + 1.040 * x
    return (2.659 * torch.where(x > 1 / 0.63, blue, red) + 4.05) / 4.05


def _pei(wavelength, name):
    micron = wavelength / 1e4
    return sum(
        a / ((micron / centre) ** n + (centre / micron) ** n + b)
        for a, centre, b, n in zip(*_PEI[name], strict=True)
    )  # fmt: skip


def compute_curves(wavelength):
    """A(lambda) / A(V) of all the `CURVES`.

    Parameters
    ----------
    wavelength : float tensor, shape (N,)
        Vacuum, in Angstrom.

    Returns
    -------
    float32 tensor, shape (3, N)

    References
    ----------
    Calzetti et al. 2000, ApJ 533, 682, eq. 4; Pei 1992, ApJ 395, 130, eq. 20.
    """
    wavelength = wavelength.double()
    visual = torch.tensor([5500.0], dtype=torch.float64, device=wavelength.device)
    rows = [_calzetti(wavelength) / _calzetti(visual)]
    rows += [_pei(wavelength, name) / _pei(visual, name) for name in CURVES[1:]]
    return torch.stack(rows).clamp(min=0).float()


def draw_curve_shares(n, random):
    """Random shares of the curves, float32 (n, 3): mostly one curve, sometimes between two."""
    shares = random.uniform(0, 1, n, len(CURVES)) ** 4 * torch.tensor(
        [1.0, 0.6, 0.6], device=random.device, dtype=torch.float32
    )
    return shares / shares.sum(1, keepdim=True)


def attenuate(flux, a_v, curve):
    """Flux behind a screen of dust.

    Parameters
    ----------
    flux : float32 tensor, shape (B, N)
        NaN stays.
    a_v : float32 tensor, shape (B,)
        Attenuation at 5500 Angstrom in magnitudes.
    curve : float32 tensor, shape (B, N) or (N,)
        A(lambda) / A(V).

    Returns
    -------
    float32 tensor, shape (B, N)
    """
    return flux * torch.exp(-MAGNITUDE * a_v[:, None] * curve)
