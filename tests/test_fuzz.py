# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Damaged weights, checkpoints and files: the first cases of ``benchmarks/fuzz.py``."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def fuzz(load):
    return load("fuzz")


@pytest.mark.parametrize("kind", ["weights", "checkpoint", "file"])
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_damage_is_an_error_in_words(fuzz, tmp_path, kind, seed):
    """Nothing is raised but what the kind allows, its message names the file, and what is taken is whole."""
    fuzz.run_case(kind, seed, tmp_path)


def test_command(fuzz, capsys, monkeypatch):
    """It counts the cases, and a failure is reported with the number that reproduces it."""
    assert fuzz.main(["--minutes", "0", "--kind", "file"]) == 0
    assert "file: 0 cases" in capsys.readouterr().out

    def fail(seed, folder):
        monkeypatch.setattr(fuzz.time, "monotonic", lambda: 1e12)
        raise KeyError("lost")

    monkeypatch.setitem(fuzz.KINDS, "file", fail)
    assert fuzz.main(["--minutes", "5", "--kind", "file", "--seed", "77"]) == 1
    assert "file 77: KeyError: 'lost' (fail," in capsys.readouterr().out
    with pytest.raises(KeyError):
        fuzz.main(["--case", "file", "77"])


def test_an_error_of_another_kind_is_a_failure(fuzz, tmp_path, monkeypatch):
    """What no user should see is not swallowed, nor a refusal that names no file."""
    for error in (KeyError("heads"), OSError("it broke")):

        def read(path, error=error):
            raise error

        monkeypatch.setattr("_strange_files.read", read)
        with pytest.raises((KeyError, AssertionError)):
            fuzz.run_case("file", 3, tmp_path)
