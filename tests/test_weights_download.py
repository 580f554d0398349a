# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the download of weights: sources in their order, what goes wrong on the way, and the cache."""

import hashlib
import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from _served_weights import CONTENT, ENTRY, Handler, Server
from astropy.utils.data import conf as data_conf
from astropy.utils.data import download_file, import_file_to_cache

from astro_spectok.config import conf
from astro_spectok.exceptions import WeightsError, WeightsIntegrityError
from astro_spectok.weights import find_weights, register_weights, store, transfer
from astro_spectok.weights.download import cache_url


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
def serve(own_registry, cache, server):
    """A function that registers ``ENTRY`` with the kinds of sources it is given."""

    def register(*kinds):
        own_registry["served"] = replace(ENTRY, urls=tuple(f"{server.url}/{kind}/served.safetensors" for kind in kinds))
        return own_registry["served"]

    return register


def put_into_cache(content, tmp_path):
    path = tmp_path / "to_be_imported"
    path.write_bytes(content)
    return Path(import_file_to_cache(cache_url(ENTRY), str(path), pkgname="astro_spectok"))


def test_download_then_cache(serve, server, cache):
    """A good file is downloaded once into the cache, and found there offline."""
    serve("good")
    path = find_weights("served")
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(cache)
    with data_conf.set_temp("allow_internet", False):
        assert find_weights("served") == find_weights("served", download=False) == path
    assert len(server.requests) == 1


def test_download_from_file_url(own_registry, cache, tmp_path):
    """A file:// source is as good as any."""
    source = tmp_path / ENTRY.file
    source.write_bytes(CONTENT)
    own_registry["served"] = replace(ENTRY, urls=(source.as_uri(),))
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


def test_no_source_at_all(own_registry, cache, tmp_path, monkeypatch):
    """A packaged file that is gone and cannot be had elsewhere."""
    monkeypatch.setattr(store, "PACKAGED_DIR", tmp_path)
    own_registry["served"] = replace(ENTRY, packaged=True, urls=())
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
