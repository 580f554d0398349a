# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The subcommands of ``spectok`` for labels of one's own: ``fit`` and ``predict``."""

import argparse
import math
from pathlib import Path

from astro_spectok.cli.measure import find_status, measure_files
from astro_spectok.cli.options import add_common_options, add_file_options, count_spectra, split_names, write_line
from astro_spectok.cli.results import write_result

__all__ = ["add_fit", "add_predict"]

#: columns that are looked for where none is named
FILE_COLUMNS = ("file", "path", "filename", "spectrum")


def add_fit(subparsers):
    """Add ``spectok fit``."""
    description = "Train a model on labels of your own, from a table that names files of spectra, and save it."
    parser = subparsers.add_parser("fit", help=description, description=description)
    parser.add_argument(
        "table", metavar="TABLE", help="table in any format that Astropy reads, with one row for each spectrum"
    )
    parser.add_argument(
        "--target", action="append", default=[], type=_target, metavar="COLUMN[:UNIT]",
        help="column of numbers to learn, and its unit if the table has none; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--class", dest="classes", metavar="COLUMN", help="column of classes to learn instead of numbers"
    )
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="output: .safetensors")
    parser.add_argument(
        "--files", metavar="COLUMN", help=f"column with the names of the files (default: {', '.join(FILE_COLUMNS)})"
    )
    parser.add_argument("--folder", metavar="DIR", help="folder of the files (default: that of the table)")
    for name, text in (
        ("group", "object of each spectrum; spectra of one object are left out together"),
        ("redshift", "redshift, for --frame rest"),
        ("medium", "vacuum or air (default: detected)"),
        ("resolution", "resolving power"),
    ):
        parser.add_argument(f"--{name}", metavar="COLUMN", help=f"column: {text}")
    parser.add_argument("--frame", default="observed", choices=("observed", "rest"), help="frame of the features")
    parser.add_argument(
        "--adapt", default="linear", metavar="DEPTH", help="linear, probe, lora or full (default: linear)"
    )
    parser.add_argument("--log", type=split_names, default=[], metavar="A,B", help="targets learned as their logarithm")
    parser.add_argument("--balanced", action="store_true", help="give rare classes the same weight as frequent ones")
    parser.add_argument("--card", default="", metavar="TEXT", help="note for users of the file, stored in it")
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_fit)


def _target(text):
    """``column`` or ``column:unit``."""
    name, _, unit = text.partition(":")
    if not name:
        msg = f"must be COLUMN or COLUMN:UNIT, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    if unit:
        from astropy import units as u

        try:
            return name, u.Unit(unit)
        except (ValueError, TypeError) as error:
            msg = f"must end in a unit that Astropy knows, got {unit!r}"
            raise argparse.ArgumentTypeError(msg) from error
    return name, None


def _run_fit(args):
    """Fit, write the file, and print how well left-out spectra were predicted."""

    from astro_spectok.adapt import SpectrumClassifier, SpectrumRegressor, SpectrumSet
    from astro_spectok.weights.format import check_path

    if bool(args.target) == bool(args.classes):
        msg = "target: give --target COLUMN:UNIT for numbers, or --class COLUMN for classes"
        raise ValueError(msg)
    check_path(args.out, overwrite=args.overwrite)
    table = _open_table(args.table)
    batch = _read_spectra(table, args)
    redshift = None if args.redshift is None else _take(table, args.redshift)
    spectra = SpectrumSet(batch, redshift=redshift, weights=args.weights)
    common = {"adapt": args.adapt, "frame": args.frame}
    if args.classes:
        weight = "balanced" if args.balanced else None
        model = SpectrumClassifier(args.weights, args.device, args.batch_tokens, class_weight=weight, **common)
        labels = _take(table, args.classes)
    else:
        model = SpectrumRegressor(args.weights, args.device, args.batch_tokens, log=args.log, **common)
        labels = _take_targets(table, args.target)
    groups = None if args.group is None else _take(table, args.group)
    model.fit(spectra, labels, groups=groups, progress=False if args.quiet else None)
    path = model.save(args.out, overwrite=args.overwrite, card=args.card)
    if not args.quiet:
        write_line(f"{path}: learned from {model.n_labelled_} of {len(spectra)} spectra; on left-out ones:")
        for line in _word_figures(model):
            write_line(f"  {line}")


def _word_figures(model):
    """Figures of left-out spectra, a line each."""
    figures = model.validation_
    if hasattr(model, "classes_"):
        right, mean = (100 * figures[name] for name in ("accuracy", "balanced_accuracy"))
        yield f"{right:.1f} % right, {mean:.1f} % in the mean of the classes"
        return
    for (name, one), unit in zip(figures.items(), model.units_, strict=True):
        unit = "" if unit is None else f" {unit}"
        learned = "ln " if name in model.log else ""
        yield f"{learned}{name}: rms {one['rms']:.3g}{'' if learned else unit}, R2 {one['r2']:.3f} ({one['n']} spectra)"


def _take(table, name):
    """A column of the table."""
    if name not in table.colnames:
        msg = f"{name}: the table must have a column of that name; it has {', '.join(table.colnames)}"
        raise ValueError(msg)
    return table[name]


def _take_targets(table, targets):
    """Columns to learn, with their units."""
    from astropy import units as u
    from astropy.table import QTable

    out = QTable()
    for name, unit in targets:
        column = _take(table, name)
        stated = column.unit
        if unit is not None and stated is not None and not stated.is_equivalent(unit):
            msg = f"{name}: the unit of --target must be one that {stated}, that of the table, converts to; got {unit}"
            raise u.UnitsError(msg)
        try:
            values = column.astype(float)
        except (TypeError, ValueError) as error:
            msg = f"{name}: the column of --target must hold numbers; got {column.dtype}; --class learns classes"
            raise ValueError(msg) from error
        values = values.filled(float("nan")) if hasattr(values, "filled") else values
        use = stated if stated is not None else unit
        value = values.data if use is None else values.data * use
        out[name] = value if unit is None or stated is None else value.to(unit)
    return out


def _open_table(path):
    """A table of labels; errors name it, without Astropy's list of fifty formats."""
    from astropy.io.registry import IORegistryError
    from astropy.table import Table

    if Path(path).is_dir():
        msg = f"{path} must be a table; it is a folder: give the table that names its files"
        raise IsADirectoryError(msg)
    try:
        return Table.read(path)
    except IORegistryError as error:
        msg = f"{path} must be a table whose format Astropy knows by its name, such as .ecsv, .csv, .fits or .parquet"
        raise ValueError(msg) from error


def _read_spectra(table, args):
    """The spectra, or sequences along another axis, that the rows of the table name, one each, as a batch."""
    from astro_spectok.interface.axes import find_form
    from astro_spectok.spectra import SpectrumBatch, read_files

    reader = find_form(args.weights).find_reader(medium=args.medium, resolution=args.resolution)
    name = _find_files(table, args.files)
    folder = Path(args.folder) if args.folder else Path(args.table).parent
    media, resolutions = (
        [None] * len(table) if c is None else list(_take(table, c)) for c in (args.medium, args.resolution)
    )
    files = [str(file) for file in _take(table, name)]
    if files and not any((folder / file).exists() for file in files):
        msg = f"{name}: none of its {len(files)} files is in {folder.absolute()}, such as {files[0]}; give --folder DIR"
        raise FileNotFoundError(msg)
    parts = []
    for row, (file, medium, resolution) in enumerate(zip(files, media, resolutions, strict=True)):
        path = folder / file
        medium = _read_cell(medium, _to_medium, f"{args.medium}: medium must be air or vacuum in row {row}")
        resolution = _read_cell(resolution, _to_positive, f"{args.resolution}: must be a positive number in row {row}")
        (_, batch), *more = read_files([path], medium=medium, resolution=resolution, reader=reader)
        if more or len(batch) != 1:
            count = len(batch) + sum(len(b) for _, b in more)
            batch = SpectrumBatch.make_unusable(f"{path} must hold one spectrum for its row; it holds {count}")
        parts.append(batch)
    return SpectrumBatch.concatenate(parts)


def _read_cell(value, convert, rule):
    """A value of a column, None where it is masked, empty or NaN; a ValueError with the rule where it breaks it."""
    if value is None or str(value).strip().lower() in ("", "nan", "--"):  # dashes are masked
        return None
    try:
        return convert(value)
    except (TypeError, ValueError) as error:
        msg = f"{rule}, or empty where unknown; got {str(value)!r}"
        raise ValueError(msg) from error


def _to_medium(value):
    medium = str(value).strip().lower()
    if medium not in ("air", "vacuum"):
        raise ValueError(medium)
    return medium


def _to_positive(value):
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(number)
    return number


def add_predict(subparsers):
    """Add ``spectok predict``."""
    description = "Apply a model from 'spectok fit' to the spectra in files, and write one table."
    parser = subparsers.add_parser("predict", help=description, description=description)
    parser.add_argument("estimator", metavar="ESTIMATOR", help=".safetensors file written by 'spectok fit'")
    add_file_options(parser)
    parser.add_argument(
        "--redshift", type=_redshift, metavar="Z|TABLE:COLUMN",
        help="for models that use the rest frame: redshift of all spectra, or a column of a table that names the files",
    )  # fmt: skip
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    parser.set_defaults(run=_run_predict)


def _redshift(text):
    """A number, or the table and the column that hold one for each file."""
    try:
        return float(text)
    except ValueError:
        table, _, column = text.rpartition(":")
        if not (table and column):
            msg = f"must be a number or TABLE:COLUMN, got {text!r}"
            raise argparse.ArgumentTypeError(msg) from None
        return table, column


def _read_redshifts(path, column):
    """Redshift of each file that a table names, by its path and by its name; NaN where it is not known."""
    import numpy as np

    table = _open_table(path)
    values = np.ma.filled(np.ma.asarray(_take(table, column)).astype(float), np.nan)
    names = list(map(str, _take(table, _find_files(table))))
    found = {Path(name).name: z for name, z in zip(names, values.tolist(), strict=True)}
    if len(found) < len(names):
        found = {}  # files of the same name in several folders are told apart by their paths
    return found | {str((Path(path).parent / n).resolve()): z for n, z in zip(names, values.tolist(), strict=True)}


def _find_files(table, wanted=None):
    """Name of the column that holds the names of files."""
    name = wanted or next((one for one in FILE_COLUMNS if one in table.colnames), None)
    if name is None:
        msg = f"files: the table must have a column with the names of files; it has {', '.join(table.colnames)}"
        raise ValueError(msg)
    return name


def _estimate_at(model, redshifts, paths, *, progress=None, **reading):
    """Predictions for files, each at the redshift that a table has for it."""
    from astropy.table import Column

    from astro_spectok.interface.inputs import read_inputs

    batch, names = read_inputs(paths, **reading)
    own = [redshifts.get(str(Path(n).resolve()), redshifts.get(Path(n).name, math.nan)) for n in names]
    table = model.estimate(batch, redshift=own, progress=progress)
    table.add_column(Column(list(map(str, names)), description="file that it is from"), index=0, name="file")
    return table


def _run_predict(args):
    """Predict for the spectra of all files and write the table."""
    from functools import partial

    from astro_spectok.adapt import AdaptFlag
    from astro_spectok.adapt.base import SpectrumModel

    model = SpectrumModel.load(args.estimator, weights=args.weights, device=args.device, batch_tokens=args.batch_tokens)
    if isinstance(args.redshift, tuple):
        measure = partial(_estimate_at, model, _read_redshifts(*args.redshift))
    else:
        measure = partial(model.estimate_files, redshift=args.redshift)
    table = measure_files(args, measure)
    used, sure = sum(1 for text in table["message"] if not text), sum(1 for warn in table["warn"] if warn < 65536)
    unusable = len(table) - used
    summary = (
        f"{count_spectra(used)} measured, {max(sure - unusable, 0)} of them like those it was learned from; "
        f"{unusable} flagged as unusable"
    )
    write_result(table, args, summary, flags=AdaptFlag)
    return find_status(table)
