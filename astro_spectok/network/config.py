# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The sizes of a network, as frozen dataclasses that travel inside the weights file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from astro_spectok.utils.axis import LN_WAVELENGTH, Axis
from astro_spectok.utils.settings import Settings

__all__ = ["CONFIGS", "NetworkConfig", "get_config"]


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """Sizes of encoder, decoder and pooling; heads have their own.

    Attributes
    ----------
    name : str
        Of the configuration, for messages and file names.
    patch : int
        Native pixels per token.
    width : int
        Values of a token that the transformer works with.
    heads, encoder_layers, decoder_layers, mlp_ratio : int
        Of the attention; blocks of encoder and decoder; width inside a block over ``width``.
    frequencies : int
        Sinusoids that encode the wavelength of a patch.
    longest_period, shortest_period : float
        Their periods in ln(wavelength), from the one to the other.
    rotary_longest, rotary_shortest : float
        Periods in ln(wavelength) of the rotary encoding inside the attention, which sees ratios of wavelengths only.
    summary_queries : int
        Learned queries of the pooling.
    embedding_size : int
        Size of the vector that ``embed`` returns.
    embedding_nodes : int
        Wavelengths around which tokens enter the embedding, besides through the queries; 0 for none.
    detail_channels : int
        Features per pixel that the decoder resamples onto the requested grid.
    dct_coefficients : int
        Number of DCT coefficients of the filtered flux of its patch that each token holds besides its ``width``
        values (``network/detail.py``); 0 for none. Weights written before this name say ``local_cosines``.
    contrast_step : float
        Bins in ln(wavelength) of the flux over its continuum that enters the embedding; 0 for none.
    observed_range : (float, float)
        Wavelengths in Angstrom that nodes and contrast of the embedding span.
    summaries : tuple of (str, int)
        Names of the heads whose summaries enter the embedding, and how many numbers each gives.
    axis : Axis
        What tokens lie along. Where it is none of wavelengths, all that is said here in ln(wavelength) is in its
        coordinate, on which the usual step is 4.5e-4, and ``observed_range`` does not count.

    Raises
    ------
    ValueError
        Sizes are inconsistent.

    Examples
    --------
    >>> from astro_spectok.network import NetworkConfig
    >>> config = NetworkConfig(name="mine", width=64, heads=4, dct_coefficients=16)
    >>> config.token_size, config.summaries
    (80, ())
    >>> NetworkConfig.from_dict(config.to_dict()) == config
    True
    """

    _former_names: ClassVar[dict] = {"local_cosines": "dct_coefficients"}

    name: str = "small"
    patch: int = 32
    width: int = 160
    heads: int = 5
    encoder_layers: int = 5
    decoder_layers: int = 2
    mlp_ratio: int = 4
    frequencies: int = 48
    longest_period: float = 8.0
    shortest_period: float = 4e-4
    rotary_longest: float = 16.0
    rotary_shortest: float = 4e-3
    summary_queries: int = 4
    embedding_size: int = 256
    embedding_nodes: int = 0
    detail_channels: int = 16
    dct_coefficients: int = 0
    contrast_step: float = 0.0
    observed_range: tuple[float, float] = (900.0, 55000.0)
    summaries: tuple[tuple[str, int], ...] = ()
    axis: Axis = LN_WAVELENGTH

    def __post_init__(self):
        if isinstance(self.axis, Mapping):  # as files hold it
            object.__setattr__(self, "axis", Axis.from_dict(self.axis))
        if self.width % (2 * self.heads):
            msg = f"width must be a multiple of 2 x heads for the rotary encoding, got {self.width} and {self.heads}"
            raise ValueError(msg)
        if self.contrast_step and not self.dct_coefficients:
            msg = (
                "dct_coefficients must be above 0 where contrast_step is: the contrast is that of the flux they "
                f"describe; got {self.dct_coefficients}; give 16, say, or 0 for both"
            )
            raise ValueError(msg)

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON holds them; the axis of wavelengths goes without saying.

        Returns
        -------
        dict
        """
        values = super().to_dict()
        if self.axis.is_light:
            del values["axis"]
        return values

    @property
    def token_size(self) -> int:
        """Values of a token: ``width`` that the transformer works with, then ``dct_coefficients``."""
        return self.width + self.dct_coefficients

    @property
    def span(self) -> tuple[float, float]:
        """First and last coordinate that nodes and contrast of the embedding span: (float, float)."""
        low, high = self.observed_range if self.axis.is_light else (self.axis.low, self.axis.high)
        return self.axis.to_coordinate(low), self.axis.to_coordinate(high)


#: ``small`` is the packaged default; ``paper`` has the sizes of Shen et al. (arXiv 2510.17959);
#: ``tiny`` is for tests and for trying things out.
CONFIGS = {
    "tiny": NetworkConfig(
        name="tiny",
        width=32,
        heads=2,
        encoder_layers=1,
        decoder_layers=1,
        embedding_size=16,
        summary_queries=2,
        detail_channels=4,
    ),
    "small": NetworkConfig(
        name="small",
        embedding_nodes=82,
        dct_coefficients=16,
        contrast_step=1e-3,
    ),
    "paper": NetworkConfig(
        name="paper",
        width=512,
        heads=8,
        encoder_layers=6,
        decoder_layers=6,
        embedding_size=512,
        summary_queries=8,
        embedding_nodes=82,
        dct_coefficients=16,
        contrast_step=1e-3,
    ),
}


def get_config(name: str) -> NetworkConfig:
    """Return one of the configurations in ``CONFIGS``.

    Parameters
    ----------
    name : str
        ``'small'``, the packaged default; ``'paper'``, with the sizes of Shen et al. (arXiv 2510.17959); ``'tiny'``,
        for tests.

    Returns
    -------
    NetworkConfig

    Raises
    ------
    ValueError
        There is none of that name; the message names those there are.

    Examples
    --------
    >>> from astro_spectok.network import get_config
    >>> get_config("paper").width, get_config("small").width
    (512, 160)
    """
    if name not in CONFIGS:
        msg = f"no network config {name!r}; there are {', '.join(CONFIGS)}"
        raise ValueError(msg)
    return CONFIGS[name]
