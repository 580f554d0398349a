# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Observing simulated objects: flux, lines and noise come out as they went in."""

import numpy as np
import pytest
import torch
from _paths import TRAIN, needs

from astro_spectok.simulate.constants import FWHM
from astro_spectok.simulate.instruments import NAMED, Instrument, choose_instrument
from astro_spectok.simulate.objects import Objects, RestGrid
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.randomness import Randomness
from astro_spectok.simulate.sky import SkyFibres
from astro_spectok.simulate.templates import TemplateStore

GRID = RestGrid(float(np.log(1000.0)), 1e-4, 34000)


def make_objects(b=1, *, level=1.0, lines=(), z=0.0, line_sigma=1e-5, **changed):
    """Flat continua with emission lines of unit flux at ``lines`` (rest Angstrom)."""
    count = len(lines)
    made = {
        "grid": GRID,
        "flux": torch.full((b, GRID.size), float(level)),
        "z": torch.full((b,), z, dtype=torch.float64),
        "cls": torch.zeros(b, dtype=torch.int64),
        "kind": ["test"] * b,
        "template_sigma": torch.zeros(b),
        "sigma": torch.zeros(b),
        "rotation": torch.zeros(b),
        "line_ln_wavelength": torch.log(torch.tensor(lines, dtype=torch.float64)).expand(b, count),
        "line_flux": torch.ones(b, count),
        "line_sigma": torch.full((b, count), line_sigma),
        "measurable": torch.ones(b, dtype=torch.bool),
    }
    return Objects(**(made | changed))


def make_instrument(low=5000.0, high=6000.0, n=1000, resolution=2000.0, **changed):
    """Evenly spaced pixels in one arm, seen from space unless stated otherwise."""
    edges = np.linspace(low, high, n + 1)
    made = {
        "name": "test", "left": edges[:-1], "right": edges[1:], "resolution": np.full(n, resolution, np.float32),
        "arm": np.zeros(n, np.int64), "place": ((np.arange(n) + 0.5) / n).astype(np.float32), "ground": False,
    }  # fmt: skip
    return Instrument(**(made | changed))


#: standard deviations of a line that hold all of it: one in 1e15 lies beyond, which no second moment shows
REACH = 8
#: of its peak, what a Fourier transform in single precision leaves where there is nothing: a few times its rounding.
#: That is no part of a line, but a thousand pixels from it, weighed with the square of their distance, would be as much
#: of a second moment as the line itself, on some processors and not on others
ROUNDING = 1e-6


def measure_line(observation, instrument, row=0):
    """Flux, centroid and standard deviation in Angstrom of the line in a spectrum with nothing else and no noise."""
    n = len(instrument)
    truth, width = observation.truth[row, :n].double().numpy(), instrument.right - instrument.left
    total, peak = (truth * width).sum(), instrument.wavelength[truth.argmax()]
    # as wide as a Gaussian of that flux and height; profiles of rotation are a little narrower
    near = np.abs(instrument.wavelength - peak) < REACH * total / truth.max() / np.sqrt(2 * np.pi)
    assert np.abs(truth[~near]).max() < ROUNDING * truth.max()
    energy, wavelength = (truth * width)[near], instrument.wavelength[near]
    centre = (energy * wavelength).sum() / energy.sum()
    return total, centre, np.sqrt((energy * (wavelength - centre) ** 2).sum() / energy.sum())


@pytest.mark.parametrize("z", [0.0, 0.31, 2.0])
@pytest.mark.parametrize(("n", "resolution"), [(1000, 2000.0), (3000, 2000.0), (400, 900.0), (5000, 9000.0)])
def test_line_keeps_flux_place_and_width(z, n, resolution):
    """A narrow line has its flux, lies at lambda (1 + z) within 0.02 pixel, and is as wide as R says."""
    instrument = make_instrument(n=n, resolution=resolution)
    rest = 5503.37 / (1 + z)
    objects = make_objects(level=0.0, lines=[rest], z=z)
    flux, centre, sigma = measure_line(observe(objects, [instrument], 10, Randomness(0), clean=True), instrument)
    assert flux == pytest.approx(1.0, rel=1e-3)
    assert abs(centre - 5503.37) < 0.02 * 1000 / n
    assert sigma == pytest.approx(5503.37 / resolution / FWHM, rel=0.03)


@pytest.mark.parametrize("width", [2e-4, 1e-3, 5e-3])
def test_line_width_adds_in_quadrature(width):
    """Intrinsic width and LSF add up, for absorption in the continuum as for emission lines."""
    instrument = make_instrument(4800, 6300, 2000, 2000.0)
    expected = 5503.0 * np.hypot(width, 1 / (FWHM * 2000))
    objects = make_objects(level=0.0, lines=[5503.0], line_sigma=width)
    _, _, sigma = measure_line(observe(objects, [instrument], 10, Randomness(0), clean=True), instrument)
    assert sigma == pytest.approx(expected, rel=0.02)
    x = GRID.ln_wavelength()
    flux = (torch.exp(-0.5 * ((x - np.log(5503.0)) / 1e-4) ** 2))[None].float()
    objects = make_objects(flux=flux, sigma=torch.tensor([width]), template_sigma=torch.tensor([1e-4]))
    _, _, sigma = measure_line(observe(objects, [instrument], 10, Randomness(0), clean=True), instrument)
    assert sigma == pytest.approx(expected, rel=0.03)


def test_lines_of_many_widths_keep_theirs():
    """Lines are broadened in groups; each keeps its flux and variance."""
    instrument = make_instrument(4000, 9000, 5000, 2000.0)
    widths = [2e-4, 5e-4, 1.5e-3, 4e-3]
    lines = [4500.0, 5500.0, 6500.0, 8000.0]
    objects = make_objects(level=0.0, lines=lines)
    objects.line_sigma = torch.tensor([widths])
    truth = observe(objects, [instrument], 10, Randomness(0), clean=True).truth[0].double().numpy()
    for line, width in zip(lines, widths, strict=True):
        near = np.abs(instrument.wavelength - line) < REACH * line * np.hypot(width, 1 / (FWHM * 2000))
        energy = truth[near]
        variance = (energy * (instrument.wavelength[near] - line) ** 2).sum() / energy.sum()
        assert energy.sum() == pytest.approx(1.0, rel=3e-3)
        assert np.sqrt(variance) == pytest.approx(line * np.hypot(width, 1 / (FWHM * 2000)), rel=0.03)


def test_resolution_may_vary_along_the_spectrum():
    """Each line shows the R of its own pixels."""
    instrument = make_instrument(5000, 9000, 4000, resolution=1000.0)
    instrument.resolution[instrument.wavelength > 7000] = 2600.0
    objects = make_objects(level=0.0, lines=[6000.0, 8000.0])
    truth = observe(objects, [instrument], 10, Randomness(0), clean=True).truth[0].double().numpy()
    for line, r in ((6000.0, 1000), (8000.0, 2600)):
        near = np.abs(instrument.wavelength - line) < REACH * line / r / FWHM
        variance = (truth[near] * (instrument.wavelength[near] - line) ** 2).sum() / truth[near].sum()
        assert np.sqrt(variance) == pytest.approx(line / r / FWHM, rel=0.03)


def test_rotation_has_the_variance_of_its_profile():
    """v sin i broadens a line by the variance of the limb-darkened profile, 0.2233 v^2 / c^2 for 0.6."""
    instrument = make_instrument(5000, 6000, 4000, 8000.0)
    flux = torch.exp(-0.5 * ((GRID.ln_wavelength() - np.log(5500.0)) / 1e-4) ** 2)[None].float()
    v = 1.5e-3
    objects = make_objects(flux=flux, rotation=torch.tensor([v]), template_sigma=torch.tensor([1e-4]))
    _, _, sigma = measure_line(observe(objects, [instrument], 10, Randomness(0), clean=True), instrument)
    mu = np.linspace(-1, 1, 200001)
    profile = 2 * 0.4 * np.sqrt(1 - mu**2) + np.pi * 0.6 / 2 * (1 - mu**2)
    variance = (profile * mu**2).sum() / profile.sum() * v**2
    assert sigma == pytest.approx(5500 * np.sqrt(variance + (1 / (FWHM * 8000)) ** 2), rel=0.02)


@pytest.mark.parametrize("name", ["boss", "desi", "nirspec_medium", "spex_prism", "lamost_lrs", "gmos"])
def test_continuum_keeps_its_level(name):
    """A power law is itself on any pixels, right to their edges."""
    instrument = NAMED[name](np.random.default_rng(0))
    flux = torch.exp(-2 * (GRID.ln_wavelength() - np.log(5000.0)))[None].float()
    truth = observe(make_objects(flux=flux), [instrument], 10, Randomness(0), clean=True).truth[0].numpy()
    good = instrument.right < 29000
    expected = (instrument.wavelength / 5000) ** -2.0
    np.testing.assert_allclose(truth[good], expected[good], rtol=3e-3)


@pytest.mark.parametrize("snr", [0.5, 3.0, 40.0])
def test_signal_to_noise_is_as_asked_for(snr):
    """The median over pixels of flux over sigma is what was asked for, and errors are those of the noise."""
    rng = np.random.default_rng(3)
    instruments = [choose_instrument(rng, 3000, 10500, 3000, ("sdss", "desi", "muse", "random")) for _ in range(12)]
    seen = observe(make_objects(12, lines=[5000.0, 6564.0]), instruments, snr, Randomness(1), clean=True)
    for row in torch.nonzero(seen.has_errors)[:, 0]:  # those without have them estimated
        good = seen.ivar[row] > 0
        assert (seen.truth[row] * seen.ivar[row].sqrt())[good].median().item() == pytest.approx(snr, rel=0.01)
    chi = ((seen.flux - seen.truth) * seen.ivar.sqrt())[(seen.ivar > 0) & seen.has_errors[:, None]]
    assert chi.std().item() == pytest.approx(1.0, abs=0.02)
    assert chi.mean().item() == pytest.approx(0.0, abs=0.02)


def test_signal_to_noise_of_a_break():
    """Where most of a spectrum is dark, the S/N is that of the part with flux."""
    flux = torch.where(GRID.ln_wavelength() > np.log(5800.0), 1.0, 1e-4)[None].float()
    seen = observe(make_objects(flux=flux), [make_instrument()], 5, Randomness(0), clean=True)
    lit = torch.exp(seen.ln_wavelength[0]) > 5810
    assert (seen.truth * seen.ivar.sqrt())[0][lit].median().item() == pytest.approx(5, rel=0.1)


def test_stated_errors_are_right_for_most():
    """With all faults, the robust chi of most spectra is near one, and that of some is not."""
    rng = np.random.default_rng(4)
    spread = []
    random = Randomness(2)
    for _ in range(4):
        instruments = [NAMED[("sdss", "desi")[i % 2]](rng) for i in range(16)]
        seen = observe(make_objects(16), instruments, 10.0, random)
        for row in torch.nonzero(seen.has_errors)[:, 0]:
            chi = ((seen.flux - seen.truth) * seen.ivar.sqrt())[row][seen.ivar[row] > 0]
            spread.append(1.4826 * (chi - chi.median()).abs().median().item())
    spread = np.array(spread)
    assert 0.9 < np.median(spread) < 1.15
    assert np.mean(np.abs(np.log(spread)) < 0.15) > 0.5
    assert np.abs(np.log(spread)).max() > 0.25


def test_unknown_flux_makes_bad_pixels():
    """NaN in the templates makes pixels bad, never NaN, and leaves the others alone."""
    instrument = make_instrument(4000, 8000, 3000, 1500.0)
    flux = torch.ones(1, GRID.size)
    wave = torch.exp(GRID.ln_wavelength())
    flux[0, (wave > 5000) & (wave < 5200)] = torch.nan
    flux[0, wave > 7500] = torch.nan
    for clean in (True, False):
        seen = observe(make_objects(flux=flux), [instrument], 20, Randomness(3), clean=clean)
        for name in ("flux", "ivar", "resolution"):
            assert torch.isfinite(getattr(seen, name)).all()
        w = torch.exp(seen.ln_wavelength[0])
        unknown = ((w > 4996) & (w < 5204)) | (w > 7494)
        assert (seen.ivar[0][unknown] == 0).all()
        assert (seen.ivar[0][~unknown & (w < 7480) & ((w < 4985) | (w > 5215))] > 0).float().mean() > 0.9
    known = make_objects()
    clean = observe(known, [instrument], 20, Randomness(3), clean=True).truth[0][~unknown]
    holes = observe(make_objects(flux=flux), [instrument], 20, Randomness(3), clean=True).truth[0][~unknown]
    both = torch.isfinite(holes)  # the last pixels next to a hole are not known either
    assert both.float().mean() > 0.99
    torch.testing.assert_close(clean[both], holes[both], rtol=2e-3, atol=0)


def test_padding_and_shapes():
    """Shorter spectra are padded with nothing, and their wavelengths go on increasing."""
    instruments = [make_instrument(n=n) for n in (100, 700, 300)]
    seen = observe(make_objects(3), instruments, 5, Randomness(0))
    assert seen.present.sum(1).tolist() == [100, 700, 300]
    assert seen.flux.shape == seen.ln_wavelength.shape == (3, 700)
    assert (seen.ln_wavelength.diff(dim=1) > 0).all()
    for name in ("flux", "ivar"):
        assert (getattr(seen, name)[~seen.present] == 0).all()
    assert torch.isnan(seen.truth[~seen.present]).all()
    assert (seen.resolution > 0).all()
    assert len(seen) == 3


def test_same_seed_same_spectra():
    """Spectra are a function of the seed."""
    rng = np.random.default_rng(0)
    instruments = [choose_instrument(rng, 3000, 20000, 2000) for _ in range(8)]
    one, same, other = (observe(make_objects(8), instruments, 5, Randomness(seed)) for seed in (1, 1, 2))
    for name in ("flux", "ivar", "truth"):
        assert torch.equal(getattr(one, name).nan_to_num(-9), getattr(same, name).nan_to_num(-9))
    assert not torch.equal(one.flux, other.flux)


def test_no_flux_gives_noise_of_order_one():
    """Blank sky has zero truth and a sigma of order one."""
    seen = observe(make_objects(4, level=0.0), [make_instrument(ground=True)] * 4, 5, Randomness(0))
    assert (seen.truth == 0).all()
    sigma = seen.ivar[seen.ivar > 0].rsqrt()
    assert 0.1 < sigma.median() < 10
    assert 0.1 < seen.flux.std() < 10


def test_spectra_without_errors_get_estimated_ones():
    """Without errors, ivar is what the package itself would estimate."""
    instrument = make_instrument(has_errors=False)
    seen = observe(make_objects(), [instrument], 20, Randomness(5))
    assert not seen.has_errors.any()
    good = seen.ivar > 0
    chi = (seen.flux - seen.truth)[good] * seen.ivar[good].sqrt()
    assert 0.8 < 1.4826 * chi.abs().median() < 1.25


def test_smoothed_spectra_are_smooth():
    """Smoothing correlates neighbouring pixels, lowers the resolution and is in the truth too."""
    plain = make_instrument(has_errors=False)
    smooth = make_instrument(has_errors=False, smoothed=3.0)
    objects = make_objects(2, lines=[5500.0])
    objects.line_flux *= 50
    seen = observe(objects, [plain, smooth], 5, Randomness(6))
    error = torch.where(seen.ivar > 0, seen.flux - seen.truth, 0)
    step = error.diff(dim=1).std(1) / error.std(1)
    assert step[1] < 0.6 * step[0]
    assert (seen.resolution[1] < 0.5 * seen.resolution[0]).all()
    assert seen.truth[1].max() < 0.6 * seen.truth[0].max()


def test_normalised_spectra_lie_near_one():
    """Continuum-normalised spectra have a median near one whatever the flux was."""
    flux = 7 * torch.exp(-2 * (GRID.ln_wavelength() - np.log(5000.0)))[None].float()
    seen = observe(make_objects(flux=flux), [make_instrument(normalised=True)], 50, Randomness(7))
    assert seen.truth[0].median().item() == pytest.approx(1.0, abs=0.05)
    assert seen.truth[0].std() < 0.1


def test_sky_lines_raise_the_noise():
    """From the ground, pixels on strong sky lines are noisier than between them; from space they are not."""
    near = {}
    for ground in (True, False):
        instruments = [make_instrument(5450, 5700, 500, 2000.0, ground=ground)] * 16
        seen = observe(make_objects(16), instruments, 1.0, Randomness(8), clean=True)
        sigma = seen.ivar.rsqrt()
        line = (torch.exp(seen.ln_wavelength[0]) - 5578.9).abs() < 1
        near[ground] = (sigma[:, line].mean(1) / sigma.median(1).values).median().item()
    assert near[True] > 1.5
    assert near[False] == pytest.approx(1.0, abs=0.1)


def test_one_instrument_for_each_object():
    """A wrong number of instruments is an error that says so."""
    with pytest.raises(ValueError, match="instruments must be one for each of the 2 objects; got 1"):
        observe(make_objects(2), [make_instrument()], 5, Randomness(0))


def test_no_sky_fibres_without_data():
    """Without the set there are none, and observing works."""
    sky = SkyFibres(TemplateStore(None))
    assert len(sky) == 0
    seen = observe(make_objects(), [make_instrument(ground=True)], 5, Randomness(0), sky=sky)
    assert torch.isfinite(seen.flux).all()


@needs(TRAIN / "sdss_sky_real.npz")
def test_real_sky_fibres_change_spectra_from_the_ground():
    """Real sky is drawn for part of the spectra, and never outside of its range."""
    sky = SkyFibres(TemplateStore(TRAIN))
    assert len(sky) == 88
    pattern, sigma = sky.draw(Randomness(0), torch.log(torch.tensor([[3000.0, 5000.0, 8000.0, 9900.0]])).double())
    assert pattern[0, 0] == pattern[0, 3] == 0 == sigma[0, 0]
    assert sigma[0, 1] > 0
    instruments = [NAMED["sdss"](np.random.default_rng(1)) for _ in range(12)]
    fibres = observe(make_objects(12, level=0.0), instruments, 5, Randomness(1), sky=sky)
    none = observe(make_objects(12, level=0.0), instruments, 5, Randomness(1))
    changed = (fibres.flux != none.flux).any(1)
    assert 2 < changed.sum() <= 12


def test_truth_is_unknown_where_the_object_is():
    """Not bridged with made-up flux: nobody may learn from that."""
    flux = torch.ones(1, GRID.size)
    x = GRID.ln_wavelength()
    flux[0, (x > np.log(5400.0)) & (x < np.log(5600.0))] = torch.nan
    seen = observe(make_objects(flux=flux), [make_instrument()], 20, Randomness(0), clean=True)
    wave = torch.exp(seen.ln_wavelength[0])
    hole = (wave > 5402) & (wave < 5598)
    assert torch.isnan(seen.truth[0][hole]).all()
    assert (seen.ivar[0][hole] == 0).all()
    assert torch.isfinite(seen.truth[0][seen.ivar[0] > 0]).all()
    assert torch.isfinite(seen.flux).all()


def test_stars_are_no_sharper_than_their_templates():
    """What is stated is the resolution of the lines there are; those of galaxies are as sharp as the instrument."""
    for cls, wanted in ((2, 1000.0), (0, 2000.0)):
        objects = make_objects(cls=torch.tensor([cls]), template_sigma=torch.tensor([1 / (FWHM * 1000.0)]))
        seen = observe(objects, [make_instrument()], 20, Randomness(0), clean=True)
        torch.testing.assert_close(seen.resolution[0], torch.full((1000,), wanted), rtol=1e-5, atol=0)


def test_noise_of_neighbours_is_correlated_in_part_of_the_spectra():
    """As resampling leaves it; the scatter of each pixel stays what it is."""
    flat = make_instrument(n=3000)
    seen = observe(make_objects(60), [flat] * 60, 10, Randomness(5))
    noise = (seen.flux - seen.truth)[:, 50:-50]
    noise = noise / noise.median(dim=1, keepdim=True).values.abs().clamp(min=1e-9)
    noise = noise - noise.median(dim=1, keepdim=True).values
    scale = noise.abs().median(dim=1, keepdim=True).values
    noise = (noise / scale).clamp(-5, 5)
    lag = (noise[:, 1:] * noise[:, :-1]).mean(1) / noise.square().mean(1)
    assert (lag > 0.15).float().mean() > 0.3
    assert (lag.abs() < 0.12).float().mean() > 0.15
