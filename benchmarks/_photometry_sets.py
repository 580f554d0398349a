"""Simulated objects that trained nothing, their photometry, and the comparisons that photometry is measured beside."""

import numpy as np
import torch

from astro_spectok.align.filters import BANDS
from astro_spectok.heads.photometry import PhotometryHead
from astro_spectok.simulate import CLASSES, Survey
from astro_spectok.training.photometry_draws import draw_photometry, measure_filters
from astro_spectok.training.photometry_pairs import CHUNK, draw_pairs, join_pairs

#: families by class
FAMILIES = {"GALAXY": "galaxies", "QSO": "quasars", "STAR": "stars"}
#: filters of all sets of bands
NAMES = tuple(dict.fromkeys(name for names in BANDS.values() for name in names))
#: part of the flux that templates, and decoded spectra, are taken to be off
SLACK = 0.03


def draw_objects(
    data, numbers, seed, *, runner=None, snr=(10.0, 10.0), instruments=("sdss", "boss", "desi"), keep=None
):
    """Objects of each class, with spectra where there is a runner; kept in a folder where one is given."""
    parts = []
    for cls, n in numbers.items():
        survey = None
        for k in range(-(-n // CHUNK)):
            path = None if keep is None else keep / f"{cls}-{seed}-{snr[0]:g}-{bool(runner)}-{k:03d}.npz"
            if path is not None and path.is_file():
                with np.load(path) as file:
                    parts.append(dict(file))
                continue
            if survey is None:
                survey = Survey(data, families=(FAMILIES[cls],), instruments=instruments, snr=snr)
            parts.append(draw_pairs(data, min(CHUNK, n - k * CHUNK), [seed, k], runner=runner, survey=survey))
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                np.savez(path, **parts[-1])
    return join_pairs(parts)


def measure(pairs):
    """Noiseless fluxes of objects in the filters of all sets of bands."""
    return measure_filters(pairs["truth"], pairs["cls"], NAMES)


def see(fluxes, bands, snr, seed=0):
    """Photometry in a set of bands at one signal-to-noise ratio; zero points and errors as surveys have them."""
    rows = np.arange(len(fluxes.flux))
    return draw_photometry(fluxes, rows, np.random.default_rng(seed), names=BANDS[bands], snr=(snr, snr))


def true_colours(fluxes, bands):
    """Noiseless fluxes of the objects in a set of bands, NaN where the spectrum does not reach."""
    return fluxes.flux[:, fluxes.find(BANDS[bands])]


def find_distances(photometry, templates, slack=SLACK):
    """Chi square of each object (n) to each template (m), with a free amplitude; inf where a band is unknown."""
    flux, error, mask = (photometry.flux.numpy(), photometry.error.numpy(), photometry.mask.numpy())
    known = np.isfinite(templates)
    shape = np.where(known, templates, 0).astype(np.float64)
    weight = np.where(mask, 1 / (error**2 + (slack * flux) ** 2), 0).astype(np.float64)
    top = (weight * flux) @ shape.T
    bottom = weight @ (shape**2).T
    total = (weight * flux**2) @ known.T.astype(float)
    amplitude = np.maximum(top / np.maximum(bottom, 1e-300), 0)
    distance = total - 2 * amplitude * top + amplitude**2 * bottom
    return np.where(known.all(1), distance, np.inf)


def make_untrained(config, seed=1):
    """A head of the same sizes with random parameters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PhotometryHead(config).eval()


def embed(head, photometry):
    """Vectors and probabilities, ndarray (n, E) and (n, bins)."""
    with torch.inference_mode():
        vectors, scores = head.read_photometry(photometry)
    temperature = head.calibration.get("temperature", 1.0)
    return vectors.numpy(), (scores.double() / temperature).softmax(1).numpy()


def score_redshifts(z, cls, found_z, found_cls):
    """Scatter, outliers and class accuracy.

    Redshifts are those of galaxies and quasars of which the class was found.
    """
    star = CLASSES.index("STAR")
    right = (found_cls == cls) & (cls != star)
    dz = (found_z[right] - z[right]) / (1 + z[right])
    return {
        "sigma_nmad": float(1.4826 * np.median(np.abs(dz - np.median(dz)))) if right.any() else float("nan"),
        "outliers": float((np.abs(dz) > 0.15).mean()) if right.any() else float("nan"),
        "class": float((found_cls == cls).mean()),
        "n": int(right.sum()),
    }


def find_pit(probability, config, cls, z):
    """Probability integral transform of galaxies and quasars, given their class: uniform if probabilities are right."""
    out = []
    for p, c, value in zip(probability, cls.tolist(), z.tolist(), strict=True):
        if c == CLASSES.index("STAR") or value > config.redshifts[-1]:
            continue
        own = p[c * config.z_bins : (c + 1) * config.z_bins]
        edges = config.z_step * (np.arange(config.z_bins + 1) - 0.5)
        out.append(np.interp(np.log1p(value), edges, np.concatenate([[0], np.cumsum(own)]) / max(own.sum(), 1e-300)))
    return np.array(out)
