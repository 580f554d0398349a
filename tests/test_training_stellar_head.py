# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The training of the stellar head, on made-up stars."""

import copy
import math

import torch
from _stellar_lines import LabelledFamily, make_head

from astro_spectok.simulate import Randomness, RestGrid
from astro_spectok.training import stellar_head
from astro_spectok.training.stellar_head import Schedule, describe_labels, train_head
from astro_spectok.training.stellar_lines import draw_windows


class InfraredFamily(LabelledFamily):
    """The same in the H band, without lines."""

    def draw(self, n, random):
        objects = super().draw(n, random)
        objects.grid = RestGrid(math.log(15140.0), 3e-5, 3800)
        objects.flux = torch.ones(n, 3800)
        return objects


def test_networks_learn_from_lines(monkeypatch):
    """Some steps find a label that five lines determine; unknown labels and windows without stars do no harm."""
    monkeypatch.setattr(stellar_head, "BATCH", 24)
    head = make_head()
    before = copy.deepcopy(head.members[1].state_dict())
    del head.members[0][1:]
    train_head(head, [[(1.0, LabelledFamily())], None, None], 120, 1)
    assert all(torch.equal(value, before[key]) for key, value in head.members[1].state_dict().items())
    windows, labels = draw_windows(LabelledFamily(), 100, Randomness(9), head.readers)
    with torch.inference_mode():
        mean, tril = head.read_windows(windows)
    whole = windows[0][1].mean(1) > 0.97
    found, wanted = mean[whole, 0], labels["teff"][whole]
    assert torch.corrcoef(torch.stack([found, wanted]))[0, 1] > 0.5
    assert torch.isfinite(tril).all()


def test_networks_that_are_done_are_kept(tmp_path):
    """What is gone on with is what was kept; each network learns the same whether or not it is."""
    heads = [make_head() for _ in range(2)]
    for head in heads:
        del head.members[0][2:]
    families = [[(1.0, LabelledFamily())], None, None]
    train_head(heads[0], families, 1, 4, keep=tmp_path)
    kept = sorted(tmp_path.iterdir())
    names = ["pool-0.safetensors", "window-0-network-0.safetensors", "window-0-network-1.safetensors"]
    assert [path.name for path in kept] == names
    kept[2].unlink()
    train_head(heads[1], families, 1, 4, keep=tmp_path)
    first, second = (head.state_dict() for head in heads)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_h_band_goes_on_with_its_last_course(monkeypatch):
    """From the networks that are given, without forgetting anything; afterwards the head forgets as before."""
    courses = (Schedule(5), Schedule(1, 1e-6, dropout=0.0))
    monkeypatch.setattr(stellar_head, "SCHEDULES", ((Schedule(),), (Schedule(),), courses))
    shown, run = [], stellar_head.train_member

    def train_member(head, member, number, views, steps, schedule, report, name):
        shown.append(schedule)
        run(head, member, number, views, steps, schedule, report, name)

    monkeypatch.setattr(stellar_head, "train_member", train_member)
    head, start = make_head(), make_head()
    with torch.no_grad():
        for parameter in start.members[2].parameters():
            parameter += 0.01
    usual = head.members[2][0].dropout.p
    train_head(head, [None, None, [(1.0, InfraredFamily())]], 2, 1, start={2: start})
    assert shown == [courses[-1]]
    assert head.members[2][0].dropout.p == usual > 0
    weight, given = (one.members[2][0].hidden.weight for one in (head, start))
    torch.testing.assert_close(weight, given, atol=1e-4, rtol=0)


def test_optical_networks_are_refined(monkeypatch):
    """They go on from those that are given, at a lower rate; others stay, and so does what is known of the head."""
    monkeypatch.setattr(stellar_head, "BATCH", 8)
    start = make_head()
    start.domain = {"known": True}
    refined = stellar_head._refine_head(start, LabelledFamily(), 1, 3, "cpu")
    assert refined.domain == {"known": True}
    assert not refined.training
    before = start.state_dict()
    changed = {key.split(".")[1] for key, x in refined.state_dict().items() if not torch.equal(x, before[key])}
    assert changed == {"0", "1"}


def test_labels_hold_where_they_were_taught():
    """The hull is that of the stars, and there are as many ranges as windows."""

    class Stars:
        def draw(self, n, random):
            objects = LabelledFamily().draw(n, random)
            objects.labels |= {"logg": 3 + random.uniform(0, 1, n), "fe_h": random.uniform(-1, 0, n)}
            return objects

    made = describe_labels(Stars(), seed=1, windows=2, n=200)
    assert len(made.wavelength) == 2
    assert made.hull.contains(3.74, 3.5, -0.5)
    assert not made.hull.contains(3.74, 5.0, -0.5)
