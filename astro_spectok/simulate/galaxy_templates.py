# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Templates of whole galaxies: composites of real ones, spectral energy distributions, LATIS Lyman-break galaxies."""

import numpy as np
import torch

from astro_spectok.simulate.constants import LIGHT_SPEED
from astro_spectok.simulate.profiles import find_bins, smooth_flux
from astro_spectok.simulate.templates import lay_on_grid

__all__ = ["GalaxyTemplates", "LymanBreakTemplates"]

#: Gaussian width in ln(wavelength) of Marz composites (SDSS and AAOmega), and of energy distributions
MARZ_SIGMA, SED_SIGMA = 2.6e-4, 2e-3
#: the Marz templates that hold a galaxy without gaps or steps, and how far each lies to the red, in km/s, by
#: `~astro_spectok.redshift.fit.refine_redshift` with the populations and lines of all other galaxies (errors
#: of 2 to 4 km/s). Left out are two whose blue and red half disagree by 50 km/s: the transitional one, and that of high
#: redshift
MARZ = {"Early Type Absorption Galaxy": -4.0, "Intermediate Type Galaxy": -11.0, "Late Type Emission Galaxy": -8.0,
        "Composite Galaxy": -19.0}  # fmt: skip
KINNEY = "Kinney+1996"
#: the same for the atlas of Kinney et al. (1996), of low resolution (errors of 17 to 30 km/s)
KINNEY_SHIFTS = {"E": -34.0, "S0": 90.0, "Sa": -113.0, "Sb": 3.0, "Sc": -10.0, "SB1": 59.0, "SB2": 131.0, "SB3": -272.0,
                 "SB4": 173.0, "SB5": -56.0, "SB6": 54.0}  # fmt: skip


class GalaxyTemplates:
    """Whole galaxies, lines included, as others have composed them.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        Marz templates, and the atlas of Kinney et al. (1996); none without it.
    grid : `~astro_spectok.simulate.objects.RestGrid`
    device : str or `torch.device`
    """

    def __init__(self, store, grid, device="cpu"):
        spectra, sigma = [], []
        if store.has("marz_redshift_templates"):
            data = store.read("marz_redshift_templates")
            for i in np.nonzero(np.isin(data["sptype"], list(MARZ)))[0]:
                spectra.append(_lay(data, i, grid, shift=MARZ[str(data["sptype"][i])]))
                sigma.append(MARZ_SIGMA)
        if store.has("galaxy_qso_seds"):
            data = store.read("galaxy_qso_seds")
            for i in np.nonzero(np.char.startswith(data["origin"], KINNEY))[0]:
                spectra.append(_lay(data, i, grid, shift=KINNEY_SHIFTS.get(str(data["sptype"][i]), 0.0)))
                sigma.append(SED_SIGMA)
        spectra = torch.stack(spectra) if spectra else torch.zeros(0, grid.size, dtype=torch.float32)
        if len(spectra):
            spectra = spectra / torch.nanmedian(spectra, 1, keepdim=True).values
        self.spectra = spectra.to(device)
        self.sigma = torch.tensor(sigma, dtype=torch.float32, device=device)

    def __len__(self):
        return len(self.spectra)

    def replace(self, flux, sigma, rows, random):
        """Put templates into the chosen rows of flux (B, N), with their width in sigma (B,); both in place."""
        number = int(rows.sum())
        if number and len(self):
            choice = random.integers(len(self), number)
            flux[rows], sigma[rows] = self.spectra[choice], self.sigma[choice]
        return flux


class LymanBreakTemplates:
    """The ultraviolet of real Lyman-break galaxies over their continuum, 1000 to 1700 Angstrom.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        The LATIS templates, ordered by Lyman alpha from absorption to emission; without, nothing is done.
    grid : `~astro_spectok.simulate.objects.RestGrid`
    device : str or `torch.device`
    """

    def __init__(self, store, grid, device="cpu"):
        self.bins, ratios = find_bins(grid, 1010, 1690), []
        if store.has("marz_redshift_templates"):
            data = store.read("marz_redshift_templates")
            for i in np.nonzero(np.char.startswith(data["sptype"], "EIGENVECTOR (LATIS"))[0]:
                ratios.append(_lay(data, i, grid)[self.bins])
        self.ratios = torch.stack(ratios).to(device) if ratios else None

    def replace(self, flux, rows, random):
        """Exchange features for the real ones in the chosen rows of flux (B, N), in place."""
        number = int(rows.sum())
        if number == 0 or self.ratios is None:
            return flux
        shares = random.uniform(0, 1, number, len(self.ratios)) ** 3
        ratio = (shares / shares.sum(1, keepdim=True)) @ self.ratios
        ratio = (1 + (ratio - 1) * random.uniform(0.7, 1.2, number, 1)).clamp(min=0.02)
        inner = smooth_flux(flux[rows, self.bins], 500) * ratio
        fade = (torch.arange(inner.shape[1], device=flux.device, dtype=torch.float32) / 100).clamp(max=1)
        fade = fade * fade.flip(0)  # neither end shows a step
        flux[rows, self.bins] = flux[rows, self.bins] * (1 - fade) + inner * fade
        return flux


def _lay(data, i, grid, *, shift=0.0):
    """One stored spectrum, that lies ``shift`` km/s to the red, on the grid; NaN where it is not known."""
    pixels = slice(data["offsets"][i], data["offsets"][i + 1])
    ln_wavelength = np.log(data["wave"][pixels].astype(float)) - shift / LIGHT_SPEED
    flux = data["flux"][pixels]
    known = np.nonzero(flux)[0]  # runs of zeros at the ends mean that nothing was measured
    keep = np.concatenate([[True], np.diff(ln_wavelength) > 0])
    keep[: known[0]] = keep[known[-1] + 1 :] = False
    return lay_on_grid(ln_wavelength[keep], flux[keep], grid)
