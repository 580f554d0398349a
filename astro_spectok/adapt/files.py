# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fitted estimators as files: what was learned, without the network, whose backbone they name by its digest."""

import importlib
import math
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy import units as u

from astro_spectok.adapt.features import BLOCKS, HEADS, VECTORS
from astro_spectok.adapt.heads_say import find_teaching
from astro_spectok.adapt.reading import LinearReading
from astro_spectok.adapt.ridge import FIRST
from astro_spectok.adapt.transfer import Transfer
from astro_spectok.exceptions import WeightsError
from astro_spectok.weights.backbone import check_backbone, check_heads, digest_heads
from astro_spectok.weights.format import check_path, encode_texts, read_content, read_header, write_content

__all__ = ["MODEL_KEY", "describe_model", "read_model", "write_model"]

#: metadata key of what describes a fitted estimator, as JSON
MODEL_KEY = "astro_spectok_adapted"
FORMAT = 1
KINDS = {"regressor": ("regressor", "SpectrumRegressor"), "classifier": ("classifier", "SpectrumClassifier")}
#: parameters of the estimators that are kept
KEPT = ("adapt", "frame", "log", "class_weight", "blocks", "options")
#: largest absolute value of a tensor, most labels or classes, letters of a name
LARGEST, MOST_LABELS, LONGEST = 1e9, 4096, 200


def write_model(model, path, *, overwrite=False, card=""):
    """Write a fitted estimator; the arguments are those of its method ``save``."""
    import torch

    path = check_path(path, overwrite=overwrite)
    if not isinstance(card, str):
        msg = f"card must be text; got {type(card).__name__}"
        raise TypeError(msg)
    values, arrays = model.reading_.to_arrays()
    arrays |= model.transfer_.to_arrays()
    state, more = model._get_state()
    content = {
        "format": FORMAT,
        "kind": model._kind,
        "parameters": {name: _plain(_keep(name, model)) for name in KEPT if hasattr(model, name)},
        "backbone": {
            "sha256": model.backbone_sha256_,
            "name": model.weights_name_,
            "file_sha256": model.weights_sha256_,
            "heads_sha256": model.heads_sha256_,
        },
        "reading": values,
        "state": state,
        "n_spectra": model.n_spectra_,
        "n_labelled": model.n_labelled_,
        "validation": _plain(model.validation_),
        "provenance": model.provenance_,
        "card": card,
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(x, np.float32)) for name, x in arrays.items()}
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(x, np.float64)) for name, x in more.items()}
    if model.deep_ is not None:
        deep = model.deep_
        content["deep"] = {"depth": deep.depth, "gain": deep.gain, "probe": deep.probe.settings}
        tensors |= {f"deep.probe.{name}": x for name, x in deep.probe.state_dict().items()}
        tensors |= {f"deep.factors.{name}": x.half() for name, x in deep.factors.items()}
    return write_content(path, encode_texts({MODEL_KEY: content}), tensors, overwrite=overwrite)


def _keep(name, model):
    """A parameter as it is written: where a training left its checkpoints is of no use to others."""
    value = getattr(model, name)
    if name == "options" and value:
        return {key: one for key, one in value.items() if key != "checkpoint"}
    return value


def _plain(value):
    """Dictionaries, lists and numbers that JSON can hold; what is not finite as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def describe_model(path):
    """What the file of a fitted estimator says about itself.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    dict
        ``kind``, ``parameters``, ``backbone``, ``validation``, ``provenance``, ``card`` and more.

    Raises
    ------
    WeightsError
        It is no such file.
    """
    return read_header(_find(path), MODEL_KEY)[MODEL_KEY]


def _find(path):
    if not isinstance(path, str | os.PathLike):
        msg = f"path must be the name of a file that save of an estimator wrote; got {type(path).__name__}"
        raise TypeError(msg)
    path = Path(path).expanduser()
    if not path.is_file():
        msg = f"path must be a file that save of an estimator wrote; got {os.fspath(path)!r}, where there is none"
        raise FileNotFoundError(msg)
    return path


def read_model(path, wanted, *, weights=None, device="auto", batch_tokens=None):
    """Read a fitted estimator; the arguments are those of the method ``load`` of the class ``wanted``."""
    path = _find(path)
    metadata, tensors = read_content(path, MODEL_KEY)
    content = metadata[MODEL_KEY]
    with _naming(path):
        arrays = {name: tensor.double().numpy() for name, tensor in tensors.items()}
        _check(content, arrays)
        module, name = KINDS[content["kind"]]
        cls = getattr(importlib.import_module(f"astro_spectok.adapt.{module}"), name)
        backbone, parameters = content["backbone"], content["parameters"]
    if not issubclass(cls, wanted):
        got = cls.__name__
        msg = f"path must be the file of a {wanted.__name__}; got that of a {got}; load it with {got}.load"
        raise WeightsError(msg)
    from astro_spectok.engine import Runner

    runner = Runner(backbone["name"] if weights is None else weights, device, batch_tokens=batch_tokens)
    what = f"the estimator in {os.fspath(path)}"
    check_backbone(runner.loaded, backbone["sha256"], backbone["name"], what)
    if HEADS in content["reading"]["blocks"]:
        digest = digest_heads(runner.network, find_teaching(runner.network))
        check_heads(digest, backbone["heads_sha256"], runner.loaded.name, what)
    with _naming(path):
        model = cls(backbone["name"] if weights is None else weights, device, batch_tokens, **parameters)
        model.reading_ = LinearReading.from_arrays(content["reading"], arrays)
        model.transfer_ = Transfer.from_arrays(arrays)
        model.backbone_sha256_, model.weights_name_ = backbone["sha256"], backbone["name"]
        model.weights_sha256_, model.heads_sha256_ = runner.loaded.sha256, backbone.get("heads_sha256")
        model.n_spectra_, model.n_labelled_ = int(content["n_spectra"]), int(content["n_labelled"])
        model.validation_, model.provenance_ = content["validation"], content["provenance"]
        model.card_ = content["card"]
        model.deep_ = _read_deep(content.get("deep"), tensors, runner.network)
        model._set_state(content["state"], arrays)
    return model


def _read_deep(about, tensors, network):
    """What goes beyond the linear reading, or None."""
    if about is None:
        return None
    from astro_spectok.adapt.deep import DEPTHS, DeepReading
    from astro_spectok.adapt.probe import AttentiveProbe, list_layers

    settings = about["probe"]
    _require(about["depth"] in DEPTHS, f"depth must be one of {', '.join(DEPTHS)}", about["depth"])
    _require(0 <= about["gain"] <= 1, "gain must be from 0 to 1", about["gain"])
    for name, most in (("queries", 64), ("size", 512), ("n_out", MOST_LABELS)):
        fine = type(settings[name]) is int and 0 < settings[name] <= most
        _require(fine, f"probe.{name} must be an integer up to {most}", settings[name])
    width = network.config.width - 2
    _require(settings["width"] == width, f"probe.width must be {width}, as in the network", settings["width"])
    probe = AttentiveProbe(**settings)
    prefixes = "deep.probe.", "deep.factors."
    own, factors = ({k.removeprefix(p): x.float() for k, x in tensors.items() if k.startswith(p)} for p in prefixes)
    probe.load_state_dict(own)
    if about["depth"] == "full":
        wanted = {name: tuple(p.shape) for name, p in network.named_parameters() if name.startswith("blocks.")}
    elif about["depth"] == "lora":
        layers = list_layers(network)
        rank = len(next((x for k, x in factors.items() if k.endswith(".first")), []))
        wanted = {f"{name}.first": (rank, layer.in_features) for name, layer in layers.items()}
        wanted |= {f"{name}.second": (layer.out_features, rank) for name, layer in layers.items()}
    else:
        wanted = {}
    _require(
        {k: tuple(x.shape) for k, x in factors.items()} == wanted, "factors must be those of the encoder", "others"
    )
    return DeepReading(about["depth"], probe, factors, about["gain"])


@contextmanager
def _naming(path):
    """A context in which whatever is wrong with the content of a file says which file it is."""
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:
        msg = f"The file {os.fspath(path)} cannot be used: {type(error).__name__}: {error}"[:300]
        raise WeightsError(f"{msg}; write it again with the method save") from error


def _check(content, arrays):
    """Refuse what no estimator holds, and sizes that do not go together."""
    _require(content.get("format") == FORMAT, f"format must be {FORMAT}", content.get("format"))
    _require(content.get("kind") in KINDS, f"kind must be one of {', '.join(KINDS)}", content.get("kind"))
    _require(set(content["parameters"]) <= set(KEPT), f"parameters must be out of {', '.join(KEPT)}", "others")
    reading = content["reading"]
    grid = reading["grid"]
    _require(
        set(grid) == {"low", "high", "n_nodes", "n_pixels", "frame"}, "grid must have its five values", sorted(grid)
    )
    _require(-1e3 < grid["low"] < grid["high"] < 1e3, "grid must run from low to high in ln(Angstrom)", grid)
    for name, most in (("n_nodes", 4096), ("n_pixels", 2**16)):
        fine = type(grid[name]) is int and 2 <= grid[name] <= most
        _require(fine, f"grid.{name} must be an integer from 2 to {most}", grid[name])
    _require(grid["frame"] in ("observed", "rest"), "grid.frame must be 'observed' or 'rest'", grid["frame"])
    names = tuple(reading["blocks"])
    more = tuple(name for name in (HEADS, VECTORS) if name in names)
    rule = f"blocks must be {', '.join(BLOCKS)}, and perhaps {HEADS} and {VECTORS}, in this order"
    _require(names == (*BLOCKS, *more), rule, names)
    if HEADS in names:
        digest = content["backbone"].get("heads_sha256")
        _require(isinstance(digest, str), "backbone.heads_sha256 must be a digest", digest)
    _require(1 <= len(reading["maps"]) <= MOST_LABELS, f"maps must be 1 to {MOST_LABELS}", len(reading["maps"]))
    for name, x in arrays.items():
        _require(bool(np.isfinite(x).all()), f"{name} must hold finite numbers", "others")
        large = not name.startswith("labels.") and x.size and np.abs(x).max() > LARGEST
        _require(not large, f"{name} must hold numbers up to {LARGEST:g}", "larger ones")
    sizes = [_check_component(name, arrays, grid) for name in names]
    width, first = sum(d for d, _ in sizes), sum(k for _, k in sizes)
    for k in range(len(reading["maps"])):
        weights, offset, leverage = (arrays[f"maps.{k}.{what}"] for what in ("weights", "offset", "leverage"))
        _require(offset.ndim == 1 and 0 < len(offset) <= MOST_LABELS, f"maps.{k}.offset must be a vector", offset.shape)
        _require(
            weights.shape == (width, len(offset)), f"maps.{k}.weights must be {(width, len(offset))}", weights.shape
        )
        _require(leverage.shape == (first, first), f"maps.{k}.leverage must be {(first, first)}", leverage.shape)
        _check_bend(reading["maps"][k], k, arrays, dict(zip(names, sizes, strict=True)).get(HEADS, (0, 0))[0])
    points, scale = arrays["domain.points"], arrays["domain.scale"]
    _require(
        points.ndim == 2 and points.shape[1:] == scale.shape == (first,),
        f"domain must have {first} columns",
        points.shape,
    )
    _require(bool((scale > 0).all()), "domain.scale must be positive", "others")
    Transfer.check(arrays, len(reading["maps"]))


def _check_bend(about, k, arrays, n_said):
    """What a map adds by the error that a head states, if anything: places among what is said, and sizes."""
    if "number" not in about:
        return
    places = [about["number"], *about["members"]]
    fine = 1 < len(places) <= n_said + 1 and all(type(one) is int and 0 <= one < n_said for one in places)
    _require(fine, f"maps.{k}: number and members must be from 0 to {n_said - 1}", places)
    _require(0 <= about["usual"] < LARGEST, f"maps.{k}: usual must be at least 0", about["usual"])
    size = len(about["members"])
    wanted = {"low": (size,), "high": (size,), "slopes": (1 + size + size * (size + 1) // 2, 1)}
    for name, shape in wanted.items():
        got = arrays[f"maps.{k}.bend.{name}"].shape
        _require(got == shape, f"maps.{k}.bend.{name} must be {shape}", got)


def _check_component(name, arrays, grid):
    """Numbers of features and of components of a block."""
    mean, basis = arrays[f"components.{name}.mean"], arrays[f"components.{name}.basis"]
    fits = mean.ndim == 1 and basis.ndim == 2 and basis.shape[1] == len(mean) and len(basis) <= FIRST
    _require(fits, f"components.{name} must be at most {FIRST} rows of the length of their mean", basis.shape)
    wanted = dict.fromkeys(("lines", "contrast", "flux"), grid["n_pixels"]) | {"levels": grid["n_nodes"]}
    wanted = wanted.get(name, len(mean))
    _require(len(mean) == wanted, f"components.{name} must have {wanted} columns", len(mean))
    return len(mean), len(basis)


def _require(fine, rule, got):
    if not fine:
        msg = f"{rule}; got {got!r:.80}"
        raise ValueError(msg)


def write_unit(unit):
    """A unit as text, None for none."""
    return None if unit is None else unit.to_string()


def read_unit(text):
    """The reverse of `write_unit`."""
    if text is None:
        return None
    _require(isinstance(text, str) and len(text) <= LONGEST, f"a unit must have {LONGEST} letters at most", text)
    return u.Unit(text)
