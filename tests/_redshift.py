# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Posteriors of known shape, and a network that answers with them."""

import numpy as np

from astro_spectok.redshift.grid import RedshiftGrid

#: of the weights that the fixture ``redshift_weights`` makes
STEP = 2e-4
RANGES = {"GALAXY": (-0.003, 3.0), "QSO": (0.0, 5.0), "STAR": (-0.0024, 0.0024)}
GRID = RedshiftGrid(("GALAXY", "QSO", "STAR"), STEP, (-15, 0, -12), (6947, 8959, 24))


def make_scores(*peaks, grid=GRID, floor=-40.0):
    """Normalised log probabilities: a sum of Gaussians (class, z, width in ln(1 + z), probability) on a floor."""
    out = {name: np.full(len(x), np.exp(floor)) for name, x in grid.ln1pz.items()}
    for name, z, width, probability in peaks:
        bump = np.exp(-0.5 * np.square((grid.ln1pz[name] - np.log1p(z)) / width))
        out[name] += probability * bump / bump.sum()
    total = sum(values.sum() for values in out.values())
    return {name: np.log(values / total).astype(np.float32) for name, values in out.items()}


def make_flat(grid=GRID):
    """The prior: what the network says of blank sky."""
    return {name: np.full(len(x), -np.log(len(x) * len(grid.classes))) for name, x in grid.ln1pz.items()}


WIDTH = 2.5e-4
#: error that a peak of that width has, without what the training of the weights added to it
ERROR = np.sqrt(WIDTH**2 - 1.5e-4**2)
GALAXY = make_scores(("GALAXY", 0.5, WIDTH, 0.95), ("QSO", 2.0, WIDTH, 0.04), ("QSO", 0.5, WIDTH, 0.01))
QUASAR = make_scores(("QSO", 2.0, WIDTH, 1.0))
STAR = make_scores(("STAR", -2e-4, WIDTH, 1.0))
#: of a table of redshifts
COLUMNS = [
    "name", "z", "z_err", "z_lo", "z_hi", "spectype", "p_galaxy", "p_qso", "p_star", "p_best", "zwarn", "z_2", "p_2",
    "rv", "rv_err", "snr", "stellar_type", "p_stellar_type", "medium", "errors", "message",
]  # fmt: skip


def fake_measure(monkeypatch, *scores, types=None):
    """Let every `Runner` answer with these posteriors, one for each spectrum, the last first, and types for all."""
    from astro_spectok.engine.runner import Measured, Runner

    def measure(self, batch, heads=None, *, progress=None, **kwargs):
        if heads is not None and "redshift" not in heads:
            yield from real(self, batch, heads, **kwargs)
            return
        for i in reversed(range(len(batch))):
            if batch.lengths[i]:
                yield i, Measured({"redshift": scores[i], "spectral_type": types or {}})

    find_head, real = Runner.find_head, Runner.measure
    monkeypatch.setattr(Runner, "measure", measure)
    if types:
        monkeypatch.setattr(
            Runner,
            "find_head",
            lambda self, kind: find_head(self, kind) or ("spectral_type" if kind == "spectral_type" else None),
        )
        monkeypatch.setattr("astro_spectok.redshift.measure.Prepared.types", tuple(types))
    monkeypatch.setattr("astro_spectok.redshift.solutions.refine_redshift", lambda *args, **kwargs: None)
