# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
From redrock
============

A coadd of DESI, as redrock reads it, measured here: what replaces each of redrock's columns and options.
"""

# %%
# With redrock, on the same file::
#
#     rrdesi -i coadd-sv3-dark-26065.fits -o redrock.fits -d details.h5
#
# Here no templates are needed. In the shell it is ``spectok redshift coadd-sv3-dark-26065.fits -o redshifts.fits``, and
# in Python one call. The file is real: a coadd of the Survey Validation of DESI with five fibres, of which two hold a
# spectrum. It comes with specutils. The warning that three fibres are empty is silenced here; they are flagged all
# the same.

import warnings
from importlib.resources import files

from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning

warnings.simplefilter("ignore", FlaggedSpectraWarning)

loaders = files("specutils.io.default_loaders")
coadd = loaders / "tests" / "desi_test_data" / "coadd-sv3-dark-26065.fits"
table = RedshiftEstimator().estimate_files(coadd)

# %%
# The columns of redrock, in its spelling, so that what reads redrock's catalogues reads this one. ``TARGETID`` is the
# name of the spectrum. ``SUBTYPE`` is known for stars.

from astropy.table import QTable

names = {
    "Z": "z",
    "ZERR": "z_err",
    "ZWARN": "zwarn",
    "SPECTYPE": "spectype",
    "SUBTYPE": "stellar_type",
}
redrock = QTable({new: table[old] for new, old in names.items()})
redrock.add_column([int(name) for name in table["name"]], name="TARGETID", index=0)
redrock.pprint_all()

# %%
# ``ZWARN``: a bit below 4096 with the meaning of one of redrock has its value (:ref:`zwarn` lists them).
# The bits have names:

from astro_spectok.redshift import RedshiftFlag

for row in redrock:
    bits = [bit.name for bit in RedshiftFlag(int(row["ZWARN"]))]
    print(row["TARGETID"], *(bits or ["good"]))

# %%
# ``DELTACHI2``: the difference of chi2 between the two best solutions becomes a probability, ``p_best``. The next
# solution is ``z_2``, with its probability ``p_2``. Where redrock asks for DELTACHI2 above 25 or 40, ask for ``zwarn``
# 0, and for a higher ``p_best`` if the sample must be purer.

table["name", "z", "p_best", "z_2", "p_2", "snr"].pprint_all()

# %%
# ``details.h5`` holds chi2 over redshift, for each class. Here it is the posterior. ``rrplot`` becomes ``plot``, shown
# for the quasar of BOSS that is included in the package.

from astro_spectok import read
from astro_spectok.example import list_example_files

quasar = RedshiftEstimator().estimate(read(list_example_files()[3]))
axes = quasar.plot()

# %%
# ``--priors`` becomes a product: any function of redshift will do, here a photometric redshift of 2.4 with an error of
# 0.1.

import numpy as np

narrower = quasar.posterior.multiply(
    lambda z: np.exp(-0.5 * ((z - 2.4) / 0.1) ** 2)
)
narrower

# %%
# Not replaced: archetypes, and the resolution matrix, of which the resolving power is used if you pass ``resolution=``.
# :ref:`comparison` says how fast and how right both are on the same spectra.
