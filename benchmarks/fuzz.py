# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Strange spectra, damaged weights, checkpoints and files by the thousand: ``python benchmarks/fuzz.py --minutes 5``.

Each case follows from a number, so that failures can be seen again: ``python benchmarks/fuzz.py --case spectra 1234``.
The suite runs the first cases of each kind.
"""

import argparse
import logging
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from _strange_files import check_checkpoint, check_file, check_weights
from _strange_spectra import check_spectra

#: failures that are listed one by one
SHOWN = 20
#: what is tried, in turn
KINDS = {
    "spectra": lambda seed, folder: check_spectra(seed),
    "weights": check_weights,
    "checkpoint": check_checkpoint,
    "file": check_file,
}


def run_case(kind, seed, folder):
    """Run one case; what is wrong is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        KINDS[kind](seed, folder)


def main(argv=None):
    """Try cases until the time is over; the exit status is 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0, help="number of the first case")
    parser.add_argument("--kind", choices=KINDS, action="append", help="what to try (default: all)")
    parser.add_argument("--case", nargs=2, metavar=("KIND", "SEED"), help="one case again, with its traceback")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if args.case:
            run_case(args.case[0], int(args.case[1]), folder)
            return 0
        end, seed, failed = time.monotonic() + 60 * args.minutes, args.seed, 0
        count = dict.fromkeys(args.kind or KINDS, 0)
        longest = dict.fromkeys(count, 0.0)
        while time.monotonic() < end:
            for kind in count:
                start = time.monotonic()
                try:
                    run_case(kind, seed, folder)
                except Exception as error:
                    failed += 1
                    where = traceback.extract_tb(error.__traceback__)[-1]
                    if failed > SHOWN:
                        continue
                    print(f"{kind} {seed}: {type(error).__name__}: {str(error)[:300]} ({where.name}, {where.lineno})")
                count[kind] += 1
                longest[kind] = max(longest[kind], time.monotonic() - start)
            seed += 1
    for kind, n in count.items():
        print(f"{kind}: {n} cases, the longest took {longest[kind]:.2f} s")
    print(f"{failed} failed" if failed else "none failed")
    return int(failed > 0)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())
