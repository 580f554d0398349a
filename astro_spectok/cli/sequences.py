# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What ``spectok pretrain`` has for sequences along another axis than that of wavelengths."""

from astro_spectok.cli.options import positive_int

__all__ = ["add_sequence_options", "check_sequence_options", "pretrain_along"]

#: options of spectra of light, with what they are if they are not given
OF_LIGHT: dict = {
    "data": None, "real": [], "medium": None, "start_from": None, "train_only": [], "config": "small",
}  # fmt: skip


def add_sequence_options(parser):
    """Add ``--axis`` and what goes with it.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
    """
    parser.add_argument(
        "sequences", nargs="*", metavar="DIR|TABLE", help="with --axis: folders or tables of sequences of any lengths"
    )
    parser.add_argument(
        "--axis", choices=("wavenumber", "time", "position"),
        help="axis of the sequences (default: spectra over wavelength)",
    )  # fmt: skip
    parser.add_argument("--axis-unit", metavar="UNIT", help="unit of the axis if a file has none: cm-1, h, mm")
    parser.add_argument(
        "--patch", type=positive_int, metavar="N", help="with --axis: points per token (default: by length)"
    )


def check_sequence_options(args):
    """Refuse options that do not go together.

    Parameters
    ----------
    args : `argparse.Namespace`

    Raises
    ------
    ValueError
    """
    if args.axis is None:
        if args.sequences or args.axis_unit or args.patch:
            msg = "axis must be wavenumber, time or position for sequences, --axis-unit and --patch; spectra: --real"
            raise ValueError(msg)
        return
    if not args.sequences:
        msg = "sequences must be named with --axis: folders, or tables with columns of axis and values"
        raise ValueError(msg)
    if others := [name for name, default in OF_LIGHT.items() if getattr(args, name) != default]:
        msg = f"{others[0].replace('_', '-')} is for spectra, and must be left out with --axis {args.axis}"
        raise ValueError(msg)


def pretrain_along(args, settings, show):
    """Train on sequences and return the path of the weights, or None where it was stopped.

    Parameters
    ----------
    args : `argparse.Namespace`
    settings : dict
        Of `~astro_spectok.training.TrainingConfig`, as given.
    show : callable
        Called with the step, the row of the log and the number of steps.
    """
    from astro_spectok.training.sequences import SETTINGS, pretrain_sequences

    last = settings.get("steps", SETTINGS["steps"])
    return pretrain_sequences(
        args.sequences, args.out, args.axis, axis_unit=args.axis_unit, patch=args.patch, settings=settings,
        resume=args.resume, device=args.device, precision=args.precision, stop_after=args.stop_after,
        on_step=lambda step, row: show(step, row, last),
    )  # fmt: skip
