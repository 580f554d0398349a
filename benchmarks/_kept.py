# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a benchmark that takes long has measured so far."""

import json

__all__ = ["Kept"]


class Kept:
    """What a run has measured so far, in a file beside that of its figures: another run goes on from it.

    Parameters
    ----------
    path : `~pathlib.Path` or None
        File of the figures; None to keep nothing.
    about : dict
        What the figures depend on, weights among it: nothing is taken from a file about anything else.
    """

    def __init__(self, path, about):
        self.path = None if path is None else path.with_name(path.name + ".part")
        self.content = {"about": about}
        if self.path is not None and self.path.is_file():
            found = json.loads(self.path.read_text())
            self.content = found if found.get("about") == about else self.content

    def write(self, **parts):
        """Keep some more."""
        self.content |= parts
        if self.path is not None:
            self.path.write_text(json.dumps(self.content) + "\n")

    def remove(self):
        """Forget it: the figures are written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
