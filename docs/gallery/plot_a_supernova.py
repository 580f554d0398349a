# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A supernova in its host
=======================

A type Ia supernova is put into a real galaxy: what is said of the galaxy before, and of both together.
"""

# %%
# NGC 3522, an old galaxy from SDSS, and a supernova that is made for it: the mean of the spectra of type Ia near
# maximum light in the library that the weights hold, over a continuum of 12,000 K.

import matplotlib.pyplot as plt
import numpy as np
from astropy import units as u
from astropy.modeling.models import BlackBody
from specutils import Spectrum

from astro_spectok import read
from astro_spectok.estimators import RedshiftEstimator, TransientEstimator
from astro_spectok.example import list_example_files
from astro_spectok.weights import load_weights

galaxy, z = read(list_example_files(more=True)[5]), 0.0040
library = load_weights().network.heads["transient"].get_library()
chosen = (library.kind == library.config.types.index("Ia")) & (
    np.abs(library.phase - 3) < 4
)
rows = library.rows[: library.templates.shape[1]]
contrast = library.templates[chosen].mean(axis=0) @ rows

wavelength = galaxy.wavelength.to_value("Angstrom") / (1 + z)
step = (np.arange(library.config.bins) + 0.5) * library.config.step
x = library.config.low * np.exp(step)
light = BlackBody(12000 * u.K)(wavelength * u.AA).value / wavelength**2
light *= 1 + np.interp(wavelength, x, contrast)

# %%
# It adds as much light as the galaxy has; errors stay what they were.

host = galaxy.flux.value
supernova = np.median(host) * light / np.median(light)
noise = np.random.default_rng(1).normal(0, galaxy.uncertainty.array)
both = Spectrum(
    flux=(host + supernova + noise) * galaxy.flux.unit,
    spectral_axis=galaxy.spectral_axis,
    uncertainty=galaxy.uncertainty,
    mask=galaxy.mask,
    meta=galaxy.meta,
)
RedshiftEstimator().estimate(galaxy), RedshiftEstimator().estimate(both)

# %%
# The type, the phase in days since maximum light, and the redshift of the supernova; ``p_host`` says that light of a
# galaxy is seen. The galaxy alone is none.

before, found = (TransientEstimator().estimate(one) for one in (galaxy, both))
before, found

# %%
# What it was compared with: the best spectrum of that type in the library, over its smooth continuum.

compared = found.plot()

# %%
# Both spectra, without bad pixels, and the supernova by itself.

bad = galaxy.mask
figure, axes = plt.subplots(layout="constrained")
for values, name in (
    (host, "before"),
    (both.flux.value, "with the supernova"),
    (supernova, "supernova"),
):
    axes.plot(galaxy.wavelength, np.where(bad, np.nan, values), lw=0.7, label=name)
axes.set(xlabel="Wavelength [Å]", ylabel="Flux", ylim=(0, 1200))
axes.legend()
