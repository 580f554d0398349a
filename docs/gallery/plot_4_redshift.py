# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A redshift posterior with alternatives
======================================

A clear spectrum has one solution. A faint one may have several, and the estimate says so.
"""

# %%
# First a clear case, a galaxy of the survey LEGA-C that is included in the package. In a notebook an estimate is
# displayed as a table.

from astro_spectok import read
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.example import list_example_files

estimator = RedshiftEstimator()
estimate = estimator.estimate(read(list_example_files()[2]))
estimate

# %%
# Its plot shows the spectrum with the model and the lines at this redshift, and the posterior.

axes = estimate.plot()

# %%
# Now simulate twenty faint galaxies, and take the one whose second solution is the most probable.

import numpy as np

from astro_spectok.simulate.export import simulate_spectra

faint = simulate_spectra(
    20, seed=11, families=["galaxies"], instruments=["desi"], snr=(0.8, 2.0)
)
table = estimator.estimate(faint)
chosen = int(np.argmax(table["p_2"]))
unsure = estimator.estimate(faint[chosen])
unsure

# %%
# Triangles mark the solutions, with their rank; nearby solutions overlap in this plot.

axes = unsure.plot()

# %%
# Multiply the posterior by other information, here a photometric redshift. It is drawn from the true redshift of the
# simulation, with an error of 5 per cent in 1 + z.

import matplotlib.pyplot as plt

from astro_spectok.plotting.redshift import plot_posterior

truth = faint[chosen].meta["z"]
with_prior = unsure.posterior.multiply(
    lambda z: np.exp(-0.5 * ((z - truth) / (0.05 * (1 + truth))) ** 2) + 1e-6
)
figure, axes = plt.subplots(2, figsize=(9, 5.5), sharex=True, layout="constrained")
for one, posterior, title in zip(
    axes,
    (unsure.posterior, with_prior),
    ("flat prior", "with a prior"),
    strict=True,
):
    plot_posterior(posterior, one)
    one.axvline(truth, color="0.45", ls=":", lw=1)
    one.set_title(f"{title}; dotted: the truth, z = {truth:.3f}", fontsize="medium")
    one.label_outer()
# sphinx_gallery_thumbnail_number = 2
