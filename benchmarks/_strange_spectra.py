# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra such as no telescope gives, and what must hold of them: finite or flagged, no harm to their neighbours."""

from functools import cache

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from numpy.testing import assert_allclose
from specutils import Spectrum

from astro_spectok import embed_table
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator

__all__ = ["check_spectra", "make_good", "make_strange"]

#: columns that are NaN only in a row with a flag, by table
GIVEN = {"redshift": ("z", "z_err", "p_best", "snr"), "stellar": ("p_star", "snr"), "embedding": ("embedding", "snr")}
FLAGS = {"redshift": "zwarn", "stellar": "warn", "embedding": "warn"}
RTOL = 2e-3


def make_good(seed=0, m=320):
    """An ordinary spectrum with lines."""
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(4000, 7000, m)
    flux = 1 + 0.5 * np.exp(-0.5 * ((wavelength - 5000 - 200 * seed) / 20) ** 2) + rng.normal(0, 0.05, m)
    return wavelength * u.AA, flux * u.Jy, np.full(m, 0.05) * u.Jy


def _pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def _scale(rng):
    """1 mostly, else any size that a float64 has."""
    return 1.0 if rng.random() < 0.4 else 10.0 ** rng.uniform(-300, 300)


def _damage(rng, values):
    """Put something strange into some pixels."""
    values = np.array(values, dtype=np.float64)
    for _ in range(rng.integers(0, 3)):
        where = rng.random(values.shape) < _pick(rng, 0.01, 0.1, 0.5, 1.0)
        values[where] = _pick(rng, np.nan, np.inf, -np.inf, 0.0, -1.0, 1e300, -1e300, 1e-320, 1e38)
    return values


def _make_axis(rng, m):
    """A spectral axis."""
    low = 10.0 ** rng.uniform(2.5, 5)
    axis = _pick(
        rng,
        lambda: np.linspace(3800, 9000, m),
        lambda: np.geomspace(low, low * 10.0 ** rng.uniform(1e-12, 2), m),
        lambda: np.linspace(low, low * (1 + 1e-13), m),
        lambda: np.repeat(np.linspace(4000, 6000, -(-m // 3)), 3)[:m],
        lambda: rng.permutation(np.linspace(4000, 6000, m)),
        lambda: np.full(m, 5000.0),
        lambda: rng.normal(0, 1e4, m),
    )()
    axis = axis * (1.0 if rng.random() < 0.8 else _scale(rng))
    axis = axis if rng.random() < 0.7 else _damage(rng, axis)
    return axis * _pick(rng, u.AA, u.AA, u.nm, u.Hz, u.eV, u.cm**-1, u.m)


def _make_flux(rng, m):
    """Flux of any size and type."""
    flux = _pick(
        rng,
        lambda: rng.normal(0, 1, m),
        lambda: 1 + 0.05 * rng.normal(0, 1, m),
        lambda: np.zeros(m),
        lambda: np.ones(m),
        lambda: (np.arange(m) == m // 2).astype(float),
        lambda: 10.0 ** rng.uniform(-30, 30, m),
        lambda: np.sin(np.arange(m)),
    )()
    flux = flux * _scale(rng)
    flux = flux if rng.random() < 0.6 else _damage(rng, flux)
    kind = _pick(rng, "f8", "f8", "f4", "f2", ">f8", "i4", "c16", "O", "?", "U8")
    with np.errstate(all="ignore"):
        return np.nan_to_num(flux).astype(kind) if kind in ("i4", "U8") else flux.astype(kind)


def _make_uncertainty(rng, m, unit):
    """An uncertainty of any kind and size, or None."""
    if rng.random() < 0.25:
        return None
    array = np.abs(rng.normal(1, 0.3, m)) * _scale(rng)
    array = array if rng.random() < 0.6 else _damage(rng, array)
    kind = _pick(rng, StdDevUncertainty, VarianceUncertainty, InverseVariance)
    return kind(array, unit={StdDevUncertainty: unit, VarianceUncertainty: unit**2, InverseVariance: unit**-2}[kind])


def make_strange(rng):
    """A strange spectrum, of any of the forms.

    Parameters
    ----------
    rng : `numpy.random.Generator`

    Returns
    -------
    object
    """
    m = int(_pick(rng, 0, 1, 31, 32, 33, 64, 100, 300))
    unit = _pick(rng, u.Jy, u.one, u.ct, u.erg / u.s / u.cm**2 / u.AA, u.ph / u.s / u.cm**2 / u.AA, u.K)
    axis, flux = _make_axis(rng, m), _make_flux(rng, m)
    uncertainty = _make_uncertainty(rng, m if rng.random() < 0.95 else m + 1, unit)
    form = rng.random()
    if form < 0.05:
        return _pick(rng, None, "spectrum", 7, [], {}, axis, (axis,), object(), [[1.0, 2.0]])
    if form < 0.15:
        return {"wavelength": axis, "flux": flux * unit if flux.dtype.kind in "fi" else flux, "ivar": np.ones(m)}
    if form < 0.4 and flux.dtype.kind in "fi":
        return (axis, flux * unit) if uncertainty is None else (axis, flux * unit, uncertainty)
    meta = {
        "resolution": _pick(rng, 2000, 1e-50, 1e50, -5, np.nan, "high", None, [1, 2], 2 * u.AA, 3 * u.K, np.ones(m)),
        "medium": _pick(rng, "air", "vacuum", 5, None, ["air"]),
        "header": _pick(rng, None, {}, "header", {"OBJECT": "a\nb\x00"}, {"OBJECT": 5, "VACUUM": np.ones(3)}, 7),
        "fibermap": _pick(rng, None, "fibermap", 3),
        "band": _pick(rng, None, "b", 3),
        "resolution_data": _pick(rng, None, 5, np.zeros((1, 11, m)), "none"),
    }
    try:
        return Spectrum(
            flux=u.Quantity(flux, unit), spectral_axis=axis, uncertainty=uncertainty, meta=meta,
            mask=_pick(rng, None, rng.random(m) < 0.2, rng.integers(0, 3, m)), redshift=_pick(rng, None, 0.1, 1e10),
        )  # fmt: skip
    except Exception:  # specutils itself refuses it
        return (axis, flux)


@cache
def _measure_good():
    """What two ordinary spectra are alone, by table."""
    return _measure([make_good(0), make_good(1)])


def _measure(spectra):
    return {
        "redshift": RedshiftEstimator(device="cpu").estimate(spectra, posterior=True),
        "stellar": StellarParameterEstimator(device="cpu", assume_star=True).estimate(spectra),
        "embedding": embed_table(spectra, device="cpu"),
    }


def check_spectra(seed):
    """Put strange spectra among good ones: nothing is raised, NaN is flagged, the good ones stay as they are.

    Parameters
    ----------
    seed : int

    Raises
    ------
    AssertionError
        One of these does not hold.
    """
    rng = np.random.default_rng(seed)
    strange = [make_strange(rng) for _ in range(4)]
    alone, tables = _measure_good(), _measure([make_good(0), *strange, make_good(1)])
    for kind, table in tables.items():
        assert len(table) >= len(strange) + 2 - sum(1 for one in strange if isinstance(one, list | dict | tuple))
        for name in GIVEN[kind]:
            values = np.asarray(getattr(table[name], "value", table[name]), dtype=np.float64).reshape(len(table), -1)
            lost = ~np.isfinite(values).all(axis=1)
            assert (table[FLAGS[kind]][lost] != 0).all(), f"{kind}: {name} is NaN without a flag"
            assert_allclose(values[[0, -1]], np.reshape(alone[kind][name], (2, -1)), rtol=RTOL, atol=RTOL, err_msg=name)
        for row in np.flatnonzero((table[FLAGS[kind]] & 512) != 0 if kind != "embedding" else table["warn"] >= 256):
            assert table["message"][row], f"{kind}: row {row} is flagged without a message"
