# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of what is no spectrum: one sentence says which file, what it is, and what to do; and of hostile files."""

import gzip
import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astro_spectok import embed_table, read
from astro_spectok.spectra import InputFlag, read_files, to_batch
from astro_spectok.spectra.loaders import _source
from astro_spectok.spectra.loaders._refusal import MAX_LENGTH, UnreadableFileError, refuse

N = 200
TIME = 59000 + np.sort(np.random.default_rng(0).uniform(0, 300, N))
LINES = np.sort(np.random.default_rng(3).uniform(3000, 9000, 150))


def table(**columns):
    return fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table(columns))])


def image(data, **cards):
    return fits.HDUList([fits.PrimaryHDU(data, fits.Header(cards))])


FITS = {
    "light curve": (table(TIME=TIME, FLUX=np.ones(N)), "is a light curve or time series (TIME, FLUX)"),
    "pixel stamps": (table(TIME=TIME[:9], FLUX=np.ones((9, 25))), "is a light curve or time series"),
    "catalogue": (table(RA=TIME, DEC=TIME, mag=TIME), "is a catalogue (RA, DEC, mag)"),
    "another table": (table(a=TIME, b=TIME), "has no wavelength and flux among its columns (a, b)"),
    "picture": (image(np.ones((50, 60))), "is an image of 60 x 50 pixels without wavelengths"),
    "picture of the sky": (
        image(np.ones((50, 60)), CTYPE1="RA---TAN", CRVAL1=150.0, CDELT1=-1e-4, CTYPE2="DEC--TAN"),
        "is an image of 60 x 50 pixels without wavelengths",
    ),
    "long slit": (
        image(np.random.default_rng(1).normal(size=(90, 400)), CRVAL1=4000.0, CDELT1=1.5, CUNIT1="Angstrom"),
        "is a two-dimensional image of 400 x 90 pixels",
    ),
    "no axis": (image(np.ones(500)), "has 500 values of flux and no wavelengths"),
    "pixel axis": (image(np.ones(500), CRVAL1=1.0, CDELT1=1.0), "has an axis that counts pixels"),
    "pixels in words": (image(np.ones(500), CRVAL1=7.0, CDELT1=2.0, CUNIT1="pixel"), "has 500 values of flux and no"),
    "pixel column": (table(wave=np.arange(1.0, 201), flux=np.ones(N)), "has an axis that counts pixels"),
    "pixels by name": (table(pixel=np.arange(100.0, 300), counts=np.ones(N)), "counts pixels and has no wavelengths"),
    "channels": (image(np.ones(500), CTYPE1="CHANNEL", CRVAL1=300.0, CDELT1=1.0), "has 500 values of flux and no"),
    "one value": (table(energy=np.ones(N), flux=np.ones(N)), "has an axis on which all values are 1 eV"),
    "radio": (image(np.ones(300), CTYPE1="VRAD", CRVAL1=4e4, CDELT1=212.0, CUNIT1="m/s"), "has an axis of velocities"),
    "transmission": (
        image(np.ones(300), CRVAL1=0.6, CDELT1=0.01, CUNIT1="um", BUNIT="Transmission"),
        "is a curve of transmission",
    ),
    "radio cube": (
        image(
            np.ones((30, 4, 5)),
            CTYPE1="RA---TAN",
            CTYPE2="DEC--TAN",
            CTYPE3="VELO-LSR",
            CRVAL3=1e3,
            CDELT3=50.0,
            CUNIT3="m/s",
        ),
        "has an axis of velocities",
    ),
    "filter curve": (table(wavelength=TIME, throughput=np.ones(N)), "is a filter or response curve"),
    "negative axis": (table(wave=-TIME, flux=np.ones(N)), "has an axis from"),
    "nothing": (fits.HDUList([fits.PrimaryHDU()]), "holds neither an image nor a table"),
}


@pytest.mark.parametrize("case", FITS)
def test_fits_without_a_spectrum(tmp_path, case):
    """Says what it is, and what to do."""
    hdus, words = FITS[case]
    hdus.writeto(tmp_path / "some_file.fits")
    with pytest.raises(OSError, match=f"^{re.escape(f'some_file.fits {words}')}") as caught:
        read(tmp_path / "some_file.fits")
    message = str(caught.value)
    assert ";" in message or case == "nothing"
    assert len(message) <= MAX_LENGTH


TEXTS = {
    "prose": (b"Dear colleague,\nplease find attached\nthe spectrum.\n", "is a text without columns of numbers"),
    "pixels by name": (b"# pixel counts\n" + b"".join(b"%d 7.5\n" % k for k in range(100, 300)), "counts pixels"),
    "named light curve": (b"# mjd flux err\n" + b"".join(b"%f 1 0.1\n" % t for t in TIME), "is a light curve"),
    "light curve without names": (b"".join(b"%f 1.5 0.1\n" % t for t in TIME), "has a first column of Julian dates"),
    "another csv": (
        b"proposal,cycle,orbits\n" + b"".join(b"%d,%d,3\n" % (n, n // 900) for n in range(8183, 8283)),
        "has no wavelength and flux among its columns",
    ),
    "list of lines": (
        b"".join(b"%f 0.1 2.0\n" % w for w in np.random.default_rng(2).uniform(900, 7000, 99)),
        "has a first column in disorder",
    ),
    "sorted list of lines": (
        b"".join(b"%f,%d,Ar\n" % (w, 9 + w * 7919 % 997) for w in LINES),
        "is a list of lines",
    ),
    "page of a server": (b"<!DOCTYPE html>\n<html><body>404 Not found</body></html>\n", "is a web page"),
    "empty": (b"", "is empty"),
    "blank": (b"  \n \n", "is empty"),
    "binary": (b"\x01\x00\x02\x00" * 100, "is binary, of no known kind"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "is no HDF5 file that h5py reads"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "is a PNG picture"),
    "pdf": (b"%PDF-1.4\n", "is a PDF document"),
    "json": (b'{"spectra": []}', "is a json without spectra"),
    "broken json": (b'{"spectra": [', "is no valid json"),
    "damaged gzip": (gzip.compress(b"4000 1\n" * 999)[:-9], "is damaged"),
    "half a header": (b"SIMPLE  =                    T" + b" " * 200, "is cut off within a FITS header"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_other_files(tmp_path, case):
    """Say what they are too."""
    content, words = TEXTS[case]
    (tmp_path / "some_file").write_bytes(content)
    with pytest.raises(OSError, match=rf"^some_file {words}") as caught:
        read(tmp_path / "some_file")
    assert len(str(caught.value)) <= MAX_LENGTH


def test_curves_traced_by_hand_are_no_lists_of_lines(tmp_path):
    """Wavelengths are as irregular, but values trace a curve."""
    np.savetxt(tmp_path / "traced.txt", np.stack([LINES, 5 + np.sin(LINES / 500)], axis=1))
    assert len(read(tmp_path / "traced.txt").flux) == len(LINES)


def test_folder_and_missing_file(tmp_path):
    """Neither is opened."""
    with pytest.raises(FileNotFoundError, match="no such file"):
        read(tmp_path / "nowhere.fits")
    with pytest.raises(OSError, match="is a folder; give its files"):
        read(tmp_path)


def test_messages_are_never_too_long():
    """The name and the reason are cut, the remedy stays."""
    message = str(refuse("a/" + "x" * 300 + ".fits", "y " * 300, "do this"))
    assert len(message) <= MAX_LENGTH
    assert message.endswith("; do this")
    assert ".fits" in message


# ------------------------------------------------------------------------------------- hostile files


def card(text):
    return text.ljust(80).encode()


def write_header(path, *cards, blocks=1):
    path.write_bytes(b"".join(card(text) for text in cards).ljust(2880 * blocks))
    return path


def test_endless_header(tmp_path, monkeypatch):
    """Is given up after a bound."""
    monkeypatch.setattr(_source, "MAX_HEADER_BLOCKS", 20)
    path = write_header(tmp_path / "a.fits", "SIMPLE  =                    T", blocks=50)
    with pytest.raises(OSError, match=r"^a\.fits has a FITS header of more than 720 cards"):
        read(path)


@pytest.mark.parametrize("length", [10**12, 10**17])
def test_header_that_announces_what_is_not_there(tmp_path, length):
    """Nothing of that size is ever made."""
    path = write_header(
        tmp_path / "a.fits", "SIMPLE  =                    T", "BITPIX  =                  -64",
        "NAXIS   =                    1", f"NAXIS1  = {length:>20}", "CRVAL1  = 4000.0", "CDELT1  = 1.0", "END",
    )  # fmt: skip
    with pytest.raises(OSError, match=rf"^a\.fits is cut off: HDU 0 announces {8 * length} bytes and 0 are there"):
        read(path)


def test_gzip_bomb(tmp_path, monkeypatch):
    """Unpacks to the bound and no further."""
    monkeypatch.setattr(_source, "MAX_BYTES", 2**22)
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(b"\0" * 2**25))
    with pytest.raises(OSError, match=r"^a\.fits\.gz unpacks to more than 4 MB"):
        read(tmp_path / "a.fits.gz")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.99])
def test_cut_off_fits(tmp_path, share):
    """A file that ends too early gives no shorter spectrum."""
    table(wave=np.linspace(4000, 7000, 3000), flux=np.ones(3000)).writeto(tmp_path / "whole.fits")
    data = (tmp_path / "whole.fits").read_bytes()
    # up to the end of the data; behind it is only padding
    (tmp_path / "cut.fits").write_bytes(data[: int(share * (len(data) - 2880))])
    with pytest.raises(OSError, match=r"^cut\.fits "):
        read(tmp_path / "cut.fits")


@pytest.mark.filterwarnings("ignore")  # of Astropy, about headers
def test_damaged_bytes_are_refused_or_read(tmp_path):
    """Bytes changed at random raise nothing but the one error, which names the file; what is read is in order."""
    path, refusals, read_whole = tmp_path / "bad.fits", [], 0
    flux = np.random.default_rng(0).normal(3, 0.1, 100)
    table(wave=np.linspace(4000, 7000, 100), flux=flux, err=np.full(100, 0.1)).writeto(tmp_path / "whole.fits")
    whole = (tmp_path / "whole.fits").read_bytes()
    for seed in range(40):
        rng, data = np.random.default_rng(seed), bytearray(whole)
        for place in rng.integers(0, len(data), (1, 3, 10, 30)[seed % 4]):
            data[place] = rng.integers(32, 127)
        path.write_bytes(bytes(data))
        try:
            batch = to_batch(read(path))
        except UnreadableFileError as error:
            refusals.append(str(error))
            continue
        for i in range(len(batch)):
            wavelength, good = batch.wavelength[batch.grid(i)], batch.ivar[batch.pixels(i)] > 0
            assert (np.diff(wavelength) > 0).all(), seed
            assert np.isfinite(batch.flux[batch.pixels(i)][good]).all(), seed
            assert good.any() or batch.flags[i], seed
            read_whole += good.sum() > 50
    assert len(refusals) >= 5
    assert all(text.startswith("bad.fits ") for text in refusals)
    assert read_whole >= 5, len(refusals)


def test_one_refused_file_among_others(tmp_path):
    """Is a flagged row with its sentence, by name and in a list of names."""
    table(wave=np.linspace(4000, 7000, N), flux=np.random.default_rng(0).normal(3, 0.1, N)).writeto(tmp_path / "a.fits")
    table(TIME=TIME, FLUX=np.ones(N)).writeto(tmp_path / "b.fits")
    names = [str(tmp_path / "b.fits"), tmp_path / "a.fits"]
    batches = [batch for _, batch in read_files(names)]
    assert batches[0].flags[0] & InputFlag.BAD_INPUT
    assert batches[1].lengths.tolist() == [N]
    with pytest.warns(match="1 of 2 spectra could not be used"):
        rows = embed_table(names, device="cpu")
    assert np.isnan(rows["embedding"][0]).all()
    assert np.isfinite(rows["embedding"][1]).all()
    assert "b.fits is a light curve" in rows["message"][0]
    assert rows["name"][1] == "a.fits"
