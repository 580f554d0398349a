# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A night of mixed spectra in one table
=====================================

Galaxies, quasars, stars and blank sky, from several spectrographs, measured in one call.
"""

# %%
# One hundred simulated spectra and ten of blank sky. Their lengths, ranges and units may differ.

from astro_spectok.simulate.export import simulate_spectra

families = ["galaxies", "quasars", "stars"]
instruments = ["desi", "sdss", "lamost_lrs", "xshooter"]
night = [
    *simulate_spectra(
        100, seed=7, families=families, instruments=instruments, snr=(1, 40)
    ),
    *simulate_spectra(10, seed=8, families=["sky"], instruments=instruments),
]

# %%
# The table has one row for each, in order. A redshift with ``zwarn`` 0 can be relied on.

from astro_spectok.estimators import RedshiftEstimator

table = RedshiftEstimator().estimate(night)
for name, digits in {
    "z": ".5f",
    "z_err": ".5f",
    "p_best": ".3f",
    "rv": ".1f",
    "snr": ".1f",
}.items():
    table[name].info.format = digits
table["z", "z_err", "spectype", "p_best", "zwarn", "rv", "snr"][:8]

# %%
# The whole night at a glance:

from astro_spectok.plotting import plot_table

axes = plot_table(table)

# %%
# The truth of simulated spectra is known, so we can count the right answers: the right class, and a redshift within
# 1000 km/s of the truth.

import numpy as np

truth = np.array([spectrum.meta.get("z", np.nan) for spectrum in night])
spectype = np.array([spectrum.meta.get("spectype", "") for spectrum in night])
right = (table["spectype"] == spectype) & (
    np.abs(table["z"].value - truth) < 0.0033 * (1 + truth)
)
trusted = table["zwarn"] == 0
sky = spectype == ""
print(
    f"trusted: {trusted.sum()} of {len(table)}, {np.mean(right[trusted]):.0%} of them right"
)
print(f"blank sky: {sky.sum()}, {np.sum(sky & trusted)} of them trusted")

# %%
# Files keep the units and the provenance of the table.

import tempfile
from pathlib import Path

from astropy.table import QTable

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "night.ecsv"
    table.write(path)
    again = QTable.read(path)
print(again["rv"].unit, again.meta["weights"], len(again))
