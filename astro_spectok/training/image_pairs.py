# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated pairs of a spectrum and an image of each object, as a folder in the layout of the Multimodal Universe."""

from pathlib import Path

import numpy as np

from astro_spectok.simulate import CLASSES, Survey
from astro_spectok.training.image_shapes import SURVEYS, draw_shapes
from astro_spectok.training.image_stamps import draw_stamps
from astro_spectok.training.photometry_draws import measure_filters
from astro_spectok.training.photometry_pairs import find_truth
from astro_spectok.utils.atomic import replace_file
from astro_spectok.utils.constants import FWHM_PER_SIGMA
from astro_spectok.utils.optional import import_optional

__all__ = ["FAMILIES", "draw_image_pairs", "write_image_pairs"]

#: what is drawn where nothing else is asked for
FAMILIES, INSTRUMENTS, SNR = ("galaxies", "quasars", "stars"), ("sdss", "boss", "desi"), (3.0, 30.0)
#: objects drawn at a time, each such part a file
CHUNK = 100
#: draws in a row of which the survey sees none
MOST_TRIES = 20
#: objects drawn at once at least: a few at a time cost more
LEAST = 8
#: what pads short spectra, where not 0
FILL = {"spectrum_lambda": -1.0, "spectrum_mask": True, "spectrum_lsf_sigma": 1.0}


def draw_image_pairs(n, seed, survey, imaging, *, size=32):
    """Draw objects until a survey has seen ``n`` of them, an image and a spectrum of each.

    Parameters
    ----------
    n : int
    seed : sequence of int
    survey : `~astro_spectok.simulate.Survey`
        Of the spectra; objects that are too faint for the images are left out.
    imaging : `~astro_spectok.training.image_shapes.ImagingSurvey`
    size : int, optional
        Height and width of the images in pixels.

    Returns
    -------
    dict of str to ndarray
        Columns of `write_image_pairs`, a row for each object.

    Raises
    ------
    ValueError
        The survey sees none of the objects.
    ImportError
        GalSim is not installed.
    """
    parts, number, tries, drawn = [], 0, 0, 0
    while number < n and tries < MOST_TRIES:
        part = _draw_some(max(n - number, LEAST), [*seed, drawn], survey, imaging, size)
        tries, drawn = 0 if part else tries + 1, drawn + 1
        if part:
            parts.append(part)
            number += len(part["Z"])
    if number < n:
        msg = f"families must hold objects that {imaging.name} sees, brighter than {imaging.limit} in r; got none"
        raise ValueError(msg)
    return {name: values[:n] for name, values in _join(parts).items()}


def _draw_some(n, seed, survey, imaging, size):
    """Columns of at most as many objects, those that are seen; None without any."""
    parts, names = [], list(imaging.filters)
    for k, group in enumerate(survey.draw(n, seed)):
        objects, rng = group.objects, np.random.default_rng([*seed, 3, k])
        truth = find_truth(objects, seed, k)
        flux = measure_filters(truth, objects.cls.numpy(), names).flux.astype(np.float64)
        shapes = draw_shapes(objects, truth, flux, imaging, rng)
        if not shapes.kept.any():
            continue
        stamps = draw_stamps(shapes, imaging, size, rng)
        parts.append(_describe(group, shapes, stamps, imaging) | _list_pixels(group.observations[0], shapes.kept))
    return _join(parts) if parts else None


def _join(parts):
    """Columns of several parts as one; spectra are padded to the longest."""
    widest, out = max(part["spectrum_lambda"].shape[1] for part in parts), {}
    for name in parts[0]:
        values = [part[name] for part in parts]
        if name.startswith("spectrum_"):
            widths = [((0, 0), (0, widest - x.shape[1])) for x in values]
            values = [np.pad(x, w, constant_values=FILL.get(name, 0)) for x, w in zip(values, widths, strict=True)]
        out[name] = np.concatenate(values)
    return out


def _describe(group, shapes, stamps, imaging):
    """Images and what is known of the objects, those that are kept."""
    kept, objects = shapes.kept, group.objects
    n, size = len(stamps["image"]), stamps["image"].shape[-1]
    reference = imaging.reference
    bulge, disc = shapes.bulge[kept, reference], shapes.disc[kept, reference]
    out = {
        "image_flux": stamps["image"],
        "image_band": np.tile(np.array(imaging.bands, "S8"), (n, 1)),
        "image_ivar": np.broadcast_to(stamps["ivar"][..., None, None], (n, len(imaging.bands), size, size)),
        "image_psf_fwhm": stamps["fwhm"],
        "image_scale": np.full((n, len(imaging.bands)), imaging.scale, np.float32),
        "Z": objects.z.numpy()[kept],
        "spectype": np.array(CLASSES, "S8")[objects.cls.numpy()[kept]],
        "kind": np.array(objects.kind, "S32")[kept],
        "snr": group.snr[0].numpy()[kept],
        "radius": np.where(bulge + disc > 0, shapes.radius[kept], 0).astype(np.float32),
        "bulge_share": np.where(bulge + disc > 0, bulge / np.maximum(bulge + disc, 1e-9), 0).astype(np.float32),
        "axis_ratio": shapes.disc_ratio[kept].astype(np.float32),
    }
    for b, band in enumerate(imaging.bands):
        out[f"FLUX_{band.upper()}"], out[f"FLUX_IVAR_{band.upper()}"] = stamps["flux"][:, b], stamps["flux_ivar"][:, b]
    return out


def _list_pixels(seen, kept):
    """Pixels of the spectra that are kept, as columns."""
    rows = np.flatnonzero(kept)
    ln, flux, ivar, resolution, present = (
        getattr(seen, name)[rows].numpy() for name in ("ln_wavelength", "flux", "ivar", "resolution", "present")
    )
    width = np.gradient(ln, axis=1)
    sigma = 1 / (FWHM_PER_SIGMA * np.maximum(resolution, 1e-9) * np.maximum(width, 1e-12))  # pixels
    return {
        "spectrum_lambda": np.where(present, np.exp(ln), FILL["spectrum_lambda"]),
        "spectrum_flux": np.where(present, flux, 0).astype(np.float32),
        "spectrum_ivar": np.where(present, ivar, 0).astype(np.float32),
        "spectrum_mask": ~present | (ivar <= 0),
        "spectrum_lsf_sigma": np.where(present & (resolution > 0), sigma, 1).astype(np.float32),
    }


def write_image_pairs(
    folder, n, *, imaging="legacy", data=None, seed=0, families=None, instruments=None, snr=None, size=32, report=None
):
    """Write simulated pairs as HDF5 files of 100; those that are there are left as they are.

    Parameters
    ----------
    folder : path-like
    n : int
        Pairs.
    imaging : str, optional
        Name out of `~astro_spectok.training.image_shapes.SURVEYS`.
    data : path-like, optional
        Directory of the public template sets; without, templates are analytic.
    seed : int, optional
        The same seed gives the same pairs.
    families, instruments, snr : optional
        As of `~astro_spectok.simulate.Survey`: of galaxies, quasars, stars; what spectra are seen through; the range of
        their signal-to-noise ratio.
    size : int, optional
        Height and width of the images in pixels.
    report : callable, optional
        Is given a text now and then.

    Returns
    -------
    list of `~pathlib.Path`

    Raises
    ------
    TypeError, ValueError
        An option is out of range; the message names it.
    ImportError
        GalSim or h5py is not installed.

    Notes
    -----
    Datasets are those of the Multimodal Universe: ``object_id``, ``spectrum_lambda`` (vacuum Angstrom), ``_flux``,
    ``_ivar``, ``_mask``, ``_lsf_sigma`` (pixels), ``image_flux`` (n, bands, size, size) in nanomaggies, ``_band``,
    ``_ivar``, ``_psf_fwhm``, ``_scale`` (arcsec); and ``FLUX_G`` and the like with ``FLUX_IVAR_G``, ``Z``,
    ``spectype``, ``kind``, ``snr``, ``radius``, ``bulge_share`` and ``axis_ratio``. An attribute ``simulated`` says
    that they are, and ``filters`` names the filters of the bands.
    """
    h5py = import_optional("h5py", "Folders of pairs need h5py", "images")
    import_optional("galsim", "Simulated images need GalSim", "images")
    for name, value, least in (("n", n, 1), ("size", size, 16)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            msg = f"{name} must be an integer of {least} or more; got {value!r}"
            raise ValueError(msg)
    if imaging not in SURVEYS:
        msg = f"imaging must be one of {', '.join(SURVEYS)}; got {imaging!r}"
        raise ValueError(msg)
    families = FAMILIES if families is None else tuple(families)
    if not set(families) <= set(FAMILIES):
        msg = (
            f"families must be out of {', '.join(FAMILIES)} where images are made; got {', '.join(map(str, families))}"
        )
        raise ValueError(msg)
    instruments = INSTRUMENTS if instruments is None else tuple(instruments)
    survey, folder, paths = None, Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    about = {"simulated": True, "survey": imaging, "seed": seed, "families": ", ".join(families)}
    about["filters"] = ", ".join(SURVEYS[imaging].filters)
    for k in range(-(-n // CHUNK)):
        number = min(CHUNK, n - k * CHUNK)
        path = folder / f"{imaging}-{'-'.join(families)}-{seed}-{k:04d}-{number}-{size}.hdf5"
        paths.append(path)
        if path.is_file():
            continue
        if survey is None:
            survey = Survey(data, families=families, instruments=instruments, snr=SNR if snr is None else snr)
        columns = draw_image_pairs(number, [seed, k], survey, SURVEYS[imaging], size=size)
        names = np.array([f"{imaging}-{'-'.join(families)}-{seed}-{k * CHUNK + i}" for i in range(number)], "S")
        with replace_file(path) as partial, h5py.File(partial, "w") as file:
            file.attrs.update(about)
            file["object_id"] = names
            for name, values in columns.items():
                packed = {"compression": "gzip", "compression_opts": 1} if values.ndim > 1 else {}
                file.create_dataset(name, data=values, **packed)
        if report:
            report(f"{k * CHUNK + number} pairs")
    return paths
