# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok build``: weights from the data from beginning to end."""

import sys

from astro_spectok.cli.options import add_common_options, split_names, write_line

__all__ = ["add_build"]


def add_build(subparsers):
    """Add ``spectok build``."""
    description = (
        "Make a file of weights from the data as a recipe says: pretraining, templates, heads, calibrations. The same "
        "command goes on where one before it was stopped."
    )
    parser = subparsers.add_parser("build", help="make weights from the data as a recipe says", description=description)
    parser.add_argument("recipe", metavar="RECIPE", help="TOML file, or tiny, small, heads or calibrate of the package")
    parser.add_argument("--data", metavar="DIR", help="public template sets (default: analytic templates, coarser)")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="for what each stage makes, and the weights")
    parser.add_argument(
        "--start-from", metavar="NAME|PATH", help="weights that a recipe without pretraining goes on from"
    )
    stages = "stages to carry out, such as pretrain,templates; a wrong name lists them (default: all)"
    parser.add_argument("--stages", type=split_names, default=[], metavar="A,B", help=stages)
    add_common_options(parser, "device", "overwrite")
    parser.set_defaults(run=_run_build)


def _run_build(args):
    """Carry out the stages, and print a line now and then."""
    from astro_spectok.training.factory import build_weights

    def show(text):
        if not args.quiet:
            write_line(text)
            sys.stdout.flush()

    path = build_weights(
        args.recipe, args.out, data=args.data, start=args.start_from, stages=args.stages, overwrite=args.overwrite,
        device=args.device, report=show,
    )  # fmt: skip
    write_line(f"weights: {path}" if path else f"done; all stages: leave --stages out, with --out {args.out}")
