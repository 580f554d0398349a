# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The library of spectra at rest: what decoding infers of pixels that were not shown, and what it leaves alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from _paths import TEST, TRAIN, needs
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal

from astro_spectok import SpectralTokensList, tokenize
from astro_spectok.engine import Runner
from astro_spectok.heads import LibraryConfig, build_model
from astro_spectok.heads.library import make_edges
from astro_spectok.heads.redshift_solutions import find_solutions
from astro_spectok.network import get_config
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import to_batch
from astro_spectok.training.factory import build_weights
from astro_spectok.training.library import make_library
from astro_spectok.training.library_components import find_components
from astro_spectok.training.library_rows import lay_out
from astro_spectok.weights import load_weights, write_network

SEGMENTS = ((3900.0, 7300.0, 1e-3),)
WAVELENGTH = np.linspace(4000, 7000, 1280)
#: a gap with a line in it whose partner is shown
GAP = (WAVELENGTH > 5450) & (WAVELENGTH < 5600)
LINES = (4500.0, 5525.0, 6300.0)


def make_lines(depth, slope=0.0, wavelength=WAVELENGTH):
    """A spectrum whose three lines always have depths in the same ratio."""
    lines = sum(
        k * np.exp(-0.5 * ((wavelength - centre) / 12) ** 2) for k, centre in zip((1, 2, 1.5), LINES, strict=True)
    )
    return np.exp(slope * (wavelength - 5500) / 3000 - depth * lines)


def make_spectra(seed, n, *, snr=40.0):
    """Noisy ones, as arrays."""
    rng = np.random.default_rng(seed)
    truth = np.array([make_lines(rng.uniform(0.1, 0.5), rng.normal(0, 0.3)) for _ in range(n)])
    return truth, truth * (1 + rng.normal(0, 1 / snr, truth.shape)), truth / snr


def write_library(path, *, with_library=True, cls="STAR", sign=1):
    """Weights of a tiny random network, with a library of spectra with these lines; in emission if the sign is -1."""
    edges = make_edges(SEGMENTS)
    centre = np.exp((edges[1:] + edges[:-1]) / 2)
    rng = np.random.default_rng(1)
    rows = [np.log(make_lines(sign * rng.uniform(0, 0.6), rng.normal(0, 0.3), centre)) for _ in range(60)]
    mean, basis, variance = find_components(np.array(rows, np.float32), 3)
    config = LibraryConfig((("lines", cls, SEGMENTS, 3),))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build_model(
            replace(get_config("tiny"), dct_coefficients=16), {"library": config} if with_library else {}
        )
    if with_library:
        network.heads["library"].set_family("lines", mean, basis, variance)
    return write_network(path, network, metadata={"name": "lines", "training": {"wavelength_range": [2000.0, 30000.0]}})


@pytest.fixture(scope="module")
def library_weights(tmp_path_factory):
    return write_library(tmp_path_factory.mktemp("library") / "lines.safetensors")


@pytest.fixture(scope="module")
def plain_weights(tmp_path_factory):
    """The same network without it."""
    return write_library(tmp_path_factory.mktemp("library") / "plain.safetensors", with_library=False)


def tokenize_hidden(weights, flux, sigma, hidden=GAP):
    return tokenize(
        (WAVELENGTH * u.AA, np.where(hidden, np.nan, flux) * u.Jy, sigma * u.Jy), weights=weights, medium="vacuum",
        device="cpu",
    )  # fmt: skip


class TestDecode:
    def test_hidden_line_is_inferred(self, library_weights, plain_weights):
        """From its partners, better than a straight line by far, and within the errors."""
        pulls = []
        for truth, flux, sigma in zip(*make_spectra(5, 8), strict=True):
            model = tokenize_hidden(library_weights, flux, sigma).decode(WAVELENGTH * u.AA)
            off = (model.flux.value - truth)[GAP]
            line = np.interp(WAVELENGTH, WAVELENGTH[~GAP], truth[~GAP])
            assert np.sum(off**2) < 0.1 * np.sum((line - truth)[GAP] ** 2)
            pulls.append(off / model.uncertainty.array[GAP])
        assert 0.5 < np.mean(np.abs(pulls) < 1) < 0.98
        assert np.mean(np.abs(pulls) < 3) > 0.85

    def test_lines_that_the_filter_takes_away(self, library_weights):
        """Many noisy pixels that say the same count: a hidden line is inferred from partners that noise buries."""
        left = np.zeros(2)
        for truth, flux, sigma in zip(*make_spectra(15, 12, snr=6.0), strict=True):
            tokens = tokenize_hidden(library_weights, flux, sigma)
            for k, one in enumerate((tokens, replace(tokens, unfiltered=None))):
                left[k] += np.sum((one.decode(WAVELENGTH * u.AA).flux.value - truth)[GAP] ** 2)
        assert left[0] < 0.8 * left[1]

    def test_strength_of_hidden_emission_is_uncertain(self, tmp_path):
        """Even where the library knows no other: by half of what a line adds, and by less beside it and for stars."""
        truth = make_lines(-0.4)
        shares = []
        for cls in ("GALAXY", "STAR"):
            weights = write_library(tmp_path / f"{cls}.safetensors", cls=cls, sign=-1)
            model = tokenize_hidden(weights, truth, truth / 1000).decode(WAVELENGTH * u.AA)
            added, error = (model.flux.value - 1)[GAP], model.uncertainty.array[GAP]
            peak = np.argmax(added)
            assert_allclose(added[peak], truth[GAP].max() - 1, rtol=0.2)
            shares.append(error[peak] / added[peak])
            assert np.median(error) < 0.1 * added[peak]
        assert 0.3 < shares[0] < 0.6
        assert shares[1] < 0.2

    def test_shown_pixels_are_left_alone(self, library_weights, plain_weights):
        _, (flux, *_), (sigma, *_) = make_spectra(6, 1)
        with_it, without = (
            tokenize_hidden(weights, flux, sigma).decode(WAVELENGTH * u.AA)
            for weights in (library_weights, plain_weights)
        )
        assert_array_equal(with_it.flux[~GAP], without.flux[~GAP])
        assert_array_equal(with_it.uncertainty.array[~GAP], without.uncertainty.array[~GAP])
        assert not np.allclose(with_it.flux[GAP], without.flux[GAP])

    def test_nothing_else_matters(self, library_weights):
        """What else is asked for, its order and unit, and the unit of the flux."""
        _, (flux, *_), (sigma, *_) = make_spectra(7, 1)
        tokens = tokenize_hidden(library_weights, flux, sigma)
        whole = tokens.decode(WAVELENGTH * u.AA)
        part = tokens.decode(WAVELENGTH[GAP][4:-4] * u.AA)
        inside = np.flatnonzero(GAP)[4:-4]
        assert_allclose(part.flux.value[2:-2], whole.flux.value[inside][2:-2], rtol=2e-4)
        back = tokens.decode((WAVELENGTH * u.AA).to(u.THz, u.spectral())[::-1])
        assert_allclose(back.flux.value[::-1], whole.flux.value, rtol=1e-4, atol=1e-5)
        scaled = tokenize_hidden(library_weights, 1e-5 * flux, 1e-5 * sigma).decode(WAVELENGTH * u.AA)
        assert_allclose(scaled.flux.value, 1e-5 * whole.flux.value, rtol=1e-3)

    def test_far_beyond(self, library_weights):
        """Finite, with an error that grows."""
        _, (flux, *_), (sigma, *_) = make_spectra(8, 1)
        model = tokenize_hidden(library_weights, flux, sigma, WAVELENGTH > 5000).decode(
            np.geomspace(2000, 20000, 400) * u.AA
        )
        error = model.uncertainty.array / np.abs(model.flux.value)
        assert np.isfinite(model.flux).all()
        assert np.isfinite(error).all()
        wavelength = model.wavelength.value
        assert error[wavelength > 15000].min() > 1.5 * error[(wavelength > 5050) & (wavelength < 5300)].max()

    def test_unknown_object(self, library_weights):
        """One that the library knows nothing of: about as good as a straight line, and the error says so."""
        rng = np.random.default_rng(9)
        waves = sum(rng.normal(0, 0.1) * np.sin(WAVELENGTH / rng.uniform(12, 60) + rng.uniform(0, 6)) for _ in range(8))
        flux, sigma = 1 + waves, np.full(len(WAVELENGTH), 0.01)
        hidden = (np.arange(len(WAVELENGTH)) // 60) % 4 == 1
        model = tokenize_hidden(library_weights, flux, sigma, hidden).decode(WAVELENGTH * u.AA)
        line = np.interp(WAVELENGTH, WAVELENGTH[~hidden], flux[~hidden])
        off = (model.flux.value - flux)[hidden]
        assert np.sum(off**2) < 1.6 * np.sum((line - flux)[hidden] ** 2)
        assert np.mean(np.abs(off) < model.uncertainty.array[hidden]) > 0.4
        assert np.median(model.uncertainty.array[hidden]) > 0.05

    def test_too_little_to_infer_from(self, library_weights):
        """The network's guess stays."""
        _, (flux, *_), (sigma, *_) = make_spectra(10, 1)
        model = tokenize_hidden(library_weights, flux, sigma, np.arange(len(flux)) > 40).decode(WAVELENGTH * u.AA)
        assert np.isfinite(model.flux).all()

    def test_many_pixels_at_once(self, library_weights, monkeypatch):
        """In parts, with the same result."""
        from astro_spectok.engine import hidden

        _, (flux, *_), (sigma, *_) = make_spectra(11, 1)
        tokens = tokenize_hidden(library_weights, flux, sigma)
        whole = tokens.decode(WAVELENGTH * u.AA)
        monkeypatch.setattr(hidden, "AT_ONCE", 17)
        assert_allclose(tokens.decode(WAVELENGTH * u.AA).flux.value, whole.flux.value, rtol=1e-6)


class TestTokens:
    def test_what_they_say_of_their_pixels(self, library_weights):
        _, (flux, *_), _ = make_spectra(12, 1)
        tokens = tokenize_hidden(library_weights, flux, np.full_like(flux, 0.025))
        assert_array_equal(tokens.good_pixels.reshape(-1)[: len(flux)], ~GAP)
        assert_array_equal(np.isnan(tokens.noise), tokens.mask)
        assert np.isnan(tokens.resolution).all()

    def test_noise(self, library_weights):
        """That of a good pixel, over the scale."""
        unit = u.Unit("erg / (s cm2 AA)")
        batch = to_batch(
            [(WAVELENGTH * u.AA, np.random.default_rng(2).normal(4.0, 0.5, 1280) * unit, np.full(1280, 0.5) * unit)],
            medium="vacuum", resolution=1800,
        )  # fmt: skip
        ((_, encoded),) = Runner(library_weights, "cpu").encode(batch)
        assert_allclose(encoded.shown.noise, 0.125, rtol=0.02)
        assert_allclose(encoded.shown.resolution, 1800, rtol=1e-3)
        assert encoded.solutions == ()

    @pytest.mark.parametrize("ending", ["ecsv", "fits"])
    def test_files(self, library_weights, tmp_path, ending):
        """Read again they decode to the same; those of an older file, which do not say it, still decode."""
        _, (flux, *_), (sigma, *_) = make_spectra(13, 1)
        tokens = tokenize_hidden(library_weights, flux, sigma)
        tokens = replace(tokens, solutions=(("STAR", 1e-4, 0.75), ("QSO", 1.5, 0.25)))
        path = tmp_path / f"tokens.{ending}"
        older = replace(tokens, good_pixels=None, noise=None, resolution=None, solutions=())
        SpectralTokensList([tokens, older]).write(path)
        again, old = SpectralTokensList.read(path, device="cpu")
        for name in ("good_pixels", "noise", "resolution"):
            assert_array_equal(getattr(again, name), getattr(tokens, name))
        assert again.solutions == tokens.solutions
        assert old.good_pixels is None
        model = tokens.decode(WAVELENGTH * u.AA)
        assert_array_equal(again.decode(WAVELENGTH * u.AA).flux, model.flux)
        assert not np.allclose(old.decode(WAVELENGTH * u.AA).flux[GAP], model.flux[GAP])
        table = QTable.read(path)
        table.remove_columns(["good_pixels", "noise", "resolution"])
        table[: len(tokens)].write(tmp_path / f"older.{ending}")


def test_solutions_of_a_posterior():
    """The peaks of each class, with the probability around them."""
    scores = [torch.full((1, 400), -20.0), torch.full((1, 30), -20.0)]
    scores[0][0, 100:103], scores[0][0, 300], scores[1][0, 12] = 3.0, 2.0, 1.0
    found = find_solutions(scores, ((0, 399), (-15, 14)), 1e-3)[0].numpy()
    total = 3 * np.exp(3) + np.exp(2) + np.exp(1)
    assert found[:, 0].tolist() == [0, 0, 1]
    assert_allclose(found[:, 1], [0.1, 0.3, -0.003], atol=1e-6)
    assert_allclose(found[:, 2], np.array([3 * np.exp(3), np.exp(2), np.exp(1)]) / total, rtol=1e-4)


class TestMaking:
    def test_components_of_spectra_that_cover_parts(self):
        """Of a plane, from rows with holes and any zero point."""
        rng = np.random.default_rng(4)
        basis = np.cos(np.outer([1, 2], np.linspace(0, 3, 80)))
        rows = rng.normal(size=(200, 2)) @ basis + rng.normal(size=(200, 1))
        holes = np.arange(80) < rng.integers(0, 40, 200)[:, None]
        mean, found, variance = find_components(np.where(holes, np.nan, rows).astype(np.float32), 3)
        whole = rows - mean
        terms = np.concatenate([found, np.ones((1, 80))])
        left = whole - np.linalg.lstsq(terms.T, whole.T, rcond=None)[0].T @ terms
        assert np.sqrt(np.mean(left**2)) < 0.15 * whole.std()
        assert np.sqrt(np.median(variance)) < 0.15

    def test_laying_out(self):
        """Means of ln(flux) in bins; nothing where nothing is known."""
        edges = make_edges([(4000, 5000, 0.002), (5000, 6000, 0.01)])
        x = np.log(np.linspace(4200, 5800, 3000))
        row = lay_out(x, np.exp(2 * x), np.ones(3000, bool), edges)
        centre = (edges[1:] + edges[:-1]) / 2
        known = np.isfinite(row)
        assert_array_equal(known, (centre > x[0]) & (centre < x[-1]))
        assert np.ptp((row - 2 * centre)[known]) < 0.01
        assert lay_out(x, np.exp(x), np.arange(3000) < 20, edges) is None

    def test_stage(self, library_weights, tmp_path):
        """A recipe of its own, on analytic objects: weights with the library, and what it was made of."""
        recipe = tmp_path / "own.toml"
        recipe.write_text('name = "own"\n[library]\nstars = 12\ngalaxies = 12\nquasars = 12\n')
        path = build_weights(recipe, tmp_path / "build", start=library_weights, device="cpu")
        head = load_weights(path).network.heads["library"]
        assert {family.name for family in head.list_families()} == {"stars", "galaxies", "quasars"}
        assert head.domain["families"]["galaxies"]["spectra"] == {"simulated": 12}
        assert head.provenance["stages"][0]["settings"]["seed"] == 5
        assert all(np.isfinite(head.get_table(family).integral).all() for family in head.list_families())

    def test_nothing_to_make_it_of(self):
        with pytest.raises(ValueError, match="data must hold spectra of one family at least"):
            make_library(None, {}, 1)


@needs(TRAIN)
@needs(TEST)
def test_real_stars(packaged_weights, tmp_path):
    """Blocks of 50 pixels hidden in real stars that the library has not seen: far better than a straight line."""
    segments = (("stars", "STAR", ((3600.0, 7300.0, 6e-4),), 24),)
    head = make_library(
        TRAIN, {}, 1, families=segments,
        leave_out=lambda name, columns: np.full(len(columns["cls"]), name != "miles_real_stars"),
    )  # fmt: skip
    network = load_weights(shared=False).network
    network.heads["library"] = head
    runner = Runner(write_network(tmp_path / "stars.safetensors", network), "cpu")
    spectra, _ = load_set(TEST / "miles_real_stars.npz")
    skills = []
    for wavelength, flux, _ in spectra[::40]:
        hidden = (np.arange(len(flux)) // 50) % 5 == 2
        batch = to_batch((wavelength * u.AA, flux * u.one), medium="air")
        shown = replace(batch, ivar=np.where(hidden, 0, batch.ivar))
        ((_, encoded),) = runner.encode(shown)
        model, _ = runner.decode(
            encoded.values, encoded.geometry, encoded.good, np.log(batch.wavelength), shown=encoded.shown,
            solutions=encoded.solutions,
        )  # fmt: skip
        model, flux = model * encoded.scale / batch.scale[0], batch.flux
        line = np.interp(wavelength, wavelength[~hidden], flux[~hidden])
        skills.append(1 - np.sum((model - flux)[hidden] ** 2) / np.sum((line - flux)[hidden] ** 2))
    assert np.median(skills) > 0.4
