# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Labels of your own
==================

From a table of labels to an estimator with errors, which you can use on new spectra and share.
"""

# %%
# You have spectra, and a number for some of them that no estimator here measures. In this example the spectra are
# simulated galaxies as SDSS sees them, and the label is the equivalent width of [O III], at least 1 Angstrom, since its
# logarithm will be learned. With your own files, make the set from their names:
# ``SpectrumSet(files, redshift=table["z"])``.

from astropy import units as u
from astropy.table import QTable

from astro_spectok.adapt import SpectrumRegressor, SpectrumSet
from astro_spectok.simulate.export import simulate_spectra

galaxies = simulate_spectra(
    240, seed=4, families=["galaxies"], instruments=["sdss"], snr=(20, 60)
)
galaxies = [one for one in galaxies if 0.01 < one.meta["z"] < 0.7]
spectra = SpectrumSet(galaxies, redshift=[one.meta["z"] for one in galaxies])
widths = [max(one.meta["ew_oiii"].to_value(u.AA), 1) for one in galaxies]
labels = QTable({"ew_oiii": widths * u.AA})
new = slice(len(labels) - 30, None)
old = slice(0, len(labels) - 30)
print(f"{len(labels[old])} spectra with labels, 30 new ones")

# %%
# The logarithm is learned, in the rest frame. ``validation_`` says how well left-out spectra were predicted, so you
# know before you use it whether the labels can be learned from these spectra.

model = SpectrumRegressor(frame="rest", log="ew_oiii", device="cpu")
model = model.fit(spectra[old], labels[old])
print({key: round(float(x), 2) for key, x in model.validation_["ew_oiii"].items()})

# %%
# New spectra get a prediction with an error and a flag. Flagged ones are unlike those in the training set, or noisier,
# or from another instrument.

table = model.estimate(spectra[new])
table[:5]

# %%
# Predictions against the truth, with their errors:

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
truth = labels["ew_oiii"][new].value
value, error = table["ew_oiii"].value, table["ew_oiii_err"].value
axes.errorbar(truth, value, error, fmt="o", ms=4, lw=0.8)
axes.plot([1, 1000], [1, 1000], color="0.6", zorder=0)
axes.set(xscale="log", yscale="log", xlabel="true width of [O III] (Angstrom)")
axes.set_ylabel("predicted width (Angstrom)")

# %%
# And real spectra. Four galaxies come with the package, two of them from SDSS. Here the width can also be measured
# directly, as ``GalaxyPropertyEstimator`` does, so that you see what an estimator that knows simulations alone is worth
# (widths below 1 Angstrom were 1 among its labels). The other two are from VIMOS and MUSE, whose pixels it has never
# seen: they are flagged.

from astro_spectok.adapt import AdaptFlag
from astro_spectok.estimators import GalaxyPropertyEstimator
from astro_spectok.example import list_example_files

names = ("ngc_3073_sdss", "ngc_3522_sdss", "legac_vimos", "abell_478_muse")
files = [path for path in list_example_files(more=True) if path.stem in names]
measured = GalaxyPropertyEstimator(device="cpu").estimate_files(files)
predicted = model.estimate(SpectrumSet(files, redshift=measured["z"]))
for path, direct, one in zip(files, measured, predicted, strict=True):
    flag = AdaptFlag(int(one["warn"])).name if one["warn"] else "no flag"
    width = f"measured {direct['ew_oiii']:.1f} +- {direct['ew_oiii_err']:.1f}"
    print(
        f"{path.stem}: {width}, predicted {one['ew_oiii']:.1f} +- {one['ew_oiii_err']:.1f}, {flag}"
    )

# %%
# One small file holds what was learned. Others load it with ``SpectrumRegressor.load(path)``, or run
# ``spectok predict oiii.safetensors *.fits --redshift 0.1 -o widths.ecsv``.

import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    path = model.save(Path(folder) / "oiii.safetensors", card="widths of [O III]")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
