# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Effects of instruments and pipelines on spectra: noise, calibration, sky residuals, and wrong errors."""

from dataclasses import dataclass

import numpy as np
import torch

from astro_spectok.simulate.constants import FWHM
from astro_spectok.simulate.randomness import choose
from astro_spectok.spectra import estimate_noise

__all__ = ["PixelGrid", "corrupt", "draw_wavelength_error"]

#: properties of instruments, one number for each
FLAGS = dict.fromkeys(("calibrated", "normalised", "has_errors", "ground", "fibre"), torch.bool) | {
    "smoothed": torch.float32
}


@dataclass
class PixelGrid:
    """The pixels of B instruments as tensors, padded to P; see `~astro_spectok.simulate.instruments.Instrument`."""

    ln_left: torch.Tensor
    ln_right: torch.Tensor
    ln_wavelength: torch.Tensor
    resolution: torch.Tensor
    arm: torch.Tensor
    place: torch.Tensor
    present: torch.Tensor
    calibrated: torch.Tensor
    normalised: torch.Tensor
    has_errors: torch.Tensor
    smoothed: torch.Tensor
    ground: torch.Tensor
    fibre: torch.Tensor

    @classmethod
    def stack(cls, instruments, device):
        """Stack `Instrument`; padding goes on with pixels of the width of the last."""
        lengths = np.array([len(i) for i in instruments])
        shape = (len(instruments), lengths.max())
        edges = np.empty((2, *shape))
        resolution, place = np.ones(shape, np.float32), np.ones(shape, np.float32)
        arm = np.zeros(shape, np.int64)
        for row, (one, n) in enumerate(zip(instruments, lengths, strict=True)):
            edges[0, row, :n], edges[1, row, :n] = one.left, one.right
            beyond = (one.right[-1] - one.left[-1]) * np.arange(shape[1] - n)
            edges[0, row, n:] = one.right[-1] + beyond
            edges[1, row, n:] = one.right[-1] + beyond + (one.right[-1] - one.left[-1])
            resolution[row, :n], place[row, :n], arm[row, :n] = one.resolution, one.place, one.arm
            resolution[row, n:], arm[row, n:] = one.resolution[-1], one.arm[-1]
        flags = {
            name: torch.tensor([getattr(i, name) for i in instruments], device=device, dtype=dtype)
            for name, dtype in FLAGS.items()
        }
        edges = torch.from_numpy(edges).to(device)
        ln_left, ln_right = torch.log(edges)
        return cls(
            ln_left=ln_left, ln_right=ln_right, ln_wavelength=torch.log(edges.mean(0)),
            resolution=torch.from_numpy(resolution).to(device), arm=torch.from_numpy(arm).to(device),
            place=torch.from_numpy(place).to(device),
            present=(torch.arange(shape[1]) < torch.from_numpy(lengths)[:, None]).to(device), **flags,
        )  # fmt: skip

    def __len__(self):
        return len(self.present)

    @property
    def position(self):
        """From -1 at the first pixel to 1 at the last, float32 (B, P), even in ln(wavelength)."""
        first = self.ln_wavelength[:, :1]
        last = self.ln_wavelength.masked_fill(~self.present, -torch.inf).amax(1, keepdim=True)
        return (2 * (self.ln_wavelength - first) / (last - first) - 1).float().clamp(-1, 1)


def draw_wavelength_error(pixels, random):
    """Errors of the wavelength scale in ln(wavelength): a shift and a slow distortion, float64 (B, P)."""
    b = len(pixels)
    sd = choose(random.chance(0.05, b, 1), 0.2, 0.05)
    offset = random.normal(0, 1, b, 1) * sd + random.normal(0, 0.03, b, 1) * pixels.position
    offset = offset.clamp(-0.4, 0.4) + random.normal(0, 0.02, b, 1) * torch.sin(3 * pixels.position)
    return offset * (pixels.ln_right - pixels.ln_left)


def corrupt(channels, known, pixels, snr, random, *, sky=None, clean=False):
    """Add noise and instrumental faults to noise-free spectra.

    Parameters
    ----------
    channels : float32 tensor, shape (B, 3, P)
        Flux, sky lines over sky continuum, and absorbed part of light at unit air mass.
    known : bool tensor, shape (B, P)
        False where the flux means nothing.
    pixels : `PixelGrid`
    snr : float32 tensor, shape (B,)
    random : `~astro_spectok.simulate.randomness.Randomness`
    sky, clean
        As for `~astro_spectok.simulate.observe`.

    Returns
    -------
    dict
        The arguments of `~astro_spectok.simulate.observe.Observation`.
    """
    truth, lines, absorbed = channels.unbind(1)
    good = pixels.present & known
    efficiency = _draw_efficiency(pixels, random)
    removed = torch.ones_like(truth)
    if not clean:
        truth, removed = _absorb(truth, absorbed, pixels, random)
    sigma, line_share = _draw_sigma(truth, lines, efficiency, removed, good, pixels, snr, random)
    noise = random.normal(0, 1, *truth.shape)
    if clean:
        return _finish(truth, truth + sigma * noise, sigma**-2, good, known, pixels)
    noise = _correlate_neighbours(noise, random)
    noise, sigma = _add_sky(noise, sigma, line_share, truth, pixels, random, sky)
    factor = _draw_calibration(efficiency, pixels, random)
    flux, truth, sigma = (truth + noise * sigma) * factor, truth * factor, sigma * factor
    flux, truth, sigma = _normalise(flux, truth, sigma, good, pixels)
    flux, masked = _break_pixels(flux, sigma, pixels, random)
    good = good & ~masked
    stated = sigma * _draw_error_factor(pixels, random)
    flux, truth = _smooth(flux, truth, good, pixels)
    return _finish(truth, flux, stated**-2, good, known, pixels)


def _correlate_neighbours(noise, random):
    """White noise (B, P) with that of neighbours shared, as resampling leaves it in most public spectra."""
    b = len(noise)
    share = random.uniform(0.1, 0.6, b, 1) * random.chance(0.6, b, 1)
    padded = torch.nn.functional.pad(noise, (1, 1))
    return (noise + share * (padded[:, :-2] + padded[:, 2:])) / (1 + 2 * share**2).sqrt()


def _draw_efficiency(pixels, random):
    """Throughput of each arm over its best, float32 (B, P): it falls towards both ends, in half of all steeply.

    Noise of real BOSS, LAMOST and VIMOS spectra rises by 4 to 6 times within their bluest hundred Angstrom.
    """
    b = len(pixels)
    x = 2 * pixels.place - 1
    blue = random.uniform(0.1, 1.3, b, 1) + random.chance(0.5, b, 1) * random.uniform(0, 2.5, b, 1)
    red = random.uniform(0.1, 1.1, b, 1) + random.chance(0.4, b, 1) * random.uniform(0, 1.5, b, 1)
    return torch.exp(-torch.where(x < 0, blue, red) * x.abs() ** random.uniform(2, 8, b, 1))


def _absorb(truth, absorbed, pixels, random):
    """Absorption by the air: left in, or removed badly. Returns the flux, and what it was divided by."""
    b = len(truth)
    air_mass = random.uniform(0.8, 2.0, b, 1)
    # whoever calibrates the flux mostly removes it
    left_in = random.uniform(0, 1, b, 1) < choose(pixels.calibrated, 0.15, 0.6)[:, None]
    passed = torch.exp(torch.log((1 - absorbed).clamp(0.02, 1)) * air_mass)
    removed = passed.clamp(min=0.1)
    remains = torch.where(left_in, passed, removed ** random.normal(0, 0.06, b, 1))
    return truth * remains, torch.where(left_in, 1.0, removed)


def _median(values, good):
    """Median over the good pixels, (B, 1); 0 where there are none."""
    return values.masked_fill(~good, torch.nan).nanmedian(1, keepdim=True).values.nan_to_num(0.0)


def _find_lit(truth, good):
    """Pixels that the S/N is taken over: all, but for spectra that are dark for the most part, as beyond a break."""
    mean = _mean(truth, good)
    return good & ((truth > 0.3 * mean) | (_median(truth, good) > 0.3 * mean))


def _mean(values, good):
    return (values * good).sum(1, keepdim=True) / good.sum(1, keepdim=True).clamp(min=1)


def _draw_sigma(truth, lines, efficiency, removed, good, pixels, snr, random):
    """Standard deviation of the noise (B, P), and the part of its variance that sky lines make."""
    b = len(pixels)
    lit = _find_lit(truth, good)
    level = _median(truth, lit)
    positive = level > 0
    level = torch.where(positive, level, 1.0)
    # bright objects are their own noise, faint ones vanish in that of the sky
    snr = snr[:, None]
    own = random.uniform(0, 1, b, 1) * snr / (snr + 5)
    read = random.uniform(0.02, 0.6, b, 1) * (1 - own)
    strength = torch.exp(random.normal(-1.2, 0.8, b, 1))
    background = (1 - own - read).clamp(min=0)
    from_lines = background * strength * lines.clamp(min=0)
    light = own * (truth / level).clamp(0, 1e4) + background + from_lines
    variance = light / efficiency + read / efficiency**2
    sigma = (variance / removed**2).clamp(min=1e-6).sqrt()
    reached = _median(truth / sigma, lit)
    sigma = sigma * torch.where(positive & (reached > 0), reached / snr, 1.0)
    return sigma, (from_lines / efficiency) / variance


def _draw_field(random, b, p, width):
    """White noise averaged over ``width`` pixels, of unit variance, (B, P)."""
    total = torch.cumsum(random.normal(0, 1, b, p + width), 1)
    return (total[:, width:] - total[:, :-width]) / width**0.5


def _add_sky(noise, sigma, line_share, truth, pixels, random, sky):
    """Add what sky subtraction leaves, in units of sigma; real fibres for a part. Returns noise and sigma."""
    b, p = noise.shape
    # residuals of lines share their sign over a few pixels, and over neighbouring lines in part
    field = _draw_field(random, b, p, 3) + 0.7 * _draw_field(random, b, p, 101)
    strong = torch.exp(random.normal(-0.8, 0.8, b, 1)) * choose(pixels.fibre[:, None], 1.0, 0.6)
    noise = noise + (strong * field).clamp(-8, 8) * line_share
    # a wrong level of the sky as a whole
    noise = noise + random.normal(0, 0.25, b, 1) * random.chance(0.3, b, 1) * (1 - line_share)
    if sky is None or len(sky) == 0 or not bool(pixels.ground.any()):
        return noise, sigma
    blank = (truth == 0).all(1, keepdim=True)
    pattern, shape = sky.draw(random, pixels.ln_wavelength)
    wanted = random.chance(0.35, b, 1) | (blank & random.chance(0.5, b, 1))
    used = pixels.ground[:, None] & wanted & (shape > 0)
    # pixels finer than the fibre's would repeat its noise
    fine = (pixels.ln_right - pixels.ln_left)[:, :1] < 1.5e-4
    amount = torch.where(fine, random.uniform(0.1, 0.4, b, 1), random.uniform(0.3, 1.0, b, 1))
    amount = torch.where(blank & ~fine, 1.0, amount)
    mixed = (1 - amount**2).sqrt() * noise + amount * pattern
    sigma = torch.where(used & blank, shape, sigma)
    return torch.where(used, mixed, noise), sigma


def _draw_calibration(efficiency, pixels, random):
    """Wrong flux calibration, steps between arms and fringes: a factor (B, P)."""
    b = len(pixels)
    x = pixels.position
    size = choose(pixels.calibrated[:, None], 0.05, 0.4) * choose(random.chance(0.1, b, 1), 2.0, 1.0)
    wave = torch.zeros_like(x)
    previous, current = torch.ones_like(x), x
    for order in range(1, 7):
        wave = wave + random.normal(0, 1, b, 1) * current / order**0.7
        previous, current = current, 2 * x * current - previous
    factor = torch.exp((size * wave).clamp(-3, 3))
    # counts follow the throughput, and the shape of the grating's blaze
    power = choose(pixels.calibrated, 0.0, 1.0)[:, None] * random.uniform(0.3, 1.0, b, 1)
    factor = factor * efficiency**power
    arms = int(pixels.arm.max()) + 1
    if arms > 1:
        size = choose(random.chance(0.1, b, 1), 0.15, 0.03) * choose(pixels.calibrated[:, None], 1.0, 3.0)
        factor = factor * torch.exp((random.normal(0, 1, b, arms) * size).gather(1, pixels.arm))
    amplitude = torch.where(random.chance(0.1, b, 1), random.uniform(0.01, 0.05, b, 1), 0.0)
    period = random.uniform(5e-4, 4e-3, b, 1)  # in ln(wavelength)
    redder = torch.sigmoid((pixels.ln_wavelength - np.log(7500.0)).float() / 0.06)
    redder = redder * torch.sigmoid((np.log(11000.0) - pixels.ln_wavelength).float() / 0.03)
    phase = (pixels.ln_wavelength - pixels.ln_wavelength[:, :1]).float() / period + random.uniform(0, 1, b, 1)
    return factor * (1 + amplitude * redder * torch.sin(2 * np.pi * phase))


def _normalise(flux, truth, sigma, good, pixels):
    """Divide by a smooth curve through the upper part of the flux, where an instrument's pipeline does so."""
    rows = torch.nonzero(pixels.normalised)[:, 0]
    if not len(rows):
        return flux, truth, sigma
    y, x, ok = truth[rows], pixels.position[rows], good[rows]
    level = torch.maximum(_median(y, ok), 0.1 * _mean(y.abs(), ok))
    level = torch.where(level > 0, level, 1.0)
    y = y / level
    basis = torch.stack([torch.cos(order * torch.acos(x.clamp(-1, 1))) for order in range(6)], -1)  # (b, P, 6)
    weight = ok.float()
    ridge = 1e-3 * torch.eye(6, device=y.device, dtype=torch.float32)
    for _ in range(3):
        weighted = basis * weight[..., None]
        normal = weighted.mT @ basis / weight.sum(1).clamp(min=1)[:, None, None] + ridge
        right = (weighted * y[..., None]).sum(1) / weight.sum(1).clamp(min=1)[:, None]
        curve = (basis @ torch.linalg.solve(normal, right)[..., None])[..., 0]
        # absorption lies below the continuum and shall not pull it down
        weight = ok * choose(y < curve - 0.02, 0.15, 1.0)
    curve = curve.clamp(min=0.2) * level
    out = []
    for values in (flux, truth, sigma):
        values = values.clone()
        values[rows] = values[rows] / curve
        out.append(values)
    return tuple(out)


def _break_pixels(flux, sigma, pixels, random):
    """Cosmic rays that nobody saw, masked pixels, dead columns. Returns flux and the masked pixels."""
    b, p = flux.shape
    rate = torch.exp(random.uniform(np.log(1e-4), np.log(3e-3), b, 1)) * random.chance(0.3, b, 1)
    hit = random.chance(rate, b, p)
    height = torch.exp(random.uniform(np.log(5.0), np.log(50.0), b, p)) * hit
    # some rays cross two pixels
    height = height + 0.4 * torch.nn.functional.pad(height, (1, -1)) * random.chance(0.5, b, 1)
    flux = flux + height * sigma
    masked = random.chance(random.uniform(0, 0.02, b, 1) * random.chance(0.7, b, 1), b, p)
    number = torch.arange(p, device=flux.device)
    length = pixels.present.sum(1, keepdim=True)
    first = (random.uniform(0, 1, b, 1) * length).long()
    dead = (number >= first) & (number < first + random.integers(60, b, 1) + 3) & random.chance(0.1, b, 1)
    seen = random.chance(0.7, b, 1)
    # columns that nobody masked have lost part of their light
    flux = torch.where(dead & ~seen, flux * random.uniform(0.0, 0.8, b, 1), flux)
    return flux, masked | (dead & seen)


def _draw_error_factor(pixels, random):
    """Stated over true standard deviation, (B, P): right for most."""
    b = len(pixels)
    kind = random.uniform(0, 1, b, 1)
    off = torch.where(kind < 0.6, 0.0, torch.where(kind < 0.9, random.normal(0, 0.15, b, 1), 0.0))
    off = torch.where(kind >= 0.9, random.uniform(-np.log(2), np.log(2), b, 1), off)
    run = choose(kind < 0.6, 0.0, 0.05) * random.normal(0, 1, b, 1) * pixels.position
    return torch.exp(off + run)


def _smooth(flux, truth, good, pixels):
    """Smooth what some archives smooth; bad pixels have no weight."""
    rows = torch.nonzero(pixels.smoothed > 0)[:, 0]
    if not len(rows):
        return flux, truth
    reach = 14
    offset = torch.arange(-reach, reach + 1, device=flux.device)
    width = pixels.smoothed[rows].float()
    kernel = torch.exp(-0.5 * (offset / width[:, None]) ** 2)[:, None]  # (b, 1, 29)
    ok = good[rows].float()

    def run(values):
        return torch.nn.functional.conv1d(values[None], kernel, padding=reach, groups=len(rows))[0]

    weight = run(ok).clamp(min=1e-6)
    flux, truth = flux.clone(), truth.clone()
    flux[rows], truth[rows] = run(flux[rows] * ok) / weight, run(truth[rows] * ok) / weight
    return flux, truth


def _estimate_errors(flux, ivar, good, pixels):
    """Write errors estimated from the flux, as for real spectra that come without."""
    for row in torch.nonzero(~pixels.has_errors)[:, 0].tolist():
        n = int(pixels.present[row].sum())
        ok = good[row, :n].cpu().numpy()
        sigma, ok = estimate_noise(np.where(ok, flux[row, :n].cpu().numpy(), 0.0), ok)
        ivar[row, :n] = torch.from_numpy(np.where(ok, np.asarray(sigma, float) ** -2, 0.0)).to(ivar)


def _finish(truth, flux, ivar, good, known, pixels):
    """Bad pixels to zero, errors for those without, and the dict of `Observation`."""
    good = good & torch.isfinite(flux) & torch.isfinite(ivar) & torch.isfinite(truth)
    flux, ivar = torch.where(good, flux, 0.0), torch.where(good, ivar, 0.0)
    truth = torch.where(pixels.present & known, truth, torch.nan)
    _estimate_errors(flux, ivar, good, pixels)
    # smoothing by so many pixels widens the LSF
    width = pixels.smoothed[:, None] * (pixels.ln_right - pixels.ln_left) * FWHM
    resolution = (pixels.resolution.double() ** -2 + width**2).rsqrt().float()
    return {
        "ln_wavelength": pixels.ln_wavelength, "flux": flux, "ivar": ivar.float(), "truth": truth,
        "resolution": resolution, "present": pixels.present, "has_errors": pixels.has_errors,
    }  # fmt: skip
