# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`RedshiftEstimator` on spectra in a file, from arrays with units to a table, on one thread of the processor.

    python fit_spectok.py SPECTRA WEIGHTS ANSWERS [PRECISION]

``WEIGHTS`` is a name, a path, or ``-`` for the packaged default; ``PRECISION`` is what
``astro_spectok.conf.precision`` is set to, ``auto`` if not given, which is float32 on a processor. The clock starts
when the weights are loaded and a few spectra have been measured. All spectra are measured in one call, several times;
the median counts.
"""

import sys

import numpy as np
import torch
from _exchange import count_cpu_seconds, load_spectra, write_answers
from astropy import units as u

from astro_spectok import __version__, conf
from astro_spectok.estimators import RedshiftEstimator

#: CPU seconds to be spent at least, and fewest calls
SECONDS, CALLS = 4.0, 3


def make_input(wave, flux, ivar, lsf):
    """One spectrum as the estimator takes it; it is not given the line-spread function."""
    sigma = np.full(len(ivar), np.inf)
    sigma[ivar > 0] = ivar[ivar > 0] ** -0.5
    return wave * u.AA, flux * u.one, sigma * u.one


def main(path, weights, answers, precision="auto", *, seconds=SECONDS):
    """Read, warm up, measure until that many CPU seconds are spent, write."""
    with conf.set_temp("precision", precision):
        write_answers(answers, *measure(path, weights, seconds))


def measure(path, weights, seconds):
    """Answers, and facts about how they came about."""
    torch.set_num_threads(1)
    spectra = [make_input(*spectrum) for spectrum in load_spectra(path)]
    estimator = RedshiftEstimator(None if weights == "-" else weights, device="cpu")
    estimator.estimate(spectra[:4], medium="vacuum", progress=False)
    started = count_cpu_seconds()
    times = []
    while len(times) < CALLS or sum(times) < seconds:
        begin = count_cpu_seconds()
        table = estimator.estimate(spectra, medium="vacuum", progress=False)
        times.append(count_cpu_seconds() - begin)
    columns = {key: np.asarray(u.Quantity(table[key]).value) for key in ("z", "z_err")}
    columns["spectype"] = np.asarray(table["spectype"]).astype(str)
    facts = {
        "version": __version__, "start": started, "setup": 0.0, "fit": float(np.median(times)), "calls": len(times),
        "weights": str(table.meta["weights"]), "sha256": str(table.meta["weights_sha256"]),
    }  # fmt: skip
    return columns, facts


if __name__ == "__main__":
    main(*sys.argv[1:])
