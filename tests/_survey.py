# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small survey in all layouts, and what its rows must be."""

import shutil

import numpy as np
from _multimodal import make_rows, write_hdf5, write_parquet
from astropy.io import fits
from astropy.table import Table

from astro_spectok.example import EXAMPLE_PATH

#: targets of the DESI files, one of which stands in its file twice
TARGETS = np.array([39627640566453451, 39627640566453452, 39627640566453453, 39627640566453452])


def make_desi(targets=TARGETS, *, seed=0, arms="BRZ", n=120):
    """A coadd with three arms that overlap on the same pixels; the flux of row ``i`` is about ``10 + i``."""
    rng = np.random.default_rng(seed)
    fibermap = Table(
        {"TARGETID": targets, "TARGET_RA": 10.0 + np.arange(len(targets)), "SURVEY": ["main"] * len(targets)}
    )
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(fibermap, name="FIBERMAP")]
    for k, arm in enumerate(arms):
        wavelength = 4000 + 0.8 * (100 * k + np.arange(n))
        flux = 10.0 + np.arange(len(targets))[:, None] + rng.normal(0, 0.5, (len(targets), n))
        resolution = np.zeros((len(targets), 11, n), np.float32)
        resolution[:, 3:8] = np.array([0.1, 0.2, 0.4, 0.2, 0.1])[:, None]
        for name, data in (
            ("WAVELENGTH", wavelength), ("FLUX", flux.astype(np.float32)),
            ("IVAR", np.full(flux.shape, 4, np.float32)), ("MASK", np.zeros(flux.shape, np.int32)),
            ("RESOLUTION", resolution),
        ):  # fmt: skip
            hdus.append(fits.ImageHDU(data, name=f"{arm}_{name}"))
    return fits.HDUList(hdus)


def write_survey(folder):
    """A tree with files of each layout, two that are broken, and what is none of it."""
    desi = folder / "healpix" / "main" / "dark" / "7" / "707"
    desi.mkdir(parents=True)
    make_desi().writeto(desi / "coadd-main-dark-707.fits")
    make_desi(seed=1).writeto(desi / "spectra-main-dark-707.fits")
    Table({"TARGETID": TARGETS, "Z": np.ones(4)}).write(desi / "redrock-main-dark-707.fits")
    write_hdf5(folder / "mmu" / "healpix=1" / "001-of-001.hdf5", make_rows(3, level=20))
    write_parquet(folder / "mmu" / "train-0.parquet", make_rows(5, seed=1, level=30))
    (folder / "mmu" / "data_thumbnail.parquet").write_bytes(b"")
    shutil.copy(EXAMPLE_PATH, folder / "galaxy.fits")
    (folder / "broken.fits").write_bytes(b"this is no spectrum" * 50)
    (folder / "broken.parquet").write_bytes(b"this is no spectrum" * 50)
    (folder / "notes.md").write_text("about the data")
    return folder
