# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stellar labels, hull, corrections and flags as arrays, without a network."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from _stellar import CORRELATION, NAMES, SIGMA, SUN, make_tril
from astropy import units as u
from astropy.uncertainty import Distribution

from astro_spectok.heads.small_numbers import STELLAR_DOMAIN, STELLAR_RULES
from astro_spectok.stellar import StellarDistributions, StellarFlag
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.stellar.hull import StellarHull
from astro_spectok.stellar.labels import PARAMETERS, StellarLabels
from astro_spectok.stellar.result import make_distributions


def make_labels(mean=SUN, **kwargs):
    tril = make_tril().numpy()
    return StellarLabels(NAMES, np.array(mean), tril @ tril.T, **{"rv": 12.0, "rv_err": 2.0} | kwargs)


def forget(labels, name):
    """The same with one label unknown."""
    k = labels.names.index(name)
    mean, covariance = labels.mean.copy(), labels.covariance.copy()
    mean[k] = covariance[k, :] = covariance[:, k] = np.nan
    return StellarLabels(labels.names, mean, covariance, labels.rv, labels.rv_err)


class TestLabels:
    def test_values(self):
        """Logarithms are undone."""
        values = make_labels().values()
        assert list(values) == list(PARAMETERS)
        assert values["teff"] == pytest.approx(10 ** SUN[0])
        assert values["vbroad"] == pytest.approx(10 ** SUN[4])
        assert (values["logg"], values["rv"]) == (SUN[1], 12.0)

    def test_covariance_is_that_of_samples(self):
        """To first order; the velocity is independent."""
        labels, order = make_labels(), list(PARAMETERS)
        drawn = labels.sample(40000, np.random.default_rng(1))
        expected = np.cov([drawn[name] for name in order])
        found = labels.parameter_covariance()
        size = np.sqrt(np.diag(found))
        np.testing.assert_allclose(found / np.outer(size, size), expected / np.outer(size, size), atol=0.06)
        k = order.index("teff"), order.index("logg")
        assert found[k] / size[k[0]] / size[k[1]] == pytest.approx(CORRELATION)
        assert found[order.index("rv"), order.index("rv")] == 4.0

    def test_quantities(self):
        found = make_labels().quantities()
        assert found["teff"].unit == u.K
        assert isinstance(found["logg"], u.Dex)
        assert found["logg"].unit == u.dex(u.cm / u.s**2)
        assert found["logg"].physical.to_value("m/s2") == pytest.approx(10 ** SUN[1] / 100)
        assert found["logg_err"].unit == found["fe_h"].unit == u.dex
        assert found["teff_err"].value == pytest.approx(np.log(10) * 10 ** SUN[0] * SIGMA[0])
        assert (found["logg"] + found["logg_err"]).value == pytest.approx(SUN[1] + SIGMA[1])

    @pytest.mark.parametrize("name", ["alpha_fe", "log_vbroad"])
    def test_unknown_label(self, name):
        """NaN there and nowhere else, and the others are drawn as they were."""
        whole = make_labels()
        labels = forget(whole, name)
        missing = {"alpha_fe": "alpha_fe", "log_vbroad": "vbroad"}[name]
        values, errors = labels.values(), np.sqrt(np.diag(labels.parameter_covariance()))
        drawn, expected = (x.sample(50, np.random.default_rng(2)) for x in (labels, whole))
        for key, error in zip(PARAMETERS, errors, strict=True):
            assert np.isnan(values[key]) == np.isnan(error) == (key == missing)
            if key == missing:
                assert np.isnan(drawn[key]).all()
            else:
                np.testing.assert_allclose(drawn[key], expected[key])

    def test_distributions(self):
        """Of one star, and of many with one that was not measured."""
        one = make_distributions(make_labels(), StellarFlag.NONE, {"a": 1}, n_samples=4000, seed=0)
        assert isinstance(one, StellarDistributions)
        assert isinstance(one.teff, Distribution)
        assert one.logg.unit == u.dex(u.cm / u.s**2)
        assert one.teff.pdf_mean().to_value(u.K) == pytest.approx(10 ** SUN[0], rel=1e-3)
        assert one.rv.pdf_std().to_value(u.km / u.s) == pytest.approx(2.0, rel=0.05)
        assert one.meta == {"a": 1}
        many = make_distributions([make_labels(), None, make_labels()], None, {}, n_samples=100, seed=0)
        assert many.fe_h.shape == (3,)
        assert repr(one).startswith("<StellarDistributions of one star: teff, logg")
        assert repr(many).endswith("of 3 stars: teff, logg, fe_h, alpha_fe, rv, vbroad; 100 samples>")
        assert many.fe_h.n_samples == 100
        np.testing.assert_array_equal(np.isnan(many.fe_h.pdf_mean().value), [False, True, False])
        assert not np.array_equal(many.rv.distribution.value[0], many.rv.distribution.value[2])


class TestHull:
    @pytest.mark.parametrize(
        ("star", "inside"),
        [
            ((5772, 4.44, 0.0), True),
            ((4286, 1.6, -0.5), True),
            ((5772, 8.0, 0.0), False),
            ((5772, 4.44, 3.0), False),
            ((1300, 5.0, 0.0), False),
            ((9940, 1.0, 0.0), False),
            ((np.nan, 4.4, 0.0), False),
        ],
    )
    def test_known_stars(self, star, inside):
        assert bool(StellarTraining.begin().hull.contains(np.log10(star[0]), *star[1:])) is inside

    def test_from_labels(self):
        """Nearly all stars that it is made of lie in it, and an empty corner does not."""
        rng = np.random.default_rng(0)
        log_teff = rng.uniform(3.6, 3.9, 3000)
        logg = 4.0 - 5 * (log_teff - 3.75) + rng.uniform(-0.3, 0.3, 3000)
        fe_h = rng.uniform(-1, 0.3, 3000)
        hull = StellarHull.from_labels([*log_teff, np.nan], [*logg, 1.0], [*fe_h, 0.0])
        assert np.mean(hull.contains(log_teff, logg, fe_h)) > 0.85
        assert not hull.contains(3.65, 3.2, 0.0)
        assert not hull.contains(3.75, 4.0, 0.5)
        assert StellarHull.from_dict(hull.to_dict()) == hull
        x, y = hull.outline()
        assert (x[0], y[0]) == (x[-1], y[-1])

    def test_refuses(self):
        with pytest.raises(ValueError, match="log_teff must be two or more increasing knots"):
            StellarHull((3.7, 3.6), ((0, 5), (0, 5)), ((-1, 0), (-1, 0)))
        with pytest.raises(ValueError, match="logg must be"):
            StellarHull((3.6, 3.7), ((0, 5), (5, 0)), ((-1, 0), (-1, 0)))
        with pytest.raises(ValueError, match="got 1 stars"):
            StellarHull.from_labels([3.7], [4.0], [0.0])


def take(about):
    """What is read of a head."""
    begin = {"domain": STELLAR_DOMAIN, "calibration": {}, "rules": STELLAR_RULES}
    return StellarTraining.from_head(SimpleNamespace(**begin | about))


class TestTraining:
    def test_of_a_head(self):
        """Numbers of a head are used; a new one has what all begin with."""
        made = take(
            {"domain": STELLAR_DOMAIN | {"resolution": [500, 5000]}, "calibration": {"error_scale": {"teff": 1.5}}}
        )
        assert made.resolution == (500.0, 5000.0)
        assert made.hull == StellarTraining.begin().hull
        assert take(json.loads(json.dumps(made.to_dict()))) == made
        assert take({}) == StellarTraining.begin()

    def test_correct_covariance(self):
        """Scale and floor act on the errors; correlations stay."""
        made = StellarTraining.begin(error_scale={"teff": 2.0}, error_floor={"logg": 0.05, "teff": 0.0})
        before = make_labels().covariance
        after = made.correct_covariance(NAMES, before)
        sigma = np.sqrt(np.diag(after))
        np.testing.assert_allclose(sigma, [2 * SIGMA[0], np.hypot(SIGMA[1], 0.05), *SIGMA[2:]])
        assert after[0, 1] / sigma[0] / sigma[1] == pytest.approx(CORRELATION)

    def test_errors_of_a_range(self):
        """A key with a range comes before the label alone, in the range that most pixels lie in."""
        made = StellarTraining.begin(wavelength=((4000, 5000), (8000, 9000)))
        assert made.find_range([4100.0, 8100.0, 8200.0, 9500.0]) == 1
        assert made.find_range([3000.0]) is None
        assert made.name_error("teff", None) == "teff"
        key = made.name_error("teff", 1)
        assert key == "teff 8000-9000"
        made = replace(made, error_scale={"teff": 2.0, key: 3.0}, error_floor={"teff": 0.01})
        found = [made.correct_errors("teff", number, 0.1) for number in (0, 1, None)]
        np.testing.assert_allclose(found, [2 * np.hypot(0.1, 0.01), 0.3, 2 * np.hypot(0.1, 0.01)])
        assert made.limit_resolution(None) == made.limit_resolution(0) == (100.0, 30000.0)
        assert replace(made, range_resolution={"8000-9000": 700.0}).limit_resolution(1) == (700.0, 30000.0)
        whole = made.correct_covariance(("teff",), np.array([[0.01]]), 1)
        np.testing.assert_allclose(whole, [[0.09]])

    def test_covers(self):
        """All labels where any was learnt, except those for which the weights give more."""
        made = StellarTraining.begin(
            wavelength=((4000, 5000), (8000, 9000)), label_wavelength={"fe_h": ((4400, 4600),)}
        )
        wavelength = [3999, 4500, 4700, 6000, 9000]
        for label in (None, "teff", "alpha_fe"):
            np.testing.assert_array_equal(made.covers(wavelength, label), [False, True, True, False, True])
        np.testing.assert_array_equal(made.covers(wavelength, "fe_h"), [False, True, False, False, False])
        assert take(json.loads(json.dumps(made.to_dict()))) == made
        np.testing.assert_array_equal(StellarTraining.begin().covers([5000, 16000], "alpha_fe"), [False, True])

    @pytest.mark.parametrize(
        ("wavelength", "filled"),
        [((3000, 25000), True), ((8300, 9000), True), ((3600, 4500), False), ((9000, 15000), False)],
    )
    def test_fills_range(self, wavelength, filled):
        assert StellarTraining.begin().fills_range(np.linspace(*wavelength, 2000)) is filled

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"error_scale": {"teff": 0.0}}, "error_scale must be a dict of label to a positive number"),
            ({"error_floor": {"teff": -1.0}}, "error_floor must be a dict of label to a zero or positive number"),
            ({"resolution": (100, 10)}, "wavelength, label_wavelength and resolution must be"),
            ({"label_wavelength": {"fe_h": ((5000, 4000),)}}, "wavelength, label_wavelength and resolution must be"),
        ],
    )
    def test_refuses(self, options, message):
        with pytest.raises(ValueError, match=message):
            StellarTraining.begin(**options)


def test_flags_are_documented():
    """Each in the table of the page, with its value."""
    page = (Path(__file__).parents[1] / "docs" / "stellar.rst").read_text()
    for flag in StellarFlag:
        assert re.search(rf"\* - {flag.value}\n +- ``{flag.name}``\n +- [\w`]", page), flag.name


def test_flags_share_values_with_those_of_redshifts():
    """Bits of one meaning have one value."""
    from astro_spectok.redshift import RedshiftFlag

    for name in ("SKY_LIKE", "TOO_FEW_PIXELS", "NO_DATA", "ERRORS_ESTIMATED", "LITTLE_COVERAGE", "MEDIUM_UNKNOWN"):
        assert StellarFlag[name].value == RedshiftFlag[name].value
    assert StellarFlag.OUT_OF_WAVELENGTH_RANGE.value == RedshiftFlag.OUTSIDE_TRAINED_RANGE.value
    own = set(StellarFlag) - {
        StellarFlag(int(flag)) for flag in RedshiftFlag if int(flag) in set(map(int, StellarFlag))
    }
    assert not set(map(int, own)) & set(map(int, RedshiftFlag))
