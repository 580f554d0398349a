# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok pretrain``: a network trained on simulated and real spectra, or on other sequences."""

import math
import os

from astro_spectok.cli.options import add_common_options, make_report, positive_int, split_names, write_line
from astro_spectok.cli.sequences import add_sequence_options, check_sequence_options, pretrain_along

__all__ = ["add_pretrain"]

#: columns of the log that are not shown while a network is trained
HIDDEN = ("step", "loss_hidden", "deviation", "alignment", "learning_rate", "gradient", "seconds", "spectra_per_s")


def add_pretrain(subparsers):
    """Add ``spectok pretrain``."""
    description = (
        "Pretrain a network on simulated and real spectra, or with --axis on other sequences. Use --resume to continue "
        "a run, and torchrun for several processes."
    )
    parser = subparsers.add_parser("pretrain", help=description, description=description)
    add_sequence_options(parser)
    parser.add_argument("--data", metavar="DIR", help="public template sets (default: analytic templates, cruder)")
    parser.add_argument("--real", action="append", default=[], metavar="DIR", help="real spectra; may be repeated")
    parser.add_argument(
        "--medium", choices=("vacuum", "air"), help="medium of the wavelengths in --real (default: detected)"
    )
    parser.add_argument("--start-from", metavar="NAME|PATH", help="weights to start from")
    parser.add_argument(
        "--check", type=int, default=200, metavar="N",
        help="with --start-from: simulated spectra to measure before and after, to check that nothing is forgotten; 0 "
        "for none (default: 200)",
    )  # fmt: skip
    parts = "parts to train: encoder, pooling, decoder, or heads; a wrong name lists them (default: all)"
    parser.add_argument("--train-only", type=split_names, default=[], metavar="A,B", help=parts)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for checkpoint, log, loss curve and weights"
    )
    parser.add_argument("--config", default="small", metavar="NAME", help="sizes: tiny, small (default) or paper")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out, if there is one")
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    for name, text in (
        ("steps", "optimiser steps of the whole run"),
        ("batch-tokens", "tokens per shard"),
        ("workers", "processes that draw the spectra"),
        ("shards", "parts of a step, shared by the processes of torchrun"),
        ("seed", "seed of weights and data"),
        ("stop-after", "stop with a checkpoint after this many steps in total"),
        ("threads", "threads of the processor for the network"),
    ):
        kind = int if name in ("workers", "seed") else positive_int
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=text)
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE",
        help="any setting of TrainingConfig, such as alignment_weight=0.5; may be repeated; a wrong name lists them",
    )  # fmt: skip
    add_common_options(parser, "device")
    parser.set_defaults(run=_run_pretrain)


def _run_pretrain(args):
    """Train, and print a line whenever the log gets one."""
    import torch

    from astro_spectok.heads import get_model_config
    from astro_spectok.training.config import TrainingConfig
    from astro_spectok.training.loop import pretrain

    check_sequence_options(args)
    settings = _read_settings(args)
    config = None if args.axis else TrainingConfig(**settings)
    if args.check < 0:
        msg = f"check must be 0 or a number of spectra; got {args.check}"
        raise ValueError(msg)
    if args.threads:
        torch.set_num_threads(args.threads)

    report = make_report(args.quiet)

    def show(step, row, last=None):
        kept = {name: x for name, x in row.items() if name not in HIDDEN and not math.isnan(x)}
        figures = "  ".join(f"{name} {x:.3f}" for name, x in kept.items())
        report(f"step {step}/{last or config.steps}  {figures}  {row['spectra_per_s']:.0f} spectra/s")

    checked = args.check if args.start_from and os.environ.get("RANK", "0") == "0" else 0
    path = pretrain_along(args, settings, show) if args.axis else pretrain(
        args.data, args.out, get_model_config(args.config), config, real=args.real, real_medium=args.medium,
        start=args.start_from, train_only=args.train_only, resume=args.resume, device=args.device,
        precision=args.precision, stop_after=args.stop_after, on_step=show,
    )  # fmt: skip
    if path and checked:
        _check_retention(path, args, checked)
    if path:
        write_line(f"weights: {path}")
    elif os.environ.get("RANK", "0") == "0":  # of several processes the first one speaks
        write_line(f"stopped; go on with --resume --out {args.out}")


def _check_retention(path, args, n):
    """Measure weights before and after, write that into the file, and say it."""
    from astro_spectok.training.retention import check_retention, measure_known

    before = measure_known(args.start_from, args.data, n, device=args.device)
    report = check_retention(path, before, args.data, n, device=args.device)
    for name, value in report["before"].items():
        if not name.startswith("n_") and name in report["after"] and not args.quiet:
            worse = "  (worse)" if name in report["forgotten"] else ""
            write_line(f"{name}: {value:.3f} before, {report['after'][name]:.3f} after{worse}")


def _read_settings(args):
    """Settings of a run, from ``--set`` and from the options for the usual ones."""
    from astro_spectok.training.config import parse_settings

    settings = parse_settings(args.settings)
    for name in ("steps", "batch_tokens", "workers", "seed", "shards"):
        value = getattr(args, name)
        if value is not None and settings.setdefault(name, value) != value:
            msg = f"set: {name} must be given once, got {settings[name]} and --{name.replace('_', '-')} {value}"
            raise ValueError(msg)
    return settings
