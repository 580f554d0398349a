# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of how it works, and that of README.rst: the packaged spectrum on its way through the packaged network."""

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok import embed, tokenize
from astro_spectok.align import embed_photometry, find_filter
from astro_spectok.demo import measure_examples, plot_answers
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.example import read_example
from astro_spectok.plotting.lines import list_lines
from astro_spectok.simulate.export import simulate_spectra

__all__ = ["plot_diagrams", "plot_network", "plot_redshift_search", "plot_space", "plot_tokens_of_patches"]

#: Okabe and Ito's colours, distinguishable to the colour-blind and in print
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.45"
PALE_BLUE, PALE_ORANGE, PALE_GREEN = "#DCEBF5", "#FBE5D6", "#D9F0E8"
#: Angstrom: the patch that is shown magnified is the one here, the brightest line of the example
SHOWN = 5437.0
PATCH = 32
#: redshifts that templates are shown at: too low, right, too high
TRIED = (0.045, None, 0.13)
SIZE = (8.0, 5.4)
#: objects of the picture of the space, and those whose two vectors are joined by a line
OBJECTS, JOINED = 240, 30
BANDS = {name: f"sdss2010-{name}" for name in "gri"}


def plot_diagrams(folder):
    """Write all pictures into a directory."""
    folder.mkdir(exist_ok=True)
    plot_readme(folder / "readme.png")
    plot_tokens_of_patches(folder / "how_patches.png")
    plot_network(folder / "how_network.png")
    plot_redshift_search(folder / "how_redshift.png")
    plot_space(folder / "how_space.png")


def _make_figure(size=SIZE):
    """A figure that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure, path, dpi=120):
    figure.savefig(path, dpi=dpi, metadata={"Software": None})


def plot_readme(path):
    """The packaged real spectra with their models and what was measured, as ``spectok demo`` draws them."""
    figure = _make_figure((9, 7.2))
    plot_answers(list(measure_examples()), figure)
    _save(figure, path, dpi=100)


def plot_tokens_of_patches(path):
    """A spectrum cut into patches, one of them magnified, and the tokens that they become."""
    spec = read_example()
    tokens = tokenize(spec)
    x, flux, sigma = spec.spectral_axis.value, spec.flux.value, spec.uncertainty.array
    good = np.isfinite(sigma)
    edges = np.append(x[::PATCH], x[-1])
    chosen = int(np.searchsorted(edges, SHOWN)) - 1
    first, last = edges[chosen], edges[chosen + 1]

    figure = _make_figure()
    grid = figure.add_gridspec(3, 3, height_ratios=(1.15, 1.15, 1))
    top, one = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0])
    text, image = figure.add_subplot(grid[1, 1:]), figure.add_subplot(grid[2, :], sharex=top)
    for k in range(0, len(edges) - 1, 2):
        top.axvspan(edges[k], edges[k + 1], color=PALE_BLUE, lw=0)
    top.axvspan(first, last, color=ORANGE, alpha=0.5, lw=0)
    top.plot(x, np.where(good, flux, np.nan), color=GREY, lw=0.6, drawstyle="steps-mid")
    top.set(ylim=(0, np.nanpercentile(flux, 99.9) * 1.05), xlim=(edges[0], edges[-1]), ylabel="flux")
    top.set_title(f"1. the spectrum, on its own pixels, is cut into {len(edges) - 1} patches", loc="left", fontsize=10)
    top.tick_params(labelbottom=False)

    inside = slice(chosen * PATCH, (chosen + 1) * PATCH)
    one.set_facecolor(PALE_ORANGE)
    one.errorbar(x[inside], flux[inside], sigma[inside], fmt=".", ms=4, lw=0.8, color="black", ecolor=GREY)
    one.set_title(f"2. one patch: {PATCH} pixels", loc="left", fontsize=10)
    one.set(ylabel="flux")
    one.set_xticks([round(first) + 5, round(last) - 5])
    text.axis("off")
    channels = (
        "of each pixel: flux over the scale of the spectrum (arcsinh),\n"
        "    flux without its continuum over the noise, the noise, good or bad\n"
        "of the patch: ln(wavelength) of its centre, width of a pixel,\n"
        "    curvature of the grid, resolving power if it is known\n"
        "the encoder: every patch looks at all others"
    )
    text.text(0.0, 0.5, channels, va="center", fontsize=9, linespacing=1.5)
    _plot_token_image(image, tokens, (first, last))
    _save(figure, path)


def _plot_token_image(axes, tokens, shown):
    """Tokens as columns at their wavelengths; the patch that is shown is framed."""
    values = np.where(tokens.mask[:, None], np.nan, tokens.values)
    # what distinguishes patches: each component without its median, on its own scale
    values = values - np.nanmedian(values, axis=0)
    values = values / np.maximum(np.nanpercentile(np.abs(values), 95, axis=0), 1e-12)
    centre = tokens.wavelength.value
    axes.pcolormesh(
        centre, np.arange(values.shape[1]), values.T, cmap="RdBu_r", vmin=-1, vmax=1, shading="nearest", rasterized=True
    )
    axes.axvspan(*shown, fill=False, edgecolor=ORANGE, lw=1.5)
    axes.set(xlabel=f"wavelength [{tokens.wavelength.unit.to_string('latex_inline')}]", ylabel="component")
    title = f"3. each patch becomes a token of {values.shape[1]} numbers (columns; red: above, blue: below the median)"
    axes.set_title(title, loc="left", fontsize=10)


#: name: centre, size, colour and text of a box of `plot_network`
BOXES = {
    "spectrum": ((1.0, 3.3), (1.7, 1.0), "white", "spectrum\nflux, error, mask\non its own pixels"),
    "patches": ((3.2, 3.3), (1.7, 1.0), PALE_BLUE, "patches\nof 32 pixels and\ntheir wavelengths"),
    "encoder": ((5.4, 3.3), (1.7, 1.0), PALE_BLUE, "encoder\nattention turned by\nln(wavelength)"),
    "tokens": ((7.7, 3.3), (1.9, 1.0), PALE_ORANGE, "TOKENS\nlevel, extent, learned,\ndetail"),
    "decoder": ((10.6, 5.55), (2.7, 0.8), PALE_GREEN, "decoder: flux and error\non any wavelengths"),
    "pooling": ((10.6, 4.4), (2.7, 0.8), PALE_GREEN, "pooling, lines and colours:\none vector, the EMBEDDING"),
    "redshift": ((10.6, 3.25), (2.7, 0.8), PALE_GREEN, "correlation with templates:\nclass and redshift"),
    "types": ((10.6, 2.1), (2.7, 0.8), PALE_GREEN, "types of stars, galaxies,\ntransients, photometry"),
    "stellar": ((10.6, 0.95), (2.7, 0.8), PALE_GREEN, "stellar head:\nTeff, logg, [Fe/H], ..."),
}
ARROWS = (
    ("spectrum", "patches"), ("patches", "encoder"), ("encoder", "tokens"), ("tokens", "decoder"),
    ("tokens", "pooling"), ("tokens", "redshift"), ("tokens", "stellar"),
)  # fmt: skip


def plot_network(path):
    """The parts of the network, and what flows from which to which."""
    from matplotlib.patches import FancyBboxPatch

    figure = _make_figure((9.6, 5.0))
    axes = figure.subplots()
    for (x, y), (width, height), colour, text in BOXES.values():
        corner = (x - width / 2, y - height / 2)
        axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle="round,pad=0.05", fc=colour, ec=GREY))
        axes.text(x, y, text, ha="center", va="center", fontsize=9)
    for start, end in ARROWS:
        (x0, y0), (w0, _), *_ = BOXES[start]
        (x1, y1), (w1, _), *_ = BOXES[end]
        places = (x0 + w0 / 2 + 0.07, y0), (x1 - w1 / 2 - 0.07, y1)
        _plot_arrow(axes, *places, GREY)
    # what goes past the transformer: lines to the redshift head, pixels to the embedding and to the other heads
    _plot_arrow(axes, (3.2, 3.85), (9.2, 4.55), BLUE, curve=-0.2, ls="--")
    _plot_arrow(axes, (3.2, 2.75), (9.2, 2.92), BLUE, curve=0.2, ls="--")
    _plot_arrow(axes, (2.6, 2.75), (9.2, 1.95), BLUE, curve=0.18, ls="--")
    _plot_arrow(axes, (1.0, 2.75), (9.2, 0.85), BLUE, curve=0.16, ls="--")
    axes.text(4.6, 0.72, "dashed: past the transformer", color=BLUE, fontsize=9, ha="center")
    axes.set(xlim=(0, 12.1), ylim=(0.3, 6.1))
    axes.axis("off")
    _save(figure, path)


def _plot_arrow(axes, start, end, colour, *, curve=0.0, ls="-"):
    style = {"arrowstyle": "-|>", "color": colour, "lw": 1.3, "ls": ls, "connectionstyle": f"arc3,rad={curve}"}
    axes.annotate("", end, start, arrowprops=style)


def plot_redshift_search(path):
    """A spectrum and its lines at three redshifts, and the posterior that the correlation gives."""
    spec = read_example()
    found = RedshiftEstimator().estimate(spec)
    x, flux, good = spec.spectral_axis.value, spec.flux.value, np.isfinite(spec.uncertainty.array)
    tried = [float(found.z.value) if z is None else z for z in TRIED]
    lines = np.array(list(list_lines(found.spectype).values())[:9])

    figure = _make_figure((8.0, 6.0))
    grid = figure.add_gridspec(4, 1, height_ratios=(1, 1, 1, 1.5))
    colours = (GREY, ORANGE, GREY)
    letters = "abc"
    top = None
    for k, (z, colour) in enumerate(zip(tried, colours, strict=True)):
        axes = figure.add_subplot(grid[k], sharex=top)
        top = top or axes
        axes.plot(x, np.where(good, flux, np.nan), color="black", lw=0.5)
        for line in lines * (1 + z):
            axes.axvline(line, color=colour, lw=3.5, alpha=0.45)
        axes.set(xscale="log", xlim=(x[0], x[-1]), ylim=(0, np.nanpercentile(flux, 99.9) * 1.05), ylabel="flux")
        text = f"{letters[k]}   template at z = {z:.3f}"
        axes.text(0.015, 0.76, text, transform=axes.transAxes, color=colour, backgroundcolor="white")
        ticks = [4000, 5000, 6000, 7000, 8000, 9000]
        axes.set_xticks(ticks, [f"{tick}" for tick in ticks] if k == 2 else [""] * len(ticks))
        axes.tick_params(which="minor", labelbottom=False)
    axes.set_xlabel("wavelength [Å], logarithmic: a redshift moves all lines by the same distance")
    below = figure.add_subplot(grid[3])
    for name, colour, ls in (("GALAXY", BLUE, "-"), ("QSO", GREEN, "--")):
        z, p = found.posterior.redshift[name], found.posterior.log_probability[name]
        near = (z > 0) & (z < 0.2)
        below.plot(z[near], p[near] / np.log(10), color=colour, lw=0.8, ls=ls, label=name)
    for letter, z, colour in zip(letters, tried, colours, strict=True):
        below.axvline(z, color=colour, lw=1, ls=":")
        below.text(z, 1.02, letter, transform=below.get_xaxis_transform(), ha="center", color=colour)
    below.set(xlim=(0, 0.2), xlabel="redshift", ylabel="log10 of probability")
    below.legend(frameon=False, loc="upper right")
    _save(figure, path)


def plot_space(path):
    """Spectra and photometry of the same simulated objects in the space that both have, its first two directions."""
    families = {"galaxies": BLUE, "quasars": ORANGE, "stars": GREEN}
    spectra = simulate_spectra(OBJECTS, seed=3, families=list(families), instruments=["boss"], snr=(10, 30))
    kinds = np.array([s.meta["spectype"] for s in spectra])
    fluxes = np.array([[_measure_flux(s, name) for name in BANDS.values()] for s in spectra])
    fluxes *= 10 / np.abs(fluxes).mean(1, keepdims=True)
    table = {name: fluxes[:, k] * u.nmgy for k, name in enumerate(BANDS)}
    table |= {f"{name}_err": 0.03 * np.abs(fluxes[:, k]) * u.nmgy for k, name in enumerate(BANDS)}
    sides = embed(spectra, parts="photometry"), embed_photometry(QTable(table), BANDS)
    sides = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in sides]
    both = np.concatenate(sides)
    axes = np.linalg.svd(both - both.mean(0), full_matrices=False)[2][:2]
    first, second = ((x - both.mean(0)) @ axes.T for x in sides)
    shares = np.linalg.svd(both - both.mean(0), compute_uv=False) ** 2
    print(f"{path.name}: the two directions hold {shares[:2].sum() / shares.sum():.2f} of the variance")
    figure = _make_figure((7.0, 5.0))
    axis = figure.subplots()
    for (name, colour), kind in zip(families.items(), ("GALAXY", "QSO", "STAR"), strict=True):
        own = kinds == kind
        axis.plot(*first[own].T, "o", ms=4, color=colour, label=f"spectra of {name}")
        axis.plot(*second[own].T, "x", ms=5, color=colour, label="their photometry")
    for one, other in zip(first[:JOINED], second[:JOINED], strict=True):
        axis.plot(*np.stack([one, other]).T, color=GREY, lw=0.6, zorder=0)
    axis.set(xticks=[], yticks=[], xlabel="first direction", ylabel="second direction")
    axis.legend(frameon=False, fontsize="small", ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.14))
    _save(figure, path)


def _measure_flux(spectrum, name):
    """Mean flux per unit frequency in a filter, in some unit."""
    ln = np.linspace(np.log(3700), np.log(9000), 6000)
    x = np.log(spectrum.wavelength.to_value("Angstrom")[~spectrum.mask])
    return np.interp(ln, x, spectrum.flux.value[~spectrum.mask]) @ find_filter(name).weigh(ln)
