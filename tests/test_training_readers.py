# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of real spectra of any survey as training material."""

import logging
import pickle
import shutil
import sys

import numpy as np
import pytest
from _multimodal import N_PIXEL, make_rows, write_hdf5, write_parquet
from _paths import FITS, needs
from astropy.io.fits import VerifyError

from astro_spectok.example import EXAMPLE_PATH
from astro_spectok.spectra import convert_to_vacuum
from astro_spectok.spectra.multimodal import FWHM_PER_SIGMA, ParquetShard, convert_row, count_rows, find_resolution
from astro_spectok.training import readers
from astro_spectok.training.corpus import Source
from astro_spectok.training.readers import SpectraDirectory, open_sources
from astro_spectok.training.views import draw_view

LAYOUTS = ("struct of lists", "list of structs", "flat")


def write_any(path, rows, layout="struct of lists"):
    """A file of the kind that its ending says."""
    if path.suffix == ".parquet":
        write_parquet(path, rows, layout=layout)
    else:
        write_hdf5(path, rows)
    return path


def write_mixed(directory):
    """Two surveys, loose FITS files, one broken file of each kind, and what is not to be looked at."""
    write_hdf5(directory / "first" / "healpix=12" / "001-of-001.hdf5", make_rows(3, level=10))
    write_hdf5(directory / "first" / "healpix=13" / "001-of-001.h5", make_rows(2, level=20))
    write_parquet(directory / "second" / "train-0.parquet", make_rows(5, level=30))
    shutil.copy(EXAMPLE_PATH, directory / "galaxy.fits")
    for name in ("broken.fits", "broken.hdf5", "broken.parquet"):
        (directory / name).write_bytes(b"this is no spectrum" * 50)
    (directory / ".hidden").mkdir()
    shutil.copy(EXAMPLE_PATH, directory / ".hidden" / "galaxy.fits")
    (directory / "notes.md").write_text("about the data")
    return directory


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Path of the mixed directory."""
    return write_mixed(tmp_path_factory.mktemp("survey"))


def draw_many(directory, n=200, seed=0, **options):
    """Sources in the order drawn."""
    rng = np.random.default_rng(seed)
    return [directory.draw(rng, **options) for _ in range(n)]


def assert_same_source(one, other):
    """All fields, bit for bit."""
    for field in ("ln_wavelength", "flux", "ivar", "resolution"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    assert (one.kind, one.name) == (other.kind, other.name)


def test_mixed_directory_gives_spectra_of_all_files(mixed):
    """Every set is found; each source is ready for a view."""
    directory = SpectraDirectory(mixed)
    assert directory.names == sorted(["first", "second", mixed.name])
    assert len(directory) == len(directory.files) == 7
    sources = draw_many(directory)
    assert {source.name for source in sources} == set(directory.names)
    for source in sources:
        assert isinstance(source, Source)
        assert source.kind == "observed"
        assert source.ln_wavelength.dtype == np.float64
        assert (np.diff(source.ln_wavelength) > 0).all()
        assert np.isfinite(source.flux).all()
        assert (source.ivar >= 0).all()
        assert np.isfinite(source.ivar).all()
        assert draw_view(source, np.random.default_rng(1), 256, 200) is not None


def test_broken_files_are_logged_once(mixed, caplog):
    """And never tried again."""
    directory = SpectraDirectory(mixed)
    with caplog.at_level(logging.WARNING, logger="astro_spectok"):
        draw_many(directory, 100)
    named = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(named) == 3
    assert all(sum(f"broken{ending}" in text for text in named) == 1 for ending in (".fits", ".hdf5", ".parquet"))


@pytest.mark.parametrize(
    "error", [IndexError("a"), AttributeError("b"), VerifyError("c"), EOFError("d"), KeyError("e"), RuntimeError("f")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_libraries_raise_costs_one_file(tmp_path, monkeypatch, caplog, error):
    """The others are drawn on."""
    write_hdf5(tmp_path / "good.hdf5", make_rows(3, level=5))
    shutil.copy(EXAMPLE_PATH, tmp_path / "corrupted.fits")

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(readers, "read_files", fail)
    directory = SpectraDirectory(tmp_path)
    with caplog.at_level(logging.WARNING, logger="astro_spectok"):
        assert {source.name for source in draw_many(directory, 30)} == {tmp_path.name}
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'corrupted.fits'}, or a part of it, is left out: {error}"
    ]


def test_draw_depends_on_the_generator_alone(mixed):
    """Not on what was drawn, opened or found broken before."""
    fresh, used = SpectraDirectory(mixed), SpectraDirectory(mixed)
    draw_many(used, 50, seed=9)
    copy = pickle.loads(pickle.dumps(used))
    for one, other, third in zip(draw_many(fresh, 30), draw_many(used, 30), draw_many(copy, 30), strict=True):
        assert_same_source(one, other)
        assert_same_source(one, third)


def test_every_spectrum_is_drawn_equally_often(tmp_path):
    """A shard with more spectra more often; row groups are shards."""
    write_hdf5(tmp_path / "a.hdf5", make_rows(6, level=1))
    write_parquet(tmp_path / "b.parquet", make_rows(3, level=7), row_group_size=2)
    directory = SpectraDirectory(tmp_path)
    counts = np.bincount([read_level(source) for source in draw_many(directory, 360)])
    assert counts[0] == 0
    assert len(counts) == 10
    assert (np.abs(counts[1:] - 40) < 27).all()  # four and a half standard deviations
    rng = np.random.default_rng(2)
    levels = [read_level(directory.draw(rng, shards=directory.choose_shards(rng))) for _ in range(360)]
    assert (np.abs(np.bincount(levels)[1:] - 40) < 27).all()


def read_level(source):
    """The level of a made-up row; flux comes over a power of two, known from the inverse variance of 100."""
    scale = np.sqrt(np.median(source.ivar[source.ivar > 0]) / 100)
    return round(float(np.median(source.flux[source.ivar > 0]) * scale))


def test_chosen_shards_are_the_only_ones_read(tmp_path, monkeypatch):
    """Which makes drawing from Parquet fast."""
    write_parquet(tmp_path / "b.parquet", make_rows(40), row_group_size=4)
    directory = SpectraDirectory(tmp_path)
    opened = []
    original = readers._open_shard
    monkeypatch.setattr(readers, "_open_shard", lambda *args: opened.append(args) or original(*args))
    chosen = directory.choose_shards(np.random.default_rng(0), count=3)
    draw_many(directory, 50, shards=chosen)
    assert len(opened) == len(set(chosen.tolist())) <= 3


def test_only_the_rows_drawn_are_read(tmp_path, monkeypatch):
    """Of an HDF5 file of a thousand spectra; and the file is opened once to count and once to read."""
    import h5py

    write_hdf5(tmp_path / "many.hdf5", make_rows(1000))
    rows, original = [], h5py.Dataset.__getitem__

    def read(dataset, key, **options):
        rows.append(key)
        return original(dataset, key, **options)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", read)
    directory = SpectraDirectory(tmp_path)
    assert rows == []
    draw_many(directory, 10)
    assert len(rows) == 10 * 5  # lambda, flux, ivar, mask, lsf_sigma
    assert all(isinstance(key, int) for key in rows)


@pytest.mark.parametrize("limit", ["MOST_OPEN", "MOST_BYTES"])
def test_few_shards_stay_open(tmp_path, monkeypatch, limit):
    """By their number, and by the bytes they hold; the one in use always does."""
    monkeypatch.setattr(readers, limit, 3 if limit == "MOST_OPEN" else 1)
    for i in range(6):
        write_parquet(tmp_path / f"{i}.parquet", make_rows(2, level=i))
    directory = SpectraDirectory(tmp_path)
    draw_many(directory, 40)
    assert len(directory._open) == (3 if limit == "MOST_OPEN" else 1)


def test_a_fork_opens_its_own_files(mixed, monkeypatch):
    """Two processes must not read through one file handle."""
    directory = SpectraDirectory(mixed)
    draw_many(directory, 20)
    before = list(directory._open.values())
    monkeypatch.setattr(readers.os, "getpid", lambda: -1)
    draw_many(directory, 20)
    assert directory._open
    assert not any(one is other for one in before for other in directory._open.values())


@pytest.mark.parametrize(
    ("name", "layout"), [("a.hdf5", ""), ("a.h5", ""), *((f"{layout[:4]}.parquet", layout) for layout in LAYOUTS)]
)
def test_every_layout_gives_the_same_spectrum(tmp_path, name, layout):
    """Bad pixels have no weight, padding is gone, the line-spread function is given as resolving power."""
    rows = make_rows(4, step=2.0)
    write_any(tmp_path / name, rows, layout)
    (expected,) = {len(rows["flux"])}
    assert sum(count_rows(tmp_path / name)) == expected
    for source in draw_many(SpectraDirectory(tmp_path), 10):
        wavelength = np.exp(source.ln_wavelength)
        np.testing.assert_allclose(wavelength, 5000 + 2.0 * np.arange(N_PIXEL), rtol=1e-12)
        row = read_level(source) - 1
        np.testing.assert_array_equal(np.flatnonzero(source.ivar == 0), [7, 8, 9, 11])
        scale = np.sqrt(np.median(source.ivar) / 100)
        good = source.ivar > 0
        np.testing.assert_allclose(source.flux[good] * scale, rows["flux"][row, :N_PIXEL][good], rtol=1e-5)
        np.testing.assert_allclose(source.resolution, wavelength / (2 * FWHM_PER_SIGMA), rtol=1e-5)


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 1e30, -7.0, 0.0])
def test_junk_in_bad_pixels_changes_nothing(tmp_path, junk):
    """Under the mask, without weight, in the padding."""
    rows = make_rows(1)
    write_hdf5(tmp_path / "clean" / "a.hdf5", rows)
    bad = rows["mask"] | ~(rows["ivar"] > 0)
    assert np.count_nonzero(bad) > 20
    for key in ("flux", "lsf_sigma"):
        rows[key][:, N_PIXEL:] = junk
    rows["flux"][bad] = junk
    rows["ivar"][rows["mask"]] = junk
    if not junk > 0:
        rows["lambda"][:, N_PIXEL:] = junk
    write_hdf5(tmp_path / "junk" / "a.hdf5", rows)
    clean, other = (SpectraDirectory(tmp_path / name).draw(np.random.default_rng(0)) for name in ("clean", "junk"))
    for field in ("ln_wavelength", "flux", "ivar", "resolution"):
        np.testing.assert_array_equal(getattr(clean, field), getattr(other, field))


def test_parquet_leaves_other_columns_unread(tmp_path):
    """Images of the same objects are large."""
    for layout in LAYOUTS:
        write_parquet(tmp_path / "a.parquet", make_rows(2), layout=layout)
        columns = ParquetShard(tmp_path / "a.parquet", 0)._table.column_names
        assert "image" not in columns
        assert "object_id" not in columns


@pytest.mark.parametrize("keys", [("lambda", "flux"), ("wave", "flux", "noise"), ("wavelength", "flux", "flux_ivar")])
def test_names_of_other_surveys(tmp_path, keys):
    """LAMOST has no errors, VIPERS standard deviations, GALAH a name of its own."""
    rows = {key: array[:, :N_PIXEL] for key, array in make_rows(2).items()}
    rows["flux"][:, 11] = 1  # nothing masks it
    rows["noise"] = np.full((2, N_PIXEL), 0.1)
    rows |= {"wave": rows["lambda"], "wavelength": rows["lambda"], "flux_ivar": np.full((2, N_PIXEL), 100.0)}
    write_hdf5(tmp_path / "a.hdf5", {key: rows[key] for key in keys})
    source = SpectraDirectory(tmp_path).draw(np.random.default_rng(0))
    good = source.ivar > 0
    assert np.count_nonzero(good) >= N_PIXEL - 2
    noise = np.median(source.ivar[good]) ** -0.5 / np.median(source.flux[good])
    assert noise == pytest.approx(0.1, rel=0.2) or noise == pytest.approx(0.05, rel=0.2)
    assert source.resolution is None


def test_shared_wavelengths(tmp_path):
    """One array for all rows."""
    rows = make_rows(3)
    write_hdf5(tmp_path / "a.hdf5", rows | {"lambda": rows["lambda"][0]})
    source = SpectraDirectory(tmp_path).draw(np.random.default_rng(0))
    np.testing.assert_allclose(np.exp(source.ln_wavelength), 5000 + np.arange(N_PIXEL), rtol=1e-12)


def test_medium_air(tmp_path):
    """GALAH's wavelengths are in air, and no file says so."""
    write_hdf5(tmp_path / "a.hdf5", make_rows(1))
    source = SpectraDirectory(tmp_path, medium="air").draw(np.random.default_rng(0))
    np.testing.assert_allclose(np.exp(source.ln_wavelength), convert_to_vacuum(5000.0 + np.arange(N_PIXEL)), rtol=1e-9)


@pytest.mark.parametrize(
    ("pixel", "lsf_sigma", "resolution"),
    [
        (1.15, 1.0, 5000 / (FWHM_PER_SIGMA * 1.15)),  # SDSS: pixels
        (0.8, 0.9, 5000 / (FWHM_PER_SIGMA * 0.72)),  # DESI: pixels
        (0.22, 0.236, 5000 / (FWHM_PER_SIGMA * 0.236)),  # APOGEE: Angstrom
        (1.0, -1.0, None),
        (1.0, np.nan, None),
        (1.0, 1000.0, None),
    ],
)
def test_unit_of_the_line_spread_function(pixel, lsf_sigma, resolution):
    """Is found out, as the schema does not say."""
    wavelength = 5000 + pixel * np.arange(100)
    found = find_resolution(wavelength, lsf_sigma)
    if resolution is None:
        assert found is None
    else:
        assert found[0] == pytest.approx(resolution, rel=1e-9)
        assert found[-1] == pytest.approx(resolution * wavelength[-1] / 5000, rel=1e-6)


def test_resolution_is_given_in_half_of_the_views(tmp_path):
    """Pixel by pixel, and of a spectrum without one never."""
    write_hdf5(tmp_path / "a.hdf5", make_rows(1, step=2.0))
    source = SpectraDirectory(tmp_path).draw(np.random.default_rng(0))
    views = [draw_view(source, np.random.default_rng(i), 150, 100) for i in range(200)]
    known = [view for view in views if np.ndim(view.resolution)]
    assert all(np.isnan(view.resolution) for view in views if not np.ndim(view.resolution))
    assert 70 < len(known) < 130
    for view in known:
        np.testing.assert_allclose(view.resolution, np.exp(view.ln_wavelength) / (2 * FWHM_PER_SIGMA), rtol=1e-5)


def test_rows_without_good_pixels_are_passed_over(tmp_path):
    """Here nine of ten."""
    rows = make_rows(10)
    rows["ivar"][np.arange(10) != 4] = 0
    write_hdf5(tmp_path / "a.hdf5", rows)
    assert {read_level(source) for source in draw_many(SpectraDirectory(tmp_path), 20)} == {5}


def test_directory_without_a_spectrum_that_can_be_used(tmp_path):
    """Is reported after a while, with an example."""
    (tmp_path / "broken.fits").write_text("nothing")
    with pytest.raises(OSError, match=r"directory: .* must hold spectra .* broken\.fits"):
        SpectraDirectory(tmp_path).draw(np.random.default_rng(0))
    (tmp_path / "broken.fits").rename(tmp_path / "broken.hdf5")
    with pytest.raises(OSError, match=r"directory: .* must hold spectra .* broken\.hdf5"):
        SpectraDirectory(tmp_path).draw(np.random.default_rng(0))
    (tmp_path / "broken.hdf5").unlink()
    write_hdf5(tmp_path / "blank.hdf5", make_rows(3) | {"ivar": np.zeros(make_rows(3)["flux"].shape)})
    with pytest.raises(OSError, match="no spectrum with 32 good pixels"):
        SpectraDirectory(tmp_path).draw(np.random.default_rng(0))


def test_other_layouts_are_named(tmp_path):
    """A file of something else says what was missing."""
    write_hdf5(tmp_path / "a.hdf5", {"flux": np.ones((2, 9))})
    with pytest.raises(ValueError, match="lambda or wave or wavelength"):
        count_rows(tmp_path / "a.hdf5")
    with pytest.raises(ValueError, match="one length"):
        convert_row({"wavelength": np.arange(9), "flux": np.ones(8)})


def test_wrong_arguments(tmp_path):
    """Errors name the argument."""
    with pytest.raises(FileNotFoundError, match=r"directory: .*is not a directory"):
        SpectraDirectory(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match=r"directory: .*holds no file of spectra"):
        SpectraDirectory(tmp_path)
    with pytest.raises(ValueError, match="medium must be"):
        SpectraDirectory(tmp_path, medium="water")


@pytest.mark.parametrize(("module", "name"), [("h5py", "a.hdf5"), ("pyarrow.parquet", "a.parquet")])
def test_missing_package(tmp_path, monkeypatch, module, name):
    """Is reported before training begins, with the extra to install."""
    write_any(tmp_path / name, make_rows(1))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"astro_spectok\[survey\]"):
        SpectraDirectory(tmp_path)


def test_open_sources(mixed):
    """One directory, or several."""
    assert [source.directory for source in open_sources(mixed)] == [mixed]
    assert [len(source) for source in open_sources([mixed, str(mixed)])] == [7, 7]
    assert open_sources([]) == []


@needs(FITS)
@pytest.mark.filterwarnings("ignore")  # files of real archives make readers warn about their headers
def test_real_files():
    """All but the table of redshifts are read, several instruments with their resolving power."""
    directory = SpectraDirectory(FITS)
    rng = np.random.default_rng(0)
    shards = range(len(directory.files))
    directory.choose_shards(rng)
    sources = {directory.files[i]: directory._read(i, 0.0) for i in shards}
    assert [name for name, source in sources.items() if source is None] == ["desi_redrock-4-80613.fits"]
    assert np.nanmedian(sources["desi_coadd-4-80613.fits"].resolution) == pytest.approx(3800, rel=0.3)
    for name, source in sources.items():
        if source is not None:
            assert np.count_nonzero(source.ivar) > 1000, name
            assert draw_view(source, rng, 1000, 500) is not None, name
