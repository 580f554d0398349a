# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kinds of files found by trying the readers on what archives write, each with a small file of its kind."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.table import QTable, Table
from numpy.testing import assert_allclose

from astro_spectok import read
from astro_spectok.spectra.column_names import choose_error, find_role, pick_roles
from astro_spectok.spectra.loaders import UnreadableFileError
from astro_spectok.spectra.unit_words import parse_flux_unit

N = 100
WAVE = 4000.0 + 2 * np.arange(N)
FLUX = 3 + np.sin(np.arange(N) / 5)
ERROR = np.full(N, 0.1)


def save(path, *hdus):
    fits.HDUList(list(hdus)).writeto(path)
    return path


def primary(data=None, **cards):
    return fits.PrimaryHDU(data, fits.Header(cards))


def table(name, **columns):
    return fits.BinTableHDU(Table(columns), name=name)


def test_all_tables_alike_are_read(tmp_path):
    """Arms in extensions of their own are three spectra; a table of other columns beside them is none."""
    tables = [table(name, wave=WAVE * k, flux=FLUX, err=ERROR) for name, k in (("UVB", 1), ("VIS", 1.4), ("NIR", 2.5))]
    path = save(tmp_path / "arms.fits", primary(), *tables, table("LINES", wave=WAVE, flux=FLUX, ion=["x"] * N))
    spectra = read(path)
    assert [spectrum.meta["extension"] for spectrum in spectra] == ["UVB", "VIS", "NIR"]
    assert_allclose(spectra[2].spectral_axis.value, 2.5 * WAVE)
    assert_allclose(read(path, hdu="VIS").spectral_axis.value, 1.4 * WAVE)


def test_a_damaged_table_stops_no_other(tmp_path):
    tables = [table("A", wave=np.arange(N) * 1.0, flux=FLUX), table("B", wave=WAVE, flux=FLUX)]
    assert_allclose(read(save(tmp_path / "a.fits", primary(), *tables)).spectral_axis.value, WAVE)


@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0])
def test_errors_that_say_nothing_mask_nothing(tmp_path, value):
    """FEROS products have a column of NaN where no error was computed."""
    spectrum = read(save(tmp_path / "a.fits", primary(), table("S", WAVE=WAVE, FLUX=FLUX, ERR=np.full(N, value))))
    assert spectrum.uncertainty is None
    assert not spectrum.mask.any()
    assert any("missing or 0" in guess for guess in spectrum.meta["guesses"])


def test_inverse_variance_of_zero_masks_all(tmp_path):
    spectrum = read(save(tmp_path / "a.fits", primary(), table("S", WAVE=WAVE, FLUX=FLUX, IVAR=np.zeros(N))))
    assert spectrum.mask.all()


@pytest.mark.parametrize(("name", "zero"), [("ABmag", 3631 * u.Jy), ("mag", 3631 * u.Jy), ("STmag", u.STflux)])
def test_magnitudes_become_flux(tmp_path, name, zero):
    """A bright line is a small magnitude; errors follow."""
    rows = "".join(f"{wave} {20 - 2.5 * np.log10(flux):.8f} 0.02\n" for wave, flux in zip(WAVE, FLUX, strict=True))
    (tmp_path / "a.txt").write_text(f"# wavelength {name} err\n{rows}")
    spectrum = read(tmp_path / "a.txt")
    assert_allclose((spectrum.flux / (1e-8 * zero)).to_value(u.one), FLUX, rtol=1e-4)
    assert_allclose(spectrum.uncertainty.array, spectrum.flux.value * 0.02 * np.log(10) / 2.5, rtol=1e-6)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_text_in_two_bytes_with_or_without_a_mark(tmp_path, encoding):
    text = "wave,flux\n" + "".join(f"{a},{b:.5f}\n" for a, b in zip(WAVE, FLUX, strict=True))
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert_allclose(read(tmp_path / "a.csv").spectral_axis.value, WAVE)


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "WAVE-LOG", "CRVAL1": np.log(4000.0), "CDELT1": 3e-4},
        {"CTYPE1": "WAVE-LOG", "CRVAL1": np.log10(4000.0), "CDELT1": 3e-4 / np.log(10)},
        {"CTYPE1": "WAVE-LOG", "CUNIT1": "LogL", "CRVAL1": np.log10(4000.0), "CDELT1": 3e-4 / np.log(10)},
        {"CTYPE1": "WAVE-LOG", "CUNIT1": "Angstrom", "CRVAL1": 4000.0, "CDELT1": 4000 * 3e-4},
    ],
)
def test_logarithmic_axes_of_every_habit(tmp_path, cards):
    spectrum = read(save(tmp_path / "a.fits", primary(FLUX, CRPIX1=1.0, **cards)))
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), 4000 * np.exp(3e-4 * np.arange(N)), rtol=1e-6)


def test_infrared_spectra_are_no_logarithms(tmp_path):
    """8 to 11 micron in even steps, without a unit."""
    wave = 8 + 0.02 * np.arange(150)
    (tmp_path / "a.txt").write_text("".join(f"{x:.2f} 1.5\n" for x in wave))
    assert_allclose(read(tmp_path / "a.txt").spectral_axis.to_value(u.um), wave)


def test_nanometres_from_the_ground(tmp_path):
    """1000 to 1200 without a unit are Angstrom, unless the light went through air."""
    from_space, from_ground = (
        read(save(tmp_path / f"{k}.fits", primary(**cards), table("S", WAVE=WAVE / 4, FLUX=FLUX)))
        for k, cards in enumerate(({}, {"AIRMASS": 1.2}))
    )
    assert (from_space.spectral_axis.unit, from_ground.spectral_axis.unit) == (u.AA, u.nm)


def test_photometry_is_refused(tmp_path):
    """A table of filters is no spectrum; one of three arms is."""
    wave = np.linspace(3000, 90000, 20)
    filters = Table({"wavelength": wave, "flux": wave, "filter": [f"F{k}" for k in range(20)]})
    filters.write(tmp_path / "sed.ecsv")
    with pytest.raises(UnreadableFileError, match="photometry: column filter"):
        read(tmp_path / "sed.ecsv")
    arms = Table({"wavelength": WAVE, "flux": FLUX, "band": ["b"] * 50 + ["r"] * 50})
    arms.write(tmp_path / "arms.ecsv")
    assert read(tmp_path / "arms.ecsv").shape == (N,)


def test_units_of_tables_in_hdf5_and_parquet(tmp_path):
    columns = QTable({"wavelength": WAVE / 10 * u.nm, "flux": FLUX * u.Jy})
    pytest.importorskip("h5py")
    columns.write(tmp_path / "a.h5", path="spectrum", serialize_meta=True)
    pytest.importorskip("pyarrow")
    columns.write(tmp_path / "a.parquet")
    for name in ("a.h5", "a.parquet"):
        spectrum = read(tmp_path / name)
        assert (spectrum.spectral_axis.unit, spectrum.flux.unit) == (u.nm, u.Jy)


def test_weights_of_cubes_are_no_inverse_variances(tmp_path):
    """SAMI cubes have both VARIANCE and WEIGHT."""
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 4000.0,
             "CD3_3": 2.0, "CRPIX3": 1.0, "CD1_1": -1e-4, "CD2_2": 1e-4}  # fmt: skip
    cube = np.broadcast_to(FLUX[:, None, None], (N, 2, 3)).copy()
    path = save(tmp_path / "a.fits", primary(cube, **cards), fits.ImageHDU(0.01 * cube, name="VARIANCE"),
                fits.ImageHDU(cube, name="WEIGHT"))  # fmt: skip
    spectrum = read(path)
    assert isinstance(spectrum.uncertainty, VarianceUncertainty)
    path = save(tmp_path / "b.fits", primary(), fits.ImageHDU(cube, fits.Header(cards), name="NGC.DATA"),
                fits.ImageHDU(0.1 * cube, name="NGC.NOISE"))  # fmt: skip
    assert isinstance(read(path).uncertainty, StdDevUncertainty)


def test_names_of_columns():
    """Names that archives use, of which some only begin or end as one that says something."""
    kinds = {"ERR_IVAR": "ivar", "FluxErrAB": "err", "Sci Variance": "var", "Arg": "wave", "NGC1.NOISE": "err"}
    assert {name: find_role(name).kind for name in kinds} == kinds
    assert choose_error(pick_roles(["wave", "flux", "weight", "variance"])) == "var"
    assert choose_error(pick_roles(["wave", "flux", "weight"])) == "ivar"
    assert parse_flux_unit("Flux (10^-17 erg/s/cm^2/Ang)")[0] == u.Unit("1e-17 erg/(s cm2 Angstrom)")


def test_sdss_v_mwm_files_hold_several_spectra(tmp_path):
    """BOSS and APOGEE of one star, in vacuum; observatories that have not seen it are empty."""
    row = {"flux": FLUX[None], "ivar": ERROR[None] ** -2, "pixel_flags": (np.arange(N) == 7)[None].astype(int)}
    boss = table("BOSS/APO", wavelength=WAVE[None], **row)
    apogee = table("APOGEE/APO", **row)
    apogee.header.update({"CRVAL": 4.18, "CDELT": 6e-6})
    empty = fits.BinTableHDU.from_columns([fits.Column("sdss_id", "K")], name="BOSS/LCO")
    first, second = read(save(tmp_path / "a.fits", primary(V_ASTRA="0.6"), boss, empty, apogee))
    assert (first.meta["extension"], second.meta["extension"]) == ("BOSS/APO", "APOGEE/APO")
    assert_allclose(second.spectral_axis.value, 10 ** (4.18 + 6e-6 * np.arange(N)))
    assert isinstance(first.uncertainty, InverseVariance)
    assert first.meta["medium"] == "vacuum"
    assert np.flatnonzero(first.mask).tolist() == [7]


def test_makee_orders(tmp_path):
    cards = {"WV_0_01": "4000. 0.1 1e-6 0.", "WV_4_01": "0. 0. 0. 0.", "WV_0_02": "4100. 0.1 0. 0."}
    first, second = read(save(tmp_path / "a.fits", primary(np.stack([FLUX, FLUX]), **cards)))
    assert_allclose(first.spectral_axis.value, 4000 + 0.1 * np.arange(N) + 1e-6 * np.arange(N) ** 2)
    assert (second.spectral_axis.value[0], second.meta["medium"], second.meta["order"]) == (4100, "vacuum", 2)


def test_gaia_datalink_by_name(tmp_path):
    wave = 846 + 0.01 * np.arange(N)
    text = "wavelength,flux,flux_error\n" + "".join(f"{x:.2f},0.9,0.01\n" for x in wave)
    (tmp_path / "RVS-Gaia DR3 1234.csv").write_text(text)
    spectrum = read(tmp_path / "RVS-Gaia DR3 1234.csv")
    assert (spectrum.meta["medium"], spectrum.spectral_axis.unit) == ("vacuum", u.nm)
