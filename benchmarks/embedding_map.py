# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw a map (t-SNE) of the embeddings of real spectra of many surveys, by class and by survey.

Run ``python benchmarks/embedding_map.py --data DIR -o docs/_images/embedding_map.png`` (needs scikit-learn). It draws
``--limit`` spectra from each test set, whose catalogue trusts its own class, and prints how often the nearest other
spectrum, by cosine, is of the same class, and the same among spectra of other surveys alone.
"""

import argparse
from pathlib import Path

import numpy as np
from _real_sets import SURVEYS
from _test_sets import SETS
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from astro_spectok import embed
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.training.observed import to_inputs
from astro_spectok.utils.parts import STARS
from astro_spectok.weights import get_entry, load_weights

#: set, its name in the picture
NAMES = {
    "sdss_more_real": "SDSS", "sdss_boss_real": "SDSS", "desi_andes_real": "DESI", "lamost_real": "LAMOST",
    "sixdf_real": "6dFGS", "vandels_real": "VANDELS", "miles_real_stars": "MILES", "splat_spex_real": "SpeX prism",
}  # fmt: skip
CLASSES = ("GALAXY", "QSO", "STAR")
#: distinguishable for the colour-blind (Okabe & Ito)
COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")


def collect(data, limit):
    """Embedding, class and survey of random spectra of each set."""
    vectors, classes, surveys = [], [], []
    rng = np.random.default_rng(7)
    for survey in SURVEYS:
        if survey.name not in NAMES:
            continue
        spectra, columns = load_set(Path(data) / f"{survey.name}.npz")
        known = survey.select(columns) & np.isin(columns["cls"], CLASSES)
        rows = np.sort(rng.permutation(np.flatnonzero(known))[:limit])
        found = embed(to_inputs([spectra[i] for i in rows]), medium=SETS[survey.name])
        good = np.isfinite(found).all(axis=1)
        vectors.append(found[good])
        classes += [str(x) for x in columns["cls"][rows][good]]
        surveys += [NAMES[survey.name]] * np.count_nonzero(good)
        print(f"{survey.name}: {np.count_nonzero(good)}", flush=True)
    return np.concatenate(vectors), np.array(classes), np.array(surveys)


def score(vectors, classes, surveys):
    """Shares of spectra whose nearest other one is of their class.

    Among all; among those of other surveys; and there without those that have hardly any counterparts.
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    every = classes[cosine.argmax(1)] == classes
    cosine[surveys[:, None] == surveys] = -np.inf
    other = classes[cosine.argmax(1)] == classes
    alone = (surveys == NAMES["splat_spex_real"]) | ((surveys == NAMES["sdss_boss_real"]) & (classes == "QSO"))
    return [every.mean(), other.mean(), other[~alone].mean()]


def find_end():
    """Numbers of an embedding before those of the part of stars."""
    sizes = load_weights(None, "cpu").network.heads["embedding"].config.sizes
    return sum(size for part, size in sizes.items() if part != STARS)


def draw(places, classes, surveys, title, path):
    """Two panels of the same points: colours for classes, and for surveys."""
    figure = Figure(figsize=(11, 5.2), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=10)
    for axes, labels, order in zip(figure.subplots(1, 2), (classes, surveys),
                                   (CLASSES, list(dict.fromkeys(NAMES.values()))), strict=True):  # fmt: skip
        for name, colour in zip(order, COLOURS, strict=False):
            chosen = labels == name
            axes.scatter(*places[chosen].T, s=14, color=colour, label=f"{name} ({np.count_nonzero(chosen)})", lw=0)
        axes.set(xticks=[], yticks=[])
        axes.legend(fontsize=8, markerscale=1.5)
    FigureCanvasAgg(figure).print_png(path)


def main():
    """Draw the picture and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="directory of the test sets")
    parser.add_argument("-o", "--out", required=True, help="PNG")
    parser.add_argument("--limit", type=int, default=60, help="most spectra of each set")
    options = parser.parse_args()
    vectors, classes, surveys = collect(options.data, options.limit)
    print(
        f"{len(classes)} spectra; nearest of the same class: of all, of other surveys, and without the quasars of SDSS"
    )
    print("and SpeX, which have hardly any counterparts there")
    # the last part is that of stars, where weights have it
    for name, chosen in (("all parts", vectors), ("without stars", vectors[:, : find_end()])):
        print(name, *(f"{share:.3f}" for share in score(chosen, classes, surveys)))
    places = TSNE(metric="cosine", init="random", perplexity=30, random_state=1).fit_transform(vectors)
    title = f"t-SNE of the embeddings of {len(classes)} real spectra, weights {get_entry('small').sha256[:12]}"
    draw(places, classes, surveys, title, options.out)


if __name__ == "__main__":
    main()
