# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Components under noise and gaps, what the head sees, and the closed forms that it is made of."""

import numpy as np
import pytest
import torch
from _embedding_parts import fill_components, make_head_config
from _network_inputs import GRIDS, make_spectrum, stack_spectra

from astro_spectok.heads import EmbeddingHead
from astro_spectok.heads.local_features import LocalFeatures
from astro_spectok.heads.posterior_summary import PosteriorSummary
from astro_spectok.heads.spectral_components import SpectralComponents, smooth_boxes, smooth_waves
from astro_spectok.network import HeadInputs
from astro_spectok.training.component_fits import fit_components, fit_discriminants, fit_local, whiten_differences
from astro_spectok.training.embedding_parts import LANDMARK_SHARES, Views, choose_landmarks, name_star

N, K = 200, 4


@pytest.fixture(scope="module")
def components():
    out = SpectralComponents(N, K, K)
    fill_components(out, 5)
    out.whiten.copy_(torch.eye(K))
    out.centre.zero_()
    return out


@pytest.fixture(scope="module")
def head():
    return EmbeddingHead(make_head_config()).eval()


def make_values(components, coefficients, sigma=0.0, seed=0):
    """Spectra of coefficients (B, K), with noise."""
    noise = torch.randn(len(coefficients), N, generator=torch.Generator().manual_seed(seed))
    return coefficients @ components.basis + sigma * noise


class TestComponents:
    def test_coefficients_come_back(self, components):
        true = torch.tensor([[1.0, -1, 2, 0.5], [0, 0, -1, 1]])
        found = components.find_coefficients(make_values(components, true), torch.full((2, N), 1e-6), torch.ones(2, N))
        np.testing.assert_allclose(found, true, atol=0.02)

    def test_agrees_with_plain_algebra(self, components):
        """Weights that change slowly: the same as with each bin by itself."""
        values = make_values(components, torch.tensor([[1.0, -1, 2, 0.5]]), 0.1)
        variance = torch.linspace(0.01, 0.1, N)[None]
        weight = 1 / (variance + components.sigma**2)
        basis = components.basis
        expected = torch.linalg.solve((basis * weight) @ basis.T + torch.eye(K), basis @ (weight * values)[0])
        np.testing.assert_allclose(
            components.find_coefficients(values, variance, torch.ones(1, N))[0], expected, rtol=0.02, atol=0.01
        )

    def test_noise_becomes_zero(self, components):
        """Where a spectrum is nothing but stated noise, its vector says nothing."""
        true = torch.tensor([[1.0, -1, 2, 0.5]])
        quiet, loud = (
            components.find_coefficients(make_values(components, true, s), torch.full((1, N), s**2), torch.ones(1, N))
            for s in (1e-3, 300.0)
        )
        assert loud.norm() < 0.05 * quiet.norm()

    def test_bins_without_weight_do_not_matter(self, components):
        values = make_values(components, torch.tensor([[1.0, -1, 2, 0.5]]))
        weight = torch.ones(1, N)
        weight[:, 50:90] = 0
        changed = torch.where(weight > 0, values, 1e3)
        variance = torch.full((1, N), 1e-4)
        found, wanted = (components.find_coefficients(x, variance, weight) for x in (changed, values))
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)

    def test_smooth_curves_are_nobodys(self):
        """A wrong calibration goes into the curves, and not into the coefficients."""
        plain, allowing = SpectralComponents(N, K, K), SpectralComponents(N, K, K, smooth_waves(N, 6, 0.3, 8.0))
        for one in (plain, allowing):
            fill_components(one, 5)
        values = make_values(plain, torch.tensor([[1.0, -1, 2, 0.5]]))
        bent = values + torch.linspace(-0.3, 0.3, N)
        variance, weight = torch.full((1, N), 1e-4), torch.ones(1, N)
        moved = [
            (one.find_coefficients(bent, variance, weight) - one.find_coefficients(values, variance, weight)).norm()
            for one in (plain, allowing)
        ]
        assert moved[1] < 0.2 * moved[0]

    def test_nothing_known_is_zero(self, components):
        empty = torch.zeros(1, N)
        assert not components(empty, empty, empty).any()

    def test_boxes_are_nearly_a_gaussian(self):
        pulse = torch.zeros(1, 401)
        pulse[0, 200] = 1
        out = smooth_boxes(pulse, 41)[0].double()
        place = torch.arange(401.0) - 200
        assert out.sum().item() == pytest.approx(1, abs=1e-5)
        assert (out * place**2).sum().sqrt().item() == pytest.approx(20.5, rel=0.02)


class TestHead:
    @pytest.mark.parametrize("grid", ["sdss", "desi"])
    def test_views(self, head, grid):
        """Lines vanish on the average, colours do not depend on the scale, and bad pixels say nothing."""
        x, flux, ivar = make_spectrum(GRIDS[grid])
        junk = np.where(ivar > 0, flux, 1e6).astype(np.float32)
        shift = torch.zeros(2, dtype=torch.float64)
        lines, colours = head.view(stack_spectra([(x, flux, ivar), (x, 100 * junk, ivar / 1e4)]), shift)
        for values, variance, weight in (lines, colours):
            np.testing.assert_allclose(values[1], values[0], atol=2e-4)
            np.testing.assert_allclose(variance[1], variance[0], rtol=1e-3, atol=1e-7)
            assert torch.equal(weight[1], weight[0])
            assert weight.max() == 1
        assert abs((lines[0] * lines[2]).sum() / lines[2].sum()) < 0.05

    def test_bins_beside_gaps_do_not_count(self, head):
        x, flux, ivar = make_spectrum(GRIDS["sdss"], bad=0.0)
        ivar[2000:2050] = 0
        (_, _, weight), _ = head.view(stack_spectra([(x, flux, ivar)]), torch.zeros(1, dtype=torch.float64))
        low = np.log(head.config.low) + head.config.coarse[1][0] * head.config.step * head.config.joined
        first = int((x[2000] - low) / head.config.step)
        assert not weight[0, first - 12 : first + 50].any()
        assert weight[0, first - 60 : first - 20].all()

    def test_redshift_as_long_as_it_is_sure(self, head):
        """A star has none; a galaxy one as long as the probability of its peak."""
        summary = PosteriorSummary([(0, 400), (-24, 24)], 1e-4, 2)
        galaxy, star = torch.full((2, 401), -30.0), torch.full((2, 49), -30.0)
        galaxy[0, 300], star[0, 20], star[1, 30] = 2.0, 0.0, 2.0
        best = summary.find_best([galaxy, star])
        assert best.ln_one_plus_z.tolist() == pytest.approx([0.03, 6e-4])
        assert best.probability[0].item() == pytest.approx(np.exp(2) / (1 + np.exp(2)), abs=1e-3)
        part = head.map_redshift(summary([galaxy, star]), best)
        assert part[0].norm().item() == pytest.approx(best.probability[0].item(), abs=1e-4)
        assert not part[1].any()
        assert head.find_shift(best).tolist() == pytest.approx([0.03, 0.0])

    def test_one_redshift_is_alike_whatever_the_class(self, head):
        """Of two peaks at one redshift, in other classes, and of one elsewhere in the class of the first."""
        summary = PosteriorSummary([(0, 400), (0, 400), (-24, 24)], 1e-3, 2)
        scores = [torch.full((3, number), -30.0) for number in (401, 401, 49)]
        scores[0][0, 300] = scores[1][1, 300] = scores[0][2, 100] = 2.0
        plain, mixed = (
            EmbeddingHead(make_head_config(between_classes=x)).map_redshift(summary(scores), summary.find_best(scores))
            for x in (1.0, 0.3)
        )
        likeness = plain @ plain.T, mixed @ mixed.T
        assert likeness[0][0, 1] < 0.05
        assert likeness[1][0, 1] == pytest.approx((1 - 0.3**2) / (1 + 2 * 0.3**2), abs=0.02)
        assert likeness[1][0, 2] == pytest.approx(likeness[0][0, 2].item(), abs=0.02)
        torch.testing.assert_close(mixed.norm(dim=1), plain.norm(dim=1))

    def test_classes_are_apart_also_without_a_redshift(self):
        """A star by its own template, and by that of a galaxy; a galaxy, a quasar at its redshift, and neither."""
        summary = PosteriorSummary([(-24, 400), (0, 400), (-24, 24)], 1e-3, 2)
        scores = [torch.full((5, number), -30.0) for number in (425, 401, 49)]
        scores[2][0, 24] = scores[0][1, 24] = scores[0][2, 324] = scores[1][3, 300] = 2.0
        scores[0][4, 424] = scores[1][4, 400] = scores[2][4, 24] = 2.0
        head = EmbeddingHead(make_head_config(between_classes=0.3, class_weight=0.5, sure_class_weight=1.0))
        part = head.map_redshift(*summary.read(scores, head.config.still))
        assert part[:4].norm(dim=1).tolist() == pytest.approx([0.5, 0.5, 2**0.5, 2**0.5], abs=1e-3)
        assert part[4].unflatten(0, (3, -1))[:, -1].tolist() == pytest.approx([0, 0, 0], abs=1e-3)
        likeness = part @ part.T
        assert likeness[0, 1] == pytest.approx(0.25, abs=1e-3)
        assert likeness[0, 2] == pytest.approx(-0.25, abs=1e-3)
        assert 0.1 < likeness[2, 3] < 0.4  # the redshift alone, less the class

    def test_velocities(self):
        """The same, half a shortest period away, and of another template; nothing of a galaxy."""
        summary = PosteriorSummary([(-40, 400), (-10, 10)], 1e-4, 6)
        scores = [torch.full((4, number), -30.0) for number in (441, 21)]
        scores[1][0, 10] = scores[1][1, 8] = scores[0][2, 40] = scores[0][3, 400] = 9.0
        head = EmbeddingHead(make_head_config(redshift_classes=2, velocity_weight=0.5, velocity_periods=3))
        part = head.map_redshift(*summary.read(scores, head.config.still))
        likeness = part[:3] @ part[:3].T / 0.25
        assert likeness[0, 0] == pytest.approx(1, abs=0.01)
        assert likeness[0, 1] < 0.8
        assert likeness[0, 2] == pytest.approx(1, abs=0.01)
        assert part[3].norm().item() == pytest.approx(1, abs=0.01)

    def test_takes_no_part_in_training(self, head):
        assert not head.is_taught(None, {})
        assert not list(head.parameters())


class TestFits:
    def test_components_of_what_is_known(self):
        """Known in part, and in two steps: what the second set adds is not what the first has."""
        rng = torch.Generator().manual_seed(1)
        true = torch.randn(3, N, generator=rng)
        first = torch.randn(60, 2, generator=rng) @ true[:2]
        second = torch.randn(60, 3, generator=rng) @ true
        weight = (torch.rand(60, N, generator=rng) > 0.2).float()
        components = SpectralComponents(N, 3, 3)
        fit_components(components, [(Views(first, first * 0, weight), 2), (Views(second, second * 0, weight), 1)])
        for rows in (first, second):
            left = (
                rows
                - components.mean
                - (rows - components.mean) @ torch.linalg.pinv(components.basis) @ components.basis
            )
            assert left.pow(2).mean() < 0.02 * rows.pow(2).mean()

    def test_whitening_prefers_what_stays(self):
        """A direction that differs within pairs counts less than one that does not."""
        rng = torch.Generator().manual_seed(2)
        one = torch.randn(200, 3, generator=rng)
        other = one + torch.randn(200, 3, generator=rng) * torch.tensor([2.0, 0.1, 0.1])
        whiten = whiten_differences([(one, other)], [(one, other)], 0.1, 0.01)
        size = whiten.norm(dim=1)
        assert size[0] < 0.1 * size[1]

    def test_discriminants(self):
        """Of many directions that are mostly noise, those are kept that two observations agree in."""
        rng = torch.Generator().manual_seed(3)
        own = torch.randn(400, 2, generator=rng)
        sides = []
        for _ in range(2):
            noise = torch.randn(400, 10, generator=rng)
            noise[:, :2] = 5 * own + 0.3 * noise[:, :2]
            sides.append(noise + 7)
        mean, mapping = fit_discriminants([tuple(sides)], 2)
        np.testing.assert_allclose(mean, torch.cat(sides).mean(0), atol=1e-4)
        share = mapping[:2].pow(2).sum() * 25 / (mapping[2:].pow(2).sum() + mapping[:2].pow(2).sum() * 25)
        assert share > 0.95

    @pytest.mark.parametrize(
        ("text", "name"), [("HD_004307", "HD4307"), ("hd 004307a", "HD4307"), ("BD+25 1981", "BDP251981")]
    )
    def test_names_of_stars(self, text, name):
        assert name_star(text) == name


#: parts of a galaxy, of one whose redshift is half sure, and of a star
FOUND = {
    "lines": torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.6, 0.8]]),
    "redshift": torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 0.0]]),
    "learned": torch.tensor([[0.0, 1.0]] * 3),
}


class TestShares:
    """Weights of the parts, which may follow how sure a redshift is."""

    @staticmethod
    def lengths(head, parts):
        """Length of each part in the joined vectors (n, parts)."""
        joined = head.join({name: FOUND[name] for name in parts}, parts, torch.tensor([1.0, 0.5, 0.0]))
        return torch.linalg.vector_norm(joined.unflatten(1, (len(parts), 2)), dim=2).numpy()

    def test_between_stars_and_sure_redshifts(self):
        head = EmbeddingHead(make_head_config(shares=(1.0, 0.3, 1.0, 0.4), sure_shares=(0.6, 0.3, 1.4, 0.8)))
        found = self.lengths(head, ("lines", "redshift", "learned"))
        np.testing.assert_allclose(found[:, 0], [0.6, 0.8, 1.0], rtol=1e-6)
        np.testing.assert_allclose(found[:, 1], [1.4, 0.5 * 1.2, 0.0], rtol=1e-6)
        np.testing.assert_allclose(found[:, 2], [0.8, 0.6, 0.4], rtol=1e-6)

    def test_parts_without_a_redshift_and_older_weights_have_one_weight(self):
        sure = EmbeddingHead(make_head_config(sure_shares=(0.6, 0.3, 1.4, 0.8)))
        np.testing.assert_allclose(self.lengths(sure, ("lines", "learned")), [[1.0, 0.4]] * 3, rtol=1e-6)
        older = self.lengths(EmbeddingHead(make_head_config()), ("lines", "redshift", "learned"))
        np.testing.assert_allclose(older, [[1, 1, 0.4], [1, 0.5, 0.4], [1, 0, 0.4]], rtol=1e-6)


class TestLocal:
    def test_cosines_are_those_of_the_kernel(self):
        """With a landmark at each of the vectors, and as many components, the kernel comes back."""
        rng = torch.Generator().manual_seed(2)
        vectors = torch.randn(12, 5, generator=rng)
        local = LocalFeatures(12, 5, 12, 0.7)
        fit_local(local, vectors, lambda x: x)
        found = local(3 * vectors, lambda x: x)
        unit = torch.nn.functional.normalize(vectors, dim=1)
        torch.testing.assert_close(found @ found.T, torch.exp((unit @ unit.T - 1) / 0.49), atol=1e-3, rtol=0)

    def test_neighbours_are_told_apart_and_nothing_stays_nothing(self):
        """Two clouds far apart: within one cosines differ more than before."""
        rng = torch.Generator().manual_seed(3)
        cloud = torch.tensor([[5.0, 0, 0, 0]]) + torch.randn(40, 4, generator=rng)
        both = torch.cat([cloud, -cloud])
        local = LocalFeatures(100, 4, 30, 0.4)  # more landmarks than there are spectra
        fit_local(local, both, lambda x: x)
        found = torch.nn.functional.normalize(local(cloud, lambda x: x), dim=1)
        unit = torch.nn.functional.normalize(cloud, dim=1)
        assert (found @ found.T).std() > 2 * (unit @ unit.T).std()
        assert not local(torch.zeros(2, 4), lambda x: x).any()

    def test_landmarks_that_are_the_same_are_one(self):
        local = LocalFeatures(8, 3, 6, 0.5)
        fit_local(local, torch.eye(3).repeat(2, 1), lambda x: x)
        assert torch.isfinite(local.map).all()
        assert local.map.abs().max() < 2
        assert (local.map.norm(dim=0) > 0).sum() == 3

    def test_lines_of_a_head_with_landmarks(self, head):
        """The part has the size it had; spectra that do not reach the grid of lines are zero."""
        other = EmbeddingHead(make_head_config(line_landmarks=20)).eval()
        assert other.config.sizes == head.config.sizes
        fill_components(other.lines, 4)
        fit_local(other.local, torch.randn(20, 8, generator=torch.Generator().manual_seed(1)), other.lines.project)
        x, flux, ivar = make_spectrum(GRIDS["sdss"])
        inputs = HeadInputs(
            None, None, None, None, stack_spectra([(x, flux, ivar), (x + np.log(4), flux, ivar)]),
            {"ln_one_plus_z": torch.zeros(2, dtype=torch.float64)},
        )  # fmt: skip
        found = other(inputs)["lines"]
        assert found.shape == (2, 8)
        assert found[0].norm() == pytest.approx(1, abs=1e-5)
        assert not found[1].any()

    def test_lines_are_as_long_as_they_are_known(self, head):
        """Where half of the grid is bad: half as long, in the same direction."""
        other = EmbeddingHead(make_head_config(lines_as_known=True)).eval()
        fill_components(other.lines, 4)
        x, flux, ivar = make_spectrum(GRIDS["sdss"], bad=0.0)
        half = np.where(x < np.log(5200), 0, ivar)
        patches = stack_spectra([(x, flux, ivar), (x, flux, half)])
        shift = torch.zeros(2, dtype=torch.float64)
        found = other(HeadInputs(None, None, None, None, patches, {"ln_one_plus_z": shift}))["lines"]
        known = (other.view(patches, shift)[0][2] > 0).float().mean(1)
        assert found.norm(dim=1).tolist() == pytest.approx(known.tolist(), abs=1e-4)
        assert known[1] < 0.7 * known[0]

    def test_landmarks_are_of_all_kinds(self):
        """Evenly from what is there; real stars take the place of what is not."""
        head = EmbeddingHead(make_head_config(line_landmarks=50)).eval()
        n_bins = len(head.lines.mean)

        def make(n, size):
            values = torch.full((n, n_bins), float(size))
            return Views(values, torch.full_like(values, 1e-4), torch.ones_like(values))

        fill_components(head.lines, 4)
        rows = {name: (make(9, 0.1), None) for name in LANDMARK_SHARES if name not in ("real", "quasars", "dwarfs")}
        assert len(choose_landmarks(head, make(200, -0.1), rows)) == 50
        found = choose_landmarks(head, make(200, -0.1), rows, make(30, 0.2))
        real = head.lines.find_coefficients(*make(1, -0.1))
        assert found.shape == (50, 8)
        assert torch.isclose(found, real, atol=1e-4).all(1).sum() == 50 - 11 - 9 - 2 - 2 - 2
