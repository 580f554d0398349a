# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra at fixed wavelengths, as blocks of numbers for a linear map: what frozen tokens hold, and the flux."""

import contextlib
from dataclasses import dataclass, replace

import numpy as np
from astropy import units as u
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from astro_spectok.adapt.heads_say import ask_heads
from astro_spectok.adapt.spectrum_set import shift_to_rest
from astro_spectok.interface.containment import Containment, require_finite
from astro_spectok.interface.domain import Domain, fit_batch
from astro_spectok.spectra import InputFlag
from astro_spectok.utils.constants import FWHM_PER_SIGMA

__all__ = ["BLOCKS", "ERRORS", "HEADS", "VECTORS", "FeatureGrid", "Reading", "make_blocks", "read_set"]

#: learned values of tokens, the embedding, levels of the continuum, lines over it, the same over their usual size
#: nearby, so that weak ones count as much as strong ones, and the flux itself
BLOCKS = ("tokens", "embedding", "levels", "lines", "contrast", "flux")
#: one block more, of weights whose heads have something to say
HEADS = "heads"
#: errors that heads state of these numbers: no map reads them, but they say how far a head is to be trusted
ERRORS = "errors"
#: and one of sets that have vectors beside their spectra
VECTORS = "vectors"
#: wavelengths around which tokens are averaged
N_NODES = 24
#: pixels of lines and flux, and the least width of one in ln(wavelength): 135 km/s
N_PIXELS, FINEST = 2048, 4.5e-4
#: width in ln(wavelength) of the running mean that lines are relative to
CONTINUUM = 0.02
#: parts of the grid within which the usual size of lines is measured, and the least there is
NEARBY, LEAST_LINE = 60, 0.01
#: per cent of the spectra of a training set that may end within its range of wavelengths, on either side; and of
#: sequences along other axes, which may have very unlike lengths
REACH, REACH_OTHERS = 10, 50
#: least pixels of a grid of spectra, and of sequences
LEAST_GRID, LEAST_OTHERS = 32, 4
#: width of the running mean of sequences, as a share of the grid
SHARE_CONTINUUM = 0.05
#: memory for what was read of the spectra of a set, in bytes
MOST_KEPT = 2**28


@dataclass(frozen=True)
class Reading:
    """What is kept of one spectrum that went through the network.

    Attributes
    ----------
    centre : ndarray of float32, shape (T,)
        ln(wavelength) of its good tokens.
    learned : ndarray of float16, shape (T, W)
        What the transformer made of each.
    level : ndarray of float32, shape (T,)
        Mean flux of each over the scale of the spectrum.
    embedding : ndarray of float32, shape (E,)
    solutions : tuple
        As of `~astro_spectok.engine.EncodedSpectrum`.
    said : ndarray of float32, shape (k,), or None
        What heads say of it; None if they were not asked.
    errors : ndarray of float32, shape (k,), or None
        What they state as the error of each.
    """

    centre: np.ndarray
    learned: np.ndarray
    level: np.ndarray
    embedding: np.ndarray
    solutions: tuple = ()
    said: np.ndarray | None = None
    errors: np.ndarray | None = None

    @property
    def size(self):
        """Bytes that it takes."""
        return sum(x.nbytes for x in vars(self).values() if isinstance(x, np.ndarray))


@dataclass(frozen=True)
class FeatureGrid:
    """The wavelengths at which spectra are read.

    Attributes
    ----------
    low, high : float
        ln(vacuum Angstrom), in the rest frame where ``frame`` says so.
    n_nodes, n_pixels : int
    frame : {'observed', 'rest'}
    """

    low: float
    high: float
    n_nodes: int
    n_pixels: int
    frame: str

    @classmethod
    def of_batch(cls, batch, frame):
        """The grid that most spectra of a batch fill: nine of ten reach either end.

        Raises
        ------
        ValueError
            No spectrum can be used, or they have no wavelengths in common.
        """
        ends = np.array([_find_ends(batch, i) for i in np.flatnonzero(batch.lengths)]).reshape(-1, 2)
        if not len(ends):
            msg = "X must hold at least one spectrum that can be used; got none"
            raise ValueError(msg)
        axis = batch.axis
        reach = REACH if axis.is_light else REACH_OTHERS
        low, high = np.percentile(ends[:, 0], 100 - reach), np.percentile(ends[:, 1], reach)
        if high - low < (LEAST_GRID if axis.is_light else LEAST_OTHERS) * FINEST:
            what, share = ("spectra that share wavelengths", "nine") if axis.is_light else ("like sequences", "five")
            msg = (
                f"X must hold {what}; {share} of ten begin below {axis.to_native(low):.5g} {axis.unit} and end above "
                f"{axis.to_native(high):.5g}; fit one estimator for each instrument"
            )
            raise ValueError(msg)
        return cls(float(low), float(high), N_NODES, int(min(N_PIXELS, (high - low) / FINEST)), frame)

    @property
    def edges(self):
        """Edges of the pixels, ndarray of shape (n_pixels + 1,)."""
        return np.linspace(self.low, self.high, self.n_pixels + 1)


def _find_ends(batch, i):
    good = np.flatnonzero(batch.ivar[batch.pixels(i)] > 0)
    return batch.coordinate(i)[good[[0, -1]]]


def read_set(spectra, runner, frame, *, network_key=None, heads=False, progress=None):
    """Spectra as the network takes them, and what it makes of each.

    Parameters
    ----------
    spectra : `~astro_spectok.adapt.SpectrumSet`
    runner : `~astro_spectok.engine.Runner`
    frame : {'observed', 'rest'}
    network_key : str, optional
        What identifies the network, if it is not that of the weights.
    heads : bool, optional
        Whether heads are asked what they say of each spectrum.
    progress : bool, optional

    Returns
    -------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    readings : list of Reading or None
        None where a spectrum could not be used.
    flags : ndarray of int64, shape (n,)
        Bits of `~astro_spectok.spectra.InputFlag`.
    messages : list of str
    """
    batch = shift_to_rest(spectra.batch, spectra.redshift) if frame == "rest" else spectra.batch
    batch = fit_batch(batch, Domain.from_weights(runner.loaded))
    key = runner.loaded.sha256, network_key, frame
    kept = spectra._shared.setdefault(key, {})
    rows = spectra._rows
    missing = np.array([i for i in range(len(batch)) if rows[i] not in kept and batch.lengths[i]], np.int64)
    flags = np.array(batch.flags, np.int64)
    contained = Containment(batch.take(missing), flags[missing], single=False)
    found = {}
    for j, encoded in contained.run(lambda part, _: runner.encode(part, progress=progress)):
        with contained.member(j):
            found[rows[missing[j]]] = _keep(encoded, runner.network.config.width)
    for j in contained.failed:
        kept[rows[missing[j]]] = contained.messages[j]
    if heads:
        _add_said(batch, rows, found, kept, runner, spectra.redshift, frame)
    room = MOST_KEPT - sum(x.size for x in kept.values() if isinstance(x, Reading))
    for row, reading in found.items():
        room -= reading.size
        if room > 0:
            kept[row] = reading
    readings, messages = [], [info.message for info in batch.info]
    for i in range(len(batch)):
        reading = found.get(rows[i], kept.get(rows[i])) if batch.lengths[i] else None
        if isinstance(reading, str):
            flags[i] |= int(InputFlag.FAILED)
            messages[i], reading = reading, None
        if reading is not None and spectra.vectors is not None and not np.isfinite(spectra.vectors[i]).all():
            flags[i] |= int(InputFlag.BAD_INPUT)
            messages[i], reading = "vectors must be finite numbers; got NaN or infinite ones; leave the row out", None
        readings.append(reading)
    return batch, readings, flags, messages


def _add_said(batch, rows, found, kept, runner, redshift, frame):
    """Ask heads about all spectra of a batch of which they have not been asked; what they say is added in place."""
    places = [
        i for i, row in enumerate(rows)
        if batch.lengths[i] and isinstance(one := found.get(row, kept.get(row)), Reading) and one.said is None
    ]  # fmt: skip
    if not places:
        return
    readings = [found.get(rows[i], kept.get(rows[i])) for i in places]
    ln_doppler = np.zeros(len(places)) if frame == "rest" else np.log1p(redshift[places])
    solutions = [one.solutions for one in readings]
    said, errors = ask_heads(batch.take(np.array(places)), solutions, runner, ln_doppler, redshift[places])
    for i, reading, numbers, stated in zip(places, readings, said, errors, strict=True):
        (kept if rows[i] in kept else found)[rows[i]] = replace(reading, said=numbers, errors=stated)


def _keep(encoded, width):
    good = encoded.good
    learned = encoded.values[good, 2:width]
    require_finite("tokens", learned, encoded.embedding)
    largest = float(np.finfo(np.float16).max)
    return Reading(
        encoded.geometry[good, 0].astype(np.float32),
        np.clip(learned, -largest, largest).astype(np.float16),
        np.sinh(encoded.values[good, 0]).astype(np.float32),
        encoded.embedding,
        encoded.solutions,
    )


def make_blocks(batch, readings, grid, vectors=None, *, heads=False):
    """Blocks of numbers of the spectra that were read.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    readings : list of Reading or None
    grid : FeatureGrid
    vectors : ndarray, shape (n, E), optional
        What stands beside the spectra, a block of its own.
    heads : bool, optional
        Whether what heads say is one, too.

    Returns
    -------
    blocks : dict of str to ndarray of float32, shape (n, d)
        By the names of `BLOCKS`, `HEADS` and `ERRORS` where they are wanted, and `VECTORS` where there are any; NaN
        where a spectrum has nothing to say, and in all of those that were not read.
    coverage : ndarray of float64, shape (n,)
        Share of the grid that each spectrum fills.
    """
    rows = [i for i, reading in enumerate(readings) if reading is not None]
    made = {name: [] for name in BLOCKS}
    coverage = np.zeros(len(batch))
    for i in rows:
        flux, known, size = _resample(batch, i, grid)
        coverage[i] = known.mean()
        made["flux"].append(np.where(known, flux * size, np.nan))
        lines = _flatten(flux, grid) if batch.axis.is_light else _subtract_mean(flux, grid)
        made["lines"].append(np.where(known, lines * size, np.nan))
        usual = np.sqrt(uniform_filter1d(lines**2, max(grid.n_pixels // NEARBY, 8)) + LEAST_LINE**2)
        made["contrast"].append(np.where(known, lines / usual, np.nan))
        made["tokens"].append(_average(readings[i], readings[i].learned.astype(np.float32), grid).ravel())
        level = _average(readings[i], readings[i].level[:, None], grid)[:, 0]
        made["levels"].append(np.arcsinh(level) - np.nanmean(np.arcsinh(level)) if np.isfinite(level).any() else level)
        made["embedding"].append(readings[i].embedding)
    blocks = {}
    for name, values in made.items():
        width = len(values[0]) if values else 0
        blocks[name] = np.full((len(batch), width), np.nan, np.float32)
        if values:
            blocks[name][rows] = values
    for name, kept in ((HEADS, "said"), (ERRORS, "errors")) if heads and rows else ():
        values = [getattr(readings[i], kept) for i in rows]
        blocks[name] = np.full((len(batch), len(values[0])), np.nan, np.float32)
        blocks[name][rows] = values
    if vectors is not None:
        blocks[VECTORS] = np.full(vectors.shape, np.nan, np.float32)
        blocks[VECTORS][rows] = vectors[rows]
    return blocks, coverage


def _average(reading, values, grid):
    """Values (T, d) of tokens averaged around the nodes, (n_nodes, d); NaN where there are none."""
    nodes = np.linspace(grid.low, grid.high, grid.n_nodes)
    spacing = nodes[1] - nodes[0]
    distance = (reading.centre - nodes[:, None]) / (0.5 * spacing)
    weight = np.exp(-0.5 * np.minimum(distance**2, 200)).astype(np.float32)
    # a token may be wider than the spacing: the nearest counts as well
    near = np.abs(reading.centre - nodes[:, None]).min(1) if len(reading.centre) else np.full(len(nodes), np.inf)
    width = np.median(np.diff(reading.centre)) if len(reading.centre) > 1 else spacing
    there = near <= max(1.5 * spacing, width)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weight @ values) / (weight.sum(1, keepdims=True) + 1e-30)
    return np.where(there[:, None], means, np.nan).astype(np.float32)


def _resample(batch, i, grid):
    """Flux of a spectrum over its median absolute one on the pixels of the grid, those it reaches, and its size.

    The size of a spectrum of light is 1: it says how far an object is. That of any other sequence is what it is divided
    by, in base units, since it may be what is to be learned.
    """
    ivar = batch.ivar[batch.pixels(i)]
    good = ivar > 0
    x = batch.coordinate(i)[good]
    flux = batch.flux[batch.pixels(i)][good].astype(np.float64)
    edges, number = grid.edges, grid.n_pixels
    centre = (edges[1:] + edges[:-1]) / 2
    place = np.digitize(x, edges) - 1
    inside = (place >= 0) & (place < number)
    count = np.bincount(place[inside], minlength=number)
    total = np.bincount(place[inside], weights=flux[inside], minlength=number)
    known = count > 0
    if known.sum() > number // 2:
        values = np.interp(centre, centre[known], total[known] / count[known])
    else:  # pixels wider than those of the grid, or a small part of it
        values = np.interp(centre, x, flux)
    # between good pixels values are interpolated, unless a gap is wide
    gap = np.searchsorted(x, centre)
    left, right = x[np.clip(gap - 1, 0, len(x) - 1)], x[np.clip(gap, 0, len(x) - 1)]
    step = np.median(np.diff(x)) if len(x) > 1 else 0
    widest = CONTINUUM if batch.axis.is_light else 0.0
    known = (centre >= x[0] - step) & (centre <= x[-1] + step) & (right - left < max(4 * step, widest))
    scale = np.median(np.abs(values[known])) if known.any() else 0
    scale = scale if scale > 0 else 1
    size = 1.0 if batch.axis.is_light else scale * _find_size(batch, i)
    return np.clip(values / scale, -20, 50), known, size


def _find_size(batch, i):
    """What the values of a sequence in a batch are to be multiplied by, to be those given in base units."""
    try:
        return batch.scale[i] * batch.info[i].flux_unit.decompose().scale
    except (AttributeError, TypeError, u.UnitsError):  # units that are none, or logarithmic
        return batch.scale[i]


def _subtract_mean(flux, grid):
    """Values less their running mean, which need not be positive as a continuum is."""
    return flux - gaussian_filter1d(flux, SHARE_CONTINUUM * grid.n_pixels)


def _flatten(flux, grid):
    """Flux over its running mean, less one, at a resolving power of about 1000."""
    step = (grid.high - grid.low) / grid.n_pixels
    smooth = gaussian_filter1d(flux, 1 / 1500 / FWHM_PER_SIGMA / step) if step < 4e-4 else flux
    continuum = gaussian_filter1d(flux, CONTINUUM / step)
    floor = 0.1 * np.median(np.abs(flux))
    with contextlib.suppress(FloatingPointError):
        return np.clip(smooth / np.maximum(np.abs(continuum), max(floor, 1e-6)) - 1, -1.5, 3)
    return np.zeros_like(flux)
