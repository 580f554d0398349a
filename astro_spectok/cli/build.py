# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok build``: weights from the data from beginning to end."""

from astro_spectok.cli.options import add_common_options, make_report, split_names, write_line

__all__ = ["add_build"]


def add_build(subparsers):
    """Add ``spectok build``."""
    description = (
        "Make a file of weights from the data, following a recipe: pretraining, templates, heads, calibrations. Repeat "
        "the command to resume a run that was stopped."
    )
    parser = subparsers.add_parser(
        "build", help="make weights from the data, following a recipe", description=description
    )
    parser.add_argument(
        "recipe", metavar="RECIPE", help="TOML file, or a packaged recipe, such as tiny, small, heads or calibrate"
    )
    parser.add_argument("--data", metavar="DIR", help="public template sets (default: analytic templates, cruder)")
    parser.add_argument(
        "-o", "--out", required=True, metavar="DIR", help="folder for the results of each stage and the weights"
    )
    parser.add_argument(
        "--start-from", metavar="NAME|PATH", help="weights to start from, for recipes without pretraining"
    )
    stages = "stages to run, such as pretrain,templates; a wrong name lists them (default: all)"
    parser.add_argument("--stages", type=split_names, default=[], metavar="A,B", help=stages)
    add_common_options(parser, "device", "overwrite")
    parser.set_defaults(run=_run_build)


def _run_build(args):
    """Carry out the stages, and print a line now and then."""
    from astro_spectok.training.factory import build_weights

    path = build_weights(
        args.recipe, args.out, data=args.data, start=args.start_from, stages=args.stages, overwrite=args.overwrite,
        device=args.device, report=make_report(args.quiet),
    )  # fmt: skip
    write_line(f"weights: {path}" if path else f"done; all stages: leave --stages out, with --out {args.out}")
