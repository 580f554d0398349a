# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Real files as archives serve them and specutils reads them."""

import numpy as np
import pytest
from _paths import FITS, needs
from astropy import units as u
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra import InputFlag, join_arms, to_batch

# files of real archives make readers warn about their headers
pytestmark = [
    needs(FITS),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.mark.parametrize(
    ("name", "fmt", "lengths", "medium", "first", "last"),
    [
        ("spec-0266-51602-0031.fits", "SDSS-III/IV spec", [3842], "header", 3800.14, 9202.38),
        ("spec-3655-55240-0002.fits", "SDSS-III/IV spec", [4622], "header", 3560.41, 10318.10),
        ("sdss_SHOC579_dr18.fits", "SDSS-III/IV spec", [3851], "header", 3786.17, 9187.56),
        ("apVisit-r13-5095-55844-128.fits", "APOGEE apVisit", [12288], "header", 15142.69, 16954.79),
        ("jwst_ceers_nirspec10-001027_x1d.fits", None, [3402], "header", 9626.52, 52867.90),
    ],
)
def test_read(name, fmt, lengths, medium, first, last):
    """A single spectrum: its pixels in order of vacuum wavelength, its bad pixels empty."""
    batch = to_batch(Spectrum.read(FITS / name, format=fmt), on_error="raise")
    assert_array_equal(batch.lengths, lengths)
    assert (np.diff(batch.wavelength) > 0).all()
    assert_allclose(batch.wavelength[[0, -1]], [first, last], atol=0.01)
    assert (batch.info[0].medium, batch.info[0].medium_source) == ("vacuum", medium)
    assert batch.flags[0] == 0
    assert 0.5 < (batch.ivar > 0).mean() <= 1
    assert (batch.flux[batch.ivar == 0] == 0).all()
    assert np.isfinite(batch.flux).all()
    assert 0.3 < np.median(np.abs(batch.flux[batch.ivar > 0])) < 3


def test_apogee_chips():
    """Three descending chips become one increasing spectrum, pixel for pixel."""
    spectrum = Spectrum.read(FITS / "apVisit-r13-5095-55844-128.fits", format="APOGEE apVisit")
    batch = to_batch(spectrum)
    assert_allclose(batch.wavelength, spectrum.spectral_axis.to_value(u.AA)[::-1], rtol=1e-14)
    good = batch.ivar > 0
    assert_allclose((batch.flux * batch.scale[0])[good], spectrum.flux.value[::-1][good] * 1e-17, rtol=1e-6)
    assert (np.diff(batch.wavelength) > 10).sum() == 2


def test_desi_arms():
    """DESI's three arms become one spectrum per target, named, with its resolution."""
    arms = SpectrumList.read(FITS / "desi_coadd-4-80613.fits", format="DESI coadd")
    batch = to_batch(arms, on_error="raise")
    assert_array_equal(batch.lengths, [7781])
    assert_allclose(batch.wavelength, 3600 + 0.8 * np.arange(7781), rtol=1e-9)
    assert batch.info[0].name == "39633345008634465"
    assert 1800 < np.nanmin(batch.resolution) < 2500
    assert 5000 < np.nanmax(batch.resolution) < 6500
    overlap = (batch.wavelength > 5760.1) & (batch.wavelength < 5799)
    expected = sum(
        arm.uncertainty.array[0][np.isin(np.round(arm.spectral_axis.value, 3), np.round(batch.wavelength[overlap], 3))]
        for arm in arms[:2]
    )
    assert_allclose(batch.ivar[overlap] / batch.scale[0] ** 2 * 1e-34, expected, rtol=1e-5)
    joined = join_arms(arms)
    assert joined.flux.shape == (1, 7781)
    assert joined.uncertainty.array.shape == (1, 7781)


def test_no_errors():
    """A file without errors gets an estimate and a flag; ampere for Angstrom in its unit does not matter."""
    spectrum = Spectrum.read(FITS / "gtc_osiris_gp121903.fits", format="wcs1d-fits")
    batch = to_batch(spectrum, on_error="raise")
    assert_array_equal(batch.lengths, [3199])
    assert batch.flags[0] & InputFlag.UNCERTAINTY_ESTIMATED
    assert (batch.ivar > 0).all()
    assert_allclose(batch.flux * batch.scale[0], spectrum.flux.value, rtol=1e-6)


def test_estimate_against_pipeline():
    """The estimated noise of SDSS spectra agrees with the pipeline's errors within 40 %."""
    for name in ("spec-0266-51602-0031.fits", "spec-3655-55240-0002.fits", "sdss_SHOC579_dr18.fits"):
        spectrum = Spectrum.read(FITS / name, format="SDSS-III/IV spec")
        known = to_batch(spectrum)
        spectrum.uncertainty = None
        estimated = to_batch(spectrum)
        good = (known.ivar > 0) & (estimated.ivar > 0)
        ratio = np.sqrt(known.ivar[good] / estimated.ivar[good]) * estimated.scale[0] / known.scale[0]
        assert 0.6 < np.median(ratio) < 1.4, name
