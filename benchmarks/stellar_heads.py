# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Ways to read stellar labels, side by side, on stars of MILES that none of them has seen.

    python benchmarks/stellar_heads.py --data DIR [--weights NAME|PATH] [--steps N] [--json FILE]

``--data`` is the directory of the public template sets. A quarter of the stars of the *training* library is left out,
by star; the test sets are not touched. All see the flux over its continuum between 3600 and 7390 Angstrom, at rest:

* the nearest labelled neighbour, ridge regression on principal components, and kernel regression
  (`astro_spectok.simulate.label_transfer`), from the other stars as they are;
* a plain convolutional network on the flux: one of those that the stellar head has, alone;
* the stellar head, from ``--steps`` batches for each of its networks, on what the frozen tokens of ``--weights`` hold
  of the flux, and on the pixels.

Printed is 1.48 times the median absolute deviation of Teff (K), logg and [Fe/H] between 4000 and 7500 K, for the stars
as they are and with noise of S/N 20 per bin of 60 km/s; and for the head the width of its pulls.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from make_stellar_model import PREFIX, STEPS, add_head, train_head

from astro_spectok.network import NetworkConfig
from astro_spectok.network.patches import build_patches
from astro_spectok.network.stellar_head import WINDOWS, WindowReader
from astro_spectok.simulate import RestGrid
from astro_spectok.simulate.label_transfer import LabelTransfer
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_sets import read_stars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.training.stellar_lines import average_bins
from astro_spectok.weights.format import read_weights
from astro_spectok.weights.store import find_weights

SEED, SPLIT_SEED, LEFT_OUT = 7704, 5, 0.25
SCORED = (4000.0, 7500.0)
KINDS = {"as they are": None, "S/N 20": 20.0}


def split_stars(store):
    """Labels, contrast and coverage of all stars of MILES, and which of them are left out."""
    grid = RestGrid(math.log(3552.0), 1e-4, round(math.log(7395.0 / 3552.0) / 1e-4))
    stars = read_stars(store, ("miles_real_stars",), grid)
    reader, window = WindowReader(WINDOWS[0]), WINDOWS[0]
    place = math.log(window.low) + window.step * torch.arange(window.size + 1, dtype=torch.float64) - grid.ln_start
    place = (place / grid.ln_step + 0.5).clamp(0, grid.size)
    covered = (average_bins(torch.isfinite(stars.flux).float(), place) > 0.99).float()
    flux = average_bins(stars.flux.nan_to_num(), place)
    left_out = np.random.default_rng(SPLIT_SEED).random(len(flux)) < LEFT_OUT
    return stars.labels[:, :3].double().numpy(), flux, covered, reader, left_out


def add_noise(flux, covered, snr):
    """Flux with noise, or as it is."""
    if snr is None:
        return flux
    level = (flux * covered).sum(1, keepdim=True) / covered.sum(1, keepdim=True)
    return flux + level / snr * torch.randn(flux.shape, generator=torch.Generator().manual_seed(SEED))


def predict_nearest(train, labels, test):
    """The labels of the most similar star."""
    return labels[torch.cdist(torch.from_numpy(test), torch.from_numpy(train)).argmin(1).numpy()]


def predict_ridge(train, labels, test, *, strength=0.15):
    """Ridge regression; ``strength`` over the mean eigenvalue was chosen on other splits of the same stars."""
    mean, centre = train.mean(0), labels.mean(0)
    u, s, v = np.linalg.svd(train - mean, full_matrices=False)
    shrunk = s / (s**2 + strength * (s**2).mean())
    return centre + (test - mean) @ v.T @ (shrunk[:, None] * (u.T @ (labels - centre)))


def read_tokens(network, flux, covered, *, pixels):
    """Labels (n, 3) and their errors, by tokens of spectra in the bins of the window, with or without the pixels."""
    window, out = WINDOWS[0], []
    x = math.log(window.low) + window.step * (torch.arange(window.size, dtype=torch.float64) + 0.5)
    for one, here in zip(flux, covered, strict=True):
        noise = torch.median((one[2:] - 2 * one[1:-1] + one[:-2]).abs()) * 1.4826 / 6**0.5
        ivar = here / torch.clamp(noise, min=0.005 * one.median()) ** 2
        patches = build_patches(x, one, ivar, torch.tensor([0, len(x)]), network.config.patch)
        where = patches.mask, patches.grid.geometry, torch.zeros(1, dtype=torch.float64)
        with torch.inference_mode():
            tokens = network.encode(patches)
            out.append(take_labels(network.measure_stellar(tokens, *where, patches if pixels else None)))
    return tuple(np.concatenate(part) for part in zip(*out, strict=True))


def take_labels(answer):
    """Teff, logg, [Fe/H] and their errors, each (n, 3), of a mean and a Cholesky factor."""
    mean, tril = answer
    return mean[:, :3].numpy(), (tril**2).sum(2).sqrt()[:, :3].numpy()


def score(found, labels):
    """Robust scatter of Teff in K, logg and [Fe/H]."""

    def spread(x):
        return float(1.4826 * np.median(np.abs(x - np.median(x))))

    off = found - labels
    return [spread(10 ** found[:, 0] - 10 ** labels[:, 0]), spread(off[:, 1]), spread(off[:, 2])]


def score_pulls(answer, labels):
    """Widths of the pulls of Teff, logg and [Fe/H]."""
    found, sigma = answer
    return [float(1.4826 * np.median(np.abs(x - np.median(x)))) for x in ((found - labels) / sigma).T]


def train_network(weights, family, steps):
    """The network of some weights with a head that stars of the family have taught."""
    config, tensors = read_weights(find_weights(weights))
    tensors = {key: value for key, value in tensors.items() if not key.startswith(PREFIX)}
    network = add_head(NetworkConfig.from_dict(config), tensors, SEED)
    train_head(network.stellar_head, [family, None], [steps, 0], SEED)
    return network.eval()


def compare(data, weights, steps):
    """Scores of all ways, dict of way to dict of kind to three numbers; and the pulls of the heads alike."""
    store = TemplateStore(data)
    labels, flux, covered, reader, left_out = split_stars(store)
    known = np.isfinite(labels).all(1)
    wanted = known & left_out & (labels[:, 0] > math.log10(SCORED[0])) & (labels[:, 0] < math.log10(SCORED[1]))
    clean = reader.normalise(flux * covered, covered).double().numpy()
    usual = known & ~left_out & (labels[:, 0] > 3.52) & (labels[:, 0] < 4.08)
    transfer = LabelTransfer(clean[usual], labels[usual])
    network = train_network(weights, GridStars(store, without=left_out), steps)
    head, here = network.stellar_head, covered[wanted]
    nothing = [(torch.zeros(len(here), window.size),) * 2 for window in WINDOWS[1:]]
    table, pulls = {}, {}
    for kind, snr in KINDS.items():
        noisy = add_noise(flux, covered, snr)[wanted]
        seen = reader.normalise(noisy * here, here)
        test = seen.double().numpy()
        with torch.inference_mode():
            alone, _ = head.members[0][0]([(seen, here), nothing[0]])
        rows = {
            "nearest labelled neighbour": predict_nearest(clean[usual], labels[usual], test),
            "ridge regression": predict_ridge(clean[usual], labels[usual], test),
            "kernel regression": transfer.predict(test)[0],
            "plain convolutional network": (head.centre[:3] + head.spread[:3] * alone).numpy(),
        }
        for way, pixels in (("stellar head, frozen tokens", False), ("stellar head, tokens and pixels", True)):
            answer = read_tokens(network, noisy, here, pixels=pixels)
            rows[way] = answer[0]
            pulls.setdefault(way, {})[kind] = score_pulls(answer, labels[wanted])
        for way, found in rows.items():
            table.setdefault(way, {})[kind] = score(found, labels[wanted])
    return table, pulls


def show(title, table, form):
    """Print a table."""
    print(f"{title:32s}" + "".join(f"{kind:>26s}" for kind in KINDS))
    for way, row in table.items():
        print(f"{way:32s}" + "".join(form.format(*row[kind]) for kind in KINDS))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory of the public template sets")
    parser.add_argument("--weights", help="registry name or path (default: the packaged ones)")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args(argv)
    table, pulls = compare(args.data, args.weights, args.steps)
    show("scatter", table, "{:12.0f}{:7.2f}{:7.2f}")
    show("width of pulls", pulls, "{:12.2f}{:7.2f}{:7.2f}")
    if args.json:
        args.json.write_text(json.dumps({"scatter": table, "pulls": pulls}, indent=1) + "\n")


if __name__ == "__main__":
    main()
