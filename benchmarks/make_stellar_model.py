# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Teach the stellar head its lines from spectra that go through no instrument, as a start for ordinary training.

    python benchmarks/make_stellar_model.py --data DIR --out FILE [--weights NAME|PATH] [--steps N] [--seed N]

``--data`` is the directory of the public template sets. Labelled stars are drawn in their rest frame, broadened and
given noise (`astro_spectok.training.stellar_lines`), which takes a tenth of the time of whole simulated observations.
``FILE`` holds the weights with a head that knows lines but no tokens; then

    spectok pretrain --data DIR --out RUN --start-from FILE --train-only stellar_head --set stellar_fraction=1 --steps N

goes on with tokens of spectra as instruments give them. What the labels were learnt from (the hull of the stars, ranges
of wavelength and resolution) goes into the metadata, for `astro_spectok.estimators.StellarParameterEstimator`.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import torch

from astro_spectok.network import build_network
from astro_spectok.network.config import STELLAR_LABELS
from astro_spectok.results.stellar_hull import StellarHull
from astro_spectok.results.stellar_training import STELLAR_KEY, StellarTraining
from astro_spectok.simulate import Randomness
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.training.stellar import stellar_loss
from astro_spectok.training.stellar_lines import draw_windows
from astro_spectok.weights import load_weights
from astro_spectok.weights.format import write_weights

#: far from the seeds of training, of the calibration and of the benchmarks
SEED = 7703
BATCH, RATE, DECAY, WARMUP, CLIP = 64, 1.5e-3, 0.02, 50, 1.0
#: principal components that maps of lines start from, and the size of the mixtures
COMPONENTS, START = 64, 0.16
#: what the head is made of besides what reads tokens
PARTS = ("lines", "coverage", "hidden", "out")
#: vacuum Angstrom at rest, and resolving powers, that labels are learnt from
WAVELENGTH, RESOLUTION = ((3600.0, 7390.0), (8390.0, 8910.0), (15150.0, 16960.0)), (100.0, 30000.0)


def add_head(loaded, seed):
    """The network of weights with a stellar head, random where they have none."""
    config = loaded.network.config
    if not config.stellar_labels:
        config = replace(config, stellar_labels=STELLAR_LABELS, local_cosines=config.local_cosines or 16)
    torch.manual_seed(seed)
    network = build_network(config)
    network.load_state_dict(network.state_dict() | loaded.network.state_dict())
    return network


def start_lines(head, family, seed):
    """Let the maps of lines start from random mixtures of the principal components of what stars show there.

    Neighbouring bins tell nearly the same: from random maps, training takes twice as long.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = [draw_windows(family, 128, Randomness([seed, number, 1]), head.readers)[0] for number in range(5)]
    for k, lines in enumerate(head.lines):
        contrast = torch.cat([windows[k][0] for windows in drawn])
        if not contrast.any():
            continue
        _, size, components = torch.linalg.svd(contrast - contrast.mean(0), full_matrices=False)
        size = size / len(contrast) ** 0.5
        # small ones are noise
        scaled = components[:COMPONENTS] / torch.hypot(size[:COMPONENTS], 2 * size[COMPONENTS])[:, None]
        mixture = torch.randn(len(lines.weight), COMPONENTS, generator=generator) / COMPONENTS**0.5
        with torch.no_grad():
            lines.weight.copy_(START * mixture @ scaled)


def teach_lines(head, families, steps, seed, *, tell=None):
    """Train what reads lines; returns the head.

    Parameters
    ----------
    head : `~astro_spectok.network.stellar_head.StellarHead`
    families : list
        Of labelled stars, drawn from in turn.
    steps, seed : int
    tell : callable, optional
        Given the step and the mean loss of the last hundred steps, every hundred steps.
    """
    for family in families:
        start_lines(head, family, seed)
    trained = [p for name, p in head.named_parameters() if name.split(".")[0] in PARTS]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    total = 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        windows, found = draw_windows(families[step % len(families)], BATCH, Randomness([seed, step]), head.readers)
        labels = torch.stack([found[name] for name in head.names], 1)
        loss = stellar_loss(*head.read_windows(windows), labels, head.spread)[0].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimizer.step()
        total += loss.item() / 100
        if tell and (step + 1) % 100 == 0:
            tell(step + 1, total)
            total = 0.0
    return head


def describe_labels(family, *, n=4000, seed=SEED):
    """What the labels hold for, as `StellarTraining`."""
    objects = family.draw(n, Randomness([seed, n]))
    hull = StellarHull.from_labels(*(objects.labels[name].numpy() for name in ("teff", "logg", "fe_h")))
    return StellarTraining(hull=hull, wavelength=WAVELENGTH, resolution=RESOLUTION)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory of the public template sets")
    parser.add_argument("--out", type=Path, required=True, help="file of weights to write")
    parser.add_argument("--weights", help="registry name or path to start from (default: the packaged ones)")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    loaded, store = load_weights(args.weights, "cpu"), TemplateStore(args.data)
    network = add_head(loaded, args.seed)
    families = [GridStars(store)]
    families += [ApogeeStars(store)] if ApogeeStars.usable(store) else []
    teach_lines(
        network.stellar_head, families, args.steps, args.seed,
        tell=lambda step, loss: print(f"step {step}  loss {loss:.3f}", flush=True),
    )  # fmt: skip
    tensors = {key: value.half() for key, value in network.state_dict().items()}
    # what the file says of itself, without what writing sets anew
    metadata = {
        key: value
        for key, value in loaded.metadata.items()
        if not key.startswith("astro_spectok_") and key != "content_sha256"
    }
    metadata |= {STELLAR_KEY: describe_labels(families[0]).to_dict()}
    write_weights(args.out, network.config.to_dict(), tensors, metadata=metadata, overwrite=True)
    print(args.out)


if __name__ == "__main__":
    main()
