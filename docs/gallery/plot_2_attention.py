# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Attention over lines
====================

The encoder lets each token attend to the others. This shows where it looks, block by block and head by head.
"""

# %%
# The upper panel is the spectrum, that of the near galaxy NGC 3073 from SDSS. Below, each row is one head of a block,
# with the first block on top. Colour shows how much attention a token receives, relative to an equal share.

from astro_spectok import measure_attention, read
from astro_spectok.example import list_example_files
from astro_spectok.plotting import mark_lines
from astro_spectok.plotting.lines import list_lines

spectrum = read(list_example_files(more=True)[4])
attention = measure_attention(spectrum)
axes = attention.plot()
redshift = 0.0038
lines = {name: rest * (1 + redshift) for name, rest in list_lines("GALAXY").items()}
mark_lines(axes[0], lines, 3700, 9200)

# %%
# In the first blocks, tokens look at their neighbours, and all receive similar amounts. In the last blocks, a few
# tokens receive most of the attention of several heads. Many of these contain strong lines, or lie where the spectrum
# begins. A token is 32 pixels wide, here about 40 Angstrom:

import numpy as np
from astropy import units as u

last = attention.received[-1].mean(axis=0)
for k in np.argsort(-last)[:5]:
    place = attention.wavelength[k].to_value(u.AA)
    name = min(lines, key=lambda name: abs(lines[name] - place))
    print(f"{place:.0f} A received {last[k]:.1f}; {name} is at {lines[name]:.0f} A")

# %%
# What the token with H-alpha looks at, in each block, as the mean over the heads:

import matplotlib.pyplot as plt

k = attention.find_token(lines["Hα"] * u.AA)
shares = attention.weights[:, :, k].mean(axis=1)  # (blocks, tokens)
figure, axes = plt.subplots(
    len(shares), sharex=True, sharey=True, figsize=(8, 6), layout="constrained"
)
for block, (one, share) in enumerate(zip(axes, shares, strict=True), 1):
    one.fill_between(attention.wavelength.value, share, step="mid", color="#0072B2")
    one.axvline(attention.wavelength[k].value, color="#D55E00", ls="--", lw=1)
    one.set_ylabel(f"block {block}")
mark_lines(axes[0], lines, 3700, 9200)
axes[-1].set_xlabel("Wavelength [Å]")
label = figure.supylabel("Share of the attention of the token at H-alpha (dashed)")
