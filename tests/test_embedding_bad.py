# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bad input to `tokenize` and `embed`: refused in words that name it and the remedy, or flagged in a list."""

import subprocess
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import InverseVariance
from conftest import FLAM, assert_same_vectors, make_spectrum, rewrite
from specutils import Spectrum

from astro_spectok import embed, embed_table, tokenize
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.spectra import InputFlag


class TestBadInput:
    """Each refusal names what was got and what to do."""

    @pytest.mark.parametrize(
        ("obj", "got"),
        [(3, "int"), (np.ones(100), "numpy.ndarray"), (None, "NoneType"), ({}, "dict")],
    )
    @pytest.mark.parametrize("function", [tokenize, embed, embed_table])
    def test_no_spectrum(self, function, obj, got):
        with pytest.raises(TypeError, match=rf"obj must be a Spectrum, .*got .*{got}"):
            function(obj)

    @pytest.mark.parametrize("function", [tokenize, embed, embed_table])
    def test_no_file(self, function):
        with pytest.raises(FileNotFoundError, match=r"spec\.fits: no such file"):
            function("spec.fits")

    def test_no_spectrum_in_a_list(self, tiny_weights):
        with pytest.warns(FlaggedSpectraWarning, match=r"number 1: spectra\[1\]: must be a spectrum; got int"):
            vectors = embed([make_spectrum(), 3], weights=tiny_weights)
        assert np.isnan(vectors[1]).all()

    def test_pixel_axis(self):
        with pytest.raises(u.UnitsError, match=r"spectral_axis must be convertible to wavelength; got the unit 'pix'"):
            tokenize(Spectrum(flux=np.ones(100) * u.Jy, spectral_axis=np.arange(100) * u.pix))

    def test_no_axis_at_all(self):
        with pytest.raises(u.UnitsError, match=r"Give the wavelengths.*spectral_axis=values \* u.AA"):
            tokenize(Spectrum(flux=np.ones(100) * u.Jy))

    def test_velocity_without_rest(self):
        spectrum = Spectrum(flux=np.ones(100) * u.Jy, spectral_axis=np.arange(100) * u.km / u.s)
        with pytest.raises(u.UnitsError, match=r"velocity \(km / s\) without rest_value.*rest_value=5000 \* u.AA"):
            tokenize(spectrum)

    @pytest.mark.parametrize(
        ("damage", "got"),
        [
            ({"flux": np.full(700, np.nan) * FLAM}, "0 of 700"),
            ({"flux": np.full(700, np.inf) * FLAM}, "0 of 700"),
            ({"mask": np.ones(700, bool)}, "0 of 700"),
            ({"mask": np.arange(700) >= 31}, "31 of 700"),
            ({"sigma": np.zeros(700) * FLAM}, "0 of 700"),
        ],
    )
    def test_too_few_good_pixels(self, tiny_weights, damage, got):
        spectrum = rewrite(make_spectrum(), **damage)
        with pytest.raises(ValueError, match=rf"at least 32 good pixels \(one patch\); got {got}"):
            embed(spectrum)
        with pytest.warns(FlaggedSpectraWarning, match=got):
            vectors = embed([spectrum, make_spectrum()], weights=tiny_weights)
        assert list(np.isnan(vectors).all(axis=1)) == [True, False]

    def test_one_patch_is_enough(self, weights):
        assert np.isfinite(embed(make_spectrum(32), weights=weights)).all()

    @pytest.mark.parametrize("ivar", [0.0, -1.0, np.nan, np.inf])
    def test_bad_ivar(self, tiny_weights, ivar):
        spectrum = make_spectrum()
        values = spectrum.uncertainty.array**-2.0
        bad = np.arange(700) % 5 == 0
        values[bad] = ivar
        options = {"flux": spectrum.flux, "spectral_axis": spectrum.spectral_axis}
        actual = embed(Spectrum(uncertainty=InverseVariance(values), **options), weights=tiny_weights)
        masked = Spectrum(uncertainty=spectrum.uncertainty, mask=bad, **options)
        assert_same_vectors(actual, embed(masked, weights=tiny_weights))

    def test_unsorted_and_duplicate_wavelengths(self, tiny_weights):
        """Sorted and merged by inverse variance: duplicates of a pixel halve its variance."""
        spectrum = make_spectrum()
        axis, flux, sigma = u.Quantity(spectrum.spectral_axis), spectrum.flux, spectrum.uncertainty.quantity
        order = np.random.default_rng(0).permutation(np.tile(np.arange(700), 2))
        tokens = tokenize((axis[order], flux[order], sigma[order]), weights=tiny_weights)
        assert tokens.meta["warn"] & InputFlag.WAVELENGTH_SORTED
        expected = tokenize((axis, flux, sigma / np.sqrt(2)), weights=tiny_weights)
        assert_same_vectors(tokens.values, expected.values)

    def test_too_many_pixels(self, tiny_weights):
        n = 2**20 + 1
        arrays = (np.linspace(4000, 9000, n) * u.AA, np.ones(n, np.float32) * u.Jy)
        with pytest.raises(ValueError, match=r"at most max_pixels = 1048576 pixels; got 1048577. Cut it .*rebin"):
            embed(arrays)
        with pytest.warns(FlaggedSpectraWarning, match="at most max_pixels"):
            assert np.isnan(embed([arrays], weights=tiny_weights)).all()

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"medium": "water"}, ValueError, "medium must be 'vacuum', 'air' or None"),
            ({"resolution": np.ones(3)}, ValueError, "resolution must be one value or one for each of the 700"),
            ({"resolution": 5 * u.s}, u.UnitsError, "resolution must be R"),
            ({"device": "tpu9"}, ValueError, "device must be 'auto', 'cpu', 'cuda'"),
            ({"batch_tokens": 0}, ValueError, "batch_tokens must be a positive integer or None, got 0"),
            ({"batch_tokens": 2.5}, TypeError, "batch_tokens must be a positive integer or None, got 2.5"),
            ({"weights": "colossal"}, LookupError, "`weights` must be the name of a known set.*got 'colossal'"),
            ({"weights": 7}, TypeError, "`weights` must be a registry name or the path"),
        ],
    )
    def test_bad_options(self, tiny_weights, options, error, message):
        with pytest.raises(error, match=message):
            embed(make_spectrum(), **({"weights": tiny_weights} | options))


def test_import_without_torch():
    """Importing the package, and a look at the registry, is light; bad input is refused before torch is imported.

    Nor do surveys ask for scikit-learn, which is another extra, or load SciPy's statistics, which take a second.
    """
    code = (
        "import sys, astro_spectok, astro_spectok.weights\n"
        "astro_spectok.weights.list_weights()\n"
        "assert 'torch' not in sys.modules\n"
        "try:\n    astro_spectok.embed(3)\n"
        "except TypeError:\n    pass\n"
        "assert 'torch' not in sys.modules\n"
        "import astro_spectok.survey\n"
        "assert not {'sklearn', 'scipy.stats', 'scipy.signal'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_pictures_come_with_the_first_one():
    """The package loads no matplotlib, which ndcube would import for one help text; what draws has it when it draws."""
    code = (
        "import sys\n"
        "import astro_spectok\n"
        "from astro_spectok.example import read_example\n"
        "assert 'specutils' in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('matplotlib') or name.endswith('mpl_plotter')]\n"
        "assert type(read_example().plotter).__name__ == 'MatplotlibPlotter'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
