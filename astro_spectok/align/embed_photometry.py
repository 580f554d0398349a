# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`embed_photometry`: fluxes in filters as vectors that are compared with those of spectra."""

import warnings
from os import PathLike
from typing import Any

import numpy as np

from astro_spectok.align.fluxes import read_fluxes
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError
from astro_spectok.heads.small_numbers import PHOTOMETRY_DOMAIN
from astro_spectok.interface.inputs import find_user
from astro_spectok.utils.host import own_state
from astro_spectok.utils.parts import PHOTOMETRY

__all__ = ["embed_photometry", "find_wavelengths", "load_photometry_head", "read_head", "warn_of_rows"]

#: objects that go through the tower at once
CHUNK = 4096


@own_state
def embed_photometry(
    table: Any,
    filters: Any,
    *,
    errors: Any = None,
    unit: Any = None,
    upper_limits: Any = None,
    limit_sigma: float = 3.0,
    ebv: Any = None,
    weights: str | PathLike[str] | None = None,
) -> np.ndarray:
    """Turn photometry into vectors, to be compared by cosine with ``embed(spectra, parts='photometry')``.

    Any two or more filters will do, in any order. Masked or NaN fluxes and infinite errors count as missing filters;
    negative fluxes are allowed. Vectors depend neither on brightness nor on units. Correct the fluxes for Galactic
    extinction, or give its reddening as ``ebv``.

    Parameters
    ----------
    table : `~astropy.table.Table`, mapping of str to column, or data frame
        A row for each object. Units of columns: flux densities, nanomaggies, or magnitudes with a zero point
        (``u.ABmag``, ``u.STmag``); magnitudes of 90 and more are missing.
    filters : mapping of str to filter, sequence of filters, or str
        Which column is of which filter, ``{"FLUX_R": "decamDR1-r"}``, or of which several where it holds several fluxes
        for each object, ``{"MODELFLUX": "ugriz"}``; or filters alone, whose columns are found by
        their names; or a set, ``"grz"``, ``"grzW1W2"``, ``"ugriz"``, ``"ugrizJHK"``. A filter is a name out of
        `~astro_spectok.align.list_filters`, any name that speclite knows where it is installed, or a pair (wavelength,
        response).
    errors : mapping of str to str, optional
        Column of the errors of each column; if not given it is found by its name (``FLUX_R_ERR``, ``FLUX_IVAR_R``,
        ``e_FLUX_R`` and the like). Names with ``ivar`` hold inverse variances.
    unit : unit or str, optional
        Of columns without one.
    upper_limits : mapping of str to str, optional
        Column that is True where the flux is an upper limit, by the column of the flux.
    limit_sigma : float, optional
        How many standard deviations a limit is.
    ebv : str, float or array_like, shape (n,), optional
        Reddening E(B-V) of the Milky Way, a column of the table or numbers, for which fluxes are corrected (Pei 1992,
        ApJ 395, 130, with A(V) = 3.1 E(B-V), at the pivot wavelengths). Not corrected if not given.
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.

    Returns
    -------
    ndarray of float32, shape (n, E)
        At unit length, one row for each object; NaN for those with fewer than two filters.

    Raises
    ------
    TypeError, ValueError, `~astropy.units.UnitsError`
        A filter, a column, an error or a unit is missing or none that is known; the message names the remedy.
    `~astro_spectok.exceptions.WeightsError`
        The weights have no head for photometry.

    Warns
    -----
    FlaggedSpectraWarning
        Some objects cannot be used.

    References
    ----------
    Radford et al. 2021, arXiv 2103.00020, for the alignment of two kinds of data; Parker et al. 2024, MNRAS 531, 4990,
    for galaxies.

    Examples
    --------
    With random weights; leave ``weights`` out for the packaged ones:

    >>> import pathlib, tempfile
    >>> from astropy import units as u
    >>> from astro_spectok.align import embed_photometry
    >>> from astro_spectok.heads import build_model
    >>> from astro_spectok.heads.photometry import PhotometryConfig
    >>> from astro_spectok.network import get_config
    >>> from astro_spectok.weights import write_network
    >>> network = build_model(get_config("tiny"), {"photometry": PhotometryConfig(token_width=32, redshift_size=0)})
    >>> weights = write_network(pathlib.Path(tempfile.mkdtemp()) / "random.safetensors", network)
    >>> table = {"g": [21.3, 20.1] * u.ABmag, "g_err": [0.1, 0.05], "r": [20.2, 19.9] * u.ABmag, "r_err": [0.05, 0.05]}
    >>> embed_photometry(table, {"g": "decamDR1-g", "r": "decamDR1-r"}, weights=weights).shape
    (2, 64)
    """
    _, head = load_photometry_head(weights)
    fluxes = read_fluxes(
        table, filters, errors=errors, unit=unit, upper_limits=upper_limits, limit_sigma=limit_sigma,
        ebv=ebv, wavelength=find_wavelengths(head),
    )  # fmt: skip
    vectors, _ = read_head(head, fluxes)
    warn_of_rows(fluxes)
    return vectors


def load_photometry_head(weights=None):
    """Weights and their head for photometry, or an error that says that they have none."""
    from astro_spectok.weights import load_weights

    loaded = load_weights(weights)
    head = next((head for head in loaded.network.heads.values() if head.kind == PHOTOMETRY), None)
    if head is None:
        msg = (
            f"weights {loaded.name!r} must have a head {PHOTOMETRY!r}; they have "
            f"{', '.join(loaded.network.heads) or 'none'}; use weights that have it, or make one with `spectok build "
            "photometry`"
        )
        raise WeightsError(msg)
    return loaded, head


def find_wavelengths(head):
    """Angstrom, between which filters must lie for a head: (float, float)."""
    low, high = (PHOTOMETRY_DOMAIN | head.domain)["wavelength"]
    return float(low), float(high)


def read_head(head, fluxes):
    """Vectors (n, E) and scores (n, bins) of a `~astro_spectok.align.fluxes.FluxTable`; NaN for unusable rows."""
    import torch

    vectors = np.full((len(fluxes), head.config.size), np.nan, np.float32)
    scores = np.full((len(fluxes), head.config.n_scores), np.nan)
    rows, photometry = np.flatnonzero(fluxes.usable), fluxes.to_photometry()
    with torch.inference_mode():
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            found = head.read_photometry(photometry.take(part))
            vectors[rows[part]], scores[rows[part]] = (x.float().cpu().numpy() for x in found)
    return vectors, scores


def warn_of_rows(fluxes):
    """Warn of rows that cannot be used."""
    number = int((~fluxes.usable).sum())
    if number:
        first = int(np.flatnonzero(~fluxes.usable)[0])
        text = f"{number} of {len(fluxes)} rows of photometry cannot be used; row {first}: {fluxes.messages[first]}"
        warnings.warn(text, FlaggedSpectraWarning, stacklevel=find_user())
