# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The pages on simulated surveys and on training name all that is drawn and read."""

import re
from pathlib import Path

from astro_spectok import simulate
from astro_spectok.simulate import FAMILIES, stellar_sets
from astro_spectok.simulate.instruments import HELD_OUT, NAMED
from astro_spectok.simulate.public_sets import SIMULATED, STORED
from astro_spectok.simulate.rows import TRUTH


def test_pages_name_everything_that_is_drawn():
    """Every family, instrument, name of the truth and template set has its place in the documentation."""
    docs = Path(__file__).parents[1] / "docs"
    text = (docs / "simulator.rst").read_text() + (docs / "simulator_physics.rst").read_text()
    held_out = {name for name in NAMED if rf"``{name}`` \*" in text}
    assert held_out == set(HELD_OUT)
    sources = [path.read_text() for path in Path(simulate.__file__).parent.glob("*.py") if path.stem != "public_sets"]
    sets = [name for name in (*STORED, *SIMULATED) if any(f'"{name}"' in source for source in sources)]
    assert len(sets) > 15
    missing = [name for name in (*FAMILIES, *NAMED, *TRUTH, *sets) if f"``{name}``" not in text]
    assert missing == []


def test_page_names_every_array_that_is_read():
    """Who follows the layout of the page on the data directory gets files that the simulator can read."""
    text = (Path(__file__).parents[1] / "docs" / "data_directory.rst").read_text()
    sources = "".join(path.read_text() for path in Path(simulate.__file__).parent.glob("*.py"))
    read = set(re.findall(r'\b(?:data|arrays|bases)(?:\.get\(|\[)"(\w+)"', sources))
    read |= set(stellar_sets._LABEL_KEYS.values())
    layers = re.findall(r'"([wbx]_(?:array_\d|m\w\w))"', sources)
    read |= {f"{name}_{layer}" for name in ("norm", "flux") for layer in layers}
    assert {"flux", "wave", "sptype", "line_wave", "norm_w_array_0", "flux_x_max", "alpha"} <= read
    assert sorted(name for name in read if f"``{name}``" not in text) == []
