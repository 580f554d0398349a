# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`simulate_like`: labelled spectra of the simulator, as the instrument of other spectra would give them."""

from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.adapt.spectrum_set import SpectrumSet

__all__ = ["simulate_like"]

#: pixels per resolution element where the resolving power is not known; fewest pixels of an instrument
SAMPLED, LEAST = 2.5, 64
#: per cent of the signal-to-noise ratios of the spectra that lie below and above those that are drawn
TAIL = 5
#: objects that are drawn at once
AT_ONCE = 64


def simulate_like(
    obj: Any,
    n: int,
    *,
    family: str = "stars",
    seed: int = 0,
    data: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
) -> tuple[SpectrumSet, QTable]:
    """Labelled spectra of the simulator, through an instrument like that of other spectra.

    Each has the pixels, gaps, and resolving power of one of the spectra that are given, and a signal-to-noise ratio
    within their range. Resolving powers that are not known are taken to be those of two and a half pixels. They are
    what ``simulated`` of `SpectrumRegressor.fit` and `SpectrumClassifier.fit` takes.

    Parameters
    ----------
    obj
        Spectra in any form, as for `SpectrumSet`.
    n : int
        How many are made.
    family : str, optional
        'stars', 'galaxies' or 'quasars', or another of ``astro_spectok.simulate.FAMILIES``.
    seed : int, optional
        The same seed gives the same spectra.
    data : path-like, optional
        Directory of the public template sets; without it, templates are analytic, which are coarser, and stars have
        no labels but their types.
    medium, resolution
        As for `SpectrumSet`.

    Returns
    -------
    spectra : SpectrumSet
        In vacuum, with the redshifts that they were made with.
    labels : `~astropy.table.QTable`
        Of each what is known: ``kind``, ``spectype``, ``z``, and of stars ``teff``, ``logg``, ``fe_h``, ``alpha_fe``,
        of galaxies ``age``, ``metallicity``, ``a_v``, ``sigma_v`` and ``ew_*``, with units; columns that are unknown of
        all are left out.

    Raises
    ------
    ValueError
        ``n`` is not positive, there is no such family, or no spectrum can be used or reached by the templates.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.adapt.simulated import simulate_like
    >>> wavelength = np.linspace(4000, 7000, 900) * u.AA
    >>> own = [(wavelength, np.ones(900) * u.Jy, np.full(900, 0.05) * u.Jy)]
    >>> spectra, labels = simulate_like(own, 3, family="galaxies", medium="vacuum")
    >>> len(spectra), labels["age"].unit, bool((labels["z"] > 0).all())
    (3, Unit("Gyr"), True)
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        msg = f"n must be a positive integer; got {n!r}"
        raise ValueError(msg)
    batch = SpectrumSet(obj, medium=medium, resolution=resolution).batch
    from astro_spectok.simulate import Survey
    from astro_spectok.simulate.rows import TRUTH, list_objects

    usable = [i for i in range(len(batch)) if np.count_nonzero(batch.ivar[batch.pixels(i)] > 0) >= LEAST]
    if not usable:
        msg = f"obj must hold a spectrum of at least {LEAST} good pixels; got none"
        raise ValueError(msg)
    made = [_make_instrument(batch, i) for i in usable]
    low, high = np.percentile([_measure_snr(batch, i) for i in usable], [TAIL, 100 - TAIL])

    def choose(rng, first, last, max_pixels):
        instrument = made[rng.integers(len(made))]
        inside = np.flatnonzero((instrument.left >= first) & (instrument.right <= last))
        if len(inside) < max(LEAST, 0.6 * len(instrument)):
            return None
        return instrument.crop(int(inside[0]), int(inside[-1]) + 1)

    survey = Survey(data, families=(family,), snr=(max(low, 0.3), max(high, low, 0.3) * 1.001))
    rows: list[Any] = []
    part = 0
    while len(rows) < n:
        groups = survey.draw(min(AT_ONCE, n - len(rows)), [seed, part], instruments=[choose])
        rows += [views[0] for group in groups for views in list_objects(group)]
        part += 1
    spectra = [_give_unit(row) for row in rows]
    truths = {name: np.array([row.truth.get(name, np.nan) for row in rows]) for name in TRUTH}
    labels = QTable()
    for name in ("kind", "spectype", "z", *(name for name, (kind, *_) in TRUTH.items() if kind is float)):
        values, unit = truths[name], TRUTH[name][2]
        unknown = values.dtype.kind == "f" and not np.isfinite(values).any()
        if name not in labels.colnames and not unknown and name not in ("wave_min", "wave_max"):
            labels[name] = values if unit is None else values * unit
    sharp = [float(np.median(row.resolution)) for row in rows]
    redshift = truths["z"].astype(float)
    return SpectrumSet(spectra, medium="vacuum", resolution=sharp, redshift=redshift), labels


def _make_instrument(batch, i):
    """The instrument of one spectrum of a batch."""
    from astro_spectok.simulate.instruments import Instrument

    good = batch.ivar[batch.pixels(i)] > 0
    wavelength = batch.wavelength[batch.grid(i)]
    middle = (wavelength[1:] + wavelength[:-1]) / 2
    edges = np.concatenate([[2 * wavelength[0] - middle[0]], middle, [2 * wavelength[-1] - middle[-1]]])
    pixel = np.diff(np.log(edges))
    # a gap is no wide pixel
    usual = np.median(pixel)
    half = wavelength * np.minimum(pixel, 3 * usual) / 2
    sharp = None if batch.resolution is None else batch.resolution[batch.grid(i)]
    assumed = 1 / (SAMPLED * np.minimum(pixel, 3 * usual))
    sharp = assumed if sharp is None else np.where(np.isfinite(sharp), sharp, assumed)
    size = int(good.sum())
    return Instrument(
        "theirs", (wavelength - half)[good], (wavelength + half)[good], sharp[good].astype(np.float32),
        np.zeros(size, np.int64), np.linspace(0, 1, size, dtype=np.float32),
    )  # fmt: skip


def _measure_snr(batch, i):
    """Median signal-to-noise ratio of the good pixels, of the absolute flux."""
    flux, ivar = batch.flux[batch.pixels(i)], batch.ivar[batch.pixels(i)]
    return float(np.median(np.abs(flux[ivar > 0]) * np.sqrt(ivar[ivar > 0])))


def _give_unit(row):
    """A simulated row as a tuple of arrays with units; bad pixels have no weight."""
    good = row.ivar > 0
    sigma = np.full(len(row.ivar), np.inf)
    sigma[good] = row.ivar[good].astype(float) ** -0.5
    unit = u.Unit("1e-17 erg / (s cm2 AA)")
    return row.wavelength * u.AA, np.where(good, row.flux, np.nan) * unit, sigma * unit
