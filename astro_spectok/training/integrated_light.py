# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The rule that tells the light of many stars from that of one by its lines, from those of libraries."""

import json

import numpy as np
from safetensors.numpy import save_file
from scipy.special import expit

from astro_spectok.redshift.fit import refine_redshift
from astro_spectok.redshift.integrated_light import BINS, MixtureRule, bin_lines, describe_row
from astro_spectok.training.stellar_populations import START, draw_populations, draw_real_stars
from astro_spectok.utils.spectypes import STAR

__all__ = ["draw_rows", "fit_mixture_rule", "make_integrated_light", "write_mixture_rule"]

#: components of lines; S/N per pixel of the spectra that these are made of
COMPONENTS, CLEAR = 36, (200.0, 400.0)
#: numbers of populations, and of stars and populations for the components, over that of the stars
POPULATIONS, CLEAR_SHARES = 0.875, (0.375, 0.3)
#: share of the bins that such a spectrum must show, and rounds in which the others are filled in
WIDE, ROUNDS = 0.75, 4
#: spectra that others are compared with, penalty of their weights, width of the kernel over the number of features, and
#: steps of Newton
LANDMARKS, PENALTY, WIDTH, STEPS = 1500, 0.01, 1.2, 6
#: share of the stars of libraries left out that the rule may flag: a survey is as new as these; that of those at rest,
#: where stored populations are and few stars; and parts of libraries
LOST, LOST_AT_REST, FOLDS = 0.003, 0.03, 4
#: what is added to the decision from which that share is flagged
SAFETY = 0.05


def draw_rows(draw, data, n, seed, **options):
    """The `~astro_spectok.redshift.integrated_light.LineRow` of what is drawn, each at the velocity of the best star.

    Parameters
    ----------
    draw : callable
        `~astro_spectok.training.stellar_populations.draw_populations` or ``draw_real_stars``.
    data, n, seed, **options
        Of that.

    Returns
    -------
    rows : list of LineRow
        Of those on which the rule has a say.
    names : ndarray of str, shape (rows,)
        Family or library, and number in it.
    """
    rows, names = [], []
    for wavelength, flux, ivar, name, number in draw(data, n, seed, **options):
        x = np.log(wavelength)
        fit = refine_redshift(x, flux, ivar, STAR, 0.0, START)
        row = None if fit is None else bin_lines(x, flux, ivar, fit.ln1pz)
        if row is not None:
            rows.append(row)
            names.append(f"{name} {number}")
    return rows, np.array(names, str)


def find_components(rows, count):
    """Mean, components (K, bins) and standard deviations of their coefficients, of rows without noise.

    What few bins were not seen is filled in by the components themselves.
    """
    seen, ratio = np.stack([row.weight > 0 for row in rows]), np.stack([row.ratio for row in rows])
    wide = seen.mean(axis=1) > WIDE
    seen, ratio = seen[wide], ratio[wide]
    filled = np.where(seen, ratio, ratio.sum(axis=0) / np.maximum(seen.sum(axis=0), 1))
    for _ in range(ROUNDS):
        mean = filled.mean(axis=0)
        left, size, basis = np.linalg.svd(filled - mean, full_matrices=False)
        filled = np.where(seen, ratio, mean + (left[:, :count] * size[:count]) @ basis[:count])
    scale = size[:count] / np.sqrt(len(filled))
    return mean, basis[:count] * scale[:, None], np.ones(len(scale))


def fit_mixture_rule(clear, stars, populations, names):
    """The rule from rows of single stars and of populations.

    Parameters
    ----------
    clear : list of LineRow
        Of both, nearly without noise, for the components.
    stars, populations : list of LineRow
        As noisy as spectra are.
    names : array_like of str
        Of the libraries of the stars: those of one are left out together.

    Returns
    -------
    MixtureRule
    float
        Share of populations left out that it flags.
    """
    mean, components, spread = find_components(clear, COMPONENTS)
    features = np.stack([describe_row(row, mean, components, spread) for row in [*stars, *populations]])
    many = np.arange(len(features)) >= len(stars)
    part = np.arange(len(features)) % FOLDS
    part[: len(stars)] = np.unique(names, return_inverse=True)[1] % FOLDS
    decided, parts = np.empty(len(features)), (mean, components, spread)
    for k in range(FOLDS):
        decided[part == k] = _fit(features[part != k], many[part != k], parts).decide(features[part == k])
    rule = _fit(features, many, parts)
    # what is far from all has the constant alone: it is not to be flagged
    least, at_rest = (
        max(float(np.quantile(decided[~many], 1 - lost)), rule.offset, 0.0) + SAFETY for lost in (LOST, LOST_AT_REST)
    )
    rule = rule._replace(offset=rule.offset - least, at_rest=least - at_rest)
    return rule, float(np.mean(decided[many] > least))


def _fit(features, many, parts):
    """Kernel logistic regression on landmarks (Zhu & Hastie 2005, J. Comput. Graph. Stat. 14, 185)."""
    landmarks = features[np.random.default_rng(0).permutation(len(features))[:LANDMARKS]]
    size, gamma = len(landmarks), WIDTH / features.shape[1]
    alone = MixtureRule(*parts, landmarks, np.eye(size), gamma, 0.0)
    design = np.column_stack([alone.decide(features), np.ones(len(features))])  # (n, landmarks + 1)
    penalty = np.zeros((size + 1, size + 1))
    penalty[:size, :size] = PENALTY * alone.decide(landmarks)
    penalty += 1e-6 * np.eye(size + 1)
    weights = np.zeros(size + 1)
    for _ in range(STEPS):
        probability = expit(design @ weights)
        certain = probability * (1 - probability) + 1e-6
        gradient = design.T @ (many - probability) - penalty @ weights
        weights = weights + np.linalg.solve((design.T * certain) @ design + penalty, gradient)
    return MixtureRule(*parts, landmarks, weights[:size], gamma, float(weights[size]))


def write_mixture_rule(rule, path):
    """Write a rule in bytes, for `~astro_spectok.redshift.integrated_light.read_mixture_rule`."""
    component_scale = np.abs(rule.components).max(axis=1) / 127
    support_scale = np.abs(rule.support).max(axis=0) / 127
    tensors = {
        "mean": rule.mean.astype(np.float16), "spread": rule.spread.astype(np.float32),
        "components": np.rint(rule.components / component_scale[:, None]).astype(np.int8),
        "component_scale": component_scale.astype(np.float32),
        "support": np.rint(rule.support / support_scale).astype(np.int8),
        "support_scale": support_scale.astype(np.float32), "dual": rule.dual.astype(np.float32),
    }  # fmt: skip
    about = {"gamma": rule.gamma, "offset": rule.offset, "at_rest": rule.at_rest, "bins": BINS}
    save_file(tensors, path, {"about": json.dumps(about)})


def make_integrated_light(data, path, n, seed, *, report=None):
    """Write the rule of `~astro_spectok.redshift.integrated_light.is_integrated_light`.

    Parameters
    ----------
    data : path-like
        Directory of the public template sets.
    path : path-like
    n : int
        Stars that are drawn; populations in proportion.
    seed : int
    report : callable, optional
        Is given a text when it is done.

    Returns
    -------
    float
        Share of populations left out that the rule flags.
    """
    clear = []
    for number, (draw, share) in enumerate(zip((draw_real_stars, draw_populations), CLEAR_SHARES, strict=True)):
        clear += draw_rows(draw, data, round(share * n), [seed, number], snr=CLEAR)[0]
    stars, names = draw_rows(draw_real_stars, data, n, [seed, 2])
    populations, _ = draw_rows(draw_populations, data, round(POPULATIONS * n), [seed, 3])
    rule, flagged = fit_mixture_rule(clear, stars, populations, [name.split()[0] for name in names])
    write_mixture_rule(rule, path)
    if report:
        report(f"light of many stars: {flagged:.0%} of {len(populations)} populations flagged")
    return flagged
