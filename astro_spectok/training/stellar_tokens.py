# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Networks of the stellar head for flux as tokens hold it, trained on labelled stars as these show them."""

import copy
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from astro_spectok.heads import StellarHead
from astro_spectok.heads.line_windows import USUAL_SNR
from astro_spectok.heads.stellar_loss import stellar_loss
from astro_spectok.network.detail import filter_detail, local_flux
from astro_spectok.network.level import patch_level
from astro_spectok.network.patches import build_patches
from astro_spectok.network.shown import find_noise
from astro_spectok.simulate import Randomness
from astro_spectok.simulate.observe import fill_unknown
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_library import choose_left_out, read_library
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.training.calibrate_stellar import fit_errors
from astro_spectok.training.rates import cosine_rate
from astro_spectok.training.stellar_lines import (
    CORRUPTED_DEPTH,
    LEAST_RESOLUTION,
    SAMPLING,
    VEIL,
    broaden_stars,
    cut_range,
    draw_calibration,
    draw_corruption,
    draw_sigma,
    flag_bad,
)

__all__ = ["FilteredViews", "add_filtered", "draw_filtered", "draw_views", "fit_token_errors", "train_filtered"]

#: how often pixels are even in wavelength, and in ln(wavelength) otherwise; finest and coarsest in ln(wavelength)
_LINEAR, _PIXELS = 0.5, (5e-5, 3e-3)
#: noise over that of bins for networks that read pixels; standard deviation of the logarithm of stated errors
_NOISIER, _MISSTATED = 1.3, 0.1
#: share of a pixel whose flux must be known; least mean flux
_KNOWN, _LEAST_LEVEL = 0.99, 1e-6
#: stars that are drawn at once, and views in a batch
_CHUNK, _BATCH = 64, 64
#: peak of the learning rate, steps until it is reached, decay, limit of the gradient, share of features forgotten
_RATE, _WARMUP, _DECAY, _CLIP, _DROPOUT = 1e-3, 20, 0.05, 1.0, 0.05
#: how often the noise is not known, as with tokens in files of earlier versions
_UNKNOWN_NOISE = 0.12
#: steps until it is said how far it has got
_REPORTED = 50


class FilteredViews(NamedTuple):
    """Stars in the optical window as tokens hold them.

    Attributes
    ----------
    contrast, covered, noise : ndarray, shape (n, N)
        As of `~astro_spectok.heads.line_windows.WindowReader`: float16, bool, float16.
    labels : float32 ndarray, shape (n, L)
        In the order of the labels of the head, NaN where unknown.
    """

    contrast: np.ndarray
    covered: np.ndarray
    noise: np.ndarray
    labels: np.ndarray

    def take(self, rows):
        """Some of them as float32 tensors."""
        return tuple(torch.from_numpy(np.asarray(part[rows], np.float32)) for part in self)


def draw_filtered(family, n, random, reader, network):
    """Contrasts of labelled stars as tokens hold them: observed in pixels of any width, cut to patches, and filtered.

    Parameters
    ----------
    family
        Draws stars with labels, as `~astro_spectok.simulate.stellar_grid.GridStars` does.
    n : int
    random : `~astro_spectok.simulate.randomness.Randomness`
    reader : `~astro_spectok.heads.line_windows.WindowReader`
    network : `~astro_spectok.network.NetworkConfig`
        Sizes of patches and of their explicit part.

    Returns
    -------
    contrast, covered, noise : tensor, shape (n, N)
        As of the reader.
    labels : dict of str to tensor, shape (n,)
    """
    objects = family.draw(n, random)
    spectra = _observe(objects, random)
    offsets = torch.tensor([0, *np.cumsum([len(one[0]) for one in spectra])])
    x, flux, ivar = (torch.cat([one[k] for one in spectra]) for k in range(3))
    patches = build_patches(x, flux.float(), ivar.float(), offsets, network.patch)
    where, level = (patches.mask, patches.grid.geometry), patch_level(patches)
    shown = local_flux(level, filter_detail(patches, level, network.dct_coefficients), *where, network.patch).float()
    rest = torch.zeros(n, dtype=torch.float64)
    contrast, covered = reader(shown, *where, rest, patches.valid)
    return contrast, covered, reader.read_noise(find_noise(patches), level, *where, rest, network.patch), objects.labels


def draw_views(family, n, seed, head, network, *, report=None):
    """`FilteredViews` of some stars.

    Parameters
    ----------
    family, network
        As of `draw_filtered`.
    n, seed : int
    head : `~astro_spectok.heads.StellarHead`
        Whose window and labels these are.
    report : callable, optional
        Is given a text now and then.

    Returns
    -------
    FilteredViews
    """
    reader = head.readers[head.windows[0]]
    shape = n, reader.window.size
    made = FilteredViews(
        np.zeros(shape, np.float16), np.zeros(shape, bool), np.zeros(shape, np.float16),
        np.full((n, len(head.names)), np.nan, np.float32),
    )  # fmt: skip
    for first in range(0, n, _CHUNK):
        rows = slice(first, min(first + _CHUNK, n))
        with torch.inference_mode():
            *shown, found = draw_filtered(family, rows.stop - first, Randomness([seed, first]), reader, network)
        for part, own in zip(made, shown, strict=False):
            part[rows] = own.numpy()
        for k, name in enumerate(head.names):
            if name in found:
                made.labels[rows, k] = found[name].numpy()
        if report and (first // _CHUNK + 1) % _REPORTED == 0:
            report(f"drawn: {rows.stop} of {n} stars as tokens hold them")
    return made


def train_filtered(start, views, *, number, steps, seed, report=None):
    """A stellar head with networks for flux as tokens hold it; all else stays as it is.

    Each begins as the network for pixels of its number, learns other convolutions and a last layer, and shares the
    hidden layer, where most parameters are.

    Parameters
    ----------
    start : `~astro_spectok.heads.StellarHead`
    views : `FilteredViews`
    number : int
        Of networks.
    steps : int
        Batches for each.
    seed : int
    report : callable, optional
        Given a text every 50 steps.

    Returns
    -------
    `~astro_spectok.heads.StellarHead`
    """
    with torch.random.fork_rng(devices=[]):
        head = StellarHead(replace(start.config, filtered=number), start.network_config)
    head.load_state_dict(start.state_dict() | {k: x for k, x in head.state_dict().items() if k.startswith("filtered.")})
    for name in ("domain", "calibration", "rules", "provenance"):
        setattr(head, name, copy.deepcopy(getattr(start, name)))
    for k, own in enumerate(head.filtered):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence([seed, k]).generate_state(1)[0]))
            _train(head, own, head.members[0][k], views, steps, report, f"filtered, network {k}")
    return head.eval()


def fit_token_errors(head, views):
    """Scale and floor of the errors of labels from tokens, beside those of labels from pixels.

    Where they come out smaller than those they are these: left-out stars are too few, and their labels too good, for
    errors that hold for all libraries.

    Parameters
    ----------
    head : `~astro_spectok.heads.StellarHead`
        Its calibration is what is changed.
    views : `FilteredViews`
        Of stars that it has not seen.
    """
    training = StellarTraining.from_head(head)
    windows = [(torch.zeros(len(views.labels), reader.window.size),) * 2 for reader in head.readers]
    contrast, covered, noise, labels = views.take(np.arange(len(views.labels)))
    windows[0] = contrast, covered
    with torch.inference_mode():
        found = head.interpret(head.read_windows(windows, noise))
    snr = USUAL_SNR * torch.exp(-(noise * covered).sum(1) / covered.sum(1).clamp_min(1)).numpy()
    errors = {key: dict(getattr(training, f"error_{key}")) for key in ("scale", "floor")}
    for k in head.measured[0]:
        name, difference = head.names[k], (found["mean"][:, k] - labels[:, k]).numpy()
        sigma, known = found["covariance"][:, k, k].sqrt().numpy(), np.isfinite(difference)
        fitted = fit_errors(difference[known], sigma[known], snr[known])
        pixels, tokens = (training.name_error(name, 0, of_tokens=one) for one in (False, True))
        for key, value, nothing in zip(errors, fitted, (1.0, 0.0), strict=True):
            errors[key][tokens] = max(value, errors[key].get(pixels, nothing))
    head.calibration |= {f"error_{key}": values for key, values in errors.items()}


def add_filtered(start, data, *, number, views, steps, seed, leave_out=True, refined=False, report=None):
    """`train_filtered` on the stars of MILES and CFLIB; errors are fitted to those that were left out.

    Parameters
    ----------
    start, number, steps, seed, report
        As of `train_filtered`.
    data : path-like
        Directory of the public template sets.
    views : int
        Stars that are drawn; for the errors a tenth as many.
    leave_out : bool, optional
        Whether a fifth of the stars is left out, as of `~astro_spectok.training.stellar_head.train_stellar_head`; if
        not, errors are those of labels from pixels, and nothing says that they hold.
    refined : bool, optional
        Whether the head has been trained on all stars of MILES, so that only others are left out.

    Returns
    -------
    `~astro_spectok.heads.StellarHead`
    """
    store = TemplateStore(data)
    library = read_library(store)
    left = choose_left_out(library.names, library.member if refined else None)
    seen = GridStars(store, without=left if leave_out else None)
    shown = draw_views(seen, views, seed, start, start.network_config, report=report)
    head = train_filtered(start, shown, number=number, steps=steps, seed=seed, report=report)
    if leave_out:
        others = GridStars(store, without=~left)
        fit_token_errors(head, draw_views(others, max(views // 10, 1), seed + 1, head, head.network_config))
    return head


def _train(head, own, member, views, steps, report, name):
    """Train one network beside the one for pixels."""
    own.begin(member)
    measured = list(head.measured[0])
    spread, centre, usual = head.spread[measured], head.centre[measured], member.dropout.p
    optimizer = torch.optim.AdamW(own.parameters(), lr=_RATE, weight_decay=_DECAY, betas=(0.9, 0.98))
    total, left = 0.0, torch.zeros(0, dtype=torch.long)
    member.dropout.p = _DROPOUT
    member.train()
    for step in range(steps):
        for values in optimizer.param_groups:
            values["lr"] = cosine_rate(_RATE, step, steps, _WARMUP)
        while len(left) < _BATCH:
            left = torch.cat([left, torch.randperm(len(views.labels))])
        rows, left = left[:_BATCH], left[_BATCH:]
        contrast, covered, noise, labels = views.take(rows.numpy())
        noise = noise * (torch.rand(len(noise), 1) > _UNKNOWN_NOISE)
        mean, tril = own(contrast, covered, noise, member)
        wanted = (labels[:, measured] - centre) / spread
        loss = stellar_loss(mean, tril, wanted, torch.ones_like(spread))[0].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(own.parameters(), _CLIP)
        optimizer.step()
        total += loss.item()
        if report and (step + 1) % _REPORTED == 0:
            report(f"{name}, step {step + 1} of {steps}: loss {total / _REPORTED:.3f}")
            total = 0.0
    member.dropout.p = usual
    member.zero_grad(set_to_none=True)


def _observe(objects, random):
    """ln(wavelength), flux and inverse variance of each star on pixels of its own."""
    n, grid = len(objects), objects.grid
    known = torch.isfinite(objects.flux)
    flux, fwhm = broaden_stars(fill_unknown(objects.flux, known), objects, random, 1.0, LEAST_RESOLUTION)
    known = known & cut_range(grid.size, n, random)
    flux = flux / ((flux * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp_min(1)).clamp_min(
        _LEAST_LEVEL
    )
    flux = flux * draw_corruption(flux, random, CORRUPTED_DEPTH) + VEIL * random.normal(0, 1, n, 1)
    sigma = _NOISIER * draw_sigma(flux, random)
    flagged = flag_bad(flux, torch.zeros_like(sigma), random)
    factor = draw_calibration(flux, random)
    width = (fwhm[:, 0] / random.uniform(*SAMPLING, n)).clamp(*_PIXELS)
    linear = random.chance(_LINEAR, n)
    misstated = torch.exp(_MISSTATED * random.normal(0, 1, n))
    out = []
    for i in range(n):
        edges = _lay_edges(grid, float(width[i]), bool(linear[i]), random)
        place = ((torch.from_numpy(edges) - grid.ln_start) / grid.ln_step + 0.5).clamp(0, grid.size)
        rows = torch.stack([flux[i] * factor[i], known[i].float(), sigma[i] * factor[i], flagged[i].float()])
        value, seen, error, bad = _average(rows, place)
        value = value + error * random.normal(0, 1, len(value))
        good = (seen > _KNOWN) & (bad < 0.5) & (error > 0)
        ivar = torch.where(good, (misstated[i] * error) ** -2, 0.0)
        covered = torch.nonzero(seen > _KNOWN)[:, 0]
        low, high = (int(covered[0]), int(covered[-1]) + 1) if len(covered) else (0, 1)
        centre = torch.from_numpy(0.5 * (edges[1:] + edges[:-1]))
        out.append((centre[low:high], torch.where(good, value, 0.0)[low:high], ivar[low:high]))
    return out


def _lay_edges(grid, width, linear, random):
    """Edges, ln(wavelength), of pixels over the range of a grid, with a mean width."""
    low, high = grid.ln_start, grid.ln_start + grid.size * grid.ln_step
    start = low + width * random.host.random()
    if not linear:
        return np.arange(start, high, width)
    step = width * math.exp(0.5 * (low + high))
    return np.log(np.arange(math.exp(start), math.exp(high), step))


def _average(rows, place):
    """Means of rows (k, N) between neighbouring places (M + 1,), float32 (k, M)."""
    total = torch.nn.functional.pad(torch.cumsum(rows, 1, dtype=torch.float64), (1, 0))
    index = place.long().clamp(max=rows.shape[1] - 1)
    integral = torch.lerp(total[:, index], total[:, index + 1], place - index)
    return (integral.diff(dim=1) / place.diff().clamp_min(1e-9)).float()
