"""What bounds finding photometry by spectra: colours that follow from an optical spectrum without noise, and others.

Photometry of some objects is compared with colours that are predicted for each from what is known of it, by kernel
regression that learned from other objects, with the covariance of what it leaves. What is known: the spectrum within
the range of an optical spectrograph, in coarse bins, and the redshift; the spectrum is without noise and calibration
errors (``optical spectrum``), or as it was observed (``observed spectrum``). No encoder of such a spectrum can do
better, but for what the regression did not learn.
"""

from itertools import pairwise

import numpy as np
from _photometry_sets import FAMILIES, draw_objects, measure, see, true_colours

from astro_spectok.align.filters import BANDS, find_filter
from astro_spectok.simulate import Survey
from astro_spectok.training.observed import to_spectra
from astro_spectok.training.photometry_pairs import CHUNK, LN_WAVELENGTH

#: of spectra that are observed, as in ``align.py``
INSTRUMENTS, SNR = ("sdss", "boss", "desi"), (10.0, 10.0)

__all__ = ["measure_ceilings", "predict_colours"]

#: range in Angstrom of the spectra, and bins
OPTICAL, BINS = (3800.0, 9200.0), 60
#: directions of the spectra that are kept; ridges and widths (over the median distance) of kernels that are tried
DIRECTIONS, RIDGES, WIDTHS = 25, np.geomspace(1e-6, 1e-1, 9), (0.1, 0.3, 1.0, 3.0)
#: least flux over the greatest; what is left, over its usual size, beyond which it is an outlier
FAINTEST, OUTLIER = 1e-3, 5.0
#: least flux over its error whose logarithm is taken; part of the flux that zero points are off
LEAST, ZERO_POINT = 0.5, 0.02


def find_edges():
    """Edges of the bins: ndarray, shape (BINS + 1,), in Angstrom."""
    return np.geomspace(*OPTICAL, BINS + 1)


def bin_truth(pairs):
    """Levels of spectra without noise in coarse bins, ndarray (n, BINS)."""
    edges = np.searchsorted(np.exp(LN_WAVELENGTH), find_edges())
    truth = pairs["truth"].astype(np.float64)
    return np.stack([truth[:, a:b].mean(1) for a, b in pairwise(edges)], 1)


def bin_observed(args, cls, n, seed):
    """Levels of the spectra that were observed of the same objects, weighted means in coarse bins, ndarray (n, BINS).

    Bins that a spectrograph does not reach are as high as the nearest one.
    """
    survey, rows, edges = (
        Survey(args.data, families=(FAMILIES[cls],), instruments=INSTRUMENTS, snr=SNR),
        [],
        find_edges(),
    )
    for k in range(-(-n // CHUNK)):
        for group in survey.draw(min(CHUNK, n - k * CHUNK), [seed, k]):
            for wavelength, flux, ivar in to_spectra(group.observations[0]):
                place = np.digitize(wavelength, edges) - 1
                inside = (place >= 0) & (place < BINS) & (ivar > 0)
                weight = np.bincount(place[inside], ivar[inside], BINS)
                total = np.bincount(place[inside], (ivar * flux)[inside], BINS)
                seen = np.flatnonzero(weight)
                rows.append(np.interp(np.arange(BINS), seen, total[seen] / weight[seen]))
    return np.stack(rows)


def describe_spectra(levels):
    """Logarithms of levels over their mean (n, BINS), NaN where nothing is seen."""
    middle = np.median(levels, 1, keepdims=True)
    levels = np.log(np.maximum(levels, 1e-3 * np.where(middle > 0, middle, np.nan)))
    return levels - levels.mean(1, keepdims=True)


def continue_levels(levels, bands):
    """Logarithms (n, F) of the fluxes in a set of bands if spectra went on as level as they end, beyond the bins."""
    middle = np.log(find_edges())
    middle = (middle[1:] + middle[:-1]) / 2
    spectra = np.array([np.interp(LN_WAVELENGTH, middle, row) for row in levels])
    flux = spectra @ np.array([find_filter(name).weigh(LN_WAVELENGTH) for name in BANDS[bands]]).T
    return np.log(np.maximum(flux, FAINTEST * flux.max(1, keepdims=True)))


def continue_evenly(pairs, bands):
    """The same of spectra without noise, in full resolution within the range."""
    truth, wavelength = pairs["truth"].astype(np.float64), np.exp(LN_WAVELENGTH)
    first, last = np.searchsorted(wavelength, OPTICAL)
    width = (last - first) // BINS
    truth[:, :first] = truth[:, first : first + width].mean(1, keepdims=True)
    truth[:, last:] = truth[:, last - width : last].mean(1, keepdims=True)
    flux = truth @ np.array([find_filter(name).weigh(LN_WAVELENGTH) for name in BANDS[bands]]).T
    return np.log(np.maximum(flux, FAINTEST * flux.max(1, keepdims=True)))


def predict_colours(known, colours, wanted):
    """Kernel ridge regression of colours, ridge and width by leaving one out.

    Parameters
    ----------
    known, wanted : ndarray, shape (n, D) and (m, D)
        What is known of objects that are learned from, and of others.
    colours : ndarray, shape (n, C)

    Returns
    -------
    predicted : ndarray, shape (m, C)
    covariance : ndarray, shape (C, C)
        Of what is left of those that are learned from, each left out.
    """
    near = _find_squares(known, known)
    usual, mean, best = np.median(near), colours.mean(0), None
    for width in usual * np.array(WIDTHS):
        kernel = np.exp(-near / width)
        for ridge in RIDGES:
            inverse = np.linalg.inv(kernel + ridge * np.eye(len(kernel)))
            weights = inverse @ (colours - mean)
            left = weights / np.diag(inverse)[:, None]
            if best is None or (left**2).sum() < best[0]:
                best = (left**2).sum(), weights, left, width
    _, weights, left, width = best
    # some outliers should not make all uncertain
    usual = 1.4826 * np.median(np.abs(left), 0)
    left = np.clip(left, -OUTLIER * usual, OUTLIER * usual)
    return mean + np.exp(-_find_squares(wanted, known) / width) @ weights, left.T @ left / len(left)


def _find_squares(first, second):
    """Squares of distances, (n, m)."""
    out = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    return np.maximum(out, 0)


def compare_colours(seen, predicted, covariance):
    """Minus chi square (n, m) of photometry to colours that are predicted, with a free brightness."""
    flux, error = (x.numpy().astype(float) for x in (seen.flux, seen.error))
    ratio = np.maximum(flux, LEAST * error)
    out = np.empty((len(flux), len(predicted)))
    for i, (level, noise) in enumerate(zip(np.log(ratio), error / ratio, strict=True)):
        inverse = np.linalg.inv(covariance + np.diag(noise**2 + ZERO_POINT**2))
        one = inverse.sum(1)
        inverse = inverse - np.outer(one, one) / one.sum()  # a brightness that is not known
        left = level - predicted
        out[i] = -np.einsum("mc,cd,md->m", left, inverse, left)
    return out


def measure_ceilings(args, rows, report, rank_own, sets, snr, seed):
    """Figures of each class and set of bands."""
    for cls, n in args.numbers.items():
        taught = draw_objects(args.data, {cls: args.learned}, seed + 2, keep=args.keep)
        tested = draw_objects(args.data, {cls: n}, seed, keep=args.keep)
        known = {
            "optical spectrum": (bin_truth(taught), bin_truth(tested)),
            "observed spectrum": (bin_observed(args, cls, args.learned, seed + 2), bin_observed(args, cls, n, seed)),
        }
        for method, (levels, own_levels) in known.items():
            exact = method == "optical spectrum"
            about = {"class": cls, "method": method, "query": "photometry"}
            reach = _find_reach(describe_spectra(levels), describe_spectra(own_levels), taught["z"], tested["z"])
            for bands in sets:
                both = (taught, levels), (tested, own_levels)
                start, own_start = (continue_evenly(p, bands) if exact else continue_levels(x, bands) for p, x in both)
                predicted, covariance, learned = _predict(reach, start, own_start, measure(taught), bands)
                seen = see(measure(tested), bands, snr)
                good = np.isfinite(predicted).all(1) & seen.mask.all(1).numpy()
                among = compare_colours(seen.take(good), predicted[good], covariance)
                names = [name.rsplit("-")[-1] for name in BANDS[bands]]
                open_ = dict(zip(names, np.sqrt(np.diag(covariance)).round(3).tolist(), strict=True))
                more = {"bands": bands, "learned from": learned, "left": open_}
                report(rows, about | more, rank_own(among, tested["z"][good]))


def _find_reach(levels, own_levels, z, own_z):
    """What regressions look at, of objects that are learned from and of others; rows of the first that are usable."""
    fine = np.isfinite(levels).all(1)
    middle = levels[fine].mean(0)
    directions = np.linalg.svd(levels[fine] - middle, full_matrices=False)[2][:DIRECTIONS]
    known = np.hstack([(levels - middle) @ directions.T, np.log1p(z)[:, None]])
    wanted = np.hstack([(own_levels - middle) @ directions.T, np.log1p(own_z)[:, None]])
    spread = known[fine].std(0)
    # each direction counts as much as it varies, redshift as much as the first
    weight = np.append(np.full(DIRECTIONS, spread[0]), spread[-1] / 2)
    return known / weight, wanted / weight, fine


def _predict(reach, start, own_start, fluxes, bands):
    """Colours, the covariance of what is left, and how many objects were learned from.

    What is learned is how bands differ from ``start``, over that in r, which lies within the spectrum.
    """
    known, wanted, fine = reach
    colours = true_colours(fluxes, bands).astype(np.float64)
    usable = fine & np.isfinite(colours).all(1) & np.isfinite(start).all(1)
    colours = np.maximum(colours, FAINTEST * colours.max(1, keepdims=True))
    reference = [name.endswith("-r") for name in BANDS[bands]].index(True)
    left = np.log(colours) - start
    left = (left - left[:, [reference]])[usable]
    predicted, covariance = predict_colours(known[usable], left, wanted)
    return predicted + own_start, covariance, int(usable.sum())
