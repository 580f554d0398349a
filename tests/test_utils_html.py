# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What notebooks show of results and estimators: tables that are well-formed, escaped, and follow the theme."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_spectrum

from astro_spectok import measure_attention, tokenize
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator
from astro_spectok.example import read_example
from astro_spectok.redshift.calibration import Calibration
from astro_spectok.stellar.labels import StellarLabels
from astro_spectok.stellar.result import make_distributions
from astro_spectok.tokens import SpectralTokensList
from astro_spectok.utils.html import HEIGHT, MARGIN, WIDTH, make_html_table, make_sparkline


def read_points(svg):
    """Points of the last path of a picture, one array for each stretch without a gap."""
    path = re.findall(r'<path d="([^"]*)"', svg)[-1]
    stretches = [part.replace("L", " ").split() for part in path.split("M")[1:]]
    return [np.array(stretch, float).reshape(-1, 2) for stretch in stretches]


@pytest.fixture(scope="module")
def results(packaged):
    """One of each result and estimator."""
    spectrum = read_example()
    tokens = tokenize(spectrum, device="cpu")
    redshift = RedshiftEstimator(device="cpu").estimate(spectrum)
    star = StellarParameterEstimator(device="cpu", assume_star=True).estimate(spectrum)
    labels = StellarLabels(("teff", "logg"), np.array([3.76, 4.4]), np.diag([4e-5, 0.01]), 20.0, 2.0)
    return {
        "tokens": tokens,
        "list": SpectralTokensList([tokens, tokens]),
        "attention": measure_attention(spectrum, device="cpu"),
        "redshift": redshift,
        "posterior": redshift.posterior,
        "peak": redshift.posterior.find_peaks(1)[0],
        "star": star,
        "distributions": make_distributions(labels, 0, {}, n_samples=300, seed=0),
        "several": make_distributions([labels, labels], np.zeros(2, int), {}, n_samples=300, seed=0),
        "calibration": Calibration(temperature={"<STAR>": 2.0}),
        "estimators": RedshiftEstimator(prior={"<b>": 1}),
    }


@pytest.fixture(scope="module")
def packaged():
    """The packaged weights are there."""
    from conftest import PACKAGED

    if not PACKAGED.is_file():
        pytest.skip("no weights are packaged in this checkout yet")


#: each result, and whether there is a picture in its table
SHOWN = {
    "tokens": True, "list": False, "attention": True, "redshift": True, "posterior": True, "peak": False,
    "star": True, "distributions": True, "several": False, "calibration": False, "estimators": False,
}  # fmt: skip


@pytest.mark.parametrize(("name", "pictured"), SHOWN.items())
def test_everything_has_a_table(results, name, pictured):
    """It is well-formed, names what it is of, takes its colours from the page, and is no larger than a picture."""
    html = results[name]._repr_html_()
    table = ET.fromstring(html)
    assert table.tag == "table"
    assert table.find("caption/b").text == type(results[name]).__name__
    assert len(table.findall("tbody/tr")) >= 2
    assert ("<svg" in html) == pictured
    assert not re.search(r"#[0-9a-fA-F]{3,6}\b|(?<!vertical-align:top;)background|\bblack\b|\bwhite\b", html)
    assert len(html) < 40_000


def test_names_are_escaped(results):
    """What others wrote does not become part of the page."""
    assert "&lt;STAR&gt;" in results["calibration"]._repr_html_()
    assert "<b>:" not in results["estimators"]._repr_html_()
    tokens = replace(results["tokens"], meta={"weights": "<script>"})
    assert "<script>" not in tokens._repr_html_()
    assert "&lt;i&gt;" in make_html_table("<i>", [("a", "b")])


def test_sparkline_shows_peaks_and_gaps():
    """A peak of one pixel in thousands reaches the top; NaN leaves a gap; the range fills the picture."""
    y = np.zeros(6000)
    y[1234] = 1e3
    y[3000:3500] = np.nan
    first, second = read_points(make_sparkline(np.arange(6000), y + np.linspace(0, 300, 6000), label="x"))
    peak = first[first[:, 1].argmin()]
    assert peak[1] < MARGIN
    assert peak[0] == pytest.approx(MARGIN + 1234 / 5999 * (WIDTH - 2 * MARGIN), abs=0.1)
    assert first[-1, 0] < second[0, 0] - 20
    assert first[0, 1] == pytest.approx(HEIGHT - MARGIN, abs=1)


def test_sparkline_does_not_depend_on_the_order():
    """Axes that decrease, and axes in other units, give the same curve, mirrored or not."""
    x, y = np.linspace(4000, 5000, 50), np.sin(np.arange(50))
    assert make_sparkline(x[::-1], y[::-1], label="x") == make_sparkline(x, y, label="x")


@pytest.mark.parametrize("y", [[], [1.0], [np.nan] * 5, [np.nan, 3.0, np.nan]])
def test_sparkline_of_nothing(y):
    """Fewer than two values give no picture, and no row in the table."""
    assert make_sparkline(np.arange(len(y)), y, label="x") == ""
    assert "nothing" not in make_html_table("x", [("a", "b")], [("nothing", "")])


def test_sparkline_of_a_constant():
    """A flat line is drawn, not a division by zero."""
    (points,) = read_points(make_sparkline([1, 2, 3], [5, 5, 5], label="x"))
    assert np.ptp(points[:, 1]) == 0


def test_marks_lie_on_the_axis():
    """Marks outside are left out; the first is solid."""
    svg = make_sparkline([0, 10], [0, 1], label="x", marks=[5, 2, 99])
    assert svg.count("<path") == 3
    assert svg.count("dasharray") == 1
    assert f"M{WIDTH / 2:.1f} 0V{HEIGHT}" in svg


def test_tokens_of_nothing(tiny_weights):
    """Tokens that are all masked have a table without a picture."""
    tokens = make_spectrum(320).tokenize(weights=tiny_weights, medium="vacuum")
    blank = replace(tokens, mask=np.ones_like(tokens.mask))
    assert "<svg" in tokens._repr_html_()
    assert "<svg" not in blank._repr_html_()
