# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated galaxies: what is drawn has the shape, the physics and the labels that it claims."""

import math

import pytest
import torch
from _paths import TRAIN, WITHOUT_SPECTRA, needs
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_spectok.simulate.dust import attenuate, compute_curves, draw_curve_shares
from astro_spectok.simulate.galaxies import KINDS, Galaxies
from astro_spectok.simulate.intergalactic import (
    IntergalacticMedium,
    compute_damping_optical_depth,
    compute_mean_optical_depth,
)
from astro_spectok.simulate.nebular import FIXED, SEYFERT, NebularLines
from astro_spectok.simulate.objects import GALAXY_LABELS, RestGrid
from astro_spectok.simulate.populations import (
    HISTORIES,
    REST_GRID,
    Populations,
    compute_cosmic_age,
    draw_histories,
)
from astro_spectok.simulate.profiles import add_gaussians, find_bins, measure_continuum, normalize_flux, smooth_flux
from astro_spectok.simulate.randomness import Randomness
from astro_spectok.simulate.templates import TemplateStore

real = pytest.param(TRAIN, marks=needs(TRAIN), id="real")
SMALL = RestGrid(math.log(4000.0), 1e-4, 4000)


@pytest.fixture(scope="module", params=[pytest.param(None, id="analytic"), real])
def store(request):
    return TemplateStore(request.param)


@pytest.fixture(scope="module")
def galaxies(store):
    return Galaxies(store)


@pytest.fixture(scope="module")
def drawn(galaxies):
    return galaxies.draw(96, Randomness(4))


def test_profile_has_its_area_and_place():
    """A profile between two bins adds up to its integral and has its centre where it was asked for."""
    centre = torch.tensor([math.log(5000.0) + 0.3e-4], dtype=torch.float64)
    values = add_gaussians(torch.zeros(1, SMALL.size), SMALL, centre, torch.tensor([5e-4]), torch.tensor([2.0]))
    x = SMALL.ln_wavelength()
    assert values.sum().item() * 1e-4 == pytest.approx(2 * 5e-4 * math.sqrt(2 * math.pi), rel=1e-3)
    assert ((values[0] * x).sum() / values.sum()).item() == pytest.approx(centre.item(), abs=1e-6)


def test_profiles_outside_the_grid_are_left_out():
    centre = torch.log(torch.tensor([1000.0, 20000.0], dtype=torch.float64))
    values = add_gaussians(torch.zeros(2, SMALL.size), SMALL, centre, torch.tensor([1e-3]), torch.tensor([1.0]))
    assert torch.equal(values, torch.zeros(2, SMALL.size))


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(2, 200))
def test_smoothing_keeps_constants(level, width):
    flux = torch.full((2, 1000), level)
    torch.testing.assert_close(smooth_flux(flux, width), flux)


def test_continuum_ignores_the_line_and_nan():
    flux = torch.full((1, SMALL.size), 3.0)
    centre = torch.tensor([math.log(4500.0), math.log(500.0)], dtype=torch.float64)
    near = find_bins(SMALL, 4480, 4520)
    flux[:, near] = 100.0
    flux[:, find_bins(SMALL, 4550, 4580)] = torch.nan
    assert measure_continuum(flux, SMALL, centre).tolist() == [[3.0, 0.0]]


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-20, 1e10))
def test_normalisation_does_not_depend_on_the_unit(factor):
    flux = torch.rand(3, 800, generator=torch.Generator().manual_seed(1)) + 0.5
    torch.testing.assert_close(normalize_flux(flux * factor)[0], normalize_flux(flux)[0], rtol=1e-5, atol=0)


def test_curves_of_dust():
    """All are 1 at 5500 Angstrom and fall to the red; only the Milky Way has the bump at 2175."""
    curves = compute_curves(torch.tensor([1300.0, 1900.0, 2175.0, 2600.0, 5500.0, 10000.0, 22000.0]))
    torch.testing.assert_close(curves[:, 4], torch.ones(3))
    assert (curves[:, 4] > curves[:, 5]).all()
    assert (curves[:, 5] > curves[:, 6]).all()
    assert (curves[:, 2] > (curves[:, 1] + curves[:, 3]) / 2 + 0.2).tolist() == [False, True, False]
    assert curves[2, 0] > curves[0, 0] > 2
    dimmed = attenuate(torch.ones(1, 7), torch.tensor([2.0]), curves[0])
    assert dimmed[0, 4].item() == pytest.approx(10**-0.8, rel=1e-5)


def test_shares_of_curves_sum_to_one():
    shares = draw_curve_shares(50, Randomness(1))
    torch.testing.assert_close(shares.sum(1), torch.ones(50))


def test_transmission_falls_with_redshift():
    """At every redshift the mean over lines of sight is that of Inoue et al. (2014)."""
    medium, random, means = IntergalacticMedium(REST_GRID), Randomness(2), []
    forest = find_bins(REST_GRID, 1100, 1180)
    for z in (1.5, 2.5, 3.5, 4.5, 5.5, 6.5):
        transmission = medium.draw_transmission(torch.full((60,), z, dtype=torch.float64), random)
        assert transmission.shape[1] == medium.bins.stop - medium.bins.start
        assert (transmission >= 0).all()
        assert (transmission <= 1).all()
        means.append(transmission[:, forest].mean().item())
        absorber = (1 + z) * torch.exp(REST_GRID.ln_wavelength()[forest]) / 1215.67 - 1
        expected = torch.exp(-compute_mean_optical_depth(absorber)).mean().item()
        assert means[-1] == pytest.approx(expected, abs=0.02)
    assert means == sorted(means, reverse=True)


def test_forest_differs_between_lines_of_sight_and_spares_the_red():
    medium = IntergalacticMedium(REST_GRID)
    flux = medium.absorb(torch.ones(2, REST_GRID.size), torch.tensor([3.0, 3.0]).double(), Randomness(3))
    forest = find_bins(REST_GRID, 1100, 1180)
    assert torch.corrcoef(flux[:, forest])[0, 1].abs() < 0.2
    assert (flux[:, find_bins(REST_GRID, 1217, 28000)] == 1).all()
    assert flux[:, find_bins(REST_GRID, 620, 640)].mean() < 0.5 * flux[:, forest].mean()


def test_damped_absorption_has_its_equivalent_width():
    """W = 7.3 Angstrom (N / 1e20)^0.5 in the rest frame (Draine 2011, eq. 9.24)."""
    x = REST_GRID.ln_wavelength()
    depth = compute_damping_optical_depth(
        x, torch.tensor([math.log(1215.67)], dtype=torch.float64), torch.tensor([20.6])
    )
    width = ((1 - torch.exp(-depth[0].double())) * torch.exp(x) * 1e-4)[find_bins(REST_GRID, 900, 1600)].sum()
    assert width.item() == pytest.approx(7.3 * math.sqrt(10**0.6), rel=0.05)


def test_cosmic_age():
    ages = compute_cosmic_age(torch.tensor([0.0, 1.0, 6.0]))
    torch.testing.assert_close(ages, torch.tensor([13.47, 5.75, 0.91]), atol=0.03, rtol=0)


@pytest.mark.parametrize("history", range(len(HISTORIES)), ids=HISTORIES)
def test_histories_share_all_light_and_keep_causality(galaxies, history):
    populations = galaxies.populations
    z = torch.tensor([0.1, 2.0, 5.0], dtype=torch.float64)
    young = torch.tensor([0.0, 0.1, 0.6])
    shares, labels = draw_histories(populations, torch.full((3,), history), z, young, Randomness(5))
    torch.testing.assert_close(shares.sum(1), torch.ones(3))
    torch.testing.assert_close(shares[:, populations.age < 0.02].sum(1), young, atol=1e-4, rtol=0)
    assert (labels["age"] < torch.log10(compute_cosmic_age(z).float()) + 0.1).all()
    # those that formed early are the oldest that there can be
    early = draw_histories(populations, torch.full((3,), history), z, 0 * young, Randomness(5), torch.ones(3) > 0)[1]
    if HISTORIES[history] in ("old", "quenched"):
        assert (early["age"] > torch.log10(0.5 * compute_cosmic_age(z).float())).all()
    # a mean lies within what it is of, but shares in single precision add up to 1 within some 1e-7 alone
    assert labels["metallicity"].min() >= populations.metallicity.min() - 1e-5


def test_populations_are_complete_and_redden_with_age(galaxies):
    populations = galaxies.populations
    assert torch.isfinite(populations.spectra).all()
    assert (populations.spectra > 0).all()
    blue, red = (populations.spectra[:, find_bins(REST_GRID, *edges)].mean(1) for edges in ((3500, 3700), (7000, 7500)))
    young, old = populations.age < 0.1, populations.age > 9
    assert (blue / red)[young].min() > 2 * (blue / red)[old].max()


def test_real_populations_agree_on_wavelengths():
    """The Ca H and K break of all libraries of old stars lies in one place."""
    if not TRAIN.is_dir():
        pytest.skip(WITHOUT_SPECTRA)
    populations = Populations(TemplateStore(TRAIN))
    assert len(populations.families) == 5
    old = (populations.age > 9) & (populations.metallicity.abs() < 0.1)
    bins = find_bins(REST_GRID, 4200, 5400)
    reference = populations.spectra[old][0, bins]
    reference = reference / smooth_flux(reference, 400) - 1
    for family in populations.families:
        shift = bins.start - family.bins.start
        other = family.spectra[family.nearest[torch.nonzero(old)[0, 0]], shift : shift + len(reference)]
        other = other / smooth_flux(other, 400) - 1
        scores = torch.stack([(reference[20:-20] * other.roll(k)[20:-20]).sum() for k in range(-6, 7)])
        assert abs(int(scores.argmax()) - 6) <= 1  # bins of 30 km/s


def test_line_ratios_are_physical(store):
    lines = NebularLines(store)
    assert (lines.ln_wavelength.diff() > 0).all()
    ratios = lines.draw_ratios(torch.full((300,), -0.2), Randomness(6))
    assert (ratios >= 0).all()
    of = {name: ratios[:, i] for name, i in lines.index.items()}
    decrement = of["Halpha"] / of["Hbeta"]
    assert 2.7 < decrement.median() < 3.2
    assert 0.43 < (of["Hgamma"] / of["Hbeta"]).median() < 0.52
    for strong, weak, ratio in FIXED:
        lit = of[strong] > 0
        torch.testing.assert_close(of[strong][lit] / of[weak][lit], torch.full_like(of[weak][lit], ratio))
    for blue, red in (("[OII]3726", "[OII]3729"), ("[SII]6731", "[SII]6716")):
        doublet = of[red] / of[blue]
        assert doublet.min() > 0.35
        assert doublet.max() < 1.5
    assert 0.2 < of["[OIII]5007"].median() < 6
    assert of["[OIII]4363"].max() < 0.2 * of["[OIII]5007"].max()


@pytest.mark.parametrize(("name", "air"), [("Halpha", 6562.80), ("Hbeta", 4861.33), ("[OIII]5007", 5006.84),
                                           ("[NII]6583", 6583.46), ("[SII]6716", 6716.44), ("[OII]3726", 3726.03),
                                           ("[OII]3729", 3728.82)])  # fmt: skip
def test_wavelengths_of_lines_are_in_vacuum(store, name, air):
    """Within 3 km/s of the air wavelengths of the NIST tables, by the formula of Morton (1991)."""
    lines = NebularLines(store)
    wavelength = torch.exp(lines.ln_wavelength[lines.index[name]]).item()
    s = (1e4 / air) ** 2
    vacuum = air * (1 + 6.4328e-5 + 2.94981e-2 / (146 - s) + 2.5540e-4 / (41 - s))
    assert wavelength == pytest.approx(vacuum, rel=1e-5)


def test_active_nuclei_are_excited(store):
    lines = NebularLines(store)
    rows = torch.tensor([True, False] * 20)
    before = lines.draw_ratios(torch.zeros(40), Randomness(7))
    after = lines.excite(before.clone(), rows, SEYFERT, Randomness(8))
    assert torch.equal(after[~rows], before[~rows])
    assert (after[rows][:, lines.index["[OIII]5007"]] >= 3).all()
    assert (after[rows][:, lines.index["[NeV]3426"]] > 0.1).all()


def test_galaxies_have_shape_and_sense(drawn):
    n = len(drawn)
    assert n == 96
    assert drawn.flux.shape == (n, REST_GRID.size)
    assert drawn.flux.dtype == torch.float32
    assert drawn.z.dtype == drawn.line_ln_wavelength.dtype == torch.float64
    assert (drawn.cls == 0).all()
    assert drawn.measurable.all()
    assert set(drawn.kind) <= set(KINDS)
    assert len(set(drawn.kind)) >= 5
    assert 0.003 <= drawn.z.min() < drawn.z.max() < 14
    assert (drawn.flux[torch.isfinite(drawn.flux)] >= 0).all()
    medians = torch.nanmedian(torch.where(drawn.flux > 0, drawn.flux, torch.nan), 1).values
    assert (medians > 0.8).all()
    assert (medians < 1.2).all()
    assert drawn.line_flux.shape == drawn.line_sigma.shape == drawn.line_ln_wavelength.shape
    assert (drawn.line_flux >= 0).all()
    assert (drawn.line_sigma > 5e-5).all()
    assert set(drawn.labels) == set(GALAXY_LABELS)


def test_same_seed_same_galaxies(galaxies):
    first, second, other = (galaxies.draw(5, Randomness(seed)) for seed in (1, 1, 2))
    torch.testing.assert_close(first.flux, second.flux, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(first.line_flux, second.line_flux)
    assert torch.equal(first.z, second.z)
    assert not torch.equal(first.z, other.z)


def test_lines_are_in_the_rest_frame(galaxies, drawn):
    """Redshift is not applied: H-alpha of all stands at 6564.6 Angstrom."""
    column = galaxies.nebular.index["Halpha"]
    torch.testing.assert_close(
        torch.exp(drawn.line_ln_wavelength[:, column]),
        torch.full((96,), 6564.614, dtype=torch.float64),
        rtol=1e-6,
        atol=0,
    )


def test_labels_are_the_equivalent_widths_of_the_lines(galaxies, drawn):
    labelled = torch.isfinite(drawn.labels["age"])
    centre = torch.tensor([math.log(6564.614)], dtype=torch.float64)
    continuum = measure_continuum(drawn.flux, REST_GRID, centre)[:, 0]
    near = (drawn.line_ln_wavelength - centre).abs() < 1.6e-3  # H-alpha and its outflow, not [N II]
    flux = (drawn.line_flux * near).sum(1)
    torch.testing.assert_close(torch.asinh(flux / continuum)[labelled], drawn.labels["ew_halpha"][labelled],
                               atol=2e-3, rtol=1e-3)  # fmt: skip
    widths = drawn.labels["ew_halpha"][labelled].sinh()
    assert widths.min() < 1
    assert widths.max() > 300


def test_star_formation_makes_galaxies_younger(drawn):
    kinds = [kind == "passive" for kind in drawn.kind]
    passive = torch.tensor(kinds) & torch.isfinite(drawn.labels["age"])
    forming = torch.tensor([kind == "star-forming" for kind in drawn.kind])
    assert drawn.labels["age"][passive].mean() > drawn.labels["age"][forming].mean() + 0.3


def test_light_ends_at_the_lyman_limit(drawn):
    far = torch.tensor([kind == "lyman-break" for kind in drawn.kind])
    beyond = drawn.flux[far][:, find_bins(REST_GRID, 650, 900)].mean(1)
    before = drawn.flux[far][:, find_bins(REST_GRID, 1300, 1500)].mean(1)
    assert (beyond < 0.2 * before).all()
