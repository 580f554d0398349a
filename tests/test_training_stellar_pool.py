# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars that are drawn once and shown to several networks."""

import torch
from _stellar_lines import LabelledFamily

from astro_spectok.heads import STELLAR_LABELS
from astro_spectok.heads.line_windows import WINDOWS, WindowReader
from astro_spectok.training.stellar_pool import StarPool, draw_pool

NAMES = tuple(name for name, _, _ in STELLAR_LABELS)


class Hotter(LabelledFamily):
    """Stars with other temperatures, and without the other labels."""

    def draw(self, n, random):
        objects = super().draw(n, random)
        objects.labels = {"teff": torch.full((n,), 4.5)}
        return objects


def test_pool_holds_what_families_draw(tmp_path):
    """In their shares; labels that a family has not are unknown; a file of it gives the same without drawing."""
    readers = [WindowReader(window) for window in WINDOWS[:2]]
    path = tmp_path / "pool.safetensors"
    pool = draw_pool([(0.75, LabelledFamily()), (0.25, Hotter())], 128, 3, readers, NAMES, keep=path)
    assert len(pool) == 128
    hot = pool.labels[:, 0] == 4.5
    assert hot.float().mean() == 0.25
    assert torch.isnan(pool.labels[hot, 1:]).all()
    contrast, covered, labels = pool.take(0, torch.arange(128))
    assert contrast.dtype == torch.float32
    assert (contrast[covered == 0] == 0).all()
    # lines are as deep as labels say
    line = contrast[~hot].amin(1)
    whole = covered[~hot].mean(1) > 0.97
    assert torch.corrcoef(torch.stack([line[whole], labels[~hot, 0][whole]]))[0, 1] < -0.3
    again = draw_pool([], 0, 0, readers, NAMES, keep=path)
    assert all(
        torch.equal(a, b) for x, y in zip(pool.windows, again.windows, strict=True) for a, b in zip(x, y, strict=True)
    )
    assert torch.equal(pool.labels.nan_to_num(), again.labels.nan_to_num())


def test_every_star_is_seen_before_any_comes_again():
    """Those alone that a window shows; in another order each time."""
    covered = torch.ones(10, 4, dtype=torch.bool)
    covered[3] = False
    pool = StarPool([(torch.zeros(10, 4).half(), covered)], torch.zeros(10, 1))
    order = pool.order(0, 3, torch.Generator().manual_seed(1))
    first, second = (torch.cat([next(order) for _ in range(3)]).tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert first != second
