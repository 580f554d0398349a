# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of single files as archives serve them."""

import numpy as np
import pytest
from _paths import FITS, needs
from astropy.io import fits
from astropy.table import Table


@pytest.fixture(scope="module")
def script(load):
    return load("archive_files")


def test_known_class_and_redshift_are_found(script, tmp_path):
    """In a table of the file, in that of a file beside it, in the header, or nowhere."""
    table = fits.BinTableHDU(Table({"CLASS": ["QSO"], "Z": [2.5]}))
    spectrum = fits.BinTableHDU(Table({"FLUX": np.ones(3)}))
    beside = fits.BinTableHDU(Table({"Z": [0.25], "SPECTYPE": ["GALAXY"]}))
    header = fits.PrimaryHDU(np.ones(3), fits.Header([("CLASS", "STAR"), ("Z", -1e-4)]))
    for name, hdus in (
        ("spec.fits", [fits.PrimaryHDU(), spectrum, table]),
        ("desi_coadd-1.fits", [fits.PrimaryHDU(), spectrum]),
        ("desi_redrock-1.fits", [fits.PrimaryHDU(), beside]),
        ("lamost.fits", [header]),
        ("nothing.fits", [fits.PrimaryHDU(np.ones(3)), fits.ImageHDU(np.ones(3))]),
    ):
        fits.HDUList(hdus).writeto(tmp_path / name)
    assert script.read_known(tmp_path / "spec.fits") == ("QSO", 2.5)
    assert script.read_known(tmp_path / "desi_coadd-1.fits") == ("GALAXY", 0.25)
    assert script.read_known(tmp_path / "lamost.fits") == ("STAR", -1e-4)
    assert script.read_known(tmp_path / "nothing.fits") == (None, None)


@needs(FITS)
@pytest.mark.filterwarnings("ignore")
def test_files_are_measured(script):
    """A file of SDSS, and DESI's arms as one spectrum, with what their surveys say."""
    estimator = script.RedshiftEstimator(device="cpu")
    for name in ("sdss_SHOC579_dr18.fits", "desi_coadd-4-80613.fits"):
        row = script.measure_file(FITS / name, estimator)
        assert row["class"] == row["class_known"] == "GALAXY"
        assert row["z"] == pytest.approx(row["z_known"], abs=0.002)
        assert row["p_best"] > 0.9
