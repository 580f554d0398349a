# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Ways to read stellar labels, side by side, on stars of MILES that none of them has seen.

    python benchmarks/stellar_heads.py --data DIR [--weights NAME|PATH] [--left-out PATH] [--steps N]
                                       [--token-steps N] [--json FILE]

``--data`` is the directory of the public template sets. A fifth of the stars of the *training* libraries is left out,
by star, and those of MILES among them are scored, with labels on the scale of CFLIB; the test sets are not
touched. All see the flux over its continuum between 3600 and 7390 Angstrom, at rest:

* the nearest labelled neighbour, ridge regression on principal components, and kernel regression
  (`astro_spectok.simulate.label_transfer`), from the other stars as they are;
* a plain convolutional network on the flux: one of those that the stellar head has, alone;
* a head that gathers the tokens of ``--weights`` by learned queries, after ``--token-steps`` batches with the encoder
  frozen, with its last two blocks trained as well, and with all of it trained;
* the stellar head on what the frozen tokens of ``--weights`` hold explicitly of the flux, and on the pixels: the one of
  ``--left-out``, weights that the stage ``stellar_left_out`` of ``spectok build`` wrote, or one that is trained here,
  ``--steps`` batches for each of its networks.

It takes half an hour on one core, half of it for the trained encoders and half for the head.

Printed is 1.48 times the median absolute deviation of Teff (K), logg and [Fe/H] between 4000 and 7500 K, for the stars
as they are and with noise of S/N 20 per bin of 60 km/s; and for the head the width of its pulls.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch

from astro_spectok.heads import StellarConfig, StellarHead, TokenReader
from astro_spectok.heads.line_networks import shape_gaussian
from astro_spectok.heads.line_windows import WINDOWS, WindowReader
from astro_spectok.heads.stellar_loss import stellar_loss
from astro_spectok.network.head_inputs import HeadInputs
from astro_spectok.network.patches import build_patches
from astro_spectok.simulate import Randomness
from astro_spectok.simulate.label_transfer import LabelTransfer
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_library import choose_left_out, read_library
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.training.stellar_head import BATCH, CLIP, DECAY, WARMUP, train_head
from astro_spectok.training.stellar_lines import average_bins, draw_fluxes
from astro_spectok.weights import load_weights

SEED = 7704
#: batches of each network of the head, as in the recipe of the packaged weights
STEPS = 2000
LABELS = ("teff", "logg", "fe_h")
#: batches of heads on tokens; their rate, and that of blocks that are trained further
TOKEN_STEPS, TOKEN_RATES = 600, (1e-3, 3e-4)
#: first block that is trained
ENCODERS = {"frozen encoder": None, "last two blocks trained": -2, "whole encoder trained": 0}
SCORED = (4000.0, 7500.0)
KINDS = {"as they are": None, "S/N 20": 20.0}


def split_stars(store):
    """Labels, contrast and coverage of all labelled stars, which of them are left out, and which are of MILES."""
    stars = read_library(store)
    grid = stars.grid
    reader, window = WindowReader(WINDOWS[0]), WINDOWS[0]
    place = math.log(window.low) + window.step * torch.arange(window.size + 1, dtype=torch.float64) - grid.ln_start
    place = (place / grid.ln_step + 0.5).clamp(0, grid.size)
    known = torch.from_numpy(np.isfinite(stars.log_flux))
    covered = (average_bins(known.float(), place) > 0.99).float()
    flux = average_bins(torch.from_numpy(np.exp(np.nan_to_num(stars.log_flux))).float() * known, place)
    return stars.labels, flux, covered, reader, choose_left_out(stars.names), stars.member == 0


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


def make_patches(network, flux, covered):
    """Patches of spectra (n, N) in the bins of the optical window, with errors from their scatter."""
    window, n = WINDOWS[0], len(flux)
    x = math.log(window.low) + window.step * (torch.arange(window.size, dtype=torch.float64) + 0.5)
    level = (flux * covered).sum(1, keepdim=True) / covered.sum(1, keepdim=True).clamp_min(1)
    jump = (flux[:, 2:] - 2 * flux[:, 1:-1] + flux[:, :-2]).abs()
    noise = jump.median(1, keepdim=True).values * 1.4826 / 6**0.5
    ivar = covered / torch.maximum(noise, 0.005 * level.abs().clamp_min(1e-6)) ** 2
    offsets = window.size * torch.arange(n + 1)
    return build_patches(x.repeat(n), flux.flatten(), ivar.flatten(), offsets, network.config.patch)


class TokenLabels(torch.nn.Module):
    """Labels from the tokens of a network, gathered by learned queries."""

    def __init__(self, network, spread, centre):
        super().__init__()
        self.network, self.head = network, TokenReader(network.config, 9)
        self.register_buffer("spread", spread)
        self.register_buffer("centre", centre)

    def forward(self, flux, covered):
        """Mean (n, 3) less the centre, over the spread, and Cholesky factor (n, 3, 3)."""
        patches = make_patches(self.network, flux, covered)
        tokens = self.network.encode(patches, detail=False)
        return shape_gaussian(self.head(HeadInputs(tokens, None, patches.mask, patches.grid.geometry)), 3)

    def train_for(self, family, steps, blocks):
        """Train the head, and the encoder from one of its blocks on (None: frozen)."""
        encoder = [self.network.norm, *self.network.blocks[blocks:]] if blocks is not None else []
        encoder += [self.network.input, self.network.wavelength] if blocks == 0 else []
        parameters = [p for part in (self.head, *encoder) for p in part.parameters()]
        self.network.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        own = len(list(self.head.parameters()))
        optimizer = torch.optim.AdamW([
            {"params": parameters[:own], "peak": TOKEN_RATES[0]}, {"params": parameters[own:], "peak": TOKEN_RATES[1]}
        ], weight_decay=DECAY)  # fmt: skip
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * min(1, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
            [(flux, covered)], found = draw_fluxes(family, BATCH, Randomness([SEED, step]), WINDOWS[:1])
            labels = (torch.stack([found[name] for name in LABELS], 1) - self.centre) / self.spread
            with torch.autocast("cpu", torch.bfloat16):
                mean, tril = self(flux, covered)
            loss = stellar_loss(mean, tril, labels, torch.ones(3))[0].mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()
        return self.eval()


def read_tokens(network, flux, covered, *, pixels):
    """Labels (n, 3) and their errors, by tokens of spectra in the bins of the window, with or without the pixels."""
    out = []
    for one, here in zip(flux.split(1), covered.split(1), strict=True):
        patches = make_patches(network, one, here)
        given = {"ln_doppler": torch.zeros(1, dtype=torch.float64), "pixels": pixels}
        with torch.inference_mode():
            tokens = network.encode(patches)
            out.append(
                take_labels(network.read("stellar", tokens, patches.mask, patches.grid.geometry, patches, given))
            )
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


def make_network(weights):
    """The network of some weights with a new stellar head."""
    network = load_weights(weights, "cpu", shared=False).network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network.heads["stellar"] = StellarHead(StellarConfig(), network.config)
    return network


def find_network(weights, left_out, family, steps):
    """The network of some weights with a head that stars of the family have taught, or with that of ``left_out``."""
    network = make_network(weights)
    head = network.heads["stellar"]
    if left_out:
        head = network.heads["stellar"] = load_weights(left_out, "cpu", shared=False).network.heads["stellar"]
    else:
        train_head(head, [[(1.0, family)], None, None], steps, SEED)
    return network.eval()


def train_token_readers(weights, family, steps, head):
    """Heads on tokens by name, each with an encoder of its own."""
    made = {}
    for name, blocks in ENCODERS.items():
        one = TokenLabels(make_network(weights).eval(), head.spread[:3], head.centre[:3])
        made[f"pooled tokens, {name}"] = one.train_for(family, steps, blocks)
    return made


def compare(data, weights, left_out, steps, token_steps):
    """Scores of all ways, dict of way to dict of kind to three numbers; and the pulls of the heads alike."""
    store = TemplateStore(data)
    labels, flux, covered, reader, unseen, miles = split_stars(store)
    known = np.isfinite(labels).all(1)
    wanted = known & unseen & miles & (labels[:, 0] > math.log10(SCORED[0])) & (labels[:, 0] < math.log10(SCORED[1]))
    clean = reader.normalise(flux * covered, covered).double().numpy()
    usual = known & ~unseen & (labels[:, 0] > 3.52) & (labels[:, 0] < 4.08)
    transfer = LabelTransfer(clean[usual], labels[usual])
    family = GridStars(store, without=unseen)
    network = find_network(weights, left_out, family, steps)
    readers = train_token_readers(weights, family, token_steps, network.heads["stellar"])
    head, here = network.heads["stellar"], covered[wanted]
    table, pulls = {}, {}
    for kind, snr in KINDS.items():
        noisy = add_noise(flux, covered, snr)[wanted]
        seen = reader.normalise(noisy * here, here)
        test = seen.double().numpy()
        with torch.inference_mode():
            alone, _ = head.members[0][0](seen, here)
        rows = {
            "nearest labelled neighbour": predict_nearest(clean[usual], labels[usual], test),
            "ridge regression": predict_ridge(clean[usual], labels[usual], test),
            "kernel regression": transfer.predict(test)[0],
            "plain convolutional network": (head.centre[:3] + head.spread[:3] * alone).numpy(),
        }
        for way, one in readers.items():
            with torch.inference_mode():
                mean, tril = one(noisy * here, here)
            sigma = one.spread * (tril**2).sum(2).sqrt()
            rows[way] = (one.centre + one.spread * mean).numpy()
            pulls.setdefault(way, {})[kind] = score_pulls((rows[way], sigma.numpy()), labels[wanted])
        for way, pixels in (("stellar head, frozen tokens", False), ("stellar head, tokens and pixels", True)):
            answer = read_tokens(network, noisy, here, pixels=pixels)
            rows[way] = answer[0]
            pulls.setdefault(way, {})[kind] = score_pulls(answer, labels[wanted])
        for way, found in rows.items():
            table.setdefault(way, {})[kind] = score(found, labels[wanted])
    return table, pulls


def show(title, table, form):
    """Print a table."""
    print(f"{title:40s}" + "".join(f"{kind:>26s}" for kind in KINDS))
    for way, row in table.items():
        print(f"{way:40s}" + "".join(form.format(*row[kind]) for kind in KINDS))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory of the public template sets")
    parser.add_argument("--weights", help="registry name or path (default: the packaged ones)")
    parser.add_argument("--left-out", help="path of weights whose head has not seen the stars that are left out")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--token-steps", type=int, default=TOKEN_STEPS)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args(argv)
    table, pulls = compare(args.data, args.weights, args.left_out, args.steps, args.token_steps)
    show("scatter", table, "{:12.0f}{:7.2f}{:7.2f}")
    show("width of pulls", pulls, "{:12.2f}{:7.2f}{:7.2f}")
    if args.json:
        args.json.write_text(json.dumps({"scatter": table, "pulls": pulls}, indent=1) + "\n")


if __name__ == "__main__":
    main()
