# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The public sets of stars, brought to rest, cleaned and laid on one grid."""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import Akima1DInterpolator
from scipy.ndimage import binary_erosion, gaussian_filter1d, uniform_filter1d

from astro_spectok.simulate.objects import STELLAR_LABELS, RestGrid
from astro_spectok.simulate.public_sets import MARGINS
from astro_spectok.simulate.star_names import name_star
from astro_spectok.simulate.stellar_types import find_type, find_type_of_teff, guess_log_teff
from astro_spectok.simulate.stellar_zero_points import find_telluric, measure_zero_points
from astro_spectok.simulate.templates import lay_on_grid
from astro_spectok.spectra import convert_to_vacuum

__all__ = ["INFRARED", "OPTICAL", "STAR_SETS", "WIDE", "StarSet", "StoredStars", "find_drowned", "read_stars"]

log = logging.getLogger(__name__)


def _make_grid(low, high, step):
    return RestGrid(float(np.log(low)), step, int(np.log(high / low) / step) + 1)


#: for sets of R about 2000, of R about 500, and of R about 100
OPTICAL = _make_grid(3001.0, 10998.0, 1e-4)
WIDE = _make_grid(900.0, 30000.0, 5e-4)
INFRARED = _make_grid(5200.0, 26500.0, 1e-3)
#: shifts below 10 km/s are as likely to be the references'
_LEAST_SHIFT = 3.3e-5


@dataclass(frozen=True)
class StarSet:
    """Reading instructions of a public set.

    Attributes
    ----------
    name : str
    sigma : float
        Resolution, in ln(wavelength); never finer than two pixels per FWHM.
    air : bool
        Whether its wavelengths are in air.
    zero : {'exact', 'published', 'unknown', 'coarse'}
        How far it is to be trusted to be at rest: 'exact' is not measured, 'published' stays where it cannot be
        measured, 'unknown' is dropped there, 'coarse' is never dropped.
    skip : tuple of str
        Drops the stars whose name or type contains one of these.
    telluric : bool
        Whether absorption of the atmosphere was left in: then those bands count as bad, as they must not move with
        the star.
    sharp : float
        Resolution as observed, of a set that is broadened to ``sigma``; 0 for others.
    margin : int
        Pixels beside gaps that count as bad, too.
    named : str
        Column with the names of the stars.
    """

    name: str
    sigma: float
    air: bool = False
    zero: str = "exact"
    skip: tuple = ()
    telluric: bool = False
    sharp: float = 0.0
    margin: int = 0
    named: str = "id"


#: resolutions: README of each set; Le Borgne+2003 (STELIB), Falcon-Barroso+2011 (MILES), Kesseli+2017 (PyHammer),
#: Valdes+2004 (CFLIB), Jacoby+1984
STAR_SETS = {
    entry.name: entry
    for entry in (
        # those with a name in brackets are the idlspec2d set again
        StarSet("redrock_archetypes", 1.0e-4, skip=("(",)),
        StarSet("idlspec2d_templates", 2.3e-4, zero="unknown", skip=("Elodie",)),
        StarSet("miles_real_stars", 2.1e-4, air=True, zero="published", named="origin"),
        # R = 5000 is more than the other libraries have; what lies beside its gaps is wrong
        StarSet(
            "cflib_real_stars",
            2.1e-4,
            air=True,
            zero="published",
            sharp=8.5e-5,
            margin=MARGINS["cflib_real_stars"],
            named="object",
        ),
        StarSet("jacoby_real_stars", 4.0e-4, air=True, zero="published", named="object"),
        StarSet("stelib_real_stars", 2.5e-4, air=True, zero="unknown", telluric=True),
        StarSet("pyhammer_sdss_stars", 2.3e-4, zero="published"),
        # those of Kesseli+2017 are the PyHammer set again
        StarSet("kast_optical_standards_real", 2.2e-4, zero="unknown", skip=("kesseli2017",), telluric=True),
        StarSet("kurucz_sdss_stds", 2.3e-4),
        # measured at -67 km/s as vacuum, at +9 as air
        StarSet("pickles_stars", 8.5e-4, air=True, zero="coarse"),
        StarSet("calspec_real_stars", 5.5e-4, zero="coarse"),
        StarSet("kurucz93_lowres", 2e-3),
        StarSet("btsettl_ultracool", 4e-3),
        StarSet("splat_spex_real", 4e-3),
    )
}
#: the ends of real spectra have glitches: so many pixels are dropped
_EDGE = 25
_LABEL_KEYS = {"teff": "teff", "logg": "logg", "fe_h": "feh", "alpha_fe": "alpha"}


@dataclass
class StoredStars:
    """n stars at rest on one grid.

    Attributes
    ----------
    grid : `~astro_spectok.simulate.objects.RestGrid`
    flux : float32 tensor, shape (n, N)
        Median 1; NaN where nothing is known.
    sigma : float32 tensor, shape (n,)
        Resolution in ln(wavelength).
    log_teff : float32 tensor, shape (n,)
        log10 of the temperature, guessed from the type where it is no label: it steers rotation and emission.
    kind : list of str
    member : int64 tensor, shape (n,)
        Number of the set that a star is from.
    labels : float32 tensor, shape (n, 4)
        `STELLAR_LABELS`; NaN where unknown.
    names : list of str
        As of `~astro_spectok.simulate.star_names.name_star`; set and number of those without a name.
    """

    grid: RestGrid
    flux: torch.Tensor
    sigma: torch.Tensor
    log_teff: torch.Tensor
    kind: list
    member: torch.Tensor
    labels: torch.Tensor
    names: list


def read_stars(store, names, grid, *, device="cpu"):
    """Read sets of stars.

    Wavelengths are brought to vacuum and to rest; stars whose rest frame cannot be trusted to 30 km/s are dropped.
    Bad pixels, and stretches where noise drowns the star, are NaN.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
    names : sequence of str
        Keys of `STAR_SETS`; those that are absent are left out.
    grid : `~astro_spectok.simulate.objects.RestGrid`
    device : str or `torch.device`, optional

    Returns
    -------
    StoredStars
    """
    parts = []
    bases = store.read("redrock_bases") if store.has("redrock_bases") else None
    for member, name in enumerate(n for n in names if store.has(n)):
        stars = _select(STAR_SETS[name], store.read(name))
        stars = _bring_to_rest(STAR_SETS[name], stars, bases)
        parts += [dict(star, member=member, flux=_lay(star, grid, STAR_SETS[name])) for star in stars]
    parts = [part for part in parts if np.isfinite(part["flux"]).mean() > 0.02]
    flux = np.array([part["flux"] for part in parts], np.float32).reshape(-1, grid.size)
    flux /= np.nanmedian(flux, axis=1, keepdims=True)

    def gather(key):
        return torch.tensor(np.array([part[key] for part in parts]), device=device)

    return StoredStars(
        grid=grid, flux=torch.from_numpy(flux).to(device), sigma=gather("sigma").float(),
        log_teff=gather("log_teff").float(), kind=[part["kind"] for part in parts], member=gather("member"),
        labels=gather("labels").float().reshape(-1, len(STELLAR_LABELS)), names=[part["name"] for part in parts],
    )  # fmt: skip


def _select(entry, arrays):
    """The usable stars of a set, each a dict of arrays."""
    offsets, n = arrays["offsets"], len(arrays["offsets"]) - 1
    names, stars_named = (arrays.get(key, np.full(n, "")) for key in ("id", entry.named))
    types, published = (arrays.get(key, np.full(n, "")) for key in ("sptype", "subclass"))
    labels = np.stack([arrays.get(key, np.full(n, np.nan)) for key in _LABEL_KEYS.values()], 1)
    labels[:, 0] = np.log10(labels[:, 0])
    stars = []
    for i in range(n):
        text = str(types[i]) or str(published[i])
        star = str(arrays["cls"][i]) == "STAR" and text != "EIGENVECTOR"
        if not star or any(word in f"{names[i]} {text}" for word in entry.skip):
            continue
        pixels = slice(int(offsets[i]), int(offsets[i + 1]))
        wavelength = (arrays["wave_shared"] if "wave_shared" in arrays else arrays["wave"][pixels]).astype(float)
        x = np.log(convert_to_vacuum(wavelength) if entry.air else wavelength)
        flux, ivar = arrays["flux"][pixels].astype(float), arrays["ivar"][pixels]
        rising = np.concatenate([[True], np.diff(x) > 0])
        x, flux, ivar = x[rising], flux[rising], ivar[rising]
        good = np.isfinite(flux) & (ivar > 0)
        if entry.zero != "exact":
            good[:_EDGE] = good[-_EDGE:] = False
        if entry.margin:
            good = binary_erosion(good, iterations=entry.margin, border_value=1)
        if entry.telluric:
            good &= ~find_telluric(np.exp(x))
        level = np.median(flux[good]) if np.count_nonzero(good) > 50 else 0.0
        if level <= 0:
            continue
        flux, step = np.where(good, flux / level, 0.0), np.median(np.diff(x))
        known = np.isfinite(labels[i, 0])
        kind = find_type_of_teff(10 ** labels[i, 0]) if known else find_type(text or str(names[i]))
        log_teff = labels[i, 0] if known else guess_log_teff(kind)
        stars.append({
            "x": x, "flux": flux, "good": good, "kind": kind, "log_teff": log_teff, "labels": labels[i],
            "step": step, "sigma": max(entry.sigma, 0.85 * step),
            "name": name_star(stars_named[i]) or f"{entry.name} {i}",
        })  # fmt: skip
    return stars


def _bring_to_rest(entry, stars, bases):
    """Shift stars to rest, and drop those that cannot be trusted to be there."""
    if entry.zero == "exact" or bases is None or not stars:
        return stars
    found = measure_zero_points([s["x"] for s in stars], [s["flux"] for s in stars], [s["good"] for s in stars], bases)
    kept = []
    for i, star in enumerate(stars):
        if star["kind"] == "star":
            # no white dwarf is bright enough for the sets without types
            star["kind"] = "B" if found.sptype[i] == "WD" else found.sptype[i]
            star["log_teff"] = guess_log_teff(star["kind"])
        trusted = found.measured[i] and found.consistent[i]
        if not trusted and (entry.zero == "unknown" or (entry.zero == "published" and not found.consistent[i])):
            continue
        # at low resolution only clear cases are corrected
        least = 1e-4 if entry.zero == "coarse" else _LEAST_SHIFT
        if trusted and abs(found.shift[i]) > least:
            star["x"] = star["x"] - found.shift[i]
        kept.append(star)
    moved = np.count_nonzero(found.measured & (np.abs(found.shift) > _LEAST_SHIFT))
    log.info("%s: %d of %d stars kept, %d shifted to rest", entry.name, len(kept), len(stars), moved)
    return kept


def _lay(star, grid, entry):
    """Flux of a star of a set on the grid, float32 (N,), NaN where unknown."""
    x, flux, good = star["x"], star["flux"], star["good"] & ~find_drowned(star["flux"], star["good"])
    target = grid.ln_wavelength().numpy()
    known = np.interp(target, x, good.astype(float), left=0, right=0) > 0.99
    if np.count_nonzero(good) < 20:
        return np.full(grid.size, np.nan, np.float32)
    if star["step"] > grid.ln_step:
        values = Akima1DInterpolator(x[good], flux[good])(target)
    else:
        values = lay_on_grid(x, np.interp(x, x[good], flux[good]), grid).numpy()
    if entry.sharp:
        values = gaussian_filter1d(np.nan_to_num(values), np.sqrt(entry.sigma**2 - entry.sharp**2) / grid.ln_step)
    return np.where(known, np.maximum(values, 0), np.nan).astype(np.float32)


def find_drowned(flux, good, *, width=100):
    """Pixels in stretches where the scatter from pixel to pixel exceeds half the flux itself."""
    width = min(width, len(flux))
    level = uniform_filter1d(np.where(good, flux, 0), width)
    jump = np.abs(np.diff(flux, append=flux[-1:])) * good
    return uniform_filter1d(jump, width) > 0.5 * np.maximum(level, 0)
