# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftRules`: thresholds and limits of redshifts, whose numbers stand with the redshift head."""

from dataclasses import dataclass
from typing import ClassVar

from astro_spectok.heads.small_numbers import RECEDING, REDSHIFT_RULES
from astro_spectok.utils.settings import Rules

__all__ = ["RedshiftRules"]


@dataclass(frozen=True)
class RedshiftRules(Rules):
    """Thresholds of the flags of redshifts, and of the refinement of redshifts with templates.

    Attributes
    ----------
    extrapolated : float
        Share of the good pixels outside the trained wavelengths up to which these are a remark only: the pixels inside
        determine the redshift.
    vicinity : float
        Distance in ln(1 + z) within which the probability of a solution is counted for `RedshiftFlag.LOW_CONFIDENCE`:
        a broad peak, as of a quasar at low resolution, is not flagged.
    comparable : float
        How probable another redshift is, over the best, from which they are comparable.
    edge : float
        Distance in ln(1 + z) from the end of the range within which the true peak may lie beyond it.
    rest_red_end : dict of str to float
        Rest wavelength in Angstrom that the red end of a spectrum must reach beyond, by class: a galaxy of which
        nothing is seen but the forest and Lyman alpha may as well be a quasar at another redshift, and a quasar of
        which nothing is seen but the forest anything with lines.
    least_information : float
        Information in nat that a spectrum must give on class and redshift together; certainty of one of three classes
        is 1.1.
    least_evidence : float
        Nat by which rest-frame templates must explain a spectrum better than a continuum without features does.
    stellar_evidence, sure : float
        The same for a star whose probability is higher than ``sure``: hot ones, and those seen at low resolution, are
        recognised by their continua.
    resolved : dict of str to float
        Width in ln(wavelength) of pixels (``pixel``) below which stars show lines: there templates that explain nothing
        (evidence below 0) do for a probability of at least ``sure`` only.
    correlated : dict of str to float
        Nat that templates must explain beyond that, by class, for each unit by which the correlation of what they leave
        exceeds 1, if that is more than ``least``: red noise, ripples of fringes and unknown features are explained in
        part by any template. Chosen on simulated spectra, noise of many correlation lengths and slopes, stars of
        libraries and supernovae of training.
    class_information : dict of str to float
        Information in nat that an answer of a class needs whatever the spectrum: a quasar of less is a bump in noise.
    waves, brightest : float
        Nat required beyond that of any other star, for each unit of its squared S/N up to ``brightest``: errors of a
        flux calibration look like weak features, the more so the brighter a featureless spectrum is.
    faintest_star : float
        Median signal-to-noise ratio per pixel below which a star without a continuum to compare with is as good as
        none.
    unexplained : float
        Root mean square, over the continuum and in bins of 600 km/s, of what templates leave of features, to be
        counted.
    unlike : dict of str to dict of str to float
        By class, when an object is of another kind: ``share`` of the features that is left, probability below which
        (``sure``) and signal-to-noise ratio per pixel above which (``bright``) it is flagged; nat of information on
        the redshift of a quasar as bright (``information``) if pixels are no wider in ln(wavelength) than ``pixel``, as
        less is a broad bump; and nat of information on a star and probability of its ``type``, which must both be
        missed. Fitted
        together on simulated spectra of all instruments, real stars (MILES, STELIB, Indo-US, Jacoby, SpeX, CALSPEC,
        Kast) and supernovae (superfit, SNID, deepSIP, before 1990); ``benchmarks/nonsense.py --train`` shows what they
        do.
    reliable : dict of str to dict
        By class, the numbers of the rule of `~astro_spectok.redshift.reliance.is_dubious`, fitted by
        `~astro_spectok.training.redshift_reliance.fit_reliable`: what is less like right answers than 99 of 100 of
        these is flagged as unlike its class. Empty in files that were written before there was one.
    receding : dict of str to float
        When a star is asked whether it is a near galaxy: it recedes faster than ``velocity``, over the speed of light.
        Templates of stars must then explain it better than those of galaxies do at the same redshift, in nat by
        ``share`` of their evidence, which is taken as ``least`` at least and ``most`` at most.
    composite : dict
        Whether any other star is the light of many stars, as galaxies and clusters at rest are: the numbers of the
        rule of `~astro_spectok.redshift.reliance.is_composite`, fitted by
        `~astro_spectok.training.stellar_populations.fit_composite`. Empty in files that were written before there was
        one: nothing is asked.
    confident : float
        Probability from which a solution is relied on, for classes without one of their own.
    least_width : float
        Least width of the network's peak, over that of its training, where its redshift is averaged with the
        templates': a network is seldom better than the width it was trained with, however narrow its peak.
    disagreement : dict of str to float
        How far redshifts by templates and by the network may differ without noise, in ln(1 + z), by class: a quasar's
        lines are where its gas moves.
    sharpest : float
        Share of the width of the training below which the width of a peak carries no information.
    floor : float
        Least error in ln(1 + z) of classes for which none was fitted.
    """

    extrapolated: float
    vicinity: float
    comparable: float
    edge: float
    rest_red_end: dict
    least_information: float
    least_evidence: float
    stellar_evidence: float
    sure: float
    resolved: dict
    correlated: dict
    class_information: dict
    waves: float
    brightest: float
    faintest_star: float
    unexplained: float
    unlike: dict
    reliable: dict
    receding: dict
    composite: dict
    confident: float
    least_width: float
    disagreement: dict
    sharpest: float
    floor: float

    _former_names: ClassVar[dict] = {"blunt": "least_width"}
    _added: ClassVar[dict] = {
        "reliable": {}, "resolved": {"pixel": 0.0, "sure": 1.0}, "receding": RECEDING, "composite": {},
        **{name: REDSHIFT_RULES[name] for name in ("correlated", "class_information")},
    }  # fmt: skip

    @classmethod
    def begin(cls):
        """Rules of a new head.

        Returns
        -------
        RedshiftRules
        """
        return cls.from_dict(REDSHIFT_RULES)
