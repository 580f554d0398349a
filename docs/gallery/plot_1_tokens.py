# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tokens under a spectrum
=======================

A spectrum is cut into patches of 32 pixels, and each patch becomes one token.
"""

# %%
# A real spectrum that is included in the package: the near galaxy NGC 3522, from SDSS. Any `specutils.Spectrum` will
# do.

from astro_spectok import read, tokenize
from astro_spectok.example import list_example_files

spectrum = read(list_example_files(more=True)[5])
tokens = tokenize(spectrum)
tokens

# %%
# ``plot`` draws the decoded spectrum and, below it, the tokens: one column for each token at its wavelength, one row
# for each of its values. Where the spectrum has a line, many values differ from those of the neighbours.

axes = tokens.plot()

# %%
# Data, model, and residuals in units of the error:

from astro_spectok.plotting import plot_reconstruction

model = tokens.decode(spectrum.spectral_axis)
axes = plot_reconstruction(spectrum, model)

# %%
# The axes know their units, so you can give a position in any unit.

from astropy import units as u

axes = tokens.plot()
span = axes[0].axvspan(660 * u.nm, 0.70 * u.um, color="#E69F00", alpha=0.3)
