# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated surveys as users meet them: specutils spectra with their truth, in memory, as FITS files or as Parquet."""

import operator
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from astropy.table import QTable
from specutils import Spectrum, SpectrumList

from astro_spectok.results.writing import check_output, write_table

__all__ = ["TRUTH", "TRUTH_TABLE", "simulate_spectra", "write_simulated"]

#: objects drawn together, and written as one row group of a Parquet file
OBJECTS_AT_ONCE = 128
#: of calibrated flux; its level carries no meaning
FLUX_UNIT = u.Unit("1e-17 erg / (s cm2 AA)")
LIGHT = 299792.458
FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
#: name of the table of truths in a directory of FITS files
TRUTH_TABLE = "truth.ecsv"

#: what is told of each spectrum, in order: type, keyword in FITS headers, unit, meaning
TRUTH = {
    "object_id": (str, "OBJECT", None, "the same for all views of an object"),
    "view": (int, "VIEW", None, "number of the view, from 0"),
    "family": (str, "FAMILY", None, "what drew it"),
    "kind": (str, "KIND", None, "what it is in words"),
    "spectype": (str, "SPECTYPE", None, "GALAXY, QSO, STAR or none of them"),
    "z": (float, "Z_TRUE", None, "redshift; unknown where not measurable"),
    "rv": (float, "RV_TRUE", u.km / u.s, "radial velocity of stars"),
    "measurable": (bool, "MEASURAB", None, "whether there is a redshift to be found"),
    "instrument": (str, "SIMINST", None, "instrument that it imitates"),
    "resolution": (float, "R_MEDIAN", None, "median resolving power"),
    "snr": (float, "SNR", None, "median signal-to-noise ratio per pixel"),
    "calibrated": (bool, "CALIBRAT", None, "flux is calibrated; counts if not"),
    "normalised": (bool, "NORMALIS", None, "flux is over its continuum"),
    "has_errors": (bool, "HASERROR", None, "errors are given, not estimated"),
    "wave_min": (float, "WAVE_MIN", u.AA, "first pixel, vacuum"),
    "wave_max": (float, "WAVE_MAX", u.AA, "last pixel, vacuum"),
    "teff": (float, "TEFF", u.K, "effective temperature"),
    "logg": (float, "LOGG", u.dex(u.cm / u.s**2), "surface gravity"),
    "fe_h": (float, "FE_H", u.dex, "iron over hydrogen, Sun = 0"),
    "alpha_fe": (float, "ALPHA_FE", u.dex, "alpha elements over iron, Sun = 0"),
    "age": (float, "AGE", u.Gyr, "light-weighted age"),
    "metallicity": (float, "METALLIC", u.dex, "light-weighted metallicity, Sun = 0"),
    "a_v": (float, "A_V", u.mag, "attenuation at 5500 Angstrom"),
    "sigma_v": (float, "SIGMA_V", u.km / u.s, "velocity dispersion"),
    "ew_halpha": (float, "EW_HALPH", u.AA, "rest equivalent width, > 0 in emission"),
    "ew_oiii": (float, "EW_OIII", u.AA, "of [O III] 5008, likewise"),
    "ew_hbeta": (float, "EW_HBETA", u.AA, "of H beta, likewise"),
    "ew_oii": (float, "EW_OII", u.AA, "of [O II] 3728, likewise"),
}
#: the simulator's labels stand on scales that a network learns well; what leads back from them
_LABEL_SCALES = {
    **dict.fromkeys(("teff", "age", "sigma_v"), lambda x: 10.0**x),
    **dict.fromkeys(("ew_halpha", "ew_oiii", "ew_hbeta", "ew_oii"), np.sinh),
}


@dataclass(frozen=True)
class _Row:
    """One spectrum as plain arrays of shape (P,), and its truth by the names in `TRUTH`."""

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    resolution: np.ndarray
    truth: dict


def simulate_spectra(
    n, *, seed=0, data=None, families=None, instruments=None, snr=None, views=1, device="cpu", progress=False
):
    """Simulate spectra of random objects as random instruments give them.

    Wavelengths are vacuum Angstrom as observed. Calibrated flux is per unit wavelength in 1e-17 erg / (s cm2 Angstrom),
    uncalibrated flux in counts, continuum-normalised flux without unit; the level has no meaning, it is about 1. Bad
    pixels are masked, their flux is 0 and their uncertainty NaN. Errors are standard deviations as a pipeline states
    them, now and then wrong; where an archive gives none, ``uncertainty`` is None. Spectra longer than 8192 pixels are
    cut to a random stretch.

    Parameters
    ----------
    n : int
        Objects.
    seed : int
        The same seed gives the same spectra on the same kind of device.
    data : path-like, optional
        Directory of the public template sets. Without it, templates are analytic, which are coarser.
    families : sequence of str, optional
        Out of `~astro_spectok.simulate.FAMILIES`: 'galaxies', 'quasars', 'stars', 'supernovae', 'sky', 'blazars'.
        All, in the shares given there, by default.
    instruments : sequence of str, optional
        Names of instruments, or 'random' for invented ones; by default all but those that are held out of training.
    snr : (float, float), optional
        Range of the median signal-to-noise ratio per pixel, drawn evenly in its logarithm; by default 1 to 100, one in
        seven fainter.
    views : int
        Instruments that see each object.
    device : str
        Where to compute: 'cpu', 'cuda', 'auto', ....
    progress : bool or None
        Draw a progress bar; None for on a terminal only.

    Returns
    -------
    `~specutils.SpectrumList` of `~specutils.Spectrum`
        ``n * views`` of them, views of an object one after the other. ``meta`` holds what is known of the entries of
        `TRUTH`, with units, beside ``name`` and ``medium``; ``redshift`` stays 0, as it does for real spectra.

    Raises
    ------
    TypeError
        ``n``, ``seed`` or ``views`` is not an integer, or names are not a sequence.
    ValueError
        A number out of range, an unknown family or instrument, or instruments that reach none of the objects.
    FileNotFoundError
        ``data`` holds none of the known sets.

    Examples
    --------
    >>> from astro_spectok.simulation import simulate_spectra
    >>> spectra = simulate_spectra(3, seed=1, families=["stars"], instruments=["sdss"])
    >>> [spectrum.meta["spectype"] for spectrum in spectra]
    ['STAR', 'STAR', 'STAR']
    """
    simulation = _Simulation(n, seed, data, families, instruments, snr, views, device)
    return SpectrumList(_make_spectrum(row) for rows in simulation.draw(progress) for row in rows)


def write_simulated(
    path, n, *, seed=0, data=None, families=None, instruments=None, snr=None, views=1, device="cpu", overwrite=False,
    progress=None,
):  # fmt: skip
    """Simulate spectra straight into files; memory does not grow with their number.

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
    n, seed, data, families, instruments, snr, views, device
        As for `simulate_spectra`, which gives the same spectra.
    overwrite : bool
        Replace what an earlier run wrote to ``path``; other files in a directory stay.
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
    """
    path = Path(path)
    to_parquet = path.suffix.lower() == ".parquet"
    if to_parquet:
        check_output(path, overwrite=overwrite)
    else:
        _check_directory(path, overwrite)
    simulation = _Simulation(n, seed, data, families, instruments, snr, views, device)
    if to_parquet:
        _write_parquet(path, simulation, overwrite, progress)
    else:
        _write_directory(path, simulation, progress)
    return path


def _check_integer(value, name, least):
    """``value`` as an int of at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError as error:
        msg = f"{name} must be an integer, got {type(value).__name__}; give a whole number"
        raise TypeError(msg) from error
    if number < least:
        msg = f"{name} must be at least {least}, got {number}; give a larger number"
        raise ValueError(msg)
    return number


def _check_names(names, name, known):
    """Names as a tuple, all of them known; None stays."""
    if names is None:
        return None
    if isinstance(names, str) or not np.iterable(names):
        msg = f"{name} must be a sequence of names, got {names!r}; put a single name in a list"
        raise TypeError(msg)
    names = tuple(names)
    unknown = [each for each in names if each not in known]
    if unknown or not names:
        got = ", ".join(map(str, unknown)) or "none"
        msg = f"{name} must be names out of {', '.join(sorted(known))}; got {got}; leave it out for all"
        raise ValueError(msg)
    return names


def _check_snr(snr):
    """Range of the signal-to-noise ratio as two floats; None stays."""
    if snr is None:
        return None
    try:
        low, high = (float(value) for value in snr)
    except (TypeError, ValueError) as error:
        msg = f"snr must be two numbers, lowest and highest, got {snr!r}; give e.g. (5, 20)"
        raise ValueError(msg) from error
    if not 0 < low <= high < np.inf:
        msg = f"snr must be positive and in order, lowest and highest; got {low:g} and {high:g}; give e.g. (5, 20)"
        raise ValueError(msg)
    return low, high


class _Simulation:
    """Checked arguments and the opened survey; draws rows in parts, a function of the seed and the part alone."""

    def __init__(self, n, seed, data, families, instruments, snr, views, device):
        self.n, self.seed = _check_integer(n, "n", 1), _check_integer(seed, "seed", 0)
        self.views = _check_integer(views, "views", 1)
        snr = _check_snr(snr)
        # here and not above: PyTorch takes seconds to import
        from astro_spectok.engine.device import choose_device
        from astro_spectok.simulate import FAMILIES, Survey
        from astro_spectok.simulate.instruments import NAMED
        from astro_spectok.training.corpus import find_sets

        families = _check_names(families, "families", FAMILIES)
        instruments = _check_names(instruments, "instruments", {*NAMED, "random"})
        if data is not None:
            find_sets(data)  # a wrong directory must not pass for analytic templates
        self.meta = {"seed": self.seed, "templates": "analytic" if data is None else "public sets"}
        self._survey = Survey(data, device=choose_device(device), families=families, instruments=instruments, snr=snr)

    def draw(self, progress):
        """Yield lists of `_Row`, views of an object one after the other."""
        from astro_spectok.engine.progress import show_progress

        for first in show_progress(range(0, self.n, OBJECTS_AT_ONCE), "simulating", progress):
            size, part = min(OBJECTS_AT_ONCE, self.n - first), first // OBJECTS_AT_ONCE
            groups = self._survey.draw(size, [self.seed, part], views=self.views)
            objects = [seen for group in groups for seen in _list_objects(group)]
            # families are drawn one after the other: mix them
            order = np.random.default_rng([self.seed, part, 1]).permutation(size)
            rows = []
            for number, i in enumerate(order, first):
                for view, row in enumerate(objects[i]):
                    row.truth.update(object_id=f"sim-{self.seed}-{number:07d}", view=view)
                    rows.append(row)
            yield rows


def _list_objects(group):
    """For each object of a group the list of `_Row` of its views."""
    from astro_spectok.simulate import CLASSES

    objects = group.objects
    z, cls, measurable = (getattr(objects, name).tolist() for name in ("z", "cls", "measurable"))
    labels = {name: _LABEL_SCALES.get(name, float)(np.nan) for name, (kind, *_) in TRUTH.items() if kind is float}
    known = {name: values.double().cpu().numpy() for name, values in objects.labels.items()}
    known = {name: _LABEL_SCALES.get(name, np.asarray)(values) for name, values in known.items()}
    out = []
    for i in range(len(objects)):
        spectype = CLASSES[cls[i]] if cls[i] >= 0 else ""
        truth = labels | {name: float(values[i]) for name, values in known.items()}
        truth |= {"family": group.family, "kind": objects.kind[i], "spectype": spectype, "measurable": measurable[i]}
        truth["z"] = z[i] if measurable[i] else np.nan
        truth["rv"] = LIGHT * z[i] if spectype == "STAR" else np.nan
        out.append([])
        for instruments, snr, observation in zip(group.instruments, group.snr, group.observations, strict=True):
            out[-1].append(_make_row(observation, i, instruments[i], float(snr[i]), truth))
    return out


def _make_row(observation, i, instrument, snr, truth):
    """One view of one object."""
    present = observation.present[i]
    names = ("ln_wavelength", "flux", "ivar", "resolution", "truth")
    x, flux, ivar, resolution, clean = (getattr(observation, name)[i][present].cpu().numpy() for name in names)
    wavelength = np.exp(x)
    truth = truth | {
        "instrument": instrument.name, "resolution": float(np.median(resolution)), "snr": snr if clean.any() else 0.0,
        "calibrated": instrument.calibrated, "normalised": instrument.normalised, "has_errors": instrument.has_errors,
        "wave_min": float(wavelength[0]), "wave_max": float(wavelength[-1]),
    }  # fmt: skip
    return _Row(wavelength, flux, ivar, resolution, truth)


def _make_spectrum(row, *, unitless=u.dimensionless_unscaled):
    """A `_Row` as a `~specutils.Spectrum`; ``unitless`` is the unit of normalised flux."""
    truth, bad = row.truth, row.ivar <= 0
    unit = unitless if truth["normalised"] else FLUX_UNIT if truth["calibrated"] else u.ct
    uncertainty = None
    if truth["has_errors"]:
        sigma = np.where(bad, np.nan, 1 / np.sqrt(np.where(bad, 1, row.ivar)))
        uncertainty = StdDevUncertainty(sigma.astype(np.float32), unit=unit)
    known = {name: truth[name] for name in TRUTH if truth[name] == truth[name]}  # NaN is unknown
    units = {name: TRUTH[name][2] for name in known if TRUTH[name][2] is not None}
    known |= {name: known[name] * each for name, each in units.items()}
    meta = {"name": truth["object_id"], "medium": "vacuum"} | known
    return Spectrum(
        flux=row.flux * unit, spectral_axis=row.wavelength * u.AA, uncertainty=uncertainty, mask=bad, meta=meta
    )


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
    """What is known of a spectrum as the header of its file."""
    header = fits.Header({"VACUUM": (True, "wavelengths are in vacuum")})
    for name, (_, keyword, unit, meaning) in TRUTH.items():
        if truth[name] == truth[name]:
            header[keyword] = (truth[name], meaning if unit is None else f"[{unit}] {meaning}")
    return header


def _write_directory(path, simulation, progress):
    """One FITS file for each spectrum; the table comes last, so that a directory with it is complete."""
    path.mkdir(parents=True, exist_ok=True)
    for old in (path / TRUTH_TABLE, *path.glob("sim-*.fits")):
        old.unlink(missing_ok=True)
    truths = []
    for rows in simulation.draw(progress):
        for row in rows:
            name = row.truth["object_id"] + (f"-{row.truth['view']}" if simulation.views > 1 else "") + ".fits"
            spectrum = _make_spectrum(row, unitless=u.ct)
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
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:12]}{path.suffix}")
    try:
        # values of flux hardly ever repeat: a dictionary of them would be larger than they are
        with pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=False) as writer:
            for rows in simulation.draw(progress):
                columns = [_make_lists(rows, schema.field("spectrum").type)]
                columns += [pa.array([row.truth[name] for row in rows], schema.field(name).type) for name in TRUTH]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=len(rows))
        check_output(path, overwrite=overwrite)  # hours may have passed
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _make_schema(meta):
    """Columns of a Parquet file, with their units."""
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    single = pa.list_(pa.float32())
    lists = {"flux": single, "ivar": single, "lambda": pa.list_(pa.float64()), "mask": pa.list_(pa.bool_()),
             "lsf_sigma": single}  # fmt: skip
    fields = [pa.field("spectrum", pa.struct(lists.items()))]
    for name, (kind, _, unit, meaning) in TRUTH.items():
        told = {"description": meaning} if unit is None else {"description": meaning, "unit": str(unit)}
        fields.append(pa.field(name, types[kind], metadata=told))
    return pa.schema(fields, metadata={key: str(value) for key, value in meta.items()})


def _make_lists(rows, struct):
    """The column ``spectrum`` of some rows."""
    import pyarrow as pa

    offsets = pa.array(np.cumsum([0] + [len(row.flux) for row in rows]), pa.int32())
    # the layout wants the width in pixels, of which the wavelengths tell the size
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
