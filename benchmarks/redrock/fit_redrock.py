# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Redrock on spectra in a file; runs in redrock's environment and takes everything from its arguments.

    python fit_redrock.py SPECTRA TEMPLATES ANSWERS

Its clock starts when templates are read, its functions compiled and its targets built of arrays. For each grid the
templates are brought to it once, then all spectra on that grid are fitted; both are counted, apart.
"""

import sys
from importlib.metadata import version

import numpy as np
from _exchange import count_cpu_seconds, load_spectra, write_answers
from redrock.targets import DistTargetsCopy, Spectrum, Target
from redrock.templates import DistTemplate, load_templates
from redrock.zfind import zfind
from scipy.sparse import dia_matrix

#: standard deviations at which the line-spread function is cut: the eleven diagonals that ``sim_redrock`` was made with
REACH = 5


def make_target(number, wave, flux, ivar, lsf):
    """One spectrum as redrock takes it; ``lsf`` is a standard deviation in pixels."""
    half = int(np.ceil(REACH * lsf.max()))
    offsets = np.arange(-half, half + 1)
    rows = np.exp(-0.5 * (offsets[:, None] / lsf) ** 2)  # (diagonals, pixels): weights of row j
    rows /= rows.sum(axis=0)
    # scipy keeps diagonals by column: that of offset k has row j's weight at j + k
    diagonals = np.array([np.roll(row, k) for row, k in zip(rows, offsets, strict=True)])
    matrix = dia_matrix((diagonals, offsets), (len(wave), len(wave)))
    return Target(number, [Spectrum(wave, flux, ivar.copy(), matrix, matrix.tocsr())])


def fit_grid(targets, templates):
    """Fit targets on one grid: best answers by number, CPU seconds for the templates and for the fits."""
    start = count_cpu_seconds()
    spectrum = targets[0].spectra[0]
    brought = [DistTemplate(template, {spectrum.wavehash: spectrum.wave}) for template in templates]
    middle = count_cpu_seconds()
    _, table = zfind(DistTargetsCopy(targets), brought, mp_procs=1)
    end = count_cpu_seconds()
    best = {int(row["targetid"]): row for row in table if row["znum"] == 0}
    return best, middle - start, end - middle


def group_targets(targets):
    """Lists of targets that share a grid."""
    grids = {}
    for target in targets:
        grids.setdefault(target.spectra[0].wavehash, []).append(target)
    return list(grids.values())


def main(path, folder, answers):
    """Read, warm up, fit, write."""
    targets = [make_target(i, *spectrum) for i, spectrum in enumerate(load_spectra(path))]
    templates = load_templates(folder)
    # its loops are compiled at their first call: one cheap template sees them all
    cheap = min(templates, key=lambda template: len(template.redshifts) * template.nbasis * template.nwave)
    fit_grid(targets[:1], [cheap])
    started = count_cpu_seconds()
    best, bringing, fitting, grids = {}, 0.0, 0.0, group_targets(targets)
    for grid in grids:
        found, setup, fit = fit_grid(grid, templates)
        best |= found
        bringing, fitting = bringing + setup, fitting + fit
    rows = [best[i] for i in range(len(targets))]
    columns = {
        "spectype": np.array([str(row["spectype"]) for row in rows]),
        "z": np.array([float(row["z"]) for row in rows]),
        "z_err": np.array([float(row["zerr"]) for row in rows]),
    }
    facts = {"version": version("redrock"), "start": started, "setup": bringing, "fit": fitting, "grids": len(grids)}
    write_answers(answers, columns, facts)


if __name__ == "__main__":
    main(*sys.argv[1:])
