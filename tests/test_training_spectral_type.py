# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The training of the spectral type head: that it learns, from what it is meant to."""

import numpy as np
import pytest
import torch

from astro_spectok.heads import SpectralTypeConfig, SpectralTypeHead
from astro_spectok.training import spectral_type, typed_stars


@pytest.fixture
def script(load):
    """The benchmark of spectral types."""
    return load("spectral_types")


def test_head_is_that_of_its_seed():
    """Without any set there are analytic stars; the same seed gives the same head, and the caller's numbers stay."""
    torch.manual_seed(5)
    first = spectral_type.train_spectral_type(None, stars=40, epochs=4, seed=1)
    drawn = torch.rand(3)
    again = spectral_type.train_spectral_type(None, stars=40, epochs=4, seed=1, temperature=2.0)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)
    assert all(torch.equal(x, y) for x, y in zip(first.hidden.parameters(), again.hidden.parameters(), strict=True))
    assert torch.equal(first.out.weight, 2 * again.out.weight)


def make_views(n, seed):
    """Views of two kinds of stars with different broad-band shapes; the lines are noise."""
    generator = torch.Generator().manual_seed(seed)
    types = torch.randint(2, (n,), generator=generator)
    view = SpectralTypeHead(SpectralTypeConfig(step=5e-3)).view
    broad = torch.rand(n, 3, view.n_broad, generator=generator)
    broad[:, 0] += types[:, None]
    return typed_stars.TypeViews([(torch.rand(n, 2, view.n_lines, generator=generator), broad, types)])


def test_head_learns(script):
    """A hundred steps separate two kinds of stars, and the temperature is that of scores that are right."""
    torch.manual_seed(0)
    head = SpectralTypeHead(SpectralTypeConfig(step=5e-3))
    spectral_type.train_head(head, make_views(512, 1), 30, 1)
    others = make_views(200, 2)
    scores = spectral_type.score_stars(head, others)
    assert (scores.argmax(1) == others.types).float().mean() > 0.95
    lines = []
    script.check_head(head, others, lines.append)
    assert lines[0].startswith("200 other stars: exact")
    assert lines[-1] == f"temperature {script.find_temperature(scores, others.types):.2f}"


def test_temperature(script):
    """Scores that are three times too sure are divided by three."""
    generator = torch.Generator().manual_seed(0)
    scores = 2 * torch.randn(4000, 4, generator=generator)
    types = torch.multinomial(torch.softmax(scores, 1), 1, generator=generator)[:, 0]
    assert script.find_temperature(3 * scores, types) == pytest.approx(3.0, rel=0.12)


@pytest.mark.parametrize("air", [False, True])
def test_stored_spectra_are_altered_within_reason(air):
    """Finite, rising, with errors; too few pixels, or none with flux, give nothing."""
    wavelength, rng = np.linspace(4000.0, 7000.0, 900), np.random.default_rng(0)
    flux, ivar = np.full(900, 2.0), np.where(np.arange(900) % 50 == 0, 0.0, 1.0)
    drawn = [typed_stars._alter(wavelength, flux, ivar, rng, air=air) for _ in range(40)]
    assert all(made is not None for made in drawn)
    for x, f, i in drawn:
        assert (np.diff(x) > 0).all()
        assert np.isfinite(f).all()
        assert np.isfinite(i).all()
        assert (i >= 0).all()
        assert 64 <= len(x) <= 900
    assert len({len(x) for x, _, _ in drawn}) > 3
    assert typed_stars._alter(wavelength, 0 * flux, ivar, rng, air=air) is None
    assert typed_stars._alter(wavelength[:40], flux[:40], ivar[:40], rng, air=air) is None


def test_windows():
    """Whole spectra for the most part, and otherwise a stretch with enough pixels."""
    x, rng = np.log(np.linspace(3800.0, 9200.0, 4000)), np.random.default_rng(0)
    shown = [typed_stars.show_window(x, x, np.ones(4000), 3, rng) for _ in range(200)]
    sizes = np.array([len(one[0]) for one in shown])
    assert all(one[3] == 3 for one in shown)
    assert 0.5 < np.mean(sizes == 4000) < 0.85
    assert sizes.min() >= typed_stars.LEAST_PIXELS
    assert all(np.array_equal(one[0], one[1]) for one in shown)
