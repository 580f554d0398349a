# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Make the golden rows anew: ``python tests/make_golden_rows.py``; with ``--spectra`` their spectra as well.

Rows are made anew when a change is meant to change results, and the commit says which; then look at the difference of
the two tables. Spectra are drawn anew only for other kinds of them: they are stored, since drawing them is not the
same to the last bit on every processor.
"""

import argparse
import itertools

import numpy as np
from _golden import ROWS, SPECTRA, WAVE_STEP, measure_rows, read_spectra

from astro_spectok.example import read_example
from astro_spectok.simulate.export import simulate_spectra
from astro_spectok.spectra import convert_to_air

#: family, kind, instrument, signal-to-noise ratio, whether errors are given, medium
WANTED = (
    ("galaxies", "passive", "sdss", 20, True, "vacuum"),
    ("galaxies", "passive", "sdss", 5, True, "vacuum"),
    ("galaxies", "star-forming", "sdss", 10, True, "air"),
    ("galaxies", "star-forming", "desi", 4, True, "vacuum"),
    ("galaxies", "post-starburst", "desi", 15, True, "vacuum"),
    ("galaxies", "agn", "lamost_lrs", 12, True, "vacuum"),
    ("galaxies", "liner", "lamost_lrs", 25, False, "vacuum"),
    ("galaxies", "star-forming", "vimos", 8, True, "air"),
    ("galaxies", "lyman-break", "vimos", 6, True, "vacuum"),
    ("galaxies", "passive", "gmos", 15, False, "vacuum"),
    ("galaxies", "star-forming", "nirspec_prism", 15, True, "vacuum"),
    ("galaxies", "star-forming", "sdss", 1, True, "vacuum"),
    ("quasars", "quasar", "sdss", 15, True, "vacuum"),
    ("quasars", "quasar", "desi", 3, True, "vacuum"),
    ("quasars", "quasar", "lamost_lrs", 10, False, "vacuum"),
    ("quasars", "broad absorption quasar", "sdss", 12, True, "vacuum"),
    ("quasars", "broad-line galaxy", "vimos", 12, True, "vacuum"),
    ("quasars", "quasar", "nirspec_prism", 20, True, "vacuum"),
    ("stars", "A", "sdss", 30, True, "vacuum"),
    ("stars", "F", "sdss", 30, True, "air"),
    ("stars", "G", "lamost_lrs", 40, True, "vacuum"),
    ("stars", "K", "lamost_lrs", 8, True, "vacuum"),
    ("stars", "M", "desi", 15, True, "vacuum"),
    ("stars", "B", "desi", 40, True, "vacuum"),
    ("stars", "G", "gmos", 50, False, "vacuum"),
    ("stars", "G", "giraffe", 60, True, "vacuum"),
    ("stars", "F", "galah", 60, True, "air"),
    ("stars", "K", "lamost_mrs", 40, True, "vacuum"),
    ("stars", "G", "gaia_rvs", 50, True, "vacuum"),
    ("stars", "white dwarf", "sdss", 20, True, "vacuum"),
    ("stars", "white dwarf", "desi", 10, True, "vacuum"),
    ("supernovae", "supernova", "osiris", 25, True, "vacuum"),
    ("supernovae", "supernova", "sedm", 15, False, "vacuum"),
    ("blends", "blend", "sdss", 10, True, "vacuum"),
    ("blazars", "blazar", "sdss", 20, True, "vacuum"),
    ("sky", "sky", "sdss", 2, True, "vacuum"),
    ("sky", "sky", "lamost_lrs", 3, True, "vacuum"),
)
#: most pixels of a spectrum
MOST_PIXELS = 8000
#: objects drawn at a time to find one of the kind that is wanted
DRAWN = 50


def _draw(number, family, kind, instrument, snr, errors, medium):
    """One spectrum of the simulator: name, medium, wavelength, flux, sigma (0 is bad)."""
    for seed in itertools.count(1000 * number):
        drawn = simulate_spectra(
            DRAWN, seed=seed, families=[family], instruments=[instrument], snr=(snr, snr), max_pixels=MOST_PIXELS
        )
        # errors that the simulator withholds cannot be given
        fits = [each for each in drawn if each.meta["kind"] == kind and (each.uncertainty is not None or not errors)]
        if fits:
            break
    spectrum = fits[0]
    wavelength, flux = spectrum.spectral_axis.value, spectrum.flux.value
    sigma = spectrum.uncertainty.array if errors else np.zeros(len(flux))
    if medium == "air":
        wavelength = convert_to_air(wavelength)
    name = f"{kind}, {instrument}, S/N {snr}{'' if errors else ', no errors'}{', air' if medium == 'air' else ''}"
    return name, medium, wavelength, flux, np.where(spectrum.mask, 0, np.nan_to_num(sigma))


def _make_ultracool():
    """A dwarf of 1900 K with bands of water and of methane, as no analytic template of the simulator has them."""
    wavelength = np.geomspace(8500, 24500, 900)
    micron = wavelength / 1e4
    flux = micron**-5 / np.expm1(14388 / 1900 / micron)
    for centre, width, depth in ((0.94, 0.02, 0.4), (1.14, 0.035, 0.6), (1.41, 0.07, 0.85), (1.90, 0.08, 0.85),
                                 (2.35, 0.05, 0.35)):  # fmt: skip
        flux *= 1 - depth * np.exp(-0.5 * ((micron - centre) / width) ** 2)
    sigma = np.full(len(flux), 0.03 * np.median(flux))
    noise = np.random.default_rng(1).normal(0, sigma)
    return "ultracool dwarf, prism, S/N 30", "vacuum", wavelength, flux + noise, sigma


def _make_infrared(number, strengths, rv, medium):
    """A star as APOGEE sees it, of the packaged templates of the H band, which no analytic star reaches."""
    from astro_spectok.stellar.infrared_velocity import load_infrared_templates

    templates = load_infrared_templates()
    grid = templates.at_resolution("STAR", 22500.0)
    x = np.log(15200) + 6e-6 * np.arange(8000)
    at = (x - rv / 299792.458 - templates.ln_start) / templates.step
    mix = grid @ np.array([1.0, *strengths] + [0.0] * (grid.shape[1] - 1 - len(strengths)))
    flux = 1 + np.interp(at, np.arange(len(grid)), mix)  # over the continuum
    sigma = np.full(len(x), 0.015)
    flux = flux + np.random.default_rng(100 + number).normal(0, sigma)
    wavelength = convert_to_air(np.exp(x)) if medium == "air" else np.exp(x)
    return f"infrared star {number}, H band{', air' if medium == 'air' else ''}", medium, wavelength, flux, sigma


def _make_noise(number, size):
    """Noise with its right errors, and nothing else."""
    noise = np.random.default_rng(number).normal(0, 1, size)
    return f"noise {number}", "vacuum", np.linspace(3800, 9200, size), noise, np.ones(size)


def _read_example():
    """The packaged galaxy."""
    spectrum = read_example()
    sigma = np.where(spectrum.mask, 0, spectrum.uncertainty.array)
    return "example", "vacuum", spectrum.spectral_axis.value, spectrum.flux.value, np.nan_to_num(sigma)


def make_spectra():
    """Draw all spectra and store them."""
    made = [_draw(number, *wanted) for number, wanted in enumerate(WANTED)]
    made += [
        _make_ultracool(), _make_infrared(1, (0.5,), 35.0, "vacuum"), _make_infrared(2, (-0.5, 0.5), -80.0, "air"),
        _make_noise(1, 3000), _make_noise(2, 1200), _read_example(),
    ]  # fmt: skip
    names, media, waves, fluxes, sigmas = zip(*made, strict=True)
    scales = [np.median(np.abs(flux[np.isfinite(flux) & (flux != 0)])) for flux in fluxes]
    steps = [np.diff(np.rint(wave / WAVE_STEP).astype(np.int64), prepend=0).astype(np.int32) for wave in waves]
    np.savez_compressed(
        SPECTRA,
        name=np.array(names),
        medium=np.array(media),
        size=np.array([len(wave) for wave in waves]),
        wave_steps=np.concatenate(steps),
        flux=_round(np.concatenate([flux / scale for flux, scale in zip(fluxes, scales, strict=True)])),
        sigma=_round(np.concatenate([sigma / scale for sigma, scale in zip(sigmas, scales, strict=True)])),
    )


def _round(values):
    """Half precision, which takes a quarter of the room and moves no flux by more than 0.05 of these errors."""
    return np.nan_to_num(values).clip(-6e4, 6e4).astype(np.float16)


def main():
    """Make the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", action="store_true", help="draw the spectra anew as well")
    if parser.parse_args().spectra:
        make_spectra()
    measure_rows(read_spectra()).write(ROWS, overwrite=True)


if __name__ == "__main__":
    main()
