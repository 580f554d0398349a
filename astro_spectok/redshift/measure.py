# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From spectra to calibrated posteriors over class and redshift, with a user's choice of range, classes and prior."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from astro_spectok.interface.containment import Containment
from astro_spectok.interface.heads import require_head
from astro_spectok.interface.inputs import note_flags, prepare_inputs
from astro_spectok.redshift.calibration import Calibration, clip_pixel
from astro_spectok.redshift.fit import MISFIT
from astro_spectok.redshift.grid import GridCut, RedshiftGrid
from astro_spectok.redshift.posterior import RedshiftPosterior
from astro_spectok.redshift.priors import PriorFactors
from astro_spectok.spectra import InputFlag, SpectrumBatch
from astro_spectok.spectra.wrong_errors import find_error_scale
from astro_spectok.weights.checks import naming

__all__ = ["Prepared", "measure_all", "measure_twice", "mend_errors", "prepare"]

#: of the flux over its continuum: rounding leaves no less
LEAST_VARIANCE = 1e-12


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
    whole : `~astro_spectok.redshift.grid.RedshiftGrid`
        Of the weights.
    cut : `~astro_spectok.redshift.grid.GridCut`
        What was asked for of it.
    prior : `~astro_spectok.redshift.priors.PriorFactors`
    calibration : `~astro_spectok.redshift.Calibration`
    head, type_head : str
        Names of the heads for redshifts and for types of stars; the latter is None where the weights have none.
    contained : `~astro_spectok.interface.containment.Containment`
        What spectra raise while they are measured.
    filtered : ndarray of bool, shape (n,), or None
        Spectra of which nothing is at hand but what a filter left in their tokens, without weak lines that noise hides;
        None where there are none.
    """

    batch: SpectrumBatch
    runner: Any
    flags: np.ndarray
    single: bool
    whole: RedshiftGrid
    cut: GridCut
    prior: PriorFactors
    calibration: Calibration
    head: str
    type_head: str | None
    contained: Containment
    filtered: np.ndarray | None = None

    @property
    def types(self):
        """Types of stars that the weights classify: tuple of str, empty without a type head."""
        return () if self.type_head is None else tuple(self.runner.network.heads[self.type_head].gives)

    @property
    def grid(self):
        """The grid of the posteriors."""
        return self.cut.grid

    def extend(self, batch, like):
        """The same for a batch with one more spectrum, whose flags are those of the one at the place ``like``."""
        flags = np.append(self.flags, self.flags[like])
        return replace(self, batch=batch, flags=flags, contained=Containment(batch, flags, single=self.single))

    def measure(self, progress=None, only=None):
        """Measure all usable spectra.

        Parameters
        ----------
        progress : bool, optional
        only : ndarray of bool, shape (n,), optional
            Those that are measured; all of them if not given.

        Yields
        ------
        i : int
            Position in the batch; positions come in no particular order, each once.
        posterior : `~astro_spectok.redshift.RedshiftPosterior`
        information : float
            In nat, information of the spectrum on class and redshift, before the prior.
        types : dict of str to float
            Probability of each stellar type, if it is a star; empty for weights without a type head.
        """
        heads = [name for name in (self.head, self.type_head) if name is not None]

        def run(part, index):
            if only is None:
                return self.runner.measure(part, heads, progress=progress)
            wanted = np.flatnonzero(only[index])
            found = self.runner.measure(part.take(wanted), heads, progress=progress)
            return ((int(wanted[k]), measured) for k, measured in found)

        for i, measured in self.contained.run(run, True if only is None else only):
            found = None
            with self.contained.member(i):
                found = self._find_posterior(i, measured)
            if found is not None:
                types = measured.heads.get(self.type_head, {})
                yield i, *found, {name: float(p) for name, p in types.items()}

    def mend(self, ivar):
        """The same with other errors of some spectra, which are flagged.

        Parameters
        ----------
        ivar : dict of int to ndarray
            By place in the batch.

        Returns
        -------
        Prepared
        """
        changed, info = self.batch.ivar.copy(), list(self.batch.info)
        for i, values in ivar.items():
            pixels, good = self.batch.pixels(i), values > 0
            scale = float(np.sqrt(np.median(changed[pixels][good] / values[good])))
            flag = InputFlag.UNCERTAINTY_RAISED if scale > 1 else InputFlag.UNCERTAINTY_ESTIMATED
            self.flags[i] |= int(flag)
            said = f"errors are {scale:.2g} times those stated, on the median, by the scatter of what templates leave"
            info[i] = replace(info[i], guesses=(*info[i].guesses, said))
            changed[pixels] = values
        batch = replace(self.batch, ivar=changed, info=tuple(info))
        return replace(self, batch=batch, contained=self.contained.follow(batch))

    def read_head(self, name, ln_doppler, progress=None):
        """What a head that reads at rest says of the spectra whose ln(1 + z) is known.

        Parameters
        ----------
        name : str
            Of the head.
        ln_doppler : ndarray, shape (n,)
            NaN where it is not known.
        progress : bool, optional

        Yields
        ------
        i : int
        read : dict of str to ndarray
            By what the head gives.
        """

        def run(part, index):
            given = {"ln_doppler": ln_doppler[index]}
            if self.filtered is not None:
                given["filtered"] = self.filtered[index].astype(float)
            return self.runner.measure(part, [name], given=given, progress=progress)

        for i, measured in self.contained.run(run, np.isfinite(ln_doppler)):
            yield i, measured.heads[name]

    def _find_posterior(self, i, measured):
        """The posterior of one spectrum within what was asked for, and the information in it before the prior."""
        pixel = clip_pixel(self.batch.find_step(i))
        posterior = RedshiftPosterior(self.whole, self.calibration.apply(measured.heads[self.head], pixel))
        information = posterior.information
        if self.grid != self.whole:
            posterior = RedshiftPosterior(self.grid, self.cut.take(posterior.log_probability))
        if not self.prior.is_flat:
            posterior = posterior.apply_factors(self.prior.take(i))
        return posterior, information


def prepare(estimator, obj, *, medium, resolution, prior=None):
    """Check what an estimator is to do, and load what it needs.

    Parameters
    ----------
    estimator
        Has ``weights``, ``device``, ``batch_tokens``, ``z_range``, ``classes`` and ``prior``.
    obj, medium, resolution
        As for `~astro_spectok.tokenize`.
    prior : optional
        In place of that of the estimator.

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
        obj, weights=estimator.weights, medium=medium, resolution=resolution, device=estimator.device,
        batch_tokens=estimator.batch_tokens,
    )  # fmt: skip
    name = require_head(runner, "redshift", "redshifts", "train some with `spectok pretrain`")
    head = runner.network.heads[name]
    redshifts = dict(zip(head.config.classes, (z.numpy() for z in head.redshifts()), strict=True))
    whole = RedshiftGrid.from_redshifts(redshifts)
    cut = whole.cut(estimator.z_range, estimator.classes)
    prior = PriorFactors(estimator.prior if prior is None else prior, cut.grid, len(batch))
    flags = note_flags(batch, runner.loaded, single=single)
    with naming(f"rules of the head {name}", runner.loaded):
        calibration = Calibration.from_head(head)
    types = runner.find_head("spectral_type")
    contained = Containment(batch, flags, single=single)
    return Prepared(batch, runner, flags, single, whole, cut, prior, calibration, name, types, contained)


def measure_twice(prepared, solve, progress=None):
    """Measure all usable spectra, and once more those whose errors are not those of what their solution leaves.

    Parameters
    ----------
    prepared : `Prepared`
    solve : callable
        Called with ``prepared`` and what `Prepared.measure` yields; returns anything and what templates leave, as
        of `~astro_spectok.redshift.fit.Refined`.
    progress : bool, optional

    Yields
    ------
    i : int
        Position in the batch; positions come in no particular order, each once.
    prepared : `Prepared`
        With errors mended, if they were.
    solved
        Of ``solve``.
    """
    wrong = {}
    for solved in _solve_all(prepared, solve, prepared.measure(progress)):
        i, _, (answer, left) = solved
        ivar = mend_errors(prepared, i, left)
        if ivar is None:
            yield i, prepared, answer
        else:
            wrong[i] = ivar
    if not wrong:
        return
    mended = prepared.mend(wrong)
    only = np.zeros(len(prepared.batch), bool)
    only[list(wrong)] = True
    for i, _, (answer, _) in _solve_all(mended, solve, mended.measure(progress, only)):
        yield i, mended, answer


def measure_all(prepared, solve, progress=None):
    """As `measure_twice`, all at once.

    Parameters
    ----------
    prepared, solve, progress
        As there.

    Returns
    -------
    answers : dict of int
        By place.
    prepared : `Prepared`
        With errors mended, if some were.
    """
    answers, last = {}, prepared
    for i, used, answer in measure_twice(prepared, solve, progress):
        # those that were measured twice come last
        answers[i], last = answer, used
    return answers, last


def _solve_all(prepared, solve, measured):
    """Yield what ``solve`` makes of each measured spectrum that it does not raise on."""
    for i, *found in measured:
        solved = None
        with prepared.contained.member(i):
            solved = solve(prepared, i, *found)
        if solved is not None:
            yield i, found, solved


def mend_errors(prepared, i, left):
    """Inverse variances of a spectrum by the scatter of what templates leave; None where the stated ones stand.

    Parameters
    ----------
    prepared : `Prepared`
    i : int
    left : tuple of ndarray, or None
        As of `~astro_spectok.redshift.fit.Refined`.

    Returns
    -------
    ndarray or None
    """
    unknown = InputFlag.UNCERTAINTY_ESTIMATED
    if left is None or prepared.filtered is not None or prepared.flags[i] & unknown:
        return None
    place, deviation, weight = left
    scale = find_error_scale(deviation, np.sqrt(np.maximum(1 / weight - MISFIT**2, LEAST_VARIANCE)))
    if scale is None:
        return None
    batch = prepared.batch
    ln_wavelength = np.log(batch.wavelength[batch.grid(i)])
    return batch.ivar[batch.pixels(i)] / np.interp(ln_wavelength, place, scale) ** 2
