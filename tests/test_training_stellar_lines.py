# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars drawn straight into the windows of the stellar head."""

import math

import pytest
import torch
from _stellar_lines import GRID, Family

from astro_spectok.heads.line_windows import WINDOWS, WindowReader
from astro_spectok.simulate import Randomness
from astro_spectok.training.stellar_lines import _average_pixels, average_bins, draw_windows, flag_bad


@pytest.fixture(scope="module")
def readers():
    return [WindowReader(window) for window in WINDOWS]


def test_windows_hold_the_lines(readers):
    """Lines of the optical window deepen with the label; windows out of reach are empty; all is seeded."""
    windows, labels = draw_windows(Family(), 200, Randomness(1), readers)
    again, _ = draw_windows(Family(), 200, Randomness(1), readers)
    contrast, covered = windows[0]
    assert contrast.shape == covered.shape == (200, WINDOWS[0].size)
    assert torch.equal(contrast, again[0][0])
    centre = round(math.log(5000.0 / WINDOWS[0].low) / WINDOWS[0].step)
    seen = covered[:, centre - 3 : centre + 3].bool().all(1)
    depth = -contrast[:, centre - 3 : centre + 3].mean(1)
    assert 0.5 < seen.float().mean() < 1
    assert torch.corrcoef(torch.stack([depth[seen], labels["teff"][seen]]))[0, 1] > 0.5
    assert (contrast[covered == 0] == 0).all()
    for contrast, covered in windows[1:]:
        assert contrast.abs().max() == 0
        assert covered.max() == 0


def test_unit_of_the_flux_does_not_matter(readers):
    """A hundred times the flux shows the same contrast."""
    first, second = (draw_windows(Family(scale), 20, Randomness(2), readers)[0][0][0] for scale in (1.0, 100.0))
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)


def test_rotation_widens_lines(readers):
    """At 300 km/s the middle of a line is shallower."""
    centre = round(math.log(5000.0 / WINDOWS[0].low) / WINDOWS[0].step)
    slow, fast = (
        -draw_windows(Family(rotation=v), 100, Randomness(3), readers)[0][0][0][:, centre - 1 : centre + 1].mean()
        for v in (0.0, 300.0)
    )
    assert fast < 0.8 * slow


class Holed(Family):
    """Stars that are not known at some wavelengths."""

    def draw(self, n, random):
        objects = super().draw(n, random)
        wavelength = torch.exp(GRID.ln_wavelength())
        objects.flux[:, (wavelength > 5200) & (wavelength < 5300)] = torch.nan
        return objects


def test_holes_leave_no_mark_beside_them(readers):
    """Where a fast star is not known is not seen next to it, as a dip that would tell its rotation."""
    contrast, covered = draw_windows(Holed(rotation=300.0), 100, Randomness(3), readers)[0][0]
    hole = slice(*(round(math.log(x / WINDOWS[0].low) / WINDOWS[0].step) for x in (5205.0, 5295.0)))
    assert covered[:, hole].max() == 0
    sides = torch.cat([contrast[:, hole.start - 9 : hole.start - 5], contrast[:, hole.stop + 5 : hole.stop + 9]], 1)
    assert sides.mean().abs() < 0.02


def test_faults_corrupt_stretches(readers):
    """The more faults, the more the contrast differs from that of the same stars without any."""
    contrasts = [draw_windows(Family(), 100, Randomness(4), readers, faults=x)[0][0][0] for x in (0.0, 0.3, 1.0)]
    small, large = ((contrast - contrasts[0]).std() for contrast in contrasts[1:])
    assert 0 < small < 0.6 * large


def test_wide_pixels_hold_means():
    """A pixel of three bins holds their mean wherever it begins, light is kept, and each star has pixels of its own."""
    values = torch.rand(2, 300, generator=torch.Generator().manual_seed(5))
    width = torch.tensor([[3.0], [2.0]])
    found = _average_pixels(values, width, Randomness(6))
    torch.testing.assert_close(found.sum(1), values.sum(1))
    # two bins of three, or one of two, may lie across the edge of a pixel: where none does, neighbours are the same
    steps = found.diff(dim=1).abs() < 1e-5
    assert steps[0].float().mean() == pytest.approx(1 / 3, abs=0.02)
    assert found.std() < 0.8 * values.std()


def test_some_pixels_are_flagged():
    """Some spectra lose runs of pixels, some those with little light; most lose none."""
    values = torch.ones(2000, 1000)
    values[:, 500:520] = 0.02
    flagged = flag_bad(values, torch.full_like(values, 0.01), Randomness(7))
    elsewhere = torch.cat([flagged[:, :500], flagged[:, 520:]], 1).float().mean(1)
    assert 0.5 < (elsewhere == 0).float().mean() < 0.75
    assert 0.1 < elsewhere.max() < 0.25
    dark = flagged[:, 500:520].all(1)
    assert 0.1 < dark.float().mean() < 0.25
    assert elsewhere[dark].mean() < 0.03


def test_resolving_powers_begin_where_given(readers):
    """Lines stay deep where no spectrum is less sharp than the stars."""
    centre = round(math.log(5000.0 / WINDOWS[0].low) / WINDOWS[0].step)
    broad, sharp = (
        -draw_windows(Family(), 200, Randomness(3), readers, least_resolution=least)[0][0][0][:, centre].mean()
        for least in (100.0, 2000.0)
    )
    assert sharp > 1.1 * broad


def test_average_of_bins():
    """Means over parts of bins, against a sum by hand."""
    values = torch.tensor([[1.0, 2.0, 4.0]])
    found = average_bins(values, torch.tensor([0.5, 1.5, 3.0], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([[1.5, 10 / 3]]))
