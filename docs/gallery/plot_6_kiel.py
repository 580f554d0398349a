# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A Kiel diagram
==============

Stellar parameters of many spectra in one picture, and of one star with its errors.
"""

# %%
# These are simulated stars of types F, G and K. The analytic stars of the simulator are crude: black bodies with lines
# whose strengths follow temperature, without a true gravity or abundance. So this shows how to draw the diagram, not
# how good the parameters are; for the diagram of real stars see :ref:`stellar_accuracy`.

from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.plotting import plot_table
from astro_spectok.simulate.export import simulate_spectra

stars = simulate_spectra(
    300, seed=5, families=["stars"], instruments=["sdss"], snr=(30, 80)
)
spectra = [spectrum for spectrum in stars if spectrum.meta["kind"] in "FGK"]
table = StellarParameterEstimator().estimate(spectra)
axes = plot_table(table)

# %%
# Flagged stars are hollow, for example because their parameters lie outside those of the training stars. How often each
# flag is set:

from astro_spectok.stellar import StellarFlag

for flag in StellarFlag:
    count = sum(bool(warn & flag) for warn in table["warn"])
    if count:
        print(f"{count:3d}  {flag.name}")

# %%
# A star without a flag: its spectrum at rest with lines, and its position in the diagram. The ellipses are one and two
# standard deviations; the outline is that of the training stars.

import numpy as np

good = np.flatnonzero(table["warn"] == 0)
first = int(good[0]) if len(good) else 0
estimate = StellarParameterEstimator().estimate(spectra[first])
axes = estimate.plot()

# %%
# The same as distributions, which include the covariance of the parameters.

samples = StellarParameterEstimator().sample(spectra[first])
axes = samples.plot()
