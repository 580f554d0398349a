# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tokens under a spectrum
=======================

A spectrum is cut into patches of 32 pixels, and each patch becomes one token.
"""

# %%
# The example is a made-up galaxy that is included in the package. Any `specutils.Spectrum` will do.

from astro_spectok import tokenize
from astro_spectok.example import read_example

spectrum = read_example()
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
