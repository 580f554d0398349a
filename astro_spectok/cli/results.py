# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where tables of the commands go: to a file, or to standard output as text."""

from astro_spectok.cli.options import note_command, write_line

__all__ = ["check_target", "write_result"]

#: columns that begin at the left
_TEXT = ("file", "part", "name", "message", "warn", "zwarn")


def check_target(args):
    """Check, before anything is read, that the table of a command can be written.

    Parameters
    ----------
    args : `argparse.Namespace`
        With ``out``, None for standard output, and ``overwrite``.

    Raises
    ------
    OSError, ValueError
        It cannot.
    """
    if args.out is not None:
        from astro_spectok.utils.writing import check_output

        check_output(args.out, overwrite=args.overwrite)


def write_result(table, args, summary, shown=None, flags=None):
    """Write the table of a command, or print it if no file was named.

    Parameters
    ----------
    table : `~astropy.table.QTable`
    args : `argparse.Namespace`
        With ``out``, None for standard output, ``overwrite``, ``quiet`` and the command line.
    summary : str
        What is said of a file, unless ``quiet`` is set.
    shown : sequence of str, optional
        Columns that are printed, where the table has them; ``message`` only if there is one. All if not given.
    flags : `enum.IntFlag` subclass, optional
        Of the bits of ``warn`` or ``zwarn``, whose names are printed.
    """
    if args.out is None:
        _print(table, [name for name in (shown or table.colnames) if name in table.colnames], flags)
        return
    from astro_spectok.utils.writing import write_table

    note_command(table, args)
    write_table(table, args.out, overwrite=args.overwrite)
    if not args.quiet:
        write_line(f"{args.out}: {summary}")


def _name_flags(bits):
    """Flags as text: 0 for none, the number where one has no name."""
    return (bits.name or str(int(bits))) if bits else "0"


def _print(table, names, flags):
    """Print columns of a table, with units where there are any, and flags by their names."""
    if "message" in names and not any(table["message"]):
        names.remove("message")
    shown = table[names]
    for name in ("warn", "zwarn"):
        if flags is not None and name in names:
            shown.replace_column(name, [_name_flags(flags(int(bits))) for bits in table[name]])
    for line in shown.pformat(max_lines=-1, max_width=-1, align=["<" if name in _TEXT else ">" for name in names]):
        if line.strip():
            write_line(line.rstrip())
