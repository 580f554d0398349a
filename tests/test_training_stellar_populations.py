# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stellar populations at rest beside stars: what is drawn, and the rule that is fitted to them."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u

from astro_spectok.redshift.fit import assume_resolution
from astro_spectok.redshift.reliance import Shown, is_composite, is_unlike
from astro_spectok.redshift.rules import RedshiftRules
from astro_spectok.redshift.templates import load_rest_templates
from astro_spectok.spectra import to_batch
from astro_spectok.training.stellar_populations import (
    draw_populations,
    draw_real_stars,
    fit_composite,
    read_populations,
    show_star,
)


@pytest.fixture
def data(tmp_path):
    """Populations of three families with a line at 5000 Angstrom, and two stars, of which one is too short."""
    wave = np.linspace(2000, 12000, 5000)
    line = -0.5 * np.exp(-0.5 * ((wave - 5000) / 3) ** 2)
    np.savez(tmp_path / "emiles_ssp.npz", wave=wave, log_flux=line[None])
    in_air = wave - 1.4
    np.savez(
        tmp_path / "ssp_galaxy_templates.npz", wave=np.concatenate([in_air, wave]), flux=np.exp(np.tile(line, 2)),
        ivar=np.ones(10000), offsets=np.array([0, 5000, 10000]), origin=np.array(["bc03_air", "mastar_ssp_vacuum"]),
    )  # fmt: skip
    optical = np.linspace(3500, 7400, 1000)
    np.savez(
        tmp_path / "miles_real_stars.npz", wave=np.concatenate([optical, optical[:100]]), flux=np.full(1100, 3.0),
        ivar=np.ones(1100), offsets=np.array([0, 1000, 1100]),
    )  # fmt: skip
    return tmp_path


def test_families_are_in_vacuum(data):
    families = read_populations(data)
    assert {name: len(members) for name, members in families.items()} == {"emiles": 1, "bc03": 1, "mastar": 1}
    for ((wavelength, flux),) in families.values():
        assert wavelength[np.argmin(flux)] == pytest.approx(5000, abs=1.5)


def test_populations_are_nearly_at_rest_and_as_noisy_as_they_say(data):
    drawn, again = draw_populations(data, 12, 5), draw_populations(data, 12, 5)
    assert [one[3] for one in drawn] == ["emiles", "bc03", "mastar"] * 4
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(drawn, again, strict=True))
    for wavelength, flux, ivar, *_ in drawn:
        far = np.abs(wavelength - 5000) > 100
        # neighbours have the same continuum, whatever the errors of the calibration
        scatter = np.std(np.diff(flux[far]) * np.sqrt(ivar[far][1:])) / np.sqrt(2)
        assert scatter == pytest.approx(1, abs=0.1)
        if ivar[0] > 40**2:
            assert wavelength[~far][np.argmin(flux[~far])] == pytest.approx(5000, abs=15)


def test_stars_are_in_vacuum_over_their_median(data):
    drawn = draw_real_stars(data, 20, 3)
    assert len(drawn) == 20
    assert {name for *_, name, _ in drawn} == {"miles_real_stars"}
    assert all(wavelength[0] > 3500.9 for wavelength, *_ in drawn)
    assert all(np.median(flux) == pytest.approx(1, abs=0.2) for _, flux, *_ in drawn)
    assert {len(wavelength) == 1000 for wavelength, *_ in drawn} == {True, False}  # as stored, and on other pixels


def test_without_sets_nothing(tmp_path):
    assert draw_populations(tmp_path, 5, 1) == []
    assert draw_real_stars(tmp_path, 5, 1) == []


def test_slow_stars_are_judged_by_the_rule_and_others_are_not():
    """Populations are flagged; not so what recedes, is faint, short or not compared, and nothing without a rule."""
    rng, star = np.random.default_rng(1), np.arange(400) < 200
    one = Shown(30, 2e-4, 0.3, 0.05, evidence=2000, span=(3800.0, 9000.0))
    shown = [one._replace(coefficients=np.array([1.0, x])) for x in rng.normal(np.where(star, -1, 1), 0.2)]
    rule = fit_composite(shown, star)
    assert np.mean([is_composite(one, rule) for one in shown[200:]]) > 0.95
    assert np.mean([is_composite(one, rule) for one in shown[:200]]) < 0.02
    assert not is_composite(shown[-1]._replace(coefficients=None), rule)
    assert not is_composite(shown[-1]._replace(coefficients=np.ones(3)), rule)
    assert not is_composite(shown[-1]._replace(snr=3.0), rule)
    assert not is_composite(shown[-1]._replace(span=(4800.0, 5380.0)), rule)
    assert not is_composite(shown[-1]._replace(span=(np.nan, np.nan)), rule)
    without = RedshiftRules.begin()
    rules = replace(without, composite=rule)
    said = "STAR", 1e-4, 0.999, 9.0
    assert is_unlike(*said, shown[-1], rules)
    assert not is_unlike(*said, shown[0], rules)
    assert not is_unlike(*said, shown[-1]._replace(fast=True), rules)
    assert not is_unlike(*said, shown[-1], without)
    # of files that hold an earlier rule, which compared with templates of galaxies, nothing is asked
    assert RedshiftRules.from_dict(without.to_dict() | {"blended": {"offset": 1.0}}).composite == {}


def test_two_stars_are_told_from_either():
    """By fits of templates: their mean, with a component added or taken away, and both together, at 60 km/s."""
    templates, x = load_rest_templates(), np.log(np.arange(3800, 7400, 1.5))
    grid = templates.at_resolution("STAR", assume_resolution(x))
    rest = templates.ln_start + templates.step * np.arange(len(grid))
    rng, rules, shown, star = np.random.default_rng(2), RedshiftRules.begin(), [], np.arange(120) < 60
    for single in star:
        # singles lie at either end, sums of two of them between
        ends = [np.interp(x - 2e-4, rest, grid[:, 0] + sign * grid[:, 1]) for sign in (-1.0, 1.0)]
        share = rng.integers(2) if single else rng.uniform(0.3, 0.7)
        flux = 1 + share * ends[0] + (1 - share) * ends[1] + rng.normal(0, 0.03, len(x))
        batch = to_batch((np.exp(x) * u.AA, flux * u.one, np.full(len(x), 0.03) * u.one), medium="vacuum")
        shown.append(show_star(batch, 0, 0.0, rules))
        assert shown[-1].span == pytest.approx((3800 / 1.0002, 7399 / 1.0002), abs=1)
    flagged = np.array([is_composite(one, fit_composite(shown, star)) for one in shown])
    assert flagged[~star].mean() > 0.9
    assert flagged[star].mean() < 0.05


def test_too_few_for_a_rule():
    shown = [Shown(30, 2e-4, 0.3, 0.05, evidence=2000, coefficients=np.ones(2), span=(3800.0, 9000.0))] * 12
    assert fit_composite(shown, np.arange(12) < 8) == {}
