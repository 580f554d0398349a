# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated surveys as specutils spectra, FITS files and Parquet."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from _paths import TRAIN, needs
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from specutils import Spectrum, SpectrumList

from astro_spectok.engine import device
from astro_spectok.simulate import Survey, rows, stars
from astro_spectok.simulate.export import TRUTH_TABLE, simulate_spectra, write_simulated
from astro_spectok.simulate.rows import TRUTH
from astro_spectok.spectra import to_batch
from astro_spectok.spectra.multimodal import ParquetShard, convert_row
from astro_spectok.training.readers import SpectraDirectory

QUICK = {"families": ["stars"], "instruments": ["sdss"]}


@pytest.fixture(scope="module")
def spectra():
    """Some of everything, each object through two instruments."""
    return simulate_spectra(40, seed=5, views=2)


def assert_same(one, other):
    """Two spectra hold the same arrays and names."""
    for name in ("spectral_axis", "flux"):
        np.testing.assert_array_equal(getattr(one, name).value, getattr(other, name).value)
    np.testing.assert_array_equal(one.mask, other.mask)
    assert (one.uncertainty is None) == (other.uncertainty is None)
    if one.uncertainty is not None:
        np.testing.assert_array_equal(one.uncertainty.array, other.uncertainty.array)
    assert one.meta["name"] == other.meta["name"]


def test_arrays_are_those_of_a_pipeline(spectra):
    """Increasing vacuum wavelengths, finite flux, and no errors exactly where there is a mask."""
    assert isinstance(spectra, SpectrumList)
    assert len(spectra) == 80
    for spectrum in spectra:
        assert spectrum.spectral_axis.unit == u.AA
        assert (np.diff(spectrum.spectral_axis.value) > 0).all()
        assert np.isfinite(spectrum.flux.value).all()
        assert spectrum.meta["medium"] == "vacuum"
        assert (spectrum.uncertainty is not None) == spectrum.meta["has_errors"]
        if spectrum.uncertainty is not None:
            np.testing.assert_array_equal(np.isnan(spectrum.uncertainty.array), spectrum.mask)
            assert (spectrum.uncertainty.array[~spectrum.mask] > 0).all()
        low, high = (spectrum.meta[name].to_value(u.AA) for name in ("wave_min", "wave_max"))
        np.testing.assert_allclose(spectrum.spectral_axis.value[[0, -1]], [low, high])
    assert {bool(spectrum.mask.any()) for spectrum in spectra} == {True, False}
    assert {spectrum.uncertainty is None for spectrum in spectra} == {True, False}


def test_flux_units_tell_the_calibration(spectra):
    """Flux density where calibrated, counts where not, no unit where normalised; all three occur."""
    seen = set()
    for spectrum in [*spectra, *simulate_spectra(4, families=["stars"], instruments=["gaia_rvs"])]:
        meta, unit = spectrum.meta, spectrum.flux.unit
        kind = "normalised" if meta["normalised"] else "calibrated" if meta["calibrated"] else "counts"
        expected = {"normalised": "", "calibrated": "1e-17 erg / (s cm2 Angstrom)", "counts": "ct"}[kind]
        assert unit == u.Unit(expected)
        seen.add(kind)
    assert seen == {"normalised", "calibrated", "counts"}


def test_truth_is_no_redshift_of_the_spectrum(spectra):
    """Redshifts stand in ``meta`` alone; what has none to be found has none; only stars have velocities."""
    for spectrum in spectra:
        meta = spectrum.meta
        assert spectrum.redshift.value == 0
        assert ("z" in meta) == meta["measurable"] == (meta["family"] not in ("sky", "blazars"))
        assert ("rv" in meta) == (meta["spectype"] == "STAR")
        if "rv" in meta:
            assert meta["rv"].to_value("km/s") == pytest.approx(299792.458 * meta["z"])
        expected = {"galaxies": "GALAXY", "quasars": "QSO", "stars": "STAR"}.get(meta["family"], "")
        assert meta["spectype"] == expected
    assert {"GALAXY", "QSO", "STAR"} <= {spectrum.meta["spectype"] for spectrum in spectra}


def test_views_are_of_one_object(spectra):
    """Neighbours share the truth of their object, and are different spectra."""
    for one, other in zip(spectra[::2], spectra[1::2], strict=True):
        assert (one.meta["view"], other.meta["view"]) == (0, 1)
        for name in ("object_id", "kind", "z", "age", "a_v"):
            assert one.meta.get(name) == other.meta.get(name)
        assert one.shape != other.shape or not np.array_equal(one.flux.value, other.flux.value)
    assert len({spectrum.meta["object_id"] for spectrum in spectra}) == 40


def test_families_are_mixed(spectra):
    """Objects do not come sorted by family."""
    families = [spectrum.meta["family"] for spectrum in spectra[::2]]
    changes = sum(a != b for a, b in pairwise(families))
    assert changes > len(set(families))


def test_labels_have_units_and_come_back_from_their_scales():
    """Ages, dispersions and equivalent widths are those of the survey with the logarithm or arcsinh undone."""
    found = simulate_spectra(12, seed=8, families=["galaxies"])
    groups = Survey(None, families=["galaxies"]).draw(12, [8, 0])
    for name, unit, undo in (
        ("age", u.Gyr, lambda x: 10**x), ("sigma_v", u.km / u.s, lambda x: 10**x), ("ew_halpha", u.AA, np.sinh),
        ("metallicity", u.dex, np.asarray), ("a_v", u.mag, np.asarray),
    ):  # fmt: skip
        wanted = np.concatenate([undo(group.objects.labels[name].double().numpy()) for group in groups])
        values = [spectrum.meta[name].to_value(unit) for spectrum in found if name in spectrum.meta]
        np.testing.assert_allclose(np.sort(values), np.sort(wanted[np.isfinite(wanted)]))


@needs(TRAIN)
def test_stellar_labels_of_the_public_sets(monkeypatch):
    """Labelled stars have temperatures in kelvin and gravities in dex(cm / s2), in the range of stars."""
    # the other families of stars take ten seconds to be made
    monkeypatch.setattr(stars, "STAR_FAMILIES", {"labelled": stars.STAR_FAMILIES["labelled"]})
    found = simulate_spectra(30, seed=1, data=TRAIN, **QUICK)
    labelled = [spectrum.meta for spectrum in found if "teff" in spectrum.meta]
    assert len(labelled) > 3
    for meta in labelled:
        assert 500 < meta["teff"].to_value(u.K) < 60000
        assert meta["logg"].unit == u.dex(u.cm / u.s**2)
        assert -1 < meta["logg"].value < 9.5


def test_seed_decides():
    """The same seed gives the same spectra, another one others."""
    one, same, other = (simulate_spectra(6, seed=seed, **QUICK) for seed in (4, 4, 5))
    for a, b, c in zip(one, same, other, strict=True):
        assert_same(a, b)
        assert a.shape != c.shape or not np.array_equal(a.flux.value, c.flux.value)


def test_choices_are_kept():
    """Families, instruments and signal-to-noise ratios are those asked for; the latter are about right."""
    found = simulate_spectra(20, seed=2, snr=(20, 30), **QUICK)
    assert {spectrum.meta["family"] for spectrum in found} == {"stars"}
    assert {spectrum.meta["instrument"] for spectrum in found} == {"sdss"}
    assert all(20 <= spectrum.meta["snr"] <= 30 for spectrum in found)
    with_errors = [s for s in found if s.uncertainty is not None]
    measured = [np.median((s.flux.value / s.uncertainty.array)[~s.mask]) / s.meta["snr"] for s in with_errors]
    # stated errors may be wrong by a factor of two
    assert 0.8 < np.median(measured) < 1.25


def test_long_spectra_are_cut_unless_asked_for():
    """Four arms of 4000 pixels each come whole where so many are allowed, in part where not."""
    longest = {
        limit: max(
            len(s.flux) for s in simulate_spectra(4, families=["stars"], instruments=["galah"], max_pixels=limit)
        )
        for limit in (500, 20000)
    }
    assert longest[500] == 500
    assert longest[20000] > 14000


def test_tokenizer_understands_them(spectra):
    """Every spectrum can be used, is known to be in vacuum, and has its resolution and name."""
    batch = to_batch(spectra)
    assert (batch.lengths > 0).all()
    assert {info.medium_source for info in batch.info} == {"header"}
    for i, spectrum in enumerate(spectra):
        np.testing.assert_allclose(batch.resolution[batch.grid(i)], spectrum.meta["resolution"], rtol=1e-5)
        assert batch.info[i].name == spectrum.meta["object_id"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 0}, ValueError, "n must be at least 1"),
        ({"n": 2.5}, TypeError, "n must be an integer, got float"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"views": 0}, ValueError, "views must be at least 1"),
        ({"max_pixels": 10}, ValueError, "max_pixels must be at least 64, got 10"),
        ({"families": "stars"}, TypeError, "families must be a sequence"),
        ({"families": ["comets"]}, ValueError, r"families must be names out of blazars, .*got comets"),
        ({"families": []}, ValueError, "families must be names .*got none"),
        ({"instruments": ["sdss", "hubble"]}, ValueError, "instruments must be .*xshooter; got hubble"),
        ({"snr": (5, 1)}, ValueError, "in order.*got 5 and 1"),
        ({"snr": (0, 1)}, ValueError, "snr must be positive"),
        ({"snr": 5}, ValueError, "snr must be two numbers"),
        ({"data": "no/such/directory"}, FileNotFoundError, "is not a directory"),
        ({"device": "abacus"}, ValueError, "device must be"),
    ],
)
def test_errors_name_the_argument(options, error, message):
    """Wrong arguments are refused before anything is drawn."""
    with pytest.raises(error, match=message):
        simulate_spectra(options.pop("n", 1), **options)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Files of some objects, each seen twice, normalised ones among them."""
    path = tmp_path_factory.mktemp("simulated") / "new" / "survey"
    return write_simulated(path, 5, seed=3, views=2, families=["stars"], instruments=["gaia_rvs", "sdss"])


def test_files_hold_the_same_spectra(directory):
    """specutils finds the format of each file; arrays and truth are those that Python gets."""
    expected = simulate_spectra(5, seed=3, views=2, families=["stars"], instruments=["gaia_rvs", "sdss"])
    table = QTable.read(directory / TRUTH_TABLE)
    assert len(table) == len(list(directory.glob("*.fits"))) == 10
    for row, spectrum in zip(table, expected, strict=True):
        found = Spectrum.read(str(directory / row["file"]))
        header = found.meta["header"]
        found.meta["name"] = header["OBJECT"]
        assert_same(found, spectrum)
        assert found.redshift.value == 0
        assert found.flux.unit == (u.ct if spectrum.meta["normalised"] else spectrum.flux.unit)
        assert header["NORMALIS"] == spectrum.meta["normalised"]
        assert header["Z_TRUE"] == pytest.approx(spectrum.meta["z"])
        assert header["SNR"] == pytest.approx(spectrum.meta["snr"])
        assert to_batch(found).info[0].medium_source == "header"
    assert set(table["instrument"]) == {"gaia_rvs", "sdss"}


def test_table_of_truths(directory):
    """One row for each file, with units, unknown labels as NaN."""
    table = QTable.read(directory / TRUTH_TABLE)
    assert table.colnames == ["file", *TRUTH]
    assert table["teff"].unit == u.K
    assert table["logg"].unit == u.dex(u.cm / u.s**2)
    assert np.isnan(table["age"]).all()
    assert table["rv"].to_value("km/s") == pytest.approx(299792.458 * table["z"])
    assert table.meta["templates"] == "analytic"
    assert table.meta["seed"] == 3


def test_headers_are_valid_fits(directory):
    """Every card stands as the standard wants it, its comment whole."""
    name = QTable.read(directory / TRUTH_TABLE)["file"][0]
    with fits.open(directory / name) as hdus:
        hdus.verify("exception")
        assert hdus[0].header.comments["RV_TRUE"] == "[km / s] radial velocity of stars"


def test_directory_is_not_overwritten_unasked(tmp_path):
    """Old spectra stay unless asked for, then all of them go; files of others stay in any case."""
    options = {"progress": False, **QUICK}
    write_simulated(tmp_path / "a", 3, **options)
    (tmp_path / "a" / "notes.txt").write_text("mine")
    before = sorted(path.name for path in (tmp_path / "a").iterdir())
    with pytest.raises(FileExistsError, match=r"not empty.*--overwrite"):
        write_simulated(tmp_path / "a", 1, **options)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == before
    write_simulated(tmp_path / "a", 1, overwrite=True, **options)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["notes.txt", "sim-0-0000000.fits", TRUTH_TABLE]
    with pytest.raises(FileExistsError, match="got the file"):
        write_simulated(tmp_path / "a" / "notes.txt", 1, overwrite=True, **options)
    with pytest.raises(ValueError, match=r"must be a directory or end in \.parquet, got 'b\.fits'"):
        write_simulated(tmp_path / "b.fits", 1, **options)


def test_old_survey_stays_until_the_new_one_is_complete(tmp_path, monkeypatch):
    """A run that fails leaves it as it was, and nothing half-written beside it; so does one into a new directory."""
    survey = write_simulated(tmp_path / "a", 2, progress=False, **QUICK)
    before = {path.name: path.read_bytes() for path in survey.iterdir()}
    draw = rows.Simulation.draw

    def fail(simulation, progress):
        yield from draw(simulation, progress)
        raise RuntimeError("out of ideas")

    monkeypatch.setattr(rows.Simulation, "draw", fail)
    for place in ("a", "new/b"):
        with pytest.raises(RuntimeError, match="out of ideas"):
            write_simulated(tmp_path / place, 3, seed=1, overwrite=True, progress=False, **QUICK)
    assert {path.name: path.read_bytes() for path in survey.iterdir()} == before
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_dir()) == ["a", "new"]


def test_only_files_of_a_survey_are_replaced(tmp_path, monkeypatch):
    """What somebody else called alike stays; the directory may be the working one."""
    write_simulated(tmp_path, 2, views=2, progress=False, **QUICK)
    (tmp_path / "sim-of-mine.fits").write_text("mine")
    monkeypatch.chdir(tmp_path)
    write_simulated(".", 1, seed=5, overwrite=True, progress=False, **QUICK)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["sim-5-0000000.fits", "sim-of-mine.fits", TRUTH_TABLE]
    assert [path.name for path in tmp_path.parent.glob(f".{tmp_path.name}-*")] == []


def test_devices_without_float64_are_refused(monkeypatch):
    """Unless any device will do: then it is the processor."""
    original = device.choose_device
    mps = torch.device("mps")
    monkeypatch.setattr(device, "choose_device", lambda name: mps if name in ("auto", "mps") else original(name))
    with pytest.raises(ValueError, match=r"device must have float64, .*mps lacks, got 'mps'; give 'cpu'"):
        simulate_spectra(1, device="mps", **QUICK)
    one, same = (simulate_spectra(1, device=name, **QUICK)[0] for name in ("auto", "cpu"))
    assert_same(one, same)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    """A Parquet file of some of everything, in several row groups."""
    pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("parquet") / "survey.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "OBJECTS_AT_ONCE", 4)
        return write_simulated(path, 10, seed=6, views=2)


def test_parquet_is_written_in_parts(parquet):
    """A row group for each part of the simulation: objects 0 to 3, 4 to 7, and the last two, seen twice."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sizes == [8, 8, 4]


def test_parquet_holds_truth_and_units(parquet):
    """The columns beside the spectrum are those of the truth; their units stand in the schema."""
    import pyarrow.parquet as pq

    table = pq.read_table(parquet)
    assert table.column_names == ["spectrum", *TRUTH]
    assert table["object_id"].to_pylist()[:4] == ["sim-6-0000000"] * 2 + ["sim-6-0000001"] * 2
    assert table.schema.field("teff").metadata[b"unit"] == b"K"
    assert table.schema.metadata[b"templates"] == b"analytic"
    spectrum = table["spectrum"].combine_chunks()
    lengths = [[len(row) for row in spectrum.field(name)] for name in ("flux", "ivar", "lambda", "mask", "lsf_sigma")]
    assert all(each == lengths[0] for each in lengths)


def test_training_reads_parquet_back(parquet):
    """What the reader makes of a row is what was simulated: pixels, bad ones, and resolution."""
    import pyarrow.parquet as pq

    shard = ParquetShard(parquet, 0)
    truth = pq.read_table(parquet, columns=["resolution", "wave_min", "wave_max"]).slice(0, len(shard)).to_pylist()
    for i, labels in enumerate(truth):
        fields = shard.read_row(i)
        batch = convert_row(fields)
        assert batch.lengths[0] == len(fields["flux"])
        np.testing.assert_allclose(batch.wavelength[[0, -1]], [labels["wave_min"], labels["wave_max"]], rtol=1e-9)
        np.testing.assert_array_equal(batch.ivar > 0, fields["mask"] == 0)
        good = batch.ivar > 0
        np.testing.assert_allclose(batch.flux[good] * batch.scale[0], fields["flux"][good], rtol=1e-5)
        assert np.median(batch.resolution) == pytest.approx(labels["resolution"], rel=1e-4)


def test_training_draws_from_both_forms(parquet, directory):
    """A directory of real spectra may as well hold simulated ones."""
    for place in (parquet.parent, directory):
        sources = SpectraDirectory(place)
        drawn = [sources.draw(np.random.default_rng(seed)) for seed in range(6)]
        assert all(np.count_nonzero(source.ivar) >= 32 for source in drawn)
        assert len({len(source.flux) for source in drawn}) > 1


def test_parquet_is_not_overwritten_unasked(parquet, tmp_path, monkeypatch):
    """It stays as it is, also when a run that may replace it fails, and no half-written file is left."""
    before = parquet.read_bytes()
    with pytest.raises(FileExistsError, match="--overwrite"):
        write_simulated(parquet, 1, **QUICK)

    def fail(*_):
        raise RuntimeError("out of ideas")

    monkeypatch.setattr(rows.Simulation, "draw", fail)
    with pytest.raises(RuntimeError, match="out of ideas"):
        write_simulated(parquet, 1, overwrite=True, **QUICK)
    assert parquet.read_bytes() == before
    assert [path.name for path in parquet.parent.iterdir()] == [parquet.name]
