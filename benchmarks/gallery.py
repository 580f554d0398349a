# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw simulated among real spectra, without saying which is which, for a blind test.

Run ``python benchmarks/gallery.py --data TRAIN --test TEST -o docs/_images/simulated_gallery.png``. For every real
spectrum of the test sets there is a simulated one of the same instrument, in the range of signal-to-noise ratios of
that set; both are drawn at random, by ``--seed``.
"""

import argparse
from pathlib import Path

import numpy as np
from _test_sets import read_set
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from astro_spectok.simulate.export import simulate_spectra

#: real set, instrument that imitates it, number of spectra, families that the set is of, least redshift in it
SOURCES = (
    ("sdss_more_real", "sdss", 8, ("galaxies", "quasars", "stars"), None),
    ("sdss_boss_real", "boss", 6, ("galaxies", "quasars", "stars"), None),
    ("lamost_real", "lamost_lrs", 8, ("stars",), None),
    ("vandels_real", "vimos", 5, ("galaxies",), 2.8),
    ("sixdf_real", "sixdf", 4, ("galaxies",), None),
    ("desi_real", "desi", 3, ("galaxies", "quasars", "stars"), None),
    ("splat_spex_real", "spex_prism", 4, ("stars",), None),
    ("galah_real", "galah", 2, ("stars",), None),
)
COLUMNS, WIDTH, DPI = 8, 1600, 100


def draw_real(path, number, rng):
    """Wavelength, flux (NaN in bad pixels) and name of random spectra of a test set, and the range of S/N in it."""
    found, _ = read_set(path, 80, rng)
    good = [np.isfinite(sigma) for _, _, sigma, _ in found]
    snr = [np.median(np.abs(flux[ok] / sigma[ok])) for (_, flux, sigma, _), ok in zip(found, good, strict=True)]
    chosen = rng.permutation(len(found))[:number]
    name = path.stem.removesuffix("_real")
    out = [(found[i][0], np.where(good[i], found[i][1], np.nan), f"{name} {found[i][3]}".strip()) for i in chosen]
    return out, np.maximum(np.percentile(snr, [10, 90]), 0.5)


def find_gaps(wavelength):
    """Numbers of the pixels that follow a gap between arms."""
    step = np.diff(wavelength)
    return 1 + np.flatnonzero(step > 20 * np.median(step))


def keep_last_arm(wavelength, flux):
    """What lies beyond the last gap."""
    start = max([0, *find_gaps(wavelength)])
    return wavelength[start:], flux[start:]


def draw_simulated(data, instrument, number, families, least_z, snr, seed):
    """Wavelength, flux and name of random simulated spectra."""
    spectra = simulate_spectra(
        number if least_z is None else 40 * number, seed=seed, data=data, families=families,
        instruments=[instrument], snr=snr, max_pixels=20000,
    )  # fmt: skip
    wanted = [s for s in spectra if least_z is None or s.meta["z"] > least_z][:number]
    names = [f"{instrument} {s.meta['kind']}, S/N {s.meta['snr']:.1f}" for s in wanted]
    arrays = [(s.spectral_axis.value, np.where(s.mask, np.nan, s.flux.value)) for s in wanted]
    if instrument == "galah":  # the test set holds its arms one by one
        arrays = [keep_last_arm(*pair) for pair in arrays]
    return [(*pair, name) for pair, name in zip(arrays, names, strict=True)]


def collect(data, test, seed):
    """All spectra in random order: (wavelength, flux, name, whether simulated)."""
    rng = np.random.default_rng(seed)
    found = []
    for number, (name, instrument, count, families, least_z) in enumerate(SOURCES):
        real, snr = draw_real(Path(test) / f"{name}.npz", count, rng)
        made = draw_simulated(data, instrument, len(real), families, least_z, snr, seed + number)
        found += [(*one, False) for one in real] + [(*one, True) for one in made]
    return [found[i] for i in rng.permutation(len(found))]


def plot_panel(axes, number, wavelength, flux):
    """One spectrum, with its number and no indication of its origin."""
    # nothing is drawn across the gaps between arms
    gaps = find_gaps(wavelength)
    wavelength, flux = np.insert(wavelength, gaps, np.nan), np.insert(flux, gaps, np.nan)
    axes.plot(wavelength, flux, color="black", linewidth=0.45)
    low, high = np.nanpercentile(flux, [0.3, 99.7])
    margin = 0.12 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + 1.5 * margin)
    # the range is shown to the nearest hundred: its ends would reveal the instrument
    axes.set_xlim(100 * np.floor(wavelength[0] / 100), 100 * np.ceil(wavelength[-1] / 100))
    axes.locator_params(axis="x", nbins=5)
    low, high = axes.get_xlim()
    # numbers at the ends would run into those of the next panel
    axes.set_xticks([tick for tick in axes.get_xticks() if 0.13 < (tick - low) / (high - low) < 0.87])
    axes.tick_params(labelsize=7, length=2, pad=1.5)
    axes.set_yticks([])
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    label = {"va": "top", "fontsize": 9, "weight": "bold", "color": "#0072B2", "bbox": box}
    axes.text(0.012, 0.96, str(number), transform=axes.transAxes, **label)


def plot_gallery(spectra, path):
    """All panels, the answer below them in small print, as a PNG in shades of grey and blue."""
    rows = -(-len(spectra) // COLUMNS)
    figure = Figure(figsize=(WIDTH / DPI, 1.35 * rows + 0.5), dpi=DPI)
    height = figure.get_figheight()
    panels = figure.subplots(rows, COLUMNS, squeeze=False)
    figure.subplots_adjust(
        left=0.008, right=0.992, top=1 - 0.06 / height, bottom=0.6 / height, wspace=0.04, hspace=0.24
    )
    for number, (axes, (wavelength, flux, _, _)) in enumerate(zip(panels.flat, spectra, strict=False), 1):
        plot_panel(axes, number, wavelength, flux)
    for axes in panels.flat[len(spectra) :]:
        axes.remove()
    simulated = ", ".join(str(number) for number, spectrum in enumerate(spectra, 1) if spectrum[3])
    figure.text(0.5, 0.3 / height, "observed wavelength in Angstrom; flux in any unit", ha="center", fontsize=8)
    figure.text(
        0.5, 0.1 / height, f"simulated: {simulated}; the others are real", ha="center", fontsize=6.5, color="0.4"
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    image.quantize(24, dither=Image.Dither.NONE).save(path, optimize=True)


def main():
    """Draw the picture and print what each panel is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="directory of the public template sets")
    parser.add_argument("--test", required=True, help="directory of the test sets")
    parser.add_argument("-o", "--out", required=True, help="PNG")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    spectra = collect(options.data, options.test, options.seed)
    plot_gallery(spectra, options.out)
    for number, (_, _, name, simulated) in enumerate(spectra, 1):
        print(f"{number:3} {'simulated' if simulated else 'real':10} {name}")
    print(f"{options.out}: {Path(options.out).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
