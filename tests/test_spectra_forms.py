# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Forms that people hold spectra in: each is read as the tuple of arrays it stands for, or refused with the remedy."""

import numpy as np
import pytest
from _spectra import assert_same, make_arrays, make_spectrum
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra import InputFlag, is_single, to_batch

WAVE, FLUX, STD = make_arrays()
AXIS = WAVE * u.AA
BAD = np.zeros(200, bool)
BAD[50:70] = True
#: junk that must not count
CORRUPTED = np.where(BAD, 1e6, FLUX)


@pytest.fixture(scope="module")
def plain():
    """What all of them stand for."""
    return to_batch((AXIS, FLUX * u.Jy, STD * u.Jy))


@pytest.fixture(scope="module")
def masked():
    """The same with bad pixels."""
    return to_batch((AXIS, Masked(FLUX * u.Jy, mask=BAD), STD * u.Jy))


def columns(**changes):
    """A table of one spectrum."""
    return Table({"wavelength": AXIS, "flux": FLUX * u.Jy, "error": STD * u.Jy} | changes)


SINGLE = {
    "list of arrays": lambda: [AXIS, FLUX * u.Jy, STD * u.Jy],
    "columns of a table": lambda: (columns()["wavelength"], columns()["flux"], columns()["error"]),
    "table": columns,
    "QTable": lambda: QTable(columns()),
    "table in capitals": lambda: Table({"LAMBDA": AXIS, "Flux": FLUX * u.Jy, "IVAR": STD**-2 / u.Jy**2}),
    "row with arrays": lambda: Table({"wave": [WAVE] * u.AA, "flux": [FLUX] * u.Jy, "err": [STD] * u.Jy})[0],
    "row of a QTable": lambda: QTable({"wave": [WAVE] * u.AA, "flux": [FLUX] * u.Jy, "err": [STD] * u.Jy})[0],
    "dict": lambda: {"wave": AXIS, "flux": FLUX * u.Jy, "ivar": STD**-2},
    "dict of lists": lambda: {"wave": list(AXIS), "flux": list(FLUX * u.Jy), "variance": STD**2},
    "dict in nm": lambda: {"wave_nm": WAVE / 10, "flux": FLUX * u.Jy, "std": STD},
    "dict with brackets": lambda: {"Wavelength (um)": WAVE / 1e4, "flux": FLUX * u.Jy, "sigma": STD * u.Jy},
    "dict with loglam": lambda: {"loglam": np.log10(WAVE), "flux": FLUX * u.Jy, "ivar": STD**-2 / u.Jy**2},
    "dict with uncertainty": lambda: {"wl": AXIS, "flux": FLUX * u.Jy, "uncertainty": VarianceUncertainty(STD**2)},
}


@pytest.mark.parametrize("form", SINGLE)
def test_one_spectrum(form, plain):
    """One spectrum, alone and in a list."""
    assert is_single(SINGLE[form]())
    for batch in (to_batch(SINGLE[form](), on_error="raise"), to_batch([make_spectrum(), SINGLE[form]()])):
        assert_same(plain, batch, 0, len(batch) - 1)


def test_pandas(plain):
    """Data frames and series; what is missing is a bad pixel."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"wave_aa": WAVE, "flux": FLUX, "err": STD})
    dimensionless = to_batch((AXIS, FLUX, STD * u.one))
    assert is_single(frame)
    assert_same(to_batch(frame, on_error="raise"), dimensionless)
    assert_same(to_batch((AXIS, frame["flux"], STD * u.one)), dimensionless)
    assert len(to_batch([frame, frame])) == 2
    frame["flux"] = frame["flux"].astype("Float64")
    frame.loc[3, "flux"] = pd.NA
    assert_array_equal(np.flatnonzero(to_batch(frame).ivar == 0), [3])
    spectra = to_batch(pd.Series([make_spectrum(), make_spectrum(seed=1)]))
    assert_array_equal(spectra.lengths, [200, 200])
    assert not spectra.flags[0] & InputFlag(~255)


MANY = {
    "dict of spectra": lambda s: {"a": s[0], "b": s[1]},
    "generator": lambda s: (one for one in s),
    "values of a dict": lambda s: dict(enumerate(s)).values(),
    "map": lambda s: map(lambda one: one, s),
    "array of objects": lambda s: np.array([*s, None], dtype=object)[:2],
    "list of lists": lambda s: [SpectrumList(s[:1]), SpectrumList(s[1:])],
    "list in a tuple": lambda s: ([s[0]], s[1]),
}


@pytest.mark.parametrize("form", MANY)
def test_many_spectra(form):
    """Two spectra in their order."""
    spectra = [make_spectrum(), make_spectrum(seed=1)]
    made = MANY[form](spectra)
    assert not is_single(made)
    batch, expected = to_batch(made, on_error="raise"), to_batch(spectra)
    assert_array_equal(batch.flux, expected.flux)


def test_table_of_spectra():
    """A table with a spectrum in each row."""
    wavelength, flux, std = make_arrays(rows=3)
    table = Table({"WAVE": np.tile(wavelength, (3, 1)) * u.AA, "FLUX": flux * u.Jy, "ERROR": std * u.Jy})
    batch = to_batch(table, on_error="raise")
    assert_array_equal(batch.flux, to_batch((wavelength * u.AA, flux * u.Jy, std * u.Jy)).flux)
    assert not is_single(table)


MASKED = {
    "flux": lambda: (AXIS, Masked(CORRUPTED * u.Jy, mask=BAD), STD * u.Jy),
    "uncertainty": lambda: (AXIS, CORRUPTED * u.Jy, Masked(STD * u.Jy, mask=BAD)),
    "column of errors": lambda: columns(flux=CORRUPTED * u.Jy, error=MaskedColumn(STD, mask=BAD, unit=u.Jy)),
    "column of flux": lambda: columns(flux=MaskedColumn(CORRUPTED, mask=BAD, unit=u.Jy)),
    "mask beside": lambda: (AXIS, CORRUPTED * u.Jy, STD * u.Jy, BAD),
    "bits beside": lambda: (AXIS, CORRUPTED * u.Jy, InverseVariance(STD**-2), np.where(BAD, 1024, 0)),
    "column of a mask": lambda: columns(flux=CORRUPTED * u.Jy, mask=BAD.astype(int)),
}


@pytest.mark.parametrize("place", MASKED)
def test_masks_count_wherever_they_stand(place, masked):
    """Whatever is masked is a bad pixel, whatever stands there."""
    batch = to_batch(MASKED[place](), on_error="raise")
    assert_array_equal(batch.ivar == 0, BAD)
    assert_same(masked, batch)


def test_masks_of_numpy():
    """Masked arrays of numpy, which have no units."""
    batch = to_batch((AXIS, np.ma.array(CORRUPTED, mask=BAD), StdDevUncertainty(STD)), on_error="raise")
    assert_array_equal(batch.ivar == 0, BAD)
    assert_array_equal(batch.flux, np.where(BAD, 0, FLUX).astype("f4"))


@pytest.mark.parametrize("as_spectrum", [True, False])
def test_masked_axis(as_spectrum, plain):
    """Padding at the end of a masked axis is left out."""
    axis = Masked(np.append(WAVE, np.full(30, WAVE[-1])) * u.AA, mask=np.arange(230) >= 200)
    flux, std = np.append(FLUX, np.full(30, 1e5)) * u.Jy, np.append(STD, np.ones(30))
    uncertainty = StdDevUncertainty(std, unit=u.Jy)
    made = (axis, flux, uncertainty)
    if as_spectrum:
        made = Spectrum(flux=flux, spectral_axis=axis, uncertainty=uncertainty)
    assert_same(plain, to_batch(made, on_error="raise"))


def test_covariance(plain):
    """Its diagonal is the variance."""
    nddata = pytest.importorskip("astropy.nddata", reason="Covariance is of Astropy 7.1")
    correlated = np.diag(STD**2) + np.diag(0.3 * STD[1:] * STD[:-1], 1) + np.diag(0.3 * STD[1:] * STD[:-1], -1)
    covariance = nddata.Covariance(correlated, unit=u.Jy**2)
    batch = to_batch((AXIS, FLUX * u.Jy, covariance), on_error="raise")
    assert_same(plain, batch)
    assert not batch.flags[0] & InputFlag.UNCERTAINTY_ESTIMATED


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: {"wave": WAVE, "flux": FLUX}, u.UnitsError, r"'wave' must have a unit.*wave \* u.AA.*'wave_nm'"),
        (lambda: {"x": AXIS, "flux": FLUX}, TypeError, "columns .* 'wavelength' and 'flux'.*got x, flux. Rename"),
        (lambda: Table({"x": AXIS}), TypeError, "got x. Rename"),
        (lambda: (AXIS, FLUX, STD * u.one, BAD[:5]), ValueError, r"mask .* shape of flux, \(200,\); got \(5,\)"),
        (lambda: (AXIS, FLUX * u.Jy, STD[:9] * u.Jy), ValueError, r"shape of flux, \(200,\); got \(9,\)"),
        (lambda: (AXIS, FLUX.astype(str)), TypeError, "flux must be real numbers; got an array of the type <U"),
        (lambda: (AXIS, np.array([object()] * 200)), TypeError, "flux must be real numbers; .* object"),
        (lambda: (AXIS, FLUX, InverseVariance(STD * 1j)), TypeError, "uncertainty must be real .* complex"),
        (lambda: (AXIS * 1j, FLUX), TypeError, "spectral_axis must be real numbers; .* complex"),
        (lambda: [[1.0, 2.0], [3.0, 4.0]], TypeError, "got a list of list. Flux needs its wavelengths"),
        (lambda: {"a": 1}, TypeError, "got a list of int"),
    ],
)
def test_refused_with_the_remedy(make, error, match):
    """What the argument is, what was got, and what to do."""
    with pytest.raises(error, match=match):
        to_batch(make(), on_error="raise")


@pytest.mark.parametrize("given", [1e-50, 1e50, 2.0, True, "high", [1, 2], 3 * u.K, np.zeros(200), {"R": 1}])
def test_resolution_of_a_stranger(given):
    """Where it is implausible it is unknown."""
    assert to_batch(make_spectrum(meta={"resolution": given})).resolution is None


def test_plausible_resolution_of_a_stranger():
    """A number or a FWHM is believed."""
    assert_allclose(to_batch(make_spectrum(meta={"resolution": 2000})).resolution, 2000)
    assert_allclose(to_batch(make_spectrum(meta={"resolution": 2 * u.AA})).resolution, WAVE / 2)


@pytest.mark.parametrize(
    ("option", "error", "match"),
    [
        ({"resolution": "high"}, TypeError, "resolution must be a number R.*got 'high'"),
        ({"resolution": True}, TypeError, "resolution must be a number R.*got True"),
        ({"resolution": 0 * u.AA}, ValueError, "resolution must be positive, a resolving power"),
        ({"medium": np.array(["air", "vacuum"])}, ValueError, "medium must be"),
    ],
)
def test_options_are_checked(option, error, match):
    """A wrong option is an error, for one spectrum and for many."""
    for obj in (make_spectrum(), [make_spectrum()]):
        with pytest.raises(error, match=match):
            to_batch(obj, on_error="raise", **option)


@pytest.mark.parametrize("header", ["text", 5, {"OBJECT": "a\nb\x00c"}, {"OBJECT": 5, "VACUUM": np.ones(3)}, [1]])
def test_strange_headers(header, plain):
    """A header that is none says nothing; names hold what tables can hold."""
    batch = to_batch([make_spectrum(meta={"header": header}, unit=u.Jy)])
    assert_same(plain, batch)
    assert batch.info[0].name in ("", "abc")
