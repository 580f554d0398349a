# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``--model DIR``: what the tokens of each spectrum say it looks like, as files."""

import re
from pathlib import Path

from astro_spectok.utils.atomic import replace_file

__all__ = ["check_folder", "write_models"]


def check_folder(folder, *, overwrite=False):
    """Make the folder of the models, or refuse what cannot be one.

    Parameters
    ----------
    folder : str or path-like
    overwrite : bool, optional
        Whether it may hold models.

    Raises
    ------
    OSError
        It cannot be made, is a file, or holds models and ``overwrite`` is False.
    """
    folder = Path(folder)
    if not overwrite and folder.is_dir() and any(folder.glob("*.model.fits")):
        msg = f"{folder} holds models; give --overwrite to replace them, or another folder"
        raise FileExistsError(msg)
    if folder.exists() and not folder.is_dir():
        msg = f"model must be a folder, got the file {folder}"
        raise NotADirectoryError(msg)
    folder.mkdir(parents=True, exist_ok=True)


def write_models(folder, pairs, *, weights=None, device="auto", overwrite=False):
    """Write the decoded model of each spectrum, on its own pixels, as the pairs pass.

    Parameters
    ----------
    folder : str or path-like
        Files are called like those that the spectra are from: ``NAME.model.fits``, or with several spectra in one file
        ``NAME-0.model.fits`` and so on. They are tables with the columns ``spectral_axis``, ``flux`` and
        ``uncertainty`` (standard deviation of the model), which specutils reads.
    pairs : iterable of (path, `~astro_spectok.spectra.SpectrumBatch`)
        As of `~astro_spectok.spectra.read_files`.
    weights, device : optional
        As for `~astro_spectok.tokenize`.
    overwrite : bool, optional
        Whether to replace files that exist.

    Yields
    ------
    path, batch
        The pairs, once their models are written; spectra that cannot be used have none.

    Raises
    ------
    FileExistsError
        A file exists and ``overwrite`` is False.
    """
    from astro_spectok.embedding import tokenize
    from astro_spectok.spectra import to_spectrum

    check_folder(folder, overwrite=overwrite)
    names = {}
    for path, batch in pairs:
        if not batch.lengths.any():
            yield path, batch
            continue
        stem = _find_free(re.sub(r"(\.fits?|\.txt|\.dat|\.csv)?(\.gz)?$", "", Path(path).name) or "spectrum", names)
        for i, tokens in enumerate(tokenize(batch, weights=weights, device=device, progress=False)):
            if not len(tokens):
                continue
            model = tokens.decode(to_spectrum(batch, i).spectral_axis)
            out = Path(folder) / f"{stem}{'' if len(batch) == 1 else f'-{i}'}.model.fits"
            with replace_file(out, overwrite=overwrite) as temporary:
                model.write(temporary, format="tabular-fits", update_header=False)
        yield path, batch


def _find_free(stem, names):
    """A name that no other file of this run has: those of another folder may be called alike."""
    names[stem] = names.get(stem, 0) + 1
    return stem if names[stem] == 1 else f"{stem}_{names[stem]}"
