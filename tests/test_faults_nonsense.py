# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""No confident nonsense by the packaged weights: nothing, noise, windows, fine sampling, wrong errors, other kinds."""

import warnings

import numpy as np
import pytest
from astropy import units as u

from astro_spectok import embed, tokenize
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator
from astro_spectok.example import read_example
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.simulate.export import simulate_spectra
from astro_spectok.spectra import InputFlag, to_batch

#: redshift of the packaged galaxy, and how far off a redshift is wrong
Z, WRONG = 0.0857, 0.004
GRIDS = ((4000, 7000, 1000), (10000, 24000, 300), (6000, 9000, 2000))


@pytest.fixture(scope="module")
def redshift():
    return RedshiftEstimator(device="cpu")


@pytest.fixture(scope="module")
def stellar():
    return StellarParameterEstimator(device="cpu")


@pytest.fixture(scope="module")
def example():
    """Wavelength, flux and error of the good pixels of the packaged galaxy."""
    spectrum = read_example()
    good = ~spectrum.mask
    return spectrum.spectral_axis[good], spectrum.flux[good], np.asarray(spectrum.uncertainty.array)[good]


def make_nothing(kind, n, rng):
    """Flux and errors of an input without an object."""
    spike = np.where(np.arange(n) == n // 2, 1.0, 0.0)
    flux = {
        "zero": np.zeros(n),
        "small spike": 1e-3 * spike,
        "high spike": 100 * spike,
        "constant": np.full(n, 7.0),
        "noise": rng.normal(size=n),
        "noise and spike": rng.normal(size=n) + 30 * spike,
    }[kind]
    return flux, np.ones(n)


@pytest.mark.parametrize("kind", ["zero", "small spike", "high spike", "constant", "noise", "noise and spike"])
def test_nothing_is_no_object(redshift, stellar, kind):
    """Whatever class a network leans to where it sees none."""
    rng, spectra = np.random.default_rng(0), []
    for low, high, n in GRIDS:
        flux, error = make_nothing(kind, n, rng)
        spectra.append((np.linspace(low, high, n) * u.AA, flux * u.Jy, error * u.Jy))
    assert (redshift.estimate(spectra, medium="vacuum")["zwarn"] != 0).all()
    assert (stellar.estimate(spectra, medium="vacuum")["warn"] != 0).all()


@pytest.mark.parametrize("level", [0.0, 10.0])
def test_noise_with_small_errors(redshift, level):
    """A hundredth of the scatter: the errors are raised to it, and noise is noise."""
    spectra = [
        (np.linspace(4000, 7000, 1000) * u.AA, np.random.default_rng(k).normal(level, 1, 1000) * u.Jy,
         np.full(1000, 0.01) * u.Jy)
        for k in range(6)
    ]  # fmt: skip
    table = redshift.estimate(spectra, medium="vacuum")
    assert (table["zwarn"] != 0).all()
    np.testing.assert_allclose(table["snr"], level, atol=1.2)


@pytest.mark.parametrize("width", [32, 40, 48, 100, 200])
def test_narrow_windows(redshift, stellar, width):
    """A few pixels of a good spectrum are enough of one for nobody."""
    spectrum = read_example()
    parts = [spectrum[start : start + width] for start in range(0, 3800, 190)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FlaggedSpectraWarning)  # some hold too few good pixels
        table, stars = redshift.estimate(parts), stellar.estimate(parts)
    wrong = np.abs(table["z"].value - Z) > WRONG
    assert (table["zwarn"][wrong] != 0).all()
    assert (stars["warn"] != 0).all()


@pytest.mark.parametrize("k", [4, 8, 16])
def test_oversampled_without_errors(redshift, example, k):
    """S/N and redshift are those of the pixels that were measured, not of those that were put between them."""
    wavelength, flux, error = example
    x = np.geomspace(wavelength[0], wavelength[-1], len(wavelength) * k)
    found = redshift.estimate((x, np.interp(x, wavelength, flux)), medium="vacuum")
    assert found.snr == pytest.approx(np.median(flux.value / error), rel=0.35)
    assert abs(found.z - Z) < WRONG
    assert found.zwarn == 0


def make_forest(step, seed=0):
    """Three thousand narrow lines of a star at R of 100,000, and the strong ones of the optical, in air."""
    rng, x = np.random.default_rng(seed), np.arange(5000, 6400, step)
    flux = np.ones(x.size)
    lines = zip(rng.uniform(5000, 6400, 3000), np.minimum(rng.exponential(0.25, 3000), 0.95),
                0.051 * rng.uniform(1, 1.8, 3000), strict=True)  # fmt: skip
    strong = ((5167.32, 0.8, 0.35), (5172.68, 0.85, 0.45), (5183.60, 0.88, 0.5), (5889.95, 0.9, 0.35))
    for centre, depth, width in (*lines, *strong, (5895.92, 0.88, 0.3)):
        i, j = np.searchsorted(x, [centre - 6 * width, centre + 6 * width])
        flux[i:j] *= 1 - depth * np.exp(-0.5 * ((x[i:j] - centre) / width) ** 2)
    return x, flux * rng.normal(1, 0.01, x.size)


@pytest.mark.parametrize("step", [0.005, 0.02])
def test_line_forest_is_no_quasar(redshift, step):
    """Pixels finer than what was learned are averaged before a network sees them."""
    x, flux = make_forest(step)
    spectrum = (x * u.AA, flux * u.ct, np.full(x.size, 0.01) * u.ct)
    found = redshift.estimate(spectrum, medium="air")
    assert found.spectype == "STAR" or found.zwarn != 0
    tokens = tokenize(spectrum, medium="air", device="cpu")
    assert len(tokens) < 1400 / 0.025 / 32 * 1.2  # what 1.6 km/s makes of it, and the ends of patches
    assert tokens.meta["warn"] & InputFlag.PIXELS_AVERAGED
    model = tokens.decode(x * u.AA)
    assert model.shape == x.shape


def test_half_a_million_pixels(redshift):
    """Are accepted, at the cost of their information."""
    x = np.geomspace(3800, 7900, 500_000)
    flux = 1 + np.random.default_rng(0).normal(0, 0.02, len(x))
    batch = to_batch((x * u.AA, flux * u.ct, np.full(len(x), 0.02) * u.ct), medium="vacuum")
    assert batch.lengths.tolist() == [500_000]
    tokens = tokenize(batch, device="cpu")
    assert len(tokens[0]) < 500_000 / 4 / 32 * 1.1


@pytest.mark.parametrize("factor", [0.01, 0.1, 30.0, 1e3])
def test_wrong_errors(redshift, example, factor):
    """Of a good spectrum change its redshift by less than that is known to; what was done is flagged."""
    wavelength, flux, error = example
    batch = to_batch((wavelength, flux, factor * error * flux.unit), medium="vacuum")
    assert batch.flags[0] & (InputFlag.UNCERTAINTY_ESTIMATED | InputFlag.UNCERTAINTY_RAISED)
    found, right = (redshift.estimate((wavelength, flux, k * error * flux.unit), medium="vacuum") for k in (factor, 1))
    assert abs(found.z - right.z) < 3 * right.z_err
    assert found.z_err < 3 * right.z_err
    assert found.snr == pytest.approx(right.snr, rel=0.5)


@pytest.mark.parametrize("scale", [1.0, 1e-15, 1e17])
def test_variances_for_errors(redshift, example, scale):
    """In whatever unit: S/N 1e15 is none."""
    wavelength, flux, error = example
    level = np.median(flux.value)
    spectrum = (wavelength, scale * flux / level, (scale * error / level) ** 2 * flux.unit)
    found = redshift.estimate(spectrum, medium="vacuum")
    assert found.snr < 100
    assert abs(found.z - Z) < WRONG


@pytest.mark.parametrize("fill", [9.96921e36, -999.0, 1e20, -32768.0])
def test_fill_values(redshift, example, fill):
    """A tenth of the pixels and a stretch hold what stands for none: as if they had been masked."""
    wavelength, flux, error = example
    bad = np.zeros(len(flux), bool)
    bad[::10] = bad[900:1000] = True
    masked = redshift.estimate((wavelength, np.where(bad, np.nan, flux), error * flux.unit), medium="vacuum")
    found = redshift.estimate(
        (wavelength, np.where(bad, fill, flux.value) * flux.unit, error * flux.unit), medium="vacuum"
    )
    assert found.z == pytest.approx(masked.z, abs=1e-6)
    assert found.zwarn == masked.zwarn == 0


def test_supernovae_are_flagged(redshift):
    """Nine of ten are no galaxy, quasar or star without a flag, unless their redshift is right."""
    spectra = simulate_spectra(24, seed=11, families=["supernovae"], snr=(15, 60))
    table = redshift.estimate(spectra)
    truth = np.array([spectrum.meta.get("z", np.nan) for spectrum in spectra], float)
    kept = (table["zwarn"] == 0) & ~(np.abs(table["z"].value - truth) < 0.01 * (1 + truth))
    assert np.count_nonzero(kept) <= 3


def test_a_wave_outside_everything(redshift):
    """Millimetres are refused alone, and a flagged row among others."""
    outside = (np.linspace(1.2, 1.3, 200) * u.mm, np.ones(200) * u.Jy, np.ones(200) * u.Jy)
    with pytest.raises(ValueError, match="must have 32 good pixels from 1094 to 48188 Angstrom"):
        embed(outside, device="cpu")
    with pytest.warns(FlaggedSpectraWarning):
        table = redshift.estimate([outside, read_example()])
    assert table["zwarn"][0] & RedshiftFlag.NO_DATA
    assert np.isnan(table["z"][0])
    assert abs(table["z"][1] - Z) < WRONG
