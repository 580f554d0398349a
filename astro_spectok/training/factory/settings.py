# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Settings of the stages that make weights, as a recipe gives them: each with its rule."""

from dataclasses import dataclass, field, fields

from astro_spectok.training.config import check_number, check_rule
from astro_spectok.utils.settings import Settings

__all__ = [
    "CalibrateRedshiftSettings",
    "CalibrateStellarSettings",
    "EmbeddingSettings",
    "GalaxySettings",
    "LibrarySettings",
    "PhotometrySettings",
    "SpectralTypeSettings",
    "StageSettings",
    "StellarSettings",
    "TemplateSettings",
    "TransientSettings",
    "read_settings",
]


def _setting(default, rule):
    """A field with a rule out of `astro_spectok.training.config.RULES`."""
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True)
class StageSettings(Settings):
    """Settings of a stage, which are checked when they are made."""

    def __post_init__(self):
        for one in fields(self):
            value = getattr(self, one.name)
            if one.type is bool:
                if not isinstance(value, bool):
                    msg = f"{one.name} must be true or false, got {value!r}; give one of them"
                    raise TypeError(msg)
                continue
            check_number(one.name, value, one.type)
            check_rule(one.name, value, one.metadata["rule"])


@dataclass(frozen=True)
class TemplateSettings(StageSettings):
    """Settings of the rest-frame templates.

    Attributes
    ----------
    galaxies, quasars, stars : int
        Simulated objects that the templates of each class are made of.
    infrared_stars : int
        Stars that those of the H band are made of; 0 for none.
    single_stars : int
        Stars of libraries that light of many stars is told from; 0 for no such rule.
    seed, infrared_seed, single_seed : int
    """

    galaxies: int = _setting(1200, "at least 2")
    quasars: int = _setting(400, "at least 2")
    stars: int = _setting(800, "at least 2")
    infrared_stars: int = _setting(600, "at least 0")
    seed: int = _setting(7702, "at least 0")
    infrared_seed: int = _setting(7703, "at least 0")
    single_stars: int = _setting(0, "at least 0")
    single_seed: int = _setting(7, "at least 0")


@dataclass(frozen=True)
class LibrarySettings(StageSettings):
    """Settings of the library of spectra at rest.

    Attributes
    ----------
    stars, galaxies, quasars : int
        Simulated objects that it is made of besides the public spectra.
    seed : int
    """

    stars: int = _setting(600, "at least 0")
    galaxies: int = _setting(700, "at least 0")
    quasars: int = _setting(600, "at least 0")
    seed: int = _setting(5, "at least 0")


@dataclass(frozen=True)
class SpectralTypeSettings(StageSettings):
    """Settings of the spectral type head.

    Attributes
    ----------
    stars : int
        Stars that are drawn.
    epochs : float
        How often each of them is seen.
    temperature : float
        What scores are divided by, so that probabilities mean what they say.
    seed : int
    """

    stars: int = _setting(92000, "at least 1")
    epochs: float = _setting(3.5, "above 0")
    temperature: float = _setting(1.0, "above 0")
    seed: int = _setting(8807, "at least 0")


@dataclass(frozen=True)
class StellarSettings(StageSettings):
    """Settings of the stellar head, and of the one that has not seen a quarter of the stars.

    Attributes
    ----------
    steps : int
        Batches for each network of the optical windows; that of the H band gets fifteen times as many.
    seed : int
    go_on : bool
        Whether the network of the H band goes on from that of the weights that the stage starts from, with its last
        course alone.
    refine : bool
        Whether the networks of the optical windows go on from those of the weights that the stage starts from, and all
        others stay as they are.
    hold_out : bool
        Whether a fifth of the stars is left out of the head itself, so that its own errors on them can be fitted, and
        there is no need of a second head.
    filtered : int
        Networks of the optical window for flux as tokens hold it. Their errors are fitted to stars that ``hold_out``
        leaves out.
    views, filtered_steps : int
        Stars that these learn from, and batches for each.
    """

    steps: int = _setting(2000, "at least 0")
    seed: int = _setting(7703, "at least 0")
    go_on: bool = False
    refine: bool = False
    hold_out: bool = False
    filtered: int = _setting(0, "at least 0")
    views: int = _setting(20480, "at least 1")
    filtered_steps: int = _setting(560, "at least 1")


@dataclass(frozen=True)
class EmbeddingSettings(StageSettings):
    """Settings of the parts of the embedding.

    Attributes
    ----------
    objects : int
        Simulated ones that components are made of.
    pairs : int
        Simulated objects that are seen through two instruments each.
    seed : int
    stars : int
        Simulated stars that the part of stars learns from, beside real ones; 0 for no such part.
    star_views : int
        Of how many of these, drawn again and again, three views each are stored.
    star_pairs : int
        Other ones that are seen through two instruments with all their faults.
    star_steps : int
        Batches of its training.
    """

    objects: int = _setting(600, "at least 1")
    pairs: int = _setting(500, "at least 1")
    seed: int = _setting(9, "at least 0")
    stars: int = _setting(0, "at least 0")
    star_views: int = _setting(60000, "at least 1")
    star_pairs: int = _setting(1000, "at least 1")
    star_steps: int = _setting(3600, "at least 1")


@dataclass(frozen=True)
class GalaxySettings(StageSettings):
    """Settings of the head for galaxies.

    Attributes
    ----------
    galaxies : int
        Simulated ones that populations are learned from.
    epochs : float
        How often each of them is seen.
    stars : int
        Simulated galaxies that the components of starlight are made of.
    calibrated : int
        Others that are drawn to calibrate errors; 0 for none.
    seed : int
    """

    galaxies: int = _setting(16000, "at least 1")
    epochs: float = _setting(10.0, "above 0")
    stars: int = _setting(600, "at least 2")
    calibrated: int = _setting(1200, "at least 0")
    seed: int = _setting(17, "at least 0")


@dataclass(frozen=True)
class PhotometrySettings(StageSettings):
    """Settings of the photometry head.

    Attributes
    ----------
    pairs, objects : int
        Simulated objects with a spectrum each, and without.
    steps : int
        Batches.
    seed : int
    """

    pairs: int = _setting(3200, "at least 1")
    objects: int = _setting(6500, "at least 1")
    steps: int = _setting(1100, "at least 1")
    seed: int = _setting(11, "at least 0")


@dataclass(frozen=True)
class CalibrateRedshiftSettings(StageSettings):
    """Settings of the calibration of redshifts.

    Attributes
    ----------
    objects : int
        Simulated ones that are measured.
    seed : int
    """

    objects: int = _setting(4000, "at least 1")
    seed: int = _setting(4711, "at least 0")


@dataclass(frozen=True)
class CalibrateStellarSettings(StageSettings):
    """Settings of the calibration of stellar labels.

    Attributes
    ----------
    stars : int
        Simulated ones that are drawn; half of them are measured, and half of those fit.
    seed : int
    """

    stars: int = _setting(8000, "at least 1")
    seed: int = _setting(5501, "at least 0")


@dataclass(frozen=True)
class TransientSettings(StageSettings):
    """Settings of the library of transients and its networks.

    Attributes
    ----------
    hosts : int
        Simulated galaxies that components of hosts are made of, and that transients are mixed with.
    cases : int
        Observations of transients that types, redshifts and phases are calibrated on.
    objects : int
        Simulated galaxies, quasars and stars that transients are to be separated from.
    networks : int
        That judge types at given redshifts; each is trained without some of the objects, which it is tested on.
    steps : int
        Of the training of each.
    quasars, stars : int
        Simulated ones, beside real ones, that networks learn to separate transients from.
    seed : int
    """

    hosts: int = _setting(1000, "at least 2")
    cases: int = _setting(1200, "at least 1")
    objects: int = _setting(1500, "at least 1")
    networks: int = _setting(4, "at least 0")
    steps: int = _setting(3000, "at least 1")
    quasars: int = _setting(600, "at least 1")
    stars: int = _setting(600, "at least 1")
    seed: int = _setting(31, "at least 0")


def read_settings(kind, table, stage):
    """Settings of a kind from a table of a recipe.

    Parameters
    ----------
    kind : type
        A dataclass, such as `StellarSettings`.
    table : dict
    stage : str
        What the table is called, for messages.

    Raises
    ------
    TypeError, ValueError
        A name that there is not, or a value that breaks its rule; the message begins with the stage and the name.
    """
    known = [one.name for one in fields(kind)]
    unknown = [name for name in table if name not in known]
    if unknown:
        msg = f"{stage}.{unknown[0]} is not a setting of the stage, which has {', '.join(known)}; correct its name"
        raise ValueError(msg)
    try:
        return kind(**table)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{stage}.{error}") from error
