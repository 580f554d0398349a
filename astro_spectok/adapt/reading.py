# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A linear reading of spectra at fixed wavelengths: fitted, calibrated on folds, and applied to others."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from astro_spectok.adapt.bend import Bend, Said
from astro_spectok.adapt.domain import TrainedDomain
from astro_spectok.adapt.features import ERRORS, HEADS, FeatureGrid
from astro_spectok.adapt.ridge import FIRST, Components, LinearMap, fit_linear

__all__ = ["LinearReading", "list_candidates", "make_folds"]

#: most folds that errors and probabilities are calibrated on
FOLDS = 5
#: spectra above which what the whole fit predicts of those left out serves in place of folds
MANY = 300
#: shares of the blocks of the maps that are averaged, in the order of `~astro_spectok.adapt.features.BLOCKS`
CANDIDATES = (
    (0, 0, 0, 0, 0, 1), (1, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 1), (1, 1, 0, 0, 0, 0),
    (0, 0, 0, 1, 0, 0), (1, 0, 0, 1, 0, 0), (0, 0, 0, 1, 0, 1), (0, 0, 1, 1, 0, 0), (1, 0, 0, 1, 0, 1),
    (1, 1, 0, 1, 0, 0), (1, 1, 1, 1, 0, 1),
    (0, 0, 0, 0, 1, 0), (1, 0, 0, 0, 1, 0), (0, 0, 0, 0, 1, 1), (0, 0, 1, 0, 1, 0), (1, 0, 0, 0, 1, 1),
    (1, 1, 0, 0, 1, 0), (1, 1, 1, 0, 1, 1),
)  # fmt: skip


def list_candidates(blocks, wanted=None):
    """Shares of the blocks that are tried, where only some blocks are wanted.

    Parameters
    ----------
    blocks : sequence of str
        All there are, in order.
    wanted : str or sequence of str, optional
        Those to use.

    Returns
    -------
    list of tuple of float

    Raises
    ------
    ValueError
        There is no such block.
    """
    candidates = list(CANDIDATES)
    for _ in blocks[len(candidates[0]) :]:  # what heads say, and what stands beside the spectra: without, with, alone
        alone = (*(0 for _ in candidates[0]), 1)
        candidates = [(*shares, 0) for shares in candidates] + [(*shares, 1) for shares in candidates] + [alone]
    if wanted is None:
        return candidates
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(wanted, Iterable) or not (wanted := list(wanted)):
        msg = f"blocks must be one or more of {', '.join(blocks)}, or None for all; got {wanted!r}"
        raise ValueError(msg)
    if unknown := [name for name in wanted if name not in blocks]:
        msg = f"blocks must be out of {', '.join(blocks)}; got {', '.join(map(str, unknown))}"
        raise ValueError(msg)
    allowed = [name in wanted for name in blocks]
    kept = [shares for shares in candidates if all(ok or not share for ok, share in zip(allowed, shares, strict=True))]
    single = [tuple(float(name == one) for name in blocks) for one in wanted]
    return list(dict.fromkeys([*kept, *(tuple(map(float, ok)) for ok in [allowed]), *single]))


def make_folds(groups, most=FOLDS):
    """Number of the fold of each spectrum, no group in two; groups are dealt out, the largest first.

    Parameters
    ----------
    groups : ndarray of int, shape (n,)
    most : int

    Returns
    -------
    ndarray of int, shape (n,)
    """
    numbers, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(numbers))
    order = order[np.argsort(-counts[order], kind="stable")]
    folds, filled = np.zeros(len(numbers), int), np.zeros(min(most, len(numbers)), int)
    for k in order:
        folds[k] = filled.argmin()
        filled[folds[k]] += counts[k]
    return folds[inverse]


@dataclass
class LinearReading:
    """A linear reading of spectra at fixed wavelengths.

    Attributes
    ----------
    grid : `~astro_spectok.adapt.features.FeatureGrid`
    components : dict of str to `~astro_spectok.adapt.ridge.Components`
        Of each block.
    maps : list of `~astro_spectok.adapt.ridge.LinearMap`
        One for each label; a single one for classes.
    domain : `~astro_spectok.adapt.domain.TrainedDomain`
    """

    grid: FeatureGrid
    components: dict
    maps: list
    domain: TrainedDomain

    @classmethod
    def begin(cls, grid, blocks, spreads=None, owners=None):
        """Components and domain of spectra, labelled or not, without a map.

        ``spreads`` and ``owners`` are those of what heads say, as of `~astro_spectok.adapt.heads_say.list_spreads` and
        ``list_owners``, if they are asked.
        """
        blocks = dict(blocks)
        about = spreads, blocks.pop(ERRORS, None), owners
        components = {name: Components.fit(values) for name, values in blocks.items()}
        scores = [components[name].transform(values) for name, values in blocks.items()]
        usable = np.isfinite(blocks["flux"]).any(axis=1)
        reading = cls(grid, components, [], TrainedDomain.fit([z[usable] for z in scores]))
        # for as long as it is fitted
        reading._blocks, reading._scores, reading._left, reading._about = blocks, scores, {}, about
        return reading

    def add_map(self, rows, targets, candidates, *, weights=None, groups=None, scale=None, folds=True):
        """Fit one more map, and return what each spectrum is predicted to be by other folds.

        Each fold has components of its own and chooses for itself, so that what it predicts has seen nothing of the
        left-out: components that have seen a spectrum hold its noise.

        Parameters
        ----------
        rows : ndarray of int, shape (n,)
            Of the spectra that `begin` was given, those with labels.
        targets : ndarray, shape (n, k)
        candidates : list of tuple
        weights, groups : ndarray, shape (n,), optional
        scale : float, optional
            What the label was divided by; not given of classes.
        folds : bool, optional
            False takes what the whole fit predicts of those left out, as of many spectra, which costs nothing.

        Returns
        -------
        predicted : ndarray, shape (n, k)
        spread : ndarray, shape (n,)
            As of `~astro_spectok.adapt.ridge.LinearMap.spread`.
        """
        scores, said = [z[rows] for z in self._scores], self._read_said(rows, candidates, scale)
        made = fit_linear(scores, targets, candidates, weights=weights, groups=groups, said=said)
        self.maps.append(self._unfold(made, said is not None))
        if len(targets) > MANY or not folds:
            return made.left_out, made.spread(scores, said)
        numbers = make_folds(np.arange(len(targets)) if groups is None else groups)
        predicted, spread = np.empty_like(targets), np.empty(len(targets))
        for number in np.unique(numbers):
            out, kept = numbers == number, numbers != number
            scores = self._score_without(rows[out], np.any(candidates, axis=0))
            made = fit_linear(
                [z[rows[kept]] for z in scores], targets[kept], candidates,
                weights=None if weights is None else weights[kept], groups=None if groups is None else groups[kept],
                said=None if said is None else said.take(kept),
            )  # fmt: skip
            left, own = [z[rows[out]] for z in scores], None if said is None else said.take(out)
            predicted[out], spread[out] = made.predict(left, own), made.spread(left, own)
        return predicted, spread

    def _read_said(self, rows, candidates, scale):
        """What heads say of some spectra, as `Said`; None where they are not read."""
        if HEADS not in self.components or not any(c[list(self.components).index(HEADS)] for c in candidates):
            return None
        spreads, errors, owners = self._about
        return Said(
            self.components[HEADS].centre(self._blocks[HEADS][rows]),
            None if spreads is None or scale is None else spreads / scale,
            None if errors is None or scale is None else errors[rows],
            owners,
        )

    def _score_without(self, rows, used):
        """Scores of all spectra by components that have not seen some of them; none of blocks that are not used."""
        key = rows.tobytes(), used.tobytes()
        if key not in self._left:
            seen = np.setdiff1d(np.arange(len(self._blocks["flux"])), rows)
            self._left[key] = [
                Components.fit(values[seen]).transform(values) if wanted else np.zeros((len(values), 0))
                for values, wanted in zip(self._blocks.values(), used, strict=True)
            ]
        return self._left[key]

    def _unfold(self, made, said):
        """A map of scores as one of the features themselves, of which components need not be kept."""
        starts = np.cumsum([0, *(len(c.basis) for c in self.components.values())])
        parts = {
            name: c.basis.T @ made.weights[start : start + len(c.basis)]
            for (name, c), start in zip(self.components.items(), starts[:-1], strict=True)
        }
        if said:
            parts[HEADS] = parts[HEADS] + made.weights[starts[-1] :]
        return replace(made, weights=np.concatenate(list(parts.values())))

    def trim(self):
        """Forget the spectra, and of the components all but those that domain and errors are measured in."""
        del self._blocks, self._scores, self._left, self._about
        self.components = {name: Components(c.mean, c.basis[:FIRST]) for name, c in self.components.items()}

    def transform(self, blocks):
        """Scores of the blocks of spectra, a list of (n, k_b)."""
        return [made.transform(blocks[name]) for name, made in self.components.items()]

    def predict(self, blocks, scores):
        """Predictions of each map, and their spread: lists of (n, k) and of (n,)."""
        centred = np.concatenate([made.centre(blocks[name]) for name, made in self.components.items()], axis=1)
        found, said = [centred @ m.weights + m.offset for m in self.maps], None
        if any(m.bend is not None for m in self.maps):
            said = Said(self.components[HEADS].centre(blocks[HEADS]), errors=blocks[ERRORS])
            found = [x if m.bend is None else x + m.bend.predict(said) for x, m in zip(found, self.maps, strict=True)]
        return found, [m.spread(scores, said) for m in self.maps]

    def to_arrays(self):
        """What must be kept to predict, as (plain values, arrays)."""
        values = {"grid": vars(self.grid), "blocks": list(self.components), "far": self.domain.far}
        values["maps"] = [{"shares": list(m.shares), "penalty": m.penalty, "error": m.error} for m in self.maps]
        arrays = {"domain.points": self.domain.points, "domain.scale": self.domain.scale}
        for name, made in self.components.items():
            arrays[f"components.{name}.mean"], arrays[f"components.{name}.basis"] = made.mean, made.basis
        for k, m in enumerate(self.maps):
            arrays |= {f"maps.{k}.{what}": getattr(m, what) for what in ("weights", "offset", "leverage")}
            if m.bend is not None:
                values["maps"][k] |= {
                    "number": m.bend.number, "members": m.bend.members.tolist(), "usual": m.bend.usual,
                }  # fmt: skip
                arrays |= {f"maps.{k}.bend.{what}": getattr(m.bend, what) for what in ("low", "high", "slopes")}
        return values, arrays

    @classmethod
    def from_arrays(cls, values, arrays):
        """The reverse of `to_arrays`."""
        components = {
            name: Components(arrays[f"components.{name}.mean"], arrays[f"components.{name}.basis"])
            for name in values["blocks"]
        }
        maps = []
        for k, m in enumerate(values["maps"]):
            weights, offset, leverage = (arrays[f"maps.{k}.{what}"] for what in ("weights", "offset", "leverage"))
            left_out, bend = np.zeros((0, len(offset))), None
            if "number" in m:
                parts = (arrays[f"maps.{k}.bend.{what}"] for what in ("low", "high", "slopes"))
                bend = Bend(m["number"], np.array(m["members"]), *parts, float(m["usual"]))
            plain = tuple(m["shares"]), m["penalty"], left_out, leverage, m["error"]
            maps.append(LinearMap(weights, offset, *plain, bend))
        domain = TrainedDomain(arrays["domain.points"], arrays["domain.scale"], values["far"])
        return cls(FeatureGrid(**values["grid"]), components, maps, domain)
