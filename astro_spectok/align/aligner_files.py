# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Aligners as files: what was learned, without the encoder of spectra, which they name by its digest."""

import os
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from astro_spectok.exceptions import WeightsError
from astro_spectok.version import __version__
from astro_spectok.weights.format import check_path, encode_texts, read_content, write_content

__all__ = ["ALIGNER_KEY", "read_aligner", "write_aligner"]

#: metadata key of what describes an aligner, as JSON
ALIGNER_KEY = "astro_spectok_aligner"
FORMAT = 1
#: what the description holds
PARTS = ("backbone", "domain", "settings", "validation", "card", "tower", "provenance")


def write_aligner(path, about, pair, tower, *, overwrite):
    """Write an aligner; the arguments are those of `~astro_spectok.align.ContrastiveAligner.save`."""
    path = check_path(path, overwrite=overwrite)
    if not isinstance(about["card"], str):
        msg = f"card must be text; got {type(about['card']).__name__}"
        raise TypeError(msg)
    config = getattr(tower, "config", None)
    known = {
        "class": type(tower).__name__,
        "config": asdict(config) if is_dataclass(config) and not isinstance(config, type) else None,
    }
    made = {"date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "version": __version__}
    made |= {"torch": str(torch.__version__)}
    content = about | {"format": FORMAT, "tower": known, "provenance": made}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in pair.state_dict().items()}
    return write_content(path, encode_texts({ALIGNER_KEY: content}), tensors, overwrite=overwrite)


def read_aligner(path, tower=None):
    """Description, tensors, and the tower with its parameters.

    Raises
    ------
    FileNotFoundError, WeightsError
    """
    path = Path(path).expanduser()
    if not path.is_file():
        msg = f"path must be a file that ContrastiveAligner.save wrote; got {os.fspath(path)!r}, where there is none"
        raise FileNotFoundError(msg)
    metadata, tensors = read_content(path, ALIGNER_KEY)
    about = metadata[ALIGNER_KEY]
    try:
        _check(about, tensors)
        tower = _make_tower(about["tower"], tower)
        own = {name.removeprefix("tower."): x for name, x in tensors.items() if name.startswith("tower.")}
        tower.load_state_dict(own)
    except WeightsError:
        raise
    except Exception as error:
        msg = f"The file {os.fspath(path)} cannot be used as an aligner: {type(error).__name__}: {error}"[:300]
        raise WeightsError(f"{msg}; write it again with ContrastiveAligner.save, or give the tower it is of") from error
    return about, tensors, tower


def _check(about, tensors):
    if about.get("format") != FORMAT or not set(PARTS) <= set(about):
        msg = f"format must be {FORMAT}, with {', '.join(PARTS)}; got {about.get('format')}"
        raise ValueError(msg)
    settings = about["settings"]
    for name in ("tower_size", "size", "queries", "hidden", "batch", "steps"):
        if type(settings[name]) is not int or not 0 < settings[name] <= 1e9:
            msg = f"{name} must be a positive integer; got {settings[name]!r}"
            raise ValueError(msg)
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor.float()).all()):
            msg = f"{name} must hold finite numbers"
            raise ValueError(msg)


def _make_tower(known, tower):
    """The tower that is given, or one of a packaged class of the sizes that are stored."""
    if tower is not None:
        return tower
    if known["class"] == "ImageTower" and known["config"] is not None:
        from astro_spectok.align.image_tower import ImageTower, ImageTowerConfig

        return ImageTower(ImageTowerConfig.from_dict(known["config"]))
    if known["class"] == "TimmTower" and known["config"] is not None:
        from astro_spectok.align.timm_tower import TimmTower, TimmTowerConfig

        config = TimmTowerConfig.from_dict(known["config"])
        return TimmTower(config.network, config.bands, size=config.size)
    msg = (
        f"tower must be given, a {known['class']} of the sizes that was saved; only an ImageTower and a TimmTower are "
        "made by themselves"
    )
    raise WeightsError(msg)
