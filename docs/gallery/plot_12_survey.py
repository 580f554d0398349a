# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A survey in a pipeline
======================

Measure many files in chunks, resume after a stop, and read the results into a data frame.
"""

# %%
# A survey is a folder, a pattern, a list of files, or files with many spectra. Here it is one Parquet file of simulated
# spectra, and a file that is not a spectrum at all.

import tempfile
from pathlib import Path

from astro_spectok.simulate.export import write_simulated
from astro_spectok.survey import run

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
families = ["galaxies", "quasars", "stars"]
write_simulated(
    folder / "spectra.parquet", 24, families=families, instruments=["boss"], seed=2
)
(folder / "notes.txt").write_text("seeing 1.1 arcsec, some clouds")
inputs = [folder / "spectra.parquet", folder / "notes.txt"]

# %%
# One call measures all of it, in partitions that are written completely or not at all. In the shell this is
# ``spectok survey redshift spectra.parquet notes.txt -o redshifts``.

found = run(inputs, folder / "redshifts", "redshift", partition=12, device="cpu")
found

# %%
# A stopped run continues with the same call. This one is complete, so nothing is measured again.

again = run(inputs, folder / "redshifts", "redshift", partition=12, device="cpu")
print([path.name for path in again.paths])

# %%
# A file that cannot be read does not stop the run. It is listed, with the reason:

found.errors()

# %%
# The results are a dataset for pandas, polars or any database. ``zwarn`` 0 marks the rows to rely on.

import pandas

frame = pandas.read_parquet(folder / "redshifts" / "results")
frame[["id", "z", "z_err", "spectype", "p_best", "zwarn"]].head()

# %%
# As an Astropy table it has units, descriptions and the weights that made it, and it can be plotted.

from astro_spectok.plotting import plot_table

table = found.read()
print(table.meta["weights"], table["rv"].unit, table["z"].info.description)
axes = plot_table(table)

# %%
# Nothing of this is kept.

temporary.cleanup()
