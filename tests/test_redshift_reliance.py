# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Other kinds of object are recognised by the residuals of templates, and by the uncertainty of the network."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u

from astro_spectok.heads.small_numbers import RELIABLE
from astro_spectok.redshift.fit import assume_resolution, refine_redshift
from astro_spectok.redshift.reliance import FEATURES, Shown, is_dubious, is_galaxy_like, is_unlike
from astro_spectok.redshift.rules import RedshiftRules
from astro_spectok.redshift.signal import has_little_coverage, has_negative_continuum, lacks_signal
from astro_spectok.redshift.solutions import Sharpened, describe_kind
from astro_spectok.redshift.templates import load_rest_templates
from astro_spectok.spectra import to_batch
from astro_spectok.training.redshift_reliance import fit_reliable

BRIGHT = {"snr": 20.0, "pixel": 3e-4}
STRANGE = BRIGHT | {"structure": 0.2, "unexplained": 0.18, "type_probability": 0.3}


@pytest.mark.parametrize(
    ("spectype", "z", "probability", "information", "shown", "unlike"),
    [
        ("QSO", 2.8, 0.85, 7.0, STRANGE, True),
        ("QSO", 2.8, 0.999, 8.5, STRANGE, False),
        ("QSO", 2.8, 0.85, 7.0, STRANGE | {"unexplained": 0.05}, False),
        ("QSO", 2.8, 0.85, 7.0, STRANGE | {"snr": 2.0}, False),
        ("QSO", 2.8, 0.85, 7.0, STRANGE | {"pixel": 3e-3}, False),
        ("QSO", 2.8, 0.6, 6.0, BRIGHT, True),
        ("GALAXY", 0.5, 0.9, 7.0, STRANGE, True),
        ("GALAXY", 0.5, 0.99, 9.0, STRANGE, False),
        ("GALAXY", 0.0005, 1.0, 10.0, BRIGHT, True),
        ("GALAXY", 0.0015, 1.0, 10.0, BRIGHT, False),
        ("STAR", 0.0005, 1.0, 4.0, STRANGE, False),
        ("STAR", 0.0005, 0.98, 2.0, STRANGE, True),
        ("STAR", 0.0005, 0.98, 2.0, STRANGE | {"type_probability": 0.9}, False),
        ("STAR", 0.0005, 0.98, 2.0, BRIGHT, False),
        ("STAR", 0.0015, 1.0, 4.0, BRIGHT | {"evidence": 500.0, "rival": 520.0, "fast": True}, True),
        ("STAR", 0.0015, 1.0, 4.0, BRIGHT | {"evidence": 500.0, "rival": 490.0, "fast": True}, True),
        ("STAR", 0.0015, 1.0, 4.0, BRIGHT | {"evidence": 500.0, "rival": 400.0, "fast": True}, False),
        ("STAR", 0.0015, 1.0, 4.0, BRIGHT | {"evidence": 500.0}, False),
    ],
)
def test_kinds(spectype, z, probability, information, shown, unlike):
    rules = RedshiftRules.begin()
    assert is_unlike(spectype, z, probability, information, Shown(**shown), rules) == unlike


@pytest.mark.parametrize(("low", "high"), [(4800, 5380), (4000, 7000), (4750, 9000)])
def test_near_galaxies_are_no_fast_stars(low, high):
    """At 450 km/s lines alone tell which it is, in the window of an integral-field spectrograph too."""
    templates, x, ln1pz = load_rest_templates(), np.log(np.arange(low, high, 1.0)), np.log1p(0.0015)
    like, rules = {}, RedshiftRules.begin()
    for spectype in ("GALAXY", "STAR"):
        grid = templates.at_resolution(spectype, assume_resolution(x))
        rest = templates.ln_start + templates.step * np.arange(len(grid))
        noise = np.random.default_rng(3).normal(0, 0.01, len(x))
        flux = 1 + np.interp(x - ln1pz, rest, grid[:, 0]) + noise
        batch = to_batch((np.exp(x) * u.AA, flux * u.one, np.full(len(x), 0.01) * u.one), medium="vacuum")
        fit = refine_redshift(x, flux, np.full(len(x), 1e4), "STAR", ln1pz, 2e-4)
        sharp = Sharpened(fit.ln1pz, fit.width, fit.evidence, 2e-4, 0.0, True, fit.structure, fit.unexplained)
        like[spectype] = is_galaxy_like(describe_kind(sharp, batch, 0, rules, spectype="STAR"), rules.receding)
        # nothing is compared for slow stars, and for other classes
        slow, other = sharp._replace(ln1pz=1e-4), replace(rules, receding=rules.receding | {"velocity": 0.002})
        assert np.isnan(describe_kind(slow, batch, 0, rules, spectype="STAR").rival)
        assert np.isnan(describe_kind(sharp, batch, 0, other, spectype="STAR").rival)
        assert np.isnan(describe_kind(sharp, batch, 0, rules, spectype="GALAXY").rival)
    assert like == {"GALAXY": True, "STAR": False}


def test_answers_like_right_ones():
    """A star of little information is flagged, one like most is not; files without the rule have none."""
    rules = replace(RedshiftRules.begin(), reliable=RELIABLE)
    good = Shown(snr=30, pixel=2e-4, structure=0.06, unexplained=0.01, type_probability=0.9, evidence=3000.0)
    assert not is_unlike("STAR", 1e-4, 1.0, 4.5, good, rules, 1.0)
    poor = good._replace(snr=3, unexplained=0.06, type_probability=0.4, evidence=1.0)
    assert is_unlike("STAR", 1e-4, 0.9, 1.5, poor, rules, 0.9)
    old = {name: value for name, value in rules.to_dict().items() if name != "reliable"}
    assert RedshiftRules.from_dict(old).reliable == {}


@pytest.mark.parametrize("wrong", [40, 150])
def test_fit_of_the_rule(wrong):
    """What sets wrong answers apart is found, at the price that is asked for; products only of many wrong ones."""
    rng = np.random.default_rng(0)
    right, features = np.arange(1000 + wrong) < 1000, rng.normal(size=(1000 + wrong, len(FEATURES)))
    features[:, 3] += np.where(right, 0, 3)
    rules = fit_reliable(np.full(len(right), "QSO"), features, right, lost=0.02)
    flagged = np.array([is_dubious("QSO", one, rules) for one in features])
    assert flagged[right].mean() == pytest.approx(0.02, abs=0.002)
    assert flagged[~right].mean() > 0.7
    assert len(rules["QSO"]["weights"]) == (len(FEATURES) if wrong < 100 else len(FEATURES) * (len(FEATURES) + 3) // 2)
    assert fit_reliable(np.full(1005, "QSO"), features[:1005], right[:1005]) == {}


def make_galaxy(seed=0, snr=30.0):
    """A galaxy at redshift 0.1 by the mean template, and noise."""
    templates = load_rest_templates()
    x = np.log(3800) + 2e-4 * np.arange(4500)
    mean = templates.at_resolution("GALAXY", 2000)[:, 0]
    grid = templates.ln_start + templates.step * np.arange(len(mean))
    flux = 1 + np.interp(x - np.log(1.1), grid, mean)
    return x, flux + np.random.default_rng(seed).normal(0, 1 / snr, len(x)), np.full(len(x), snr**2)


def test_templates_leave_little_of_their_own():
    """Of a galaxy next to nothing; of the same with broad features, as a supernova in it has, these."""
    x, flux, ivar = make_galaxy()
    own = refine_redshift(x, flux, ivar, "GALAXY", np.log(1.1), 1e-4)
    assert own.unexplained < 0.15 * own.structure
    bumps = 1 + 0.4 * np.sin(2 * np.pi * x / 0.05)
    other = refine_redshift(x, flux * bumps, ivar, "GALAXY", np.log(1.1), 1e-4)
    assert other.unexplained > 0.07
    assert other.unexplained > 0.6 * other.structure


def test_noise_is_no_structure():
    """What noise scatters is taken off."""
    x, flux, ivar = make_galaxy(snr=1000.0)
    noisy = flux + np.random.default_rng(1).normal(0, 0.2, len(x))
    faint = refine_redshift(x, noisy, np.full(len(x), 25.0), "GALAXY", np.log(1.1), 1e-4)
    sure = refine_redshift(x, flux, ivar, "GALAXY", np.log(1.1), 1e-4)
    assert faint.structure == pytest.approx(sure.structure, rel=0.25)


@pytest.mark.parametrize(
    ("flux", "lacks"),
    [
        (lambda rng, x: np.zeros(len(x)), True),
        (lambda rng, x: rng.normal(size=len(x)), True),
        (lambda rng, x: rng.normal(size=len(x)) + 1e3 * (x == 700), True),
        (lambda rng, x: rng.normal(size=len(x)) + 0.5, False),
        (lambda rng, x: rng.normal(size=len(x)) + 20 * np.isin(x, (300, 301, 302, 1500, 1501, 1502)), False),
        (lambda rng, x: np.ones(len(x)), False),
    ],
    ids=["nothing", "noise", "spike", "faint continuum", "two lines", "constant"],
)
def test_signal(flux, lacks):
    x = np.arange(2000)
    assert lacks_signal(flux(np.random.default_rng(0), x), np.ones(2000)) == lacks
    assert lacks_signal(np.ones(5), np.zeros(5))


def test_too_much_subtracted():
    """Overall or at one end; noise around zero is not negative."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=3000)
    assert not has_negative_continuum(noise, np.ones(3000))
    assert has_negative_continuum(noise - 0.2, np.ones(3000))
    assert has_negative_continuum(noise + np.where(np.arange(3000) < 900, -2.0, 5.0), np.ones(3000))
    assert not has_negative_continuum(noise + np.where(np.arange(3000) < 300, -2.0, 5.0), np.ones(3000))


@pytest.mark.parametrize(
    ("n", "step", "little"), [(200, 2e-4, True), (200, 5e-3, False), (4000, 1e-5, False), (299, 3e-4, True)]
)
def test_coverage(n, step, little):
    """Bad pixels do not count, wherever they lie."""
    wavelength = 5000 * np.exp(step * np.arange(2 * n))
    ivar = np.ones(2 * n)
    ivar[n:] = 0
    assert has_little_coverage(wavelength, ivar) == little
