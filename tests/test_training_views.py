# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of random views of spectra."""

import numpy as np
import pytest

from astro_spectok.training.corpus import Source
from astro_spectok.training.views import LN_LONGEST, draw_view, shift_source

X = np.log(np.linspace(3600, 9000, 3000))
ARRAYS = ("ln_wavelength", "flux", "ivar", "target_ln_wavelength", "target_flux", "target_ivar")


def make_source(kind="galaxy", *, errors=False, x=X, seed=0):
    """A template, or an observed spectrum with errors and bad pixels."""
    rng = np.random.default_rng(seed)
    flux = 5 + np.sin(60 * x) + 4 * np.exp(-0.5 * ((np.arange(len(x)) - 0.3 * len(x)) / 5) ** 2)
    ivar = None
    if errors:
        flux = flux + rng.normal(0, 0.2, len(x))
        ivar = np.where(rng.random(len(x)) < 0.02, 0, 25).astype(np.float32)
        flux = np.where(ivar > 0, flux, 0)
    return Source(x, flux.astype(np.float32), ivar, kind, "made up")


def draw_views(source, n=60, max_pixels=1000, target_pixels=400):
    """Views from many seeds, those that are None left out."""
    views = [draw_view(source, np.random.default_rng(i), max_pixels, target_pixels) for i in range(n)]
    return [view for view in views if view is not None]


SOURCES = {
    "template": make_source(),
    "star": make_source("star"),
    "observed": make_source("observed", errors=True),
    "coarse template": make_source(x=np.log(np.geomspace(1000, 30000, 400))),
    "short": make_source("star", x=X[:200]),
}


@pytest.mark.parametrize("name", SOURCES)
def test_views_are_finite_ordered_and_within_limits(name):
    """Of all that a view holds; and most draws give one."""
    views = draw_views(SOURCES[name])
    assert len(views) > 50
    for view in views:
        for array in ARRAYS:
            assert np.isfinite(getattr(view, array)).all()
        assert 32 <= np.count_nonzero(view.ivar) <= len(view.ivar) == len(view.flux) == len(view.ln_wavelength) <= 1000
        assert 16 <= len(view.target_flux) == len(view.target_ivar) == len(view.target_ln_wavelength) <= 400
        assert (np.diff(view.ln_wavelength) > 0).all()
        assert (np.diff(view.target_ln_wavelength) > 0).all()
        assert (view.ivar >= 0).all()
        assert (view.target_ivar >= 0).all()
        assert view.flux.dtype == view.target_ivar.dtype == np.float32
        assert np.median(np.abs(view.flux[view.ivar > 0])) == pytest.approx(1, rel=1e-3)
        assert view.name == "made up"
        for resolution in (view.resolution, view.target_resolution):
            assert np.isnan(resolution) or 1 < resolution < 1e5


@pytest.mark.parametrize("name", ["template", "observed"])
def test_view_depends_on_the_generator_alone(name):
    """Same seed, same view; another seed, another."""
    one, same, other = (draw_view(SOURCES[name], np.random.default_rng(seed), 800, 300) for seed in (4, 4, 5))
    for array in ARRAYS:
        np.testing.assert_array_equal(getattr(one, array), getattr(same, array))
    assert not np.array_equal(one.flux, other.flux)


def test_unit_of_the_source_does_not_matter():
    """Templates come in any unit."""
    source = SOURCES["template"]
    large = Source(source.ln_wavelength, source.flux * 2.0**40, None, source.kind, source.name)
    one, other = (draw_view(s, np.random.default_rng(1), 800, 300) for s in (source, large))
    for array in ARRAYS:
        np.testing.assert_allclose(getattr(one, array), getattr(other, array), rtol=1e-4, atol=1e-6)


def test_observed_spectra_stay_on_their_pixels():
    """Neither moved nor resampled: every wavelength of the view is one of the source, with its target flux."""
    source = SOURCES["observed"]
    for view in draw_views(source):
        assert np.isin(view.ln_wavelength, source.ln_wavelength).all()
        pixel = np.searchsorted(source.ln_wavelength, view.target_ln_wavelength)
        known = view.target_ivar > 0
        np.testing.assert_array_equal(known, source.ivar[pixel] > 0)
        ratio = source.flux[pixel][known] / view.target_flux[known]
        np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-4)


def test_bad_pixels_of_observed_spectra_stay_bad():
    """No view makes a good pixel of one."""
    source = SOURCES["observed"]
    for view in draw_views(source):
        pixel = np.searchsorted(source.ln_wavelength, view.ln_wavelength)
        assert not view.ivar[source.ivar[pixel] == 0].any()


def test_stated_noise_is_the_noise_there_is():
    """More noise on an observed spectrum lowers its inverse variance by as much as was added."""
    source = SOURCES["observed"]
    added, stated = [], []
    for view in draw_views(source, 200, 3000, 3000):
        pixel = np.searchsorted(source.ln_wavelength, view.ln_wavelength)
        at = np.searchsorted(view.target_ln_wavelength, view.ln_wavelength)
        good = (view.ivar > 0) & (at < len(view.target_flux))
        scale = np.median(source.flux[pixel][good] / view.target_flux[at[good]])
        extra = 1 / view.ivar[good] - 1 / (25 * scale**2)
        if np.median(extra) > 1e-6:
            added.append(np.mean((view.flux[good] - view.target_flux[at[good]]) ** 2))
            stated.append(np.mean(extra))
    assert len(added) > 40
    assert np.median(np.array(added) / np.array(stated)) == pytest.approx(1, abs=0.1)


def test_template_noise_follows_its_inverse_variance():
    """Where input and target are the same pixels, the deviation is of order sigma, target far more precise."""
    deviation = []
    for view in draw_views(SOURCES["template"], 200, 1000, 1000):
        if np.array_equal(view.ln_wavelength, view.target_ln_wavelength):
            good = (view.ivar > 0) & (view.target_ivar > 0)
            deviation.append(np.median(np.abs(view.flux - view.target_flux)[good] * np.sqrt(view.ivar[good])))
    assert len(deviation) > 50
    assert np.median(deviation) == pytest.approx(0.6745, abs=0.1)


def test_stretches_are_hidden_from_the_input_alone():
    """Runs of zero ``ivar`` whose flux the target still knows."""
    longest = []
    for view in draw_views(SOURCES["template"], 100, 1000, 1000):
        if np.array_equal(view.ln_wavelength, view.target_ln_wavelength):
            hidden = (view.ivar == 0) & (view.target_ivar > 0)
            edges = np.flatnonzero(np.diff(np.r_[0, hidden, 0]))
            longest.append(max(np.diff(edges)[::2], default=0))
    assert np.mean(np.array(longest) > 8) > 0.3
    assert max(longest) > 64


def test_targets_ask_for_other_pixels_and_resolutions():
    """Templates are asked for on other grids too; resolutions are told in some draws, on either side."""
    views = draw_views(SOURCES["template"], 200)
    assert 0.1 < np.mean([np.isin(v.target_ln_wavelength, v.ln_wavelength).all() for v in views]) < 0.9
    assert np.mean([np.isfinite(v.target_resolution) for v in views]) > 0.1
    assert np.mean([np.isfinite(v.resolution) for v in views]) > 0.2
    assert np.mean([np.isnan(v.resolution) for v in views]) > 0.2
    for view in views:
        if np.isfinite(view.resolution) and np.isfinite(view.target_resolution):
            assert view.target_resolution <= view.resolution * (1 + 1e-9)


def test_targets_reach_beyond_the_data():
    """The decoder must learn to answer a little outside of what was shown."""
    views = draw_views(SOURCES["template"], 200, 1000, 3000)
    start = np.array([v.ln_wavelength[0] - v.target_ln_wavelength[0] for v in views])
    stop = np.array([v.target_ln_wavelength[-1] - v.ln_wavelength[-1] for v in views])
    assert np.mean(np.maximum(start, stop) > 0.03) > 0.05


def test_resampled_templates_keep_their_shape():
    """A template resampled without noise would be itself: compare targets with the smooth continuum."""
    x = np.log(np.linspace(3600, 9000, 6000))
    slope = Source(x, np.exp(2 * (x - x[0])).astype(np.float32), None, "observed", "slope")
    for view in draw_views(slope, 40):
        good = view.target_ivar > 0
        # power laws stay power laws; a wrong calibration bends them by some ten per cent
        residual = np.log(view.target_flux[good]) - 2 * view.target_ln_wavelength[good]
        assert np.std(residual) < 0.6


@pytest.mark.parametrize(("kind", "low", "high"), [("observed", 0, 0), ("star", -0.004, 0.004), ("galaxy", 1e-4, 2.0)])
def test_shifts(kind, low, high):
    """None for observed spectra, velocities for stars, redshifts up to six for galaxies."""
    rng = np.random.default_rng(0)
    shifts = [shift_source(make_source(kind), rng) for _ in range(300)]
    assert low <= min(shifts) <= max(shifts) <= high
    assert (len(set(shifts)) > 1) == (kind != "observed")


def test_instruments_do_not_reach_beyond_the_known_ones():
    """Resampled views end where no instrument goes, whatever the redshift."""
    source = make_source(x=np.log(np.geomspace(20000, 90000, 4000)))
    resampled = [
        v
        for v in draw_views(source, 100)
        if not np.allclose(np.diff(v.ln_wavelength), np.diff(source.ln_wavelength)[0])
    ]
    assert len(resampled) > 10
    assert max(v.ln_wavelength[-1] for v in resampled) <= LN_LONGEST


@pytest.mark.parametrize("spoil", ["short", "zero", "all bad"])
def test_hopeless_sources_give_none(spoil):
    """Fewer pixels than a patch, no flux at all, no good pixel."""
    source = make_source("observed", errors=True)
    if spoil == "short":
        source = make_source(x=X[:31])
    elif spoil == "zero":
        source = Source(X, np.zeros(len(X), np.float32), None, "star", "zero")
    else:
        source = Source(X, source.flux, np.zeros(len(X), np.float32), "observed", "bad")
    assert draw_views(source) == []
