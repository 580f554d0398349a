# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What properties of galaxies are worth: simulated galaxies that trained nothing, real ones, and rivals.

    python benchmarks/galaxies.py --data DIR [--weights NAME|PATH] [--galaxies N] [--views N] [--fits N]
                                  [--ppxf PYTHON] [--json FILE]

1. Populations, from the head alone: bias, scatter and coverage by signal-to-noise ratio, beside ridge regression on
   what the head sees (``linear``) and on the last layer of a head with random weights (``untrained``).
2. Everything through the estimator, at a redshift with an error of 9 km/s.
3. Real galaxies of SDSS, DESI and 6dF: lines against ``line_flux`` and ``equivalent_width`` of specutils, differences
   in standard deviations.
4. With ``--ppxf``, the Python of an environment that holds ``benchmarks/peers/ppxf/requirements.txt``: ages,
   metallicities, attenuation and dispersion of the same simulated spectra, and of the SDSS galaxies that ppxf ships.
"""

import argparse
import itertools
import json
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _galaxies_real import SETS, compare_lines, read_galaxies, read_shipped
from _representation_probes import fit_ridge
from astropy import units as u

from astro_spectok.engine import Runner
from astro_spectok.estimators import GalaxyPropertyEstimator
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.galaxies.measure import find_galaxy_head
from astro_spectok.galaxies.training import GalaxyTraining
from astro_spectok.heads.galaxy import GalaxyHead
from astro_spectok.simulate import Randomness, Survey
from astro_spectok.spectra import SpectrumBatch, to_batch
from astro_spectok.training.calibrate_galaxy import LABELS, LINES, measure_galaxies, read_pulls
from astro_spectok.training.galaxy_head import score_views
from astro_spectok.training.galaxy_pool import draw_galaxies, draw_views
from astro_spectok.training.observed import to_inputs, to_spectra

SNR_EDGES = (3, 10, 30, 100)
#: unit of the spectra of SDSS: per wavelength
FLAM = u.Unit("1e-17 erg / (s cm2 AA)")
#: seeds that trained and calibrated nothing
TRAIN_SEED, TEST_SEED, FIT_SEED = 9101, 9102, 9103


def score(value, error, true):
    """Bias, scatter, root mean square, coverage and the width of pulls of some measurements."""
    deviation = value - true
    centre = float(np.median(deviation))
    out = {"n": len(value), "bias": centre, "scatter": 1.4826 * float(np.median(np.abs(deviation - centre))),
           "rms": float(np.sqrt(np.mean(deviation**2)))}  # fmt: skip
    if error is not None:
        pulls = np.abs(deviation) / error
        out |= {f"within_{k}": float(np.mean(pulls < k)) for k in (1, 2)}
        out |= {"error": float(np.median(error))}
    return out


def print_score(name, row):
    cells = [f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()]
    print(f"{name}: {'  '.join(cells)}", flush=True)


def measure_populations(head, training, data, n):
    """Labels of the head by S/N, beside a linear reading of the same views and one of a random head."""
    rows = []
    train = draw_views(head, data, n, TRAIN_SEED, snr=(3, 100))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        random = GalaxyHead(head.config).eval()
    features = {"linear": flatten, "untrained": lambda views: read_hidden(random, views)}
    readers = {name: fit_ridge(make(train), train.labels.numpy().astype(float)) for name, make in features.items()}
    for low, high in itertools.pairwise(SNR_EDGES):
        views = draw_views(head, data, max(n // 4, 8), [TEST_SEED, low], snr=(low, high))
        mean, root = score_views(head, views)
        found = head.interpret((mean, root))
        value, covariance = found["mean"].numpy(), found["covariance"].numpy()
        others = {name: readers[name](make(views)) for name, make in features.items()}
        for k, label in enumerate(head.config.names):
            true = views.labels[:, k].double().numpy()
            error = training.correct(label, value[:, k], np.sqrt(covariance[:, k, k]))
            row = {"label": label, "snr": [low, high], "head": score(value[:, k], error, true)}
            row |= {name: score(x[:, k], None, true) for name, x in others.items()}
            row["spread"] = float(true.std())
            rows.append(row)
            for name in ("head", *features):
                print_score(f"{label} S/N {low}-{high} {name}", row[name])
    return rows


def flatten(views):
    """Lines and broad-band shape as plain features (n, d)."""
    return torch.cat([views.lines[:, 0], views.broad[:, 0]], 1).double().numpy()


def read_hidden(head, views):
    """What the convolutions of a head and its layers make of views, (n, d)."""
    with torch.inference_mode():
        lines, broad = views.lines.float(), views.broad.float()
        parts = head.lines(head.convolutions(lines)), head.broad(broad.flatten(1))
        return torch.cat(parts, 1).double().numpy()


def measure_everything(weights, data, n):
    """All properties by S/N through the estimator."""
    rows, start = [], time.process_time()
    measured = measure_galaxies(weights, data, n, TEST_SEED)
    seconds = (time.process_time() - start) / len(measured["snr"])
    for name in (*LABELS, *LINES):
        value, error, true = read_pulls(measured, name)
        known = np.isfinite(measured[name]) & np.isfinite(measured[f"{name}_true"]) & (measured[f"{name}_err"] > 0)
        for low, high in itertools.pairwise(SNR_EDGES):
            some = (measured["snr"][known] >= low) & (measured["snr"][known] < high)
            if some.sum() > 8:
                row = {"property": name, "snr": [low, high]} | score(value[some], error[some], true[some])
                rows.append(row)
                print_score(f"{name} S/N {low}-{high}", {k: v for k, v in row.items() if k not in ("property", "snr")})
    print(f"{seconds:.2f} CPU-seconds a galaxy, simulation included")
    return rows, seconds


def compare_real(estimator, folder):
    """Differences from specutils, by set and line."""
    rows = []
    for name in SETS:
        read = read_galaxies(folder, name)
        if read is None:
            continue
        batch, z, _ = read
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SpectokWarning)
            table = estimator.estimate(batch, redshift=z, progress=False)
        for line, differences in compare_lines(batch, z, table).items():
            d = np.array(differences)
            row = {"set": name, "line": line, "n": len(d), "median": float(np.median(d)),
                   "scatter": 1.4826 * float(np.median(np.abs(d - np.median(d)))),
                   "within_2": float(np.mean(np.abs(d) < 2)), "within_5": float(np.mean(np.abs(d) < 5))}  # fmt: skip
            rows.append(row)
            print_score(f"{name} {line}", {k: v for k, v in row.items() if k not in ("set", "line")})
    return rows


def run_ppxf(python, spectra, templates):
    """Results of ppxf for (wavelength at rest, flux, error, resolving power), all by pixel: dict of arrays."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "spectra.npz", Path(folder) / "found.npz"
        names = ("wave", "flux", "error", "resolution")
        arrays = {name: np.concatenate([one[k] for one in spectra]) for k, name in enumerate(names)}
        np.savez(given, **arrays, offsets=np.concatenate([[0], np.cumsum([len(one[0]) for one in spectra])]))
        script = Path(__file__).parent / "peers" / "ppxf" / "fit_ppxf.py"
        subprocess.run([python, script, given, templates, found], check=True)
        with np.load(found) as data:
            return {key: data[key] for key in data.files}


def compare_ppxf(estimator, python, data, n):
    """The estimator and ppxf on the same simulated spectra of SDSS, and on those that ppxf ships."""
    survey, random = Survey(data, families=("galaxies",)), Randomness(FIT_SEED)
    inputs, spectra, truth = [], [], []
    while len(spectra) < n:
        objects, seen, *_ = draw_galaxies(
            survey.families["galaxies"], 32, random, snr=(10, 50), instruments=["sdss"], sky=survey.sky
        )
        both = zip(to_inputs(to_spectra(seen)), to_spectra(seen), strict=True)
        for i, (one, (wave, flux, ivar)) in enumerate(both):
            z = float(objects.z[i])
            if z > 0.4 or not seen.has_errors[i]:
                continue
            sharp = seen.resolution[i][seen.present[i]].double().numpy()
            inputs.append((one, z, sharp))
            error = np.where(ivar > 0, 1 / np.sqrt(np.maximum(ivar, 1e-30)), np.inf)
            spectra.append((wave / (1 + z), flux.astype(float), error, sharp))
            truth.append([float(objects.labels[name][i]) for name in ("age", "metallicity", "a_v", "sigma_v")])
    spectra, truth = spectra[:n], np.array(truth[:n])
    truth[:, 3] = 10 ** truth[:, 3]
    batch = SpectrumBatch.concatenate([to_batch([x], medium="vacuum", resolution=r) for x, _, r in inputs[:n]])
    table = estimator.estimate(batch, redshift=[z for _, z, _ in inputs[:n]], progress=False)
    theirs, rows = run_ppxf(python, spectra, data / "emiles_ssp.npz"), []
    for k, name in enumerate(("age", "metallicity", "a_v", "sigma_v")):
        mine = np.array(getattr(table[name], "value", table[name]), float)
        mine = np.log10(mine) if name == "age" else mine
        both = np.isfinite(mine) & np.isfinite(theirs[name])
        row = {"property": name, "estimator": score(mine[both], None, truth[both, k]),
               "ppxf": score(theirs[name][both], None, truth[both, k])}  # fmt: skip
        rows.append(row)
        for which in ("estimator", "ppxf"):
            print_score(f"{name} (SDSS, simulated) {which}", row[which])
    print(f"ppxf: {float(theirs['seconds']) / n:.2f} CPU-seconds a galaxy")
    return rows, compare_shipped(estimator, python, data)


def compare_shipped(estimator, python, data):
    """Both on the SDSS spectra of galaxies in the wheel of ppxf."""
    command = [python, "-c", "import ppxf, pathlib; print(pathlib.Path(ppxf.__file__).parent / 'spectra')"]
    folder = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    shipped = read_shipped(folder)
    spectra = [(w / (1 + z), f, e, r) for _, (w, f, e), z, r, _ in shipped]
    theirs, rows = run_ppxf(python, spectra, data / "emiles_ssp.npz"), []
    for i, (name, (wave, flux, error), z, sharp, sigma) in enumerate(shipped):
        own = estimator.estimate(
            (wave * u.AA, flux * FLAM, error * FLAM), redshift=z, medium="vacuum", resolution=sharp
        )  # fmt: skip
        row = {"galaxy": name, "z": z, "sigma_sdss": sigma}
        for key in ("age", "metallicity", "a_v", "sigma_v"):
            value, width = float(getattr(own, key).value), float(getattr(own, f"{key}_err").value)
            other = float(10 ** theirs[key][i] if key == "age" else theirs[key][i])
            row[key] = {"estimator": value, "error": width, "ppxf": other, "sigmas": (value - other) / width}
        rows.append(row)
        print(name, {key: {a: round(b, 2) for a, b in row[key].items()} for key in row if isinstance(row[key], dict)})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="directory that holds train and test")
    parser.add_argument("--weights", help="name or path (default: the packaged set)")
    parser.add_argument("--galaxies", type=int, default=600, help="simulated galaxies for the estimator")
    parser.add_argument("--views", type=int, default=2000, help="simulated galaxies for the head and its rivals")
    parser.add_argument("--fits", type=int, default=60, help="simulated galaxies that ppxf fits as well")
    parser.add_argument("--ppxf", metavar="PYTHON", help="Python of an environment with ppxf")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runner = Runner(options.weights, "cpu")
    head = runner.network.heads[find_galaxy_head(runner)]
    estimator = GalaxyPropertyEstimator(runner.loaded.path, "cpu", assume_galaxy=True)
    print(f"{runner.loaded.name} ({runner.loaded.sha256[:12]})", flush=True)
    train = options.data / "train"
    content = {"weights": runner.loaded.name, "sha256": runner.loaded.sha256}
    content["real"] = compare_real(estimator, options.data / "test")
    content["populations"] = measure_populations(head, GalaxyTraining.from_head(head), train, options.views)
    content["estimator"], content["seconds"] = measure_everything(runner.loaded.path, train, options.galaxies)
    if options.ppxf:
        content["ppxf"], content["shipped"] = compare_ppxf(estimator, options.ppxf, train, options.fits)
    if options.json:
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
