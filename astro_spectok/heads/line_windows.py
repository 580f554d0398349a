# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The flux of a star over its continuum on grids in the rest frame, as far as a spectrum covers them."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.level import LARGEST
from astro_spectok.network.resample import resample_features
from astro_spectok.network.shown import find_quiet

__all__ = ["WINDOWS", "Window", "WindowReader", "restore_pixels", "to_double"]


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
#: limits of the contrast
_LIMITS = (-1.0, 2.0)
#: noise over flux, and the signal-to-noise ratio that it is taken over
_NOISES, USUAL_SNR = (1e-4, 10.0), 30.0
#: reach in bins of the kernel that broadens
_REACH = 3


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
    return torch.where(find_quiet(patches), torch.sinh(patches.channels[..., 0]), flux)


class WindowReader(nn.Module):
    """Flux over its continuum, less one, in one `Window`, as far as the spectrum covers it."""

    def __init__(self, window):
        super().__init__()
        self.window = window
        self.mean_bins = round(window.continuum / window.step) // 2 * 2 + 1

    def forward(self, flux, mask, geometry, ln_doppler, good=None):
        """
        Parameters
        ----------
        flux : tensor, shape (B, T, P)
            Over the scale of the spectrum, in the slots of each token.
        mask : bool tensor, shape (B, T)
        geometry : float64 tensor, shape (B, T, 3)
        ln_doppler : float64 tensor, shape (B,)
            ln(1 + v / c) of the star.
        good : bool tensor, shape (B, T, P), optional
            Slots that count, all if not given.

        Returns
        -------
        contrast, covered : float32 tensor, shape (B, N)
            Zero, both, where good pixels cover less than half of a bin.
        """
        counted = mask if good is None else mask[..., None] & good
        binned, covered = self._bin(flux, counted, geometry, ln_doppler)
        values = self._broaden(binned * covered, covered, mask, geometry)
        return self.normalise(values, covered), covered

    def read_noise(self, noise, level, mask, geometry, ln_doppler, patch):
        """Logarithm of the noise of pixels over the flux in the bins of the window: how much a filter took away.

        Parameters
        ----------
        noise : tensor, shape (B, T)
            Of a good pixel of each patch over the scale of the spectrum, NaN where it is not known: as of
            `~astro_spectok.network.shown.find_noise`.
        level : tensor, shape (B, T)
            As of `~astro_spectok.network.level.patch_level`.
        mask, geometry, ln_doppler
            As of `forward`.
        patch : int
            Slots per patch.

        Returns
        -------
        float32 tensor, shape (B, N)
            Less that of a signal-to-noise ratio of 30; 0 where it is not known.
        """
        known = mask & (noise > 0)
        ratio = torch.where(known, noise, 1.0) / torch.sinh(level.clamp(-LARGEST, LARGEST)).abs().clamp_min(
            _LEAST_CONTINUUM
        )
        slots = torch.log(USUAL_SNR * ratio.clamp(*_NOISES))[..., None].expand(-1, -1, patch)
        binned, covered = self._bin(slots, known, geometry, ln_doppler)
        return binned * covered

    def _bin(self, slots, counted, geometry, ln_doppler):
        """Means (B, N) of values (B, T, P) of slots that count, and which bins those cover for the most part."""
        window = self.window
        number = torch.arange(window.size + 1, dtype=geometry.dtype, device=geometry.device)
        edges = math.log(window.low) + window.step * number + ln_doppler[:, None]  # (B, N + 1)
        binned, fraction = resample_features(slots[..., None], counted, geometry, edges[:, :-1], edges[:, 1:])
        return binned[..., 0].float(), (fraction > _LEAST_COVERED).float()

    def normalise(self, values, covered):
        """Contrast (B, N) of flux over the scale of the spectrum in the bins of the window, zero where not covered."""
        continuum = self._mean(self._mean(values, covered), (self._count(covered) > 0).float())
        contrast = values / continuum.clamp_min(_LEAST_CONTINUUM) - 1
        return contrast.clamp(*_LIMITS) * covered

    def _broaden(self, values, covered, mask, geometry):
        """Broaden spectra whose pixel width shows that they are sharper than the window is meant for."""
        step = self.window.step
        # an instrument has about 2.4 pixels per FWHM: a standard deviation of one pixel
        pixel = (geometry[..., 1].float().to(mask.device) * mask).sum(1) / mask.sum(1).clamp_min(1)
        added = (self.window.sigma**2 - torch.maximum(pixel, pixel.new_tensor(step / 3.46)) ** 2).clamp_min(1e-12)
        offset = torch.arange(-_REACH, _REACH + 1, dtype=values.dtype, device=mask.device)
        weights = torch.exp(-0.5 * (offset * step) ** 2 / added[:, None])[:, None]  # (B, 1, 7)

        def run(x):
            return F.conv1d(x[None], weights.to(x.dtype), padding=_REACH, groups=len(x))[0]

        return run(values) / run(covered).clamp_min(1e-3) * covered

    def _count(self, values):
        """Sum (B, N) over the bins around each, over their number; in double precision, as sums are subtracted."""
        half = self.mean_bins // 2
        total = torch.cumsum(to_double(F.pad(values, (half + 1, half))), 1)
        return ((total[:, self.mean_bins :] - total[:, : -self.mean_bins]) / self.mean_bins).to(values)

    def _mean(self, values, counts):
        """Running mean (B, N) over the bins that count."""
        return self._count(values * counts) / self._count(counts).clamp_min(0.5 / self.mean_bins)


def to_double(values):
    """In double precision, where the device has it."""
    return values.cpu().double() if values.device.type == "mps" else values.double()
