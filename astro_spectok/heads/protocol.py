# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Head`: what all heads have in common, and all that the rest of the package knows of one."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from astro_spectok.utils.settings import Settings

__all__ = ["ABOUT", "Head", "HeadConfig", "HeadLoss"]

#: what a head may need of a spectrum: what the transformer made of it; level, extent and detail of its patches, which
#: cost no transformer; its pixels
NEEDS = ("tokens", "detail", "patches")
#: what is stored with a head besides its parameters, each a dict that JSON can hold
ABOUT = ("domain", "calibration", "rules", "provenance")


@dataclass(frozen=True)
class HeadConfig(Settings):
    """Base of the sizes and settings of a head: a frozen dataclass of numbers, strings and tuples of these.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from astro_spectok.heads import HeadConfig
    >>> @dataclass(frozen=True)
    ... class BrightnessConfig(HeadConfig):
    ...     hidden: int = 64
    >>> BrightnessConfig.from_dict({"hidden": 32}).to_dict()
    {'hidden': 32}
    """


@dataclass(frozen=True)
class HeadLoss:
    """Loss of a head.

    Attributes
    ----------
    loss : tensor, shape (B,)
        Of each spectrum.
    count : bool tensor, shape (B,)
        Spectra that the mean is over.
    figures : dict of str to (tensor, tensor)
        For the log: values (B,) and the spectra (B,) that they are averaged over.

    Examples
    --------
    >>> import torch
    >>> from astro_spectok.heads import HeadLoss
    >>> loss, counts = torch.tensor([0.5, 1.5, 9.0]), torch.tensor([True, True, False])
    >>> one = HeadLoss(loss, counts, {"snr": (loss, counts)})
    >>> float(one.loss[one.count].mean())
    1.0
    """

    loss: torch.Tensor
    count: torch.Tensor
    figures: dict


class Head(nn.Module):
    """A quantity that is measured from spectra: its layers, loss, domain, calibration and rules.

    A subclass states its class attributes, builds its layers in ``__init__`` and defines `forward`; `loss` if it can
    be trained, `interpret` if its output must be converted before users see it. `register_head` makes it known by its
    ``kind``.

    Parameters
    ----------
    config : `HeadConfig`
        Kept as the attribute ``config``.
    network : `~astro_spectok.network.NetworkConfig`
        Sizes of the network that the head belongs to.

    Attributes
    ----------
    kind : str
        Name of the class in weights files, and usual name of a head in a network.
    config_class : type
        Of ``config``.
    needs : tuple of str
        Out of ``'tokens'`` (output of the transformer), ``'detail'`` (the DCT coefficients at the end of each token,
        which do not need the transformer) and ``'patches'`` (pixels).
    given : tuple of str
        Names of values that the caller must give for each spectrum, one number each.
    figures : tuple of str
        What `loss` writes into the log.
    loss_weight : float
        Of its part of the objective, unless the training says otherwise.
    clips_apart : bool
        Whether its gradient is clipped by itself.
    draws_stars : bool
        Whether it learns from stars with labels, so that some batches are drawn from these alone.
    mixed_precision : bool
        Whether it may run in the lower precision of the encoder.
    retired : tuple of str
        What the names begin with of tensors that files written earlier hold and nothing reads any more.
    packed : tuple of str
        What the names begin with of matrices that assembled files hold in a byte a number.
    begins_with : dict
        ``domain``, ``calibration``, ``rules`` and ``provenance`` of a new head, where they are not empty.
    concerns : str
        Class of the objects that it measures; '' for all.
    numbers_size : int
        How many numbers `give_numbers` gives estimators for labels of one's own; 0 for none.
    numbers_spread : ndarray, shape (``numbers_size``,), or None
        What each of these is over, if it is a label over its spread; NaN for others, None for all.
    summary_size : int
        How many numbers `summarise_tokens` gives the embedding; 0 for none.
    domain, calibration, rules, provenance : dict
        Stored with the head, each as JSON can hold it: its training set; the correction of its errors and
        probabilities; thresholds and limits that were fitted to it; how it was made.

    Examples
    --------
    :ref:`own-head` writes one and trains it. Those of the packaged weights:

    >>> from astro_spectok.heads import Head
    >>> from astro_spectok.weights import load_network
    >>> network = load_network()
    >>> all(isinstance(head, Head) for head in network.heads.values())
    True
    >>> [network.heads[name].needs for name in ("redshift", "spectral_type", "stellar")]
    [('tokens', 'patches'), ('patches',), ('detail', 'patches')]
    """

    kind: ClassVar[str] = ""
    config_class: ClassVar[type] = HeadConfig
    needs: ClassVar[tuple] = ("tokens",)
    given: ClassVar[tuple] = ()
    figures: ClassVar[tuple] = ()
    loss_weight: ClassVar[float] = 1.0
    clips_apart: ClassVar[bool] = False
    draws_stars: ClassVar[bool] = False
    mixed_precision: ClassVar[bool] = False
    retired: ClassVar[tuple] = ()
    packed: ClassVar[tuple] = ()
    begins_with: ClassVar[dict] = {}
    concerns: ClassVar[str] = ""
    numbers_size = 0
    numbers_spread: Any = None
    summary_size = 0

    def __init__(self, config: HeadConfig, network: Any = None) -> None:
        super().__init__()
        self.config, self.network_config = config, network
        about = {name: deepcopy(dict(self.begins_with.get(name, {}))) for name in ABOUT}
        self.domain: dict[str, Any] = about["domain"]
        self.calibration: dict[str, Any] = about["calibration"]
        self.rules: dict[str, Any] = about["rules"]
        self.provenance: dict[str, Any] = about["provenance"]

    @property
    def gives(self) -> dict[str, str]:
        """Names and units, as text, of what `interpret` gives; '' is dimensionless.

        Returns
        -------
        dict of str to str
        """
        raise NotImplementedError

    def forward(self, inputs: Any) -> Any:
        """Output for some spectra.

        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`

        Returns
        -------
        object
            What `loss` and `interpret` take.

        Raises
        ------
        NotImplementedError
            The subclass does not define it.
        """
        raise NotImplementedError

    def interpret(self, output: Any) -> Any:
        """Output in the form that users see.

        Parameters
        ----------
        output
            As of `forward`.

        Returns
        -------
        dict of str to tensor, shape (B, ...)
            By the names in ``gives``.
        """
        return output

    def give_numbers(self, found: Mapping[str, np.ndarray]) -> np.ndarray:
        """What was found of one spectrum as numbers of order one, where ``numbers_size`` is above 0.

        Estimators for labels of one's own learn from them beside tokens: a label that the head knows on another scale
        needs few spectra then. Only heads that need nothing but ``ln_doppler`` besides the spectrum are asked.

        Parameters
        ----------
        found : dict of str to ndarray
            As of `interpret`, for one spectrum.

        Returns
        -------
        ndarray, shape (``numbers_size``,)

        Raises
        ------
        NotImplementedError
            The subclass does not define it.
        """
        raise NotImplementedError

    def give_errors(self, found: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Errors that are stated of what `give_numbers` gives, in the same units; None if none are.

        Labels of one's own correct what a head says by as much as it says that it may be wrong.

        Parameters
        ----------
        found : dict of str to ndarray
            As of `interpret`, for one spectrum.

        Returns
        -------
        ndarray, shape (``numbers_size``,), or None
            NaN of numbers without an error.
        """
        return None

    @classmethod
    def gather_targets(
        cls, config: HeadConfig, truths: Sequence[Any], patches: Any, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Training targets of some spectra, and their values of ``given``, as tensors.

        Called where batches are drawn, without the head itself.

        Parameters
        ----------
        config : `HeadConfig`
        truths : list of `~astro_spectok.training.views.Truth`, length B
        patches : `~astro_spectok.network.PatchBatch`
        rng : `numpy.random.Generator`

        Returns
        -------
        dict of str to tensor
            Stored in ``batch.targets`` under the name of the head; empty if the batch itself is sufficient.
        """
        return {}

    def is_taught(self, batch: Any, targets: Mapping[str, torch.Tensor]) -> bool:
        """Whether there is anything in a batch that the head learns from; if not, it is not run.

        Parameters
        ----------
        batch : `~astro_spectok.training.batches.TrainingBatch`
        targets : dict of str to tensor
            As of `gather_targets`.

        Returns
        -------
        bool
        """
        return True

    def loss(self, output: Any, batch: Any, targets: Mapping[str, torch.Tensor]) -> HeadLoss:
        """Loss of the output.

        Parameters
        ----------
        output
            As of `forward`.
        batch : `~astro_spectok.training.batches.TrainingBatch`
        targets : dict of str to tensor
            As of `gather_targets`.

        Returns
        -------
        HeadLoss

        Raises
        ------
        NotImplementedError
            The subclass does not define it.
        """
        msg = f"heads of the kind {self.kind!r} cannot be trained here: they define no loss; freeze them"
        raise NotImplementedError(msg)

    def list_rates(self) -> list[tuple[nn.Parameter, float]]:
        """Parameters that learn at another rate than the network, without decay, and how many times as fast.

        Returns
        -------
        list of (`torch.nn.Parameter`, float)
        """
        return []

    def summarise_tokens(self, inputs: Any) -> torch.Tensor:
        """Summary that enters the embedding, where ``summary_size`` is above 0.

        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`
            Without pixels.

        Returns
        -------
        tensor, shape (B, ``summary_size``)

        Raises
        ------
        NotImplementedError
            The subclass does not define it.
        """
        raise NotImplementedError

    def solve_tokens(self, inputs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Summary that enters the embedding, and what it is a summary of in a few solutions, where the head has any.

        Parameters
        ----------
        inputs : `~astro_spectok.network.HeadInputs`
            Without pixels.

        Returns
        -------
        summary : tensor, shape (B, ``summary_size``)
            As of `summarise_tokens`.
        solutions : tensor, shape (B, S, 3), or None
            Number of the class, ln(1 + z) and probability of redshifts that the tokens allow.
        """
        return self.summarise_tokens(inputs), None

    def describe(self) -> dict[str, Any]:
        """All that is stored of the head but for its parameters, as JSON holds it.

        Returns
        -------
        dict
            ``kind``, ``config``, ``domain``, ``calibration``, ``rules``, ``provenance``.
        """
        return {"kind": self.kind, "config": self.config.to_dict()} | {name: getattr(self, name) for name in ABOUT}
