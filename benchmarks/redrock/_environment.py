# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""An environment with redrock alone, so that what it asks for never meets what this package asks for."""

import os
import subprocess
import venv
from pathlib import Path

from astropy.config.paths import get_cache_dir

__all__ = ["find_default_folder", "limit_threads", "make_environment"]

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
#: what the libraries that either side computes with read the number of their threads from
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def find_default_folder():
    """Where the environment is kept between runs: in the cache directory of the package."""
    return Path(get_cache_dir("astro_spectok")) / "redrock-environment"


def make_environment(folder):
    """Make an environment and install the requirements, unless that is done already.

    Parameters
    ----------
    folder : `~pathlib.Path`

    Returns
    -------
    `~pathlib.Path`
        Its Python.

    Raises
    ------
    RuntimeError
        The requirements cannot be installed.
    """
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "requirements-installed.txt"
    if done.is_file() and done.read_text() == REQUIREMENTS.read_text() and python.exists():
        return python
    venv.create(folder, with_pip=True)
    command = [python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        msg = f"{REQUIREMENTS.name} could not be installed into {folder}: {found.stderr.strip()}"
        raise RuntimeError(msg)
    done.write_text(REQUIREMENTS.read_text())
    return python


def limit_threads():
    """The environment variables of this process with one thread for every library, and no graphics card."""
    return os.environ | dict.fromkeys(THREADS, "1") | {"CUDA_VISIBLE_DEVICES": ""}
