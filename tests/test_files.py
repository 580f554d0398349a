# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files to batches, and batches joined."""

import numpy as np
import pytest
from conftest import make_spectrum

from astro_spectok.example import EXAMPLE_PATH
from astro_spectok.spectra import InputFlag, SpectrumBatch, read, read_files, to_batch


@pytest.fixture
def table_file(tmp_path):
    path = tmp_path / "one.fits"
    make_spectrum(300).write(path, format="tabular-fits")
    return path


def test_read_equals_specutils(table_file):
    """What specutils writes is read as specutils reads it, whether the format is named or not."""
    found, named = read(table_file), read(table_file, format="tabular-fits")
    np.testing.assert_array_equal(found.flux, named.flux)
    np.testing.assert_array_equal(found.spectral_axis, named.spectral_axis)
    np.testing.assert_array_equal(found.uncertainty.quantity, named.uncertainty.quantity)


def test_missing_and_foreign_files(tmp_path):
    """The message names the file, what it is and what to do."""
    with pytest.raises(FileNotFoundError, match=r"nowhere\.fits: no such file"):
        read(tmp_path / "nowhere.fits")
    text = tmp_path / "notes.txt"
    text.write_text("no spectrum")
    with pytest.raises(OSError, match=r"^notes\.txt is a text without columns of numbers; give wavelength and flux"):
        read(text)


def test_one_bad_file_never_loses_the_others(table_file, tmp_path):
    """It is one flagged row that says why; rows without a name are called like their file."""
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"SIMPLE  =")
    batches = [batch for _, batch in read_files([table_file, bad, EXAMPLE_PATH, tmp_path / "gone.fits"])]
    batch = SpectrumBatch.concatenate(batches)
    np.testing.assert_array_equal(batch.lengths, [300, 0, 4015, 0])
    assert [bool(flag & InputFlag.BAD_INPUT) for flag in batch.flags] == [False, True, False, True]
    assert [info.name for info in batch.info] == ["one.fits", "bad.fits", "made-up galaxy", "gone.fits"]
    assert "no such file" in batch.info[3].message


@pytest.mark.parametrize("resolution", [None, 2000.0])
def test_concatenate_equals_one_list(resolution):
    """Batches joined hold what the list of all spectra would."""
    spectra = [make_spectrum(n, seed=n) for n in (100, 300, 200)]
    joined = SpectrumBatch.concatenate([to_batch(spectra[:1]), to_batch(spectra[1:], resolution=resolution)])
    whole = to_batch(spectra)
    for name in ("wavelength", "wave_start", "flux", "ivar", "offsets", "scale", "flags"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert joined.info == whole.info
    if resolution is None:
        assert joined.resolution is None
    else:
        assert np.isnan(joined.resolution[:100]).all()
        assert (joined.resolution[100:] == 2000).all()


def test_batch_passes_through():
    """What is a batch already is not converted again."""
    batch = to_batch([make_spectrum(100)])
    assert to_batch(batch) is batch
    with pytest.raises(ValueError, match="medium and resolution must not be given with a SpectrumBatch"):
        to_batch(batch, medium="air")
