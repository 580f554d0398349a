# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for supernovae: SNID templates (.lnw) and the Open Supernova Catalog's json."""

import json

import numpy as np
from scipy.interpolate import CubicSpline

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._refusal import UnreadableFileError

__all__ = ["read_open_catalog", "read_snid"]


def _is_snid(source):
    fields = source.head.split("\n", 1)[0].split()
    return (
        len(fields) >= 8 and fields[0].isdigit() and fields[1].isdigit() and int(fields[1]) >= 64
        and 500 < float(fields[2]) < float(fields[3]) < 1e5 and fields[4].isdigit()
    )  # fmt: skip


def _restore_continuum(flat, knots, mean, used):
    """Flux of a template, from its flattened flux and the knots of log10 continuum over log10 of the pixel."""
    knots = knots[knots[:, 0] > 0]
    if len(knots) < 4 or not np.all(np.diff(knots[:, 0]) > 0):
        return flat + 1
    place = np.log10(np.arange(1, len(flat) + 1, dtype=float))
    # beyond the outer knots the continuum stays level: a cubic would run away
    level = CubicSpline(knots[:, 0], knots[:, 1], bc_type="natural")(np.clip(place, knots[0, 0], knots[-1, 0]))
    return np.where(used, (flat + 1) * 10.0 ** (level + mean), 0.0)


@register_format("SNID template", kind="text", sniff=_is_snid)
def read_snid(source, options):
    """
    Read the spectra of a SNID template (.lnw): one for each phase, at rest, their continuum put back from its spline.

    Pixels outside an observed range, which are 0 in the file, are masked; ``meta['phase']`` is in days. Flux is
    relative and without errors.
    """
    lines = [line.split() for line in source.text.split("\n") if line.strip()]
    try:
        count, n_pixel, n_knots = int(lines[0][0]), int(lines[0][1]), int(lines[0][4])
        name, kind = lines[0][5], lines[0][7]
        means = np.array(lines[1][1:], float).reshape(-1, 2)[:, 1]
        knots = np.array([row[1:] for row in lines[2 : 2 + n_knots]], float).reshape(n_knots, count, 2)
        phases = np.array(lines[2 + n_knots][1:], float)
        block = np.array(lines[3 + n_knots : 3 + n_knots + n_pixel], float)
    except (IndexError, ValueError) as error:
        raise source.refuse(f"is a SNID template that is incomplete: {error}", "fetch it again") from error
    if block.shape != (n_pixel, count + 1) or len(phases) != count:
        raise source.refuse("is a SNID template whose numbers do not fit its first line", "fetch it again")
    spectra = []
    for k in range(count):
        flat = block[:, k + 1]
        used = np.zeros(n_pixel, bool)
        filled = np.flatnonzero(flat)
        if len(filled):
            used[filled[0] : filled[-1] + 1] = True
        flux = _restore_continuum(flat, knots[:, k], means[k], used)
        draft = Draft(
            block[:, 0], flux, None, ~used, "Angstrom", None, name=f"{name} {phases[k]:+.1f} d",
            meta={"phase": float(phases[k]), "type": kind, "rest_frame": True, "joinable": False},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra


def _is_json(source):
    return source.head.lstrip()[:1] in ("{", "[") and '"spectra"' in source.text and '"data"' in source.text


@register_format("Open Supernova Catalog", kind="text", sniff=_is_json)
def read_open_catalog(source, options):
    """
    Read the spectra of an object in the json of the Open Supernova Catalog: wavelength, flux, perhaps errors.

    Written by the published layout; no real file was met. ``meta`` holds time, instrument and whether the file took the
    redshift out.
    """
    try:
        content = json.loads(source.text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise source.refuse(f"is no valid json: {error}", "fetch it again") from error
    entries = content.items() if isinstance(content, dict) and "spectra" not in content else [("", content)]
    spectra, problem = [], None
    for name, entry in entries:
        if not isinstance(entry, dict):
            continue
        for one in entry.get("spectra", []):
            try:
                rows = [[float(value) for value in row[:3]] for row in one["data"]]
                block = np.array([row + [np.nan] * (3 - len(row)) for row in rows])
            except (KeyError, TypeError, ValueError):
                problem = "a spectrum is no list of wavelength and flux"
                continue
            sigma = block[:, 2] if np.isfinite(block[:, 2]).any() and one.get("u_errors") != "" else None
            meta = {key: one[key] for key in ("time", "u_time", "instrument", "telescope", "filename") if key in one}
            meta["rest_frame"] = bool(one.get("deredshifted", False))
            draft = Draft(
                block[:, 0], block[:, 1], sigma, None, one.get("u_wavelengths"), one.get("u_fluxes"),
                name=f"{name} {one.get('time', '')}".strip(), meta=meta,
            )  # fmt: skip
            try:
                spectra += build_spectra(draft, source, options)
            except UnreadableFileError as refused:
                problem = str(refused)
    if not spectra:
        raise source.refuse(problem or "is a json without spectra", "give wavelength and flux in columns")
    return spectra
