# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ModelConfig`: a network and its heads as they stand in a weights file, and how it becomes one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch

from astro_spectok.heads.protocol import Head, HeadConfig
from astro_spectok.heads.redshift import RedshiftConfig
from astro_spectok.heads.registry import build_head, find_kind, list_heads
from astro_spectok.heads.spectral_type import SpectralTypeConfig
from astro_spectok.heads.stellar import StellarConfig
from astro_spectok.network import CONFIGS, NetworkConfig, build_network

__all__ = ["MODELS", "ModelConfig", "add_head", "build_model", "describe_model", "get_model_config"]


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a network and of its heads.

    Attributes
    ----------
    network : `~astro_spectok.network.NetworkConfig`
    heads : dict of str to `HeadConfig` or dict
        By the name that each has in the network: the settings of a head, whose type determines its kind; or, as JSON
        holds it, ``kind`` and ``config``, and whatever else is stored with it (as of `Head.describe`).

    Examples
    --------
    >>> from astro_spectok.heads import ModelConfig, RedshiftConfig
    >>> from astro_spectok.network import get_config
    >>> config = ModelConfig(get_config("tiny"), {"redshift": RedshiftConfig(step=1e-3)})
    >>> config.to_dict()["heads"][0]["kind"]
    'redshift'
    >>> ModelConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()
    True
    """

    network: NetworkConfig
    heads: dict = field(default_factory=dict)

    @classmethod
    def of(cls, config: "ModelConfig | NetworkConfig") -> "ModelConfig":
        """A configuration as it is, or that of a network without heads.

        Parameters
        ----------
        config : `ModelConfig` or `~astro_spectok.network.NetworkConfig`

        Returns
        -------
        ModelConfig
        """
        return config if isinstance(config, ModelConfig) else cls(config)

    @classmethod
    def from_network(cls, network: Any) -> Self:
        """The configuration of a network and its heads, with all that is stored of these.

        Parameters
        ----------
        network : `~astro_spectok.network.SpectralNetwork`

        Returns
        -------
        ModelConfig
        """
        return cls.from_dict(describe_model(network))

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.network.name

    def list_heads(self) -> list[tuple[str, type, HeadConfig]]:
        """The heads with their classes.

        Returns
        -------
        list of (str, type, `HeadConfig`)
            Name, class and settings of each.
        """
        out = []
        for name, head in self.heads.items():
            described = _describe(head)
            cls = find_kind(described["kind"])
            out.append((name, cls, cls.config_class.from_dict(described["config"])))
        return out

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON holds them.

        Returns
        -------
        dict
            ``backbone``, and ``heads``, a list of dicts with ``name``, ``kind`` and ``config``.
        """
        heads = [{"name": name, **_describe(head)} for name, head in self.heads.items()]
        return {"backbone": self.network.to_dict(), "heads": heads}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Parameters
        ----------
        values : dict

        Returns
        -------
        ModelConfig
        """
        heads = {one["name"]: {key: x for key, x in one.items() if key != "name"} for one in values["heads"]}
        return cls(NetworkConfig.from_dict(values["backbone"]), heads)


def _describe(head):
    """A head as JSON holds it."""
    if not isinstance(head, HeadConfig):
        return dict(head)
    kinds = [kind for kind, cls in list_heads().items() if cls.config_class is type(head)]
    if len(kinds) != 1:
        msg = (
            f"heads must be settings whose type belongs to one kind of head, got {type(head).__name__}, which "
            f"{'no head has' if not kinds else 'several have'}; give {{'kind': ..., 'config': ...}}"
        )
        raise ValueError(msg)
    return {"kind": kinds[0], "config": head.to_dict()}


def build_model(config, heads=(), *, random=True):
    """Make a network with heads, all with random parameters.

    Parameters
    ----------
    config : `ModelConfig` or `~astro_spectok.network.NetworkConfig`
    heads : mapping of str to `HeadConfig` or dict, optional
        More of them, as of `ModelConfig`.
    random : bool, optional
        False leaves the parameters as they come, for those that are read from a file next.

    Returns
    -------
    `~astro_spectok.network.SpectralNetwork`

    Raises
    ------
    ValueError
        A kind of head is not known, or settings do not go together.

    Examples
    --------
    >>> from astro_spectok.heads import RedshiftConfig, build_model
    >>> from astro_spectok.network import get_config
    >>> network = build_model(get_config("tiny"), {"redshift": RedshiftConfig(step=1e-3)})
    >>> network.heads["redshift"].config.classes
    ('GALAXY', 'QSO', 'STAR')
    """
    config = ModelConfig.of(config)
    config = replace(config, heads=config.heads | dict(heads))
    # as for the network: a default device that the program around has set must not show
    with torch.inference_mode(False), torch.device("cpu"):
        made = {name: build_head(network=config.network, **_describe(head)) for name, head in config.heads.items()}
    return build_network(config.network, made, random=random)


def add_head(network: Any, name: str, config: HeadConfig | Mapping[str, Any]) -> Head:
    """Add a head to a network, with random parameters.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`
        One of one's own: not the one that `~astro_spectok.weights.load_network` shares with all callers.
    name : str
        Of the head; one of that name is replaced.
    config : `HeadConfig` or dict
        As of `ModelConfig`.

    Returns
    -------
    Head

    Raises
    ------
    ValueError
        The kind of head is not known, or its settings do not fit the network.

    Examples
    --------
    >>> from astro_spectok.heads import SpectralTypeConfig, add_head
    >>> from astro_spectok.network import build_network, get_config
    >>> network = build_network(get_config("tiny"))
    >>> head = add_head(network, "spectral_type", SpectralTypeConfig(types=("A", "G", "M")))
    >>> list(network.heads), list(head.gives)
    (['spectral_type'], ['A', 'G', 'M'])
    """
    network.heads[name] = build_head(network=network.config, **_describe(config)).to(network.device)
    return network.heads[name]


def describe_model(network):
    """A network and all that is stored of its heads but for their parameters, as JSON holds it.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Returns
    -------
    dict
        As of `ModelConfig.to_dict`; what `build_model` makes of it has the same sizes, domains and rules.
    """
    heads = [{"name": name, **head.describe()} for name, head in network.heads.items()]
    return {"backbone": network.config.to_dict(), "heads": heads}


_HEADS = {
    "redshift": RedshiftConfig(summary_periods=16),
    "spectral_type": SpectralTypeConfig(),
    "stellar": StellarConfig(),
}
#: heads whose summaries enter the embedding: per class, cosine and sine at each period, and a probability
_SUMMARIES = (("redshift", 3 * (2 * 16 + 1)),)
#: ``small`` is the packaged default; ``paper`` has the sizes of Shen et al. (arXiv 2510.17959);
#: ``tiny`` has no heads.
MODELS = {"tiny": ModelConfig(CONFIGS["tiny"])} | {
    name: ModelConfig(replace(CONFIGS[name], summaries=_SUMMARIES), _HEADS) for name in ("small", "paper")
}


def get_model_config(name):
    """Return one of the configurations in ``MODELS``.

    Parameters
    ----------
    name : str
        ``'small'``, the packaged default; ``'paper'``, with the sizes of Shen et al. (arXiv 2510.17959); ``'tiny'``,
        for tests, without heads.

    Returns
    -------
    ModelConfig

    Raises
    ------
    ValueError
        There is none of that name; the message names those there are.

    Examples
    --------
    >>> from astro_spectok.heads import get_model_config
    >>> list(get_model_config("small").heads)
    ['redshift', 'spectral_type', 'stellar']
    """
    if name not in MODELS:
        msg = f"no model config {name!r}; there are {', '.join(MODELS)}"
        raise ValueError(msg)
    config = MODELS[name]
    return replace(config, heads=dict(config.heads))
