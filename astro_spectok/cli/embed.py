# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok embed``: a vector for each spectrum in files."""

from astro_spectok.cli.measure import find_status, measure_files
from astro_spectok.cli.options import add_common_options, add_file_options, count_spectra, split_names
from astro_spectok.cli.results import write_result

__all__ = ["add_embed"]


def add_embed(subparsers):
    """Add ``spectok embed``."""
    description = "Turn the spectra in files into vectors, and write one table with a row for each spectrum."
    parser = subparsers.add_parser("embed", help=description, description=description)
    add_file_options(parser, prints=False)
    parser.add_argument(
        "--parts", type=split_names, metavar="A,B",
        help="parts of the embedding: lines, colours, redshift, learned, stars (default: all)",
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
    write_result(table, args, f"{count_spectra(used)} embedded, {len(table) - used} flagged as unusable")
    return find_status(table)
