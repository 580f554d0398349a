# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Labels of a star with their covariance, from its flux over the continuum on grids in the rest frame."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from astro_spectok.heads.line_networks import FilteredNetwork, LineNetwork
from astro_spectok.heads.line_windows import WINDOWS, WindowReader, restore_pixels, to_double
from astro_spectok.heads.protocol import Head, HeadConfig, HeadLoss
from astro_spectok.heads.registry import register_head
from astro_spectok.heads.small_numbers import STELLAR_DOMAIN, STELLAR_RULES
from astro_spectok.heads.stellar_loss import draw_doppler_error, gather_stellar_labels, stellar_loss
from astro_spectok.network.detail import local_flux
from astro_spectok.network.shown import find_noise

__all__ = ["STELLAR_LABELS", "StellarConfig", "StellarHead"]

#: name, typical value and spread; teff is log10(Teff / K), log_vbroad log10 of the broadening in km/s
STELLAR_LABELS = (
    ("teff", 3.74, 0.1),
    ("logg", 3.3, 1.1),
    ("fe_h", -0.35, 0.6),
    ("alpha_fe", 0.1, 0.2),
    ("log_vbroad", 1.0, 0.6),
)
#: names of labels that heads of earlier files have besides: of white dwarfs, which models are fitted to by now
_RETIRED = "wd_"
#: units of what is no plain dex
_UNITS = {"teff": "log10(K)", "logg": "dex(cm / s2)", "log_vbroad": "log10(km / s)"}
#: share of shards in which the head is shown pixels besides tokens
_PIXELS_SHARE = 0.7
_OPTICAL_LABELS = ("teff", "logg", "fe_h")
#: groups of networks that read alike: the window, the labels that are measured from it, and the number of networks
_GROUPS = (
    (0, _OPTICAL_LABELS, 5), (1, _OPTICAL_LABELS, 1), (2, (*_OPTICAL_LABELS, "alpha_fe", "log_vbroad"), 1),
)  # fmt: skip
#: the group of the optical window, whose networks there are for tokens too
_OPTICAL = 0
#: group that is left alone where another one is seen in so many bins: the stars that teach the Ca II triplet have no
#: labels of their own, and labels of real stars get worse with it
_SPARE = {1: (0, 500)}
#: bins of a window that a spectrum must cover for it to count
_LEAST_BINS = 30
#: labels over their spread are given to others up to this, which is hotter than any star with labels
FARTHEST = 10.0


@dataclass(frozen=True)
class StellarConfig(HeadConfig):
    """The labels that are measured.

    Attributes
    ----------
    labels : tuple of (str, float, float)
        Name, typical value and spread of each.
    filtered : int
        Networks of the optical window for flux as tokens hold it, at most as many as for pixels.

    Examples
    --------
    >>> from astro_spectok.heads import StellarConfig
    >>> [name for name, *_ in StellarConfig().labels]
    ['teff', 'logg', 'fe_h', 'alpha_fe', 'log_vbroad']
    """

    labels: tuple[tuple[str, float, float], ...] = STELLAR_LABELS
    filtered: int = 0

    @classmethod
    def from_dict(cls, values):
        """As of `~astro_spectok.utils.settings.Settings`; labels that there were earlier are left out."""
        kept = [label for label in values.get("labels", STELLAR_LABELS) if not label[0].startswith(_RETIRED)]
        return super().from_dict(dict(values) | {"labels": kept})


@register_head
class StellarHead(Head):
    """Mean and covariance of the labels of a star.

    Which labels a spectrum has is written in lines of a few per cent at known places, once it is at rest. Small
    convolutional networks read them: five for the optical window, whose answers are averaged (labels of a few hundred
    stars leave a single one uncertain), one for the Ca II triplet, which counts only where little of the optical one
    is seen, and one for the H band. They are combined as independent measurements; a label that no covered window
    constrains keeps its typical value and spread. Where the pixels are not at hand but only tokens, networks of their
    own read the optical window (``filtered``), if there are any: the filter of tokens takes weak lines with the noise.

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
    filtered : `torch.nn.ModuleList`
        Networks of the optical window for flux as tokens hold it, each beside the one of its number in the first group.
    """

    kind = "stellar"
    config_class = StellarConfig
    needs = ("detail", "patches")
    given = ("ln_doppler",)
    concerns = "STAR"
    figures = ("stellar",)
    loss_weight = 0.1
    draws_stars = True
    retired: ClassVar[tuple] = ("members.3.",)
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
        self.windows = tuple(window for window, _, _ in _GROUPS)
        self.measured = tuple(tuple(i for i, name in enumerate(self.names) if name in group) for _, group, _ in _GROUPS)
        self.members = nn.ModuleList(
            nn.ModuleList(LineNetwork(WINDOWS[window], len(labels)) for _ in range(number))
            for (window, _, number), labels in zip(_GROUPS, self.measured, strict=True)
        )
        optical = WINDOWS[self.windows[_OPTICAL]], len(self.measured[_OPTICAL])
        self.filtered = nn.ModuleList(FilteredNetwork(*optical) for _ in range(config.filtered))

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
            may be given as False, to read tokens all the same. Where ``filtered``, (B,), is given and not zero, pixels
            are not as they were observed but as the filter of tokens left them, and are read by the networks for these.

        Returns
        -------
        mean : float32 tensor, shape (B, L)
            In the units of the labels, in the order of ``names``.
        tril : float32 tensor, shape (B, L, L)
            Lower Cholesky factor of their covariance.
        """
        mask, geometry, patches, level = inputs.mask, inputs.geometry, inputs.patches, inputs.tokens[..., 0]
        flux, good = local_flux(level, inputs.detail, mask, geometry, self.patch).float(), None
        filtered = torch.ones(len(level), dtype=torch.bool, device=level.device)
        if patches is not None and inputs.given.get("pixels", True):
            # some surveys flag pixels in the cores of lines: what fills them would be a shallower line
            flux, good = restore_pixels(flux, patches), patches.valid
            filtered = inputs.given.get("filtered", torch.zeros(len(level))).to(level.device) > 0
        ln_doppler = inputs.given["ln_doppler"].to(geometry)
        windows = [reader(flux, mask, geometry, ln_doppler, good) for reader in self.readers]
        if not (filtered.any() and len(self.filtered)):
            return self.read_windows(windows)
        sigma = torch.full_like(level, torch.nan) if patches is None else find_noise(patches)
        reader = self.readers[self.windows[_OPTICAL]]
        found = self.read_windows(windows, reader.read_noise(sigma, level, mask, geometry, ln_doppler, self.patch))
        if filtered.all():
            return found
        usual = self.read_windows(windows)
        return torch.where(filtered[:, None], found[0], usual[0]), torch.where(
            filtered[:, None, None], found[1], usual[1]
        )

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

    @property
    def numbers_spread(self):
        """What each label is over; see `Head`."""
        return self.spread.double().cpu().numpy()

    def give_numbers(self, found):
        """The labels over their spread; see `Head.give_numbers`."""
        return np.clip((found["mean"] - self.centre.cpu().numpy()) / self.spread.cpu().numpy(), -FARTHEST, FARTHEST)

    def give_errors(self, found):
        """Roots of the variances of the labels, over their spread; see `Head.give_errors`."""
        return np.sqrt(np.diagonal(found["covariance"])) / self.spread.cpu().numpy()

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

    def read_windows(self, windows, noise=None):
        """Mean and Cholesky factor, as of `forward`, from the flux in the windows.

        Parameters
        ----------
        windows : list of (tensor, tensor)
            Contrast and coverage (B, N) of each, as of `WindowReader`.
        noise : tensor, shape (B, N), optional
            Of the optical window, where its flux is as tokens hold it: the networks for that are asked.
        """
        n, device = len(self.names), windows[0][0].device
        precision = to_double(windows[0][0].new_zeros(len(windows[0][0]), n, n))
        weighted = precision[..., 0].clone()
        n_seen = [covered.sum(1) for _, covered in windows]
        for number, (place, labels, members) in enumerate(zip(self.windows, self.measured, self.members, strict=True)):
            mean, covariance = _average(
                [member(*windows[place]) for member in members]
                if noise is None or number != _OPTICAL
                else [own(*windows[place], noise, member) for own, member in zip(self.filtered, members, strict=False)]
            )
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
