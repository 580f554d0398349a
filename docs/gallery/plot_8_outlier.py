# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What looks like nothing else, and where
=======================================

A hundred galaxies, and a real one with a line that does not belong: its pixels say where.
"""

# %%
# What is usual: simulated galaxies as SDSS sees them, kept in an index of their embeddings.

import numpy as np

import astro_spectok
from astro_spectok.adapt import SpectrumIndex, outlier_score
from astro_spectok.example import list_example_files
from astro_spectok.simulate.export import simulate_spectra

usual = simulate_spectra(
    100, seed=3, families=["galaxies"], instruments=["sdss"], snr=(10, 30)
)
index = SpectrumIndex(usual)

# %%
# What is not: the galaxy of Abell 478 that comes with the package, once as it is and once with a made-up line at 6200
# Angstrom; and a white dwarf.

galaxy = astro_spectok.read(list_example_files()[1])
dwarf = astro_spectok.read(list_example_files()[0])
wavelength = galaxy.wavelength.to_value("Angstrom")
flux = galaxy.flux.copy()
flux *= 1 + 0.8 * np.exp(-0.5 * ((wavelength - 6200) / 8) ** 2)
odd = type(galaxy)(
    flux=flux,
    spectral_axis=galaxy.spectral_axis,
    uncertainty=galaxy.uncertainty,
    mask=galaxy.mask,
    meta=galaxy.meta,
)

# %%
# ``distance`` and ``rarity`` compare whole spectra, ``surprise`` compares pixels with what the network expects of them
# from all others; ``odd_wavelength`` is where the largest surprise is.

scores = outlier_score([galaxy, odd, dwarf], index)
scores.table["distance", "rarity", "surprise", "odd_wavelength", "odd_sigma"]

# %%
# The second spectrum: above, what was expected without seeing it; below, by how many standard deviations it differs.

axes = scores.plot(1)
