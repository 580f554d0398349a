# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the registry, the search for, the download and the verification of weights."""

import contextlib
import hashlib
import logging
import os
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from astropy.utils.data import conf as data_conf
from astropy.utils.data import download_file, import_file_to_cache

from astro_spectok import weights as room
from astro_spectok.config import conf
from astro_spectok.exceptions import UnknownWeightsError, WeightsError, WeightsIntegrityError
from astro_spectok.weights import (
    REGISTRY,
    WeightsEntry,
    find_weights,
    integrity,
    register_weights,
    registry,
    store,
    transfer,
)
from astro_spectok.weights.download import cache_url

CONTENT = bytes(np.random.default_rng(1).integers(0, 256, 50_000, dtype=np.uint8))
ENTRY = WeightsEntry(
    name="served",
    file="served.safetensors",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    urls=("http://localhost:9/never/served.safetensors",),
    wavelength_range=(3000, 9000),
)


class Handler(BaseHTTPRequestHandler):
    """Serves ``CONTENT`` well or badly, as the first folder of the address says."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.requests.append(self.path)
        if kind == "both":  # answers only once two clients have asked
            self.server.barrier.wait(timeout=30)
        if kind == "missing":
            self.send_error(404)
            return
        if kind == "flaky":
            kind = "short" if len(self.server.requests) == 1 else "good"
        body = {"altered": CONTENT[:-1] + b"!", "longer": CONTENT + b"!", "cut": CONTENT[:777], "short": CONTENT[:777]}
        body = body.get(kind, CONTENT)
        if kind == "reset":
            self.connection.close()
            return
        self.send_response(200)
        if kind not in ("cut", "endless", "drip"):
            self.send_header("Content-Length", str(len(CONTENT) if kind == "short" else len(body)))
        self.end_headers()
        if kind == "slow":
            self.server.stopping.wait(timeout=30)
        if kind in ("endless", "drip"):
            self.send_endlessly(b"x" * 4096 if kind == "endless" else b"x")
            return
        self.wfile.write(body)

    def send_endlessly(self, block):
        """Until the client goes away or the test ends; what was sent is counted."""
        with contextlib.suppress(OSError):
            while not self.server.stopping.wait(timeout=0.01 if len(block) == 1 else 0):
                self.wfile.write(block)
                self.server.sent += len(block)

    def log_message(self, *args):
        """Keep the test's output clean."""


class Server(ThreadingHTTPServer):
    """A local server that remembers what was asked of it."""

    daemon_threads = False  # so that leaving the server waits for its threads

    def handle_error(self, request, client_address):
        """A client that went away is part of the tests."""


@pytest.fixture
def server(monkeypatch):
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1,localhost")
    with Server(("127.0.0.1", 0), Handler) as served:
        served.requests, served.barrier, served.stopping = [], threading.Barrier(2), threading.Event()
        served.sent = 0
        served.url = f"http://127.0.0.1:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        served.stopping.set()
        served.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A download cache of its own; Astropy's ``set_temp_cache`` does not reach other packages' caches."""
    folder = tmp_path / "cache" / "astro_spectok"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent))
    return folder


@pytest.fixture
def known(monkeypatch):
    """A registry that forgets after the test what was registered in it."""
    monkeypatch.setattr(registry, "_ENTRIES", entries := dict(REGISTRY))
    for module in (registry, store):
        monkeypatch.setattr(module, "REGISTRY", entries)
    return entries


@pytest.fixture
def serve(known, cache, server):
    """A function that registers ``ENTRY`` with the kinds of sources it is given."""

    def register(*kinds):
        known["served"] = replace(ENTRY, urls=tuple(f"{server.url}/{kind}/served.safetensors" for kind in kinds))
        return known["served"]

    return register


def put_into_cache(content, tmp_path):
    path = tmp_path / "to_be_imported"
    path.write_bytes(content)
    return Path(import_file_to_cache(cache_url(ENTRY), str(path), pkgname="astro_spectok"))


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


def test_list_has_units(known):
    """Sizes and wavelengths are Quantities, the packaged sets come first."""
    known["a-set"] = replace(ENTRY, name="a-set", wavelength_range=(1000, 2000))
    table = room.list_weights()
    assert isinstance(table, QTable)
    assert list(table["packaged"]) == sorted(table["packaged"], reverse=True)
    row = table[table["name"] == "a-set"][0]
    assert row["size"].to_value(u.byte) == pytest.approx(ENTRY.size)
    assert row["wavelength_max"].to_value(u.nm) == pytest.approx(200)


def test_description_tells_what_matters(known):
    """Digest, figures and citation are in the description."""
    known["served"] = replace(ENTRY, figures={"chi2 per pixel": 1.25}, citation="Author 2025", licence="CC0")
    text = room.describe_weights("served")
    assert all(word in text for word in (ENTRY.sha256, "1.25", "Author 2025", "CC0", ENTRY.urls[0]))


def test_register_is_idempotent_and_never_overwrites(known):
    """An equal entry may come again, another of the same name is refused."""
    register_weights(ENTRY)
    register_weights(replace(ENTRY))
    assert known["served"] == ENTRY
    with pytest.raises(ValueError, match="'served'; choose a new name"):
        register_weights(replace(ENTRY, size=5))
    assert known["served"] == ENTRY
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


def test_packaged_set_needs_no_network(known, tmp_path, monkeypatch):
    """An installed file is found offline, verified, and refused once altered."""
    monkeypatch.setattr(store, "PACKAGED_DIR", tmp_path)
    known["served"] = replace(ENTRY, packaged=True, urls=())
    path = tmp_path / ENTRY.file
    path.write_bytes(CONTENT)
    with data_conf.set_temp("allow_internet", False):
        assert find_weights("served") == path
        path.write_bytes(CONTENT[:-1] + b"!")
        with pytest.raises(WeightsIntegrityError, match=r"altered.*Install astro_spectok again"):
            find_weights("served")


def test_hash_is_computed_once(tmp_path, known, monkeypatch):
    """A file is hashed again only after it changed."""
    monkeypatch.setattr(store, "PACKAGED_DIR", tmp_path)
    known["served"] = replace(ENTRY, packaged=True)
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


# --- downloading ----------------------------------------------------------------------------


def test_download_then_cache(serve, server, cache):
    """A good file is downloaded once into the cache, and found there offline."""
    serve("good")
    path = find_weights("served")
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(cache)
    with data_conf.set_temp("allow_internet", False):
        assert find_weights("served") == find_weights("served", download=False) == path
    assert len(server.requests) == 1


def test_download_from_file_url(known, cache, tmp_path):
    """A file:// source is as good as any."""
    source = tmp_path / ENTRY.file
    source.write_bytes(CONTENT)
    known["served"] = replace(ENTRY, urls=(source.as_uri(),))
    path = find_weights("served")
    assert path != source
    assert path.read_bytes() == CONTENT


def test_mirrors_come_first_and_in_order(serve, server, caplog):
    """Mirrors are tried before the entry's own sources; one that serves a wrong file is skipped with a remark."""
    serve("good")
    mirrors = [f"{server.url}/missing", f"{server.url}/altered/", f"{server.url}/mirror"]
    with conf.set_temp("weights_mirrors", mirrors), caplog.at_level(logging.WARNING, "astro_spectok"):
        assert find_weights("served").read_bytes() == CONTENT
    assert [request.split("/")[1] for request in server.requests] == ["missing", "altered", "mirror"]
    assert "altered: its sha256 is" in caplog.text


def test_mirror_must_be_url(serve):
    """A mirror that is no URL is refused."""
    serve("good")
    with (
        conf.set_temp("weights_mirrors", ["somewhere"]),
        pytest.raises(ValueError, match=r"weights_mirrors.*somewhere"),
    ):
        find_weights("served")


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("altered", WeightsIntegrityError, "altered: its sha256 is"),
        ("longer", WeightsIntegrityError, "another file: (50001 bytes instead of|more than) 50000"),
        ("short", WeightsIntegrityError, "interrupted or truncated: 777 of 50000 bytes"),
        ("cut", WeightsIntegrityError, "truncated, or another file: 777 of 50000 bytes"),
        ("missing", WeightsError, "Not Found"),
        ("reset", WeightsError, r"without response|reset|aborted"),
    ],
)
def test_bad_download(serve, cache, kind, error, words):
    """Each failure has its own message, the source and all remedies are named, and nothing stays in the cache."""
    serve(kind)
    with pytest.raises(error, match=f"(?s)/{kind}/served.safetensors: .*{words}.*Run it again.*mirror.*path") as caught:
        find_weights("served")
    assert type(caught.value) is error
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_retry_after_interruption(serve, server):
    """A download that broke off works when it is run again."""
    serve("flaky")
    with pytest.raises(WeightsIntegrityError, match="interrupted or truncated"):
        find_weights("served")
    assert find_weights("served").read_bytes() == CONTENT


def test_slow_source_is_given_up(serve):
    """A source that does not answer in time is skipped."""
    serve("slow", "good")
    with conf.set_temp("download_timeout", 0.2):
        assert find_weights("served").read_bytes() == CONTENT


def test_endless_source_is_given_up(serve, server):
    """No more is taken than the registry says, whatever the source goes on to send."""
    serve("endless", "good")
    assert find_weights("served").read_bytes() == CONTENT
    server.stopping.set()
    assert server.sent < 2**25  # what buffers on the way hold


def test_dripping_source_is_given_up(serve, server, monkeypatch):
    """A source that answers now and then, but never ends, may not take longer than the size calls for."""
    monkeypatch.setattr(transfer, "GRACE", 0.3)
    monkeypatch.setattr(transfer, "SLOWEST", 1e9)
    serve("drip")
    with pytest.raises(WeightsError, match=r"/drip/served.safetensors: too slow: \d+ of 50000 bytes after 0 s"):
        find_weights("served")
    assert server.sent < len(CONTENT)


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"!", CONTENT[:100], b""])
def test_damaged_cache_is_replaced(serve, server, tmp_path, content, caplog):
    """A cached file that is not right is removed with a remark and downloaded again."""
    serve("good")
    put_into_cache(content, tmp_path)
    assert find_weights("served").read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert "in the cache is" in caplog.text


def test_damaged_cache_without_download(serve, server, tmp_path):
    """Without download the damaged file is removed and the error says so; then the set is simply not there."""
    serve("good")
    path = put_into_cache(CONTENT[:100], tmp_path)
    with pytest.raises(WeightsIntegrityError, match=r"truncated.* removed.*'spectok weights download served"):
        find_weights("served", download=False)
    assert not path.exists()
    with pytest.raises(WeightsError, match="not on this machine, and `download` is False"):
        find_weights("served", download=False)
    assert not server.requests


def test_offline(serve):
    """Without network the error lists the sources and the remedies."""
    serve("good", "mirror")
    words = r"(?s)/good/.*allow_internet is False.*/mirror/.*pass its path"
    with data_conf.set_temp("allow_internet", False), pytest.raises(WeightsError, match=words):
        find_weights("served")


def test_no_source_at_all(known, cache, tmp_path, monkeypatch):
    """A packaged file that is gone and cannot be had elsewhere."""
    monkeypatch.setattr(store, "PACKAGED_DIR", tmp_path)
    known["served"] = replace(ENTRY, packaged=True, urls=())
    with pytest.raises(WeightsError, match="no source is known"):
        find_weights("served")


def test_unwritable_cache(serve, server, cache, caplog, monkeypatch):
    """Where nothing can be kept, the download serves this process, and is not repeated."""
    monkeypatch.setattr("astro_spectok.weights.download._TEMPORARY", {})
    serve("good")
    (cache / "download").write_text("a file where the folder of the cache should be")
    path = find_weights("served")
    assert path.read_bytes() == CONTENT
    assert find_weights("served") == path
    assert len(server.requests) == 1
    assert "cannot be kept in the cache" in caplog.text


def download(entry, environment):
    """What another process does: to register the weights and to look for them."""
    os.environ |= environment
    register_weights(entry)
    assert hashlib.sha256(find_weights("served").read_bytes()).hexdigest() == entry.sha256


def test_two_processes_at_once(processes, serve, server, cache, tmp_path):
    """Two processes that download at the same moment, over a damaged file, both end with the right one."""
    entry = serve("both")
    put_into_cache(CONTENT[:100], tmp_path)
    environment = {name: os.environ[name] for name in ("XDG_CACHE_HOME", "no_proxy", "NO_PROXY")}
    started = [processes.Process(target=download, args=(entry, environment)) for _ in range(2)]
    for process in started:
        process.start()
    for process in started:
        process.join(300)
    assert [process.exitcode for process in started] == [0, 0]
    assert len(server.requests) == 2
    kept = download_file(cache_url(entry), cache=True, sources=[], pkgname="astro_spectok")
    assert Path(kept).read_bytes() == CONTENT
