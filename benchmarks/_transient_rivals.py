# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What types of transients are compared with: cross-correlation, as SNID does, and PCA at known redshift."""

import numpy as np

from astro_spectok.heads import TransientConfig
from astro_spectok.heads.transient_fit import view_spectrum
from astro_spectok.training.library_components import find_components
from astro_spectok.training.transient_head import find_coefficients, lay_on_bins

__all__ = ["NearestCoefficients", "SnidLike"]

#: of the overlap in ln(wavelength), below which a template is not compared (Blondin & Tonry 2007, section 3)
LEAST_OVERLAP = 0.4
#: neighbours that vote, and share of the spectrum that is tapered at either end
NEIGHBOURS, TAPER = 10, 0.05
#: redshifts that are tried
Z_RANGE = (-0.005, 1.0)
COMPONENTS = 25


class SnidLike:
    """Normalised cross-correlation of contrasts with every template; the best r times overlap vote.

    Parameters
    ----------
    spectra : list of `~astro_spectok.training.transient_types.TransientSpectrum`

    References
    ----------
    Tonry & Davis 1979, AJ 84, 1511, for r; Blondin & Tonry 2007, ApJ 666, 1024.
    """

    def __init__(self, spectra):
        self.config = TransientConfig()
        rows, _ = lay_on_bins(spectra, self.config)
        self.seen = np.isfinite(rows).astype(np.float32)
        self.rows = np.nan_to_num(rows) * self.seen
        self.kinds = np.array([one.kind for one in spectra])
        self.phases = np.array([one.phase for one in spectra])
        self.objects = np.array([one.object for one in spectra])
        self.lags = np.arange(*(round(np.log1p(z) / self.config.step) for z in Z_RANGE))

    def classify(self, wavelength, flux, sigma, *, left_out=None):
        """Type, redshift and phase of a spectrum; None where nothing correlates."""
        ivar = np.ones(len(flux)) if sigma is None else sigma**-2.0
        view = view_spectrum(np.log(wavelength), flux, ivar, self.config)
        if view is None:
            return None
        n = len(view.ratio)
        edge = np.clip(np.minimum(np.arange(n), n - 1 - np.arange(n)) / max(TAPER * n, 1), 0, 1)
        signal, there = view.ratio * np.sin(0.5 * np.pi * edge), (view.weight > 0).astype(np.float32)
        scores = np.full((len(self.lags), len(self.rows)), -np.inf)
        for k, lag in enumerate(self.lags):
            low, high = max(view.first - lag, 0), min(view.first - lag + n, self.config.bins)
            if high - low < LEAST_OVERLAP / self.config.step:
                continue
            part = slice(low - view.first + lag, high - view.first + lag)
            rows, seen = self.rows[:, low:high], self.seen[:, low:high]
            ours = signal[part].astype(np.float32)
            overlap = seen @ there[part] * self.config.step
            norm = np.sqrt((seen @ ours**2) * (rows**2 @ there[part]))
            height = (rows @ ours) / np.maximum(norm, 1e-9)
            # r of Tonry and Davis is the height over the noise of the rest of the correlation
            r = height / np.sqrt(np.maximum(2 * (1 - np.clip(height, -1, 0.999)), 1e-3))
            scores[k] = np.where(overlap >= LEAST_OVERLAP, r * overlap, -np.inf)
        if left_out is not None:
            scores[:, self.objects == left_out] = -np.inf
        best = scores.max(axis=0)
        if not np.isfinite(best).any():
            return None
        near = np.argsort(-best)[:NEIGHBOURS]
        near = near[np.isfinite(best[near])]
        votes = {}
        for one in near:
            votes[self.kinds[one]] = votes.get(self.kinds[one], 0.0) + best[one]
        kind = max(votes, key=votes.get)
        own = near[self.kinds[near] == kind]
        z = float(np.median(np.expm1(self.lags[scores[:, own].argmax(axis=0)] * self.config.step)))
        phases = self.phases[own][np.isfinite(self.phases[own])]
        return kind, z, float(np.median(phases)) if len(phases) else np.nan


class NearestCoefficients:
    """Principal components at the true redshift, and the nearest neighbours in them."""

    def __init__(self, spectra):
        self.config = TransientConfig()
        rows, _ = lay_on_bins(spectra, self.config)
        kept = np.isfinite(rows).any(1)
        self.model = find_components(rows[kept], COMPONENTS)
        self.values = find_coefficients(rows[kept], *self.model)
        self.kinds = np.array([one.kind for one in spectra])[kept]
        self.objects = np.array([one.object for one in spectra])[kept]

    def classify(self, wavelength, flux, sigma, z, *, left_out=None):
        """Type of a spectrum; None of one with too little."""
        ivar = np.ones(len(flux)) if sigma is None else sigma**-2.0
        view = view_spectrum(np.log(wavelength / (1 + z)), flux, ivar, self.config)
        if view is None:
            return None
        row = np.full((1, self.config.bins), np.nan)
        low, high = max(view.first, 0), min(view.first + len(view.ratio), self.config.bins)
        part = slice(low - view.first, high - view.first)
        row[0, low:high] = np.where(view.weight[part] > 0, view.ratio[part], np.nan)
        distance = ((self.values - find_coefficients(row, *self.model)) ** 2).sum(1)
        distance[self.objects == left_out] = np.inf
        near = np.argsort(distance)[:NEIGHBOURS]
        kinds, votes = np.unique(self.kinds[near], return_counts=True)
        return str(kinds[votes.argmax()])
