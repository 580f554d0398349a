# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the shell command: its frame, its errors, and ``spectok weights``."""

import argparse
import hashlib
import os
import sys

import pytest
import torch

from astro_spectok import __version__
from astro_spectok.cli import command as cli
from astro_spectok.cli.options import add_common_options
from astro_spectok.config import conf
from astro_spectok.weights import WeightsEntry, registry, store, write_weights

CONTENT = b"spectral tokens" * 100


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder that serves the set 'served', which the registry knows, with a cache of its own."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "served.safetensors").write_bytes(CONTENT)
    entry = WeightsEntry(
        name="served",
        file="served.safetensors",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        urls=((tmp_path / "gone" / "served.safetensors").as_uri(),),
        description="served from a folder",
    )
    entries = dict(registry.REGISTRY) | {"served": entry}
    for module in (registry, store):
        monkeypatch.setattr(module, "REGISTRY", entries)
    (tmp_path / "astro_spectok").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return folder


def test_list(source, capsys):
    """Every known set has a line."""
    assert cli.main(["weights", "list"]) == 0
    out, err = capsys.readouterr()
    assert "served from a folder" in out
    assert "small" in out
    assert not err


def test_info_on_name(source, capsys):
    """A set is described with its digest."""
    assert cli.main(["weights", "info", "served"]) == 0
    assert hashlib.sha256(CONTENT).hexdigest() in capsys.readouterr().out


def test_info_on_file(tmp_path, capsys):
    """A file describes itself."""
    config = {"backbone": {"width": 8}, "heads": []}
    path = write_weights(tmp_path / "a.safetensors", config, {"a": torch.ones(1)}, metadata={"name": "mine"})
    assert cli.main(["weights", "info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "mine" in out
    assert "'width': 8" in out


def test_download(source, capsys):
    """The set is fetched from the mirror, and its path alone goes to standard output."""
    assert cli.main(["weights", "download", "served", "--mirror", source.as_uri()]) == 0
    out, err = capsys.readouterr()
    with open(out.strip(), "rb") as stream:
        assert stream.read() == CONTENT
    assert not err
    assert conf.weights_mirrors == []


@pytest.mark.parametrize("options", [["--quiet"], []])
def test_download_fails(source, capsys, options):
    """A failure gives status 1 and a message, without traceback; --quiet drops the remarks, not the error."""
    (source / "served.safetensors").write_bytes(CONTENT[:-3])
    assert cli.main([*options, "weights", "download", "served", "--mirror", source.as_uri()]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "spectok: error: The weights 'served' could not be downloaded" in err
    assert "truncated" in err
    assert "Traceback" not in err
    assert ("spectok: WARNING" in err) is (not options)


def test_a_near_name_is_proposed(capsys):
    """And of one that is like none, the table alone is shown."""
    for name, proposed in (("Smal", True), ("desi", False)):
        assert cli.main(["weights", "info", name]) == 1
        assert ("did you mean 'small'?" in capsys.readouterr().err) is proposed


@pytest.mark.parametrize(
    ("argv", "proposed"),
    [
        (["redshfit", "a.fits"], "redshift"), (["weights", "lsit"], "list"),
        (["redshift", "a.fits", "--medium", "Air"], "air"), (["xyz"], None),
    ],
)  # fmt: skip
def test_what_may_have_been_meant(capsys, argv, proposed):
    """A command, an action or a choice that is near one that there is."""
    with pytest.raises(SystemExit):
        cli.main(argv)
    err = capsys.readouterr().err
    assert (f"; did you mean {proposed}?" in err) if proposed else "did you mean" not in err


@pytest.mark.parametrize("command", ["demo", "inspect"])
def test_folders_that_are_not_there_are_noticed_first(tmp_path, monkeypatch, capsys, command):
    """Before anything is measured."""
    monkeypatch.setattr("astro_spectok.demo.measure_examples", None)
    table = tmp_path / "z.csv"
    table.write_text("file,spectype,z,p_best,zwarn\na.fits,STAR,0,1,0\n")
    argv = ["demo"] if command == "demo" else ["inspect", str(table)]
    assert cli.main([*argv, "-o", str(tmp_path / "none" / "a.pdf")]) == 1
    assert "a.pdf does not exist; make it first" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--debug", "weights", "info", "nope"], ["weights", "info", "nope", "--debug"]])
def test_debug_shows_traceback(argv, capsys):
    """--debug may stand before or after the subcommand."""
    assert cli.main(argv) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "Known sets are" in err


@pytest.mark.parametrize(
    "argv", [[], ["nothing"], ["weights"], ["weights", "info"], ["weights", "list", "--batch-tokens", "3"]]
)
def test_usage_error(argv, capsys):
    """A wrong command line has status 2 and shows the usage."""
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2
    assert "usage: spectok" in capsys.readouterr().err


def test_version(capsys):
    """The version goes to standard output."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"spectok {__version__}\n"


def _parse_common(*argv):
    parser = argparse.ArgumentParser()
    add_common_options(parser, "weights", "device", "batch_tokens", "overwrite")
    return parser.parse_args(argv)


def test_common_options():
    """Every subcommand can take the same options, with the same defaults."""
    assert vars(_parse_common()) == {"weights": None, "device": "auto", "batch_tokens": None, "overwrite": False}
    args = _parse_common("--weights", "small", "--device", "cpu", "--batch-tokens", "64", "--overwrite", "--quiet")
    assert (args.weights, args.device, args.batch_tokens, args.overwrite, args.quiet) == (
        "small",
        "cpu",
        64,
        True,
        True,
    )


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_batch_tokens_must_be_positive(number, capsys):
    """A budget of no tokens is refused."""
    with pytest.raises(SystemExit):
        _parse_common(f"--batch-tokens={number}")
    assert "must be an integer above zero" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (ValueError(), 1)])
def test_status_of_a_handler(monkeypatch, capsys, error, status):
    """Interruption has its own status, and an error without words shows its class."""

    def fail(args):
        raise error

    def add_failing(subparsers):
        subparsers.add_parser("fail").set_defaults(run=fail)

    monkeypatch.setattr(cli, "SUBCOMMANDS", (add_failing,))
    assert cli.main(["fail"]) == status
    assert ("interrupted" if status == 130 else "ValueError") in capsys.readouterr().err


def test_closed_pipe_is_no_error(monkeypatch, capfd):
    """A reader that stops early, such as head, sees no complaint, nor when the stream is closed at the end."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert cli.main(["weights", "list"]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("item", "value"),
    [("max_pixels", 0), ("batch_tokens", "many"), ("precision", "float8"), ("download_timeout", 0.0)],
)
def test_settings_are_checked(item, value):
    """A setting of the wrong type or range is refused."""
    with pytest.raises(TypeError, match=item):
        setattr(conf, item, value)
