# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Arrays in files of numpy, HDF5 and Parquet, records of json, and columns that other habits leave in the way."""

import json
import zipfile

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose
from specutils import Spectrum, SpectrumList

from astro_spectok import embed_files, read, tokenize
from astro_spectok.spectra import InputFlag, files, read_files, to_batch
from astro_spectok.spectra.files import OpenFiles
from astro_spectok.spectra.loaders import binary_tables

N = 300
WAVE = np.linspace(4000, 7000, N)
FLUX = 3 + np.sin(WAVE / 200) + np.random.default_rng(2).normal(0, 0.05, N)
ERROR = np.full(N, 0.05)


def check(spectrum, *, kind="std", factor=1.0):
    assert_allclose(spectrum.spectral_axis.to_value("Angstrom"), WAVE)
    assert_allclose(spectrum.flux.value, factor * FLUX)
    if kind is None:
        assert spectrum.uncertainty is None
    else:
        assert spectrum.uncertainty.uncertainty_type == kind


def test_npz(tmp_path):
    """What is not as long as the flux, and what is no number, has no part in it."""
    path = tmp_path / "a.npz"
    np.savez(path, wave=WAVE, flux=FLUX, ivar=ERROR**-2, z=np.array(0.1), name=np.array("star"), other=np.ones(7))
    check(read(path), kind="ivar")
    np.savez_compressed(path, wave=WAVE, flux=np.stack([FLUX, 2 * FLUX]), err=np.stack([ERROR, ERROR]))
    found = read(path)
    assert found.shape == (2, N)
    check(Spectrum.read(path)[1], factor=2.0)


def test_npy(tmp_path):
    """Columns, rows, and fields with names."""
    path = tmp_path / "a.npy"
    for array in (np.c_[WAVE, FLUX, ERROR], np.stack([WAVE, FLUX, ERROR])):
        np.save(path, array)
        check(read(path))
        assert "in this order" in read(path).meta["guesses"][0]
    np.save(path, np.rec.fromarrays([FLUX, WAVE], names="flux,lambda"))
    check(read(path), kind=None)


def test_hdf5(tmp_path):
    """Groups, tables, units as attributes, several spectra in one file."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, factor in (("one", 1.0), ("two", 2.0)):
            group = file.create_group(f"spectra/{name}")
            group["wavelength"], group["flux"], group["sigma"] = WAVE / 10, factor * FLUX, ERROR
            group["wavelength"].attrs["unit"] = "nm"
        file["photometry/mag"] = np.ones(5)
    found = read(path)
    assert isinstance(found, SpectrumList)
    check(found[0])
    check(found[1], factor=2.0)
    assert str(found[0].spectral_axis.unit) == "nm"
    table = tmp_path / "b.hdf5"
    Table({"wave": WAVE, "flux": FLUX, "err": ERROR}).write(table, path="x")
    check(read(table))


def test_parquet(tmp_path):
    """A row for each pixel, and a row for each spectrum."""
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "a.parquet"
    pandas.DataFrame({"wave": WAVE, "flux": FLUX, "flux_err": ERROR, "good": ["x"] * N}).to_parquet(path)
    check(read(path))
    rows = {"object": ["a", "b"], "wave": [WAVE, WAVE], "flux": [FLUX, 2 * FLUX]}
    pandas.DataFrame(rows).to_parquet(path)
    found = read(path)
    assert sum(np.prod(one.shape[:-1], dtype=int) for one in (found if isinstance(found, list) else [found])) == 2


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: np.savez(path, wave=WAVE), "has no wavelength and flux among its columns"),
        (lambda path: np.savez(path, time=WAVE, flux=FLUX), "is a light curve"),
        (lambda path: np.savez(path, wave=np.array([{}, {}])), "is no archive that numpy reads"),
        (lambda path: np.save(path, FLUX), r"is an array of shape \(300,\)"),
        (lambda path: np.save(path, np.array([{}] * 3)), "is no array that numpy reads"),
        (lambda path: zipfile.ZipFile(path, "w").writestr("readme.txt", "x"), "is a zip archive without a spectrum"),
        (lambda path: path.write_bytes(b"PAR1" + 20 * b"x"), "cannot be read"),
    ],
)
def test_refused(tmp_path, write, message):
    path = tmp_path / "a"
    write(path)
    made = next(tmp_path.iterdir())  # numpy adds an ending
    with pytest.raises(OSError, match=message) as raised:
        read(made)
    assert len(str(raised.value)) <= 200


def test_large_and_unreadable(tmp_path, monkeypatch):
    """Sizes are looked at before arrays are made; what is not installed is named."""
    np.savez_compressed(tmp_path / "a.npz", wave=WAVE, flux=FLUX)
    monkeypatch.setattr(binary_tables, "MAX_BYTES", 1000)
    with pytest.raises(OSError, match="arrays of more than"):
        read(tmp_path / "a.npz")
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(OSError, match="pip install h5py"):
        read(tmp_path / "a.h5")


def test_guesses_are_flagged(tmp_path):
    """In the flags, and in words in the metadata of what was measured."""
    np.savetxt(tmp_path / "a.txt", np.c_[WAVE, FLUX])
    np.savetxt(tmp_path / "b.txt", np.c_[WAVE, FLUX], header="wave[Angstrom] flux[Jy]")
    flags = [int(to_batch(read(tmp_path / name)).flags[0]) & InputFlag.GUESSED for name in ("a.txt", "b.txt")]
    assert flags == [InputFlag.GUESSED, 0]
    tokens = tokenize(read(tmp_path / "a.txt"), medium="air", device="cpu")
    assert tokens.meta["guesses"] == "wavelengths are Angstrom, by their values"


def test_files_are_read_once_for_tables_and_models(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, wave=WAVE, flux=FLUX, err=ERROR)
    pairs, times = list(read_files([path])), []
    monkeypatch.setattr(files, "read", lambda *args, **kwargs: times.append(args))
    assert [str(place) for place, _ in read_files(OpenFiles(pairs, 1))] == [str(path)]
    assert embed_files(OpenFiles(pairs, 1), device="cpu")["file"][0] == str(path)
    assert not times


def test_records_of_json(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"wave": w, "flux": f, "band": "r"} for w, f in zip(WAVE, FLUX, strict=True)]))
    check(read(path), kind=None)


@pytest.mark.parametrize("head", ["", "# # pix wave flux err\n"])
def test_a_column_that_counts(tmp_path, head):
    """Before the wavelengths, with names in a comment of two signs or without any."""
    path = tmp_path / "a.txt"
    path.write_text(
        head + "\n".join(f"{k} {float(w)!r} {float(f)!r} 0.05" for k, (w, f) in enumerate(zip(WAVE, FLUX, strict=True)))
    )
    check(read(path))


def test_errors_named_as_in_vizier(tmp_path):
    path = tmp_path / "a.fits"
    Table({"lambda": WAVE, "fnu": FLUX, "e_fnu": ERROR}).write(path)
    check(read(path))
