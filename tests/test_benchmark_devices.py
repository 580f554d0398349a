# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The script for machines with a graphics card, on the processor: what it counts and compares."""

import numpy as np
import pytest
import torch
from astropy.table import QTable


@pytest.fixture(scope="module")
def devices(load):
    """The script as a module."""
    return load("devices")


def test_operations_of_linear_layers_and_attention_are_counted(devices):
    layer, counter = torch.nn.Linear(30, 20), devices.Counter()
    with torch.inference_mode(), counter:
        layer(torch.zeros(7, 30))
        torch.matmul(torch.zeros(4, 5, 6), torch.zeros(4, 6, 3))
        torch.zeros(7, 20).addmm_(torch.zeros(7, 30), torch.zeros(30, 20))
    assert counter.total == 2 * 2 * 7 * 30 * 20 + 2 * 4 * 5 * 6 * 3


def test_operations_of_the_layers_for_processors_are_counted(devices):
    """What PyTorch's own list lacks: oneDNN's linear layer, and fused attention."""
    counter, x = devices.Counter(), torch.zeros(2, 3, 5, 8)
    with torch.inference_mode(), counter:
        torch.nn.functional.scaled_dot_product_attention(x, x, x)
    assert counter.total == 2 * 2 * 2 * 3 * 5 * 5 * 8
    if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        with torch.inference_mode(), devices.Counter() as counter:
            torch.ops.mkldnn._linear_pointwise(torch.zeros(2, 7, 30), torch.zeros(20, 30), None, "none", [], "")
        assert counter.total == 2 * 2 * 7 * 30 * 20


def test_differences_are_in_units_of_errors(devices):
    one, other = (QTable({"z": z, "z_err": [0.01, 0.02]}) for z in ([0.1, 0.5], [0.1, 0.53]))
    assert devices.compare_tables(other, one)["redshift_off"] == pytest.approx(1.5)
    one, other = (QTable({"embedding": np.array([x])}) for x in ([3.0, 4.0], [3.0, 4.5]))
    assert devices.compare_tables(other, one)["embedding_off"] == pytest.approx(0.1)


def test_rates_and_limits_are_positive(devices):
    device, calls = torch.device("cpu"), []
    assert devices.measure_limit(device, torch.float32, size=32, seconds=0.0) >= 0
    rate, memory = devices.measure_rate(lambda: calls.append(1), 5, device, 0.0)
    assert (rate > 0, memory, len(calls)) == (True, None, 2)
