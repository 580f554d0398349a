# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the settings of a training run."""

import re
from dataclasses import fields

import numpy as np
import pytest

from astro_spectok.training import TrainingConfig
from astro_spectok.training.config import RULE_OF, parse_settings
from astro_spectok.training.rates import cosine_rate


def test_every_setting_has_a_rule():
    """One each: a new setting cannot be forgotten."""
    names = [name for group in RULE_OF.values() for name in group]
    assert sorted(names) == sorted(one.name for one in fields(TrainingConfig) if one.name != "head_weights")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_tokens": -5}, "batch_tokens must be at least 1, got -5"),
        ({"target_pixels": 0}, "target_pixels must be at least 1"),
        ({"shards": 0}, "shards must be at least 1"),
        ({"log_every": 0}, "log_every must be at least 1"),
        ({"checkpoint_every": 0}, "checkpoint_every must be at least 1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"workers": -1}, "workers must be at least 0"),
        ({"reconstruction_weight": -0.1}, "reconstruction_weight must be at least 0, got -0.1"),
        ({"weight_decay": float("inf")}, "weight_decay must be at least 0, got inf"),
        ({"alignment_weight": float("nan")}, "alignment_weight must be at least 0, got nan"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"stored_fraction": 1.01}, "stored_fraction must be between 0 and 1, got 1.01"),
        ({"hide_fraction": -1e-9}, "hide_fraction must be between 0 and 1"),
        ({"variance_weight": 2}, "variance_weight must be between 0 and 1"),
        ({"min_pixels": 300, "max_pixels": 299}, "min_pixels must be no greater than max_pixels, got 300 and 299"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    """By name, rule and value."""
    with pytest.raises(ValueError, match=re.escape(message)):
        TrainingConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 2.0}, "steps must be a whole number, got 2.0 (float)"),
        ({"shards": True}, "shards must be a whole number, got True (bool)"),
        ({"seed": np.int64(3)}, "seed must be a whole number, got np.int64(3) (int64)"),
        ({"huber": "10"}, "huber must be a number, got '10' (str)"),
        ({"huber": None}, "huber must be a number, got None (NoneType)"),
    ],
)
def test_wrong_types_are_refused(settings, message):
    """What could not be written into a checkpoint, among them."""
    with pytest.raises(TypeError, match=re.escape(message)):
        TrainingConfig(**settings)


def test_weights_of_heads_are_checked():
    """As all others."""
    with pytest.raises(ValueError, match=r"head_weights\['a'\] must be at least 0, got -1"):
        TrainingConfig(head_weights={"a": -1})
    with pytest.raises(TypeError, match=r"head_weights\['a'\] must be a number"):
        TrainingConfig(head_weights={"a": "1"})


def test_limits_are_allowed():
    """And a whole number may stand for any other."""
    config = TrainingConfig(
        warmup=0,
        workers=0,
        seed=0,
        stored_fraction=0,
        hide_fraction=1,
        head_weights={"a": 0},
        min_pixels=64,
        max_pixels=64,
    )
    assert (config.stored_fraction, config.hide_fraction, config.head_weights) == (0, 1, {"a": 0})


def test_settings_come_as_text():
    """Each as the type of its field, the last of a name counts."""
    found = parse_settings(["huber=1", "shards = 4", "huber=2e-1", "head_weights.a=1", "head_weights.b=2"])
    assert found == {"huber": 0.2, "shards": 4, "head_weights": {"a": 1.0, "b": 2.0}}
    assert {name: type(value) for name, value in found.items()} == {"huber": float, "shards": int, "head_weights": dict}
    assert parse_settings([]) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour=3", "names steps, batch_tokens, .*checkpoint_every or head_weights.HEAD; got 'colour=3'"),
        ("steps", "set: must be NAME=VALUE .*got 'steps'"),
        ("steps=1.5", "steps must be a whole number, got '1.5'; write steps=20000, say"),
        ("huber=wide", "huber must be a number, got 'wide'"),
        ("huber=", "huber must be a number, got ''"),
        ("head_weights.=1", r"or head_weights.HEAD; got 'head_weights.=1'"),
        ("head_weights.a=x", r"head_weights.a must be a number, got 'x'"),
    ],
)
def test_text_that_is_no_setting_is_refused(text, message):
    """An unknown name is answered with those there are."""
    with pytest.raises(ValueError, match=message):
        parse_settings([text])


def test_learning_rate_schedule():
    """Linear to the peak, then a cosine to zero; never more than the peak, and none behind the end."""
    rates = np.array([cosine_rate(0.5, step, 1000, 10) for step in range(1001)])
    np.testing.assert_allclose(rates[:10], 0.05 * np.arange(1, 11), rtol=1e-3)
    assert rates.max() <= 0.5
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[500] == pytest.approx(0.25)
    assert rates[1000] == pytest.approx(0, abs=1e-12)
    assert cosine_rate(0.5, 2000, 1000, 10) == pytest.approx(0, abs=1e-12)
    assert cosine_rate(0.5, 0, 1000, 0) == 0.5
