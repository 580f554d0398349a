# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of `read` and its options, of names of files in place of spectra, and of the memory for formats."""

import shutil

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from astro_spectok import embed, read, tokenize
from astro_spectok.example import EXAMPLE_PATH, read_example
from astro_spectok.spectra import InputFlag, is_single, read_files, read_paths, reading, to_batch
from astro_spectok.spectra.loaders import _formats

N = 150
WAVE = np.linspace(5000.0, 5600.0, N)
FLUX = 2 + 0.1 * np.random.default_rng(1).normal(size=N)
ERROR = np.full(N, 0.1)


@pytest.fixture
def odd(tmp_path):
    """Columns whose names say nothing, in an extension that is not the first."""
    table = fits.BinTableHDU(Table({"a": WAVE / 1e4, "b": FLUX, "c": ERROR**-2, "d": 2 * FLUX}), name="SECOND")
    first = fits.BinTableHDU(Table({"wave": WAVE, "flux": 7 * FLUX}), name="FIRST")
    path = tmp_path / "odd.fits"
    fits.HDUList([fits.PrimaryHDU(), first, table]).writeto(path)
    return path


@pytest.mark.parametrize("hdu", [2, "2", "SECOND", "second"])
@pytest.mark.parametrize(
    "columns",
    ["a,b,ivar=c", ["a", "b", "ivar=c"], "wave=a,flux=b,ivar=c", {"wave": "A", "flux": "b", "ivar": "c"}, "1,2,ivar=3"],
)
def test_columns_and_hdu(odd, columns, hdu):
    """Named or counted, in any of the forms, in whatever extension."""
    spectrum = read(odd, columns=columns, hdu=hdu)
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE)
    assert_array_equal(spectrum.flux.value, FLUX)
    assert spectrum.uncertainty.uncertainty_type == "ivar"


def test_without_options_the_first_table_is_read(odd):
    """And its sixth part is not."""
    assert_array_equal(read(odd).flux.value, 7 * FLUX)


def test_units(odd):
    """What the file does not say, or says wrongly."""
    spectrum = read(odd, wave_unit="nm", flux_unit="1E-17 erg/cm^2/s/Ang")
    assert spectrum.spectral_axis.unit == u.nm
    assert spectrum.flux.unit.to(u.erg / u.s / u.cm**2 / u.AA) == pytest.approx(1e-17)


def test_wave_unit_of_pixels(tmp_path):
    """An axis that counts is refused unless its unit is given."""
    path = tmp_path / "a.txt"
    np.savetxt(path, np.c_[np.arange(1, N + 1), FLUX])
    with pytest.raises(OSError, match="counts pixels"):
        read(path)
    assert read(path, wave_unit="um").spectral_axis.unit == u.um


def test_columns_of_text(tmp_path):
    """By number and by name."""
    path = tmp_path / "a.txt"
    np.savetxt(path, np.c_[FLUX, WAVE, ERROR**2], header="first second third")
    for columns in ("2,1,var=3", "second,first,var=third"):
        spectrum = read(path, columns=columns)
        assert_array_equal(spectrum.spectral_axis.value, WAVE)
        assert spectrum.uncertainty.uncertainty_type == "var"


def test_columns_of_images_are_extensions(tmp_path):
    """By name."""
    hdus = [
        fits.ImageHDU(data, name=name) for name, data in (("X", FLUX), ("Y", 3 * FLUX), ("LAM", WAVE), ("E", ERROR))
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    spectrum = read(tmp_path / "a.fits", columns="LAM,Y,err=E")
    assert_array_equal(spectrum.flux.value, 3 * FLUX)
    assert_array_equal(spectrum.uncertainty.array, ERROR)


def test_medium_and_resolution(odd):
    """Go into the metadata, where conversion looks for them."""
    spectrum = read(odd, medium="air", resolution=2000)
    batch = to_batch(spectrum)
    assert (batch.info[0].medium, batch.info[0].medium_source) == ("air", "header")
    assert_allclose(batch.resolution, 2000)


@pytest.mark.parametrize(
    ("option", "value", "match"),
    [
        ("wave_unit", "parrots", r"wave_unit must be a unit.* got 'parrots'"),
        ("flux_unit", "parrots", r"flux_unit must be a unit.* got 'parrots'"),
        ("columns", "a", r"columns must name wavelengths, flux"),
        ("columns", "wave=a,flux=b,colour=c", r"kinds: wave, loglam"),
        ("columns", "wave,flux,x", r"columns: 'x' is none of the columns wave, flux"),
        ("medium", "water", r"medium must be 'vacuum', 'air' or None"),
        ("hdu", 1.5, r"hdu must be the number or name"),
    ],
)
def test_wrong_options(odd, option, value, match):
    """Are errors that name the option, not the file."""
    with pytest.raises(ValueError, match=match):
        read(odd, **{option: value})


def test_extension_that_is_not_there(odd):
    """The file is named, and what to do."""
    with pytest.raises(OSError, match=r"^odd\.fits has no extension 'THIRD', only .*; name another with hdu"):
        read(odd, hdu="THIRD")


def test_every_way_to_name_a_file(odd):
    """A str, a Path, an open file and an HDUList, which stay open."""
    with open(odd, "rb") as file, fits.open(odd) as hdus:
        for what in (str(odd), odd, file, hdus):
            assert_array_equal(read(what).flux.value, 7 * FLUX)
        assert not file.closed


# --------------------------------------------------------------------------- names in place of spectra


def test_the_name_of_a_file_is_a_spectrum():
    """In tokenize, embed and to_batch."""
    spectrum = read_example()
    expected = embed(spectrum, device="cpu")
    for name in (str(EXAMPLE_PATH), EXAMPLE_PATH):
        vector = embed(name, device="cpu")
        assert vector.shape == expected.shape
        assert_allclose(vector, expected, atol=1e-5 * np.abs(expected).max())
    assert embed([EXAMPLE_PATH, spectrum], device="cpu").shape == (2, len(expected))
    assert len(tokenize(EXAMPLE_PATH, device="cpu")) == len(tokenize(spectrum, device="cpu"))
    assert to_batch(EXAMPLE_PATH).lengths.tolist() == [4015]


def test_estimators_take_names(tmp_path):
    """One file of one spectrum gives one result; a list a table with a row for each."""
    from astro_spectok.estimators import RedshiftEstimator

    estimator = RedshiftEstimator(device="cpu")
    one = estimator.estimate(str(EXAMPLE_PATH))
    assert float(one.z) == pytest.approx(0.0857, abs=0.002)
    with pytest.warns(match="1 of 2 spectra could not be used"):
        table = estimator.estimate([EXAMPLE_PATH, tmp_path / "gone.fits"])
    assert len(table) == 2
    assert np.isnan(table["z"][1])


def test_a_file_that_cannot_be_read_keeps_its_name(odd, tmp_path):
    """Its row says which file it is, as those of the others do."""
    text = tmp_path / "notes.txt"
    text.write_text("clouds")
    batch = to_batch([odd, text])
    assert batch.flags[1] & InputFlag.BAD_INPUT
    assert batch.info[1].name == "notes.txt"


def test_read_paths_leaves_the_rest_alone():
    """What is no name is given back as it is."""
    spectrum = read_example()
    for obj in (spectrum, [spectrum], None, (1, 2)):
        assert read_paths(obj) is obj
    assert is_single(read_paths(EXAMPLE_PATH))
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_paths("nowhere.fits")


def test_read_files_takes_options(odd):
    """The same as `read`; a misspelt one is an error."""
    ((_, batch),) = read_files([odd], columns="a,d", hdu=2, wave_unit="um")
    assert_allclose(batch.wavelength[[0, -1]], [5000, 5600])
    with pytest.raises(ValueError, match="wave_unit must be"):
        list(read_files([odd], wave_unit="parrots"))


# ------------------------------------------------------------------------------------- memory of formats


def test_formats_of_a_folder_are_remembered(tmp_path, monkeypatch, odd):
    """The second file of a structure is not identified again; one of another structure is."""
    reading._MEMORY.clear()
    asked = []
    find = _formats.find_format
    monkeypatch.setattr(
        reading, "find_format", lambda source, **options: asked.append(source.name) or find(source, **options)
    )
    read(odd)
    shutil.copy(odd, tmp_path / "like.fits")
    assert_array_equal(read(tmp_path / "like.fits").flux.value, 7 * FLUX)
    assert set(asked) == {"odd.fits"}
    fits.PrimaryHDU(FLUX, fits.Header({"CRVAL1": 5000.0, "CDELT1": 1.0})).writeto(tmp_path / "other.fits")
    assert_array_equal(read(tmp_path / "other.fits").flux.value, FLUX)
    assert "other.fits" in asked


def test_memory_is_bounded(odd, monkeypatch):
    """And forgets the oldest."""
    reading._MEMORY.clear()
    monkeypatch.setattr(reading, "_MEMORY_SIZE", 2)
    for k in range(4):
        shutil.copy(odd, odd.with_name(f"a.{k}fits"))
        read(odd.with_name(f"a.{k}fits"))
    assert len(reading._MEMORY) == 2
