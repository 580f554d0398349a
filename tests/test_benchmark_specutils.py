# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of specutils' own tools."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
REST = np.linspace(2500, 8000, 1500)


def make_flux(rest):
    """A continuum with lines."""
    lines = sum(np.exp(-0.5 * ((rest - centre) / 8) ** 2) for centre in (3728, 4862, 5008, 6565))
    return 1 + rest / 5000 + lines


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        for folder in ("benchmarks", "benchmarks/redrock"):
            patch.syspath_prepend(ROOT / folder)
        yield importlib.import_module("specutils_tools")


@pytest.fixture
def templates(script, tmp_path):
    path = tmp_path / "templates.npz"
    offsets = len(REST) * np.arange(4)
    flux = np.concatenate([make_flux(REST), np.ones(len(REST)), make_flux(REST)])
    np.savez(
        path, offsets=offsets, wave=np.tile(REST, 3), flux=flux, sptype=["Galaxy", "EIGENVECTOR", "Galaxy"],
        cls=["GALAXY", "GALAXY", "STAR"], origin=["VACUUM", "VACUUM", "AIR"],
    )  # fmt: skip
    return script.read_templates(path)


def test_templates_are_read(templates):
    """Those that are no spectra are left out; wavelengths in air become those in vacuum."""
    assert {name: len(found) for name, found in templates.items()} == {"GALAXY": 1, "STAR": 1}
    assert templates["GALAXY"][0].spectral_axis.value == pytest.approx(REST)
    assert templates["STAR"][0].spectral_axis.value[700] - REST[700] == pytest.approx(1.4, abs=0.1)


@pytest.mark.parametrize("tool", ["template_redshift", "template_correlate"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tools_find_a_redshift(script, templates, tool):
    """A spectrum like the template comes out right to a step, with figures for the table."""
    z, wave = 0.1, np.geomspace(3800, 7900, 900)
    rng = np.random.default_rng(3)
    flux = make_flux(wave / (1 + z)) + rng.normal(0, 0.01, len(wave))
    ivar = np.full(len(wave), 1e4)
    ivar[:5] = 0
    spectrum = script.to_specutils((wave, flux, ivar, None))
    assert len(spectrum.flux) == len(wave) - 5
    truth = {"class_true": np.array(["GALAXY"]), "z_true": np.array([z])}
    found = script.score_tool(script.TOOLS[tool], [spectrum], truth, templates, rng)
    assert found["within_0033"] == 1
    assert found["by_class"]["GALAXY"]["median_abs_dv"] < 300
    assert found["per_second"] > 0
