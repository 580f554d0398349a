# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Views of labelled stars drawn once and shown to several networks, each in an order of its own."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from astro_spectok.simulate import Randomness
from astro_spectok.training.stellar_lines import draw_windows
from astro_spectok.utils.atomic import replace_file

__all__ = ["StarPool", "draw_pool"]

#: stars that are drawn at once, and chunks until it is said how far it has got
CHUNK, REPORTED = 64, 100


class StarPool:
    """Views of stars in the windows of a stellar head, and their labels.

    Attributes
    ----------
    windows : list of (float16 tensor, bool tensor)
        Contrast and coverage, each (n, N), of each window.
    labels : float32 tensor, shape (n, L)
        In the order of the labels of the head, NaN where unknown.
    """

    def __init__(self, windows, labels):
        self.windows, self.labels = windows, labels

    def __len__(self):
        return len(self.labels)

    def take(self, number, rows):
        """Contrast and coverage, float32 (n, N), of some stars in a window, and all of their labels."""
        contrast, covered = self.windows[number]
        return contrast[rows].float(), covered[rows].float(), self.labels[rows]

    def order(self, number, batch, generator):
        """Rows of one batch after another, without end: every star that a window shows once before any comes again."""
        seen = torch.nonzero(self.windows[number][1].any(1))[:, 0]
        left = seen[:0]
        while len(seen):
            while len(left) < batch:
                left = torch.cat([left, seen[torch.randperm(len(seen), generator=generator)]])
            rows, left = left[:batch], left[batch:]
            yield rows


def draw_pool(parts, n, seed, readers, names, *, options=None, report=None, keep=None):
    """Draw stars as the windows of a stellar head show them.

    Parameters
    ----------
    parts : sequence of (float, family)
        Families of labelled stars, as of `~astro_spectok.training.stellar_lines.draw_windows`, and the share of the
        stars that each draws.
    n : int
        Stars, in whole chunks.
    seed : int
    readers : sequence of `~astro_spectok.heads.line_windows.WindowReader`
    names : sequence of str
        Labels.
    options : dict, optional
        Of `~astro_spectok.training.stellar_lines.draw_windows`.
    report : callable, optional
        Is given a text now and then.
    keep : path-like, optional
        File for the pool: read where it is there.

    Returns
    -------
    StarPool
    """
    keep = None if keep is None else Path(keep)
    if keep is not None and keep.is_file():
        stored = load_file(keep)
        windows = [(stored[f"contrast-{k}"], stored[f"covered-{k}"]) for k in range(len(readers))]
        return StarPool(windows, stored["labels"])
    numbers = [round(share * CHUNK) for share, _ in parts]
    numbers[0] += CHUNK - sum(numbers)
    chunks = max(1, round(n / CHUNK))
    windows = [
        (torch.empty(chunks * CHUNK, reader.window.size, dtype=torch.float16),
         torch.empty(chunks * CHUNK, reader.window.size, dtype=torch.bool))
        for reader in readers
    ]  # fmt: skip
    labels = torch.empty(chunks * CHUNK, len(names))
    for chunk in range(chunks):
        row = chunk * CHUNK
        for part, (number, (_, family)) in enumerate(zip(numbers, parts, strict=True)):
            if number:
                shown, found = draw_windows(family, number, Randomness([seed, chunk, part]), readers, **(options or {}))
                there, rows = torch.full((number,), torch.nan), slice(row, row + number)
                labels[rows] = torch.stack([found.get(name, there).float().cpu() for name in names], 1)
                for (contrast, covered), (own, good) in zip(windows, shown, strict=True):
                    contrast[rows], covered[rows] = own.cpu().half(), good.cpu() > 0
                row += number
        if report and (chunk + 1) % REPORTED == 0:
            report(f"drawn: {(chunk + 1) * CHUNK} of {chunks * CHUNK} stars")
    if keep is not None:
        tensors = {"labels": labels}
        for k, (contrast, covered) in enumerate(windows):
            tensors |= {f"contrast-{k}": contrast, f"covered-{k}": covered}
        with replace_file(keep) as temporary:
            save_file(tensors, temporary)
    return StarPool(windows, labels)
