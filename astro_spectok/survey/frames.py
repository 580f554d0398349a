# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`measure_partition`: a data frame of spectra becomes one of results, for engines with partitions of their own."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from astro_spectok.interface import Estimator
from astro_spectok.spectra import SpectrumBatch, to_batch
from astro_spectok.spectra.multimodal import convert_rows
from astro_spectok.spectra.nested import find_columns, read_fields
from astro_spectok.survey.columns import ID_NAMES, OTHER_NAMES
from astro_spectok.survey.output import import_pyarrow
from astro_spectok.survey.reading import MOST_SPECTRA
from astro_spectok.survey.tasks import make_task
from astro_spectok.utils.host import own_state

__all__ = ["measure_partition"]


@own_state
def measure_partition(
    frame: Any,
    task: str | Estimator = "redshift",
    *,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    device: str = "auto",
    batch_tokens: int | None = None,
    column: str | None = None,
    keep: Sequence[str] | None = None,
    **options: Any,
) -> Any:
    """Measure the spectra of a data frame: a row for each, with the same index.

    A function of one partition, for ``map_partitions`` of LSDB, nested-pandas and Dask, and for Ray and Spark. Columns
    and their types depend on the task and its options alone, also where the frame is empty, which is what these engines
    try first. Weights are loaded once in each process. Wavelengths are in Angstrom, in vacuum unless ``medium`` says
    otherwise; the unit of the flux does not matter; masked pixels (not 0) and those whose flux is not finite or whose
    ``ivar`` is not positive do not count.

    Parameters
    ----------
    frame : ``pandas.DataFrame``
        With a nested column of spectra, as of nested-pandas and LSDB, or of structs or dictionaries of lists, with the
        fields ``flux`` and ``lambda`` and, where they are known, ``ivar``, ``mask`` and ``lsf_sigma``; or with
        columns of lists of these names, or ``spectrum_flux`` and so on.
    task : {'redshift', 'stellar', 'galaxy', 'embed', 'predict'} or an estimator, optional
    weights, medium, resolution, device, batch_tokens
        As for `~astro_spectok.tokenize`; an estimator has its own weights, device and batch_tokens.
    column : str, optional
        The nested column; ``spectrum``, or the only one that may be one, if not given.
    keep : sequence of str, optional
        Columns of the frame that stand before the results; numbers and names of objects and positions if not given.
    **options
        Of the task, as for `~astro_spectok.survey.run`.

    Returns
    -------
    ``pandas.DataFrame``
        The columns of the task; ``attrs['units']`` has their units. Vectors are lists of a fixed size of Arrow.

    Raises
    ------
    TypeError
        ``frame`` is no data frame, or there is no such option.
    ValueError
        It has no column of spectra, or none of a name in ``keep``.

    Examples
    --------
    >>> import pandas as pd
    >>> from astro_spectok.example import read_example
    >>> from astro_spectok.survey import measure_partition
    >>> spectrum = read_example()
    >>> row = {"lambda": spectrum.spectral_axis.value, "flux": spectrum.flux.value}
    >>> frame = pd.DataFrame({"object_id": [7], "spectrum": [row]}, index=[3])
    >>> measured = measure_partition(frame, "redshift", device="cpu", classes="GALAXY")
    >>> measured.index.tolist(), measured["object_id"].tolist(), f"{measured['z'].iloc[0]:.3f}"
    ([3], [7], '0.086')
    >>> measured.attrs["units"]["rv"], len(measure_partition(frame[:0], "redshift", device="cpu").columns)
    ('km / s', 21)
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        msg = f"frame must be a pandas.DataFrame, got a {type(frame).__name__}; give one partition"
        raise TypeError(msg)
    to_batch([], medium=medium, resolution=resolution)  # a misspelt medium is an error, not a flag on each row
    measured = make_task(task, weights=weights, device=device, batch_tokens=batch_tokens, **options)
    kept = _choose_kept(frame, keep)
    batch = _read_frame(frame, column, medium, resolution)
    table = measured.measure(batch)
    out = {name: frame[name] for name in kept}
    own = {f"input_{name}" if name in table.colnames else name: column for name, column in out.items()}
    results = {name: _to_series(pd, table[name], frame.index) for name in table.colnames if name != "name"}
    result = pd.DataFrame(own | results, index=frame.index)
    units = {name: str(table[name].unit) for name in table.colnames if str(getattr(table[name], "unit", None) or "")}
    notes = {key: x for key, x in table.meta.items() if key not in ("date", "call")}
    result.attrs = {"units": units} | notes
    return result


def _choose_kept(frame, keep):
    """Names of the columns that stand before the results."""
    if keep is None:
        return [name for name in (*ID_NAMES, *OTHER_NAMES) if name in frame.columns]
    missing = [name for name in keep if name not in frame.columns]
    if missing:
        msg = (
            f"keep must name columns of the frame, got {', '.join(map(str, missing))}; there are {list(frame.columns)}"
        )
        raise ValueError(msg)
    return list(keep)


def _read_frame(frame, column, medium, resolution):
    """The spectra of a data frame as a batch."""
    pa = import_pyarrow()
    names = [column] if column is not None else list(frame.columns)
    if column is not None and column not in frame.columns:
        msg = f"column must name a column of the frame, got {column!r}; there are {list(frame.columns)}"
        raise ValueError(msg)
    arrays = {}
    for name in names:
        # numbers and times hold no spectra; what stands in columns of objects only a look says
        if (
            isinstance(name, str)
            and frame[name].dtype.kind == "O"
            and (array := _to_arrow(pa, frame[name])) is not None
        ):
            arrays[name] = array
    if not len(frame):
        return to_batch([])
    table = pa.table(arrays)
    struct, fields = find_columns(table.schema, "frame", column)
    batches = []
    for start in range(0, len(frame), MOST_SPECTRA):
        rows = read_fields(table.slice(start, MOST_SPECTRA), struct, fields)
        batches.append(convert_rows(rows, medium=medium, resolution=resolution))
    return SpectrumBatch.concatenate(batches)


def _to_arrow(pa, series):
    """A column as Arrow, if it may hold spectra."""
    if series.dtype == object:
        series = [_to_native(value) for value in series]
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return None
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    types = pa.types
    checks = (types.is_struct, types.is_list, types.is_large_list, types.is_fixed_size_list)
    return array if any(check(array.type) for check in checks) else None


def _to_native(value):
    """Arrays, and those in dictionaries, in the order of bytes of this machine, which FITS files do not have."""
    if isinstance(value, Mapping):
        return {key: _to_native(one) for key, one in value.items()}
    if isinstance(value, np.ndarray) and not value.dtype.isnative:
        return value.astype(value.dtype.newbyteorder("="))
    return value


def _to_series(pd, column, index):
    """A column of a table of results for pandas: the same type, however many rows there are."""
    values = np.asarray(getattr(column, "value", column))
    if values.dtype.kind in "UO":
        return pd.Series(values.astype(object), index=index, dtype="str")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.ndim == 1:
        return pd.Series(values, index=index)
    pa = import_pyarrow()
    size = int(np.prod(values.shape[1:]))
    kind = pd.ArrowDtype(pa.list_(pa.from_numpy_dtype(values.dtype), size))
    return pd.Series(list(values.reshape(len(values), size)), index=index, dtype=kind)
