# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of files of other programs: archives, trees of arrays, models, and what is named in words and not opened."""

import io
import json
import pickle
import tarfile

import numpy as np
import pytest
from _foreign import write_idl
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable

from astro_spectok import read
from astro_spectok.spectra.loaders._refusal import MAX_LENGTH

WAVE = 4000 + 1.5 * np.arange(200.0)
FLUX = 3 + np.sin(WAVE / 60) + np.random.default_rng(0).normal(0, 0.05, 200)
ERROR = np.full(200, 0.05)


def rows(*columns):
    return "".join(" ".join(repr(float(value)) for value in row) + "\n" for row in zip(*columns, strict=True))


def check(spectrum, *, flux=FLUX, error=None):
    """Wavelengths, flux up to its scale, and the standard deviation."""
    np.testing.assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE, rtol=1e-6)
    np.testing.assert_allclose(spectrum.flux.value / spectrum.flux.value[0], flux / flux[0], rtol=1e-3)
    if error is not None:
        np.testing.assert_allclose(spectrum.uncertainty.array / spectrum.flux.value, error / flux, rtol=1e-4)


FOREIGN = {
    "web page": (b"<!DOCTYPE html>\n<html>Please log in\n" + b"1 2\n" * 30, "is a web page in place of the file"),
    "web page of xml": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x">\n<html>' + b"1 2\n" * 30, "is a web page"),
    "message of a server": (b'<?xml version="1.0"?>\n<Error><Code>x</Code></Error>', "is an XML document (<error>)"),
    "drawing": (b"<svg xmlns='x'><path d='M\n" + b"4000 1\n" * 30, "is an SVG drawing"),
    "printed page": (b"%!PS-Adobe\n" + b"4000 1\n" * 30, "is a PostScript document"),
    "pickle 0": (pickle.dumps({"wave": WAVE}, 0), "is a Python pickle"),
    "pickle 1": (pickle.dumps({"wave": WAVE}, 1), "is a Python pickle"),
    "pickle 2": (pickle.dumps({"wave": WAVE}, 2), "is a Python pickle"),
    "pickle 5": (pickle.dumps({"wave": WAVE}, 5), "is a Python pickle"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(50), "is a 7z archive"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(50), "is packed with Zstandard"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "is a pointer of Git LFS"),
    "matlab": (b"MATLAB 5.0 MAT-file" + bytes(200), "is no MATLAB file that can be read"),
    "binary.sdf": (b"\x01SDS" + bytes(300), "is a Starlink NDF"),
    "cut ASDF": (b"#ASDF 1.0.0\n%YAML 1.1\n---\na: [1,\n", "is no ASDF file that asdf reads"),
    "cut IDL": (b"SR\x00\x04\x00\x00\x00\x02", "is no IDL save file that scipy reads"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_refused_in_words(tmp_path, case):
    """Says what the file is."""
    content, words = FOREIGN[case]
    name = case.replace(" ", "_")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OSError, match=r"^\w") as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(f"{name} {words}")
    assert len(str(caught.value)) <= MAX_LENGTH


def test_names_in_brackets_are_no_page(tmp_path):
    """Nor does a page's sign alone make one."""
    (tmp_path / "a.txt").write_text("<wave> <flux> <err>\n" + rows(WAVE, FLUX, ERROR))
    check(read(tmp_path / "a.txt"), error=ERROR)


def test_what_is_no_file(tmp_path):
    """Says whether it is a folder of Zarr, a device or a link to nothing."""
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / ".zgroup").touch()
    with pytest.raises(OSError, match="is a folder of Zarr arrays"):
        read(tmp_path / "a.zarr")
    with pytest.raises(OSError, match="is a device and no file"):
        read("/dev/null")
    (tmp_path / "link.fits").symlink_to(tmp_path / "nothing.fits")
    with pytest.raises(FileNotFoundError, match="leads nowhere"):
        read(tmp_path / "link.fits")


@pytest.mark.parametrize("packed", ["", ":gz"])
def test_tar(tmp_path, packed):
    """Every file with a spectrum is read, links and remarks are not."""
    with tarfile.open(tmp_path / "a.tar", "w" + packed) as archive:
        for name in ("x/a.txt", "x/._a.txt", "b.txt"):
            content = rows(WAVE, FLUX, ERROR).encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("c.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    spectra = read(tmp_path / "a.tar")
    assert [spectrum.meta["member"] for spectrum in spectra] == ["x/a.txt", "b.txt"]
    check(spectra[1], error=ERROR)


def test_asdf(tmp_path):
    """Spectra of specutils, and mappings of arrays, with units or without."""
    asdf = pytest.importorskip("asdf")
    one = {"wl": WAVE / 1e4, "flux": FLUX, "flux_error": ERROR}
    asdf.AsdfFile({"roman": {"data": {"1": one, "2": dict(one)}}}).write_to(tmp_path / "a.asdf")
    spectra = read(tmp_path / "a.asdf")
    assert len(spectra) == 2
    check(spectra[1], error=ERROR)
    asdf.AsdfFile({"wave": (WAVE * u.AA).to(u.nm), "flux": FLUX * u.Jy}).write_to(tmp_path / "b.asdf")
    found = read(tmp_path / "b.asdf")
    assert found.flux.unit == u.Jy
    check(found)
    asdf.AsdfFile({"t": QTable({"wave": WAVE * u.AA, "flux": FLUX * u.Jy})}).write_to(tmp_path / "c.asdf")
    check(read(tmp_path / "c.asdf"))


@pytest.mark.parametrize("packed", [False, True])
def test_idl_save(tmp_path, packed, monkeypatch):
    """Variables by their names; what unpacks to too much is refused before it is unpacked."""
    path = write_idl(tmp_path / "a.sav", packed=packed, wave=WAVE, flux=FLUX, err=ERROR)
    check(read(path), error=ERROR)
    monkeypatch.setattr("astro_spectok.spectra.loaders.binary_tables.MAX_BYTES", 1000)
    with pytest.raises(OSError, match="holds arrays of more than"):
        read(path)


def test_pickles_of_pandas_in_hdf5(tmp_path):
    """Frames whose cells are arrays, as MAROON-X has them, are refused as such; plain arrays beside them are read."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.hd5"
    with h5py.File(path, "w") as file:
        group = file.create_group("spec_blue")
        group.attrs["pandas_type"], group["axis1_label0"] = np.bytes_("frame"), np.arange(5)
        cells = group.create_dataset("block0_values", (1,), dtype=h5py.vlen_dtype(np.uint8))
        cells[0], cells.attrs["PSEUDOATOM"] = np.arange(9, dtype=np.uint8), np.bytes_("object")
    with pytest.raises(OSError, match=r"frames \(spec_blue\) hold Python pickles; .*pandas.read_hdf") as raised:
        read(path)
    assert len(str(raised.value)) <= 200
    with h5py.File(path, "a") as file:
        file["wave"], file["flux"] = WAVE, FLUX
    check(read(path))


def test_hdf5_of_other_habits(tmp_path):
    """Vectors of two axes behind MATLAB's header, spectra in columns, wavelengths above the groups of the fluxes."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["wave"], file["flux"] = WAVE[None], FLUX[:, None]
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["wave"], file["flux"] = WAVE, np.stack([FLUX, 2 * FLUX], axis=1)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["wave"], file["one/flux"], file["two/flux"] = WAVE, FLUX, FLUX
        file["loop"], file["elsewhere"] = h5py.SoftLink("/nowhere"), h5py.ExternalLink("other.h5", "/flux")
    check(read(tmp_path / "a.mat"))
    assert read(tmp_path / "b.h5").shape == (2, 200)
    check(read(tmp_path / "b.h5")[1])
    assert [check(spectrum) for spectrum in read(tmp_path / "c.h5")] == [None, None]


def test_columns_within_columns(tmp_path):
    """Structures of Parquet, and arrays of HDF5 whose names begin alike, as in collections for training."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    one = {"flux": FLUX.tolist(), "ivar": (ERROR**-2).tolist(), "lambda": WAVE.tolist()}
    parquet.write_table(pa.table({"spectrum": [one], "Z": [0.1]}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    check(found)
    np.testing.assert_allclose(found.uncertainty.array, ERROR**-2)
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spectrum_flux"], file["spectrum_lambda"] = np.stack([FLUX, FLUX]), np.stack([WAVE, WAVE])
        file["Z"] = np.zeros(2)
    assert read(tmp_path / "a.h5").shape == (2, 200)


def series(values):
    return {str(number): value for number, value in enumerate(values.tolist())}


JSON = {
    "units": {
        "wavelength": {"unit": "nm", "values": (WAVE / 10).tolist()},
        "flux": {"values": FLUX.tolist()},
        "error": {"values": ERROR.tolist()},
    },
    "rows": {"data": np.stack([WAVE, FLUX, ERROR], axis=1).tolist()},
    "by index": {"wave": series(WAVE), "flux": series(FLUX), "err": series(ERROR)},
    "split": {"columns": ["wave", "flux", "err"], "data": np.stack([WAVE, FLUX, ERROR], axis=1).tolist()},
}


@pytest.mark.parametrize("case", JSON)
def test_json_of_other_habits(tmp_path, case):
    """Lists beside their units, rows, and what pandas writes."""
    (tmp_path / "a.json").write_text(json.dumps(JSON[case]))
    check(read(tmp_path / "a.json"), error=ERROR)


def test_a_json_in_each_line(tmp_path):
    """Pixels or spectra."""
    pixels = ({"wave": w, "flux": f} for w, f in zip(WAVE.tolist(), FLUX.tolist(), strict=True))
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(one) for one in pixels))
    check(read(tmp_path / "a.jsonl"))
    one = json.dumps({"wave": WAVE.tolist(), "flux": FLUX.tolist()})
    (tmp_path / "b.jsonl").write_text(f"{one}\n{one}\n")
    assert len(read(tmp_path / "b.jsonl")) == 2


FIELD = '<FIELD name="{}" utype="{}" datatype="double" unit="{}"/>'
VOTABLE = (
    '<?xml version="1.0"?><vot:VOTABLE version="1.2" xmlns:vot="http://www.ivoa.net/xml/VOTable/v1.2"><vot:RESOURCE>'
    '<vot:TABLE><vot:FIELD name="key" datatype="int"/><vot:DATA><vot:TABLEDATA><vot:TR><vot:TD>1</vot:TD></vot:TR>'
    "</vot:TABLEDATA></vot:DATA></vot:TABLE><vot:TABLE>"
    + FIELD.format("a", "spec:Data.SpectralAxis.Value", "nm")
    + FIELD.format("b", "spec:Data.FluxAxis.Value", "")
    + FIELD.format("c", "spec:Data.FluxAxis.Accuracy.StatError", "")
    + "<vot:DATA><vot:TABLEDATA>{}</vot:TABLEDATA></vot:DATA></vot:TABLE></vot:RESOURCE></vot:VOTABLE>"
).replace("<FIELD", "<vot:FIELD")


def test_votable_by_utypes(tmp_path):
    """The one table with a spectrum, in a namespace, by what the data model of spectra calls its columns."""
    cells = "".join(
        f"<TR><TD>{w / 10!r}</TD><TD>{f!r}</TD><TD>0.05</TD></TR>"
        for w, f in zip(WAVE.tolist(), FLUX.tolist(), strict=True)
    )
    cells = cells.replace("<", "<vot:").replace("<vot:/", "</vot:")
    (tmp_path / "a.xml").write_text(VOTABLE.replace("{}", cells))
    check(read(tmp_path / "a.xml"), error=ERROR)


def test_coordinates_in_ecsv(tmp_path):
    """Are columns without a unit of their own."""
    from astropy.coordinates import SkyCoord

    sky = SkyCoord(np.ones(200) * u.deg, np.ones(200) * u.deg)
    QTable({"wave": WAVE * u.AA, "flux": FLUX * u.Jy, "sky": sky}).write(tmp_path / "a.ecsv")
    check(read(tmp_path / "a.ecsv"))


def test_phoenix_text(tmp_path):
    """Logarithms, exponents of Fortran, no blank before a minus, wavelengths in disorder, a black body behind them."""
    order = np.arange(200)
    order[[4, 5]] = 5, 4
    lines = (
        f"{w:.8E}{f - 20:+.6f}D+00 {f - 19:.6f}D+00\n".replace("E", "D")
        for w, f in zip(WAVE[order], np.log10(FLUX[order]), strict=True)
    )
    (tmp_path / "lte058-4.5-0.0a+0.0.BT-Settl.7").write_text("".join(lines))
    found = read(tmp_path / "lte058-4.5-0.0a+0.0.BT-Settl.7")
    assert found.uncertainty is None
    check(found)


def test_fluxes_that_can_only_be_logarithms(tmp_path):
    """All of them far below zero."""
    (tmp_path / "a.txt").write_text(rows(WAVE, np.log10(FLUX * 1e-15)))
    check(read(tmp_path / "a.txt"))


def test_wavelengths_in_a_file_beside(tmp_path):
    """Two folders above for PHOENIX, by its name for others; alone they are no spectrum."""
    folder = tmp_path / "PHOENIX-ACES" / "Z-0.0"
    folder.mkdir(parents=True)
    fits.PrimaryHDU(FLUX, fits.Header({"PHXTEFF": 5800})).writeto(folder / "lte05800.HiRes.fits")
    grid = tmp_path / "WAVE_PHOENIX-ACES-AGSS-COND-2011.fits"
    fits.PrimaryHDU(WAVE, fits.Header({"UNIT": "Angstrom"})).writeto(grid)
    found = read(folder / "lte05800.HiRes.fits")
    check(found)
    assert found.meta["medium"] == "vacuum"
    with pytest.raises(OSError, match="holds wavelengths and no flux"):
        read(grid)
    fits.PrimaryHDU(FLUX).writeto(tmp_path / "star_flux.fits")
    fits.PrimaryHDU(WAVE).writeto(tmp_path / "star_wave.fits")
    check(read(tmp_path / "star_flux.fits"))


def test_wavelengths_that_may_be_anything(tmp_path):
    """From 90 to 300 without a unit they are Angstrom, nm, micron or GHz."""
    (tmp_path / "a.txt").write_text(rows(np.linspace(229, 231, 200), FLUX))
    with pytest.raises(OSError, match="wave_unit"):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("name", ["object", "spec_id"])
def test_objects_in_one_table(tmp_path, separator, interleaved, name):
    """Rows belong together by a column of names or numbers, and are not mixed where wavelengths repeat."""
    labels = ["a", "b"] if name == "object" else ["7", "9"]
    lines = [
        separator.join([label, repr(w), repr(f * scale)])
        for label, scale in zip(labels, (1, 2), strict=True)
        for w, f in zip(WAVE.tolist(), FLUX.tolist(), strict=True)
    ]
    lines = [line for pair in zip(lines[:200], lines[200:], strict=True) for line in pair] if interleaved else lines
    (tmp_path / "a.csv").write_text(separator.join([name, "wave", "flux"]) + "\n" + "\n".join(lines))
    spectra = read(tmp_path / "a.csv")
    assert len(spectra) == 2
    check(spectra[0])
    check(spectra[1])
    assert spectra[1].flux.value[0] == pytest.approx(2 * spectra[0].flux.value[0])


def test_header_of_fits_above_columns(tmp_path):
    """Is text, as is a minus of typesetters."""
    text = "SIMPLE  =                    T / x\nOBJECT  = 'SN2020x'\nEND\n" + rows(WAVE, FLUX * 1e-15, ERROR * 1e-15)
    (tmp_path / "a.txt").write_text(text.replace("e-", "e\u2212"), encoding="utf-8")
    check(read(tmp_path / "a.txt"), error=ERROR)
