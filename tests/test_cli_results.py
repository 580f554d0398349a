# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where tables of the shell command go: to a file, or to standard output."""

from argparse import Namespace

import pytest
from astropy import units as u
from astropy.table import QTable

from astro_spectok.cli import main
from astro_spectok.cli.results import write_result
from astro_spectok.example import list_example_files
from astro_spectok.redshift import RedshiftFlag


def test_printed_without_a_file(capsys):
    """The main columns, and no summary beside them."""
    files = [str(path) for path in list_example_files()[:2]]
    assert main(["redshift", *files, "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "spectype", "z", "z_err", "p_best", "zwarn"]
    assert [line.split()[-5] for line in lines[2:]] == ["STAR", "GALAXY"]


def test_flags_by_name_units_and_messages(capsys):
    table = QTable({"name": ["a", "b"], "rv": [1.0, 2.0] * u.km / u.s, "zwarn": [0, 1], "message": ["", ""]})
    out = Namespace(out=None, quiet=False)
    write_result(table, out, "two", ("name", "rv", "zwarn", "message", "absent"), RedshiftFlag)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "rv", "zwarn"]
    assert "km / s" in lines[1]
    assert [line.split()[-1] for line in lines[3:]] == ["0", RedshiftFlag(1).name]
    table["zwarn"] = [0, 1 << 30]
    write_result(table, out, "two", ("name", "zwarn"), RedshiftFlag)
    assert capsys.readouterr().out.split()[-1] == str(1 << 30)  # one without a name
    table["zwarn"] = [0, 1]
    table["message"] = ["", "no good pixel"]
    write_result(table, out, "two")
    assert "no good pixel" in capsys.readouterr().out
    assert table["zwarn"].tolist() == [0, 1]


@pytest.mark.parametrize("command", ["embed", "index"])
def test_vectors_need_a_file(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, str(list_example_files()[0])])
    assert stop.value.code == 2
    assert "-o/--out" in capsys.readouterr().err
