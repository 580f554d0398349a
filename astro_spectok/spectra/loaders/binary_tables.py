# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General readers of arrays in files of numpy, HDF5 and Parquet, by the meaning of their names."""

import re
import zipfile
from contextlib import nullcontext

import numpy as np
from astropy.table import meta

from astro_spectok.spectra.column_names import pick_roles
from astro_spectok.spectra.loaders._archives import read_zip
from astro_spectok.spectra.loaders._column_groups import group_columns
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._refusal import UnreadableFileError
from astro_spectok.spectra.loaders._source import MAX_BYTES
from astro_spectok.spectra.loaders._tables import Columns, read_columns, say_what
from astro_spectok.spectra.loaders._text_block import guess_names

__all__ = ["read_arrow", "read_hdf5", "read_npy", "read_npz", "read_parquet"]

#: options that these obey
_TAKES = ("columns",)
_GIVE = "read it and give arrays with units"
#: groups within groups of HDF5 that are looked through
_DEEPEST = 6
#: names that numpy and people give to arrays that have none; most columns of an array that is a table
_NAMELESS, _MOST_COLUMNS = re.compile(r"(?:arr|array|data|col|column)?_?\d+"), 12


def check_size(source, size):
    """Refuse arrays of more bytes than a spectrum can have."""
    if size > MAX_BYTES:
        raise source.refuse(f"holds arrays of more than {MAX_BYTES >> 20} MB", "take single spectra out of it")


def _import(source, module, extra):
    """A module that reads a format, or a message that says what to install."""
    try:
        return __import__(module, fromlist=["_"])
    except ImportError as error:
        raise source.refuse(f"needs {extra} to be read", f"pip install {extra}, or {_GIVE}") from error


def has_spectrum(names):
    return {"wave", "flux"} <= set(pick_roles(list(names)))


def read_named(source, options, arrays, units=None, header=None):
    """Spectra of arrays by name."""
    if not has_spectrum(arrays) and options.columns is None:
        raise source.refuse(say_what(list(arrays)), "name them with columns='WAVE,FLUX,ERR'")
    return read_columns(Columns(list(arrays), arrays.__getitem__, units or {}, {}, header or {}), source, options)


@register_format("spectok npz", kind="zip", sniff=lambda source: True, general=True, takes=_TAKES)
def read_npz(source, options):
    """Read spectra from an archive of numpy (``numpy.savez``), by the names of its arrays; or from files in a zip."""
    source.stream.seek(0)
    try:
        with zipfile.ZipFile(source.stream) as packed:
            check_size(source, sum(one.file_size for one in packed.infolist()))
            of_arrays = all(one.filename.endswith(".npy") for one in packed.infolist())
        source.stream.seek(0)
        with np.load(source.stream, allow_pickle=False) if of_arrays else nullcontext() as stored:
            names = stored.files if of_arrays else []
            arrays = {name: stored[name] for name in names if stored[name].dtype.kind in "fiub"}
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise source.refuse(f"is no archive that numpy reads: {error}", f"fetch it again, or {_GIVE}") from error
    if not of_arrays:
        return read_zip(source, options)
    return read_named(source, options, take_lists(arrays)) if has_spectrum(arrays) or options.columns is not None else (
        read_unnamed(source, options, arrays)
    )  # fmt: skip


@register_format("spectok npy", kind="npy", sniff=lambda source: True, general=True, takes=_TAKES)
def read_npy(source, options):
    """Read a spectrum from an array of numpy: with named fields, or with columns (or rows) of wavelength and flux."""
    source.stream.seek(0)
    try:
        array = np.load(source.stream, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise source.refuse(f"is no array that numpy reads: {error}", f"fetch it again, or {_GIVE}") from error
    if array.dtype.names:
        return read_named(source, options, {name: array[name] for name in array.dtype.names})
    if array.ndim != 2 or not 2 <= min(array.shape) <= _MOST_COLUMNS or array.dtype.kind not in "fiu":
        raise source.refuse(f"is an array of shape {array.shape}, without wavelengths", _GIVE)
    return _read_block(source, options, array)


def read_unnamed(source, options, arrays):
    """Spectra of arrays whose names say nothing: one of columns, or those of one length in their order."""
    block = next((one for one in arrays.values() if one.ndim == 2 and 2 <= min(one.shape) <= _MOST_COLUMNS), None)
    lists = [one for name, one in arrays.items() if _NAMELESS.fullmatch(name) and one.ndim == 1 and len(one) > 1]
    if block is not None and len(arrays) == 1:
        return _read_block(source, options, block)
    if len(lists) == len(arrays) > 1 and len({len(one) for one in lists}) == 1:
        return _read_block(source, options, np.stack(lists, axis=1))
    return read_named(source, options, take_lists(arrays))


def _read_block(source, options, array):
    """Spectra of columns (or rows) of wavelength and flux."""
    array = (array if array.shape[0] > array.shape[1] else array.T).astype(np.float64)
    names, guesses = guess_names(array)
    spectra = read_named(source, options, dict(zip(names, array.T, strict=True)))
    for spectrum in spectra:
        said = ("the array holds wavelength and flux, in this order", *guesses)
        spectrum.meta["guesses"] = (*said, *spectrum.meta.get("guesses", ()))
    return spectra


@register_format("spectok Parquet", kind="parquet", sniff=lambda source: True, general=True, takes=_TAKES)
def read_parquet(source, options):
    """Read spectra from a Parquet table, by the names of its columns; needs pyarrow."""
    parquet = _import(source, "pyarrow.parquet", "pyarrow")
    source.stream.seek(0)
    file = parquet.ParquetFile(source.stream)
    check_size(source, sum(file.metadata.row_group(k).total_byte_size for k in range(file.metadata.num_row_groups)))
    return _read_arrow(source, options, file.read())


@register_format("spectok Arrow", kind="arrow", sniff=lambda source: True, general=True, takes=_TAKES)
def read_arrow(source, options):
    """Read spectra from an Arrow (Feather) table, by the names of its columns; needs pyarrow."""
    arrow = _import(source, "pyarrow", "pyarrow")
    source.stream.seek(0)
    try:
        file, parts, size = arrow.ipc.open_file(source.stream), [], 0
        for number in range(file.num_record_batches):
            parts.append(file.get_batch(number))
            size += parts[-1].nbytes
            check_size(source, size)
        table = arrow.Table.from_batches(parts, file.schema)
    except UnreadableFileError:
        raise
    except (OSError, ValueError) as error:  # those of Arrow are among these
        raise source.refuse(f"is no Arrow table that pyarrow reads: {error}", f"fetch it again, or {_GIVE}") from error
    return _read_arrow(source, options, table)


def _read_arrow(source, options, table):
    """Spectra of a table of Arrow."""
    arrays = {}
    while any(str(kind).startswith("struct") for kind in table.schema.types):
        table = table.flatten()
    for name, column in zip(table.schema.names, table.columns, strict=True):
        values = column.to_pylist()
        if values and isinstance(values[0], list):
            same = len({len(value or ()) for value in values}) == 1
            arrays[name] = np.array(values, float) if same else np.array([np.array(v) for v in values], object)
        elif values and all(isinstance(value, int | float | None) for value in values):
            arrays[name] = np.array(values, float)
    described = (table.schema.metadata or {}).get(b"table_meta_yaml")
    return read_named(source, options, arrays, _read_table_units(described.decode().split("\n")) if described else {})


@register_format("spectok HDF5", kind="hdf5", sniff=lambda source: True, general=True, takes=_TAKES)
def read_hdf5(source, options):
    """Read spectra from HDF5: groups whose datasets, and tables whose columns, are a spectrum; needs h5py."""
    h5py = _import(source, "h5py", "h5py")
    source.stream.seek(0)
    spectra, seen, nameless, objects = [], [], [], []
    try:
        with h5py.File(source.stream, "r") as file:
            objects = _list_pickled(file)
            for arrays, units in _walk(file, source):
                seen += list(arrays)
                if has_spectrum(arrays) or (options.columns is not None and arrays):
                    spectra += read_named(source, options, arrays, units)
                elif len(arrays) == 1 and next(iter(arrays.values())).ndim == 2:
                    nameless.append(arrays)
        # beside a spectrum they are samples of a fit
        for arrays in [] if spectra or objects else nameless:
            spectra += read_unnamed(source, options, arrays)
    except UnreadableFileError:
        raise
    except (OSError, RuntimeError, KeyError) as error:
        raise source.refuse(f"is no HDF5 file that h5py reads: {error}", f"fetch it again, or {_GIVE}") from error
    if not spectra and objects:
        reason = f"is an HDF5 file of pandas whose frames ({', '.join(objects[:3])}) hold Python pickles"
        raise source.refuse(reason, "read it with pandas.read_hdf, if you trust it, and give arrays with units")
    if not spectra:
        raise source.refuse(say_what(seen) if seen else "is an HDF5 file without arrays", _GIVE)
    return spectra


def _list_pickled(file):
    """Names of the groups at the top in which pandas keeps columns of objects, which are pickles and not read."""
    found = []
    for name in file:
        group = None if hasattr(file.get(name, getlink=True), "filename") else file.get(name)
        if "pandas_type" not in getattr(group, "attrs", ()):
            continue
        kinds = [item.attrs.get("PSEUDOATOM", "") for item in (group.get(one) for one in group) if item is not None]
        if any((kind.decode() if isinstance(kind, bytes) else str(kind)) == "object" for kind in kinds):
            found.append(name)
    return found


def _read_table_units(lines):
    """Units of columns from what astropy writes beside a table."""
    try:
        header = meta.get_header_from_yaml(lines)
    except (ValueError, TypeError, AttributeError):
        return {}
    return {column["name"]: str(column["unit"]) for column in header["datatype"] if column.get("unit") is not None}


def _unscale(item):
    """The values of a dataset, as the attributes by which netCDF packs them say; NaN for what fills a place."""
    values, attributes = item[()], item.attrs
    fills = [np.ravel(attributes[name]) for name in ("_FillValue", "missing_value") if name in attributes]
    packing = [np.ravel(attributes.get(name, usual))[0] for name, usual in (("scale_factor", 1), ("add_offset", 0))]
    if not fills and packing == [1, 0]:
        return values
    missing = np.isin(values, np.concatenate(fills)) if fills else np.zeros(values.shape, bool)
    if not missing.any() and packing == [1, 0]:
        return values
    return np.where(missing, np.nan, values * np.float64(packing[0]) + np.float64(packing[1]))


def _read_frame(group):
    """Columns of a frame of pandas, which keeps those of one type as a block with a list of their names."""
    columns = {}
    for name in group:
        block = group.get(f"{name.removesuffix('_items')}_values") if name.endswith("_items") else None
        if getattr(block, "ndim", 0) == 2 and block.dtype.kind in "fiu" and block.shape[1] == len(group[name]):
            names = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in group[name][()]]
            columns |= dict(zip(names, block[()].T, strict=True))
    return columns


def _walk(group, source, depth=0, above=(None, None)):
    """Arrays and units of each group and of each table; wavelengths may stand above the groups of the fluxes."""
    own, units, groups = {}, {}, []
    for name in group:
        # links to other files are not followed
        kind = group.get(name, getlink=True)
        item = None if hasattr(kind, "filename") else group.get(name)
        if item is None or not (hasattr(item, "items") or getattr(item, "shape", None)):
            continue
        if hasattr(item, "items"):
            groups.append(item)
            continue
        if item.dtype.names:
            check_size(source, item.dtype.itemsize * item.size)
            if name.endswith("__table_column_meta__"):
                continue
            table = item[()]
            beside = group.get(f"{name}.__table_column_meta__")
            yield (
                {field: table[field] for field in item.dtype.names if table[field].dtype.kind in "fiub"},
                {} if beside is None else _read_table_units([line.decode() for line in beside[()].tolist()]),
            )
        elif item.dtype.kind in "fiub" and item.ndim in (1, 2):
            check_size(source, item.dtype.itemsize * item.size)
            values = _unscale(item)
            # vectors of MATLAB have two axes
            own[name] = values.reshape(-1) if 1 in item.shape else values
            unit = next((item.attrs[key] for key in ("unit", "units", "UNIT", "UNITS") if key in item.attrs), None)
            if unit is not None:
                units[name] = unit.decode() if isinstance(unit, bytes) else str(unit)
    own |= _read_frame(group)
    roles = pick_roles(list(own))
    if "wave" in roles:
        name = roles["wave"][0]
        above = {name: own[name]}, {name: units[name]} if name in units else {}
    elif "flux" in roles and above[0] is not None:
        own, units = {**above[0], **own}, {**above[1], **units}
    for item in groups if depth < _DEEPEST else ():
        yield from _walk(item, source, depth + 1, above)
    if own:
        yield take_lists(own) if has_spectrum(own) or len(own) > 1 else own, units


def take_lists(arrays):
    """The arrays as long as the flux, where there is one, and those of several spectra of that length."""
    roles = pick_roles(list(arrays))
    if not {"wave", "flux"} <= set(roles) and (groups := group_columns(list(arrays))):
        # spectrum_flux, spectrum_lambda
        arrays = {rest: arrays[name] for rest, name in next(iter(groups.values())).items()}
        roles = pick_roles(list(arrays))
    if "flux" not in roles:
        return {name: array for name, array in arrays.items() if array.ndim == 1}
    flux = arrays[roles["flux"][0]]
    if flux.ndim != 2:
        return {name: array for name, array in arrays.items() if array.shape == flux.shape}
    wave = arrays[roles["wave"][0]] if "wave" in roles else flux
    if wave.ndim == 1 and len(wave) == flux.shape[0] != flux.shape[1]:
        # spectra in columns, as MATLAB and tables of samples have them
        arrays = {name: array.T if array.shape == flux.shape else array for name, array in arrays.items()}
        flux = flux.T
    return {
        name: np.broadcast_to(array, flux.shape) if array.ndim == 1 else array
        for name, array in arrays.items()
        if array.shape in (flux.shape, flux.shape[1:])
    }
