# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights, checkpoints and files of spectra, damaged or made to harm, and what must hold: an error in words."""

import gzip
import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save

from astro_spectok.engine import Runner
from astro_spectok.example import EXAMPLE_PATH, read_example
from astro_spectok.exceptions import WeightsError
from astro_spectok.heads import RedshiftConfig, build_model
from astro_spectok.network import build_network, get_config
from astro_spectok.spectra import read, to_batch
from astro_spectok.training.checkpoint import read_checkpoint, write_checkpoint
from astro_spectok.weights import load_weights, write_network
from astro_spectok.weights.format import _DIGEST_KEY, CONFIG_KEY, _digest_content, _split

__all__ = ["check_checkpoint", "check_file", "check_weights", "sign"]

#: what a field may be made to hold
VALUES = (
    0, -1, 1, 2, 10**9, 2**63, 10**30, 1e-300, 1e300, float("nan"), float("inf"), None, True, "", "text", "x" * 20000,
    [], [1, 2, 3], [[1e9, -1e9]], {}, {"a": 1}, [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]],
)  # fmt: skip
SETTINGS = {"network": {"width": 32}, "training": {"steps": 5}}


def _pick(rng, choices):
    choices = list(choices)
    return choices[rng.integers(len(choices))]


def _require_name(error, path):
    """The message of an error names the file."""
    assert path.name in str(error), f"{path.name} is not named in: {error}"


@cache
def _small_weights():
    """Weights of a small network with a head for redshifts, as bytes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_model(get_config("tiny"), {"redshift": RedshiftConfig(step=1e-3, channels=2, kernel=3)})
    metadata = {"name": "tiny", "training": {"wavelength_range": [2000.0, 30000.0]}}
    return write_network(Path(tempfile.mkdtemp()) / "tiny.safetensors", network, metadata=metadata).read_bytes()


def sign(content):
    """A safetensors file, as bytes, with the digest that its content calls for."""
    header, data = _split(content)
    header["__metadata__"][_DIGEST_KEY] = _digest_content(header, data)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


def _change(rng, mapping):
    """Put something strange into a mapping, at any depth."""
    key = _pick(rng, mapping)
    inner = mapping[key]
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        inner = inner[0]
    if isinstance(inner, dict) and inner and rng.random() < 0.9:
        _change(rng, inner)
    elif rng.random() < 0.1:
        del mapping[key]
    else:
        mapping[key] = _pick(rng, VALUES)


def _damage_bytes(rng, content):
    """Bytes flipped, cut, doubled or put in."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(content))) if rng.random() < 0.5 else int(rng.integers(min(400, len(content))))
        kind = rng.integers(4)
        if kind == 0:
            content[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del content[place:]
        elif kind == 2:
            content[place:place] = bytes(rng.integers(0, 256, int(rng.integers(1, 40)), dtype=np.uint8))
        else:
            content[place : place + 8] = int(_pick(rng, (0, 1, 2**31, 2**62, 2**64 - 1))).to_bytes(8, "little")
        if not content:
            return b"\0"
    return bytes(content)


def _damage_tensors(rng, tensors):
    """One tensor of another shape, type or content, or missing."""
    name = _pick(rng, tensors)
    made = {
        "missing": None, "nan": tensors[name] * np.nan, "huge": tensors[name].double() * 1e200 + 1e200,
        "integers": tensors[name].long(), "longer": torch.zeros(7, *tensors[name].shape), "empty": torch.zeros(0),
        "half": tensors[name].half(),
    }  # fmt: skip
    made = made[_pick(rng, made)]
    rest = {key: x for key, x in tensors.items() if key != name}
    return rest if made is None else rest | {name: made}


def check_weights(seed, folder):
    """Load damaged weights: they are refused with a `WeightsError`, or work.

    Parameters
    ----------
    seed : int
    folder : `~pathlib.Path`
        For the file.

    Raises
    ------
    AssertionError
        Weights were taken that give no finite numbers.
    Exception
        Anything but a `WeightsError`.
    """
    rng, content, path = np.random.default_rng(seed), _small_weights(), folder / "x.safetensors"
    kind = rng.integers(4)
    header, data = _split(content)
    if kind == 0:
        # what it says of itself and of its network
        name = _pick(rng, (CONFIG_KEY, CONFIG_KEY, *header["__metadata__"]))
        value = header["__metadata__"][name]
        value = json.loads(value) if value.startswith("{") else value
        if isinstance(value, dict):
            _change(rng, value)
        else:
            value = _pick(rng, VALUES)
        header["__metadata__"][name] = value if isinstance(value, str) else json.dumps(value)
    elif kind == 1:
        name = _pick(rng, [key for key in header if key != "__metadata__"])
        field = _pick(rng, ("dtype", "shape", "data_offsets"))
        header[name][field] = _pick(rng, [*VALUES, "I64", "F64", [10**9, 10**9], [0, 2**40]])
    if kind <= 1:
        text = json.dumps(header).encode()
        content = sign(len(text).to_bytes(8, "little") + text + bytes(data))
    elif kind == 2:
        content = sign(save(_damage_tensors(rng, load(content)), metadata=header["__metadata__"]))
    else:
        content = _damage_bytes(rng, content)
    path.write_bytes(content)
    try:
        loaded = load_weights(path, shared=False)
        repr(loaded.wavelength_range)
    except WeightsError as error:
        _require_name(error, path)
        return
    runner = Runner(path, "cpu")
    for _, encoded in runner.encode(to_batch(read_example())):
        assert np.isfinite(encoded.values).all()


@cache
def _checkpoint():
    """A checkpoint of the smallest network after a step, as bytes."""
    network = build_network(get_config("tiny"))
    optimizer = torch.optim.AdamW(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    path = Path(tempfile.mkdtemp()) / "checkpoint.safetensors"
    write_checkpoint(path, network, optimizer, 3, SETTINGS)
    return path.read_bytes()


def check_checkpoint(seed, folder):
    """Read a damaged checkpoint: it is refused with a `WeightsError` or `ValueError`, or the state is whole.

    Parameters
    ----------
    seed, folder
        As for `check_weights`.
    """
    rng = np.random.default_rng(seed)
    content, path = _checkpoint(), folder / "checkpoint.safetensors"
    if rng.random() < 0.6:
        content = _damage_bytes(rng, content)
    else:
        tensors, metadata = _damage_tensors(rng, load(content)), {"step": "3", "updates": "3"}
        metadata |= {"configs": json.dumps(SETTINGS)}
        metadata[_pick(rng, metadata)] = str(_pick(rng, ("", "-1", "x", "1e9", "9" * 5000, "[" * 5000, "nan", "{}")))
        content = save(tensors, metadata=metadata)
    path.write_bytes(content)
    network = build_network(get_config("tiny"))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    try:
        step = read_checkpoint(path, network, torch.optim.AdamW(network.parameters()), SETTINGS)
    except (WeightsError, ValueError) as error:
        _require_name(error, path)
        step = None
    if step is None:
        assert all(torch.equal(before[name], x) for name, x in network.state_dict().items()), "half of it was taken"
        return
    assert step >= 0
    assert all(torch.isfinite(x).all() for x in network.state_dict().values())


def check_file(seed, folder):
    """Read a damaged file of a spectrum: it is refused with an `OSError`, or gives a spectrum.

    Parameters
    ----------
    seed, folder
        As for `check_weights`.
    """
    rng = np.random.default_rng(seed)
    content = EXAMPLE_PATH.read_bytes()
    name = _pick(rng, ("x.fits", "x.fits", "x.fits.gz", "x.txt", "x.csv"))
    if name.endswith(".gz"):
        content = gzip.compress(_damage_bytes(rng, content) if rng.random() < 0.5 else content, 1)
    elif name == "x.fits" and rng.random() < 0.5:
        # sizes that the header claims
        card = _pick(rng, (b"NAXIS1  =", b"NAXIS2  =", b"PCOUNT  =", b"TFIELDS =", b"BITPIX  =", b"NAXIS   ="))
        place = content.find(card)
        value = str(_pick(rng, (-1, 0, 1, 999, 10**6, 10**12, 2**63, "'x'", "1e300"))).rjust(20).encode()[:20]
        content = content[: place + 10] + value + content[place + 30 :] if place >= 0 else content
    path = folder / name
    path.write_bytes(_damage_bytes(rng, content) if rng.random() < 0.7 else content)
    try:
        spectra = read(path)
    except OSError as error:
        _require_name(error, path)
        return
    batch = to_batch(spectra)
    assert np.isfinite(batch.flux).all()
