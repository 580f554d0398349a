# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Answers of a cube have its shape, in arrays, tables, files and pictures."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from specutils import Spectrum, SpectrumCollection

from astro_spectok import embed, embed_files, embed_table
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator
from astro_spectok.example import read_example
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.plotting import plot_map, plot_table
from astro_spectok.spectra import to_batch
from astro_spectok.spectra.layout import find_layout

SHAPE = (2, 3)
#: of the spaxel without data
pytestmark = pytest.mark.filterwarnings("ignore:1 of 6 spectra")
AXES = {"NAXIS1": 3, "NAXIS2": 2, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CRVAL1": 10.0,
        "CRVAL2": 20.0, "CRVAL3": 4000.0, "CDELT1": -1e-4, "CDELT2": 1e-4, "CDELT3": 1.0, "CUNIT1": "deg",
        "CUNIT2": "deg", "CUNIT3": "Angstrom", "CRPIX1": 1.0, "CRPIX2": 1.0, "CRPIX3": 1.0}  # fmt: skip


@pytest.fixture(scope="module")
def cube():
    """Five times the same galaxy, and a spaxel without data."""
    one = read_example()[1000:2200]
    flux = np.broadcast_to(one.flux.value, (*SHAPE, len(one.flux))).copy()
    flux[1, 2] = np.nan
    header = fits.Header({"NAXIS": 3, "NAXIS3": len(one.flux)} | AXES)
    return Spectrum(
        flux=flux * one.flux.unit, spectral_axis=one.spectral_axis, meta=one.meta | {"header": header},
        uncertainty=type(one.uncertainty)(np.broadcast_to(one.uncertainty.array, flux.shape)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def table(cube):
    with pytest.warns(FlaggedSpectraWarning, match="1 of 6"):
        return RedshiftEstimator(device="cpu").estimate(cube)


def test_maps_of_redshift(table, cube):
    """Each spaxel stands where it was, and as it is alone."""
    one = Spectrum(
        flux=cube.flux[0, 1], spectral_axis=cube.spectral_axis, uncertainty=cube.uncertainty[0, 1], meta=cube.meta
    )
    alone = RedshiftEstimator(device="cpu").estimate(one)
    assert table["z"].shape == table["spectype"].shape == table["message"].shape == SHAPE
    assert table["z"].value[0, 1] == pytest.approx(alone.z.value, abs=1e-7)
    bad = ~np.isfinite(table["z"])
    assert bad.tolist() == [[False] * 3, [False, False, True]]
    assert ((table["zwarn"] & 2) > 0).tolist() == bad.tolist()


def test_maps_of_stellar_parameters(cube):
    table = StellarParameterEstimator(device="cpu", assume_star=True).estimate(cube)
    assert table["logg"].shape == table["rv"].shape == SHAPE
    assert str(table["logg"].unit) == "dex(cm / s2)"


def test_vectors(cube):
    vectors = embed(cube, device="cpu")
    assert vectors.shape[:2] == SHAPE
    table = embed_table(cube, device="cpu")
    assert table["embedding"].shape == vectors.shape
    assert table["snr"].shape == SHAPE
    np.testing.assert_array_equal(table["embedding"][0, 0], vectors[0, 0])


def test_other_forms():
    """A collection of two axes has a shape; one of one, a list and an image of rows have not."""
    one = read_example()[:40]
    flux = np.ones((2, 3, 40)) * one.flux.unit
    axis = np.broadcast_to(one.spectral_axis.value, flux.shape) * one.spectral_axis.unit
    collection = SpectrumCollection(flux=flux, spectral_axis=axis)
    assert to_batch(collection).layout.shape == SHAPE
    turned = Spectrum(flux=np.moveaxis(flux, -1, 0), spectral_axis=one.spectral_axis, spectral_axis_index=0)
    assert to_batch(turned).layout.shape == SHAPE
    rows = Spectrum(flux=flux[0], spectral_axis=one.spectral_axis)
    for other in ([turned], rows, one):
        assert to_batch(other).layout is None
    assert to_batch(turned).take([0, 1]).layout is None


@pytest.mark.parametrize(
    ("change", "kept"),
    [({}, True), ({"NAXIS1": 2, "NAXIS2": 3}, False), ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, False)],
)
def test_sky_only_where_it_fits(cube, change, kept):
    meta = {"header": fits.Header(dict(cube.meta["header"]) | change)}
    other = Spectrum(flux=cube.flux, spectral_axis=cube.spectral_axis, meta=meta)
    assert bool(find_layout(other).wcs) is kept


@pytest.mark.filterwarnings("ignore:Keyword name")
@pytest.mark.parametrize("name", ["map.fits", "map.ecsv"])
def test_maps_in_files(table, tmp_path, name):
    """The picture of what was written is the same, on the sky."""
    table.write(tmp_path / name)
    again = QTable.read(tmp_path / name)
    again.meta = {key.lower(): value for key, value in again.meta.items()}
    axes = plot_map(again, "z", where=np.isfinite(table["z"]))
    image = axes.images[0].get_array()
    np.testing.assert_array_equal(image.filled(np.nan), table["z"].value)
    assert axes.wcs.wcs.crval.tolist() == [10.0, 20.0]
    assert [axis.get_axislabel() for axis in axes.coords] == ["Right ascension", "Declination"]


def test_pictures_need_maps(table):
    with pytest.raises(ValueError, match="name must be a column"):
        plot_map(table, "redshift")
    for name in ("spectype", "embedding"):
        flat = QTable({"spectype": ["STAR"], "embedding": np.ones((1, 4, 4))})
        with pytest.raises(ValueError, match="must have maps of numbers"):
            plot_map(flat, name)


def test_colours_even_around_zero():
    speeds = QTable({"rv": np.array([[-50.0, 100.0], [np.nan, 20.0]])})
    image = plot_map(speeds, "rv").images[0]
    low, high = image.get_clim()
    assert low == -high
    assert high > 90
    assert image.get_array().mask.sum() == 1


def test_pictures_of_tables_count_spaxels(table):
    axes = plot_table(table)
    assert sum(bar.get_width() for bar in axes[0].patches) == 6


def test_rows_of_files_are_named(cube, tmp_path):
    header = cube.meta["header"]
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.moveaxis(cube.flux.value, -1, 0), header, name="DATA")]).writeto(
        tmp_path / "cube.fits"
    )
    rows = embed_files(tmp_path / "cube.fits", device="cpu")
    assert [name.partition("[")[2] for name in rows["name"]] == ["0,0]", "0,1]", "0,2]", "1,0]", "1,1]", "1,2]"]
