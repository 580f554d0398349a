# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Public spectra of supernovae and other transients at rest, with one scheme of types for all sets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import estimate_noise

__all__ = ["TRANSIENT_SETS", "TransientSpectrum", "name_object", "read_transients"]

#: sets that are read, those that decide on types first
TRANSIENT_SETS = (
    "snid_sesne_real", "sn_superfit_real", "deepsip_snia_real", "osc_pre1990_real", "snidsage_rare_real",
)  # fmt: skip
#: types as the sets have them; what is not here is left out
_TYPES = {
    "Ia": "Ia", "2002cx": "Iax", "II": "II", "II P": "II", "IIb": "IIb", "Ib": "Ib", "Ib-norm": "Ib", "Ib-pec": "Ib",
    "Ic": "Ic", "Ic-norm": "Ic", "Ic-broad": "Ic-BL", "Ic-SL": "SLSN", "Ibn": "Ibn", "TDE-H": "TDE", "TDE-H-He": "TDE",
}  # fmt: skip
#: objects that sets of coarse types call II, Ib, Ic or other: Filippenko 1997, ARA&A 35, 309 (1987B, 1987K, 1987M,
#: 1988Z, 1997cy, 1998S); Kiewe et al. 2012, ApJ 744, 10 (2005cl, 2005cp, 2005db); Pastorello et al. 2008, MNRAS 389,
#: 113 (Ibn); Modjaz et al. 2016, ApJ 832, 108 (1997ef, 2002ap); Quimby et al. 2011, Nature 474, 487 (superluminous)
_OBJECTS = {
    "1987b": "IIn", "1988z": "IIn", "1997cy": "IIn", "1998s": "IIn", "2005cl": "IIn", "2005cp": "IIn", "2005db": "IIn",
    "1987k": "IIb", "1987m": "Ic", "2000er": "Ibn", "2002ao": "Ibn", "2006jc": "Ibn", "1998bw": "Ic-BL",
    "1997ef": "Ic-BL", "2002ap": "Ic-BL", "ptf09atu": "SLSN", "ptf09cnd": "SLSN", "ptf10nmn": "SLSN", "2005ap": "SLSN",
}  # fmt: skip
#: phases beyond are mistakes; spectra before were photographed
LATEST, FIRST_YEAR = 600.0, 1970
#: fewest pixels
FEWEST = 100


@dataclass(frozen=True)
class TransientSpectrum:
    """One spectrum of a transient at rest.

    Attributes
    ----------
    ln_wavelength : ndarray, shape (n,)
    flux, ivar : ndarray, shape (n,)
        ``ivar`` is estimated from the scatter of the flux; 0 in bad pixels.
    kind : str
        Type; '' where it is not known, or is none of those that are distinguished.
    object : str
        As of `name_object`.
    phase : float
        Days at rest since maximum light; NaN where unknown.
    origin : str
        Name of the set.
    """

    ln_wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    kind: str
    object: str
    phase: float
    origin: str


def name_object(name):
    """One name for an object that sets write differently.

    Examples
    --------
    >>> from astro_spectok.training.transient_types import name_object
    >>> name_object("SN1998bw"), name_object("sn1998bw"), name_object("PTF09cnd")
    ('1998bw', '1998bw', 'ptf09cnd')
    """
    name = str(name).strip().lower()
    return name[2:] if name.startswith("sn") and name[2:3].isdigit() else name


def read_transients(data, *, sets=TRANSIENT_SETS):
    """Spectra of transients at rest, of all sets there are.

    Parameters
    ----------
    data : path-like
        Directory of the public sets.
    sets : sequence of str, optional
        Names of them; the type of an object is that of the first set that it is in, but for a few that are known.

    Returns
    -------
    list of TransientSpectrum
    """
    out, kinds = [], {}
    for name in sets:
        path = Path(data) / f"{name}.npz"
        if not path.is_file():
            continue
        spectra, columns = load_set(path)
        objects = columns["object"] if "object" in columns else columns["origin"]
        for i, (wavelength, flux, ivar) in enumerate(spectra):
            one = name_object(objects[i])
            if name == "osc_pre1990_real" and not (one[:4].isdigit() and int(one[:4]) >= FIRST_YEAR):
                continue
            kind = _OBJECTS.get(one, _TYPES.get(str(columns["subclass"][i]), ""))
            kind = kinds.setdefault(one, kind)
            z = float(np.nan_to_num(columns["z"][i])) if "z" in columns else 0.0
            cleaned = _clean(wavelength, flux, ivar)
            if cleaned is not None and kind:
                x, flux, ivar = cleaned
                phase = _read_phase(columns, i)
                out.append(TransientSpectrum(x - np.log1p(z), flux, ivar, kind, one, phase, name))
    return out


def _read_phase(columns, i):
    phase = float(columns["age"][i])
    if not np.isfinite(phase) and str(columns.get("id", [""] * (i + 1))[i]).endswith(".max"):
        return 0.0
    return phase if abs(phase) <= LATEST else np.nan


def _clean(wavelength, flux, ivar):
    """ln(wavelength), flux and estimated ivar of the good pixels; None where there are too few."""
    wavelength, flux = np.asarray(wavelength, np.float64), np.asarray(flux, np.float64)
    good = (ivar > 0) & np.isfinite(flux) & (wavelength > 0)
    good[1:] &= np.diff(wavelength) > 0
    if np.count_nonzero(good) < FEWEST or not np.median(flux[good]) > 0:
        return None
    noise, kept = estimate_noise(np.where(good, flux, 0.0), good)
    kept = kept & (noise > 0)
    if np.count_nonzero(kept) < FEWEST:
        return None
    return np.log(wavelength[kept]), flux[kept], noise[kept] ** -2.0
