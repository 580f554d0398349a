# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The fit of the errors of stellar labels finds what was put in."""

import numpy as np
import pytest
from _stellar import add_stellar_head
from conftest import make_spectrum

from astro_spectok.engine import Runner
from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.redshift import Calibration
from astro_spectok.spectra import to_batch
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.training import calibrate_stellar


@pytest.mark.parametrize(("scale", "floor"), [(1.7, 0.0), (1.0, 0.01), (0.6, 0.005)])
def test_fit_errors(scale, floor):
    """What was wrong with errors is found, for a label whose errors fall with the signal-to-noise ratio."""
    rng = np.random.default_rng(3)
    snr = np.exp(rng.uniform(np.log(5), np.log(300), 6000))
    sigma = 1 / snr
    difference = scale * np.hypot(sigma, floor) * rng.normal(size=6000)
    found = calibrate_stellar.fit_errors(difference, sigma, snr)
    size = np.array([0.005, 0.02, 0.1])
    np.testing.assert_allclose(found[0] * np.hypot(size, found[1]), scale * np.hypot(size, floor), rtol=0.12)


def test_velocities_are_those_of_the_estimator(redshift_weights, monkeypatch):
    """With a calibration that depends on the width of the pixels."""
    weights = redshift_weights
    made = Calibration(pixel_power=0.5, error_scale={"STAR": 2.0})
    monkeypatch.setattr(Calibration, "from_head", classmethod(lambda cls, head: made))
    asked = add_stellar_head(monkeypatch, weights)
    spectra = [make_spectrum(700, seed=seed) for seed in range(3)]
    StellarParameterEstimator(weights, "cpu", assume_star=True).estimate(spectra, medium="vacuum")
    batch = to_batch(spectra, medium="vacuum")
    found = calibrate_stellar.measure_velocities(Runner(weights, "cpu"), batch, made)
    np.testing.assert_allclose(sorted(found), sorted(asked), atol=1e-7)


def test_fit_training():
    """Labels that are not known stay without a correction; after it pulls are one wide."""
    rng, n, module = np.random.default_rng(4), 3000, calibrate_stellar
    truth = {"teff": rng.uniform(3.6, 3.9, n), "logg": rng.uniform(3, 4.5, n), "fe_h": rng.uniform(-1, 0.3, n)}
    truth["alpha_fe"] = np.full(n, np.nan)
    sigma = {name: np.full(n, 0.01) for name in truth}
    found = {name: x + 0.03 * rng.normal(size=n) for name, x in truth.items()}
    # those of the last range have errors half as large
    where = rng.choice([-1, 0, 2], n)
    for x in found:
        found[x][where == 2] -= 0.5 * (found[x] - truth[x])[where == 2]
    stars = {"snr": rng.choice([8.0, 40.0], n), "range": where, "found": found, "sigma": sigma, "truth": truth}
    known = StellarTraining.begin()
    made = module.fit_training(stars, known)
    assert set(made.error_scale) == {known.name_error(x, k) for x in ("teff", "logg", "fe_h") for k in (0, 2)}
    assert made.hull == known.hull
    rows = module.score_pulls(stars, made)
    assert {row["label"] for row in rows} == set(made.error_scale)
    for row in rows:
        assert row["width"] == pytest.approx(1, abs=0.15)


def test_sharp_instruments():
    """Those of at least some resolving power, within the range; none where there is none."""
    choose, rng = calibrate_stellar.choose_sharp, np.random.default_rng(6)
    made = [choose(3000.0, rng, 15150.0, 16960.0, 8192) for _ in range(20)]
    found = [one for one in made if one is not None]
    assert len(found) >= 10
    assert all(np.median(one.resolution) >= 3000 and one.wavelength[0] >= 15150 for one in found)
    assert choose(1e6, rng, 15150.0, 16960.0, 8192) is None


def test_stars_are_joined_and_taken():
    """Stars of two answers one after the other, and some rows of them."""
    parts = [{"snr": np.arange(4.0) + k, "clean": np.arange(4) % 2 == 1, "range": np.full(4, k),
              "found": {"teff": np.arange(4.0) * k}, "sigma": {"teff": np.ones(4)}, "truth": {"teff": np.zeros(4)}}
             for k in (1, 2)]  # fmt: skip
    module = calibrate_stellar
    stars = module.join_stars(parts)
    some = module.take_stars(stars, stars["clean"])
    assert some["snr"].tolist() == [2, 4, 3, 5]
    assert some["range"].tolist() == [1, 1, 2, 2]
    assert some["found"]["teff"].tolist() == [1, 3, 2, 6]
