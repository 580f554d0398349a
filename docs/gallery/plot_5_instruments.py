# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
One galaxy seen by five instruments
===================================

An embedding is made to depend on the object, not the instrument. How near do five views of one
galaxy come to each other?
"""

# %%
# Here, random instruments see simulated galaxies. We take eight galaxies, each seen with five instruments that differ
# in range, pixels, resolving power and noise.

import numpy as np

from astro_spectok import embed
from astro_spectok.simulate.export import simulate_spectra

instruments = ["muse", "4most_lrs", "fors", "gmos", "pfs"]
views = simulate_spectra(
    20,
    seed=3,
    views=10,
    families=["galaxies"],
    instruments=instruments,
    snr=(8, 30),
)
seen = {}
for spectrum in views:
    seen.setdefault(spectrum.meta["object_id"], {})[spectrum.meta["instrument"]] = (
        spectrum
    )
complete = [by_name for by_name in seen.values() if len(by_name) == 5][:8]
spectra = [by_name[name] for by_name in complete for name in instruments]
vectors = embed(spectra)
galaxy = np.repeat(np.arange(1, 9), 5)

# %%
# The five views of the first galaxy:

import matplotlib.pyplot as plt

figure, axes = plt.subplots(5, sharex=True, figsize=(8, 7), layout="constrained")
for one, spectrum in zip(axes, spectra[:5], strict=True):
    flux = np.where(spectrum.mask, np.nan, spectrum.flux.value)
    one.plot(spectrum.spectral_axis.value, flux, color="0.35", lw=0.5)
    one.set_ylim(np.nanpercentile(flux, [0.5, 99.5]) * [0.9, 1.2])
    one.set_title(
        f"{spectrum.meta['instrument']}, S/N {spectrum.meta['snr']:.0f}",
        fontsize="small",
        loc="left",
    )
axes[-1].set_xlabel("Wavelength [Å]")
label = figure.supylabel("Flux, any scale")

# %%
# Cosines of the angles between all pairs of vectors. The squares on the diagonal are views of the same galaxy.

unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
cosine = unit @ unit.T
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
image = axes.imshow(cosine, vmin=-0.2, vmax=1, cmap="viridis")
for edge in np.arange(5, 40, 5) - 0.5:
    axes.axhline(edge, color="white", lw=0.8)
    axes.axvline(edge, color="white", lw=0.8)
axes.set_xticks(
    np.arange(2, 40, 5),
    [f"z = {spectra[k].meta['z']:.2f}" for k in range(0, 40, 5)],
    rotation=60,
)
axes.set_yticks(np.arange(2, 40, 5), range(1, 9))
axes.set_ylabel("Galaxy")
colorbar = figure.colorbar(image, ax=axes, label="Cosine")

# %%
# The same as a map of the two directions in which the vectors differ most: one number, colour and marker for each
# galaxy.

from astro_spectok.plotting import plot_embeddings

axes = plot_embeddings(vectors, names=galaxy)

# %%
# The five views of a galaxy lie close together, but not at one point: they show different ranges and details, and a
# view without the lines that determine the redshift can end up away from the others. Galaxies that are far apart may
# come together on the map, because it shows only part of the differences.
#
# In numbers: how often the nearest other vector is a view of the same galaxy, and the median cosines.

np.fill_diagonal(cosine, np.nan)
same = galaxy[:, None] == galaxy
nearest = np.nanargmax(cosine, axis=1)
print(f"nearest is the same galaxy:  {np.mean(galaxy[nearest] == galaxy):.0%}")
print(f"median cosine, same galaxy:  {np.nanmedian(cosine[same]):.2f}")
print(f"median cosine, other galaxy: {np.nanmedian(cosine[~same]):.2f}")

# sphinx_gallery_thumbnail_number = 3
