# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Show how good a spectral type head is on stars that it has not seen.

    python benchmarks/spectral_types.py --data DIR --check DIR [--stars N] [--epochs N] [--seed N]

``--data`` is the directory of the public template sets, ``--check`` one of sets like them, of other stars. A head is
trained on the former as ``spectok build`` trains that of weights, and scored on the latter. The temperature that is
printed last is what scores are best divided by: the one that a recipe of ``spectok build`` may name.
"""

import argparse
import math

import numpy as np
from _types import is_near
from torch.nn import functional as F

from astro_spectok.training.spectral_type import score_stars, train_spectral_type
from astro_spectok.training.typed_stars import StoredSpectra, draw_views, open_survey

#: as in the recipe of the packaged weights
STARS, EPOCHS, SEED = 92000, 3.5, 8807
CHECKED = 6000


def find_temperature(scores, types):
    """What to divide scores by so that the true types are most probable."""
    trials = [math.exp(0.02 * k) for k in range(-30, 61)]
    return min(trials, key=lambda value: F.cross_entropy(scores / value, types).item())


def check_head(head, views, report):
    """Report the accuracy of a head on stars that trained nothing."""
    scores = score_stars(head, views)
    names = np.array(head.config.types)
    found, truth = names[scores.argmax(1).numpy()], names[views.types.numpy()]
    near = is_near(found, truth)
    report(f"{len(truth)} other stars: exact {np.mean(found == truth):.3f}, near {near.mean():.3f}")
    for name in head.config.types:
        own = truth == name
        if own.any():
            report(f"  {name:2s} {own.sum():5d} exact {np.mean(found[own] == name):.3f} near {near[own].mean():.3f}")
    report(f"temperature {find_temperature(scores, views.types):.2f}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="directory of the public template sets")
    parser.add_argument("--check", required=True, help="directory of sets of other stars")
    parser.add_argument("--stars", type=int, default=STARS)
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    head = train_spectral_type(args.data, stars=args.stars, epochs=args.epochs, seed=args.seed, report=print)
    others = open_survey(args.check), StoredSpectra(args.check)
    check_head(head, draw_views(head.view, *others, CHECKED, args.seed + 1, report=print), print)


if __name__ == "__main__":
    main()
