# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labels of a star with their covariance, from its flux over the continuum on grids in the rest frame."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from astro_spectok.heads.convolutions import stack_convolutions
from astro_spectok.heads.line_windows import WINDOWS, WindowReader, restore_pixels, to_double
from astro_spectok.heads.protocol import Head, HeadConfig, HeadLoss
from astro_spectok.heads.registry import register_head
from astro_spectok.heads.small_numbers import STELLAR_DOMAIN, STELLAR_RULES
from astro_spectok.heads.stellar_loss import draw_doppler_error, gather_stellar_labels, stellar_loss
from astro_spectok.network.detail import local_flux

__all__ = ["STELLAR_LABELS", "WHITE_DWARF_LABELS", "LineNetwork", "StellarConfig", "StellarHead", "shape_gaussian"]

#: name, typical value and spread; teff is log10(Teff / K), log_vbroad log10 of the broadening in km/s
STELLAR_LABELS = (
    ("teff", 3.74, 0.1),
    ("logg", 3.3, 1.1),
    ("fe_h", -0.35, 0.6),
    ("alpha_fe", 0.1, 0.2),
    ("log_vbroad", 1.0, 0.6),
)
#: those of white dwarfs, measured as if each star were one, of heads that have learnt from white dwarfs
WHITE_DWARF_LABELS = (("wd_teff", 4.2, 0.13), ("wd_logg", 8.0, 0.4))
#: units of what is no plain dex
_UNITS = {
    "teff": "log10(K)", "logg": "dex(cm / s2)", "log_vbroad": "log10(km / s)", "wd_teff": "log10(K)",
    "wd_logg": "dex(cm / s2)",
}  # fmt: skip
#: share of shards in which the head is shown pixels besides tokens
_PIXELS_SHARE = 0.7
#: contrasts are a few per cent, and layers want numbers of order one
_GAIN = 5.0
_OPTICAL_LABELS = ("teff", "logg", "fe_h")
#: groups of networks that read alike: the window, the labels that are measured from it, and the number of networks; of
#: those from `_LATER` on heads without the labels have none
_GROUPS = (
    (0, _OPTICAL_LABELS, 5), (1, _OPTICAL_LABELS, 1), (2, (*_OPTICAL_LABELS, "alpha_fe", "log_vbroad"), 1),
    (0, ("wd_teff", "wd_logg"), 1),
)  # fmt: skip
_LATER = 3
#: group that is left alone where another one is seen in so many bins: the stars that teach the Ca II triplet have no
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
#: labels over their spread are given to others up to this
FARTHEST = 4.0


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
        self.convolutions, width = stack_convolutions(_CONVOLUTIONS, 2, window.size)
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


@dataclass(frozen=True)
class StellarConfig(HeadConfig):
    """The labels that are measured.

    Attributes
    ----------
    labels : tuple of (str, float, float)
        Name, typical value and spread of each.

    Examples
    --------
    >>> from astro_spectok.heads import StellarConfig
    >>> [name for name, *_ in StellarConfig().labels]
    ['teff', 'logg', 'fe_h', 'alpha_fe', 'log_vbroad']
    """

    labels: tuple[tuple[str, float, float], ...] = STELLAR_LABELS


@register_head
class StellarHead(Head):
    """Mean and covariance of the labels of a star.

    Which labels a spectrum has is written in lines of a few per cent at known places, once it is at rest. Small
    convolutional networks read them: five for the optical window, whose answers are averaged (labels of a few hundred
    stars leave a single one uncertain), one for the Ca II triplet, which counts only where little of the optical one
    is seen, one for the H band, and, where they are among the labels, one for those of white dwarfs
    (``wd_teff``, ``wd_logg``). They
    are combined as independent measurements; a label that no covered window constrains keeps its typical value and
    spread.

    Parameters
    ----------
    config : `StellarConfig`
    network : `~astro_spectok.network.NetworkConfig`
        With ``dct_coefficients`` above 0.

    Attributes
    ----------
    names : tuple of str
        The labels.
    windows : tuple of int
        For each group of networks the number of the window that they read.
    measured : tuple of tuple of int
        For each group the indices of the labels that its networks, a list in ``members``, measure.
    """

    kind = "stellar"
    config_class = StellarConfig
    needs = ("detail", "patches")
    given = ("ln_doppler",)
    concerns = "STAR"
    figures = ("stellar",)
    loss_weight = 0.1
    draws_stars = True
    begins_with: ClassVar[dict] = {"domain": STELLAR_DOMAIN, "rules": STELLAR_RULES}

    def __init__(self, config, network):
        super().__init__(config, network)
        if not network.dct_coefficients:
            msg = (
                "network must have dct_coefficients above 0 where there is a stellar head: it reads the flux that "
                f"they describe; got {network.dct_coefficients}; give 16, say"
            )
            raise ValueError(msg)
        labels = config.labels
        self.names = tuple(name for name, _, _ in labels)
        self.register_buffer("centre", torch.tensor([c for _, c, _ in labels], dtype=torch.float32), persistent=False)
        self.register_buffer("spread", torch.tensor([s for _, _, s in labels], dtype=torch.float32), persistent=False)
        self.patch = network.patch
        self.readers = nn.ModuleList([WindowReader(window) for window in WINDOWS])
        measured = [tuple(i for i, name in enumerate(self.names) if name in group) for _, group, _ in _GROUPS]
        groups = [k for k, indices in enumerate(measured) if indices or k < _LATER]
        self.windows, self.measured = tuple(_GROUPS[k][0] for k in groups), tuple(measured[k] for k in groups)
        self.members = nn.ModuleList(
            nn.ModuleList(LineNetwork(WINDOWS[_GROUPS[k][0]], len(measured[k])) for _ in range(_GROUPS[k][2]))
            for k in groups
        )

    @property
    def gives(self):
        """``mean`` (L,) and ``covariance`` (L, L) of the labels; see `Head.gives`."""
        units = ", ".join(_UNITS.get(name, "dex") for name in self.names)
        return {"mean": units, "covariance": "products of these"}

    def forward(self, inputs):
        """
        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`
            With detail, and given ``ln_doppler``, ln(1 + v / c) of each star's radial velocity, float64 (B,). Where
            pixels are at hand, weak lines are read from them, and bins whose pixels are bad do not count; ``pixels``
            may be given as False, to read tokens all the same.

        Returns
        -------
        mean : float32 tensor, shape (B, L)
            In the units of the labels, in the order of ``names``.
        tril : float32 tensor, shape (B, L, L)
            Lower Cholesky factor of their covariance.
        """
        mask, geometry, patches = inputs.mask, inputs.geometry, inputs.patches
        flux, good = local_flux(inputs.tokens[..., 0], inputs.detail, mask, geometry, self.patch).float(), None
        if patches is not None and inputs.given.get("pixels", True):
            # some surveys flag pixels in the cores of lines: what fills them would be a shallower line
            flux, good = restore_pixels(flux, patches), patches.valid
        ln_doppler = inputs.given["ln_doppler"].to(geometry)
        return self.read_windows([reader(flux, mask, geometry, ln_doppler, good) for reader in self.readers])

    def interpret(self, output):
        """Mean and covariance of the labels, in double precision.

        Parameters
        ----------
        output : (tensor, tensor)
            As of `forward`.

        Returns
        -------
        dict of str to tensor
            ``mean`` (B, L) and ``covariance`` (B, L, L), in the units of the labels.
        """
        mean, tril = (to_double(x) for x in output)
        return {"mean": mean, "covariance": tril @ tril.mT}

    @property
    def numbers_size(self):
        """One for each label; see `Head.give_numbers`."""
        return len(self.names)

    def give_numbers(self, found):
        """The labels over their spread; see `Head.give_numbers`."""
        return np.clip((found["mean"] - self.centre.cpu().numpy()) / self.spread.cpu().numpy(), -FARTHEST, FARTHEST)

    @classmethod
    def gather_targets(cls, config, truths, patches, rng):
        """Labels, velocities with an error, and whether pixels are shown; see `Head.gather_targets`."""
        names = [name for name, _, _ in config.labels]
        true = torch.tensor([truth.ln_one_plus_z for truth in truths], dtype=torch.float64)
        error = draw_doppler_error(patches.grid.geometry, patches.mask, rng)
        labels = gather_stellar_labels(truths, names)
        pixels = torch.tensor(rng.random() < _PIXELS_SHARE)
        return {"labels": labels, "ln_doppler": true + error, "pixels": pixels}

    def is_taught(self, batch, targets):
        """Whether any star has labels; see `Head.is_taught`."""
        return bool(torch.isfinite(targets["labels"]).any())

    def loss(self, output, batch, targets):
        """Likelihood of the labels, at nearly the velocity that stars have; see `Head.loss`."""
        loss, known = stellar_loss(*output, targets["labels"], self.spread)
        return HeadLoss(loss, known > 0, {"stellar": (loss, known > 0)})

    def read_windows(self, windows):
        """Mean and Cholesky factor, as of `forward`, from the flux in the windows.

        Parameters
        ----------
        windows : list of (tensor, tensor)
            Contrast and coverage (B, N) of each, as of `WindowReader`.
        """
        n, device = len(self.names), windows[0][0].device
        precision = to_double(windows[0][0].new_zeros(len(windows[0][0]), n, n))
        weighted = precision[..., 0].clone()
        n_seen = [covered.sum(1) for _, covered in windows]
        for number, (place, labels, members) in enumerate(zip(self.windows, self.measured, self.members, strict=True)):
            mean, covariance = _average([member(*windows[place]) for member in members])
            counts = n_seen[place] >= _LEAST_BINS
            if number in _SPARE:
                other, enough = _SPARE[number]
                counts &= n_seen[other] < enough
            inverse = torch.linalg.inv(covariance) * counts.to(covariance)[:, None, None]
            rows = torch.tensor(labels, device=inverse.device)
            precision[:, rows[:, None], rows] += inverse
            weighted[:, rows] += (inverse @ mean[..., None])[..., 0]
        # labels without a measurement have mean 0 and variance 1, in units of the spread
        diagonal = torch.diagonal(precision, dim1=1, dim2=2)
        covariance = torch.linalg.inv(precision + torch.diag_embed((diagonal == 0).to(precision)))
        mean = (covariance @ weighted[..., None])[..., 0]
        tril = torch.linalg.cholesky(0.5 * (covariance + covariance.mT))
        mean, tril = mean.float().to(device), tril.float().to(device)
        return self.centre + self.spread * mean, self.spread[:, None] * tril


def _average(found):
    """Mean (B, L) and covariance (B, L, L), in double precision, of the mixture of several answers."""
    means = torch.stack([to_double(mean) for mean, _ in found])
    factors = torch.stack([to_double(tril) for _, tril in found])
    mean = means.mean(0)
    off = (means - mean)[..., None]
    return mean, (factors @ factors.mT + off @ off.mT).mean(0)
