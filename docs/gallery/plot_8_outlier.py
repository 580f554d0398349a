# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What looks like nothing else, and where
=======================================

Find what is unlike a hundred galaxies, and the wavelengths at which it differs.
"""

# %%
# Simulated galaxies as SDSS sees them define what is usual. The index holds their embeddings.

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
# Compare with these three spectra: the galaxy in Abell 478 that is included in the package, the same with a line added
# at 6200 Angstrom, and a white dwarf.

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
# ``distance`` and ``rarity`` compare whole spectra. ``surprise`` compares each pixel with the prediction of the network
# from all others, and ``odd_wavelength`` is where the surprise is largest.

scores = outlier_score([galaxy, odd, dwarf], index)
scores.table["distance", "rarity", "surprise", "odd_wavelength", "odd_sigma"]

# %%
# The second spectrum. Above: the prediction from the other pixels. Below: the difference in standard deviations.

axes = scores.plot(1)
