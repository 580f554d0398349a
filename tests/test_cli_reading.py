# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell's options for what files do not say."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table
from numpy.testing import assert_allclose

from astro_spectok import embed_files
from astro_spectok.cli import main
from astro_spectok.cli.command import build_parser
from astro_spectok.cli.options import collect_reading

N = 200
WAVE = np.linspace(5000.0, 5800.0, N)
FLUX = 2 + np.random.default_rng(4).normal(0, 0.1, N)


@pytest.fixture
def odd(tmp_path):
    """A table whose columns say nothing, in the second extension."""
    table = Table({"a": WAVE / 1e4, "b": FLUX, "c": np.full(N, 100.0)})
    path = tmp_path / "odd.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 4))), fits.BinTableHDU(table, name="X")]).writeto(path)
    return str(path)


OPTIONS = ["--hdu", "2", "--columns", "a,b,ivar=c", "--wave-unit", "micron", "--flux-unit", "Jy", "--medium", "air"]


def test_options_reach_the_reader(odd, tmp_path, tiny_weights):
    """The table is that of the same keywords in Python, and remembers the command."""
    out = tmp_path / "out.ecsv"
    arguments = ["embed", odd, "-o", str(out), "--weights", str(tiny_weights), "--device", "cpu", "--quiet"]
    assert main([*arguments, *OPTIONS, "--resolution", "1500"]) == 0
    table = QTable.read(out)
    expected = embed_files(
        odd, hdu="X", columns="a,b,ivar=c", wave_unit="um", flux_unit="Jy", medium="air", resolution=1500.0,
        weights=tiny_weights, device="cpu",
    )  # fmt: skip
    assert_allclose(np.array(table["embedding"]), expected["embedding"], atol=1e-6)
    assert_allclose(table["snr"], np.median(FLUX) * 10, rtol=0.05)
    # air became vacuum
    assert table["wave_min"][0].value == pytest.approx(5001.39, abs=0.01)
    assert "--columns a,b,ivar=c" in table.meta["command"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["--join"], {"join": True}),
        (["--no-join"], {"join": False}),
        (["--spaxel", "3,4"], {"spaxel": (3, 4)}),
        (["--spaxel", "sum"], {"spaxel": "sum"}),
        (["--resolution", "2000"], {"resolution": 2000}),
    ],
)
def test_words_of_options(options, expected):
    """Every subcommand that reads files has them; what is not given is left to be found out."""
    for command in ("embed", "redshift", "stellar"):
        args = build_parser().parse_args([command, "a.fits", "-o", "b.ecsv", *options])
        given = {key: value for key, value in collect_reading(args).items() if value is not None}
        assert given == expected


def test_resolution_with_a_unit():
    """A FWHM."""
    args = build_parser().parse_args(["embed", "a.fits", "-o", "b.ecsv", "--resolution", "2.5 AA"])
    assert str(args.resolution) == "2.5 Angstrom"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--resolution", "high"], "must be a resolving power or a FWHM"),
        (["--resolution", "-3"], "above zero, got '-3'"),
        (["--spaxel", "3"], "must be two integers x,y from 0, or sum, got '3'"),
        (["--wave-unit", "parrots"], "--wave-unit: must be a unit of wavelength"),
        (["--flux-unit", "parrots"], "--flux-unit: must be a unit"),
        (["--columns", "a"], "--columns: must name wavelengths, flux"),
        (["--format", "SDSS spe"], "--format: must be the name of a format that is registered (SDSS spec"),
    ],
)
def test_wrong_words(options, words, capsys):
    """End before anything is read, with the status of a wrong command line."""
    with pytest.raises(SystemExit) as ended:
        main(["embed", "a.fits", "-o", "b.ecsv", *options])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
