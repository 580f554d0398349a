# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok demo``: the packaged spectra, measured and plotted."""

import sys

from astro_spectok.cli.options import add_common_options, write_line

__all__ = ["add_demo"]


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
