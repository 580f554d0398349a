# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the golden rows are made of: stored spectra of every kind, and what the public doors of the package say of them.

``python tests/make_golden_rows.py`` makes both files anew.
"""

import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from astropy.table import QTable
from specutils import Spectrum, SpectrumList

from astro_spectok import tokenize
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator
from astro_spectok.exceptions import WavelengthRangeWarning
from astro_spectok.weights import load_weights

__all__ = ["MADE_OF", "ROWS", "SPECTRA", "measure_rows", "read_spectra", "split_tokens"]

SPECTRA = Path(__file__).parent / "data" / "golden_spectra.npz"
ROWS = Path(__file__).parent / "data" / "golden_rows.ecsv"
#: Angstrom; stored wavelengths are whole numbers of it, so that they are the same on every processor
WAVE_STEP = 1e-4
#: columns of a row of each estimator
REDSHIFT = ("z", "z_err", "z_lo", "z_hi", "spectype", "p_galaxy", "p_qso", "p_star", "zwarn", "z_2", "p_2", "snr")
STELLAR = (
    "teff", "teff_err", "logg", "logg_err", "fe_h", "fe_h_err", "alpha_fe", "alpha_fe_err", "rv", "rv_err", "vbroad",
    "vbroad_err", "stellar_type", "p_stellar_type", "warn",
)  # fmt: skip
#: parts of a token, each compared in units of its own size
MADE_OF = ("explicit", "learned", "detail")
N_PROJECTIONS = 6


def read_spectra():
    """The stored spectra, as specutils holds them: `~specutils.SpectrumList`.

    Flux and its standard deviation are half-precision numbers that stand in the file as they are; 0 is a bad pixel,
    and where all are 0 no uncertainty is given.
    """
    with np.load(SPECTRA, allow_pickle=False) as stored:
        parts = {name: stored[name] for name in stored.files}
    stops = np.cumsum(parts["size"])
    spectra = SpectrumList()
    for i, stop in enumerate(stops):
        pixels = slice(stop - parts["size"][i], stop)
        wavelength = np.cumsum(parts["wave_steps"][pixels].astype(np.int64)) * WAVE_STEP
        flux, sigma = (parts[name][pixels].astype(np.float64) for name in ("flux", "sigma"))
        spectra.append(
            Spectrum(
                flux=flux * u.mJy,
                spectral_axis=wavelength * u.AA,
                uncertainty=StdDevUncertainty(np.where(sigma > 0, sigma, np.nan)) if sigma.any() else None,
                mask=sigma == 0 if sigma.any() else None,
                meta={"name": str(parts["name"][i]), "medium": str(parts["medium"][i])},
            )
        )
    return spectra


def split_tokens(values):
    """Parts of tokens (T, D) whose sizes differ: level and extent, what is learned, and explicit detail."""
    return np.split(values, [2, load_weights().network.config.width], axis=1)


def _project(values):
    """A few sums over an array whose signs and sizes vary, over the root of its size: what moves one moves these."""
    number = np.arange(values.size).reshape(values.shape)
    weights = [np.cos(number * (0.37 + 0.11 * k) + k) for k in range(N_PROJECTIONS)]
    return np.array([(values.astype(float) * weight).sum() for weight in weights]) / np.sqrt(max(values.size, 1))


def _measure_size(values):
    return np.sqrt(np.mean(values.astype(float) ** 2)) if values.size else 0.0


def measure_rows(spectra):
    """A row for each spectrum: tokens and embedding in a few numbers, class and redshift, stellar parameters.

    Parameters
    ----------
    spectra : `~specutils.SpectrumList`

    Returns
    -------
    `~astropy.table.QTable`
    """
    rows = QTable({"name": [spectrum.meta["name"] for spectrum in spectra]})
    with warnings.catch_warnings():
        # two of them reach further than training
        warnings.simplefilter("ignore", WavelengthRangeWarning)
        tokens = tokenize(spectra, device="cpu", progress=False)
        redshift = RedshiftEstimator(device="cpu").estimate(spectra, progress=False)
        stellar = StellarParameterEstimator(device="cpu").estimate(spectra, progress=False)
    rows["n_tokens"] = [len(each) for each in tokens]
    rows["n_masked"] = [int(each.mask.sum()) for each in tokens]
    parts = {name: [split_tokens(each.values)[k] for each in tokens] for k, name in enumerate(MADE_OF)}
    parts["embedding"] = [each.embedding for each in tokens]
    for name, values in parts.items():
        rows[name] = np.array([_project(each) for each in values])
        rows[f"{name}_rms"] = [_measure_size(each) for each in values]
    for name in REDSHIFT:
        rows[name] = redshift[name]
    for name in STELLAR:
        rows[name] = stellar[name]
    rows.meta = {"weights_sha256": redshift.meta["weights_sha256"]}
    return rows
