"""Images beside spectra: simulated pairs, towers that learn from the same ones, and how often each finds its own."""

import numpy as np
import torch
from torch import nn

from astro_spectok.align import ContrastiveAligner
from astro_spectok.align.image_tower import ImageTower, ImageTowerConfig
from astro_spectok.align.pair_files import PairFolder, StoredImages
from astro_spectok.engine import Runner
from astro_spectok.training.image_pairs import write_image_pairs

TRAIN_SEED, TEST_SEED, TRAIN_SNR, TEST_SNR = 9301, 9302, (3.0, 30.0), (10.0, 10.0)
#: pairs that are trained on, over those that are measured
MORE = {"GALAXY": 4, "QSO": 4, "STAR": 2}
FAMILIES = {"GALAXY": "galaxies", "QSO": "quasars", "STAR": "stars"}
#: channels of the first layer of the tower of images, and numbers that either tower gives
WIDTH, SIZE = 8, 128


class FluxTower(nn.Module):
    """A perceptron of fluxes over the usual noise of their bands: brightness and colours."""

    def __init__(self, bands, noise):
        super().__init__()
        self.size = SIZE
        self.register_buffer("noise", torch.as_tensor(noise, dtype=torch.float32))
        self.layers = nn.Sequential(
            nn.Linear(2 * bands - 1, 256), nn.GELU(), nn.Linear(256, 256), nn.GELU(), nn.Linear(256, SIZE)
        )

    def forward(self, flux):
        level = torch.asinh(flux / self.noise / 2)
        return self.layers(torch.cat([level / 3, level.diff(dim=1)], 1))


def read_fluxes(folder, bands):
    """Fluxes (n, B) of a folder of pairs, in nanomaggies, and their median errors (B,)."""
    import h5py

    flux, ivar = [], []
    for path in folder.paths:
        with h5py.File(path) as file:
            flux.append(np.stack([file[f"FLUX_{band.upper()}"][:] for band in bands], 1))
            ivar.append(np.stack([file[f"FLUX_IVAR_{band.upper()}"][:] for band in bands], 1))
    return np.concatenate(flux).astype(np.float32), np.median(np.concatenate(ivar) ** -0.5, axis=0)


def draw_folders(args):
    """Folders of pairs: one to train on, and one of each class."""
    root, out = args.keep / f"images-{args.survey}", {}
    common = {"imaging": args.survey, "data": args.data, "report": lambda text: print(text, flush=True)}
    for cls, number in args.numbers.items():
        families = (FAMILIES[cls],)
        more = round(MORE[cls] * number)
        write_image_pairs(root / "train", more, seed=TRAIN_SEED, snr=TRAIN_SNR, families=families, **common)
        write_image_pairs(root / cls, number, seed=TEST_SEED, snr=TEST_SNR, families=families, **common)
        out[cls] = PairFolder(root / cls)
    return {"train": PairFolder(root / "train")} | out


def train_towers(args, folder, features):
    """Aligners by name, learned from the same pairs in the same number of steps; one that has learned nothing."""
    noise = read_fluxes(folder, folder.bands)[1]
    config = ImageTowerConfig(bands=folder.bands, width=WIDTH, size=SIZE)
    samples, made = gather_samples(folder), {}
    for name in samples:
        seed = 1 if name == "second" else 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1 + seed)
            tower = FluxTower(len(folder.bands), noise) if name in ("photometry", "second") else ImageTower(config)
        steps = {"steps": 1, "rate": 1e-9} if name == "untrained" else {"steps": args.steps}
        aligner = ContrastiveAligner(tower, weights=args.weights, device="cpu", batch=args.batch, seed=seed, **steps)
        made[name] = aligner.fit(
            features, samples[name], groups=folder.ids, classes=folder.classes, redshift=folder.redshift,
            validation=0.05, report=lambda text, name=name: print(name, text, flush=True),
            folder=None if name == "untrained" else args.keep / f"{name}-{len(folder)}-{args.steps}-{args.batch}",
        )  # fmt: skip
    return made


def gather_samples(folder):
    """What each tower takes."""
    flux, images = torch.from_numpy(read_fluxes(folder, folder.bands)[0]), StoredImages(folder)
    return {"images": images, "photometry": flux, "second": flux, "untrained": images}


def measure_images(args, rows, report, rank_own):
    """All figures: each tower, each class, both directions."""
    folders, runner = draw_folders(args), Runner(args.weights, "cpu")
    features = {name: folder.read_features(runner, args.keep / "features") for name, folder in folders.items()}
    towers = train_towers(args, folders["train"], features["train"])
    for cls in args.numbers:
        folder = folders[cls]
        samples, likeness = gather_samples(folder), {}
        for name, aligner in towers.items():
            likeness[name] = aligner.embed_spectra(features[cls]) @ aligner.embed_samples(samples[name]).T
        # two towers say more than one, whatever they look at: images beside photometry against photometry twice
        likeness["images and photometry"] = likeness["images"] + likeness["photometry"]
        likeness["photometry twice"] = likeness["photometry"] + likeness.pop("second")
        for name, among in likeness.items():
            about = {"class": cls, "bands": "".join(folder.bands), "method": name}
            report(rows, about | {"query": "spectrum"}, rank_own(among, folder.redshift))
            report(rows, about | {"query": "image"}, rank_own(among.T, folder.redshift))
