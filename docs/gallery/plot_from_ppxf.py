# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
From ppxf
=========

Two galaxies that ppxf uses as examples, measured here, and what to hand to ppxf.
"""

# %%
# ppxf fits templates to a spectrum whose redshift is known. Its example for stellar populations begins with a file, a
# redshift, and a library of templates::
#
#     galaxy = fits.open("NGC3522_SDSS_DR18.fits")[1].data
#     redshift = 0.00402
#     sps = sps_util.sps_lib("spectra_emiles_9.0.npz", velscale, fwhm_gal)
#     pp = ppxf(sps.templates, galaxy, noise, velscale, start=[v, 200], ...)
#
# Here the file is enough. Both galaxies are from SDSS, and are included in the package.

from astro_spectok.estimators import GalaxyPropertyEstimator
from astro_spectok.example import list_example_files

files = list_example_files(more=True)[4:]
estimator = GalaxyPropertyEstimator()
table = estimator.estimate_files(files, resolution=2000)
table[
    "name", "z", "z_err", "age", "age_err", "metallicity", "a_v", "warn"
].pprint_all()

# %%
# ``resolution`` is the resolving power of SDSS. With it the velocity dispersion of the stars is measured too, if it can
# be: NaN means that its error would be too large, and a value well below the instrumental width (64 km/s) is an upper
# limit. The pipeline of SDSS has a value for NGC 3522; it took NGC 3073 for a star.

from astropy.table import Table

for path, row in zip(files, table, strict=True):
    sdss = Table.read(path, hdu="SPECOBJ")[0]
    print(
        f"{row['name']}: {row['sigma_v'].value:.0f} +- {row['sigma_v_err'].value:.0f}; "
        f"SDSS {sdss['VDISP']:.0f} +- {sdss['VDISP_ERR']:.0f} km/s"
    )

# %%
# The young galaxy NGC 3073 with its starlight and its lines. ``pp.bestfit`` and ``pp.gas_bestfit`` become ``plot``;
# ``pp.gas_flux`` becomes the columns ``flux_halpha`` and so on, in the unit of the spectrum times Angstrom.

from astro_spectok import read

young = estimator.estimate(read(files[0]), resolution=2000)
axes = young.plot()

# %%
# Equivalent widths, positive in emission:

for line in ("hbeta", "oiii", "halpha", "nii"):
    width, error = (getattr(young, f"ew_{line}{end}") for end in ("", "_err"))
    print(f"{line:6} {width.value:6.2f} +- {error.value:.2f} Angstrom")

# %%
# What is not replaced: h3 and h4, several kinematic components, the history of star formation as a map of weights, and
# your own templates. Use ppxf for these, and start it where this page ends. Above z = 0.1 ppxf asks for the spectrum at
# rest, with a velocity of 0.

import numpy as np

from astro_spectok.estimators import RedshiftEstimator

result = RedshiftEstimator().estimate(read(files[1]))
velocity = 299792.458 * np.log1p(result.z.value)
print(f"start = [{velocity:.0f}, {table['sigma_v'][1].value:.0f}]  # km/s")
