# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`StageFolder`: what a stage has written, whole or not at all, with all that it was made of."""

import json
import os
import shutil
from datetime import UTC, datetime

from astro_spectok.training.checkpoint import list_differences
from astro_spectok.utils.atomic import replace_file
from astro_spectok.weights.integrity import compute_sha256

__all__ = ["StageFolder"]

#: records of a stage: in its folder once it is done, and its inputs until then
RECORD, INPUTS = "stage.json", "inputs.json"


class StageFolder:
    """Folder of a stage.

    A stage works in ``<name>.part``, which is given its name when all is done: a run that is killed leaves the one or
    the other. Both hold what the stage was made of, so that it is neither mixed with what other settings or data made,
    nor taken for it.

    Parameters
    ----------
    root : `~pathlib.Path`
        Of the whole build.
    name : str
        Of the stage.
    """

    def __init__(self, root, name):
        self.name, self.path, self.part = name, root / name, root / f"{name}.part"
        self._old = root / f".{name}.old"

    def read(self):
        """The record of the stage that is done, a dict, or None."""
        path = self.path / RECORD
        return json.loads(path.read_text()) if path.is_file() else None

    def is_done(self, inputs, *, overwrite=False):
        """Whether the stage is done, with these inputs.

        Parameters
        ----------
        inputs : dict of dict
            All that its result depends on, ready for JSON.
        overwrite : bool, optional
            Whether what was made of others may be thrown away.

        Raises
        ------
        FileExistsError
            What is there, or was begun, was made of others, or was changed since, and ``overwrite`` is False.
        """
        inputs, record = json.loads(json.dumps(inputs)), self.read()
        begun = self.part / INPUTS
        fault = None
        if record is not None:
            fault = self._find_fault(record["inputs"], inputs, "was made") or self._find_change(record)
        elif begun.is_file():
            fault = self._find_fault(json.loads(begun.read_text()), inputs, "was begun")
        if fault and not overwrite:
            msg = (
                f"{self.name}: {fault}; give overwrite=True (--overwrite) to make it anew, and what depends on it, or "
                "another directory"
            )
            raise FileExistsError(msg)
        return record is not None and not fault

    def _find_fault(self, stored, inputs, what):
        """In which way other inputs made what is there; '' if the same did."""
        different = list_differences(stored, inputs)
        return f"what is in {self.path.parent} {what} of other things ({'; '.join(different[:5])})" if different else ""

    def _find_change(self, record):
        """Description of the first file that was changed or lost since it was written; '' if none was."""
        for name, digest in record["outputs"].items():
            path = self.path / name
            if not path.is_file() or compute_sha256(path) != digest:
                return f"{path} {'was changed since it was made' if path.is_file() else 'is missing'}"
        return ""

    def begin(self, inputs):
        """Make ready for a stage that is not done; what the same inputs have begun stays.

        Parameters
        ----------
        inputs : dict of dict
        """
        self._remove(self.path)
        begun = self.part / INPUTS
        if not begun.is_file() or list_differences(json.loads(begun.read_text()), json.loads(json.dumps(inputs))):
            self._remove(self.part)
            self.part.mkdir(parents=True)
            _write_json(begun, inputs)

    def finish(self, outputs, about):
        """Give the folder its name.

        Parameters
        ----------
        outputs : sequence of str
            Files that later stages, or users, need; other ones of tensors are thrown away.
        about : dict
            More for the record.
        """
        inputs = json.loads((self.part / INPUTS).read_text())
        digests = {name: compute_sha256(self.part / name) for name in outputs}
        date = datetime.now(UTC).isoformat(timespec="seconds")
        _write_json(self.part / RECORD, {"inputs": inputs, "outputs": digests, "date": date} | about)
        os.rename(self.part, self.path)
        for path in self.path.iterdir():
            if path.suffix == ".safetensors" and path.name not in outputs:
                path.unlink()

    def _remove(self, path):
        """Remove a folder; it is gone at once, and not a part of it."""
        shutil.rmtree(self._old, ignore_errors=True)
        if path.exists():
            os.rename(path, self._old)
            shutil.rmtree(self._old)


def _write_json(path, content):
    """Write a file in one step."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1))
