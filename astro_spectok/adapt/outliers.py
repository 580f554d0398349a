# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`outlier_score`: which spectra are like no others, and where a spectrum is not what its other pixels let expect."""

from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.ndimage import maximum_filter1d, median_filter, uniform_filter1d

from astro_spectok.adapt.index import SpectrumIndex
from astro_spectok.adapt.spectrum_set import SpectrumSet
from astro_spectok.adapt.vectors import check_count, scale_vectors
from astro_spectok.embedding import embed
from astro_spectok.exceptions import WeightsError
from astro_spectok.interface.columns import Column, make_arrays, make_table
from astro_spectok.interface.containment import Containment
from astro_spectok.interface.domain import Domain, fit_batch
from astro_spectok.interface.provenance import make_provenance, word_call
from astro_spectok.spectra import MIN_GOOD_PIXELS, is_single
from astro_spectok.utils.host import own_state
from astro_spectok.weights.backbone import digest_backbone

__all__ = ["OutlierScores", "outlier_score"]

#: pixels of a stretch that is hidden, and in how many parts the spectrum is hidden one after the other
STRETCH, PARTS = 48, 4
#: pixels that deviations are averaged over before the oddest place is looked for
WINDOW = 9
#: pixels of the continuum that lines stand out from, and the share of a line that is expected by which it may differ
#: without being odd: lines of one kind of object are as strong as they like, and a strong one has next to no noise
CONTINUUM, LINE_SHARE = 101, 0.3
#: a deviation of more sigma counts as so many: one cosmic ray makes no odd spectrum
MOST_SIGMA = 10.0
#: vectors of a reference among which the usual distance is measured
MOST_SAMPLED = 1000
COLUMNS = {
    "name": Column("name of the spectrum, where it has one", kind="text"),
    "distance": Column("mean distance (1 - cosine) from its nearest vectors in the reference", digits=4),
    "rarity": Column("share of the reference that is nearer to its own neighbours", digits=3),
    "surprise": Column("root mean square deviation of hidden pixels from what the others predict, in sigma", digits=2),
    "odd_wavelength": Column("where the deviation is largest, vacuum as observed", u.AA, digits=1),
    "odd_sigma": Column("deviation there, in sigma, averaged over a few pixels", digits=1),
    "warn": Column("what was noticed: bits of InputFlag", kind="int"),
    "message": Column("why it could not be used", kind="text"),
}


@dataclass(frozen=True, repr=False)
class OutlierScores:
    """Scores of spectra, and where each is odd.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        A row for each spectrum, as of `outlier_score`.
    wavelength : list of ndarray
        Of the good pixels of each spectrum, vacuum Angstrom; empty where surprise was not asked for.
    flux, expected : list of ndarray
        Observed, and what the other pixels let expect, over a common scale.
    deviation : list of ndarray
        Their difference in sigma: of the noise and of the expectation together.

    Examples
    --------
    >>> from astro_spectok.adapt import outlier_score
    >>> from astro_spectok.example import read_example
    >>> scores = outlier_score([read_example()] * 3, k=1, surprise=False, device="cpu")
    >>> scores
    <OutlierScores of 3 spectra>
    """

    table: QTable
    wavelength: list = field(default_factory=list)
    flux: list = field(default_factory=list)
    expected: list = field(default_factory=list)
    deviation: list = field(default_factory=list)

    def __len__(self):
        return len(self.table)

    def plot(self, i: int = 0, axes: Any = None) -> np.ndarray:
        """Plot a spectrum with what was expected of its pixels, and the deviation below.

        Parameters
        ----------
        i : int, optional
            Which.
        axes : sequence of two `~matplotlib.axes.Axes`, optional

        Returns
        -------
        ndarray of `~matplotlib.axes.Axes`

        Raises
        ------
        IndexError, TypeError
            There is no spectrum of that number.
        ValueError
            There is nothing to plot: the spectrum could not be used, or surprise was not asked for.
        """
        from astro_spectok.plotting.style import DATA, MODEL, make_axes, name_spectral, set_flux_limits

        if isinstance(i, bool) or not isinstance(i, int | np.integer):
            msg = f"i must be the number of a spectrum; got {i!r}"
            raise TypeError(msg)
        if not -len(self) <= i < len(self):
            msg = f"i must be the number of one of the {len(self)} spectra, from 0; got {i}"
            raise IndexError(msg)
        if not self.wavelength or not len(self.wavelength[i]):
            reason = str(self.table["message"][i]) or "surprise=False was given"
            msg = f"i must be a spectrum whose surprise was measured; got {i}: {reason}"
            raise ValueError(msg)
        top, bottom = make_axes(2, 1, axes=axes, size=(8, 5), sharex=True, height_ratios=(2, 1))
        x = self.wavelength[i]
        top.plot(x, self.flux[i], color=DATA, lw=0.6, label="observed")
        top.plot(x, self.expected[i], color=MODEL, lw=0.9, label="expected of the pixels that were hidden")
        set_flux_limits(top, self.flux[i])
        top.set_ylabel("Relative flux")
        top.legend(loc="upper right", framealpha=0.8, edgecolor="none", fontsize="small")
        bottom.plot(x, self.deviation[i], color=DATA, lw=0.5)
        bottom.plot(x, uniform_filter1d(self.deviation[i], WINDOW), color=MODEL, lw=1.0)
        bottom.axvline(self.table["odd_wavelength"][i].value, color=MODEL, lw=0.8, ls=":")
        bottom.set_ylabel("Deviation [sigma]")
        name_spectral([top, bottom], u.AA)
        return np.array([top, bottom])

    def __repr__(self):
        return f"<OutlierScores of {len(self)} spectra>"


@own_state
def outlier_score(
    obj: Any,
    reference: SpectrumIndex | Any = None,
    *,
    k: int = 5,
    surprise: bool = True,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    device: str = "auto",
    batch_tokens: int | None = None,
    progress: bool | None = None,
    **options: Any,
) -> OutlierScores:
    """Score how unusual spectra are, as a whole and pixel by pixel.

    The first is their distance from the nearest vectors of a reference: a spectrum of a rare kind. The second hides a
    quarter of the pixels at a time, in stretches of 48, and compares them with what the network expects from the
    others: a line that does not belong, a wrong calibration, a bad sky.

    Parameters
    ----------
    obj
        Spectra in any form, as for `SpectrumSet`.
    reference : `SpectrumIndex` or spectra, optional
        Those that are usual; ``obj`` itself, each without itself, if not given.
    k : int, optional
        Neighbours that count.
    surprise : bool, optional
        Whether pixels are compared: each spectrum is encoded and decoded four times more.
    weights, medium, resolution, device, batch_tokens, progress
        As for `~astro_spectok.embed`.
    **options
        Others of `~astro_spectok.embed`.

    Returns
    -------
    OutlierScores
        Its table has ``name``, ``distance`` (1 less the mean cosine of the angles to the nearest vectors), ``rarity``
        (share of the reference that is nearer to its own neighbours), ``surprise`` (root of the mean square of the
        deviations of hidden pixels in sigma, those above 10 counted as 10), ``odd_wavelength`` and ``odd_sigma`` (where
        deviations averaged over 9 pixels are largest), ``warn`` and ``message``.

    Raises
    ------
    ValueError
        ``k`` is not positive, or there are too few spectra to compare with.
    `~astro_spectok.exceptions.WeightsError`
        The weights are others than those of the index.

    Examples
    --------
    A line that is at home in no spectrum like this one:

    >>> import numpy as np
    >>> from astro_spectok.adapt import outlier_score
    >>> from astro_spectok.example import read_example
    >>> spectrum = read_example()
    >>> flux = spectrum.flux.copy()
    >>> line = np.abs(spectrum.wavelength.value - 6200) < 12
    >>> flux[line] *= 1.8
    >>> odd = type(spectrum)(flux=flux, spectral_axis=spectrum.spectral_axis, uncertainty=spectrum.uncertainty,
    ...                      mask=spectrum.mask, meta=spectrum.meta)
    >>> scores = outlier_score([spectrum, odd, spectrum], k=1, device="cpu")
    >>> bool(scores.table["surprise"][1] > scores.table["surprise"][0])
    True
    >>> near = np.abs(scores.wavelength[1] - 6200) < 12  # vacuum Angstrom
    >>> bool(scores.deviation[1][near].max() > 2 * np.abs(scores.deviation[0][near]).max())
    True
    """
    from astro_spectok.engine import Runner

    k = check_count(k)
    batch = SpectrumSet([obj] if is_single(obj) else obj, medium=medium, resolution=resolution).batch
    if isinstance(reference, SpectrumIndex) and weights is None:
        weights = reference.weights
    runner = Runner(weights, device, batch_tokens=batch_tokens)
    passed = {"weights": weights, "device": device, "batch_tokens": batch_tokens, "progress": progress} | options
    vectors = scale_vectors(embed(batch, **passed))
    known, own = _find_reference(reference, vectors, runner, passed)
    distance, usual = _measure_distances(vectors, known, own, k)
    arrays = make_arrays(COLUMNS, len(batch))
    arrays["name"] = np.array([info.name for info in batch.info], dtype=str)
    arrays["distance"] = distance
    arrays["rarity"] = np.where(np.isfinite(distance), np.searchsorted(usual, distance) / max(len(usual), 1), np.nan)
    batch = fit_batch(batch, Domain.from_weights(runner.loaded))
    arrays["warn"] = np.array(batch.flags, np.int64)
    contained = Containment(batch, arrays["warn"], single=False)
    pixels = {name: [np.zeros(0)] * len(batch) for name in ("wavelength", "flux", "expected", "deviation")}
    if surprise:
        for i, found in contained.run(lambda part, _: _compare_pixels(part, runner, progress)):
            for name, values in found.items():
                pixels[name][i] = values
            deviation = found["deviation"]
            arrays["surprise"][i] = np.sqrt(np.mean(np.clip(deviation, -MOST_SIGMA, MOST_SIGMA) ** 2))
            smooth = uniform_filter1d(deviation, WINDOW)
            oddest = np.abs(smooth).argmax()
            arrays["odd_wavelength"][i], arrays["odd_sigma"][i] = found["wavelength"][oddest], smooth[oddest]
    arrays["message"] = np.array(contained.messages, dtype=str)
    call = word_call("outlier_score", k=k, surprise=surprise, weights=weights, medium=medium, resolution=resolution)
    table = make_table(COLUMNS, arrays, make_provenance(runner.loaded, call))
    return OutlierScores(table, **pixels) if surprise else OutlierScores(table)


def _find_reference(reference, vectors, runner, options):
    """Vectors that are usual, and whether they are those of the spectra themselves."""
    if reference is None:
        known, own = vectors, True
    elif isinstance(reference, SpectrumIndex):
        found = digest_backbone(runner.network)
        if found != reference.backbone.get("sha256"):
            name = repr(reference.backbone.get("name", "none yet"))
            msg = (
                f"weights must be those of the index, {name}; got {runner.loaded.name!r} with the backbone {found[:12]}"
            )
            raise WeightsError(msg)
        known, own = reference.vectors, False
    else:
        known, own = scale_vectors(embed(SpectrumSet(reference).batch, **options)), False
    return known, own


def _measure_distances(vectors, known, own, k):
    """Distance (n,) of each from its nearest, and the usual ones in the reference, sorted."""
    # an index may lie on the disk: it is read in blocks, and what could not be used is passed over there
    rows = np.flatnonzero(np.isfinite(known[:, :1]).all(1))
    if len(rows) < k + 1:
        what = "without a reference, obj" if own else "reference"
        msg = f"{what} must hold more than k={k} spectra that can be used; got {len(rows)}; give more, or a smaller k"
        raise ValueError(msg)
    rows = np.random.default_rng(0).permutation(rows)[:MOST_SAMPLED]
    usual = np.sort(_nearest(np.asarray(known[np.sort(rows)]), known, k, skip=1))
    return _nearest(vectors, known, k, skip=int(own)), usual


def _nearest(vectors, known, k, skip):
    """Mean of 1 - cosine to the nearest, without the first ``skip``, which is the spectrum itself."""
    out = np.full(len(vectors), np.nan)
    for start in range(0, len(vectors), 256):
        part = vectors[start : start + 256]
        best = np.full((len(part), 0), np.inf)
        for first in range(0, len(known), 2**16):
            distance = 1 - part @ np.asarray(known[first : first + 2**16]).T
            distance = np.where(np.isnan(distance), np.inf, distance)
            best = np.sort(np.concatenate([best, distance], axis=1), axis=1)[:, : k + skip]
        out[start : start + 256] = np.maximum(best[:, skip:].mean(1), 0)
    return np.where(np.isfinite(out), out, np.nan)


def _find_contrast(expected):
    """How far what is expected of pixels (n,) is from its continuum, there or a few pixels away."""
    contrast = np.abs(expected - median_filter(expected, CONTINUUM, mode="nearest"))
    return maximum_filter1d(contrast, WINDOW)


def _compare_pixels(batch, runner, progress):
    """Yield for each spectrum what its pixels are, and what they are expected to be when they are hidden."""
    good = [batch.ivar[batch.pixels(i)] > 0 for i in range(len(batch))]
    expected = [np.full(len(g), np.nan) for g in good]
    sigma = [np.full(len(g), np.nan) for g in good]
    for part in range(PARTS):
        hidden = [(np.arange(len(g)) // STRETCH % PARTS == part) & g for g in good]
        shown = np.concatenate([np.zeros(0, bool), *(g & ~h for g, h in zip(good, hidden, strict=True))])
        masked = replace(batch, ivar=np.where(shown, batch.ivar, 0).astype(np.float32))
        wanted = [i for i in range(len(batch)) if (good[i] & ~hidden[i]).sum() >= MIN_GOOD_PIXELS and hidden[i].any()]
        for j, encoded in runner.encode(masked.take(np.array(wanted, int)), progress=progress):
            i = wanted[j]
            x = np.log(batch.wavelength[batch.grid(i)][hidden[i]])
            flux, error = runner.decode(
                encoded.values, encoded.geometry, encoded.good, x, shown=encoded.shown, solutions=encoded.solutions
            )
            factor = encoded.scale / batch.scale[i]
            expected[i][hidden[i]], sigma[i][hidden[i]] = flux * factor, error * factor
    for i in range(len(batch)):
        known = good[i] & np.isfinite(expected[i])
        if known.any():
            flux = batch.flux[batch.pixels(i)][known].astype(float)
            variance = sigma[i][known] ** 2 + 1 / batch.ivar[batch.pixels(i)][known]
            variance += (LINE_SHARE * _find_contrast(expected[i][known])) ** 2
            scale = np.median(np.abs(flux)) or 1.0
            yield (
                i,
                {
                    "wavelength": batch.wavelength[batch.grid(i)][known],
                    "flux": flux / scale,
                    "expected": expected[i][known] / scale,
                    "deviation": (flux - expected[i][known]) / np.sqrt(variance),
                },
            )
