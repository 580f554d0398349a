# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights with a head for galaxies of made-up starlight, and spectra of galaxies whose properties are known."""

import numpy as np
from astropy import units as u

from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED

#: resolving power of the starlight, and of the spectra
SHARP, RESOLUTION = 2000.0, 2500.0
#: flux of lines, in the unit of the flux times Angstrom, at a continuum of 10
FLUXES = {"oii": 300.0, "hbeta": 100.0, "oiii": 250.0, "halpha": 320.0, "nii": 90.0}
CONTINUUM = 10.0


def make_features(size, step, low, count=4):
    """Mean and components of starlight: random absorption lines as wide as the resolution, less their own continuum."""
    rng = np.random.default_rng(5)
    x = np.log(low) + step * np.arange(size)
    width = 1 / FWHM_PER_SIGMA / SHARP
    out = np.zeros((size, 1 + count))
    for k in range(1 + count):
        for centre, depth in zip(rng.uniform(x[0], x[-1], 300), rng.exponential(1.0, 300), strict=True):
            out[:, k] -= (0.12 if k == 0 else 0.02) * depth * np.exp(-0.5 * ((x - centre) / width) ** 2)
    return out - out.mean(0)


def write_galaxy_weights(base, path, *, calibration=None):
    """The weights of a file with a head for galaxies, whose network is random."""
    import torch

    from astro_spectok.heads import GalaxyConfig, GalaxyHead
    from astro_spectok.training.factory.assembly import assemble_weights, write_head

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20261130)
        head = GalaxyHead(GalaxyConfig(n_components=4)).eval()
    config = head.config
    head.stars.copy_(torch.from_numpy(make_features(config.stars_size, config.stars_step, config.stars_low)))
    head.centre.copy_(torch.tensor([0.3, -0.2, 0.4]))
    head.spread.copy_(torch.tensor([0.6, 0.3, 0.4]))
    head.domain = {
        "labels": {"age": [-2.0, 1.1], "metallicity": [-1.5, 0.3], "a_v": [0.0, 2.5]},
        "wavelength": [config.first, config.high],
        "stars_resolution": SHARP,
    }
    head.rules = {"informative": 10.0}  # of a random network everything is given
    head.calibration = calibration or {}
    single = path.with_name("galaxy_head.safetensors")
    write_head(single, head)
    return assemble_weights(base, path, heads={"galaxy": single}, metadata={"name": "tiny-galaxy"})


def make_galaxy(*, z=0.05, sigma_v=180.0, snr=60.0, seed=0, lines=FLUXES, sigma_gas=120.0, factor=1.0):
    """Wavelength (vacuum Angstrom), flux and standard deviation of a galaxy of those components."""
    from astro_spectok.galaxies.lines import LINES
    from astro_spectok.galaxies.starlight import Starlight
    from astro_spectok.heads import GalaxyConfig

    config = GalaxyConfig(n_components=4)
    starlight = Starlight(
        make_features(config.stars_size, config.stars_step, config.stars_low),
        config.stars_low,
        config.stars_step,
        SHARP,
    )
    wavelength = np.exp(np.log(3700.0) + 1.4e-4 * np.arange(5200))
    ln_rest = np.log(wavelength) - np.log1p(z)
    instrument = np.full(len(wavelength), LIGHT_SPEED / FWHM_PER_SIGMA / RESOLUTION)
    inside = starlight.find_inside(ln_rest)
    features = np.zeros(len(wavelength))
    made = starlight.read(ln_rest[inside], sigma_v, instrument[inside])
    features[inside] = made @ np.array([1.0, 0.5, -0.7, 0.3, -0.2])
    flux = CONTINUUM * (1 + 0.1 * np.sin(ln_rest * 9)) * (1 + features)
    width = np.hypot(sigma_gas, instrument[0]) / LIGHT_SPEED
    for name, total in lines.items():
        (first, _), *others = LINES[name].members
        shares = [(first, 0.5 if any(share is None for _, share in others) else 1.0)]
        shares += [(one, 0.5 if share is None else share) for one, share in others]
        for centre, share in shares:
            profile = np.exp(-0.5 * ((ln_rest - np.log(centre)) / width) ** 2)
            flux += total * share * profile / (np.sqrt(2 * np.pi) * width * centre * (1 + z))
    error = np.full(len(wavelength), CONTINUUM / snr)
    flux = flux + np.random.default_rng(seed).normal(0, error)
    return wavelength * u.AA, factor * flux, factor * error


def give_unit(spectrum, unit):
    """A spectrum of `make_galaxy` with the unit of its flux."""
    wavelength, flux, error = spectrum
    return wavelength, flux * unit, error * unit
