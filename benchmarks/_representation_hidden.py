# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How well pixels that were hidden are inferred, and what is left of reconstruction without the learned values."""

import numpy as np
from _representation_spectra import common_range, encode_spectra, read_spectra, resample_common, spectrum
from _rest_components import LIBRARIES, RestComponents

__all__ = [
    "HIDDEN_SETS",
    "hide_blocks",
    "hide_half",
    "interpolate_line",
    "measure_hidden",
    "measure_shares",
    "open_libraries",
]

#: set of spectra: those that are scored, and where the components that have seen the survey come from (None: from the
#: other spectra of the set itself)
HIDDEN_SETS = {
    "lamost_real": (lambda c: c["cls"] == "STAR", None),
    "miles_real_stars": (None, "miles_real_stars"),
    "splat_spex_real": (None, "splat_spex_real"),
    "sdss_more_real": (lambda c: (c["zwarn"] == 0) & (c["cls"] != "STAR"), None),
    "sn_superfit_real": (None, "sn_superfit_real"),
    "vandels_real": (lambda c: np.isin(c["zwarn"], (3, 4)), None),
}
#: share of the pixels that is hidden, and length of the blocks
SHARE, SHORTEST, LONGEST = 0.2, 16, 64
#: pixels on either side of a block whose mean the straight line starts from
EDGE = 8
N_COMPONENTS = 50
#: most pixels of the common grid of the components
N_GRID = 2048


def hide_blocks(n, rng):
    """Which of ``n`` pixels are hidden: blocks of 16 to 64 up to a fifth of them."""
    hidden = np.zeros(n, bool)
    while hidden.mean() < SHARE:
        start = rng.integers(n)
        hidden[start : start + rng.integers(SHORTEST, LONGEST + 1)] = True
    return hidden


def hide_half(n, rng):
    """Which of ``n`` pixels are hidden: the bluer or the redder half."""
    red = rng.random() < 0.5
    return (np.arange(n) >= n / 2) == red


def interpolate_line(x, flux, ivar, shown):
    """Straight lines over what is not shown, from the means of the nearest pixels; constant beyond the ends."""
    out = np.array(flux, float)
    good = np.flatnonzero(shown & (ivar > 0))
    hidden = np.flatnonzero(~shown)
    if not len(good) or not len(hidden):
        return out
    for block in np.split(hidden, np.flatnonzero(np.diff(hidden) > 1) + 1):
        at = np.searchsorted(good, block[0])
        sides = [side for side in (good[max(at - EDGE, 0) : at], good[at : at + EDGE]) if len(side)]
        places = [x[side].mean() for side in sides]
        means = [np.average(flux[side], weights=ivar[side]) for side in sides]
        out[block] = np.interp(x[block], places, means)
    return out


class SurveyComponents:
    """Probabilistic principal components of the spectra of one survey, conditioned on what is shown.

    Tipping & Bishop 1999, J. R. Stat. Soc. B 61, 611.
    """

    def __init__(self, rows, low, high):
        self.grid = np.linspace(low, high, 2 * rows.shape[1] + 1)[1::2]
        self.mean = rows.mean(0)
        _, size, vectors = np.linalg.svd(rows - self.mean, full_matrices=False)
        number = min(N_COMPONENTS, len(rows) // 2)
        self.basis = vectors[:number] * (size[:number] / np.sqrt(len(rows)))[:, None]
        self.variance = (size[number:] ** 2).sum() / len(rows) / rows.shape[1] + 1e-8

    def predict(self, x, flux, ivar, shown):
        """The flux everywhere, given what is shown of it."""
        design = np.array([np.interp(x, self.grid, row) for row in (self.mean, *self.basis)])  # (K + 1, N)
        good = shown & (ivar > 0)
        scale = np.median(np.abs(flux[good]))
        weight = good / (self.variance + 1 / np.maximum(ivar * scale**2, 1e-12))
        # the scale is not known better than by the median: it is a component too
        basis = np.concatenate([design[:1] * 0.3, design[1:]])
        normal = basis * weight @ basis.T + np.eye(len(basis))
        return scale * (design[0] + np.linalg.solve(normal, basis @ (weight * (flux / scale - design[0]))) @ basis)


def open_libraries(train):
    """The `RestComponents` of each of `HIDDEN_SETS`; sets of one library share them."""
    made = {library: RestComponents(library, train) for library in dict.fromkeys(LIBRARIES.values())}
    return {name: made[library] for name, library in LIBRARIES.items()}


def measure_hidden(runner, test, train, *, limit, hide, libraries=None):
    """Skill of decoding, of the network alone, of its explicit part and of components over a straight line, by set.

    Skill is one less the ratio of the squared deviations of hidden pixels, weighted by inverse variance: zero for what
    is no better than the line. All are scored on the same pixels, where most spectra of a set are known.

    Returns
    -------
    list of dict
        ``set``, ``n`` and, for ``decode`` (what users get: from tokens alone, with the library of the weights where
        they have one), ``net`` (without it), ``explicit``, ``library`` (components of the training libraries at the
        redshift of the catalogue, and a straight line through what they leave beside the gap; where given) and
        ``survey`` (components that have seen the survey), the median and its error; ``within_1`` and ``within_2``, the
        shares of hidden pixels within so many standard deviations of decoding and noise together (0.68 and 0.95).
    """
    results = []
    for name, (rows, own) in HIDDEN_SETS.items():
        if not (test / f"{name}.npz").is_file():
            continue
        batch, columns = read_spectra(test, name, rows=rows, limit=limit)
        library, _ = (batch, None) if own is None else read_spectra(train, own)
        rng = np.random.default_rng(11)
        masks = [hide(int(n), rng) for n in batch.lengths]
        masked = batch.ivar * ~np.concatenate(masks)
        models = _model_spectra(runner, batch, encode_spectra(runner, batch, ivar=masked))
        low, high = common_range(library)
        number = min(N_GRID, int(np.median(library.lengths)))
        table = resample_common(library, low, high, number)
        survey = SurveyComponents(table, low, high) if own is not None else None
        skills = {key: [] for key in ("decode", "net", "explicit", "library", "survey")}
        within = []
        redshifts = columns["z"] if own is None else np.zeros(len(batch))  # libraries are at rest
        for i, hidden in enumerate(masks):
            wavelength, flux, ivar = spectrum(batch, i)
            x, good = np.log(wavelength), ivar > 0
            scored = hidden & good & (x >= low) & (x <= high)
            if scored.sum() < SHORTEST or models[i] is None or not (good & ~hidden).any():
                continue
            line = interpolate_line(x, flux, ivar, ~hidden)
            worst = np.sum(ivar[scored] * (flux - line)[scored] ** 2)
            *decoded, error = models[i]
            guesses = dict(zip(("decode", "net", "explicit"), decoded, strict=True))
            pull = np.abs(flux - guesses["decode"])[scored] / np.sqrt(error[scored] ** 2 + 1 / ivar[scored])
            within.append([np.mean(pull < number) for number in (1, 2)])
            if libraries is not None:
                guess = libraries[name].predict(
                    wavelength, flux.astype(float), ivar.astype(float), ~hidden, redshifts[i]
                )
                guess = np.where(np.isfinite(guess), guess, line)
                guesses["library"] = guess + interpolate_line(x, flux - guess, ivar, ~hidden)
            # no spectrum is among those that its own components were made of
            known = survey or SurveyComponents(np.delete(table, i, axis=0), low, high)
            guesses["survey"] = known.predict(x, flux, ivar, ~hidden)
            for key, model in guesses.items():
                skills[key].append(1 - np.sum(ivar[scored] * (flux - model)[scored] ** 2) / worst)
        row = {"set": name, "n": len(within)} | {key: _median_error(values) for key, values in skills.items() if values}
        results.append(row | dict(zip(("within_1", "within_2"), np.mean(within, axis=0).tolist(), strict=True)))
    return results


def measure_shares(runner, test, *, limit):
    """chi2 per pixel of decoded tokens, also without the learned values and without the DCT coefficients: per set."""
    results = []
    for name, (rows, _) in HIDDEN_SETS.items():
        if not (test / f"{name}.npz").is_file():
            continue
        batch, _ = read_spectra(test, name, rows=rows, limit=limit)
        encoded = encode_spectra(runner, batch)
        width = runner.network.config.width
        mean = np.concatenate([e.values[e.good, 2:width] for e in encoded]).mean(0)
        row = {"set": name, "n": len(encoded)}
        for key in ("all", "without_learned", "without_dct"):
            chi2 = []
            for i, e in enumerate(encoded):
                values = e.values.copy()
                if key == "without_learned":
                    values[e.good, 2:width] = mean
                elif key == "without_dct":
                    values[:, width:] = 0
                wavelength, flux, ivar = spectrum(batch, i)
                model, _ = runner.decode(
                    values, e.geometry, e.good, np.log(wavelength), shown=e.shown, solutions=e.solutions
                )
                good = ivar > 0
                factor = e.scale / batch.scale[i]
                chi2.append(np.mean((ivar * (flux - factor * model) ** 2)[good]))
            row[key] = float(np.median(chi2))
        results.append(row)
    return results


def _model_spectra(runner, batch, encoded):
    """For each spectrum its flux as decoded, by the network alone, and with the mean of all learned values in place of
    each; and the error of the first."""
    width = runner.network.config.width
    known = [e for e in encoded if e is not None]
    mean = np.concatenate([e.values[e.good, 2:width] for e in known]).mean(0)
    out = []
    for i, e in enumerate(encoded):
        if e is None:
            out.append(None)
            continue
        plain = e.values.copy()
        plain[e.good, 2:width] = mean
        x, factor = np.log(batch.wavelength[batch.grid(i)]), e.scale / batch.scale[i]
        whole = runner.decode(e.values, e.geometry, e.good, x, shown=e.shown, solutions=e.solutions)
        alone = (runner.decode(values, e.geometry, e.good, x)[0] for values in (e.values, plain))
        out.append([factor * flux for flux in (whole[0], *alone, whole[1])])
    return out


def _median_error(values):
    """Median, and 1.25 times the error of the mean as that of the median."""
    values = np.asarray(values)
    scatter = 1.4826 * np.median(np.abs(values - np.median(values)))
    return float(np.median(values)), float(1.2533 * scatter / np.sqrt(len(values)))
