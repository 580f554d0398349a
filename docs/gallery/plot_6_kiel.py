# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A Kiel diagram of real stars
============================

Temperature, gravity and metallicity of a hundred stars of the library MILES, and of one star with its errors.
"""

# %%
# For stars of your own, one call makes the table: ``StellarParameterEstimator().estimate_files("*.fits")``. No set of
# real stellar spectra is free to be included here, so this page draws measurements that were made before: those of the
# MILES stars which were left out of training, by ``benchmarks/stellar_parameters.py``. The file is part of the source
# of the package: run this page in ``docs/gallery``.

import json
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

content = json.loads(
    Path("../../benchmarks/results/small_stellar_parameters.json").read_text()
)
stars = [star for star in content["kiel"] if star["teff"] is not None]
table = QTable(rows=stars)
for name in ("teff", "teff_true"):
    table[name].unit = u.K
print(f"{len(table)} stars")

# %%
# The same stars twice: as the catalogue of MILES has them (left; Cenarro et al. 2007, MNRAS 374, 664), and as measured
# from their spectra (right).

import matplotlib.pyplot as plt

from astro_spectok.plotting.stellar import plot_kiel

figure, axes = plt.subplots(
    1, 2, figsize=(9, 4.5), sharex=True, sharey=True, layout="constrained"
)
for one, end, title in zip(
    axes, ("_true", ""), ("catalogue", "measured"), strict=True
):
    points = one.scatter(
        table[f"teff{end}"].value,
        table[f"logg{end}"],
        c=table[f"fe_h{end}"],
        vmin=-2,
        vmax=0.5,
    )
    plot_kiel(one)
    one.set_title(title)
bar = figure.colorbar(points, ax=axes, label="[Fe/H]")

# %%
# How much they differ: median, and scatter (1.48 times the median absolute deviation). The catalogue has errors too, so
# the scatter is that of both.

for name, unit in {"teff": "K", "logg": "dex", "fe_h": "dex"}.items():
    difference = np.array(table[name].value - table[f"{name}_true"].value)
    middle = np.median(difference)
    scatter = 1.4826 * np.median(np.abs(difference - middle))
    print(f"{name:4} {middle:+7.2f} +- {scatter:.2f} {unit}")

# %%
# One real star from its file, the white dwarf that is included in the package. White dwarfs have parameters of their
# own: temperature and gravity, but no metallicity. The ellipses are one and two standard deviations.

from astro_spectok import read
from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.example import list_example_files

dwarf = read(list_example_files()[0])
estimate = StellarParameterEstimator().estimate(dwarf)
axes = estimate.plot()

# %%
# The values, with a ``warn`` of 0: nothing was found wrong.

print(f"{estimate.teff:.0f} +- {estimate.teff_err:.0f}, log g {estimate.logg:.2f}")
print("flags:", int(estimate.warn))
