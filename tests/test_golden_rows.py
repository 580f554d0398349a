# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Golden rows: what the package says of stored spectra of every kind is what it said when the rows were made.

A change of code that is not meant to change results must pass; one that is meant to makes the rows anew with
``python tests/make_golden_rows.py`` and says so.

Tolerances. Processors and libraries add products of single precision in other orders. Between builds of PyTorch for
SSE4.1, AVX2 and AVX-512, BLAS for five processors, one thread and two, that moved tokens by up to 1e-5 of their size,
probabilities by 2e-6 and parameters of stars by 1e-4 of their errors. The embedding holds lines at the redshift that is
found, and fast periods of it and of velocities, which the rounding of tokens moves more: half of its sums by 2e-5, the
worst by 4e-4, and those of one star, whose waves have periods down to 40 km/s, by 1.2e-3.
Redshifts moved by 3e-3 of their errors, but by
0.07 where the fit of templates, which ends with a step below 0.05 of the error, took one step more. Limits lie above
what a processor does, and the median difference of a column, which no single fit moves, lies far below its limit: a
change of code moves many rows.
"""

import numpy as np
import pytest
from _golden import MADE_OF, ROWS, measure_rows, read_spectra
from astropy.table import QTable

#: of the size (rms) of what is projected: tokens and embedding
OF_SIZE, OF_EMBEDDING = 1e-3, 4e-3
#: of the stated error: redshift and velocity, which rest on a fit that may take one step more; parameters of stars
OF_ERROR, OF_LABEL_ERROR = 0.1, 0.02
#: of a stated error itself, likewise
OF_WIDTH, OF_LABEL_WIDTH = 0.05, 0.01
#: of probabilities
OF_PROBABILITY = 0.01
#: what of a limit the median difference may be, and that of the embedding
OF_LIMIT, OF_EMBEDDING_LIMIT = 0.02, 0.025


@pytest.fixture(scope="module")
def golden():
    """The stored rows."""
    table = QTable.read(ROWS)
    table["stellar_type"] = np.ma.filled(table["stellar_type"], "")  # no text is read as masked
    return table


@pytest.fixture(scope="module")
def rows(packaged_weights):
    """The rows of this package on this processor."""
    return measure_rows(read_spectra())


def take(table, name):
    """A column as numbers, in the unit it has."""
    return np.asarray(getattr(table[name], "value", table[name]))


def assert_within(rows, golden, name, limit, of_limit=OF_LIMIT):
    """Values differ by no more than ``limit``; what is not known is not known in both."""
    got, expected = take(rows, name), take(golden, name)
    assert getattr(rows[name], "unit", None) == getattr(golden[name], "unit", None), name
    known = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(got), known, err_msg=name)
    limit = np.broadcast_to(limit, got.shape)
    worse = known & ~(np.abs(got - expected) <= limit)
    listed = [f"{golden['name'][i[0]]}: {got[tuple(i)]} for {expected[tuple(i)]}" for i in np.argwhere(worse)]
    assert not worse.any(), f"{name} differs: {'; '.join(listed)}"
    assert (np.abs(got - expected)[known] <= of_limit * limit[known]).mean() > 0.5, f"most of {name} differ a little"


def test_weights(rows, golden):
    """The rows are of the packaged weights; others want rows of their own."""
    assert rows.meta["weights_sha256"] == golden.meta["weights_sha256"]


@pytest.mark.parametrize("name", ["name", "n_tokens", "n_masked", "spectype", "stellar_type", "zwarn", "warn"])
def test_what_is_counted_or_named(rows, golden, name):
    """Numbers of tokens, classes, types and flags are the same."""
    np.testing.assert_array_equal(take(rows, name), take(golden, name))


@pytest.mark.parametrize("name", [*MADE_OF, "embedding"])
def test_representation(rows, golden, name):
    """Each part of tokens, and the embedding, in sums that any change of their values moves."""
    size = take(golden, f"{name}_rms")
    assert_within(rows, golden, f"{name}_rms", OF_SIZE * size)
    limits = (OF_EMBEDDING, OF_EMBEDDING_LIMIT) if name == "embedding" else (OF_SIZE, OF_LIMIT)
    assert_within(rows, golden, name, limits[0] * size[:, None], limits[1])


@pytest.mark.parametrize("name", ["p_galaxy", "p_qso", "p_star", "p_2", "p_stellar_type"])
def test_probabilities(rows, golden, name):
    """Of the classes, the second solution and the type."""
    assert_within(rows, golden, name, OF_PROBABILITY)


@pytest.mark.parametrize("name", ["z", "rv"])
def test_velocities(rows, golden, name):
    """Redshift and radial velocity in units of their errors, and the errors."""
    error = take(golden, f"{name}_err")
    assert_within(rows, golden, name, OF_ERROR * error)
    assert_within(rows, golden, f"{name}_err", OF_WIDTH * error)


@pytest.mark.parametrize("name", ["teff", "logg", "fe_h", "alpha_fe", "vbroad"])
def test_stellar_parameters(rows, golden, name):
    """In units of their errors, and the errors."""
    error = take(golden, f"{name}_err")
    assert_within(rows, golden, name, OF_LABEL_ERROR * error)
    assert_within(rows, golden, f"{name}_err", OF_LABEL_WIDTH * error)


@pytest.mark.parametrize("name", ["z_lo", "z_hi"])
def test_intervals(rows, golden, name):
    """Ends of intervals, which lie where the posterior is thin, in units of their width."""
    assert_within(rows, golden, name, OF_ERROR * (take(golden, "z_hi") - take(golden, "z_lo")))


def test_second_solution(rows, golden):
    """Where it is worth a look: it stands on the grid of the posterior, and not between its nodes."""
    counts = take(golden, "p_2") > OF_PROBABILITY
    assert counts.any()
    z, other = take(rows, "z_2")[counts], take(golden, "z_2")[counts]
    np.testing.assert_allclose(z, other, rtol=0, atol=1e-4)


def test_signal_to_noise(rows, golden):
    """It is a median of what was handed in, which nothing rounds."""
    np.testing.assert_allclose(take(rows, "snr"), take(golden, "snr"), rtol=1e-5, atol=1e-6)


def test_decisions_are_clear(golden):
    """No class or type in the rows hangs on less than what probabilities may differ by."""
    p = np.stack([take(golden, name) for name in ("p_galaxy", "p_qso", "p_star")])
    p.sort(axis=0)
    assert (p[-1] - p[-2] > 2 * OF_PROBABILITY).all()


def test_every_kind_is_there(golden):
    """Galaxies, quasars and stars; what is unknown; with flags and without."""
    assert len(golden) >= 40
    assert set(golden["spectype"]) >= {"GALAXY", "QSO", "STAR"}
    assert set(golden["stellar_type"]) >= {"", "WD", "M", "K", "G", "B"}
    assert (take(golden, "zwarn") == 0).sum() > 20
    assert (take(golden, "zwarn") != 0).sum() > 5
    assert np.isfinite(take(golden, "teff")).sum() > 12
