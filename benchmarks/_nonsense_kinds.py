# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kinds of spectra that are in none of the classes or are odd in theirs, made of stored stars and of public physics."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from astro_spectok.simulate.dust import attenuate, compute_curves
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.simulate.sky import SKY_GRID, make_absorption, make_emission
from astro_spectok.spectra.medium import convert_to_vacuum
from astro_spectok.utils.constants import FWHM_PER_SIGMA

__all__ = ["KINDS", "Library", "draw_kind"]

#: vacuum Angstrom that are seen, widths of pixels in ln(wavelength), resolving powers, S/N per pixel
RANGES = ((3750.0, 9100.0), (3800.0, 7300.0), (4800.0, 9100.0))
PIXELS, RESOLUTION, SNR = (1.5e-4, 2.3e-4, 4e-4), (600.0, 2500.0), (8.0, 80.0)
#: bins in ln(wavelength) that lines are drawn on
FINE = 5e-5
LIGHT_SPEED = 299792.458
#: air Angstrom and flux over H beta of a nebula of high excitation, the means of planetary nebulae (Osterbrock &
#: Ferland 2006, Astrophysics of Gaseous Nebulae, table 4.4 for the lines of hydrogen)
NEBULA = (
    (3727.4, 0.7), (3868.8, 0.9), (3889.1, 0.2), (3970.1, 0.35), (4101.7, 0.26), (4340.5, 0.47), (4363.2, 0.1),
    (4685.7, 0.25), (4861.3, 1.0), (4958.9, 3.6), (5006.8, 10.8), (5875.6, 0.16), (6300.3, 0.05), (6548.1, 0.3),
    (6562.8, 2.86), (6583.5, 0.9), (6678.2, 0.04), (6716.4, 0.08), (6730.8, 0.1), (7065.2, 0.06), (7135.8, 0.16),
    (7325.0, 0.1), (9068.6, 0.25),
)  # fmt: skip
#: those that hardly shine in H II regions, with what is left of them there; [N II] and [S II] by more
WEAKER = {4685.7: 0.0, 3868.8: 0.1, 4363.2: 0.1, 4958.9: 0.2, 5006.8: 0.2}
#: air Angstrom and strength of the broad lines of Wolf-Rayet stars (Smith 1968, MNRAS 138, 109)
WOLF_RAYET = {
    "WN": ((4058, 0.4), (4100, 0.3), (4340, 0.3), (4612, 0.6), (4686, 2.0), (4861, 0.5), (4945, 0.15), (5411, 0.5),
           (5808, 0.2), (6562, 0.9), (7116, 0.3)),
    "WC": ((4070, 0.5), (4325, 0.2), (4441, 0.2), (4650, 3.0), (4686, 0.8), (5470, 0.2), (5696, 0.8), (5808, 2.0),
           (6570, 0.3), (6742, 0.2), (7065, 0.3), (7726, 0.4)),
}  # fmt: skip
#: air Angstrom of lines of lamps (NIST Atomic Spectra Database)
LAMPS = (
    4046.56, 4077.83, 4358.33, 5460.75, 5769.61, 5790.67, 5852.49, 5881.90, 5944.83, 5975.53, 6029.99, 6074.34,
    6096.16, 6143.06, 6163.59, 6217.28, 6266.50, 6304.79, 6334.43, 6382.99, 6402.25, 6506.53, 6532.88, 6598.95,
    6678.28, 6717.04, 6929.47, 6965.43, 7032.41, 7067.22, 7147.04, 7173.94, 7245.17, 7272.94, 7383.98, 7438.90,
    7503.87, 7514.65, 7635.11, 7723.76, 7948.18, 8006.16, 8014.79, 8103.69, 8115.31, 8264.52, 8408.21, 8424.65,
    8521.44, 8667.94,
)  # fmt: skip


class Library:
    """Co-added stars of SDSS by their types, and white dwarfs: flux in vacuum on any axis.

    Parameters
    ----------
    folder : `~pathlib.Path`
        With the set ``pyhammer_sdss_stars`` and perhaps ``idlspec2d_templates``.
    """

    def __init__(self, folder):
        self._stars = []
        for name in ("pyhammer_sdss_stars", "idlspec2d_templates"):
            if (folder / f"{name}.npz").is_file():
                spectra, columns = load_set(folder / f"{name}.npz")
                self._stars += list(zip(spectra, columns["sptype"].tolist(), strict=True))

    def __len__(self):
        return len(self._stars)

    def draw(self, rng, start, wavelength):
        """Flux of a star whose type starts so, over its median."""
        wanted = [one for one, sptype in self._stars if sptype.startswith(start)]
        seen, flux, ivar = (np.asarray(x, np.float64) for x in wanted[rng.integers(len(wanted))])
        good = (ivar > 0) & np.isfinite(flux)
        flux = np.interp(wavelength, seen[good], flux[good])
        return flux / np.median(flux)


def _add_lines(x, lines, width, velocity=0.0):
    """Flux over a continuum of lines (air Angstrom, strength) with a FWHM in km/s, those above the axis ``x`` left out.

    The strength is that at the middle of a line of 300 km/s.
    """
    centre = np.log(convert_to_vacuum(np.array([line for line, _ in lines], float))) + velocity / LIGHT_SPEED
    sigma = width / LIGHT_SPEED / FWHM_PER_SIGMA
    out = np.zeros(len(x))
    for where, (_, strength) in zip(centre, lines, strict=True):
        part = slice(*np.searchsorted(x, [where - 5 * sigma, where + 5 * sigma]))
        out[part] += strength * np.exp(-0.5 * ((x[part] - where) / sigma) ** 2)
    return out


def _take_sky(x, cumulative):
    """What a cumulative sum on the grid of the sky holds in each bin of an even axis."""
    edges = np.arange(len(x) + 1) * FINE + x[0] - FINE / 2
    at = (edges - SKY_GRID[0]) / SKY_GRID[1]
    return np.diff(np.interp(at, np.arange(len(cumulative)), cumulative.numpy()))


def _planetary_nebula(x, stars, rng):
    lines = [(line, strength * rng.lognormal(0, 0.4)) for line, strength in NEBULA]
    faint = 10 ** rng.uniform(-3, -1)
    return faint * np.exp(-x + x[0]) + _add_lines(x, lines, 60, rng.normal(0, 80))


def _hii_region(x, stars, rng):
    lines = [(line, WEAKER.get(line, 1.5) * strength * rng.lognormal(0, 0.3)) for line, strength in NEBULA]
    return stars.draw(rng, "B", np.exp(x)) + rng.uniform(0.3, 5) * _add_lines(x, lines, 60, rng.normal(0, 80))


def _wolf_rayet(x, stars, rng):
    lines = [(line, strength * rng.lognormal(0, 0.3)) for line, strength in WOLF_RAYET[rng.choice(["WN", "WC"])]]
    return (1 + rng.uniform(0.3, 2) * _add_lines(x, lines, rng.uniform(1000, 2800))) * np.exp(
        -rng.uniform(0, 3.5) * (x - x.mean())
    )


def _symbiotic(x, stars, rng):
    lines = [(line, strength * rng.lognormal(0, 0.4)) for line, strength in (*NEBULA, (6830.0, 0.3))]
    giant = stars.draw(rng, rng.choice(["M3", "M4", "M5", "M6"]), np.exp(x))
    return giant + rng.uniform(0.1, 0.5) * np.exp(-3 * (x - x.mean())) + rng.uniform(0.3, 4) * _add_lines(x, lines, 90)


def _reflected(x, stars, rng):
    """The Sun's light from an asteroid or a comet: a slope, a broad band of olivine, bands of C2 and CN."""
    sun = stars.draw(rng, rng.choice(["G2", "G3"]), np.exp(x))
    wavelength = np.exp(x)
    albedo = 1 + rng.uniform(-0.2, 1.5) * (wavelength - 5500) / 5500
    albedo = albedo * (1 - rng.uniform(0, 0.25) * np.exp(-0.5 * ((wavelength - 9300) / 900) ** 2))
    if rng.random() < 0.5:
        swan = sum(np.exp(-np.maximum(head - wavelength, 0) / 60) * (wavelength < head) for head in (4737, 5165, 5636))
        albedo = albedo + rng.uniform(0.1, 0.8) * swan
    return sun * np.maximum(albedo, 0.1)


def _dwarfs(x, stars, rng):
    ratio = np.exp(rng.uniform(-1.2, 1.2))
    return stars.draw(rng, "WD", np.exp(x)) + ratio * stars.draw(rng, rng.choice(["M2", "M3", "M4"]), np.exp(x))


def _binary(x, stars, rng):
    ratio = np.exp(rng.uniform(-1.2, 0.3))
    return stars.draw(rng, rng.choice(["A", "F"]), np.exp(x)) + ratio * stars.draw(
        rng, rng.choice(["K", "M"]), np.exp(x)
    )


def _reddened(x, stars, rng):
    wavelength = torch.from_numpy(np.exp(x))
    flux = torch.from_numpy(stars.draw(rng, rng.choice(["B", "A", "F", "G", "K"]), np.exp(x)).astype(np.float32))
    a_v = torch.tensor([rng.uniform(3, 7)], dtype=torch.float32)
    return attenuate(flux[None], a_v, compute_curves(wavelength)[1])[0].numpy().astype(float)


def _arc_lamp(x, stars, rng):
    lines = [(line, rng.lognormal(0, 1.2)) for line in LAMPS if rng.random() < 0.8]
    return 10 ** rng.uniform(-3, -1) + _add_lines(x, lines, 40)


def _flat_lamp(x, stars, rng):
    """A lamp of 3,200 K through a spectrograph, with fringes in the red."""
    wavelength = np.exp(x)
    lamp = wavelength**-5 / np.expm1(1.4388e8 / wavelength / 3200)
    response = np.exp(-0.5 * ((wavelength - rng.uniform(5500, 7000)) / 1800) ** 2)
    fringes = rng.uniform(0, 0.1) * np.clip((wavelength - 6500) / 2500, 0, 1) * np.sin(1.2e6 / wavelength)
    return lamp * response * (1 + fringes)


def _telluric(x, stars, rng):
    """A star over its model: what the atmosphere leaves."""
    return 1 - np.clip(_take_sky(x, make_absorption()) * SKY_GRID[1] / FINE, 0, 1) * rng.uniform(0.5, 1)


def _twilight(x, stars, rng):
    """Sunlight scattered by air, with its absorption and airglow."""
    sun = stars.draw(rng, rng.choice(["G2", "G3"]), np.exp(x)) * np.exp(-rng.uniform(2, 4) * (x - x.mean()))
    glow = _take_sky(x, make_emission())
    return sun * _telluric(x, stars, rng) + rng.uniform(0, 1) * glow / max(glow.std(), 1e-9) / 30


def _night_sky(x, stars, rng):
    """Sky that was not subtracted: scattered sunlight, from none to full moon, and airglow at its usual strength."""
    moon = stars.draw(rng, rng.choice(["G2", "G3"]), np.exp(x)) * np.exp(-rng.uniform(-1, 2) * (x - x.mean()))
    # what the model gives is equivalent width in Angstrom of the dark sky
    glow = _take_sky(x, make_emission()) / (FINE * np.exp(x))
    return moon + glow * np.exp(rng.uniform(np.log(0.05), np.log(1.5))) * rng.lognormal(0, 0.3)


def _bl_lac(x, stars, rng):
    continuum = np.exp(-rng.uniform(-0.5, 2.5) * (x - x.mean()))
    bands = _telluric(x, stars, rng) if rng.random() < 0.5 else 1.0
    sodium = rng.uniform(0, 0.6) * _add_lines(x, ((5890.0, 1.0), (5895.9, 0.7)), 40)
    return continuum * bands * (1 - sodium)


#: function of ln(wavelength), stars and a random generator that gives flux, and the class that is right ('' for none)
KINDS = {
    "planetary nebulae": (_planetary_nebula, ""),
    "H II regions at rest": (_hii_region, ""),
    "Wolf-Rayet stars": (_wolf_rayet, "STAR"),
    "symbiotic stars": (_symbiotic, "STAR"),
    "reflected sunlight": (_reflected, "STAR"),
    "white dwarf and M dwarf": (_dwarfs, "STAR"),
    "two unlike stars": (_binary, "STAR"),
    "stars behind A_V 3 to 7": (_reddened, "STAR"),
    "arc lamps": (_arc_lamp, ""),
    "flat-field lamps": (_flat_lamp, ""),
    "telluric absorption": (_telluric, ""),
    "twilight sky": (_twilight, "STAR"),
    "night sky": (_night_sky, ""),
    "BL Lac objects": (_bl_lac, ""),
}


def draw_kind(name, stars, rng, n):
    """Spectra of one of the `KINDS` as an instrument sees them.

    Parameters
    ----------
    name : str
    stars : `Library`
    rng : `numpy.random.Generator`
    n : int

    Returns
    -------
    list of (wavelength, flux, sigma)
        Vacuum Angstrom; over the median flux.
    """
    make, out = KINDS[name][0], []
    for _ in range(n):
        low, high = RANGES[rng.integers(len(RANGES))]
        x = np.arange(np.log(low), np.log(high), FINE)
        flux = make(x, stars, rng)
        sigma = 1 / (FWHM_PER_SIGMA * np.exp(rng.uniform(*np.log(RESOLUTION)))) / FINE
        pixel = round(rng.choice(PIXELS) / FINE)
        whole = len(x) // pixel * pixel
        flux = gaussian_filter1d(flux, sigma, mode="nearest")[:whole].reshape(-1, pixel).mean(axis=1)
        wavelength = np.exp(x[:whole].reshape(-1, pixel).mean(axis=1))
        level = max(float(np.median(np.abs(flux))), 0.02 * float(np.max(np.abs(flux))))
        flux, snr = flux / level, np.exp(rng.uniform(*np.log(SNR)))
        noise = np.sqrt(0.2 + 0.8 * np.clip(flux, 0, None)) / snr
        out.append((wavelength, flux + rng.normal(0, 1, len(flux)) * noise, noise))
    return out
