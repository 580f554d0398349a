# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of units as people spell them, of names of columns, and of kinds of errors found from the data."""

import numpy as np
import pytest
from astropy import units as u

from astro_spectok.spectra.column_names import find_role, pick_roles
from astro_spectok.spectra.loaders._draft import guess_axis_unit, is_pixel_axis
from astro_spectok.spectra.loaders._error_kind import judge_error_kind, match_error_kind
from astro_spectok.spectra.unit_words import parse_axis_unit, parse_flux_unit

F_LAMBDA = u.erg / u.s / u.cm**2 / u.AA


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("erg/cm2/s/A", F_LAMBDA),
        ("erg/s/cm^2/Ang", F_LAMBDA),
        ("ERG/CM2/S/A", F_LAMBDA),
        ("ergs s-1 cm-2 A-1", F_LAMBDA),
        ("ergs s^-1 cm^-2 Angstrom^-1", F_LAMBDA),
        ("ergss-1cm-2A-1", F_LAMBDA),
        ("ergs-1cm-2A-1", F_LAMBDA),
        ("ergs/cm/cm/s/A", F_LAMBDA),
        ("erg.cm**(-2).s**(-1).angstrom**(-1)", F_LAMBDA),
        ("Angstrom-1 cm-2 erg s-1", F_LAMBDA),
        ("[erg/s/cm2/A]", F_LAMBDA),
        ("erg/s/cm²/Å", F_LAMBDA),
        (r"$erg\,s^{-1}\,cm^{-2}\,\AA^{-1}$", F_LAMBDA),
        ("FLAM", F_LAMBDA),
        ("1E-17 erg/cm^2/s/Ang", 1e-17 * F_LAMBDA),
        ("1e-17 erg / (Angstrom cm2 s)", 1e-17 * F_LAMBDA),
        ("10**-17 erg/(s cm2 Angstrom)", 1e-17 * F_LAMBDA),
        ("10**(-20)*erg/s/cm**2/Angstrom", 1e-20 * F_LAMBDA),
        ("10-17ergs/s/cm2/A", 1e-17 * F_LAMBDA),
        ("10E-17 erg/s/cm^2/Ang", 1e-16 * F_LAMBDA),
        ("1.0E-17 erg/cm/s/Ang", 1e-17 * F_LAMBDA),  # SDSS, which means square centimetres
        ("W m-2 um-1", u.W / u.m**2 / u.um),
        ("W/(m^2 nm)", u.W / u.m**2 / u.nm),
        ("erg cm-2 s-1 Hz-1", u.erg / u.cm**2 / u.s / u.Hz),
        ("MJy/sr", u.MJy / u.sr),
        ("mJy", u.mJy),
        ("uJy", u.uJy),
        ("ADU", u.adu),
        ("DU/PIXEL", u.adu / u.pix),
        ("DN/s", u.DN / u.s),
        ("e-/s", u.electron / u.s),
        ("counts", u.ct),
        ("ABmag", u.ABmag),
        ("Relative Flux", u.one),
        ("normalized", u.one),
        ("arbitrary units", u.one),
        ("none", u.one),
        ("", u.one),
        (None, u.one),
    ],
)
def test_flux_units(text, unit):
    """What people write is understood."""
    found, known = parse_flux_unit(text)
    assert known
    if unit == u.ABmag:
        assert found == unit
    else:
        assert found.to(unit) == pytest.approx(1)


def test_unknown_flux_unit_is_relative():
    """A word that nobody knows is no error: the flux is relative."""
    assert parse_flux_unit("parrots") == (u.one, False)


@pytest.mark.parametrize(
    ("text", "unit", "base"),
    [
        ("ANGSTROM", u.AA, None),
        ("angstroms", u.AA, None),
        ("[Ang]", u.AA, None),
        ("A", u.AA, None),
        ("Angstroms (air)", u.AA, None),
        ("0.1 nm", u.AA, None),
        ("MICRON", u.um, None),
        ("micrometers", u.um, None),
        ("nm", u.nm, None),
        ("meter", u.m, None),
        ("1/cm", u.cm**-1, None),
        ("GHz", u.GHz, None),
        ("km s-1", u.km / u.s, None),
        ("pixel", u.pix, None),
        ("log10(Angstrom)", u.AA, 10),
        ("log(A)", u.AA, 10),
        ("ln(Angstrom)", u.AA, np.e),
    ],
)
def test_axis_units(text, unit, base):
    """Units of spectral axes, and logarithms of them."""
    found = parse_axis_unit(text)
    assert (found.unit, found.base) == (unit, None if base is None else pytest.approx(base))


@pytest.mark.parametrize("text", ["parrots", "", None, "lambda", "erg/s"])
def test_no_axis_unit(text):
    """What is no unit of a spectral axis is none."""
    assert parse_axis_unit(text) is None


@pytest.mark.parametrize(
    ("wave", "unit", "base"),
    [
        (np.linspace(3800, 9200, 100), u.AA, None),
        (np.linspace(1150, 1980, 100), u.AA, None),
        (np.linspace(917, 1005, 100), u.AA, None),  # FUSE, not the near infrared
        (np.linspace(365, 920, 100), u.nm, None),
        (np.linspace(300, 2480, 100), u.nm, None),
        (np.linspace(0.6, 5.3, 100), u.um, None),
        (np.linspace(3.1, 3.9, 100), u.um, None),  # steps too wide for a logarithm
        (np.linspace(3.6e-7, 9.2e-7, 100), u.m, None),
        (3.5796 + 1e-4 * np.arange(3853), u.AA, 10),
        (8.2 + 2e-4 * np.arange(4000), u.AA, np.e),
    ],
)
def test_axis_without_unit(wave, unit, base):
    """The size of wavelengths determines their unit."""
    found = guess_axis_unit(wave)
    assert (found.unit, found.base) == (unit, None if base is None else pytest.approx(base))


def test_numbers_of_pixels_are_no_wavelengths():
    """From 0 or from 1, in steps of 1; but wavelengths in steps of 1 are."""
    assert is_pixel_axis(np.arange(100.0))
    assert is_pixel_axis(np.arange(1, 101))
    assert not is_pixel_axis(np.arange(4000.0, 5000))
    assert guess_axis_unit(-np.arange(10.0)) is None


def test_names_of_columns():
    """The likeliest column for each role, whatever else a table holds."""
    names = ["TARGETID", "LAMBDA", "aper_flux", "Flux (erg/s/cm2/A)", "flux_err", "AND_MASK", "sky"]
    found = {kind: name for kind, (name, _) in pick_roles(names).items()}
    assert found == {"wave": "LAMBDA", "flux": "Flux (erg/s/cm2/A)", "err": "flux_err", "mask": "AND_MASK"}
    assert find_role("wavelength_nm").unit == "nm"
    assert find_role("FLUX_IVAR").kind == "ivar"
    assert find_role("LogLam").base == 10
    assert find_role("galaxy") is None
    # a unit that is named goes before the one that is usual
    assert [find_role(name).unit for name in ("freq_GHz", "frequency (THz)", "energy", "LAMBDAANG")] == [
        "ghz",
        "THz",
        "eV",
        "ang",
    ]
    assert find_role("energy").assumed
    # in memory nothing is guessed: no single letters, no beginnings, nothing that is left over
    assert pick_roles(["x", "flux_smoothed", "other"], guess=False) == {}


def make_flux(n=600, noise=0.05):
    rng = np.random.default_rng(7)
    return 2 + np.sin(np.arange(n) / 40) + rng.normal(0, noise, n)


@pytest.mark.parametrize("scale", [1.0, 1e-16])
@pytest.mark.parametrize(
    ("stated", "power", "kind"),
    [("err", 1, "err"), ("err", 2, "var"), ("err", -2, "ivar"), ("var", 2, "var"), ("ivar", -2, "ivar")],
)
def test_kind_of_error_by_the_data(scale, stated, power, kind):
    """A name that is absurd gives way to what fits; a name that fits stays, on any scale of the flux."""
    noise = 0.002  # so that the kinds are far apart in the flux's own unit too
    flux = scale * make_flux(noise=noise)
    assert judge_error_kind(flux, np.full(600, (scale * noise) ** power), stated) == kind


def test_a_variance_that_is_a_deviation():
    """A deviation of 2e-19 is no variance of a flux of 1e-16."""
    assert judge_error_kind(1e-16 * make_flux(noise=0.002), np.full(600, 2e-19), "var") == "err"


def test_relative_errors_are_recognised():
    """An error of 2.5 per cent of a flux of 1e-16."""
    assert judge_error_kind(1e-16 * make_flux(), np.full(600, 0.025)) == "rel"


@pytest.mark.parametrize("factor", [0.2, 1, 5])
def test_moderate_errors_are_believed(factor):
    """Errors that are wrong by a moderate factor are another matter than their kind."""
    assert judge_error_kind(make_flux(), np.full(600, 0.05 * factor)) == "err"


def test_an_array_without_a_name_is_an_error_only_if_it_fits():
    """A continuum and a sky are none."""
    flux = make_flux()
    assert match_error_kind(flux, np.full(600, 0.05)) == "err"
    assert match_error_kind(flux, np.full(600, 400.0)) == "ivar"
    assert match_error_kind(flux, 2 + np.sin(np.arange(600) / 40) + 0.001) is None
    assert match_error_kind(flux, flux - 2) is None
    assert match_error_kind(np.zeros(600), np.ones(600)) is None
