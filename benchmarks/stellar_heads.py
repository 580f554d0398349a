# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Ways to read stellar labels, side by side, on stars of MILES that none of them has seen.

    python benchmarks/stellar_heads.py --data DIR [--weights NAME|PATH] [--steps N] [--token-steps N] [--json FILE]

``--data`` is the directory of the public template sets. A quarter of the stars of the *training* library is left out,
by star; the test sets are not touched. All see the flux over its continuum between 3600 and 7390 Angstrom, at rest:

* the nearest labelled neighbour, ridge regression on principal components, and kernel regression
  (`astro_spectok.simulate.label_transfer`), from the other stars as they are;
* a plain convolutional network and the stellar head without tokens, from ``--steps`` batches of stars drawn between
  labels (`astro_spectok.training.stellar_lines`);
* the stellar head on frozen tokens: the same head after ``--token-steps`` more batches of simulated observations.

Printed is 1.48 times the median absolute deviation of Teff (K), logg and [Fe/H] between 4000 and 7500 K, for the stars
as they are and with noise of S/N 20 per bin of 60 km/s.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from make_stellar_model import BATCH, add_head, teach_lines
from torch import nn

from astro_spectok.network.stellar_head import WINDOWS, WindowReader
from astro_spectok.simulate import Randomness, RestGrid
from astro_spectok.simulate.label_transfer import LabelTransfer
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_sets import read_stars
from astro_spectok.simulate.stellar_survey import StellarSurvey
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.training import TrainingConfig
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.freezing import freeze_all_but
from astro_spectok.training.stellar import stellar_loss
from astro_spectok.training.stellar_lines import average_bins, draw_windows
from astro_spectok.training.step import TrainingStep
from astro_spectok.weights import load_weights

SEED, SPLIT_SEED, LEFT_OUT = 7704, 5, 0.25
SCORED = (4000.0, 7500.0)
KINDS = {"as they are": None, "S/N 20": 20.0}
RATE = 1e-3


class PlainNetwork(nn.Module):
    """Convolutions, then two layers: three labels and the logarithms of their errors."""

    def __init__(self, size, spread):
        super().__init__()
        convolutions = []
        for before, after, kernel, stride in ((1, 16, 9, 2), (16, 16, 9, 3), (16, 16, 9, 3), (16, 8, 5, 2)):
            convolutions += [nn.Conv1d(before, after, kernel, stride, kernel // 2), nn.GELU()]
        self.convolutions = nn.Sequential(*convolutions, nn.Flatten())
        width = self.convolutions(torch.zeros(1, 1, size)).shape[1]
        self.layers = nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, 6))
        self.centre, self.spread = torch.tensor([3.74, 3.3, -0.35]), spread[:3]

    def forward(self, contrast):
        """Mean (B, 3) and diagonal Cholesky factor (B, 3, 3)."""
        mean, log_sigma = self.layers(self.convolutions(5 * contrast[:, None])).chunk(2, dim=1)
        return self.centre + self.spread * mean, torch.diag_embed(self.spread * torch.exp(log_sigma.clamp(-6, 1)))


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


def add_noise(flux, covered, reader, snr):
    """Contrast of spectra with noise."""
    if snr is not None:
        level = (flux * covered).sum(1, keepdim=True) / covered.sum(1, keepdim=True)
        flux = flux + level / snr * torch.randn(flux.shape, generator=torch.Generator().manual_seed(SEED))
    return reader.normalise(flux * covered, covered)


def predict_nearest(train, labels, test):
    """The labels of the most similar star."""
    return labels[torch.cdist(torch.from_numpy(test), torch.from_numpy(train)).argmin(1).numpy()]


def predict_ridge(train, labels, test, *, strength=0.15):
    """Ridge regression; ``strength`` over the mean eigenvalue was chosen on other splits of the same stars."""
    mean, centre = train.mean(0), labels.mean(0)
    u, s, v = np.linalg.svd(train - mean, full_matrices=False)
    shrunk = s / (s**2 + strength * (s**2).mean())
    return centre + (test - mean) @ v.T @ (shrunk[:, None] * (u.T @ (labels - centre)))


def train_plain(family, readers, steps, spread):
    """The convolutional network on stars drawn between labels."""
    torch.manual_seed(SEED)
    network = PlainNetwork(WINDOWS[0].size, spread)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.02)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))
        windows, found = draw_windows(family, BATCH, Randomness([SEED, step]), readers)
        labels = torch.stack([found[name] for name in ("teff", "logg", "fe_h")], 1)
        loss = stellar_loss(*network(windows[0][0]), labels, spread[:3])[0].mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return network.eval()


def teach_tokens(network, data, family, steps):
    """More training of the head, on tokens of simulated observations."""
    survey = StellarSurvey(data)
    survey.families["grid"] = family
    config = TrainingConfig(stellar_fraction=1.0, stellar_weight=1.0, steps=max(steps, 1))
    dataset = ViewDataset(data, config, network.config)
    dataset._survey, dataset._stored, dataset._stars = survey, [], survey
    freeze_all_but(network, "stellar_head")
    step_module = TrainingStep(network, config).train()
    optimizer = torch.optim.AdamW(network.stellar_head.parameters(), lr=RATE / 2, weight_decay=0.02)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE / 2 * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss, _ = step_module(dataset[step])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.stellar_head.parameters(), 1.0)
        optimizer.step()


def read_tokens(network, flux, covered):
    """Labels (n, 3) from tokens of spectra in the bins of the window."""
    from astro_spectok.network.patches import build_patches

    window, out = WINDOWS[0], []
    x = math.log(window.low) + window.step * (torch.arange(window.size, dtype=torch.float64) + 0.5)
    for one, here in zip(flux, covered, strict=True):
        noise = torch.median((one[2:] - 2 * one[1:-1] + one[:-2]).abs()) * 1.4826 / 6**0.5
        ivar = here / torch.clamp(noise, min=0.005 * one.median()) ** 2
        patches = build_patches(x, one, ivar, torch.tensor([0, len(x)]), network.config.patch)
        where = patches.mask, patches.grid.geometry, torch.zeros(1, dtype=torch.float64)
        with torch.inference_mode():
            out.append(network.measure_stellar(network.encode(patches), *where, patches)[0][0, :3])
    return torch.stack(out).numpy()


def score(found, labels):
    """Robust scatter of Teff in K, logg and [Fe/H]."""

    def spread(x):
        return float(1.4826 * np.median(np.abs(x - np.median(x))))

    off = found - labels
    return [spread(10 ** found[:, 0] - 10 ** labels[:, 0]), spread(off[:, 1]), spread(off[:, 2])]


def compare(data, weights, steps, token_steps):
    """Scores of all ways: dict of way to dict of kind to three numbers."""
    store = TemplateStore(data)
    labels, flux, covered, reader, left_out = split_stars(store)
    known = np.isfinite(labels).all(1)
    wanted = known & left_out & (labels[:, 0] > math.log10(SCORED[0])) & (labels[:, 0] < math.log10(SCORED[1]))
    clean = add_noise(flux, covered, reader, None).double().numpy()
    usual = known & ~left_out & (labels[:, 0] > 3.52) & (labels[:, 0] < 4.08)
    transfer = LabelTransfer(clean[usual], labels[usual])
    family = GridStars(store, without=left_out)
    network = add_head(load_weights(weights, "cpu"), SEED)
    head = teach_lines(network.stellar_head, [family], steps, SEED).eval()
    plain = train_plain(family, head.readers, steps, head.spread)
    empty = [(torch.zeros(int(wanted.sum()), window.size),) * 2 for window in WINDOWS[1:]]
    table = {}
    for kind, snr in KINDS.items():
        seen = add_noise(flux, covered, reader, snr)[wanted]
        test = seen.double().numpy()
        with torch.inference_mode():
            rows = {
                "nearest labelled neighbour": predict_nearest(clean[usual], labels[usual], test),
                "ridge regression": predict_ridge(clean[usual], labels[usual], test),
                "kernel regression": transfer.predict(test)[0],
                "plain convolutional network": plain(seen)[0].numpy(),
                "stellar head, lines alone": head.read_windows([(seen, covered[wanted]), *empty])[0][:, :3].numpy(),
            }
        for way, found in rows.items():
            table.setdefault(way, {})[kind] = score(found, labels[wanted])
    if token_steps:
        teach_tokens(network, data, family, token_steps)
        network.eval()
        for kind, snr in KINDS.items():
            level = flux[wanted].median(1, keepdim=True).values
            noise = torch.randn(level.shape[0], flux.shape[1], generator=torch.Generator().manual_seed(SEED))
            noisy = flux[wanted] + (0 if snr is None else level / snr * noise)
            found = read_tokens(network, noisy, covered[wanted])
            table.setdefault("stellar head on frozen tokens", {})[kind] = score(found, labels[wanted])
    return table


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory of the public template sets")
    parser.add_argument("--weights", help="registry name or path (default: the packaged ones)")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--token-steps", type=int, default=500)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args(argv)
    table = compare(args.data, args.weights, args.steps, args.token_steps)
    print(f"{'':32s}" + "".join(f"{kind:>26s}" for kind in KINDS))
    for way, row in table.items():
        print(f"{way:32s}" + "".join(f"{t:12.0f}{g:7.2f}{m:7.2f}" for t, g, m in (row[kind] for kind in KINDS)))
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
