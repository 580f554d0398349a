# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Reconstruction of a masked region
=================================

Masked pixels are filled in from the others, as far as these allow.
"""

# %%
# Three stretches of a real spectrum, the near galaxy NGC 3073 from SDSS, are masked: the 4000 Angstrom break with Ca H
# and K, then H-beta with [O III], then one without strong lines. The network never sees the values of masked pixels.

import numpy as np
from astropy import units as u
from specutils import Spectrum

from astro_spectok import read, tokenize
from astro_spectok.example import list_example_files

spectrum = read(list_example_files(more=True)[4])
wavelength = spectrum.spectral_axis
stretches = {
    "break": (3870, 4090),
    "H-beta, [O III]": (4830, 5060),
    "continuum": (5550, 5750),
}  # Angstrom
inside = {
    name: (wavelength > low * u.AA) & (wavelength < high * u.AA)
    for name, (low, high) in stretches.items()
}
hidden = np.any(list(inside.values()), axis=0)
masked = Spectrum(
    flux=spectrum.flux,
    spectral_axis=wavelength,
    uncertainty=spectrum.uncertainty,
    mask=spectrum.mask | hidden,
)
model = tokenize(masked).decode(wavelength)

# %%
# The band is the expected error of the model, one standard deviation. It is wide where nothing was seen.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
show = (wavelength > 3820 * u.AA) & (wavelength < 6200 * u.AA)
x, flux = (
    wavelength.value[show],
    np.where(spectrum.mask, np.nan, spectrum.flux.value)[show],
)
seen = np.where(hidden[show], np.nan, flux)
axes.plot(
    x,
    flux,
    color="#D55E00",
    lw=0.8,
    label="hidden from the network",
    drawstyle="steps-mid",
)
axes.plot(x, seen, color="0.45", lw=0.8, label="seen", drawstyle="steps-mid")
middle, error = model.flux.value[show], model.uncertainty.array[show]
axes.fill_between(
    x, middle - error, middle + error, color="#0072B2", alpha=0.3, lw=0
)
axes.plot(x, middle, color="#0072B2", lw=1.2, label="decoded from the tokens")
axes.set_ylim(50, 240)
axes.set_xlabel("Wavelength [Å]")
axes.set_ylabel(f"Flux [{spectrum.flux.unit:latex_inline}]")
legend = axes.legend(frameon=False, ncols=3, loc="upper left")

# %%
# How far off the model is, in units of the error of data and model together: the root mean square is 1 if the predicted
# errors are right.

total = np.hypot(spectrum.uncertainty.array, model.uncertainty.array)
pull = (spectrum.flux.value - model.flux.value) / total
for name, part in {"seen": ~hidden, **inside}.items():
    print(f"{name:16s} {np.sqrt(np.mean(pull[part & ~spectrum.mask] ** 2)):.1f}")

# %%
# The hidden lines are predicted, since others of the same galaxy are seen, but their depths are not right, and the
# errors are too small there, by about a factor of two. So never measure a line on the model that was not observed.
