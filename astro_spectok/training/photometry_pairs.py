# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated objects as photometry sees them, without noise, beside what a network makes of one spectrum of each."""

from pathlib import Path

import numpy as np

from astro_spectok.align.features import read_features
from astro_spectok.simulate import CLASSES, Randomness, Survey
from astro_spectok.simulate.observe import observe
from astro_spectok.spectra import to_batch
from astro_spectok.training.observed import to_inputs, to_spectra
from astro_spectok.training.rest_templates import make_instrument

__all__ = [
    "INSTRUMENTS",
    "LN_WAVELENGTH",
    "continue_spectra",
    "continue_stars",
    "draw_pairs",
    "find_truth",
    "join_pairs",
    "read_pairs",
    "write_pairs",
]

#: of what is seen by photometry: range in vacuum Angstrom, width of a bin in ln(wavelength), resolving power
RANGE, STEP, RESOLUTION = (1200.0, 56000.0), 1.5e-3, 400.0
#: what spectra are seen through; most of them calibrated, as they are in archives
INSTRUMENTS = ("sdss", "boss", "desi", "lamost_lrs", "fors", "gaia_xp", "sedm")
FAMILIES = ("galaxies", "quasars", "stars")
#: signal-to-noise ratios of the spectra
SNR = (1.0, 50.0)
#: objects drawn at a time
CHUNK = 100
#: power of the wavelength, and its scatter, beyond the red end of what is known: stars at rest in the infrared, those
#: with warm dust of young stars, of a nucleus in its host, and of a bare one
SLOPES = {"old": (-3.7, 0.25), "young": (-3.1, 0.5), "host": (-2.2, 0.7), "bare": (-1.0, 0.5)}
OLD, HOST = ("passive", "post-starburst", "template"), ("agn", "broad-line galaxy")
#: second constant of radiation over 1 Angstrom, in K
RADIATION = 1.438777e8
#: power of the wavelength by which the infrared of a star is off that of a black body
BLACK_BODY = 0.15
#: bins that the level at the end of a spectrum is measured in
EDGE = 20

_INSTRUMENT = make_instrument(RANGE, STEP, RESOLUTION)
#: of the bins of ``truth``, float64
LN_WAVELENGTH = np.log(_INSTRUMENT.wavelength)


def continue_spectra(truth, objects, rng):
    """Continue spectra of galaxies and quasars to the red end of the grid as power laws.

    Parameters
    ----------
    truth : ndarray, shape (n, N)
        On `LN_WAVELENGTH`, per unit wavelength, NaN where nothing is known; changed in place.
    objects : `~astro_spectok.simulate.Objects`
    rng : `numpy.random.Generator`

    Notes
    -----
    Templates end at 2.8 micron at rest: beyond is an assumption, with scatter. Shortward of 600 Angstrom nothing is
    left.
    """
    x = LN_WAVELENGTH
    for i, row in enumerate(truth):
        known, draw = np.flatnonzero(np.isfinite(row)), rng.normal()
        if not len(known) or CLASSES[objects.cls[i]] == "STAR":
            continue
        first, last = known[0], known[-1]
        row[:first] = 0
        edge = slice(max(last - EDGE, first), last + 1)
        kind = objects.kind[i]
        name = "old" if kind in OLD else "host" if kind in HOST else "bare" if objects.cls[i] == 1 else "young"
        slope, width = SLOPES[name]
        row[last + 1 :] = np.nanmedian(row[edge]) * np.exp((slope + width * draw) * (x[last + 1 :] - x[edge].mean()))


def continue_stars(truth, seed=0):
    """Continue spectra of stars to both ends of the grid, as far as stars like them allow.

    Parameters
    ----------
    truth : ndarray, shape (n, N)
        Of stars; a copy is changed.
    seed : int, optional

    Returns
    -------
    ndarray of float64, shape (n, N)
        To the red as the black body that is nearest to what is known longward of 5000 Angstrom; to the blue, as far as
        3000 Angstrom, as the star that is most like it elsewhere.

    Notes
    -----
    Most libraries of stars end at 1.1 micron. Black bodies are rough for the infrared, worst for the coolest.
    """
    truth, rng = np.array(truth, np.float64), np.random.default_rng(seed)
    x, wavelength = LN_WAVELENGTH, np.exp(LN_WAVELENGTH)
    both = np.flatnonzero((wavelength > 3650) & (wavelength < 7300))[::20]
    seen = np.isfinite(truth[:, both]) & (truth[:, both] > 0)
    shapes = np.log(truth[:, both], where=seen, out=np.full(seen.shape, np.nan))
    shapes -= shapes.mean(1, keepdims=True)
    start = np.searchsorted(wavelength, 3050)
    donors = np.flatnonzero(np.isfinite(truth[:, start]) & np.isfinite(shapes).all(1))
    temperatures = np.geomspace(2000, 40000, 60)
    hot = RADIATION / temperatures[:, None]
    bodies = -5 * x - np.log(np.expm1(np.minimum(hot / wavelength, 600)))  # (60, N)
    for i, row in enumerate(truth):
        known = np.flatnonzero(np.isfinite(row) & (row > 0))
        if len(known) < 2 * EDGE:
            continue
        first, last = known[0], known[-1]
        if first > start and len(donors) and np.isfinite(shapes[i]).all():
            like = donors[np.argmin(((shapes[donors] - shapes[i]) ** 2).sum(1))]
            edge = slice(first, first + EDGE)
            row[start:first] = truth[like, start:first] * np.nanmedian(row[edge]) / np.nanmedian(truth[like, edge])
        fitted = known[wavelength[known] > 5000]
        if len(fitted) < 2 * EDGE or last == len(x) - 1:
            continue
        left = np.log(row[fitted]) - bodies[:, fitted]
        body = bodies[np.argmin(left.std(1))]
        edge = slice(last - EDGE, last + 1)
        level = np.log(np.nanmedian(row[edge])) - body[edge].mean()
        tilt = BLACK_BODY * rng.normal() * (x[last + 1 :] - x[last])
        row[last + 1 :] = np.exp(body[last + 1 :] + level + tilt)
    return truth


def find_truth(objects, seed, k):
    """Spectra of objects as filters see them, without noise.

    Parameters
    ----------
    objects : `~astro_spectok.simulate.Objects`
    seed : sequence of int
    k : int
        Number of the group, so that each has random numbers of its own.

    Returns
    -------
    ndarray of float64, shape (n, N)
        On `LN_WAVELENGTH`, over its median; NaN where stars are not known.
    """
    random = Randomness([*seed, 1, k])
    seen = observe(objects, [_INSTRUMENT] * len(objects), 1e5, random, clean=True).truth.numpy().astype(np.float64)
    continue_spectra(seen, objects, np.random.default_rng([*seed, 2, k]))
    return seen / np.nanmedian(np.where(seen > 0, seen, np.nan), axis=1, keepdims=True)


def draw_pairs(data, n, seed, *, runner=None, snr=SNR, instruments=INSTRUMENTS, families=FAMILIES, survey=None):
    """Draw objects, without noise, and one spectrum of each through a network.

    Parameters
    ----------
    data : path-like or None
        Directory of the public template sets; None for analytic templates.
    n : int
    seed : sequence of int
    runner : `~astro_spectok.engine.Runner`, optional
        Of the weights whose tokens are wanted; without, no spectra are made.
    snr : (float, float), optional
    instruments, families : sequence of str, optional
    survey : `~astro_spectok.simulate.Survey`, optional
        One of these that was made before.

    Returns
    -------
    dict of str to ndarray
        ``truth`` (n, N) float16, over its median; ``cls``, ``z``, ``snr`` (n,); with a runner ``nodes`` (m, W)
        float16, ``place`` (m,), ``offsets`` (n + 1,) of the bins of `gather_nodes` that tokens fill, and ``redshift``
        (n, R) float16, the part of the embedding.
    """
    survey = survey or Survey(data, families=families, instruments=instruments, snr=snr)
    groups = survey.draw(n, list(seed))
    truth, cls, z, ratio, spectra = [], [], [], [], []
    for k, group in enumerate(groups):
        objects = group.objects
        truth.append(find_truth(objects, seed, k))
        cls, z, ratio = cls + objects.cls.tolist(), z + objects.z.tolist(), ratio + group.snr[0].tolist()
        if runner is not None:
            spectra += to_spectra(group.observations[0])
    most = float(np.finfo(np.float16).max)
    out = {
        "truth": np.clip(np.concatenate(truth), 0, most).astype(np.float16),
        "cls": np.array(cls, np.int8), "z": np.array(z), "snr": np.array(ratio, np.float32),
    }  # fmt: skip
    if runner is None:
        return out
    return out | read_features(runner, to_batch(to_inputs(spectra), medium="vacuum", on_error="flag")).arrays


def join_pairs(parts):
    """Several results of `draw_pairs` as one."""
    out = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "offsets"}
    if "offsets" in parts[0]:
        out["offsets"] = np.cumsum(np.concatenate([[0], *(np.diff(part["offsets"]) for part in parts)]))
    return out


def write_pairs(folder, data, n, seed, *, runner=None, report=None, **options):
    """Draw pairs in chunks, each a file; those that are there are left as they are.

    Parameters
    ----------
    folder : path-like
    data, runner, **options
        As of `draw_pairs`.
    n, seed : int
    report : callable, optional
        Is given a text now and then.

    Returns
    -------
    list of `~pathlib.Path`
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    survey, paths = None, []
    for k in range(-(-n // CHUNK)):
        path = folder / f"{'spectra' if runner else 'objects'}-{seed}-{k:04d}.npz"
        paths.append(path)
        if path.is_file():
            continue
        if survey is None:
            names = ("families", "instruments", "snr")
            defaults = dict(zip(names, (FAMILIES, INSTRUMENTS, SNR), strict=True)) | options
            survey = Survey(data, **{name: defaults[name] for name in names})
        part = draw_pairs(data, min(CHUNK, n - k * CHUNK), [seed, k], runner=runner, survey=survey)
        partial = path.with_suffix(".part")
        with open(partial, "wb") as stream:
            np.savez(stream, **part)
        partial.rename(path)
        if report and k % 10 == 9:
            report(f"{(k + 1) * CHUNK} objects")
    return paths


def read_pairs(paths):
    """What `write_pairs` wrote, as one."""
    parts = []
    for path in paths:
        with np.load(path) as part:
            parts.append(dict(part))
    return join_pairs(parts)
