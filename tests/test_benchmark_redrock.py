# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The comparison with redrock: all of it that runs without redrock."""

import importlib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from _paths import TEST, TRAIN, needs
from astropy.io import fits

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
TRUTH = {
    "class_true": np.array(["STAR", "QSO", "QSO"]), "z_true": np.array([0.0, 1.0, 2.0]), "snr": np.full(3, 5.0),
    "row": np.array([4, 0, 2]),
}  # fmt: skip


@pytest.fixture
def load(monkeypatch):
    """Import a script of the comparison by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS / "redrock")
    return importlib.import_module


@pytest.fixture
def galaxies():
    """Twelve simulated galaxies of analytic templates."""
    from astro_spectok.simulate import Randomness
    from astro_spectok.simulate.galaxies import Galaxies
    from astro_spectok.simulate.templates import TemplateStore

    return Galaxies(TemplateStore()).draw(12, Randomness([3]))


def make_fit_set(load, *, one_grid=True, n=3):
    wave = np.linspace(4000.0, 7000.0, 800)
    flux = 5 + np.sin(wave / 100)
    spectra = [(wave, flux + i, np.full(800, 4.0), np.full(800, 0.9)) for i in range(n)]
    return load("_spectra_to_fit").FitSet("some", spectra, {k: x[:n] for k, x in TRUTH.items()}, one_grid)


def test_spectra_come_back(load, tmp_path):
    """What one process writes the other reads, spectrum by spectrum, whatever their lengths."""
    exchange, rng = load("_exchange"), np.random.default_rng(1)
    spectra = [tuple(rng.normal(size=n) for _ in range(4)) for n in (5, 1, 8)]
    exchange.save_spectra(tmp_path / "s.npz", spectra)
    again = exchange.load_spectra(tmp_path / "s.npz")
    assert len(again) == 3
    for a, b in zip(again, spectra, strict=True):
        np.testing.assert_array_equal(a, b)


def test_answers_come_back(load, tmp_path):
    exchange = load("_exchange")
    exchange.write_answers(tmp_path / "a.npz", {"z": np.array([0.5, 1.5])}, {"fit": 2.0, "version": "1"})
    columns, facts = exchange.read_answers(tmp_path / "a.npz")
    assert columns["z"].tolist() == [0.5, 1.5]
    assert facts == {"fit": 2.0, "version": "1"}


def test_cpu_seconds_are_spent(load):
    """The clock runs while something is computed."""
    count = load("_exchange").count_cpu_seconds
    begin, turns = count(), 0
    while count() < begin + 0.02:
        turns += sum(range(1000)) > 0
    assert turns > 0


def test_one_thread(load, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    variables = load("_environment").limit_threads()
    assert {variables[name] for name in load("_environment").THREADS} == {"1"}
    assert variables["CUDA_VISIBLE_DEVICES"] == ""
    assert "PATH" in variables


def test_galaxy_basis(load, galaxies):
    """Components lie on redrock's grid, are independent of each other, and span the galaxies they were made of."""
    from astro_spectok.simulate.templates import TemplateStore

    templates = load("_template_files")
    wave, basis = templates.make_galaxy_basis(TemplateStore(), 10)
    assert basis.shape == (10, 97720)
    assert (wave[0], wave[1] - wave[0], wave[-1]) == pytest.approx((1228.07, 0.1, 10999.97), abs=0.01)
    assert np.linalg.cond(basis) < 10
    flux = templates.draw_rest_flux(galaxies)
    lines = flux - galaxies.flux
    assert lines[:, (galaxies.grid.ln_wavelength() - np.log(6564.6)).abs() < 3e-4].sum() > 0


def test_lines_keep_their_flux(load, galaxies):
    """Broadening moves light and does not make any; lines add what they have."""
    galaxies.sigma[:] = 0
    flux = load("_template_files").draw_rest_flux(galaxies)
    wave = np.exp(galaxies.grid.ln_wavelength().numpy())
    added = ((flux - galaxies.flux).numpy() * wave * galaxies.grid.ln_step).sum(axis=1)
    expected = galaxies.line_flux.numpy().sum(axis=1)
    np.testing.assert_allclose(added, expected, rtol=0.01, atol=1e-3 * expected.max())


@needs(TRAIN / "redrock_bases.npz")
def test_template_files(load, tmp_path, monkeypatch):
    """Redrock's own bases are written with the wavelengths and redshifts that they have."""
    templates = load("_template_files")
    basis = np.full((10, 3), 2.0)
    monkeypatch.setattr(templates, "make_galaxy_basis", lambda store: (np.array([1000.0, 1000.1, 1000.2]), basis))
    assert "redrock's own bases of stars and quasars; galaxies: 10 components" in templates.write_templates(
        TRAIN, tmp_path
    )
    names = {path.name for path in tmp_path.iterdir()}
    assert {f"rrtemplate-STAR-{name}-v0.1.fits" for name in "ABFGKM"} < names
    assert {"rrtemplate-QSO-LOZ-v1.0.fits", "rrtemplate-QSO-HIZ-v1.1.fits"} < names
    assert {"rrtemplate-STAR-WD-v0.1.fits", "rrtemplate-STAR-CV-v0.1.fits", "rrtemplate-GALAXY-None-vmade.fits"} < names
    assert len(names) == 11
    with fits.open(tmp_path / "rrtemplate-GALAXY-None-vmade.fits") as galaxy:
        header = galaxy["BASIS_VECTORS"].header
        np.testing.assert_array_equal(galaxy["BASIS_VECTORS"].data, basis)
    assert header["CRVAL1"] + 2 * header["CDELT1"] == pytest.approx(1000.2)
    assert (header["RRTYPE"], header["LOGLAM"], header["RRIGM"]) == ("GALAXY", 0, "Calura12")
    with np.load(TRAIN / "redrock_bases.npz") as bases, fits.open(tmp_path / "rrtemplate-QSO-HIZ-v1.1.fits") as quasar:
        header = quasar["BASIS_VECTORS"].header
        np.testing.assert_allclose(quasar["REDSHIFTS"].data, bases["qso_z_HIZ"])
        last = 10 ** (header["CRVAL1"] + header["CDELT1"] * (header["NAXIS1"] - 1))
        assert last == pytest.approx(bases["qso_wave_HIZ"][-1])
        with fits.open(tmp_path / "rrtemplate-STAR-K-v0.1.fits") as star:
            header = star["BASIS_VECTORS"].header
            last = header["CRVAL1"] + header["CDELT1"] * (header["NAXIS1"] - 1)
            assert last == pytest.approx(bases["wave"][-1])
            assert (header["LOGLAM"], "REDSHIFTS" in star) == (0, False)


@pytest.mark.parametrize("sigma", [0.8, 1.7])
def test_lsf_of_a_matrix(load, sigma):
    k = np.arange(-5, 6)
    rows = np.exp(-0.5 * (k / sigma) ** 2)[:, None] * np.ones(7)
    assert load("_spectra_to_fit").measure_lsf(rows / rows.sum(0)) == pytest.approx(sigma)


@needs(TEST / "sim_redrock.npz")
def test_common_set(load):
    """Rows of the set on one grid, within the range of redrock's templates."""
    sets = load("_spectra_to_fit")
    found = sets.read_common(TEST / "sim_redrock.npz", 6)
    assert found.one_grid
    with np.load(TEST / "sim_redrock.npz") as data:
        for (wave, flux, ivar, lsf), row, z in zip(
            found.spectra, found.truth["row"], found.truth["z_true"], strict=True
        ):
            assert sets.RANGE[0] < wave[0] < wave[-1] < sets.RANGE[1]
            np.testing.assert_array_equal(wave, found.spectra[0][0])
            np.testing.assert_array_equal(flux, data["flux"][row][: len(wave)])
            np.testing.assert_array_equal(ivar, data["ivar"][row][: len(wave)])
            assert z == data["z_true"][row]
            np.testing.assert_allclose(lsf, 0.923, atol=0.002)


def test_native_set(load):
    """Every spectrum has a grid of its own, and is of something that redrock looks for."""
    sets = load("_spectra_to_fit")
    found = sets.draw_native(None, 6)
    assert not found.one_grid
    assert len({(len(s[0]), s[0][0]) for s in found.spectra}) == len(found.spectra) == 6
    for (wave, flux, ivar, lsf), name, z in zip(
        found.spectra, found.truth["class_true"], found.truth["z_true"], strict=True
    ):
        assert sets.RANGE[0] < wave[0] < wave[-1] < sets.RANGE[1]
        assert len(flux) == len(ivar) == len(lsf) == len(wave) >= sets.FEWEST_PIXELS
        assert (ivar[ivar != 0] != 1).all()
        assert (lsf > 0.3).all()
        assert sets.REDSHIFTS[name][0] < z < sets.REDSHIFTS[name][1]
    again = sets.draw_native(None, 6)
    np.testing.assert_array_equal(again.spectra[3][1], found.spectra[3][1])


def test_check_with_earlier_answers(load, tmp_path):
    """Another class or a redshift beyond the stated error is not the same answer; rows are found by their number."""
    path = tmp_path / "earlier.csv"
    rows = ["0,1.0,0.01,QSO", "1,9,9,STAR", "2,2.0,0.01,QSO", "3,9,9,STAR", "4,0.0,0.01,GALAXY"]
    path.write_text("\n".join(["targetid,z,zerr,spectype", *rows]) + "\n")
    columns = {"spectype": np.array(["STAR", "QSO", "QSO"]), "z": np.array([0.0, 1.009, 2.02])}
    found = load("compare").check_redrock(columns, TRUTH, path)
    assert found == {"QSO": {"n": 2, "same": 1}, "STAR": {"n": 1, "same": 0}}


def test_our_side_answers(load, tmp_path, redshift_weights):
    """There is an answer for every spectrum, the one that the estimator gives, and the time that a call takes."""
    import torch
    from astropy import units as u

    from astro_spectok.estimators import RedshiftEstimator

    spectra, threads = make_fit_set(load).spectra, torch.get_num_threads()
    load("_exchange").save_spectra(tmp_path / "s.npz", spectra)
    try:
        load("fit_spectok").main(tmp_path / "s.npz", redshift_weights, tmp_path / "a.npz", seconds=0)
    finally:
        torch.set_num_threads(threads)
    columns, facts = load("_exchange").read_answers(tmp_path / "a.npz")
    wave, flux, ivar, _ = spectra[2]
    one = RedshiftEstimator(redshift_weights).estimate((wave * u.AA, flux * u.one, ivar**-0.5 * u.one), medium="vacuum")
    assert columns["z"].shape == columns["z_err"].shape == (3,)
    assert columns["spectype"][2] == one.spectype
    assert columns["z"][2] == pytest.approx(one.z.value, abs=1e-5)
    assert facts["calls"] == 3
    assert 0 < facts["fit"] < facts["start"]
    assert facts["sha256"] == sha256(redshift_weights.read_bytes()).hexdigest()


def make_content():
    """Results with one set."""
    part = {"n": 2, "class_right": 1.0, "within_0033": 1.0, "median_abs_dv": 3.21}
    side = {"n": 4, "class_right": 0.75, "within_0033": 0.5, "median_abs_dv": 12.34, "by_class": {"QSO": part}}
    theirs = side | {"start": 7.0, "setup": 8.0, "fit": 4.0, "per_second": 0.333}
    ours = side | {"start": 5.0, "setup": 0.0, "fit": 0.1, "per_second": 40.0}
    rough = ours | {"within_0033": 0.25, "per_second": 66.6}
    row = {"name": "grids of their own", "n": 4, "grids": 4, "pixels": 3000.0, "ratio": 120.1, "bar": 500, "met": False}
    return {
        "redrock": "0.21", "version": "1", "weights": "small", "sha256": "0123456789abcdef", "cpu": "Abacus 3",
        "templates": "as given", "check": {"STAR": {"n": 3, "same": 2}},
        "sets": [row | {"sides": {"redrock": theirs, "astro_spectok": ours, "astro_spectok_bfloat16": rough}}],
    }  # fmt: skip


def test_redrock_is_pinned():
    """The version that is compared with is part of the result."""
    assert (BENCHMARKS / "redrock" / "requirements.txt").read_text() == "redrock==0.21.0\n"
