# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of random views of spectra."""

import numpy as np
import pytest

from astro_spectok.training.corpus import Source
from astro_spectok.training.views import (
    LN_LONGEST,
    Truth,
    View,
    draw_view,
    finish_view,
    hide_pixels,
    shift_source,
    trust_template,
)

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
    """Templates are asked for on other grids too; resolutions are given in some draws, on either side."""
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


@pytest.mark.parametrize("fault", ["short", "zero", "all bad"])
def test_hopeless_sources_give_none(fault):
    """Fewer pixels than a patch, no flux at all, no good pixel."""
    source = make_source("observed", errors=True)
    if fault == "short":
        source = make_source(x=X[:31])
    elif fault == "zero":
        source = Source(X, np.zeros(len(X), np.float32), None, "star", "zero")
    else:
        source = Source(X, source.flux, np.zeros(len(X), np.float32), "observed", "bad")
    assert draw_views(source) == []


def test_two_views_of_a_shift_are_at_one_redshift():
    """The shift is taken as given: what is seen twice has one redshift."""
    x = np.log(np.linspace(3600, 9000, 6000))
    source = Source(x, (1 + 9 * (np.abs(x - np.log(6000)) < 1e-3)).astype(np.float32), None, "galaxy", "one line")
    peaks = []
    for seed in range(40):
        view = draw_view(source, np.random.default_rng(seed), 1000, 3000, shift=0.1)
        brightest = np.argmax(view.target_flux)
        if view.target_flux[brightest] > 3 * np.median(view.target_flux):
            peaks.append(view.target_ln_wavelength[brightest])
    assert len(peaks) > 10
    np.testing.assert_allclose(peaks, np.log(6000) + 0.1, atol=2e-3)


@pytest.mark.parametrize("resolution", [1800.0, np.linspace(1500, 2500, len(X))])
def test_known_resolution_is_given_in_half_of_the_draws(resolution):
    """Of the pixels that are seen."""
    plain = SOURCES["observed"]
    source = Source(X, plain.flux, plain.ivar, plain.kind, plain.name, resolution=resolution)
    given = []
    for view in draw_views(source, 100):
        given.append(np.ndim(view.resolution) == 1)
        if given[-1]:
            expected = np.broadcast_to(resolution, X.shape)[np.searchsorted(X, view.ln_wavelength)]
            np.testing.assert_array_equal(view.resolution, expected)
        else:
            assert np.isnan(view.resolution)
    assert 0.3 < np.mean(given) < 0.7


def make_view(n=100, m=60, **changed):
    """A plain view of constant flux."""
    arrays = {
        "ln_wavelength": 8.3 + np.arange(n) * 1e-4, "flux": np.full(n, 4.0), "ivar": np.full(n, 0.25),
        "target_ln_wavelength": 8.3 + np.arange(m) * 1e-4, "target_flux": np.full(m, 4.0),
        "target_ivar": np.full(m, 1.0),
    }  # fmt: skip
    names = {"resolution": np.nan, "target_resolution": np.nan, "name": "made up"}
    return View(**(arrays | names | changed))


def test_finished_views_are_scaled_and_cut():
    """Input and target by one size; flux that cannot be held is bad; what is true of the object stays."""
    truth = Truth(1, 0.5)
    flux = np.full(100, 4.0)
    flux[[3, 5, 7]] = 1e30, -1e30, -np.inf
    view = finish_view(make_view(flux=flux, truth=truth), np.random.default_rng(0), 20)
    assert (view.ivar[[3, 5, 7]] == 0).all()
    assert (view.flux[[3, 5, 7]] == 0).all()
    good = view.ivar > 0
    assert np.count_nonzero(good) == 97
    np.testing.assert_allclose(view.flux[good], 1)
    np.testing.assert_allclose(view.ivar[good], 0.25 * 16)
    assert len(view.target_flux) == len(view.target_ivar) == len(view.target_ln_wavelength) == 20
    np.testing.assert_allclose(view.target_flux, 1)
    np.testing.assert_allclose(view.target_ivar, 16)
    assert view.truth is truth


@pytest.mark.parametrize(
    "changed",
    [
        {"ivar": np.r_[np.ones(31), np.zeros(69)]},
        {"target_ivar": np.r_[np.ones(15), np.zeros(45)]},
        {"flux": np.zeros(100)},
        {"flux": np.full(100, np.nan)},
    ],
    ids=["input", "target", "zero", "NaN"],
)
def test_hopeless_views_are_not_finished(changed):
    """Fewer good pixels than a patch, nothing wanted, no size."""
    assert finish_view(make_view(**changed), np.random.default_rng(0), 20) is None


@pytest.mark.parametrize("most", [0.1, 0.4])
def test_hidden_pixels(most):
    """Up to the share asked for and single bad ones; the array given stays, and bad pixels stay bad."""
    given = np.ones(2000)
    given[:10] = 0
    shares = []
    for seed in range(200):
        hidden = hide_pixels(given, np.random.default_rng(seed), most=most)
        assert not hidden[:10].any()
        assert set(np.unique(hidden)) <= {0.0, 1.0}
        shares.append(np.mean(hidden == 0))
    assert given.sum() == 1990
    assert min(shares) == 10 / 2000
    assert np.quantile(shares, 0.9) > 0.6 * most
    assert max(shares) < most + 0.1 + 251 / 2000


def test_templates_are_trusted_to_half_a_per_cent():
    """Never better than the noise given; not at all where they are unknown, and finitely where they are zero."""
    flux = np.array([1.0, 1.0, 100.0, np.nan, 1.0])
    ivar = trust_template(flux)
    assert ivar[3] == 0
    np.testing.assert_allclose(ivar[[0, 2]] ** -0.5, [0.005 * 1.2, 0.005 * 100.2])
    noisy = trust_template(flux, 0.3)
    np.testing.assert_allclose(noisy[[0, 2]] ** -0.5, [0.3 + 0.005 * 1.2, 0.3 + 0.005 * 100.2])
    np.testing.assert_allclose(trust_template(np.zeros(4), 0.5), 4)


def test_nothing_is_known_by_default():
    """No class, no label; but stored objects do have a redshift, and can be distinguished."""
    for view in draw_views(SOURCES["star"], 5):
        assert view.truth == Truth(cls=-1, ln_one_plus_z=0.0, measurable=True, labels={}, aligned=True)
