# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Supernovae and other transients: a library of them in a few components, with type and phase of each."""

import copy
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from astro_spectok.heads.protocol import Head, HeadConfig
from astro_spectok.heads.registry import register_head
from astro_spectok.heads.small_numbers import TRANSIENT_RULES
from astro_spectok.heads.transient_fit import TemplateSums
from astro_spectok.heads.transient_net import TransientNet, judge_shifts

__all__ = ["TRANSIENT_TYPES", "TransientConfig", "TransientHead", "TransientLibrary"]

#: types that public spectra of several objects show; see ``training/transient_types.py`` for what is in each
TRANSIENT_TYPES = ("Ia", "Iax", "II", "IIn", "IIb", "Ib", "Ic", "Ic-BL", "Ibn", "SLSN", "TDE")


#: stands for a phase that is not known: weights hold no NaN
_UNKNOWN = -999.0
#: spread of phases in days, that numbers of order one are over
_DAYS = 20.0


@dataclass(frozen=True)
class TransientConfig(HeadConfig):
    """Grid and sizes of a library of transients.

    Attributes
    ----------
    types : tuple of str
    low, high : float
        Wavelengths at rest, in vacuum Angstrom.
    step : float
        Width of a bin in ln(wavelength).
    continuum : float
        Standard deviation in ln(wavelength) of the running mean that features are relative to.
    components, hosts : int
        Of the transients, and of the galaxies they are in.
    templates : int
        Spectra of the library.
    redshifts : (float, float)
        Lowest and highest that are looked for.
    networks : int
        That judge types at given redshifts, each trained without some of the objects; 0 for none.
    convolutions : tuple of int
        Channels of each of the four of a network.
    width : int
        Of their last layer but one.

    Examples
    --------
    >>> from astro_spectok.heads import TransientConfig
    >>> config = TransientConfig()
    >>> config.bins, len(config.types)
    (709, 11)
    """

    types: tuple[str, ...] = TRANSIENT_TYPES
    low: float = 1700.0
    high: float = 10000.0
    step: float = 2.5e-3
    continuum: float = 0.08
    components: int = 48
    hosts: int = 6
    templates: int = 1400
    redshifts: tuple[float, float] = (-0.005, 1.0)
    networks: int = 0
    convolutions: tuple[int, ...] = (12, 20, 28, 40)
    width: int = 32

    @property
    def bins(self):
        """Number of bins of the grid at rest."""
        return math.ceil(math.log(self.high / self.low) / self.step)

    @property
    def lags(self):
        """First shift in bins, and number of shifts."""
        first, last = (round(math.log1p(z) / self.step) for z in self.redshifts)
        return first, last - first + 1


@dataclass(frozen=True)
class TransientLibrary:
    """What a head holds, as plain arrays.

    Attributes
    ----------
    config : `TransientConfig`
    rows : ndarray of float32, shape (1 + K + G, N)
        Mean and components of the contrast of transients, and components of that of galaxies.
    templates : ndarray of float32, shape (T, 1 + K)
        Coefficients of each spectrum; the first is 1.
    kind : ndarray of int64, shape (T,)
        Number of its type.
    group : ndarray of int64, shape (T,)
        Number of its object.
    phase : ndarray of float64, shape (T,)
        Days at rest since maximum light; NaN where unknown.
    """

    config: TransientConfig
    rows: np.ndarray
    templates: np.ndarray
    kind: np.ndarray
    group: np.ndarray
    phase: np.ndarray


@register_head
class TransientHead(Head):
    """A library of transients, from which `astro_spectok.heads.transient_fit` finds type, phase and redshift.

    It is made in closed form (``training/transient_head.py``) of public spectra; each is kept as coefficients of
    components of its contrast, the flux over its smooth continuum. Small networks (`TransientNet`) judge the best
    redshifts of this comparison. The head measures nothing by itself.

    Parameters
    ----------
    config : `TransientConfig`
    network : `~astro_spectok.network.NetworkConfig`

    Attributes
    ----------
    rows : tensor, shape (1 + K + G, N)
    templates : tensor, shape (T, K)
    labels : tensor, shape (T, 3)
        Numbers of type and object, and phase in days, -999 where unknown.
    networks : list of `~astro_spectok.heads.transient_net.TransientNet`
        May be empty.
    """

    kind = "transient"
    config_class = TransientConfig
    needs: ClassVar[tuple] = ()
    begins_with: ClassVar[dict] = {"rules": TRANSIENT_RULES}

    def __init__(self, config, network=None):
        super().__init__(config, network)
        plain = {"dtype": torch.float32, "device": "cpu"}  # whatever the defaults of the program around are
        self.register_buffer("rows", torch.zeros(1 + config.components + config.hosts, config.bins, **plain))
        self.register_buffer("templates", torch.zeros(config.templates, config.components, **plain))
        self.register_buffer("labels", torch.zeros(config.templates, 3, **plain))
        sizes = config.bins, len(config.types), config.convolutions, config.width
        self.networks = nn.ModuleList(TransientNet(*sizes) for _ in range(config.networks))
        self._kept = {}

    @property
    def gives(self):
        """Nothing; see `Head.gives`."""
        return {}

    @property
    def numbers_size(self):
        """One for each type, the phase, and the redshift; 0 of a head that does not know what is no transient."""
        return len(self.config.types) + 2 if len(self.networks) and self.rules.get("few") else 0

    @property
    def numbers_spread(self):
        """Days of a phase, and 1 of ln(1 + z); see `Head.numbers_spread`."""
        return np.concatenate([np.full(len(self.config.types), np.nan), [_DAYS, 1.0]])

    def give_numbers(self, found):
        """Probabilities of types, the phase over its spread, and ln(1 + z); see `Head.give_numbers`."""
        return np.concatenate([found["types"], [found["phase"] / _DAYS, found["ln1pz"]]])

    def give_errors(self, found):
        """Errors of phase and redshift; see `Head.give_errors`."""
        none = np.full(len(self.config.types), np.nan)
        return np.concatenate([none, [found["phase_err"] / _DAYS, found["ln1pz_err"]]])

    def set_library(self, rows, templates, labels):
        """Give the head its numbers: ndarrays of the shapes of the attributes; phases may be NaN."""
        labels = np.where(np.isnan(labels), _UNKNOWN, labels)
        for name, values in (("rows", rows), ("templates", templates), ("labels", labels)):
            getattr(self, name).copy_(torch.as_tensor(np.array(values), dtype=torch.float32))
        self._kept = {}

    def _load_from_state_dict(self, *args, **kwargs):
        self._kept = {}
        super()._load_from_state_dict(*args, **kwargs)

    def drop_kept(self):
        """Forget what `keep` holds, after parameters have changed in place."""
        self._kept = {}

    def keep(self, name, make):
        """What a function makes of the head, made once and then kept under a name."""
        if name not in self._kept:
            # replaced as a whole, for other threads
            self._kept = self._kept | {name: make(self)}
        return self._kept[name]

    def get_library(self):
        """The numbers as plain arrays: `TransientLibrary`, made once."""
        return self.keep("library", TransientHead._make_library)

    def get_sums(self):
        """The `~astro_spectok.heads.transient_fit.TemplateSums` of the library, made once."""
        return self.keep("sums", lambda head: TemplateSums(head.get_library()))

    def judge(self, view, shifts, only=None):
        """What the networks say of a spectrum at some redshifts.

        Parameters
        ----------
        view : `~astro_spectok.heads.transient_fit.View`
        shifts : sequence of int
            Of the bins: ln(1 + z) over their width.
        only : int, optional
            Number of the one network that is asked, for objects that it has not seen.

        Returns
        -------
        `~astro_spectok.heads.transient_net.Judged` or None
            None of a head without networks.
        """
        if not self.networks:
            return None
        networks = self.keep("networks", TransientHead._copy_networks)
        return judge_shifts(networks if only is None else [networks[only]], view, self.config, shifts)

    def _copy_networks(self):
        """The networks in float32 on the processor, whatever the precision and device of the head."""
        return [copy.deepcopy(one).to("cpu", torch.float32).eval() for one in self.networks]

    def _make_library(self):
        rows, templates, labels = (
            getattr(self, name).detach().cpu().numpy() for name in ("rows", "templates", "labels")
        )
        kind, group = (np.rint(labels[:, k]).astype(np.int64) for k in (0, 1))
        full = np.concatenate([np.ones((len(templates), 1), np.float32), templates], axis=1)
        phase = np.where(labels[:, 2] == _UNKNOWN, np.nan, labels[:, 2]).astype(np.float64)
        return TransientLibrary(self.config, np.asarray(rows, np.float32), full, kind, group, phase)
