# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The subcommands of ``spectok`` for archives: ``index``, ``similar`` and ``outliers``."""

import argparse

from astro_spectok.cli.inputs import expand_paths, refuse_own_output
from astro_spectok.cli.measure import NOTHING, SOME, find_status
from astro_spectok.cli.options import (
    add_common_options,
    add_file_options,
    collect_reading,
    count_spectra,
    positive_int,
    write_line,
)
from astro_spectok.cli.results import check_target, write_result

__all__ = ["add_index", "add_outliers", "add_similar"]


def add_index(subparsers):
    """Add ``spectok index``."""
    description = "Make an index of the spectra in files, for 'similar' and 'outliers'."
    parser = subparsers.add_parser("index", help=description, description=description)
    add_file_options(parser, prints=False)
    parser.add_argument("--add-to", metavar="INDEX", help="existing index to add the spectra to")
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_index)


def _read(args):
    """The spectra that the command line names, as a batch, and the file of each."""
    from astro_spectok.interface.inputs import read_inputs

    paths = expand_paths(args.files, recursive=args.recursive)
    if args.out is not None:
        refuse_own_output(paths, args.out, args.files)
    return read_inputs(paths, **collect_reading(args))


def _progress(args):
    return False if args.quiet else (args.progress or None)


def _run_index(args):
    """Embed the spectra of all files and write the index."""
    import numpy as np

    from astro_spectok.adapt import SpectrumIndex
    from astro_spectok.weights.format import check_path

    check_path(args.out, overwrite=args.overwrite)
    options = {"weights": args.weights, "device": args.device, "batch_tokens": args.batch_tokens}
    index = SpectrumIndex(**options) if args.add_to is None else SpectrumIndex.open(args.add_to, **options)
    batch, names = _read(args)
    index.add(batch, {"file": np.array(names, dtype=str)}, progress=_progress(args))
    path = index.save(args.out, overwrite=args.overwrite)
    lost = int(np.isnan(index.vectors[-len(batch) :]).any(axis=1).sum())
    if not args.quiet:
        write_line(f"{path}: {count_spectra(len(index))}, {len(batch)} of them new; {lost} could not be used")
    return NOTHING if lost == len(batch) else SOME if lost else 0


def add_similar(subparsers):
    """Add ``spectok similar``."""
    description = "Find the spectra in an index that are most like those in files, and write one table."
    parser = subparsers.add_parser("similar", help=description, description=description)
    parser.add_argument("index", metavar="INDEX", help=".safetensors file written by 'spectok index'")
    add_file_options(parser)
    parser.add_argument(
        "-k",
        "--number",
        type=positive_int,
        default=10,
        metavar="N",
        help="number to find for each spectrum (default: 10)",
    )
    parser.add_argument(
        "--where", action="append", default=[], type=_condition, metavar="COLUMN=VALUE",
        help="only find rows with this value, or in this range LOW..HIGH; may be repeated",
    )  # fmt: skip
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_similar)


def _condition(text):
    """``column=value`` or ``column=low..high``, either of which may be left out."""
    name, equals, value = text.partition("=")
    low, dots, high = value.partition("..")
    if not (name and equals):
        msg = f"must be COLUMN=VALUE or COLUMN=LOW..HIGH, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    try:
        if dots:
            return name, tuple(float(x) if x else None for x in (low, high))
        return name, float(value)
    except ValueError:
        return name, value


def _run_similar(args):
    """Search for the spectra of all files and write the table."""
    import numpy as np
    from astropy.table import Column

    from astro_spectok.adapt import SpectrumIndex

    check_target(args)
    index = SpectrumIndex.open(args.index, weights=args.weights, device=args.device, batch_tokens=args.batch_tokens)
    batch, names = _read(args)
    where = {name: str(x) if name in index.table.text and not isinstance(x, tuple) else x for name, x in args.where}
    table = index.search(batch, args.number, where=where, progress=_progress(args))
    if "file" in table.colnames:
        table.rename_column("file", "file_found")
    files = np.array(names, dtype=str)[table["query"]] if len(table) else np.array([], dtype="U1")
    table.add_column(Column(files, description="file of the spectrum that was searched for"), 0, name="file")
    found = len(np.unique(table["query"]))
    write_result(table, args, f"{count_spectra(len(table))} like {found} of {len(batch)}")
    return NOTHING if not found else SOME if found < len(batch) else 0


def add_outliers(subparsers):
    """Add ``spectok outliers``."""
    description = "Score how unusual the spectra in files are, and at which wavelengths, and write one table."
    parser = subparsers.add_parser("outliers", help=description, description=description)
    add_file_options(parser)
    parser.add_argument("--index", metavar="INDEX", help="index of usual spectra (default: the spectra themselves)")
    parser.add_argument(
        "-k", "--number", type=positive_int, default=5, metavar="N", help="number of neighbours (default: 5)"
    )
    parser.add_argument("--fast", action="store_true", help="do not compare pixels; takes an eighth of the time")
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_outliers)


def _run_outliers(args):
    """Score the spectra of all files and write the table."""
    import numpy as np
    from astropy.table import Column

    from astro_spectok.adapt import SpectrumIndex, outlier_score

    check_target(args)
    reference = None if args.index is None else SpectrumIndex.open(args.index, weights=args.weights)
    batch, names = _read(args)
    table = outlier_score(
        batch, reference, k=args.number, surprise=not args.fast, weights=args.weights, device=args.device,
        batch_tokens=args.batch_tokens, progress=_progress(args),
    ).table  # fmt: skip
    table.add_column(Column(np.array(names, dtype=str), description="file that it is from"), 0, name="file")
    used = sum(1 for text in table["message"] if not text)
    write_result(table, args, f"{count_spectra(used)} scored, {len(table) - used} flagged as unusable")
    return find_status(table)
