# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Every form and order of the same spectrum gives the same batch, whatever stands in its bad pixels."""

import copy
import pickle

import numpy as np
import pytest
from _spectra import (
    F_LAMBDA,
    SURVEY_UNIT,
    assert_identical,
    assert_same,
    assert_same_rows,
    make_arrays,
    make_spectrum,
    unpack,
)
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum, SpectrumCollection, SpectrumList

from astro_spectok.spectra import (
    InputFlag,
    SpectrumBatch,
    is_single,
    to_batch,
)


def test_plain_spectrum():
    """Values arrive unchanged, native, in the contract's types."""
    wavelength, flux, std = make_arrays()
    batch = to_batch(make_spectrum())
    got = unpack(batch)
    assert_array_equal(got[0], wavelength)
    assert_allclose(got[1], flux * 1e-17, rtol=2e-7)
    assert_allclose(got[2], (std * 1e-17) ** -2.0, rtol=1e-6)
    assert [x.dtype.str[1:] for x in (batch.wavelength, batch.flux, batch.ivar, batch.scale)] == [
        "f8",
        "f4",
        "f4",
        "f8",
    ]
    assert np.log2(batch.scale[0]).is_integer()
    assert 0.5 < np.median(batch.flux) < 2
    assert InputFlag(int(batch.flags[0])) == InputFlag.MEDIUM_ASSUMED
    assert (batch.info[0].medium, batch.info[0].medium_source) == ("vacuum", "assumed")


@pytest.mark.parametrize("uncertainty", [None, UnknownUncertainty(np.ones(400))])
def test_missing_uncertainty(uncertainty):
    """No uncertainty, or one of unknown kind, is replaced by an estimate and flagged."""
    batch = to_batch(make_spectrum(m=400, uncertainty=uncertainty))
    assert batch.flags[0] & InputFlag.UNCERTAINTY_ESTIMATED
    assert 0.05 < np.median(batch.ivar**-0.5 * batch.scale[0] / 1e-17) < 0.11


@pytest.mark.parametrize("dtype", [">f4", ">f8", "f4"])
def test_dtype(dtype):
    """Big-endian and short floats as FITS files have them."""
    wavelength, flux, std = make_arrays()
    flux, std = flux.astype(dtype), std.astype(dtype)
    spectrum = Spectrum(flux=u.Quantity(flux, u.ct, copy=False), spectral_axis=wavelength.astype(">f8") * u.AA)
    spectrum.uncertainty = StdDevUncertainty(std)
    batch = to_batch(spectrum)
    assert_allclose(unpack(batch)[1], flux, rtol=2e-7)
    assert batch.flux.dtype.isnative
    assert batch.wavelength.dtype.isnative


def test_reversed():
    """A decreasing axis gives the same bits, without a flag."""
    wavelength, flux, std = make_arrays()
    forward = to_batch((wavelength * u.AA, flux * u.Jy, std * u.Jy))
    backward = to_batch((wavelength[::-1] * u.AA, flux[::-1] * u.Jy, std[::-1] * u.Jy))
    assert_identical(forward, backward)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_shuffled(seed):
    """An axis in any order gives the same values, and a flag."""
    wavelength, flux, std = make_arrays()
    order = np.random.default_rng(seed).permutation(200)
    batch = to_batch((wavelength[order] * u.AA, flux[order] * u.Jy, std[order] * u.Jy))
    assert_same(to_batch((wavelength * u.AA, flux * u.Jy, std * u.Jy)), batch, rtol=1e-7)
    assert batch.flags[0] & InputFlag.WAVELENGTH_SORTED


def test_duplicates():
    """Equal wavelengths are averaged by inverse variance; bad pixels have no weight."""
    wavelength, flux, std = make_arrays(100)
    double = np.concatenate((wavelength, wavelength[:2]))
    values = np.concatenate((flux, [5.0, np.nan]))
    errors = np.concatenate((std, [0.07, 0.1]))
    batch = to_batch((double * u.AA, values * u.ct, errors * u.ct))
    got = unpack(batch)
    assert_array_equal(got[0], wavelength)
    weights = np.array([std[0], 0.07]) ** -2.0
    assert_allclose(got[1][0], np.average([flux[0], 5.0], weights=weights), rtol=1e-6)
    assert_allclose(got[2][0], weights.sum(), rtol=1e-6)
    assert_allclose(got[1][1:], flux[1:], rtol=1e-6)
    assert batch.flags[0] & InputFlag.WAVELENGTH_SORTED


def test_repeated_wavelength_in_spectrum():
    """specutils lets a Spectrum repeat a wavelength; the batch never does."""
    wavelength, _, _ = make_arrays()
    wavelength[50] = wavelength[49]
    batch = to_batch(make_spectrum(spectral_axis=wavelength * u.AA))
    assert batch.lengths[0] == 199
    assert (np.diff(batch.wavelength) > 0).all()


def test_bad_wavelengths():
    """Pixels without a finite positive wavelength are dropped."""
    wavelength, flux, std = make_arrays()
    good = to_batch((wavelength[4:] * u.AA, flux[4:] * u.Jy, std[4:] * u.Jy))
    wavelength[:4] = np.nan, np.inf, 0, -5
    assert_identical(good, to_batch((wavelength * u.AA, flux * u.Jy, std * u.Jy)))


@settings(max_examples=40, deadline=None)
@given(
    junk=st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1e30, 1e300, 7.0]),
    error=st.sampled_from([np.nan, np.inf, 0.0, -1.0, 1e-300, 1e300, 3.0]),
    seed=st.integers(0, 100),
    with_errors=st.booleans(),
)
def test_junk_under_mask(junk, error, seed, with_errors):
    """What stands under the mask does not change a bit."""
    wavelength, flux, std = make_arrays()
    mask = np.random.default_rng(seed).random(200) < 0.3
    batches = []
    for value, sigma in ((1.0, 0.1), (junk, error)):
        values, errors = np.where(mask, value, flux), np.where(mask, sigma, std)
        uncertainty = StdDevUncertainty(errors) if with_errors else None
        batches.append(
            to_batch(Spectrum(flux=values * u.Jy, spectral_axis=wavelength * u.AA, uncertainty=uncertainty, mask=mask))
        )
    assert_identical(*batches)
    assert_array_equal(batches[0].ivar == 0, mask)
    assert (batches[0].flux[mask] == 0).all()


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_bad_pixels(kind):
    """Flux that is not finite, and uncertainties that are not finite and positive, are bad pixels."""
    wavelength, flux, std = make_arrays()
    flux[:3] = np.nan, np.inf, -np.inf
    uncertainty = StdDevUncertainty(std).represent_as(kind).array
    uncertainty[3:7] = np.nan, 0, -1, np.inf
    spectrum = Spectrum(
        flux=flux * u.Jy, spectral_axis=wavelength * u.AA, uncertainty=kind(uncertainty), mask=np.zeros(200, bool)
    )
    batch = to_batch(spectrum)
    assert_array_equal(np.flatnonzero(batch.ivar == 0), np.arange(7))
    assert_array_equal(np.flatnonzero(batch.flux == 0), np.arange(7))
    assert np.isfinite(batch.ivar).all()


def test_bit_mask():
    """A mask of integers is a bit mask: anything but zero is bad."""
    mask = np.zeros(200, dtype=np.int32)
    mask[[3, 8]] = 4, 2**20
    batch = to_batch(make_spectrum(mask=mask))
    assert_array_equal(np.flatnonzero(batch.ivar == 0), [3, 8])


def test_masked_array():
    """numpy's masked arrays bring their mask."""
    wavelength, flux, std = make_arrays()
    batch = to_batch((wavelength * u.AA, np.ma.MaskedArray(flux, mask=np.arange(200) < 5), std * u.one))
    assert_array_equal(np.flatnonzero(batch.ivar == 0), np.arange(5))


def test_zero_flux():
    """A spectrum of zeros has scale 1 and its given errors."""
    wavelength, _, std = make_arrays()
    batch = to_batch((wavelength * u.AA, np.zeros(200) * u.ct, std * u.ct))
    assert batch.scale[0] == 1
    assert_allclose(batch.ivar, std**-2.0, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 2)])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_spectral_axis_anywhere(shape, where):
    """The spectral axis may be any axis of the array; the others are flattened in C order."""
    n = int(np.prod(shape))
    wavelength, flux, std = make_arrays(rows=n)
    mask = np.random.default_rng(1).random((n, 200)) < 0.1
    expected = to_batch(make_spectrum(rows=n, mask=mask))
    index = {"first": 0, "middle": len(shape) // 2, "last": len(shape)}[where]
    arrays = [np.moveaxis(x.reshape(*shape, 200), -1, index) for x in (flux, std, mask)]
    spectrum = Spectrum(
        flux=arrays[0] * 1e-17 * F_LAMBDA,
        spectral_axis=wavelength * u.AA,
        spectral_axis_index=index,
        uncertainty=StdDevUncertainty(arrays[1] * 1e-17),
        mask=arrays[2],
    )
    assert_same_rows(expected, to_batch(spectrum))


def test_forms():
    """Vector spectrum, list, plain list, collection, tuple and lists of these: the same rows in the same order."""
    wavelength, flux, std = make_arrays(rows=3)
    vector = make_spectrum(rows=3)
    unit = SURVEY_UNIT
    single = [
        Spectrum(flux=f * unit, spectral_axis=wavelength * u.AA, uncertainty=StdDevUncertainty(s))
        for f, s in zip(flux, std, strict=True)
    ]
    collection = SpectrumCollection(
        flux=flux * unit,
        spectral_axis=np.tile(wavelength, (3, 1)) * u.AA,
        uncertainty=StdDevUncertainty(std, unit=unit),
        mask=np.zeros((3, 200), bool),
    )
    expected = to_batch(vector)
    arrays = (wavelength * u.AA, flux * unit, std * unit)
    stacked = (np.tile(wavelength, (3, 1)) * u.AA, flux * unit, StdDevUncertainty(std * unit))
    mixed = [(wavelength * u.AA, flux[0] * unit, std[0] * unit), single[1], single[2]]
    for form in (SpectrumList(single), single, tuple(single), collection, arrays, stacked, [vector], mixed):
        batch = to_batch(form)
        assert_same_rows(expected, batch)
        # equal grids are kept once
        assert len(batch.wavelength) == 200
        assert not is_single(form)
    assert_same(expected, to_batch(single[2]), 2, 0)
    twice = to_batch([vector, single[0]])
    assert_same(twice, expected, 3, 0)


def make_arrays_tuple(seed):
    """A tuple of arrays with units."""
    wavelength, flux, std = make_arrays(seed=seed)
    return wavelength * u.AA, flux * u.Jy, std * u.Jy


def test_is_single():
    """One spectrum is single; a vector of one row and a list of one are not."""
    assert is_single(make_spectrum())
    assert is_single(make_arrays_tuple(0))
    assert not is_single(make_spectrum(rows=1))
    assert not is_single([make_spectrum()])
    assert not is_single("spectrum")


@pytest.mark.parametrize(
    ("flux", "match"),
    [
        (np.ones((200, 3)), r"got \(200, 3\); transpose it, flux\.T"),
        (np.ones((2, 2, 200)), r"got \(2, 2, 200\); make a cube a Spectrum"),
        (1.0, r"got \(\)"),
    ],
)
def test_arrays_that_fit_no_form_are_one_error(flux, match):
    """And not a flagged row for whatever the first axis counts."""
    arrays = np.linspace(4000, 5000, 200) * u.AA, flux * u.Jy
    assert is_single(arrays)
    with pytest.raises(ValueError, match=match):
        to_batch(arrays, on_error="raise")


def test_flux_before_its_axis_is_noticed():
    """And said so: its unit is no unit of an axis."""
    axis, flux, error = make_arrays_tuple(0)
    with pytest.raises(u.UnitsError, match=r"spectral_axis must come before flux.*got Jy before Angstrom; swap them"):
        to_batch((flux, axis, error), on_error="raise")


def test_ragged_list():
    """Spectra of different lengths and axes keep their order and their grids."""
    sizes = [50, 300, 120]
    batch = to_batch(SpectrumList([make_spectrum(m=m, seed=m) for m in sizes]))
    assert_array_equal(batch.lengths, sizes)
    for i, m in enumerate(sizes):
        assert_same(batch, to_batch(make_spectrum(m=m, seed=m)), i, 0)


def test_empty_list():
    """No spectra, no rows."""
    batch = to_batch(SpectrumList())
    assert len(batch) == 0
    assert_array_equal(batch.offsets, [0])


def test_redshift_is_not_applied():
    """A redshift that the spectrum carries never shifts its wavelengths."""
    assert_identical(to_batch(make_spectrum()), to_batch(make_spectrum(redshift=0.5)))
    assert_identical(to_batch(make_spectrum()), to_batch(make_spectrum(radial_velocity=3000 * u.km / u.s)))


def test_names():
    """A row is named after its target, where the input gives it."""
    batch = to_batch([make_spectrum(meta={"header": {"OBJECT": " NGC 1 "}}), make_spectrum()])
    assert [info.name for info in batch.info] == ["NGC 1", ""]


def test_pickle_and_input_untouched():
    """A batch survives pickling, and making it does not write to the input."""
    wavelength, flux, std = make_arrays(rows=4)
    flux[0, :9], std[1, :9] = np.nan, -1
    mask = np.zeros((4, 200), bool)
    mask[2, :9] = True
    spectrum = make_spectrum(rows=4)
    spectrum = Spectrum(
        flux=u.Quantity(flux, u.Jy, copy=False),
        spectral_axis=wavelength * u.AA,
        uncertainty=StdDevUncertainty(std, copy=False),
        mask=mask,
    )
    before = copy.deepcopy((spectrum.data, spectrum.uncertainty.array, spectrum.mask, spectrum.spectral_axis.value))
    batch = to_batch(spectrum)
    after = (spectrum.data, spectrum.uncertainty.array, spectrum.mask, spectrum.spectral_axis.value)
    for one, other in zip(before, after, strict=True):
        assert_array_equal(one, other)
    assert not np.shares_memory(batch.flux, spectrum.data)
    assert_identical(batch, pickle.loads(pickle.dumps(batch)))


def test_step_is_found_once_for_each_grid():
    """The median step of ln(wavelength) of each spectrum, also of single pixels, and after some are taken."""
    wavelength = np.geomspace(4000, 5000, 200)
    spectra = [(wavelength[::k] * u.AA, np.ones(len(wavelength[::k])) * u.Jy) for k in (1, 2, 1, 5)]
    batch = to_batch(spectra)
    step = np.log(1.25) / 199
    assert_allclose([batch.find_step(i) for i in range(4)], step * np.array([1, 2, 1, 5]))
    assert_allclose([batch.take([3, 0]).find_step(i) for i in range(2)], step * np.array([5, 1]))
    assert_allclose(pickle.loads(pickle.dumps(batch)).find_step(1), 2 * step)
    assert np.isnan(SpectrumBatch.make_unusable("no").find_step(0))
