# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The subcommands of ``spectok`` for what is in files: ``redshift``, ``stellar``, ``galaxy``, ``transient``."""

from astro_spectok.cli.measure import find_status, measure_files
from astro_spectok.cli.options import add_common_options, add_file_options, count_spectra, split_names
from astro_spectok.cli.results import write_result

__all__ = [
    "add_galaxy",
    "add_galaxy_options",
    "add_redshift",
    "add_redshift_options",
    "add_stellar",
    "add_stellar_options",
    "add_transient",
    "add_transient_options",
]

#: columns that are printed where no file is named for the table
REDSHIFT = ("name", "part", "spectype", "z", "z_err", "p_best", "zwarn", "message")
STELLAR = (
    "name", "part", "teff", "teff_err", "logg", "logg_err", "fe_h", "fe_h_err", "rv", "rv_err", "warn", "message",
)  # fmt: skip
GALAXY = ("name", "part", "z", "age", "age_err", "metallicity", "metallicity_err", "a_v", "sigma_v", "sigma_v_err",
          "warn", "message")  # fmt: skip
TRANSIENT = ("name", "part", "type", "p_type", "phase", "phase_err", "z", "z_err", "warn", "message")


def add_redshift(subparsers):
    """Add ``spectok redshift``."""
    description = "Measure class and redshift of the spectra in files, and write one table with a row for each."
    parser = subparsers.add_parser("redshift", help=description, description=description)
    add_file_options(parser)
    add_redshift_options(parser)
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_redshift)


def add_redshift_options(parser):
    """Add what is asked of class and redshift, here and in ``spectok survey redshift``."""
    parser.add_argument(
        "--z-range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="range of redshifts to search (default: all)"
    )
    parser.add_argument(
        "--classes", type=split_names, metavar="A,B", help="classes to consider: GALAXY, QSO, STAR (default: all)"
    )
    parser.add_argument("--posterior", action="store_true", help="add the posterior to each row (2 kB)")


def _run_redshift(args):
    """Measure the spectra of all files and write the table."""
    from astro_spectok.estimators import RedshiftEstimator
    from astro_spectok.redshift import RedshiftFlag

    z_range = None if args.z_range is None else tuple(args.z_range)
    estimator = RedshiftEstimator(
        args.weights, args.device, args.batch_tokens, z_range=z_range, classes=args.classes
    )  # fmt: skip
    table = _estimate_files(estimator, args, posterior=args.posterior)
    measured, sure = sum(1 for name in table["spectype"] if name), sum(1 for flags in table["zwarn"] if not flags)
    summary = f"{count_spectra(measured)} measured, {sure} with zwarn 0; {len(table) - measured} flagged as unusable"
    write_result(table, args, summary, REDSHIFT, RedshiftFlag)
    return find_status(table)


def add_stellar(subparsers):
    """Add ``spectok stellar``."""
    description = "Measure parameters and radial velocities of stars in files, and write one table with a row for each."
    parser = subparsers.add_parser("stellar", help=description, description=description)
    add_file_options(parser)
    add_stellar_options(parser)
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_stellar)


def add_stellar_options(parser):
    """Add what is asked of stars, here and in ``spectok survey stellar``."""
    parser.add_argument(
        "--assume-star", action="store_true", help="all are stars: give parameters even if they do not look like it"
    )


def _run_stellar(args):
    """Measure the stars of all files and write the table."""
    import numpy as np

    from astro_spectok.estimators import StellarParameterEstimator
    from astro_spectok.stellar import StellarFlag

    estimator = StellarParameterEstimator(args.weights, args.device, args.batch_tokens, assume_star=args.assume_star)
    table = _estimate_files(estimator, args)
    given = np.isfinite(table["teff"].value)
    n, sure = np.count_nonzero(given), np.count_nonzero(given & (table["warn"] == 0))
    summary = (
        f"parameters of {n} {'star' if n == 1 else 'stars'}, {sure} with warn 0; "
        f"{np.count_nonzero(~given)} flagged without parameters"
    )
    write_result(table, args, summary, STELLAR, StellarFlag)
    return find_status(table)


def add_galaxy(subparsers):
    """Add ``spectok galaxy``."""
    description = "Measure populations, velocity dispersions and lines of galaxies in files, and write one table."
    parser = subparsers.add_parser("galaxy", help=description, description=description)
    add_file_options(parser)
    add_galaxy_options(parser)
    parser.add_argument("--redshift", type=float, metavar="Z", help="redshift of all spectra (default: measured)")
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_galaxy)


def add_galaxy_options(parser):
    """Add what is asked of galaxies, here and in ``spectok survey galaxy``."""
    parser.add_argument(
        "--assume-galaxy",
        action="store_true",
        help="all are galaxies: give properties even if they do not look like it",
    )


def _run_galaxy(args):
    """Measure the galaxies of all files and write the table."""
    import numpy as np

    from astro_spectok.estimators import GalaxyPropertyEstimator
    from astro_spectok.galaxies import GalaxyFlag

    estimator = GalaxyPropertyEstimator(
        args.weights, args.device, args.batch_tokens, assume_galaxy=args.assume_galaxy
    )  # fmt: skip
    table = _estimate_files(estimator, args, redshift=args.redshift)
    given = np.isfinite(table["z"].value)
    n, sure = np.count_nonzero(given), np.count_nonzero(given & (table["warn"] == 0))
    summary = (
        f"properties of {n} {'galaxy' if n == 1 else 'galaxies'}, {sure} with warn 0; "
        f"{np.count_nonzero(~given)} flagged without properties"
    )
    write_result(table, args, summary, GALAXY, GalaxyFlag)
    return find_status(table)


def add_transient(subparsers):
    """Add ``spectok transient``."""
    description = "Measure type, phase and redshift of transients in files, and write one table with a row for each."
    parser = subparsers.add_parser("transient", help=description, description=description)
    add_file_options(parser)
    add_transient_options(parser)
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_transient)


def add_transient_options(parser):
    """Add what is asked of transients, here and in ``spectok survey transient``."""
    parser.add_argument(
        "--assume-transient",
        action="store_true",
        help="all are transients: do not consider galaxies, quasars and stars",
    )


def _run_transient(args):
    """Type the transients of all files and write the table."""
    from astro_spectok.estimators import TransientEstimator
    from astro_spectok.transients import TransientFlag

    estimator = TransientEstimator(args.weights, args.device, args.batch_tokens, assume_transient=args.assume_transient)
    table = _estimate_files(estimator, args)
    n = sum(1 for p in table["p_transient"] if p > 0.5)
    unusable = sum(1 for name in table["type"] if not name)
    sure = sum(1 for p, flags in zip(table["p_transient"], table["warn"], strict=True) if p > 0.5 and not flags)
    summary = (
        f"{n} {'transient' if n == 1 else 'transients'} in {count_spectra(len(table))}, {sure} with warn 0; "
        f"{unusable} flagged as unusable"
    )
    write_result(table, args, summary, TRANSIENT, TransientFlag)
    return find_status(table)


def _estimate_files(estimator, args, **kwargs):
    """The table of an estimator for the files of a command line."""
    return measure_files(args, lambda paths, **options: estimator.estimate_files(paths, **options, **kwargs))
