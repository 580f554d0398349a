# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The packaged example spectrum and the demonstration."""

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from astropy.table import QTable
from conftest import make_spectrum
from specutils import Spectrum

from astro_spectok.demo import measure_chi2, run_demo
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.example import (
    EXAMPLE_PATH,
    REAL_SPECTRA,
    REDSHIFT,
    list_example_files,
    make_example,
    read_example,
)


def test_packaged_file_is_what_the_function_makes():
    """The example is made by the project, and can be made again."""
    packaged, made = QTable.read(EXAMPLE_PATH), make_example()
    assert packaged.colnames == made.colnames
    for name in made.colnames:
        assert packaged[name].unit == made[name].unit
        np.testing.assert_allclose(packaged[name].value, made[name].value, rtol=1e-6)
    assert EXAMPLE_PATH.stat().st_size < 100_000


def test_example_reads_with_specutils_alone():
    """What the demonstration does is what a user would do."""
    plain, ours = Spectrum.read(str(EXAMPLE_PATH)), read_example()
    np.testing.assert_array_equal(plain.flux.value, ours.flux.value)
    assert plain.flux.unit == ours.flux.unit
    assert ours.mask.sum() == np.isnan(ours.uncertainty.array).sum() > 0
    assert ours.redshift.value == 0


def test_example_can_be_written(tmp_path):
    """A copy of it goes to a file by specutils, with its header, as spectra of surveys do."""
    path = tmp_path / "copy.fits"
    read_example().write(path, format="tabular-fits")
    again = Spectrum.read(path, format="tabular-fits")
    np.testing.assert_allclose(again.flux.value, read_example().flux.value)
    assert again.meta["header"]["REDSHIFT"] == REDSHIFT


def test_example_has_h_alpha_where_its_redshift_puts_it():
    """The strongest line stands at 6564.61 (1 + z) Angstrom."""
    spectrum = read_example()
    wavelength = spectrum.spectral_axis.value
    near = (np.abs(wavelength - 6564.61 * (1 + REDSHIFT)) < 60) & ~spectrum.mask
    peak = wavelength[near][np.argmax(spectrum.flux.value[near])]
    assert abs(peak - 6564.61 * (1 + REDSHIFT)) < 3


def test_chi2_counts_good_pixels_only():
    """Masked pixels and those without an error do not count."""
    spectrum = make_spectrum(200)
    sigma = spectrum.uncertainty.array.copy()
    sigma[3] = np.nan
    flux = spectrum.flux.value.copy()
    mask = np.zeros(200, bool)
    mask[:2], flux[:2] = True, 1e9
    spectrum = Spectrum(
        flux=flux * spectrum.flux.unit,
        spectral_axis=spectrum.spectral_axis,
        uncertainty=StdDevUncertainty(sigma),
        mask=mask,
    )
    model = Spectrum(flux=(flux + 2 * np.nan_to_num(sigma)) * spectrum.flux.unit, spectral_axis=spectrum.spectral_axis)
    chi2, n_good = measure_chi2(spectrum, model)
    assert n_good == 197
    assert chi2 == pytest.approx(4)


def test_demo_prints_and_draws(weights, tmp_path, monkeypatch):
    """Answers, tokens and chi2 of every spectrum are printed, and a picture is written, beside an older one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spectok-demo.png").write_text("older")
    lines = list(run_demo(weights=weights, device="cpu"))
    assert [line.split()[0] for line in lines[::2]] == [*REAL_SPECTRA.values(), "picture"]
    assert all("chi2" in line for line in lines[1::2])
    assert lines[-1].endswith("spectok-demo-2.png")
    assert (tmp_path / "spectok-demo-2.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "spectok-demo.png").read_text() == "older"


def test_demo_never_overwrites_unasked(tiny_weights, tmp_path):
    """A picture that exists is refused before anything is computed."""
    picture = tmp_path / "mine.png"
    picture.write_text("mine")
    with pytest.raises(FileExistsError, match="--overwrite"):
        list(run_demo(picture, weights=tiny_weights))
    assert picture.read_text() == "mine"
    list(run_demo(picture, weights=tiny_weights, overwrite=True))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_real_spectra_are_measured_right(packaged_weights):
    """Of each the class, and the redshift that the SDSS, the cluster or the survey has, with no flag."""
    table = RedshiftEstimator(weights=packaged_weights, device="cpu").estimate_files(list_example_files(more=True))
    assert list(table["spectype"]) == ["STAR", "GALAXY", "GALAXY", "QSO", "GALAXY", "GALAXY"]
    assert list(table["zwarn"]) == [0] * 6
    assert table["stellar_type"][0] == "WD"
    # Abell 478 is at 0.088 (its brightest galaxy moves in it), LEGA-C gives 0.669; the quasar's C IV peaks at 5436
    # SPECOBJ of the last two has 0.00376 and 0.00402
    known = ((0, 5e-4), (0.088, 0.004), (0.669, 1e-3), (2.51, 0.02), (0.00376, 3e-4), (0.00402, 3e-4))
    for z, (expected, within) in zip(table["z"].value, known, strict=True):
        assert abs(z - expected) < within


def test_demo_reconstructs_the_example(packaged_weights):
    """With the packaged weights the model follows the data to the noise, but for the brightest lines."""
    spectrum = read_example()
    model = spectrum.tokenize(weights=packaged_weights, device="cpu").decode(spectrum.spectral_axis)
    assert measure_chi2(spectrum, model)[0] < 4
    good = ~spectrum.mask
    deviation = np.abs(spectrum.flux - model.flux).value[good] / spectrum.uncertainty.array[good]
    assert 0.55 < np.median(deviation) < 0.75  # 0.674 for noise alone


def test_predicted_error_grows_where_nothing_is_known(packaged_weights):
    """In a hidden stretch and beyond the ends the decoder says that it is guessing."""
    spectrum = read_example()
    hidden = spectrum.mask.copy()
    hidden[1500:1900] = True
    shown = Spectrum(
        flux=spectrum.flux, spectral_axis=spectrum.spectral_axis, uncertainty=spectrum.uncertainty, mask=hidden
    )
    model = shown.tokenize(weights=packaged_weights, device="cpu").decode(np.linspace(3000, 10500, 3000) * u.AA)
    wavelength, sigma = model.spectral_axis.value, model.uncertainty.array

    def typical(low, high):
        return np.median(sigma[(wavelength > low) & (wavelength < high)])

    inside = typical(6000, 7000)
    first, last = spectrum.spectral_axis.value[[1500, 1900]]
    for low, high in ((first + 50, last - 50), (3050, 3550), (9400, 10400)):
        # a third: what is hidden is inferred from the rest, here with errors of 1.4 times those of what is shown
        assert typical(low, high) > 1.33 * inside
