# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Surveys: every spectrum of every layout is one row, with its ids; what is broken is an error of its own."""

import errno
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from _multimodal import make_rows, write_parquet
from _survey import TARGETS, make_desi, write_survey
from astropy import units as u
from astropy.table import QTable
from conftest import assert_same_vectors

from astro_spectok import embed, survey
from astro_spectok.cli import main
from astro_spectok.survey import plan, tables
from astro_spectok.survey.inputs import list_inputs
from astro_spectok.survey.manifest import read_inputs
from astro_spectok.survey.progress import Log
from astro_spectok.utils.run_lock import lock_run


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Path of the small survey."""
    return write_survey(tmp_path_factory.mktemp("survey"))


def test_rows_before_the_one_at_which_reading_breaks_off_are_kept(tmp_path, tiny_weights, monkeypatch):
    """Those behind it are counted as lost, and other files are measured."""
    for number in (0, 1):
        write_parquet(tmp_path / f"train-{number}.parquet", make_rows(6, seed=number, level=30))
    whole = tables.ParquetTable.stream

    def stream(self, group, start, stop, size, *rest):
        yield from whole(self, group, start, start + 1, size, *rest)
        if not lost:
            lost.append(stop - start - 1)
            raise OSError("the archive went away")
        yield from whole(self, group, start + 1, stop, size, *rest)

    lost = []
    monkeypatch.setattr(tables.ParquetTable, "stream", stream)
    out = survey.run(tmp_path, tmp_path / "out", "embed", weights=tiny_weights, partition=6, progress=False)
    assert lost[0] > 0
    assert len(out.read()) == 12 - lost[0]
    errors = out.errors()
    assert errors["n_lost"].tolist() == lost
    assert (
        errors["message"][0]
        == "train-0.parquet cannot be read: OSError: the archive went away; fetch it again, or leave it out"
    )


@pytest.fixture(scope="module")
def found(tree, tiny_weights):
    """The small survey, measured in partitions of three."""
    out = tree.parent / f"{tree.name}-out"
    return survey.run(tree, out, "embed", weights=tiny_weights, partition=3, progress=False)


def test_every_spectrum_is_a_row(found, tree):
    """By file and row; the coadd alone of what DESI has of a healpix; two broken files cost a row of errors each."""
    table = found.read()
    names = [file.removeprefix(f"{tree}/") for file in table["file"]]
    expected = {
        "healpix/main/dark/7/707/coadd-main-dark-707.fits": 4, "mmu/healpix=1/001-of-001.hdf5": 3,
        "mmu/train-0.parquet": 5, "galaxy.fits": 1,
    }  # fmt: skip
    assert {name: names.count(name) for name in set(names)} == expected
    for name, n in expected.items():
        assert table["row"][[one == name for one in names]].tolist() == list(range(n))
    errors = found.errors()
    assert sorted(name.rpartition("/")[2] for name in errors["file"]) == ["broken.fits", "broken.parquet"]
    for file, message in errors.iterrows("file", "message"):
        assert message.startswith(file.rpartition("/")[2])
        assert "; " in message  # and what to do
    assert errors["n_lost"].tolist() == [0, 0]  # nobody knows
    assert (found.n_unusable, found.n_errors, len(found)) == (0, 2, 13)
    assert len(found.paths) == len({path.name for path in found.paths}) > 4


def test_ids_and_positions_are_kept(found):
    """Each under its own name and type, digits of 64 bits included; what an input lacks is marked as missing."""
    table = found.read(["file", "id", "TARGETID", "object_id", "TARGET_RA"])
    desi = [name.endswith("707.fits") for name in table["file"]]
    assert table["TARGETID"][desi].tolist() == TARGETS.tolist()
    assert table["id"][desi].tolist() == list(map(str, TARGETS))
    assert table["TARGET_RA"][desi].tolist() == [10, 11, 12, 13]
    assert (table["TARGETID"][~np.array(desi)] == -1).all()
    mmu = [name.endswith((".hdf5", ".parquet")) for name in table["file"]]
    assert table["object_id"][mmu].tolist() == table["id"][mmu].tolist() == ["0", "1", "2", "0", "1", "2", "3", "4"]
    assert table["id"][-1] != "" == table["object_id"][desi][0]


def test_results_are_those_of_embed(found, tree, tiny_weights):
    """Whatever the layout, and whatever else is in the partition."""
    table = found.read()
    desi = [name.endswith("707.fits") for name in table["file"]]
    path = next(tree.rglob("coadd-*.fits"))
    wanted = embed(path, weights=tiny_weights)
    assert_same_vectors(table["embedding"][desi], wanted)
    galaxy = [name.endswith("galaxy.fits") for name in table["file"]]
    assert_same_vectors(table["embedding"][galaxy][0], embed(tree / "galaxy.fits", weights=tiny_weights))


def test_others_read_it(found):
    """Astropy with units, as Parquet and as VOTable in Parquet; pandas as one dataset; Arrow has all in the schema."""
    path = found.paths[0]
    table = QTable.read(path)
    assert table["wave_max"].unit == u.AA
    assert table["embedding"].shape == (len(table), 16)
    assert table["embedding"].info.description == "the spectrum as a vector"
    assert table.meta["weights_sha256"] == json.loads((found.out / "manifest.json").read_text())["weights_sha256"]
    assert QTable.read(path, format="parquet.votable")["wave_max"].unit == u.AA
    frame = pd.read_parquet(found.out / "results")
    assert len(frame) == len(found)
    assert frame["embedding"].iloc[0].shape == (16,)
    schema = pq.read_schema(path)
    assert schema.field("wave_max").metadata == {b"unit": b"Angstrom", b"description": b"last good wavelength, vacuum"}
    assert str(schema.field("embedding").type).startswith("fixed_size_list")
    assert {b"astro_spectok.torch", b"astro_spectok.date", b"astro_spectok.call"} <= set(schema.metadata)
    found.write_single(found.out.parent / f"{found.out.name}.parquet")
    single = QTable.read(found.out.parent / f"{found.out.name}.parquet")
    assert single["file"].tolist() == found.read(["file"])["file"].tolist()


def test_done_is_done_and_another_run_is_refused(found, tree, tiny_weights, redshift_weights, tmp_path):
    """The same call measures nothing; other options, inputs or weights are named and refused, never mixed."""
    before = {path: path.stat().st_mtime_ns for path in found.paths}
    call = dict(weights=tiny_weights, partition=3, progress=False)
    survey.run(tree, found.out, "embed", **call)
    for other, what in (
        (dict(partition=4), "partition"),
        (dict(weights=redshift_weights), "the weights"),
        (dict(medium="air"), "options of reading"),
        (dict(keep=["object_id"]), "the columns that are kept"),
        (dict(device="cpu"), r"options \(device\)"),
    ):
        with pytest.raises(ValueError, match=f"holds a run that differs in {what}; give another folder"):
            survey.run(tree, found.out, "embed", **call | other)
    with pytest.raises(ValueError, match=r"the inputs \(broken.fits is gone\)"):
        survey.run([tree / "galaxy.fits", tree / "mmu"], found.out, "embed", **call)
    assert {path: path.stat().st_mtime_ns for path in found.paths} == before
    with lock_run(found.out), pytest.raises(BlockingIOError, match="another run is at work"):
        survey.run(tree, found.out, "embed", **call)


def test_changed_input_is_noticed(tiny_weights, tmp_path):
    """Between two runs, which restart begins anew, and within one."""
    path = tmp_path / "rows.parquet"
    write_parquet(path, make_rows(3))
    call = dict(weights=tiny_weights, progress=False)
    assert len(survey.run(path, tmp_path / "out", "embed", **call)) == 3
    (files,) = read_inputs(tmp_path / "out" / "inputs.parquet")
    write_parquet(path, make_rows(2))
    with pytest.raises(ValueError, match=r"the inputs \(rows.parquet was changed\)"):
        survey.run(path, tmp_path / "out", "embed", **call)
    assert len(survey.run(path, tmp_path / "out", "embed", restart=True, **call)) == 2
    stale = plan.gather([files], [("parquet", [2, 1])], 2)
    with pytest.raises(survey.reading.ChangedInputError, match="was changed while the run was at work"):
        list(survey.reading.read_chunks(stale[0].pieces, kept={}, reading={}))


def test_a_full_disk_stops_in_words_and_is_gone_on_with(tiny_weights, tmp_path, monkeypatch):
    """What is finished stays, also where not even the log has room."""
    path, out, write = tmp_path / "rows.parquet", tmp_path / "out", survey.work.write_part
    write_parquet(path, make_rows(4))
    call = dict(weights=tiny_weights, partition=1, progress=False)

    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write_two(target, *args):
        if target.name == "part-000002.parquet":
            patch.setattr(Log, "write", fail)
            fail()
        write(target, *args)

    with monkeypatch.context() as patch:
        patch.setattr(survey.work, "write_part", write_two)
        with pytest.raises(OSError, match=r"no space is left for .*out; finished partitions are kept: make room"):
            survey.run(path, out, "embed", **call)
    assert len(list((out / "results").iterdir())) == 2
    assert len(survey.run(path, out, "embed", **call)) == 4


def test_subset_by_ids(tree, tiny_weights, tmp_path):
    """Only these; files without any are not even measured, and what is not there is counted."""
    names = tmp_path / "names.txt"
    names.write_text(f"# two of them\n{TARGETS[2]}\n{TARGETS[1]}\nnowhere\n")
    found = survey.run(tree / "healpix", tmp_path / "out", "embed", weights=tiny_weights, ids=names, progress=False)
    assert found.read(["TARGETID"])["TARGETID"].tolist() == TARGETS[[1, 2, 3]].tolist()
    assert found.n_missing == 1
    none = survey.run(tree / "mmu", tmp_path / "none", "embed", weights=tiny_weights, ids=["x"], progress=False)
    assert (len(none), none.n_missing) == (0, 1)
    call = ["survey", "embed", tree / "healpix", "-o", tmp_path / "out", "--weights", tiny_weights, "--ids", names]
    assert main([*map(str, call), "--restart"]) == 3


def test_rows_of_large_files_are_read_as_they_are_needed(tree, tiny_weights, tmp_path, monkeypatch):
    """Pieces of a DESI file give what the whole file gives; the last columns of the input may be named."""
    monkeypatch.setattr(plan, "LARGE_BYTES", 1000)
    call = dict(weights=tiny_weights, partition=3, keep=["SURVEY"], progress=False)
    found = survey.run(tree / "healpix", tmp_path / "out", "embed", **call)
    assert [pq.read_metadata(path).num_rows for path in found.paths] == [2, 2]
    table = found.read()
    assert table["SURVEY"].tolist() == ["main"] * 4
    assert table["name"].tolist() == list(map(str, TARGETS))
    assert_same_vectors(table["embedding"], embed(next(tree.rglob("coadd-*.fits")), weights=tiny_weights))


def test_medium_and_resolution_count_for_rows_too(tree, tiny_weights, tmp_path):
    """As they do for files that are read as a whole."""
    vectors = [
        survey.run(tree / "mmu", tmp_path / name, "embed", weights=tiny_weights, progress=False, **options).read()
        for name, options in (("a", {}), ("b", {"medium": "air"}), ("c", {"resolution": 500}))
    ]
    a, b, c = (table["embedding"] for table in vectors)
    assert (abs(b - a).max(axis=1) > 0).all()
    assert (abs(c - a).max(axis=1) > 0).all()


def test_command_says_how_many(tree, tiny_weights, tmp_path, capsys):
    """Exit status 3 where files could not be read, 0 where all is well; the command is in the provenance."""
    args = ["survey", "embed", f"{tree}", "-o", f"{tmp_path}/out", "--weights", f"{tiny_weights}"]
    assert main([*args, "--partition", "9", "--progress"]) == 3
    out, err = capsys.readouterr()
    assert "13 spectra, 0 flagged as unusable; 2 files not read" in out
    assert "embed: 13 of about 13 spectra (100 %)" in err
    assert survey.Survey(tmp_path / "out").read(["id"]).meta["call"].startswith("spectok survey embed")
    log = (tmp_path / "out" / "survey.log").read_text()
    assert "broken.parquet" in log
    assert "done: 13 spectra" in log
    args[2], args[4] = f"{tree}/mmu/healpix*", f"{tmp_path}/second"
    assert main(["--quiet", *args[:2], f"{tree}/galaxy.fits", *args[3:]]) == 0
    assert main([*args[:-1], "none.safetensors"]) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(task="colour"), ValueError, "task must be one of redshift, stellar, galaxy, transient, embed, pre"),
        (dict(n_best=3), TypeError, "embed has no option n_best"),
        (dict(task="stellar", n_best=3), TypeError, "stellar has no option n_best; there are assume_star"),
        (dict(workers=0), ValueError, "workers must be an integer above zero, got 0"),
        (dict(partition=1.5), TypeError, "partition must be an integer above zero, got 1.5"),
        (dict(keep=["colour"]), ValueError, "keep must name columns of the input, got colour; there are "),
        (dict(ids=[]), ValueError, "ids must name at least one object"),
        (dict(ids="nowhere.txt"), ValueError, "ids must be a list, or a text file with one on each line"),
        (dict(medium="ether"), ValueError, "medium must be"),
        (dict(inputs=[]), FileNotFoundError, "inputs must name at least one file"),
        (dict(inputs=None), TypeError, "inputs must be names of files, folders, patterns or @lists; got NoneType"),
        (dict(inputs=[1]), TypeError, "inputs must be names of files, folders, patterns or @lists; got int"),
        (dict(out=None), TypeError, "out must be the name of a folder; got NoneType"),
        (dict(inputs="/nowhere/*.fits"), FileNotFoundError, "no file matches"),
        (dict(task=survey.tasks.RedshiftEstimator(), n_best=3), ValueError, "an estimator has its own parameters"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_words(tree, tmp_path, options, error, message):
    """Before anything is written."""
    options = {"inputs": tree, "out": tmp_path / "out", "task": "embed"} | options
    with pytest.raises(error, match=message):
        survey.run(**options)
    assert not (tmp_path / "out" / "results").exists()


def test_columns_by_name(found):
    """One alone, and one that is not there."""
    assert found.read("id").colnames == ["id"]
    with pytest.raises(ValueError, match=r"columns must be among file, row, id.*; got 'ident'"):
        found.read(["id", "ident"])


def test_output_is_no_input_and_no_other_folder(tree, tmp_path):
    """Nothing of the user is taken for a run, nor a run for an input."""
    with pytest.raises(ValueError, match="out must lie outside the inputs"):
        survey.run(tree, tree, "embed")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds results or errors without a manifest"):
        survey.run(tree / "galaxy.fits", tmp_path, "embed", restart=True)
    assert (tmp_path / "results" / "mine.txt").exists()
    with pytest.raises(FileExistsError, match="out must be a folder, or a name that is free"):
        survey.run(tree / "galaxy.fits", tmp_path / "results" / "mine.txt", "embed")
    with pytest.raises(OSError, match=r"mine.txt/out cannot be written to: Not a directory; give another folder"):
        survey.run(tree / "galaxy.fits", tmp_path / "results" / "mine.txt" / "out", "embed")
    with pytest.raises(FileNotFoundError, match="holds no run of a survey"):
        survey.Survey(tmp_path)


def test_estimators_have_their_own_settings(tree, redshift_weights, tmp_path):
    """An estimator of the user's, and what is asked by name, are the same run."""
    estimator = survey.tasks.RedshiftEstimator(redshift_weights, "cpu", n_best=3)
    found = survey.run(tree / "galaxy.fits", tmp_path / "a", estimator, progress=False)
    assert "z_3" in found.read().colnames
    options = dict(weights=redshift_weights, device="cpu", n_best=3, posterior=True)
    other = survey.run(tree / "galaxy.fits", tmp_path / "b", "redshift", progress=False, **options)
    assert other.read()["z"][0] == found.read()["z"][0]
    estimator = survey.tasks.RedshiftEstimator(redshift_weights, prior=lambda z: z)
    with pytest.raises(TypeError, match="prior must be something that can be pickled"):
        survey.run(tree / "galaxy.fits", tmp_path / "c", estimator)


def test_pieces_cover_every_row_once():
    """However files and partitions are cut."""
    files = list_inputs([__file__]) * 4
    counts = [("parquet", [7, 0, 1000]), ("desi", [11]), ("file", [50]), ("hdf5", [3])]
    for size in (1, 4, 10, 5000):
        pieces = [piece for part in plan.gather(files, counts, size) for piece in part.pieces]
        rows = {}
        for file, (layout, sizes) in enumerate(counts):
            mine = [piece for piece in pieces if piece.layout == layout]
            seen = np.concatenate([np.arange(one.first + one.start, one.first + one.stop) for one in mine])
            assert seen.tolist() == list(range(sum(sizes)))
            rows[file] = seen
        assert [part.number for part in plan.gather(files, counts, size)] == list(
            range(len(plan.gather(files, counts, size)))
        )


def test_desi_arms_that_do_not_match_are_refused(tmp_path, tiny_weights, monkeypatch):
    """A file whose arms have other numbers of rows than its fibermap is an error, not wrong rows."""
    hdus = make_desi()
    hdus["R_FLUX"].data = hdus["R_FLUX"].data[:3]
    hdus.writeto(tmp_path / "coadd-bad.fits")
    monkeypatch.setattr(plan, "LARGE_BYTES", 1000)
    found = survey.run(tmp_path / "coadd-bad.fits", tmp_path / "out", "embed", weights=tiny_weights, progress=False)
    assert (len(found), found.n_errors) == (0, 1)


@pytest.fixture(scope="module")
def regressor(tiny_weights):
    """What was learned from the level of the spectra of the survey's kind."""
    pytest.importorskip("sklearn")
    from _adapt import make_labelled

    from astro_spectok.adapt import SpectrumRegressor, SpectrumSet

    spectra, labels = make_labelled(16)
    return SpectrumRegressor(tiny_weights, "cpu").fit(SpectrumSet(spectra, medium="vacuum"), labels["depth"] * u.K)


def test_what_was_learned_is_predicted_for_a_survey(regressor, tree, tiny_weights, tmp_path):
    """In Python and in the shell, as the estimator itself predicts; another estimator is another run."""
    path = regressor.save(tmp_path / "mine.safetensors")
    galaxy, out = tree / "galaxy.fits", tmp_path / "out"
    options = ["--model", path, "-o", out, "--weights", tiny_weights, "--quiet"]
    assert main(["survey", "predict", str(galaxy), *map(str, options)]) == 0
    table = survey.Survey(out).read()
    alone = regressor.estimate_files([galaxy], progress=False)
    name = next(name for name in alone.colnames if name.endswith("_err")).removesuffix("_err")
    assert table[name].unit == u.K
    np.testing.assert_allclose(table[name].value, alone[name].value, rtol=1e-4)
    # the same file is the same run, however it is asked for
    again = survey.run(galaxy, out, "predict", model=path, weights=tiny_weights, device="cpu", progress=False)
    assert len(again) == 1
    with pytest.raises(ValueError, match="options"):
        survey.run(galaxy, out, regressor, redshift=0.1, progress=False)
    with pytest.raises(TypeError, match="needs model, the file that 'spectok fit' wrote"):
        survey.run(galaxy, tmp_path / "other", "predict")
    with pytest.raises(TypeError, match="predict has no option depth"):
        survey.run(galaxy, tmp_path / "other", "predict", model=path, depth=3)
