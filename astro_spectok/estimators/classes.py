# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ClassEstimator` and `classify`: what a spectrum is of, whatever its redshift."""

import math
from dataclasses import dataclass, field

import numpy as np
from astropy.table import QTable

from astro_spectok.estimators.base import Estimator
from astro_spectok.estimators.flags import conclude_flags, convert_flags, is_sky_like
from astro_spectok.estimators.mk_types import choose_type, make_type_column
from astro_spectok.estimators.posteriors import prepare
from astro_spectok.host import own_errstate
from astro_spectok.inputs import make_provenance, measure_facts
from astro_spectok.results import RedshiftFlag
from astro_spectok.results.calibration import CONFIDENT
from astro_spectok.results.html import make_bars, make_html_table

__all__ = ["ClassEstimate", "ClassEstimator", "classify"]


@dataclass(frozen=True, repr=False)
class ClassEstimate:
    """The class of one spectrum.

    Attributes
    ----------
    spectype : str
        The most probable class.
    p_best : float
        Its probability.
    class_probability : dict of str to float
        Of every class that was asked for; they add up to 1.
    zwarn : `~astro_spectok.results.RedshiftFlag`
        What may be wrong; 0 is a class to be relied on. Bits that are about the redshift are not set.
    snr : float
        Median signal-to-noise ratio of the good pixels.
    mk_type : str
        Coarse type of a star: O, B, A, F, G, K, M, L, T, WD (white dwarf), CV (cataclysmic variable) or C (carbon
        star); '' for all else, and with weights that tell none.
    mk_probability : float
        Of this type, if it is a star; NaN where there is none.
    meta : dict
        Names the weights and the versions of the packages.

    Examples
    --------
    >>> from astro_spectok.estimators import classify
    >>> from astro_spectok.example import read_example
    >>> estimate = classify(read_example(), device="cpu")
    >>> estimate.spectype, f"{estimate.p_best:.2f}", int(estimate.zwarn)
    ('GALAXY', '1.00', 0)
    >>> sorted(estimate.class_probability)
    ['GALAXY', 'QSO', 'STAR']
    """

    spectype: str
    p_best: float
    class_probability: dict
    zwarn: RedshiftFlag
    snr: float
    mk_type: str = ""
    mk_probability: float = math.nan
    meta: dict = field(default_factory=dict)

    def _facts(self):
        star = [("type", f"{self.mk_type} ({self.mk_probability:.3f})")] if self.mk_type else []
        return [
            *((name, f"{p:.3f}") for name, p in sorted(self.class_probability.items(), key=lambda item: -item[1])),
            *star,
            ("zwarn", " | ".join(flag.name for flag in self.zwarn) or "0"),
            ("S/N", f"{self.snr:.1f}"),
        ]

    def __repr__(self):
        return f"<ClassEstimate: {'; '.join(f'{name} {text}' for name, text in self._facts())}>"

    def plot(self, axes=None):
        """Draw the probability of each class as bars.

        Parameters
        ----------
        axes : `~matplotlib.axes.Axes`, optional
            New ones in a figure of their own by default.

        Returns
        -------
        `~matplotlib.axes.Axes`
        """
        from astro_spectok.plotting import draw_classes

        return draw_classes(self, axes)

    def _repr_html_(self):
        pictures = [("probabilities", make_bars(self.class_probability, label="probability of each class"))]
        return make_html_table("ClassEstimate", self._facts(), pictures)


class ClassEstimator(Estimator):
    """The class of spectra, from the same posterior as `RedshiftEstimator`, summed over all redshifts.

    Units do not matter, and bad pixels change nothing, as for `~astro_spectok.tokenize`.

    Parameters
    ----------
    weights, device, z_range, classes, prior
        As for `RedshiftEstimator`.

    Examples
    --------
    >>> from astro_spectok.estimators import ClassEstimator
    >>> from astro_spectok.example import read_example
    >>> estimator = ClassEstimator(device="cpu", prior={"GALAXY": 8, "QSO": 1, "STAR": 1})
    >>> table = estimator.estimate([read_example(), read_example()])
    >>> table["spectype"].tolist(), bool((table["p_galaxy"] > 0.99).all())
    (['GALAXY', 'GALAXY'], True)
    """

    def __init__(self, weights=None, device="auto", z_range=None, classes=None, prior=None):
        self.weights = weights
        self.device = device
        self.z_range = z_range
        self.classes = classes
        self.prior = prior

    @own_errstate
    def estimate(self, obj, *, medium=None, resolution=None, progress=None):
        """Estimate the class of one or many spectra.

        Parameters
        ----------
        obj, medium, resolution, progress
            As for `RedshiftEstimator.estimate`, whose errors and warnings are raised here too.

        Returns
        -------
        `ClassEstimate` or `~astropy.table.QTable`
            The latter for several spectra: one row each, in their order, with the columns ``spectype``, the
            probability of each class (``p_galaxy``, ``p_qso``, ``p_star``; 0 where it was not asked for), ``p_best``,
            ``zwarn``, ``snr``, and ``mk_type`` and ``p_mk_type``, the coarse type of a star and its probability ('' and
            NaN for all else). What could not be measured is NaN and flagged.
        """
        prepared = prepare(self, obj, medium=medium, resolution=resolution)
        batch, n = prepared.batch, len(prepared.batch)
        names = prepared.runner.network.config.redshift.classes
        shares = {name: np.full(n, np.nan) for name in names}
        p_best, snr, p_mk_type = np.full((3, n), np.nan)
        spectype = np.full(n, "", dtype=f"U{max(map(len, names))}")
        mk_type = make_type_column(n, prepared.runner.network.config.stellar_types)
        zwarn = np.array([convert_flags(flags) for flags in prepared.flags], dtype=np.int64)
        for i, posterior, information, types in prepared.measure(progress):
            found = posterior.class_probability
            spectype[i] = max(found, key=found.get)
            mk_type[i], p_mk_type[i] = choose_type(spectype[i], types)
            p_best[i], snr[i] = found[spectype[i]], measure_facts(batch, i)[0]
            for name in names:
                shares[name][i] = found.get(name, 0.0)
            doubts = RedshiftFlag.NONE
            if p_best[i] < CONFIDENT:
                doubts |= RedshiftFlag.LOW_CONFIDENCE
            if is_sky_like(information):
                doubts |= RedshiftFlag.SKY_LIKE
            trained = prepared.runner.loaded.wavelength_range
            zwarn[i] = conclude_flags(RedshiftFlag(int(zwarn[i])), doubts, batch, i, trained)
        meta = make_provenance(prepared.runner.loaded) | {"estimator": type(self).__name__}
        if prepared.single:
            probability = {name: float(shares[name][0]) for name in prepared.grid.classes}
            return ClassEstimate(
                str(spectype[0]), float(p_best[0]), probability, RedshiftFlag(int(zwarn[0])), float(snr[0]),
                str(mk_type[0]), float(p_mk_type[0]), meta,
            )  # fmt: skip
        columns = {"spectype": spectype} | {f"p_{name.lower()}": p for name, p in shares.items()}
        columns |= {"p_best": p_best, "zwarn": zwarn, "snr": snr, "mk_type": mk_type, "p_mk_type": p_mk_type}
        return QTable(columns, meta=meta)


def classify(obj, *, medium=None, resolution=None, progress=None, **params):
    """Tell what one or many spectra are of: a galaxy, a quasar or a star.

    Units do not matter, and bad pixels change nothing, as for `~astro_spectok.tokenize`.

    Parameters
    ----------
    obj, medium, resolution, progress
        As for `RedshiftEstimator.estimate`, whose errors and warnings are raised here too.
    **params
        ``weights``, ``device``, ``z_range``, ``classes``, ``prior`` as for `ClassEstimator`.

    Returns
    -------
    `ClassEstimate` or `~astropy.table.QTable`
        As of `ClassEstimator.estimate`.

    Examples
    --------
    Made-up quasars, as DESI might see them:

    >>> from astro_spectok.estimators import classify
    >>> from astro_spectok.simulation import simulate_spectra
    >>> spectra = simulate_spectra(3, seed=4, families=["quasars"], instruments=["desi"], snr=(20, 20))
    >>> classify(spectra, device="cpu")["spectype"].tolist()
    ['QSO', 'QSO', 'QSO']
    """
    return ClassEstimator(**params).estimate(obj, medium=medium, resolution=resolution, progress=progress)
