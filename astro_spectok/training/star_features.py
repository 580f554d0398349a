# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the part of stars learns from: features of views of one star, simulated and of libraries."""

import re
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from astro_spectok.heads.flux_view import weigh_pixels
from astro_spectok.simulate import Survey
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import to_batch
from astro_spectok.training.embedding_parts import PAIRED_SETS, name_star, split_pairs
from astro_spectok.training.observed import to_inputs, to_spectra
from astro_spectok.training.star_views import BRIGHT, SNR
from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = [
    "RealPairs",
    "StoredViews",
    "draw_views",
    "find_real_pairs",
    "list_left_out",
    "read_libraries",
    "simulate_pairs",
]

#: views of a star that are kept, stars of a draw, and those of libraries among them
VIEWS, DRAWN, LIBRARY = 3, 256, 96
#: share of the draws with the noise of libraries; how often a star counts that two libraries have
BRIGHT_SHARE, TWICE = 0.4, 4.0
#: instruments and signal-to-noise ratios of pairs that are simulated in full; those of each draw
INSTRUMENTS = (
    "sdss",
    "boss",
    "desi",
    "lamost_lrs",
    "aaomega",
    "muse",
    "4most_lrs",
    "pfs",
    "xshooter",
    "sixdf",
    "random",
)
PAIR_SNR, CHUNK = (3.0, 60.0), 200
#: least share of the bins that a spectrum covers
COVERED = 0.25
#: a third library of stars, the column of their names, and what these begin with in place of HD
THIRD = ("stelib_real_stars", "id", r"^D0*(\d+)([AB]?)$")
#: spectra whose features are found at a time
AT_ONCE = 256


class StoredViews(NamedTuple):
    """Views of n stars, V of each.

    Attributes
    ----------
    features : float16 tensor, shape (n, V, F)
        As of `~astro_spectok.heads.star_vector.StarVector.reduce`.
    lines : float16 tensor, shape (n, V, L)
        The part of lines.
    guess : float32 tensor, shape (n, V)
        Velocities that they were shifted by, km/s.
    velocity : float32 tensor, shape (n,)
    star : int64 tensor, shape (n,)
        The same number for the same star.
    """

    features: torch.Tensor
    lines: torch.Tensor
    guess: torch.Tensor
    velocity: torch.Tensor
    star: torch.Tensor


class RealPairs(NamedTuple):
    """Stars that two libraries have.

    Attributes
    ----------
    features, lines : float32 tensor, shape (n, 2, F) and (n, 2, L)
    guess : float32 tensor, shape (n, 2)
    star, libraries : int64 tensor, shape (n,)
        Which star, and which two libraries.
    """

    features: torch.Tensor
    lines: torch.Tensor
    guess: torch.Tensor
    star: torch.Tensor
    libraries: torch.Tensor


class SeenStars(NamedTuple):
    """What `read_features` gives of n spectra.

    Attributes
    ----------
    features, lines : float32 tensor, shape (n, F) and (n, L)
    guess : float32 tensor, shape (n,)
        Velocities of tokens, km/s.
    covered : bool tensor, shape (n,)
        Whether enough of the bins is known.
    """

    features: torch.Tensor
    lines: torch.Tensor
    guess: torch.Tensor
    covered: torch.Tensor


def draw_views(views, simulated, real, names):
    """`StoredViews` of random stars.

    Parameters
    ----------
    views : `~astro_spectok.training.star_views.StarViews`
    simulated, real : ndarray, shape (n, M)
        Stars without noise.
    names : list of str
        Of the real ones: spectra of one name are views of one star.
    """
    rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=views.random)))
    rows = rng.choice(len(simulated), min(DRAWN, len(simulated)), replace=False)
    spectra = {}
    for i, name in enumerate(names):
        spectra.setdefault(name or f"{i}", []).append(i)
    spectra = list(spectra.values())
    weight = np.array([TWICE if len(one) > 1 else 1.0 for one in spectra])
    number = min(LIBRARY, len(spectra))
    chosen = rng.choice(len(spectra), number, replace=False, p=weight / weight.sum()) if number else []
    snr = BRIGHT if rng.random() < BRIGHT_SHARE else SNR
    velocity, found = views.draw_velocity(len(rows) + number), []
    for view in range(VIEWS):
        own = [spectra[k][view % len(spectra[k])] for k in chosen]
        flux = np.concatenate([simulated[rows], real[own]]) if number else simulated[rows]
        seen, guess, lines = views.draw(torch.from_numpy(flux.astype(np.float32)), velocity, snr=snr)
        found.append((_reduce(views.head, seen).half(), _map_lines(views.head, lines).half(), guess))
    star = torch.from_numpy(np.concatenate([rows, len(simulated) + np.asarray(chosen, int)]))
    return StoredViews(*(torch.stack(x, 1) for x in zip(*found, strict=True)), velocity, star)


def simulate_pairs(runner, head, data, number, seed, *, report=None):
    """`StoredViews`, two of each, of stars with all that is wrong with spectra, shifted by velocities of tokens."""
    survey, parts, first = Survey(data, families=("stars",)), [], 10**7
    for chunk in range(-(-number // CHUNK)):
        groups = survey.draw(
            min(CHUNK, number - chunk * CHUNK), [seed, chunk], views=2, instruments=[INSTRUMENTS] * 2, snr=PAIR_SNR
        )
        sides = [
            read_features(runner, head, [one for group in groups for one in to_spectra(group.observations[view])])
            for view in (0, 1)
        ]
        velocity = torch.cat([torch.log1p(group.objects.z) for group in groups]).float() * LIGHT_SPEED
        features, lines, guess, covered = (torch.stack(x, 1) for x in zip(*sides, strict=True))
        good = covered.all(1)
        star = first + chunk * CHUNK + torch.arange(len(velocity))[good]
        parts.append(StoredViews(features[good].half(), lines[good].half(), guess[good], velocity[good], star))
        if report:
            report(f"pairs of stars: {min((chunk + 1) * CHUNK, number)}")
    return parts


def read_features(runner, head, spectra, *, medium="vacuum"):
    """`SeenStars` of spectra."""
    batch = to_batch(to_inputs(spectra), medium=medium, on_error="flag")
    sizes = head.stars.first.in_features - 1, head.config.sizes["lines"]
    features, lines = (torch.zeros(len(batch), size) for size in sizes)
    guess, covered = torch.zeros(len(batch)), torch.zeros(len(batch), dtype=torch.bool)
    for group, patches in runner.arrange(batch):
        rows = torch.from_numpy(np.asarray(group))
        tokens = runner.network.encode(patches, detail=False)
        geometry = patches.grid.geometry
        best, shift = runner.embedder.find_best(tokens, patches.mask, geometry), torch.zeros(len(rows)).double()
        if best is not None:
            shift = head.find_velocity(best.ln_one_plus_z.to(shift), shift)
        pixels = weigh_pixels(patches)
        seen = head.view_stars(geometry, shift, pixels)
        features[rows], guess[rows] = _reduce(head, seen), (shift * LIGHT_SPEED).float()
        lines[rows] = _map_lines(head, head.view(patches, torch.zeros_like(shift), pixels)[0])
        covered[rows] = (seen[2] > 0).float().mean(1) > COVERED
    return SeenStars(features, lines, guess, covered)


def read_libraries(data):
    """Names and spectra of the stars of MILES, CFLIB and STELIB, in this order; () where one of them is absent."""
    sets = []
    for name, column in (*PAIRED_SETS.items(), THIRD[:2]):
        if data is None or not (path := Path(data) / f"{name}.npz").is_file():
            return ()
        spectra, columns = load_set(path)
        texts = [re.sub(THIRD[2], r"HD\1\2", str(x).upper()) if name == THIRD[0] else x for x in columns[column]]
        sets.append(([name_star(x) for x in texts], spectra))
    return tuple(sets)


def list_left_out(libraries):
    """Names of the second half of the stars that the first two of `read_libraries` share: set of str."""
    if not libraries:
        return set()
    (one, _), (other, _), *_ = libraries
    shared = [name for name in other if name and name in one]
    return {name for name, half in zip(shared, split_pairs(len(shared)), strict=True) if half}


def find_real_pairs(runner, head, libraries, left_out):
    """`RealPairs` of stars that two of `read_libraries` have, but for those ``left_out``; None without any."""
    read = [(names, read_features(runner, head, spectra, medium="air")) for names, spectra in libraries]
    stars, parts = {}, []
    for k, (a, b) in enumerate(combinations(range(len(read)), 2)):
        (first, one), (second, other) = read[a], read[b]
        rows = [
            (first.index(name), j)
            for j, name in enumerate(second)
            if name and name in first and name not in left_out and one.covered[first.index(name)] and other.covered[j]
        ]
        if not rows:
            continue
        i, j = map(list, zip(*rows, strict=True))
        both = [torch.stack([x[i], y[j]], 1) for x, y in zip(one[:3], other[:3], strict=True)]
        star = torch.tensor([stars.setdefault(first[x], len(stars)) for x in i])
        parts.append(RealPairs(*both, star, torch.full((len(i),), k)))
    return RealPairs(*map(torch.cat, zip(*parts, strict=True))) if parts else None


def _reduce(head, seen):
    return _chunked(head.stars.reduce, seen)


def _map_lines(head, seen):
    return _chunked(lambda *some: head.map_lines(some), seen)


def _chunked(measure, seen):
    """What a function makes of views, some at a time."""
    starts = range(0, len(seen[0]), AT_ONCE)
    return torch.cat([measure(*(x[start : start + AT_ONCE] for x in seen)) for start in starts])
