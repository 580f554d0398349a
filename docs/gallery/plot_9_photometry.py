# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
From colours to spectra
=======================

Find spectra from fluxes in three filters, with vectors of both in one space.
"""

# %%
# The archive holds simulated spectra of galaxies, quasars and stars. The catalogue is a table of their fluxes in g, r
# and i of SDSS, with errors of 3 per cent.

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.align import embed_photometry, find_filter
from astro_spectok.simulate.export import simulate_spectra

families = ["galaxies", "quasars", "stars"]
archive = simulate_spectra(
    150, seed=12, families=families, instruments=["boss"], snr=(10, 30)
)
filters = {name: f"sdss2010-{name}" for name in "gri"}
ln = np.linspace(np.log(3700), np.log(9000), 6000)


def measure_flux(spectrum, name):
    """Mean flux per unit frequency in a filter, in some unit."""
    good = ~spectrum.mask
    x = np.log(spectrum.wavelength.to_value("Angstrom")[good])
    flux = np.interp(ln, x, spectrum.flux.value[good])
    return flux @ find_filter(filters[name]).weigh(ln)


fluxes = np.array([[measure_flux(s, name) for name in filters] for s in archive])
fluxes *= 10 / np.abs(fluxes).mean(1, keepdims=True)
rng = np.random.default_rng(1)
table = QTable()
for k, name in enumerate(filters):
    error = 0.03 * np.abs(fluxes[:, k])
    table[name] = (fluxes[:, k] + error * rng.normal(size=len(error))) * u.nmgy
    table[f"{name}_err"] = error * u.nmgy

# %%
# Put the vectors of the spectra into an index, and look up those of the fluxes.

from astro_spectok.adapt import SpectrumIndex

index = SpectrumIndex(archive, parts="photometry")
vectors = embed_photometry(table, filters)
found = index.search(vectors, 10)
hits = found[found["row"] == found["query"]]
print(f"its own is among the ten nearest: {len(hits)} of {len(table)}")

# %%
# One object of each class that was found: its fluxes, and the three nearest spectra. Its own spectrum is orange.

import matplotlib.pyplot as plt

spectype = np.array([spectrum.meta["spectype"] for spectrum in archive])
pivot = [find_filter(name).effective for name in filters.values()]
figure, axes = plt.subplots(3, 1, figsize=(9, 7), sharex=True, layout="constrained")
for axis, name in zip(axes, ("GALAXY", "QSO", "STAR"), strict=True):
    query = next(
        h["query"] for h in hits if h["rank"] < 4 and spectype[h["query"]] == name
    )
    light = np.array([table[band][query].value for band in filters]) / np.square(
        pivot
    )
    for row in found["row"][found["query"] == query][:3]:
        spectrum = archive[row]
        flux = np.where(spectrum.mask, np.nan, spectrum.flux.value)
        flux *= np.mean(light) / np.mean(
            [measure_flux(spectrum, f) for f in filters] / np.square(pivot)
        )
        label = f"{spectype[row]}, z = {round(spectrum.meta['z'], 2) + 0.0:.2f}"
        color, order = ("C1", 2) if row == query else ("0.7", 1)
        axis.plot(
            spectrum.wavelength, flux, color, lw=0.6, zorder=order, label=label
        )
    axis.plot(pivot, light, "ko", zorder=3, label="fluxes")
    axis.set(ylim=(0, 2.2 * light.max()), yticks=[], ylabel=f"Flux of a {name}")
    axis.legend(
        frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1)
    )
axes[-1].set_xlabel("Wavelength [Angstrom]")

# %%
# Three filters cannot distinguish one galaxy from all others; more filters do better. :ref:`photometry` says how often
# an object is found among a thousand of its class.
