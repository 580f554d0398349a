# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Objects seen through instruments: redshifted, broadened, put on pixels, then degraded as real spectra are."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import next_fast_len

from astro_spectok.simulate.constants import FWHM
from astro_spectok.simulate.noise import PixelGrid, corrupt, draw_wavelength_error
from astro_spectok.simulate.objects import CLASSES
from astro_spectok.simulate.sky import SKY_GRID, make_absorption, make_emission

__all__ = ["Observation", "fill_unknown", "observe"]

STAR = CLASSES.index("STAR")
#: most bins of the oversampled grid
_MOST_BINS = 16384
#: how many widths of the broadening the grid reaches beyond the pixels
_MARGIN = 5.0
#: groups of emission lines by width
_LINE_GROUPS = 4
#: neighbouring widths of the LSF between which results are blended differ at most by so much in ln(sigma)
_NODE_STEP, _MOST_NODES = 0.4, 5
_LIMB_DARKENING = 0.6
_ROWS_AT_ONCE = 4


@dataclass
class Observation:
    """B spectra as instruments give them, padded to P pixels.

    Attributes
    ----------
    ln_wavelength : float64 tensor, shape (B, P)
        ln(vacuum Angstrom) of the centres of the pixels, as the file states them; goes on increasing in the padding.
    flux : float32 tensor, shape (B, P)
        Finite; 0 in bad pixels and padding.
    ivar : float32 tensor, shape (B, P)
        Inverse variance as stated, or estimated from the flux where no errors are given; 0 in bad pixels and padding.
    truth : float32 tensor, shape (B, P)
        ``flux`` without noise, with the same errors of calibration; NaN where the object is not known, and in padding.
    resolution : float32 tensor, shape (B, P)
        Wavelength over FWHM of an unresolved line, smoothing included; of stars no more than their template has.
    present : bool tensor, shape (B, P)
        False in the padding.
    has_errors : bool tensor, shape (B,)
        False where ``ivar`` is an estimate.

    Examples
    --------
    The flux differs from the truth by noise:

    >>> from astro_spectok.simulate import Survey
    >>> (group,) = Survey(families=["galaxies"], instruments=["sdss"], snr=(30, 30)).draw(1, seed=2)
    >>> (seen,) = group.observations
    >>> good = seen.ivar > 0
    >>> deviation = (seen.flux - seen.truth)[good] * seen.ivar[good].sqrt()
    >>> bool(0.5 < deviation.abs().median() / 0.6745 < 2)
    True
    """

    ln_wavelength: torch.Tensor
    flux: torch.Tensor
    ivar: torch.Tensor
    truth: torch.Tensor
    resolution: torch.Tensor
    present: torch.Tensor
    has_errors: torch.Tensor

    def __len__(self):
        return len(self.flux)


def observe(objects, instruments, snr, random, *, sky=None, clean=False):
    """Observe each object with its instrument.

    Parameters
    ----------
    objects : `~astro_spectok.simulate.objects.Objects`
        B of them, on the device of ``random``. Where their flux is NaN, pixels become bad.
    instruments : sequence of `~astro_spectok.simulate.instruments.Instrument`, length B
    snr : float or tensor, shape (B,)
        Median over good pixels of flux over its standard deviation; only over those with flux where most have none.
        Without meaning for objects without any flux: their noise is of order one.
    random : `~astro_spectok.simulate.randomness.Randomness`
    sky : `~astro_spectok.simulate.sky.SkyFibres`, optional
        Real sky fibres, added to part of the spectra from the ground.
    clean : bool
        Leave out all that is wrong with spectra: only Gaussian noise remains, with the errors it has.

    Returns
    -------
    Observation

    Raises
    ------
    ValueError
        If there is not one instrument for each object.
    """
    if len(instruments) != len(objects):
        msg = f"instruments must be one for each of the {len(objects)} objects; got {len(instruments)}"
        raise ValueError(msg)
    pixels = PixelGrid.stack(instruments, random.device)
    shift = None if clean else draw_wavelength_error(pixels, random)
    channels, known = _project(objects, pixels, shift)
    snr = torch.as_tensor(snr, dtype=torch.float32, device=random.device).expand(len(objects))
    seen = Observation(**corrupt(channels, known, pixels, snr, random, sky=sky, clean=clean))
    # galaxies and quasars have lines as sharp as the instrument; a star is as sharp as the library it comes from
    sharpest = torch.where(objects.cls == STAR, 1 / (FWHM * objects.template_sigma.clamp(min=1e-9)), torch.inf)
    seen.resolution = torch.minimum(seen.resolution, sharpest[:, None])
    return seen


def _project(objects, pixels, shift):
    """Means over the pixels of objects, sky lines and absorption, broadened: (B, 3, P); and which pixels are known."""
    edges = torch.stack([pixels.ln_left, pixels.ln_right])  # (2, B, P)
    if shift is not None:
        edges = edges + shift
    # R is what a line in the pixels shows, so that the pixels' own width is part of it
    lsf = (1.0 / (FWHM * pixels.resolution)) ** 2
    variance = torch.maximum(lsf - (edges[1] - edges[0]).float() ** 2 / 12, 0.3 * lsf)  # (B, P)
    start, span, bins = _plan_bins(objects, edges, variance, pixels.present)
    out = torch.zeros(len(objects), 3, pixels.present.shape[1], device=start.device, dtype=torch.float32)
    known = torch.zeros_like(pixels.present)
    lengths = pixels.present.sum(1).tolist()
    # few at a time, of like size: the arrays stay in the processor's cache, and little is done for padding
    order = np.argsort(bins, kind="stable")
    share = _ROWS_AT_ONCE if start.device.type == "cpu" else len(order)
    for first in range(0, len(order), share):
        numbers = order[first : first + share]
        size = next_fast_len(int(bins[numbers].max()), real=True)
        p = max(lengths[i] for i in numbers)
        rows = torch.from_numpy(numbers).to(start.device)
        plan = start[rows], span[rows] / size, size
        some = objects.take(rows), edges[:, rows, :p], variance[rows, :p], pixels.present[rows, :p], pixels.ground[rows]
        out[rows, :, :p], known[rows, :p] = _project_rows(*some, *plan)
    return out, known


def _project_rows(objects, edges, variance, present, ground, start, step, size):
    """Like `_project`, for objects that share a number of bins."""
    bins = start[:, None] + step[:, None] * torch.arange(size + 1, dtype=torch.float64, device=start.device)  # (b, N+1)
    nodes = _lay_nodes(variance, present)  # (b, K)
    spread, known = _redistribute(objects, bins)  # (b, N)
    hats = _broaden(objects, spread, _lay_lines(objects, start, step, size), nodes, step)  # (b, K, F)
    places = (edges - start[:, None]) / step[:, None]  # (2, b, P) in bins
    density = torch.fft.irfft(hats, n=size)  # (b, K, N)
    flux = _blend(_integrate(density, step, places), nodes, variance)  # (b, P)
    lines = absorbed = torch.zeros_like(flux)
    if bool(ground.any()):
        # the sky is seen with one LSF: its exact width matters little
        middle = torch.exp(torch.log(nodes[:, [0, -1]]).mean(1)) - step.float() ** 2 / 6
        blur = torch.exp(-0.5 * _frequencies(size, step) ** 2 * middle[:, None])
        sky = torch.fft.irfft(torch.fft.rfft(_lay_sky(bins, ground)) * blur[:, None], n=size)  # (b, 2, N)
        lines, absorbed = _integrate(sky, step, places).unbind(1)
        absorbed = absorbed / (edges[1] - edges[0]).float()
    widths = torch.exp(edges).diff(dim=0)[0].float()
    known = _find_known(known, places, variance.sqrt() / step[:, None].float())
    return torch.stack([flux / widths, lines / widths, absorbed], 1), known


def _plan_bins(objects, edges, variance, present):
    """First edge and span of the oversampled grid of each object, float64 (B,), and the bins it wants (ndarray)."""
    needed = torch.minimum(0.55 * variance.sqrt(), 0.65 * (edges[1] - edges[0]).float())
    finest = needed.masked_fill(~present, torch.inf).amin(1).double()
    first = edges[0, :, 0]
    last = edges[1].masked_fill(~present, -torch.inf).amax(1)
    widest = variance.masked_fill(~present, 0).amax(1) + objects.sigma**2 + objects.rotation**2
    if objects.line_flux.shape[1]:
        widest = widest + objects.line_sigma.masked_fill(objects.line_flux == 0, 0).amax(1) ** 2
    margin = (_MARGIN * widest.sqrt()).clamp(max=0.2).double() + 4 * finest
    span = last - first + 2 * margin
    return first - margin, span, (span / finest).ceil().clamp(256, _MOST_BINS).cpu().numpy()


def _frequencies(size, step):
    """Angular frequencies of the transform along ln(wavelength), float32 (B, F)."""
    omega = 2 * np.pi * torch.arange(size // 2 + 1, device=step.device, dtype=torch.float32) / size
    return omega / step[:, None].float()


def _lay_nodes(variance, present):
    """Variances of the LSF, evenly spaced in ln, that span those of each instrument, float32 (B, K)."""
    low = variance.masked_fill(~present, torch.inf).amin(1)
    high = variance.masked_fill(~present, 0).amax(1)
    ratio = torch.log(high / low)
    count = int(min(1 + np.ceil(0.5 * float(ratio.amax()) / _NODE_STEP - 1e-3), _MOST_NODES))
    if count <= 1:
        return (0.5 * (low + high))[:, None]
    return low[:, None] * torch.exp(
        ratio[:, None] * torch.linspace(0, 1, count, device=low.device, dtype=torch.float32)
    )


def _redistribute(objects, edges):
    """Flux per ln(wavelength) on the oversampled grid (B, N), finite, and where it is known (B, N)."""
    grid = objects.grid
    position = (edges - torch.log1p(objects.z)[:, None] - (grid.ln_start - 0.5 * grid.ln_step)) / grid.ln_step
    known = (position[:, :-1] >= -1e-6) & (position[:, 1:] <= grid.size + 1e-6)
    # only the stretch that is looked at
    low = min(max(int(position[:, 0].amin()), 0), grid.size - 1)
    high = max(min(int(position[:, -1].amax()) + 2, grid.size), low + 1)
    flux, position = objects.flux[:, low:high], position - low
    finite = torch.isfinite(flux)
    rest = torch.exp(grid.ln_start + grid.ln_step * torch.arange(low, high, device=edges.device, dtype=torch.float64))
    # one bin of the rest frame is one unit of position; energy per bin over the part of it that is seen
    covered = position.diff(dim=1)
    where = _find_cells(position, high - low)
    total = _accumulate(torch.where(finite, flux, 0.0) * rest.float())
    out = (_interpolate(total, *where).diff(dim=1) / covered).float()
    if not bool(finite.all()):
        known &= _interpolate(_accumulate(finite), *where).diff(dim=1) > 0.999 * covered
    if not bool(known.all()):
        out = fill_unknown(out, known)
    return out, known


def _accumulate(values):
    """Running totals with a leading zero, float64 (..., N + 1)."""
    total = torch.cumsum(values, -1, dtype=torch.float64)
    return torch.nn.functional.pad(total, (1, 0))


def _find_cells(position, size):
    """Index and part of the way to the next, for positions in ``size`` bins; the nearest end outside."""
    position = position.clamp(0, size)
    index = position.long().clamp(max=size - 1)
    return index, position - index


def _interpolate(total, index, part):
    """Linear interpolation of running totals (..., N + 1)."""
    below = total.gather(-1, index)
    return torch.lerp(below, total.gather(-1, index + 1), part)


def fill_unknown(values, known):
    """Give unknown bins the value of the last known one before them (the first known one, ahead of that)."""
    number = torch.arange(values.shape[1], device=values.device).expand_as(values)
    last = torch.where(known, number, -1).cummax(1).values
    first = known.int().argmax(1, keepdim=True)
    filled = values.gather(1, torch.where(last < 0, first, last))
    return torch.where(known.any(1, keepdim=True), filled, 0.0)


def _lay_lines(objects, start, step, size):
    """Emission lines as combs, one for each group of width: (density (B, G, N), sigma (B, G)); None without lines."""
    if objects.line_flux.shape[1] == 0:
        return None
    place = objects.line_ln_wavelength + torch.log1p(objects.z)[:, None] - start[:, None]
    place = place / step[:, None] - 0.5  # (B, L) in bins, from the centre of the first
    active = (objects.line_flux != 0) & (place >= 0) & (place < size - 1)
    if not bool(active.any()):
        return None
    square = objects.line_sigma.clamp(min=1e-7) ** 2
    low = square.masked_fill(~active, torch.inf).amin(1).clamp(max=1.0)  # (B,)
    high = torch.maximum(square.masked_fill(~active, 0).amax(1), low)
    groups = _LINE_GROUPS if bool((high > 1.02 * low).any()) else 1
    nodes = low[:, None] * (high / low)[:, None] ** torch.linspace(
        0, 1, groups, device=low.device, dtype=torch.float32
    )  # (B, G)
    flux = torch.where(active, objects.line_flux, 0.0) / step[:, None].float()
    index = torch.where(active, place, 0.0).long()
    part = torch.where(active, place - index, 0.0).float()
    comb = torch.zeros(len(flux), groups * size, device=flux.device, dtype=torch.float32)
    for group, share in _split(square, nodes):
        for cell, weight in ((0, 1 - part), (1, part)):
            comb.scatter_add_(1, group * size + index + cell, flux * share * weight)
    return comb.view(len(flux), groups, size), nodes.sqrt()


def _split(values, nodes):
    """The two nodes (B, G) around each value (B, M), with shares that keep the mean: pairs (index, share)."""
    count = nodes.shape[1]
    if count == 1:
        return ((torch.zeros_like(values, dtype=torch.long), torch.ones_like(values)),)
    low, high = nodes[:, :1], nodes[:, -1:]
    span = torch.log(high / low).clamp(min=1e-12)
    index = (torch.log(values / low) / span * (count - 1)).long().clamp(0, count - 2)
    below, above = nodes.gather(1, index), nodes.gather(1, index + 1)
    share = ((values - below) / (above - below).clamp(min=1e-30)).clamp(0, 1)
    return (index, 1 - share), (index + 1, share)


def transform_rotation(b):
    """Fourier transform of rotational broadening with linear limb darkening; ``b`` is frequency times v sin i."""
    safe = b.clamp(min=0.3)
    # the series where the closed forms lose their digits
    ellipse = torch.where(b < 0.3, 1 - b**2 / 8 + b**4 / 192, 2 * torch.special.bessel_j1(safe) / safe)
    closed = 3 * (torch.sin(safe) - safe * torch.cos(safe)) / safe**3
    parabola = torch.where(b < 0.3, 1 - b**2 / 10 + b**4 / 280, closed)
    dark = 2 * _LIMB_DARKENING / 3
    return ((1 - _LIMB_DARKENING) * ellipse + dark * parabola) / (1 - _LIMB_DARKENING / 3)


def _broaden(objects, spread, lines, nodes, step):
    """Transforms of the objects, broadened for each node of the LSF: complex (B, K, F)."""
    size = spread.shape[1]
    omega = _frequencies(size, step)  # (B, F)
    half = -0.5 * omega[:, None] ** 2
    box = step.float() ** 2 / 12
    rest = objects.grid.ln_step**2 / 12
    # what the templates, the bins they came in and our own bins have broadened already; never below half a bin of
    # the rest frame, or its steps would show
    extra = (objects.sigma**2 - objects.template_sigma**2 - 2 * box - rest)[:, None] + nodes  # (B, K)
    extra = extra.clamp(min=(0.5 * objects.grid.ln_step) ** 2)
    hat = torch.fft.rfft(spread)  # (B, F)
    if bool((objects.rotation > 0).any()):
        hat = hat * transform_rotation(omega * objects.rotation[:, None])
    out = hat[:, None] * torch.exp(half * extra[..., None])
    if lines is not None:
        comb, sigma = lines
        hats = torch.fft.rfft(comb)  # (B, G, F)
        # a line between two bins is shared by them: a variance of up to step^2 / 4, on average step^2 / 6
        common = (nodes - 3 * box[:, None]).clamp(min=0)
        shared = (hats * torch.exp(half * sigma[..., None] ** 2)).sum(1)  # (B, F)
        out = out + shared[:, None] * torch.exp(half * common[..., None])
    return out


def _lay_sky(edges, ground):
    """Sky lines and absorption on the oversampled grid, (B, 2, N)."""
    start, step, size = SKY_GRID
    index, part = _find_cells((edges - start) / step, size)
    widths = edges.diff(dim=1)
    out = []
    for total, unit in ((make_emission(str(edges.device)), 1.0), (make_absorption(str(edges.device)), step)):
        out.append(torch.lerp(total[index], total[index + 1], part).diff(dim=1) * unit / widths)
    return torch.stack(out, 1).float() * ground[:, None, None]


def _integrate(density, step, places):
    """Integrals of density per ln(wavelength) (B, C, N) over pixels between ``places`` (2, B, P) in bins: (B, C, P)."""
    total = _accumulate(density)
    shape = (*density.shape[:2], places.shape[2])
    ends = []
    for place in places:
        index, part = _find_cells(place, density.shape[2])
        ends.append(_interpolate(total, index[:, None].expand(shape), part[:, None].expand(shape)))
    return (ends[1] - ends[0]).float() * step.float()[:, None, None]


def _blend(energy, nodes, variance):
    """Choose between the nodes of the LSF for each pixel: (B, K, P) to (B, P)."""
    return sum(energy.gather(1, index[:, None])[:, 0] * share for index, share in _split(variance, nodes))


def _find_known(known, places, sigma):
    """Pixels (B, P) that no unknown bin reaches within three widths of the LSF."""
    left, right = places
    if bool(known.all()):
        return torch.ones_like(left, dtype=torch.bool)
    count = _accumulate(~known)
    first = (left - 3 * sigma).long().clamp(0, known.shape[1])
    last = (right + 3 * sigma).ceil().long().clamp(0, known.shape[1])
    return count.gather(1, last) == count.gather(1, first)
