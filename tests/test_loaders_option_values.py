# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Values that an option of reading cannot have are errors that say so, before anything is measured."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from astro_spectok import read
from astro_spectok.spectra.loaders import UnreadableFileError
from astro_spectok.spectra.loaders._options import OptionError

N = 200
WAVE = 4000.0 + 2 * np.arange(N)
FLUX = 3 + np.sin(WAVE / 200) + np.random.default_rng(2).normal(0, 0.05, N)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("options") / "a.fits"
    table = Table({"lam": WAVE, "counts": FLUX, "sigma": np.full(N, 0.05)})
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, name="SPEC")]).writeto(path)
    return path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wave_unit": u.Jy}, "wave_unit must be a unit of wavelength"),
        ({"wave_unit": "km/s"}, "wave_unit must be a unit of wavelength"),
        ({"flux_unit": "nm"}, "flux_unit must be a unit of flux"),
        ({"flux_unit": u.km / u.s}, "flux_unit must be a unit of flux"),
        ({"flux_unit": 3}, "flux_unit must be a unit of flux"),
        ({"columns": "lam,count"}, "'count' is none of the columns lam, counts, sigma; did you mean counts"),
        ({"columns": "lam,counts,SGMA"}, "'SGMA' is none of the columns lam, counts, sigma; did you mean sigma"),
        ({"columns": "0,1"}, "'0' is none of the columns lam, counts, sigma; by number they count from 1"),
        ({"columns": "lam,lam"}, "columns must name two columns for wavelengths and flux; got 'lam' for both"),
        ({"columns": 7}, "columns must name wavelengths, flux"),
        ({"hdu": True}, "hdu must be the number or name"),
        ({"resolution": 0}, "resolution must be a resolving power between"),
        ({"resolution": -2000.0}, "resolution must be a resolving power between"),
        ({"resolution": np.nan}, "resolution must be a resolving power between"),
        ({"resolution": -2 * u.AA}, "resolution must be a resolving power between"),
        ({"join": "yes"}, "join must be True, False or None"),
    ],
)
def test_refused(path, options, words):
    with pytest.raises(OptionError, match=words) as raised:
        read(path, **options)
    assert len(str(raised.value)) <= 200


def test_refused_for_this_file(path):
    """Names those extensions that there are; logarithms of thousands."""
    for wanted in (5, "SPEX"):
        with pytest.raises(UnreadableFileError, match=r"has no extension .*, only PRIMARY, SPEC; name another"):
            read(path, hdu=wanted)
    with pytest.raises(UnreadableFileError, match="has an axis from 4000 to 4398: no logarithms"):
        read(path, wave_unit="log10(Angstrom)")
    with pytest.raises(TypeError, match="resolution must be a number R"):
        read(path, resolution="high")


@pytest.mark.parametrize(
    "options",
    [
        {"flux_unit": "1/s"},
        {"flux_unit": "ct/s"},
        {"flux_unit": "erg/s/cm2/Hz"},
        {"flux_unit": ""},
        {"flux_unit": "mag"},
        {"resolution": 2.5 * u.AA},
        {"resolution": np.full(N, 1800.0)},
        {"resolution": 150 * u.km / u.s},
        {"join": True},
        {"wave_unit": "eV"},
        {"wave_unit": "1/cm"},
        {"columns": "1,2,3"},
        {"hdu": np.int64(1)},
    ],
)
def test_allowed(path, options):
    assert len(read(path, **options).flux) == N
