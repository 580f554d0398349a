# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of spectra in text: separators, comments, headers, names, and formats of their own."""

import bz2
import gzip
import json
import lzma
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from astro_spectok import read

N = 120
WAVE = np.round(4000 + 2.5 * np.arange(N), 1)
RNG = np.random.default_rng(11)
FLUX = np.round(2 + np.sin(np.arange(N) / 20) + RNG.normal(0, 0.05, N), 4)
ERROR = np.full(N, 0.05)
F_LAMBDA = u.erg / u.s / u.cm**2 / u.AA


def make_text(separator=" ", head="", number="{}", columns=(WAVE, FLUX, ERROR)):
    """Lines of numbers below a head."""
    rows = "\n".join(separator.join(number.format(value) for value in row) for row in zip(*columns, strict=True))
    return f"{head}{rows}\n"


HABITS = {
    "plain .flm": make_text("   "),
    "tabs": make_text("\t"),
    "csv with names": make_text(",", "wavelength,flux,flux_err\n"),
    "csv with blanks": make_text(" , ", "Wavelength , Flux , Error\n"),
    "csv of pandas": make_text(",", ",wave,flux,err\n", columns=(range(N), WAVE, FLUX, ERROR)),
    "semicolons and decimal commas": make_text(";", "wave;flux;err\n").replace(".", ","),
    "blanks and decimal commas": make_text(" ").replace(".", ","),
    "blanks, decimal commas, names": make_text("  ", "# wave flux err\n").replace(".", ","),
    "thousands in quotes": make_text(",", "wave,flux,err\n", columns=([f'"{x:,.1f}"' for x in WAVE], FLUX, ERROR)),
    "a separator at the end": make_text(",", "wave,flux,err\n").replace("\n", ",\n"),
    "a table of a notebook": make_text(" | ", "| wave | flux | err |\n|---|---|---|\n"),
    "quotes": make_text(",", '"wave","flux","err"\n', '"{}"'),
    "names without a sign": make_text("  ", "   wave   flux   flux_err\n"),
    "names in the last comment": make_text(
        " ", "# OBJECT = 2021zac\n# EXPTIME: 1800\n# wl fl err\n# [A] [none] [none]\n"
    ),
    "names and units in brackets": make_text(" ", "#Wavelength[Angstrom] Flux[relative] Error[relative]\n"),
    "units in a line of words": make_text(" ", "#wavelength flux error\n#angstroms none none\n"),
    "names that only begin so": make_text("  ", "# lambda_subout  fluxsub  fluxsub_err\n#\n"),
    "a header as IRAF's wspectext writes it": make_text(" ", "BITPIX  =  -32 / bits\nOBJECT  = 'x'\nEND\n\n"),
    "semicolon comments of IDL": make_text(" ", "; made by hand\n;\n"),
    "percent signs": make_text(" ", "% wave flux err\n"),
    "exclamation marks": make_text(" ", "! a spectrum\n"),
    "a title and a blank line": make_text(" ", "Spectrum of a star\n\n"),
    "a FITS header in comments": make_text(" ", "# SIMPLE = T / Written by IDL\n# XUNITS = 'Angstrom' / units of x\n"),
    "Fortran": make_text(" ").replace("0.05", "5.0D-02"),
    "Windows": make_text(" ", "# wave flux err\n").replace("\n", "\r\n"),
    "a column of the sky in between": make_text(" ", "# wave flux sky err\n", columns=(WAVE, FLUX, FLUX * 9, ERROR)),
    "eight columns": make_text(
        " ", "# wave flux a b c d err mask\n", columns=(WAVE, FLUX, *[WAVE] * 4, ERROR, [0] * N)
    ),
}


@pytest.mark.parametrize("habit", HABITS)
def test_habits(tmp_path, habit):
    """However it is written, it is the same spectrum."""
    path = tmp_path / "sn.dat"
    path.write_bytes(HABITS[habit].encode())
    spectrum = read(path)
    assert_array_equal(spectrum.spectral_axis.to_value(u.AA), WAVE)
    assert_array_equal(spectrum.flux.value, FLUX)
    assert_array_equal(spectrum.uncertainty.array, ERROR)
    assert not spectrum.mask.any()


def test_header_in_comments(tmp_path):
    """Keywords go into the header, numbers as numbers."""
    path = tmp_path / "a.ascii"
    path.write_text(make_text(" ", "# OBJECT = SN2021zac\n# EXPTIME: 1800.0\n# AIRMASS: 1\n# VACUUM = True\n"))
    header = read(path).meta["header"]
    assert (header["OBJECT"], header["EXPTIME"], header["AIRMASS"], header["VACUUM"]) == ("SN2021zac", 1800.0, 1, True)


def test_two_columns_have_no_errors(tmp_path):
    """And wavelengths in nm are recognised by their size."""
    path = tmp_path / "a.txt"
    path.write_text(make_text(" ", columns=(WAVE / 10, FLUX)))
    spectrum = read(path)
    assert spectrum.uncertainty is None
    assert spectrum.spectral_axis.unit == u.nm
    assert spectrum.meta["guesses"] == ("wavelengths are nm, by their values",)


def test_units_of_a_header(tmp_path):
    """Spextool's text."""
    path = tmp_path / "a.txt"
    head = "#XUNITS  = 'um      ' / Units of the X axis\n#YUNITS  = 'ergss-1cm-2A-1' / Y\n#WAVETYPE= 'Vacuum  ' /\n"
    path.write_text(make_text("   ", head, columns=(WAVE / 1e4, FLUX, ERROR, [0.0] * N)))
    spectrum = read(path)
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE)
    assert spectrum.flux.unit == F_LAMBDA
    assert not spectrum.mask.any()


def test_third_column_is_variance(tmp_path):
    """SEDM's: absurd as a deviation."""
    path = tmp_path / "a.ascii"
    path.write_text(make_text(" ", columns=(WAVE, 1e-15 * FLUX, (1e-15 * ERROR) ** 2)))
    spectrum = read(path)
    assert spectrum.uncertainty.uncertainty_type == "var"


def test_missing_values(tmp_path):
    """nan, INDEF and -- are bad pixels."""
    lines = make_text(" ").split("\n")
    lines[3], lines[4], lines[5] = ("4007.5 nan 0.05", "4010.0 INDEF 0.05", "4012.5 -- 0.05")
    (tmp_path / "a.txt").write_text("\n".join(lines))
    assert_array_equal(np.flatnonzero(read(tmp_path / "a.txt").mask), [3, 4, 5])


def test_columns_that_repeat_others_are_no_errors(tmp_path):
    """Standard stars of ESO: flux per wavelength, per frequency, and the width of the bins."""
    path = tmp_path / "feige.dat"
    for columns in ((WAVE, FLUX, 1e-7 * FLUX * WAVE**2, [2.5] * N), (WAVE, FLUX, [2.5] * N)):
        path.write_text(make_text(" ", columns=columns))
        assert read(path).uncertainty is None


def test_templates_of_all_wavelengths(tmp_path):
    """From X-rays to the radio, in Angstrom."""
    np.savetxt(tmp_path / "sed.dat", np.c_[np.geomspace(91, 1e8, 500), np.ones(500)])
    assert read(tmp_path / "sed.dat").spectral_axis.unit == u.AA


def test_fields_left_empty(tmp_path):
    """Of a masked table; the row stays."""
    lines = make_text(",", "wave,flux\n", columns=(WAVE, FLUX)).split("\n")
    lines[5] = "4010.0,"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    spectrum = read(tmp_path / "a.csv")
    assert_array_equal(np.flatnonzero(spectrum.mask), [4])
    assert_array_equal(spectrum.spectral_axis.value, WAVE)


@pytest.mark.parametrize("separator", [",", " "])
def test_columns_of_words_are_left_out(tmp_path, separator):
    """Beside columns of numbers."""
    path = tmp_path / "a.txt"
    path.write_text(
        make_text(separator, separator.join(("wave", "flag", "flux")) + "\n", columns=(WAVE, ["ok"] * N, FLUX))
    )
    spectrum = read(path)
    assert_array_equal(spectrum.flux.value, FLUX)
    assert_array_equal(spectrum.spectral_axis.value, WAVE)


def test_lines_that_cannot_be_read_are_counted(tmp_path):
    """They end no spectrum before its time."""
    lines = make_text(" ").split("\n")
    lines[40] = "4100.0 **** ****"
    lines.insert(80, "# a remark in between")
    (tmp_path / "a.txt").write_text("\n".join(lines))
    spectrum = read(tmp_path / "a.txt")
    assert_array_equal(spectrum.spectral_axis.value, np.delete(WAVE, 40))
    assert "1 lines among the numbers cannot be read: left out" in spectrum.meta["guesses"]


@pytest.mark.parametrize("nested", [False, True])
def test_json_with_lists(tmp_path, nested):
    """As brokers give them: an object with lists, or a list of such within another object."""
    one = {"wavelengths": WAVE.tolist(), "fluxes": FLUX.tolist(), "errors": ERROR.tolist(), "obj_id": "ZTF20x"}
    (tmp_path / "a.json").write_text(json.dumps({"status": "success", "data": [one, one]} if nested else one))
    found = read(tmp_path / "a.json")
    spectrum = found[1] if nested else found
    assert_array_equal(spectrum.flux.value, FLUX)
    assert_array_equal(spectrum.uncertainty.array, ERROR)
    assert spectrum.meta["header"]["OBJ_ID"] == "ZTF20x"


@pytest.mark.parametrize(("packer", "ending"), [(gzip, ".gz"), (bz2, ".bz2"), (lzma, ".xz")])
def test_packed(tmp_path, packer, ending):
    """Whatever it is packed with."""
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(packer.compress(make_text().encode()))
    assert_array_equal(read(path).flux.value, FLUX)


@pytest.mark.parametrize(
    "table_format", ["ascii.ipac", "ascii.ecsv", "votable", "ascii.basic", "ascii.commented_header"]
)
def test_tables_of_astropy(tmp_path, table_format):
    """With the units that these formats hold."""
    units = {"wavelength": "Angstrom", "flux": "Jy", "sigma": "Jy"}
    table = Table({"wavelength": WAVE, "flux": FLUX, "sigma": ERROR}, units=units)
    path = tmp_path / "a.tbl"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)  # of VOTable's words for Angstrom
        table.write(path, format=table_format)
    spectrum = read(path)
    assert_allclose(spectrum.flux.value, FLUX)
    assert_allclose(spectrum.uncertainty.array, ERROR)
    if table_format in ("ascii.ipac", "ascii.ecsv", "votable"):
        assert spectrum.flux.unit == u.Jy


# ---------------------------------------------------------------------------------------------- Gaia


def test_gaia_xp_sampled(tmp_path):
    """GaiaXPy's file: sources in rows, wavelengths known by their number; vacuum."""
    flux = np.linspace(1e-15, 2e-15, 343)
    rows = "\n".join(f'{k},"{tuple((k * flux).tolist())}","{tuple((flux / 50).tolist())}"' for k in (1, 2))
    (tmp_path / "xp.csv").write_text(f"source_id,flux,flux_error\n{rows}\n")
    first, second = read(tmp_path / "xp.csv")
    assert first.spectral_axis.unit == u.nm
    assert first.spectral_axis.value[[0, 1, -1]].tolist() == [336, 338, 1020]
    assert first.flux.unit.is_equivalent(F_LAMBDA)
    assert_allclose(second.flux.value, 2 * flux)
    assert (second.meta["name"], second.meta["medium"]) == ("2", "vacuum")


def test_gaia_coefficients_are_no_spectrum(tmp_path):
    """And the message says what makes one of them."""
    (tmp_path / "xp.csv").write_text('source_id,bp_coefficients\n1,"(1.0, 2.0)"\n')
    with pytest.raises(OSError, match=r"^xp\.csv holds Gaia XP coefficients.*gaiaxpy\.calibrate"):
        read(tmp_path / "xp.csv")


# ----------------------------------------------------------------------------------------- supernovae


def test_open_supernova_catalog(tmp_path):
    """Strings in rows, errors or none, units in words; a spectrum that is damaged stops no other."""
    rows = [[str(a), str(b), str(c)] for a, b, c in zip(WAVE, 1e-15 * FLUX, 1e-15 * ERROR, strict=True)]
    spectra = [
        {"data": rows, "u_wavelengths": "Angstrom", "u_fluxes": "erg/s/cm^2/Angstrom",
         "u_errors": "erg/s/cm^2/Angstrom", "time": "55800.2", "instrument": "FLOYDS"},
        {"data": [row[:2] for row in rows], "u_wavelengths": "Angstrom", "u_fluxes": "Uncalibrated",
         "deredshifted": True},
        {"data": "lost"},
    ]  # fmt: skip
    (tmp_path / "sn.json").write_text(json.dumps({"SN2011fe": {"name": "SN2011fe", "spectra": spectra}}))
    first, second = read(tmp_path / "sn.json")
    assert first.flux.unit == F_LAMBDA
    assert_allclose(first.uncertainty.array, 1e-15 * ERROR)
    assert first.meta["name"] == "SN2011fe 55800.2"
    assert second.uncertainty is None
    assert second.meta["rest_frame"]


def test_snid_template(tmp_path):
    """Phases become spectra; outside the observed range pixels are masked; the continuum comes back from its knots."""
    n = 128
    wave = 2500 * (10000 / 2500) ** (np.arange(n) / n)
    flat = 0.1 * np.sin(np.arange(n) / 5)
    flat[:20], flat[-9:] = 0, 0
    x = np.log10([20, 40, 60, 80, 100])
    # log10 of the continuum rises by 0.5 per unit of log10 of the pixel, and has the mean 1
    lines = [f"2 {n} 2500.00 10000.00 5 sn9999X -9.99 Ic-norm 3 2", "5 5 1.0 5 1.0"]
    lines += [f"{k + 1} " + " ".join([f"{a:.6f} {0.5 * a:.6f}"] * 2) for k, a in enumerate(x)]
    lines += ["0 -5.0 12.5"] + [f"{w:.2f} {f:.5f} {2 * f:.5f}" for w, f in zip(wave, flat, strict=True)]
    (tmp_path / "sn.lnw").write_text("\n".join(lines) + "\n")
    first, second = read(tmp_path / "sn.lnw")
    assert (second.meta["name"], second.meta["phase"]) == ("sn9999X +12.5 d", 12.5)
    # the two sines begin and end on different pixels that are zero anyway
    assert first.mask[:20].all()
    assert first.mask[-9:].all()
    assert not first.mask[25:115].any()
    pixel = 59  # number 60, a knot
    assert first.flux.value[pixel] == pytest.approx((1 + flat[pixel]) * 10 ** (1 + 0.5 * x[2]), rel=1e-4)
