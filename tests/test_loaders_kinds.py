# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kinds of files found by trying the readers on what archives write, each with a small file of its kind."""

import io
import zipfile

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


def write_text(path, head, *columns, separator=" ", remark=""):
    """Columns of numbers below a head."""
    rows = (separator.join(f"{value:.7g}" for value in row) + remark for row in zip(*columns, strict=True))
    path.write_text(head + "\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "head",
    ["Longueur d'onde (nm);Flux;Erreur", "comprimento de onda (nm);fluxo;erro", "Wellenlänge [nm];Fluss;Fehler",
     "波長(nm);フラックス;誤差", "Длина волны (nm);Поток;Ошибка"],
)  # fmt: skip
def test_names_in_other_languages(tmp_path, head):
    spectrum = read(write_text(tmp_path / "a.csv", head, WAVE / 10, FLUX, ERROR, separator=";"))
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE)
    assert len(spectrum.meta["columns"]) == 3
    assert_allclose(spectrum.uncertainty.array, ERROR)


def test_remarks_behind_numbers(tmp_path):
    spectrum = read(write_text(tmp_path / "a.txt", "# wave flux err", WAVE, FLUX, ERROR, remark="  # telluric 1.0"))
    assert_allclose(spectrum.flux.value, FLUX, rtol=1e-6)


def test_exponents_without_a_letter(tmp_path):
    """Fortran leaves out the E before three digits."""
    rows = "".join(f"{w:10.3f} {f * 0.1:.5f}-100\n" for w, f in zip(WAVE, FLUX, strict=True))
    (tmp_path / "a.txt").write_text(rows)
    assert_allclose(read(tmp_path / "a.txt").flux.value, FLUX * 1e-101, rtol=1e-4)


def test_columns_described_line_by_line(tmp_path):
    """As the theory server of the Virtual Observatory does; a comma in a description separates no names."""
    head = "# column 1: WAVELENGTH (ANGSTROM), in Angstrom\n# column 2: FLUX (ERG/CM2/S/A), in erg/cm2/s/A"
    spectrum = read(write_text(tmp_path / "a.txt", head, WAVE, FLUX))
    assert_allclose(spectrum.spectral_axis.to_value(u.AA), WAVE)
    assert spectrum.flux.unit.is_equivalent(u.erg / u.s / u.cm**2 / u.AA)


def test_names_that_the_numbers_contradict(tmp_path):
    """Wavelengths by name that run up and down, beside a first column in order, are none."""
    noise = np.random.default_rng(1).uniform(1, 2, N)
    spectrum = read(write_text(tmp_path / "a.txt", "of,wave", WAVE, noise, separator=","))
    assert_allclose(spectrum.spectral_axis.value, WAVE)


@pytest.mark.parametrize(
    ("names", "values", "errors"),
    [
        (("log_flux", "err"), np.log10(FLUX), ERROR),
        (("log10(F_lambda) [erg/s/cm2/A]", "err"), np.log10(FLUX), ERROR),
        (("flux", "rel_err"), FLUX, ERROR / FLUX),
        (("flux", "err(%)"), FLUX, 100 * ERROR / FLUX),
    ],
)
def test_logarithms_and_relative_errors(tmp_path, names, values, errors):
    spectrum = read(write_text(tmp_path / "a.csv", f"wave;{';'.join(names)}", WAVE, values, errors, separator=";"))
    assert_allclose(spectrum.flux.value, FLUX, rtol=1e-5)
    sigma = ERROR * np.log(10) * FLUX if "log" in names[0] else ERROR
    assert_allclose(spectrum.uncertainty.array, sigma, rtol=1e-5)


@pytest.mark.parametrize("name", ["lambda*F_lambda(erg/s/cm2)", "lamFlam [erg/s/cm2]", "nuFnu [W/m2]"])
def test_flux_times_wavelength(tmp_path, name):
    spectrum = read(write_text(tmp_path / "a.csv", f"wavelength(A);{name}", WAVE, FLUX * WAVE, separator=";"))
    assert_allclose(spectrum.flux.value, FLUX, rtol=1e-5)
    assert spectrum.flux.unit.is_equivalent(u.W / u.m**2 / u.um)


@pytest.mark.parametrize(("name", "good", "bad"), [("good", "1", "0"), ("mask", "False", "True")])
def test_masks_in_text(tmp_path, name, good, bad):
    rows = "".join(f"{w},{f},0.1,{bad if k == 9 else good}\n" for k, (w, f) in enumerate(zip(WAVE, FLUX, strict=True)))
    (tmp_path / "a.csv").write_text(f"wave,flux,err,{name}\n{rows}")
    assert np.flatnonzero(read(tmp_path / "a.csv").mask).tolist() == [9]


@pytest.mark.parametrize(
    ("unit", "values", "words"),
    [
        ("GHz", 230 + 1e-3 * np.arange(N), "is a radio or submillimetre spectrum"),
        ("mm", 1 + 1e-3 * np.arange(N), "is a radio or submillimetre spectrum"),
        ("keV", 0.5 + 0.1 * np.arange(N), "is an X-ray or gamma-ray spectrum"),
        ("GeV", 0.5 + 0.1 * np.arange(N), "is an X-ray or gamma-ray spectrum"),
    ],
)
def test_other_light_is_refused(tmp_path, unit, values, words):
    hdu = table("S", axis=values, flux=FLUX)
    hdu.columns["axis"].name = "frequency" if unit == "GHz" else "wavelength" if unit == "mm" else "energy"
    hdu.columns[0].unit = unit
    with pytest.raises(UnreadableFileError, match=words):
        read(save(tmp_path / "a.fits", primary(), hdu))


def test_channels_of_x_rays_are_refused(tmp_path):
    counts = table("SPECTRUM", CHANNEL=np.arange(N), COUNTS=np.arange(N))
    with pytest.raises(UnreadableFileError, match="is an X-ray spectrum in channels"):
        read(save(tmp_path / "a.pha", primary(), counts))


def test_files_in_a_zip_archive(tmp_path):
    """Each spectrum of it, whatever its format; what is none is left out, and archives in it are not opened."""
    content = io.BytesIO()
    fits.HDUList([primary(), table("S", wave=WAVE, flux=FLUX)]).writeto(content)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("__MACOSX/._b.fits", b"\0\5")
        packed.writestr("README.txt", "4000 1\n" * 20)
        packed.writestr("notes", "clouds")
        packed.writestr("b.fits", content.getvalue())
        packed.writestr("c.txt", write_text(tmp_path / "c.txt", "# wave flux", WAVE + 1, FLUX).read_text())
        packed.writestr("d.zip", b"PK\3\4" + bytes(100))
        packed.writestr("e.fits", b"SIMPLE  =                    T" + b" " * 2900)
    spectra = read(tmp_path / "a.zip")
    assert [spectrum.meta["member"] for spectrum in spectra] == ["b.fits", "c.txt"]
    assert_allclose(spectra[1].spectral_axis.value, WAVE + 1)


def test_workbooks_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as packed:
        packed.writestr("xl/workbook.xml", "<x/>")
    with pytest.raises(UnreadableFileError, match="is an Excel workbook; save its sheet as CSV"):
        read(tmp_path / "a.xlsx")


def test_machine_readable_tables(tmp_path):
    rule = "-" * 80
    head = (
        f"Title: X\nTable: Y\n{'=' * 80}\nByte-by-byte Description of file: a.txt\n{rule}\n"
        f"   Bytes Format Units   Label  Explanations\n{rule}\n   1-  9 F9.3   nm      Wave   Wavelength\n"
        f"  11- 19 F9.5   ---     Flux   Flux\n  21- 29 F9.5   ---     e_Flux Error\n{rule}\n"
    )
    rows = "".join(f"{w / 10:9.3f} {f:9.5f} {0.1:9.5f}\n" for w, f in zip(WAVE, FLUX, strict=True))
    (tmp_path / "a.txt").write_text(head + rows)
    spectrum = read(tmp_path / "a.txt")
    assert spectrum.spectral_axis.unit == u.nm
    assert_allclose(spectrum.uncertainty.array, ERROR)


def test_spectra_in_columns_of_one_table(tmp_path):
    """Orders of CRIRES+."""
    columns = {}
    for order, shift in (("02", 0), ("03", 300)):
        columns |= {f"{order}_01_SPEC": FLUX, f"{order}_01_ERR": ERROR, f"{order}_01_WL": (WAVE + shift) / 2}
    spectra = read(save(tmp_path / "a.fits", primary(INSTRUME="CRIRES"), table("CHIP1.INT1", **columns)))
    assert [spectrum.meta["order"] for spectrum in spectra] == ["02_01", "03_01"]
    assert_allclose(spectra[1].spectral_axis.to_value(u.nm), (WAVE + 300) / 2)
    assert_allclose(spectra[1].uncertainty.array, ERROR)


def test_images_whose_names_belong_together(tmp_path):
    """Arms and slices of KPF; sky is left out."""
    hdus = [primary(INSTRUME="KPF")]
    for arm, shift in (("GREEN", 0), ("RED", 500)):
        for what, scale in (("SCI_{}1", 1), ("SKY_{}", 9)):
            parts = (("FLUX", FLUX * scale), ("VAR", ERROR**2), ("WAVE", WAVE + shift))
            hdus += [fits.ImageHDU(np.stack([x, x]), name=f"{arm}_{what.format(word)}") for word, x in parts]
    spectra = read(save(tmp_path / "a.fits", *hdus))
    assert len(spectra) == 4
    assert_allclose(spectra[3].spectral_axis.value, WAVE + 500)
    assert_allclose(spectra[3].flux.value, FLUX)
    assert_allclose(spectra[3].uncertainty.array, ERROR**2)


def test_one_spectrum_on_two_grids(tmp_path):
    """SPIRou's products are read once, in even steps of velocity."""
    even = np.geomspace(WAVE[0], WAVE[-1], N)
    grids = (("UniformWavelength", WAVE), ("UniformVelocity", even))
    tables = [table(name, Wave=x / 4, FluxAB=FLUX) for name, x in grids]
    spectrum = read(save(tmp_path / "a.fits", primary(INSTRUME="SPIRou"), *tables))
    assert_allclose(spectrum.spectral_axis.to_value(u.nm), even / 4)


def test_spectra_in_columns_of_an_image(tmp_path):
    """GIRAFFE: wavelengths along the second axis."""
    cards = {"INSTRUME": "GIRAFFE", "CTYPE1": "INDEX", "CRVAL1": 1.0, "CDELT1": 1.0, "CTYPE2": "LINEAR",
             "CUNIT2": "nm", "CRVAL2": 400.0, "CDELT2": 0.2, "CRPIX2": 1.0}  # fmt: skip
    spectra = read(save(tmp_path / "a.fits", primary(np.outer(FLUX, np.arange(1, 31)), **cards)))
    assert_allclose(spectra.spectral_axis.to_value(u.AA), WAVE)
    assert_allclose(spectra.flux.value[29], 30 * FLUX)


def test_columns_of_an_image_by_their_cards(tmp_path):
    """CASSIS: Spitzer's spectra as an image of many columns."""
    image = np.stack([WAVE / 500, FLUX, ERROR, *[0 * FLUX] * 10], axis=1)
    cards = {"COL01DEF": "wavelength (microns)", "COL02DEF": "flux (Jy)", "COL03DEF": "error (RMS+SYS)"}
    spectrum = read(save(tmp_path / "a.fits", primary(image, **cards)))
    assert_allclose(spectrum.spectral_axis.to_value(u.um), WAVE / 500)
    assert_allclose(spectrum.uncertainty.array, ERROR)


def test_wavelengths_before_the_flux(tmp_path):
    """Hectospec: the first of its images without names holds the wavelengths."""
    weight = fits.ImageHDU(np.full((3, N), 100.0))
    path = save(tmp_path / "a.fits", primary(np.stack([WAVE] * 3)), fits.ImageHDU(np.stack([FLUX] * 3)), weight)
    spectra = read(path)
    assert_allclose(spectra[0].spectral_axis.value, WAVE)
    assert_allclose(spectra[0].flux.value, FLUX)


def test_logarithms_of_frequency_and_energy(tmp_path):
    """nu F_nu over nu, both as logarithms, as plots of energy distributions have them."""
    frequency = 2.99792458e18 / WAVE
    rows = "".join(
        f"{a!r} {b!r}\n" for a, b in zip(np.log10(frequency).tolist(), np.log10(frequency * FLUX).tolist(), strict=True)
    )
    (tmp_path / "a.txt").write_text(f"# log_nu log_nuFnu\n{rows}")
    found = read(tmp_path / "a.txt")
    assert_allclose(np.sort(found.spectral_axis.to_value(u.AA, u.spectral())), WAVE, rtol=1e-9)
    assert_allclose(found.flux.value, FLUX, rtol=1e-6)


def test_tables_beside_a_spectrum(tmp_path):
    """Model and sky in the same columns are no spectra of the object."""
    tables = [fits.BinTableHDU(Table({"wave": WAVE, "flux": FLUX * k}), name=n) for k, n in ((2, "SKY"), (1, "OBJ"))]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(tmp_path / "a.fits")
    assert_allclose(read(tmp_path / "a.fits").flux.value, FLUX)
