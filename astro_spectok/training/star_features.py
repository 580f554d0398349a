# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the part of stars learns from: features of views of one star, simulated and of libraries."""

import re
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

__all__ = ["RealPairs", "StoredViews", "draw_views", "read_real_pairs", "simulate_pairs"]

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
    guess : float32 tensor, shape (n, V)
        Velocities that they were shifted by, km/s.
    velocity : float32 tensor, shape (n,)
    star : int64 tensor, shape (n,)
        The same number for the same star.
    """

    features: torch.Tensor
    guess: torch.Tensor
    velocity: torch.Tensor
    star: torch.Tensor


class RealPairs(NamedTuple):
    """Stars that two libraries have: features (n, F) and guesses (n,) of either, which star, which two libraries."""

    first: torch.Tensor
    first_guess: torch.Tensor
    second: torch.Tensor
    second_guess: torch.Tensor
    star: torch.Tensor
    libraries: torch.Tensor

    @property
    def guess(self):
        """Of both, (n, 2)."""
        return torch.stack([self.first_guess, self.second_guess], 1)


def draw_views(stars, views, simulated, real, names):
    """`StoredViews` of random stars.

    Parameters
    ----------
    stars : `~astro_spectok.heads.star_vector.StarVector`
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
    velocity, found, guesses = views.draw_velocity(len(rows) + number), [], []
    for view in range(VIEWS):
        own = [spectra[k][view % len(spectra[k])] for k in chosen]
        flux = np.concatenate([simulated[rows], real[own]]) if number else simulated[rows]
        seen, guess = views.draw(torch.from_numpy(flux.astype(np.float32)), velocity, snr=snr)
        found.append(_reduce(stars, seen))
        guesses.append(guess)
    star = torch.from_numpy(np.concatenate([rows, len(simulated) + np.asarray(chosen, int)]))
    return StoredViews(torch.stack(found, 1).half(), torch.stack(guesses, 1), velocity, star)


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
        good = sides[0][2] & sides[1][2]
        stored = [torch.stack([side[k] for side in sides], 1)[good] for k in (0, 1)]
        star = first + chunk * CHUNK + torch.arange(len(velocity))[good]
        parts.append(StoredViews(stored[0].half(), stored[1], velocity[good], star))
        if report:
            report(f"pairs of stars: {min((chunk + 1) * CHUNK, number)}")
    return parts


def read_features(runner, head, spectra, *, medium="vacuum"):
    """Features (n, F), velocities of tokens in km/s (n,), and whether enough is covered (n,), of spectra."""
    batch = to_batch(to_inputs(spectra), medium=medium, on_error="flag")
    size = head.stars.first.in_features - 1
    features, guess = torch.zeros(len(batch), size), torch.zeros(len(batch))
    covered = torch.zeros(len(batch), dtype=torch.bool)
    for group, patches in runner.arrange(batch):
        rows = torch.from_numpy(np.asarray(group))
        tokens = runner.network.encode(patches, detail=False)
        geometry = patches.grid.geometry
        best, shift = runner.embedder.find_best(tokens, patches.mask, geometry), torch.zeros(len(rows)).double()
        if best is not None:
            shift = head.find_velocity(best.ln_one_plus_z.to(shift), shift)
        seen = head.view_stars(geometry, shift, weigh_pixels(patches))
        features[rows], guess[rows] = _reduce(head.stars, seen), (shift * LIGHT_SPEED).float()
        covered[rows] = (seen[2] > 0).float().mean(1) > COVERED
    return features, guess, covered


def read_real_pairs(runner, head, data):
    """`RealPairs` of MILES, CFLIB and STELIB, without the second half of `split_pairs`, and the names of that half."""
    sets = {}
    for name, column in (*PAIRED_SETS.items(), THIRD[:2]):
        if data is None or not (path := Path(data) / f"{name}.npz").is_file():
            return None, set()
        spectra, columns = load_set(path)
        texts = [re.sub(THIRD[2], r"HD\1\2", str(x).upper()) if name == THIRD[0] else x for x in columns[column]]
        sets[name] = [name_star(x) for x in texts], spectra
    (one, _), (other, _), _ = sets.values()
    shared = [name for name in other if name and name in one]
    left_out = {name for name, half in zip(shared, split_pairs(len(shared)), strict=True) if half}
    read = []
    for names, spectra in sets.values():
        read.append((names, read_features(runner, head, spectra, medium="air")))
    stars, parts = {}, []
    for k, (a, b) in enumerate(((0, 1), (0, 2), (1, 2))):
        (first, one), (second, other) = read[a], read[b]
        rows = [
            (first.index(name), j)
            for j, name in enumerate(second)
            if name and name in first and name not in left_out and one[2][first.index(name)] and other[2][j]
        ]
        if not rows:
            continue
        i, j = map(list, zip(*rows, strict=True))
        star = torch.tensor([stars.setdefault(first[x], len(stars)) for x in i])
        parts.append(RealPairs(one[0][i], one[1][i], other[0][j], other[1][j], star, torch.full((len(i),), k)))
    return (RealPairs(*map(torch.cat, zip(*parts, strict=True))) if parts else None), left_out


def _reduce(stars, seen):
    parts = [stars.reduce(*(x[start : start + AT_ONCE] for x in seen)) for start in range(0, len(seen[0]), AT_ONCE)]
    return torch.cat(parts)
