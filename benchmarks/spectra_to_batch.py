# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Time `to_batch` against numpy copying the same arrays, and per spectrum of a SpectrumList; prints a table.

Run with ``python benchmarks/spectra_to_batch.py [--repeat 5] [--rows 5000]``.
"""

import argparse
import time

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra import to_batch

__all__ = ["main"]

UNIT = u.Unit("1e-17 erg / (s cm2 Angstrom)")


def time_best(function, repeat):
    """Return the shortest and the median of ``repeat`` runs in seconds; the result is freed inside of the run."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times), float(np.median(times))


def make_vector(rows, pixels, dtype):
    """A vector Spectrum with standard deviations and a mask."""
    rng = np.random.default_rng(1)
    flux = rng.standard_normal((rows, pixels)).astype(dtype)
    std = np.full((rows, pixels), 0.5, dtype=dtype)
    mask = rng.random((rows, pixels)) < 0.01
    axis = np.linspace(3600, 9824, pixels) * u.AA
    return Spectrum(flux=flux * UNIT, spectral_axis=axis, uncertainty=StdDevUncertainty(std), mask=mask)


def make_list(n, pixels, with_uncertainty):
    """A SpectrumList of spectra with their own axes."""
    rng = np.random.default_rng(2)
    out = SpectrumList()
    for i in range(n):
        unc = InverseVariance(rng.random(pixels) + 0.5) if with_uncertainty else None
        flux = (10 + rng.standard_normal(pixels)) * UNIT
        out.append(Spectrum(flux=flux, spectral_axis=np.linspace(3600 + i, 9824, pixels) * u.AA, uncertainty=unc))
    return out


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--pixels", type=int, default=7781)
    args = parser.parse_args()

    print(f"{'case':<58}{'best':>10}{'median':>10}   against")
    for dtype in ("float64", "float32"):
        vector = make_vector(args.rows, args.pixels, dtype)
        flux, std, mask = vector.data, vector.uncertainty.array, vector.mask
        copy = time_best(lambda a=flux, b=std, c=mask: (a.copy(), b.copy(), c.copy()), args.repeat)
        mine = time_best(lambda v=vector: to_batch(v), args.repeat)
        name = f"{args.rows} x {args.pixels} {dtype}"
        print(f"{'numpy copies ' + name:<58}{copy[0]:>8.3f} s{copy[1]:>8.3f} s")
        ratio = f"{mine[0] / copy[0]:.2f} (best), {mine[1] / copy[1]:.2f} (median) of numpy's copy; limit 2"
        print(f"{'to_batch ' + name:<58}{mine[0]:>8.3f} s{mine[1]:>8.3f} s   {ratio}")
        del vector, flux, std, mask
    for with_uncertainty, name in ((True, "InverseVariance"), (False, "no uncertainty")):
        spectra = make_list(1000, 4600, with_uncertainty)
        best, median = time_best(lambda s=spectra: to_batch(s), args.repeat)
        label = f"SpectrumList of 1000 x 4600, {name}, per spectrum"
        print(f"{label:<58}{best:>7.3f} ms{median:>7.3f} ms   limit 1.5 ms")


if __name__ == "__main__":
    main()
