# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The main job on the packaged example: tokens, embedding, reconstruction, and a picture of it."""

from pathlib import Path

import numpy as np
from specutils import Spectrum

from astro_spectok.embedding import tokenize
from astro_spectok.example import EXAMPLE_PATH

__all__ = ["measure_chi2", "run_demo"]


def measure_chi2(spectrum, model):
    """Mean over good pixels of ((flux - model) / sigma)**2.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`
        With a `~astropy.nddata.StdDevUncertainty`; masked pixels and those without a positive error do not count.
    model : `~specutils.Spectrum`
        On the same axis, in the same unit.

    Returns
    -------
    chi2 : float
    n_good : int
    """
    sigma = spectrum.uncertainty.array
    good = np.isfinite(spectrum.flux.value) & np.isfinite(sigma) & (sigma > 0)
    if spectrum.mask is not None:
        good &= ~spectrum.mask
    deviation = (spectrum.flux.value - model.flux.value)[good] / sigma[good]
    return float(np.mean(deviation**2)), int(np.count_nonzero(good))


def run_demo(picture=None, *, weights=None, device="auto", overwrite=False):
    """Read the packaged example, tokenize it, decode it again and plot the result.

    Parameters
    ----------
    picture : str or path-like, optional
        Where the picture goes; by default ``spectok-demo.png``, or with a number where that exists.
    weights, device : optional
        As for `~astro_spectok.tokenize`.
    overwrite : bool
        Whether ``picture`` may exist.

    Yields
    ------
    str
        Lines to show, as they become known.

    Raises
    ------
    FileExistsError
        ``picture`` exists and ``overwrite`` is False.
    """
    if picture is not None and Path(picture).exists() and not overwrite:
        msg = f"{picture} exists; give overwrite=True (--overwrite) to replace it, or another name"
        raise FileExistsError(msg)
    spectrum = Spectrum.read(str(EXAMPLE_PATH))
    axis = spectrum.spectral_axis
    yield f"spectrum         {EXAMPLE_PATH.name}: {len(axis)} pixels, {axis[0]:.1f} to {axis[-1]:.1f}"
    tokens = tokenize(spectrum, weights=weights, device=device)
    yield f"tokens           {tokens.shape[0]} of {tokens.shape[1]} values, weights {tokens.meta['weights']!r}"
    vector = tokens.embedding
    yield f"embedding        {vector.shape[0]} values, the first: {' '.join(f'{x:+.3f}' for x in vector[:5])} ..."
    model = tokens.decode(axis)
    chi2, n_good = measure_chi2(spectrum, model)
    yield f"reconstruction   chi2 per pixel {chi2:.3f} over {n_good} good pixels"
    yield f"picture          {_plot(spectrum, model, picture)}"


def _plot(spectrum, model, picture):
    """Plot data, model and residual; return where, or why not."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "none, as matplotlib is missing: pip install 'astro_spectok[plot]'"
    from astro_spectok.plotting import plot_reconstruction

    figure = Figure(figsize=(10, 5.5), layout="constrained")
    axes = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    plot_reconstruction(spectrum, model, axes)
    axes[0].set_title("astro_spectok: a made-up galaxy, decoded from its tokens")
    path = Path(picture) if picture is not None else _free_name(Path("spectok-demo.png"))
    figure.savefig(path, dpi=120)
    return str(path)


def _free_name(path):
    """``path``, or with the first number that makes it a name not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
