# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated surveys as users meet them: specutils spectra with their truth, in memory, as FITS files or as Parquet."""

import re
import shutil
import uuid
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from specutils import SpectrumList

from astro_spectok.simulate.rows import TRUTH, Simulation, make_spectrum
from astro_spectok.utils.atomic import replace_file
from astro_spectok.utils.constants import FWHM_PER_SIGMA
from astro_spectok.utils.host import own_state
from astro_spectok.utils.writing import check_output, write_table

__all__ = ["TRUTH_TABLE", "simulate_spectra", "write_simulated"]

#: name of the table of truths in a directory of FITS files
TRUTH_TABLE = "truth.ecsv"
#: names of the files that a directory gets: seed, number of the object, and of the view where there are several
FILE_NAME = re.compile(r"sim-\d+-\d+(-\d+)?\.fits")


@own_state
def simulate_spectra(
    n: int,
    *,
    seed: int = 0,
    data: str | PathLike[str] | None = None,
    families: Sequence[str] | None = None,
    instruments: Sequence[str] | None = None,
    snr: tuple[float, float] | None = None,
    views: int = 1,
    max_pixels: int = 8192,
    device: str = "cpu",
    progress: bool | None = False,
) -> SpectrumList:
    """Simulate spectra of random objects as random instruments give them.

    Wavelengths are vacuum Angstrom as observed. Calibrated flux is per unit wavelength in 1e-17 erg / (s cm2 Angstrom),
    uncalibrated flux in counts, continuum-normalised flux without unit; the level has no meaning, it is about 1. Bad
    pixels are masked, their flux is 0 and their uncertainty NaN. Errors are standard deviations as a pipeline states
    them, now and then wrong; where an archive gives none, ``uncertainty`` is None.

    Parameters
    ----------
    n : int
        Objects.
    seed : int
        The same seed gives the same spectra on the same kind of device.
    data : path-like, optional
        Directory of the public template sets. Without it, templates are analytic, which are coarser.
    families : sequence of str, optional
        Out of ``astro_spectok.simulate.FAMILIES``: 'galaxies', 'quasars', 'stars', 'blends', 'supernovae', 'sky',
        'blazars'. All, in the shares given there, by default.
    instruments : sequence of str, optional
        Names of instruments, or 'random' for invented ones; by default all but those that are held out of training.
    snr : (float, float), optional
        Range of the median signal-to-noise ratio per pixel, drawn evenly in its logarithm; by default 1 to 100, one in
        seven fainter.
    views : int
        Instruments that see each object.
    max_pixels : int
        Of longer spectra a random stretch is taken; at least 64.
    device : str
        Where to compute: 'cpu', 'cuda', 'auto', ...; not on 'mps', which has no float64.
    progress : bool or None
        Draw a progress bar; None for on a terminal only.

    Returns
    -------
    `~specutils.SpectrumList` of `~specutils.Spectrum`
        ``n * views`` of them, views of an object one after the other. ``meta`` holds ``name``, ``medium`` and what is
        known of the names in ``astro_spectok.simulate.rows.TRUTH``, with units; ``redshift`` stays 0, as it does for
        real spectra.

    Raises
    ------
    TypeError
        ``n``, ``seed`` or ``views`` is not an integer, or names are not a sequence.
    ValueError
        A number out of range, an unknown family or instrument, instruments that reach none of the objects, or a device
        that is not there or has no float64.
    FileNotFoundError
        ``data`` holds none of the known sets.

    Examples
    --------
    >>> from astro_spectok.simulate.export import simulate_spectra
    >>> spectra = simulate_spectra(3, seed=1, families=["stars"], instruments=["sdss"])
    >>> [spectrum.meta["spectype"] for spectrum in spectra]
    ['STAR', 'STAR', 'STAR']
    """
    simulation = Simulation(
        n, seed=seed, data=data, families=families, instruments=instruments, snr=snr, views=views,
        max_pixels=max_pixels, device=device,
    )  # fmt: skip
    return SpectrumList(make_spectrum(row) for rows in simulation.draw(progress) for row in rows)


@own_state
def write_simulated(
    path: str | PathLike[str],
    n: int,
    *,
    seed: int = 0,
    data: str | PathLike[str] | None = None,
    families: Sequence[str] | None = None,
    instruments: Sequence[str] | None = None,
    snr: tuple[float, float] | None = None,
    views: int = 1,
    max_pixels: int = 8192,
    device: str = "cpu",
    overwrite: bool = False,
    progress: bool | None = None,
) -> Any:
    """Simulate spectra straight into files.

    Into Parquet they are streamed, and memory does not grow with their number. For a directory the table of truths is
    held until the end, a few kilobytes for each spectrum: large surveys belong into Parquet.

    A directory gets a FITS file for each spectrum, which ``Spectrum.read(file)`` reads, with the truth in its header,
    and the table ``truth.ecsv`` with a row for each. As specutils writes flux without unit but does not read it,
    normalised flux is in counts there, and ``NORMALIS`` in the header is true. A Parquet file has a row for each
    spectrum in the layout of the Multimodal Universe [1]_: ``spectrum.flux``, ``ivar``, ``lambda`` (vacuum Angstrom),
    ``mask`` (true is bad) and ``lsf_sigma`` (pixels); the truth in columns beside it, whose units stand in the
    metadata of the fields. Where no errors are given (``has_errors`` false), ``ivar`` is estimated from the flux.

    Parameters
    ----------
    path : path-like
        Name of a directory, or of a file that ends in ``.parquet``.
    n, seed, data, families, instruments, snr, views, max_pixels, device
        As for `simulate_spectra`, which gives the same spectra.
    overwrite : bool
        Replace what an earlier run wrote to ``path``, once the new survey is complete; other files in a directory
        stay.
    progress : bool, optional
        Draw a progress bar; None for on a terminal only.

    Returns
    -------
    `~pathlib.Path`
        ``path``.

    Raises
    ------
    FileExistsError
        The file exists, or the directory is not empty, and ``overwrite`` is False.
    ImportError
        Parquet without pyarrow.
    TypeError, ValueError, FileNotFoundError
        As for `simulate_spectra`; or ``path`` has the ending of another kind of file.

    References
    ----------
    .. [1] The Multimodal Universe Collaboration 2024, arXiv:2412.02527.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astropy.table import QTable
    >>> from astro_spectok.simulate.export import write_simulated
    >>> folder = write_simulated(pathlib.Path(tempfile.mkdtemp()) / "survey", 2, seed=1, families=["quasars"],
    ...                          instruments=["desi"])
    >>> sorted(path.name for path in folder.iterdir())
    ['sim-1-0000000.fits', 'sim-1-0000001.fits', 'truth.ecsv']
    >>> QTable.read(folder / "truth.ecsv")["spectype"].tolist()
    ['QSO', 'QSO']
    """
    path = Path(path)
    to_parquet = path.suffix.lower() == ".parquet"
    if to_parquet:
        check_output(path, overwrite=overwrite)
    else:
        _check_directory(path, overwrite)
    simulation = Simulation(
        n, seed=seed, data=data, families=families, instruments=instruments, snr=snr, views=views,
        max_pixels=max_pixels, device=device,
    )  # fmt: skip
    if to_parquet:
        _write_parquet(path, simulation, overwrite, progress)
    else:
        _write_directory(path, simulation, overwrite, progress)
    return path


def _check_directory(path, overwrite):
    """Refuse what is no directory, or holds something that may be dear to somebody."""
    if path.exists() and not path.is_dir():
        msg = f"path must be a directory or end in .parquet, got the file {path}; give another name"
        raise FileExistsError(msg)
    if path.suffix.lower() in (".fits", ".fit", ".ecsv", ".csv", ".txt", ".h5", ".hdf5") and not path.exists():
        msg = f"path must be a directory or end in .parquet, got {path.name!r}; a directory gets FITS files"
        raise ValueError(msg)
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        msg = f"{path} is not empty; give overwrite=True (--overwrite) to replace simulated spectra, or another name"
        raise FileExistsError(msg)


def _make_header(truth):
    """Header of the file of a spectrum, with its labels."""
    header = fits.Header([("VACUUM", True, "wavelengths are in vacuum")])
    for name, (_, keyword, unit, meaning) in TRUTH.items():
        value = truth[name]
        if value == value:
            # all digits of a float would leave no room for what it means
            value = float(f"{value:.9g}") if isinstance(value, float) else value
            header[keyword] = (value, meaning if unit is None else f"[{unit}] {meaning}")
    return header


def _write_directory(path, simulation, overwrite, progress):
    """A directory of files; it is made beside the old one, which stays as it is until the new one is complete."""
    place = path.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}-{uuid.uuid4().hex[:12]}")
    temporary.mkdir()
    try:
        _fill_directory(temporary, simulation, progress)
        _check_directory(path, overwrite)  # hours may have passed
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _replace_survey(place, temporary)


def _replace_survey(path, new):
    """Move a survey into a directory, in place of the one that is there; the table goes first and comes last."""
    path.mkdir(exist_ok=True)
    (path / TRUTH_TABLE).unlink(missing_ok=True)
    for old in list(path.iterdir()):
        if FILE_NAME.fullmatch(old.name):
            old.unlink()
    for file in list(new.glob("*.fits")):
        file.replace(path / file.name)
    (new / TRUTH_TABLE).replace(path / TRUTH_TABLE)
    new.rmdir()


def _fill_directory(path, simulation, progress):
    """One FITS file for each spectrum, and the table of truths."""
    truths = []
    for rows in simulation.draw(progress):
        for row in rows:
            name = row.truth["object_id"] + (f"-{row.truth['view']}" if simulation.views > 1 else "") + ".fits"
            spectrum = make_spectrum(row, unitless=u.ct)
            spectrum.meta["header"] = _make_header(row.truth)
            spectrum.write(str(path / name), format="tabular-fits")
            truths.append({"file": name} | row.truth)
    table = QTable({"file": [truth["file"] for truth in truths]}, meta=simulation.meta)
    for name, (kind, _, unit, meaning) in TRUTH.items():
        values = np.array([truth[name] for truth in truths], dtype=kind)
        table[name] = values if unit is None else u.Quantity(values, unit, subok=True)
        table[name].info.description = meaning
    write_table(table, path / TRUTH_TABLE)


def _write_parquet(path, simulation, overwrite, progress):
    """One row group for each part of the simulation; the file appears whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _make_schema(simulation.meta)
    with (
        replace_file(path, overwrite=overwrite) as temporary,
        # values of flux hardly ever repeat: a dictionary of them would be larger than they are
        pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=False) as writer,
    ):
        for rows in simulation.draw(progress):
            columns = [_make_lists(rows, schema.field("spectrum").type)]
            columns += [pa.array([row.truth[name] for row in rows], schema.field(name).type) for name in TRUTH]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=len(rows))


def _make_schema(meta):
    """Columns of a Parquet file, with their units."""
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    single = pa.list_(pa.float32())
    lists = {"flux": single, "ivar": single, "lambda": pa.list_(pa.float64()), "mask": pa.list_(pa.bool_()),
             "lsf_sigma": single}  # fmt: skip
    fields = [pa.field("spectrum", pa.struct(lists.items()))]
    for name, (kind, _, unit, meaning) in TRUTH.items():
        about = {"description": meaning} if unit is None else {"description": meaning, "unit": str(unit)}
        fields.append(pa.field(name, types[kind], metadata=about))
    return pa.schema(fields, metadata={key: str(value) for key, value in meta.items()})


def _make_lists(rows, struct):
    """The column ``spectrum`` of some rows."""
    import pyarrow as pa

    offsets = pa.array(np.cumsum([0] + [len(row.flux) for row in rows]), pa.int32())
    # the layout wants the width in pixels, whose size follows from the wavelengths
    sigma = [r.wavelength / (r.resolution * FWHM_PER_SIGMA * np.gradient(r.wavelength)) for r in rows]
    arrays = {
        "flux": [row.flux for row in rows], "ivar": [row.ivar for row in rows],
        "lambda": [row.wavelength for row in rows], "mask": [row.ivar <= 0 for row in rows], "lsf_sigma": sigma,
    }  # fmt: skip
    columns = [
        pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(arrays[field.name]), field.type.value_type))
        for field in struct
    ]
    return pa.StructArray.from_arrays(columns, fields=list(struct))
