# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Depths beyond the linear reading: what tokens, or an adapted encoder, add to it on spectra that were left out."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from astro_spectok.adapt.augment import AUGMENTATIONS, augment_batch
from astro_spectok.adapt.features import read_set
from astro_spectok.engine.progress import show_progress

__all__ = ["DEPTHS", "DeepReading", "DeepSettings", "measure_fall", "train_deep"]

DEPTHS = ("probe", "lora", "full")
#: spectra at once
BATCH = 16
#: share of the error that must go for a step to count as one forward
LEAST_GAIN = 1e-3
#: standard errors by which a gain on left-out spectra must exceed zero
SURE = 2.0


@dataclass(frozen=True)
class DeepSettings:
    """How the deeper parts are trained.

    Attributes
    ----------
    rank : int
        Of the changes of the layers of the encoder.
    epochs : int
        Most passes through the spectra.
    patience : int
        Passes without a gain on the left-out spectra after which training ends.
    rate : float or None
        Of learning; what suits the depth if not given.
    augment : tuple of str
        Out of `~astro_spectok.adapt.augment.AUGMENTATIONS`.
    seed : int
    checkpoint : str, path-like or None
        Folder in which a training that is cut short leaves what it needs to go on.
    """

    rank: int = 4
    epochs: int = 0
    patience: int = 8
    rate: float | None = None
    augment: tuple = ("noise", "calibration", "cuts")
    seed: int = 0
    checkpoint: Any = None

    @classmethod
    def read(cls, options):
        """Settings from what a user gives, a mapping or None.

        Raises
        ------
        TypeError, ValueError
            It is no mapping, or holds what is no option.
        """
        if options is not None and not isinstance(options, Mapping):
            msg = f"options must be a dict of settings by name, or None; got {type(options).__name__}"
            raise TypeError(msg)
        known = [one.name for one in fields(cls)]
        if unknown := [name for name in options or {} if name not in known]:
            msg = f"options must be out of {', '.join(known)}; got {', '.join(map(str, unknown))}"
            raise ValueError(msg)
        return cls(**(options or {}))._check()

    def describe(self):
        """What a result depends on: dict."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "checkpoint"}

    def _check(self):
        """The same settings, with what no training could use refused in words, and one augmentation as a tuple."""
        least = {"rank": 1, "epochs": 0, "patience": 1, "seed": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
                msg = f"options: {name} must be an integer of at least {low}; got {value!r}"
                raise ValueError(msg)
        if self.rate is not None and not (isinstance(self.rate, Real) and 0 < self.rate < 1):
            msg = f"options: rate must be a number between 0 and 1, or None for what suits the depth; got {self.rate!r}"
            raise ValueError(msg)
        if not isinstance(self.augment, str | Sequence):
            msg = f"options: augment must be a sequence of names, () for none; got {self.augment!r}"
            raise TypeError(msg)
        augment = (self.augment,) if isinstance(self.augment, str) else tuple(self.augment)
        if unknown := [name for name in augment if name not in AUGMENTATIONS]:
            msg = f"augment must be out of {', '.join(AUGMENTATIONS)}; got {', '.join(map(str, unknown))}"
            raise ValueError(msg)
        return replace(self, augment=augment)


#: passes and rates by depth
USUAL = {"probe": (150, 2e-3), "lora": (30, 2e-3), "full": (30, 1e-4)}


class DeepReading:
    """A trained read-out, and the changes of the encoder that it goes with.

    Parameters
    ----------
    depth : {'probe', 'lora', 'full'}
    probe : `~astro_spectok.adapt.probe.AttentiveProbe`
    factors : dict of str to tensor
        Of the changes of layers of the encoder; of 'full' its parameters.
    gain : float
        What the output is multiplied by: from 0, nothing was gained on left-out spectra, to 1.
    """

    def __init__(self, depth, probe, factors, gain):
        self.depth, self.probe, self.factors, self.gain = depth, probe.eval(), factors, float(gain)
        digest = hashlib.sha256()
        for name in sorted(factors):
            digest.update(factors[name].float().numpy().tobytes())
        self.key = digest.hexdigest() if factors else None
        for tensor in probe.state_dict().values():
            digest.update(tensor.detach().float().numpy().tobytes())
        self.digest = digest.hexdigest()

    def open_runner(self, runner):
        """The runner of the adapted network: as fast as that of the original."""
        if not self.factors:
            return runner
        network = copy.deepcopy(runner.network)
        import torch

        from astro_spectok.adapt.probe import apply_factors

        if self.depth == "full":
            with torch.no_grad():
                own = dict(network.named_parameters())
                for name, value in self.factors.items():
                    own[name].copy_(value)
        else:
            apply_factors(network, self.factors)
        made = copy.copy(runner)
        made.loaded = replace(runner.loaded, network=network.eval())
        return made

    def predict(self, spectra, runner, frame, progress=None):
        """What is added to the linear reading, (n, k); zero for spectra that cannot be used."""
        if not self.gain:
            return np.zeros((len(spectra), self.probe.settings["n_out"]))
        if not hasattr(self, "_runner") or self._origin is not runner.loaded.network:
            self._runner, self._origin = self.open_runner(runner), runner.loaded.network
        _, readings, _, _ = read_set(spectra, self._runner, frame, network_key=self.key, progress=progress)
        return self.gain * _apply(self.probe, readings)

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k not in ("_runner", "_origin")}


def _pad(readings):
    """Learned values, places and mask of readings as tensors (B, T, ...)."""
    import torch

    longest = max(len(r.centre) for r in readings)
    learned = torch.zeros(len(readings), longest, readings[0].learned.shape[1])
    centre, mask = torch.zeros(len(readings), longest), torch.zeros(len(readings), longest, dtype=torch.bool)
    for k, r in enumerate(readings):
        learned[k, : len(r.centre)] = torch.from_numpy(r.learned.astype(np.float32))
        centre[k, : len(r.centre)], mask[k, : len(r.centre)] = torch.from_numpy(r.centre), True
    return learned, centre, mask


def _apply(probe, readings):
    import torch

    out = np.zeros((len(readings), probe.settings["n_out"]))
    rows = [i for i, r in enumerate(readings) if r is not None and len(r.centre)]
    with torch.inference_mode():
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            out[part] = probe(*_pad([readings[i] for i in part])).double().numpy()
    return out


def train_deep(depth, batch, readings, runner, loss, validate, folds, objects, settings, n_out, progress=None, *,
               start=None, checkpoint=None):  # fmt: skip
    """Train a read-out, and with it changes of the encoder, on what the linear reading leaves.

    Parameters
    ----------
    depth : {'probe', 'lora', 'full'}
    batch : `~astro_spectok.spectra.SpectrumBatch`
        Spectra with labels, as the network takes them.
    readings : list of `~astro_spectok.adapt.features.Reading`
    runner : `~astro_spectok.engine.Runner`
    loss : callable
        Rows and outputs (B, n_out) to a scalar tensor.
    validate : callable
        Rows and outputs as an array to the error of each that is to be small.
    folds : ndarray of int, shape (n,)
        The first is left out, to see when to stop.
    objects : ndarray of int, shape (n,)
        Spectra of one object count once where it is judged how sure a gain is.
    settings : DeepSettings
    n_out : int
    progress : bool, optional
    start : DeepReading, optional
        Of the same depth, to go on from.
    checkpoint : `~astro_spectok.adapt.checkpoint.FitCheckpoint`, optional
        A training that was cut short goes on from it, and gives what it would have given.

    Returns
    -------
    DeepReading
    """
    import torch

    from astro_spectok.adapt.checkpoint import FitCheckpoint
    from astro_spectok.adapt.probe import AttentiveProbe

    checkpoint = checkpoint or FitCheckpoint(None, "")

    usual, rate = USUAL[depth]
    epochs, rate = settings.epochs or usual, settings.rate or rate
    rng = np.random.default_rng([settings.seed, 17])
    held, kept = np.flatnonzero(folds == 0), np.flatnonzero(folds != 0)
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(settings.seed)
        probe = AttentiveProbe(runner.network.config.width - 2, n_out)
        network, trained = _open_network(depth, runner, settings.rank)
        groups = [{"params": list(probe.parameters()), "lr": rate if depth != "full" else 2e-3}]
        if trained:
            groups.append({"params": trained, "lr": rate})
        _begin_from(start, depth, probe, network)
        optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
        best = validate(held, np.zeros((len(held), n_out))).mean()
        kept_state, waited, first, modules = None, 0, 0, [m for m in (probe, network) if m is not None]
        before = checkpoint.read(rng)
        if before is not None:
            for module, state in zip(modules, before["modules"], strict=True):
                module.load_state_dict(state)
            optimizer.load_state_dict(before["optimizer"])
            best, kept_state, waited, first = (before[k] for k in ("best", "kept", "waited", "epoch"))
        for epoch in show_progress(range(first, epochs), f"adapt ({depth})", progress):
            if waited >= settings.patience and (kept_state is not None or waited >= 2 * settings.patience):
                break
            probe.train()
            for rows in np.array_split(rng.permutation(kept), max(len(kept) // BATCH, 1)):
                value = loss(rows, probe(*_draw(network, batch, readings, rows, settings.augment, rng)))
                optimizer.zero_grad()
                value.backward()
                torch.nn.utils.clip_grad_norm_([p for g in groups for p in g["params"]], 1.0)
                optimizer.step()
            error = validate(held, _read_out(probe, network, batch, readings, held, rng)).mean()
            waited += 1
            if error < best * (1 - LEAST_GAIN):
                best, waited = error, 0
                kept_state = [copy.deepcopy(m.state_dict()) for m in modules]
            checkpoint.write(
                rng, modules=[m.state_dict() for m in modules], optimizer=optimizer.state_dict(), best=float(best),
                kept=kept_state, waited=waited, epoch=epoch + 1,
            )  # fmt: skip
        checkpoint.remove()
        gain = 0.0
        if kept_state is not None:
            for module, state in zip(modules, kept_state, strict=True):
                module.load_state_dict(state)
            found = _read_out(probe, network, batch, readings, held, rng)
            gain = _choose_gain(lambda share: validate(held, share * found), objects[held])
        # where nothing is sure to be gained there is no reason to keep another network
        return (
            DeepReading(depth, probe, _list_factors(depth, network), gain)
            if gain
            else DeepReading("probe", probe, {}, 0.0)
        )


def measure_fall(before, after, objects):
    """By how much errors (n,) of left-out spectra surely fall: the mean less some of its standard errors over objects.

    One standard error is not enough, since the same spectra say when to stop and which share of an output to take.
    """
    inverse = np.unique(objects, return_inverse=True)[1]
    fall = np.bincount(inverse, weights=before - after) / np.bincount(inverse)
    return fall.mean() - SURE * fall.std(ddof=1) / np.sqrt(len(fall)) if len(fall) > 1 else 0.0


def _choose_gain(error, objects):
    """By which of the shares 0 to 1 of an output errors fall most surely; 0 where none does."""
    shares, before = np.linspace(0.1, 1, 10), error(0.0)
    falls = [measure_fall(before, error(share), objects) for share in shares]
    return float(shares[np.argmax(falls)]) if max(falls) > 0 else 0.0


def _open_network(depth, runner, rank):
    """A copy of the network to be changed, and its parameters that are trained; None and [] for the probe alone."""
    if depth == "probe":
        return None, []
    from astro_spectok.adapt.probe import add_low_rank

    network = copy.deepcopy(runner.network).cpu().eval()
    if depth == "lora":
        return network, add_low_rank(network, rank)
    network.requires_grad_(False)
    return network, [p.requires_grad_(True) for p in network.blocks.parameters()]


def _begin_from(start, depth, probe, network):
    """Give a read-out, and the network that is trained with it, what a `DeepReading` of the same depth has."""
    if start is None:
        return
    import torch

    from astro_spectok.adapt.probe import set_low_rank

    probe.load_state_dict(start.probe.state_dict())
    if depth == "lora" and start.factors:
        set_low_rank(network, start.factors)
    elif depth == "full" and start.factors:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name in start.factors:
                    parameter.copy_(start.factors[name])


def _list_factors(depth, network):
    """What a trained network differs by from the original, as of `DeepReading`."""
    if depth == "probe":
        return {}
    if depth == "full":
        return {f"blocks.{name}": p.detach().clone() for name, p in network.blocks.named_parameters()}
    from astro_spectok.adapt.probe import merge_low_rank

    return merge_low_rank(network)


def _read_out(probe, network, batch, readings, rows, rng):
    """Output (n, n_out) of the probe for some spectra as they are."""
    import torch

    probe.eval()
    with torch.no_grad():
        parts = np.array_split(rows, max(len(rows) // 32, 1))
        return np.concatenate([probe(*_draw(network, batch, readings, part, (), rng)).numpy() for part in parts])


def _draw(network, batch, readings, rows, augment, rng):
    """Inputs of the probe for some spectra: as they were read, or through the network that is being adapted."""
    if network is None:
        return _pad([readings[i] for i in rows])
    import torch

    from astro_spectok.engine.batching import gather_patches

    part = batch.take(rows)
    if augment:
        part = augment_batch(part, augment, rng)
    patches = gather_patches(part, np.arange(len(rows)), network.config.patch)
    tokens = network.encode(patches, detail=False)
    return tokens[..., 2 : network.config.width], patches.grid.geometry[..., 0].to(torch.float32), patches.mask
