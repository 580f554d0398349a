# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Flags of stellar parameters, with the answers of the network known."""

import matplotlib as mpl
import numpy as np
import pytest
from _redshift import GALAXY, STAR, WIDTH, fake_measure, make_scores
from _stellar import SIGMA, add_stellar_head
from astropy import units as u
from conftest import make_spectrum

from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.stellar import StellarFlag
from astro_spectok.stellar.binaries import SecondStar
from astro_spectok.stellar.white_dwarfs import WhiteDwarfFit

mpl.use("agg")

G_STAR = {"G": 0.9, "F": 0.1}
#: of the velocity of `STAR`
LN_DOPPLER = np.log1p(-2e-4)


def make_fit(**changes):
    """A white dwarf of 20,000 K whose lines are those of the models."""
    covariance = np.array([[0.02**2, 4e-4], [4e-4, 0.1**2]])
    known = {"mean": np.array([4.3, 8.1]), "covariance": covariance}
    known |= {"gain": 5000.0, "share": 0.02, "edge": 0.0, "strain": 2.0}
    return WhiteDwarfFit(**known | changes)


@pytest.fixture
def estimator(redshift_weights, monkeypatch):
    add_stellar_head(monkeypatch, redshift_weights)
    return StellarParameterEstimator(redshift_weights, "cpu")


class TestFlags:
    def find(
        self, redshift_weights, monkeypatch, scores=STAR, types=G_STAR, spectrum=None, head=None, fit=None, **kwargs
    ):
        add_stellar_head(monkeypatch, redshift_weights, **(head or {}))
        fake_measure(monkeypatch, scores, types=types)
        if fit is not None:
            monkeypatch.setattr("astro_spectok.redshift.solutions.refine_redshift", lambda *args, **kwargs: fit)
        estimator = StellarParameterEstimator(redshift_weights, "cpu", **kwargs)
        return estimator.estimate(make_spectrum() if spectrum is None else spectrum)

    def test_galaxy(self, redshift_weights, monkeypatch):
        """Gets nothing, unless it is known to be a star."""
        found = self.find(redshift_weights, monkeypatch, GALAXY)
        assert found.warn == StellarFlag.NOT_A_STAR
        assert all(np.isnan(getattr(found, name)) for name in found.labels)
        found = self.find(redshift_weights, monkeypatch, GALAXY, assume_star=True)
        assert found.warn & StellarFlag.NOT_A_STAR == 0
        assert np.isfinite(found.teff)

    def test_uncertain_star(self, redshift_weights, monkeypatch):
        scores = make_scores(("STAR", 0.0, WIDTH, 0.7), ("GALAXY", 0.5, WIDTH, 0.3))
        found = self.find(redshift_weights, monkeypatch, scores)
        assert found.warn == StellarFlag.NOT_A_STAR
        assert np.isfinite(found.teff)
        assert found.p_star == pytest.approx(0.7, abs=1e-3)

    @pytest.mark.parametrize("kind", ["WD", "CV", "C", "L", "T"])
    @pytest.mark.parametrize(("p", "given"), [(0.9, False), (0.25, True)])
    def test_types_without_parameters(self, redshift_weights, monkeypatch, kind, p, given):
        """Are flagged, and get a velocity alone if they are probable."""
        found = self.find(redshift_weights, monkeypatch, types={kind: p, "G": 1 - p})
        assert found.warn & StellarFlag.TYPE_NOT_COVERED
        assert bool(np.isfinite(found.teff)) is given
        assert np.isfinite(found.rv)

    @pytest.mark.parametrize(
        ("p", "change", "flag", "given"),
        [
            (0.9, {}, StellarFlag.NONE, True),
            (0.9, {"share": 0.5}, StellarFlag.TYPE_NOT_COVERED, False),  # lines that no model has
            (0.9, {"gain": 3.0}, StellarFlag.TYPE_NOT_COVERED, False),  # no lines
            (0.3, {}, StellarFlag.TYPE_NOT_COVERED, True),  # as an ordinary star
        ],
    )
    def test_white_dwarfs(self, redshift_weights, monkeypatch, p, change, flag, given):
        """Have labels of models, and no metals, where their lines say something and the type is clear."""
        fit = make_fit(**change)
        monkeypatch.setattr("astro_spectok.stellar.measure.fit_white_dwarf", lambda *args, **kwargs: fit)
        found = self.find(redshift_weights, monkeypatch, types={"WD": p, "B": 1 - p})
        assert found.warn & ~StellarFlag.TYPE_DISAGREES == flag
        assert bool(np.isfinite(found.teff)) is given
        if p > 0.5:
            assert np.isnan(found.fe_h)
            assert np.isfinite(found.rv)
        if p > 0.5 and given:
            assert found.teff.value == pytest.approx(10 ** fit.mean[0], rel=1e-4)
            assert found.logg.value == pytest.approx(fit.mean[1], rel=1e-4)
            assert found.covariance[0, 1] == pytest.approx(fit.covariance[0, 1] * np.log(10) * found.teff.value)

    def test_spectrum_of_a_white_dwarf(self, redshift_weights, monkeypatch):
        """Its models are fitted at the velocity of the star, and to no other star."""
        asked = []
        monkeypatch.setattr(
            "astro_spectok.stellar.measure.fit_white_dwarf", lambda *args, **kwargs: asked.append(args) or make_fit()
        )
        self.find(redshift_weights, monkeypatch)
        assert not asked
        self.find(redshift_weights, monkeypatch, types={"WD": 1.0})
        ((ln_wavelength, *_),) = asked
        given = np.log(make_spectrum().spectral_axis.to_value(u.AA)[0])
        assert ln_wavelength[0] == pytest.approx(given - LN_DOPPLER, abs=1e-5)

    @pytest.mark.parametrize(
        ("mean", "sigma", "flag"),
        [
            ((3.76, 6.5, 0.0, 0.0, 0.4), SIGMA, StellarFlag.OUT_OF_HULL),
            ((3.76, 4.44, 1.5, 0.0, 0.4), SIGMA, StellarFlag.OUT_OF_HULL),
            ((3.76, 4.7, 0.0, 0.0, 0.4), (0.002, 0.3, 0.03, 0.02, 0.1), StellarFlag.NONE),
            ((3.76, 4.7, 0.0, 0.0, 0.4), (0.002, 3.0, 0.03, 0.02, 0.1), StellarFlag.EXTRAPOLATED),
        ],
    )
    def test_hull(self, redshift_weights, monkeypatch, mean, sigma, flag):
        found = self.find(redshift_weights, monkeypatch, head={"mean": mean, "sigma": sigma})
        assert found.warn == flag

    def test_noise(self, redshift_weights, monkeypatch):
        rng = np.random.default_rng(0)
        axis, sigma = np.linspace(4000, 7000, 700) * u.AA, np.full(700, 0.3) * u.Jy
        found = self.find(
            redshift_weights, monkeypatch, spectrum=(axis, (1 + 0.3 * rng.normal(size=700)) * u.Jy, sigma)
        )
        assert found.warn == StellarFlag.LOW_SNR | StellarFlag.MEDIUM_UNKNOWN

    def test_weak_features(self, redshift_weights, monkeypatch):
        """The brighter a star that is not sure, the more its features must speak for it, as in ``zwarn``."""
        from astro_spectok.redshift.solutions import Sharpened
        from astro_spectok.stellar.velocity import StellarVelocity

        sharp = Sharpened(LN_DOPPLER, WIDTH, 50.0, WIDTH, 0.0, True)
        monkeypatch.setattr(
            "astro_spectok.stellar.measure.find_velocity",
            lambda *args: StellarVelocity(LN_DOPPLER, WIDTH, 50.0, False, sharp),
        )
        scores = make_scores(("STAR", 0.0, WIDTH, 0.9), ("GALAXY", 0.5, WIDTH, 0.1))
        assert self.find(redshift_weights, monkeypatch, scores).warn == StellarFlag.SKY_LIKE
        assert self.find(redshift_weights, monkeypatch).warn == StellarFlag.NONE

    def test_range(self, redshift_weights, monkeypatch):
        """Where labels were not learnt nothing is given, though the network was trained there."""
        found = self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(low=22000, high=24000))
        assert found.warn == StellarFlag.OUT_OF_WAVELENGTH_RANGE
        assert np.isnan(found.teff)

    def test_wide_range(self, redshift_weights, monkeypatch):
        """A spectrum that holds all that labels were learnt from is not flagged for what it holds besides."""
        found = self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(4000, low=3300, high=24000))
        assert found.warn == StellarFlag.NONE
        assert np.isfinite(found.alpha_fe)
        red = self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(4000, low=6900, high=8380))
        assert red.warn == StellarFlag.OUT_OF_WAVELENGTH_RANGE

    def test_resolution(self, redshift_weights, monkeypatch):
        add_stellar_head(monkeypatch, redshift_weights)
        fake_measure(monkeypatch, STAR, types=G_STAR)
        estimator = StellarParameterEstimator(redshift_weights, "cpu")
        assert estimator.estimate(make_spectrum(), resolution=50).warn == StellarFlag.EXTRAPOLATED
        assert estimator.estimate(make_spectrum(), resolution=2000).warn == StellarFlag.NONE

    def test_two_types(self, redshift_weights, monkeypatch):
        """Only types that are far apart are those of two stars."""
        found = self.find(redshift_weights, monkeypatch, types={"A": 0.4, "G": 0.3, "K": 0.3})
        assert found.warn == StellarFlag.BLEND_LIKE
        near = self.find(redshift_weights, monkeypatch, types={"F": 0.4, "G": 0.3, "K": 0.3})
        assert near.warn == StellarFlag.NONE

    @pytest.mark.parametrize(
        ("share", "gain", "flag"), [(0.5, 900.0, StellarFlag.BLEND_LIKE), (0.05, 900.0, 0), (0.5, 9.0, 0)]
    )
    def test_second_star(self, redshift_weights, monkeypatch, share, gain, flag):
        """Lines of a second star count if they are strong and sure."""
        second = SecondStar(200.0, share, gain)
        assert self.find(redshift_weights, monkeypatch, head={"second": second}).warn == flag

    def test_type_disagrees(self, redshift_weights, monkeypatch):
        """A cool dwarf does not become the Sun unnoticed."""
        found = self.find(redshift_weights, monkeypatch, types={"M": 0.98, "K": 0.02})
        assert found.warn == StellarFlag.TYPE_DISAGREES

    def test_estimated_errors_are_no_flag(self, redshift_weights, monkeypatch):
        spectrum = make_spectrum()
        bare = (spectrum.spectral_axis, spectrum.flux)
        assert self.find(redshift_weights, monkeypatch, spectrum=bare).warn == StellarFlag.NONE
        found = self.find(redshift_weights, monkeypatch, GALAXY, spectrum=bare)
        expected = StellarFlag.NOT_A_STAR | StellarFlag.ERRORS_ESTIMATED | StellarFlag.MEDIUM_UNKNOWN
        assert found.warn == expected

    def test_medium_unknown(self, redshift_weights, monkeypatch):
        """No flag by itself; the error of the velocity holds what it may cost."""
        unknown, known = (
            self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(meta=meta))
            for meta in ({}, {"medium": "vacuum"})
        )
        assert unknown.warn == known.warn == StellarFlag.NONE
        assert unknown.rv == known.rv
        lost = np.sqrt(unknown.rv_err**2 - known.rv_err**2)
        assert lost.to_value("km/s") == pytest.approx(83, abs=1)

    def test_another_kind_of_object(self, redshift_weights, monkeypatch):
        """Features that no star has, of one that has no type, are not those of a star, unless it is known to be one."""
        from astro_spectok.redshift.fit import Refined

        scores = make_scores(("STAR", 0.0, 1e-3, 0.98), ("GALAXY", 0.5, WIDTH, 0.02))
        types = {"B": 0.3, "A": 0.3, "F": 0.2, "G": 0.2}
        for left, flag in ((0.11, StellarFlag.NOT_A_STAR), (0.03, StellarFlag.NONE)):
            fit = Refined(0.0, 1e-4, 600.0, 0.12, left)
            warn = self.find(redshift_weights, monkeypatch, scores, types=types, fit=fit).warn
            assert warn & StellarFlag.NOT_A_STAR == flag

    def test_little_coverage(self, redshift_weights, monkeypatch):
        found = self.find(redshift_weights, monkeypatch, spectrum=make_spectrum(200, low=5000, high=5200))
        assert found.warn & StellarFlag.LITTLE_COVERAGE
