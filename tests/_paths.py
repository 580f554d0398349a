# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where public spectra may lie that are no part of the package; tests that need them are skipped without."""

import functools
import os
from pathlib import Path

import pytest

__all__ = ["FITS", "TEST", "TRAIN", "WITHOUT_SPECTRA", "needs", "read_real"]

#: directory with the folders ``train`` and ``test``: what the variable SPECTOK_DATA names, else one beside the checkout
DATA = Path(os.environ.get("SPECTOK_DATA") or Path(__file__).parents[1].parent / "shared" / "data")
#: template sets, spectra to test on, and files as archives serve them
TRAIN, TEST, FITS = DATA / "train", DATA / "test", DATA / "test" / "fits"
WITHOUT_SPECTRA = "test spectra are not here: SPECTOK_DATA may name their directory"


def needs(path):
    """Mark of tests that are skipped without a file or directory."""
    return pytest.mark.skipif(not path.exists(), reason=WITHOUT_SPECTRA)


@functools.cache
def read_real(name):
    """What a user gets of one of the real files without naming a format; DESI's hold three arms.

    specutils asks all of its loaders, which takes half a second: a file is read once for all tests, which leave what
    they get as it is.
    """
    from specutils import Spectrum, SpectrumList

    return (SpectrumList if name.startswith("desi") else Spectrum).read(FITS / name)
