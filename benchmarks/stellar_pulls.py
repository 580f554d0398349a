# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Show what the errors of the stellar labels of a set of weights are worth on simulated stars.

    python benchmarks/stellar_pulls.py --data DIR --left-out FILE [--weights NAME|PATH] [-n N] [--json FILE]

``--data`` is the directory of the public template sets; ``--left-out`` holds weights whose head has not seen a quarter
of the stars of MILES: what the stage ``stellar_left_out`` of ``spectok build`` writes. Half of the N stars are seen
without faults of instruments: every other one of these fits a correction of the errors, as ``spectok build`` fits that
of weights, the rest shows what they are worth with it and without. The other half shows what all the faults of a
simulated survey add.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from astro_spectok.engine import Runner
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.stellar.measure import find_stellar_head
from astro_spectok.training.calibrate_stellar import draw_stars, fit_training, score_pulls, take_stars

#: far from the seeds of any training and of the benchmarks
SEED = 5501


def main(argv=None):
    """Fit and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="directory of the public template sets")
    parser.add_argument("--left-out", required=True, help="path of weights whose head has not seen some stars")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-n", type=int, default=8000, help="stars, a quarter of them to fit (default: 8000)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args(argv)
    runner = Runner(options.weights, options.device)
    name = find_stellar_head(runner)
    left_out = Runner(options.left_out, options.device)
    stars = draw_stars(runner, left_out, options.data, options.n, options.seed)
    known, clean = StellarTraining.from_head(runner.network.heads[name]), np.flatnonzero(stars["clean"])
    training, others = fit_training(take_stars(stars, clean[::2]), known), take_stars(stars, clean[1::2])
    result = {
        "weights": runner.loaded.name, "sha256": runner.loaded.sha256, "n": options.n, "seed": options.seed,
        **training.to_dict(), "before": score_pulls(others, StellarTraining.begin()),
        "after": score_pulls(others, training),
        "with faults": score_pulls(take_stars(stars, ~stars["clean"]), training),
    }  # fmt: skip
    for title in ("before", "after", "with faults"):
        print(f"\n{title}\n  {'label':24s} S/N          n   scatter   width of pulls")
        for row in result[title]:
            snr = f"{row['snr_low']:5.0f}-{row['snr_high']:5.0f}"
            print(f"  {row['label']:24s} {snr} {row['n']:5d} {row['scatter']:9.4f} {row['width']:9.2f}")
    print({"scale": training.error_scale, "floor": training.error_floor})
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
