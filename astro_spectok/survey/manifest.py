# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a run is of, kept in its folder, so that the same command goes on and another one is refused."""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from astro_spectok.survey.inputs import InputFile
from astro_spectok.survey.output import RUN_KEY, import_pyarrow
from astro_spectok.survey.work import ERRORS, MANIFEST, RESULTS
from astro_spectok.utils.atomic import replace_file
from astro_spectok.version import __version__

__all__ = ["IDS", "INPUTS", "clear", "find_done", "make_manifest", "read_inputs", "start"]

INPUTS, IDS = "inputs.parquet", "ids.txt"
FORMAT = 1
#: letters of a message
LONGEST = 200


def _digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def make_manifest(task, files, counts, kept, *, partition, reading, column, ids):
    """All that results depend on, and the digest of it.

    Parameters
    ----------
    task : `~astro_spectok.survey.tasks.Task`
    files, counts
        Of the plan.
    kept : dict of str to str
    partition : int
    reading : dict
    column : str or None
    ids : frozenset of str or None

    Returns
    -------
    dict
        Plain numbers and text; ``run`` is the digest.
    """
    options = {name: repr(x) for name, x in sorted(reading.items()) if x is not None}
    what = {
        "format": FORMAT,
        "settings": task.describe(),
        "weights_sha256": task.sha256,
        "astro_spectok": __version__,
        "inputs": _digest([[*file, *count] for file, count in zip(files, counts, strict=True)]),
        "keep": kept,
        "partition": partition,
        "reading": options,
        "column": column,
        "ids": None if ids is None else _digest(sorted(ids)),
    }
    return what | {
        "run": _digest(what),
        "weights": task.weights,
        "started": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
    }


#: what a manifest is compared by, and how a user calls it
COMPARED = {
    "format": "the format of runs", "astro_spectok": "the version of astro_spectok", "settings": "options",
    "weights_sha256": "the weights", "inputs": "the inputs", "keep": "the columns that are kept",
    "partition": "partition", "reading": "options of reading", "column": "column", "ids": "ids",
}  # fmt: skip


def start(out, manifest, files, counts, *, ids=None, restart=False):
    """Begin a run in its folder, or go on with it.

    Parameters
    ----------
    out : path-like
        Is there and locked.
    manifest : dict
        As of `make_manifest`.
    files, counts
        Of the plan; kept beside the manifest.
    ids : frozenset of str, optional
        Likewise: workers read them from there.
    restart : bool, optional
        Whether what is there of another run is removed.

    Returns
    -------
    dict
        The manifest that counts: of a run that goes on, the one that it began with.

    Raises
    ------
    ValueError
        There is another run; the message says what differs.
    FileExistsError
        There is something else in the folder.
    """
    out = Path(out)
    for name in (INPUTS, IDS, MANIFEST):  # half-written ones that a kill left
        for path in out.glob(f".{Path(name).stem}-*{Path(name).suffix}"):
            path.unlink(missing_ok=True)
    old = _read(out / MANIFEST)
    if old is not None and old.get("run") == manifest["run"] and not restart:
        return old
    if old is not None and not restart:
        raise ValueError(_word_difference(out, old, manifest, files))
    if old is None and any(list((out / folder).glob("*")) for folder in (RESULTS, ERRORS)):
        msg = f"{out} holds {RESULTS} or {ERRORS} without a {MANIFEST}, so no run of this command; give another folder"
        raise FileExistsError(msg)
    clear(out)
    for folder in (RESULTS, ERRORS):
        (out / folder).mkdir(exist_ok=True)
    _write_inputs(out / INPUTS, files, counts)
    if ids is not None:
        with replace_file(out / IDS) as temporary:
            temporary.write_text("\n".join(sorted(ids)) + "\n", encoding="utf-8")
    with replace_file(out / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def clear(out):
    """Remove what a run wrote; the manifest last, so that what is left after a kill still belongs to it.

    Parameters
    ----------
    out : path-like
    """
    out = Path(out)
    for folder in (RESULTS, ERRORS):
        shutil.rmtree(out / folder, ignore_errors=True)
    for name in (INPUTS, IDS, MANIFEST):
        (out / name).unlink(missing_ok=True)


def _read(path):
    """A manifest; None where there is none, empty where it is none of ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _word_difference(out, old, new, files):
    """What differs from the run that is in a folder, in words."""
    differing = [name for name in COMPARED if old.get(name) != new[name]]
    words = [COMPARED[name] for name in differing]
    if differing == ["inputs"] or "inputs" in differing:
        words[words.index("the inputs")] = _word_inputs(Path(out) / INPUTS, files)
    if "settings" in differing:
        before, now = old.get("settings") or {}, new["settings"]
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        words[words.index("options")] = f"options ({', '.join(names)})"
    start = f"out: {out} holds a run that differs in "
    end = "; give another folder, or restart=True (--restart) to begin anew"
    text = ", ".join(words)
    room = max(LONGEST - len(start) - len(end), 40)
    return start + (text if len(text) <= room else text[: room - 3] + "...") + end


def _word_inputs(path, files):
    """Which input differs, if that can be said."""
    try:
        before = list(read_inputs(path))
    except Exception:  # it is for the message alone
        return "the inputs"
    names = {file.path: file for file in before}
    for file in files:
        if file.path not in names:
            return f"the inputs ({Path(file.path).name} is new)"
        if names[file.path] != file:
            return f"the inputs ({Path(file.path).name} was changed)"
    gone = set(names) - {file.path for file in files}
    return f"the inputs ({Path(min(gone)).name} is gone)" if gone else "the inputs"


def _write_inputs(path, files, counts):
    pa = import_pyarrow()
    table = pa.table(
        {
            "path": pa.array([file.path.encode("utf-8", "surrogateescape") for file in files], pa.binary()),
            "size": pa.array([file.size for file in files], pa.int64()),
            "changed": pa.array([file.changed for file in files], pa.int64()),
            "layout": pa.array([layout for layout, _ in counts], pa.string()),
            "rows": pa.array([sizes for _, sizes in counts], pa.list_(pa.int64())),
        }
    )
    with replace_file(path) as temporary:
        pa.parquet.write_table(table, temporary, compression="zstd")


def read_inputs(path):
    """The files of a run as it began, with what was found in them.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of `~astro_spectok.survey.inputs.InputFile` to (str, list of int)
    """
    table = import_pyarrow().parquet.read_table(path).to_pydict()
    names = [name.decode("utf-8", "surrogateescape") for name in table["path"]]
    files = map(InputFile, names, table["size"], table["changed"])
    return dict(zip(files, zip(table["layout"], table["rows"], strict=True), strict=True))


def find_done(out, run):
    """Which partitions are done, and how many spectra each has; what a kill left half-written is removed.

    Parameters
    ----------
    out : path-like
    run : str
        Digest of the run.

    Returns
    -------
    dict of int to int

    Raises
    ------
    ValueError
        There is a file of another run.
    """
    parquet, done = import_pyarrow().parquet, {}
    for folder in (RESULTS, ERRORS):
        for path in sorted((Path(out) / folder).iterdir()):
            if path.name.startswith("."):
                path.unlink(missing_ok=True)
                continue
            try:
                metadata = parquet.read_metadata(path)
            except (OSError, ValueError) as error:
                msg = f"{path} is damaged ({error}); remove it, and the same command measures it again"
                raise ValueError(msg) from error
            if (metadata.metadata or {}).get(RUN_KEY) != run.encode():
                msg = f"{path} is of another run; remove it, or give restart=True (--restart) to begin anew"
                raise ValueError(msg)
            if folder == RESULTS:
                done[int(path.stem.removeprefix("part-"))] = metadata.num_rows
    return done
