# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small synthetic directory of training spectra in the documented layout."""

import functools

import numpy as np

from astro_spectok.simulate import Survey
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.training import TrainingConfig, batches, loop
from astro_spectok.training.provenance import measure_wavelength_range

#: settings of runs that take a second
QUICK = TrainingConfig(
    steps=12, batch_tokens=24, max_pixels=256, min_pixels=96, target_pixels=192, warmup=4, workers=0, log_every=4,
    checkpoint_every=4, seed=7,
)  # fmt: skip


def speed_up(patch, n_shards):
    """What runs do at their begin and end takes little: surveys are made once, as what they draw depends on the seed
    alone, few shards give the range of wavelengths, and no curve is drawn."""
    patch.setattr(batches, "TemplateStore", functools.cache(TemplateStore))
    patch.setattr(batches, "Survey", functools.cache(Survey))
    patch.setitem(measure_wavelength_range.__kwdefaults__, "n_shards", n_shards)
    patch.setattr(loop, "plot_curve", lambda log, path: path.touch())


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


def describe_stars(n):
    """The columns that a set of stars has: identifier, class, type and labels."""
    rng = np.random.default_rng(n)
    labels = {"teff": rng.uniform(4000, 9000, n), "logg": rng.uniform(1, 5, n), "feh": rng.uniform(-2, 0.5, n)}
    return {"id": np.array([f"star {i}" for i in range(n)]), "cls": np.full(n, "STAR"), "sptype": np.full(n, "G2"),
            **labels}  # fmt: skip


def write_corpus(directory):
    """Write all of it; returns the directory."""
    rng = np.random.default_rng(3)
    directory.mkdir(parents=True, exist_ok=True)
    optical = np.linspace(3800, 7400, 1200)
    write_stored(directory / "pickles_stars.npz", [optical] * 8, rng, shared=True, **describe_stars(8))
    write_stored(directory / "miles_real_stars.npz", [optical] * 8, rng, shared=True, **describe_stars(8))
    write_stored(
        directory / "desi_real_unlabelled.npz", [3600 + 0.8 * np.arange(900)] * 3, rng, sigma=0.05, shared=True
    )
    ragged = [np.linspace(3700, 8000 + 300 * i, 700 + 50 * i) for i in range(4)]
    origin = np.array(["bc03_air", "bpass", "miles_vazdekis_air", "mastar"])
    write_stored(directory / "ssp_galaxy_templates.npz", ragged, rng, origin=origin)
    sptype = np.array(["EIGENVECTOR 1", "G", "EIGENVECTOR 2", "K"])
    write_stored(directory / "marz_redshift_templates.npz", ragged, rng, sptype=sptype, origin=np.full(4, "other"))
    return directory


def write_labelled_stars(directory, n=60):
    """Write a library of labelled stars, as deep in their lines as they are rich in metals; returns the directory."""
    rng = np.random.default_rng(11)
    directory.mkdir(parents=True, exist_ok=True)
    wavelength = np.linspace(3535.0, 7425.0, 2600)
    columns = describe_stars(n)
    flux = []
    for teff, metals in zip(columns["teff"], columns["feh"], strict=True):
        continuum = (wavelength / 5500) ** (2 - teff / 3000)
        lines = sum(np.exp(-0.5 * ((wavelength - x) / 2.5) ** 2) for x in (3968, 4300, 4861, 5175, 5270, 5892, 6563))
        flux.append(continuum * (1 - (0.3 + 0.1 * metals) * lines + rng.normal(0, 0.002, len(wavelength))))
    np.savez(
        directory / "miles_real_stars.npz", flux=np.concatenate(flux).astype("f4"), ivar=np.ones(n * 2600, "f4"),
        offsets=2600 * np.arange(n + 1), wave_shared=wavelength, **columns,
    )  # fmt: skip
    return directory
