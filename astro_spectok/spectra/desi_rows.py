# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rows of a DESI file, a few at a time: a whole coadd of a healpix may be larger than the memory."""

import contextlib

import numpy as np
from astropy.io import fits
from astropy.table import Table

from astro_spectok.spectra.convert import to_batch
from astro_spectok.spectra.loaders._source import open_source
from astro_spectok.spectra.loaders.desi import is_desi
from astro_spectok.spectra.reading import read

__all__ = ["DesiRows"]

#: fibres whose resolution matrices count, of each file
N_FIBRES = 16
#: extensions with a row for each target
ROWS = ("_FLUX", "_IVAR", "_MASK")


class DesiRows:
    """An open DESI file (healpix or tile, spectra or coadd), of which rows are read as they are asked for.

    Parameters
    ----------
    path : path-like

    Attributes
    ----------
    fibermap : `~astropy.table.Table`
        A row for each target.

    Raises
    ------
    OSError
        It cannot be read, or is no DESI file.

    Examples
    --------
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> from astro_spectok.spectra.desi_rows import DesiRows
    >>> try:
    ...     DesiRows(EXAMPLE_PATH)
    ... except OSError as error:
    ...     print(error)
    example_galaxy.fits is no DESI file; read it as it is
    """

    def __init__(self, path):
        self._stack = contextlib.ExitStack()
        try:
            source = self._stack.enter_context(open_source(path))
            if source.kind != "fits" or not is_desi(source):
                raise source.refuse("is no DESI file", "read it as it is")
            self._hdus = {hdu.name: hdu for hdu in source.hdulist}
            self._header, self._name = source.header, source.name
            self.fibermap = Table(np.asarray(self._hdus["FIBERMAP"].data), copy=True)
            rows = {hdu.shape[0] for name, hdu in self._hdus.items() if name.endswith(ROWS)}
            if rows != {len(self.fibermap)}:
                raise source.refuse(f"has {len(self.fibermap)} targets and {sorted(rows)} spectra", "fetch it again")
        except Exception:
            self._stack.close()
            raise

    def __len__(self):
        return len(self.fibermap)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the file."""
        self._stack.close()

    def read(self, start, stop, *, medium=None, resolution=None):
        """The spectra of some rows, arms joined.

        Parameters
        ----------
        start, stop : int
        medium, resolution : optional
            As for `~astro_spectok.spectra.to_batch`.

        Returns
        -------
        `~astro_spectok.spectra.SpectrumBatch`
            The same, whichever other rows are read with them.
        """
        parts = [fits.PrimaryHDU(header=self._header)]
        for name, hdu in self._hdus.items():
            if name == "FIBERMAP":
                rows = Table({"TARGETID": np.arange(start, stop)})
                parts.append(fits.BinTableHDU(rows, name=name))
                continue
            if name.endswith("_WAVELENGTH"):
                data = hdu.data
            elif name.endswith("_RESOLUTION"):
                data = hdu.section[: min(N_FIBRES, len(self))]
            elif name.endswith(ROWS):
                data = hdu.section[start:stop]
            else:
                continue
            part = fits.ImageHDU(data, name=name)
            if "BUNIT" in hdu.header:
                part.header["BUNIT"] = hdu.header["BUNIT"]
            parts.append(part)
        arms = read(fits.HDUList(parts), format="DESI arms")
        batch = to_batch(list(arms), medium=medium, resolution=resolution)
        if len(batch) != stop - start:  # arms that do not belong together would be apart
            msg = f"{self._name}: rows {start} to {stop} gave {len(batch)} spectra"
            raise ValueError(msg)
        return batch.take(np.arange(stop - start))
