# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Template files for redrock out of the public template sets, for where its own are not at hand.

Stars and quasars are redrock's own bases (``redrock_bases``: ``rrtemplate-STAR-*-v0.1``, ``rrtemplate-QSO-LOZ-v1.0``,
``rrtemplate-QSO-HIZ-v1.1``), the stars in bins of 0.4 Angstrom. That of galaxies (``rrtemplate-GALAXY-None-v2.6``) is
not among the sets. In its place stand principal components of galaxies that the simulator of this package draws:
populations of E-MILES and others, dust, and Cloudy's line ratios. They are as many and on the same wavelengths as those
that redrock's own script ``rrgaltemplate`` makes, so that they cost as much.
"""

import numpy as np
import torch
from astropy.io import fits

from astro_spectok.simulate import Randomness
from astro_spectok.simulate.galaxies import Galaxies
from astro_spectok.simulate.profiles import add_gaussians, find_bins, smooth_flux
from astro_spectok.simulate.templates import TemplateStore

__all__ = ["make_galaxy_basis", "write_templates"]

STARS = ("A", "B", "CV", "F", "G", "K", "M", "WD")
#: redrock's versions, from which it takes the model of the intergalactic absorption
QUASARS = {"LOZ": "1.0", "HIZ": "1.1"}
#: first, last and step of the rest wavelengths of galaxies in Angstrom, as in rrgaltemplate
GALAXY_GRID = (3500 / 2.85, 11000.0, 0.1)
#: lines are no narrower than this, in ln(wavelength): two bins of the grid
NARROWEST = 2e-4
N_GALAXIES, N_COMPONENTS = 400, 10
#: galaxies beyond are not looked for
HIGHEST = 1.7


def write_templates(sets, folder):
    """Write the template files.

    Parameters
    ----------
    sets : `~pathlib.Path`
        Directory of the template sets that train the network.
    folder : `~pathlib.Path`
        Is made if need be.

    Returns
    -------
    str
        Where the templates are from, in words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(sets / "redrock_bases.npz") as data:
        bases = {key: data[key] for key in data.files}
    step = float(np.mean(np.diff(bases["wave"])))
    for name in STARS:
        header = make_header("STAR", name, "0.1", bases["wave"][0], step, log=False)
        write_template(folder, header, bases[f"basis_{name}"])
    for name, version in QUASARS.items():
        wave = np.log10(bases[f"qso_wave_{name}"])
        header = make_header("QSO", name, version, wave[0], np.mean(np.diff(wave)), log=True)
        write_template(folder, header, bases[f"qso_basis_{name}"], bases[f"qso_z_{name}"].astype(float))
    wave, basis = make_galaxy_basis(TemplateStore(sets))
    header = make_header("GALAXY", "", "made", wave[0], GALAXY_GRID[2], log=False)
    # no light of a galaxy below redshift 1.7 that is seen from the ground has met neutral gas on its way
    write_template(folder, header | {"RRIGM": "Calura12"}, basis)
    return f"redrock's own bases of stars and quasars; galaxies: {len(basis)} components of {N_GALAXIES} simulated ones"


def make_header(kind, subtype, version, start, step, *, log):
    """The header words of a template; ``start`` and ``step`` are log10 of Angstrom for ``log``."""
    return {
        "RRTYPE": kind, "RRSUBTYP": subtype, "VERSION": version, "CRVAL1": float(start), "CDELT1": float(step),
        "LOGLAM": int(log),
    }  # fmt: skip


def write_template(folder, header, basis, redshifts=None):
    """Write one file of ``basis``, shape (components, wavelengths); without redshifts redrock takes its own."""
    vectors = fits.ImageHDU(np.asarray(basis, np.float32), name="BASIS_VECTORS")
    vectors.header.update(header)
    hdus = [fits.PrimaryHDU(), vectors]
    if redshifts is not None:
        hdus.append(fits.ImageHDU(redshifts, name="REDSHIFTS"))
    name = f"rrtemplate-{header['RRTYPE']}-{header['RRSUBTYP'] or 'None'}-v{header['VERSION']}.fits"
    fits.HDUList(hdus).writeto(folder / name, overwrite=True)


def make_galaxy_basis(store, n=N_GALAXIES, *, seed=29):
    """Principal components, not centred, of simulated galaxies with their lines.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
    n : int, optional
        Galaxies that are drawn; those beyond redshift 1.7, of which redrock knows none, are left out.
    seed : int, optional

    Returns
    -------
    wavelength : ndarray, shape (N,)
        Vacuum Angstrom, rest frame.
    basis : ndarray, shape (10, N)
    """
    galaxies, random = Galaxies(store), Randomness([seed])
    first, last, step = GALAXY_GRID
    bins = find_bins(galaxies.grid, 0.999 * first, 1.001 * last)
    rows = []
    while len(rows) < n:
        drawn = galaxies.draw(64, random)
        near = torch.nonzero(drawn.z < HIGHEST)[:, 0]
        flux = draw_rest_flux(drawn.take(near))[:, bins].numpy()
        # some are real spectra, known over a part of the range
        rows.extend(flux[np.isfinite(flux).all(axis=1)])
    rows = np.array(rows[:n])
    rows /= np.median(rows, axis=1, keepdims=True)
    strength, weights = np.linalg.eigh(rows @ rows.T)  # in increasing order
    basis = (weights[:, ::-1].T @ rows)[:N_COMPONENTS] / np.sqrt(strength[::-1][:N_COMPONENTS, None])
    coarse, wave = np.exp(galaxies.grid.ln_wavelength()[bins].numpy()), np.arange(first, last + step / 2, step)
    return wave, np.array([np.interp(wave, coarse, row) for row in basis])


def draw_rest_flux(objects):
    """Stars, broadened by their motion, and lines of simulated galaxies, (B, N), on their rest-frame grid."""
    step, flux = objects.grid.ln_step, objects.flux.clone()
    for row, sigma in enumerate(objects.sigma.tolist()):
        # three running means of n bins have a standard deviation of n / 2
        flux[row] = smooth_flux(flux[row], round(2 * sigma / step))
    sigma = objects.line_sigma.clamp(min=NARROWEST)
    peak = objects.line_flux / (sigma * torch.exp(objects.line_ln_wavelength).float() * np.sqrt(2 * np.pi))
    return add_gaussians(flux, objects.grid, objects.line_ln_wavelength, sigma, peak)
