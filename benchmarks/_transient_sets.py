# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra of transients with their truth, and of what is none."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from astro_spectok.simulate.public_sets import has_errors, load_set
from astro_spectok.spectra import convert_to_vacuum
from astro_spectok.training.transient_types import name_object

__all__ = ["BROAD", "LITERATURE", "NONE", "Item", "group_type", "read_none", "read_ozdes", "read_superfit"]

#: the three groups that classifiers are compared in; IIb counts as II, as in the labels of the test set
BROAD = {
    "Ia": "Ia", "Iax": "Ia", "2002cx": "Ia", "II": "II", "IIn": "II", "IIb": "II", "Ib": "Ibc", "Ic": "Ibc",
    "Ic-BL": "Ibc", "Ibn": "Ibc",
}  # fmt: skip
#: types that objects of the superfit test set have in the literature where its own are coarser: Richmond et al. 1994,
#: AJ 107, 1022 (1993J); Pastorello et al. 2008, MNRAS 389, 955 (2008ax); Matheson et al. 2001, AJ 121, 1648 (1996cb,
#: 1997dd); Pastorello et al. 2008, MNRAS 389, 131 (2005la, Ibn with hydrogen)
LITERATURE = {
    "1993j": "IIb", "2008ax": "IIb", "1996cb": "IIb", "1997dd": "IIb", "2005la": "Ibn", "2002cx": "Iax",
}  # fmt: skip
#: sets without a transient, and whether their wavelengths are in air
NONE = {
    "sdss_boss_real": False, "sdss_more_real": False, "rodot_qso_real": False, "desi_andes_real": False,
    "lamost_real": False, "sixdf_real": True, "miles_real_stars": True, "splat_spex_real": False,
    "sdss_sky_real": False,
}  # fmt: skip
#: redshifts that spectra at rest are seen at
REDSHIFTS, SEED = (0.005, 0.15), 20


class Item(NamedTuple):
    """One spectrum: vacuum Angstrom, flux, sigma or None; type as labelled, object, redshift, phase, set."""

    wavelength: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray | None
    kind: str
    object: str
    z: float
    phase: float
    origin: str


def group_type(kind):
    """Ia, II or Ibc; '' for others."""
    return BROAD.get(kind, "")


def read_superfit(folder, *, limit=None):
    """Supernovae of the test set, each at a redshift that is drawn once for all."""
    spectra, columns = load_set(Path(folder) / "sn_superfit_real.npz")
    rng, out = np.random.default_rng(SEED), []
    for i, (wavelength, flux, ivar) in enumerate(spectra[:limit]):
        z = float(rng.uniform(*REDSHIFTS))
        good = (ivar > 0) & np.isfinite(flux)
        phase = float(columns["age"][i])
        item = wavelength[good] * (1 + z), flux[good].astype(float), None
        out.append(Item(*item, str(columns["subclass"][i]), name_object(columns["origin"][i]), z, phase, "superfit"))
    return out


def read_ozdes(folder, *, limit=None):
    """Faint supernovae in their hosts, with the redshift and the type of the survey; question marks are left out."""
    spectra, columns = load_set(Path(folder) / "ozdes_sn_real.npz")
    names = {"SNIa": "Ia", "Ia": "Ia", "SNII": "II", "II-P": "II", "SNIb": "Ib"}
    out = []
    for i, (wavelength, flux, ivar) in enumerate(spectra[:limit]):
        good = (ivar > 0) & np.isfinite(flux)
        kind = names.get(str(columns["subclass"][i]), "")
        item = np.asarray(wavelength)[good], flux[good].astype(float), ivar[good].astype(float) ** -0.5
        out.append(Item(*item, kind, str(columns["origin"][i]), float(columns["z"][i]), np.nan, "ozdes"))
    return out


def read_none(folder, name, *, limit=None):
    """Some spectra of a set of galaxies, quasars and stars; of what is labelled as none of these nothing is read."""
    spectra, columns = load_set(Path(folder) / f"{name}.npz")
    rows, out = np.random.default_rng(SEED).permutation(len(spectra))[:limit], []
    for i in np.sort(rows).tolist():
        wavelength, flux, ivar = (np.asarray(values, float) for values in spectra[i])
        good = (ivar > 0) & np.isfinite(flux)
        if np.count_nonzero(good) < 64:
            continue
        wavelength = convert_to_vacuum(wavelength) if NONE[name] else wavelength
        sigma = ivar[good] ** -0.5 if has_errors(ivar, good) else None
        cls = str(columns["cls"][i]) if "cls" in columns else ""
        out.append(Item(wavelength[good], flux[good], sigma, cls, f"{name} {i}", np.nan, np.nan, name))
    return out
