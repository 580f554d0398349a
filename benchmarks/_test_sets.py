# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The test sets as the benchmarks read them, and what the network is compared with: smoothing and PCA."""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.linalg import svds

from astro_spectok.simulate.public_sets import has_errors, load_set
from astro_spectok.spectra import estimate_noise
from astro_spectok.training.views import shift_source

__all__ = ["N_COMPONENTS", "SETS", "SNR_EDGES", "Pca", "read_set", "smooth"]

#: name and medium
SETS = {
    "sdss_boss_real": "vacuum", "sdss_more_real": "vacuum", "rodot_qso_real": "vacuum", "desi_real": "vacuum",
    "desi_andes_real": "vacuum", "lamost_real": "vacuum", "sixdf_real": "air", "vandels_real": "air",
    "ozdes_sn_real": "vacuum", "sn_superfit_real": "vacuum", "miles_real_stars": "air", "splat_spex_real": "vacuum",
    "galah_real": "air", "sdss_sky_real": "vacuum", "sim_redrock": "vacuum",
}  # fmt: skip
SNR_EDGES = (-1e9, 3, 10, 30, 1e9)
N_COMPONENTS = 50
N_TRAINING = 2000


def read_set(path, limit, rng):
    """Wavelength, flux, sigma and class of some spectra of a set, and whether sigma was estimated."""
    spectra, columns = load_set(path)
    classes = columns.get("cls", np.full(len(spectra), ""))
    chosen = rng.permutation(len(spectra))[:limit]
    out, estimated = [], False
    for number in np.sort(chosen):
        wavelength, flux, ivar = spectra[number]
        flux = flux.astype(float)
        good = (ivar > 0) & np.isfinite(flux)
        if np.count_nonzero(good) < 200:
            continue
        sigma = np.full(len(flux), np.inf)
        if has_errors(ivar, good):
            sigma[good] = 1 / np.sqrt(ivar[good].astype(float))
        else:
            noise, good = estimate_noise(np.where(good, flux, 0), good)
            sigma[good] = noise[good]
            estimated = True
        out.append((wavelength.astype(float), flux, sigma, str(classes[number])))
    return out, estimated


def smooth(flux, ivar, freedom):
    """Inverse-variance-weighted Gaussian smoothing with a trace of ``freedom``."""
    low, high = 1e-2, len(flux)
    for _ in range(25):
        width = np.sqrt(low * high)
        reach = gaussian_filter1d(ivar, width, mode="constant")
        peak = 1 / sum(np.exp(-0.5 * (np.arange(-int(4 * width) - 1, int(4 * width) + 2) / width) ** 2))
        trace = np.sum(ivar * peak / np.maximum(reach, 1e-300))
        low, high = (width, high) if trace > freedom else (low, width)
    return gaussian_filter1d(flux * ivar, width, mode="constant") / np.maximum(reach, 1e-300)


class Pca:
    """Mean and principal components of the training spectra over one range.

    ``prepare``, if given, is applied to each spectrum on the grid of the components first.
    """

    def __init__(self, corpus, low, high, n, rng, *, prepare=None):
        self.grid = np.linspace(np.log(low), np.log(high), n)
        rows, tries = [], 0
        while len(rows) < N_TRAINING and tries < 40 * N_TRAINING:
            tries += 1
            source = corpus.draw(rng)
            x = source.ln_wavelength + shift_source(source, rng)
            if not len(x) or x[0] > self.grid[0] or x[-1] < self.grid[-1]:
                continue
            row = np.interp(self.grid, x, source.flux)
            if prepare is not None:
                row = prepare(row)
            scale = np.median(np.abs(row))
            if np.isfinite(row).all() and scale > 0:
                rows.append(np.clip(row / scale, -20, 50))
        rows = np.array(rows, np.float32)
        self.n_training = len(rows)
        self.basis = None
        if len(rows) > 2 * N_COMPONENTS:
            _, _, vectors = svds(rows - rows.mean(0), k=N_COMPONENTS, random_state=0)
            self.basis = np.concatenate([rows.mean(0)[None], vectors])

    def find_coefficients(self, ln_wavelength, flux, ivar):
        """Weighted least-squares coefficients (51,), that of the mean first; and the design matrix."""
        design = np.array([np.interp(ln_wavelength, self.grid, row) for row in self.basis]).T
        weight = np.sqrt(ivar)
        return np.linalg.lstsq(design * weight[:, None], flux * weight, rcond=1e-6)[0], design

    def fit(self, ln_wavelength, flux, ivar):
        """The weighted least-squares model on the pixels given."""
        coefficients, design = self.find_coefficients(ln_wavelength, flux, ivar)
        return design @ coefficients
