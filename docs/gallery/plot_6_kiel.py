# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A Kiel diagram
==============

Stellar parameters of many spectra in one picture, and of one star with its errors.
"""

# %%
# Simulated stars of types F, G and K, for which parameters were trained. The analytic stars of the simulator are
# crude: black bodies with lines whose strength goes with temperature, without a true gravity or abundance. The picture
# below shows what can be drawn, not how good the parameters are, which the :ref:`model card <model_card>` shows on real
# stars.

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
# Stars that are flagged are hollow, for instance as their parameters lie outside those of the stars that were trained
# on. How often each flag is set:

from astro_spectok.stellar import StellarFlag

for flag in StellarFlag:
    count = sum(bool(warn & flag) for warn in table["warn"])
    if count:
        print(f"{count:3d}  {flag.name}")

# %%
# One of those that are not flagged: the spectrum at rest with its lines, and its place. Ellipses are one and two
# standard deviations, the outline is that of the stars that were trained on.

import numpy as np

good = np.flatnonzero(table["warn"] == 0)
first = int(good[0]) if len(good) else 0
estimate = StellarParameterEstimator().estimate(spectra[first])
axes = estimate.plot()

# %%
# The same as distributions, which carry the covariance of the parameters along.

samples = StellarParameterEstimator().sample(spectra[first])
axes = samples.plot()
