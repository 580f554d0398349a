# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra that come with the package, so that everything can be tried offline: six real ones, and a made-up galaxy.

``python -m astro_spectok.example FILE`` writes the made-up one anew.
"""

import sys
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.modeling.models import BlackBody
from astropy.nddata import StdDevUncertainty
from astropy.table import QTable
from specutils import Spectrum

__all__ = ["EXAMPLE_PATH", "list_example_files", "make_example", "read_example"]

EXAMPLE_PATH = Path(__file__).parent / "data" / "example_galaxy.fits"

REDSHIFT = 0.0857
RESOLUTION = 2000.0
#: vacuum wavelength in Angstrom, strength over [O III] 5008, velocity dispersion in km/s (line list of SDSS)
EMISSION = (
    (3727.09, 0.55, 90), (3729.88, 0.75, 90), (3869.86, 0.12, 90), (4102.89, 0.11, 90), (4341.68, 0.2, 90),
    (4862.68, 0.42, 90), (4960.30, 0.336, 90), (5008.24, 1.0, 90), (6302.05, 0.06, 90), (6549.85, 0.14, 90),
    (6564.61, 1.35, 90), (6585.27, 0.42, 90), (6718.29, 0.28, 90), (6732.67, 0.2, 90),
)  # fmt: skip
#: vacuum wavelength, depth, FWHM in Angstrom
ABSORPTION = (
    (3798.98, 0.15, 18), (3836.47, 0.2, 18), (3934.78, 0.38, 14), (3969.59, 0.36, 15), (4102.89, 0.18, 16),
    (4305.61, 0.16, 22), (4341.68, 0.16, 15), (4862.68, 0.14, 14), (5176.63, 0.13, 26), (5270.0, 0.07, 14),
    (5895.6, 0.1, 9), (6564.61, 0.08, 11),
)  # fmt: skip


#: files of real spectra in the folder data/spectra, and the instruments that they are from
REAL_SPECTRA = {
    "white_dwarf_sdss.fits": "SDSS",
    "abell_478_muse.fits": "VLT/MUSE",
    "legac_vimos.fits": "VLT/VIMOS",
    "quasar_boss.fits": "BOSS",
}
#: those of a second spectrum by one of these instruments, which pages on galaxies use
MORE_SPECTRA = {"ngc_3073_sdss.fits": "SDSS", "ngc_3522_sdss.fits": "SDSS"}


def list_example_files(*, more: bool = False) -> list[Path]:
    """List the packaged files of real spectra: a white dwarf, two galaxies and a quasar, of four spectrographs.

    They are as archives serve them, but for columns and extensions that were left out; none was used in training:

    ``white_dwarf_sdss.fits``
        SDSS plate 266, MJD 51602, fibre 31; class and redshift of the SDSS pipeline in the extension SPECOBJ.
    ``abell_478_muse.fits``
        The brightest galaxy of the cluster Abell 478: the sum of 29 spaxels of a cube of VLT/MUSE (ESO programme
        094.A-0859).
    ``legac_vimos.fits``
        LEGA-C M19 56670, VLT/VIMOS (ESO programme 194.A-2005; van der Wel et al. 2016, ApJS 223, 29).
    ``quasar_boss.fits``
        SDSS J220248.31+123656.3, BOSS.
    ``ngc_3073_sdss.fits``, ``ngc_3522_sdss.fits``
        With ``more``: two near galaxies, one young and one old, SDSS plate 945, MJD 52652, fibre 470 and plate 2488,
        MJD 54149, fibre 1; SPECOBJ also has the velocity dispersion of the pipeline. The pipeline calls the first a
        star of type A0.

    Spectra of SDSS are in the public domain; those of ESO are under CC BY 4.0, based on observations collected at the
    European Southern Observatory.

    Parameters
    ----------
    more : bool
        Also list the two near galaxies.

    Returns
    -------
    list of `~pathlib.Path`

    Examples
    --------
    >>> import astro_spectok
    >>> from astro_spectok.example import list_example_files
    >>> for path in list_example_files():
    ...     print(path.name, astro_spectok.read(path).shape)
    white_dwarf_sdss.fits (3842,)
    abell_478_muse.fits (3681,)
    legac_vimos.fits (6166,)
    quasar_boss.fits (4646,)
    >>> len(list_example_files(more=True))
    6
    """
    names = [*REAL_SPECTRA, *MORE_SPECTRA] if more else REAL_SPECTRA
    return [EXAMPLE_PATH.parent / "spectra" / name for name in names]


def make_example(seed=2026):
    """Make the example: a star-forming galaxy at z = 0.0857, seen by an SDSS-like spectrograph.

    Two black bodies, a 4000 Angstrom break, the strongest lines of absorption and emission, sky noise with night-sky
    lines, some bad pixels. Everything is analytic; no real spectrum went into it.

    Parameters
    ----------
    seed : int
        Of the noise, the night-sky lines and the bad pixels.

    Returns
    -------
    `~astropy.table.QTable`
        Columns ``wavelength`` (vacuum Angstrom), ``flux`` and ``uncertainty`` (1e-17 erg / (s cm2 Angstrom)); bad
        pixels have an uncertainty of NaN.

    Examples
    --------
    >>> from astro_spectok.example import make_example
    >>> table = make_example(seed=1)
    >>> len(table), table.meta["REDSHIFT"]
    (4015, 0.0857)
    >>> print(table["flux"].unit)
    1e-17 erg / (Angstrom s cm2)
    """
    rng = np.random.default_rng(seed)
    wavelength = 10 ** np.arange(np.log10(3650.0), np.log10(9200.0), 1e-4)
    rest = wavelength / (1 + REDSHIFT)
    flux = 0.0
    for temperature, share in ((4300.0, 0.75), (13000.0, 0.25)):
        body = BlackBody(temperature * u.K, scale=1 * u.erg / (u.cm**2 * u.s * u.AA * u.sr))
        flux = flux + share * (body(rest * u.AA) / body(5500.0 * u.AA)).value
    flux *= 1 - 0.3 / (1 + np.exp((rest - 3990.0) / 40.0))
    for centre, depth, fwhm in ABSORPTION:
        flux *= 1 - depth * np.exp(-4 * np.log(2) * ((rest - centre) / fwhm) ** 2)
    for centre, strength, dispersion in EMISSION:
        sigma = centre * np.hypot(dispersion / 299792.458, 1 / (2.3548 * RESOLUTION))
        flux += 30 * strength / (sigma * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((rest - centre) / sigma) ** 2)
    sky = 1 + 2.0 * np.exp(-(wavelength - 3650) / 300)
    for centre, strength in ((5578.9, 9.0), (5894.6, 2.0), (6302.0, 3.0)):
        sky += strength * np.exp(-0.5 * ((wavelength - centre) / 1.6) ** 2)
    for centre in rng.uniform(7200, 9200, 60):
        sky += rng.exponential(2.0) * np.exp(-0.5 * ((wavelength - centre) / 1.8) ** 2)
    sigma = 0.06 * np.sqrt(sky * (0.6 + 0.4 * flux))
    flux += sigma * rng.normal(size=len(flux))
    bad = rng.random(len(flux)) < 0.003
    flux[bad] += rng.normal(0, 5, np.count_nonzero(bad))
    unit = u.Unit("1e-17 erg / (s cm2 AA)")
    return QTable(
        {
            "wavelength": wavelength * u.AA,
            "flux": (10 * flux).astype(np.float32) * unit,
            "uncertainty": np.where(bad, np.nan, 10 * sigma).astype(np.float32) * unit,
        },
        meta={"OBJECT": "made-up galaxy", "REDSHIFT": REDSHIFT, "VACUUM": True, "SEED": seed},
    )


def read_example() -> Spectrum:
    """Read the packaged example.

    Returns
    -------
    `~specutils.Spectrum`
        With `~astropy.nddata.StdDevUncertainty`; bad pixels are masked. ``meta['header']`` holds the redshift that
        it was made with; ``spectrum.redshift`` does not.

    Examples
    --------
    >>> from astro_spectok.example import read_example
    >>> spectrum = read_example()
    >>> print(spectrum.wavelength[[0, -1]].round())
    [3650. 9198.] Angstrom
    >>> spectrum.meta["header"]["REDSHIFT"], float(spectrum.redshift)
    (0.0857, 0.0)
    """
    table = QTable.read(EXAMPLE_PATH)
    return Spectrum(
        flux=table["flux"],
        spectral_axis=table["wavelength"],
        uncertainty=StdDevUncertainty(table["uncertainty"].value),
        mask=~np.isfinite(table["uncertainty"].value),
        meta={"header": fits.Header(table.meta)},
    )


if __name__ == "__main__":
    make_example().write(sys.argv[1], format="fits", overwrite=False)
