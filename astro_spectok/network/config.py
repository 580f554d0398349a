# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The sizes of a network, as frozen dataclasses that travel inside the weights file."""

import math
from dataclasses import asdict, dataclass, fields

__all__ = ["CONFIGS", "NetworkConfig", "RedshiftHeadConfig", "get_config"]


def _checked_kwargs(cls, values):
    """Keep the fields of ``cls``, lists as tuples; refuse names it does not have."""
    known = {f.name for f in fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        msg = (
            f"{cls.__name__} has no field {', '.join(unknown)}: the weights were made by a newer version; "
            "upgrade astro_spectok"
        )
        raise ValueError(msg)
    return {k: tuple(tuple(x) if isinstance(x, list) else x for x in v) if isinstance(v, list) else v
            for k, v in values.items()}  # fmt: skip


@dataclass(frozen=True)
class RedshiftHeadConfig:
    """Sizes of the head that correlates features with learned rest-frame templates.

    Attributes
    ----------
    classes : tuple of str
        One template per class.
    z_range : tuple of (float, float)
        Redshifts searched for each class; stars by radial velocity, hence below zero too.
    channels : int
        Feature channels per pixel.
    step : float
        Step of the common grid in ln(wavelength); 1e-4 is 30 km/s.
    observed_range, rest_range : tuple of float
        Wavelengths in Angstrom that the grid of the spectrum and of the templates span.
    kernel : int
        Taps of the convolution that carries input pixels past the transformer.

    Examples
    --------
    >>> from astro_spectok.network import RedshiftHeadConfig
    >>> head = RedshiftHeadConfig(classes=("GALAXY", "STAR"), z_range=((0.0, 1.0), (-0.002, 0.002)), step=2e-4)
    >>> head.lags
    ((0, 3465), (-10, 9))
    """

    classes: tuple[str, ...] = ("GALAXY", "QSO", "STAR")
    z_range: tuple[tuple[float, float], ...] = ((-0.003, 15.0), (0.0, 7.0), (-0.0024, 0.0024))
    channels: int = 8
    step: float = 1e-4
    observed_range: tuple[float, float] = (900.0, 55000.0)
    rest_range: tuple[float, float] = (600.0, 26000.0)
    kernel: int = 15

    @property
    def lags(self):
        """First and last bin of each class on the grid of redshifts: tuple of (int, int)."""
        return tuple(
            (math.ceil(math.log1p(low) / self.step - 1e-9), math.floor(math.log1p(high) / self.step + 1e-9))
            for low, high in self.z_range
        )


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of encoder, decoder, pooling and heads.

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
    posterior_periods : int
        Periods in ln(1 + z) at which the redshifts that the tokens allow enter the embedding; 0 for none.
    detail_channels : int
        Features per pixel that the decoder resamples onto the requested grid.
    local_cosines : int
        Coefficients of the filtered flux of its patch that each token holds besides its ``width`` values
        (``network/detail.py``); 0 for none.
    contrast_step : float
        Bins in ln(wavelength) of the flux over its continuum that enters the embedding; 0 for none.
    redshift : `RedshiftHeadConfig` or None
        None leaves the head out.
    labels : tuple of (str, float, float)
        Name, typical value and spread of each label that the label head gives; empty leaves the head out.
    stellar_types : tuple of str
        Coarse types that the type head tells stars apart by; empty leaves the head out.
    type_step : float
        Bins in ln(wavelength) of the flux that the type head reads; 0 for one that reads tokens.
    stellar_labels : tuple of (str, float, float)
        Name, typical value and spread of each label whose covariance the stellar head gives; empty leaves the head out.

    Raises
    ------
    ValueError
        Sizes do not go together.

    Examples
    --------
    >>> from astro_spectok.network import NetworkConfig
    >>> config = NetworkConfig(name="mine", width=64, heads=4, local_cosines=16)
    >>> config.token_size, config.redshift
    (80, None)
    >>> NetworkConfig.from_dict(config.to_dict()) == config
    True
    """

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
    posterior_periods: int = 0
    detail_channels: int = 16
    local_cosines: int = 0
    contrast_step: float = 0.0
    redshift: RedshiftHeadConfig | None = None
    labels: tuple[tuple[str, float, float], ...] = ()
    stellar_types: tuple[str, ...] = ()
    type_step: float = 0.0
    stellar_labels: tuple[tuple[str, float, float], ...] = ()

    def __post_init__(self):
        if self.width % (2 * self.heads):
            msg = f"width must be a multiple of 2 x heads for the rotary encoding, got {self.width} and {self.heads}"
            raise ValueError(msg)
        if self.redshift is None and (self.embedding_nodes or self.posterior_periods or self.contrast_step):
            msg = (
                "redshift must be given where embedding_nodes, posterior_periods or contrast_step is: they take their "
                "wavelengths and redshifts from it; give a RedshiftHeadConfig, or 0 for all three"
            )
            raise ValueError(msg)
        if self.contrast_step and not self.local_cosines:
            msg = (
                "local_cosines must be above 0 where contrast_step is: the contrast is that of the flux they describe; "
                f"got {self.local_cosines}; give 16, say, or 0 for both"
            )
            raise ValueError(msg)

        if self.stellar_labels and not self.local_cosines:
            msg = (
                "local_cosines must be above 0 where stellar_labels are: they are read from the flux it describes; got "
                f"{self.local_cosines}; give 16, say, or no stellar_labels"
            )
            raise ValueError(msg)

    @property
    def token_size(self):
        """Values of a token: ``width`` that the transformer works with, then ``local_cosines``."""
        return self.width + self.local_cosines

    def to_dict(self):
        """The attributes as JSON holds them.

        Returns
        -------
        dict
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """Inverse of `to_dict`.

        Parameters
        ----------
        values : dict

        Returns
        -------
        NetworkConfig

        Raises
        ------
        ValueError
            A name that this version does not know, or sizes that do not go together.
        """
        values = _checked_kwargs(cls, dict(values))
        if isinstance(values.get("redshift"), dict):
            values["redshift"] = RedshiftHeadConfig(**_checked_kwargs(RedshiftHeadConfig, values["redshift"]))
        return cls(**values)


#: what the label head is trained on: the names and units are those of `astro_spectok.simulate`
LABELS = (
    ("teff", 3.75, 0.2),
    ("logg", 3.8, 1.0),
    ("fe_h", -0.4, 0.6),
    ("alpha_fe", 0.1, 0.2),
    ("age", 0.3, 0.6),
    ("metallicity", -0.2, 0.4),
    ("a_v", 0.5, 0.5),
    ("sigma_v", 2.1, 0.3),
    ("ew_halpha", 2.0, 2.0),
    ("ew_oiii", 1.5, 2.0),
    ("ew_hbeta", 1.0, 1.5),
    ("ew_oii", 1.5, 1.5),
)

#: what the type head tells apart: letters of the MK system and of brown dwarfs, white dwarfs, cataclysmic variables and
#: carbon stars; the names are those of `astro_spectok.simulate`
STELLAR_TYPES = ("O", "B", "A", "F", "G", "K", "M", "L", "T", "WD", "CV", "C")

#: what the stellar head is trained on: teff is log10(Teff / K), log_vbroad log10 of the broadening in km/s
STELLAR_LABELS = (
    ("teff", 3.74, 0.1),
    ("logg", 3.3, 1.1),
    ("fe_h", -0.35, 0.6),
    ("alpha_fe", 0.1, 0.2),
    ("log_vbroad", 1.0, 0.6),
)

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
        posterior_periods=16,
        local_cosines=16,
        contrast_step=1e-3,
        redshift=RedshiftHeadConfig(),
        labels=LABELS,
        stellar_types=STELLAR_TYPES,
        type_step=1e-3,
        stellar_labels=STELLAR_LABELS,
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
        posterior_periods=16,
        local_cosines=16,
        contrast_step=1e-3,
        redshift=RedshiftHeadConfig(),
        labels=LABELS,
        stellar_types=STELLAR_TYPES,
        type_step=1e-3,
        stellar_labels=STELLAR_LABELS,
    ),
}


def get_config(name):
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
