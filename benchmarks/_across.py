"""Properties of galaxies from spectra of little signal, from photometry, and from both together."""

import numpy as np

from astro_spectok.adapt import SpectrumRegressor, SpectrumSet
from astro_spectok.adapt.features import BLOCKS
from astro_spectok.align.filters import BANDS
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.simulate import Survey
from astro_spectok.training.observed import to_inputs, to_spectra
from astro_spectok.training.photometry_draws import FilterFluxes, draw_photometry, measure_filters
from astro_spectok.training.photometry_pairs import find_truth

SEED, SNR, RATIO, SET, FARTHEST = 9401, (2.0, 5.0), 20.0, "ugrizJHK", 1.0
LABELS = ("age", "metallicity", "a_v", "ln(1+z)")
CHUNK = 100


def draw_galaxies(args):
    """Spectra of galaxies with labels below a redshift, their labels, and their fluxes without noise."""
    survey = Survey(args.data, families=("galaxies",), instruments=("sdss", "boss", "desi"), snr=SNR)
    spectra, labels, flux, k = [], {name: [] for name in LABELS}, [], 0
    while len(spectra) < args.galaxies:
        for number, group in enumerate(survey.draw(CHUNK, [SEED, k])):
            objects = group.objects
            known = np.isfinite(objects.labels["age"].numpy()) & (objects.z.numpy() < FARTHEST)
            if not known.any():
                continue
            truth = find_truth(objects, [SEED, k], number)
            flux.append(measure_filters(truth, objects.cls.numpy(), BANDS[SET]).flux[known])
            seen = to_spectra(group.observations[0])
            spectra += [seen[i] for i in np.flatnonzero(known)]
            for name in LABELS[:3]:
                labels[name].append(objects.labels[name].numpy()[known])
            labels["ln(1+z)"].append(np.log1p(objects.z.numpy()[known]))
        k += 1
    n = args.galaxies
    labels = {name: np.concatenate(values)[:n].astype(float) for name, values in labels.items()}
    return spectra[:n], labels, FilterFluxes(BANDS[SET], np.concatenate(flux)[:n])


def score(rows, method, labels, found, n):
    """Add the scatter and R2 of each label."""
    for name, values in found.items():
        true = labels[name]
        fine = np.isfinite(values)
        error = values[fine] - true[fine]
        row = {"method": method, "label": name, "rms": float(np.sqrt((error**2).mean())), "n": int(fine.sum())}
        row |= {"nmad": float(1.4826 * np.median(np.abs(error - np.median(error)))), "learned from": n}
        row |= {"r2": float(1 - (error**2).sum() / ((true[fine] - true[fine].mean()) ** 2).sum())}
        if name == "ln(1+z)":
            row |= {
                "off by 0.15": float((np.abs(error) > 0.15).mean()),
                "off by 0.01": float((np.abs(error) > 0.01).mean()),
            }
        rows.append(row)
        print(row, flush=True)


def measure_properties(args, head, embed, rows):
    """Regressions from spectra, from vectors of photometry, and both; redshifts of the estimators."""
    from astropy import units as u
    from astropy.table import Table

    from astro_spectok.align import PhotometricRedshift

    spectra, labels, fluxes = draw_galaxies(args)
    n = len(spectra)
    seen = draw_photometry(fluxes, np.arange(n), np.random.default_rng(SEED), names=BANDS[SET], snr=(RATIO, RATIO))
    usable = seen.mask.all(1).numpy()
    vectors, _ = embed(head, seen)
    inputs = to_inputs(spectra)
    beside = SpectrumSet(inputs, medium="vacuum", vectors=np.where(usable[:, None], vectors, np.nan))
    taught = np.arange(n) < round(2 / 3 * n)
    taught, tested = np.flatnonzero(taught & usable), np.flatnonzero(~taught & usable)
    true = {name: values[tested] for name, values in labels.items()}
    for method, blocks in (("spectrum", BLOCKS), ("photometry", "vectors"), ("together", None)):
        model = SpectrumRegressor(args.weights, "cpu", blocks=blocks)
        model.fit(beside[taught], {name: values[taught] for name, values in labels.items()}, progress=False)
        found = model.predict(beside[tested])
        score(rows, method, true, {name: np.asarray(found[name], float) for name in LABELS}, len(taught))
    table = Table({f"flux_{k}": seen.flux[tested, k].numpy() for k in range(len(BANDS[SET]))})
    for k in range(len(BANDS[SET])):
        table[f"flux_{k}_err"] = seen.error[tested, k].numpy()
    photometric = PhotometricRedshift(
        {f"flux_{k}": name for k, name in enumerate(BANDS[SET])}, weights=args.weights, unit=u.uJy
    )
    estimator, own = RedshiftEstimator(weights=args.weights, device="cpu"), [inputs[i] for i in tested]
    answers = {
        "spectrum, estimator": estimator.estimate(own, medium="vacuum"),
        "photometry, estimator": photometric.estimate(table),
        "together, estimator": estimator.estimate(own, medium="vacuum", prior=photometric.find_prior(table)),
    }
    for method, answer in answers.items():
        score(rows, method, true, {"ln(1+z)": np.log1p(np.asarray(answer["z"], float))}, 0)
