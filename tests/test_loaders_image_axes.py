# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the axes of FITS images: cards, units and media, dispersions of IRAF, spectra along any axis."""

import numpy as np
import pytest
from _fits_images import FLUX, LINEAR, LOG, write_image
from astropy import units as u
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from astro_spectok import read
from astro_spectok.spectra.loaders._iraf import read_multispec
from astro_spectok.spectra.medium import find_medium

AXES = {
    "plain": ({"CRVAL1": 4000.0, "CDELT1": 1.5, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}, LINEAR),
    "without CRPIX": ({"CRVAL1": 4000.0, "CDELT1": 1.5, "CTYPE1": "LAMBDA"}, LINEAR),
    "CD1_1": ({"CRVAL1": 4000.0, "CD1_1": 1.5, "CRPIX1": 1.0, "CTYPE1": "LINEAR"}, LINEAR),
    "reference pixel within": ({"CRVAL1": 4150.0, "CDELT1": 1.5, "CRPIX1": 101.0}, LINEAR),
    "unit in CTYPE": ({"CRVAL1": 4000.0, "CDELT1": 1.5, "CTYPE1": "WAVELENGTH [Ang]"}, LINEAR),
    "unit as CTYPE": ({"CRVAL1": 4000.0, "CDELT1": 1.5, "CTYPE1": "ANGSTROM"}, LINEAR),
    "unit in WAT": (
        {"CRVAL1": 4000.0, "CDELT1": 1.5, "CUNIT1": "pixel", "WAT1_001": "wtype=linear units=angstroms"},
        LINEAR,
    ),
    "metres": ({"CRVAL1": 4e-7, "CDELT1": 1.5e-10, "CTYPE1": "WAVELENGTH"}, LINEAR),
    "nanometres": ({"CRVAL1": 400.0, "CDELT1": 0.15, "CUNIT1": "nm"}, LINEAR),
    "microns in words": ({"CRVAL1": 0.4, "CDELT1": 1.5e-4, "CUNIT1": "MICRON"}, LINEAR),
    "DC-FLAG 1": ({"CRVAL1": 3.6, "CDELT1": 1e-4, "DC-FLAG": 1, "CTYPE1": "LINEAR"}, LOG),
    "LOGLIN": ({"CRVAL1": 3.6, "CDELT1": 1e-4, "CTYPE1": "LOGLIN"}, LOG),
    "COEFF0": ({"COEFF0": 3.6, "COEFF1": 1e-4, "CRVAL1": 3.6, "CD1_1": 1e-4}, LOG),
    "logarithm that nobody stated": ({"CRVAL1": 3.6, "CDELT1": 1e-4, "CUNIT1": "Angstrom"}, LOG),
    "cards of old IRAF": ({"W0": 4000.0, "WPC": 1.5}, LINEAR),
    "pixels with a unit": ({"CRVAL1": 4000.0, "CDELT1": 1.5, "CTYPE1": "PIXEL", "CUNIT1": "Angstrom"}, LINEAR),
    "natural logarithm": ({"CRVAL1": np.log(LOG[0]), "CDELT1": 1e-4 * np.log(10), "DC-FLAG": 1}, LOG),
    "FITS logarithm": (
        {"CTYPE1": "WAVE-LOG", "CRVAL1": LOG[0], "CDELT1": LOG[0] * 1e-4 * np.log(10), "CUNIT1": "Angstrom"},
        LOG,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AXES)
def test_axes_of_headers(tmp_path, case):
    """Each habit gives the same wavelengths."""
    header, wave = AXES[case]
    spectrum = read(write_image(tmp_path / "a.fits", FLUX, header))
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), wave, rtol=1e-10)
    assert_array_equal(spectrum.flux.value, FLUX)


def test_frequencies(tmp_path):
    """An axis of FITS paper III in another quantity."""
    header = {"CTYPE1": "FREQ", "CRVAL1": 7e14, "CDELT1": -1e12, "CRPIX1": 1.0, "CUNIT1": "Hz"}
    spectrum = read(write_image(tmp_path / "a.fits", FLUX, header))
    assert spectrum.spectral_axis.unit == u.Hz
    assert spectrum.spectral_axis.value[-1] == pytest.approx(7e14 - 399e12)


def test_air_by_ctype(tmp_path):
    """AWAV."""
    header = {"CTYPE1": "AWAV", "CRVAL1": 4000.0, "CDELT1": 1.5, "CUNIT1": "Angstrom"}
    assert read(write_image(tmp_path / "a.fits", FLUX, header)).meta["medium"] == "air"


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"INSTRUME": "UVES", "TELESCOP": "ESO-VLT-U2"}, ("air", "header")),
        ({"INSTRUME": "HARPS"}, ("air", "header")),
        ({"INSTRUME": "ESPRESSO"}, ("vacuum", "header")),
        ({"PYP_SPEC": "keck_lris_blue"}, ("vacuum", "header")),
        ({"BSS_VHEL": 0}, ("air", "header")),
        ({"REFSPEC1": "arc.0001"}, ("air", "header")),
        ({"WAVETYPE": "Vacuum"}, ("vacuum", "header")),
        ({"TELESCOP": "SDSS 2.5-M"}, ("vacuum", "header")),
        ({"TELESCOP": "Unheard of"}, ("vacuum", "assumed")),
    ],
)
def test_medium_by_header(tmp_path, cards, expected):
    """Observatories, pipelines and reduction packages are known; others are assumed."""
    header = {"CRVAL1": 4000.0, "CDELT1": 1.5} | cards
    assert find_medium(meta=read(write_image(tmp_path / "a.fits", FLUX, header)).meta) == expected


# ------------------------------------------------------------------------------------ IRAF's dispersions


def make_multispec(*specs):
    """WAT cards of 68 characters."""
    text = "wtype=multispec " + " ".join(f'spec{k} = "{spec}"' for k, spec in enumerate(specs, start=1))
    cards = {"CTYPE1": "MULTISPE", "CTYPE2": "MULTISPE", "WAT0_001": "system=multispec",
             "WAT1_001": "wtype=multispec label=Wavelength units=angstroms"}  # fmt: skip
    return cards | {f"WAT2_{k // 68 + 1:03d}": text[k : k + 68] for k in range(0, len(text), 68)}


PIXEL = np.arange(1, 101.0)
FUNCTIONS = {
    "linear": ("1 1 0 5000. 0.5 100 0. 1 2", 5000 + 0.5 * (PIXEL - 1)),
    "linear with a redshift": ("1 1 0 5000. 0.5 100 0.1 1 2", (5000 + 0.5 * (PIXEL - 1)) / 1.1),
    "logarithmic": ("1 1 1 3.7 1e-4 100 0. 1 2", 10 ** (3.7 + 1e-4 * (PIXEL - 1))),
    "Chebyshev": (
        "1 1 2 5000. 0.5 100 0. 1 2 1. 0. 1 3 1. 100. 5025. 24.5 0.75",
        5025 + 24.5 * (PIXEL - 50.5) / 49.5 + 0.75 * (2 * ((PIXEL - 50.5) / 49.5) ** 2 - 1),
    ),
    "Legendre": (
        "1 1 2 5000. 0.5 100 0. 1 2 1. 0. 2 3 1. 100. 5025. 24.5 0.75",
        5025 + 24.5 * (PIXEL - 50.5) / 49.5 + 0.75 * (1.5 * ((PIXEL - 50.5) / 49.5) ** 2 - 0.5),
    ),
    # a cubic spline whose coefficients are equally spaced is a straight line: the sum of its terms is 6
    "cubic spline": (
        "1 1 2 5000. 0.5 100 0. 1 2 1. 0. 3 2 1. 100. 800. 810. 820. 830. 840.",
        6 * (810 + 10 * (PIXEL - 1) / 99 * 2),
    ),
    "linear spline": (
        "1 1 2 5000. 0.5 100 0. 1 2 1. 0. 4 2 1. 100. 5000. 5020. 5060.",
        np.interp(PIXEL, [1, 50.5, 100], [5000, 5020, 5060]),
    ),
    "table of pixels": (
        "1 1 2 5000. 0.5 100 0. 1 2 1. 0. 5 3 5000. 5001. 5003.", np.interp(PIXEL, [1, 2, 3], [5000, 5001, 5003]),
    ),
    "two functions": (
        "1 1 2 5000. 0.5 100 0. 1 2 0.5 10. 1 2 1. 100. 5000. 20. 0.5 0. 1 1 1. 100. 5000.",
        0.5 * (10 + 5000 + 20 * (PIXEL - 50.5) / 49.5) + 2500,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_multispec_functions(name):
    """Each dispersion function against its formula."""
    spec, expected = FUNCTIONS[name]
    waves, numbers = read_multispec(make_multispec(spec), 100)
    assert_allclose(waves[0], expected, rtol=1e-12)
    assert numbers == [(1, 1)]


def test_multispec_file(tmp_path):
    """Two orders of an echelle, and a trimmed image whose pixels count from the whole one."""
    header = make_multispec(FUNCTIONS["linear"][0], FUNCTIONS["Chebyshev"][0])
    found = read(write_image(tmp_path / "a.fits", np.ones((2, 100)), header))
    assert_allclose(found[0].spectral_axis.value, FUNCTIONS["linear"][1])
    assert_allclose(found[1].spectral_axis.value, FUNCTIONS["Chebyshev"][1])
    header["LTV1"] = -10.0
    waves, _ = read_multispec(header, 90)
    assert_allclose(waves[1], FUNCTIONS["Chebyshev"][1][10:])


def test_incomplete_multispec_is_refused(tmp_path):
    """In one sentence."""
    header = make_multispec("1 1 2 5000. 0.5 100 0. 1 2")
    with pytest.raises(OSError, match=r"^a\.fits has a dispersion solution that cannot be used"):
        read(write_image(tmp_path / "a.fits", np.ones((1, 100)), header))


@pytest.mark.parametrize("axis", [2, 3])
def test_an_axis_of_one_spectrum_that_is_not_the_first(tmp_path, axis):
    """A spaxel cut from a cube, a column of an image."""
    data = np.ones(len(LINEAR)).reshape(-1, *[1] * (axis - 1))
    header = fits.Header(
        {"CTYPE1": "RA---TAN", f"CRVAL{axis}": 4000.0, f"CDELT{axis}": 1.5, f"CUNIT{axis}": "Angstrom"}
    )
    fits.PrimaryHDU(data, header).writeto(tmp_path / "a.fits")
    np.testing.assert_allclose(read(tmp_path / "a.fits").spectral_axis.value, LINEAR)


def test_units_of_midas(tmp_path):
    """Stand in one card."""
    header = {"CRVAL1": 4000.0, "CDELT1": 1.5, "CTYPE1": "PIXEL", "CUNIT": "FLUX            ANGSTROEM"}
    fits.PrimaryHDU(FLUX, fits.Header(header)).writeto(tmp_path / "a.fits")
    np.testing.assert_allclose(read(tmp_path / "a.fits").spectral_axis.to_value(u.AA), LINEAR)


@pytest.mark.parametrize("cards", [{}, {"CTYPE1": "DEGREE", "CTYPE2": "DEGREE", "CTYPE3": "Angstroms"}])
def test_cubes_by_the_unit_of_their_axis(tmp_path, cards):
    """Whatever the axes are called."""
    header = fits.Header({"CRVAL3": 4000.0, "CDELT3": 1.5, "CUNIT3": "Angstrom"} | cards)
    fits.PrimaryHDU(np.ones((len(LINEAR), 3, 2)), header).writeto(tmp_path / "a.fits")
    found = read(tmp_path / "a.fits")
    assert found.shape == (3, 2, len(LINEAR))
    np.testing.assert_allclose(found.spectral_axis.value, LINEAR)
