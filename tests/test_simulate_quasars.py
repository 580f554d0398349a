# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated quasars: continuum, lines where they belong, absorption, host light."""

import math

import pytest
import torch
from _paths import TRAIN, needs

from astro_spectok.simulate.populations import REST_GRID
from astro_spectok.simulate.profiles import find_bins, smooth_flux
from astro_spectok.simulate.quasar_absorbers import QuasarAbsorbers
from astro_spectok.simulate.quasar_templates import BROAD_LINES, QuasarTemplates, fit_continuum
from astro_spectok.simulate.quasars import NARROW_LINES, Quasars
from astro_spectok.simulate.randomness import Randomness
from astro_spectok.simulate.templates import TemplateStore

real = pytest.param(TRAIN, marks=needs(TRAIN), id="real")
WAVELENGTH = torch.exp(REST_GRID.ln_wavelength())


@pytest.fixture(scope="module", params=[pytest.param(None, id="analytic"), real])
def store(request):
    return TemplateStore(request.param)


@pytest.fixture(scope="module")
def quasars(store):
    return Quasars(store)


@pytest.fixture(scope="module")
def drawn(quasars):
    return quasars.draw(96, Randomness(4))


def test_quasars_have_shape_and_sense(drawn):
    n = len(drawn)
    assert drawn.flux.shape == (n, REST_GRID.size)
    assert drawn.flux.dtype == drawn.line_flux.dtype == torch.float32
    assert drawn.z.dtype == drawn.line_ln_wavelength.dtype == torch.float64
    assert (drawn.cls == 1).all()
    assert drawn.measurable.all()
    assert set(drawn.kind) == {"quasar", "broad absorption quasar", "broad-line galaxy"}
    assert 0.01 <= drawn.z.min() < drawn.z.max() < 7
    assert (drawn.flux[torch.isfinite(drawn.flux)] >= 0).all()
    medians = torch.nanmedian(torch.where(drawn.flux > 0, drawn.flux, torch.nan), 1).values
    assert (medians > 0.8).all()
    assert (medians < 1.2).all()
    assert (drawn.line_flux >= 0).all()
    assert drawn.labels == {}


def test_same_seed_same_quasars(quasars):
    first, second, other = (quasars.draw(5, Randomness(seed)) for seed in (1, 1, 2))
    torch.testing.assert_close(first.flux, second.flux, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(first.line_flux, second.line_flux)
    assert not torch.equal(first.z, other.z)


@pytest.mark.parametrize(("line", "low", "high"), [(1549.06, 1480, 1620), (1908.73, 1840, 1980), (2798.75, 2720, 2880),
                                                  (6564.61, 6400, 6720)])  # fmt: skip
def test_broad_lines_stand_in_the_rest_frame(drawn, line, low, high):
    """The mean of many peaks within 1500 km/s of the line; redshift is not applied."""
    plain = torch.tensor([kind == "quasar" for kind in drawn.kind])
    bins = find_bins(REST_GRID, low, high)
    flux = drawn.flux[plain][:, bins]
    mean = smooth_flux((flux / flux[:, :1]).median(0).values, 21)
    trend = torch.linspace(float(mean[0]), float(mean[-1]), len(mean))
    peak = WAVELENGTH[bins][(mean / trend).argmax()].item()
    assert peak == pytest.approx(line, rel=1500 / 299792)
    assert (mean / trend).max() > 1.1


def test_narrow_lines_have_their_wavelengths_and_doublets(drawn):
    wavelengths = torch.exp(drawn.line_ln_wavelength[0, : len(NARROW_LINES)])
    expected = torch.tensor([row[0] for row in NARROW_LINES], dtype=torch.float64)
    torch.testing.assert_close(wavelengths, expected)
    names = [row[0] for row in NARROW_LINES]
    strong, weak = names.index(5008.240), names.index(4960.295)
    ratio = drawn.line_flux[:, strong] / drawn.line_flux[:, weak]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 2.98))


def test_continuum_of_a_power_law_with_lines_is_the_power_law():
    continuum = ((WAVELENGTH / 3000) ** -1.4).float()
    bump = 1 + 2 * torch.exp(-0.5 * ((REST_GRID.ln_wavelength() - math.log(2798.75)) / 0.006) ** 2).float()
    fitted = fit_continuum((continuum * bump)[None], REST_GRID)
    torch.testing.assert_close(fitted[0], continuum, rtol=1e-2, atol=0)


def test_templates_are_zero_between_lines_and_positive_on_them(store):
    templates = QuasarTemplates(store, REST_GRID)
    lines = templates.draw(40, Randomness(2))
    assert torch.isfinite(lines).all()
    assert lines.min() > -0.95
    median = lines.median(0).values
    near = {row[0]: median[(WAVELENGTH / row[0]).log().abs() < 3e-3].mean() for row in BROAD_LINES}
    for line in (1215.67, 1549.06, 1908.73, 2798.75, 4862.68, 6564.61):
        assert near[line] > 0.1
    assert median[find_bins(REST_GRID, 5600, 5700)].abs().mean() < 0.1


def test_broad_troughs_lie_blueward_and_touch_only_the_chosen():
    absorbers = QuasarAbsorbers(REST_GRID)
    flux = absorbers.absorb_broad(torch.ones(60, REST_GRID.size), torch.arange(60) % 2 == 0, Randomness(3))
    assert torch.equal(flux[1::2], torch.ones(30, REST_GRID.size))
    assert flux[::2, find_bins(REST_GRID, 1420, 1545)].amin(1).max() < 0.95
    assert flux[::2, find_bins(REST_GRID, 1600, 1700)].min() == 1
    assert flux.min() >= 0


def test_damped_systems_only_beyond_two():
    absorbers = QuasarAbsorbers(REST_GRID)
    z = torch.tensor([1.0, 3.0, 4.0], dtype=torch.float64)
    flux = absorbers.absorb_damped(torch.ones(3, REST_GRID.size), z, Randomness(3), chance=1.0)
    assert torch.equal(flux[0], torch.ones(REST_GRID.size))
    assert (flux[1:].amin(1) < 1e-3).all()
    assert flux[1:, find_bins(REST_GRID, 1320, 28000)].min() == 1


def test_narrow_absorbers_differ_between_sight_lines():
    flux = QuasarAbsorbers(REST_GRID).absorb_narrow(
        torch.ones(200, REST_GRID.size), torch.full((200,), 2.0).double(), Randomness(4)
    )
    absorbed = flux.amin(1) < 0.9
    assert 0.1 < absorbed.float().mean() < 0.7
    assert (flux > 0).all()


def test_forest_darkens_with_redshift(drawn):
    """Flux in the forest over that redward of it falls from near to far quasars."""
    forest, beyond = (drawn.flux[:, find_bins(REST_GRID, *edges)].mean(1) for edges in ((1060, 1170), (1280, 1360)))
    plain = torch.tensor([kind == "quasar" for kind in drawn.kind])
    near, far = plain & (drawn.z < 1.5), plain & (drawn.z > 3.3)
    assert (forest / beyond)[far].median() < 0.7 * (forest / beyond)[near].median()


def test_hosts_redden_the_faint(drawn):
    faint = torch.tensor([kind == "broad-line galaxy" for kind in drawn.kind])
    blue, red = (drawn.flux[:, find_bins(REST_GRID, *edges)].mean(1) for edges in ((2000, 2200), (7000, 7500)))
    assert (blue / red)[faint].median() < 0.6 * (blue / red)[~faint].median()
