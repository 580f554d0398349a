# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The building of weights: from beginning to end, killed and gone on with, and what it refuses."""

import contextlib
import json
import shutil
import sys
import time

import pytest
import torch
from _training_data import write_labelled_stars
from safetensors.torch import load_file

from astro_spectok.cli import main
from astro_spectok.heads import SpectralTypeHead
from astro_spectok.redshift import Calibration
from astro_spectok.redshift.templates import read_templates
from astro_spectok.simulate.public_sets import find_sets
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.training import stellar_head
from astro_spectok.training.factory import build_weights, read_recipe
from astro_spectok.training.factory.folders import StageFolder
from astro_spectok.training.factory.recipe import RECIPES
from astro_spectok.weights import load_weights, read_weights, write_network
from astro_spectok.weights.integrity import compute_sha256

#: long enough for any machine; nothing waits for it but a fault
LIMIT = 500


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A directory of public sets in miniature."""
    return write_labelled_stars(tmp_path_factory.mktemp("sets"))


def run_command(data, out, *more):
    """The command on one thread, with few stars in a batch: what is compared comes about in the same way."""
    torch.set_num_threads(1)
    stellar_head.BATCH = 8
    with out.with_suffix(".txt").open("w") as text, contextlib.redirect_stdout(text):
        code = main(["build", "tiny", "--data", str(data), "-o", str(out), "--device", "cpu", *more])
    sys.exit(code)


def start_build(processes, *arguments):
    """Start the command in a process of its own."""
    process = processes.Process(target=run_command, args=arguments)
    process.start()
    return process


def finish(process, out):
    """Wait for the end of a build; what it wrote."""
    process.join(LIMIT)
    assert process.exitcode == 0
    return out.with_suffix(".txt").read_text()


@pytest.fixture(scope="module")
def built(processes, data, tmp_path_factory):
    """A whole build that nothing disturbs: its directory and what the command wrote."""
    out = tmp_path_factory.mktemp("build") / "out"
    return out, finish(start_build(processes, data, out), out)


@pytest.fixture
def copied(built, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(built[0], tmp_path / "copy")


#: heads that stages of their own make
HEADS = ("spectral_type", "stellar", "embedding", "library", "galaxy", "photometry")


def write_recipe(path, *changes):
    """The tiny recipe with lines replaced."""
    text = (RECIPES / "tiny.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


class TestWholeBuild:
    def test_weights(self, built):
        """They are complete: heads, calibrations, templates beside; and load."""
        loaded = load_weights(built[0] / "weights" / "tiny.safetensors")
        assert loaded.name == "tiny"
        heads = loaded.network.heads
        assert set(heads) == {"redshift", *HEADS}
        calibration = json.loads((built[0] / "calibrate_redshift" / "calibration.json").read_text())
        assert Calibration.from_head(heads["redshift"]).to_dict() == calibration
        known = StellarTraining.from_head(heads["stellar"])
        assert known.error_scale.keys() >= {"teff 3600-7390"}
        assert len(known.wavelength) == 2  # without the emulator nothing is known of the H band
        assert read_templates(built[0] / "templates" / "rest_templates.safetensors").classes == (
            "GALAXY",
            "QSO",
            "STAR",
        )

    def test_heads_are_those_of_their_stages(self, built):
        """Head tensors come from their folders, all others from the last pretraining."""
        out = built[0]
        _, tensors = read_weights(out / "weights" / "tiny.safetensors")
        _, base = read_weights(out / "pretrain-2" / "weights.safetensors")
        for stage in HEADS:
            prefix = f"heads.{stage}."
            head = load_file(out / stage / "head.safetensors")
            own = {key.removeprefix(prefix): x for key, x in tensors.items() if key.startswith(prefix)}
            assert own.keys() == head.keys()
            assert all(torch.equal(own[key], head[key]) for key in head)
        others = [key for key in tensors if not key.startswith(tuple(f"heads.{x}." for x in HEADS))]
        assert all(torch.equal(tensors[key], base[key]) for key in others)

    def test_provenance(self, built, data):
        """Each part says what made it: stage, settings, data and their digests, version, what it was made from."""
        out = built[0]
        loaded = load_weights(out / "weights" / "tiny.safetensors")
        record, recipe = loaded.metadata["provenance"], read_recipe("tiny")
        assert record["recipe"] == {"name": "tiny", "sha256": recipe.sha256}
        of_heads = {name: head.provenance["stages"] for name, head in loaded.network.heads.items()}
        assert {name: [one["stage"] for one in stages] for name, stages in of_heads.items()} == {
            "redshift": ["calibrate_redshift"],
            "spectral_type": ["spectral_type"],
            "stellar": ["stellar", "stellar_left_out", "calibrate_stellar"],
            "embedding": ["embedding"],
            "library": ["library"],
            "galaxy": ["galaxy"],
            "photometry": ["photometry"],
        }
        stages = {one["stage"]: one for one in [*record["stages"], *(one for x in of_heads.values() for one in x)]}
        assert set(stages) == set(recipe.stages)
        digests = {name: compute_sha256(path) for name, path in find_sets(data).items()}
        assert all(one["data"] == digests for one in stages.values())
        assert stages["pretrain-1"]["settings"]["steps"] == 4
        assert stages["pretrain-1"]["settings"]["seed"] == 1
        assert loaded.network.heads["redshift"].provenance["stage"] == "pretrain"
        base = compute_sha256(out / "pretrain-2" / "weights.safetensors")
        assert stages["calibrate_redshift"]["needs"]["base"] == base
        assert set(stages["calibrate_redshift"]["templates"]) == {
            "rest_templates.safetensors",
            "infrared_templates.safetensors",
        }
        assert all(one["version"] and one["date"] and "commit" in one for one in stages.values())

    def test_command_tells_how_far_it_is(self, built):
        lines = built[1].splitlines()
        assert lines[0] == "pretrain-1: begins"
        assert lines[-1] == f"weights: {built[0] / 'weights' / 'tiny.safetensors'}"
        assert any(line.startswith("stellar: done in") for line in lines)

    def test_nothing_is_done_twice(self, built, data, capsys):
        """The same command takes what is there, file by file."""
        out = built[0]
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
        assert main(["build", "tiny", "--data", str(data), "-o", str(out)]) == 0
        assert capsys.readouterr().out.count("taken as it is") == len(read_recipe("tiny").stages)
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


class TestInterruption:
    def test_killed_build_goes_on(self, processes, built, data, tmp_path):
        """Killed in pretraining and between two networks of the stellar head: what comes out is the same."""
        stages, out = ("--stages", "pretrain,stellar"), tmp_path / "killed"
        for mark in ("pretrain-1.part/checkpoint.safetensors", "stellar.part/window-0-network-1.safetensors"):
            process = start_build(processes, data, out, *stages)
            begin = time.monotonic()
            while not (out / mark).is_file() and process.is_alive() and time.monotonic() < begin + LIMIT:
                time.sleep(0.01)
            process.kill()
            process.join(LIMIT)
            assert process.exitcode == -9
            assert (out / mark).parent.is_dir()
            assert not (out / mark.partition(".")[0]).exists()
        kept = (out / mark).stat().st_mtime_ns
        text = finish(start_build(processes, data, out, *stages), out)
        assert "pretrain-2: taken as it is" in text
        assert kept < time.time_ns()
        for path in ("pretrain-1/weights.safetensors", "pretrain-2/weights.safetensors", "stellar/head.safetensors"):
            found, wanted = load_file(out / path), load_file(built[0] / path)
            assert all(torch.equal(found[key], wanted[key]) for key in wanted)
        assert not list(out.glob("*.part"))

    def test_part_of_other_settings_is_not_gone_on_with(self, tmp_path):
        """What was begun with other settings is refused, or thrown away if asked to."""
        folder = StageFolder(tmp_path, "stellar")
        folder.begin({"settings": {"steps": 1}})
        (folder.part / "kept").write_text("x")
        assert not folder.is_done({"settings": {"steps": 1}})
        folder.begin({"settings": {"steps": 1}})
        assert (folder.part / "kept").is_file()
        with pytest.raises(
            FileExistsError, match=r"stellar: .* was begun of other things \(settings.steps: 1 there, 2"
        ):
            folder.is_done({"settings": {"steps": 2}})
        assert not folder.is_done({"settings": {"steps": 2}}, overwrite=True)
        folder.begin({"settings": {"steps": 2}})
        assert not (folder.part / "kept").exists()


class TestChanges:
    def test_settings(self, copied, data, tmp_path):
        """Other settings are refused by name; with overwrite their stage is made anew, and no other."""
        recipe = write_recipe(tmp_path / "tiny.toml", ("epochs = 4.0", "epochs = 8.0"))
        with pytest.raises(FileExistsError, match=r"spectral_type: .*settings.epochs: 4.0 there, 8.0 now.*--overwrite"):
            build_weights(recipe, copied, data=data, device="cpu")
        with pytest.raises(FileExistsError, match=r"spectral_type: .*settings.epochs: 4.0 there, 8.0 now"):
            build_weights(recipe, copied, data=data, stages=["weights"], overwrite=True)
        lines = []
        path = build_weights(recipe, copied, data=data, device="cpu", overwrite=True, report=lines.append)
        assert [line for line in lines if "begins" in line] == ["spectral_type: begins"]
        (record,) = load_weights(path).network.heads["spectral_type"].provenance["stages"]
        assert record["settings"]["epochs"] == 8.0

    def test_data(self, copied, tmp_path):
        """Other content of a set is noticed by its digest."""
        other = write_labelled_stars(tmp_path / "sets", n=61)
        with pytest.raises(FileExistsError, match=r"pretrain-1: .*data.miles_real_stars: \w+ there, \w+ now"):
            build_weights("tiny", copied, data=other, device="cpu")

    def test_output(self, copied, data):
        """What was changed, or lost, since it was made is not built upon."""
        path = copied / "spectral_type" / "head.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(FileExistsError, match=r"spectral_type: .*head.safetensors was changed since it was made"):
            build_weights("tiny", copied, data=data, device="cpu")
        path.unlink()
        with pytest.raises(FileExistsError, match=r"spectral_type: .*head.safetensors is missing"):
            build_weights("tiny", copied, data=data, device="cpu")


class TestGivenWeights:
    def test_head_for_other_weights(self, tmp_path, redshift_weights):
        """All else of the weights, and its record, is in the file, with its origin."""
        network = load_weights(redshift_weights, shared=False).network
        network.heads["redshift"].calibration = {"pixel_power": 0.01}
        start = write_network(tmp_path / "start.safetensors", network, half=True)
        recipe = tmp_path / "mine.toml"
        recipe.write_text("[spectral_type]\nstars = 40\nepochs = 2.0\n")
        path = build_weights(recipe, tmp_path / "out", start=start, device="cpu")
        loaded = load_weights(path)
        assert loaded.name == "mine"
        assert isinstance(loaded.network.heads["spectral_type"], SpectralTypeHead)
        assert loaded.network.heads["redshift"].calibration == {"pixel_power": 0.01}
        before, written = read_weights(start)[1], read_weights(path)[1]
        assert all(torch.equal(x, written[key]) for key, x in before.items() if "spectral_type" not in key)
        record = loaded.metadata["provenance"]
        assert record["start"] == {"file": "start.safetensors", "sha256": compute_sha256(start), "provenance": None}
        (stage,) = loaded.network.heads["spectral_type"].provenance["stages"]
        assert stage["data"] == "analytic templates"

    @pytest.mark.parametrize(
        ("text", "options", "error", "message"),
        [
            ("[spectral_type]", {}, ValueError, r"start must name the weights \(--start-from\)"),
            ("network = 'tiny'\n[[pretrain]]", {"start": "small"}, ValueError, "start must not be given with a recipe"),
            (
                "[stellar]",
                {"start": "small"},
                FileNotFoundError,
                "data must hold labelled stars for stellar: miles_real",
            ),
            (
                "[spectral_type]",
                {"start": "small", "stages": ["x"]},
                ValueError,
                "stages must be among spectral_type, w",
            ),
            (
                "[spectral_type]",
                {"start": "small", "stages": ["weights"]},
                FileNotFoundError,
                "weights needs spectral_t",
            ),
        ],
    )
    def test_what_cannot_be(self, tmp_path, text, options, error, message):
        """It is said before any work is done."""
        recipe = tmp_path / "mine.toml"
        recipe.write_text(text)
        with pytest.raises(error, match=message):
            build_weights(recipe, tmp_path / "out", **options)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[calibrate_stellar]", r"add a table \[stellar_left_out\]"),
            ("[stellar_left_out]\n[calibrate_stellar]", r"needs a head to calibrate.*\[stellar\]"),
            ("[stellar]", r"network.dct_coefficients must be above 0 for a stellar head, got 0 in 'tiny'"),
            ("[calibrate_redshift]", "calibrate_redshift needs a head to calibrate, which 'tiny' has not"),
        ],
    )
    def test_nothing_to_calibrate(self, tmp_path, data, tiny_weights, text, message):
        recipe = tmp_path / "mine.toml"
        recipe.write_text(text)
        with pytest.raises(ValueError, match=message):
            build_weights(recipe, tmp_path / "out", data=data, start=tiny_weights)
