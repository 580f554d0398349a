# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loaders for echelle orders with the wavelength polynomials of their header: HARPS (e2ds), APERO, HIRES (MAKEE)."""

import numpy as np

from astro_spectok.spectra.loaders._draft import Draft, build_spectra
from astro_spectok.spectra.loaders._formats import register_format

__all__ = ["read_apero", "read_e2ds", "read_makee"]


#: of HARPS, HARPS-N, SOPHIE
_OBSERVATORIES = ("ESO", "TNG", "OHP")


def _prefix(header):
    """The observatory whose keywords the wavelengths stand in, or None."""
    return next((one for one in _OBSERVATORIES if f"{one} DRS CAL TH COEFF LL0" in header), None)


def _is_e2ds(source):
    first = source.raw[0]
    return len(first.shape) == 2 and any(f"{one} DRS CAL TH COEFF LL0" in first.text for one in _OBSERVATORIES)


@register_format("HARPS e2ds", sniff=_is_e2ds)
def read_e2ds(source, options):
    """Read the orders of a HARPS, HARPS-N or SOPHIE e2ds file, in air, by the published layout: it met no real file."""
    header, data = source.header, source.hdulist[0].data
    key = f"{_prefix(header)} DRS CAL TH "
    degree = int(header[key + "DEG LL"])
    pixel = np.arange(data.shape[1], dtype=float)
    spectra = []
    for order, flux in enumerate(data):
        terms = [float(header[f"{key}COEFF LL{order * (degree + 1) + k}"]) for k in range(degree + 1)]
        draft = Draft(
            np.polynomial.polynomial.polyval(pixel, terms), flux, None, None, "Angstrom", "electron",
            header=header, meta={"order": order, "medium": "air"},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra


def _find_apero(source):
    """Number of the HDU of orders whose wavelengths are coefficients as APERO has them, or None."""
    for raw in source.raw:
        cards = raw.cards if "WAVE0000" in raw.cards else source.raw[0].cards
        if len(raw.shape) == 2 and "WAVE0000" in cards and cards.get("WAVEORDN") == str(raw.shape[0]):
            return raw.number
    return None


@register_format("APERO e2ds", sniff=lambda source: _find_apero(source) is not None)
def read_apero(source, options):
    """
    Read the orders of an e2ds or e2dsff file of APERO (SPIRou, NIRPS), in vacuum and nm.

    Coefficients are those of Chebyshev polynomials over all pixels, or, before 2022, of powers of the pixel; the card
    WAVEPOLY says which, or their size. Written by the published layout (Cook et al. 2022, PASP 134, 114509); no real
    file was met.
    """
    hdu = source.hdulist[_find_apero(source)]
    header = hdu.header if "WAVE0000" in hdu.header else source.header
    n_order, n_pixel = hdu.data.shape
    count = int(header["WAVEDEGN"]) + 1
    try:
        terms = np.array([float(header[f"WAVE{k:04d}"]) for k in range(n_order * count)]).reshape(n_order, count)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"has no {count} coefficients of wavelength for each of its {n_order} orders"
        raise source.refuse(reason, "give a file with an image of wavelengths") from error
    kind, pixel = str(header.get("WAVEPOLY", "")).strip().lower(), np.arange(n_pixel, dtype=float)
    slope = np.median(np.abs(terms[:, 1] / terms[:, 0])) if count > 1 else 0.0
    # the second coefficient: a half of an order of one or two per cent each, or the width of a pixel
    if kind.startswith("cheb") or (not kind and slope * n_pixel > 1):
        waves = np.polynomial.chebyshev.chebval(2 * pixel / n_pixel - 1, terms.T)
    else:
        waves = np.polynomial.polynomial.polyval(pixel, terms.T)
    spectra = []
    for order, (wave, flux) in enumerate(zip(waves, hdu.data, strict=True)):
        draft = Draft(
            wave, flux, None, None, "nm", header.get("BUNIT") or "ct", header=header,
            meta={"order": order, "medium": "vacuum"},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra


def _is_makee(source):
    return len(source.raw[0].shape) == 2 and "WV_0_01" in source.raw[0].cards


@register_format("Keck MAKEE", sniff=_is_makee)
def read_makee(source, options):
    """
    Read the orders of a spectrum that MAKEE extracted (HIRES, ESI), in vacuum: polynomials of degree 7.

    Written by the published layout; no real file was met.
    """
    header, data = source.header, np.atleast_2d(source.hdulist[0].data)
    pixel = header.get("CRVAL1", 0.0) + header.get("CDELT1", 1.0) * np.arange(data.shape[1])
    spectra = []
    for order, flux in enumerate(data, start=1):
        terms = [float(word) for k in (0, 4) for word in str(header.get(f"WV_{k}_{order:02d}", "")).split()]
        if not terms:
            continue
        draft = Draft(
            np.polynomial.polynomial.polyval(pixel, terms), flux, None, None, "Angstrom", header.get("BUNIT") or "ct",
            header=header, meta={"order": order, "medium": "vacuum"},
        )  # fmt: skip
        spectra += build_spectra(draft, source, options)
    return spectra
