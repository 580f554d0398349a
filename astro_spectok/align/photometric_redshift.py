# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`PhotometricRedshift`: class and redshift of fluxes in filters, and what they say before a spectrum is looked at."""

from os import PathLike
from typing import Any

import numpy as np
from astropy.table import QTable

from astro_spectok.align.embed_photometry import find_wavelengths, load_photometry_head, read_head, warn_of_rows
from astro_spectok.align.flags import PhotometryFlag
from astro_spectok.align.fluxes import read_fluxes
from astro_spectok.interface.columns import Column, make_table
from astro_spectok.interface.provenance import make_provenance, word_call
from astro_spectok.redshift.priors import JointPrior
from astro_spectok.utils.host import own_state
from astro_spectok.utils.spectypes import STAR

__all__ = ["PhotometricRedshift"]

#: share of a class or of redshifts beside the best below which there is no other solution, and how far off one is
AMBIGUOUS, APART = 0.1, 0.15
#: probability of the interval that is given
LEVEL = 0.68
#: part of a flat distribution below which the training set says nothing of a bin, and most that it is divided by
THIN = 0.2
COLUMNS = {
    "z": Column("redshift of the best class; 0 for stars", digits=3),
    "z_err": Column("half the range from z_lo to z_hi", digits=3),
    "z_lo": Column("lower end of the range that holds z with 68 per cent probability, given the class", digits=3),
    "z_hi": Column("upper end of the range that holds z with 68 per cent probability, given the class", digits=3),
    "spectype": Column("most probable class", kind="text"),
    "p_galaxy": Column("probability of GALAXY, whatever the redshift", digits=3),
    "p_qso": Column("probability of QSO, whatever the redshift", digits=3),
    "p_star": Column("probability of STAR", digits=3),
    "p_best": Column("probability of the class, and of redshifts within 0.15 (1 + z) of z", digits=3),
    "n_filters": Column("filters that were used", kind="int"),
    "warn": Column("what may be wrong: bits of PhotometryFlag", kind="int"),
    "message": Column("why it could not be measured, or what was left out", kind="text"),
}


class PhotometricRedshift:
    """Class and redshift from photometry alone.

    Probabilities are those of the simulated objects of training: galaxies, quasars and stars at redshifts up to 7,
    about as many of each as a spectroscopic survey has. They do not depend on the brightness.

    Parameters
    ----------
    filters : mapping of str to filter, sequence of filters, or str
        As for `~astro_spectok.align.embed_photometry`.
    weights : str or path-like, optional
        Registry name or path. Default: the packaged weights.
    errors, unit, upper_limits, limit_sigma, ebv
        As for `~astro_spectok.align.embed_photometry`.

    See Also
    --------
    astro_spectok.align.PhotometryFlag : the bits of ``warn``.

    Notes
    -----
    Of the two ways there are, a distribution read from the tower itself and one of neighbours in the space that spectra
    share, the former is used; :ref:`photometry` has what was measured.

    Examples
    --------
    With random weights, whose answers mean nothing; leave ``weights`` out for the packaged ones:

    >>> import pathlib, tempfile
    >>> from astropy import units as u
    >>> from astro_spectok.align import PhotometricRedshift
    >>> from astro_spectok.heads import build_model
    >>> from astro_spectok.heads.photometry import PhotometryConfig
    >>> from astro_spectok.network import get_config
    >>> from astro_spectok.weights import write_network
    >>> network = build_model(get_config("tiny"), {"photometry": PhotometryConfig(token_width=32, redshift_size=0)})
    >>> weights = write_network(pathlib.Path(tempfile.mkdtemp()) / "random.safetensors", network)
    >>> table = {"g": [21.3, 20.1] * u.ABmag, "g_err": [0.1, 0.05], "r": [20.2, 19.9] * u.ABmag, "r_err": [0.05, 0.05]}
    >>> photometric = PhotometricRedshift({"g": "decamDR1-g", "r": "decamDR1-r"}, weights=weights)
    >>> found = photometric.estimate(table)
    >>> found["n_filters"].tolist(), found["warn"].tolist()[0] & 4
    ([2, 2], 4)
    >>> len(photometric.find_prior(table))
    2
    """

    def __init__(
        self,
        filters: Any,
        *,
        weights: str | PathLike[str] | None = None,
        errors: Any = None,
        unit: Any = None,
        upper_limits: Any = None,
        limit_sigma: float = 3.0,
        ebv: Any = None,
    ) -> None:
        self.filters, self.weights, self.ebv = filters, weights, ebv
        self.errors, self.unit, self.upper_limits, self.limit_sigma = errors, unit, upper_limits, limit_sigma

    def __repr__(self):
        return f"PhotometricRedshift({self.filters!r})"

    def _read(self, table):
        """Fluxes, the head, weights, and probabilities (n, bins), NaN for unusable rows."""
        loaded, head = load_photometry_head(self.weights)
        fluxes = read_fluxes(
            table, self.filters, errors=self.errors, unit=self.unit, upper_limits=self.upper_limits,
            limit_sigma=self.limit_sigma, ebv=self.ebv, wavelength=find_wavelengths(head),
        )  # fmt: skip
        _, scores = read_head(head, fluxes)
        scores /= head.calibration.get("temperature", 1.0)
        probability = np.exp(scores - scores.max(1, keepdims=True))
        return fluxes, head, loaded, probability / probability.sum(1, keepdims=True)

    @own_state
    def estimate(self, table: Any, *, posterior: bool = False) -> QTable:
        """Estimate class and redshift of each row.

        Parameters
        ----------
        table : `~astropy.table.Table`, mapping of str to column, data frame, or `~astropy.table.Row`
        posterior : bool, optional
            Whether columns ``posterior_galaxy`` and ``posterior_qso`` (n, bins) are added: the probability of each bin,
            whose redshifts are ``meta['posterior_z']``.

        Returns
        -------
        `~astropy.table.QTable`
            ``z``, ``z_err``, ``z_lo``, ``z_hi``, ``spectype``, ``p_galaxy``, ``p_qso``, ``p_star``, ``p_best``,
            ``n_filters``, ``warn`` (bits of `~astro_spectok.align.PhotometryFlag`) and ``message``; NaN and '' for rows
            that cannot be used. The metadata name the weights, versions, date and call.

        Raises
        ------
        TypeError, ValueError, `~astropy.units.UnitsError`, `~astro_spectok.exceptions.WeightsError`
            As for `~astro_spectok.align.embed_photometry`.

        Warns
        -----
        FlaggedSpectraWarning
            Some objects cannot be used.
        """
        fluxes, head, loaded, probability = self._read(table)
        arrays = summarise(probability, head.config)
        arrays["warn"] = arrays["warn"] | fluxes.flags
        arrays["n_filters"] = np.isfinite(fluxes.flux).sum(1)
        arrays["message"] = np.array(fluxes.messages, object)
        names = ", ".join(band.name for band in fluxes.filters.values())
        meta = make_provenance(loaded, word_call("PhotometricRedshift.estimate", filters=self.filters))
        made = make_table(COLUMNS, arrays, meta | {"filters": names})
        if posterior:
            n = head.config.z_bins
            made["posterior_galaxy"], made["posterior_qso"] = probability[:, :n], probability[:, n : 2 * n]
            made.meta["posterior_z"] = head.config.redshifts.round(5).tolist()
        warn_of_rows(fluxes)
        return made

    @own_state
    def find_prior(self, table: Any, *, floor: float = 0.02) -> JointPrior:
        """What photometry says of class and redshift, for ``RedshiftEstimator().estimate(spectra, prior=...)``.

        The distribution of redshifts and classes in training is taken out, so that spectra are measured under the
        flat prior that they have without.

        Parameters
        ----------
        table
            As for `estimate`, a row for each spectrum, in their order.
        floor : float, optional
            Share of a flat prior that is mixed in.

        Returns
        -------
        `~astro_spectok.redshift.JointPrior`
            Flat for rows that cannot be used.
        """
        fluxes, head, _, probability = self._read(table)
        warn_of_rows(fluxes)
        config, n = head.config, head.config.z_bins
        flat = np.concatenate([np.full(2 * n, 1 / (3 * n)), [1 / 3]])
        before = np.exp(head.prior.double().numpy())
        likelihood = probability / np.maximum(before / before.sum(), THIN * flat) * flat
        likelihood = np.where(fluxes.usable[:, None], likelihood, 0.0)
        likelihood /= np.maximum(likelihood.sum(1, keepdims=True), 1e-300)
        parts = {"GALAXY": likelihood[:, :n], "QSO": likelihood[:, n : 2 * n], STAR: likelihood[:, -1]}
        return JointPrior(config.z_step, parts, floor)


def summarise(probability, config):
    """Columns of a table of results, but for what concerns the fluxes.

    Parameters
    ----------
    probability : ndarray of float64, shape (n, bins)
        NaN where nothing is known.
    config : `~astro_spectok.heads.photometry.PhotometryConfig`

    Returns
    -------
    dict of str to ndarray
    """
    n, bins = len(probability), config.z_bins
    known = np.isfinite(probability).all(1)
    shares = np.stack([probability[:, :bins].sum(1), probability[:, bins : 2 * bins].sum(1), probability[:, -1]], 1)
    best = np.where(known, np.nan_to_num(shares).argmax(1), 0)
    out = {name: np.full(n, np.nan) for name in ("z", "z_err", "z_lo", "z_hi", "p_best")}
    out |= {f"p_{name.lower()}": shares[:, k] for k, name in enumerate(config.classes)}
    out["spectype"] = np.where(known, np.array(config.classes, object)[best], "")
    warn = np.zeros(n, np.int64)
    edges = config.z_step * (np.arange(bins + 1) - 0.5)
    for i in np.flatnonzero(known):
        if config.classes[best[i]] == STAR:
            out["z"][i], out["p_best"][i] = 0.0, shares[i, best[i]]
            warn[i] |= int(PhotometryFlag.AMBIGUOUS) * (shares[i, best[i]] < 1 - AMBIGUOUS)
            continue
        p = probability[i, best[i] * bins : (best[i] + 1) * bins]
        z, low, high = _find_interval(p, edges)
        near = np.abs(np.expm1(config.z_step * np.arange(bins) - np.log1p(z))) < APART
        out["z"][i], out["z_lo"][i], out["z_hi"][i], out["z_err"][i] = z, low, high, (high - low) / 2
        out["p_best"][i] = p[near].sum()
        warn[i] |= int(PhotometryFlag.AMBIGUOUS) * (out["p_best"][i] < 1 - AMBIGUOUS)
        warn[i] |= int(PhotometryFlag.AT_LIMIT) * (p[-3:].sum() > 0.5 * p.sum())
    return out | {"warn": warn}


def _find_interval(p, edges):
    """Best redshift, and the ends of the interval of probability around it, of the probability of bins."""
    smooth = np.convolve(p, [0.25, 0.5, 0.25], "same")
    peak = int(smooth.argmax())
    around = slice(max(peak - 2, 0), peak + 3)
    middle = (edges[1:] + edges[:-1]) / 2
    best = max(float((p[around] * middle[around]).sum() / max(p[around].sum(), 1e-300)), 0.0)
    below = np.concatenate([[0], np.cumsum(p)])
    below /= below[-1]
    centre = float(np.interp(best, edges, below))
    beyond = (1 - LEVEL) / 4
    low = min(max(centre - LEVEL / 2, beyond), 1 - LEVEL - beyond)
    ends = np.interp([low, low + LEVEL], below + 1e-12 * np.arange(len(below)), edges)
    return np.expm1(best), *(float(max(np.expm1(x), 0.0)) for x in ends)
