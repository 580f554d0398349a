# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Models of white dwarfs that temperatures and gravities are fitted with, made of a network of hydrogen atmospheres."""

import json

import numpy as np
from safetensors.numpy import save_file

from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.simulate.white_dwarfs import WhiteDwarfs

__all__ = ["make_white_dwarf_models"]

#: log10(Teff / K) and logg: first, step and number. Beyond 40,000 K the lines of the network turn into emission
LOG_TEFF, LOGG = (3.815, 0.02, 40), (7.0, 0.25, 9)
#: bins in ln(wavelength), and resolving power of the spectra in them
STEP, RESOLUTION = 5e-4, 8000.0
COMPONENTS = 12
#: Angstrom between wavelengths of the network from which there is a gap, and that are left out beside it
GAP, MARGIN = 3.0, 1.0


def make_white_dwarf_models(data, path, *, report=None):
    """Write models of white dwarfs, as `~astro_spectok.stellar.white_dwarfs.read_white_dwarf_models` reads them.

    Parameters
    ----------
    data : path-like
        Directory of the public template sets, with ``wd_da_network``.
    path : path-like
    report : callable, optional
        Is given a text when it is done.

    Returns
    -------
    float
        Root mean square of what the components leave, over the continuum.
    """
    family = TemplateStore(data).make(WhiteDwarfs, "cpu")
    log_teff, logg = (start + step * np.arange(n) for start, step, n in (LOG_TEFF, LOGG))
    x, flux = family.tabulate(*(axis.ravel() for axis in np.meshgrid(log_teff, logg, indexing="ij")))
    wavelength = np.exp(x)
    breaks = np.flatnonzero(np.diff(wavelength) > GAP)
    first, last = wavelength[[0, *(breaks + 1)]] + MARGIN, wavelength[[*breaks, len(x) - 1]] - MARGIN
    start = float(np.log(first[0]))
    centre = np.arange(start, np.log(last[-1]) + STEP, STEP)
    # means over bins; in the gaps there is continuum alone
    fine = np.arange(centre[0] - STEP / 2, centre[-1] + STEP / 2, STEP / 16)
    fine = fine[: len(fine) // 16 * 16]
    rows = np.stack([np.interp(fine, x, one).reshape(-1, 16).mean(axis=1) for one in flux - 1])
    mean = rows.mean(axis=0)
    left, size, basis = np.linalg.svd(rows - mean, full_matrices=False)
    scale = size[:COMPONENTS] / np.sqrt(len(rows))
    tensors = {
        "mean": mean, "basis": basis[:COMPONENTS] * scale[:, None],
        "coefficients": left[:, :COMPONENTS] * np.sqrt(len(rows)),
    }  # fmt: skip
    tensors = {name: np.ascontiguousarray(values, np.float16) for name, values in tensors.items()}
    about = {
        "ln_start": start, "step": STEP, "resolution": RESOLUTION, "log_teff": LOG_TEFF, "logg": LOGG,
        "windows": [[round(float(low), 2), round(float(high), 2)] for low, high in zip(first, last, strict=True)],
        "source": "Koester 2010, MmSAI 81, 921, by the network of Chandra et al. 2020 (vedantchandra/wdtools, MIT)",
    }  # fmt: skip
    save_file(tensors, path, {"about": json.dumps(about)})
    again = tensors["mean"] + tensors["coefficients"].astype(float) @ tensors["basis"].astype(float)
    rest = float(np.sqrt(np.mean((rows - again) ** 2)))
    if report:
        report(f"white dwarfs: {len(rows)} models; the components leave {rest:.4f} of the continuum")
    return rest
