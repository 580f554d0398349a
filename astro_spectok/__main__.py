# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``python -m astro_spectok``: the shell command for launchers that start modules, such as ``torchrun -m``."""

import sys

from astro_spectok.cli import main

if __name__ == "__main__":
    sys.exit(main())
