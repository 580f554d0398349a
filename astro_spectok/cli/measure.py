# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Shared parts of all commands that measure files: early checks, the models, the exit status."""

from astro_spectok.cli.inputs import expand_paths, refuse_own_output
from astro_spectok.cli.models import check_folder, write_models
from astro_spectok.cli.options import collect_reading
from astro_spectok.cli.results import check_target

__all__ = ["NOTHING", "SOME", "find_status", "measure_files"]

#: exit status where no spectrum could be measured, and where some could not
NOTHING, SOME = 1, 3


def measure_files(args, measure):
    """Measure the spectra in files, and write their models if these are asked for.

    Parameters
    ----------
    args : `argparse.Namespace`
        Of a command with the options of `~astro_spectok.cli.options.add_file_options`.
    measure : callable
        Called with the paths, how they are to be understood, and ``progress``; returns the table.

    Returns
    -------
    `~astropy.table.QTable`

    Raises
    ------
    OSError, ValueError
        What the arguments name is not there, or the output cannot be written: known before anything is read.
    """
    paths = expand_paths(args.files, recursive=args.recursive)
    if args.out is not None:
        refuse_own_output(paths, args.out, args.files)
    check_target(args)
    if args.model:
        check_folder(args.model, overwrite=args.overwrite)
    reading = collect_reading(args)
    if args.model:
        from astro_spectok.spectra.files import OpenFiles, read_files

        options = {"weights": args.weights, "device": args.device, "overwrite": args.overwrite}
        # each file is read once, for the table and for the model
        paths = OpenFiles(write_models(args.model, read_files(paths, **reading), **options), len(paths))
    return measure(paths, **reading, progress=False if args.quiet else (args.progress or None))


def find_status(table):
    """The exit status that a table calls for.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Its column ``message`` says of each spectrum why it could not be measured.

    Returns
    -------
    int
        0 if all were measured, 3 if some were not, 1 if none was.
    """
    failed = sum(1 for message in table["message"] if message)
    return NOTHING if failed == len(table) else SOME if failed else 0
