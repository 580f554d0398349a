"""Write the filter curves that come with the package: those of speclite, each at 25 wavelengths.

speclite (BSD-3) holds the curves as their surveys publish them. Run from the root of the project, with speclite 1.0.0
installed::

    python benchmarks/filters.py astro_spectok/data/filters.json
"""

import argparse
import json
from pathlib import Path

import numpy as np

GROUPS = (
    "galex-*", "sdss2010-*", "decamDR1-*", "BASS-g", "BASS-r", "MzLS-z", "panstarrs-*", "hsc2017-*", "lsst2023-*",
    "cfht_megacam-*", "bessell-*", "gaiadr3-*", "Euclid-*", "twomass-*", "wise2010-W1", "wise2010-W2",
)  # fmt: skip
#: points of each curve, and response over the highest below which it ends
POINTS, LEAST = 25, 0.01


def reduce_curve(wavelength, response):
    """A curve at fewer wavelengths, of which each stands for the mean around it."""
    peak = response.max()
    inside = np.flatnonzero(response > LEAST * peak)
    low, high = wavelength[max(inside[0] - 1, 0)], wavelength[min(inside[-1] + 1, len(wavelength) - 1)]
    nodes = np.linspace(low, high, POINTS)
    fine = np.linspace(low, high, 40 * (POINTS - 1) + 1)
    values = np.interp(fine, wavelength, response) / peak
    # least squares: the broken line that is nearest to the curve
    place = (fine - low) / (nodes[1] - nodes[0])
    hats = np.clip(1 - np.abs(place[:, None] - np.arange(POINTS)), 0, None)
    fitted = np.linalg.lstsq(hats, values, rcond=None)[0]
    return [round(float(low), 1), round(float(high), 1)], [round(float(x), 4) for x in np.clip(fitted, 0, None)]


def main():
    """Read the curves of speclite and write the file."""
    from speclite.filters import load_filters

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    lines = []
    for one in load_filters(*GROUPS):
        curve = reduce_curve(np.asarray(one.wavelength, float), np.asarray(one.response, float))
        lines.append(f'  "{one.name}": {json.dumps(curve)}')
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
