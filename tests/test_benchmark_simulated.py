# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The simulated half of the benchmark: matched instruments, pairs of views, truth beside answers, and its figures."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from _runners import KnownRunner

from astro_spectok.simulate import Survey
from astro_spectok.simulate.instruments import HELD_OUT, NAMED, choose_instrument, random_instrument

STEP = 2e-4


@pytest.fixture(scope="module")
def simulated(load):
    return load("_simulated")


@pytest.fixture(scope="module")
def survey():
    """A survey of analytic templates."""
    return Survey(families=("galaxies", "quasars", "stars"))


class TruthRunner(KnownRunner):
    """Answers with the truth, but for the objects that are ``wrong``; its vectors are a function of the object."""

    classes = ("GALAXY", "QSO", "STAR")

    def __init__(self, groups, wrong=()):
        cls = [k for g in groups for k in g.objects.cls.tolist()]
        z = [x for g in groups for x in g.objects.z.tolist()]
        self.truth, self.wrong, self.seen = list(zip(cls, z, strict=True)), set(wrong), 0
        start = np.log1p(-0.003)
        self.redshifts = {name: np.expm1(start + STEP * np.arange(10500)) for name in self.classes}

    def measure(self, batch, heads, *, embedding, progress=None):
        """One answer for each spectrum; the second call begins with the first object again."""
        for i in range(len(batch)):
            number = self.seen % len(self.truth)
            self.seen += 1
            cls, z = self.truth[number]
            z = 5.0 - z if number in self.wrong else z
            scores = {name: np.full(10500, -30.0, np.float32) for name in self.classes}
            scores[self.classes[max(cls, 0)]][np.abs(self.redshifts["QSO"] - z).argmin()] = 0.0
            vector = np.random.default_rng(number).normal(size=8).astype(np.float32)
            yield i, self.answer(scores, vector)


def test_views_have_their_own_instruments(survey):
    """Each view is seen through what it was given: names, or a function; the level is the one asked for."""
    asked = []

    def choose(rng, low, high, max_pixels):
        asked.append(max_pixels)
        return choose_instrument(rng, low, high, max_pixels, ["muse"])

    views = [["sdss"], ["boss", "desi"], choose]
    groups = survey.draw(10, 3, views=3, max_pixels=(4000, 3000, 500), instruments=views, snr=(7, 7))
    assert sum(len(group.objects) for group in groups) == 10
    for group in groups:
        names = [{one.name for one in view} for view in group.instruments]
        assert names[0] == {"sdss"}
        assert names[1] <= {"boss", "desi"}
        assert names[2] == {"muse"}
        for level in group.snr:
            torch.testing.assert_close(level, torch.full_like(level, 7.0))
    assert set(asked) == {500}


@pytest.mark.parametrize(("argument", "value"), [("instruments", [["sdss"]]), ("max_pixels", (100, 200, 300))])
def test_views_are_counted(survey, argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be one for each of the 2 views"):
        survey.draw(4, 1, views=2, **{argument: value})


def test_a_view_that_sees_nothing_is_reported(survey):
    with pytest.raises(ValueError, match="instruments: one of the views sees none"):
        survey.draw(4, 1, views=2, instruments=[["sdss"], lambda *_, max_pixels: None])


@pytest.mark.parametrize("factor", [2, 3, 0.5, 1 / 3])
def test_resolution_is_scaled_within_the_same_range(load, factor):
    """Pixels and resolving power change by the factor, what is covered does not, and arms are not mixed."""
    instrument = NAMED["xshooter"](np.random.default_rng(0))
    made = load("_held_out").scale_resolution(instrument, factor)
    assert len(made) == pytest.approx(factor * len(instrument), abs=2 * 3)
    assert np.median(made.resolution) == pytest.approx(factor * np.median(instrument.resolution), rel=0.01)
    lost = (instrument.right - instrument.left).sum() - (made.right - made.left).sum()
    assert 0 <= lost + 1e-6 < 3 * 2.5 * (instrument.right - instrument.left).max()
    assert (made.right[:-1] <= made.left[1:] + 1e-6).all()
    assert (np.diff(made.arm) >= 0).all()
    assert set(made.arm.tolist()) == set(instrument.arm.tolist())


def test_pairs_are_matched(load, survey):
    """The twin of each held-out instrument is trained, sees the same object, and its pipeline leaves the same."""
    held_out = load("_held_out")
    rng = np.random.default_rng(5)
    compared = set()
    for pair in held_out.PAIRS:
        for low, high in ((2500.0, 12000.0), (3000.0, 30000.0)):
            choose, choose_twin = pair.make_choosers()
            held = choose(rng, low, high, max_pixels=8192)
            twin = choose_twin(rng, low, high, max_pixels=8192)
            if held is None or twin is None:
                continue
            assert {getattr(held, key) == getattr(twin, key) for key in held_out.FLAGS} == {True}
            compared.add(pair.name)
            trained = (twin.resolution >= 40 - 1e-3) & (twin.resolution <= 30000 + 1)
            assert trained.mean() > 0.9, pair.name
            assert twin.name not in HELD_OUT
            assert held.name in HELD_OUT or ((held.resolution < 40) | (held.resolution > 30000)).all()
    assert compared == {pair.name for pair in held_out.PAIRS}


def test_controls_are_trained(load):
    """They have no other instrument, and none of them is held out."""
    controls = load("_held_out").CONTROLS
    drawn = [pair.make_choosers() for pair in controls]
    assert {len(choosers) for choosers in drawn} == {1}
    names = {choose(np.random.default_rng(2), 2500.0, 12000.0, max_pixels=8192).name for (choose,) in drawn}
    assert not names & set(HELD_OUT)


@pytest.mark.parametrize("name", ["vimos", "galah", "weave_lrs", "sixdf", "random below", "random above"])
@pytest.mark.parametrize("seed", range(3))
def test_alike_instruments(load, name, seed):
    """The same arms and resolving power, the nearest that training draws, in pixels such as training draws."""
    rng = np.random.default_rng(seed)
    if name.startswith("random"):
        limits = (22.0, 38.0) if name.endswith("below") else (31500.0, 57000.0)
        made = None
        while made is None:
            made = random_instrument(rng, 4000.0, 10000.0, 8192, resolution=limits)
        made = replace(made, smoothed=2.0)
    else:
        made = choose_instrument(rng, 2500.0, 12000.0, 8192, [name])
    alike = load("_held_out").draw_alike(made, rng, 8192)
    assert len(np.unique(alike.arm)) == len(np.unique(made.arm))
    for number, arm in enumerate(np.unique(made.arm)):
        own, other = made.arm == arm, alike.arm == number
        pixel = max((x.right - x.left)[one].max() for x, one in ((made, own), (alike, other)))
        assert alike.left[other][0] == pytest.approx(made.left[own][0], abs=1e-6)
        assert alike.right[other][-1] == pytest.approx(made.right[own][-1], abs=pixel)
        wanted = np.clip(np.interp(alike.wavelength[other], made.wavelength[own], made.resolution[own]), 40, 30000)
        np.testing.assert_allclose(alike.resolution[other], wanted, rtol=0.05)
    per_fwhm = alike.wavelength / alike.resolution / (alike.right - alike.left)
    assert 1.2 < np.median(per_fwhm) < 4.8
    assert 64 <= len(alike) <= 8192
    assert alike.smoothed == pytest.approx(made.smoothed * len(alike) / len(made))
    assert (alike.calibrated, alike.has_errors, alike.ground) == (made.calibrated, made.has_errors, made.ground)


def test_alike_view_has_as_much_light(simulated, survey):
    """Per interval of wavelength the signal-to-noise ratio is that of the first view, however wide the pixels."""
    (group,) = Survey(families=("galaxies",)).draw(4, 3, instruments=[["vimos"]], snr=(20, 20))
    group = simulated.add_alike(group, [7], survey.sky)
    assert group.instruments[1] != group.instruments[0]
    levels = []
    for view, snr in zip(group.instruments, group.snr, strict=True):
        width = [np.median(np.log(one.right / one.left)) for one in view]
        levels.append(snr.numpy() / np.sqrt(width))
    np.testing.assert_allclose(levels[1], levels[0], rtol=0.15)
    assert np.std(group.snr[1].numpy()) > 0
    assert [len(one) for one in group.instruments[1]] == group.observations[1].present.sum(1).tolist()


def test_tolerance_of_blurred_spectra(simulated):
    """Within half a resolution element is right, and elsewhere what is right otherwise."""
    table = {"z": np.array([0.5, 0.52, 0.502, 0.51]), "z_true": np.full(4, 0.5), "wide": np.zeros(4, bool),
             "class_true": np.array(["GALAXY", "GALAXY", "GALAXY", "QSO"])}  # fmt: skip
    near = simulated.is_near(table, np.array([0.5 / 30, 0.5 / 30, 0.5 / 2000, 0.5 / 2000]))
    assert near.tolist() == [True, True, True, True]
    assert simulated.is_near(table, np.full(4, 0.5 / 60)).tolist() == [True, False, True, True]


def test_losses_are_differences(simulated, load):
    """The share lost is that of the second less that of the first, with the error of paired differences."""
    pair = load("_held_out").PAIRS[0]
    own, alike = np.array([1, 1, 0, 0], bool), np.array([1, 1, 1, 0], bool)
    row = simulated.describe_loss(pair, {"own": own, "alike": alike, "held": own, "twin": own})
    assert (row["right_own"], row["right_alike"], row["loss_alike"]) == (0.5, 0.75, 0.25)
    assert row["loss_alike_error"] == pytest.approx(np.std([0, 0, 1, 0]) / 2)
    assert (row["loss"], row["loss_error"], row["n"], row["trained"]) == (0.0, 0.0, 4, False)
    control = simulated.describe_loss(load("_held_out").CONTROLS[0], {"own": own, "alike": alike})
    assert (control["trained"], control["right"], control["loss_alike"]) == (True, None, 0.25)


def test_right_answers_are_scored_right(simulated, survey):
    """Truth stands beside its own answer: all right with those of the truth, less the wrong ones otherwise."""
    groups = survey.draw(16, 11, snr=(20, 20), max_pixels=1500)
    rows, nothing = simulated.score_kinds(TruthRunner(groups), groups)
    assert nothing == []
    assert (
        sum(row["n"] for row in rows if row["kind"] == "all" and row["snr_high"] == 100 and row["snr_low"] == 1) == 16
    )
    assert {(row["right"], row["class_right"]) for row in rows} == {(1.0, 1.0)}
    first = next(row for row in simulated.score_kinds(TruthRunner(groups, wrong=[0]), groups)[0])
    assert first["right"] == pytest.approx(1 - 1 / first["n"])


def test_nothing_to_find(simulated):
    groups = Survey(families=("sky",)).draw(4, 2, max_pixels=1500)
    rows, nothing = simulated.score_kinds(TruthRunner(groups), groups)
    assert rows == []
    assert nothing == [{"family": "sky", "n": 4, "confident": 1.0}]


def test_retrieval_by_class(simulated, survey):
    """Vectors of the object find it in each class; raw flux does with hardly any noise; classes add up to all."""
    groups = survey.draw(
        12, 4, views=3, instruments=[["sdss"], ["desi"], simulated.draw_r600], snr=(90, 90), max_pixels=8192
    )
    rows = simulated.score_retrieval(TruthRunner(groups), simulated.clean_groups(groups, [1]), "as stated")
    assert {row["recall"] for row in rows if row["method"] == "embedding"} == {1.0}
    assert next(r["recall"] for r in rows if r["method"] == "flux" and r["class"] == "all") > 0.5
    counted = [row["n"] for row in rows if row["method"] == "flux" and row["pair"] == "desi"]
    assert counted[0] == 12 == sum(counted[1:])
    resolution = [np.median(one.resolution) for group in groups for one in group.instruments[2]]
    assert 400 < min(resolution) < max(resolution) < 800


def test_fit_of_every_pixel(load):
    """An object is found if it fits best, whatever its brightness; bad pixels count for nothing."""
    rng = np.random.default_rng(0)
    first = 1 + rng.normal(0, 0.1, (20, 300))
    second = first * rng.uniform(1, 100, (20, 1)) + rng.normal(0, 1e-3, first.shape)
    ivar = np.ones(first.shape)
    fit = load("_ceiling").fit_pairs
    assert fit(first, second, ivar).all()
    assert fit(first, np.roll(second, 1, axis=0), ivar).sum() == 0
    second[:, 100:150] = rng.normal(size=(20, 50)) * 1e3
    assert fit(first, second, ivar).sum() < 5
    ivar[:, 100:150] = 0
    assert fit(first, second, ivar).all()


def test_found_by_fit(load, survey):
    """At a high S/N all are found, at a low one few."""
    find = load("_ceiling").find_by_fit
    shares = [np.mean(find(survey.draw(12, 4, instruments=[["sdss"]], snr=(snr, snr)), 0, [1])) for snr in (100, 0.3)]
    assert shares[0] > 0.9
    assert shares[1] < 0.7


def test_flux_is_averaged_by_its_errors(simulated):
    """The mean of two pixels in a bin follows their weights, and a bin without a good pixel is filled."""
    edges = np.arange(np.log(4000), np.log(4100), 1e-4)
    wavelength = np.exp(edges)
    flux, ivar = np.where(np.arange(len(edges)) % 2, 1.0, 3.0), np.where(np.arange(len(edges)) % 2, 3.0, 1.0)
    ivar[100:112] = 0
    rows, _ = simulated.rebin_flux([(wavelength, flux, ivar)], [(wavelength, flux, ivar)])
    assert np.isfinite(rows).all()
    assert np.median(rows) == pytest.approx(1.5, abs=0.15)


def test_chi2_of_known_models(simulated, monkeypatch, survey):
    """A model that is the truth has chi2 of one, one that is zero that of the signal; the unit does not matter."""
    groups = survey.draw(6, 8, instruments=[["desi"]], snr=(10, 10), max_pixels=2000)
    for group in groups:
        group.instruments[0] = [one.__class__(**(vars(one) | {"has_errors": True})) for one in group.instruments[0]]
    spectra, truth = [], []
    for group in simulated.clean_groups(groups, [3]):
        seen = group.observations[0]
        spectra += [(w, 1e9 * f, 1e-18 * i) for w, f, i in simulated.to_spectra(seen)]
        truth += [seen.truth[i][seen.present[i]].numpy() for i in range(len(seen))]

    class Model:
        def __init__(self, factor):
            self.factor = factor

        def encode(self, batch, *, progress):
            for i in range(len(batch)):
                yield i, SimpleNamespace(values=i, geometry=None, good=None, scale=1e9)

        def decode(self, values, geometry, good, ln_wavelength):
            return self.factor * truth[values], None

    assert np.mean(simulated.find_chi2(Model(1.0), spectra)) == pytest.approx(1, abs=0.05)
    assert np.median(simulated.find_chi2(Model(0.0), spectra)) > 20
