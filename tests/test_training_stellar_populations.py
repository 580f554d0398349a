# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stellar populations at rest beside stars: what is drawn, and the rule that is fitted to them."""

from dataclasses import replace

import numpy as np
import pytest

from astro_spectok.redshift.reliance import Shown, is_population, is_unlike
from astro_spectok.redshift.rules import RedshiftRules
from astro_spectok.training.stellar_populations import draw_populations, draw_real_stars, fit_blended


@pytest.fixture
def data(tmp_path):
    """A population with a line, and two stars of a library in air, of which one is too short."""
    wave = np.linspace(2000, 12000, 5000)
    line = -0.5 * np.exp(-0.5 * ((wave - 5000) / 3) ** 2)
    np.savez(tmp_path / "emiles_ssp.npz", wave=wave, log_flux=line[None])
    optical = np.linspace(3500, 7400, 1000)
    np.savez(
        tmp_path / "miles_real_stars.npz", wave=np.concatenate([optical, optical[:100]]), flux=np.full(1100, 3.0),
        ivar=np.ones(1100), offsets=np.array([0, 1000, 1100]),
    )  # fmt: skip
    return tmp_path


def test_populations_are_nearly_at_rest_and_as_noisy_as_they_say(data):
    drawn, again = draw_populations(data, 12, 5), draw_populations(data, 12, 5)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(drawn, again, strict=True))
    for wavelength, flux, ivar in drawn:
        far = np.abs(wavelength - 5000) > 100
        assert np.std((flux[far] - np.median(flux[far])) * np.sqrt(ivar[far])) == pytest.approx(1, abs=0.1)
        if ivar[0] > 40**2:
            assert wavelength[np.argmin(flux)] == pytest.approx(5000, abs=15)


def test_stars_are_in_vacuum_over_their_median(data):
    drawn = draw_real_stars(data, 20, 3)
    assert len(drawn) == 20
    assert all(len(wavelength) == 1000 and wavelength[0] == pytest.approx(3501.0, abs=0.2) for wavelength, *_ in drawn)
    assert all(np.median(flux) == pytest.approx(1, abs=0.2) for _, flux, _ in drawn)
    assert {float(np.unique(ivar)[0]) == 1.0 for *_, ivar in drawn} == {True, False}


def test_without_sets_nothing(tmp_path):
    assert draw_populations(tmp_path, 5, 1) == []
    assert draw_real_stars(tmp_path, 5, 1) == []


def test_slow_stars_are_judged_by_the_rule_and_others_are_not():
    """Populations at rest are flagged; receding stars, stars without a rival and weights without the rule are not."""
    rng, star = np.random.default_rng(1), np.arange(400) < 200
    gained = rng.normal(np.where(star, -300, 300), 60)
    shown = [Shown(30, 2e-4, 0.3, 0.05, evidence=2000, rival=2000 + x) for x in gained]
    rule = fit_blended(shown, star)
    assert np.mean([is_population(one, rule) for one in shown[200:]]) > 0.95
    assert np.mean([is_population(one, rule) for one in shown[:200]]) < 0.02
    assert not is_population(shown[-1]._replace(rival=np.nan), rule)
    without = RedshiftRules.begin()
    rules = replace(without, blended=rule)
    said = "STAR", 1e-4, 0.999, 9.0
    assert is_unlike(*said, shown[-1], rules)
    assert not is_unlike(*said, shown[0], rules)
    assert not is_unlike(*said, shown[-1], without)


def test_too_few_for_a_rule():
    shown = [Shown(30, 2e-4, 0.3, 0.05, evidence=2000, rival=2300)] * 12
    assert fit_blended(shown, np.arange(12) < 8) == {}
