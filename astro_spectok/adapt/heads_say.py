# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the heads of the weights say of spectra, as numbers that a linear map can read."""

import numpy as np

from astro_spectok.interface.containment import Containment
from astro_spectok.utils.spectypes import STAR

__all__ = ["ask_heads", "find_teaching", "list_owners", "list_spreads"]

#: probability of the class that a head measures below which it is not asked. Solutions of tokens doubt many a cool
#: giant: of those of CFLIB two in a hundred have less than a tenth for a star
LEAST_SHARE = 0.003
#: redshift beyond which nothing is a star
FARTHEST_STAR = 0.005


def find_teaching(network):
    """Names of the heads of a network that say what a map of few labels can begin with; () where there are none.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Returns
    -------
    tuple of str
    """
    return tuple(k for k, head in network.heads.items() if head.numbers_size and set(head.given) <= {"ln_doppler"})


def ask_heads(batch, solutions, runner, ln_doppler, redshift=None):
    """Numbers of each spectrum: what heads measure, classes, and the best redshift; and errors that are stated.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
        All of its spectra usable.
    solutions : sequence of tuple
        For each spectrum, as of `~astro_spectok.engine.EncodedSpectrum`.
    runner : `~astro_spectok.engine.Runner`
    ln_doppler : ndarray of float64, shape (n,)
        ln(1 + z), NaN where it is that of the best solution of the class that a head measures.
    redshift : ndarray of float64, shape (n,), optional
        Of the objects, NaN where it is not known: what is far away is no star, though it may look like one at rest.

    Returns
    -------
    said, errors : ndarray of float32, shape (n, k)
        NaN where a head does not apply to a spectrum, or fails on it; errors also of what has none.
    """
    n, network = len(batch), runner.network
    classes = _list_classes(network)
    shares, shifts = _sum_solutions(solutions, classes)
    at_rest, shift_at_rest = _sum_at_rest(solutions)
    far = np.zeros(n, bool) if redshift is None else np.abs(np.nan_to_num(redshift)) > FARTHEST_STAR
    if STAR in classes:
        shares[far, classes.index(STAR)] = 0
        shares[far] /= np.maximum(shares[far].sum(1, keepdims=True), 1e-30)
    parts = [shares, shifts[np.arange(n), shares.argmax(1)][:, None]] if classes else []
    errors = [np.full_like(part, np.nan) for part in parts]
    teaching = find_teaching(network)
    transients = _ask_transients(batch, solutions, network, teaching, ln_doppler)
    # what is certainly a transient is no star and no galaxy
    other = np.any([certain for *_, certain in transients.values()], axis=0)
    for name in teaching:
        head = network.heads[name]
        if name in transients:
            parts.append(transients[name][0])
            errors.append(transients[name][1])
            continue
        place = classes.index(head.concerns) if head.concerns in classes else None
        # without solutions nothing speaks against a head
        share = np.ones(n) if place is None else np.where(shares.sum(1) > 0, shares[:, place], 1.0)
        own = np.full(n, np.nan) if place is None else shifts[:, place]
        if head.concerns == STAR and place is not None:
            # what tokens take for a galaxy at rest may be a star
            share, own = np.where(far, 0.0, np.maximum(share, at_rest)), np.where(np.isfinite(own), own, shift_at_rest)
        shift = np.where(np.isfinite(ln_doppler), ln_doppler, own)
        asked = (share >= LEAST_SHARE) & ~other & (np.isfinite(shift) | (not head.given))
        numbers, stated = _ask(batch, np.flatnonzero(asked), name, runner, shift)
        parts.append(numbers)
        errors.append(stated)
    return tuple(np.concatenate(one, axis=1).astype(np.float32) for one in (parts, errors))


def list_spreads(network):
    """What a label rises by with each number of `ask_heads`, if it is the label that a head gives.

    Parameters
    ----------
    network : `~astro_spectok.network.SpectralNetwork`

    Returns
    -------
    ndarray of float64, shape (k,)
        NaN of what is no label; the redshift as ln(1 + z).
    """
    classes = _list_classes(network)
    parts = [np.full(len(classes), np.nan), np.ones(1)] if classes else []
    for name in find_teaching(network):
        head = network.heads[name]
        spread = head.numbers_spread
        parts.append(np.full(head.numbers_size, np.nan) if spread is None else spread)
    return np.concatenate(parts or [np.zeros(0)])


def list_owners(network):
    """Which head gives each number of `ask_heads`, ndarray of int (k,); -1 of classes and redshifts."""
    parts = [np.full(len(classes) + 1, -1)] if (classes := _list_classes(network)) else []
    parts += [np.full(network.heads[name].numbers_size, k) for k, name in enumerate(find_teaching(network))]
    return np.concatenate(parts or [np.zeros(0, int)])


def _ask(batch, rows, name, runner, shift):
    """Numbers (n, k) of one head, and their errors, NaN of all spectra but some ``rows``."""
    head = runner.network.heads[name]
    out, errors = (np.full((len(batch), head.numbers_size), np.nan) for _ in range(2))
    part = batch.take(rows)
    given = {"ln_doppler": shift[rows]} if head.given else None
    contained = Containment(part, np.zeros(len(rows), np.int64), single=False)

    def measure(some, index):
        values = None if given is None else {key: x[index] for key, x in given.items()}
        return runner.measure(some, [name], given=values, progress=False)

    for j, measured in contained.run(measure):
        with contained.member(j):
            out[rows[j]] = head.give_numbers(measured.heads[name])
            stated = head.give_errors(measured.heads[name])
            errors[rows[j]] = np.nan if stated is None else stated
    return tuple(np.where(np.isfinite(x), x, np.nan) for x in (out, errors))


def _ask_transients(batch, solutions, network, teaching, ln_doppler):
    """What heads for transients say, by their names: they measure nothing by themselves."""
    names = [name for name in teaching if network.heads[name].kind == "transient"]
    if not names:
        return {}
    from astro_spectok.adapt.transients_say import ask_transients  # it needs torch

    return {name: ask_transients(batch, solutions, network.heads[name], ln_doppler) for name in names}


def _list_classes(network):
    """Classes that the heads whose summaries are in the embedding know, each once."""
    found = [getattr(network.heads[name].config, "classes", ()) for name, _ in network.config.summaries]
    return list(dict.fromkeys(one for classes in found for one in classes))


def _sum_at_rest(solutions):
    """Probability of solutions of all classes at which a star could be, and ln(1 + z) of the best: (n,) each."""
    share, shift, most = np.zeros(len(solutions)), np.full(len(solutions), np.nan), np.log1p(FARTHEST_STAR)
    for i, rows in enumerate(solutions):
        near = [(x, p) for _, x, p in rows if abs(x) <= most]  # best first
        if near:
            share[i] = sum(p for _, p in near) / max(sum(p for *_, p in rows), 1e-9)
            shift[i] = near[0][0]
    return share, shift


def _sum_solutions(solutions, classes):
    """Probability of each class, and ln(1 + z) of its best solution, NaN without one: (n, C) each."""
    shares = np.zeros((len(solutions), len(classes)))
    shifts = np.full(shares.shape, np.nan)
    for i, rows in enumerate(solutions):
        for name, shift, probability in rows:  # best first
            k = classes.index(name)
            shares[i, k] += probability
            if np.isnan(shifts[i, k]):
                shifts[i, k] = shift
    return shares / np.maximum(shares.sum(1, keepdims=True), 1e-9), shifts
