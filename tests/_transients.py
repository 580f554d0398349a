# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Made-up transients of three types, and weights of a tiny network with a library of them."""

import numpy as np

from astro_spectok.training.transient_types import TransientSpectrum

#: rest wavelengths in Angstrom of the broad features of each type
FEATURES = {"Ia": (4300, 4900, 5450, 6150), "II": (4550, 4860, 5200, 6560), "Ic": (4100, 5100, 5900, 7400)}
WAVELENGTH = np.arange(3300.0, 9000.0, 5.0)


def make_flux(kind, phase, *, wavelength=WAVELENGTH, strength=1.0):
    """Troughs that get deeper, and move to the red, with the phase in days."""
    flux = (wavelength / 5000) ** (-1 - phase / 40)
    for k, centre in enumerate(FEATURES[kind]):
        depth = strength * (0.2 + 0.1 * ((k + 1) % 3) + 0.006 * phase)
        flux = flux * np.exp(-depth * np.exp(-0.5 * ((wavelength / centre - 1 + 0.02 - 4e-4 * phase) / 0.015) ** 2))
    return flux


def make_spectra(*, objects=6, seed=0):
    """Spectra of all types at some phases of some objects, with noise."""
    rng, out = np.random.default_rng(seed), []
    for kind in FEATURES:
        for one in range(objects):
            strength = rng.uniform(0.8, 1.2)
            for phase in (-8.0, 2.0, 12.0, 22.0):
                flux = make_flux(kind, phase, strength=strength)
                flux = flux * (1 + rng.normal(0, 0.02, len(flux)))
                ivar = np.full(len(flux), (0.02 * np.median(flux)) ** -2.0)
                out.append(TransientSpectrum(np.log(WAVELENGTH), flux, ivar, kind, f"{kind} {one}", phase, "made"))
    return out


def make_hosts(config, n=24, seed=1):
    """Galaxies with a break and lines on the bins of a library."""
    rng = np.random.default_rng(seed)
    wavelength = config.low * np.exp(config.step * (np.arange(config.bins) + 0.5))
    lines = sum(np.exp(-0.5 * ((wavelength - centre) / 15) ** 2) for centre in (3727, 4861, 5007, 6563))
    breaks = np.where(wavelength > 4000, 1.0, 0.6)
    return np.array([breaks ** rng.uniform(0.5, 1.5) * (1 + rng.uniform(0, 1) * lines) for _ in range(n)])


def make_head(config=None):
    """A library of them, with a rule that a spectrum is a transient if its features are explained."""
    from astro_spectok.heads import TransientConfig
    from astro_spectok.redshift.reliance import FEATURES as ANSWER
    from astro_spectok.training.transient_head import make_library
    from astro_spectok.training.transient_rules import choose_templates

    config = config or TransientConfig(components=10, hosts=3, redshifts=(-0.005, 0.4), low=3000.0, high=9500.0)
    spectra = make_spectra()
    head, spectra = make_library(spectra, make_hosts(config), config)
    size = len(ANSWER) + 6
    weights = np.zeros(size)
    weights[len(ANSWER) + 1] = 20.0  # the share of the structure that is explained
    rule = {"constant": -10.0, "centre": [0.0] * size, "scale": [1.0] * size, "weights": weights.tolist()}
    head.rules = {
        "few": choose_templates(head.get_library(), 4), "classes": dict.fromkeys(("GALAXY", "QSO", "STAR"), rule),
        "flagged": 0.5,
    }  # fmt: skip
    return head, spectra


def write_transient_weights(path, base):
    """The weights of another file with such a head; returns the path."""
    from astro_spectok.training.factory.assembly import assemble_weights, write_head

    head, _ = make_head()
    write_head(path.with_name("head.safetensors"), head)
    return assemble_weights(base, path, heads={"transient": path.with_name("head.safetensors")})


def draw_observation(kind, phase, z, *, snr=30.0, seed=0):
    """Wavelength, flux and sigma of one at a redshift."""
    rng = np.random.default_rng(seed)
    wavelength = np.arange(3900.0, 8800.0, 4.0)
    flux = make_flux(kind, phase, wavelength=wavelength / (1 + z))
    sigma = np.full(len(flux), np.median(flux) / snr)
    return wavelength, flux + rng.normal(0, sigma), sigma
