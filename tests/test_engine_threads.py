# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Groups of spectra on several cores: in order, one thread each, and without a trace in the program around."""

import threading
import time

import numpy as np
import pytest
import torch
from conftest import assert_same_vectors, make_spectrum

from astro_spectok import embed
from astro_spectok.engine.threads import MOST, map_groups

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def two_threads():
    """A program that lets PyTorch have two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def read_setting():
    """What a thread that begins now has."""
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_groups_come_in_order_from_several_threads():
    """Two at once, each with one thread for its operations; the setting is as it was, for later threads too."""
    meet = threading.Barrier(2, timeout=60)

    def compute(group):
        if group < 2:
            meet.wait()  # neither goes on without the other
        time.sleep(0.02 if group == 2 else 0)
        return group, torch.get_num_threads(), threading.current_thread() is threading.main_thread()

    assert list(map_groups(compute, list(range(5)), CPU)) == [(group, 1, False) for group in range(5)]
    assert torch.get_num_threads() == read_setting() == 2


def test_one_thread_is_this_one():
    """Where the program has one thread, or another device computes."""
    assert list(map_groups(lambda _: threading.current_thread(), [1], torch.device("meta"))) == [
        threading.main_thread()
    ]
    torch.set_num_threads(1)
    assert list(map_groups(lambda _: threading.current_thread(), [1], CPU)) == [threading.main_thread()]


def test_errors_come_in_their_place_and_nothing_goes_on():
    """Groups before the one that fails are there; those after it are not begun, but for what was at work."""
    begun = []

    def compute(group):
        begun.append(group)
        if group == 1:
            raise ArithmeticError
        return group

    found = map_groups(compute, list(range(100)), CPU)
    assert next(found) == 0
    with pytest.raises(ArithmeticError):
        next(found)
    assert len(begun) <= MOST + 1
    assert list(map_groups(compute, [], CPU)) == []
    left = map_groups(compute, [0] * 100, CPU)
    next(left)
    left.close()
    assert len(begun) <= 2 * (MOST + 2)
    assert threading.active_count() < MOST + 5


def test_results_do_not_depend_on_threads(tiny_weights):
    """But for rounding."""
    spectra = [make_spectrum(200 + 10 * k, seed=k) for k in range(6)]
    several = embed(spectra, weights=tiny_weights, device="cpu", batch_tokens=20)
    torch.set_num_threads(1)
    assert_same_vectors(several, embed(spectra, weights=tiny_weights, device="cpu", batch_tokens=20))
    assert np.isfinite(several).all()
