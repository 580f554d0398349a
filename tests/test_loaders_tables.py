# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of spectra in FITS tables of every habit, read by the meaning of their columns."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from numpy.testing import assert_allclose, assert_array_equal
from specutils import SpectrumList

from astro_spectok import read
from astro_spectok.spectra.medium import find_medium

F_LAMBDA = u.erg / u.s / u.cm**2 / u.AA
WAVE = np.linspace(4000.0, 7000.0, 300)
RNG = np.random.default_rng(3)
FLUX = 2 + np.sin(WAVE / 100) + RNG.normal(0, 0.05, 300)
ERROR = np.full(300, 0.05)


def write_table(path, columns, *, vector=False, units=None, header=None, primary=None, ucds=None):
    """A table of one row per pixel, or of one row of arrays."""
    made = []
    for name, values in columns.items():
        values = np.asarray(values)
        code = {"f": "D", "i": "J", "b": "L"}[values.dtype.kind]
        made.append(
            fits.Column(
                name,
                f"{values.size}{code}" if vector else code,
                unit=(units or {}).get(name),
                array=values[None] if vector else values,
            )
        )
    hdu = fits.BinTableHDU.from_columns(made, header=None if header is None else fits.Header(header))
    for name, ucd in (ucds or {}).items():
        hdu.header[f"TUCD{list(columns).index(name) + 1}"] = ucd
    fits.HDUList([fits.PrimaryHDU(header=None if primary is None else fits.Header(primary)), hdu]).writeto(path)
    return path


@pytest.mark.parametrize("vector", [False, True], ids=["rows", "arrays"])
@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("WAVELENGTH", "FLUX", "SIGMA"), StdDevUncertainty),
        (("wave", "flux", "flux_err"), StdDevUncertainty),
        (("LAMBDA", "SPEC", "IVAR"), InverseVariance),
        (("lambda", "Flux_Density", "variance"), VarianceUncertainty),
        (("spectral_axis", "flux", "uncertainty"), StdDevUncertainty),
        (("waveobs", "flux", "err"), StdDevUncertainty),
    ],
)
def test_columns_by_their_names(tmp_path, names, kind, vector):
    """Wavelength, flux and error of whatever kind, in one row per pixel or in one row."""
    error = {StdDevUncertainty: ERROR, VarianceUncertainty: ERROR**2, InverseVariance: ERROR**-2}[kind]
    columns = dict(zip(names, (WAVE, FLUX, error), strict=True))
    spectrum = read(write_table(tmp_path / "a.fits", columns, vector=vector))
    assert_array_equal(spectrum.spectral_axis.to_value(u.AA), WAVE)
    assert_array_equal(spectrum.flux.value, FLUX)
    assert type(spectrum.uncertainty) is kind
    assert_allclose(spectrum.uncertainty.represent_as(StdDevUncertainty).array, ERROR)


def test_units_in_capitals(tmp_path):
    """As IUE and IDL write them."""
    units = {"WAVELENGTH": "MICRON", "FLUX": "ERG/CM2/S/A", "SIGMA": "ERG/CM2/S/A"}
    columns = {"WAVELENGTH": WAVE / 1e4, "FLUX": FLUX, "SIGMA": ERROR}
    spectrum = read(write_table(tmp_path / "a.fits", columns, units=units))
    assert spectrum.spectral_axis.unit == u.um
    assert spectrum.flux.unit == F_LAMBDA
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE)


def test_log_wavelengths_and_a_mask_of_bits(tmp_path):
    """SDSS's own columns, under another telescope's header."""
    mask = np.zeros(300, int)
    mask[7] = 4
    columns = {"flux": FLUX, "loglam": np.log10(WAVE), "ivar": ERROR**-2, "and_mask": mask}
    spectrum = read(write_table(tmp_path / "a.fits", columns))
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE)
    assert_array_equal(np.flatnonzero(spectrum.mask), [7])


@pytest.mark.parametrize(("name", "value"), [("good", 1), ("MASK", 1), ("QUAL", 0)])
def test_masks_that_mean_good_or_bad(tmp_path, name, value):
    """A column named good, one of ones, one of zeros with a bad pixel: each masks that pixel and no other."""
    mask = np.full(300, value)
    mask[11] = 1 - value
    spectrum = read(write_table(tmp_path / "a.fits", {"WAVE": WAVE, "FLUX": FLUX, name: mask}))
    assert_array_equal(np.flatnonzero(spectrum.mask), [11])


def test_errors_in_another_unit(tmp_path):
    """An error column in a multiple of the unit of the flux."""
    units = {"wave": "Angstrom", "flux": "erg/s/cm2/A", "err": "1e-2 erg/s/cm2/A"}
    spectrum = read(write_table(tmp_path / "a.fits", {"wave": WAVE, "flux": FLUX, "err": ERROR * 100}, units=units))
    assert_allclose(spectrum.uncertainty.array, ERROR)


def test_variance_called_error_is_reported_and_remembered(tmp_path):
    """The guess stands in the metadata."""
    columns = {"wave": WAVE, "flux": 1e-15 * FLUX, "err": (1e-15 * ERROR) ** 2}
    spectrum = read(write_table(tmp_path / "a.fits", columns))
    assert isinstance(spectrum.uncertainty, VarianceUncertainty)
    assert "errors are taken as variance" in " ".join(spectrum.meta["guesses"])


def test_the_one_column_that_is_left_is_the_flux(tmp_path):
    """Beside wavelengths and errors; of two nobody knows which."""
    spectrum = read(write_table(tmp_path / "a.fits", {"wave": WAVE, "SNe_smoothed": FLUX, "err": ERROR}))
    assert_array_equal(spectrum.flux.value, FLUX)
    assert "column SNe_smoothed is the flux: no other is left" in spectrum.meta["guesses"]
    with pytest.raises(OSError, match="no wavelength and flux among its columns"):
        read(write_table(tmp_path / "b.fits", {"wave": WAVE, "one": FLUX, "two": FLUX}))


def test_snr_column_gives_errors(tmp_path):
    """Where there is nothing better."""
    spectrum = read(write_table(tmp_path / "a.fits", {"wave": WAVE, "flux": FLUX, "snr": FLUX / ERROR}))
    assert_allclose(spectrum.uncertainty.array, ERROR)


def test_eso_phase_3(tmp_path):
    """One row of arrays in nm, whose UCD says air, with a resolving power in the primary header."""
    units = {"WAVE": "nm", "FLUX": "erg.cm**(-2).s**(-1).angstrom**(-1)"}
    columns = {"WAVE": WAVE / 10, "FLUX": FLUX, "ERR": ERROR, "QUAL": np.zeros(300, int)}
    path = write_table(
        tmp_path / "a.fits", columns, vector=True, units=units, ucds={"WAVE": "em.wl;obs.atmos"},
        primary={"SPEC_RES": 8900.0, "OBJECT": "a star", "INSTRUME": "XSHOOTER"},
    )  # fmt: skip
    spectrum = read(path)
    assert find_medium(meta=spectrum.meta) == ("air", "header")
    assert spectrum.meta["resolution"] == 8900
    assert spectrum.meta["header"]["OBJECT"] == "a star"
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE)


def test_eso_phase_3_in_vacuum(tmp_path):
    """A UCD without obs.atmos means vacuum, by ESO's standard, whatever the instrument usually does."""
    path = write_table(
        tmp_path / "a.fits", {"WAVE": WAVE, "FLUX": FLUX}, vector=True, ucds={"WAVE": "em.wl"},
        header={"VOCLASS": "SPECTRUM V2.0"}, primary={"INSTRUME": "XSHOOTER"},
    )  # fmt: skip
    assert find_medium(meta=read(path).meta) == ("vacuum", "header")


def test_wavelengths_in_air_and_vacuum(tmp_path):
    """Where a table has both, as ESPRESSO's, the one without a remark is the vacuum one."""
    columns = {"wavelength": WAVE, "wavelength_air": WAVE - 1.5, "flux": FLUX, "error": ERROR}
    spectrum = read(write_table(tmp_path / "a.fits", columns))
    assert spectrum.meta["medium"] == "vacuum"
    assert_array_equal(spectrum.spectral_axis.value, WAVE)


def test_several_rows_of_arrays(tmp_path):
    """On one axis they are one Spectrum of several rows; on different ones a list."""
    for shift, expected in ((0.0, (2, 300)), (5.0, None)):
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("WAVE", "300D", array=np.stack([WAVE, WAVE + shift])),
                fits.Column("FLUX", "300D", array=np.stack([FLUX, 2 * FLUX])),
            ]
        )
        path = tmp_path / f"{shift}.fits"
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
        found = read(path)
        if expected:
            assert found.shape == expected
        else:
            assert isinstance(found, SpectrumList)
            assert [one.spectral_axis.value[0] for one in found] == [4000, 4005]


def test_arrays_of_different_lengths(tmp_path):
    """Variable-length columns."""
    rows = [np.arange(4000.0, 4100.0), np.arange(5000.0, 5050.0)]
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("WAVE", "PD()", array=np.array(rows, dtype=object)),
            fits.Column("FLUX", "PD()", array=np.array([np.ones(100), np.ones(50)], dtype=object)),
        ]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "a.fits")
    assert [one.shape for one in read(tmp_path / "a.fits")] == [(100,), (50,)]


def test_orders_one_after_the_other(tmp_path):
    """A column in which the wavelengths start again holds several orders."""
    wave = np.concatenate([np.linspace(5000, 5100, 150), np.linspace(5090, 5200, 150)])
    found = read(write_table(tmp_path / "a.fits", {"wave": wave, "flux": FLUX}))
    assert [one.shape for one in found] == [(150,), (150,)]
    joined = read(tmp_path / "a.fits", join=True)
    assert joined.spectral_axis.value[[0, -1]].tolist() == [5000, 5200]


def test_disorder_is_sorted(tmp_path):
    """And said."""
    order = np.random.default_rng(1).permutation(300)
    spectrum = read(write_table(tmp_path / "a.fits", {"wave": WAVE[order], "flux": FLUX[order]}))
    assert_array_equal(spectrum.flux.value, FLUX)
    assert "wavelengths are in disorder: sorted" in spectrum.meta["guesses"]


def test_pixels_without_wavelengths_are_left_out(tmp_path):
    """As PypeIt and msaexp fill them."""
    wave = WAVE.copy()
    wave[:3], wave[-1] = 0, np.nan
    spectrum = read(write_table(tmp_path / "a.fits", {"wave": wave, "flux": FLUX}))
    assert_array_equal(spectrum.spectral_axis.value, WAVE[3:-1])


def test_the_spectrum_among_other_tables(tmp_path):
    """Neither the list of lines before it nor the catalogue behind it is taken."""
    path = write_table(tmp_path / "a.fits", {"wave": WAVE, "flux": FLUX})
    with fits.open(path) as hdus:
        lines = fits.BinTableHDU.from_columns(
            [fits.Column("wave", "D", array=[4861.0, 6563.0]), fits.Column("flux", "D", array=[1.0, 3.0])]
        )
        fits.HDUList([hdus[0], lines, hdus[1]]).writeto(tmp_path / "b.fits")
    assert read(tmp_path / "b.fits").shape == (300,)
