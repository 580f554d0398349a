# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The shell command ``spectok``: its parser, and what surrounds every subcommand."""

import argparse
import contextlib
import difflib
import logging
import os
import re
import sys
import traceback

from astro_spectok.cli.adapt import add_fit, add_predict
from astro_spectok.cli.align import add_align
from astro_spectok.cli.build import add_build
from astro_spectok.cli.demo import add_demo
from astro_spectok.cli.embed import add_embed
from astro_spectok.cli.estimators import add_galaxy, add_redshift, add_stellar, add_transient
from astro_spectok.cli.inspect import add_inspect
from astro_spectok.cli.options import COMMON_OPTIONS, write_line
from astro_spectok.cli.pretrain import add_pretrain
from astro_spectok.cli.remarks import show_warnings
from astro_spectok.cli.search import add_index, add_outliers, add_similar
from astro_spectok.cli.simulate import add_simulate
from astro_spectok.cli.survey import add_survey
from astro_spectok.cli.weights import add_weights

__all__ = ["SUBCOMMANDS", "build_parser", "main"]

#: what adds each subcommand to the parser, in the order of ``spectok --help``
SUBCOMMANDS = (
    add_align, add_build, add_demo, add_embed, add_fit, add_galaxy, add_index, add_inspect, add_outliers, add_predict,
    add_pretrain, add_redshift, add_similar, add_simulate, add_stellar, add_survey, add_transient, add_weights,
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """A parser that proposes what may have been meant where there is no such choice."""

    def error(self, message):
        found = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if found:
            names = re.findall(r"[\w-]+", found[2])
            near = difflib.get_close_matches(found[1].strip().lower(), names, n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        super().error(message)


def build_parser():
    """Build the parser of the command line, with all subcommands.

    Returns
    -------
    `argparse.ArgumentParser`
        Parsed arguments have ``run``, the function that carries out the subcommand.
    """
    from astro_spectok.version import __version__

    parser = _Parser(
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
