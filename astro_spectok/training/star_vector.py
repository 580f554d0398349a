# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the part of stars of the embedding: the same star by two instruments against all others."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from astro_spectok.training.component_fits import fit_discriminants
from astro_spectok.training.star_features import StoredViews, draw_views, read_real_pairs, simulate_pairs
from astro_spectok.training.star_views import BRIGHT, StarViews, draw_stars, read_real_stars

__all__ = ["train_star_vector"]

#: stars that components are made of, draws of them, and least share of the bins of one
FITTED, ROUNDS, COVERED = 4096, 3, 0.6
#: least spread of what components leave; how much louder than the median a star may be before it counts less
LEAST_SIGMA, LOUD = 0.015, 2.0
#: stars in a batch, of them such that two libraries have; steps between draws of new views
BATCH, REAL, OLD = 1024, 24, 25
#: greatest learning rate, its end, and steps of rise; decay of weights
RATE, LAST, WARM, DECAY = 2e-3, 0.02, 100, 0.02
#: how often differences of real pairs count in the first guess, of how large vectors it makes
COUNTED, LENGTH = 25, 2.0
#: share of the views that the difference of two libraries is added to, how much of it, and that for real pairs
DISTURBED, MOST, GENTLE = 0.75, 4.0, 0.3
#: weight of the likelihood of velocities; degrees of freedom of its tails
SPEED, TAIL = 0.3, 4.0
#: first inverse temperature of the contrast, and the greatest; first weight of a period of the velocity
BEGIN, SHARPEST, SHARE = 15.0, 100.0, 0.31


def train_star_vector(runner, head, data, *, stars, pairs, steps, seed, scale=2.5, report=None):
    """Train the part of stars of a head in place.

    Components are those of simulated and real stars as surveys see them at high signal-to-noise ratio. Views of one
    star, of which some are drawn anew all the time, are to be near to each other and far from all others. To half of
    them differences are added that real stars have between MILES, CFLIB and STELIB: simulated instruments differ by
    less. Of the stars that MILES and CFLIB share half take no part, so that they can tell how good it is.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
        Of the weights that find velocities.
    head : `~astro_spectok.heads.EmbeddingHead`
    data : path-like or None
        Directory of the public template sets; None for analytic templates alone.
    stars, pairs : int
        Simulated ones without noise, and pairs that are simulated in full.
    steps, seed : int
    scale : float, optional
        Weight of the velocity in the vector, where that of the star is 1, over what was learned.
    report : callable, optional

    Returns
    -------
    dict
        ``loss`` and ``nearest``, the share of the stars whose other view is nearest, of the last steps.
    """
    report = report or (lambda text: None)
    vector = head.stars
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in (vector.first, vector.second, vector.vector, vector.skip):
            module.reset_parameters()
        torch.nn.init.zeros_(vector.speed.weight)
        torch.nn.init.zeros_(vector.speed.bias)
        with torch.no_grad():
            views = StarViews(head, seed)
            real, left_out = read_real_pairs(runner, head, data)
            clean = draw_stars(data, stars, seed, views.ln_wavelength)
            library, names = read_real_stars(data, views.ln_wavelength)
            rows = [i for i, name in enumerate(names) if name not in left_out]
            library, names = library[rows], [names[i] for i in rows]
            report(f"stars: {len(clean)} simulated, {len(library)} real, {0 if real is None else len(real.star)} pairs")
            fit_star_components(vector, views, np.concatenate([clean, library]))
            stored = simulate_pairs(runner, head, data, pairs, seed, report=report)
            while sum(len(x.star) for x in stored) < BATCH:
                stored.append(draw_views(vector, views, clean, library, names))
            begin_vectors(vector, stored, real)
        return _train(vector, stored, real, lambda: draw_views(vector, views, clean, library, names), steps, seed,
                      scale, report)  # fmt: skip


def fit_star_components(vector, views, flux):
    """Mean, components and what they leave of the bins, of stars without noise (n, M); all stars count alike."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(-(-FITTED // 256)):
        some = torch.from_numpy(flux[rng.integers(len(flux), size=256)].astype(np.float32))
        rows.append(views.draw(some, views.draw_velocity(256), snr=(BRIGHT[1] / 2, BRIGHT[1]))[0])
    values, _, weight = map(torch.cat, zip(*rows, strict=True))
    good = weight.mean(1) > COVERED
    values, weight = values[good], weight[good]
    mean = (values * weight).sum(0) / weight.sum(0).clamp_min(1)
    number = min(len(vector.basis), len(values) - 1)
    filled, sigma = (values - mean) * weight, torch.full_like(mean, 0.05)
    for step in range(ROUNDS + 1):
        scaled = filled / sigma
        size = scaled.square().mean(1, keepdim=True).sqrt()
        counts = (LOUD * size.median() / size.clamp_min(1e-6)).clamp(max=1)
        _, length, axes = torch.svd_lowrank(scaled * counts, q=min(number + 8, *scaled.shape), niter=3)
        axes = axes[:, :number]
        if step == ROUNDS:
            break
        guess = (scaled @ axes) @ axes.T * sigma
        filled = torch.where(weight > 0, values - mean, guess)
        left = ((filled - guess) * counts).square() * weight
        sigma = (left.sum(0) / weight.sum(0).clamp_min(1) + LEAST_SIGMA**2).sqrt()
    vector.mean.copy_(mean)
    vector.sigma.copy_(sigma)
    vector.basis.zero_()[:number] = axes.T * (length[:number, None] / len(values) ** 0.5)


def begin_vectors(vector, stored, real):
    """The linear part in closed form: the directions that separate stars best."""
    size = vector.skip.in_features
    both = torch.cat([x.features[:, :2, :size] for x in stored]).float()
    pairs = [(both[:, 0], both[:, 1])]
    if real is not None:
        pairs += [(real.first[:, :size], real.second[:, :size])] * COUNTED
    mean, mapping = fit_discriminants(pairs, vector.skip.out_features)
    mapping = LENGTH * mapping / ((both[:, 0] - mean) @ mapping).norm(dim=1).median()
    vector.skip.weight.copy_(mapping.T)
    vector.vector.bias.copy_(-mean @ mapping)


class _Disturbance:
    """What the same star differs by between two libraries, as random features."""

    def __init__(self, real, size):
        self.size = size
        if real is None:
            self.means = self.rest = None
            return
        change = (real.first - real.second)[:, :size]
        kinds = real.libraries.unique()
        self.means = torch.stack([change[real.libraries == k].mean(0) for k in kinds])
        self.rest = torch.cat([change[real.libraries == k] - m for k, m in zip(kinds, self.means, strict=True)])

    def __call__(self, features, much=1.0):
        if self.means is None:
            return features
        n = len(features)
        change = torch.randn(n, len(self.rest)) @ self.rest / len(self.rest) ** 0.5 * MOST * torch.rand(n, 1)
        change = change + self.means[torch.randint(len(self.means), (n,))] * (torch.rand(n, 1) - 0.5)
        change = change * much * (torch.rand(n, 1) < DISTURBED)
        return torch.cat([features[:, : self.size] + change, features[:, self.size :]], 1)


def _train(vector, stored, real, draw, steps, seed, scale, report):
    """Steps of contrast on stored views."""
    rng, disturb = np.random.default_rng(seed), _Disturbance(real, vector.skip.in_features)
    sharpness = torch.nn.Parameter(torch.tensor(math.log(BEGIN)))
    share = torch.nn.Parameter(torch.full_like(vector.share, math.log(math.expm1(SHARE))))
    parameters = [*vector.parameters(), sharpness, share]
    optimizer, data, loss, nearest = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY), None, math.nan, 0.0
    for step in range(steps):
        if step % OLD == 0:
            with torch.no_grad():
                stored.append(draw())
            data = None
        data = data or _join(stored)
        course = LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARM) * course
        features, guess, velocity, star = _draw_batch(data, real, disturb, rng)
        found, speed, ln_error = vector.read(features, guess)
        n, k = len(star), 0 if real is None else min(REAL, len(real.star))
        loss, nearest = _contrast(found, star, sharpness)
        off = (speed - torch.cat([velocity] * 2)) / ln_error.exp()
        likely = ln_error + (TAIL + 1) / 2 * torch.log1p(off**2 / TAIL)
        # of real stars nobody says how they move
        told = torch.arange(2 * n).view(2, n)[:, k:].flatten()
        vector.share.copy_(F.softplus(share).detach())
        waves = vector.wave(speed, ln_error) / vector.share.repeat(2) * F.softplus(share).repeat(2)
        moving, _ = _contrast(torch.cat([found, waves], 1)[told], star[k:], sharpness, velocity[k:])
        (loss + moving + SPEED * likely[told].mean()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 99 or step == steps - 1:
            report(
                f"step {step + 1}: contrast {float(loss.detach()):.3f}, nearest {nearest:.2f}, {len(data.star)} stars"
            )
    vector.share.copy_(scale * F.softplus(share).detach())
    return {"loss": float(loss.detach()) if steps else None, "nearest": nearest}


def _join(stored):
    """All stored views as one; those with two of a star have the first once more."""
    three = [
        StoredViews(torch.cat([x.features, x.features[:, :1]], 1), torch.cat([x.guess, x.guess[:, :1]], 1), *x[2:])
        if x.features.shape[1] == 2 else x for x in stored
    ]  # fmt: skip
    return StoredViews(*map(torch.cat, zip(*three, strict=True)))


def _draw_batch(data, real, disturb, rng):
    """Features (2 B, F) and guesses of two views, and velocity and star (B,); real pairs first."""
    n = len(data.star)
    rows = torch.from_numpy(rng.choice(n, min(BATCH, n), replace=False))
    order = torch.from_numpy(np.stack([(0, 1), (1, 2), (0, 1), (1, 0)])[rng.integers(4, size=len(rows))])
    features = disturb(torch.cat([data.features[rows, order[:, k]] for k in (0, 1)]).float())
    guess = torch.cat([data.guess[rows, order[:, k]] for k in (0, 1)])
    velocity, star = data.velocity[rows], data.star[rows].clone()
    if real is not None:
        k, b = min(REAL, len(real.star)), len(rows)
        some = torch.from_numpy(rng.choice(len(real.star), k, replace=False))
        features[:k], features[b : b + k] = (disturb(x[some], GENTLE) for x in (real.first, real.second))
        guess[:k], guess[b : b + k] = real.guess[some].T
        star[:k] = -1 - real.star[some]
    return features, guess, velocity, star


def _contrast(vectors, star, sharpness, velocity=None):
    """Symmetric contrast of the halves of vectors; other views of the same star are no others."""
    n = len(star)
    same = (star[:, None] == star) & ~torch.eye(n, dtype=torch.bool)
    if velocity is not None:  # of one star that moves otherwise they are
        same &= (velocity[:, None] - velocity).abs() < 1
    likeness = sharpness.clamp(max=math.log(SHARPEST)).exp() * (vectors[:n] @ vectors[n:].T)
    likeness, target = likeness.masked_fill(same, -1e4), torch.arange(n)
    loss = (F.cross_entropy(likeness, target) + F.cross_entropy(likeness.T, target)) / 2
    return loss, float((likeness.argmax(1) == target).float().mean())
