# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files one after the other, each as a batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from astro_spectok.spectra.batch import SpectrumBatch
from astro_spectok.spectra.convert import to_batch
from astro_spectok.spectra.loaders._options import make_options
from astro_spectok.spectra.reading import check_format, read

__all__ = ["OpenFiles", "read_files"]


class OpenFiles:
    """Pairs of `read_files`, as something else reads them, given in place of paths.

    Parameters
    ----------
    pairs : iterable of (path, `~astro_spectok.spectra.SpectrumBatch`)
    n_files : int
    """

    def __init__(self, pairs, n_files):
        self.pairs, self.n_files = pairs, n_files

    def __iter__(self):
        return iter(self.pairs)

    def __len__(self):
        return self.n_files


def read_files(paths, *, file_format=None, medium=None, resolution=None, reader=None, **options):
    """Read files one after the other, each as a batch; a file that cannot be read is one flagged spectrum.

    Parameters
    ----------
    paths : iterable of str or path-like, or `OpenFiles`
    file_format : str, optional
        ``format`` of `read`.
    medium, resolution : optional
        As for `~astro_spectok.spectra.to_batch`.
    reader : callable, optional
        Gives the batch of a path in place of all this: of sequences that are no spectra of light.
    **options
        Further ones of `read`.

    Yields
    ------
    path
        As given.
    batch : `~astro_spectok.spectra.SpectrumBatch`
        Spectra without a name of their own are called like the file, those of a cube with their place, ``[y,x]``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> from astro_spectok.spectra import InputFlag, read_files
    >>> text = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> _ = text.write_text("clouds")
    >>> for path, batch in read_files([EXAMPLE_PATH, text]):
    ...     print(path.name, batch.lengths, InputFlag(int(batch.flags[0])).unusable)
    example_galaxy.fits [4015] False
    notes.txt [0] True
    """
    if isinstance(paths, OpenFiles):
        yield from paths
        return
    make_options(**options)  # a misspelt option is an error, not a flag on each file
    check_format(file_format)
    for path in paths:
        try:
            if reader is None:
                obj = read(path, format=file_format, **options)
                batch = to_batch(obj, medium=medium, resolution=resolution, on_error="flag")
            else:
                batch = reader(path)
        except Exception as error:  # whatever it is, it stops no other file
            batch = SpectrumBatch.make_unusable(str(error) or type(error).__name__)
        if not len(batch):
            batch = SpectrumBatch.make_unusable(f"{path} holds no spectrum")
        info = [i if i.name else replace(i, name=Path(path).name) for i in batch.info]
        if batch.layout is not None:
            # rows of a table of files: a spaxel is known by its place
            places = (",".join(map(str, place)) for place in np.ndindex(batch.layout.shape))
            info = [replace(i, name=f"{i.name}[{place}]") for i, place in zip(info, places, strict=True)]
        yield path, replace(batch, info=tuple(info), layout=None)
