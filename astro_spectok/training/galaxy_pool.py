# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated galaxies with labels: through instruments, as a head learns from them, and as starlight alone at rest."""

import numpy as np
import torch

from astro_spectok.simulate import Randomness, Survey
from astro_spectok.simulate.constants import LIGHT_SPEED
from astro_spectok.simulate.instruments import choose_instrument
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.populations import EMILES_SIGMA
from astro_spectok.training.rest_templates import (
    find_components,
    make_instrument,
    measure_left,
    scale_components,
    smooth,
)
from astro_spectok.training.typed_stars import make_patches
from astro_spectok.utils.constants import FWHM_PER_SIGMA

__all__ = ["GalaxyViews", "draw_galaxies", "draw_views", "make_stars"]

#: kinds of `astro_spectok.simulate.galaxies.KINDS` that optical spectra show the stars of; templates have no labels
LEFT_OUT = ("lyman-break", "template")
#: redshift up to which instruments are tried
FARTHEST = 1.3
#: km/s between which half of the velocity dispersions are drawn anew, evenly in the logarithm
DISPERSION = (45.0, 420.0)
#: share of the galaxies that are near and formed early: without them hardly any is older than 10 Gyr
NEAR = 0.12
#: galaxies that are drawn at once; patches of so many go through a view together
AT_ONCE, PART = 48, 16
#: least share of the bins of the lines that a spectrum must fill
LEAST_FILLED = 0.15
#: standard deviation of the redshift that a head is given, in ln(1 + z); how often resolving powers are shown
SHIFT, SHOWN = 1e-4, 0.5
#: width in ln(wavelength) of the continuum that starlight is over: that of `astro_spectok.galaxies.starlight`
CONTINUUM = 0.015
#: beyond the ends of the grid of starlight, so that its continuum is known there
BEYOND = 0.06


def draw_galaxies(galaxies, n, random, *, snr, instruments=None, sky=None, clean=False):
    """Galaxies whose stars are seen, each through an instrument.

    Parameters
    ----------
    galaxies : `~astro_spectok.simulate.galaxies.Galaxies`
    n : int
        How many are drawn; those that no instrument sees are left out.
    random : `~astro_spectok.simulate.Randomness`
    snr : (float, float)
        Of the signal-to-noise ratio per pixel, evenly in its logarithm.
    instruments : sequence of str, optional
        Names; those of training if not given.
    sky, clean
        As of `~astro_spectok.simulate.observe.observe`.

    Returns
    -------
    objects : `~astro_spectok.simulate.Objects`
    seen : `~astro_spectok.simulate.observe.Observation`
    chosen : list of `~astro_spectok.simulate.instruments.Instrument`
    snr : tensor, shape (B,)
        None of the four where nothing is left.
    """
    objects = galaxies.draw(n, random, near=NEAR)
    wanted = [i for i, kind in enumerate(objects.kind) if kind not in LEFT_OUT and objects.z[i] < FARTHEST]
    objects = objects.take(torch.tensor(wanted, dtype=torch.int64))
    wide = torch.exp(random.uniform(*np.log(DISPERSION), len(objects)))
    wide = torch.where(random.chance(0.5, len(objects)), wide, objects.sigma * LIGHT_SPEED)
    objects.sigma, objects.labels["sigma_v"] = (wide / LIGHT_SPEED).float(), torch.log10(wide).float()
    chosen, kept = [], []
    grid = objects.grid
    low, high = np.exp(grid.ln_start), np.exp(grid.ln_start + grid.ln_step * (grid.size - 1))
    for i, z in enumerate(objects.z.tolist()):
        instrument = choose_instrument(random.host, low * (1 + z), high * (1 + z), 8192, instruments)
        if instrument is not None and instrument.wavelength[0] < 7000 * (1 + z):
            chosen.append(instrument)
            kept.append(i)
    if not kept:
        return None
    objects = objects.take(torch.tensor(kept))
    level = torch.exp(random.uniform(*np.log(snr), len(objects)))
    return objects, observe(objects, chosen, level, random, sky=sky, clean=clean), chosen, level


class GalaxyViews:
    """Views of galaxies in half precision, with their labels.

    Attributes
    ----------
    lines : float16 tensor, shape (n, 2, n_lines)
    broad : float16 tensor, shape (n, 3, n_broad)
    labels : float32 tensor, shape (n, L)
    """

    def __init__(self, parts):
        self.lines, self.broad = (torch.cat([part[k] for part in parts]) for k in (0, 1))
        self.labels = torch.cat([part[2] for part in parts])

    def __len__(self):
        return len(self.labels)

    def take(self, index):
        """Some of them: a `GalaxyViews` of the rows ``index``."""
        return GalaxyViews([(self.lines[index], self.broad[index], self.labels[index])])


def draw_views(head, data, n, seed, *, snr, report=None):
    """About ``n`` galaxies as a head sees them.

    Parameters
    ----------
    head : `~astro_spectok.heads.galaxy.GalaxyHead`
    data : path-like or None
        Directory of the public template sets; None for analytic templates.
    n, seed : int
    snr : (float, float)
    report : callable, optional
        Is given a text every five thousand galaxies.

    Returns
    -------
    GalaxyViews
    """
    survey, random = Survey(data, families=("galaxies",)), Randomness(seed)
    galaxies, parts, done, said = survey.families["galaxies"], [], 0, 0
    while done < n:
        drawn = draw_galaxies(galaxies, AT_ONCE, random, snr=snr, sky=survey.sky)
        if drawn is None:
            continue
        objects, seen, *_ = drawn
        labels = torch.stack([objects.labels[name].float() for name in head.config.names], 1)
        usable = (seen.ivar > 0).sum(1) >= 64
        shift = (torch.log1p(objects.z) + random.normal(0, SHIFT, len(objects))).double()
        rows = sorted(torch.nonzero(usable)[:, 0].tolist(), key=lambda i: int(seen.present[i].sum()))
        for start in range(0, len(rows), PART):
            part = rows[start : start + PART]
            spectra = [
                tuple(getattr(seen, name)[i][seen.present[i]].numpy() for name in ("ln_wavelength", "flux", "ivar"))
                for i in part
            ]
            with torch.inference_mode():
                lines, broad = head.show(make_patches(spectra, 32), shift[part])
            kept = (lines[:, 1] > 0).float().mean(1) > LEAST_FILLED
            parts.append((lines[kept].half(), broad[kept].half(), labels[part][kept]))
            done += int(kept.sum())
        if report and done // 5000 > said:
            said = done // 5000
            report(f"drawn: {done} galaxies")
    return GalaxyViews(parts)


def make_stars(config, data, n, seed, *, report=None):
    """Mean and components of starlight over its continuum, without emission lines.

    Parameters
    ----------
    config : `~astro_spectok.heads.galaxy.GalaxyConfig`
    data : path-like or None
    n, seed : int
        Galaxies that are drawn.
    report : callable, optional

    Returns
    -------
    stars : ndarray of float16, shape (bins, 1 + K)
    sharp : float
        Resolving power that they have.
    """
    survey, random = Survey(data, families=("galaxies",)), Randomness([seed, 1])
    galaxies = survey.families["galaxies"]
    step, extra = config.stars_step, round(BEYOND / config.stars_step)
    sharp = 1 / (FWHM_PER_SIGMA * EMILES_SIGMA)
    limits = config.stars_low * np.exp(-extra * step), config.stars_high * np.exp((extra + 1) * step)
    instrument = make_instrument(limits, step, sharp)
    rows = []
    while len(rows) < n:
        objects = galaxies.draw(min(40, n), random, near=NEAR)
        # libraries of another sharpness would make components of it, by which any dispersion could be traded
        alike = (objects.template_sigma - EMILES_SIGMA).abs() < 1e-6
        objects = objects.take(torch.tensor([i for i, k in enumerate(objects.kind) if k != "template" and alike[i]]))
        objects.z, objects.sigma = torch.zeros_like(objects.z), torch.zeros_like(objects.sigma)
        objects.line_flux = torch.zeros_like(objects.line_flux)
        truth = observe(objects, [instrument] * len(objects), 1e5, random, clean=True).truth.numpy()
        good = np.ones(truth.shape[1], bool)
        rows += [(flux / smooth(flux, good, CONTINUUM / step) - 1).astype(np.float32) for flux in truth]
    rows = np.array(rows[:n])[:, extra : extra + config.stars_size]
    known = np.ones(rows.shape, bool)
    mean, basis, variance = find_components(rows, known, config.n_components)
    if report:
        report(f"starlight: the components leave {measure_left(rows, known, mean, basis):.5f} of the continuum")
    return scale_components(mean, basis, variance), sharp
