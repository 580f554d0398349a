# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is measured on simulated spectra: retrieval, instruments held out, redshifts by kind, reconstruction."""

import itertools
from dataclasses import replace

import numpy as np
from _ceiling import find_by_fit
from _held_out import CONTROLS, LEVELS, PAIRS, draw_alike
from _real_sets import CLASSES, measure_spectra
from _scores import find_own, flatten_flux, is_right, score_redshifts

from astro_spectok.simulate import Randomness, Survey
from astro_spectok.simulate.instruments import choose_instrument
from astro_spectok.simulate.observe import observe
from astro_spectok.spectra import to_batch
from astro_spectok.training.observed import WIDE_RESOLUTION, to_inputs, to_spectra

__all__ = ["measure_groups", "measure_simulated"]

#: far from the seed of any training; the second number distinguishes the parts of the benchmark
SEED = 991
SNR_EDGES = (1, 3, 10, 100)
MEASURABLE = ("galaxies", "quasars", "stars")
#: view of the retrieval and what it is called; the first view is SDSS-like
PAIRED = {1: "desi", 2: "r600"}
#: of instruments that cannot do better, the part of a resolution element within which a redshift is right: half of
#: one, so that lines are put in their own
ELEMENT = 0.5
#: of a spectrum through an instrument of `draw_alike`, as in the draw of a survey
MOST_PIXELS = 8192
#: what raw flux is compared on, in ln(wavelength): a pixel of the coarsest instrument
FLUX_STEP = 5e-4


def measure_simulated(runner, templates, n=1000, *, report=print):
    """Everything that is measured on simulated spectra.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    templates : `~pathlib.Path` or None
        Directory of the template sets; None simulates from analytic ones, which are easier.
    n : int, optional
        Objects of the retrieval; the other parts use as many or a fixed share.
    report : callable, optional
        Called with the name of each part as it begins.

    Returns
    -------
    dict
        ``retrieval``: rows of ``pair, noise, method, class, recall, n``; ``held_out``: rows of `score_held_out`;
        ``redshift``: rows of ``family, kind, snr_low, snr_high`` and the figures of `score_redshifts`;
        ``no_redshift``: rows of ``family, n, confident``; ``reconstruction``: rows of ``noise, n, median, p16, p84``;
        ``bars``: (value, number) by the names in `_bars.SIMULATED`.
    """
    survey = Survey(templates, families=MEASURABLE)
    report(f"\nsimulated: retrieval of {n} objects")
    groups = survey.draw(n, [SEED, 0], views=3, instruments=[["sdss"], ["desi"], draw_r600], snr=(10, 10))
    retrieval = score_retrieval(runner, groups, "as real")
    retrieval += score_retrieval(runner, clean_groups(groups, [SEED, 5]), "as stated")
    classes = np.array([CLASSES[k] for group in groups for k in group.objects.cls.tolist()])
    for view, pair in PAIRED.items():
        row = {"pair": pair, "noise": "as stated", "method": "every pixel, second instrument twice"}
        retrieval += share_by_class(find_by_fit(groups, view, [SEED, 6, view]), classes, row)
    report("simulated: instruments held out")
    held_out = score_held_out(runner, survey, Survey(templates, families=("stars",)), max(n // 5, 6))
    report("simulated: reconstruction")
    chi2 = score_chi2(runner, survey, max(n // 4, 8))
    report("simulated: redshifts by kind")
    every = Survey(templates).draw(2 * n, [SEED, 2], snr=(SNR_EDGES[0], SNR_EDGES[-1]))
    redshift, nothing = score_kinds(runner, every)
    own = {"noise": "as real", "method": "embedding", "class": "all"}
    overall = {row["pair"]: row for row in retrieval if own.items() <= row.items()}
    pooled = next(row for row in held_out if row["instrument"] == "all")
    right = next(row for row in chi2 if row["noise"] == "as stated")
    bars = {f"recall_{pair}": (row["recall"], row["n"]) for pair, row in overall.items()}
    bars |= {"held_out_loss": (pooled["loss_alike"], pooled["n"]), "held_out_other": (pooled["loss"], pooled["n"])}
    bars |= {"chi2": (right["median"], right["n"])}
    return {
        "retrieval": retrieval, "held_out": held_out, "redshift": redshift, "no_redshift": nothing,
        "reconstruction": chi2, "bars": bars,
    }  # fmt: skip


def draw_r600(rng, low, high, max_pixels):
    """VIMOS with its medium-resolution grism: its other gratings have R of 200."""
    for _ in range(12):
        made = choose_instrument(rng, low, high, max_pixels, ["vimos"])
        if made is None or np.median(made.resolution) > 400:
            return made
    return None


def clean_groups(groups, seed):
    """The same objects through the same instruments, with Gaussian noise as stated and nothing else wrong."""
    out = []
    for number, group in enumerate(groups):
        views = enumerate(zip(group.instruments, group.snr, strict=True))
        seen = [
            observe(group.objects, instruments, snr, Randomness([*seed, number, k]), clean=True)
            for k, (instruments, snr) in views
        ]
        out.append(replace(group, observations=seen))
    return out


def measure_groups(runner, groups, view=0):
    """Truth beside answers for one view of simulated groups.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    groups : list of `~astro_spectok.simulate.SimulatedGroup`
    view : int, optional

    Returns
    -------
    table : dict of str to ndarray, shape (n,)
        The answers of `measure_spectra`; ``class_true`` ('' for none of the classes), ``z_true`` (NaN where there is
        none to be found), ``snr``, ``wide``, ``family``, ``kind``, ``instrument``.
    spectra : list of (wavelength, flux, ivar)
    """
    spectra = [s for group in groups for s in to_spectra(group.observations[view])]
    truth = {key: [] for key in ("class_true", "z_true", "snr", "wide", "family", "kind", "instrument")}
    for group in groups:
        objects, instruments = group.objects, group.instruments[view]
        truth["class_true"] += [CLASSES[k] if k >= 0 else "" for k in objects.cls.tolist()]
        truth["z_true"] += objects.z.masked_fill(~objects.measurable, np.nan).tolist()
        truth["snr"] += group.snr[view].tolist()
        truth["wide"] += [bool(np.median(one.resolution) <= WIDE_RESOLUTION) for one in instruments]
        truth["family"] += [group.family] * len(objects)
        truth["kind"] += objects.kind
        truth["instrument"] += [one.name for one in instruments]
    return {k: np.array(v) for k, v in truth.items()} | measure_spectra(runner, spectra, "vacuum"), spectra


def score_retrieval(runner, groups, noise):
    """Recall@1 of DESI-like and R 600 views among all objects, for SDSS-like ones; by class, and for raw flux."""
    tables, spectra = zip(*(measure_groups(runner, groups, view) for view in range(3)), strict=True)
    classes, rows = tables[0]["class_true"], []
    for view, pair in PAIRED.items():
        vectors = {"embedding": (tables[0]["embedding"], tables[view]["embedding"])}
        both = rebin_flux(spectra[0], spectra[view])
        vectors["flux"] = both
        vectors["flux over running median"] = tuple(np.array([flatten_flux(row) for row in flux]) for flux in both)
        for method, (a, b) in vectors.items():
            rows += share_by_class(find_own(a, b), classes, {"pair": pair, "noise": noise, "method": method})
    return rows


def share_by_class(found, classes, row):
    """Rows with the share of bool ``found`` and its number, for all and for each class; ``row`` is put before."""
    rows = []
    for name in ("all", *CLASSES):
        members = np.ones(len(found), bool) if name == "all" else classes == name
        if members.any():
            recall, n = float(np.mean(found[members])), int(np.count_nonzero(members))
            rows.append(row | {"class": name, "recall": recall, "n": n})
    return rows


def rebin_flux(*views):
    """Inverse-variance-weighted flux of spectra on the grid that nearly all of them share, (n, bins) for each view."""
    low = max(np.percentile([w[0] for w, _, _ in view], 95) for view in views)
    high = min(np.percentile([w[-1] for w, _, _ in view], 5) for view in views)
    edges = np.arange(np.log(low), np.log(high), FLUX_STEP)
    out = []
    for view in views:
        rows = []
        for wavelength, flux, ivar in view:
            x = np.log(wavelength)
            weight, _ = np.histogram(x, edges, weights=ivar)
            total, _ = np.histogram(x, edges, weights=flux.astype(float) * ivar)
            known = weight > 0
            middle = 0.5 * (edges[1:] + edges[:-1])
            mean = total[known] / weight[known]
            rows.append(np.interp(middle, middle[known], mean) if known.any() else np.zeros(len(middle)))
        out.append(np.array(rows))
    return tuple(out)


def score_held_out(runner, survey, stars, n):
    """Share of right redshifts with instruments that training never draws, and with others of the same objects.

    One row for each of `PAIRS`, one for all of them together, and one for each of `CONTROLS`. ``right_own`` and
    ``right_alike`` are of it and of `draw_alike` at the same light, right as of `is_right` or within `ELEMENT` of the
    resolution element of the first; ``loss_alike`` is the share lost, ``loss_alike_error`` its error from the objects
    that differ. ``right``, ``right_twin``, ``loss`` and ``loss_error`` are the same for the other instrument, at the
    same signal-to-noise ratio per pixel, as of `is_right` alone; None for controls, which have no other.
    """
    found = [
        compare_instruments(runner, stars if pair.stars else survey, pair, n, [SEED, 1, number])
        for number, pair in enumerate((*PAIRS, *CONTROLS))
    ]
    rows = [describe_loss(pair, right) for pair, right in zip((*PAIRS, *CONTROLS), found, strict=True)]
    together = {key: np.concatenate([right[key] for right in found[: len(PAIRS)]]) for key in found[0]}
    rows.insert(len(PAIRS), describe_loss(replace(PAIRS[0], name="all", twin=""), together))
    return rows


def compare_instruments(runner, survey, pair, n, seed):
    """Whether each object comes out right: bool arrays ``own`` and ``alike``; ``held`` and ``twin`` by `is_right`."""
    found = {}
    choosers = pair.make_choosers()
    for k, level in enumerate(LEVELS):
        groups = survey.draw(
            -(-n // len(LEVELS)), [*seed, k], views=len(choosers), instruments=choosers, snr=(level, level)
        )
        groups = [add_alike(group, [*seed, k, j], survey.sky) for j, group in enumerate(groups)]
        tables = [measure_groups(runner, groups, view)[0] for view in range(len(choosers) + 1)]
        usable = np.all([table["class"] != "" for table in tables], axis=0)
        for table in tables:
            table["wide"][:] = False
        element = ELEMENT / np.array([np.median(one.resolution) for group in groups for one in group.instruments[0]])
        held, alike = tables[0], tables[-1]
        right = {"own": is_near(held, element), "alike": is_near(alike, element)}
        if pair.draw_twin is not None:
            right |= {"held": is_right(held), "twin": is_right(tables[1])}
        for key, values in right.items():
            found.setdefault(key, []).append(values[usable])
    return {key: np.concatenate(parts) for key, parts in found.items()}


def add_alike(group, seed, sky):
    """The group with one view more: through instruments of `draw_alike`, with as much light as in the first."""
    rng = np.random.default_rng(seed)
    first = group.instruments[0]
    alike = [draw_alike(one, rng, MOST_PIXELS) for one in first]
    # the same range in fewer pixels has more light in each
    more = group.snr[0].new_tensor([(len(a) / len(b)) ** 0.5 for a, b in zip(first, alike, strict=True)])
    snr = group.snr[0] * more
    seen = observe(group.objects, alike, snr, Randomness(seed), sky=sky)
    return replace(
        group, instruments=[*group.instruments, alike], snr=[*group.snr, snr], observations=[*group.observations, seen]
    )


def is_near(table, element):
    """`is_right`, or within ``element``, which is in ln(wavelength)."""
    return is_right(table) | (np.abs(table["z"] - table["z_true"]) < element * (1 + table["z_true"]))


def describe_loss(pair, right):
    """One row of `score_held_out` from what `compare_instruments` gives."""
    row = {"instrument": pair.name, "twin": pair.twin, "n": len(right["own"]), "trained": pair.draw_twin is None}
    columns = (
        ("held", "twin", "right", "right_twin", "loss"),
        ("own", "alike", "right_own", "right_alike", "loss_alike"),
    )
    for first, second, *names in columns:
        values = [None] * 4
        if first in right:
            lost = right[second].astype(float) - right[first]
            values = [right[first].mean(), right[second].mean(), lost.mean(), lost.std() / np.sqrt(len(lost))]
        row |= {
            name: None if value is None else float(value)
            for name, value in zip([*names, f"{names[-1]}_error"], values, strict=True)
        }
    return row


def score_kinds(runner, groups):
    """Redshifts by family, kind and S/N, and for what has none the share that claims to have found one."""
    table, _ = measure_groups(runner, groups)
    table = {key: x[table["class"] != ""] for key, x in table.items()}
    rows, nothing = [], []
    for family in dict.fromkeys(table["family"].tolist()):
        members = table["family"] == family
        if not np.isfinite(table["z_true"][members]).any():
            sure = table["p_best"][members] > 0.9
            nothing.append({"family": family, "n": len(sure), "confident": float(sure.mean())})
            continue
        kinds = table["kind"][members]
        for kind in ("all", *sorted(set(kinds.tolist()))):
            for low, high in ((SNR_EDGES[0], SNR_EDGES[-1]), *itertools.pairwise(SNR_EDGES)):
                chosen = members & (table["snr"] >= low) & (table["snr"] < high)
                if kind != "all":
                    chosen &= table["kind"] == kind
                if chosen.any():
                    part = {key: x[chosen] for key, x in table.items()}
                    row = {"family": family, "kind": kind, "snr_low": low, "snr_high": high}
                    rows.append(row | {"right": float(is_right(part).mean())} | score_redshifts(part))
    return rows, nothing


def score_chi2(runner, survey, n):
    """Mean chi2 per good pixel of reconstructions: with the noise that is stated and nothing else, and as they come.

    Spectra of instruments without errors are left out of both: chi2 would be that of the estimate.
    """
    drawn = survey.draw(n, [SEED, 3], snr=(SNR_EDGES[0], SNR_EDGES[-1]))
    rows = []
    for noise, groups in (("as stated", clean_groups(drawn, [SEED, 4])), ("as real", drawn)):
        found = []
        for seen in (group.observations[0] for group in groups):
            found += find_chi2(runner, [s for s, known in zip(to_spectra(seen), seen.has_errors, strict=True) if known])
        p16, median, p84 = (float(x) for x in np.percentile(found, (16, 50, 84)))
        rows.append({"noise": noise, "n": len(found), "median": median, "p16": p16, "p84": p84})
    return rows


def find_chi2(runner, spectra):
    """Mean of (flux - model)**2 * ivar over the good pixels of each usable spectrum."""
    batch = to_batch(to_inputs(spectra), medium="vacuum")
    out = []
    for i, encoded in runner.encode(batch, progress=False):
        model, _ = runner.decode(
            encoded.values, encoded.geometry, encoded.good, np.log(batch.wavelength[batch.grid(i)])
        )  # fmt: skip
        flux, ivar = batch.flux[batch.pixels(i)].astype(float), batch.ivar[batch.pixels(i)].astype(float)
        model = model * (encoded.scale / batch.scale[i])
        out.append(float(np.mean((ivar * (flux - model) ** 2)[ivar > 0])))
    return out
