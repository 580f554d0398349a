# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labels of a star with their covariance, from its flux over the continuum on grids in the rest frame."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.network.detail import local_flux
from astro_spectok.network.resample import resample_features

__all__ = ["WINDOWS", "LineNetwork", "StellarHead", "Window", "WindowReader", "restore_pixels", "shape_gaussian"]


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
#: reach in bins of the kernel that broadens
_REACH = 3
#: noise over the median one beyond which a pixel is not taken as it is
_NOISY = 10.0
_OPTICAL_LABELS = ("teff", "logg", "fe_h")
#: for each window the labels it tells, and how many networks read it
_GROUPS = ((_OPTICAL_LABELS, 5), (_OPTICAL_LABELS, 1), ((*_OPTICAL_LABELS, "alpha_fe", "log_vbroad"), 1))
#: window that is left alone where another one is seen in so many bins: the stars that teach the Ca II triplet have no
#: labels of their own, and labels of real stars get worse with it
_SPARE = {1: (0, 500)}
#: channels, width and stride of the convolutions; width of the hidden layer, and what it forgets in training
_CONVOLUTIONS = ((32, 9, 3), (64, 7, 3), (64, 5, 2), (16, 5, 2))
_HIDDEN, _DROPOUT = 192, 0.1
#: bins of a window that a spectrum must cover for it to count
_LEAST_BINS = 30
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
        window = self.window
        number = torch.arange(window.size + 1, dtype=geometry.dtype, device=geometry.device)
        edges = math.log(window.low) + window.step * number + ln_doppler[:, None]  # (B, N + 1)
        counted = mask if good is None else mask[..., None] & good
        binned, fraction = resample_features(flux[..., None], counted, geometry, edges[:, :-1], edges[:, 1:])
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
        offset = torch.arange(-_REACH, _REACH + 1, dtype=values.dtype, device=mask.device)
        weights = torch.exp(-0.5 * (offset * step) ** 2 / added[:, None])[:, None]  # (B, 1, 7)

        def run(x):
            return F.conv1d(x[None], weights.to(x.dtype), padding=_REACH, groups=len(x))[0]

        return run(values) / run(covered).clamp_min(1e-3) * covered

    def _count(self, values):
        """Sum (B, N) over the bins around each, over their number; in double precision, as sums are subtracted."""
        half = self.mean_bins // 2
        total = torch.cumsum(_to_double(F.pad(values, (half + 1, half))), 1)
        return ((total[:, self.mean_bins :] - total[:, : -self.mean_bins]) / self.mean_bins).to(values)

    def _mean(self, values, counts):
        """Running mean (B, N) over the bins that count."""
        return self._count(values * counts) / self._count(counts).clamp_min(0.5 / self.mean_bins)


def _to_double(values):
    """In double precision, where the device has it."""
    return values.cpu().double() if values.device.type == "mps" else values.double()


class LineNetwork(nn.Module):
    """Mean and Cholesky factor of some labels, from what one window shows.

    Parameters
    ----------
    window : `Window`
    n_labels : int
    """

    def __init__(self, window, n_labels):
        super().__init__()
        self.n_labels = n_labels
        self.convolutions = _stack_convolutions()
        width = self.convolutions(torch.zeros(1, 2, window.size)).shape[1]
        self.dropout = nn.Dropout(_DROPOUT)
        self.hidden = nn.Linear(width, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, n_labels + n_labels * (n_labels + 1) // 2)

    def forward(self, contrast, covered):
        """
        Parameters
        ----------
        contrast, covered : tensor, shape (B, N)
            As of `WindowReader`.

        Returns
        -------
        mean : float32 tensor, shape (B, L)
            Less the centre of each label, over its spread.
        tril : float32 tensor, shape (B, L, L)
            Lower Cholesky factor of the covariance, over the spreads.
        """
        features = self.convolutions(torch.stack([_GAIN * contrast, covered], 1))
        features = F.gelu(self.hidden(self.dropout(features)))
        # labels to parts of a per cent: the last layer always in single precision
        with torch.autocast(features.device.type, enabled=False):
            return shape_gaussian(self.out(self.dropout(features).float()), self.n_labels)


def shape_gaussian(values, n):
    """Mean (B, n) and Cholesky factor (B, n, n) of whatever numbers (B, n + n (n + 1) / 2) layers give."""
    lower = values.new_zeros(len(values), n, n)
    row, column = torch.tril_indices(n, n, device=values.device)
    lower[:, row, column] = values[:, n:]
    sigma = torch.exp((torch.diagonal(lower, dim1=1, dim2=2) - 1).clamp(*_LOG_SIGMA))
    # rows relative to their diagonal: well conditioned
    tril = torch.tril(_COUPLING * lower, -1) + torch.eye(n, dtype=values.dtype, device=values.device)
    return values[:, :n], tril * sigma[..., None]


def _stack_convolutions():
    layers, before = [], 2
    for after, width, stride in _CONVOLUTIONS:
        layers += [nn.Conv1d(before, after, width, stride, width // 2), nn.GELU()]
        before = after
    return nn.Sequential(*layers, nn.Flatten())


class StellarHead(nn.Module):
    """Mean and covariance of the labels of a star.

    Which labels a spectrum has is written in lines of a few per cent at known places, once it is at rest. Small
    convolutional networks read them: five for the optical window, whose answers are averaged (labels of a few hundred
    stars leave a single one uncertain), one for the Ca II triplet, which counts only where little of the optical one
    is seen, and one for the H band. They are combined as independent measurements; a label that no covered window
    tells keeps its typical value and spread.

    Parameters
    ----------
    config : `~astro_spectok.network.NetworkConfig`
        With ``local_cosines`` above 0 and ``stellar_labels`` that are not empty.

    Attributes
    ----------
    names : tuple of str
        The labels.
    told : tuple of tuple of int
        For each window the numbers of the labels that its networks, a list in ``members``, tell.
    """

    def __init__(self, config):
        super().__init__()
        labels = config.stellar_labels
        self.names = tuple(name for name, _, _ in labels)
        self.register_buffer("centre", torch.tensor([c for _, c, _ in labels], dtype=torch.float32), persistent=False)
        self.register_buffer("spread", torch.tensor([s for _, _, s in labels], dtype=torch.float32), persistent=False)
        self.width, self.patch = config.width, config.patch
        self.readers = nn.ModuleList([WindowReader(window) for window in WINDOWS])
        self.told = tuple(tuple(i for i, name in enumerate(self.names) if name in told) for told, _ in _GROUPS)
        self.members = nn.ModuleList(
            nn.ModuleList(LineNetwork(window, len(told)) for _ in range(number))
            for window, told, (_, number) in zip(WINDOWS, self.told, _GROUPS, strict=True)
        )

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
            What the tokens were made of, where it is at hand: weak lines are then read from the pixels, and bins
            whose pixels are bad do not count.

        Returns
        -------
        mean : float32 tensor, shape (B, L)
            In the units of the labels, in the order of ``names``.
        tril : float32 tensor, shape (B, L, L)
            Lower Cholesky factor of their covariance.
        """
        learned, cosines = tokens[..., : self.width], tokens[..., self.width :]
        flux, good = local_flux(learned[..., 0], cosines, mask, geometry, self.patch).float(), None
        if patches is not None:
            # some surveys flag pixels in the cores of lines: what fills them would be a shallower line
            flux, good = restore_pixels(flux, patches), patches.valid
        ln_doppler = ln_doppler.to(geometry)
        return self.read_windows([reader(flux, mask, geometry, ln_doppler, good) for reader in self.readers])

    def read_windows(self, windows):
        """Mean and Cholesky factor, as of `forward`, from what the windows show.

        Parameters
        ----------
        windows : list of (tensor, tensor)
            Contrast and coverage (B, N) of each, as of `WindowReader`.
        """
        n, device = len(self.names), windows[0][0].device
        precision = _to_double(windows[0][0].new_zeros(len(windows[0][0]), n, n))
        weighted = precision[..., 0].clone()
        n_seen = [covered.sum(1) for _, covered in windows]
        for number, (told, members) in enumerate(zip(self.told, self.members, strict=True)):
            mean, covariance = _average([member(*windows[number]) for member in members])
            counts = n_seen[number] >= _LEAST_BINS
            if number in _SPARE:
                other, enough = _SPARE[number]
                counts &= n_seen[other] < enough
            inverse = torch.linalg.inv(covariance) * counts.to(covariance)[:, None, None]
            rows = torch.tensor(told, device=inverse.device)
            precision[:, rows[:, None], rows] += inverse
            weighted[:, rows] += (inverse @ mean[..., None])[..., 0]
        # what nothing tells has mean 0 and variance 1, in units of the spread
        diagonal = torch.diagonal(precision, dim1=1, dim2=2)
        covariance = torch.linalg.inv(precision + torch.diag_embed((diagonal == 0).to(precision)))
        mean = (covariance @ weighted[..., None])[..., 0]
        tril = torch.linalg.cholesky(0.5 * (covariance + covariance.mT))
        mean, tril = mean.float().to(device), tril.float().to(device)
        return self.centre + self.spread * mean, self.spread[:, None] * tril


def _average(found):
    """Mean (B, L) and covariance (B, L, L), in double precision, of the mixture of several answers."""
    means = torch.stack([_to_double(mean) for mean, _ in found])
    factors = torch.stack([_to_double(tril) for _, tril in found])
    mean = means.mean(0)
    off = (means - mean)[..., None]
    return mean, (factors @ factors.mT + off @ off.mT).mean(0)
