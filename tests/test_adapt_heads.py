# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What heads of the weights say, as something that labels of one's own are learned from."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from _adapt import make_labelled
from astropy import units as u

from astro_spectok.adapt import (
    SpectrumClassifier,
    SpectrumRegressor,
    SpectrumSet,
    files,
    heads_say,
    ridge,
    transients_say,
)
from astro_spectok.adapt.bend import Said
from astro_spectok.adapt.features import BLOCKS, HEADS, read_set
from astro_spectok.adapt.heads_say import ask_heads, find_teaching, list_owners, list_spreads
from astro_spectok.adapt.ridge import fit_linear
from astro_spectok.adapt.transients_say import ask_transients
from astro_spectok.adapt.wrong_labels import find_wrong
from astro_spectok.engine import Runner
from astro_spectok.example import read_example
from astro_spectok.exceptions import WeightsError
from astro_spectok.heads import Head, HeadConfig, build_model, register_head, registry
from astro_spectok.network import get_config
from astro_spectok.spectra import to_batch
from astro_spectok.weights import write_network


@dataclass(frozen=True)
class ProductConfig(HeadConfig):
    size: float = 1.0


class ProductHead(Head):
    """Depth of one line, with the sign of another: no linear map of fluxes gives that."""

    kind = "product"
    config_class = ProductConfig
    needs = ("patches",)
    numbers_size = 1

    def forward(self, inputs):
        flux = inputs.patches.channels[..., 0]
        sign = torch.sign(flux[:, 7].mean(1) - flux[:, 5].mean(1))
        return self.config.size * sign * (flux[:, 3].min(1).values - flux[:, 1].mean(1) + 0.5)

    def interpret(self, output):
        return {"product": output}

    def give_numbers(self, found):
        return np.array([found["product"]])

    def give_errors(self, found):
        return np.array([0.3 if found["product"] > 0 else 0.01])

    @property
    def numbers_spread(self):
        return np.ones(1)


@dataclass(frozen=True)
class DopplerConfig(HeadConfig):
    pass


class DopplerHead(Head):
    """Gives back the shift that it was given, and fails on large ones."""

    kind = "doppler"
    config_class = DopplerConfig
    needs = ("patches",)
    given = ("ln_doppler",)
    concerns = "STAR"
    numbers_size = 1

    def forward(self, inputs):
        if (inputs.given["ln_doppler"] > 1).any():
            msg = "too far"
            raise ValueError(msg)
        return inputs.given["ln_doppler"]

    def interpret(self, output):
        return {"shift": output}

    def give_numbers(self, found):
        return np.array([found["shift"]])

    def give_errors(self, found):
        return np.array([0.5])


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Weights of a tiny network, always the same, with some heads of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_KINDS", dict(registry._KINDS))
        register_head(ProductHead)
        register_head(DopplerHead)

        def write(**heads):
            path = tmp_path_factory.mktemp("heads") / "taught.safetensors"
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(3)
                network = build_model(get_config("tiny"), heads)
            return write_network(path, network, metadata={"training": {"wavelength_range": [2000.0, 30000.0]}})

        yield write


@pytest.fixture(scope="module")
def taught(write):
    """Weights with the product of lines, spectra, what it is, and a model of it."""
    weights = write(product=ProductConfig())
    spectra, labels = make_labelled(60)
    y = (labels["depth"] - 0.5) * np.where(labels["kind"] == "emission", 1, -1)
    spectra = SpectrumSet(spectra)
    return weights, spectra, y, SpectrumRegressor(weights, "cpu").fit(spectra[:30], y[:30])


class TestLearning:
    def test_what_a_head_knows_is_learned(self, taught):
        """With few labels, and not without the head."""
        weights, spectra, y, model = taught
        assert np.corrcoef(model.predict(spectra[30:]), y[30:])[0, 1] > 0.97
        without = SpectrumRegressor(weights, "cpu", blocks=BLOCKS).fit(spectra[:30], y[:30])
        assert HEADS not in without.reading_.components
        assert np.corrcoef(without.predict(spectra[30:]), y[30:])[0, 1] < 0.7
        alone = SpectrumRegressor(weights, "cpu", blocks="heads").fit(spectra[:30], y[:30])
        assert alone.reading_.maps[0].shares[:-1] == (0,) * len(BLOCKS)
        assert alone.validation_["label"]["r2"] > 0.95

    def test_classes(self, taught):
        weights, spectra, y, _ = taught
        model = SpectrumClassifier(weights, "cpu").fit(spectra[:30], np.where(y[:30] > 0, "up", "down"))
        assert (model.predict(spectra[30:]) == np.where(y[30:] > 0, "up", "down")).mean() > 0.85

    def test_weights_without_heads(self, tiny_weights, taught):
        """Nothing is asked, and to want it is refused in words."""
        _, spectra, y, _ = taught
        model = SpectrumRegressor(tiny_weights, "cpu").fit(spectra[:30], y[:30])
        assert tuple(model.reading_.components) == BLOCKS
        with pytest.raises(ValueError, match=r"blocks must be out of tokens, .*flux; got heads"):
            SpectrumRegressor(tiny_weights, "cpu", blocks="heads").fit(spectra[:30], y[:30])


class TestFiles:
    def test_same_numbers_and_same_heads(self, taught, write, tmp_path):
        """Weights whose head has changed are refused, though their tokens are the same."""
        weights, spectra, _, model = taught
        path = model.save(tmp_path / "mine.safetensors")
        back = SpectrumRegressor.load(path, weights=weights, device="cpu")
        np.testing.assert_allclose(back.predict(spectra[30:]), model.predict(spectra[30:]), atol=1e-5)
        other = write(product=ProductConfig(size=2.0))
        with pytest.raises(WeightsError, match=r"must have the heads that the estimator in .* has learned from"):
            SpectrumRegressor.load(path, weights=other, device="cpu")
        back.weights = other
        with pytest.raises(WeightsError, match="the heads that this SpectrumRegressor has learned from"):
            back.predict(spectra[30:])

    def test_bent_lines(self, taught, tmp_path):
        """What is added by stated errors is in the file, and what cannot be is refused."""
        weights, spectra, y, _ = taught
        model = SpectrumRegressor(weights, "cpu", blocks="heads").fit(spectra[:40], np.where(y > 0, y + 0.2, y)[:40])
        assert model.reading_.maps[0].bend is not None
        path = model.save(tmp_path / "bent.safetensors")
        back = SpectrumRegressor.load(path, weights=weights, device="cpu")
        np.testing.assert_allclose(back.predict(spectra[40:]), model.predict(spectra[40:]), atol=1e-5)
        error = model.predict(spectra[40:]) - np.where(y > 0, y + 0.2, y)[40:]
        assert np.sqrt(np.mean(error**2)) < 0.08
        values, arrays = model.reading_.to_arrays()
        for change, message in (
            ({"number": 9}, "maps.0: number and members must be from 0 to 0"),
            ({"members": []}, "maps.0: number and members"),
            ({"usual": -1.0}, "maps.0: usual must be at least 0"),
            ({"members": [0, 0]}, "maps.0: number and members"),
        ):
            with pytest.raises(ValueError, match=message):
                files._check_bend(values["maps"][0] | change, 0, arrays, 1)
        with pytest.raises(ValueError, match=r"maps.0.bend.slopes must be \(3, 1\)"):
            files._check_bend(values["maps"][0], 0, arrays | {"maps.0.bend.slopes": np.zeros((2, 1))}, 1)

    def test_files_from_before(self, taught, write, tmp_path, monkeypatch):
        """A file that knows nothing of heads loads, whatever heads the weights have."""
        weights, spectra, y, _ = taught
        model = SpectrumRegressor(weights, "cpu", blocks=BLOCKS).fit(spectra[:30], y[:30])
        encode = files.encode_texts

        def encode_as_before(texts):
            del texts[files.MODEL_KEY]["backbone"]["heads_sha256"]
            return encode(texts)

        monkeypatch.setattr(files, "encode_texts", encode_as_before)
        path = model.save(tmp_path / "before.safetensors")
        back = SpectrumRegressor.load(path, weights=write(product=ProductConfig(size=2.0)), device="cpu")
        np.testing.assert_allclose(back.predict(spectra[30:]), model.predict(spectra[30:]), atol=1e-5)


class TestSaid:
    """Regressions that begin with a number that is said."""

    @pytest.fixture
    def made(self):
        """Scores of two blocks that say little, and three numbers of which the second is the label on another scale."""
        rng = np.random.default_rng(3)
        said, more = rng.normal(size=(60, 3)), rng.normal(size=(60, 1))
        label = 3 + 2 * said[:, 1:2] + 0.2 * more
        scores = [0.1 * np.concatenate([more, rng.normal(size=(60, 20))], axis=1), 0.1 * rng.normal(size=(60, 20))]
        return scores, said, label

    @pytest.mark.parametrize("groups", [None, np.arange(20) // 2])
    def test_another_scale(self, made, groups):
        """The line is found, and what it leaves is learned besides; some of which nothing is said do not tilt it."""
        scores, said, label = made
        few, said = [z[:20] for z in scores], said.copy()
        said[:2] = 0
        fit = fit_linear(few, label[:20], [(1, 0), (1, 1)], groups=groups, said=Said(said[:20]))
        without = fit_linear(few, label[:20], [(1, 0), (1, 1)], groups=groups)
        rest = [z[20:] for z in scores]
        found = fit.predict(rest, Said(said[20:])), without.predict(rest)
        errors = [np.sqrt(np.mean((x - label[20:]) ** 2)) for x in found]
        assert errors[0] < 0.5
        assert errors[1] > 2
        assert fit.weights.shape == (44, 1)
        assert np.flatnonzero(fit.weights[41:]).tolist() == [1]

    def test_same_label(self):
        """A slope that is expected holds beyond the labels that there are, and is not forced on another label."""
        rng = np.random.default_rng(4)
        true = rng.normal(size=(240, 1)) * np.where(np.arange(240) < 200, 0.3, 3.0)[:, None]
        scores, few = [0.1 * rng.normal(size=(240, 20))], np.arange(15)
        said = np.concatenate([rng.normal(size=(240, 1)), true + 0.15 * rng.normal(size=(240, 1))], axis=1)
        errors = {}
        for name, slopes in (("free", None), ("expected", np.array([np.nan, 1.0])), ("other", np.array([1.0, np.nan]))):
            fit = fit_linear([scores[0][few]], true[few], [(1,)], said=Said(said[few], slopes))
            errors[name] = float(np.sqrt(np.mean((fit.predict([scores[0][200:]], Said(said[200:])) - true[200:]) ** 2)))
        assert errors["expected"] < 0.8 < 1 < errors["free"]
        assert errors["other"] == pytest.approx(errors["free"])

    def test_nothing_is_said(self, made):
        """Of another quantity the regressions are what they were."""
        scores, said, _ = made
        label = scores[0][:, :1] + scores[1][:, :1]
        fit, without = fit_linear(scores, label, [(1, 1)], said=Said(said)), fit_linear(scores, label, [(1, 1)])
        np.testing.assert_allclose(fit.predict(scores, Said(said)), without.predict(scores), rtol=1e-9)
        assert not fit.weights[41:].any()


class TestAsking:
    def test_where_a_head_applies(self, write, monkeypatch):
        """At a known shift, else at that of its class; nothing where the class is improbable, or it fails."""
        monkeypatch.setattr(heads_say, "_list_classes", lambda network: ["STAR", "GALAXY"])
        runner = Runner(write(doppler=DopplerConfig()), "cpu")
        batch = to_batch(make_labelled(5)[0], medium="vacuum")
        solutions = [
            (("STAR", 0.001, 0.6), ("STAR", 0.002, 0.2), ("GALAXY", 0.5, 0.2)),
            (("GALAXY", 0.5, 0.998), ("STAR", 0.001, 0.002)),
            (("GALAXY", 0.5, 0.6), ("STAR", 0.001, 0.4)),
            (("STAR", 1.5, 1.0),),
            (),
        ]
        said, stated = ask_heads(batch, solutions, runner, np.array([np.nan, np.nan, 0.25, np.nan, np.nan]))
        np.testing.assert_allclose(said[:, 0], [0.8, 0.002, 0.4, 1, 0], atol=1e-6)
        np.testing.assert_allclose(said[:, 2], [0.001, 0.5, 0.5, 1.5, np.nan], atol=1e-6)
        np.testing.assert_allclose(said[:, 3], [0.001, np.nan, 0.25, np.nan, np.nan], atol=1e-6)
        # an error where the head states one, and none of classes and redshifts
        np.testing.assert_allclose(stated[:, 3], [0.5, np.nan, 0.5, np.nan, np.nan])
        assert np.isnan(stated[:, :3]).all()
        assert list_owners(runner.network).tolist() == [-1, -1, -1, 0]

    def test_far_objects_are_no_stars(self, write, monkeypatch):
        """Whatever a galaxy that was moved to rest looks like, and also where nothing is known of it."""
        monkeypatch.setattr(heads_say, "_list_classes", lambda network: ["STAR", "GALAXY"])
        runner = Runner(write(doppler=DopplerConfig()), "cpu")
        batch = to_batch(make_labelled(4)[0], medium="vacuum")
        solutions = [(("STAR", 0.0, 0.999), ("GALAXY", 0.001, 0.001)), (("STAR", 0.0, 1.0),), (), (("STAR", 0.0, 1.0),)]
        redshift = np.array([0.2, 0.2, 0.2, 0.0001])
        said, _ = ask_heads(batch, solutions, runner, np.zeros(4), redshift)
        np.testing.assert_allclose(said[:, :2], [[0, 1], [0, 0], [0, 0], [1, 0]], atol=1e-6)
        np.testing.assert_array_equal(np.isfinite(said[:, 3]), [False, False, False, True])

    def test_galaxies_at_rest_may_be_stars(self, write, monkeypatch):
        """Tokens take many a star for a galaxy at rest: a head for stars is asked, at that shift, unless it is far."""
        monkeypatch.setattr(heads_say, "_list_classes", lambda network: ["STAR", "GALAXY"])
        runner = Runner(write(doppler=DopplerConfig()), "cpu")
        batch = to_batch(make_labelled(4)[0], medium="vacuum")
        at_rest = (("GALAXY", 0.001, 0.7), ("GALAXY", 0.3, 0.3))
        solutions = [at_rest, (("GALAXY", 0.3, 0.999), ("GALAXY", 0.001, 0.001)), at_rest, (("GALAXY", 0.006, 1.0),)]
        redshift = np.array([np.nan, np.nan, 0.3, np.nan])
        said, _ = ask_heads(batch, solutions, runner, np.full(4, np.nan), redshift)
        np.testing.assert_allclose(said[:, 3], [0.001, np.nan, np.nan, np.nan], atol=1e-6)

    def test_sets_remember(self, taught):
        """Heads are asked about a spectrum once, and after tokens that were read without them."""
        weights, spectra, _, _ = taught
        runner, some = Runner(weights, "cpu"), SpectrumSet(spectra.batch)[:6]
        _, before, _, _ = read_set(some, runner, "observed")
        assert before[0].said is None
        _, after, _, _ = read_set(some, runner, "observed", heads=True)
        assert all(one.said.shape == (1,) and np.isfinite(one.said).all() for one in after)
        assert after[0].learned is before[0].learned
        assert read_set(some[2:4], runner, "observed", heads=True)[1][0] is after[2]

    def test_packaged(self, packaged_weights):
        """Types, labels of stars and of galaxies, each where it applies, beside classes and redshift."""
        runner = Runner(None, "cpu")
        assert {"spectral_type", "stellar", "galaxy", "transient"} <= set(find_teaching(runner.network))
        _, (one,), _, _ = read_set(SpectrumSet(read_example()), runner, "observed", heads=True)
        sizes = [runner.network.heads[name].numbers_size for name in find_teaching(runner.network)]
        assert one.said.shape == (4 + sum(sizes),)
        assert one.said[:3].sum() == pytest.approx(1, abs=1e-5)
        assert np.nanmax(np.abs(one.said)) <= 5
        spreads = list_spreads(runner.network)
        assert spreads.shape == one.said.shape
        assert sorted(spreads[np.isfinite(spreads)])[:3] == pytest.approx([0.1, 0.2, 0.28], abs=0.03)
        # labels have errors, where the head was asked
        assert (np.isfinite(one.errors) <= np.isfinite(one.said)).all()
        assert 3 <= np.isfinite(one.errors).sum() <= np.isfinite(spreads).sum() - 1


@pytest.fixture(scope="module")
def seen_transients(packaged_weights):
    """A supernova of each of three types at z = 0.05, and a spectrum without features; number of each template."""
    runner = Runner(None, "cpu")
    library = runner.network.heads["transient"].get_library()
    config, rng = library.config, np.random.default_rng(2)
    wavelength = config.low * np.exp(config.step * (np.arange(config.bins) + 0.5))
    rows = library.rows[: library.templates.shape[1]]
    seen, spectra, chosen = (wavelength > 3600) & (wavelength < 8500), [], []
    for name in ("Ia", "II", "Ic"):
        own = np.flatnonzero((library.kind == config.types.index(name)) & (np.abs(library.phase) < 20))
        chosen.append(own[np.argmax(np.abs(library.templates[own] @ rows).sum(1))])  # that with the deepest features
    contrasts = [library.templates[k] @ rows for k in chosen] + [np.zeros(config.bins)]
    for contrast in contrasts:
        flux = ((1 + contrast) * (wavelength / 5000) ** -1)[seen] * u.Jy
        flux = flux * (1 + 0.02 * rng.normal(size=seen.sum()))
        spectra.append((1.05 * wavelength[seen] * u.AA, flux, np.full(seen.sum(), 0.02) * np.median(flux)))
    return runner, to_batch(spectra, medium="vacuum"), chosen


class TestTransients:
    """What the packaged head for transients says, of its own templates as another instrument would see them."""

    @pytest.mark.parametrize("known", [np.nan, np.log(1.05)])
    def test_type_phase_and_redshift(self, seen_transients, known):
        runner, batch, chosen = seen_transients
        head = runner.network.heads["transient"]
        library, unsure = head.get_library(), [(("QSO", 0.4, 0.3), ("STAR", 0.0, 0.2))] * 4
        numbers, errors, certain = ask_transients(batch, unsure, head, np.full(4, known))
        assert certain.tolist() == [True, True, True, False]
        assert np.isnan(numbers[3]).all()
        assert numbers[:3, :-2].sum(1) == pytest.approx(1, abs=1e-6)
        np.testing.assert_array_equal(numbers[:3, :-2].argmax(1), library.kind[chosen])
        days = head.numbers_spread[-2]
        assert (np.abs(days * numbers[:3, -2] - library.phase[chosen]) < 3 * days * errors[:3, -2] + 1).all()
        np.testing.assert_allclose(numbers[:3, -1], np.log(1.05), atol=0.01)

    def test_not_asked(self, seen_transients):
        """Where tokens are sure, of a star in particular, or the object is farther than any of the library."""
        runner, batch, _ = seen_transients
        sure = [(("GALAXY", 0.05, 0.97),), (("STAR", 0.0, 0.45), ("STAR", 0.001, 0.45)), ()]
        shift = np.array([np.nan, np.nan, np.log(3.0)])
        numbers, _, certain = ask_transients(batch.take(np.arange(3)), sure, runner.network.heads["transient"], shift)
        assert np.isnan(numbers).all()
        assert not certain.any()

    def test_nothing_else(self, seen_transients):
        """What is certainly a transient is no star and no galaxy to the other heads."""
        runner, batch, _ = seen_transients
        solutions = [(("GALAXY", 0.4, 0.3), ("STAR", 0.0, 0.2))] * 4
        said, errors = ask_heads(batch, solutions, runner, np.full(4, np.nan))
        owners, names = list_owners(runner.network), find_teaching(runner.network)
        own = owners == names.index("transient")
        np.testing.assert_array_equal(np.isfinite(said[:, own]).all(1), [True, True, True, False])
        assert np.isnan(said[:3, (owners >= 0) & ~own]).all()
        assert np.isfinite(said[3, owners == names.index("stellar")]).any()
        assert np.isfinite(errors[:3, own]).sum(1).tolist() == [2, 2, 2]
        spreads = list_spreads(runner.network)[own]
        assert spreads[-2:].tolist() == [20.0, 1.0]

    def test_phases_of_types(self):
        """The mean over types, as wide as they disagree; types without a phase do not count, and none is no failure."""
        phase, error = transients_say._average_phases([(0.5, 10.0, 3.0), (0.5, 18.0, 3.0)])
        np.testing.assert_allclose([phase, error], [14.0, 5.0])
        assert np.isnan(transients_say._average_phases([])).all()
        assert np.isnan(transients_say._average_phases([(0.0, 10.0, 3.0)])).all()


class TestWrongLabels:
    """Labels that a head and the regressions contradict."""

    @pytest.fixture
    def made(self):
        """A label that a number says to 0.02 of its spread, and that fluxes give to 0.2; one of 30 labels is off."""
        rng = np.random.default_rng(8)
        true = rng.normal(size=(230, 1))
        values = np.stack([true[:, 0] + 0.02 * rng.normal(size=230), rng.normal(size=230)], axis=1)
        said = Said(values, np.array([1.0, np.nan]), np.full((230, 2), 0.02), np.zeros(2, int))
        scores = [np.concatenate([true + 0.2 * rng.normal(size=(230, 1)), rng.normal(size=(230, 3))], axis=1)]
        labels = true[:30].copy()
        labels[4] += 6
        return scores, said, labels, true

    def test_hardly_counts(self, made):
        scores, said, labels, true = made
        few, rest = [scores[0][:30]], [scores[0][30:]]
        error = {}
        for name, y in (("wrong", labels), ("right", true[:30])):
            fit = fit_linear(few, y, [(1,)], said=said.take(np.arange(30)))
            error[name] = np.sqrt(np.mean((fit.predict(rest, said.take(np.arange(30, 230))) - true[30:]) ** 2))
        assert error["right"] < 0.03
        assert error["wrong"] < 1.2 * error["right"]

    def test_found(self, made):
        """That one alone; none where its error is stated, where the number is another quantity, or says half of it."""
        _, said, labels, _ = made
        some = said.take(np.arange(30))
        wrong, line = find_wrong(some, labels[:, 0], np.ones(30))
        assert np.flatnonzero(wrong).tolist() == [4]
        assert line[4] == pytest.approx(labels[4, 0] - 6, abs=0.2)
        unsure = replace(some, errors=some.errors.copy())
        unsure.errors[4] = 2.0
        assert not find_wrong(unsure, labels[:, 0], np.ones(30))[0].any()
        for slopes in (None, np.full(2, np.nan), np.array([10.0, np.nan])):
            assert not find_wrong(replace(some, slopes=slopes), labels[:, 0], np.ones(30))[0].any()
        silent = replace(some, values=some.values.copy())
        silent.values[10:20] = 0
        assert not find_wrong(silent, labels[:, 0], np.ones(30))[0].any()

    def test_regressions_may_side_with_the_label(self, made):
        """Then the head is wrong, and the label is learned from."""
        scores, said, labels, _ = made
        x = scores[0].copy()
        x[4, 0] += 6  # its flux is that of its label
        few = said.take(np.arange(30))
        weights = ridge._doubt_labels([x[:30]], labels, [(1,)], np.ones(30), None, np.zeros((2, 1)), few)
        assert weights.tolist() == [1.0] * 30
        weights = ridge._doubt_labels([scores[0][:30]], labels, [(1,)], np.ones(30), None, np.zeros((2, 1)), few)
        assert np.flatnonzero(weights < 0.01).tolist() == [4]


class TestBend:
    """Lines that follow what a head is sure of, and are bent where it is not."""

    @pytest.fixture
    def made(self):
        """Numbers of one head, of which the second is a label, wrong by a part of its error along the first."""
        rng = np.random.default_rng(6)
        errors = np.where(rng.uniform(size=300) < 0.3, 0.6, 0.05)[:, None]
        true, along = rng.normal(size=(2, 300, 1))
        number = true - errors * (0.6 * along + 0.4) + 0.3 * errors * rng.normal(size=(300, 1))
        values = np.concatenate([along, number, rng.normal(size=(300, 1))], axis=1)
        stated = np.concatenate([np.full((300, 1), 0.1), errors, np.full((300, 1), np.nan)], axis=1)
        said = Said(values, np.array([np.nan, 1.0, np.nan]), stated, np.array([0, 0, -1]))
        return [0.1 * rng.normal(size=(300, 5))], said, true

    @pytest.mark.parametrize("groups", [None, np.arange(60) // 2])
    def test_corrected_where_it_is_unsure(self, made, groups):
        scores, said, true = made
        few, more = np.arange(60), np.arange(60, 300)
        fits, spreads = {}, {}
        for name, one in (("bent", said), ("line", replace(said, errors=None))):
            fit = fit_linear([scores[0][few]], true[few], [(1,)], groups=groups, said=one.take(few))
            spreads[name] = fit.spread([scores[0][more]], one.take(more))
            fits[name] = (fit.predict([scores[0][more]], one.take(more)) - true[more])[:, 0]
        sure = said.errors[more, 1] < 0.1
        rms = {name: np.sqrt(np.mean(x[~sure] ** 2)) for name, x in fits.items()}
        assert rms["bent"] < 0.6 * rms["line"]
        assert np.sqrt(np.mean(fits["bent"][sure] ** 2)) < 0.08
        # and so are errors: those of the two kinds differ, and their product is as of an even one
        even, wide = ([x[kind].mean() for kind in (sure, ~sure)] for x in (spreads["line"], spreads["bent"]))
        assert even[1] < 1.2 * even[0]
        assert wide[1] > 3 * wide[0]
        assert wide[0] < 1 < wide[1]

    def test_no_farther_than_what_was_learned_from(self, made):
        """Errors above a spread, and labels beyond the others, count no more than the largest."""
        scores, said, true = made
        fit = fit_linear(scores, true, [(1,)], said=said)
        far = replace(said, values=said.values[:1].copy(), errors=said.errors[:1].copy())
        far.values[0, 0], far.errors[0, 1] = 50, 30
        near = replace(far, values=far.values.copy(), errors=np.array([[0.1, 1.0, np.nan]]))
        near.values[0, 0] = said.values[:, 0].max()
        np.testing.assert_allclose(fit.bend.predict(far), fit.bend.predict(near))

    def test_no_errors(self, made):
        """A head that states none of some spectra is followed by a straight line."""
        scores, said, true = made
        errors = said.errors.copy()
        errors[3, 1] = np.nan
        assert fit_linear(scores, true, [(1,)], said=replace(said, errors=errors)).bend is None
