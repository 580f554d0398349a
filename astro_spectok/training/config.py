# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Settings of a training run."""

import math
from dataclasses import dataclass, field, fields

from astro_spectok.utils.settings import Settings

__all__ = ["RULES", "TrainingConfig", "check_number", "check_rule", "parse_settings"]

#: rules of settings: in words, and as a test
RULES = {
    "at least 2": lambda value: value >= 2,
    "at least 1": lambda value: value >= 1,
    "at least 0": lambda value: value >= 0,
    "above 0": lambda value: value > 0,
    "between 0 and 1": lambda value: 0 <= value <= 1,
}
#: which holds for which settings of a training run
RULE_OF = {
    "at least 1":
    ("steps", "batch_tokens", "max_pixels", "min_pixels", "target_pixels", "shards", "log_every", "checkpoint_every"),
    "at least 0":
    ("warmup", "workers", "seed", "weight_decay", "reconstruction_weight", "alignment_weight", "inferred_weight"),
    "above 0":
    ("learning_rate", "clip_norm", "huber", "temperature"),
    "between 0 and 1":
    ("alike_fraction", "short_fraction", "hide_fraction", "stored_fraction", "stellar_fraction", "variance_weight",
     "inferred_fraction"),
}  # fmt: skip


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """Settings of a training run; they are written into its checkpoints and into the weights.

    Attributes
    ----------
    steps : int
        Optimiser steps of the whole run; the learning rate follows a cosine down to zero at the last. May be changed
        when a run is resumed: the steps done stay, and the cosine goes on with the new number.
    batch_tokens : int
        Tokens per shard: short spectra come in larger batches.
    max_pixels, min_pixels : int
        Lengths of the spectra drawn.
    alike_fraction : float
        Share of the shards whose simulated objects are of one family: similar objects are the hardest to distinguish.
    short_fraction : float
        Share of the shards whose spectra are cut shorter than ``max_pixels``; instruments of few pixels come in all.
    target_pixels : int
        Most pixels that the decoder is asked for, per spectrum.
    learning_rate, warmup, weight_decay, clip_norm : float
        Of AdamW: peak rate, steps of linear warm-up, decay of matrices, largest norm of the gradient, that of heads
        which ask for it apart from the rest.
    hide_fraction : float
        Share of spectra decoded from their embedding alone.
    variance_weight : float
        Exponent beta of the variance that multiplies each pixel's likelihood (Seitzer et al. 2022,
        arXiv 2203.09168): 0 is the plain likelihood, 1 leaves the mean as in least squares.
    huber : float
        Deviation in sigma beyond which a pixel counts linearly.
    reconstruction_weight, alignment_weight : float
        Of the parts of the objective that are the network's own.
    inferred_fraction, inferred_weight : float
        Share of the shards whose views hide much of what is known and are asked for that alone, by the plain
        likelihood, and its weight; heads learn nothing from these.
    head_weights : dict of str to float
        Of the objectives of heads, by their names; each head's own ``loss_weight`` where absent.
    temperature : float
        Of the contrastive alignment.
    stored_fraction : float
        Share of the objects that are stored spectra, without labels; the others are simulated.
    stellar_fraction : float
        Share of the shards that are drawn from stars with labels alone, where a head of the network learns from them.
    shards : int
        Parts that each step consists of, drawn and normalised one by one; several processes share them.
    seed : int
        Batch ``i`` depends on ``seed`` and ``i`` alone.
    workers : int
        Processes that draw batches; 0 draws them in the loop.
    log_every, checkpoint_every : int
        In steps.

    Raises
    ------
    TypeError
        A setting is no number, or not a whole one where it must be.
    ValueError
        A setting is out of its range, or ``min_pixels`` greater than ``max_pixels``.

    References
    ----------
    Loshchilov & Hutter 2017, arXiv 1711.05101, for AdamW; van den Oord et al. 2018, arXiv 1807.03748, equation 4, for
    the contrastive alignment.

    Examples
    --------
    >>> from astro_spectok.training import TrainingConfig
    >>> config = TrainingConfig(steps=2000, alignment_weight=0.5)
    >>> config.to_dict()["alignment_weight"]
    0.5
    >>> TrainingConfig(hide_fraction=1.5)
    Traceback (most recent call last):
        ...
    ValueError: hide_fraction must be between 0 and 1, got 1.5; give another number
    """

    steps: int = 20000
    batch_tokens: int = 5120
    max_pixels: int = 4640
    min_pixels: int = 512
    alike_fraction: float = 0.3
    short_fraction: float = 0.15
    target_pixels: int = 1024
    learning_rate: float = 7e-4
    warmup: int = 100
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    hide_fraction: float = 0.15
    variance_weight: float = 0.5
    huber: float = 10.0
    reconstruction_weight: float = 1.0
    alignment_weight: float = 1.0
    inferred_fraction: float = 0.0
    inferred_weight: float = 3.0
    head_weights: dict = field(default_factory=dict)
    temperature: float = 0.07
    stored_fraction: float = 0.12
    stellar_fraction: float = 0.1
    shards: int = 1
    seed: int = 20261122
    workers: int = 1
    log_every: int = 50
    checkpoint_every: int = 250

    def __post_init__(self):
        for one in fields(self):
            if one.name != "head_weights":
                check_number(one.name, getattr(self, one.name), one.type)
        for name, weight in self.head_weights.items():
            check_number(f"head_weights[{name!r}]", weight, float)
            check_rule(f"head_weights[{name!r}]", weight, "at least 0")
        for rule, names in RULE_OF.items():
            for name in names:
                check_rule(name, getattr(self, name), rule)
        if self.min_pixels > self.max_pixels:
            msg = (
                f"min_pixels must be no greater than max_pixels, got {self.min_pixels} and {self.max_pixels}; "
                "set both to fit"
            )
            raise ValueError(msg)


def check_rule(name, value, rule):
    """Refuse a number that breaks a rule out of `RULES`."""
    if not (RULES[rule](value) and math.isfinite(value)):
        msg = f"{name} must be {rule}, got {value!r}; give another number"
        raise ValueError(msg)


def check_number(name, value, kind):
    """Refuse what is no number of the kind, int or float; a whole number may stand for a float."""
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        wanted = "a whole number" if kind is int else "a number"
        msg = f"{name} must be {wanted}, got {value!r} ({type(value).__name__}); give {kind.__name__}({name}), say"
        raise TypeError(msg)


def parse_settings(texts):
    """Settings given as text.

    Parameters
    ----------
    texts : iterable of str
        Each ``name=value`` with the name of a field of `TrainingConfig`, or ``head_weights.NAME=value`` with that of
        a head; the last of a name counts.

    Returns
    -------
    dict
        Arguments for `TrainingConfig`, which checks their ranges.

    Raises
    ------
    ValueError
        Another name, which the message answers with those there are, or a value that is no number of the kind.

    Examples
    --------
    >>> from astro_spectok.training.config import parse_settings
    >>> parse_settings(["head_weights.redshift=0.5", "steps=100"])
    {'head_weights': {'redshift': 0.5}, 'steps': 100}
    """
    kinds = {one.name: one.type for one in fields(TrainingConfig) if one.name != "head_weights"}
    settings = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        head = name.removeprefix("head_weights.")
        kind = float if head != name and head else kinds.get(name)
        if not sign or kind is None:
            msg = f"set: must be NAME=VALUE with one of the names {', '.join(kinds)} or head_weights.HEAD; got {text!r}"
            raise ValueError(msg)
        try:
            found = kind(value)
        except ValueError as error:
            wanted = "a whole number" if kind is int else "a number"
            msg = f"set: {name} must be {wanted}, got {value!r}; write {name}={getattr(TrainingConfig, name, 0.1)}, say"
            raise ValueError(msg) from error
        if head == name:
            settings[name] = found
        else:
            settings.setdefault("head_weights", {})[head] = found
    return settings
