# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The main job on the packaged spectra: class and redshift, tokens, embedding, model, and a picture of it."""

from pathlib import Path

import numpy as np
from astropy.nddata import StdDevUncertainty

from astro_spectok.embedding import tokenize
from astro_spectok.example import REAL_SPECTRA, list_example_files
from astro_spectok.exceptions import WeightsError
from astro_spectok.plotting.lines import list_lines
from astro_spectok.redshift.estimator import RedshiftEstimator
from astro_spectok.spectra.reading import read
from astro_spectok.utils.atomic import check_folder_of

__all__ = ["measure_chi2", "measure_examples", "plot_answers", "run_demo"]

#: the lines that are named in the picture, by class
PROMINENT = {
    "STAR": ("Hα", "Hβ", "Hγ", "Hδ"),
    "GALAXY": ("Hα", "Hβ", "CaK", "G", "Mgb", "NaD"),
    "QSO": ("Lyα", "SiIV", "CIV", "CIII]", "MgII"),
}


def measure_chi2(spectrum, model):
    """Mean over good pixels of ((flux - model) / sigma)**2.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`
        With an uncertainty; masked pixels and those without a positive error do not count.
    model : `~specutils.Spectrum`
        On the same axis, in the same unit.

    Returns
    -------
    chi2 : float
    n_good : int
    """
    sigma, good = _find_good(spectrum)
    deviation = (spectrum.flux.value - model.flux.value)[good] / sigma[good]
    return float(np.mean(deviation**2)), int(np.count_nonzero(good))


def run_demo(picture=None, *, weights=None, device="auto", overwrite=False):
    """Measure the packaged spectra, decode them from their tokens and plot the result.

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
    FileNotFoundError
        Its directory does not exist.
    """
    if picture is not None:
        check_folder_of(picture)
    if picture is not None and Path(picture).exists() and not overwrite:
        msg = f"{picture} exists; give overwrite=True (--overwrite) to replace it, or another name"
        raise FileExistsError(msg)
    answers = []
    for answer in measure_examples(weights=weights, device=device):
        name, spectrum, model, result, tokens = answer
        answers.append(answer)
        yield f"{name:<12} {_word(result)}"
        yield (
            f"{'':<12} {tokens.shape[0]} tokens of {tokens.shape[1]} values, an embedding of {len(tokens.embedding)}; "
            f"their model has a chi2 per pixel of {measure_chi2(spectrum, model)[0]:.2f}"
        )
    yield f"{'picture':<12} {_save(answers, picture)}"


def measure_examples(*, weights=None, device="auto"):
    """Measure the packaged real spectra one by one.

    Parameters
    ----------
    weights, device : optional
        As for `~astro_spectok.tokenize`.

    Yields
    ------
    name : str
        Of the instrument.
    spectrum, model : `~specutils.Spectrum`
        The latter on the pixels of the former.
    result : `~astro_spectok.redshift.RedshiftEstimate` or None
        None where the weights give no redshifts.
    tokens : `~astro_spectok.SpectralTokens`
    """
    estimator = RedshiftEstimator(weights=weights, device=device)
    for path in list_example_files():
        spectrum = read(path)
        tokens = tokenize(spectrum, weights=weights, device=device)
        model = tokens.decode(spectrum.spectral_axis)
        try:
            result = estimator.estimate(spectrum)
        except WeightsError:  # a network without a head for them
            result = None
        yield REAL_SPECTRA[path.name], spectrum, model, result, tokens


def plot_answers(answers, figure):
    """Plot spectra with their models, below each other, with what was measured.

    Parameters
    ----------
    answers : list of tuple
        As `measure_examples` yields them.
    figure : `matplotlib.figure.Figure`

    Returns
    -------
    ndarray of `~matplotlib.axes.Axes`
    """
    every = figure.subplots(len(answers), squeeze=False)[:, 0]
    for axes, (name, spectrum, model, result, _) in zip(every, answers, strict=True):
        wavelength, (_, good) = spectrum.spectral_axis.to_value("AA"), _find_good(spectrum)
        flux = np.where(good, spectrum.flux.value, np.nan)
        axes.plot(wavelength, flux, color="0.6", lw=0.6, drawstyle="steps-mid")
        axes.plot(wavelength, model.flux.value, color="#D55E00", lw=0.9)
        low, high = np.nanpercentile(flux, [0.5, 99.8])
        axes.set_ylim(min(0, low), 1.3 * high)
        axes.set_xlim(wavelength[good][0], wavelength[good][-1])
        if result is not None:
            _name_lines(axes, result)
        axes.set_yticks([])
        axes.set_title(f"{name}: {_word(result)}", loc="left", fontsize=10)
    every[-1].set_xlabel("Wavelength [Å]")
    figure.supylabel("Flux", fontsize=10)
    return every


def _name_lines(axes, result):
    """Write the names of the most prominent lines where the result puts them."""
    known, (first, last) = list_lines(result.spectype), axes.get_xlim()
    for name in PROMINENT[result.spectype]:
        place = known[name] * (1 + result.z.value)
        if first < place < last:
            axes.text(place, 0.96, name, transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=8)


def _word(result):
    """Class, redshift and probability, as text."""
    if result is None:
        return "these weights give no redshifts"
    if result.spectype == "STAR":
        kind = f"STAR, type {result.stellar_type}"
        value = f"v = {result.rv.to_value('km/s'):.0f} ± {result.rv_err.to_value('km/s'):.0f} km/s"
    else:
        kind = result.spectype
        digits = max(2, int(np.ceil(-np.log10(result.z_err.value))))
        value = f"z = {result.z.value:.{digits}f} ± {result.z_err.value:.{digits}f}"
    return f"{kind}, {value}, probability {result.p_best:.3f}, zwarn {int(result.zwarn)}"


def _find_good(spectrum):
    """Standard deviations, and which pixels have a flux and a positive one and are not masked."""
    with np.errstate(divide="ignore"):
        sigma = spectrum.uncertainty.represent_as(StdDevUncertainty).array
    good = np.isfinite(spectrum.flux.value) & np.isfinite(sigma) & (sigma > 0)
    return sigma, good if spectrum.mask is None else good & ~spectrum.mask


def _save(answers, picture):
    """Write the picture; return where, or why not."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "none, as matplotlib is missing: pip install 'astro_spectok[plot]'"
    figure = Figure(figsize=(10, 8), layout="constrained")
    plot_answers(answers, figure)
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
