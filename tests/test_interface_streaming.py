# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files in chunks: the same table as all at once, each file read when its turn comes, one warning for all."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from numpy.testing import assert_allclose

from astro_spectok import embed, embed_files
from astro_spectok.cli import main
from astro_spectok.engine.runner import Runner
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.interface import streaming
from astro_spectok.spectra import files

WAVE = np.linspace(4000, 7000, 400)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Seven files, of which two hold no spectrum."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(3)
    out = [folder / f"{k}.txt" for k in range(7)]
    for k, path in enumerate(out):
        if k in (1, 5):
            path.write_text("clouds")
        else:
            flux = 1 + 0.5 * np.exp(-0.5 * ((WAVE - 5000 - 100 * k) / 20) ** 2) + rng.normal(0, 0.05, len(WAVE))
            np.savetxt(path, np.c_[WAVE, flux, np.full(len(WAVE), 0.05)], header="wave[Angstrom] flux[Jy] err[Jy]")
    return out


@pytest.mark.parametrize("measure", ["embed", "redshift"])
def test_chunks_change_nothing(paths, redshift_weights, monkeypatch, measure):
    def run():
        options = {"medium": "vacuum", "progress": False}
        if measure == "embed":
            return embed_files(paths, weights=redshift_weights, **options)
        return RedshiftEstimator(redshift_weights, "cpu").estimate_files(paths, **options)

    with pytest.warns(FlaggedSpectraWarning):
        whole = run()
    monkeypatch.setattr(streaming, "MOST_SPECTRA", 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chunked = run()
    assert chunked.colnames == whole.colnames
    assert [str(x) for x in chunked["file"]] == [str(path) for path in paths]
    for name in ("embedding",) if measure == "embed" else ("z", "z_err"):
        assert_allclose(chunked[name], whole[name], rtol=1e-4, atol=1e-6)
        assert chunked[name].info.description == whole[name].info.description
    assert chunked["message"].tolist() == whole["message"].tolist()
    same = [key for key in whole.meta if key not in ("date",)]
    assert {key: chunked.meta[key] for key in same} == {key: whole.meta[key] for key in same}
    # all files are one work: one warning, with the numbers of all
    (one,) = [one for one in caught if issubclass(one.category, FlaggedSpectraWarning)]
    assert "2 of 7 spectra could not be used" in str(one.message)
    assert "the first is number 1" in str(one.message)


def test_files_are_read_when_their_turn_comes(paths, redshift_weights, monkeypatch):
    """No more than two chunks are open at a time."""
    monkeypatch.setattr(streaming, "MOST_SPECTRA", 2)
    read, opened, measured = files.read, [], []
    monkeypatch.setattr(files, "read", lambda path, **options: opened.append(path) or read(path, **options))

    def measure(batch, progress):
        measured.append((len(opened), len(batch)))
        return RedshiftEstimator(redshift_weights, "cpu").estimate(batch, progress=progress)

    with pytest.warns(FlaggedSpectraWarning):
        streaming.measure_in_chunks(paths, measure, medium="vacuum", progress=False)
    assert measured == [(4, 2), (4, 2), (6, 2), (7, 1)]


def test_models_are_written_as_files_pass(paths, redshift_weights, monkeypatch, tmp_path):
    monkeypatch.setattr(streaming, "MOST_SPECTRA", 2)
    options = ["-o", tmp_path / "out.ecsv", "--model", tmp_path / "models", "--weights", redshift_weights, "--quiet"]
    assert main(["redshift", *map(str, paths), "--medium", "vacuum", *map(str, options)]) == 3
    models = sorted(path.name for path in (tmp_path / "models").iterdir())
    assert models == [f"{k}.model.fits" for k in (0, 2, 3, 4, 6)]
    assert len(fits.getdata(tmp_path / "models" / "3.model.fits")) == len(WAVE)


def test_rows_of_orders_say_which_they_are(paths, redshift_weights, tmp_path, capsys):
    """A column only where a file holds several orders; those of other files have none there."""
    orders = tmp_path / "orders.txt"
    wave = np.concatenate([np.linspace(4000, 5000, 300), np.linspace(4900, 6000, 300)])
    np.savetxt(orders, np.c_[wave, np.ones(600), np.full(600, 0.1)], header="wave[Angstrom] flux[Jy] err[Jy]")
    options = {"weights": redshift_weights, "medium": "vacuum", "progress": False}
    table = embed_files([paths[0], orders], **options)
    assert table.colnames[:2] == ["file", "part"]
    assert table["part"].tolist() == ["", "order 0", "order 1"]
    assert "part" not in embed_files([paths[0], paths[2]], **options).colnames
    assert "part" not in embed_files([orders], join=True, **options).colnames
    main(["redshift", str(orders), "--weights", str(redshift_weights), "--medium", "vacuum", "--quiet"])
    assert "order 1" in capsys.readouterr().out


def test_error_of_a_generator_is_passed_on_before_anything_is_measured(paths, redshift_weights, monkeypatch):
    """Of spectra and of names of files: no result can be lost, since there is none yet."""

    def break_off(items):
        yield from items
        raise OSError("the archive went away")

    measured, estimator = [], RedshiftEstimator(redshift_weights, "cpu")
    monkeypatch.setattr(Runner, "encode", lambda *args, **options: measured.append(args))
    monkeypatch.setattr(streaming, "MOST_SPECTRA", 1)
    one = (WAVE * u.AA, np.ones(len(WAVE)) * u.Jy)
    for call in (estimator.estimate, lambda given: embed(given, weights=redshift_weights)):
        with pytest.raises(OSError, match="the archive went away"):
            call(break_off([one, one]))
    for call in (estimator.estimate_files, lambda given: embed_files(given, weights=redshift_weights)):
        with pytest.raises(OSError, match="the archive went away"):
            call(break_off(paths[:1]))
    assert not measured
