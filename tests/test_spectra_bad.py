# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bad input is refused with the reason and the remedy, and in a list never harms its neighbours."""

import numpy as np
import pytest
from _spectra import make_arrays, make_spectrum, unpack
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from numpy.testing import assert_array_equal
from specutils import Spectrum, SpectrumCollection

from astro_spectok.spectra import MIN_GOOD_PIXELS, InputFlag, SpectrumBatch, convert, to_batch


def pixel_axis():
    """A spectrum without a spectral axis."""
    return Spectrum(flux=np.ones(200) * u.Jy)


def velocity_axis(**options):
    """A velocity axis."""
    return Spectrum(flux=np.ones(200) * u.Jy, spectral_axis=np.linspace(-500, 500, 200) * u.km / u.s, **options)


def masked_but(n):
    """n good pixels."""
    return make_spectrum(mask=np.arange(200) >= n)


def all_nan():
    """Nothing but NaN."""
    wavelength, _, _ = make_arrays()
    return Spectrum(flux=np.full(200, np.nan) * u.Jy, spectral_axis=wavelength * u.AA)


def no_ivar():
    """No positive uncertainty."""
    return make_spectrum(uncertainty=StdDevUncertainty(np.zeros(200)))


def wrong_uncertainty():
    """Errors in kelvin of a flux in jansky."""
    wavelength, flux, std = make_arrays()
    return wavelength * u.AA, flux * u.Jy, std * u.K


def wrong_shape():
    """More flux than wavelengths."""
    wavelength, flux, std = make_arrays()
    return wavelength[:-1] * u.AA, flux * u.Jy, std * u.Jy


def complex_flux():
    """Flux that is not real."""
    wavelength, flux, _ = make_arrays()
    return wavelength * u.AA, flux * 1j * u.Jy


def bare_uncertainty():
    """An uncertainty without unit or type."""
    wavelength, flux, std = make_arrays()
    return wavelength * u.AA, flux * u.Jy, std


def short_uncertainty():
    """Fewer errors than fluxes."""
    wavelength, flux, std = make_arrays()
    return wavelength * u.AA, flux * u.Jy, StdDevUncertainty(std[:-1], unit=u.Jy)


def scalar_axis():
    """No array at all."""
    return 5000 * u.AA, np.ones(200) * u.Jy


def no_wavelengths():
    """No usable wavelength at all."""
    return np.zeros(200) * u.AA, np.ones(200) * u.Jy


BAD = [
    (pixel_axis, InputFlag.BAD_UNITS, u.UnitsError, r"spectral_axis must be convertible.*'pix'.*u\.AA"),
    (velocity_axis, InputFlag.BAD_UNITS, u.UnitsError, "without rest_value.*rest_value=5000"),
    (
        lambda: velocity_axis(rest_value=5000 * u.AA),
        InputFlag.BAD_UNITS,
        u.UnitsError,
        "without velocity_convention.*'optical'",
    ),
    (
        lambda: masked_but(0),
        InputFlag.TOO_FEW_PIXELS,
        ValueError,
        "at least 32 good pixels.*got 0 of 200.*all are masked",
    ),
    (lambda: masked_but(31), InputFlag.TOO_FEW_PIXELS, ValueError, "got 31 of 200"),
    (all_nan, InputFlag.TOO_FEW_PIXELS, ValueError, "got 0 of 200"),
    (no_ivar, InputFlag.TOO_FEW_PIXELS, ValueError, "without a positive uncertainty"),
    (no_wavelengths, InputFlag.TOO_FEW_PIXELS, ValueError, "got 0 of 0"),
    (lambda: make_spectrum(m=20), InputFlag.TOO_FEW_PIXELS, ValueError, "got 20 of 20"),
    (wrong_uncertainty, InputFlag.BAD_UNITS, u.UnitsError, r"uncertainty must have a unit.*\(Jy\).*got K"),
    (wrong_shape, InputFlag.BAD_INPUT, ValueError, r"flux .* 199 pixels of spectral_axis; got \(200,\)"),
    (complex_flux, InputFlag.BAD_INPUT, TypeError, "flux must be real.*complex128"),
    (bare_uncertainty, InputFlag.BAD_INPUT, TypeError, "uncertainty .* must be a Quantity.*got ndarray"),
    (short_uncertainty, InputFlag.BAD_INPUT, ValueError, r"shape of flux, \(200,\); got \(199,\)"),
    (scalar_axis, InputFlag.BAD_INPUT, ValueError, "spectral_axis must have one value for each pixel"),
]
IDS = [f"{i}-{flag.name}" for i, (_, flag, _, _) in enumerate(BAD)]


@pytest.mark.parametrize(("make", "flag", "error", "match"), BAD, ids=IDS)
def test_raise(make, flag, error, match):
    """One spectrum: an error that names the argument, what was got, and the remedy."""
    with pytest.raises(error, match=match):
        to_batch(make(), on_error="raise")


@pytest.mark.parametrize(("make", "flag", "error", "match"), BAD, ids=IDS)
def test_flag(make, flag, error, match):
    """In a list: a row without pixels, a flag, the reason, and good neighbours."""
    good = make_spectrum(seed=5)
    batch = to_batch([good, make(), good])
    assert_array_equal(batch.lengths, [200, 0, 200])
    assert InputFlag(int(batch.flags[1])) & InputFlag(~255) == flag
    assert InputFlag(int(batch.flags[1])).unusable
    assert not InputFlag(int(batch.flags[0])).unusable
    assert batch.info[1].message.startswith("spectra[1]")
    assert batch.info[0].message == ""
    alone = unpack(to_batch(good))
    for i in (0, 2):
        for one, other in zip(unpack(batch, i), alone, strict=True):
            assert_array_equal(one, other)
    with pytest.raises(error, match=r"spectra\[1\]: .*" + match):
        to_batch([good, make(), good], on_error="raise")


@pytest.mark.parametrize("on_error", ["raise", "flag"])
@pytest.mark.parametrize(
    ("obj", "match"),
    [
        ((np.linspace(4000, 5000, 50), np.ones(50)), r"got a tuple of ndarray. .*wavelength \* u.AA"),
        ([1.0, 2.0, 3.0], "got a list of float. Flux needs its wavelengths"),
        (np.ones(50) * u.Jy, "Quantity. Flux needs its wavelengths"),
    ],
)
def test_nothing_is_a_spectrum(obj, match, on_error):
    """Where nothing could be a spectrum there are no others to go on with: an error with the remedy."""
    with pytest.raises(TypeError, match=f"obj must be a Spectrum, .*{match}"):
        to_batch(obj, on_error=on_error)


def test_transposed_flux():
    """Spectra along the wrong axis get an error with the remedy."""
    flux = np.ones((200, 3)) * u.Jy
    with pytest.raises(ValueError, match=r"got \(200, 3\); transpose it, flux.T"):
        to_batch((np.linspace(4000, 5000, 200) * u.AA, flux), on_error="raise")


@pytest.mark.parametrize("item", [7, None, np.ones(50), [1, 2], np.ones(50) * u.Jy])
def test_item_is_no_spectrum(item):
    """Something else in a list is a flagged row, or a TypeError that names it and its place."""
    good = make_spectrum()
    batch = to_batch([good, item])
    assert InputFlag(int(batch.flags[1])) == InputFlag.BAD_INPUT
    assert type(item).__name__ in batch.info[1].message
    assert_array_equal(batch.lengths, [200, 0])
    with pytest.raises(TypeError, match=rf"spectra\[1\]: must be a spectrum; got {type(item).__name__}"):
        to_batch([good, item], on_error="raise")


@pytest.mark.parametrize("on_error", ["raise", "flag"])
@pytest.mark.parametrize("obj", [None, 3.0, np.ones(50), np.ones(50) * u.Jy])
def test_not_a_spectrum(obj, on_error):
    """An object of none of the forms is always a TypeError that lists the forms."""
    with pytest.raises(TypeError, match=rf"obj must be a Spectrum, SpectrumList.*got .*{type(obj).__name__}"):
        to_batch(obj, on_error=on_error)


def test_too_many_pixels(monkeypatch):
    """A spectrum longer than the setting says how to shorten it."""
    monkeypatch.setattr(convert, "read_max_pixels", lambda: 199)
    with pytest.raises(ValueError, match=r"at most max_pixels = 199 pixels; got 200.*FluxConservingResampler"):
        to_batch(make_spectrum(), on_error="raise")
    batch = to_batch([make_spectrum(), make_spectrum(m=199)])
    assert batch.flags[0] == InputFlag.TOO_MANY_PIXELS
    assert_array_equal(batch.lengths, [0, 199])


def test_ten_million_pixels():
    """10 million pixels are refused before anything of that size is made."""
    axis = np.linspace(3000, 9000, 10_000_000) * u.AA
    with pytest.raises(ValueError, match="got 10000000"):
        to_batch((axis, np.broadcast_to(1.0, axis.shape) * u.Jy), on_error="raise")


def test_rows_of_a_vector():
    """Only the bad rows of a vector spectrum lose their pixels, and the error names the row."""
    wavelength, flux, std = make_arrays(rows=4)
    flux[1] = np.nan
    flux[2, MIN_GOOD_PIXELS - 1 :] = np.inf
    arrays = (wavelength * u.AA, flux * u.Jy, std * u.Jy)
    batch = to_batch(arrays)
    assert_array_equal(batch.lengths, [200, 0, 0, 200])
    assert batch.info[1].message.startswith("spectrum 1: ")
    assert "got 31 of 200" in batch.info[2].message
    alone = to_batch((wavelength * u.AA, flux[3] * u.Jy, std[3] * u.Jy))
    assert_array_equal(batch.flux[batch.pixels(3)], alone.flux)
    with pytest.raises(ValueError, match=r"spectrum 1: .*got 0 of 200"):
        to_batch(arrays, on_error="raise")


def test_vector_without_wavelengths():
    """A vector spectrum on a pixel axis is as many bad rows as it has spectra."""
    spectrum = Spectrum(flux=np.ones((3, 200)) * u.Jy, spectral_axis_index=1)
    batch = to_batch([spectrum, make_spectrum()])
    assert_array_equal(batch.lengths, [0, 0, 0, 200])
    assert (batch.flags[:3] & InputFlag.BAD_UNITS).all()


def test_collection_without_axis():
    """A collection may come without wavelengths."""
    collection = SpectrumCollection(flux=np.ones((2, 50)) * u.Jy)
    with pytest.raises(u.UnitsError, match="spectral_axis of a SpectrumCollection"):
        to_batch(collection, on_error="raise")


def test_everything_bad():
    """A batch of bad rows only is still a batch."""
    batch = to_batch(["x", pixel_axis()])
    assert isinstance(batch, SpectrumBatch)
    assert batch.flux.size == batch.wavelength.size == 0
    assert len(batch.info) == len(batch) == 2


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"medium": "water"}, ValueError, "medium must be 'vacuum', 'air' or None.*'water'"),
        ({"on_error": "ignore"}, ValueError, "on_error must be 'raise' or 'flag'.*'ignore'"),
        ({"resolution": -2000}, ValueError, "resolution must be positive, a resolving power .* got -2000;"),
        ({"resolution": np.ones(7)}, ValueError, r"one for each of the 200 pixels.*\(7,\)"),
        ({"resolution": 3 * u.K}, u.UnitsError, "resolution must be R .*got the unit K"),
    ],
)
def test_bad_options(options, error, match):
    """Keywords are checked too."""
    with pytest.raises(error, match=match):
        to_batch(make_spectrum(), **{"on_error": "raise", **options})
