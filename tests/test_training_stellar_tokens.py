# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars as tokens show them, and the networks that learn from these."""

import numpy as np
import torch
from _stellar_lines import LabelledFamily, make_head

from astro_spectok.heads.stellar_loss import stellar_loss
from astro_spectok.simulate import Randomness
from astro_spectok.training import stellar_tokens
from astro_spectok.training.stellar_tokens import draw_filtered, draw_views, train_filtered


def draw(seed=3, n=24):
    head = make_head()
    return draw_filtered(LabelledFamily(), n, Randomness(seed), head.readers[0], head.network_config)


def test_stars_keep_strong_lines_and_lose_noise():
    """Lines are as deep as the label says; where there is noise, the filter has taken most of it away."""
    contrast, covered, noise, labels = draw()
    size = contrast.shape[1]
    window = make_head().readers[0].window
    bins = [round(np.log(x / window.low) / window.step) for x in (4000.0, 4500.0, 5000.0, 5500.0, 6000.0)]
    depth, known = [], []
    for row in range(len(contrast)):
        seen = [k for k in bins if covered[row, k - 3 : k + 4].all()]
        if len(seen) > 2:
            depth.append(np.mean([contrast[row, k - 2 : k + 3].min() for k in seen]))
            known.append(float(labels["teff"][row]))
    assert len(known) > 10
    assert np.corrcoef(depth, known)[0, 1] < -0.5
    assert contrast.shape == covered.shape == noise.shape == (24, size)
    assert (contrast[covered == 0] == 0).all()
    assert torch.isfinite(noise).all()
    # ln of 30 over S/N: between 600 and 1
    assert -3.5 < noise[covered > 0].min() < noise[covered > 0].max() < 4


def test_draws_follow_the_seed():
    """The same seed the same stars, another one others."""
    one, again, other = draw(), draw(), draw(4)
    assert torch.equal(one[0], again[0])
    assert not torch.equal(one[0], other[0])


def measure_loss(head, views):
    """Loss of the label that is known, from views as tokens show them."""
    contrast, covered, noise, labels = views.take(np.arange(len(views.labels)))
    windows = [(torch.zeros(len(labels), reader.window.size),) * 2 for reader in head.readers]
    windows[0] = contrast, covered
    with torch.inference_mode():
        return float(stellar_loss(*head.read_windows(windows, noise), labels, head.spread)[0].mean())


def test_networks_learn_beside_those_for_pixels(monkeypatch):
    """They predict a label better than they did as they began; all that was there stays as it was."""
    for name, value in (("_RATE", 4e-3), ("_WARMUP", 2), ("_BATCH", 32)):
        monkeypatch.setattr(stellar_tokens, name, value)
    start = make_head()
    views = draw_views(LabelledFamily(), 32, 5, start, start.network_config)
    assert views.labels.shape == (32, len(start.names))
    assert np.isnan(views.labels[:, 1:]).all()
    begun, head = (train_filtered(start, views, number=1, steps=steps, seed=1) for steps in (0, 25))
    after = head.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in start.state_dict().items())
    assert not head.training
    assert measure_loss(head, views) < measure_loss(begun, views) - 0.2


def test_new_networks_are_built_from_the_head_that_is_given():
    """Sizes follow the settings, and what is known of the head comes along."""
    start = make_head()
    start.domain = {"known": True}
    views = draw_views(LabelledFamily(), 64, 5, start, start.network_config)
    head = train_filtered(start, views, number=2, steps=1, seed=1)
    assert head.config.filtered == len(head.filtered) == 2
    assert head.domain == {"known": True}
    assert head.domain is not start.domain
