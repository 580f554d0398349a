# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Configuration of the documentation, on top of the one that Astropy and its affiliated packages share."""

import tomllib
from importlib import metadata
from pathlib import Path

from sphinx_astropy.conf.v3 import *  # noqa: F403
from sphinx_astropy.conf.v3 import exclude_patterns, extensions, intersphinx_mapping, on_rtd

with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as _file:
    _project = tomllib.load(_file)["project"]

# -- Project ------------------------------------------------------------------
project = _project["name"]
author = _project["authors"][0]["name"]
project_copyright = author
# without the commit, which is wider than the sidebar
release = metadata.version(project).partition("+")[0]
version = ".".join(release.split(".")[:2])

# -- Sources ------------------------------------------------------------------
highlight_language = "python3"

# read where pages include them, and no pages of their own
exclude_patterns.append("_tables")

# -- References ---------------------------------------------------------------
# What belongs to other projects is linked where the pages are published, and plain text elsewhere, since a build must
# not need the network. All of our own must resolve.
if on_rtd:
    intersphinx_mapping["specutils"] = ("https://specutils.readthedocs.io/en/stable/", None)
    intersphinx_mapping["torch"] = ("https://pytorch.org/docs/stable/", None)
else:
    intersphinx_mapping = {}
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(astropy|collections|enum|matplotlib|nn|numpy|pathlib|sklearn|specutils|torch)\..*"),
    # named in docstrings of public functions, for developers
    (
        r"py:(class|obj)",
        r"(.*\.)?(HEADER_RULES|LamostPixelMask|RedshiftHead|RedshiftHeadConfig|EncodedSpectrum|Measured|TokenDecoder|"
        r"PatchBatch|PatchGrid|SpectralNetwork|RedshiftGrid|StellarHull|StellarLabels|StellarTraining|check_output|"
        r"read_metadata|read_weights|write_weights|HeadInputs|Truth|TrainingBatch|RedshiftRules|list_heads|read_recipe|"
        r"config_class|Settings|CubeLayout|Axis|Calibration|LoadedWeights|SpectrumModel|SpectrumInfo|RawSpectra|find_weights|simulate_like|"
        r"SpectrumFeatures|ImageTowerConfig|TimmTowerConfig)",
    ),
    # annotations of Python's own
    (r"py:class", r"(os\.PathLike|dict\[str|Any\]?)"),
]

# -- Pictures -----------------------------------------------------------------
plot_formats = [("png", 150)]
plot_html_show_formats = False
plot_html_show_source_link = False

# -- Gallery ------------------------------------------------------------------
# the scripts are run while the pages are built; an error in one of them ends the build
extensions.append("sphinx_gallery.gen_gallery")
exclude_patterns.append("gallery")
sphinx_gallery_conf = {
    "examples_dirs": ["gallery"],
    "gallery_dirs": ["generated/gallery"],
    "filename_pattern": "/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "image_srcset": ["2x"],
    "thumbnail_size": (480, 320),
    "reference_url": {"astro_spectok": None},
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "plot_gallery": True,
}

# -- HTML ---------------------------------------------------------------------
html_title = f"{project} {release}"
html_theme_options = {"show_nav_level": 1, "navigation_depth": 3}
html_static_path = ["_static"]
html_css_files = ["spectok.css"]
html_show_sourcelink = False
