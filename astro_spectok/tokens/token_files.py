# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens to a table and back: one row per token, what is common to a spectrum in the table's metadata."""

import base64
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.spectra import SpectrumInfo
from astro_spectok.utils.writing import find_format, write_table

__all__ = ["read_tokens", "write_tokens"]

_KEY = "SPECTOK"
_FORMAT = 1


def _info_to_dict(info):
    values = {f.name: getattr(info, f.name) for f in fields(info)}
    for name in ("spectral_unit", "flux_unit"):
        values[name] = values[name].to_string()
    if info.doppler_rest is not None:
        values["doppler_rest"] = [float(info.doppler_rest.value), info.doppler_rest.unit.to_string()]
    return values


def _info_from_dict(values):
    values = dict(values)
    for name in ("spectral_unit", "flux_unit"):
        values[name] = u.Unit(values[name], parse_strict="silent")
    if values["doppler_rest"] is not None:
        number, unit = values["doppler_rest"]
        values["doppler_rest"] = number * u.Unit(unit)
    # tuples are lists in JSON
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return SpectrumInfo(**values)


def _to_text(embedding):
    """A vector as text, where there is one: it is made of pixels, too, which tokens do not hold."""
    return None if embedding is None else base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode()


def _from_text(text):
    """Inverse of `_to_text`; None of None, for files that were written earlier."""
    return None if text is None else np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)


def write_tokens(tokens, path, *, overwrite=False):
    """Write a sequence of `~astro_spectok.SpectralTokens` to a table; the format follows from the name of ``path``."""
    find_format(path, lossless=True)
    width = max((t.shape[1] for t in tokens), default=0)
    spectra = [
        {"info": _info_to_dict(t.info), "meta": t.meta, "scale": float(t.scale), "n_tokens": len(t)}
        | {"embedding": _to_text(t._embedding)}
        | ({} if t.good_pixels is None else {"patch": t.good_pixels.shape[1], "solutions": t.solutions})
        for t in tokens
    ]
    table = QTable({"spectrum": np.repeat(np.arange(len(tokens)), [len(t) for t in tokens])})
    used = [t for t in tokens if len(t)]
    if used:  # ECSV cannot read columns of arrays that have no rows
        if "axis" in used[0].meta:
            table["axis"] = np.concatenate([t.wavelength for t in used])
        else:
            table["wavelength_vacuum"] = np.concatenate([np.exp(t.geometry[:, 0]) for t in used]) * u.AA
        table["geometry"] = np.concatenate([t.geometry for t in used])
        table["mask"] = np.concatenate([t.mask for t in used])
        table["values"] = np.concatenate([t.values for t in used])
        _add_explicit(table, used)
    content = json.dumps({"format": _FORMAT, "width": width, "spectra": spectra})
    table.meta[_KEY] = content.replace("'", "\\u0027")  # quotes in long texts are not safe in FITS
    write_table(table, path, overwrite=overwrite)


def _add_explicit(table, tokens):
    """Columns of what tokens say of their pixels, where any does: good ones as bits, noise, resolution, and flux."""
    patch = max((t.good_pixels.shape[1] for t in tokens if t.good_pixels is not None), default=0)
    if not patch:
        return
    rows = []
    for t in tokens:
        bits, numbers = np.zeros((len(t), patch), bool), np.full((2, len(t)), np.nan, np.float32)
        if t.good_pixels is not None:
            bits[:, : t.good_pixels.shape[1]] = t.good_pixels
            numbers[:] = t.noise, t.resolution
        rows.append((np.packbits(bits, axis=1), *numbers))
    for name, values in zip(("good_pixels", "noise", "resolution"), zip(*rows, strict=True), strict=True):
        table[name] = np.concatenate(values)
    if size := max((t.unfiltered.shape[1] for t in tokens if t.unfiltered is not None), default=0):
        unknown = np.full(size, np.nan, np.float32)
        table["unfiltered"] = np.concatenate([
            np.tile(unknown, (len(t), 1)) if t.unfiltered is None else t.unfiltered for t in tokens
        ])  # fmt: skip


def _read_explicit(table, rows, spectrum):
    """The same of one spectrum, as arguments of `~astro_spectok.SpectralTokens`; {} where the file does not hold it."""
    if "patch" not in spectrum or "good_pixels" not in table.colnames:
        return {}
    bits = np.unpackbits(np.array(table["good_pixels"][rows], np.uint8), axis=1)
    found = {}
    if "unfiltered" in table.colnames:
        unfiltered = np.array(table["unfiltered"][rows], np.float32)
        found = {"unfiltered": None if np.isnan(unfiltered).any() else unfiltered}
    return found | {
        "good_pixels": bits[:, : spectrum["patch"]].astype(bool),
        "noise": np.array(table["noise"][rows], np.float32),
        "resolution": np.array(table["resolution"][rows], np.float32),
        "solutions": tuple((str(cls), float(shift), float(p)) for cls, shift, p in spectrum["solutions"]),
    }


def read_tokens(path, *, weights=None, device="auto"):
    """Read what `write_tokens` wrote, with a decoder for the weights that each spectrum names.

    Parameters
    ----------
    path : str or path-like
    weights, device
        As for `~astro_spectok.SpectralTokens.read`.

    Returns
    -------
    list of dict
        For each spectrum the arguments of `~astro_spectok.SpectralTokens`.

    Raises
    ------
    ValueError
        The file holds something else, or has been written by a newer version.
    """
    path = Path(path)
    table = QTable.read(path, format=find_format(path, lossless=True))
    if _KEY not in table.meta:
        msg = f"path: {path} holds no tokens; write them with SpectralTokens.write"
        raise ValueError(msg)
    content = json.loads(table.meta[_KEY])
    if content["format"] != _FORMAT:
        msg = f"path: {path} has format {content['format']}, this version reads {_FORMAT}; upgrade astro_spectok"
        raise ValueError(msg)
    from astro_spectok.engine import TokenDecoder

    out, start, decoders = [], 0, {}
    for spectrum in content["spectra"]:
        n = spectrum["n_tokens"]
        rows = slice(start, start + n)
        start = rows.stop
        meta = spectrum["meta"]
        digest = meta.get("weights_sha256")
        if digest not in decoders:  # one for all, so that the network is loaded once
            source = meta["weights_source"] if weights is None else weights
            decoders[digest] = TokenDecoder(source, meta["weights_sha256"], device)
        out.append(
            {
                "values": np.array(table["values"][rows] if n else np.zeros((0, content["width"])), np.float32),
                "geometry": np.array(table["geometry"][rows] if n else np.zeros((0, 3)), np.float64),
                "mask": np.array(table["mask"][rows] if n else [], bool),
                "scale": spectrum["scale"],
                "info": _info_from_dict(spectrum["info"]),
                "meta": meta,
                "decoder": decoders[digest],
                "_embedding": _from_text(spectrum.get("embedding")),
            }
            | (_read_explicit(table, rows, spectrum) if n else {})
        )
    return out
