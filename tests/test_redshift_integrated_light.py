# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Light of many stars told from that of one by its lines: what is asked, the rule, its file, what it must not flag."""

import numpy as np
import pytest

from astro_spectok.redshift import integrated_light as judged
from astro_spectok.redshift.fit import assume_resolution
from astro_spectok.redshift.integrated_light import (
    BINS,
    LineRow,
    bin_lines,
    is_integrated_light,
    read_mixture_rule,
)
from astro_spectok.redshift.templates import load_rest_templates
from astro_spectok.training import integrated_light
from astro_spectok.training.integrated_light import fit_mixture_rule, write_mixture_rule
from astro_spectok.training.stellar_populations import have_sets

X = np.arange(np.log(3600), np.log(8000), 2.3e-4)


def make_spectrum(snr=30.0, low=3600.0, high=8000.0, step=2.3e-4):
    """A continuum with one line at 5000 Angstrom, 30 per cent deep."""
    x = np.arange(np.log(low), np.log(high), step)
    flux = 2 - 0.6 * np.exp(-0.5 * ((x - np.log(5000)) / 1e-3) ** 2)
    return x, flux, np.full(len(x), (snr / 2) ** 2)


def test_lines_are_binned_at_rest():
    x, flux, ivar = make_spectrum()
    flux[1000], ivar[1000] = 1e9, 0.0  # a bad pixel, whatever it holds
    row = bin_lines(x + 3e-4, flux, ivar, 3e-4)
    centre = BINS[0] + (np.arange(BINS[2]) + 0.5) * BINS[1]
    assert centre[np.argmin(row.ratio)] == pytest.approx(np.log(5000), abs=BINS[1])
    assert row.ratio.min() == pytest.approx(-0.29, abs=0.03)
    assert np.all(row.weight > 0)
    # two or three pixels in a bin
    assert np.median(row.weight) == pytest.approx(30**2 * BINS[1] / 2.3e-4, rel=0.2)


@pytest.mark.parametrize("change", [{"snr": 4.0}, {"low": 4500.0}, {"high": 5500.0}, {"step": 7e-4}])
def test_too_little_to_tell(change):
    assert bin_lines(*make_spectrum(**change), 0.0) is None
    assert not is_integrated_light(*make_spectrum(**change), 0.0)


def test_without_a_good_pixel_nothing():
    x, flux, ivar = make_spectrum()
    assert bin_lines(x, flux, 0 * ivar, 0.0) is None


def draw_row(rng, share, noise):
    """Two kinds of stars with lines in different bins, or both together."""
    lines = np.zeros((2, BINS[2]))
    lines[0, 300:320], lines[1, 700:720] = -0.3, -0.4
    ratio = (1 - share) * lines[0] + share * lines[1] + rng.normal(0, 0.02, 2) @ lines
    return LineRow(ratio + rng.normal(0, noise, BINS[2]), np.full(BINS[2], max(noise, 1e-4) ** -2))


@pytest.fixture(scope="module")
def rule():
    """Singles of either kind, and sums of them."""
    rng = np.random.default_rng(1)
    singles = [draw_row(rng, k % 2, 0.05) for k in range(120)]
    sums = [draw_row(rng, rng.uniform(0.3, 0.7), 0.05) for _ in range(120)]
    clear = [draw_row(rng, share, 1e-4) for share in np.linspace(0, 1, 30)]
    made, flagged = fit_mixture_rule(clear, singles, sums, [f"star {k}" for k in range(120)])
    assert flagged > 0.95
    return made


def test_sums_are_told_from_singles(rule, tmp_path):
    """Also by the rule that was written in bytes and read again."""
    write_mixture_rule(rule, tmp_path / "rule.safetensors")
    again, rng = read_mixture_rule(tmp_path / "rule.safetensors"), np.random.default_rng(2)
    singles = np.stack([rule.describe(draw_row(rng, k % 2, 0.05)) for k in range(60)])
    sums = np.stack([rule.describe(draw_row(rng, 0.5, 0.05)) for _ in range(60)])
    for one in (rule, again):
        assert np.mean(one.decide(sums) > 0) > 0.95
        assert np.mean(one.decide(singles) > 0) < 0.05
    np.testing.assert_allclose(again.decide(sums), rule.decide(sums), atol=0.1)


def test_what_is_far_from_both_is_not_flagged(rule):
    """What is like neither is left to other rules."""
    far = rule.describe(draw_row(np.random.default_rng(3), 30.0, 0.05))
    assert rule.decide(far[None])[0] < 0


def test_rule_from_spectra(tmp_path, monkeypatch):
    """Singles are the mean of templates of stars with a component added or taken away, at 60 km/s; sums are both."""
    templates = load_rest_templates()
    grid = templates.at_resolution("STAR", assume_resolution(X))
    rest = templates.ln_start + templates.step * np.arange(len(grid))
    ends = [1 + np.interp(X - 2e-4, rest, grid[:, 0] + sign * grid[:, 1]) for sign in (-1.0, 1.0)]

    def draw(shares):
        def drawn(data, n, seed, snr=(20.0, 40.0)):
            rng = np.random.default_rng(seed)
            for k in range(n):
                share, sigma = shares(rng, k), 1 / rng.uniform(*snr)
                flux = (1 - share) * ends[0] + share * ends[1] + rng.normal(0, sigma, len(X))
                yield np.exp(X), flux, np.full(len(X), sigma**-2), f"library{rng.integers(4)}", k

        return drawn

    monkeypatch.setattr(integrated_light, "draw_real_stars", draw(lambda rng, k: k % 2))
    monkeypatch.setattr(integrated_light, "draw_populations", draw(lambda rng, k: rng.uniform(0.35, 0.65)))
    monkeypatch.setattr(integrated_light, "COMPONENTS", 4)
    lines = []
    path = tmp_path / "rule.safetensors"
    assert integrated_light.make_integrated_light(tmp_path, path, 80, 1, report=lines.append) > 0.9
    assert len(lines) == 1
    monkeypatch.setattr(judged, "load_mixture_rule", lambda: read_mixture_rule(path))
    ivar = np.full(len(X), 900.0)
    noise = np.random.default_rng(5).normal(0, 1 / 30, len(X))
    assert is_integrated_light(X, 0.5 * (ends[0] + ends[1]) + noise, ivar, 2e-4)
    assert not any(is_integrated_light(X, end + noise, ivar, 2e-4) for end in ends)


@pytest.mark.parametrize(("velocity", "found"), [(0.0, True), (-2e-5, True), (4e-5, False)])
def test_stored_populations_are_at_rest(rule, monkeypatch, velocity, found):
    """What is nearly light of many stars is that at rest alone, where few stars of the sky are."""
    x, flux, ivar = make_spectrum()
    here = rule.decide(rule.describe(bin_lines(x, flux, ivar, velocity))[None])[0]
    nearly = rule._replace(offset=rule.offset - here - 1.0, at_rest=2.0)
    monkeypatch.setattr(judged, "load_mixture_rule", lambda: nearly)
    assert is_integrated_light(x, flux, ivar, velocity) == found


def test_sets_that_it_is_made_of(tmp_path):
    assert not have_sets(None)
    assert not have_sets(tmp_path)
