# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The file format of weights: safetensors, with what describes network and heads and a digest in its metadata.

Format 2 holds the tensors ``backbone.*`` and ``heads.NAME.*``, some perhaps in a byte a number, and as JSON the sizes
of the backbone and for each head its kind, settings, domain, calibration, rules and provenance. Files of format 1 are
read as if they were of format 2.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from astro_spectok.exceptions import WeightsError, WeightsIntegrityError
from astro_spectok.utils.atomic import replace_file
from astro_spectok.weights.checks import check_header, check_metadata
from astro_spectok.weights.packing import PACKED_KEY, pack_rows, unpack_rows

__all__ = [
    "CONFIG_KEY",
    "check_path",
    "encode_texts",
    "read_content",
    "read_file",
    "read_header",
    "read_metadata",
    "read_weights",
    "word_remedy",
    "write_content",
    "write_weights",
]

#: metadata key of what describes network and heads, as JSON
CONFIG_KEY = "astro_spectok_config"
#: metadata keys of the kinds of files, what each holds, and what writes them
KINDS = {
    CONFIG_KEY: ("network configuration", "write such files with astro_spectok.weights.write_weights"),
    "astro_spectok_adapted": ("fitted estimator", "write such files with its method save"),
    "astro_spectok_index": ("index of spectra", "write such files with SpectrumIndex.save"),
}
#: of the format, and the one that is written; without it a file is of format 1
_FORMAT_KEY, _FORMAT = "astro_spectok_format", "2"
_VERSION_KEY = "astro_spectok_version"
_DIGEST_KEY = "content_sha256"

# first bytes of what torch.save, pickle and HDF5 write
_FOREIGN = {b"PK\x03\x04": "a zip archive, as torch.save writes", b"\x80": "a pickle", b"\x89HDF": "an HDF5 file"}


def read_weights(path):
    """Read a file of weights.

    Only safetensors is read, which holds nothing but numbers and text; no pickle is ever opened.
    The digest of the content that `write_weights` put into the file is verified.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    config : dict
        ``backbone``, the sizes of the network, and ``heads``, a list with ``name``, ``kind``, ``config``, ``domain``,
        ``calibration``, ``rules`` and ``provenance`` of each.
    tensors : dict of str to `torch.Tensor`
        The parameters under ``backbone.`` and ``heads.NAME.``, on the cpu, in the precision that they are stored in;
        float32 of those that are stored in a byte each.

    Raises
    ------
    WeightsIntegrityError
        The file is truncated, damaged or altered.
    WeightsError
        The file is no safetensors file, or has no configuration or digest in it.

    References
    ----------
    The safetensors format, https://github.com/huggingface/safetensors

    Examples
    --------
    >>> from astro_spectok.weights import find_weights, read_weights
    >>> config, tensors = read_weights(find_weights("small"))
    >>> config["backbone"]["patch"], tuple(tensors["backbone.norm.weight"].shape)
    (32, (160,))
    >>> {"redshift", "spectral_type", "stellar"} <= {head["name"] for head in config["heads"]}
    True
    """
    config, _, tensors = read_file(path)
    return config, tensors


def read_file(path):
    """All of a file of weights: the configuration, the metadata as of `read_metadata`, and the tensors."""
    raw, tensors = read_content(path)
    config, metadata, tensors = _convert(raw, path, unpack_rows(tensors, path))
    return config, metadata | {CONFIG_KEY: config}, tensors


def read_content(path, key=CONFIG_KEY):
    """The metadata of a file as they stand in it, decoded, and its tensors, once its digest is verified.

    Parameters
    ----------
    path : path-like
    key : str, optional
        Metadata that must be there.

    Returns
    -------
    metadata : dict
    tensors : dict of str to `torch.Tensor`

    Raises
    ------
    WeightsIntegrityError, WeightsError
        As for `read_weights`.
    """
    from safetensors.torch import load

    raw = read_header(path, key)
    content = Path(path).read_bytes()
    _verify_content(content, path)
    return raw, load(content)


def read_metadata(path):
    """Read what a file of weights says about itself, without its tensors.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict
        ``'astro_spectok_config'`` (as of `read_weights`), ``'astro_spectok_version'``, and where given ``'name'``,
        ``'training'`` and more; values that are JSON objects or lists are decoded.

    Raises
    ------
    WeightsIntegrityError, WeightsError
        As for `read_weights`.

    Examples
    --------
    >>> from astro_spectok.weights import find_weights, read_metadata
    >>> metadata = read_metadata(find_weights("small"))
    >>> metadata["astro_spectok_config"]["backbone"]["name"], metadata["training"]["redshift_sigma"]
    ('small', 6e-05)
    """
    config, metadata, _ = _convert(read_header(path), path)
    return metadata | {CONFIG_KEY: config}


def read_header(path, key=CONFIG_KEY):
    """The metadata of a file as they stand in it, decoded; those under ``key`` must be there."""
    from safetensors import SafetensorError, safe_open

    _check_magic(path, key)
    check_header(path)
    try:
        with safe_open(path, framework="np") as stream:
            raw = stream.metadata() or {}
    except SafetensorError as error:
        msg = (
            f"The file of weights {os.fspath(path)} is truncated or damaged ({error}); "
            "copy, download or write it again."
        )
        raise WeightsIntegrityError(msg) from error
    metadata = {key: _decode(value) for key, value in raw.items()}
    if not isinstance(metadata.get(key), dict):
        what, remedy = KINDS[key]
        other = next((KINDS[known][0] for known in KINDS if isinstance(metadata.get(known), dict)), "")
        msg = (
            f"The safetensors file {os.fspath(path)} holds no {what} (metadata {key!r})"
            f"{f', but {other}' if other else ''}; {remedy}."
        )
        raise WeightsError(msg)
    check_metadata(metadata, path)
    return metadata


def _convert(metadata, path, tensors=None):
    """Configuration, other metadata and tensors of a file, whatever its format, as those of format 2."""
    from astro_spectok.heads.format_1 import convert_format_1

    metadata = dict(metadata)
    config, number = metadata.pop(CONFIG_KEY), metadata.get(_FORMAT_KEY, "1")
    if number == _FORMAT:
        return config, metadata, tensors
    if number == "1":
        try:
            return convert_format_1(config, metadata, tensors)
        except Exception as error:  # whatever a configuration of another kind of network runs into
            msg = (
                f"The configuration in the file of weights {os.fspath(path)} describes no network of this version: "
                f"{error}. {word_remedy(metadata)}"
            )
            raise WeightsError(msg) from error
    known = f"is of format {str(number)[:20]}, which is not known"
    msg = f"The file of weights {os.fspath(path)} {known}. {word_remedy(metadata)}"
    raise WeightsError(msg)


def word_remedy(metadata):
    """Say what to do about weights of another version."""
    from astro_spectok.version import __version__

    written = metadata.get(_VERSION_KEY, "an unknown version")
    return (
        f"It was written by astro_spectok {written}, this is {__version__}: install a version that knows it, "
        f"or use other weights ('spectok weights list')."
    )


def _check_magic(path, key=CONFIG_KEY):
    """Raise unless the file begins as safetensors files do: the length of a JSON header, then the header."""
    with open(path, "rb") as stream:
        head = stream.read(9)
    if head[8:] == b"{":
        return
    if not head.strip(b"\0"):
        what = "file of weights" if key == CONFIG_KEY else "file"
        msg = f"The {what} {os.fspath(path)} is empty; copy, download or write it again."
        raise WeightsIntegrityError(msg)
    kind = next((kind for magic, kind in _FOREIGN.items() if head.startswith(magic)), "something else")
    if key != CONFIG_KEY:
        what, remedy = KINDS[key]
        msg = f"The file {os.fspath(path)} is no safetensors file with {what} in it, but {kind}; {remedy}."
        raise WeightsError(msg)
    msg = (
        f"`weights` must be a safetensors file, got {os.fspath(path)}, which is {kind}. Nothing is ever unpickled "
        "here, as a pickle can run any code. To convert a checkpoint that you trust: load it with "
        "torch.load(..., weights_only=True) and save its tensors with astro_spectok.weights.write_weights."
    )
    raise WeightsError(msg)


def _decode(value):
    """Decode a value of the metadata if it is a JSON object or list."""
    if value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or numbers or depths that Python refuses
            pass
    return value


def write_weights(path, config, tensors, *, metadata=None, overwrite=False):
    """Write a file of weights in one step: it is either complete or not there.

    Parameters
    ----------
    path : str or path-like
        The file, which must end in ``.safetensors``.
    config : dict
        As of `read_weights`; must be expressible in JSON.
    tensors : mapping of str to `torch.Tensor`
        The parameters under ``backbone.`` and ``heads.NAME.``.
    metadata : mapping, optional
        More to be remembered: ``name``, ``training`` (data, steps, ``wavelength_range`` in Angstrom)
        and whatever else; values that are no strings are written as JSON. Matrices whose names begin as one of the
        texts in ``packed`` are stored in a byte a number (`~astro_spectok.weights.packing.pack_rows`).
    overwrite : bool, optional
        Whether to replace a file that exists.

    Returns
    -------
    `~pathlib.Path`
        The file.

    Raises
    ------
    FileExistsError
        The file exists and ``overwrite`` is False.
    TypeError, ValueError
        ``path``, ``config`` or ``metadata`` breaks one of the rules above.

    Examples
    --------
    The packaged set without its head for stellar parameters; a network is written by `write_network`:

    >>> import pathlib, tempfile
    >>> from astro_spectok.weights import find_weights, load_weights, read_weights, write_weights
    >>> config, tensors = read_weights(find_weights("small"))
    >>> heads = [head for head in config["heads"] if head["name"] != "stellar"]
    >>> tensors = {name: x for name, x in tensors.items() if not name.startswith("heads.stellar.")}
    >>> path = write_weights(pathlib.Path(tempfile.mkdtemp()) / "ours.safetensors", config | {"heads": heads}, tensors,
    ...                      metadata={"name": "ours", "training": {"wavelength_range": [3600, 9800]}})
    >>> loaded = load_weights(path)
    >>> loaded.name, loaded.wavelength_range, "stellar" in loaded.network.heads
    ('ours', (3600.0, 9800.0), False)
    """
    path = check_path(path, overwrite=overwrite)
    texts = _encode_metadata(config, metadata or {})
    if metadata and (packed := metadata.get(PACKED_KEY)):
        tensors = pack_rows(tensors, packed)
    return write_content(path, texts, tensors, overwrite=overwrite)


def check_path(path, *, overwrite):
    """The path of a file that is to be written; its errors are those of `write_weights`."""
    path = Path(path).expanduser()
    if path.suffix != ".safetensors":
        msg = f"`path` must end in .safetensors, got {str(path)!r}"
        raise ValueError(msg)
    if path.exists() and not overwrite:
        msg = f"`path` must not exist yet, got {str(path)!r}; pass overwrite=True to replace it"
        raise FileExistsError(msg)
    if not path.parent.is_dir():
        msg = f"`path` must lie in a folder that exists, got {str(path)!r}; make {str(path.parent)!r} first"
        raise FileNotFoundError(msg)
    return path


def write_content(path, texts, tensors, *, overwrite=False):
    """Write tensors and texts with a digest of both, in one step.

    Parameters
    ----------
    path : path-like
        As of `check_path`.
    texts : dict of str to str
    tensors : mapping of str to `torch.Tensor`
    overwrite : bool, optional

    Returns
    -------
    `~pathlib.Path`
        The file.
    """
    from safetensors.torch import save

    # copies, as safetensors refuses tensors that share memory
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    texts[_DIGEST_KEY] = _digest_content(*_split(save(tensors, metadata=texts)))
    with replace_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(save(tensors, metadata=texts))
    return path


def _encode_metadata(config, metadata):
    """Express configuration and metadata as the texts that safetensors can hold."""
    if not isinstance(config, Mapping):
        msg = f"`config` must be a dict, as ModelConfig.to_dict() gives it, got {type(config).__name__}"
        raise TypeError(msg)
    if not {"backbone", "heads"} <= set(config):
        msg = (
            f"`config` must hold backbone and heads, as ModelConfig.to_dict() gives them, got {', '.join(config)}; "
            "write a network with write_network"
        )
        raise ValueError(msg)
    metadata = {key: value for key, value in metadata.items() if key != _FORMAT_KEY}
    reserved = {CONFIG_KEY, _VERSION_KEY, _DIGEST_KEY}
    if taken := reserved & set(metadata):
        msg = f"`metadata` must not hold {sorted(taken)}, which are written by themselves; leave them out"
        raise ValueError(msg)
    return encode_texts(metadata) | {
        CONFIG_KEY: json.dumps(dict(config)),
        _FORMAT_KEY: _FORMAT,
    }


def encode_texts(metadata):
    """Values as the texts that safetensors holds, with the version of the package: those that are no text as JSON."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    return texts | {_VERSION_KEY: version("astro_spectok")}


def _split(content):
    """Split a safetensors file, as bytes, into its header (a dict) and its data."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), memoryview(content)[end:]


def _digest_content(header, data):
    """Digest everything in a file but the digest itself."""
    texts = {key: value for key, value in header["__metadata__"].items() if key != _DIGEST_KEY}
    canonical = json.dumps(header | {"__metadata__": texts}, sort_keys=True)
    digest = hashlib.sha256(canonical.encode())
    digest.update(data)
    return digest.hexdigest()


def _verify_content(content, path):
    """Raise unless the digest inside a file is that of its content."""
    header, data = _split(content)
    expected = header["__metadata__"].get(_DIGEST_KEY)
    if expected is None:
        msg = (
            f"The file of weights {os.fspath(path)} holds no digest of its content (metadata {_DIGEST_KEY!r}), so it "
            "cannot be verified; write such files with astro_spectok.weights.write_weights."
        )
        raise WeightsError(msg)
    if (digest := _digest_content(header, data)) != expected:
        msg = (
            f"The file of weights {os.fspath(path)} is altered or damaged: the sha256 of its content is {digest}, but "
            f"the file says {expected}; copy, download or write it again."
        )
        raise WeightsIntegrityError(msg)
