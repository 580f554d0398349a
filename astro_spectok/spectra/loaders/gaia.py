# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for Gaia: XP spectra sampled by GaiaXPy, and XP and RVS as the archive serves them raw."""

import csv
import io
import re

import numpy as np

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._text_block import read_block

__all__ = ["read_gaia_csv", "read_gaia_fits", "read_gaia_single"]

#: wavelengths in nm (vacuum) that the archive and GaiaXPy sample by default, by their number
_SAMPLINGS = {
    343: np.arange(336.0, 1021.0, 2.0),
    2401: 846.0 + 0.01 * np.arange(2401),
    2400: 846.0 + 0.01 * np.arange(2400),
}
_XP_UNIT = "W/(m2 nm)"


def _is_one_csv(source):
    return re.match(r"(XP_SAMPLED|RVS|MCMC)\W*Gaia", source.name, re.IGNORECASE) is not None and source.head.startswith(
        "wavelength,flux"
    )


@register_format("Gaia single CSV", kind="text", sniff=_is_one_csv)
def read_gaia_single(source, options):
    """Read one Gaia spectrum as DataLink serves it: wavelength in nm (vacuum), flux, flux_error, by the file's name."""
    block = read_block(source.text)
    columns = [block.numbers[:, block.names.index(name)] if name in block.names else None
               for name in ("wavelength", "flux", "flux_error")]  # fmt: skip
    unit = "relative" if source.name.upper().startswith("RVS") else _XP_UNIT
    return build_spectra(Draft(*columns, None, "nm", unit, "err", True, meta={"medium": "vacuum"}), source, options)


def _drop_remarks(text):
    """A text without the lines that the archive's bulk files have above the names of their columns (ECSV)."""
    while text.startswith("#"):
        text = text.partition("\n")[2]
    return text


def _is_csv(source):
    first, _, rest = _drop_remarks(source.head).partition("\n")
    names = [name.strip().strip('"').lower() for name in first.split(",")]
    if "bp_coefficients" in names or "rp_coefficients" in names:
        return True
    return "flux" in names and ("source_id" in names) and re.search(r"[\[(]\s*[-+\d.ni]", rest[:400]) is not None


def _parse_array(text):
    """The numbers of a field such as ``"(1, 2, nan)"``."""
    text = text.strip().strip("[]()").replace("masked", "nan").replace("None", "nan").replace("--", "nan")
    return np.array([float(word) for word in re.split(r"[,\s]+", text.strip()) if word])


def _make_draft(source, flux, error, sampling, source_id):
    if sampling is None:
        sampling = _SAMPLINGS.get(flux.shape[-1])
    if sampling is None or sampling.shape[-1] != flux.shape[-1]:
        raise source.refuse(
            f"has {flux.shape[-1]} samples of flux without wavelengths (343 are known: 336 to 1020 nm)",
            "add a column wavelength",
        )
    calibrated = flux.shape[-1] not in (2400, 2401)
    return Draft(
        sampling, flux, error, None, "nm", _XP_UNIT if calibrated else "relative", "err", True, name=source_id,
        meta={"medium": "vacuum"},
    )  # fmt: skip


def _refuse_coefficients(source):
    return source.refuse("holds Gaia XP coefficients, not sampled spectra", "sample them first: gaiaxpy.calibrate")


@register_format("Gaia CSV", kind="text", sniff=_is_csv)
def read_gaia_csv(source, options):
    """
    Read Gaia spectra from a CSV file with one source per row: XP sampled (GaiaXPy, archive), RVS.

    A column ``wavelength`` of arrays, in nm, is used where it is there, else the sampling that is known by its number.
    """
    csv.field_size_limit(2**27)
    spectra, rows = [], list(csv.DictReader(io.StringIO(_drop_remarks(source.text))))
    names = {name.lower(): name for name in rows[0]} if rows else {}
    if "flux" not in names:
        raise _refuse_coefficients(source)
    for row in rows:
        flux = _parse_array(row[names["flux"]])
        error = _parse_array(row[names["flux_error"]]) if "flux_error" in names else None
        own = next((names[name] for name in ("wavelength", "sampling", "wavelengths") if name in names), None)
        sampling = None if own is None else _parse_array(row[own])
        error = error if error is not None and error.shape == flux.shape else None
        draft = _make_draft(source, flux, error, sampling, str(row.get(names.get("source_id", ""), "")))
        spectra += build_spectra(draft, source, options)
    return spectra


def _is_fits(source):
    table = source.raw[1]
    names = {name.lower(): number for number, name in enumerate(table.names, start=1)}
    if "bp_coefficients" in names:
        return True
    return (
        "source_id" in names
        and not set(names) & {"wavelength", "wave", "lambda"}
        and re.match(r"(343|240[01])[DE]", table.cards[f"TFORM{names['flux']}"]) is not None
    )


@register_format("Gaia FITS", sniff=_is_fits)
def read_gaia_fits(source, options):
    """Read Gaia spectra, one source per row, from FITS; written by the published layout, no real file was met."""
    data, names = source.extension.data, {name.lower(): name for name in source.extension.columns.names}
    if "flux" not in names:
        raise _refuse_coefficients(source)
    spectra = []
    for row in data:
        flux = np.asarray(row[names["flux"]], float)
        error = np.asarray(row[names["flux_error"]], float) if "flux_error" in names else None
        draft = _make_draft(source, flux, error, None, str(row[names["source_id"]]))
        spectra += build_spectra(draft, source, options)
    return spectra
