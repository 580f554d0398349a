# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok survey``: whole surveys, in parallel, which a kill does not lose."""

from astro_spectok.cli.estimators import (
    add_galaxy_options,
    add_redshift_options,
    add_stellar_options,
    add_transient_options,
)
from astro_spectok.cli.measure import NOTHING, SOME
from astro_spectok.cli.options import (
    EXIT_STATUS,
    add_common_options,
    add_reading_options,
    collect_reading,
    count_spectra,
    join_command,
    positive_int,
    split_names,
    write_line,
)

__all__ = ["add_survey"]


def _add_predict_options(parser):
    """Add what was learned, and where spectra lie."""
    parser.add_argument("--model", required=True, metavar="FILE", help=".safetensors file written by 'spectok fit'")
    parser.add_argument(
        "--redshift", type=float, metavar="Z", help="redshift of all spectra, for models that use the rest frame"
    )


#: of each task: what it does, and what adds its own options
TASKS = {
    "redshift": ("measure class and redshift", add_redshift_options),
    "stellar": ("measure parameters and radial velocities of stars", add_stellar_options),
    "galaxy": ("measure populations, dispersions and lines of galaxies", add_galaxy_options),
    "transient": ("measure type, phase and redshift of transients", add_transient_options),
    "embed": ("turn spectra into vectors", lambda parser: None),
    "predict": ("apply a model from 'spectok fit'", _add_predict_options),
}


def add_survey(subparsers):
    """Add ``spectok survey redshift|stellar|galaxy|transient|embed|predict``."""
    description = (
        "Write a dataset of Parquet files; memory use does not grow with the size of the survey. Repeat the command to "
        "resume a run that was stopped or killed."
    )
    parser = subparsers.add_parser("survey", help="measure whole surveys; resumable, parallel", description=description)
    actions = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for name, (what, add_options) in TASKS.items():
        action = actions.add_parser(name, help=what, description=f"{what.capitalize()}. {description}")
        _add_run_options(action)
        add_options(action)
        add_common_options(action, "weights", "device", "batch_tokens")
        add_reading_options(action)
        action.epilog = EXIT_STATUS
        action.set_defaults(run=_run_survey)


def _add_run_options(parser):
    """Add what to read, where to write, and how to run."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT",
        help="files with spectra, including Parquet and HDF5; folders with their subfolders, DESI trees and HATS "
        "catalogues; patterns; @LIST for names in a text file; - for names on standard input",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--out", required=True, metavar="DIR", help="folder for the dataset, the errors and a log"
    )
    parser.add_argument("--workers", type=positive_int, default=1, metavar="N", help="number of processes (default: 1)")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="Dask scheduler, such as tcp://node1:8786, instead of --workers"
    )
    parser.add_argument(
        "--partition",
        type=positive_int,
        default=2000,
        metavar="N",
        help="spectra per file of the dataset (default: 2000)",
    )
    parser.add_argument("--ids", metavar="FILE", help="file with ids or names of the objects to measure, one per line")
    parser.add_argument(
        "--keep", type=split_names, metavar="A,B", help="columns of the input to keep (default: ids and positions)"
    )
    parser.add_argument("--column", metavar="NAME", help="nested column with the spectra (default: detected)")
    parser.add_argument(
        "--restart", action="store_true", help="delete the results of another run in the folder and start again"
    )
    parser.add_argument("--progress", action="store_true", help="show progress even if the output is not a terminal")


def _run_survey(args):
    """Measure all spectra, and say how many."""
    from astro_spectok import survey

    options = {
        name: getattr(args, name)
        for name in ("classes", "posterior", "assume_star", "assume_galaxy", "assume_transient", "model")
        if getattr(args, name, None)
    }
    if getattr(args, "z_range", None):
        options["z_range"] = tuple(args.z_range)
    if getattr(args, "redshift", None) is not None:
        options["redshift"] = args.redshift
    found = survey.run(
        args.inputs, args.out, args.task, weights=args.weights, device=args.device, batch_tokens=args.batch_tokens,
        workers=args.workers, scheduler=args.scheduler, partition=args.partition, ids=args.ids, keep=args.keep,
        column=args.column, restart=args.restart, progress=False if args.quiet else (args.progress or None),
        call=join_command(args), **collect_reading(args), **options,
    )  # fmt: skip
    if not args.quiet:
        text = f"{args.out}: {count_spectra(len(found))}, {found.n_unusable} flagged as unusable"
        text += f"; {found.n_errors} file{'s' * (found.n_errors != 1)} not read"
        missing = f"; {found.n_missing} id{'s' * (found.n_missing > 1)} not found" if found.n_missing else ""
        write_line(text + missing)
    if found.n_unusable == len(found):
        return NOTHING
    return SOME if found.n_unusable or found.n_errors or found.n_missing else 0
