# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether one object is found again: by two instruments, on two nights, with another calibration."""

import re
from dataclasses import replace

import numpy as np
import torch
from _real_sets import to_inputs
from _representation_spectra import effective_rank, encode_spectra, read_spectra, spectrum, unit_rows
from _simulated import to_spectra
from scipy.ndimage import gaussian_filter1d

from astro_spectok.heads.local_features import LocalFeatures
from astro_spectok.simulate import Survey
from astro_spectok.spectra import to_batch
from astro_spectok.training.component_fits import fit_local, whiten_differences
from astro_spectok.training.embedding_parts import NOISY, REAL_FLOOR, Views, add_noise, split_pairs

__all__ = ["embed_batch", "measure_instruments", "measure_ranks", "measure_repeats", "measure_simulated_pairs",
           "measure_warps"]  # fmt: skip

#: of the plain linear vector of lines: resolving power, continuum and bins in ln(wavelength), components, and what is
#: added to the variance within pairs
RESOLUTION, CONTINUUM, STEP, N_COMPONENTS, FLOOR = 1500, 0.02, 3e-4, 60, 0.02
FWHM = 2.3548200450309493
LINES = np.exp(np.arange(np.log(3901.0), np.log(7352.0), STEP))
#: bins in ln(wavelength) of the flux that is compared as it is
FLUX_STEP = 5e-4
SEED = 992
#: relative size of a wrong calibration, and its waves over a spectrum
WARP, WAVES = 0.3, 3
#: galaxies whose redshifts differ by less, in ln(1 + z), have no help from them
SAME_REDSHIFT = 0.03


def embed_batch(runner, batch):
    """Embedding of each spectrum (n, E)."""
    return np.array([one.embedding for one in encode_spectra(runner, batch)])


def split_parts(runner, vectors):
    """The whole embedding, and where the weights have several parts each of these, by what to call it."""
    sizes, out, start = runner.embedder.sizes, {"embed()": vectors}, 0
    for name, size in sizes.items() if len(sizes) > 1 else ():
        out[f"embed({name})"] = vectors[..., start : start + size]
        start += size
    return out


def find_rank(queries, gallery, own):
    """How many of a gallery are nearer by cosine than the right one, for each query."""
    likeness = unit_rows(queries) @ unit_rows(gallery).T
    # those as near count too: parts of which spectra say nothing are zero, and as near to all
    return (likeness >= likeness[np.arange(len(own)), own][:, None]).sum(1) - 1


def normalise_name(text):
    """Name of a star of CFLIB or MILES, written in one way."""
    text = str(text).upper().replace("_", "").replace(" ", "").replace("-", "M").replace("+", "P")
    match = re.match(r"^HD0*(\d+)([AB]?)$", text)
    return f"HD{int(match[1])}" if match else text


def flatten_lines(batch):
    """Flux at a common resolution over a narrow continuum, on `LINES`: (n, N)."""
    rows, x = [], np.log(LINES)
    for i in range(len(batch)):
        wavelength, flux, ivar = spectrum(batch, i)
        good = ivar > 0
        flux = np.interp(x, np.log(wavelength[good]), flux[good])
        flux = gaussian_filter1d(flux, 1 / RESOLUTION / FWHM / STEP)
        rows.append(flux / gaussian_filter1d(flux, CONTINUUM / STEP) - 1)
    return np.array(rows)


def whiten_lines(gallery, queries, pairs):
    """Principal components of lines, whitened by the differences within ``pairs`` (rows of gallery, of queries)."""
    mean = gallery.mean(0)
    _, size, vectors = np.linalg.svd(np.concatenate([gallery, queries]) - mean, full_matrices=False)
    # of few spectra as many as they have, the last of which is nothing but rounding
    number = min(N_COMPONENTS, len(size) - 1)
    first, second = ((x - mean) @ vectors[:number].T / size[:number] for x in (gallery, queries))
    within = (first[pairs[0]] - second[pairs[1]]) * np.sqrt(len(first))
    within = np.cov(within.T) + FLOOR * np.eye(number)
    whiten = np.linalg.cholesky(np.linalg.inv(within))
    return (first - first.mean(0)) @ whiten, (second - second.mean(0)) @ whiten


def whiten_anew(runner, libraries, own, fold):
    """Lines of the embedding of two libraries, whitened by the stars of either half: for each half two (n, K)."""
    head = runner.network.heads[runner.find_head("embedding")]
    found = []
    for batch in libraries:
        out = np.zeros((len(batch), len(head.lines.centre)), np.float32)
        noisy = np.zeros_like(out)
        with torch.inference_mode():
            for group, patches in runner.arrange(batch):
                views = Views(*head.view(patches, torch.zeros(len(group), dtype=torch.float64))[0])
                out[group] = head.lines.find_coefficients(*views)
                noisy[group] = head.lines.find_coefficients(*add_noise(views))
        found.append((torch.from_numpy(out), torch.from_numpy(noisy)))
    (one, noisy), (other, _) = found
    halves = []
    for k in (0, 1):
        place, row = own[fold != k].T
        whiten = whiten_differences([(one[place], other[row]), *[(one, noisy)] * NOISY], [], 0.0, REAL_FLOOR)
        halves.append(tuple(_finish_lines(head, whiten, x).numpy() for x in (one, other)))
    return halves


def _finish_lines(head, whiten, coefficients):
    """Vectors of lines (n, K) with another whitening, and where the head has landmarks with their map made anew."""

    def project(x):
        return (x - head.lines.centre) @ whiten

    if head.local is None:
        return project(coefficients)
    landmarks = head.local.landmarks[head.local.map.any(1)]
    anew = LocalFeatures(len(landmarks), len(whiten), head.local.map.shape[1], head.local.reach)
    fit_local(anew, landmarks, project, power=head.config.line_power)
    return anew(project(coefficients), project)


def measure_instruments(runner, train):
    """Stars of CFLIB (R 5000) looked up among all of MILES (R 2200), and labels of their five nearest neighbours.

    The linear vector of lines is whitened on one half of the stars and scored on the other.

    Returns
    -------
    list of dict
        ``method``, ``n``, ``recall_1``, ``recall_10``, ``median_rank``, ``teff`` (K), ``logg``, ``feh``: scatter of the
        labels of neighbours between 4000 and 8000 K.
    """
    miles, miles_columns = read_spectra(train, "miles_real_stars")
    cflib, cflib_columns = read_spectra(train, "cflib_real_stars")
    names = [normalise_name(x) for x in miles_columns["origin"]]
    own = np.array(
        [(names.index(x), j) for j, x in enumerate(map(normalise_name, cflib_columns["object"])) if x in names]
    )
    labels = np.array([miles_columns[key] for key in ("teff", "logg", "feh")], float).T
    first, second = flatten_lines(miles), flatten_lines(cflib)
    whole = [split_parts(runner, embed_batch(runner, batch)) for batch in (miles, cflib)]
    # the weights have seen these pairs; what is whitened anew has not seen those that it is scored on
    vectors = {name: [(whole[0][name], whole[1][name])] * 2 for name in whole[0]} | {"lines": [(first, second)] * 2}
    fold = split_pairs(len(own))
    vectors["lines, whitened"] = [whiten_lines(first, second, own[fold != k].T) for k in (0, 1)]
    if "lines" in runner.embedder.sizes:
        size = runner.embedder.sizes["lines"]
        share = runner.network.heads[runner.find_head("embedding")].config.shares[0]
        anew = whiten_anew(runner, (miles, cflib), own, fold)
        vectors["embed(lines), other half"] = anew
        vectors["embed(), other half"] = [
            tuple(
                np.hstack([share * unit_rows(lines), x["embed()"][:, size:]])
                for lines, x in zip(half, whole, strict=True)
            )
            for half in anew
        ]
    results = []
    for method, halves in vectors.items():
        ranks, errors = [], []
        for k, (gallery, queries) in enumerate(halves):
            place, row = own[fold == k].T
            ranks.append(find_rank(queries[row], gallery, place))
            likeness = unit_rows(queries[row]) @ unit_rows(gallery).T
            likeness[np.arange(len(place)), place] = -9.0
            nearest = np.argsort(-likeness, axis=1)[:, :5]
            error = np.nanmedian(labels[nearest], axis=1) - labels[place]
            errors.append(error[(labels[place, 0] > 4000) & (labels[place, 0] < 8000)])
        rank, error = np.concatenate(ranks), np.concatenate(errors)
        scatter = 1.4826 * np.nanmedian(np.abs(error - np.nanmedian(error, axis=0)), axis=0)
        results.append(
            {"method": method} | _summarise(rank) | dict(zip(("teff", "logg", "feh"), map(float, scatter), strict=True))
        )
    return results


def _summarise(rank):
    return {"n": len(rank), "recall_1": float(np.mean(rank < 1)), "recall_10": float(np.mean(rank < 10)),
            "median_rank": float(np.median(rank))}  # fmt: skip


def compare_flux(batch):
    """Flux over its median, on common bins, zero where not covered: (n, N)."""
    lows, highs = zip(*(np.log(spectrum(batch, i)[0][[0, -1]]) for i in range(len(batch))), strict=True)
    x = np.arange(min(lows), max(highs), FLUX_STEP)
    rows = []
    for i in range(len(batch)):
        wavelength, flux, ivar = spectrum(batch, i)
        good = ivar > 0
        scale = np.median(np.abs(flux[good]))
        rows.append(np.interp(x, np.log(wavelength[good]), flux[good] / scale, left=0, right=0))
    return np.array(rows)


def measure_repeats(runner, test):
    """Spectra whose object was observed more than once: how often the nearest other spectrum is one of it."""
    results = []
    for name, column in (("lamost_real", "object"), ("sdss_more_real", "group")):
        if not (test / f"{name}.npz").is_file():
            continue
        batch, columns = read_spectra(test, name)
        same = columns[column][:, None] == columns[column]
        np.fill_diagonal(same, False)
        repeated = np.flatnonzero(same.any(1))
        if not len(repeated):
            continue
        for method, vectors in (
            split_parts(runner, embed_batch(runner, batch)) | {"flux": compare_flux(batch)}
        ).items():
            likeness = unit_rows(vectors) @ unit_rows(vectors).T
            np.fill_diagonal(likeness, -9.0)
            best = np.where(same, likeness, -9.0).max(1)
            np.fill_diagonal(same, True)
            rank = ((likeness >= best[:, None]) & ~same).sum(1)[repeated]
            np.fill_diagonal(same, False)
            results.append({"set": name, "method": method} | _summarise(rank))
    return results


def measure_simulated_pairs(runner, templates, number):
    """Simulated objects at a signal-to-noise ratio of 10, SDSS-like, looked up among the same ones, DESI-like.

    Returns
    -------
    list of dict
        ``among``: all, stars alone, and galaxies among those at nearly the same redshift; ``method``; recalls.
    """
    results = []
    for among, families in (
        ("all", ("galaxies", "quasars", "stars")),
        ("stars", ("stars",)),
        ("galaxies", ("galaxies",)),
    ):
        survey = Survey(templates, families=families)
        groups = survey.draw(number, [SEED, 0], views=2, instruments=[["sdss"], ["desi"]], snr=(10, 10))
        batches = [
            to_batch(to_inputs([s for group in groups for s in to_spectra(group.observations[view])]), medium="vacuum")
            for view in (0, 1)
        ]
        ln = np.concatenate([np.log1p(group.objects.z.numpy()) for group in groups])
        apart = (
            (np.abs(ln[:, None] - ln) > SAME_REDSHIFT) if among == "galaxies" else np.zeros((len(ln), len(ln)), bool)
        )
        flux = compare_flux(type(batches[0]).concatenate(batches))
        both = split_parts(runner, np.array([embed_batch(runner, batch) for batch in batches]))
        vectors = both | {"flux": np.split(flux, 2)}
        for method, (gallery, queries) in vectors.items():
            likeness = np.where(apart, -9.0, unit_rows(queries) @ unit_rows(gallery).T)
            rank = (likeness >= likeness.diagonal()[:, None]).sum(1) - 1
            said = "galaxies at the same z" if among == "galaxies" else among
            results.append({"among": said, "method": method} | _summarise(rank))
    return results


def warp_batch(batch, rng):
    """The same spectra with smooth errors of calibration."""
    flux, ivar = batch.flux.copy(), batch.ivar.copy()
    for i in range(len(batch)):
        phase = np.linspace(0, np.pi, int(batch.lengths[i]))
        waves = np.cos(phase * np.arange(1, WAVES + 1)[:, None])
        curve = rng.normal(size=WAVES) @ waves
        factor = np.exp(np.log1p(WARP) * curve / np.abs(curve).max())
        flux[batch.pixels(i)] *= factor
        ivar[batch.pixels(i)] /= factor**2
    return replace(batch, flux=flux.astype(np.float32), ivar=ivar.astype(np.float32))


def measure_warps(runner, test):
    """Stars of MILES with a smooth error of calibration of up to 30 per cent, looked up among themselves."""
    batch, _ = read_spectra(test, "miles_real_stars")
    warped = warp_batch(batch, np.random.default_rng(3))
    vectors = split_parts(runner, np.array([embed_batch(runner, b) for b in (batch, warped)]))
    vectors |= {
        "flux": [compare_flux(b) for b in (batch, warped)],
        "lines": [flatten_lines(b) for b in (batch, warped)],
    }
    return [
        {"method": method} | _summarise(find_rank(queries, gallery, np.arange(len(batch))))
        for method, (gallery, queries) in vectors.items()
    ]


def measure_ranks(runner, test, names, *, limit):
    """Effective rank of embeddings and of the learned values of tokens, set by set."""
    results = []
    for name in names:
        if not (test / f"{name}.npz").is_file():
            continue
        batch, _ = read_spectra(test, name, limit=limit)
        encoded = encode_spectra(runner, batch)
        learned = np.concatenate([e.values[e.good, 2 : runner.network.config.width] for e in encoded])
        vectors = np.array([e.embedding for e in encoded])
        results.append(
            {"set": name, "n": len(batch)}
            | {method.replace("()", ""): effective_rank(part) for method, part in split_parts(runner, vectors).items()}
            | {"tokens": effective_rank(learned)}
        )
    return results
