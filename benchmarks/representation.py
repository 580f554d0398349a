# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the tokens and the embedding hold of an object, with baselines beside them in the same run.

    python benchmarks/representation.py --data DIR [--weights NAME|PATH] [--quick] [--only PART ...] [--json FILE]

``--data`` holds ``train`` and ``test``, the directories of the public sets. ``--weights`` may be a checkpoint of a run.
The parts:

- ``hidden``: a fifth of the pixels hidden in blocks of 16 to 64, and half of the range hidden. Skill is one less the
  ratio of squared deviations to those of a straight line between the nearest pixels: of what decoding gives, of the
  network alone, of the explicit part of its tokens alone (each learned value at its mean), of components of the
  training libraries at rest, and of 50 probabilistic principal components that have seen the survey; and the share of
  hidden pixels within one and two standard deviations of what decoding gives.
- ``shares``: chi2 of shown pixels, and what becomes of it without the learned values, or without the explicit detail.
- ``few_shot``: ridge regression on learned values of frozen tokens averaged around 24 wavelengths, on `embed`, on
  tokens of an untrained network of the same sizes, on 50 principal components and on the flux itself, and a small
  convolutional network from scratch; R2 or balanced accuracy after so many labels, split by object. ``ahead`` and
  ``behind`` are by the standard error of the mean difference on the same draws of labels.
- ``instruments``: stars of CFLIB looked up in MILES, and labels of their neighbours there.
- ``repeats``, ``simulated``, ``warps``: the same object twice, real and simulated, and with a wrong calibration.
- ``ranks``: effective rank of embeddings and of learned values.

``--quick`` takes fewer spectra, seeds and tasks: for judging a run while it trains. Everything takes twenty minutes of
one core, ``--quick`` three.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from _representation_hidden import HIDDEN_SETS, hide_blocks, hide_half, measure_hidden, measure_shares, open_libraries
from _representation_pairs import (
    measure_instruments,
    measure_ranks,
    measure_repeats,
    measure_simulated_pairs,
    measure_warps,
)
from _representation_probes import TASKS, measure_few_shot
from _representation_spectra import make_untrained, open_runner

PARTS = ("hidden", "shares", "few_shot", "instruments", "repeats", "simulated", "warps", "ranks")
QUICK_PARTS = ("hidden", "few_shot", "ranks")
#: tasks of the quick run
QUICK_TASKS = ("M, L, T (SpeX)", "SN type", "MK type (LAMOST)", "log Teff (MILES)", "[Fe/H] (MILES)",
               "log Teff (MILES to LAMOST)", "[Fe/H] (MILES to LAMOST)")  # fmt: skip


def measure(runner, data, parts, *, quick=False):
    """The figures of some parts, by name: lists of rows."""
    test, train = data / "test", data / "train"
    limit = 24 if quick else 100
    out = {}
    for part in parts:
        start = time.perf_counter()
        if part == "hidden":
            libraries = None if quick else open_libraries(train)
            for name, hide in (("hidden_blocks", hide_blocks), ("hidden_half", hide_half)):
                out[name] = measure_hidden(runner, test, train, limit=limit, hide=hide, libraries=libraries)
                print_rows(name, out[name])
            continue
        if part == "few_shot":
            runners = {"tokens": runner} if quick else {"tokens": runner, "untrained": make_untrained(runner)}
            out[part] = measure_few_shot(
                runners, data, numbers=(30, 100) if quick else (10, 30, 100, 300, None), seeds=5,
                tasks=[task for task in TASKS if not quick or task.name in QUICK_TASKS],
                limit=300 if quick else None, cnn=not quick,
            )  # fmt: skip
        elif part == "shares":
            out[part] = measure_shares(runner, test, limit=limit)
        elif part == "instruments":
            out[part] = measure_instruments(runner, train)
        elif part == "repeats":
            out[part] = measure_repeats(runner, test)
        elif part == "simulated":
            out[part] = measure_simulated_pairs(runner, train, 100 if quick else 400)
        elif part == "warps":
            out[part] = measure_warps(runner, test)
        elif part == "ranks":
            out[part] = measure_ranks(runner, test, HIDDEN_SETS, limit=limit)
        print_rows(part, out[part])
        if part == "few_shot":
            print_ahead(out[part])
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    return out


def print_rows(title, rows):
    """A table of rows that share their columns, more or less."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_show(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print(f"\n{title}")
    for line in (columns, *cells):
        print("  ".join(f"{text:>{width}s}" for text, width in zip(line, widths, strict=True)))


def print_ahead(rows):
    """On how many tasks frozen tokens are ahead of all other features, or behind one, by number of labels."""
    for asked in dict.fromkeys(row["asked"] for row in rows):
        own = [row for row in rows if row["asked"] == asked]
        ahead, behind = (sum(row[key] for row in own) for key in ("ahead", "behind"))
        print(f"{asked or 'all'} labels: ahead of all on {ahead}, behind one on {behind} of {len(own)}")


def _show(value):
    """A value as text; a pair with its error."""
    if isinstance(value, tuple):
        return f"{value[0]:.3f} ± {value[1]:.3f}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory that holds train and test")
    parser.add_argument("--weights", help="name or path; a checkpoint of a run will do")
    parser.add_argument("--quick", action="store_true", help="a few minutes of one core")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to measure")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(all="raise", under="ignore")
    runner = open_runner(options.weights)
    parts = options.only or (QUICK_PARTS if options.quick else PARTS)
    print(f"{runner.loaded.name} ({runner.loaded.sha256[:12]})", flush=True)
    figures = measure(runner, options.data, parts, quick=options.quick)
    if options.json:
        content = {"weights": runner.loaded.name, "sha256": runner.loaded.sha256, "quick": options.quick} | figures
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
