# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The contract of the shell: which files are read, what is checked first, the exit status, warnings, models."""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from _redshift import fake_measure, make_scores
from astropy.table import QTable, Table
from conftest import make_spectrum
from specutils import Spectrum

from astro_spectok import embed, tokenize
from astro_spectok.cli import main
from astro_spectok.cli.inputs import expand_paths
from astro_spectok.cli.measure import find_status
from astro_spectok.cli.options import write_line
from astro_spectok.cli.remarks import show_warnings
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.spectra import read


@pytest.fixture
def folder(tmp_path):
    """Two spectra, one of them in a folder of the folder, beside a hidden file."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / ".hidden").touch()
    for k, name in enumerate(("b.fits", "deep/a.fits")):
        make_spectrum(200 + 50 * k, seed=k).write(tmp_path / "in" / name, format="tabular-fits")
    return tmp_path / "in"


@pytest.fixture
def run(tmp_path, tiny_weights):
    """Embed with the smallest network; returns the exit status and, where there is one, the table."""

    def run(*names, out="out.ecsv", options=("--quiet", "--overwrite")):
        out = tmp_path / out
        options = ["--weights", str(tiny_weights), "--device", "cpu", "--medium", "vacuum", *options]
        status = main(["embed", *map(str, names), "-o", str(out), *options])
        return status, QTable.read(out) if out.exists() and out.suffix == ".ecsv" else None

    return run


class TestFiles:
    def test_patterns(self, folder, run):
        """Expanded here where the shell left them alone; a file of that very name goes before."""
        status, table = run(folder / "*.fits")
        assert (status, [Path(name).name for name in table["file"]]) == (0, ["b.fits"])
        assert len(run(folder / "**" / "*.fits", options=("--quiet", "--recursive", "--overwrite"))[1]) == 2
        named = folder / "b[1].fits"
        (folder / "b.fits").rename(named)
        assert expand_paths([str(named)]) == [named]

    def test_folders(self, folder, run):
        """The files in them, and with --recursive those in their folders; hidden ones are left out."""
        assert [Path(name).name for name in run(folder)[1]["file"]] == ["b.fits"]
        both = run(folder, options=("--quiet", "--recursive", "--overwrite"))[1]
        assert [Path(name).name for name in both["file"]] == ["b.fits", "a.fits"]
        (folder / "gone.fits").symlink_to(folder / "nowhere.fits")  # a spectrum that is lost is not passed over
        assert folder / "gone.fits" in expand_paths([str(folder)])
        assert expand_paths([str(folder / "g*.fits")]) == [folder / "gone.fits"]

    def test_lists(self, folder, run, monkeypatch, tmp_path):
        """Names in a file and on standard input; each file once."""
        lines = f"# two\n\n{folder / 'deep' / 'a.fits'}\n{folder / '*.fits'}\n"
        (tmp_path / "list.txt").write_text(lines)
        expected = ["a.fits", "b.fits"]
        assert [Path(name).name for name in run(f"@{tmp_path / 'list.txt'}", folder / "b.fits")[1]["file"]] == expected
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        assert [Path(name).name for name in run("-")[1]["file"]] == expected

    def test_lists_of_other_programs(self, folder, run, tmp_path, capsys):
        """Names in quotes; a list is not written over, nor is a file of another kind one."""
        (tmp_path / "list.csv").write_text(f'"{folder / "b.fits"}"\n')
        assert len(run(f"@{tmp_path / 'list.csv'}")[1]) == 1
        assert run(f"@{tmp_path / 'list.csv'}", out="list.csv")[0] == 1
        assert "out must be none of the files that are read" in capsys.readouterr().err
        (tmp_path / "list").write_bytes(bytes(9000))
        (tmp_path / "rows").write_text("4000.0 1.0\n" * 20)
        for name in ("list", "rows"):
            assert run(f"@{tmp_path / name}")[0] == 1
            assert "is no list of files" in capsys.readouterr().err

    def test_tilde_without_a_user(self, folder, run, monkeypatch):
        """Stays a letter of the name."""
        monkeypatch.chdir(folder)
        (folder / "b.fits").rename(folder / "~nobody-of-that-name.fits")
        assert run("~nobody-of-that-name.fits")[0] == 0

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("none-*.fits", "no file matches 'none-*.fits'"),
            ("@none.txt", "@none.txt: the list of files none.txt cannot be read"),
            ("empty", "the folder empty holds no files; --recursive looks into its folders"),
            ("@blank.txt", "blank.txt must name at least one file"),
        ],
    )
    def test_nothing_is_named(self, tmp_path, run, monkeypatch, capsys, name, message):
        """Status 1 and one line that says which name it is."""
        monkeypatch.chdir(tmp_path)
        Path("empty").mkdir()
        Path("blank.txt").write_text("\n# nothing\n")
        assert run(name) == (1, None)
        assert capsys.readouterr().err == f"spectok: error: {message}" + (
            " (No such file or directory)\n" if "none.txt" in name else ", one on each line; got none\n"
            if "blank" in name else "\n"
        )  # fmt: skip


class TestStatus:
    def test_some_and_none(self, folder, run, tmp_path):
        """3 where some could not be measured, 1 where none could; the table is there in both cases."""
        bad = tmp_path / "bad.txt"
        bad.write_text("nothing")
        status, table = run(folder / "b.fits", bad)
        assert (status, len(table)) == (3, 2)
        status, table = run(bad, tmp_path / "missing.fits")
        assert (status, len(table)) == (1, 2)
        assert all(table["message"])
        assert run(folder / "b.fits")[0] == 0

    @pytest.mark.parametrize(("messages", "status"), [(["", ""], 0), (["", "x"], 3), (["x"], 1), ([], 1)])
    def test_of_a_table(self, messages, status):
        """A table without a row is nothing measured."""
        assert find_status(Table({"message": np.array(messages, dtype=str)})) == status

    def test_redshift(self, folder, redshift_weights, monkeypatch, tmp_path):
        """The same of the other commands."""
        fake_measure(monkeypatch, make_scores(("GALAXY", 0.5, 5e-4, 0.97), ("QSO", 1.0, 5e-4, 0.03)), None)
        arguments = ["-o", str(tmp_path / "z.ecsv"), "--weights", str(redshift_weights), "--quiet", "--device", "cpu"]
        assert main(["redshift", str(folder / "b.fits"), "nothing.fits", *arguments]) == 3

    def test_help_tells(self, capsys):
        """Each command that measures says what its status means."""
        for command in ("embed", "redshift", "stellar"):
            with pytest.raises(SystemExit):
                main([command, "--help"])
            written = " ".join(capsys.readouterr().out.split())
            assert "Exit status: 0 if every spectrum was measured; 3 if some could not be" in written


class TestStart:
    @pytest.fixture(autouse=True)
    def unread(self, monkeypatch):
        """Nothing is read before all this is known."""

        def fail(*args, **kwargs):
            pytest.fail("a file was read")

        monkeypatch.setattr("astro_spectok.interface.streaming.read_files", fail)

    def test_output_is_none_of_the_inputs(self, folder, run, capsys, tmp_path):
        """By any name, with --overwrite too: the file stays."""
        before = (folder / "b.fits").read_bytes()
        os.link(folder / "b.fits", tmp_path / "link.fits")
        for names, out in (([folder / "b.fits"], folder / "b.fits"), ([folder], tmp_path / "link.fits")):
            assert run(*names, out=out)[0] == 1
            assert "out must be none of the files that are read" in capsys.readouterr().err
        assert (folder / "b.fits").read_bytes() == before

    def test_output_cannot_be_written(self, folder, run, capsys, monkeypatch, tmp_path):
        """Whatever forbids it."""

        def forbid(**kwargs):
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr("astro_spectok.utils.writing.tempfile.NamedTemporaryFile", forbid)
        assert run(folder, out="new.ecsv")[0] == 1
        assert "new.ecsv cannot be written (Read-only file system); give another name" in capsys.readouterr().err

    def test_models_are_there(self, folder, run, capsys, tmp_path):
        """What would be refused at the end is refused at the start."""
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "x.model.fits").touch()
        assert run(folder, options=("--model", str(tmp_path / "m")))[0] == 1
        assert "holds models; give --overwrite" in capsys.readouterr().err
        assert run(folder, options=("--model", str(folder / "b.fits")))[0] == 1
        assert "model must be a folder, got the file" in capsys.readouterr().err


def test_models(folder, run, tmp_path, tiny_weights):
    """The decoded model of each spectrum on its own pixels, which specutils reads; none of what cannot be used."""
    several = Spectrum.read(folder / "b.fits")
    bad = tmp_path / "bad.txt"
    bad.write_text("nothing")
    out = tmp_path / "models"
    assert run(folder, bad, options=("--quiet", "--recursive", "--model", str(out)))[0] == 3
    assert sorted(path.name for path in out.iterdir()) == ["a.model.fits", "b.model.fits"]
    model = read(out / "b.model.fits")
    expected = tokenize(several, weights=tiny_weights, medium="vacuum", device="cpu").decode(several.spectral_axis)
    np.testing.assert_allclose(model.spectral_axis.value, several.spectral_axis.value)
    np.testing.assert_allclose(model.flux.value, expected.flux.value, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.uncertainty.array, expected.uncertainty.array, rtol=1e-3)
    assert model.flux.unit == several.flux.unit


class TestLocale:
    NAME = "größe_Ω".encode() + b"\xff.fits"  # no locale has the last letter

    def test_names_that_no_locale_has(self, folder, tmp_path, tiny_weights):
        """In a locale without UTF-8 nothing is lost: the table is written, and says what the file is called."""
        try:
            os.link(folder / "b.fits", os.path.join(os.fsencode(tmp_path), self.NAME))
        except OSError:
            pytest.skip("the file system refuses such names")
        env = dict(os.environ, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONWARNINGS="error")
        code = b"import sys; from astro_spectok.cli import main; sys.exit(main())"
        out = tmp_path / "out.ecsv"
        done = subprocess.run(
            [sys.executable.encode(), b"-c", code, b"embed", os.path.join(os.fsencode(tmp_path), self.NAME), b"-o",
             os.fsencode(out), b"--weights", os.fsencode(tiny_weights), b"--medium", b"vacuum"],
            env=env, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "fits" in QTable.read(out)["file"][0]

    def test_letters_that_a_stream_lacks(self):
        """They are written as their numbers."""
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        write_line("größe\udcff", stream=stream)
        stream.flush()
        assert stream.buffer.getvalue() == b"gr\\xf6\\xdfe\\udcff\n"


class TestWarnings:
    def warn(self, category, number, text="a" * 200):
        for _ in range(number):
            warnings.warn(text, category, stacklevel=2)

    def show(self, **options):
        stream = io.StringIO()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            with show_warnings(stream, **options):
                self.warn(UserWarning, 3)
                self.warn(FlaggedSpectraWarning, 2, "2 of 3 spectra")
        return stream.getvalue().splitlines()

    def test_of_others_once_and_short(self):
        """Ours as they are; of others one line each."""
        lines = self.show()
        assert lines[0] == "spectok: UserWarning: " + "a" * 116 + " ..."
        assert lines[1:3] == ["spectok: warning: 2 of 3 spectra"] * 2
        assert lines[3:] == ["spectok: 2 more warnings like these; --verbose shows them"]

    def test_verbose_and_quiet(self):
        """All of them, whole, with their place; or none."""
        lines = self.show(verbose=True)
        assert [line.startswith("spectok: UserWarning: " + "a" * 200) for line in lines] == [True] * 3 + [False] * 2
        assert self.show(quiet=True) == []

    def test_of_a_command(self, folder, run, capsys, tmp_path):
        """A flagged file is reported in one line."""
        assert run(folder / "b.fits", tmp_path / "none.fits", options=())[0] == 3
        assert "spectok: warning: 1 of 2 spectra could not be used" in capsys.readouterr().err


def test_progress_in_a_log(folder, run, capsys):
    """--progress shows it where there is no terminal; --quiet goes before."""
    assert run(folder, options=("--progress",))[0] == 0
    assert "embed: 1 of 1 (100 %)" in capsys.readouterr().err
    assert run(folder, options=("--progress", "--quiet", "--overwrite"))[0] == 0
    assert capsys.readouterr().err == ""


def test_progress_of_python(tiny_weights, capsys):
    """``progress=True`` shows it off a terminal, None does not."""
    embed([make_spectrum()], weights=tiny_weights, device="cpu")
    assert "embed:" not in capsys.readouterr().err
    embed([make_spectrum()], weights=tiny_weights, device="cpu", progress=True)
    assert capsys.readouterr().err.startswith("embed: 1 of 1 (100 %), ")
