# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Train the stellar head of a set of weights on labelled stars, and write weights with that head.

    python benchmarks/make_stellar_model.py --data DIR --start NAME|PATH --out FILE.safetensors [--steps N] [--seed N]
                                            [--leave-out]

``--data`` is the directory of the public template sets. Labelled stars are drawn in their rest frame, broadened, given
noise and a wrong calibration (`astro_spectok.training.stellar_lines`), which takes a tenth of the time of whole
simulated observations: real stars of MILES for the networks that read the optical windows, the APOGEE emulator for the
one that reads the H band. ``--steps`` is what each of the former gets; the latter, whose stars do not repeat, gets
fifteen times as many. It takes an hour on one core. ``--leave-out`` leaves out a quarter of the stars of MILES, by
star, and stops before the H band: ``calibrate_stellar.py`` measures with such a head how far off new stars are.

``FILE`` holds all other tensors and all metadata as they were. What the labels were learnt from (the hull of the stars,
ranges of wavelength and resolution) is added for `astro_spectok.estimators.StellarParameterEstimator`.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from astro_spectok.training.stellar import stellar_loss

from astro_spectok.network import build_network
from astro_spectok.network.config import STELLAR_LABELS, NetworkConfig
from astro_spectok.simulate import Randomness, RestGrid
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.stellar_sets import read_stars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.stellar.domain import STELLAR_KEY, StellarTraining
from astro_spectok.stellar.hull import StellarHull
from astro_spectok.training.stellar_lines import draw_windows
from astro_spectok.weights.format import read_metadata, read_weights, write_weights
from astro_spectok.weights.store import find_weights

#: far from the seeds of training, of the calibration and of the benchmarks
SEED = 7703
BATCH, RATE, DECAY, WARMUP, CLIP = 64, 2e-3, 0.05, 50, 1.0
#: by stars left out, on which 4,000 do no better
STEPS = 2000


class Course(NamedTuple):
    """Part of the training of a network.

    Attributes
    ----------
    steps : int
        Batches, over those asked for.
    rate : float
        Peak of the learning rate, over the usual one.
    options : dict
        Of `~astro_spectok.training.stellar_lines.draw_windows`.
    """

    steps: int = 1
    rate: float = 1.0
    options: dict = MappingProxyType({})


#: what the networks of each window go through one after the other. Stars of the H band do not repeat, nothing of air
#: and sky is left there, and below a resolving power of 1000 there are no velocities; those of sharp spectra are good
_SHARP = {"faults": 0.1, "least_resolution": 1000.0}
COURSES = (
    (Course(),),
    (Course(),),
    (Course(12, 1.0, _SHARP), Course(3, 0.25, _SHARP | {"blur": 0.3})),
)
PREFIX = "stellar_head."
SPLIT_SEED, LEFT_OUT = 5, 0.25
#: vacuum Angstrom at rest, and resolving powers, that labels are learnt from
WAVELENGTH, RESOLUTION = ((3600.0, 7390.0), (8390.0, 8910.0), (15150.0, 16960.0)), (100.0, 30000.0)


def add_head(config, tensors, seed):
    """A network of a configuration with a new stellar head, and all else from the tensors."""
    if not config.stellar_labels:
        config = replace(config, stellar_labels=STELLAR_LABELS, local_cosines=config.local_cosines or 16)
    torch.manual_seed(seed)
    network = build_network(config)
    network.load_state_dict(network.state_dict() | tensors)
    return network


def train_head(head, families, steps, seed, *, tell=None):
    """Train the networks of a stellar head one after the other, each on stars of its own; returns the head.

    Parameters
    ----------
    head : `~astro_spectok.network.stellar_head.StellarHead`
    families : list
        What draws labelled stars for each window; None leaves its networks as they are.
    steps : int
        Batches for each network, as often as the courses of its window tell.
    seed : int
    tell : callable, optional
        Given a text every 200 steps.
    """
    head.train()
    for number, members in enumerate(head.members):
        for k, member in enumerate(members):
            if families[number] is not None:
                name = f"window {number}, network {k}"
                for part, course in enumerate(COURSES[number]):
                    own = [seed + part, number, k]
                    train_member(head, member, number, families[number], steps, course, own, tell, name)
    return head.eval()


def train_member(head, member, number, family, steps, course, seed, tell, name):
    """Take one network of a window through a course."""
    told = list(head.told[number])
    reader, names = head.readers[number], [head.names[i] for i in told]
    spread, centre = head.spread[told], head.centre[told]
    optimizer = torch.optim.AdamW(member.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    total, steps, rate = 0.0, course.steps * steps, course.rate * RATE
    for step in range(steps):
        for values in optimizer.param_groups:
            values["lr"] = rate * min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        random = Randomness([*seed, step])
        [shown], found = draw_windows(family, BATCH, random, [reader], **course.options)
        labels = (torch.stack([found[label] for label in names], 1) - centre) / spread
        with torch.autocast("cpu", torch.bfloat16):
            mean, tril = member(*shown)
        loss = stellar_loss(mean, tril, labels, torch.ones_like(spread))[0].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(member.parameters(), CLIP)
        optimizer.step()
        total += loss.item()
        if tell and (step + 1) % 200 == 0:
            tell(f"{name}, step {step + 1}: loss {total / 200:.3f}")
            total = 0.0


def read_library(store):
    """The stars of MILES on the grid that they are stored on."""
    return read_stars(store, GridStars.needs, RestGrid(math.log(3552.0), 1e-4, round(math.log(7395.0 / 3552.0) / 1e-4)))


def choose_left_out(n):
    """Which of n stars of MILES, as they are read, are left out for validation."""
    return np.random.default_rng(SPLIT_SEED).random(n) < LEFT_OUT


def describe_labels(family, *, n=4000, seed=SEED):
    """What the labels hold for, as `StellarTraining`."""
    objects = family.draw(n, Randomness([seed, n]))
    hull = StellarHull.from_labels(*(objects.labels[name].numpy() for name in ("teff", "logg", "fe_h")))
    return StellarTraining(hull=hull, wavelength=WAVELENGTH, resolution=RESOLUTION)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory of the public template sets")
    parser.add_argument("--start", help="registry name or path of the weights (default: the packaged ones)")
    parser.add_argument("--out", type=Path, required=True, help="file of weights to write")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--leave-out", action="store_true", help="leave out a quarter of the stars")
    args = parser.parse_args(argv)
    path, store = find_weights(args.start), TemplateStore(args.data)
    config, tensors = read_weights(path)
    tensors = {key: value for key, value in tensors.items() if not key.startswith(PREFIX)}
    network = add_head(NetworkConfig.from_dict(config), tensors, args.seed)
    optical = GridStars(store, without=choose_left_out(len(read_library(store).kind)) if args.leave_out else None)
    infrared = ApogeeStars(store) if ApogeeStars.usable(store) and not args.leave_out else None
    families = [optical, optical, infrared]
    train_head(
        network.stellar_head, families, args.steps, args.seed,
        tell=lambda text: print(text, flush=True),
    )  # fmt: skip
    head = {PREFIX + key: value.half() for key, value in network.stellar_head.state_dict().items()}
    # what the file says of itself, without what writing sets anew
    metadata = {
        key: value
        for key, value in read_metadata(path).items()
        if not key.startswith("astro_spectok_") and key != "content_sha256"
    }
    metadata |= {STELLAR_KEY: describe_labels(families[0]).to_dict()}
    write_weights(args.out, network.config.to_dict(), tensors | head, metadata=metadata, overwrite=True)
    print(args.out)


if __name__ == "__main__":
    main()
