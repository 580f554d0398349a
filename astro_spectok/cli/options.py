# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The options that subcommands of ``spectok`` share, and how they write."""

import argparse
import shlex
import sys

__all__ = [
    "COMMON_OPTIONS", "EXIT_STATUS", "add_common_options", "add_file_options", "add_reading_options",
    "collect_reading", "count_spectra", "join_command", "note_command", "positive_int", "split_names", "write_line",
]  # fmt: skip

# what --debug and --quiet leave alone when they stand before and after the subcommand
_UNSET = argparse.SUPPRESS
#: characters of a command that a table remembers: a shell may write thousands of names of files for a ``*``
_LONGEST = 1000


def count_spectra(n):
    """A number of spectra in words: '1 spectrum', '2 spectra'."""
    return f"{n} {'spectrum' if n == 1 else 'spectra'}"


def write_line(text="", *, stream=None):
    """Write a line to ``stream``, standard output if not given."""
    stream = stream or sys.stdout
    try:
        stream.write(f"{text}\n")
    except UnicodeEncodeError:
        # a locale that knows no such letters is no reason to lose anything
        stream.write(f"{text}\n".encode("ascii", "backslashreplace").decode())


def make_report(quiet):
    """What prints lines of a long command as they come, unless it is to be quiet."""

    def report(text):
        if not quiet:
            write_line(text)
            sys.stdout.flush()

    return report


def positive_int(text):
    """Turn the text of an option into an integer above zero."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        msg = f"must be an integer above zero, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return value


#: shown by ``--help`` of the commands that measure files
EXIT_STATUS = (
    "Exit status: 0 if every spectrum was measured; 3 if some could not be measured (they are flagged rows); 1 if none "
    "could, or the command failed; 2 if the command line is wrong; 130 if interrupted."
)

COMMON_OPTIONS = {
    "weights": dict(metavar="NAME|PATH", help="registry name or .safetensors file (default: the packaged set)"),
    "device": dict(default="auto", help="auto, cpu, cuda, cuda:0, mps (default: auto)"),
    "batch_tokens": dict(type=positive_int, metavar="N", help="largest number of tokens in the network at once"),
    "overwrite": dict(action="store_true", help="replace existing output files"),
    "quiet": dict(action="store_true", default=_UNSET, help="show no progress bar and no messages"),
    "verbose": dict(action="store_true", default=_UNSET, help="show all warnings of other packages in full"),
    "debug": dict(action="store_true", default=_UNSET, help="show the traceback of an error"),
}


def add_common_options(parser, *names):
    """Add options that several subcommands share; ``--quiet``, ``--verbose`` and ``--debug`` are added to all of them.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        Parser of the subcommand.
    *names : {'weights', 'device', 'batch_tokens', 'overwrite'}
        The options that it takes.
    """
    for name in (*names, "quiet", "verbose", "debug"):
        flags = ("-v", "--verbose") if name == "verbose" else ("--" + name.replace("_", "-"),)
        parser.add_argument(*flags, dest=name, **COMMON_OPTIONS[name])


def add_file_options(parser, *, prints=True):
    """Add the files to read, the table to write, and how the files are to be understood.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        Parser of the subcommand.
    prints : bool, optional
        Whether the table may be printed instead: without it, a file must be named.
    """
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help="files with spectra, in any format; folders; patterns such as '*.fits'; @LIST for names in a text file; - "
        "for names on standard input",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--out", required=not prints, metavar="TABLE",
        help="output: .ecsv, .fits, .parquet, .vot or .csv" + (" (default: print the main columns)" if prints else ""),
    )  # fmt: skip
    parser.add_argument("--recursive", action="store_true", help="also read subfolders")
    parser.add_argument("--model", metavar="DIR", help="write the decoded model of each spectrum to this folder")
    parser.add_argument("--progress", action="store_true", help="show progress even if the output is not a terminal")
    parser.epilog = EXIT_STATUS
    add_reading_options(parser)


def add_reading_options(parser):
    """Add how files of spectra are to be understood.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        Parser of the subcommand.
    """
    group = parser.add_argument_group("what the files do not say (default: found out)")
    group.add_argument("--format", type=_check_format, metavar="NAME", help="name of the format")
    group.add_argument("--medium", choices=("vacuum", "air"), help="medium of the wavelengths")
    group.add_argument(
        "--resolution", type=_resolution, metavar="R", help="resolving power, or a FWHM such as '2.5 AA'"
    )
    group.add_argument(
        "--wave-unit", type=_check_reading("wave_unit"), metavar="UNIT",
        help="unit of the wavelengths, such as nm or 'log10(Angstrom)'",
    )  # fmt: skip
    group.add_argument(
        "--flux-unit", type=_check_reading("flux_unit"), metavar="UNIT",
        help="unit of the flux, such as '1E-17 erg/cm^2/s/Ang' or relative",
    )  # fmt: skip
    group.add_argument(
        "--columns", type=_check_reading("columns"), metavar="W,F,E",
        help="columns (or extensions) of wavelength, flux and error, by name or number from 1; "
        "name the kinds as in wave=W,flux=F,ivar=E (err, ivar, var, snr, mask)",
    )  # fmt: skip
    group.add_argument("--hdu", metavar="N|NAME", help="extension that holds the flux, with its EXTVER as SCI,2")
    group.add_argument(
        "--spaxel", type=_spaxel, metavar="X,Y|sum", help="for cubes: one spaxel, counted from 0, or the sum of all"
    )
    group.add_argument(
        "--join", action=argparse.BooleanOptionalAction, help="join arms or orders into one spectrum, or do not"
    )


def _check_reading(name):
    """What checks the text of an option of `~astro_spectok.read` before any file is opened, and gives it back."""

    def check(text):
        from astro_spectok.spectra.loaders._options import make_options

        try:
            make_options(**{name: text})
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix(f"{name} ")) from None
        return text

    return check


def _check_format(text):
    """The name of a format that specutils or this package has."""
    from astro_spectok.spectra.reading import check_format

    try:
        check_format(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("format ")) from None
    return text


def _resolution(text):
    """A resolving power, or a FWHM with its unit."""
    from astropy import units as u

    try:
        value = u.Quantity(text)
    except (TypeError, ValueError):
        value = None
    if value is None or not value > 0 * value.unit:
        msg = f"must be a resolving power or a FWHM with unit, above zero, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return value.value if value.unit == u.dimensionless_unscaled else value


def _spaxel(text):
    """``x,y`` as two integers, or ``sum``."""
    if text == "sum":
        return text
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        msg = f"must be two integers x,y from 0, or sum, got {text!r}"
        raise argparse.ArgumentTypeError(msg) from None
    return x, y


def collect_reading(args):
    """Keywords of ``embed_files`` and ``estimate_files`` for how the files of a command line are to be understood.

    Parameters
    ----------
    args : `argparse.Namespace`

    Returns
    -------
    dict
    """
    from astro_spectok.spectra import READ_OPTIONS

    reading = {name: getattr(args, name) for name in READ_OPTIONS if getattr(args, name) is not None}
    return {"file_format": args.format, "medium": args.medium, "resolution": args.resolution} | reading


def split_names(text):
    """Turn ``a,b`` into a list of names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def note_command(table, args):
    """Put the command into the metadata of a table, in place of the call that it led to."""
    table.meta.pop("call", None)
    table.meta["command"] = join_command(args)


def join_command(args):
    """The command of a command line as text, a long one cut."""
    command = shlex.join(["spectok", *args.command_line])
    return command if len(command) <= _LONGEST else f"{command[:_LONGEST]}..."
