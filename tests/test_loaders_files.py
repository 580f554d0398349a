# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of what the loaders open, claim, decline and refuse."""

import gc
import gzip
import warnings

import numpy as np
import pytest
from _fits_layouts import (
    ALL,
    OURS,
    SINGLE,
    claiming_formats,
    make_calspec,
    make_hermes,
    make_lamost_image,
    make_lamost_table,
    make_osiris,
    make_twodfdr,
    write_file,
)
from astropy.io import fits, registry
from astropy.utils.exceptions import AstropyUserWarning
from numpy.testing import assert_array_equal
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra import loaders
from astro_spectok.spectra.loaders._registration import register_loader

# ------------------------------------------------------------------------------------------ what to open


@pytest.mark.parametrize(
    ("label", "how"),
    [
        *((label, how) for label in SINGLE for how in ("file", "hdulist")),
        ("CALSPEC", "str"),
        ("CALSPEC", "path"),
        ("CALSPEC", "gz"),
    ],
)
def test_every_way_to_name_a_file(label, how, tmp_path):
    """A str, a Path, gzip, an open file and an open HDUList give the same, and no file stays open.

    Without a format specutils asks all of its loaders, which takes most of a second, and then calls ours in one way.
    """
    path = write_file(SINGLE[label](), tmp_path)
    expected = Spectrum.read(path, format=label)
    if how == "gz":
        packed = tmp_path / "file.fits.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        spec = Spectrum.read(packed)
    elif how == "file":
        with open(path, "rb") as file:
            spec = Spectrum.read(file, format=label)
    elif how == "hdulist":
        with fits.open(path) as hdulist:
            spec = Spectrum.read(hdulist, format=label)
            assert hdulist[0].header is not None
    else:
        spec = Spectrum.read(str(path) if how == "str" else path)
    assert_array_equal(spec.flux, expected.flux)
    assert_array_equal(spec.spectral_axis, expected.spectral_axis)
    assert_array_equal(spec.mask, expected.mask)
    # an unclosed file is a ResourceWarning when it is collected, which pytest makes an error
    gc.collect()


@pytest.mark.parametrize("label", SINGLE)
def test_arrays_outlive_the_file(label, tmp_path):
    """Nothing is mapped: the file may go."""
    path = write_file(SINGLE[label](), tmp_path)
    spec = Spectrum.read(path, format=label)
    before = spec.flux.value.copy()
    path.write_bytes(b"\0" * path.stat().st_size)
    assert_array_equal(spec.flux.value, before)


# -------------------------------------------------------------------------------------------- identifying


@pytest.mark.parametrize("label", ALL)
def test_each_file_is_claimed_by_its_own_loader_alone(label, tmp_path):
    """Of our formats exactly one, and specutils finds no tie."""
    path = write_file(ALL[label](), tmp_path)
    assert claiming_formats(path, SpectrumList) & OURS == {label}
    if label in SINGLE:
        assert claiming_formats(path, Spectrum) & OURS == {label}
    assert len(SpectrumList.read(path)) >= 1


def test_identifiers_decline_foreign_files(tmp_path):
    """Text, an empty file, an image, a table, half a FITS file and a directory's worth of zeros: all "no"."""
    (tmp_path / "text.fits").write_text("not a FITS file at all")
    (tmp_path / "empty.fits").write_bytes(b"")
    (tmp_path / "zeros.fits").write_bytes(b"\0" * 5760)
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "image.fits")
    table = fits.BinTableHDU.from_columns(
        [fits.Column("FLUX", "E", array=[1.0]), fits.Column("WAVE", "E", array=[1.0])]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "table.fits")
    whole = (tmp_path / "table.fits").read_bytes()
    (tmp_path / "half.fits").write_bytes(whole[:3000])
    for path in sorted(tmp_path.iterdir()):
        for cls in (Spectrum, SpectrumList):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AstropyUserWarning)
                assert not claiming_formats(path, cls) & OURS, path.name


def test_writing_over_a_survey_file_is_not_ours(tmp_path):
    """We write nothing, so no format of ours offers itself for writing."""
    path = write_file(make_lamost_image(), tmp_path)
    found = registry.identify_format("write", Spectrum, str(path), None, (str(path),), {})
    assert not set(found) & OURS


def test_keck_osiris_is_not_gtc(tmp_path):
    """Two observatories have an instrument named OSIRIS."""
    hdulist = make_osiris()
    del hdulist[0].header["GTCOBID"]
    assert "GTC OSIRIS" not in claiming_formats(write_file(hdulist, tmp_path), Spectrum)


# ---------------------------------------------------------------------------------------------- bad files


def _drop(make, key, **options):
    hdulist = make(**options)
    del hdulist[key]
    return hdulist


def _with_data(make, key, data):
    hdulist = make()
    hdulist[key].data = data
    return hdulist


def _without_cards(make, *keys, **options):
    hdulist = make(**options)
    for key in keys:
        del hdulist[0].header[key]
    return hdulist


BAD = {
    "image of 3 rows": ("LAMOST LRS", lambda: _with_data(make_lamost_image, 0, np.ones((3, 9))), r"\(3, 9\).*5 rows"),
    "no wavelengths": (
        "LAMOST LRS",
        lambda: _without_cards(make_lamost_image, "COEFF0", "COEFF1", early=True),
        "COEFF0",
    ),
    "no table": ("LAMOST LRS", lambda: _drop(make_lamost_table, 1), "no extension 1"),
    "no ivar": ("LAMOST LRS", lambda: make_lamost_table(without=("IVAR",)), "no column IVAR, only"),
    "no arms": ("LAMOST MRS", make_lamost_table, "COADD_B"),
    "calspec without flux": ("CALSPEC", lambda: make_calspec(without=("FLUX",)), "no column FLUX"),
    "calspec image": ("CALSPEC", lambda: make_hermes(), "not a table"),
    "calspec unit": ("CALSPEC", lambda: make_calspec(units={"FLUX": "parrots"}), "'parrots', which is not known"),
    "variance shape": (
        "AAOmega 2dfdr",
        lambda: _with_data(make_twodfdr, 1, np.ones(5)),
        r"VARIANCE has shape \(1, 5\)",
    ),
    "no axis": ("AAOmega 2dfdr", lambda: _without_cards(make_twodfdr, "CRVAL1"), "CRVAL1=None"),
    "log axis unannounced": ("AAOmega 2dfdr", lambda: make_twodfdr(CRVAL1=3.6, CDELT1=1e-4), "LOGSCALE is not T"),
    "axis unit": ("AAOmega 2dfdr", lambda: make_twodfdr(CUNIT1="furlong"), "'furlong' is not a wavelength unit"),
    "flux unit": ("AAOmega 2dfdr", lambda: make_twodfdr(BUNIT="parrots"), "BUNIT='parrots' is not a unit"),
    "wavelength shape": (
        "AAOmega 2dfdr",
        lambda: make_twodfdr(log_wavelength=np.array([4000.0, 5000.0])),
        r"WAVELENGTH has shape \(2,\)",
    ),
    "fibres of another file": (
        "AAOmega 2dfdr",
        lambda: fits.HDUList([*make_twodfdr(2)[:2], make_twodfdr(3)["FIBRES"]]),
        "3 rows for 2 spectra",
    ),
    "cube": ("AAOmega 2dfdr", lambda: _with_data(make_twodfdr, 0, np.ones((2, 2, 9))), r"\(2, 2, 9\)"),
    "hermes of two rows": ("GALAH HERMES", lambda: _with_data(make_hermes, 0, np.ones((2, 9))), "one row was expected"),
    "no target": ("AAOmega 2dfdr", lambda: make_twodfdr(4, types="S"), "fibre_types='P'"),
    "no sigma": ("GALAH HERMES", lambda: _drop(make_hermes, "input_sigma"), "no extension 'input_sigma', only"),
    "sigma length": ("GALAH HERMES", lambda: _with_data(make_hermes, 1, np.ones(5)), "one length, not"),
    "osiris of two rows": ("GTC OSIRIS", lambda: _with_data(make_osiris, 0, np.ones((2, 9))), "one row was expected"),
    "osiris unit": ("GTC OSIRIS", lambda: make_osiris(BUNIT="parrots"), "BUNIT='parrots' is not a unit"),
    "no image": ("GTC OSIRIS", lambda: fits.HDUList([fits.PrimaryHDU()]), "holds no image"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_says_what_is_wrong(case, tmp_path):
    """The error names the file, the format and what is missing."""
    label, make, message = BAD[case]
    path = write_file(make(), tmp_path, "broken.fits")
    cls = SpectrumList if label == "LAMOST MRS" else Spectrum
    with pytest.raises(ValueError, match=message) as caught:
        cls.read(path, format=label)
    assert "broken.fits" in str(caught.value)
    assert repr(label) in str(caught.value)


@pytest.mark.parametrize("label", SINGLE)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.filterwarnings("ignore:File may have been truncated:astropy.utils.exceptions.AstropyUserWarning")
def test_truncated_file_is_refused(label, packed, tmp_path):
    """A file cut off in its pixels gives an error with its name, never a shorter spectrum."""
    path = write_file(SINGLE[label](), tmp_path)
    data = path.read_bytes()
    with fits.open(path) as hdulist:
        key = 1 if label == "CALSPEC" else 0
        start = hdulist.fileinfo(key)["datLoc"]
    data = data[: start + 100]
    name = "cut.fits.gz" if packed else "cut.fits"
    (tmp_path / name).write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        Spectrum.read(tmp_path / name, format=label)
    gc.collect()


def test_missing_file_stays_a_missing_file(tmp_path):
    """No other error hides it."""
    with pytest.raises(FileNotFoundError):
        loaders.read_lamost_lrs(tmp_path / "nowhere.fits")


# --------------------------------------------------------------------------------------------- registering


def test_registering_twice_keeps_the_first():
    """A loader that is there already, of ours or of a later specutils, is not replaced."""
    before = registry.get_reader("CALSPEC", Spectrum)

    def another(file_obj):
        raise AssertionError("never called")

    assert register_loader("CALSPEC", lambda *args, **kwargs: False)(another) is another
    assert registry.get_reader("CALSPEC", Spectrum) is before


def test_all_formats_are_registered():
    """Each label reads into what its documentation says."""
    for label in OURS:
        assert registry.get_reader(label, SpectrumList) is not None
    for label in SINGLE:
        assert registry.get_reader(label, Spectrum) is not None
