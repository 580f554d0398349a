# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A night of mixed spectra in one table
=====================================

Real files of five spectrographs, with galaxies, quasars, a star and empty fibres, measured in one call.
"""

# %%
# Six files are included in the package, from SDSS, BOSS, MUSE and VIMOS. Another comes with specutils: a coadd of the
# Survey Validation of DESI, in which only some of the five fibres hold a spectrum.

from importlib.resources import files

from astro_spectok.example import list_example_files

loaders = files("specutils.io.default_loaders")
coadd = loaders / "tests" / "desi_test_data" / "coadd-sv3-dark-26065.fits"
night = [*list_example_files(more=True), coadd]

# %%
# The table has one row for each spectrum, in order. Fibres without a spectrum get a row too, with a flag and no answer;
# the warning that says so is silenced here.

import warnings

from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning

warnings.simplefilter("ignore", FlaggedSpectraWarning)

table = RedshiftEstimator().estimate_files(night)
for name, digits in {
    "z": ".5f",
    "z_err": ".5f",
    "p_best": ".3f",
    "snr": ".1f",
}.items():
    table[name].info.format = digits
table["name", "spectype", "z", "z_err", "p_best", "zwarn", "snr"].pprint_all()

# %%
# A redshift with ``zwarn`` 0 can be relied on, here at signal-to-noise ratios per pixel from 1 to 50. The bits of
# ``zwarn`` have names:

from astro_spectok.redshift import RedshiftFlag

for row in table[table["zwarn"] != 0]:
    names = [bit.name for bit in RedshiftFlag(int(row["zwarn"]))]
    print(row["name"], *names)

# %%
# The whole night at a glance. What is flagged is hollow.

from astro_spectok.plotting import plot_table

axes = plot_table(table)

# %%
# Are the answers right? Three files hold what the pipeline of SDSS found; DESI's holds no redshift. The pipeline takes
# the young galaxy NGC 3073 for a star of type A0 that recedes at 1100 km/s.

from astropy.table import Table

for path, row in zip(night, table, strict=False):
    if "sdss" in path.name:
        sdss = Table.read(path, hdu="SPECOBJ")[0]
        print(
            f"{path.name:21} SDSS: {sdss['CLASS']:6} {sdss['Z']:7.4f}  here: {row['spectype']:6} {row['z']:7.4f}"
        )

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
