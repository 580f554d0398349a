# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok inspect``: pages for visual inspection, and corrections read back into the table."""

from astro_spectok.cli.options import add_common_options, add_reading_options, collect_reading, positive_int, write_line

__all__ = ["add_inspect"]


def add_inspect(subparsers):
    """Add ``spectok inspect``."""
    description = (
        "Draw the spectra of a table of redshifts for visual inspection, worst first, with a CSV file for corrections; "
        "or read these corrections into a copy of the table."
    )
    parser = subparsers.add_parser("inspect", help=description.partition(";")[0], description=description)
    parser.add_argument("table", metavar="TABLE", help="table written by 'spectok redshift'")
    parser.add_argument(
        "-o", "--out", required=True, metavar="PDF|TABLE", help="pages (.pdf); or the new table with --corrections"
    )
    parser.add_argument("--corrections", metavar="CSV", help="file of corrections that you have filled in")
    parser.add_argument("-n", "--limit", type=positive_int, metavar="N", help="largest number of pages (default: all)")
    add_reading_options(parser)
    add_common_options(parser, "weights", "device", "overwrite")
    parser.set_defaults(run=_run_inspect)


def _run_inspect(args):
    """Write the pages, or the table with corrections."""
    from astro_spectok.inspection import apply_corrections, write_inspection
    from astro_spectok.utils.writing import check_output, write_table

    if args.corrections:
        check_output(args.out, overwrite=args.overwrite)
        table = apply_corrections(args.table, args.corrections)
        write_table(table, args.out, overwrite=args.overwrite)
        if not args.quiet:
            given = sum(1 for k in range(len(table)) if table["quality_vi"].mask[k] == 0 or table["spectype_vi"][k])
            write_line(f"{args.out}: {len(table)} rows, {given} with corrections")
        return
    corrections = write_inspection(
        args.table, args.out, limit=args.limit, weights=args.weights, device=args.device, overwrite=args.overwrite,
        **collect_reading(args),
    )  # fmt: skip
    if not args.quiet:
        write_line(f"{args.out}: pages, worst first; fill in {corrections} and give it to --corrections")
