"""Images beside spectra: simulated pairs, towers that learn from the same ones, and how often each finds its own."""

import numpy as np
import torch

from astro_spectok.align import ContrastiveAligner
from astro_spectok.align.embed_photometry import load_photometry_head
from astro_spectok.align.image_tower import ImageTower, ImageTowerConfig
from astro_spectok.align.inputs import Samples
from astro_spectok.align.light import LIGHT, find_noise
from astro_spectok.align.pair_files import MeasuredImages, PairFolder
from astro_spectok.engine import Runner
from astro_spectok.training.image_pairs import write_image_pairs
from astro_spectok.training.image_shapes import SURVEYS

TRAIN_SEED, TEST_SEED, TRAIN_SNR, TEST_SNR = 9301, 9302, (3.0, 30.0), (10.0, 10.0)
FAMILIES = {"GALAXY": "galaxies", "QSO": "quasars", "STAR": "stars"}
#: channels of the first layer of the tower of images
WIDTH = 8
#: what towers look at: pixels or not, whose fluxes, whose shapes
TOWERS = {
    "photometry": (False, "measured", None),
    "shapes": (False, "measured", "measured"),
    "true photometry": (False, "true", None),
    "true shapes": (False, "true", "true"),
    "images": (True, "measured", "measured"),
    "untrained": (True, "measured", "measured"),
}


def read_columns(folder, names):
    """Columns of a folder of pairs, ndarray (n,) by name."""
    import h5py

    parts = {name: [] for name in names}
    for path in folder.paths:
        with h5py.File(path) as file:
            for name in names:
                parts[name].append(file[name][:])
    return {name: np.concatenate(values) for name, values in parts.items()}


def gather_lights(folder, images):
    """What towers are told of the objects of a folder: tensors (n, 2 bands + 9) by whose fluxes and shapes."""
    n = len(folder.bands)
    flux = [f"FLUX_{band.upper()}" for band in folder.bands]
    errors = [f"FLUX_IVAR_{band.upper()}" for band in folder.bands]
    known = read_columns(folder, [*flux, *errors, "radius", "axis_ratio", "bulge_share", "image_scale"])
    rows = np.arange(len(folder))
    # measured fluxes are over the mean noise of a pixel; so must the others be
    scale = torch.cat(
        [find_noise(images.take(some)[0]).mean(1)[:, 0] for some in np.array_split(rows, max(1, len(rows) // 256))]
    ).numpy()
    own = {name: values.astype(np.float64) for name, values in known.items()}
    true = np.stack([own[name] for name in flux] + [own[name] ** -0.5 for name in errors], 1) / scale
    measured = images.light.clone()
    places = {name: 2 * n + k for k, name in enumerate(LIGHT)}
    pixel = np.maximum(own["radius"] / own["image_scale"][:, 0], 0.08)
    ratio = np.where(own["radius"] > 0, own["axis_ratio"], 1.0)
    shape = {"ln radius": np.log(pixel) + 0.5 * np.log(ratio), "ellipticity": -np.log(ratio),
             "de Vaucouleurs": own["bulge_share"]}  # fmt: skip
    out = {}
    for whose, brightness in (("measured", measured[:, : 2 * n]), ("true", torch.from_numpy(true).float())):
        with_shapes = measured.clone()
        with_shapes[:, : 2 * n] = brightness
        out[whose, "measured"] = with_shapes
        # the same numbers for all objects say nothing
        out[whose, None] = with_shapes.clone()
        out[whose, None][:, 2 * n :] = 0
        out[whose, "true"] = with_shapes.clone()
        out[whose, "true"][:, 2 * n + len(shape) :] = 0
        for name, values in shape.items():
            out[whose, "true"][:, places[name]] = torch.from_numpy(values).float()
    return out


class PixelsAndLight(Samples):
    """Images beside numbers; empty ones for towers that do not look at them."""

    def __init__(self, images, light, pixels):
        self.images, self.light, self.pixels, self.usable = images, light, pixels, images.usable

    def __len__(self):
        return len(self.images)

    def take(self, rows):
        light = self.light[torch.from_numpy(np.asarray(rows))]
        if self.pixels:
            return self.images.take(rows)[0], light
        return torch.zeros(len(light), len(self.images.pairs.bands), 16, 16), light


def gather_samples(folder, keep):
    """What each tower takes."""
    images = MeasuredImages(folder, keep)
    lights = gather_lights(folder, images)
    return {
        name: PixelsAndLight(images, lights[flux, shapes], pixels) for name, (pixels, flux, shapes) in TOWERS.items()
    }


def draw_folders(args):
    """Folders of pairs: one to train on, and one of each class."""
    root, out = args.keep / f"images-{args.survey}", {}
    common = {"imaging": args.survey, "data": args.data, "report": lambda text: print(text, flush=True)}
    for cls, number in args.numbers.items():
        families = (FAMILIES[cls],)
        more = round(args.more * number)
        write_image_pairs(root / "train", more, seed=TRAIN_SEED, snr=TRAIN_SNR, families=families, **common)
        write_image_pairs(root / cls, number, seed=TEST_SEED, snr=TEST_SNR, families=families, **common)
        out[cls] = PairFolder(root / cls)
    return {"train": PairFolder(root / "train")} | out


def train_tower(args, name, head, folder, features, samples):
    """An aligner that learned from pairs by looking at what its name says."""
    sizes = {"size": head.config.size, "queries": head.config.queries, "hidden": head.config.hidden}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        if name == "untrained":
            tower = ImageTower(ImageTowerConfig(bands=folder.bands, width=WIDTH, size=head.config.size))
        else:
            blocks = 3 if TOWERS[name][0] else 0
            filters = SURVEYS[args.survey].filters
            tower = ImageTower.begin_with(head, folder.bands, filters, width=WIDTH, blocks=blocks)
    steps = {"steps": 1, "rate": 1e-9} if name == "untrained" else {"steps": args.steps}
    aligner = ContrastiveAligner(tower, weights=args.weights, device="cpu", batch=args.batch, **sizes, **steps)
    return aligner.fit(
        features, samples, groups=folder.ids, classes=folder.classes, redshift=folder.redshift,
        validation=0.05, report=lambda text: print(name, text, flush=True),
        folder=None if name == "untrained" else args.keep / f"{name}-{len(folder)}-{args.steps}-{args.batch}",
    )  # fmt: skip


def measure_images(args, rows, report, rank_own, write):
    """All figures: each tower, each class, both directions."""
    folders, runner, keep = draw_folders(args), Runner(args.weights, "cpu"), args.keep / "features"
    features = {name: folder.read_features(runner, keep) for name, folder in folders.items()}
    samples = {name: gather_samples(folder, keep) for name, folder in folders.items()}
    _, head = load_photometry_head(args.weights)
    for name in TOWERS:
        aligner = train_tower(args, name, head, folders["train"], features["train"], samples["train"][name])
        for cls in args.numbers:
            folder = folders[cls]
            among = aligner.embed_spectra(features[cls]) @ aligner.embed_samples(samples[cls][name]).T
            about = {"class": cls, "bands": "".join(folder.bands), "method": name, "pairs": len(folders["train"])}
            report(rows, about | {"query": "spectrum"}, rank_own(among, folder.redshift))
            report(rows, about | {"query": "image"}, rank_own(among.T, folder.redshift))
        write(args, rows)
