# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the registry of weights, and of finding and verifying what is installed."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from _served_weights import CONTENT, ENTRY
from astropy import units as u
from astropy.table import QTable
from astropy.utils.data import conf as data_conf

from astro_spectok import weights as room
from astro_spectok.config import conf
from astro_spectok.exceptions import UnknownWeightsError, WeightsError, WeightsIntegrityError
from astro_spectok.weights import REGISTRY, find_weights, integrity, register_weights, store

# --- registry -------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [entry for entry in REGISTRY.values() if entry.packaged], ids=lambda e: e.name)
def test_packaged_file_is_what_the_registry_says(entry):
    """The literal size and digest are those of the installed file, and the default is such a file."""
    assert REGISTRY[conf.default_weights].packaged
    content = (store.PACKAGED_DIR / entry.file).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (entry.size, entry.sha256)


def test_unknown_name_shows_what_exists():
    """The error is a LookupError that names the remedy and the sets there are."""
    with pytest.raises(UnknownWeightsError, match=r"(?s)got 'larg'.*\bsmall\b.*register_weights"):
        find_weights("larg")


def test_list_has_units(own_registry):
    """Sizes and wavelengths are Quantities, the packaged sets come first."""
    own_registry["a-set"] = replace(ENTRY, name="a-set", wavelength_range=(1000, 2000))
    table = room.list_weights()
    assert isinstance(table, QTable)
    assert list(table["packaged"]) == sorted(table["packaged"], reverse=True)
    row = table[table["name"] == "a-set"][0]
    assert row["size"].to_value(u.byte) == pytest.approx(ENTRY.size)
    assert row["wavelength_max"].to_value(u.nm) == pytest.approx(200)


def test_description_tells_what_matters(own_registry):
    """Digest, figures and citation are in the description."""
    own_registry["served"] = replace(ENTRY, figures={"chi2 per pixel": 1.25}, citation="Author 2025", licence="CC0")
    text = room.describe_weights("served")
    assert all(word in text for word in (ENTRY.sha256, "1.25", "Author 2025", "CC0", ENTRY.urls[0]))


def test_register_is_idempotent_and_never_overwrites(own_registry):
    """An equal entry may come again, another of the same name is refused."""
    register_weights(ENTRY)
    register_weights(replace(ENTRY))
    assert own_registry["served"] == ENTRY
    with pytest.raises(ValueError, match="'served'; choose a new name"):
        register_weights(replace(ENTRY, size=5))
    assert own_registry["served"] == ENTRY
    with pytest.raises(ValueError, match="packaged"):
        register_weights(replace(ENTRY, name="other", packaged=True))
    with pytest.raises(TypeError, match="must be a WeightsEntry, got dict"):
        register_weights({})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": "Up per"}, ValueError),
        ({"name": 3}, TypeError),
        ({"file": "folder/x.safetensors"}, ValueError),
        ({"file": "x.pt"}, ValueError),
        ({"sha256": "ab"}, ValueError),
        ({"size": 0}, ValueError),
        ({"urls": "http://localhost/x.safetensors"}, TypeError),
        ({"urls": ("no-url",)}, ValueError),
        ({"urls": ()}, ValueError),
        ({"wavelength_range": (5, 4)}, ValueError),
    ],
)
def test_entry_rules(change, error):
    """An entry that breaks a rule cannot be made, and the error names the attribute."""
    with pytest.raises(error, match=f"`{next(iter(change))}` must"):
        replace(ENTRY, **change)


# --- finding --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path])
def test_explicit_path(tmp_path, kind):
    """A path is taken as it is."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(CONTENT)
    assert find_weights(kind(path)) == path
    with conf.set_temp("default_weights", str(path)):
        assert find_weights() == path


@pytest.mark.parametrize(("name", "got"), [("no.safetensors", "nothing"), ("a.folder", "a folder")])
def test_path_without_file(tmp_path, name, got):
    """A wrong path says what is there, and a number is no path."""
    (tmp_path / "a.folder").mkdir()
    with pytest.raises(WeightsError, match=f"where there is {got}; check the path"):
        find_weights(tmp_path / name)
    with pytest.raises(TypeError, match=r"`weights` must be a registry name or the path .* got int"):
        find_weights(3)


def test_packaged_set_needs_no_network(own_registry, tmp_path, monkeypatch):
    """An installed file is found offline, verified, and refused once altered."""
    monkeypatch.setattr(store, "PACKAGED_DIR", tmp_path)
    own_registry["served"] = replace(ENTRY, packaged=True, urls=())
    path = tmp_path / ENTRY.file
    path.write_bytes(CONTENT)
    with data_conf.set_temp("allow_internet", False):
        assert find_weights("served") == path
        path.write_bytes(CONTENT[:-1] + b"!")
        with pytest.raises(WeightsIntegrityError, match=r"altered.*Install astro_spectok again"):
            find_weights("served")


def test_hash_is_computed_once(tmp_path, own_registry, monkeypatch):
    """A file is hashed again only after it changed."""
    monkeypatch.setattr(store, "PACKAGED_DIR", tmp_path)
    own_registry["served"] = replace(ENTRY, packaged=True)
    (tmp_path / ENTRY.file).write_bytes(CONTENT)
    calls, file_digest = [], hashlib.file_digest
    monkeypatch.setattr(integrity.hashlib, "file_digest", lambda *args: calls.append(args) or file_digest(*args))
    for _ in range(3):
        find_weights("served")
    assert len(calls) == 1
    (tmp_path / ENTRY.file).write_bytes(CONTENT)
    os.utime(tmp_path / ENTRY.file, ns=(1, 1))
    find_weights("served")
    assert len(calls) == 2
