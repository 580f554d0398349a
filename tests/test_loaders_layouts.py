# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of formats of one layout: each is written small by the test, and read by the format that is meant."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum, SpectrumList

from astro_spectok import read
from astro_spectok.spectra import to_batch
from astro_spectok.spectra.loaders._formats import FORMATS, find_own_format

N = 200
RNG = np.random.default_rng(2)
WAVE = 4000.0 + 2 * np.arange(N)
FLUX = 3 + np.sin(np.arange(N) / 15) + RNG.normal(0, 0.05, N)
ERROR = np.full(N, 0.05)
F_LAMBDA = u.erg / u.s / u.cm**2 / u.AA


def save(path, *hdus):
    fits.HDUList(list(hdus)).writeto(path)
    return path


def primary(data=None, **cards):
    return fits.PrimaryHDU(data, fits.Header({key.replace("__", "-"): value for key, value in cards.items()}))


def one_row(name, **columns):
    """A table of one row of arrays (or of numbers)."""
    made = []
    for key, values in columns.items():
        values = np.atleast_1d(values)
        code = {"f": "D", "i": "J", "b": "L", "U": "A"}[values.dtype.kind]
        width = len(str(values[0])) if code == "A" else len(values)
        made.append(fits.Column(key, f"{width}{code}", array=values if code == "A" else values[None]))
    return fits.BinTableHDU.from_columns(made, name=name)


def pixels(name, **columns):
    """A table of one row per pixel."""
    return fits.BinTableHDU(Table(columns), name=name)


def check(spectrum, *, wave=WAVE, flux=FLUX, kind=StdDevUncertainty, error=ERROR, medium=None):
    """Values, kind of error, and medium."""
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), wave)
    good = ~spectrum.mask
    assert_allclose(spectrum.flux.value[good], np.asarray(flux)[good])
    if kind is None:
        assert spectrum.uncertainty is None
    else:
        assert type(spectrum.uncertainty) is kind
        assert_allclose(spectrum.uncertainty.represent_as(StdDevUncertainty).array[good], error[good])
    if medium is not None:
        assert spectrum.meta["medium"] == medium


def test_sdss_spspec(tmp_path):
    """Pixels count from 0, emission lines are no bad pixels, and the mutilated unit is mended."""
    mask = np.zeros(N)
    mask[3], mask[4] = 0x1000000, 0x40000000
    rows = np.stack([FLUX, FLUX, ERROR, mask, FLUX])
    path = save(
        tmp_path / "spSpec-1.fit",
        primary(rows, TELESCOP="SDSS 2.5-M", COEFF0=3.6, COEFF1=1e-4, CRVAL1=3.6, CD1_1=1e-4, DC__FLAG=1,
                BUNIT="1.0E-17 erg/cm/s/Ang", FIBERID=1),
    )  # fmt: skip
    spectrum = read(path)
    check(spectrum, wave=10 ** (3.6 + 1e-4 * np.arange(N)), medium="vacuum")
    assert_array_equal(np.flatnonzero(spectrum.mask), [3])
    assert spectrum.flux.unit.to(F_LAMBDA) == pytest.approx(1e-17)
    assert_array_equal(Spectrum.read(path).spectral_axis, spectrum.spectral_axis)


@pytest.mark.parametrize("names", [str.lower, str.upper])
def test_sdss_spec(tmp_path, names):
    """Columns in small letters, as in BOSS, or in capitals, as in SDSS-V; exposures behind are left alone."""
    mask = np.zeros(N, np.int32)
    mask[7] = 2**23
    columns = {"flux": FLUX, "loglam": np.log10(WAVE), "ivar": ERROR**-2, "and_mask": mask, "or_mask": mask + 1}
    table = pixels("COADD", **{names(key): values for key, values in columns.items()})
    exposure = pixels("B1-001", flux=9 * FLUX, loglam=np.log10(WAVE), ivar=ERROR)
    spectrum = read(save(tmp_path / "spec.fits", primary(TELESCOP="SDSS 2.5-M"), table, exposure))
    check(spectrum, kind=InverseVariance, medium="vacuum")
    assert_array_equal(np.flatnonzero(spectrum.mask), [7])
    assert spectrum.flux.unit.to(F_LAMBDA) == pytest.approx(1e-17)


def test_sdss_plate(tmp_path):
    """All fibres on one axis, whose pixels count from 0."""
    flux = np.tile(FLUX, (8, 1))
    mask = np.zeros(flux.shape, np.int32)
    mask[2, 5] = 1
    path = save(
        tmp_path / "spPlate.fits", primary(flux, TELESCOP="SDSS 2.5-M", COEFF0=3.6, COEFF1=1e-4, FIBERID=0),
        fits.ImageHDU(np.full_like(flux, 400.0)), fits.ImageHDU(mask), fits.ImageHDU(mask),
    )  # fmt: skip
    spectrum = read(path)
    assert spectrum.shape == (8, N)
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), 10 ** (3.6 + 1e-4 * np.arange(N)))
    assert spectrum.uncertainty.uncertainty_type == "ivar"
    assert np.argwhere(spectrum.mask).tolist() == [[2, 5]]


def test_pypeit(tmp_path):
    """Objects and orders: optimal before boxcar, flux before counts, a mask that is true where pixels are good."""
    good = np.ones(N, bool)
    good[8] = False
    calibrated = {"OPT_WAVE": WAVE, "OPT_FLAM": FLUX, "OPT_FLAM_IVAR": ERROR**-2, "OPT_MASK": good,
                  "OPT_COUNTS": 50 * FLUX, "BOX_WAVE": WAVE, "BOX_FLAM": 2 * FLUX}  # fmt: skip
    counts = {"BOX_WAVE": WAVE, "BOX_COUNTS": FLUX, "BOX_COUNTS_SIG": ERROR}
    path = save(
        tmp_path / "spec1d.fits", primary(PYP_SPEC="keck_deimos", TARGET="J1217"),
        pixels("SPAT0176-SLIT0175-DET01", **calibrated), pixels("SPAT0300-SLIT0290-DET01", **counts),
    )  # fmt: skip
    first, second = read(path)
    check(first, kind=InverseVariance, medium="vacuum")
    assert_array_equal(np.flatnonzero(first.mask), [8])
    assert first.flux.unit.to(F_LAMBDA) == pytest.approx(1e-17)
    check(second, medium="vacuum")
    assert second.flux.unit == u.ct
    assert first.meta["name"] == "J1217 SPAT0176-SLIT0175-DET01"


def test_pypeit_orders_are_joined_by_object(tmp_path):
    """Two orders of two objects become two spectra."""
    hdus = [
        pixels(
            f"OBJ000{k}-ORDER00{order}-DET01", OPT_WAVE=WAVE + 350 * order, OPT_COUNTS=k * FLUX, OPT_COUNTS_SIG=ERROR
        )
        for k in (1, 2)
        for order in (1, 2)
    ]
    path = save(tmp_path / "a.fits", primary(PYPELINE="Echelle"), *hdus)
    assert [one.meta["order"] for one in read(path)] == [1, 2, 1, 2]
    joined = read(path, join=True)
    assert [one.spectral_axis.value[[0, -1]].tolist() for one in joined] == [[4350, 5098]] * 2


def test_pypeit_coadd(tmp_path):
    """OneSpec: the mask is 1 for good."""
    good = np.ones(N, int)
    good[5] = 0
    hdu = pixels("SPECTRUM", wave=WAVE, flux=FLUX, ivar=ERROR**-2, mask=good, wave_grid_mid=WAVE)
    hdu.header["DMODCLS"] = "OneSpec"
    spectrum = read(save(tmp_path / "coadd.fits", primary(), hdu))
    check(spectrum, kind=InverseVariance, medium="vacuum")
    assert_array_equal(np.flatnonzero(spectrum.mask), [5])


def test_deep2(tmp_path):
    """Both detectors of the pipeline's own extraction are one spectrum; another may be named."""
    half = N // 2
    hdus = []
    for kind, factor in (("Bxspf", 1), ("Horne", 2)):
        for arm, part in (("B", slice(0, half)), ("R", slice(half, N))):
            hdus.append(one_row(f"{kind}-{arm}", SPEC=factor * FLUX[part], LAMBDA=WAVE[part], IVAR=ERROR[part] ** -2))
    path = save(tmp_path / "spec1d.fits", primary(), *hdus)
    check(read(path), kind=InverseVariance, medium="air")
    assert [one.shape for one in read(path, join=False)] == [(half,), (half,)]
    check(read(path, hdu="Horne"), flux=2 * FLUX, kind=InverseVariance)


def test_iue_low_dispersion(tmp_path):
    """Each aperture; wavelengths from a start and a step, quality below -255 is bad."""
    quality = np.zeros((2, N), np.int16)
    quality[0, 6] = -16384
    quality[0, 7] = -16
    table = Table({
        "APERTURE": ["LARGE", "SMALL"], "NPOINTS": [N, N], "WAVELENGTH": [1150.0, 1150.0], "DELTAW": [1.5, 1.5],
        "NET": np.stack([FLUX, FLUX]), "SIGMA": np.stack([ERROR, ERROR]), "QUALITY": quality,
        "FLUX": np.stack([FLUX, 2 * FLUX]),
    })  # fmt: skip
    first, second = read(save(tmp_path / "swp.mxlo", primary(TELESCOP="IUE"), fits.BinTableHDU(table, name="MELO")))
    check(first, wave=1150 + 1.5 * np.arange(N))
    assert_array_equal(np.flatnonzero(first.mask), [6])
    assert second.meta["aperture"] == "SMALL"


def test_iue_high_dispersion(tmp_path):
    """Orders begin where STARTPIX says."""
    table = Table({
        "ORDER": [70], "NPOINTS": [100], "STARTPIX": [11], "WAVELENGTH": [1970.0], "DELTAW": [0.05],
        "ABS_CAL": FLUX[None], "QUALITY": np.zeros((1, N), np.int16),
    })  # fmt: skip
    spectrum = read(save(tmp_path / "swp.mxhi", primary(TELESCOP="IUE"), fits.BinTableHDU(table, name="MEHI")))
    check(spectrum, wave=1970 + 0.05 * np.arange(100), flux=FLUX[10:110], kind=None)


@pytest.mark.parametrize("merged", [True, False])
def test_spextool(tmp_path, merged):
    """Planes of wavelength, flux, error and flags: one merged spectrum, or orders times apertures."""
    planes = np.stack([WAVE / 1e4, FLUX, ERROR, np.zeros(N)])
    data = planes if merged else np.stack([planes] * 4)
    path = save(
        tmp_path / "a.fits",
        primary(data, XUNITS="um", YUNITS="ergs s-1 cm-2 A-1", ORDERS="0" if merged else "3,4", NAPS=1 if merged else 2,
                WAVETYPE="Vacuum", RP=1200),
    )  # fmt: skip
    found = read(path)
    if merged:
        check(found, medium="vacuum")
        assert found.meta["resolution"] == 1200
    else:
        assert [(one.meta["order"], one.meta["aperture"]) for one in found] == [(3, 1), (3, 2), (4, 1), (4, 2)]
        check(found[3], medium="vacuum")


def test_gaia_rvs(tmp_path):
    """Rows without wavelengths, known by their number."""
    flux = np.ones((2, 2401))
    table = Table({"source_id": [1, 2], "flux": flux, "flux_error": flux / 100})
    found = read(save(tmp_path / "rvs.fits", primary(), fits.BinTableHDU(table)))
    assert found[0].spectral_axis.to_value(u.nm)[[0, -1]].tolist() == [846, 870]
    assert found[1].meta["name"] == "2"


def make_desi(path):
    fibermap = pixels("FIBERMAP", TARGETID=np.array([11, 12]))
    hdus = []
    for band, shift in (("B", 0), ("R", 380), ("Z", 760)):
        flux = np.stack([FLUX, 2 * FLUX])
        header = fits.Header({"BUNIT": "10**-17 erg/(s cm2 Angstrom)"})
        hdus += [
            fits.ImageHDU(WAVE + shift, fits.Header({"BUNIT": "Angstrom"}), name=f"{band}_WAVELENGTH"),
            fits.ImageHDU(flux, header, name=f"{band}_FLUX"),
            fits.ImageHDU(np.full_like(flux, 400.0), name=f"{band}_IVAR"),
            fits.ImageHDU(np.zeros(flux.shape, np.int32), name=f"{band}_MASK"),
        ]
    return save(path, primary(), fibermap, *hdus)


def test_desi(tmp_path):
    """Arms with the fibermap of their targets, joined when they are converted; one arm by its name."""
    path = make_desi(tmp_path / "coadd-any-name.fits")
    arms = read(path)
    assert [arm.meta["band"] for arm in arms] == ["b", "r", "z"]
    assert all(list(arm.meta["fibermap"]["TARGETID"]) == [11, 12] for arm in arms)
    batch = to_batch(arms)
    assert [info.name for info in batch.info] == ["11", "12"]
    assert batch.info[0].medium == "vacuum"
    assert batch.wavelength[batch.grid(0)][[0, -1]].tolist() == [4000, 5158]
    assert read(path, hdu="R").spectral_axis.value[0] == 4380


@pytest.mark.parametrize("fibres", [1, 3])
def test_pfs(tmp_path, fibres):
    """The variance is the diagonal of the covariance; wavelengths in nm, vacuum; informative bits are no mask."""
    flux = np.tile(FLUX, (fibres, 1))
    covar = np.zeros((fibres, 3, N))
    covar[:, 0] = 0.05**2
    mask = np.zeros((fibres, N), np.int32)
    mask[:, 2], mask[:, 3] = 1, 16
    bits = fits.Header({"MP_BAD": 0, "HIERARCH MP_REFLINE": 4})
    mask_hdu = fits.ImageHDU(mask, bits, name="MASK")
    path = save(
        tmp_path / "pfsArm.fits", primary(), fits.ImageHDU(flux, name="FLUX"), fits.ImageHDU(covar, name="COVAR"),
        mask_hdu, fits.ImageHDU(np.tile(WAVE / 10, (fibres, 1)), name="WAVELENGTH"),
    )  # fmt: skip
    found = read(path)
    spectrum = found if fibres == 1 else found[2]
    check(spectrum, kind=VarianceUncertainty, medium="vacuum")
    assert_array_equal(np.flatnonzero(spectrum.mask), [2])


def test_weave(tmp_path):
    """Targets only, times the sensitivity function."""
    axis = fits.Header({"CTYPE1": "AWAV", "CRVAL1": 4000.0, "CD1_1": 2.0, "CRPIX1": 1.0, "CUNIT1": "Angstrom"})
    data = np.tile(FLUX, (3, 1))
    table = Table({"TARGUSE": ["T", "S", "T"], "TARGNAME": ["a", "sky", "b"]})
    path = save(
        tmp_path / "weave.fits", primary(), fits.ImageHDU(data, axis, name="BLUE_DATA"),
        fits.ImageHDU(np.full_like(data, 400.0), name="BLUE_IVAR"),
        fits.ImageHDU(np.full_like(data, 2.0), name="BLUE_SENSFUNC"), fits.BinTableHDU(table, name="FIBTABLE"),
    )  # fmt: skip
    found = read(path)
    assert [one.meta["name"] for one in found] == ["a", "b"]
    check(found[1], flux=2 * FLUX, kind=InverseVariance, error=2 * ERROR, medium="air")
    assert found[0].flux.unit == F_LAMBDA


def test_euclid(tmp_path):
    """One extension for each object, scaled; odd and high bits of the mask are bad."""
    mask = np.zeros(N, int)
    mask[[1, 2, 3]] = 1, 64, 2
    hdus = [pixels(f"{k}_COMBINED1D_SIGNAL", WAVELENGTH=WAVE * 3, SIGNAL=FLUX, VAR=ERROR**2, MASK=mask) for k in (7, 8)]
    for hdu in hdus:
        hdu.header["FSCALE"] = 1e-16
    found = read(save(tmp_path / "sir.fits", primary(), *hdus))
    assert [one.meta["name"] for one in found] == ["7", "8"]
    check(found[0], wave=WAVE * 3, flux=1e-16 * FLUX, kind=VarianceUncertainty, error=1e-16 * ERROR, medium="vacuum")
    assert_array_equal(np.flatnonzero(found[0].mask), [1, 2])


def test_harps_e2ds(tmp_path):
    """Polynomials of wavelength over pixels."""
    header = {"ESO DRS CAL TH DEG LL": 1}
    for order in (0, 1):
        header |= {
            f"ESO DRS CAL TH COEFF LL{2 * order}": 4000.0 + 500 * order,
            f"ESO DRS CAL TH COEFF LL{2 * order + 1}": 2.0,
        }
    hdu = fits.PrimaryHDU(np.stack([FLUX, 2 * FLUX]))
    for key, value in header.items():
        hdu.header[f"HIERARCH {key}"] = value
    first, second = read(save(tmp_path / "e2ds.fits", hdu))
    check(first, kind=None, medium="air")
    check(second, wave=WAVE + 500, flux=2 * FLUX, kind=None)


@pytest.mark.parametrize("chebyshev", [False, True])
@pytest.mark.parametrize("said", [False, True])
def test_apero_e2ds(tmp_path, chebyshev, said):
    """Polynomials of both kinds over pixels, told by a card or by their size; the cards are those of the primary."""
    start, step = np.array([WAVE[0], WAVE[0] + 500.0]) / 10, (WAVE[1] - WAVE[0]) / 10
    half = step * N / 2
    terms = np.stack([start + half, [half, half]] if chebyshev else [start, [step, step]], axis=1)
    cards = {f"WAVE{k:04d}": value for k, value in enumerate(terms.ravel())}
    if said:
        cards["WAVEPOLY"] = "Chebyshev" if chebyshev else "Polynomial"
    primary_hdu = fits.PrimaryHDU(header=fits.Header(cards | {"WAVEORDN": 2, "WAVEDEGN": 1, "INSTRUME": "NIRPS"}))
    path = save(tmp_path / "e2dsff.fits", primary_hdu, fits.ImageHDU(np.stack([FLUX, 2 * FLUX])))
    first, second = read(path)
    check(first, kind=None, medium="vacuum")
    check(second, wave=WAVE + 500, flux=2 * FLUX, kind=None)
    del primary_hdu.header["WAVE0003"]
    primary_hdu.writeto(path, overwrite=True)
    fits.append(path, np.stack([FLUX, 2 * FLUX]))
    with pytest.raises(OSError, match="has no 2 coefficients of wavelength"):
        read(path)


# ----------------------------------------------------------------------------------------------- cubes


@pytest.fixture
def cube(tmp_path):
    """MUSE's layout: 2 x 3 spaxels, DATA and STAT, air; one spaxel is without data."""
    scale = np.arange(1.0, 7).reshape(2, 3)
    data = FLUX[:, None, None] * scale
    data[:, 1, 2] = np.nan
    header = fits.Header({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CRVAL3": 4000.0, "CD3_3": 2.0, "CRPIX3": 1.0,
        "CUNIT3": "Angstrom", "BUNIT": "10**(-20)*erg/s/cm**2/Angstrom",
    })  # fmt: skip
    stat = np.full(data.shape, 0.05**2)
    return save(
        tmp_path / "cube.fits", primary(), fits.ImageHDU(data, header, name="DATA"), fits.ImageHDU(stat, name="STAT")
    )


def test_a_spaxel(cube):
    """x goes first."""
    spectrum = read(cube, spaxel=(1, 0))
    check(spectrum, flux=2 * FLUX, kind=VarianceUncertainty, medium="air")
    assert spectrum.flux.unit.to(F_LAMBDA) == pytest.approx(1e-20)


def test_sum_of_spaxels(cube):
    """Fluxes and variances add; a spaxel without data has no part in it."""
    check(read(cube, spaxel="sum"), flux=15 * FLUX, kind=VarianceUncertainty, error=np.sqrt(5) * ERROR)
    mask = np.zeros((2, 3), bool)
    mask[0, :2] = True
    check(read(cube, spaxel=mask), flux=3 * FLUX, kind=VarianceUncertainty, error=np.sqrt(2) * ERROR)


def test_whole_cube(cube):
    """All spaxels in one Spectrum, whose shape they keep."""
    spectrum = read(cube)
    assert spectrum.shape == (2, 3, N)
    assert_allclose(spectrum.flux.value[1, 0], 4 * FLUX)
    assert spectrum.mask[1, 2].all()
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE)


@pytest.mark.parametrize("spaxel", [(3, 0), (0, -1), np.ones((3, 2), bool), "all"])
def test_spaxels_that_are_not_there(cube, spaxel):
    """The message says how many there are, or what may be given."""
    with pytest.raises(ValueError, match="spaxel"):
        read(cube, spaxel=spaxel)


# -------------------------------------------------------------------------------------------- registry


def test_formats_stand_in_the_registry(tmp_path, cube):
    """specutils reads what we read, finds the format itself where nobody else claims it, and by name."""
    assert SpectrumList.read(cube, format="spectok cube")[0].shape == (2, 3, N)
    path = save(
        tmp_path / "spec1d.fits", primary(PYP_SPEC="x"), pixels("SPAT0001-SLIT1", OPT_WAVE=WAVE, OPT_COUNTS=FLUX)
    )
    assert find_own_format(path) == "PypeIt spec1d"
    assert_array_equal(Spectrum.read(path).flux.value, FLUX)
    assert_array_equal(read(path, format="PypeIt spec1d").flux.value, FLUX)
    assert set(FORMATS) <= set(registered())


def registered():
    from astropy.io import registry

    return registry.get_formats(Spectrum, readwrite="Read")["Format"].tolist()


def test_several_spectra_are_no_single_one(tmp_path):
    """Spectrum.read says to read a list."""
    path = make_desi(tmp_path / "a.fits")
    with pytest.raises(OSError, match=r"holds 3 spectra; read it with SpectrumList\.read"):
        Spectrum.read(path, format="DESI arms")
