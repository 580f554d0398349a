# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labels of a star with their covariance, from the flux that its tokens hold, on grids in the rest frame."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.blocks import Attention
from astro_spectok.network.detail import local_flux
from astro_spectok.network.resample import resample_features
from astro_spectok.network.wavelength import RotaryPhases

__all__ = ["WINDOWS", "StellarHead", "Window", "WindowReader", "restore_pixels"]


class Window(NamedTuple):
    """A grid in the rest frame.

    Attributes
    ----------
    low, high : float
        Vacuum Angstrom.
    step : float
        In ln(wavelength).
    continuum : float
        Width in ln(wavelength) of the running mean, taken twice, that flux is divided by.
    sigma : float
        Width in ln(wavelength) that lines have at least: sharper spectra are broadened to it.
    """

    low: float
    high: float
    step: float
    continuum: float
    sigma: float

    @property
    def size(self):
        """Number of bins."""
        return int(math.log(self.high / self.low) / self.step)


#: the blue and red optical and the Ca II triplet, both as sharp as the stars that have labels, and the H band
WINDOWS = (
    Window(3600.0, 7390.0, 2e-4, 0.02, 2.1e-4),
    Window(8390.0, 8910.0, 2e-4, 0.02, 2.1e-4),
    Window(15150.0, 16960.0, 3e-5, 0.01, 1.8e-5),
)
#: share of a bin that pixels must cover; continuum, over the scale of the spectrum, below which it is not divided by
_LEAST_COVERED, _LEAST_CONTINUUM = 0.5, 0.02
#: limits of the contrast; contrasts are a few per cent, and layers want numbers of order one
_LIMITS, _GAIN = (-1.0, 2.0), 5.0
#: bins whose coverage is averaged
_COVERAGE_BINS = 32
#: reach in bins of the kernel that broadens
_REACH = 3
#: noise over the median one beyond which a pixel is not taken as it is
_NOISY = 10.0
#: width of hidden layers
_HIDDEN = 128
#: bounds of the logarithm of the diagonal of the Cholesky factor, over the spread of each label
_LOG_SIGMA = (-7.0, 1.0)
#: how strongly labels are coupled at first
_COUPLING = 0.3


def restore_pixels(flux, patches):
    """Flux as it was observed, in place of what the detail of tokens makes of it.

    Their filter takes noise away, and with it weak lines, the more so where noise had to be estimated from a spectrum
    full of lines. Sums over thousands of pixels need no filter. Pixels that are bad, or far noisier than most, stay
    filtered.

    Parameters
    ----------
    flux : tensor, shape (B, T, P)
        Over the scale of the spectrum, in the slots of each token, as of `~astro_spectok.network.detail.local_flux`.
    patches : `~astro_spectok.network.PatchBatch`

    Returns
    -------
    tensor, shape (B, T, P)
    """
    log_sigma = 2 * patches.channels[..., 2]
    usual = log_sigma.masked_fill(~patches.valid, torch.nan).flatten(1).nanmedian(1).values[:, None, None]
    quiet = patches.valid & (log_sigma < usual + math.log(_NOISY))
    return torch.where(quiet, torch.sinh(patches.channels[..., 0]), flux)


class WindowReader(nn.Module):
    """Flux over its continuum, less one, in one `Window`, as far as the spectrum covers it."""

    def __init__(self, window):
        super().__init__()
        self.window = window
        self.mean_bins = round(window.continuum / window.step) // 2 * 2 + 1

    def forward(self, flux, mask, geometry, ln_doppler):
        """
        Parameters
        ----------
        flux : tensor, shape (B, T, P)
            Over the scale of the spectrum, in the slots of each token.
        mask : bool tensor, shape (B, T)
        geometry : float64 tensor, shape (B, T, 3)
        ln_doppler : float64 tensor, shape (B,)
            ln(1 + v / c) of the star.

        Returns
        -------
        contrast, covered : float32 tensor, shape (B, N)
            Zero, both, where less than half of a bin is covered.
        """
        window = self.window
        number = torch.arange(window.size + 1, dtype=geometry.dtype, device=geometry.device)
        edges = math.log(window.low) + window.step * number + ln_doppler[:, None]  # (B, N + 1)
        binned, fraction = resample_features(flux[..., None], mask, geometry, edges[:, :-1], edges[:, 1:])
        covered = (fraction > _LEAST_COVERED).float()
        values = self._broaden(binned[..., 0].float() * covered, covered, mask, geometry)
        return self.normalise(values, covered), covered

    def normalise(self, values, covered):
        """Contrast (B, N) of flux over the scale of the spectrum in the bins of the window, zero where not covered."""
        continuum = self._mean(self._mean(values, covered), (self._count(covered) > 0).float())
        contrast = values / continuum.clamp_min(_LEAST_CONTINUUM) - 1
        return contrast.clamp(*_LIMITS) * covered

    def _broaden(self, values, covered, mask, geometry):
        """Broaden spectra whose pixels tell that they are sharper than the window is meant for."""
        step = self.window.step
        # an instrument has about 2.4 pixels per FWHM: a standard deviation of one pixel
        pixel = (geometry[..., 1].float().to(mask.device) * mask).sum(1) / mask.sum(1).clamp_min(1)
        added = (self.window.sigma**2 - torch.maximum(pixel, pixel.new_tensor(step / 3.46)) ** 2).clamp_min(1e-12)
        offset = torch.arange(-_REACH, _REACH + 1, device=mask.device)
        weights = torch.exp(-0.5 * (offset * step) ** 2 / added[:, None])[:, None]  # (B, 1, 7)

        def run(x):
            return F.conv1d(x[None], weights.to(x.dtype), padding=_REACH, groups=len(x))[0]

        return run(values) / run(covered).clamp_min(1e-3) * covered

    def _count(self, covered):
        return F.avg_pool1d(covered[:, None], self.mean_bins, stride=1, padding=self.mean_bins // 2)[:, 0]

    def _mean(self, values, counts):
        """Running mean (B, N) over the bins that count."""
        return self._count(values * counts) / self._count(counts).clamp_min(0.5 / self.mean_bins)


class StellarHead(nn.Module):
    """Mean and covariance of the labels of a star.

    Which labels a spectrum has is written in lines of a few per cent at known places, once it is at rest: a linear map
    of the flux over its continuum reads them best (Ness et al. 2015, ApJ 808, 16, turn the same around). What noise and
    resolution the spectrum has comes from its tokens, gathered by learned queries.

    Parameters
    ----------
    config : `~astro_spectok.network.NetworkConfig`
        With ``local_cosines`` above 0 and ``stellar_labels`` that are not empty.
    """

    def __init__(self, config):
        super().__init__()
        labels = config.stellar_labels
        self.names = tuple(name for name, _, _ in labels)
        self.register_buffer("centre", torch.tensor([c for _, c, _ in labels]), persistent=False)
        self.register_buffer("spread", torch.tensor([s for _, _, s in labels]), persistent=False)
        self.width, self.patch = config.width, config.patch
        self.readers = nn.ModuleList([WindowReader(window) for window in WINDOWS])
        self.lines = nn.ModuleList([nn.Linear(window.size, _HIDDEN, bias=False) for window in WINDOWS])
        self.coverage = nn.Linear(sum(-(-window.size // _COVERAGE_BINS) for window in WINDOWS), _HIDDEN)
        self.rotary = RotaryPhases(config)
        self.queries = nn.Parameter(torch.randn(config.summary_queries, config.width) * 0.02)
        self.attention = Attention(config.width, config.heads)
        self.norm = nn.LayerNorm(config.summary_queries * config.width)
        self.context = nn.Linear(config.summary_queries * config.width, _HIDDEN)
        self.hidden = nn.Linear(_HIDDEN, _HIDDEN)
        n = len(labels)
        self.out = nn.Linear(_HIDDEN, n + n * (n + 1) // 2)

    def forward(self, tokens, mask, geometry, ln_doppler, patches=None):
        """
        Parameters
        ----------
        tokens : tensor, shape (B, T, D)
        mask : bool tensor, shape (B, T)
            Tokens that count.
        geometry : float64 tensor, shape (B, T, 3)
            Where they lie, as observed.
        ln_doppler : float64 tensor, shape (B,)
            ln(1 + v / c) of the star's radial velocity.
        patches : `~astro_spectok.network.PatchBatch`, optional
            What the tokens were made of, where it is at hand: weak lines are then read from the pixels.

        Returns
        -------
        mean : float32 tensor, shape (B, L)
            In the units of the labels, in the order of ``names``.
        tril : float32 tensor, shape (B, L, L)
            Lower Cholesky factor of their covariance.
        """
        learned, cosines = tokens[..., : self.width], tokens[..., self.width :]
        flux = local_flux(learned[..., 0], cosines, mask, geometry, self.patch).float()
        if patches is not None:
            flux = restore_pixels(flux, patches)
        windows = [reader(flux, mask, geometry, ln_doppler.to(geometry)) for reader in self.readers]
        context = self._read_tokens(learned, mask, geometry[..., 0] - ln_doppler.to(geometry)[:, None])
        return self.read_windows(windows, context)

    def read_windows(self, windows, context=0.0):
        """Mean and Cholesky factor, as of `forward`, from what the windows show.

        Parameters
        ----------
        windows : list of (tensor, tensor)
            Contrast and coverage (B, N) of each, as of `WindowReader`.
        context : tensor, shape (B, H), optional
            What the tokens tell besides; nothing if not given.
        """
        x, coverage = context, []
        for (contrast, covered), linear in zip(windows, self.lines, strict=True):
            x = x + linear(_GAIN * contrast)
            padded = F.pad(covered, (0, -covered.shape[1] % _COVERAGE_BINS))
            coverage.append(padded.unflatten(1, (-1, _COVERAGE_BINS)).mean(2))
        x = F.gelu(x + self.coverage(torch.cat(coverage, 1)))
        x = x + F.gelu(self.hidden(x))
        return self._shape(self.out(x).float())

    def _read_tokens(self, tokens, mask, centre):
        """What learned queries gather, (B, H)."""
        phases = self.rotary(centre, tokens.device)
        queries = self.queries.expand(len(tokens), -1, -1)
        return self.context(self.norm(self.attention(queries, tokens, mask, None, phases).flatten(1)))

    def _shape(self, values):
        """Numbers (B, L + L (L + 1) / 2) as mean and Cholesky factor."""
        n = len(self.names)
        lower = torch.zeros(len(values), n, n, device=values.device)
        row, column = torch.tril_indices(n, n, device=values.device)
        lower[:, row, column] = values[:, n:]
        sigma = torch.exp((torch.diagonal(lower, dim1=1, dim2=2) - 1).clamp(*_LOG_SIGMA)) * self.spread
        # rows relative to their diagonal: whatever the layers give is well conditioned
        tril = torch.tril(_COUPLING * lower, -1) + torch.eye(n, device=values.device)
        return self.centre + self.spread * values[:, :n], tril * sigma[..., None]
