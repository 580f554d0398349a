# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""More files by published layouts: planes, polarimetry, axes in tables, bands of IRAF, orders in text."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from test_loaders_strangers import AXIS, ERROR, FLUX, WAVE, N, check, image, primary, rows, table

from astro_spectok import read
from astro_spectok.spectra.loaders import UnreadableFileError

ORDERS = np.stack([WAVE, WAVE + 390.0])
WAT = 'wtype=multispec spec1 = "1 70 0 4000.0 2.0 200 0 1 2" spec2 = "2 71 0 4390.0 2.0 200 0 1 2"'


def two(values):
    return np.stack([values] * 2)


#: name: (extensions, what `check` is told)
FITS = {
    "CERES": (
        [primary(np.stack([ORDERS, *(two(x) for x in (FLUX, ERROR**-2, FLUX / 3))]), INSTRUME="FEROS")], {"number": 2}),
    "SPIRou's polarimetry": (
        [primary(INSTRUME="SPIRou"), *(image(k, two(x)) for k, x in (
            ("Pol", FLUX / 900), ("PolErr", ERROR / 900), ("StokesI", FLUX), ("StokesIErr", ERROR), ("Null1", 0 * FLUX)
         )),
         image("WaveAB", ORDERS / 10), image("BlazeAB", np.ones((2, N)))], {"number": 2}),
    "a source of MPDAF": (
        [primary(ID=5), *(image(f"SPE_{name}_{kind}", x, **AXIS | {"CTYPE1": "AWAV"}) for name in ("TOT", "PSF")
                          for kind, x in (("DATA", FLUX), ("STAT", ERROR**2))),
         image("IMA_WHITE_DATA", np.ones((9, 9)))], {"number": 2, "medium": "air"}),
    "an axis in a table": (
        [primary(FLUX, CTYPE1="WAVE-TAB", CUNIT1="um", CRVAL1=1.0, CDELT1=1.0, CRPIX1=1.0, PS1_0="WCS-TABLE",
                 PS1_1="wavelength"), table("WCS-TABLE", wavelength=(WAVE / 1e4)[None, :, None])], {"error": None}),
    "bands of MIKE": (
        [primary(np.stack([two(x) for x in (FLUX / 9, FLUX, ERROR, FLUX / ERROR, FLUX / 3)]), CTYPE1="MULTISPE",
                 BANDID1="sky", BANDID2="object", BANDID3="noise", BANDID4="signal-to-noise", BANDID5="lamp",
                 WAT1_001="wtype=multispec label=Wavelength units=angstroms", WAT2_001=WAT[:68], WAT2_002=WAT[68:])],
        {"number": 2}),
    "aXe": (
        [primary(), table("BEAM_1A", {"LAMBDA": "ANGSTROM"}, LAMBDA=WAVE, COUNT=9 * FLUX, ERROR=9 * ERROR, FLUX=FLUX,
                          FERROR=ERROR)], {}),
}  # fmt: skip
ARMS = {
    "WEAVE's of two arms": ("LAMBDA_{}", "FLUX_{}", "ERROR_{}", "BR"),
    "numbers": ("wave{}", "flux{}", "err{}", "12"),
}
TEXT = {
    "orders behind wavelengths": (rows(WAVE / 5, np.repeat([50, 51], N // 2), FLUX), None),
    "orders before wavelengths": (rows(np.repeat([50, 51], N // 2), WAVE, FLUX, ERROR), ERROR),
    "Planetary Spectrum Generator": ("# Wave/freq [um]  Total  Noise\n" + rows(WAVE / 1e4, FLUX, ERROR), ERROR),
}


@pytest.mark.parametrize("name", FITS)
def test_fits(tmp_path, name):
    from astropy.io import fits

    hdus, told = FITS[name]
    path = tmp_path / "file.fits"
    fits.HDUList([hdu.copy() for hdu in hdus]).writeto(path)
    check(read(path), **told)


@pytest.mark.parametrize("name", TEXT)
def test_text(tmp_path, name):
    text, error = TEXT[name]
    path = tmp_path / "file.dat"
    path.write_text(text)
    found = read(path, wave_unit="nm") if name == "orders behind wavelengths" else read(path)
    if name == "orders behind wavelengths":
        assert found.uncertainty is None
        assert_allclose(found.flux.value, FLUX, rtol=1e-4)
    else:
        check(found, error=error)


def test_bulk_files_of_gaia(tmp_path):
    flux = 1 + 0.01 * np.sin(np.arange(2401.0))
    cells = ['"[' + ",".join(f"{x:.5f}" for x in values) + ']"' for values in (flux, np.full(2401, 0.01))]
    head = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:", "# - {name: source_id, datatype: int64}",
            *(f"# - {{name: {name}, datatype: string, subtype: 'float64[2401]'}}" for name in ("flux", "flux_error")),
            "source_id,flux,flux_error"]  # fmt: skip
    path = tmp_path / "RvsMeanSpectrum_000000-003111.csv"
    path.write_text("\n".join([*head, *(f"{number},{cells[0]},{cells[1]}" for number in (4, 5))]) + "\n")
    found = read(path)
    assert len(found) == 2
    assert_allclose(found[1].spectral_axis.to_value("nm")[[0, -1]], [846, 870])
    assert_allclose(found[1].flux.value, flux, atol=1e-5)


def test_bands_at_irregular_wavelengths(tmp_path):
    rng = np.random.default_rng(1)
    wave, flux = np.sort(rng.uniform(0.75, 5, 102)), 100 + rng.normal(0, 3, 102)
    path = tmp_path / "bands.csv"
    path.write_text("wavelength_um,flux_uJy,flux_err_uJy\n" + rows(wave, flux, np.full(102, 3.0), separator=","))
    assert_allclose(read(path).flux.value, flux, rtol=1e-5)
    path.write_text("wavelength_um,flux,flux_err\n" + rows(wave, rng.exponential(99, 102), np.ones(102), separator=","))
    with pytest.raises(UnreadableFileError, match="list of lines"):
        read(path)


def test_samples_beside_a_spectrum(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "fit.h5"
    with h5py.File(path, "w") as file:
        for name, values in (("wavelength", WAVE), ("spectrum", FLUX), ("unc", ERROR)):
            file[f"obs/{name}"] = values
        file["sampling/lnprobability"] = np.ones((10, 20))
    check(read(path))


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("vectors", [True, False])
def test_arms_with_wavelengths_of_their_own(tmp_path, name, vectors):
    *names, arms = ARMS[name]
    columns = {one.format(arm): values for arm, start in zip(arms, (0.0, 900.0), strict=True)
               for one, values in zip(names, (WAVE + start, FLUX, ERROR), strict=True)}  # fmt: skip
    columns = {key: values[None] for key, values in columns.items()} if vectors else columns
    table("S", **columns).writeto(tmp_path / "arms.fits")
    spectra = check(read(tmp_path / "arms.fits"), number=2)
    assert_allclose(spectra[1].spectral_axis.value, WAVE + 900)
