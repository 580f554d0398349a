# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
From the template tools of specutils
====================================

The redshift of a real galaxy by ``template_redshift``, by ``template_correlate``, and without a template.
"""

# %%
# A galaxy of the survey LEGA-C, observed with VLT/VIMOS, and as a template the near galaxy NGC 3522 from SDSS, moved to
# rest by the redshift in its file. The tools of specutils do not pass over masked pixels, and need both in one unit:
# so bad pixels are dropped, and the unit is replaced.

import numpy as np
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from astropy.table import Table
from specutils import Spectrum

from astro_spectok import read
from astro_spectok.example import list_example_files

files = list_example_files(more=True)
galaxy, near = read(files[2]), read(files[5])


def drop_bad(spectrum, z=0):
    """Good pixels at rest, with standard deviations and a unit for all."""
    sigma = spectrum.uncertainty.represent_as(StdDevUncertainty).array
    good = ~spectrum.mask & np.isfinite(spectrum.flux.value) & (sigma > 0)
    return Spectrum(
        flux=spectrum.flux[good].value * u.Jy,
        spectral_axis=spectrum.wavelength[good] / (1 + z),
        uncertainty=StdDevUncertainty(sigma[good]),
    )


observed = drop_bad(galaxy)
template = drop_bad(near, Table.read(files[5], hdu="SPECOBJ")["Z"][0])

# %%
# ``template_redshift`` compares chi2 at redshifts that you choose. It gives the best of these, without an error. The
# wider and the finer the range, the longer it takes.

from specutils.analysis import template_redshift

tried = np.arange(0.6, 0.75, 0.005)
_, by_chi2, _, chi2, _ = template_redshift(
    observed, template, redshift=tried, resample_method="linear_interpolated"
)
print(f"z = {by_chi2:.3f}, best of {len(tried)} between 0.6 and 0.75")

# %%
# ``template_correlate`` gives the correlation at all lags. Both spectra need their continuum removed, and the highest
# value need not be the true one.

from specutils.analysis import template_correlate
from specutils.fitting import fit_generic_continuum


def remove_continuum(spectrum):
    return spectrum - fit_generic_continuum(spectrum)(spectrum.spectral_axis)


values, lags = template_correlate(
    *map(remove_continuum, (observed, template)), lag_units=u.one, method="FFT"
)
inside = (lags > 0) & (lags < 1)
print(f"z = {lags[inside][np.argmax(values[inside])]:.4f}, best between 0 and 1")

# %%
# Here it takes no template, no range and no preparation. The answer has an error, a probability and a flag, and the
# whole posterior can be had. LEGA-C itself gives 0.669 for this galaxy.

from astro_spectok.estimators import RedshiftEstimator

estimate = RedshiftEstimator().estimate(galaxy)
estimate

# %%
# What replaces what: the correlation function by the posterior, a list of lines by the lines at the redshift that was
# found.

axes = estimate.plot()

# %%
# ``template_match``, which finds the template that a spectrum is most like, is replaced by the probability of each
# class, and for stars by the type:

for name, probability in estimate.class_probability.items():
    print(f"{name:6} {probability:.3f}")
print(
    "type of the star:", RedshiftEstimator().estimate(read(files[0])).stellar_type
)

# %%
# And back: ``apply`` sets the redshift on a copy, and all of specutils works on it at rest.

known = estimate.apply(galaxy)
known.shift_spectrum_to(redshift=0)
print(known.wavelength[[0, -1]].round())
