# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Train the type head of a set of weights on stars of all types, and write weights with that head.

    python benchmarks/make_type_head.py --data DIR --start NAME|PATH --out FILE.safetensors [--stars N] [--epochs N]
    python benchmarks/make_type_head.py --head FILE.safetensors --start NAME|PATH --out FILE.safetensors

``--data`` is the directory of the public template sets. Three of four stars are simulated as in pretraining, but more
of them ultracool or infrared; the fourth is a stored real one as its file has it, but for noise, calibration, range and
sampling (`_type_training`). The head reads the flux itself, so that no encoder runs: it takes ten minutes of one core.
``--head`` takes the head out of another file of weights instead.

Probabilities are brought to mean what they say by one temperature, found on stars that trained nothing (``--check``
names a directory of sets like ``--data``, of other stars, and prints it), which goes into the last layer.

``FILE`` holds all other tensors and all metadata as they were.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _type_training import StoredSpectra, draw_views, open_survey
from _types import is_near
from astro_spectok.network.type_head import FluxTypeHead
from torch.nn import functional as F

from astro_spectok.network.config import STELLAR_TYPES, NetworkConfig
from astro_spectok.weights.format import read_metadata, read_weights, write_weights
from astro_spectok.weights.store import find_weights

#: far from the seeds of training, of the calibration and of the benchmarks
SEED = 8807
STARS, EPOCHS, CHECKED = 92000, 3.5, 6000
BATCH, RATE, DECAY, WARMUP, CLIP, SMOOTHING = 128, 2e-3, 0.05, 50, 1.0, 0.02
STEP = 1e-3
#: that scores are divided by: found with ``--check`` after training on four stars of five
TEMPERATURE = 1.0
PREFIX = "type_head."


def train_head(head, views, epochs, seed, *, tell=None):
    """Train a head on views of stars.

    Parameters
    ----------
    head : `~astro_spectok.network.type_head.FluxTypeHead`
    views : `~_type_training.TypeViews`
    epochs : float
        How often each star is seen.
    seed : int
    tell : callable, optional
        Is given a text every 200 steps.

    Returns
    -------
    FluxTypeHead
    """
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    steps, generator, order, total = max(1, int(epochs * len(views) / BATCH)), torch.Generator(), torch.empty(0), 0.0
    generator.manual_seed(seed)
    head.train()
    for step in range(steps):
        if len(order) < BATCH:
            order = torch.randperm(len(views), generator=generator)
        rows, order = order[:BATCH], order[BATCH:]
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.autocast("cpu", torch.bfloat16):
            scores = head.score_views(views.lines[rows].float(), views.broad[rows].float())
        loss = F.cross_entropy(scores.float(), views.types[rows], label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), CLIP)
        optimizer.step()
        total += loss.item()
        if tell and (step + 1) % 200 == 0:
            tell(f"step {step + 1} of {steps}: loss {total / 200:.3f}")
            total = 0.0
    return head.eval()


def score_stars(head, views):
    """Scores (n, number of types) of views."""
    with torch.inference_mode():
        rows = torch.arange(len(views)).split(256)
        return torch.cat([head.score_views(views.lines[i].float(), views.broad[i].float()) for i in rows])


def find_temperature(scores, types):
    """What to divide scores by so that the true types are most probable."""
    trials = [math.exp(0.02 * k) for k in range(-30, 61)]
    return min(trials, key=lambda value: F.cross_entropy(scores / value, types).item())


def check_head(head, views, tell):
    """Tell how good a head is on stars that trained nothing."""
    scores = score_stars(head, views)
    names = np.array(head.names)
    found, truth = names[scores.argmax(1).numpy()], names[views.types.numpy()]
    near = is_near(found, truth)
    tell(f"{len(truth)} other stars: exact {np.mean(found == truth):.3f}, near {near.mean():.3f}")
    for name in head.names:
        own = truth == name
        if own.any():
            tell(f"  {name:2s} {own.sum():5d} exact {np.mean(found[own] == name):.3f} near {near[own].mean():.3f}")
    tell(f"temperature {find_temperature(scores, views.types):.2f}")


def make_head(args, tell):
    """Train a new head as the arguments say."""
    torch.manual_seed(args.seed)
    head = FluxTypeHead(STELLAR_TYPES, STEP)
    views = draw_views(head.view, open_survey(args.data), StoredSpectra(args.data), args.stars, args.seed, tell=tell)
    train_head(head, views, args.epochs, args.seed, tell=tell)
    with torch.no_grad():
        head.out.weight /= TEMPERATURE
        head.out.bias /= TEMPERATURE
    if args.check is not None:
        others = open_survey(args.check), StoredSpectra(args.check)
        check_head(head, draw_views(head.view, *others, CHECKED, args.seed + 1, tell=tell), tell)
    return {PREFIX + key: value.half() for key, value in head.state_dict().items()}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="directory of the public template sets")
    source.add_argument("--head", type=Path, help="weights whose head is taken, rather than training one")
    parser.add_argument("--start", help="registry name or path of the weights (default: the packaged ones)")
    parser.add_argument("--out", type=Path, required=True, help="file of weights to write")
    parser.add_argument("--check", type=Path, help="directory of sets of other stars, to be scored")
    parser.add_argument("--stars", type=int, default=STARS)
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    path = find_weights(args.start)
    config, tensors = read_weights(path)
    if args.head is None:
        head, step = make_head(args, lambda text: print(text, flush=True)), STEP
    else:
        other, found = read_weights(args.head)
        head, step = {key: x for key, x in found.items() if key.startswith(PREFIX)}, other["type_step"]
    tensors = {key: value for key, value in tensors.items() if not key.startswith(PREFIX)} | head
    config = replace(NetworkConfig.from_dict(config), stellar_types=STELLAR_TYPES, type_step=step)
    # what the file says of itself, without what writing sets anew
    metadata = {
        key: value
        for key, value in read_metadata(path).items()
        if not key.startswith("astro_spectok_") and key != "content_sha256"
    }
    write_weights(args.out, config.to_dict(), tensors, metadata=metadata, overwrite=True)
    print(args.out)


if __name__ == "__main__":
    main()
