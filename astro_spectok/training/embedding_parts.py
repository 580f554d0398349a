# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The head of the parts of the embedding, made in closed form: components of stored and simulated spectra, whitened."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from astro_spectok.heads import EmbeddingConfig, EmbeddingHead
from astro_spectok.simulate import Randomness, Survey
from astro_spectok.simulate.observe import observe
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import to_batch
from astro_spectok.training.component_fits import fit_components, fit_discriminants, fit_local, whiten_differences
from astro_spectok.training.observed import to_inputs, to_spectra
from astro_spectok.training.rest_templates import make_instrument

__all__ = [
    "NOISY",
    "REAL_FLOOR",
    "Pairs",
    "Views",
    "add_noise",
    "gather_views",
    "make_embedding_head",
    "name_star",
    "split_pairs",
]

#: stars of two libraries, with the column of their names: the same star through two instruments
PAIRED_SETS = {"miles_real_stars": "origin", "cflib_real_stars": "object"}
#: stored spectra at rest that the components of colours are made of, and how many at most
LIBRARIES = {"splat_spex_real": 400, "sn_superfit_real": 250, "pickles_stars": 131, "btsettl_ultracool": 100}
IN_AIR = ("miles_real_stars", "cflib_real_stars", "pickles_stars")
#: simulated objects of each family, at rest and without noise, and pairs of observations, by how many are asked for
FAMILIES = {"stars": 0.4, "galaxies": 0.25, "quasars": 0.2, "supernovae": 0.15}
#: components of lines that describe stars; the others are of what these leave of galaxies, quasars and supernovae
STELLAR = 0.75
#: signal-to-noise ratio of pairs; least share of a grid that a spectrum of a library covers
SNR, LEAST = (3.0, 100.0), 0.08
#: noise of bins of stored stars that differences within pairs are made of besides, over the continuum
NOISE = 0.03
#: how often these differences count
NOISY = 4
#: weight of simulated pairs beside real ones, and variance that is added
SIMULATED, FLOOR, REAL_FLOOR = 0.01, 0.05, 0.003
#: weights of the parts, and of objects whose redshift is sure: their lines say less, and what was learned more
SHARES, SURE_SHARES = (1.0, 0.3, 1.0, 0.3), (0.6, 0.3, 1.4, 0.7, 0.0)
#: the former with a part of stars
STAR_SHARES = (1.0, 0.3, 1.0, 0.3, 1.25)
#: components of the part of stars, and width of its perceptron
STAR_COMPONENTS, STAR_HIDDEN = 128, 384
#: weight of how classes differ in the numbers of the redshift; of classes, those of sure redshifts, and of velocities
BETWEEN_CLASSES, CLASS_WEIGHTS, VELOCITY_WEIGHT = 0.15, (0.5, 0.4), 0.45
#: landmarks that lines are compared with, as shares of all: real stars, dwarfs among them besides, since most surveys
#: of stars are of these, and spectra at rest by what they are of
LANDMARKS = 544
LANDMARK_SHARES = {
    "real": 0.44, "dwarfs": 0.228, "stars": 0.186, "galaxies": 0.039, "quasars": 0.039, "supernovae": 0.039,
    "splat_spex_real": 0.031,
}  # fmt: skip
#: dwarfs: the library they are of, its temperatures and its least log g; of stars that are in no pair
DWARFS, DWARF_TEFF, DWARF_LOGG = "cflib_real_stars", (4200, 7200), 3.3
#: numbers that become of the comparison, and the power of the size of a component that it is divided by
LINE_FEATURES, LINE_POWER = 100, 0.7
#: share of the bins of lines that a landmark covers at least
LEAST_COVERED = 0.15
#: objects drawn at a time
CHUNK = 100


class Views(NamedTuple):
    """Values, variances and weights of bins, (n, N) each."""

    values: torch.Tensor
    variance: torch.Tensor
    weight: torch.Tensor

    def take(self, rows):
        """The same for some rows."""
        return Views(*(x[rows] for x in self))


class Pairs(NamedTuple):
    """Two observations of some objects: for each the views of lines and of colours, and the network's vectors."""

    lines: tuple
    colours: tuple
    vectors: tuple


def make_embedding_head(runner, data, *, objects, pairs, seed, learned=True, stars=False, report=None):
    """The head of the parts of the embedding, for the network of a set of weights.

    Components of lines are those of the stars of MILES and CFLIB, and of what these leave of simulated galaxies,
    quasars and supernovae; those of colours of simulated objects of all kinds and of stored ones. Whitening takes the
    differences within pairs: stars that both libraries have, and simulated objects through two instruments each. No
    gradient is taken, and it is deterministic.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
        Of the weights.
    data : path-like or None
        Directory of the public template sets; those that are absent are left out, None for analytic templates alone.
    objects, pairs : int
        Simulated objects that components are made of, and pairs.
    seed : int
    learned : bool, optional
        Whether the network's own vector becomes a part.
    stars : bool, optional
        Whether there is to be a part of stars, which `~astro_spectok.training.star_vector.train_star_vector` fills.
    report : callable, optional
        Called with texts that report progress.

    Returns
    -------
    `~astro_spectok.heads.EmbeddingHead`
    """
    report = report or (lambda text: None)
    network = runner.network
    summary = sum(size for _, size in network.config.summaries)
    size = network.config.embedding_size
    classes = sum(len(network.heads[name].config.classes) for name, number in network.config.summaries if number)
    config = EmbeddingConfig(
        redshift_size=summary, network_size=size, learned_size=min(EmbeddingConfig.learned_size, size) * learned,
        shares=STAR_SHARES if stars else SHARES, sure_shares=SURE_SHARES, between_classes=BETWEEN_CLASSES,
        redshift_classes=max(classes, 1),
        class_weight=CLASS_WEIGHTS[0] * (classes > 1), sure_class_weight=CLASS_WEIGHTS[1],
        velocity_weight=VELOCITY_WEIGHT, star_components=STAR_COMPONENTS * stars, star_hidden=STAR_HIDDEN,
        stars_as_known=stars,
        lines_as_known=True, line_landmarks=LANDMARKS, line_features=LINE_FEATURES, line_power=LINE_POWER,
    )  # fmt: skip
    head = EmbeddingHead(config, network.config).eval()
    with torch.inference_mode():
        stars = {name: read_stars(runner, head, data, name) for name in PAIRED_SETS}
        report(f"stars: {sum(len(names) for _, _, names in stars.values())}")
        rows = draw_at_rest(runner, head, data, objects, seed) | read_libraries(runner, head, data)
        report(f"libraries: {sum(len(lines.values) for lines, _ in rows.values())} spectra")
        drawn = {family: draw_pairs(runner, head, data, family, max(4, round(share * pairs)), seed + 1)
                 for family, share in FAMILIES.items()}  # fmt: skip
        report(f"pairs: {sum(len(one.vectors[0]) for one in drawn.values())} simulated")
        fit_head(head, stars, rows, drawn, read_dwarfs(runner, head, data))
    for tensor in head.buffers():
        tensor.copy_(tensor.clone())
    head.domain = {
        "lines": [config.lines_low, config.lines_high], "colours": [config.low, config.high], "frame": "rest",
        "objects": {name: len(lines.values) for name, (lines, _) in rows.items()},
        "pairs": {"real": len(match_stars(stars)[0])} | {name: len(one.vectors[0]) for name, one in drawn.items()},
        "snr": list(SNR),
    }  # fmt: skip
    head.provenance = {"objects": objects, "pairs": pairs, "seed": seed}
    return head


def fit_head(head, stars, rows, drawn, dwarfs=None):
    """Fill a head from the views of spectra.

    Parameters
    ----------
    head : `~astro_spectok.heads.EmbeddingHead`
    stars : dict of str to (`Views`, `Views`, list of str)
        Lines and colours of the stars of each library, and their names.
    rows : dict of str to (`Views`, `Views`)
        Lines and colours of what components are made of.
    drawn : dict of str to `Pairs`
    dwarfs : `Views`, optional
        Lines of further landmarks.
    """
    config = head.config
    own = _join([lines for lines, _, names in stars.values() if len(names)] or [rows["stars"][0]])
    others = _join([rows[name][0] for name in rows if name in FAMILIES and name != "stars"])
    n_stars = round(STELLAR * config.line_components)
    fit_components(head.lines, [(own, n_stars), (others, config.line_components - n_stars)])
    everything = [colours for _, colours in rows.values()]
    fit_components(head.colours, [(_level(_join(everything)), config.colour_components)])
    first, second = match_stars(stars)
    pairs = list(drawn.values())
    for name in ("lines", "colours"):
        components = getattr(head, name)
        place = 0 if name == "lines" else 1
        real = None
        if len(first) and name == "lines":
            one, other = (views[place].take(rows) for views, rows in zip(stars.values(), (first, second), strict=True))
            noisy = add_noise(one)
            real = [(components.find_coefficients(*one), components.find_coefficients(*other))]
            real += [(real[0][0], components.find_coefficients(*noisy))] * NOISY
        simulated = [tuple(components.find_coefficients(*views) for views in getattr(one, name)) for one in pairs]
        centre = _join([own] if name == "lines" else everything)
        components.centre.copy_(components.find_coefficients(*centre).mean(0))
        components.whiten.copy_(whiten_differences(real, simulated, SIMULATED, REAL_FLOOR if real else FLOOR))
    if head.local is not None:
        landmarks = choose_landmarks(head, own, rows, dwarfs)
        fit_local(head.local, landmarks, head.lines.project, power=config.line_power)
    if config.learned_size:
        mean, mapping = fit_discriminants([one.vectors for one in pairs], config.learned_size)
        head.learned_mean.copy_(mean)
        head.learned_map.copy_(mapping)


def choose_landmarks(head, own, rows, dwarfs=None):
    """Coefficients (L, K) of lines of spectra of all kinds, evenly from each; real stars for what is not there.

    Parameters
    ----------
    head : `~astro_spectok.heads.EmbeddingHead`
        With its components of lines.
    own : `Views`
        Of lines of real stars.
    rows : dict of str to (`Views`, `Views`)
        As of `fit_head`.
    dwarfs : `Views`, optional
        Of lines of real stars of the kind of most.
    """
    number = head.config.line_landmarks
    sets = {"real": own, "dwarfs": dwarfs} | {name: lines for name, (lines, _) in rows.items()}
    chosen = {}
    for name, share in LANDMARK_SHARES.items():
        views = sets.get(name)
        if name != "real" and views is not None:
            covered = torch.nonzero((views.weight > 0).float().mean(1) >= LEAST_COVERED)[:, 0]
            chosen[name] = views.take(covered[_spread(len(covered), round(share * number))])
    left = number - sum(len(views.values) for views in chosen.values())
    chosen["real"] = own.take(_spread(len(own.values), left))
    return torch.cat([head.lines.find_coefficients(*views) for views in chosen.values()])


def _spread(n, number):
    """At most ``number`` of ``n`` rows, evenly over them."""
    return torch.linspace(0, max(n - 1, 0), min(n, number)).round().long()


def match_stars(stars):
    """Rows of two libraries that are the same stars: two lists of int."""
    (one, other) = (names for _, _, names in stars.values())
    place = {name: k for k, name in enumerate(one) if name}
    both = [(place[name], k) for k, name in enumerate(other) if name in place]
    return [k for k, _ in both], [k for _, k in both]


def split_pairs(number):
    """Halves, 0 or 1, of the stars that MILES and CFLIB share, int ndarray (number,): the second trains no vector."""
    return np.random.default_rng(0).permutation(number) % 2


def name_star(text):
    """Name of a star of MILES or CFLIB, written in one way."""
    text = str(text).upper().replace("_", "").replace(" ", "").replace("-", "M").replace("+", "P")
    match = re.match(r"^HD0*(\d+)([AB]?)$", text)
    return f"HD{int(match[1])}" if match else text


def gather_views(runner, head, spectra, ln_one_plus_z, *, medium="vacuum", vectors=False):
    """Spectra as the head sees them.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    head : `~astro_spectok.heads.EmbeddingHead`
    spectra : list of (wavelength, flux, ivar)
    ln_one_plus_z : ndarray, shape (n,)
    medium : {'vacuum', 'air'}, optional
    vectors : bool, optional
        Whether the network's vectors are wanted.

    Returns
    -------
    lines, colours : `Views`
        Those of spectra that cannot be used are of no weight.
    vectors : tensor, shape (n, E), or None
    usable : bool ndarray, shape (n,)
    """
    batch = to_batch(to_inputs(spectra), medium=medium, on_error="flag")
    sizes = len(head.lines.mean), len(head.colours.mean)
    views = [Views(*(torch.zeros(len(batch), n) for _ in range(3))) for n in sizes]
    found = torch.zeros(len(batch), runner.network.config.embedding_size) if vectors else None
    for group, patches in runner.arrange(batch):
        rows = torch.from_numpy(np.asarray(group))
        shift = torch.from_numpy(np.asarray(ln_one_plus_z, float)[group])
        for view, parts in zip(views, head.view(patches, shift), strict=True):
            for whole, part in zip(view, parts, strict=True):
                whole[rows] = part
        if vectors:
            tokens = runner.network.encode(patches)
            nothing = tokens.new_zeros(len(tokens), sum(size for _, size in runner.network.config.summaries))
            found[rows] = runner.network.embed(tokens, patches.mask, patches.grid.geometry, nothing)
    return *views, found, batch.lengths > 0


def read_stars(runner, head, data, name):
    """Lines and colours of a library of stars, and their names; none where it is absent."""
    spectra, names = [], []
    if data is not None and (path := Path(data) / f"{name}.npz").is_file():
        spectra, columns = load_set(path)
        # stars without a name are in no pair
        names = [name_star(text) for text in columns.get(PAIRED_SETS[name], [""] * len(spectra))]
    if not spectra:
        return None, None, []
    lines, colours, _, _ = gather_views(runner, head, spectra, np.zeros(len(spectra)), medium="air")
    return lines, colours, names


def read_dwarfs(runner, head, data):
    """Lines of dwarfs of a library that are in no pair; None where it is absent."""
    if data is None or not (path := Path(data) / f"{DWARFS}.npz").is_file():
        return None
    spectra, columns = load_set(path)
    if not {"teff", "logg", "in_miles"} <= set(columns):
        return None
    teff, logg = columns["teff"].astype(float), columns["logg"].astype(float)
    low, high = DWARF_TEFF
    rows = np.flatnonzero((teff > low) & (teff < high) & (logg > DWARF_LOGG) & ~columns["in_miles"].astype(bool))
    if not len(rows):
        return None
    return gather_views(runner, head, [spectra[i] for i in rows], np.zeros(len(rows)), medium="air")[0]


def read_libraries(runner, head, data):
    """Lines and colours of stored spectra: dict of str to (`Views`, `Views`)."""
    out = {}
    for name, most in LIBRARIES.items():
        if data is None or not (path := Path(data) / f"{name}.npz").is_file():
            continue
        spectra, _ = load_set(path)
        rows = np.unique(np.linspace(0, len(spectra) - 1, min(most, len(spectra))).astype(int))
        medium = "air" if name in IN_AIR else "vacuum"
        out[name] = gather_views(runner, head, [spectra[i] for i in rows], np.zeros(len(rows)), medium=medium)[:2]
    return out


def draw_at_rest(runner, head, data, objects, seed):
    """Lines and colours of simulated objects at rest, without noise, over all that is known of them, by family."""
    instrument, out = make_instrument((head.config.low, head.config.high), 4e-4, 2000.0), {}
    for place, (family, share) in enumerate(FAMILIES.items()):
        drawing, random, spectra = Survey(data, families=(family,)).families[family], Randomness([seed, place]), []
        number = max(8, round(share * objects))
        while len(spectra) < number:
            drawn = drawing.draw(min(CHUNK, number), random)
            drawn.z = torch.zeros_like(drawn.z)
            truth = observe(drawn, [instrument] * len(drawn), 1e5, random, clean=True).truth.numpy()
            spectra += [(instrument.wavelength, flux, 1e8 * np.isfinite(flux) / np.nanmedian(np.abs(flux)) ** 2)
                        for flux in truth if np.count_nonzero(np.isfinite(flux)) > LEAST * len(flux)]  # fmt: skip
        out[family] = gather_views(runner, head, spectra[:number], np.zeros(number))[:2]
    return out


def draw_pairs(runner, head, data, family, number, seed):
    """`Pairs` of simulated objects of a family, each through two instruments, at their true redshifts."""
    survey, found = Survey(data, families=(family,), snr=SNR), []
    for chunk in range(-(-number // CHUNK)):
        groups = survey.draw(min(CHUNK, number - chunk * CHUNK), [seed, chunk], views=2)
        shift = np.concatenate([np.log1p(group.objects.z.numpy()) for group in groups])
        if family == "stars":
            shift = np.zeros(len(shift))
        sides = []
        for view in (0, 1):
            spectra = [one for group in groups for one in to_spectra(group.observations[view])]
            sides.append(gather_views(runner, head, spectra, shift, vectors=True))
        usable = torch.from_numpy(sides[0][3] & sides[1][3])
        found.append([tuple(side[k].take(usable) if k < 2 else side[k][usable] for side in sides) for k in range(3)])
    lines, colours = (tuple(_join([one[k][side] for one in found]) for side in (0, 1)) for k in (0, 1))
    return Pairs(lines, colours, tuple(torch.cat([one[2][side] for one in found]) for side in (0, 1)))


def _join(parts):
    """Views one after the other."""
    return Views(*(torch.cat(x) for x in zip(*parts, strict=True)))


def _level(views):
    """Views less the mean of each spectrum, which is a matter of its scale."""
    mean = (views.values * views.weight).sum(1, keepdim=True) / views.weight.sum(1, keepdim=True).clamp_min(1)
    return views._replace(values=(views.values - mean) * views.weight)


def add_noise(views):
    """The same with noise of `NOISE`, smooth over a few bins as in a spectrum of that resolution."""
    noise = torch.randn(views.values.shape, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool1d(noise[:, None], 3, stride=1, padding=1)[:, 0] * NOISE
    return Views((views.values + smooth) * views.weight, views.variance + NOISE**2, views.weight)
