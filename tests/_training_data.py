# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small synthetic directory of training spectra in the documented layout."""

import numpy as np

from astro_spectok.training import TrainingConfig

#: settings of runs that take a second
QUICK = TrainingConfig(
    steps=12, batch_tokens=24, max_pixels=256, min_pixels=96, target_pixels=192, warmup=4, workers=0, log_every=4,
    checkpoint_every=4, seed=7,
)  # fmt: skip


def make_flux(wavelength, rng):
    """A continuum with a few absorption lines."""
    flux = (wavelength / 5000) ** rng.normal(0, 1)
    for centre in rng.uniform(wavelength[0], wavelength[-1], 8):
        flux = flux * (1 - rng.uniform(0, 0.8) * np.exp(-0.5 * ((wavelength - centre) / 6) ** 2))
    return flux


def write_stored(path, wavelengths, rng, *, sigma=None, shared=False, **columns):
    """Write one set of spectra one after the other; ``sigma`` None gives the ``ivar`` 1 of sets without errors."""
    flux = [make_flux(w, rng) for w in wavelengths]
    ivar = [np.ones(len(w)) for w in wavelengths]
    if sigma is not None:
        flux = [f + rng.normal(0, sigma, len(f)) for f in flux]
        ivar = [np.where(rng.random(len(f)) < 0.03, 0, sigma**-2) for f in flux]
    wave = {"wave_shared": wavelengths[0]} if shared else {"wave": np.concatenate(wavelengths)}
    arrays = {
        "offsets": np.concatenate([[0], np.cumsum([len(w) for w in wavelengths])]),
        "flux": np.concatenate(flux),
        "ivar": np.concatenate(ivar),
        **wave,
    }
    arrays = {key: value if key == "offsets" else value.astype(np.float32) for key, value in arrays.items()}
    np.savez(path, **arrays, **columns)


def write_made(directory, rng):
    """Write what the sets need whose spectra are computed: populations, lines, bases, an emulator."""
    wave = np.linspace(3000, 9000, 2000)
    populations = np.log([make_flux(wave, rng) for _ in range(6)]).astype(np.float16)
    np.savez(
        directory / "emiles_ssp.npz", wave=wave, log_flux=populations, age=np.arange(6.0), feh=np.repeat([0, -1], 3)
    )
    lines = {"line_wave": np.array([3728.0, 4862.7, 5008.2, 6564.6]), "lum": rng.uniform(0.1, 3, (5, 4))}
    np.savez(directory / "fsps_nebular_lines.npz", **lines)
    bases = {"wave": wave}
    for name in ("A", "WD"):
        bases[f"basis_{name}"] = np.array([make_flux(wave, rng) for _ in range(3)], np.float32)
        bases[f"coeff_{name}"] = (rng.normal(0, 0.05, (7, 3)) + np.array([1, 0, 0])).astype(np.float32)
    bases["basis_CV"] = bases["basis_A"]  # no coefficients, as in the real file
    for name in ("LOZ", "HIZ"):
        bases[f"qso_wave_{name}"] = wave[::2]
        basis = [make_flux(wave[::2], rng) * (1 if i == 0 else rng.normal(size=1000)) for i in range(4)]
        bases[f"qso_basis_{name}"] = np.array(basis, np.float32)
    np.savez(directory / "redrock_bases.npz", **bases)
    layers = {"w_array_0": (900, 5, 5), "b_array_0": (900, 5), "w_array_1": (900, 5), "b_array_1": (900,)}
    emulator = {f"norm_{key}": rng.normal(0, 0.1, shape).astype(np.float32) for key, shape in layers.items()}
    emulator["norm_b_array_1"] += 1
    np.savez(directory / "apogee_emulator_binspec.npz", wavelength=np.geomspace(15168, 16937, 900), **emulator)


def write_corpus(directory):
    """Write all of it; returns the directory."""
    rng = np.random.default_rng(3)
    directory.mkdir(parents=True, exist_ok=True)
    optical = np.linspace(3800, 7400, 1200)
    write_stored(directory / "pickles_stars.npz", [optical] * 3, rng, shared=True)
    write_stored(directory / "miles_real_stars.npz", [optical] * 4, rng, shared=True)
    write_stored(
        directory / "desi_real_unlabelled.npz", [3600 + 0.8 * np.arange(900)] * 3, rng, sigma=0.05, shared=True
    )
    ragged = [np.linspace(3700, 8000 + 300 * i, 700 + 50 * i) for i in range(4)]
    origin = np.array(["bc03_air", "bpass", "miles_vazdekis_air", "mastar"])
    write_stored(directory / "ssp_galaxy_templates.npz", ragged, rng, origin=origin)
    sptype = np.array(["EIGENVECTOR 1", "G", "EIGENVECTOR 2", "K"])
    write_stored(directory / "marz_redshift_templates.npz", ragged, rng, sptype=sptype, origin=np.full(4, "other"))
    write_made(directory, rng)
    return directory
