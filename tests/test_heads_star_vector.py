# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The part of stars of the embedding: coefficients under noise, velocities, and what it says of bad input."""

import numpy as np
import pytest
import torch
from _embedding_parts import make_head_config, write_parts
from conftest import assert_same_vectors, make_spectrum

from astro_spectok import embed, tokenize
from astro_spectok.engine import Runner
from astro_spectok.heads import EmbeddingHead
from astro_spectok.heads.star_vector import PERIODS, StarVector
from astro_spectok.training import star_vector as training
from astro_spectok.training.embedding_parts import split_pairs
from astro_spectok.training.factory.assembly import assemble_weights
from astro_spectok.training.star_features import RealPairs, list_left_out
from astro_spectok.training.star_views import StarViews, draw_stars
from astro_spectok.utils.constants import LIGHT_SPEED
from astro_spectok.weights.format import read_metadata

#: of a small part of stars
SMALL = {"star_components": 6, "star_hidden": 8, "star_size": 5}


@pytest.fixture(scope="module")
def vector():
    """On 90 bins, with six random components."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = StarVector(90, 6, 8, 5, rounds=12)
        made.basis.copy_(torch.randn(6, 90))
        made.share.fill_(0.5)
    return made.eval()


@pytest.fixture(scope="module")
def star_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "stars.safetensors"
    return write_parts(path, **SMALL, shares=(1.0, 0.3, 1.0, 0.4, 0.8), sure_shares=(0.6, 0.3, 1.4, 0.7, 0.0))


class TestVector:
    def test_coefficients_are_the_most_probable(self, vector):
        """Those of the normal equations, whatever is known of the bins."""
        rng = torch.Generator().manual_seed(1)
        values, weight = torch.randn(4, 90, generator=rng), (torch.rand(4, 90, generator=rng) > 0.3).float()
        variance = 10 ** torch.randn(4, 90, generator=rng)
        with torch.no_grad():
            found = torch.sinh(vector.reduce(values, variance, weight)[:, :6])
        known = weight / (1 + variance)
        normal = torch.eye(6) + torch.einsum("bn,kn,ln->bkl", known, vector.basis, vector.basis)
        expected = torch.linalg.solve(normal, (known * values) @ vector.basis.T)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)

    def test_nothing_known_is_zero(self, vector):
        nothing = torch.zeros(2, 90)
        with torch.no_grad():
            found = vector(nothing, nothing, nothing, torch.zeros(2, dtype=torch.float64))
        assert found.shape == (2, StarVector.count(5))
        assert not found.any()

    def test_velocities_are_alike_within_their_errors(self):
        vector = StarVector(90, 6, 8, 5, floor=10.0)
        vector.share.fill_(1.0)
        speed, error = torch.tensor([0.0, 5.0, 60.0]), torch.full((3,), np.log(8.0))
        waves = torch.nn.functional.normalize(vector.wave(speed, error), dim=1)
        assert waves[0] @ waves[1] > 0.98 > 0.95 > waves[0] @ waves[2]
        unsure = vector.wave(speed, error + 3)
        assert unsure.norm(dim=1).max() < 0.6 * vector.wave(speed, error).norm(dim=1).min()
        assert unsure.shape == (3, 2 * len(PERIODS))


class TestPart:
    def test_in_the_embedding(self, star_weights):
        """It comes last, other parts are as before, and it is one that needs pixels."""
        spectra = [make_spectrum(seed=seed, n=1500, low=3800, high=8800) for seed in (0, 1)]
        whole = embed(spectra, weights=star_weights)
        part = embed(spectra, weights=star_weights, parts="stars")
        assert part.shape == (2, StarVector.count(5))
        without = embed(spectra, weights=star_weights, parts=("lines", "colours", "redshift", "learned"))
        assert_same_vectors(whole[:, : without.shape[1]], without)
        assert (np.linalg.norm(whole[:, without.shape[1] :], axis=1) <= np.linalg.norm(part, axis=1) + 1e-5).all()
        tokens = tokenize(spectra, weights=star_weights)
        assert_same_vectors(tokens.embed("stars"), whole[:, without.shape[1] :])

    def test_out_of_reach_is_zero(self, star_weights):
        assert not embed(make_spectrum(low=15200, high=16900), weights=star_weights, parts="stars", redshift=0).any()

    def test_assembled_files_hold_a_byte_a_number(self, star_weights, tmp_path):
        path = assemble_weights(star_weights, tmp_path / "small.safetensors")
        assert read_metadata(path)["packed"] == ["heads.embedding.stars."]
        assert path.stat().st_size < star_weights.stat().st_size - 40_000
        spectrum = make_spectrum(n=1500, low=3800, high=8800)
        one, other = (embed(spectrum, weights=w, parts="stars", redshift=0) for w in (star_weights, path))
        assert one @ other > 0.99 * np.linalg.norm(one) * np.linalg.norm(other)

    def test_what_has_a_redshift_is_no_star(self, star_weights):
        """A velocity that is given is one; a redshift leaves nothing, and others are as they were."""
        spectra = [make_spectrum(n=1500, low=3800, high=8800)] * 3
        found = embed(spectra, weights=star_weights, parts="stars", redshift=[0.0, 0.5, 1e-3])
        assert not found[1].any()
        assert found[0].any()
        assert np.abs(found[0] - found[2]).max() > 1e-3
        alone = embed(spectra[0], weights=star_weights, parts=("lines", "stars"), redshift=0.0)
        assert_same_vectors(alone[8:], found[0])

    def test_units_and_bad_pixels_do_not_matter(self, star_weights):
        spectrum = make_spectrum(n=1500, low=3800, high=8800)
        scaled = type(spectrum)(
            flux=spectrum.flux * 3e4, spectral_axis=spectrum.spectral_axis,
            uncertainty=type(spectrum.uncertainty)(spectrum.uncertainty.quantity * 3e4), meta=spectrum.meta,
        )  # fmt: skip
        asked = {"weights": star_weights, "parts": "stars", "redshift": 0}
        assert_same_vectors(embed(scaled, **asked), embed(spectrum, **asked))


@pytest.fixture
def head():
    return EmbeddingHead(make_head_config(**SMALL))


class TestTraining:
    def test_views(self, head):
        """Where two views of a bright star overlap they are alike, and shifted by what is said."""
        views = StarViews(head, seed=1)
        flux = torch.from_numpy(draw_stars(None, 4, 1, views.ln_wavelength).astype(np.float32))
        assert flux.shape == (4, len(views.ln_wavelength))
        velocity = torch.tensor([0.0, 150.0, -80.0, 30.0])
        ((one, _, known), guess, _), ((other, _, more), *_) = (views.draw(flux, velocity, snr=(300, 400)) for _ in "ab")
        both = (known > 0) & (more > 0)
        assert both.float().mean() > 0.2
        assert (one - other)[both].abs().median() < 0.02
        assert guess.shape == (4,)
        assert not torch.equal(guess, velocity)
        again = StarViews(head, seed=1).draw(flux, velocity, snr=(300, 400))[0][0]
        torch.testing.assert_close(again, one)

    def test_lines_are_of_the_same_spectra(self, head, monkeypatch):
        """Where the guess is no velocity they are the bins of stars that lines have, but for the ends and the level."""
        views = StarViews(head, seed=2)
        monkeypatch.setattr(views, "_guess", torch.zeros_like)
        flux = torch.from_numpy(draw_stars(None, 4, 1, views.ln_wavelength).astype(np.float32))
        (seen, _, weight), _, (lines, _, known) = views.draw(flux, torch.tensor([0.0, 150.0, -80.0, 30.0]))
        own = head.config.lines_of_stars
        inside = slice(views.head.window, -views.head.window)
        for one, other in zip(lines[:, inside], seen[:, own][:, inside], strict=True):
            assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.999
        assert torch.equal(known[:, inside], weight[:, own][:, inside])
        assert known[:, inside].any()

    def test_shift(self, head):
        """A line is moved to rest by the velocity that is guessed, and no light is lost."""
        views = StarViews(head, seed=2)
        sums = torch.zeros(2, views.n_bins, 3)
        sums[:, 1000] = 1.0
        moved = views._shift(sums, torch.tensor([0.0, 2.5 * views.step * LIGHT_SPEED]))
        assert torch.equal(moved[0], sums[0])
        torch.testing.assert_close(moved[1].sum(0), torch.ones(3))
        torch.testing.assert_close(moved[1, [997, 998], 0], torch.tensor([0.5, 0.5]), atol=1e-3, rtol=0)

    def test_training(self, star_weights, head, monkeypatch):
        """A few steps bring views of one star together, and give finite numbers."""
        for name, value in {"BATCH": 48, "FITTED": 256, "WARM": 2}.items():
            monkeypatch.setattr(training, name, value)
        runner, texts = Runner(star_weights, "cpu"), []
        figures = training.train_star_vector(
            runner, head, None, stars=24, views=60, pairs=4, steps=6, seed=3, report=texts.append
        )
        assert figures["nearest"] > 0.1
        assert "24 simulated, 0 real, 0 pairs" in texts[0]
        assert figures["nearest_with_lines"] > 0.1
        assert all(torch.isfinite(x).all() for x in head.stars.state_dict().values())
        assert (head.stars.share > 0.1).all()

    def test_differences_of_libraries(self):
        """What is added to features is what real pairs differ by, in its directions and no others."""
        rng = torch.Generator().manual_seed(4)
        one, change = torch.randn(40, 8, generator=rng), torch.zeros(40, 8)
        change[:, 2] = torch.randn(40, generator=rng)
        features, nothing = torch.stack([one, one + change], 1), torch.zeros(40, 2)
        real = RealPairs(features, nothing[..., None], nothing, torch.arange(40), torch.arange(40) // 20)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            added = training._Disturbance(real, 6)(torch.zeros(500, 8))
        assert added[:, 2].std() > 0.5
        assert not added[:, [0, 1, 3, 4, 5, 6, 7]].any()

    def test_real_pairs_are_of_the_components(self, star_weights, head, monkeypatch):
        """Pairs are read once there are components: before, all stars are alike and libraries do not differ."""
        names = [f"HD{k}" for k in range(8)]
        rng, wavelength = np.random.default_rng(0), np.linspace(3800, 8800, 1500)
        libraries = [(names, [(wavelength, 1 + 0.1 * rng.normal(size=1500), np.full(1500, 100.0)) for _ in names])
                     for _ in range(3)]  # fmt: skip
        monkeypatch.setattr(training, "read_libraries", lambda data: libraries)
        monkeypatch.setattr(training, "FITTED", 256)
        monkeypatch.setattr(training, "BATCH", 24)
        kept = {}
        monkeypatch.setattr(training, "_train", lambda head, stored, real, *_: kept.update(real=real) or {})
        training.train_star_vector(Runner(star_weights, "cpu"), head, None, stars=24, views=1, pairs=4, steps=0, seed=3)
        real, left_out = kept["real"], list_left_out(libraries)
        assert len(left_out) == 4
        assert len(real.star) == 3 * 4
        number = head.config.star_components
        assert (real.features[..., :number].std(0) > 0).all()
        assert (real.features[:, 0, :number] != real.features[:, 1, :number]).all()
        assert real.lines.shape == (12, 2, head.config.sizes["lines"])
        assert real.star.unique().tolist() == [0, 1, 2, 3]

    def test_half_of_the_pairs_is_left_out(self):
        assert np.bincount(split_pairs(301)).tolist() == [151, 150]
