# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files of MATLAB 5: variables and structures by their names, and nothing that the file only claims."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.io import savemat

from astro_spectok import read
from astro_spectok.spectra.loaders import UnreadableFileError, matlab

N = 300
WAVE = np.linspace(4000, 7000, N)
FLUX = 3 + np.sin(WAVE / 200) + np.random.default_rng(2).normal(0, 0.05, N)
ERROR = np.full(N, 0.05)
HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
#: a matrix of numbers of 1 x 1, without a name
FLAGS, SHAPE, NO_NAME = struct.pack("<IIII", 6, 8, 1, 0), struct.pack("<IIii", 5, 8, 1, 1), struct.pack("<II", 1, 0)


def check(spectrum, factor=1.0):
    assert_allclose(spectrum.spectral_axis.to_value("Angstrom"), WAVE)
    assert_allclose(spectrum.flux.value, factor * FLUX)


@pytest.mark.parametrize("packed", [False, True])
def test_variables(tmp_path, packed):
    path = tmp_path / "a.mat"
    savemat(path, {"wavelength": WAVE[:, None], "flux": FLUX, "ivar": ERROR**-2, "name": "HD 1", "z": 0.1, "f": 1j},
            do_compression=packed)  # fmt: skip
    found = read(path)
    check(found)
    assert found.uncertainty.uncertainty_type == "ivar"
    assert found.meta["header"]["NAME"] == "HD 1"


def test_structures_and_cells(tmp_path):
    """Fields of a structure, cells of structures, spectra in columns, a matrix without a name that says anything."""
    one, path = {"lambda": WAVE, "flux": FLUX, "err": ERROR, "band": "r"}, tmp_path / "a.mat"
    cells = np.empty(2, object)
    cells[:] = [one, one | {"flux": 2 * FLUX}]
    savemat(path, {"spec": one, "date": "2026"})
    check(read(path))
    savemat(path, {"all": cells})
    first, second = read(path)
    check(first)
    check(second, 2.0)
    savemat(path, {"wave": WAVE, "flux": np.c_[FLUX, 2 * FLUX]})
    check(read(path)[1], 2.0)
    savemat(path, {"data": np.c_[WAVE, FLUX, ERROR]})
    check(read(path))


def _wrap(kind, data):
    return struct.pack("<II", kind, len(data)) + data


def _nest(depth):
    data = _wrap(14, b"")
    for _ in range(depth):
        data = _wrap(14, FLAGS + SHAPE + NO_NAME + data)
    return data


@pytest.mark.parametrize(
    "content",
    [
        _nest(20_000),  # which crashes scipy
        _wrap(14, FLAGS + struct.pack("<IIii", 5, 8, 2**30, 2) + NO_NAME),  # cells that are not there
        _wrap(14, struct.pack("<IIII", 6, 8, 6, 0) + SHAPE + NO_NAME + _wrap(9, bytes(80))),
        _wrap(14, bytes(4)) + bytes(20),
        _wrap(15, b"no zlib"),
        struct.pack("<II", 14, 2**31),
    ],
)  # fmt: skip
def test_hostile(tmp_path, content):
    path = tmp_path / "a.mat"
    path.write_bytes(HEAD + content)
    with pytest.raises(OSError, match="is no MATLAB file that can be read") as raised:
        read(path)
    assert len(str(raised.value)) <= 200


def test_cut_and_damaged(tmp_path):
    """Every cut and any byte is refused in words, or read."""
    path, rng = tmp_path / "a.mat", np.random.default_rng(1)
    savemat(path, {"s": {"wave": WAVE[:40], "flux": FLUX[:40], "name": "x"}, "c": np.array(["a", 2.0], object)})
    whole = path.read_bytes()
    for cut in range(1, len(whole), 61):
        damaged = bytearray(whole)
        damaged[130 + rng.integers(len(whole) - 130)] = rng.integers(256)
        for data in (whole[:cut], damaged):
            path.write_bytes(data)
            with contextlib.suppress(UnreadableFileError):
                read(path)


def test_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("astro_spectok.spectra.loaders.binary_tables.MAX_BYTES", 10_000)
    monkeypatch.setattr(matlab, "MAX_BYTES", 10_000)
    (tmp_path / "a.mat").write_bytes(HEAD + _wrap(15, zlib.compress(_wrap(14, bytes(10**6)))))
    with pytest.raises(OSError, match="holds arrays of more than"):
        read(tmp_path / "a.mat")
