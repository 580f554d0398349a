# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell command ``spectok``: one function per subcommand."""

import argparse
import contextlib
import logging
import math
import os
import sys
import traceback

from astro_spectok.cli.adapt import add_fit, add_predict
from astro_spectok.cli.align import add_align
from astro_spectok.cli.build import add_build
from astro_spectok.cli.estimators import add_galaxy, add_redshift, add_stellar, add_transient
from astro_spectok.cli.inspect import add_inspect
from astro_spectok.cli.measure import find_status, measure_files
from astro_spectok.cli.options import (
    COMMON_OPTIONS,
    add_common_options,
    add_file_options,
    make_report,
    positive_int,
    split_names,
    write_line,
)
from astro_spectok.cli.remarks import show_warnings
from astro_spectok.cli.results import write_result
from astro_spectok.cli.search import add_index, add_outliers, add_similar
from astro_spectok.cli.sequences import add_sequence_options, check_sequence_options, pretrain_along
from astro_spectok.cli.survey import add_survey

__all__ = ["SUBCOMMANDS", "build_parser", "main"]


def add_weights(subparsers):
    """Add ``spectok weights list|info|download``."""
    description = "List, describe and download sets of weights."
    parser = subparsers.add_parser("weights", help=description, description=description)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="list the sets that have a name")
    add_common_options(listing)
    listing.set_defaults(run=_run_weights_list)

    info = actions.add_parser("info", help="describe a set")
    info.add_argument("name", metavar="NAME|PATH", help="registry name or .safetensors file")
    add_common_options(info)
    info.set_defaults(run=_run_weights_info)

    download = actions.add_parser("download", help="download a set, unless it is already here, and print its path")
    download.add_argument("name", metavar="NAME", help="registry name")
    download.add_argument(
        "--mirror", action="append", default=[], metavar="URL", help="base URL to try first; may be repeated"
    )
    add_common_options(download)
    download.set_defaults(run=_run_weights_download)


def _run_weights_list(args):
    """Print the table of known sets."""
    from astro_spectok.weights import list_weights

    columns = ["name", "size", "wavelength_min", "wavelength_max", "packaged", "licence", "description"]
    for line in list_weights()[columns].pformat(max_lines=-1, max_width=-1, align="<"):
        write_line(line.rstrip())


def _run_weights_info(args):
    """Print what is known about one set or file."""
    from astro_spectok.weights import describe_weights
    from astro_spectok.weights.store import describe_file, is_path

    write_line(describe_file(args.name) if is_path(args.name) else describe_weights(args.name))


def _run_weights_download(args):
    """Find or download one set and print where it is."""
    from astro_spectok.config import conf
    from astro_spectok.weights import find_weights, get_entry

    entry = get_entry(args.name)
    with conf.set_temp("weights_mirrors", [*args.mirror, *conf.weights_mirrors]):
        write_line(find_weights(entry.name, progress=False if args.quiet else None))


def add_demo(subparsers):
    """Add ``spectok demo``."""
    description = "Measure four real spectra that are included in the package, print the results and plot them."
    parser = subparsers.add_parser("demo", help=description, description=description)
    parser.add_argument("-o", "--out", metavar="PNG", help="picture (default: spectok-demo.png, or the next free name)")
    add_common_options(parser, "weights", "device", "overwrite")
    parser.set_defaults(run=_run_demo)


def _run_demo(args):
    """Run the demonstration and print its lines as they come."""
    from astro_spectok.demo import run_demo

    for line in run_demo(args.out, weights=args.weights, device=args.device, overwrite=args.overwrite):
        write_line(line)
        sys.stdout.flush()


def add_embed(subparsers):
    """Add ``spectok embed``."""
    description = "Turn the spectra in files into vectors, and write one table with a row for each spectrum."
    parser = subparsers.add_parser("embed", help=description, description=description)
    add_file_options(parser, prints=False)
    parser.add_argument(
        "--parts", type=split_names, metavar="A,B",
        help="parts of the embedding: lines, colours, redshift, learned (default: all)",
    )  # fmt: skip
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_embed)


def _run_embed(args):
    """Embed the spectra of all files and write the table."""
    from functools import partial

    from astro_spectok.embedding import embed_files
    from astro_spectok.utils.parts import check_parts

    check_parts(args.parts)
    options = {"weights": args.weights, "device": args.device, "batch_tokens": args.batch_tokens, "parts": args.parts}
    table = measure_files(args, partial(embed_files, **options))
    used = sum(1 for message in table["message"] if not message)
    write_result(table, args, f"{used} spectra embedded, {len(table) - used} flagged as unusable")
    return find_status(table)


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


#: columns of the log that are not shown while a network is trained
HIDDEN = ("step", "loss_hidden", "deviation", "alignment", "learning_rate", "gradient", "seconds", "spectra_per_s")


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


def add_simulate(subparsers):
    """Add ``spectok simulate``."""
    description = "Simulate labelled spectra of every kind of object, seen with every kind of instrument."
    parser = subparsers.add_parser("simulate", help=description, description=description)
    parser.add_argument("-n", "--number", type=positive_int, required=True, metavar="N", help="number of objects")
    parser.add_argument(
        "-o", "--out", required=True, metavar="DIR|FILE", help="directory for FITS files, or a .parquet file"
    )
    parser.add_argument("--data", metavar="DIR", help="public template sets (default: analytic templates, cruder)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random numbers (default: 0)")
    parser.add_argument(
        "--families", type=split_names, metavar="A,B",
        help="galaxies, quasars, stars, blends, supernovae, sky, blazars (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--instruments", type=split_names, metavar="A,B",
        help="names of instruments, or random; a wrong name lists them (default: all those used in training)",
    )  # fmt: skip
    parser.add_argument(
        "--snr", nargs=2, type=float, metavar=("LOW", "HIGH"),
        help="range of the median signal-to-noise ratio per pixel (default: mostly 1 to 100)",
    )  # fmt: skip
    parser.add_argument(
        "--views", type=positive_int, default=1, metavar="N", help="number of instruments that see each object"
    )
    parser.add_argument(
        "--max-pixels",
        type=positive_int,
        default=8192,
        metavar="N",
        help="cut spectra longer than this (default: 8192)",
    )
    parser.add_argument(
        "--images", metavar="SURVEY",
        help="legacy or sdss: also make an image of each object, in HDF5 files in --out (needs GalSim)",
    )  # fmt: skip
    # not the common option: what is drawn depends on it
    parser.add_argument(
        "--device", default="cpu",
        help="cpu, cuda, cuda:0 or auto (default: cpu; other devices draw different spectra from the same seed)",
    )  # fmt: skip
    add_common_options(parser, "overwrite")
    parser.set_defaults(run=_run_simulate)


def _run_simulate(args):
    """Write the spectra and say how many."""
    from astro_spectok.simulate.export import write_simulated

    if args.images is not None:
        _simulate_pairs(args)
        return
    names = ("seed", "data", "families", "instruments", "snr", "views", "max_pixels")
    options = {name: getattr(args, name) for name in names}
    path = write_simulated(
        args.out, args.number, **options, device=args.device, overwrite=args.overwrite,
        progress=False if args.quiet else None,
    )  # fmt: skip
    if not args.quiet:
        made = "" if args.data else ", made of analytic templates (coarser than those of --data)"
        write_line(f"{path}: {args.number * args.views} spectra of {args.number} objects{made}")


def _simulate_pairs(args):
    """Write pairs of a spectrum and an image; the same command goes on where one before it was stopped."""
    from astro_spectok.training.image_pairs import write_image_pairs

    for name, usual in (("views", 1), ("max_pixels", 8192), ("device", "cpu"), ("overwrite", False)):
        if getattr(args, name) != usual:
            msg = f"{name} must be left out with --images, whose files are made once, on the processor"
            raise ValueError(msg)
    options = {name: getattr(args, name) for name in ("seed", "data", "families", "instruments", "snr")}
    write_image_pairs(
        args.out, args.number, imaging=args.images, **options, report=None if args.quiet else write_line
    )  # fmt: skip
    if not args.quiet:
        made = "" if args.data else ", made of analytic templates (coarser than those of --data)"
        write_line(f"{args.out}: {args.number} pairs of a spectrum and an image{made}")


#: what adds each subcommand to the parser, in the order of ``spectok --help``
SUBCOMMANDS = (
    add_align, add_build, add_demo, add_embed, add_fit, add_galaxy, add_index, add_inspect, add_outliers, add_predict,
    add_pretrain, add_redshift, add_similar, add_simulate, add_stellar, add_survey, add_transient, add_weights,
)  # fmt: skip


def build_parser():
    """Build the parser of the command line, with all subcommands.

    Returns
    -------
    `argparse.ArgumentParser`
        Parsed arguments have ``run``, the function that carries out the subcommand.
    """
    from astro_spectok.version import __version__

    parser = argparse.ArgumentParser(
        prog="spectok",
        description="Classes, redshifts, parameters, tokens and embeddings of astronomical spectra.",
    )
    parser.add_argument("--version", action="version", version=f"spectok {__version__}")
    parser.add_argument("--quiet", **COMMON_OPTIONS["quiet"] | {"default": False})
    parser.add_argument("-v", "--verbose", **COMMON_OPTIONS["verbose"] | {"default": False})
    parser.add_argument("--debug", **COMMON_OPTIONS["debug"] | {"default": False})
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add_subcommand in SUBCOMMANDS:
        add_subcommand(subparsers)
    return parser


@contextlib.contextmanager
def _log_to_stderr(*, quiet, debug):
    """Show the package's own log records on standard error while a command runs."""
    logger = logging.getLogger("astro_spectok")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("spectok: %(levelname)s: %(message)s"))
    handler.setLevel(logging.DEBUG if debug else logging.ERROR if quiet else logging.WARNING)
    level = logger.level
    logger.addHandler(handler)
    if debug:
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def main(argv=None):
    """Run the shell command.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; those of the process if not given.

    Returns
    -------
    int
        Exit status: 0 for success, 1 for a failure, whose message is on standard error, or where no spectrum could be
        measured, 3 where some could not, 130 if interrupted. A wrong command line exits with 2.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = build_parser()
    if not argv:  # who types `spectok` alone asks what there is
        parser.print_help(sys.stderr)
        sys.exit(2)
    args = parser.parse_args(argv)
    args.command_line = argv
    try:
        with (
            _log_to_stderr(quiet=args.quiet, debug=args.debug),
            show_warnings(sys.stderr, quiet=args.quiet, verbose=args.verbose or args.debug),
        ):
            status = args.run(args) or 0
            # what is short would be written at the end of the process, where nothing catches a reader that has left
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        # the reader has seen enough, as in `spectok weights list | head`; keep the interpreter from complaining
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        write_line("spectok: interrupted", stream=sys.stderr)
        return 130
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        write_line(f"spectok: error: {str(error) or type(error).__name__}", stream=sys.stderr)
        return 1
