# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training of the part of stars of the embedding: the same star by two instruments against all others."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from astro_spectok.training.component_fits import fit_discriminants
from astro_spectok.training.star_features import (
    StoredViews,
    draw_views,
    find_real_pairs,
    list_left_out,
    read_libraries,
    simulate_pairs,
)
from astro_spectok.training.star_views import BRIGHT, StarViews, draw_stars, read_real_stars

__all__ = ["train_star_vector"]

#: stars that components are made of, draws of them, and least share of the bins of one
FITTED, ROUNDS, COVERED = 4096, 3, 0.6
#: stars drawn at a time for components, and the share of them that libraries have
DRAWN, LIBRARY = 256, 0.25
#: least spread of what components leave; how much louder than the median a star may be before it counts less
LEAST_SIGMA, LOUD = 0.015, 2.0
#: stars in a batch, of them such that two libraries have
BATCH, REAL = 1024, 128
#: greatest learning rate, its end, and steps of rise; decay of weights
RATE, LAST, WARM, DECAY = 2e-3, 0.02, 100, 0.02
#: how often differences of real pairs count in the first guess, of how large vectors it makes
COUNTED, LENGTH = 25, 2.0
#: share of the views that the difference of two libraries is added to, and how much of it at most
DISTURBED, MOST = 0.75, 6.0
#: weights of the contrast of the part alone and of the likelihood of velocities, where that of the part beside lines
#: is 1; degrees of freedom of the tails of velocities
ALONE, SPEED, TAIL = 1.0, 0.5, 4.0
#: what the parts besides lines and this one have in common for stars; weight of each period of the velocity
COMMON, SHARE = 0.5, 0.3
#: first inverse temperature of the contrast, and the greatest
BEGIN, SHARPEST = 15.0, 100.0


def train_star_vector(runner, head, data, *, stars, views, pairs, steps, seed, report=None):
    """Train the part of stars of a head in place.

    Components are those of simulated and real stars as surveys see them at high signal-to-noise ratio. Views of one
    star are to be near to each other and far from all others, by this part alone and beside the part of lines: what
    lines know need not be said again, and what they do not know is worth more. To three in four of the views
    differences are added that real stars have between MILES, CFLIB and STELIB: simulated instruments differ by less.
    Of the stars that MILES and CFLIB share half take no part, so that they can tell how good it is.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
        Of the weights that find velocities.
    head : `~astro_spectok.heads.EmbeddingHead`
        Its other parts are made already.
    data : path-like or None
        Directory of the public template sets; None for analytic templates alone.
    stars : int
        Simulated ones without noise.
    views : int
        Stars of which three views each are drawn from these and the real ones, again and again.
    pairs : int
        Stars that are simulated in full, two views each.
    steps, seed : int
    report : callable, optional

    Returns
    -------
    dict
        ``nearest`` and ``nearest_with_lines``, the share of the stars of the last batch whose other view is nearest by
        this part, and with lines; ``loss`` of that batch.
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
            simulator = StarViews(head, seed)
            libraries = read_libraries(data)
            left_out = list_left_out(libraries)
            clean = draw_stars(data, stars, seed, simulator.ln_wavelength)
            known, names = read_real_stars(data, simulator.ln_wavelength)
            rows = [i for i, name in enumerate(names) if name not in left_out]
            known, names = known[rows], [names[i] for i in rows]
            # all features are of these components, so that they come first
            fit_star_components(vector, simulator, clean, known)
            real = find_real_pairs(runner, head, libraries, left_out)
            report(f"stars: {len(clean)} simulated, {len(known)} real, {0 if real is None else len(real.star)} pairs")
            stored = simulate_pairs(runner, head, data, pairs, seed, report=report)
            while (number := sum(len(x.star) for x in stored)) < max(views, BATCH):
                stored.append(draw_views(simulator, clean, known, names))
            report(f"views: of {number} stars")
            begin_vectors(vector, stored, real)
        figures = _train(head, _join(stored), real, steps, seed, report)
    head.domain = head.domain | {"stars": [head.config.stars_low, head.config.stars_high]}
    head.provenance = head.provenance | {"stars": {"real": len(known), "left_out": len(left_out)} | figures}
    return figures


def fit_star_components(vector, views, simulated, real):
    """Mean, components and what they leave of the bins, of stars without noise (n, M) each; all stars count alike."""
    rng, rows, number = np.random.default_rng(0), [], round(LIBRARY * DRAWN) if len(real) else 0
    for _ in range(-(-FITTED // DRAWN)):
        some = simulated[rng.integers(len(simulated), size=DRAWN - number)]
        if number:
            some = np.concatenate([some, real[rng.integers(len(real), size=number)]])
        some = torch.from_numpy(some.astype(np.float32))
        rows.append(views.draw(some, views.draw_velocity(DRAWN), snr=(BRIGHT[1] / 2, BRIGHT[1]))[0])
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
        pairs += [(real.features[:, 0, :size], real.features[:, 1, :size])] * COUNTED
    mean, mapping = fit_discriminants(pairs, vector.skip.out_features)
    mapping = LENGTH * mapping / ((both[:, 0] - mean) @ mapping).norm(dim=1).median()
    vector.skip.weight.copy_(mapping.T)
    vector.vector.bias.copy_(-mean @ mapping)
    vector.share.fill_(SHARE)


class _Disturbance:
    """What the same star differs by between two libraries, as random features."""

    def __init__(self, real, size):
        self.size = size
        if real is None:
            self.means = self.rest = None
            return
        change = (real.features[:, 0] - real.features[:, 1])[:, :size]
        kinds = real.libraries.unique()
        self.means = torch.stack([change[real.libraries == k].mean(0) for k in kinds])
        self.rest = torch.cat([change[real.libraries == k] - m for k, m in zip(kinds, self.means, strict=True)])

    def __call__(self, features):
        if self.means is None:
            return features
        n = len(features)
        change = torch.randn(n, len(self.rest)) @ self.rest / len(self.rest) ** 0.5 * MOST * torch.rand(n, 1)
        change = change + self.means[torch.randint(len(self.means), (n,))] * (torch.rand(n, 1) - 0.5)
        change = change * (torch.rand(n, 1) < DISTURBED)
        return torch.cat([features[:, : self.size] + change, features[:, self.size :]], 1)


class _Batch(NamedTuple):
    """Two views of B stars: (2 B, .) and (2 B,); velocity and star (B,), first those whose velocity is unknown."""

    features: torch.Tensor
    lines: torch.Tensor
    guess: torch.Tensor
    velocity: torch.Tensor
    star: torch.Tensor
    unknown: int


def _train(head, stored, real, steps, seed, report):
    """Steps of contrast on stored views."""
    vector, rng = head.stars, np.random.default_rng(seed)
    disturb = _Disturbance(real, vector.skip.in_features)
    sharpness = torch.nn.Parameter(torch.full((2,), math.log(BEGIN)))
    parameters, loss, nearest = [*vector.parameters(), sharpness], None, [0.0, 0.0]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    for step in range(steps):
        course = LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARM) * course
        batch = _draw_batch(stored, real, disturb, rng)
        found, speed, ln_error = vector.read(batch.features, batch.guess)
        off = (speed - batch.velocity.repeat(2)) / ln_error.exp()
        likely = ln_error + (TAIL + 1) / 2 * torch.log1p(off**2 / TAIL)
        # velocities learn what they are, not which star it is; of real stars nobody says how they move
        likely = likely.view(2, -1)[:, batch.unknown :].mean()
        stars = torch.cat([found, vector.wave(speed, ln_error).detach()], 1)
        alone, *nearest = _contrast(found, batch.star, sharpness[0])
        # lines know the real pairs, as these have whitened them
        vectors = _join_parts(batch.lines, stars).view(2, len(batch.star), -1)[:, batch.unknown :]
        both, share = _contrast(vectors.flatten(0, 1), batch.star[batch.unknown :], sharpness[1])
        loss, nearest = ALONE * alone + both + SPEED * likely, [*nearest, share]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 99 or step == steps - 1:
            report(f"step {step + 1}: nearest {nearest[0]:.2f}, with lines {nearest[1]:.2f}")
    return {
        "loss": None if loss is None else float(loss.detach()),
        "nearest": nearest[0],
        "nearest_with_lines": nearest[1],
    }


def _join_parts(lines, stars):
    """Lines, stars, and a number for what all stars have in common in the other parts: (B, .), at unit length."""
    return F.normalize(torch.cat([lines, stars, torch.full_like(lines[:, :1], COMMON)], 1), dim=1)


def _join(stored):
    """All stored views as one; those with two of a star have the first once more."""
    rows = [
        StoredViews(*(torch.cat([y, y[:, :1]], 1) for y in x[:3]), *x[3:]) if x.features.shape[1] == 2 else x
        for x in stored
    ]
    return StoredViews(*map(torch.cat, zip(*rows, strict=True)))


def _draw_batch(data, real, disturb, rng):
    """Two views of random stars: a `_Batch`, real pairs first."""
    n = len(data.star)
    rows = torch.from_numpy(rng.choice(n, min(BATCH, n), replace=False))
    order = torch.from_numpy(np.stack([(0, 1), (1, 2), (0, 1), (1, 0)])[rng.integers(4, size=len(rows))])
    features, lines, guess = (torch.cat([x[rows, order[:, k]] for k in (0, 1)]).float() for x in data[:3])
    velocity, star, k = data.velocity[rows], data.star[rows].clone(), 0
    if real is not None:
        k, b = min(REAL, len(real.star)), len(rows)
        some = torch.from_numpy(rng.choice(len(real.star), k, replace=False))
        for side, start in ((0, 0), (1, b)):
            for mine, other in ((features, real.features), (lines, real.lines), (guess, real.guess)):
                mine[start : start + k] = other[some, side]
        star[:k] = -1 - real.star[some]
    return _Batch(disturb(features), lines, guess, velocity, star, k)


def _contrast(vectors, star, sharpness):
    """Symmetric contrast of the halves of vectors; other views of the same star are no others."""
    n = len(star)
    same = (star[:, None] == star) & ~torch.eye(n, dtype=torch.bool)
    likeness = sharpness.clamp(max=math.log(SHARPEST)).exp() * (vectors[:n] @ vectors[n:].T)
    likeness, target = likeness.masked_fill(same, -1e4), torch.arange(n)
    loss = (F.cross_entropy(likeness, target) + F.cross_entropy(likeness.T, target)) / 2
    return loss, float((likeness.argmax(1) == target).float().mean())
