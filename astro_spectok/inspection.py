# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Visual inspection: pages of spectra with their models and posteriors, worst first, and corrections read back."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column, MaskedColumn, QTable, Table

from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.spectra import read_files, to_spectrum
from astro_spectok.utils.atomic import replace_file
from astro_spectok.utils.host import own_state
from astro_spectok.utils.optional import import_optional

__all__ = ["apply_corrections", "write_inspection"]

#: columns of the file of corrections, of which the last four are for the inspector
KEYS = ("page", "file", "number", "name", "spectype", "z", "p_best", "zwarn")
ANSWERS = ("spectype_vi", "z_vi", "quality_vi", "comment_vi")
#: the scale of DESI's visual inspection (Lan et al. 2023, ApJ 943, 68)
QUALITY = "0 no signal, 1 unlikely, 2 possible, 3 likely, 4 certain"


def rank_for_inspection(table: Table) -> np.ndarray:
    """Order of the rows of a table of redshifts for inspection: flagged ones first, least probable first.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With the columns ``zwarn`` and ``p_best``.

    Returns
    -------
    ndarray of int, shape (n,)
        Rows whose spectrum could not be measured are left out.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astro_spectok.inspection import rank_for_inspection
    >>> table = Table({"zwarn": [0, 4, 0, 512], "p_best": [0.99, 0.6, 0.9, float("nan")]})
    >>> rank_for_inspection(table).tolist()
    [1, 2, 0]
    """
    _require(table, ("zwarn", "p_best"))
    p_best = np.asarray(table["p_best"], dtype=float)
    order = np.lexsort((p_best, np.asarray(table["zwarn"]) == 0))
    return order[np.isfinite(p_best[order])]


@own_state
def write_inspection(
    table: Table | str | PathLike[str],
    out: str | PathLike[str],
    *,
    limit: int | None = None,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    file_format: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    **reading: Any,
) -> Path:
    """Write a PDF with a page for each row of a table of redshifts, worst first, and a file for corrections.

    A page shows the spectrum, its model, the lines at its redshift, and the posterior with its other solutions. The
    file of corrections lies beside it, ``NAME.csv`` for ``NAME.pdf``: a line for each page with empty columns
    ``spectype_vi``, ``z_vi``, ``quality_vi`` (0 no signal, 1 unlikely, 2 possible, 3 likely, 4 certain) and
    ``comment_vi``, which `apply_corrections` reads when they have been filled in.

    Parameters
    ----------
    table : `~astropy.table.Table`, str or path-like
        As ``RedshiftEstimator.estimate_files`` or ``spectok redshift`` made it, or its file:
        with a column ``file``, and the spectra of a file in their order.
    out : str or path-like
        Name of the PDF.
    limit : int, optional
        Most pages; all by default.
    weights, medium, resolution, file_format, device, **reading
        As for ``estimate_files``, whose spectra are read again.
    overwrite : bool, optional
        Whether the PDF may exist. A file of corrections is never replaced: it may have been filled in.

    Returns
    -------
    `~pathlib.Path`
        Of the file of corrections.

    Raises
    ------
    ValueError
        The table lacks a column, ``out`` does not end in ``.pdf``, or a file has not as many spectra as rows.
    FileExistsError
        The PDF exists and ``overwrite`` is False, or the file of corrections exists.
    FileNotFoundError
        The directory of ``out`` does not exist.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.estimators import RedshiftEstimator
    >>> from astro_spectok.example import list_example_files
    >>> from astro_spectok.inspection import write_inspection
    >>> table = RedshiftEstimator(device="cpu").estimate_files(list_example_files()[1])
    >>> out = pathlib.Path(tempfile.mkdtemp()) / "pages.pdf"
    >>> write_inspection(table, out, device="cpu").name, out.exists()
    ('pages.csv', True)
    """
    out = Path(out)
    if out.suffix.lower() != ".pdf":
        msg = f"out must end in .pdf, got {out.name!r}"
        raise ValueError(msg)
    corrections = out.with_suffix(".csv")
    if corrections.exists():
        msg = f"{corrections} exists and may hold corrections; move it away, or give another name to out"
        raise FileExistsError(msg)
    Figure = import_optional("matplotlib.figure", "pages need matplotlib", "plot").Figure
    PdfPages = import_optional("matplotlib.backends.backend_pdf", "pages need matplotlib", "plot").PdfPages
    table = _read(table)
    _require(table, ("file", "spectype", "z", "p_best", "zwarn"))
    order = rank_for_inspection(table)[:limit]
    number = _number_in_files(table)
    estimator = RedshiftEstimator(weights, device)
    options = {"medium": medium, "resolution": resolution, "file_format": file_format, **reading}
    with replace_file(out, overwrite=overwrite) as temporary, PdfPages(temporary) as pages:
        for page, row in enumerate(order, 1):
            file = str(table["file"][row])
            batch = _read_file(file, int(np.count_nonzero(table["file"] == file)), options)
            result = estimator.estimate(to_spectrum(batch, number[row]))
            figure = Figure(figsize=(11, 7.5), layout="constrained")
            _draw_page(figure, result, f"{page}. {Path(file).name} [{number[row]}]")
            pages.savefig(figure)
        if not len(order):
            pages.savefig(Figure(figsize=(11, 7.5)))
    _write_lines(corrections, table, order, number)
    return corrections


def apply_corrections(table: Table | str | PathLike[str], corrections: str | PathLike[str]) -> QTable:
    """A table of redshifts with the columns of an inspector.

    Parameters
    ----------
    table : `~astropy.table.Table`, str or path-like
        As for `write_inspection`, or its file.
    corrections : str or path-like
        The file that `write_inspection` wrote, with some of its lines filled in. An inspector who agrees with class
        and redshift need only give the quality.

    Returns
    -------
    `~astropy.table.QTable`
        A copy with the columns ``spectype_vi``, ``z_vi``, ``quality_vi`` and ``comment_vi``, empty or masked where
        nothing was filled in. What was measured stays as it was. A class or redshift that is left empty beside a
        quality of 3 or 4 is the measured one.

    Raises
    ------
    ValueError
        A line names a spectrum that the table does not have, or twice; a redshift is no number above -1, a quality none
        of 0 to 4, or a class none that the package knows.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astropy.table import Table
    >>> from astro_spectok.inspection import apply_corrections
    >>> table = Table({"file": ["a.fits", "b.fits"], "spectype": ["GALAXY", "QSO"], "z": [0.1, 2.0]})
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pages.csv"
    >>> size = path.write_text("file,number,spectype_vi,z_vi,quality_vi,comment_vi\\nb.fits,0,,2.31,4,CIV not MgII\\n")
    >>> corrected = apply_corrections(table, path)
    >>> corrected["z_vi"].tolist(), corrected["spectype_vi"].tolist()
    ([None, 2.31], ['', 'QSO'])
    """
    table = QTable(_read(table), copy=True)
    _require(table, ("file", "spectype", "z"))
    lines = Table.read(corrections, format="ascii.csv", converters={"*": [str]})
    _require(lines, ("file", "number", *ANSWERS), name="corrections")
    rows = {
        (str(file), number): i
        for i, (file, number) in enumerate(zip(table["file"], _number_in_files(table), strict=True))
    }
    n = len(table)
    spectype, comment = np.full(n, "", dtype=object), np.full(n, "", dtype=object)
    z, quality = np.full(n, np.nan), np.full(n, -1)
    for k, line in enumerate(lines, 2):
        given = {
            key: "" if np.ma.is_masked(line[key]) else str(line[key]).strip() for key in ("file", "number", *ANSWERS)
        }
        if not any(given[key] for key in ANSWERS):
            continue
        i = rows.pop((given["file"], _number(given, "number", k, 0, np.inf, int)), None)
        if i is None:
            msg = f"corrections, line {k}: the table has no further spectrum {given['number']} of {given['file']}"
            raise ValueError(msg)
        quality[i] = _number(given, "quality_vi", k, 0, 4, int) if given["quality_vi"] else -1
        agrees = quality[i] >= 3
        z[i] = _number(given, "z_vi", k, -1, 20, float) if given["z_vi"] else table["z"][i] if agrees else np.nan
        spectype[i] = given["spectype_vi"].upper() or (str(table["spectype"][i]) if agrees else "")
        if spectype[i] not in ("", "GALAXY", "QSO", "STAR"):
            msg = f"corrections, line {k}: spectype_vi must be GALAXY, QSO, STAR or empty, got {given['spectype_vi']!r}"
            raise ValueError(msg)
        comment[i] = given["comment_vi"]
    table["spectype_vi"] = Column(spectype.astype(str), description="class of the visual inspection")
    table["z_vi"] = MaskedColumn(z, mask=np.isnan(z), description="redshift of the visual inspection")
    table["quality_vi"] = MaskedColumn(quality, mask=quality < 0, description=QUALITY)
    table["comment_vi"] = Column(comment.astype(str), description="remark of the visual inspection")
    return table


def _draw_page(figure, result, title):
    """Draw an estimate on a page, with its name and flags."""
    result.plot(figure.subplots(2, height_ratios=(2, 1)))
    flags = ", ".join(flag.name for flag in result.zwarn) or "no flags"
    figure.suptitle(f"{title}  {result.name}\n{flags}", fontsize=10)


def _write_lines(path, table, order, number):
    """Write the file of corrections: a line for each row of ``order``, with what was measured and empty columns."""
    lines = Table({"page": np.arange(1, len(order) + 1), "number": [number[row] for row in order]})
    for key in KEYS:
        if key not in lines.colnames:
            values = table[key][order] if key in table.colnames else [""] * len(order)
            lines[key] = getattr(values, "value", values)
    for key in ANSWERS:
        lines[key] = [""] * len(order)
    with replace_file(path) as temporary:
        lines[[*KEYS, *ANSWERS]].write(temporary, format="ascii.csv", overwrite=True)


def _read(table):
    """A table, or the file of one."""
    if isinstance(table, Table):
        return table
    return QTable.read(table, format="ascii.csv") if str(table).lower().endswith(".csv") else QTable.read(table)


def _require(table, names, name="table"):
    missing = [one for one in names if one not in table.colnames]
    if missing:
        msg = f"{name} must have the columns {', '.join(names)}, as `spectok redshift` has; {missing[0]} is missing"
        raise ValueError(msg)


def _number_in_files(table):
    """Of each row, how many rows of the same file come before it."""
    seen: dict[str, int] = {}
    out = []
    for file in table["file"]:
        seen[str(file)] = seen.get(str(file), -1) + 1
        out.append(seen[str(file)])
    return out


def _read_file(file, n_rows, options):
    """The spectra of a file, as many as the table has."""
    ((_, batch),) = read_files([file], **options)
    if len(batch) != n_rows:
        why = f" ({batch.info[0].message})" if len(batch) == 1 and batch.info[0].message else ""
        msg = f"table has {n_rows} rows of {file}, which holds {len(batch)} spectra{why}; give the options used for it"
        raise ValueError(msg)
    return batch


def _number(given, key, line, low, high, kind):
    """A number of a line of corrections."""
    try:
        value = kind(given[key])
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        msg = f"corrections, line {line}: {key} must be a number from {low} to {high}, got {given[key]!r}"
        raise ValueError(msg)
    return value
