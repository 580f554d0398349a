# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From spectra to calibrated posteriors over class and redshift, with a user's choice of range, classes and prior."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from astro_spectok.exceptions import WeightsError
from astro_spectok.inputs import note_flags, prepare_inputs
from astro_spectok.results.calibration import Calibration, measure_pixel
from astro_spectok.results.priors import PriorFactors
from astro_spectok.results.redshift_grid import GridCut, RedshiftGrid
from astro_spectok.results.redshift_posterior import RedshiftPosterior
from astro_spectok.spectra import SpectrumBatch

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """Spectra and weights, and what was asked of them, checked and ready.

    Attributes
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    runner : `~astro_spectok.engine.Runner`
    flags : ndarray of int64, shape (n,)
        Bits of `~astro_spectok.spectra.InputFlag`.
    single : bool
        Whether one spectrum was given, rather than several.
    whole : `~astro_spectok.results.redshift_grid.RedshiftGrid`
        Of the weights.
    cut : `~astro_spectok.results.redshift_grid.GridCut`
        What was asked for of it.
    prior : `~astro_spectok.results.priors.PriorFactors`
    calibration : `~astro_spectok.results.Calibration`
    """

    batch: SpectrumBatch
    runner: Any
    flags: np.ndarray
    single: bool
    whole: RedshiftGrid
    cut: GridCut
    prior: PriorFactors
    calibration: Calibration

    @property
    def grid(self):
        """The grid of the posteriors."""
        return self.cut.grid

    def measure(self, progress=None):
        """Measure all usable spectra.

        Yields
        ------
        i : int
            Position in the batch; positions come in no particular order, each once.
        posterior : `~astro_spectok.results.RedshiftPosterior`
        information : float
            In nat, what the spectrum told of all classes and redshifts, before the prior.
        types : dict of str to float
            Probability of each stellar type, if it is a star; empty where the weights tell none.
        """
        for i, measured in self.runner.measure(self.batch, progress=progress, labels=False, embedding=False):
            pixel = measure_pixel(self.batch.wavelength[self.batch.grid(i)])
            posterior = RedshiftPosterior(self.whole, self.calibration.apply(measured.log_probability, pixel))
            information = posterior.information
            if self.grid != self.whole:
                posterior = RedshiftPosterior(self.grid, self.cut.take(posterior.log_probability))
            if not self.prior.is_flat:
                posterior = posterior.apply_factors(self.prior.take(i))
            yield i, posterior, information, measured.types


def prepare(estimator, obj, *, medium, resolution):
    """Check what an estimator is to do, and load what it needs.

    Parameters
    ----------
    estimator
        Has ``weights``, ``device``, ``z_range``, ``classes`` and ``prior``.
    obj, medium, resolution
        As for `~astro_spectok.tokenize`.

    Returns
    -------
    Prepared

    Raises
    ------
    WeightsError
        The weights give no redshifts.
    TypeError, ValueError
        A parameter or ``obj`` breaks a rule.
    """
    batch, runner, single = prepare_inputs(
        obj, weights=estimator.weights, medium=medium, resolution=resolution, device=estimator.device
    )
    network = runner.network
    if network.redshift_head is None or network.label_head is None:
        msg = (
            f"weights {runner.loaded.name!r} give no redshifts: their network has no head for them; use others, see "
            "`spectok weights list`, or train some with `spectok pretrain`"
        )
        raise WeightsError(msg)
    names = network.config.redshift.classes
    redshifts = dict(zip(names, (z.numpy() for z in network.redshift_head.redshifts()), strict=True))
    whole = RedshiftGrid.from_redshifts(redshifts)
    cut = whole.cut(estimator.z_range, estimator.classes)
    prior = PriorFactors(estimator.prior, cut.grid, len(batch))
    flags = note_flags(batch, runner.loaded, single=single)
    calibration = Calibration.from_metadata(runner.loaded.metadata)
    return Prepared(batch, runner, flags, single, whole, cut, prior, calibration)
