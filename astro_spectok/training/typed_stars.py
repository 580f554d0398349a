# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training set of a type head: simulated stars of all kinds, and stored real ones, as the head sees them."""

from pathlib import Path

import numpy as np
import torch

from astro_spectok.network import build_patches
from astro_spectok.simulate import Survey
from astro_spectok.simulate.public_sets import has_errors, load_set
from astro_spectok.simulate.stellar_types import find_type, number_types
from astro_spectok.spectra import convert_to_vacuum
from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["StoredSpectra", "TypeViews", "draw_simulated", "draw_views", "make_patches", "open_survey", "show_window"]

#: how often each family of stars is drawn: ultracool and infrared ones more than among all stars, whose types are few
SHARES = {
    "redrock": 0.30, "labelled": 0.16, "real": 0.17, "wide": 0.12, "ultracool": 0.13, "apogee": 0.09, "analytic": 0.03,
}  # fmt: skip
#: stored sets with types: how often each is drawn, and whether its wavelengths are in air
STORED = {
    "splat_spex_real": (0.45, False), "miles_real_stars": (0.2, True), "pyhammer_sdss_stars": (0.15, False),
    "idlspec2d_templates": (0.1, False), "pickles_stars": (0.05, True), "redrock_archetypes": (0.05, False),
    "jacoby_real_stars": (0.05, True),
}  # fmt: skip
#: share of stored spectra; how many are drawn, and seen, at once
STORED_SHARE, CHUNK, AT_ONCE = 0.25, 512, 32
#: signal-to-noise ratio that stored spectra are brought to, and how often
SNR, NOISY = (4.0, 200.0), 0.7
#: how often the ends are cut off, least part that remains, and how often pixels are joined
CUT, LEAST_PART, JOINED = 0.4, 0.35, 0.3
#: of the smooth factors that flux is multiplied by: standard deviations of the slope and the waves, and how often
SLOPE, WAVE, WAVES, WARPED = 0.25, 0.06, 5, 0.7
#: how often only a window of a spectrum is shown, how often it is one of those that surveys have (vacuum Angstrom: of
#: HERMES, of Gaia's and RAVE's Ca II triplet, of APOGEE), and the width of the others in ln(wavelength)
WINDOWED, USUAL, WIDTHS = 0.18, 0.5, (0.02, 0.6)
WINDOWS = (
    (4714, 4905), (5650, 5875), (6479, 6739), (7587, 7889), (8400, 8900), (8450, 8720), (15150, 16960), (3900, 5400),
)  # fmt: skip
LEAST_PIXELS = 48


class TypeViews:
    """Views of spectra, in half precision, and their types.

    Attributes
    ----------
    lines : float16 tensor, shape (n, 2, n_lines)
    broad : float16 tensor, shape (n, 3, n_broad)
    types : int64 tensor, shape (n,)
        Index into `~astro_spectok.simulate.STELLAR_TYPES`.
    """

    def __init__(self, parts):
        self.lines, self.broad = (torch.cat([part[k].half() for part in parts]) for k in (0, 1))
        self.types = torch.cat([part[2] for part in parts])

    def __len__(self):
        return len(self.types)


class StoredSpectra:
    """Real stars with types, as their files have them but for noise, calibration, range and sampling.

    Parameters
    ----------
    directory : path-like or None
        Of the public sets; those that are absent are left out.

    Attributes
    ----------
    sets : list
        What there is to be drawn from; may be empty.
    """

    def __init__(self, directory):
        self.sets, shares = [], []
        for name, (share, air) in STORED.items():
            path = None if directory is None else Path(directory) / f"{name}.npz"
            if path is not None and path.is_file():
                spectra, columns = load_set(path)
                texts = columns["sptype"] if "sptype" in columns else columns["subclass"]
                kinds = [find_type(str(text)) for text in texts]
                types = np.array(number_types(kinds, *[[np.nan] * len(kinds)] * 2))
                usable = (types >= 0) & (columns["cls"] == "STAR") & (texts != "EIGENVECTOR")
                rows = np.flatnonzero(usable)
                _, inverse, counts = np.unique(types[rows], return_inverse=True, return_counts=True)
                weights = 1 / np.sqrt(counts[inverse])
                self.sets.append((spectra, rows, types, weights / weights.sum(), air))
                shares.append(share)
        self.shares = np.array(shares) / max(np.sum(shares), 1e-9)

    def draw(self, n, rng):
        """Spectra as lists of ln(wavelength), flux, ivar, and types."""
        out = []
        while len(out) < n:
            spectra, rows, types, weights, air = self.sets[rng.choice(len(self.sets), p=self.shares)]
            i = rng.choice(rows, p=weights)
            made = _alter(*spectra[i], rng, air=air)
            if made is not None:
                out.append((*made, types[i]))
        return out


def _alter(wavelength, flux, ivar, rng, *, air):
    """ln(vacuum wavelength), flux and inverse variance of an altered spectrum; None where too little is left."""
    flux, ivar = flux.astype(float), ivar.astype(float)
    good = (ivar > 0) & np.isfinite(flux)
    x = np.log(convert_to_vacuum(wavelength.astype(float)) if air else wavelength.astype(float))
    rising = np.concatenate([[True], np.diff(x) > 0])
    known = has_errors(ivar, good)
    level = np.median(np.abs(flux[good])) if good.any() else 0.0
    if not level > 0:
        return None
    variance = np.where(good, 1 / np.where(good & known, ivar, 1.0), 0.0) if known else (0.005 * level) ** 2 * good
    x, flux, variance, good = x[rising], flux[rising], variance[rising], good[rising]
    if rng.random() < JOINED:
        x, flux, variance, good = _join(x, flux, variance, good, int(rng.integers(2, 5)))
    x = x + rng.normal(0, 60.0) / LIGHT_SPEED
    if rng.random() < CUT:
        length = rng.uniform(LEAST_PART, 1) * (x[-1] - x[0])
        start = x[0] + rng.random() * (x[-1] - x[0] - length)
        inside = (x >= start) & (x <= start + length)
        x, flux, variance, good = x[inside], flux[inside], variance[inside], good[inside]
    if np.count_nonzero(good) < 64:
        return None
    if rng.random() < NOISY:
        sigma = np.median(np.abs(flux[good])) * np.exp(-rng.uniform(*np.log(SNR)))
        added = sigma**2 * (0.5 + 0.5 * np.clip(np.abs(flux) / level, 0, 5))
        flux, variance = flux + rng.normal(0, 1, len(x)) * np.sqrt(added), variance + added
    if rng.random() < WARPED:
        factor = _draw_factor(x, rng)
        flux, variance = flux * factor, variance * factor**2
    return x, np.where(good, flux, 0), np.where(good, 1 / np.maximum(variance, (1e-4 * level) ** 2), 0)


def _join(x, flux, variance, good, number):
    """Means of so many neighbouring pixels."""
    n = len(x) // number * number
    weight = good[:n].reshape(-1, number)
    total = np.maximum(weight.sum(1), 1)
    flux, variance = ((y[:n].reshape(-1, number) * weight).sum(1) / total for y in (flux, variance))
    return x[:n].reshape(-1, number).mean(1), flux, variance / total, weight.any(1)


def _draw_factor(x, rng):
    """A smooth factor that a wrong calibration multiplies flux by."""
    position = (x - x[0]) / (x[-1] - x[0])
    number = np.arange(1, WAVES + 1)
    waves = (WAVE * rng.normal(size=WAVES) / number) @ np.cos(np.pi * number[:, None] * position)
    return np.exp(waves + SLOPE * rng.normal() * (x - x.mean()) / 0.5 * min(1.0, 0.5 / np.ptp(x)))


def show_window(x, flux, ivar, number, rng):
    """A spectrum and its type as they are given, or now and then a part of the spectrum."""
    if rng.random() > WINDOWED:
        return x, flux, ivar, number
    if rng.random() < USUAL:
        low, high = np.log(WINDOWS[rng.integers(len(WINDOWS))])
    else:
        width = np.exp(rng.uniform(*np.log(WIDTHS)))
        low = rng.uniform(x[0], max(x[-1] - width, x[0]))
        high = low + width
    inside = (x >= low) & (x <= high)
    if np.count_nonzero(ivar[inside] > 0) < LEAST_PIXELS:
        return x, flux, ivar, number
    return x[inside], flux[inside], ivar[inside], number


def open_survey(directory):
    """A survey of stars alone, drawn by `SHARES`."""
    survey = Survey(directory, families=("stars",))
    stars = survey.families["stars"]
    shares = np.array([SHARES[name] for name in stars.families])
    stars.shares = shares / shares.sum()
    return survey


def draw_simulated(survey, n, seed):
    """Simulated stars as lists of ln(wavelength), flux, ivar, and types; those of unknown type are left out."""
    out = []
    for group in survey.draw(n, seed):
        observation, types = group.observations[0], group.objects.stellar_type.tolist()
        for i, number in enumerate(types):
            present = observation.present[i]
            parts = (getattr(observation, name)[i][present].numpy() for name in ("ln_wavelength", "flux", "ivar"))
            x, flux, ivar = parts
            if number >= 0 and np.count_nonzero(ivar > 0) >= 32:
                out.append((x, flux, ivar, number))
    return out


def make_patches(spectra, patch):
    """`~astro_spectok.network.PatchBatch` of spectra, each ln(wavelength), flux and ivar."""

    def join(k, dtype):
        return torch.from_numpy(np.concatenate([one[k] for one in spectra])).to(dtype)

    offsets = torch.tensor(np.concatenate([[0], np.cumsum([len(one[0]) for one in spectra])]))
    return build_patches(join(0, torch.float64), join(1, torch.float32), join(2, torch.float32), offsets, patch)


def draw_views(view, survey, stored, n, seed, *, patch=32, report=None):
    """About ``n`` stars as a type head sees them.

    Parameters
    ----------
    view : `~astro_spectok.network.flux_view.FluxView`
    survey : `~astro_spectok.simulate.Survey`
        As of `open_survey`.
    stored : `StoredSpectra`
    n, seed : int
    patch : int, optional
        Pixels per token, of which the view does not depend.
    report : callable, optional
        Is given a text every five thousand stars.

    Returns
    -------
    TypeViews
    """
    rng, parts, done = np.random.default_rng(seed), [], 0
    chunk = min(CHUNK, n)
    n_stored = round(chunk * STORED_SHARE) if stored.sets else 0
    while done < n:
        spectra = draw_simulated(survey, chunk - n_stored, int(rng.integers(2**62))) + stored.draw(n_stored, rng)
        spectra = [show_window(*one, rng) for one in spectra]
        spectra.sort(key=lambda one: len(one[0]))
        for start in range(0, len(spectra), AT_ONCE):
            group = spectra[start : start + AT_ONCE]
            types = torch.tensor([int(one[3]) for one in group])
            with torch.inference_mode():
                patches = make_patches(group, patch)
                parts.append((*(x.half() for x in view(patches)), types))
        done += len(spectra)
        if report and done // 5000 > (done - len(spectra)) // 5000:
            report(f"drawn: {done} stars")
    return TypeViews(parts)
