# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Linear maps of blocks of features to a label: penalties are chosen, and maps averaged, by what is left out."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from astro_spectok.adapt.bend import Bend, find_bend, weigh_errors
from astro_spectok.adapt.wrong_labels import ALIKE, LEAST_SAID, find_wrong

__all__ = ["Components", "LinearMap", "fit_linear", "join_first"]

#: penalties tried, over the sum of the squares of the features
PENALTIES = 10.0 ** np.arange(-7, 1.6, 0.5)
#: most principal components of a block, and the first ones that distances and errors are measured in
MOST_COMPONENTS, FIRST = 150, 8
#: to which power of its inverse mean square error a map counts: of few labels, and of many
LEAST_POWER, LABELS_PER_POWER = 2.0, 12.0
#: how much what heads say counts by itself, over all that is fitted to what it leaves, where both do equally well: a
#: straight line, and one that is bent by errors that they state
ALONE, ALONE_BENT = 1.0, 10.0
#: standard errors within which mean square errors are alike
TRUST = 2.0
#: relative scatter of slopes around those that heads make one expect: scales of the same label differ little
LIKELY = 0.1
#: what a label counts that heads and regressions contradict
DISTRUST = 1e-3
#: labels for each component of each block that errors are followed along
LABELS_PER_COMPONENT = 25


@dataclass(frozen=True)
class Components:
    """Principal components of a block of features.

    Attributes
    ----------
    mean : ndarray, shape (d,)
        It stands in for features that are NaN.
    basis : ndarray, shape (k, d)
        Orthogonal; scaled so that the squares of the scores of a spectrum add up to 1 in the mean.
    """

    mean: np.ndarray
    basis: np.ndarray

    @classmethod
    def fit(cls, values, most=MOST_COMPONENTS):
        """Components of ``values`` (n, d), rows of NaN left out."""
        values = values[np.isfinite(values).any(axis=1)].astype(np.float64)
        there = np.isfinite(values)
        count = np.maximum(there.sum(0), 1)
        mean = np.where(there, values, 0).sum(0) / count
        centred = np.where(there, values - mean, 0.0)
        n, d = centred.shape
        gram = centred @ centred.T if n < d else centred.T @ centred
        power, vectors = np.linalg.eigh(gram)
        order = np.argsort(power)[::-1][: min(most, n - 1 if n > 1 else 1)]
        order = order[power[order] > 1e-10 * max(power.max(), 1e-300)]
        if not len(order):  # all spectra are alike
            return cls(mean, np.zeros((0, d)))
        basis = vectors[:, order].T
        if n < d:
            basis = basis @ centred / np.sqrt(power[order])[:, None]
        return cls(mean, basis / np.sqrt(power[order].sum() / n))

    def centre(self, values):
        """``values`` (n, d) less the mean, 0 where they are NaN."""
        return np.where(np.isfinite(values), values - self.mean, 0.0)

    def transform(self, values):
        """Scores (n, k) of ``values`` (n, d)."""
        return self.centre(values) @ self.basis.T


@dataclass(frozen=True)
class LinearMap:
    """A linear map of the scores of blocks to targets, and what is needed for its errors.

    Attributes
    ----------
    weights : ndarray, shape (d, k)
        Of the scores of all blocks one after the other, and of what was said where there was something.
    offset : ndarray, shape (k,)
    shares : tuple of float
        Of each block, in the mean.
    penalty : float
        In the mean.
    left_out : ndarray, shape (n, k)
        What each spectrum was predicted to be by those of other groups.
    leverage : ndarray, shape (q, q)
        The variance of a prediction is 1 + |x @ leverage|^2, in units of the noise of a label, for the ``q`` scores of
        the first components of all blocks.
    error : float
        Mean square of ``left_out`` less targets.
    bend : `~astro_spectok.adapt.bend.Bend`, optional
        What is added by the error that a head states.
    """

    weights: np.ndarray
    offset: np.ndarray
    shares: tuple
    penalty: float
    left_out: np.ndarray
    leverage: np.ndarray
    error: float
    bend: Bend | None = None

    def predict(self, scores, said=None):
        """Targets (n, k) of the scores of blocks, a list of (n, d_b), and of what is `Said`, if any was fitted."""
        parts = scores if said is None else [*scores, said.values]
        found = np.concatenate(parts, axis=1) @ self.weights + self.offset
        return found if self.bend is None else found + self.bend.predict(said)

    def spread(self, scores, said=None):
        """Standard deviation (n,) of predictions, in units of the noise of a label."""
        spread = np.sqrt(1 + ((join_first(scores) @ self.leverage) ** 2).sum(1))
        return spread if self.bend is None else spread * self.bend.widen(said)


def join_first(scores):
    """Scores of the first components of each block, (n, q)."""
    return np.concatenate([z[:, :FIRST] for z in scores], axis=1)


def fit_linear(scores, targets, candidates, *, weights=None, groups=None, said=None):
    """Fit with each of several shares of the blocks, and average: to choose one from few labels would be to guess.

    Each has the penalty with the least error on what was left out, and counts the more the smaller that error is.
    Where one of the numbers that are said predicts left-out spectra by a straight line better than any of these, it is
    the label already, if on another scale: each share of the blocks is then fitted a second time, to what the line
    leaves, and the line alone counts as much as all of these. Ridge regression has to learn such a line against its
    penalty. Where the label may be the very one that a number says, the line is also tried with that slope, so that few
    labels, and none far from the others, need not tell it; and where errors are stated of it, a line that follows the
    sure ones, bent by as much as the others may be wrong. A label that such a number and the regressions contradict,
    which have not seen it, hardly counts.

    Parameters
    ----------
    scores : sequence of ndarray, shape (n, d_b)
        One for each block, as of `Components.transform`.
    targets : ndarray, shape (n, k)
    candidates : sequence of tuple of float
        Shares of the blocks.
    weights : ndarray, shape (n,), optional
        Of the spectra; the same for all if not given.
    groups : ndarray of int, shape (n,), optional
        Spectra that are left out together; each by itself if not given.
    said : `~astro_spectok.adapt.bend.Said`, optional
        Numbers that may say a label already; for a single target.

    Returns
    -------
    LinearMap
        Its ``weights`` are of the scores, and then of what is ``said``.
    """
    weights = np.ones(len(targets)) if weights is None else weights / weights.mean()
    none = np.zeros((0 if said is None else said.values.shape[1], targets.shape[1]))
    begun = None
    if said is not None and targets.shape[1] == 1:
        weights = _doubt_labels(scores, targets, candidates, weights, groups, none, said)
        begun = _fit_said(said, targets, weights, groups)
    made = _fit_all(scores, targets, candidates, weights, groups, none, begun)
    if begun is not None and begun.error > (_allow(len(targets)) if begun.given else 1) * min(
        m.error for m in made[::2]
    ):
        begun, made = None, made[::2]  # no label that is said: what is left by the line is no simpler than the label
    n_made = len(made)
    if begun is not None:
        empty, shares = np.zeros((sum(z.shape[1] for z in scores), 1)), (0.0,) * len(scores)
        made.append(replace(begun, weights=np.concatenate([empty, begun.weights]), shares=shares))
    count = _count_maps(made)
    count[n_made:] *= n_made * (ALONE if begun is None or begun.bend is None else ALONE_BENT)
    count /= count.sum()

    def average(values):
        return sum(c * x for c, x in zip(count, values, strict=True))

    shares, left_out = average([np.array(m.shares) for m in made]), average([m.left_out for m in made])
    penalty = float(np.exp(np.average([np.log(m.penalty) for m in made[:n_made]], weights=count[:n_made])))
    bent = [0.0 if m.bend is None else m.bend.slopes for m in made]
    bend = None
    if begun is not None and begun.bend is not None:
        bend = replace(begun.bend, slopes=average(bent)).judge(said, left_out - targets)
    return LinearMap(
        average([m.weights for m in made]), average([m.offset for m in made]), tuple(shares.tolist()), penalty,
        left_out, _find_leverage(scores, shares, weights, penalty), float(((left_out - targets) ** 2).mean()), bend,
    )  # fmt: skip


def _count_maps(made):
    """How much each map counts, by its error on what was left out: (m,), 1 for the best."""
    errors, n = np.maximum([m.error for m in made], 1e-300), len(made[0].left_out)
    return (errors / errors.min()) ** -max(LEAST_POWER, n / LABELS_PER_POWER)


def _doubt_labels(scores, targets, candidates, weights, groups, none, said):
    """Weights without labels that a line in what is said contradicts, and regressions that have not seen them."""
    wrong, line = find_wrong(said, targets[:, 0], weights)
    if not wrong.any():
        return weights
    made = _fit_all(scores, targets, candidates, weights, groups, none, None)
    left_out = np.average([m.left_out[:, 0] for m in made], axis=0, weights=_count_maps(made))
    wrong &= np.abs(left_out - targets[:, 0]) > np.abs(left_out - line)
    weights = weights * np.where(wrong, DISTRUST, 1.0)
    return weights / weights.mean()


def _fit_all(scores, targets, candidates, weights, groups, none, begun):
    """Maps of all sets of shares; with a line, of each first that without it."""
    return [m for shares in candidates for m in _fit_shares(scores, targets, shares, weights, groups, none, begun)]


def _fit_shares(scores, targets, shares, weights, groups, none, begun):
    """Maps of one set of shares, without leverage: to the targets, and to what a line in what is said leaves."""
    x = np.concatenate([np.sqrt(share) * z for share, z in zip(shares, scores, strict=True) if share], axis=1)
    fit, out = _Fit(x, weights), []
    # back to the scores of all blocks, those that are not read with a weight of zero
    factor = np.concatenate([np.full(z.shape[1], np.sqrt(share)) for share, z in zip(shares, scores, strict=True)])
    shares = tuple(map(float, shares))
    for start in (None, *([] if begun is None else [begun])):
        wanted = targets if start is None else targets - begun.fitted
        penalty, left_out = fit.choose(wanted, groups)
        slopes, offset = fit.solve(wanted, penalty)
        whole = np.zeros((len(factor), targets.shape[1]))
        whole[factor > 0] = slopes
        own = np.concatenate([whole * factor[:, None], none if start is None else begun.weights])
        if start is not None:
            offset, left_out = offset + begun.offset, left_out + begun.left_out
        error = float((weights @ (left_out - targets) ** 2).mean() / len(targets))
        out.append(
            LinearMap(own, offset, shares, penalty, left_out, None, error, None if start is None else begun.bend)
        )
    return out


@dataclass(frozen=True)
class _Line(LinearMap):
    """A line in one of the numbers that are said, with what it gives for those it was fitted to.

    ``given`` says that its slope was expected beforehand.
    """

    fitted: np.ndarray | None = None
    given: bool = False


def _allow(n):
    """How much larger a mean square error of ``n`` may be than another and still be as good."""
    return 1 + TRUST * np.sqrt(2 / n)


def _fit_said(said, targets, weights, groups):
    """The line in one number that predicts left-out spectra best.

    Its slope is free, or expected to be the one that is given, which is preferred if it does as well within an error.
    """
    best, rows, slopes = None, np.arange(len(targets)) if groups is None else groups, said.slopes
    number = said.values.shape[1]
    for k, values in enumerate(said.values.T):
        there = values != 0  # of the others nothing is said
        if there.mean() < LEAST_SAID or not values[there].std() > 0:
            continue
        fit = partial(_fit_line, k, number, np.stack([there.astype(float), values], axis=1), targets)
        line = _bend_line(said, k, targets, weights, rows, fit)
        if slopes is not None and 1 / ALIKE < abs(slopes[k]) * values[there].std() / targets.std() < ALIKE:
            expected = _bend_line(said, k, targets, weights, rows, partial(fit, slope=slopes[k], error=line.error))
            line = expected if expected.error < _allow(len(targets)) * line.error else line
        if best is None or line.error < best.error * (_allow(len(targets)) if line.given > best.given else 1.0):
            best = line
    return best


def _bend_line(said, k, targets, weights, rows, fit):
    """A line, or one that follows the numbers whose stated errors are small, bent, if that predicts better."""
    line = fit(weights, rows)
    sure = weights * weigh_errors(said, k)
    straight = fit(sure, rows)
    bend, left_out = find_bend(said, k, targets - straight.fitted, abs(float(straight.weights[k, 0])), weights, rows)
    if bend is None:
        return line
    left_out = straight.left_out + left_out
    error = float((weights @ (left_out - targets) ** 2).mean() / len(targets))
    fitted = straight.fitted + np.where(said.values[:, [k]] != 0, bend.predict(said), 0.0)
    bent = replace(straight, left_out=left_out, error=error, fitted=fitted, bend=bend)
    return bent if error < line.error else line


def _fit_line(k, m, design, targets, weights, rows, *, slope=0.0, error=0.0):
    """A `_Line` in the number ``k`` of ``m``; with a slope that is expected, if it and the square error are given.

    Where nothing is said the offset stands in.
    """
    rest = targets - slope * design[:, 1:]
    gram, inner = (design * weights[:, None]).T @ design, (design * weights[:, None]).T @ rest
    ridge = 1e-9 * np.diag(np.diag(gram))
    if slope:
        ridge[1, 1] += error / (LIKELY * slope) ** 2
    # what each group adds to these
    place = np.unique(rows, return_inverse=True)[1]
    parts, rests = np.zeros((place.max() + 1, 2, 2)), np.zeros((place.max() + 1, 2, 1))
    weighted = design * weights[:, None]
    np.add.at(parts, place, weighted[:, :, None] * design[:, None])
    np.add.at(rests, place, (weighted * rest)[:, :, None])
    found = np.linalg.solve(gram - parts + ridge, inner - rests)[place, :, 0]
    left_out = np.where(design[:, 0] > 0, (design * found).sum(1), found[:, 0])[:, None]
    left_out += slope * design[:, 1:]
    offset, change = np.linalg.solve(gram + ridge, inner)
    whole = np.zeros((m, 1))
    whole[k] = slope + change
    fitted = np.where(design[:, :1] > 0, design @ np.stack([offset, whole[k]]), targets)
    mean_square = float((weights @ (left_out - targets) ** 2).mean() / len(targets))
    return _Line(whole, offset, (), 0.0, left_out, None, mean_square, None, fitted, bool(slope))


def _find_leverage(scores, shares, weights, penalty):
    """A root (q, q) of what the noise of labels leaves open, along components of which there are few beside labels."""
    number = int(np.clip(len(weights) // LABELS_PER_COMPONENT, 1, FIRST))
    factor = join_first(
        [np.sqrt(share) * (np.arange(z.shape[1]) < number)[None] for share, z in zip(shares, scores, strict=True)]
    )[0]
    first = factor * join_first(scores)
    power, vectors = np.linalg.eigh((first * weights[:, None]).T @ first)
    # directions that hardly any spectrum varies along are not measured by them
    return (
        factor[:, None]
        * vectors
        / np.sqrt(np.maximum(power, 0) + max(penalty, 1e-3 * max(power.max(initial=0.0), 1e-12)))
    )


class _Fit:
    """Ridge regressions of any targets on ``x`` for any penalty, from one decomposition."""

    def __init__(self, x, weights):
        self.root, self.weights = np.sqrt(weights)[:, None], weights
        self.mean = (weights @ x) / len(x)
        self.x = self.root * (x - self.mean)
        n, d = self.x.shape
        gram = self.x @ self.x.T if n <= d else self.x.T @ self.x
        power, vectors = np.linalg.eigh(gram)
        kept = power > 1e-12 * max(power.max(initial=0.0), 1e-300)
        self.size, vectors = np.sqrt(power[kept]), vectors[:, kept]
        self.u = vectors if n <= d else self.x @ vectors / self.size  # (n, r)
        self.v = self.x.T @ self.u / self.size if n <= d else vectors  # (d, r)

    def _centre(self, targets):
        """Their mean, and what is left of them, times the root of their weights."""
        centre = (self.weights @ targets) / len(targets)
        return centre, self.root * (targets - centre)

    def choose(self, targets, groups):
        """The penalty with the least error, and what spectra were predicted to be when left out."""
        best, (centre, rest) = None, self._centre(targets)
        for penalty in PENALTIES * max((self.size**2).sum(), 1e-300):
            left = self.leave_out(rest, penalty, groups)
            error = float((left**2).mean())
            if best is None or error < best[0]:
                best = error, penalty, left
        _, penalty, left = best
        # residuals over the root of the weights are those of the labels
        return penalty, (rest - left) / self.root + centre

    def leave_out(self, rest, penalty, groups):
        """Residuals (n, k) of spectra that did not take part, times the root of their weights.

        One less the leverage is made of what the penalty takes away and of what no component spans, and not as a
        difference: with more components than spectra it is next to nothing, and so is the residual that it divides.
        """
        taken = penalty / (self.size**2 + penalty)
        flat, inner = self.root[:, 0] / np.sqrt(len(self.x)), self.u.T @ rest
        residual = self.u @ (taken[:, None] * inner) + (rest - self.u @ inner)
        if groups is None:
            outside = np.maximum(1 - flat**2 - (self.u**2).sum(1), 0)
            return residual / np.maximum(self.u**2 @ taken + outside, 1e-12)[:, None]
        for number in np.unique(groups):
            own = np.flatnonzero(groups == number)
            u, eye = self.u[own], np.eye(len(own))
            left = (u * taken) @ u.T + (eye - np.outer(flat[own], flat[own]) - u @ u.T)
            residual[own] = np.linalg.solve(left + 1e-12 * eye, residual[own])
        return residual

    def solve(self, targets, penalty):
        """Slopes (d, k), and offset (k,)."""
        centre, rest = self._centre(targets)
        slopes = self.v @ ((self.size / (self.size**2 + penalty))[:, None] * (self.u.T @ rest))
        return slopes, centre - self.mean @ slopes
