# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Emission in what is taken for a star: a nebula by pairs of its lines, at one velocity, and by nothing else."""

import numpy as np
import pytest
from astropy import units as u

from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.redshift.rest_lines import AIRGLOW, has_foreign_lines, has_nebular_lines, is_night_sky, measure_lines
from astro_spectok.redshift.solutions import Sharpened
from astro_spectok.simulate.export import simulate_spectra
from astro_spectok.spectra import convert_to_vacuum
from astro_spectok.stellar import StellarFlag

#: vacuum Angstrom
O3_FAINT, O3, N2, S2, S2_RED, H_BETA = 4960.295, 5008.240, 6585.27, 6718.29, 6732.67, 4862.68
NOISE, STEP = 0.02, 2e-4


def leave(*lines, velocity=0.0, width=2.5e-4, step=STEP, first=4500.0, last=7000.0, seed=0):
    """What templates leave of a star with lines (vacuum Angstrom, height) at a velocity over the speed of light."""
    x = np.arange(np.log(first), np.log(last), step)
    values = np.random.default_rng(seed).normal(0, NOISE, len(x))
    for centre, height in lines:
        values += height * np.exp(-0.5 * ((x - np.log(centre) - velocity) / width) ** 2)
    return x, values, np.full(len(x), NOISE**-2)


@pytest.mark.parametrize(
    ("lines", "nebula"),
    [
        ((), False),
        (((O3_FAINT, 0.1), (O3, 0.3)), True),
        (((N2, 0.2), (S2, 0.15)), True),
        (((N2, 0.2), (S2_RED, 0.2)), True),
        # one line is a cosmic ray, or the next but one; and these two are no pair
        (((O3, 0.3),), False),
        (((O3_FAINT, 0.3),), False),
        (((O3, 0.3), (S2, 0.3)), False),
        # of chromospheres, discs and winds
        (((H_BETA, 2.0), (6564.61, 3.0)), False),
        (((O3_FAINT, -0.1), (O3, -0.3)), False),
    ],
)
def test_pairs_of_lines_are_a_nebula(lines, nebula):
    assert has_nebular_lines(leave(*lines), 0.0) is nebula


@pytest.mark.parametrize(("velocity", "nebula"), [(0.0, True), (3e-4, True), (-8e-4, True), (2e-3, False)])
def test_nebulae_move_as_their_stars_do(velocity, nebula):
    left = leave((O3_FAINT, 0.1), (O3, 0.3), velocity=velocity)
    assert has_nebular_lines(left, 0.0) is nebula
    assert has_nebular_lines(left, velocity) is True


AIR = convert_to_vacuum(AIRGLOW)


@pytest.mark.parametrize(
    ("heights", "velocity", "sky"),
    [
        (np.full(len(AIR), 1.0), 0.0, True),
        # in air, called vacuum; and at a velocity that the Earth has not
        (np.full(len(AIR), 1.0), -2.76e-4, True),
        (np.full(len(AIR), 1.0), 1.5e-3, False),
        # what subtraction leaves: of either sign, or weak; or a few strong lines
        (np.where(np.arange(len(AIR)) % 2, 1.0, -1.0), 0.0, False),
        (np.full(len(AIR), 0.15), 0.0, False),
        (np.where(np.arange(len(AIR)) < 3, 5.0, 0.0), 0.0, False),
    ],
)
def test_airglow_is_night_sky(heights, velocity, sky):
    left = leave(*zip(AIR, heights, strict=True), velocity=velocity, last=9200)
    assert is_night_sky(left) is sky


def test_a_few_lines_in_the_optical_are_enough():
    """Of [O I] and OH; but not two of them."""
    lines = list(zip(AIR, np.full(len(AIR), 1.0), strict=True))
    assert is_night_sky(leave(*lines, last=7000)) is True
    assert is_night_sky(leave(*lines, last=6330)) is False


def test_noise_has_no_lines():
    """Of any length of pixels; nor has what is so coarse that no line is narrow."""
    assert not any(has_nebular_lines(leave(step=step, seed=k), 0.0) for step in (1e-4, 4e-4) for k in range(100))
    assert not has_nebular_lines(leave((O3_FAINT, 1.0), (O3, 3.0), width=2e-3, step=1.5e-3), 0.0)


def test_structure_beside_a_line_makes_it_no_line():
    """Bands of molecules that templates leave are as high everywhere around."""
    x, values, weight = leave((O3_FAINT, 0.1), (O3, 0.3))
    ripples = 0.15 * np.sin(2 * np.pi * x / 1.3e-3)
    assert has_nebular_lines((x, values + ripples, weight), 0.0) is False


def test_lines_need_their_surroundings():
    """One at the end, or in a gap, is not known."""
    x, values, weight = leave((O3_FAINT, 0.1), (O3, 0.3), first=4990.0)
    known, height, *_ = measure_lines((x, values, weight), [O3_FAINT, O3, N2], 0.0)
    assert known.tolist() == [False, False, True]
    assert len(height) == 1
    x, values, weight = leave((O3_FAINT, 0.1), (O3, 0.3))
    kept = np.abs(x - np.log(O3_FAINT)) > 1.5e-3
    assert measure_lines((x[kept], values[kept], weight[kept]), [O3_FAINT, O3], 0.0)[0].tolist() == [False, True]


def test_height_of_a_line_over_its_noise():
    """That of the least squares fit of a Gaussian, whose error is known."""
    sigma = 1 / np.sqrt(8 * np.log(2)) * 2.5 * STEP
    _, height, noise, speed = measure_lines(leave((O3, 0.3), width=sigma), [O3], 0.0)
    best = np.argmax(height)
    assert height[0, best] == pytest.approx(0.3, rel=0.1)
    assert speed[best] == pytest.approx(0, abs=30)
    assert height[0, best] / noise[0, best] == pytest.approx(
        0.3 / NOISE * np.sqrt(np.sqrt(np.pi) * sigma / STEP), rel=0.25
    )


def test_airglow_tells_in_any_class():
    """But lines of a nebula do in stars alone; without a comparison nothing does."""
    sky = leave(*zip(AIR, np.full(len(AIR), 1.0), strict=True), last=9200)
    nebula = leave((O3_FAINT, 0.1), (O3, 0.3))
    sharp = Sharpened(0.0, 1e-4, 50.0, 1e-4, 0.0, True)
    found = [
        has_foreign_lines(sharp._replace(left=left), spectype)
        for left in (sky, nebula, None) for spectype in ("STAR", "GALAXY")
    ]  # fmt: skip
    assert found == [True, True, True, False, False, False]


@pytest.fixture(scope="module")
def stars():
    """Axes, fluxes and errors of hot stars that nothing flags."""
    spectra = simulate_spectra(40, seed=3, families=["stars"], instruments=["sdss"], snr=(40, 60))
    table = StellarParameterEstimator(device="cpu").estimate(spectra)
    redshifts = RedshiftEstimator(device="cpu").estimate(spectra)
    good = (redshifts["zwarn"] == 0) & (redshifts["spectype"] == "STAR") & (table["warn"] == 0)
    good &= table["teff"] > 5500 * u.K
    return [spectra[i] for i in np.flatnonzero(good)[:3]]


def test_stars_in_nebulae_are_flagged(stars):
    """By both estimators; stars alone, and those of which a user says that they are, are not."""
    assert stars
    lines, alone = [], []
    for spectrum in stars:
        good = ~spectrum.mask
        x, flux = spectrum.spectral_axis.to_value(u.AA)[good], spectrum.flux.value[good]
        sigma = spectrum.uncertainty.array[good]
        shine = sum(h * np.exp(-0.5 * ((x / w - 1) / 3e-4) ** 2) for w, h in ((O3_FAINT, 0.5), (O3, 1.5)))
        alone.append((x * u.AA, flux * u.Jy, sigma * u.Jy))
        lines.append((x * u.AA, (flux + np.median(flux) * shine) * u.Jy, sigma * u.Jy))
    flagged = RedshiftEstimator(device="cpu").estimate(lines, medium="vacuum")
    assert (flagged["zwarn"] & RedshiftFlag.UNLIKE_CLASS).astype(bool).all()
    assert (StellarParameterEstimator(device="cpu").estimate(lines, medium="vacuum")["warn"] != 0).all()
    assert (RedshiftEstimator(device="cpu").estimate(alone, medium="vacuum")["zwarn"] == 0).all()
    certain = StellarParameterEstimator(device="cpu", assume_star=True).estimate(lines, medium="vacuum")
    assert not (certain["warn"] & StellarFlag.NOT_A_STAR).any()


def test_less_airglow_will_do_for_what_is_called_a_star():
    """Sky scatters sunlight; weak lines in the noise of a faint galaxy are what its subtraction left."""
    left = leave(*zip(AIR, np.full(len(AIR), 0.8), strict=True), last=9200)
    noisy = left[0], left[1] + np.random.default_rng(1).normal(0, 0.3, len(left[0])), np.full(len(left[0]), 0.3**-2)
    assert is_night_sky(noisy, "STAR")
    assert not is_night_sky(noisy, "GALAXY")
