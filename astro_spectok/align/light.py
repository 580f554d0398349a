# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Photometry and shapes of objects on images: one elliptical profile, fitted to the sum of all bands, weighs each."""

from functools import lru_cache

import numpy as np
import torch
from scipy.optimize import nnls
from scipy.special import gammaincinv

from astro_spectok.utils.constants import SIGMA_PER_MAD

__all__ = ["LIGHT", "find_noise", "measure_light"]

#: exponent of the point-spread function (Moffat); pixels of its full width where it is not known
MOFFAT, USUAL_FWHM = 3.5, 4.0
#: Gaussians that profiles are sums of: how many, the narrowest and the widest over the half-light radius, or over the
#: full width of the point-spread function; the light within any radius is right to 0.007 of all
MIXTURES = {"exponential": (4, 0.17, 1.3), "de Vaucouleurs": (5, 0.05, 2.8), "psf": (2, 0.426, 0.857)}
#: what the profile is known to be before it is seen, mean and standard deviation: place (y, x) in pixels, ln(half-light
#: radius in pixels), two parts of the ellipticity -ln(axis ratio), logit of the share of the de Vaucouleurs part
PRIOR = ((0.0, 1.0), (0.0, 1.0), (0.9, 1.0), (0.0, 0.6), (0.0, 0.6), (0.0, 1.5))
#: steps of the derivatives, steps of the fit, its damping at first
SMALL, ROUNDS, DAMPING = (0.05, 0.05, 0.03, 0.03, 0.03, 0.1), 8, 1e-2
#: least and greatest ln(half-light radius in pixels); greatest ellipticity
RADII, FLATTEST = (-2.5, 3.5), 2.0
#: noise, as a part of the greatest pixel, of images that have none; images that are fitted at once
LEAST_NOISE, CHUNK = 1e-4, 128
#: numbers of a shape, in order
LIGHT = (
    "ln radius", "ellipticity", "de Vaucouleurs", "error of ln radius", "error of ellipticity",
    "error of de Vaucouleurs", "signal", "misfit", "ln fwhm",
)  # fmt: skip


@lru_cache
def _find_mixture(kind):
    """Shares and variances of the Gaussians of a round profile of a half-light radius (or full width, psf) of 1."""
    r = np.geomspace(3e-3, 6.0, 200)
    if kind == "psf":
        y = (1 + 4 * (2 ** (1 / MOFFAT) - 1) * r**2) ** -MOFFAT
    else:
        index = 1.0 if kind == "exponential" else 4.0
        y = np.exp(-gammaincinv(2 * index, 0.5) * r ** (1 / index))
    terms, narrow, wide = MIXTURES[kind]
    widths = np.geomspace(narrow, wide, terms)
    # light within rings is what should be right, the more the larger they are
    columns = np.exp(-0.5 * (r[:, None] / widths) ** 2) * r[:, None]
    found, _ = nnls(columns, y * r)
    share = found * widths**2
    return tuple((share / share.sum()).tolist()), tuple((widths**2).tolist())


def find_noise(images):
    """Standard deviation (B, C, 1, 1) of the noise, of what squares of four pixels have beside an even slope."""
    step = images[..., 1:] - images[..., :-1]
    step = (step[..., 1:, :] - step[..., :-1, :]).flatten(2)
    return (step.abs().median(2, keepdim=True).values * (SIGMA_PER_MAD / 2))[..., None]


def _draw(values, fwhm, shape):
    """Profiles (B, H, W) of a flux of 1; values (B, 6) as in `PRIOR`, full widths (B,) in pixels."""
    y0, x0, ln_radius, e1, e2, logit = values.T[:, :, None]
    ellipticity = torch.sqrt(e1**2 + e2**2 + 1e-12)
    swell, turn = torch.cosh(ellipticity), torch.sinh(ellipticity) / ellipticity
    square = torch.exp(2 * ln_radius)
    axes = square * (swell + turn * e1), square * (swell - turn * e1), square * turn * e2  # xx, yy, xy
    late = torch.sigmoid(logit)
    h, w = shape
    y = torch.arange(h, device=values.device) - (h - 1) / 2 - y0  # (B, H)
    x = torch.arange(w, device=values.device) - (w - 1) / 2 - x0
    out = values.new_zeros(len(values), h, w)
    seen = _find_mixture("psf")
    for kind, part in (("exponential", 1 - late), ("de Vaucouleurs", late)):
        for amount, variance in zip(*_find_mixture(kind), strict=True):
            for blur, width in zip(*seen, strict=True):
                spread = width * fwhm[:, None] ** 2
                xx, yy, xy = axes[0] * variance + spread, axes[1] * variance + spread, axes[2] * variance
                area = xx * yy - xy**2
                scale = amount * blur * part / (2 * np.pi * area.sqrt())
                # the exponent is a sum over rows, columns and their product
                power = (yy / area * x**2)[:, None, :] + (xx / area * y**2)[:, :, None]
                power = power - 2 * (xy / area)[..., None] * y[:, :, None] * x[:, None, :]
                out += scale[..., None] * torch.exp(-0.5 * power)
    return out


def _solve(values, stack, noise, fwhm):
    """Residuals (B, P) over the noise with the best flux, and the flux (B, 1)."""
    model = _draw(values, fwhm, stack.shape[1:]).flatten(1)
    flux = (model * stack.flatten(1)).sum(1, keepdim=True) / model.square().sum(1, keepdim=True).clamp_min(1e-30)
    flux = flux.clamp_min(0)
    return (stack.flatten(1) - flux * model) / noise, flux


def _fit(stack, noise, fwhm):
    """Values (B, 6) of the best profile, their standard deviations, and the chi square of a pixel (B,)."""
    mean, spread = torch.tensor(PRIOR, dtype=torch.float32, device=stack.device).T
    values = mean.repeat(len(stack), 1)
    damping = stack.new_full((len(stack), 1, 1), DAMPING)
    residual, _ = _solve(values, stack, noise, fwhm)
    cost = residual.square().sum(1) + ((values - mean) / spread).square().sum(1)
    eye = torch.eye(len(mean), device=stack.device)
    for _ in range(ROUNDS):
        slopes = torch.stack(
            [(_solve(values + step * eye[k], stack, noise, fwhm)[0] - residual) / step
             for k, step in enumerate(SMALL)], 2
        )  # fmt: skip  # (B, P, 6)
        square = slopes.transpose(1, 2) @ slopes + torch.diag(spread**-2)
        downhill = (slopes * residual[..., None]).sum(1) + (values - mean) / spread**2
        raised = square + damping * torch.diag_embed(square.diagonal(dim1=1, dim2=2))
        tried = values - torch.linalg.solve(raised, downhill[..., None])[..., 0].clamp(-1.5, 1.5)
        tried[:, 2].clamp_(*RADII)
        tried[:, 3:5] *= (FLATTEST / tried[:, 3:5].norm(dim=1, keepdim=True).clamp_min(1e-6)).clamp(max=1)
        left, _ = _solve(tried, stack, noise, fwhm)
        new = left.square().sum(1) + ((tried - mean) / spread).square().sum(1)
        better = new < cost
        values = torch.where(better[:, None], tried, values)
        residual, cost = torch.where(better[:, None], left, residual), torch.where(better, new, cost)
        damping = torch.where(better[:, None, None], damping / 5, damping * 8).clamp(1e-6, 1e4)
    spread = torch.linalg.inv(square)
    return values, spread.diagonal(dim1=1, dim2=2).sqrt(), residual.square().mean(1)


@torch.inference_mode()
def measure_light(images, fwhm=None):
    """Measure fluxes in all bands with one profile, and the shape of this profile.

    An elliptical mixture of an exponential and a de Vaucouleurs profile of one half-light radius, seen through the
    point-spread function, is fitted to the sum of the bands, each weighed by its signal. Seen through the point-spread
    function of each band, the same profile then weighs its pixels: colours are those of one aperture before the
    atmosphere, and noise is nearly as low as if the profile were known.

    Parameters
    ----------
    images : tensor, shape (B, C, H, W)
        Of an object near the middle, in one unit for all bands, finite.
    fwhm : tensor, shape (B, C), optional
        Full width of the point-spread function in pixels; 4 where not given or not finite.

    Returns
    -------
    float32 tensor, shape (B, 2 C + 9)
        Fluxes of the whole profile in all bands, and their errors as if the profile were known, which are those of
        colours (that of the profile, common to all bands, comes on top), over the mean noise of a pixel; `LIGHT`: ln of
        the half-light radius (the geometric mean of both axes, before the atmosphere) in pixels, -ln(axis ratio),
        share of the de Vaucouleurs part, their errors, the signal-to-noise ratio, the chi square of a pixel, and ln of
        the full width of the point-spread function in pixels.

    References
    ----------
    Hogg & Lang 2013, PASP 125, 719 (profiles as sums of Gaussians); Abazajian et al. 2004, AJ 128, 502 (fluxes of a
    model that is fitted in one band).
    """
    parts = []
    for start in range(0, len(images), CHUNK):
        some = images[start : start + CHUNK].float()
        noise = find_noise(some)
        scale = noise.mean(1, keepdim=True)
        scale = torch.where(scale > 0, scale, some.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-30))
        widths = some.new_full(some.shape[:2], USUAL_FWHM)
        if fwhm is not None:
            own = fwhm[start : start + CHUNK].to(widths)
            widths = torch.where(torch.isfinite(own) & (own > 0), own, widths)
        parts.append(_measure(some / scale, (noise / scale)[..., 0, 0], widths))
    return torch.cat(parts) if parts else torch.zeros(0, 2 * images.shape[1] + len(LIGHT))


def _measure(images, noise, fwhm):
    """Numbers of `measure_light` of images (B, C, H, W) whose noise (B, C) is about 1."""
    noise = torch.maximum(noise, LEAST_NOISE * images.abs().amax((2, 3))).clamp_min(1e-6)
    begin = images.new_tensor([mean for mean, _ in PRIOR]).repeat(len(images), 1)
    profile = _draw(begin, fwhm.mean(1), images.shape[2:])
    rough = torch.einsum("bchw,bhw->bc", images, profile) / profile.square().sum((1, 2))[:, None]
    # a sum that has the most signal: flux over variance; a floor where a band has none
    weight = (rough.clamp_min(0) + noise) / noise**2
    weight = weight / weight.sum(1, keepdim=True)
    stack = torch.einsum("bchw,bc->bhw", images, weight)
    light = weight * rough.clamp_min(1e-3 * noise)
    width = ((light * fwhm**2).sum(1) / light.sum(1)).sqrt()
    values, errors, misfit = _fit(stack, (weight * noise).square().sum(1, keepdim=True).sqrt(), width)
    flux, error = torch.zeros_like(noise), torch.zeros_like(noise)
    for c in range(images.shape[1]):
        profile = _draw(values, fwhm[:, c], images.shape[2:])
        squares = profile.square().sum((1, 2))
        flux[:, c] = (profile * images[:, c]).sum((1, 2)) / squares
        error[:, c] = noise[:, c] / squares.sqrt()
    ellipticity = values[:, 3:5].norm(dim=1)
    share = torch.sigmoid(values[:, 5])
    signal = (flux / error).square().sum(1).sqrt()
    shapes = (
        values[:, 2], ellipticity, share, errors[:, 2], errors[:, 3:5].mean(1), errors[:, 5] * share * (1 - share),
        signal, misfit, width.log(),
    )  # fmt: skip
    return torch.cat([flux, error, torch.stack(shapes, 1)], 1)
