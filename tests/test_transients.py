# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Types, phases and redshifts of transients, by a made-up library and known posteriors of the redshift head."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from _contract import assert_same_row
from _redshift import GALAXY, QUASAR, STAR, fake_measure
from _transients import draw_observation, make_head, write_transient_weights
from astropy import units as u
from astropy.table import QTable
from conftest import make_spectrum

from astro_spectok.cli import main
from astro_spectok.estimators import RedshiftEstimator, TransientEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning, WeightsError
from astro_spectok.heads.transient_fit import scan_templates, view_spectrum
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.redshift.transient_rule import TransientRule
from astro_spectok.transients import TransientFlag
from astro_spectok.transients.measure import choose_type, combine_flags, find_flags
from astro_spectok.transients.posterior import Phase, TransientCalibration, TransientPosterior, make_posterior
from astro_spectok.transients.series import multiply_types

ONE = u.dimensionless_unscaled


@pytest.fixture(scope="module")
def head():
    return make_head()[0]


@pytest.fixture(scope="module")
def transient_weights(tmp_path_factory, redshift_weights):
    return write_transient_weights(tmp_path_factory.mktemp("transient") / "transient.safetensors", redshift_weights)


def as_input(wavelength, flux, sigma):
    return wavelength * u.AA, flux * ONE, sigma * ONE


def compare(head, wavelength, flux, sigma, **options):
    view = view_spectrum(np.log(wavelength), flux, sigma**-2.0, head.config)
    return view, scan_templates(view, head.get_sums(), **options)


class TestScan:
    def test_best_template_is_the_right_one(self, head):
        """At the right redshift, and nothing depends on the unit of the flux or on bad pixels."""
        wavelength, flux, sigma = draw_observation("II", 12.0, 0.2)
        view, scan = compare(head, wavelength, flux, sigma)
        shift, one = np.unravel_index(scan.gain.argmax(), scan.gain.shape)
        library = head.get_library()
        assert library.config.types[library.kind[one]] == "II"
        assert abs(np.expm1(scan.ln1pz[shift]) - 0.2) < 0.004
        scaled = view_spectrum(np.log(wavelength), 1e-15 * flux, (1e-15 * sigma) ** -2.0, head.config)
        np.testing.assert_allclose(scaled.ratio, view.ratio, atol=1e-12)
        ivar = sigma**-2.0
        ivar[100:110] = 0
        spoilt = flux.copy()
        spoilt[100:110] = np.nan
        other = flux.copy()
        other[100:110] = 1e9
        views = [view_spectrum(np.log(wavelength), values, ivar, head.config) for values in (spoilt, other)]
        np.testing.assert_array_equal(views[0].ratio, views[1].ratio)

    def test_sums_are_those_of_a_direct_fit(self, head):
        """The gain at one shift is the fall of chi squared of a least-squares fit with the same priors."""
        from astro_spectok.heads.transient_fit import HOST, SMOOTH, WAVES, make_waves

        wavelength, flux, sigma = draw_observation("Ia", 2.0, 0.1, seed=4)
        view, scan = compare(head, wavelength, flux, sigma)
        shift, one = np.unravel_index(scan.gain.argmax(), scan.gain.shape)
        library = head.get_library()
        config, n_own = library.config, library.templates.shape[1]
        place = np.arange(view.first, view.first + len(view.ratio)) - (config.lags[0] + shift)
        seen = (place >= 0) & (place < config.bins)
        rows = library.rows[:, place[seen]].astype(float)
        nuisance = np.concatenate([rows[n_own:], make_waves(len(view.ratio))[:, seen]])
        scale = np.concatenate([np.full(len(rows) - n_own, HOST), np.full(WAVES, SMOOTH)])
        weight, ratio = view.weight[seen], view.ratio[seen]
        template = scan.strength[shift, one] * (library.templates[one] @ rows[:n_own])

        def fit(values):
            inner = (nuisance * weight) @ nuisance.T + np.diag(scale**-2.0)
            coefficients = np.linalg.solve(inner, (nuisance * weight) @ values)
            return weight @ (values - coefficients @ nuisance) ** 2 + np.sum((coefficients / scale) ** 2)

        # products of components are summed over weights that are averaged over a few bins
        assert scan.gain[shift, one] == pytest.approx((fit(ratio) - fit(ratio - template)) / 2, rel=0.03)

    def test_fewer_redshifts(self, head):
        """Those that are tried give the same."""
        one = draw_observation("Ic", 12.0, 0.1)
        whole, part = (compare(head, *one, every=every)[1] for every in (1, 3))
        np.testing.assert_allclose(part.gain, whole.gain[::3], rtol=1e-4, atol=1e-3)

    def test_known_redshift(self, head):
        """That and its neighbours give the same; there are two at either end, and none beyond is answered."""
        one = draw_observation("Ic", 12.0, 0.1)
        whole = compare(head, *one)[1]
        for place in (0, 60, len(whole.ln1pz) - 1):
            part, near = compare(head, *one, near=whole.ln1pz[place])[1], slice(max(place - 1, 0), place + 2)
            np.testing.assert_allclose(part.ln1pz, whole.ln1pz[near])
            for name in ("gain", "host", "strength"):
                np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[near], rtol=1e-4, atol=1e-3)
        for near in (-0.1, 1.5):
            with pytest.raises(ValueError, match=rf"redshift from -0.005 to 0.4; got {near:g}"):
                compare(head, *one, near=near)

    def test_too_little(self, head):
        wavelength = np.linspace(5000, 5100, 200)
        assert view_spectrum(np.log(wavelength), np.ones(200), np.ones(200), head.config) is None
        assert view_spectrum(np.log(wavelength), np.ones(200), np.zeros(200), head.config) is None

    def test_object_is_left_out(self, head):
        """Its own templates do not count, and probabilities add up to 1."""
        view, scan = compare(head, *draw_observation("Ia", 2.0, 0.1))
        library = head.get_library()
        group = int(library.group[np.unravel_index(scan.gain.argmax(), scan.gain.shape)[1]])
        calibration = TransientCalibration(offset={"Ia": -0.5})
        posterior = make_posterior(view, scan, library, calibration, left_out=group)
        assert np.isneginf(posterior.log_templates[:, library.group == group]).all()
        assert sum(posterior.type_probability.values()) == pytest.approx(1)


class TestEstimate:
    @pytest.mark.parametrize(("kind", "phase", "z"), [("Ia", 2.0, 0.05), ("II", 12.0, 0.15), ("Ic", 22.0, 0.25)])
    def test_type_phase_and_redshift(self, transient_weights, monkeypatch, kind, phase, z):
        fake_measure(monkeypatch, GALAXY)
        found = TransientEstimator(transient_weights, "cpu").estimate(as_input(*draw_observation(kind, phase, z)))
        assert found.type == kind
        assert found.p_type > 0.7
        assert abs(found.z - z) < 0.01
        assert abs(found.phase - phase * u.day) < 2 * found.phase_err < 25 * u.day
        assert 0 <= found.p_host <= 1
        assert found.p_transient > 0.9
        assert sum(found.type_probability.values()) == pytest.approx(1)
        assert not found.warn & TransientFlag.NOT_A_TRANSIENT
        assert kind in repr(found)
        assert "TransientEstimate" in found._repr_html_()

    def test_no_transient(self, transient_weights, monkeypatch):
        """Of what no template explains the class and the redshift of the redshift head are given."""
        fake_measure(monkeypatch, QUASAR)
        rng = np.random.default_rng(2)
        flux = 1 + 0.3 * np.sin(np.linspace(0, 90, 1200)) + rng.normal(0, 0.02, 1200)
        found = TransientEstimator(transient_weights, "cpu").estimate(
            as_input(np.linspace(4000, 8800, 1200), flux, np.full(1200, 0.02))
        )
        assert found.type == "QSO"
        assert abs(found.z - 2.0) < 0.01
        assert found.warn & TransientFlag.NOT_A_TRANSIENT
        assert np.isnan(found.phase)
        assert np.isnan(found.p_host)

    def test_picture(self, transient_weights, monkeypatch):
        """The template lies on the spectrum; what is no transient is drawn without one."""
        fake_measure(monkeypatch, GALAXY)
        found = TransientEstimator(transient_weights, "cpu").estimate(as_input(*draw_observation("II", 12.0, 0.15)))
        spectrum, types = found.plot()
        drawn, template = (line.get_ydata() for line in spectrum.lines)
        seen = np.isfinite(drawn)
        assert np.corrcoef(drawn[seen], template[seen])[0, 1] > 0.9
        assert "II of the library, +" in spectrum.get_legend().get_texts()[1].get_text()
        assert "at rest" in spectrum.get_xlabel()
        assert max(bar.get_width() for bar in types.patches) == found.p_type
        flux = as_input(np.linspace(4000, 8800, 1200), 1 + 0.1 * np.sin(np.linspace(0, 90, 1200)), np.full(1200, 0.02))
        axes = TransientEstimator(transient_weights, "cpu").estimate(flux).plot()
        assert axes[0].get_ylabel() == "Flux per unit wavelength, any scale"
        with pytest.raises(ValueError, match="must be that of a single spectrum"):
            replace(found, _batch=None).plot()

    def test_known_to_be_one(self, transient_weights, monkeypatch):
        """Then it is given a type, however little it looks so."""
        fake_measure(monkeypatch, QUASAR)
        rng = np.random.default_rng(2)
        flux = 1 + 0.3 * np.sin(np.linspace(0, 90, 1200)) + rng.normal(0, 0.02, 1200)
        one = as_input(np.linspace(4000, 8800, 1200), flux, np.full(1200, 0.02))
        found = TransientEstimator(transient_weights, "cpu", assume_transient=True).estimate(one)
        assert found.type in ("Ia", "II", "Ic")
        assert found.p_transient == 1.0
        with pytest.raises(TypeError, match="assume_transient must be"):
            TransientEstimator(transient_weights, "cpu", assume_transient="no").estimate(one)

    def test_one_is_like_many(self, transient_weights, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        estimator, one = TransientEstimator(transient_weights, "cpu"), as_input(*draw_observation("Ia", 2.0, 0.05))
        assert_same_row(estimator.estimate(one), estimator.estimate([one]))

    def test_bad_spectra_are_rows(self, transient_weights, monkeypatch):
        """What cannot be measured is flagged and says why; the others are as they are alone."""
        fake_measure(monkeypatch, GALAXY, None, STAR)
        good = as_input(*draw_observation("Ia", 2.0, 0.05))
        bad = np.linspace(4000, 8000, 500) * u.AA, np.full(500, np.nan) * ONE, np.ones(500) * ONE
        with pytest.warns(FlaggedSpectraWarning):
            table = TransientEstimator(transient_weights, "cpu").estimate([good, bad, good])
        assert table["type"].tolist()[1] == ""
        assert table["message"][1]
        assert TransientFlag(int(table["warn"][1])) & (TransientFlag.NO_DATA | TransientFlag.TOO_FEW_PIXELS)
        assert np.isnan(table["z"][1])
        assert np.isfinite(table["z"][[0, 2]]).all()
        assert table.meta["estimator"] == "TransientEstimator"
        assert len(table.meta["weights_sha256"]) == 64

    def test_weights_without_a_head(self, redshift_weights):
        with pytest.raises(WeightsError, match=r"no transient head.*spectok build transients"):
            TransientEstimator(redshift_weights, "cpu").estimate(as_input(*draw_observation("Ia", 2.0, 0.05)))


class TestChoice:
    def test_groups_before_types(self):
        """Types that are hard to keep apart do not lose to one that is not, nor to a class that fewer say."""
        assert choose_type({"Ia": 0.4, "Ib": 0.3, "IIb": 0.05, "Ic": 0.25}) == ("Ib", "Ia")
        assert choose_type({"Ia": 0.2, "II": 0.2, "Ic": 0.2, "GALAXY": 0.4})[0] in ("Ia", "II", "Ic")
        assert choose_type({"Ia": 0.4, "GALAXY": 0.25, "STAR": 0.35})[0] == "STAR"

    def test_probability_of_the_group(self, transient_weights, monkeypatch):
        """It is that of all types of the group together, in the table as well."""
        fake_measure(monkeypatch, GALAXY)
        found = TransientEstimator(transient_weights, "cpu").estimate(as_input(*draw_observation("Ic", 12.0, 0.1)))
        own = [p for name, p in found.type_probability.items() if name in ("Ib", "Ic", "Ic-BL", "Ibn")]
        assert found.p_group == pytest.approx(sum(own))
        assert found.to_table()["p_group"][0] == found.p_group

    @pytest.mark.parametrize(
        ("sure", "flagged"), [({"group": 0.6}, False), ({"group": 0.8}, True), ({"type": 0.6}, True)]
    )
    def test_which_types_are_sure(self, head, monkeypatch, sure, flagged):
        """The group counts, or the type alone where the head knows no threshold of groups."""
        monkeypatch.setattr(head, "rules", head.rules | {"sure": sure})
        made = find_flags("Ib", {"Ib": 0.4, "Ic": 0.3, "Ia": 0.3}, 1.0, 1.0, Phase(0.0, 3.0), head)
        assert bool(made & TransientFlag.TYPE_UNSURE) == flagged


def test_unsure_phase_is_a_remark():
    """It stands beside what makes type or redshift unsure, and alone it is none."""
    assert combine_flags(0, TransientFlag.PHASE_UNSURE) == 0
    both = TransientFlag.PHASE_UNSURE | TransientFlag.TYPE_UNSURE
    assert combine_flags(0, both) == both


def test_late_template_does_not_lead():
    """A template a year after all others, as probable as each of five, moves the mean by days and not by months."""
    config = SimpleNamespace(types=("Ia",))
    library = SimpleNamespace(config=config, kind=np.zeros(6, int), phase=np.array([0.0, 0.0, 0.0, 0.0, 0.0, 300.0]))
    found = TransientPosterior(("Ia",), np.zeros(1), np.zeros((1, 1)), np.zeros((1, 6)), TransientCalibration())
    phase = found.find_phase("Ia", library, 0.0)
    assert 0 < phase.mean < 10
    assert phase.mean / phase.sigma < 1


class TestObjects:
    """Ejecta of unlike speed: the redshift is the mean of what objects of the group say, each at its best."""

    LN1PZ = np.arange(0.0, 0.1, 0.0025)

    def make(self, scores, kinds, **calibration):
        """Objects with peaks at shifts with heights; the first of them is the best of all."""
        objects = np.stack([height - ((self.LN1PZ - shift) / 0.004) ** 2 for shift, height in scores], axis=1)
        log_p = np.stack(
            [
                np.logaddexp.reduce(objects[:, np.array(kinds) == k], axis=1) if k in kinds else objects[:, 0] - 50
                for k in range(2)
            ],
            axis=1,
        )
        return TransientPosterior(
            ("Ia", "SLSN"), self.LN1PZ, log_p - np.logaddexp.reduce(log_p, axis=None), None,
            TransientCalibration(**calibration), log_objects=objects, kinds=np.array(kinds),
        )  # fmt: skip

    def test_mean_of_objects(self):
        scores = [(0.05, 1.0), (0.04, 0.6), (0.035, 0.6), (0.07, 0.9)]
        peak, _, _ = self.make(scores, (0, 0, 0, 1)).find_redshift()
        mean, width, p_z = self.make(scores, (0, 0, 0, 1), z_reach=0.03).find_redshift()
        weights = np.exp([0.4, 0.0, 0.0])
        assert mean == pytest.approx(weights @ [0.05, 0.04, 0.035] / weights.sum(), abs=1e-9)
        assert mean < peak - 0.002
        assert width > 0.005
        assert 0 < p_z < 1

    def test_left_out_and_far_ones_have_no_say(self):
        one = self.make([(0.05, 1.0), (0.04, 0.9), (0.09, 0.9)], (0, 0, 0), z_reach=0.03)
        one.log_objects[:, 1] = -np.inf
        mean, _, _ = one.find_redshift()
        # of the far one, whose peak is beyond, the nearest shift counts for nothing
        assert mean == pytest.approx(0.05, abs=1e-4)

    def test_series(self):
        """Objects of all epochs are added up."""
        both = multiply_types([self.make([(0.05, 1.0), (0.04, 0.0)], (0, 0), z_reach=0.03)] * 2)
        assert both.log_objects[:, 1].max() == pytest.approx(0.0)
        assert both.log_objects[:, 0].max() == pytest.approx(2.0)


class TestRedshifts:
    def test_transients_are_flagged(self, transient_weights, redshift_weights, monkeypatch):
        """With a head only; what is no transient is left alone."""
        from astro_spectok.redshift import estimator

        monkeypatch.setattr(estimator, "conclude_flags", lambda *args: RedshiftFlag.NONE)
        one = as_input(*draw_observation("Ia", 2.0, 0.05))
        flags = []
        for weights in (transient_weights, redshift_weights):
            fake_measure(monkeypatch, GALAXY)
            flags.append(RedshiftEstimator(weights, "cpu").estimate(one).zwarn)
        assert flags == [RedshiftFlag.TRANSIENT_LIKE, RedshiftFlag.NONE]

    def test_hosts_by_their_lines(self):
        """A galaxy is one from the evidence on that the head states; that of older files, where it states none."""
        head, _ = make_head()
        rule = TransientRule(head)
        assert [rule.is_certain("GALAXY", x) for x in (60.0, 40.0, np.nan)] == [True, False, False]
        assert not rule.is_certain("STAR", 60.0)
        head.rules["certain"] = 80.0
        assert [TransientRule(head).is_certain("GALAXY", x) for x in (60.0, 90.0)] == [False, True]


def test_shell(transient_weights, tmp_path, monkeypatch, capsys):
    """A row for each file, in their order, with units."""
    fake_measure(monkeypatch, GALAXY, None)
    path, bad, out = tmp_path / "one.fits", tmp_path / "bad.txt", tmp_path / "out.ecsv"
    make_spectrum(900, 4000.0, 8800.0).write(path, format="tabular-fits")
    bad.write_text("nothing")
    assert main(["transient", str(path), str(bad), "-o", str(out), "--weights", str(transient_weights)]) == 3
    table = QTable.read(out)
    assert table["phase"].unit == u.day
    assert table["type"][0]
    assert len(table) == 2
    assert "in 2 spectra" in capsys.readouterr().out
