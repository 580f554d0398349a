# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stamps of simulated objects through the optics and the sky of a survey, and their photometry."""

import numpy as np

from astro_spectok.utils.optional import import_optional

__all__ = ["draw_stamps"]

#: exponent of the point-spread function (Moffat), scatter of its width from field to field and from band to band
MOFFAT, FIELD, BAND = 3.5, 0.12, 0.03
#: standard deviation of zero points in magnitudes, of ln(noise) from field to field
ZERO_POINT, NOISE = 0.02, 0.1
#: magnitude of a flux of 1: nanomaggies
UNIT = 22.5
#: axis ratio below which bulge and disc are no thinner, share of the flux below which a component is left out
THINNEST, LEAST = 0.1, 1e-4


def draw_stamps(shapes, survey, size, rng):
    """Draw stamps of objects, those that are kept.

    Parameters
    ----------
    shapes : `~astro_spectok.training.image_shapes.Shapes`
    survey : `~astro_spectok.training.image_shapes.ImagingSurvey`
    size : int
        Height and width in pixels.
    rng : `numpy.random.Generator`

    Returns
    -------
    dict of str to ndarray
        ``image`` (m, B, size, size) float32 in nanomaggies with noise; ``ivar`` (m, B) of its pixels; ``fwhm`` (m, B)
        of the point-spread function; ``flux`` and ``flux_ivar`` (m, B): the flux that the true profile has in the
        image, so that no photometry of the same image does better.

    Raises
    ------
    ImportError
        GalSim is not installed.

    References
    ----------
    Rowe et al. 2015, Astronomy and Computing 10, 121 (GalSim).
    """
    galsim = import_optional("galsim", "Simulated images need GalSim", "images")
    rows, bands = np.flatnonzero(shapes.kept), len(survey.bands)
    out = {name: np.zeros((len(rows), bands), np.float32) for name in ("ivar", "fwhm", "flux", "flux_ivar")}
    out["image"] = np.zeros((len(rows), bands, size, size), np.float32)
    params = galsim.GSParams(folding_threshold=1e-2, maxk_threshold=5e-3, maximum_fft_size=8192)
    for k, i in enumerate(rows):
        sharp = np.exp(FIELD * rng.normal() + BAND * rng.normal(size=bands))
        place, noise = rng.uniform(-0.5, 0.5, 2), np.exp(NOISE * rng.normal())
        off = ZERO_POINT * rng.normal(size=bands)
        for b in range(bands):
            fwhm = survey.fwhm[b] * sharp[b]
            psf = galsim.Moffat(beta=MOFFAT, fwhm=fwhm, gsparams=params)
            flux = 10 ** (0.4 * (UNIT - shapes.magnitude[i, b] + off[b]))
            profile = _draw_profile(galsim, shapes, i, b, psf, params, size, survey.scale, place)
            # of a point source, whose noise is that of as many pixels as 1 / (sum of squares) says
            width = fwhm / 2.355
            sharpness = survey.scale**2 / (4 * np.pi * width**2)
            sigma = noise * 10 ** (0.4 * (UNIT - survey.depth[b])) / 5 * np.sqrt(sharpness)
            image = flux * profile + sigma * rng.normal(size=profile.shape)
            squares = (profile**2).sum()
            out["image"][k, b], out["ivar"][k, b], out["fwhm"][k, b] = image, sigma**-2, fwhm
            out["flux"][k, b], out["flux_ivar"][k, b] = (image * profile).sum() / squares, squares / sigma**2
    return out


def _draw_profile(galsim, shapes, i, b, psf, params, size, scale, place):
    """Image (size, size) of an object in a band without noise, of a flux of 1."""
    out = np.zeros((size, size))
    parts = (
        (shapes.point[i, b], None, 0, 1),
        (shapes.bulge[i, b], galsim.DeVaucouleurs, shapes.bulge_radius[i], shapes.bulge_ratio[i]),
        (shapes.disc[i, b], galsim.Exponential, shapes.disc_radius[i], shapes.disc_ratio[i]),
    )
    for share, kind, radius, ratio in parts:
        if share < LEAST:
            continue
        seen = psf
        if kind is not None:
            ratio = max(ratio, THINNEST)
            # radii are along the major axis; a shear keeps the area
            light = kind(half_light_radius=float(np.clip(radius, 0.05, 15) * np.sqrt(ratio)), gsparams=params)
            light = light.shear(q=float(ratio), beta=float(shapes.angle[i]) * galsim.radians)
            seen = galsim.Convolve(light, psf, gsparams=params)
        out += share * seen.drawImage(nx=size, ny=size, scale=scale, offset=tuple(place), dtype=float).array
    return out
