# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One spectrum of a list never stops or changes the others, whatever it raises and wherever."""

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from conftest import SAME_EMBEDDING, assert_same_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum

from astro_spectok import embed, embed_table, tokenize
from astro_spectok.engine import runner as engine
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.interface.containment import Containment
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.redshift import estimator as redshift
from astro_spectok.spectra import InputFlag, convert, to_batch
from astro_spectok.stellar import measure as stellar

#: pixels of the member on which the tests make something raise
ODD = 257


def make_arrays(m=320, seed=0):
    """A spectrum with a line."""
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(4000, 7000, m)
    flux = 1 + 0.5 * np.exp(-0.5 * ((wavelength - 5000 - 100 * seed) / 20) ** 2) + rng.normal(0, 0.05, m)
    return wavelength * u.AA, flux * u.Jy, np.full(m, 0.05) * u.Jy


MEMBERS = [make_arrays(seed=1), make_arrays(m=ODD), make_arrays(seed=2)]
OPTIONS = {"medium": "vacuum"}


def fail_at_conversion(patch):
    """An error of no kind that conversion foresees."""
    original = convert.correct_errors

    def replace(flux, ivar):
        if flux.shape[1] == ODD:
            raise NotImplementedError("no such spectrum")
        return original(flux, ivar)

    patch.setattr(convert, "correct_errors", replace)
    return InputFlag.BAD_INPUT, "NotImplementedError: no such spectrum"


def fail_in_engine(patch):
    """An error of the batch that a spectrum is in."""
    original = engine.gather_patches

    def gather(batch, group, patch_size):
        if ODD in batch.lengths[group]:
            raise RuntimeError("out of memory")
        return original(batch, group, patch_size)

    patch.setattr(engine, "gather_patches", gather)
    return InputFlag.FAILED, "RuntimeError: out of memory"


def _fail_on_odd(patch, module, name, error):
    original = getattr(module, name)

    def replacement(prepared, i, *args):
        if prepared.batch.lengths[i] == ODD:
            raise error
        return original(prepared, i, *args)

    patch.setattr(module, name, replacement)


def fail_in_solutions(patch):
    """An error of the fit with templates, or of the posterior."""
    _fail_on_odd(patch, redshift, "solve_spectrum", KeyError("template"))
    return InputFlag.FAILED, "KeyError: 'template'"


def fail_in_velocity(patch):
    """An error of the radial velocity."""
    _fail_on_odd(patch, stellar, "_find_star", AssertionError("no peak"))
    return InputFlag.FAILED, "AssertionError: no peak"


def fail_in_labels(patch):
    """An error after the labels are known."""
    original = stellar._find_second

    def find(batch, i, *args):
        if batch.lengths[i] == ODD:
            raise np.linalg.LinAlgError("singular")
        return original(batch, i, *args)

    patch.setattr(stellar, "_find_second", find)
    return InputFlag.FAILED, "singular"


def measure(what, members=MEMBERS):
    """A table of one kind, its flags, and a column that is finite where something was measured."""
    if what == "redshift":
        table = RedshiftEstimator(device="cpu").estimate(members, posterior=True, **OPTIONS)
        return table, table["zwarn"], table["z"]
    if what == "stellar":
        table = StellarParameterEstimator(device="cpu", assume_star=True).estimate(members, **OPTIONS)
        return table, table["warn"], table["p_star"]
    table = embed_table(members, device="cpu", **OPTIONS)
    return table, table["warn"], table["embedding"][:, 0]


@pytest.mark.parametrize(
    ("what", "fail"),
    [
        ("redshift", fail_at_conversion),
        ("redshift", fail_in_engine),
        ("redshift", fail_in_solutions),
        ("stellar", fail_at_conversion),
        ("stellar", fail_in_engine),
        ("stellar", fail_in_velocity),
        ("stellar", fail_in_labels),
        ("embedding", fail_at_conversion),
        ("embedding", fail_in_engine),
    ],
)
def test_failure_is_a_flagged_row(what, fail, monkeypatch):
    """The row of a member that raises is NaN, flagged and says why; the others are what they are without it."""
    whole, _, _ = measure(what)
    flag, message = fail(monkeypatch)
    with pytest.warns(FlaggedSpectraWarning, match="1 of 3 spectra could not be"):
        table, flags, values = measure(what)
    assert flags[1] == (flag if what == "embedding" else RedshiftFlag.NO_DATA)
    assert message in table["message"][1]
    assert_array_equal(np.isnan(values), [False, True, False])
    for name in table.colnames:
        column, expected = (np.asarray(getattr(t[name], "value", t[name])) for t in (table, whole))
        if column.dtype.kind == "f":
            # single precision in batches of other sizes
            if name == "embedding":
                assert_same_vectors(column[[0, 2]], expected[[0, 2]], rtol=SAME_EMBEDDING)
            else:
                assert_allclose(column[[0, 2]], expected[[0, 2]], rtol=1e-3, atol=1e-4, equal_nan=True)
            if what != "embedding" and name != "posterior":  # what is known of the input stays
                assert np.isnan(column[1]).all() or not np.any(column[1])
        else:
            assert_array_equal(column[[0, 2]], expected[[0, 2]])
    with pytest.raises(Exception, match=message.rpartition(": ")[2]):
        measure_one(what, MEMBERS[1])


def measure_one(what, spectrum):
    """As `measure`, of a single spectrum, whose error is raised."""
    if what == "embedding":
        return embed(spectrum, device="cpu", **OPTIONS)
    options = {"device": "cpu"} | ({"assume_star": True} if what == "stellar" else {})
    return {"redshift": RedshiftEstimator, "stellar": StellarParameterEstimator}[what](**options).estimate(
        spectrum, **OPTIONS
    )


def test_tokens_of_a_failure_are_empty(monkeypatch):
    """No tokens, a flag and the reason; the others keep their place."""
    fail_in_engine(monkeypatch)
    with pytest.warns(FlaggedSpectraWarning, match="could not be measured"):
        tokens = tokenize(MEMBERS, device="cpu", **OPTIONS)
    assert [len(one) > 0 for one in tokens] == [True, False, True]
    assert tokens[1].meta["warn"] == InputFlag.FAILED
    with pytest.warns(FlaggedSpectraWarning, match="number 1: RuntimeError: out of memory"):
        vectors = embed(MEMBERS, device="cpu", **OPTIONS)
    assert_array_equal(np.isnan(vectors).any(axis=1), [False, True, False])


def test_members_are_halved_until_found():
    """Of many members two raise: they alone are refused, and each other one comes once."""
    batch = to_batch([make_arrays(seed=k) for k in range(9)], medium="vacuum")
    contained = Containment(batch, np.array(batch.flags), single=False)
    calls = []

    def run(part, index):
        calls.append(len(index))
        if {3, 7} & set(index.tolist()):
            raise RuntimeError(f"{len(index)} at once")
        assert_array_equal(part.flux[part.pixels(0)], batch.flux[batch.pixels(index[0])])
        return ((i, index[i]) for i in range(len(index)))

    found = dict(contained.run(run))
    assert sorted(found) == [0, 1, 2, 4, 5, 6, 8]
    assert all(i == j for i, j in found.items())
    assert contained.failed == [3, 7]
    assert contained.messages[3] == "RuntimeError: 1 at once"
    assert len(calls) < 16


def test_impossible_resolution_in_the_metadata():
    """Found in a stranger's metadata, it is not believed, and the others are as they were."""
    good = make_arrays()
    strange = Spectrum(
        flux=good[1], spectral_axis=good[0], uncertainty=StdDevUncertainty(good[2]), meta={"resolution": 1e-50}
    )
    table = RedshiftEstimator(device="cpu").estimate([good, strange], **OPTIONS)
    assert_allclose(table["z"][0], table["z"][1], rtol=1e-6)
    assert np.isfinite(table["z"]).all()


@pytest.fixture(scope="module")
def strange(load):
    return load("_strange_spectra")


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_strange_spectra(strange, seed):
    """Any size, any type, any metadata: nothing is raised, NaN has a flag, and good neighbours stay as they are."""
    strange.check_spectra(seed)
