# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Networks that judge transients at given redshifts: what they see, how they are trained, and what they add."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from _transients import draw_observation, make_head, make_hosts

from astro_spectok.heads import TransientConfig
from astro_spectok.heads.transient_fit import MISFIT, View, scan_templates, view_spectrum
from astro_spectok.heads.transient_net import REACH, find_candidates, judge_shifts, lay_inputs
from astro_spectok.training import transient_networks
from astro_spectok.training.library_rows import lay_out
from astro_spectok.training.transient_batches import Pool, draw_batch, make_smoother
from astro_spectok.training.transient_networks import assign_folds, train_networks
from astro_spectok.training.transient_thresholds import find_threshold
from astro_spectok.transients.candidates import add_judgement, bin_host, divide_shifts
from astro_spectok.transients.posterior import TransientCalibration, make_posterior

CONFIG = TransientConfig(
    components=10,
    hosts=3,
    redshifts=(-0.005, 0.4),
    low=3000.0,
    high=9500.0,
    networks=2,
    convolutions=(4, 4, 6, 6),
    width=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return make_head(CONFIG)


@pytest.fixture(scope="module")
def pool(made):
    head, spectra = made
    library, edges = head.get_library(), np.log(CONFIG.low) + CONFIG.step * np.arange(CONFIG.bins + 1)
    rows = np.exp([lay_out(one.ln_wavelength, one.flux, one.ivar > 0, edges) for one in spectra])
    galaxies = make_hosts(CONFIG)
    return Pool(rows.astype(np.float32), library.kind, library.group, library.phase, (galaxies, galaxies, galaxies[:9]))


def find_view(kind="Ia", z=0.1, **options):
    wavelength, flux, sigma = draw_observation(kind, 2.0, z, **options)
    return view_spectrum(np.log(wavelength), flux, sigma**-2.0, CONFIG)


class TestInput:
    def test_joined_bins(self):
        """Means by weight; bins of no weight change nothing, and an odd one at the end is kept."""
        ratio, weight = np.array([[0.2, 0.4, 9.0, 0.1, 0.3]]), MISFIT**-2 * np.array([[1.0, 0.5, 0.0, 1.0, 1.0]])
        signal, share = lay_inputs(ratio, weight)[0]
        np.testing.assert_allclose(share, [0.75, 0.5, 0.5], rtol=1e-6)
        np.testing.assert_allclose(signal / torch.sqrt(share) / 8, [0.8 / 3, 0.1, 0.3], rtol=1e-5)

    def test_shift_is_a_redshift(self, made):
        """A spectrum at z and a shift by z are the spectrum at rest: networks say the same."""
        head, _ = made
        view, moved = find_view(), find_view()
        moved = View(moved.first + 20, moved.ratio, moved.weight)
        for one, other in zip(head.judge(view, [30]), head.judge(moved, [50]), strict=True):
            np.testing.assert_array_equal(one, other)
        assert head.judge(view, [30, 31]).log_types.shape == (2, 3)

    def test_only_one(self, made):
        """That of one network, and the mean of all, which is neither."""
        head, _ = made
        whole, first = head.judge(find_view(), [30]), head.judge(find_view(), [30], only=0)
        alone = judge_shifts([head.networks[0].eval()], find_view(), CONFIG, [30])
        np.testing.assert_array_equal(first.log_types, alone.log_types)
        assert not np.allclose(whole.log_types, first.log_types)

    def test_candidates(self):
        """The highest bins, none within reach of a higher one; of bins that are ruled out none."""
        ln1pz = np.arange(0, 0.1, 0.0025)
        log_p = np.full(len(ln1pz), -np.inf)
        log_p[[3, 4, 5, 20]] = [-1, 0, -1, -2]
        assert find_candidates(log_p, ln1pz, 4).tolist() == [4, 20]


class TestPosterior:
    def test_judgement_counts_where_it_was_made(self):
        """Shares of candidates and of all others add up, and only what is near a candidate is judged."""
        ln1pz = np.arange(0, 0.2, 0.0025)
        log_p = np.log(np.full((len(ln1pz), 2), 0.5 / len(ln1pz)))
        places = np.array([20, 60])
        said = add_judgement(log_p, ln1pz, places, np.array([[2.0, -1.0], [0.0, 0.5]]), 1.0, -3.0) - log_p
        assert said[20].tolist() == [2.0, -1.0]
        assert said[40].tolist() == [-3.0, -3.0]
        parts = np.exp(divide_shifts(log_p, ln1pz, places))
        assert parts.sum() == pytest.approx(1)
        assert parts[0].sum() == pytest.approx(np.count_nonzero(np.abs(ln1pz - ln1pz[20]) <= REACH) / len(ln1pz))

    def test_networks_change_types(self, made):
        """By their weight; with none they change nothing."""
        head, _ = made
        view = find_view()
        scan, library = scan_templates(view, head.get_sums()), head.get_library()
        plain = TransientCalibration()
        judges = [None, lambda shifts: head.judge(view, shifts)]
        before, same = (make_posterior(view, scan, library, plain, judge=judge) for judge in judges)
        np.testing.assert_allclose(same.log_probability, before.log_probability)
        after = make_posterior(view, scan, library, replace(plain, judged=(1.0, 1.0)), judge=judges[1])
        assert not np.allclose(after.log_probability, before.log_probability)
        assert np.exp(after.log_probability).sum() == pytest.approx(1)

    def test_phase_of_networks(self, made):
        """A phase that they are sure of moves the mean towards it, by the weight that they have."""
        head, _ = made
        view = find_view()
        scan, library = scan_templates(view, head.get_sums()), head.get_library()
        found = make_posterior(
            view, scan, library, TransientCalibration(), judge=lambda shifts: head.judge(view, shifts)
        )
        ln1pz = found.find_redshift()[0]
        sure = found.judged._replace(phase=np.full(len(found.places), 30.0), sigma=np.full(len(found.places), 1.0))
        phases = [
            replace(found, judged=sure, calibration=TransientCalibration(judged_phase=weight)).find_phase(
                "Ia", library, ln1pz
            )
            for weight in (0.0, 0.3, 3.0)
        ]
        assert phases[0].mean < phases[1].mean < phases[2].mean < 30

    def test_redshift_of_a_host(self):
        """A galaxy that is sure of its redshift makes this the more probable, and nothing impossible."""
        from types import SimpleNamespace

        ln1pz, own = np.arange(0, 0.3, 0.0025), np.arange(0, 1, 5e-4)
        p = np.where(np.abs(own - 0.1) < 1e-4, 0.9, 0.0)
        galaxy = SimpleNamespace(probability={"GALAXY": p}, grid=SimpleNamespace(ln1pz={"GALAXY": own}))
        said = bin_host(galaxy, ln1pz, 0.5)
        assert np.argmax(said) == 40
        assert said.min() == pytest.approx(np.log(0.5))
        assert not bin_host(galaxy, ln1pz, 0.0).any()

    def test_temperature(self):
        """Between those of templates and of noise; the same without one for noise, as weights made earlier have it."""
        made = TransientCalibration(temperature=6.0, noisy_temperature=2.0)
        assert made.find_temperature(1.0) == pytest.approx(6)
        assert made.find_temperature(0.0) == pytest.approx(2)
        assert replace(made, noisy_temperature=0.0).find_temperature(0.0) == pytest.approx(6)


class TestTraining:
    def test_batches(self, made, pool):
        """Of objects that are used alone, all kinds of answers, the same of the same seed."""
        config = made[0].config
        used, smooth = pool.group < 12, make_smoother(config)
        one, other = (draw_batch(pool, used, 128, np.random.default_rng(4), smooth, config) for _ in range(2))
        assert torch.equal(one.ratio, other.ratio)
        kinds = set(np.unique(pool.kind[used]).tolist())
        assert set(one.answer.tolist()) - {-1} == kinds | {3, 4}
        assert torch.isfinite(one.ratio).all()
        assert not torch.isfinite(one.phase[one.answer >= 3]).any()

    def test_contrast_is_that_of_a_view(self, pool):
        """Without noise and error, what networks learn from is what they see of a spectrum."""
        row = pool.transients[:1]
        seen = torch.as_tensor(np.isfinite(row), dtype=torch.float32)
        flux = torch.as_tensor(np.nan_to_num(row))
        smooth = make_smoother(CONFIG)
        ratio = (flux / ((flux @ smooth) / (seen @ smooth).clamp(min=1e-6)).clamp(min=1e-6) - 1)[0].numpy()
        centre = np.log(CONFIG.low) + CONFIG.step * (np.arange(CONFIG.bins) + 0.5)
        known = np.isfinite(row[0])
        view = view_spectrum(centre[known], row[0][known], np.full(known.sum(), 1e4), CONFIG)
        np.testing.assert_allclose(view.ratio, ratio[view.first : view.first + len(view.ratio)], atol=2e-4)

    def test_folds(self, made):
        """Each object is left out once, and of each type some in each fold."""
        library = made[0].get_library()
        fold = assign_folds(library, 2)
        for kind in range(3):
            own = np.unique(library.group[library.kind == kind])
            assert np.bincount(fold[own]).tolist() == [3, 3]

    def test_training(self, made, pool, tmp_path, monkeypatch):
        """Steps lower the loss of left-out objects; a run that was stopped goes on to the same networks."""
        monkeypatch.setattr(transient_networks, "BATCH", 32)
        monkeypatch.setattr(transient_networks, "TESTED", 2)
        monkeypatch.setattr(transient_networks, "KEPT", 10)
        head, _ = made
        first = train_networks(head, pool, 1, 3)
        figures = train_networks(head, pool, 30, 3)
        assert figures["loss"] < first["loss"]
        trained = {name: value.clone() for name, value in head.networks.state_dict().items()}

        def stop(text):
            if "step 20" in text:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_networks(head, pool, 30, 3, keep=tmp_path, report=stop)
        assert (tmp_path / "network_0.pt").is_file()
        train_networks(head, pool, 30, 3, keep=tmp_path)
        for name, value in head.networks.state_dict().items():
            torch.testing.assert_close(value, trained[name], rtol=1e-3, atol=1e-3)

    def test_thresholds(self):
        """Where enough of what is above is right; the highest value where it never is."""
        assert find_threshold([0.9, 0.8, 0.7, 0.6], [True, True, True, False], 0.95) == 0.7
        assert find_threshold([0.9, 0.8], [False, False], 0.95) == 0.9
