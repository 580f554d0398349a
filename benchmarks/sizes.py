# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Width, depth, patch, channels and grid step compared: each variant trained for as many seconds of one core.

    python benchmarks/sizes.py [--data DIR] [--seconds 120] [--variants NAME ...] [--json FILE]

An easier objective than that of the packaged weights, so that something is learned in minutes: galaxies, quasars and
stars at a signal-to-noise ratio of 1.5 to 30 per pixel, through SDSS with pixels joined in pairs and through random
optical instruments, 2,400 pixels at most; no alignment, and the redshift weighs most. All variants see the same spectra
in the same order, as far as they get; the learning rate follows a cosine down to zero at the end of the time. ``base``
is trained from three seeds: what it differs by among them is what a difference must exceed.

Printed, and kept in the JSON file as soon as a variant is done (one that is there already is not trained again):
``redshift`` (loss in nat), ``right_class`` (share) and ``loss`` (reconstruction) on a fixed validation set; ``right``,
the share of its galaxies and quasars within 0.0033 in dz/(1+z), and their ``median_abs_dv`` in km/s; ``spectra`` seen,
``spectra_per_s`` in training and ``ms`` per spectrum in inference, both of processor time on one thread; ``megabytes``
of the weights file.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _held_out import scale_resolution
from _scores import NARROW, score_redshifts
from _simulated import measure_groups
from simulate import name_devices

from astro_spectok.engine import Runner
from astro_spectok.engine.device import choose_dtype
from astro_spectok.heads import ModelConfig, RedshiftConfig, build_model
from astro_spectok.network import get_config
from astro_spectok.simulate import Survey
from astro_spectok.simulate.instruments import choose_instrument, random_instrument
from astro_spectok.spectra import to_batch
from astro_spectok.training import TrainingConfig
from astro_spectok.training.batches import stack_views
from astro_spectok.training.loop import _make_optimizer, _Run
from astro_spectok.training.observed import to_inputs, to_spectra
from astro_spectok.training.processes import Processes
from astro_spectok.training.rates import cosine_rate
from astro_spectok.training.simulated import pair_views
from astro_spectok.training.step import TrainingStep
from astro_spectok.weights import write_network

#: what each variant changes: fields of the network, of its redshift head, and the seed
VARIANTS = {
    "base": {},
    "base, second seed": {"seed": 2},
    "width 96": {"width": 96, "heads": 3},
    "width 256": {"width": 256, "heads": 8},
    "3 layers": {"encoder_layers": 3},
    "8 layers": {"encoder_layers": 8},
    "patch 16": {"patch": 16},
    "patch 64": {"patch": 64},
    "4 channels": {"channels": 4},
    "16 channels": {"channels": 16},
    "step 2e-4": {"step": 2e-4},
    "base, third seed": {"seed": 3},
}
HEAD_FIELDS = ("channels", "step")
SNR, PIXELS = (1.5, 30.0), 2400
#: the head of all, but for what a variant changes
REDSHIFT = RedshiftConfig(target_sigma=1.5e-4)
#: of galaxies, quasars and stars
SHARES = (0.5, 0.35, 0.15)
#: far from the seed of any training; the second number distinguishes training from validation
SEED = 617
#: spectra in a training step, and objects drawn at a time; those are then mixed
BATCH, DRAWN = 24, 256
TRAINING = TrainingConfig(
    steps=10000, warmup=300, learning_rate=2e-3, target_pixels=384, alignment_weight=0.0,
    head_weights={"redshift": 3.0},
)  # fmt: skip


def choose_optical(rng, low, high, max_pixels):
    """SDSS with half its pixels in half of the cases, otherwise an invented instrument."""
    if rng.random() < 0.5:
        made = choose_instrument(rng, low, high, 2 * max_pixels, ["sdss"])
        return None if made is None else scale_resolution(made, 0.5)
    return random_instrument(rng, max(low, 3500.0), min(high, 10000.0), max_pixels, resolution=(300.0, 4000.0))


def draw_groups(survey, n, seed):
    """Simulated groups of ``n`` objects, two views of each."""
    return survey.draw(n, seed, views=2, max_pixels=PIXELS, instruments=[choose_optical] * 2, snr=SNR)


def draw_views(survey, number, seed):
    """``number`` views, mixed: those of one draw are of few templates."""
    rng, views, part = np.random.default_rng([SEED, seed]), [], 0
    while len(views) < number:
        for group in draw_groups(survey, DRAWN, [SEED, seed, part]):
            views += [view for pair in pair_views(group, rng, TRAINING.target_pixels) for view in pair]
        part += 1
    return [views[i] for i in rng.permutation(len(views))[:number]]


def make_model(changes):
    """The network of a variant with a head for redshifts, and the seed of its first weights."""
    changes = dict(changes)
    seed = changes.pop("seed", 1)
    head = replace(REDSHIFT, **{key: changes.pop(key) for key in HEAD_FIELDS if key in changes})
    return ModelConfig(replace(get_config("small"), name="trial", **changes), {"redshift": head}), seed


def stack(views, patch):
    """Views as a batch for a network with patches of so many pixels."""
    return stack_views(views, patch, np.zeros(len(views), bool))


def train(model, seed, views, seconds):
    """Train from random weights for that much processor time; the network, and the spectra seen."""
    torch.manual_seed(seed)
    network = build_model(model)
    cpu = torch.device("cpu")
    module = TrainingStep(network, TRAINING, choose_dtype(cpu, training=True))
    run = _Run(None, TRAINING, {}, module, _make_optimizer(network, TRAINING), Processes(cpu), None)
    module.train()
    spent, number = 0.0, 0
    while spent < seconds:
        batch = stack([views[i % len(views)] for i in range(number, number + BATCH)], model.network.patch)
        start = time.process_time()
        rate = cosine_rate(TRAINING.learning_rate, TRAINING.steps * spent / seconds, TRAINING.steps, TRAINING.warmup)
        run._train_step(iter([batch]), rate)
        spent += time.process_time() - start
        number += BATCH
    return module.eval(), number


def validate(module, views):
    """Means over validation views of the figures of the training."""
    sums = {}
    with torch.inference_mode():
        for start in range(0, len(views), BATCH):
            _, figures = module(stack(views[start : start + BATCH], module.network.config.patch))
            for key in ("redshift", "right_class", "loss"):
                total, count = (float(x) for x in figures[key])
                sums[key] = sums.get(key, 0.0) + np.array([total, count])
    return {key: float(total / max(count, 1)) for key, (total, count) in sums.items()}


def measure_inference(network, groups, directory):
    """Through the file of weights and the engine: velocity error, time per spectrum, size."""
    metadata = {"training": {"wavelength_range": [3500.0, 10000.0]}}
    path = write_network(directory / "trial.safetensors", network, metadata=metadata, half=True, overwrite=True)
    runner = Runner(path, "cpu")
    tables = [measure_groups(runner, groups, view)[0] for view in (0, 1)]
    table = {key: np.concatenate([one[key] for one in tables]) for key in tables[0]}
    # what is called a star has about the velocity of any star
    table = {key: x[table["class_true"] != "STAR"] for key, x in table.items()}
    right = np.abs(table["z"] - table["z_true"]) < NARROW * (1 + table["z_true"])
    near = score_redshifts({key: x[right] for key, x in table.items()})
    batch = to_batch(to_inputs([s for group in groups for s in to_spectra(group.observations[0])]), medium="vacuum")
    start = time.process_time()
    number = sum(1 for _ in runner.measure(batch, embedding=True, progress=False))
    ms = 1e3 * (time.process_time() - start) / number
    return {
        "right": float(right.mean()), "measured": len(right), "median_abs_dv": near["median_abs_dv"], "ms": ms,
        "megabytes": path.stat().st_size / 1e6,
    }  # fmt: skip


def try_variant(name, views, groups, seconds):
    """Train and measure one variant: its row of the results."""
    model, seed = make_model(VARIANTS[name])
    module, number = train(model, seed, views, seconds)
    rng = np.random.default_rng(SEED)
    held = [view for group in groups for pair in pair_views(group, rng, TRAINING.target_pixels) for view in pair]
    row = {"variant": name} | validate(module, held)
    with TemporaryDirectory() as directory:
        row |= measure_inference(module.network, groups, Path(directory))
    return row | {"spectra": number, "spectra_per_s": number / seconds, "validation": len(held)}


def show_row(row):
    """One line of the table."""
    cells = [f"{key} {'-' if value is None else f'{value:.4g}'}" for key, value in row.items() if key != "variant"]
    return f"{row['variant']:18s} " + "  ".join(cells)


def main():
    """Draw, train each variant, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="directory of the public template sets")
    parser.add_argument("--seconds", type=float, default=120.0, help="processor time for each variant (default: 120)")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--pool", type=int, default=10000, help="training spectra, then seen again (default: 10000)")
    parser.add_argument("--validation", type=int, default=400, help="objects of the validation set (default: 400)")
    parser.add_argument("--json", type=Path, help="file for the results; what it holds is not repeated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {
        "templates": "public template sets" if options.data else "analytic templates", "seconds": options.seconds,
        "pool": options.pool, "drawn": options.validation, "torch": str(torch.__version__),
        "device": name_devices()["cpu"], "training": TRAINING.to_dict(),
    }  # fmt: skip
    rows = []
    if options.json and options.json.is_file():
        content = json.loads(options.json.read_text())
        if content["settings"] != settings:
            parser.error(f"--json: {options.json} was measured with other settings; give another file")
        rows = content["variants"]
    missing = [name for name in options.variants if name not in [row["variant"] for row in rows]]
    survey = Survey(options.data, families=("galaxies", "quasars", "stars"))
    survey.shares = np.array(SHARES)
    views = draw_views(survey, options.pool if missing else 0, 0)
    groups = draw_groups(survey, options.validation, [SEED, 1])
    for name in missing:
        rows.append(try_variant(name, views, groups, options.seconds))
        print(show_row(rows[-1]), flush=True)
        if options.json:
            options.json.write_text(json.dumps({"settings": settings, "variants": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
