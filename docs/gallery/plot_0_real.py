# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Real spectra of four instruments
================================

A file from an archive, in a notebook: what is it, how far away, and how sure is that?
"""

# %%
# Four real spectra are included in the package: a white dwarf from SDSS, the brightest galaxy of a cluster observed
# with VLT/MUSE, a galaxy from the survey LEGA-C with VLT/VIMOS, and a quasar from BOSS. ``read`` takes files in any
# format that specutils or this package can read; with your own files, start here.

import astro_spectok
from astro_spectok.example import list_example_files

files = list_example_files()
spectra = [astro_spectok.read(path) for path in files]
for path, spectrum in zip(files, spectra, strict=True):
    first, last = spectrum.spectral_axis[[0, -1]]
    print(f"{path.name:24} {len(spectrum.flux)} pixels, {first:.0f} to {last:.0f}")

# %%
# One call measures all of them. An answer with ``zwarn`` 0 can be relied on.

from astro_spectok.estimators import RedshiftEstimator

estimator = RedshiftEstimator()
table = estimator.estimate(spectra)
table["name", "spectype", "z", "z_err", "p_best", "stellar_type", "zwarn", "medium"]

# %%
# One of them with its model, its lines, and the probability of every redshift. The lower panel has a single peak: no
# other redshift fits this galaxy.

galaxy = estimator.estimate(spectra[1])
axes = galaxy.plot()

# %%
# The quasar is fainter and its lines are broad. The error is a hundred times as large, but there is still only one
# redshift.

quasar = estimator.estimate(spectra[3])
axes = quasar.plot()

# %%
# ``apply`` sets the redshift on a copy of the spectrum, and specutils takes over from there: here it measures the
# equivalent width of H-alpha with [N II] in the cluster galaxy, where they come from a cooling flow.

from astropy import units as u
from specutils import SpectralRegion
from specutils.analysis import equivalent_width
from specutils.manipulation import extract_region

known = galaxy.apply(spectra[1])
known.shift_spectrum_to(redshift=0)
around = extract_region(known, SpectralRegion(6500 * u.AA, 6640 * u.AA))
continuum = extract_region(
    known, SpectralRegion(6620 * u.AA, 6640 * u.AA)
).flux.mean()
print(f"equivalent width {equivalent_width(around / continuum):.0f}")

# %%
# The white dwarf is a star, so it has a type and a velocity. It has no parameters, because no white dwarfs were among
# the training stars; ``warn`` says so.

from astro_spectok.estimators import StellarParameterEstimator

star = StellarParameterEstimator().estimate(spectra[0])
star
