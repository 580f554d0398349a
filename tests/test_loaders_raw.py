# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is read of FITS files without astropy is what astropy reads."""

import io

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal

from astro_spectok import read
from astro_spectok.spectra.loaders._source import open_source

RNG = np.random.default_rng(4)


def make_table():
    """A table with columns of every kind, plain ones and those that astropy has to make something of."""
    columns = [
        fits.Column("wave", "D", unit="Angstrom", array=np.linspace(4000, 5000, 40)),
        fits.Column("flux", "E", unit="it's", array=RNG.normal(5, 1, 40)),
        fits.Column("name", "6A", array=["star"] * 40),
        fits.Column("bits", "3X", array=np.ones((40, 3), bool)),
        fits.Column("ok", "L", array=np.arange(40) % 2 == 0),
        fits.Column("pair", "2J", array=RNG.integers(0, 9, (40, 2))),
        fits.Column("short", "I", array=np.arange(40, dtype=np.int16)),
        fits.Column("unsigned", "J", bzero=2**31, array=np.arange(40, dtype=np.uint32)),
        fits.Column("scaled", "E", bscale=0.5, bzero=3, array=np.arange(40, dtype=np.float32)),
        fits.Column("square", "4E", dim="(2,2)", array=RNG.normal(size=(40, 2, 2))),
        fits.Column("ragged", "PE()", array=np.array([np.ones(k % 3) for k in range(40)], object)),
        fits.Column("byte", "B", array=np.arange(40, dtype=np.uint8)),
    ]
    return fits.BinTableHDU.from_columns(columns, name="SPEC")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file with an image, that table, and a packed image."""
    path = tmp_path_factory.mktemp("raw") / "all.fits"
    packed = fits.CompImageHDU(RNG.integers(0, 9, (6, 30)).astype(np.int32), name="PACKED")
    primary = fits.PrimaryHDU(np.zeros((2, 30), np.float32))
    primary.header["OBJECT"] = ("it's / odd", "a comment")
    fits.HDUList([primary, make_table(), packed]).writeto(path)
    return path


@pytest.mark.parametrize("opened", [False, True], ids=["file", "HDUList"])
def test_columns_are_those_of_astropy(path, opened):
    """Names, values and types in native order, whichever way they are read, in any order."""
    with fits.open(path) as hdus, open_source(hdus if opened else path) as source:
        table, wanted = source.raw[1], hdus[1].data
        assert table.is_table
        assert table.names == hdus[1].columns.names
        for name in table.names[::-1]:
            found = table.read(name)
            if name == "ragged":
                assert all(map(np.array_equal, found, wanted[name]))
                continue
            assert found.dtype == np.asarray(wanted[name]).dtype.newbyteorder("=")
            assert_array_equal(found, wanted[name])


@pytest.mark.parametrize("opened", [False, True], ids=["file", "HDUList"])
def test_headers_are_those_of_astropy(path, opened):
    """Shapes of images, packed or not, none of tables; texts with quotes and slashes."""
    with fits.open(path) as hdus, open_source(hdus if opened else path) as source:
        assert [raw.shape for raw in source.raw] == [(2, 30), (), (6, 30)]
        assert source.raw[0].cards["OBJECT"] == "it's / odd"
        assert source.header["OBJECT"] == "it's / odd"
        assert source.find_raw("SPEC") is source.find_raw(1)
        assert source.find_raw("none") is source.find_raw(7) is None


def test_next_extensions_can_be_read_after_columns(path):
    """The place in the file is nobody's: astropy goes on where it was."""
    with open_source(path) as source:
        first = source.hdulist[0].data
        wave = source.raw[1].read("wave")
        assert source.hdulist[2].data.shape == (6, 30)
        assert_array_equal(source.raw[1].read("wave"), wave)
        assert first.shape == (2, 30)


def test_units_and_cards_of_the_extension_are_kept(path):
    """As before: the unit of the axis, cards that the primary header lacks, those that it has."""
    hdus = [fits.PrimaryHDU(), make_table()]
    hdus[0].header["TELESCOP"] = "first"
    hdus[1].header["TELESCOP"], hdus[1].header["AIRMASS"] = "second", 1.5
    content = io.BytesIO()
    fits.HDUList(hdus).writeto(content)
    spectrum = read(content, columns="wave,flux")
    assert spectrum.spectral_axis.unit == "Angstrom"
    header = spectrum.meta["header"]
    assert (header["TELESCOP"], header["AIRMASS"]) == ("first", 1.5)
    assert "TFIELDS" not in header


def test_spectra_on_one_axis_have_its_wcs(tmp_path):
    """Made once for files one after the other; one on another axis has its own."""
    spectra = []
    for k, last in enumerate((5000, 5000, 6000)):
        table = fits.BinTableHDU.from_columns([
            fits.Column("wave", "D", unit="Angstrom", array=np.linspace(4000, last, 60)),
            fits.Column("flux", "E", array=RNG.normal(5, 1, 60)),
        ])  # fmt: skip
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / f"{k}.fits")
        spectra.append(read(tmp_path / f"{k}.fits"))
    assert spectra[0].wcs is spectra[1].wcs
    assert spectra[2].wcs is not spectra[0].wcs
    for spectrum in spectra:
        found = spectrum.wcs.pixel_to_world(np.arange(60))
        np.testing.assert_allclose(found.to_value("Angstrom"), spectrum.spectral_axis.value)
