# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra of one object at several times: their times, one answer of all of them, velocities, changes."""

import numpy as np
import pytest
from _redshift import GALAXY, QUASAR, STAR, WIDTH, fake_measure, make_scores
from _transients import draw_observation, write_transient_weights
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from astropy.time import Time
from conftest import make_spectrum, rewrite
from specutils import Spectrum

from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator, TransientEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.redshift.coadd import add_exposures, have_mean
from astro_spectok.redshift.posterior import RedshiftPosterior
from astro_spectok.redshift.series import multiply_posteriors
from astro_spectok.spectra import SpectrumSeries, to_batch
from astro_spectok.spectra.series import find_time
from astro_spectok.stellar.series import compare_velocities, find_variability
from astro_spectok.transients import TransientFlag, find_changes

DAYS = Time([60020.0, 60000.0, 60010.0], format="mjd")


class TestSeries:
    def test_sorted_by_time(self):
        """Whatever the order they came in."""
        spectra = [make_spectrum(seed=k, meta={"name": str(k)}) for k in range(3)]
        series = SpectrumSeries(spectra, DAYS)
        assert [one.meta["name"] for one in series] == ["1", "2", "0"]
        assert series.order.tolist() == [1, 2, 0]
        assert (np.diff(series.times.mjd) > 0).all()

    @pytest.mark.parametrize(
        ("cards", "mjd"),
        [
            ({"MJD-OBS": 59000.25}, 59000.25),
            ({"DATE-OBS": "2020-05-31T06:00:00", "EXPTIME": 7200}, 59000.25 + 3600 / 86400),
            ({"DATE-OBS": "2020-05-31", "UT": "06:00:00"}, 59000.25),
            ({"MJD": 59000.25, "MJD-AVG": 59000.5}, 59000.5),
            ({"JD": 2459000.75}, 59000.25),
        ],
    )
    def test_times_of_headers(self, cards, mjd):
        assert find_time({"header": cards}).mjd == pytest.approx(mjd, abs=1e-6)
        assert find_time(cards).mjd == pytest.approx(mjd, abs=1e-6)

    @pytest.mark.parametrize("cards", [{}, {"DATE-OBS": "once"}, {"MJD": 0.0}, {"MJD-OBS": "x"}, {"MJD": 5e9}])
    def test_no_time(self, cards):
        assert find_time(cards) is None

    def test_without_times(self):
        """One header without a time: the order stays, and no time is made up."""
        spectra = [make_spectrum(meta={"header": header}) for header in ({"MJD-OBS": 59000.0}, {})]
        assert SpectrumSeries(spectra).times is None
        assert len(SpectrumSeries(spectra[:1]).times) == 1

    @pytest.mark.parametrize(
        ("spectra", "times", "error", "words"),
        [
            ([], None, ValueError, "at least one"),
            ([1], None, TypeError, "number 0 is int"),
            ([make_spectrum()], [59000.0], TypeError, "astropy.time.Time"),
            ([make_spectrum()], DAYS, ValueError, r"shape \(1,\)"),
            ([make_spectrum()], Time(np.ma.masked_array([59000.0], [True]), format="mjd"), ValueError, "finite"),
        ],
    )
    def test_bad_input(self, spectra, times, error, words):
        with pytest.raises(error, match=words):
            SpectrumSeries(spectra, times)

    def test_several_in_one(self):
        spectrum = make_spectrum()
        cube = Spectrum(
            flux=np.stack([spectrum.flux.value] * 2) * spectrum.flux.unit, spectral_axis=spectrum.spectral_axis
        )
        with pytest.raises(ValueError, match="take them apart"):
            SpectrumSeries([cube])

    def test_files(self, tmp_path):
        path = tmp_path / "one.fits"
        make_spectrum(200).write(path, format="tabular-fits")
        assert len(SpectrumSeries.from_files([path, path])) == 2


class TestRedshift:
    def test_faint_ones_add_up(self, redshift_weights, monkeypatch):
        """Three that are unsure each, of different second answers, are sure together."""
        faint = [make_scores(("GALAXY", 0.5, WIDTH, 0.4), ("GALAXY", other, WIDTH, 0.6)) for other in (0.8, 1.1, 0.2)]
        fake_measure(monkeypatch, *faint)
        # of instruments with so unlike pixels that there is no mean
        found = RedshiftEstimator(redshift_weights, "cpu").estimate(
            SpectrumSeries([make_spectrum(700 + 900 * k, 4000.0, 9000.0 - 2000 * k, seed=k) for k in range(3)])
        )
        assert found.spectype == "GALAXY"
        assert abs(found.z - 0.5) < 1e-3
        assert found.p_best > 0.95
        assert found.meta["epochs"] == found.meta["measured"] == 3
        assert not found.zwarn & RedshiftFlag.EPOCHS_DISAGREE

    def test_unlike_objects_are_flagged(self, redshift_weights, monkeypatch):
        sure = make_scores(("GALAXY", 0.5, WIDTH, 1.0))
        fake_measure(monkeypatch, sure, QUASAR, QUASAR, QUASAR)
        found = RedshiftEstimator(redshift_weights, "cpu").estimate(
            SpectrumSeries([make_spectrum(seed=k) for k in range(3)])
        )
        assert found.spectype == "QSO"
        assert found.zwarn & RedshiftFlag.EPOCHS_DISAGREE

    def test_mean_of_one_instrument(self, redshift_weights, monkeypatch):
        """Spectra on one grid are added, and the answer is that of the sum, unless they are of unlike objects."""
        faint = make_scores(("GALAXY", 0.8, WIDTH, 0.5), ("GALAXY", 0.2, WIDTH, 0.5))
        fake_measure(monkeypatch, faint, faint, make_scores(("GALAXY", 0.5, WIDTH, 1.0)))
        estimator = RedshiftEstimator(redshift_weights, "cpu")
        found = estimator.estimate(SpectrumSeries([make_spectrum(seed=k) for k in range(2)]))
        assert abs(found.z - 0.5) < 1e-3
        assert found.meta["epochs"] == found.meta["measured"] == 2
        alone = estimator.estimate(make_spectrum(seed=0))
        assert found.snr > 1.2 * alone.snr

    def test_one_epoch_is_the_spectrum(self, redshift_weights, monkeypatch):
        fake_measure(monkeypatch, GALAXY)
        estimator, one = RedshiftEstimator(redshift_weights, "cpu"), make_spectrum()
        assert abs(estimator.estimate(SpectrumSeries([one])).z - estimator.estimate(one).z) < 1e-4

    def test_corrupt_one_does_not_rule(self):
        """The product forgives one that says something impossible."""
        from _redshift import GRID

        wrong, right = make_scores(("QSO", 3.0, WIDTH, 1.0)), make_scores(("GALAXY", 0.5, WIDTH, 1.0))
        joint = multiply_posteriors([RedshiftPosterior(GRID, one) for one in (right, right, wrong)])
        assert joint.find_peaks(1)[0].spectype == "GALAXY"

    def test_nothing_to_measure(self, redshift_weights):
        bad = rewrite(make_spectrum(), flux=np.full(700, np.nan) * u.Jy, sigma=np.ones(700) * u.Jy)
        with pytest.warns(FlaggedSpectraWarning), pytest.raises(ValueError, match="a spectrum that can be measured"):
            RedshiftEstimator(redshift_weights, "cpu").estimate(SpectrumSeries([bad]))


class TestMean:
    def make_batch(self, *, scales=(1.0, 1.0, 1.0), shift=0.0):
        rng, spectra = np.random.default_rng(3), []
        for k, scale in enumerate(scales):
            wavelength = np.linspace(4000, 8000, 1000) * (1 + shift * k)
            flux = scale * (5 + np.sin(wavelength / 300) + rng.normal(0, 0.5, 1000))
            spectra.append((wavelength * u.AA, flux * u.Jy, np.full(1000, 0.5 * scale) * u.Jy))
        return to_batch(spectra, medium="vacuum")

    def test_noise_falls(self):
        """By the root of their number, whatever their scales; what was there stays as it was."""
        batch = self.make_batch(scales=(1.0, 3.0, 0.2))
        added, like = add_exposures(batch, [0, 1, 2])
        assert len(added) == 4
        np.testing.assert_array_equal(added.flux[: len(batch.flux)], batch.flux)
        one, mean = (np.median(added.flux[added.pixels(i)] * np.sqrt(added.ivar[added.pixels(i)])) for i in (like, 3))
        assert mean == pytest.approx(np.sqrt(3) * one, rel=0.05)

    def test_outliers_and_bad_pixels(self):
        """A cosmic ray in one is left out; a pixel that one lacks is that of the others."""
        batch = self.make_batch()
        clean, _ = add_exposures(batch, [0, 1, 2])
        batch.flux[batch.pixels(1)][50] *= 40
        batch.ivar[batch.pixels(2)][60] = 0
        added, _ = add_exposures(batch, [0, 1, 2])
        flux, ivar = (values[added.pixels(3)] for values in (added.flux, added.ivar))
        assert flux[50] == pytest.approx(clean.flux[clean.pixels(3)][50], rel=0.2)
        assert ivar[60] == pytest.approx(ivar[61] * 2 / 3, rel=0.1)

    def test_unlike_grids(self):
        """Pixels of other widths and ranges: the level is kept, the error is right, and each adds what it knows."""
        rng, spectra = np.random.default_rng(4), []
        for first, last, width, scale in ((4000, 8000, 4.0, 1.0), (4500, 9000, 2.3, 3.0), (3700, 7000, 3.1, 0.5)):
            x = np.arange(first, last, width)
            sigma = 0.4 / np.sqrt(width)  # the same noise per Angstrom
            flux = scale * (5 + np.sin(x / 300) + rng.normal(0, sigma, len(x)))
            spectra.append((x * u.AA, flux * u.Jy, np.full(len(x), scale * sigma) * u.Jy))
        batch = to_batch(spectra, medium="vacuum")
        assert have_mean(batch, [0, 1, 2])
        added, like = add_exposures(batch, [0, 1, 2])
        x, pixels = added.wavelength[added.grid(3)], added.pixels(3)
        assert (np.diff(x) > 1.5).all()
        assert (x[0], x[-1]) == pytest.approx((3700, 9000), abs=4)
        # flux per wavelength in the unit of the one whose level it has
        level = batch.flux[batch.pixels(like)] * batch.scale[like] * (batch.wavelength[batch.grid(like)] / 5000) ** 2
        truth = 5 + np.sin(x / 300)
        unit = np.median(level) / np.median(5 + np.sin(batch.wavelength[batch.grid(like)] / 300))
        ratio = added.flux[pixels] * added.scale[3] * (x / 5000) ** 2 / unit
        sigma = added.ivar[pixels] ** -0.5 * added.scale[3] * (x / 5000) ** 2 / unit
        np.testing.assert_allclose(np.median(ratio / truth), 1, atol=0.01)
        # neighbours hang together where grids are shifted: sums over many pixels have the noise that is stated
        inside = (x > 4600) & (x < 6900)
        off, weight = (ratio - truth * np.median(ratio / truth))[inside], sigma[inside] ** -2.0
        parts = np.add.reduceat(off * weight, np.arange(0, len(off), 20)) / np.sqrt(
            np.add.reduceat(weight, np.arange(0, len(off), 20))
        )
        assert 0.7 < np.std(parts) < 1.35
        # three with the same noise per Angstrom, in pixels of 4 Angstrom
        assert np.median(sigma[inside]) == pytest.approx(0.4 / np.sqrt(3 * 4), rel=0.1)
        assert np.median(sigma[x > 8100]) == pytest.approx(0.4 / np.sqrt(2.3), rel=0.1)

    def test_pixels_that_one_alone_has(self):
        """Where one of four is good, it is no outlier of what the others lack."""
        batch = self.make_batch(scales=(1.0, 1.0, 1.0, 1.0))
        for i in range(3):
            batch.ivar[batch.pixels(i)][100:120] = 0
        batch.flux[batch.pixels(3)] *= 10
        added, _ = add_exposures(batch, [0, 1, 2, 3])
        assert (added.ivar[added.pixels(4)] > 0).all()

    def test_what_has_no_mean(self):
        """Pixels of quite another width, little in common, or fluxes of another kind."""
        for other in (make_spectrum(2100), make_spectrum(700, 8000.0, 12000.0)):
            batch = to_batch([make_spectrum(700), other], medium="vacuum")
            assert not have_mean(batch, [0, 1])
        assert have_mean(self.make_batch(shift=1e-4), [0, 1, 2])


@pytest.fixture(scope="module")
def transient_weights(tmp_path_factory, redshift_weights):
    return write_transient_weights(tmp_path_factory.mktemp("transient") / "transient.safetensors", redshift_weights)


def make_transients(phases, z, *, snr=30.0):
    spectra = []
    for k, phase in enumerate(phases):
        wavelength, flux, sigma = draw_observation("Ia", phase, z, snr=snr, seed=k)
        spectra.append(
            Spectrum(flux=flux * u.Jy, spectral_axis=wavelength * u.AA, uncertainty=StdDevUncertainty(sigma, unit=u.Jy))
        )
    return spectra


class TestTransients:
    def test_phases_follow_the_dates(self, transient_weights, monkeypatch):
        """One type and redshift; the phase is that of the first, and time is dilated."""
        fake_measure(monkeypatch, *[GALAXY] * 3)
        times = Time(60000 + 1.2 * np.array([0.0, 10.0, 20.0]), format="mjd")
        series = SpectrumSeries(make_transients((-8.0, 2.0, 12.0), 0.2), times)
        found = TransientEstimator(transient_weights, "cpu").estimate(series)
        assert found.type == "Ia"
        assert abs(found.z - 0.2) < 0.01
        assert abs(found.phase - -8 * u.day) < 6 * u.day
        assert not found.warn & (TransientFlag.DATES_DISAGREE | TransientFlag.EPOCHS_DISAGREE)

    @pytest.mark.parametrize("between", [60.0, 2000.0])
    def test_wrong_dates_are_flagged(self, transient_weights, monkeypatch, between):
        """Also where no phase of the first allows for that of the others."""
        fake_measure(monkeypatch, *[GALAXY] * 2)
        times = Time(60000 + np.array([0.0, between]), format="mjd")
        series = SpectrumSeries(make_transients((2.0, 12.0), 0.1, snr=100.0), times)
        found = TransientEstimator(transient_weights, "cpu").estimate(series)
        assert found.type == "Ia"
        assert TransientFlag.DATES_DISAGREE in found.warn

    @pytest.mark.parametrize(
        ("scores", "kinds", "other"),
        [((GALAXY, QUASAR), "Ia", True), ((QUASAR, STAR), "QSO STAR", True), ((QUASAR, QUASAR), "QSO", False)],
    )
    def test_another_object_among_them(self, transient_weights, monkeypatch, scores, kinds, other):
        """What is surely no transient, at another redshift, is another object, whichever of them leads the answer."""
        rng = np.random.default_rng(2)
        flux = 1 + 0.3 * np.sin(np.linspace(0, 90, 1200)) + rng.normal(0, 0.02, 1200)
        none = Spectrum(
            flux=flux * u.Jy, spectral_axis=np.linspace(4000, 8800, 1200) * u.AA,
            uncertainty=StdDevUncertainty(np.full(1200, 0.02), unit=u.Jy),
        )  # fmt: skip
        fake_measure(monkeypatch, *scores)
        first = make_transients((2.0,), 0.1, snr=300.0)[0] if kinds == "Ia" else none
        series = SpectrumSeries([first, none], Time([60000.0, 60009.0], format="mjd"))
        found = TransientEstimator(transient_weights, "cpu").estimate(series)
        assert found.type in kinds.split()
        assert (TransientFlag.EPOCHS_DISAGREE in found.warn) == other

    def test_without_times_no_phase(self, transient_weights, monkeypatch):
        fake_measure(monkeypatch, *[GALAXY] * 2)
        found = TransientEstimator(transient_weights, "cpu").estimate(SpectrumSeries(make_transients((2.0, 12.0), 0.1)))
        assert found.type == "Ia"
        assert np.isnan(found.phase)


class TestVelocities:
    def make_batch(self, velocities, seed=0):
        rng, spectra = np.random.default_rng(seed), []
        x = np.linspace(np.log(4000), np.log(5500), 3000)
        centres = rng.uniform(x[0], x[-1], 60)
        for _k, velocity in enumerate(velocities):
            lines = np.exp(-0.5 * ((x[:, None] - np.log1p(velocity / 299792.458) - centres) / 2.5e-4) ** 2).sum(1)
            flux = 1 - 0.3 * lines + rng.normal(0, 0.02, len(x))
            spectra.append(
                Spectrum(
                    flux=flux * u.Jy, spectral_axis=np.exp(x) * u.AA, meta={"medium": "vacuum"},
                    uncertainty=StdDevUncertainty(np.full(len(x), 0.02), unit=u.Jy),
                )
            )  # fmt: skip
        return SpectrumSeries(spectra).to_batch()

    def test_relative_to_each_other(self):
        """What was known of each before hardly matters: differences are the stars' own, to a few km/s."""
        truth = np.array([0.0, 30.0, -20.0])
        before = truth + np.array([6.0, -5.0, 3.0])
        found, width = compare_velocities(
            self.make_batch(truth), [0, 1, 2], np.log1p(before / 299792.458), np.full(3, 4e-5)
        )
        rv, sigma = 299792.458 * found, 299792.458 * width
        assert (sigma < 2).all()
        np.testing.assert_allclose(rv - rv.mean(), truth - truth.mean(), atol=2.5)

    def test_variability(self):
        rng = np.random.default_rng(3)
        steady = [find_variability(rng.normal(0, 3, 4), np.full(4, 3.0)) for _ in range(50)]
        assert np.mean([one.p_variable for one in steady]) < 0.1
        assert np.mean([one.p_constant < 0.05 for one in steady]) < 0.15
        assert find_variability(np.array([0.0, 50.0]), np.array([3.0, 3.0])).p_variable > 0.99
        assert np.isnan(find_variability(np.array([1.0]), np.array([3.0])).p_variable)

    def test_no_series(self):
        with pytest.raises(TypeError, match="SpectrumSeries"):
            StellarParameterEstimator(device="cpu").estimate_velocities([make_spectrum()])


class TestChanges:
    def make_spectra(self, lines, *, sigma=0.03, width=80.0, pixels=(1500, 1500, 1500), spikes=0):
        """Spectra with slopes of their own, with a line in each, and pixels that are far too bright in the last."""
        rng, spectra = np.random.default_rng(5), []
        for line, n in zip(lines, pixels, strict=False):
            x = np.linspace(4000, 7000, n)
            slope = (x / 5500) ** rng.normal(0, 0.2)
            flux = (1 + 0.3 * np.sin(x / 200) + line * np.exp(-0.5 * ((x - 5600) / width) ** 2)) * slope
            flux += rng.normal(0, sigma, n)
            if spikes and len(spectra) == len(lines) - 1:
                flux[rng.integers(0, n, spikes)] += 20
            spectra.append(
                Spectrum(
                    flux=flux * u.Jy, spectral_axis=x * u.AA,
                    uncertainty=StdDevUncertainty(np.full(n, sigma), unit=u.Jy),
                )
            )  # fmt: skip
        return SpectrumSeries(spectra)

    @pytest.mark.parametrize("pixels", [(1500, 1500, 1500), (1500, 900, 2100), (180, 150, 200)])
    def test_what_changes_is_found(self, pixels):
        """A broad line that appears, with pixels of any width; and neither noise nor another slope."""
        found = find_changes(self.make_spectra((0.0, 0.0, 0.8), pixels=pixels))
        assert found.changed[2]
        assert any(low < 5600 < high for low, high in found.ranges[2])
        assert not find_changes(self.make_spectra((0.0, 0.0), pixels=pixels)).changed.any()

    def test_a_fifth_is_enough(self):
        """Of a spectrum with a high signal-to-noise ratio, in both directions."""
        for line in (0.2, -0.2):
            found = find_changes(self.make_spectra((0.0, line), sigma=0.01))
            assert found.changed.all()
            low, high = found.ranges[1][0]
            assert 5400 < low < 5600 < high < 5800

    @pytest.mark.parametrize("options", [{"spikes": 40}, {"width": 2.0}])
    def test_neither_cosmic_rays_nor_narrow_lines(self, options):
        line = 5.0 if "width" in options else 0.0
        assert not find_changes(self.make_spectra((0.0, line), **options)).changed.any()

    def test_units_and_scale_do_not_matter(self):
        spectra = self.make_spectra((0.0, 0.8))
        brighter = Spectrum(
            flux=spectra[1].flux.value * 8192 * u.mJy, spectral_axis=spectra[1].spectral_axis,
            uncertainty=StdDevUncertainty(spectra[1].uncertainty.array * 8192, unit=u.mJy),
        )  # fmt: skip
        first, second = find_changes(spectra), find_changes(SpectrumSeries([spectra[0], brighter]))
        np.testing.assert_allclose(first.difference, second.difference, rtol=1e-6, atol=1e-6)

    def test_bad_input(self):
        with pytest.raises(TypeError, match="SpectrumSeries"):
            find_changes([make_spectrum()])
        with pytest.raises(ValueError, match="two spectra"):
            find_changes(SpectrumSeries([make_spectrum()]))
