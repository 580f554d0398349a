# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results to the tables of the documentation.

    python benchmarks/write_tables.py

Reads ``benchmarks/results/*`` and the packaged weights, and writes ``docs/_tables/*``, the table of figures in
``README.rst`` and the pictures in ``docs/_images`` that show what the packaged weights do; tests check that pages and
results agree.
"""

import json
from pathlib import Path

from _comparison_table import make_comparison_table
from _depths_table import make_depths_tables
from _diagrams import plot_diagrams
from _errors_table import make_errors_table
from _estimator_tables import make_estimator_tables, plot_reliability
from _few_labels_table import make_ahead_table, make_few_labels_table
from _figures import format_figures, make_figures
from _files_table import make_files_table
from _galaxies_table import make_galaxies_tables
from _outliers_table import make_outliers_table
from _photometry_table import make_image_table, make_photometry_tables, make_properties_table
from _readme_table import make_readme_block, replace_block
from _redrock_table import make_redrock_table
from _redshift_tables import NAMES, NOT_MEASURED, make_redshift_tables
from _representation_table import make_representation_tables
from _robustness_table import make_robustness_tables
from _sequences_table import make_sequences_table
from _sizes_table import make_sizes_table
from _stellar_tables import make_heads_table, make_stellar_tables, make_white_dwarf_table, plot_kiel_picture
from _tables import make_table, show, show_snr
from _transfer_table import make_transfer_table
from _transients_table import make_exposures_table, make_series_table, make_transients_table
from _wild_table import make_wild_table

from astro_spectok.training.history import plot_curve, read_log
from astro_spectok.weights import find_weights, read_metadata

ROOT = Path(__file__).parents[1]
RESULTS, TABLES, IMAGES = ROOT / "benchmarks" / "results", ROOT / "docs" / "_tables", ROOT / "docs" / "_images"
README, FIGURES = ROOT / "README.rst", TABLES / "figures.txt"
SPEED_NOT_MEASURED = (
    "*Not measured yet: python benchmarks/simulate.py --data DIR --json benchmarks/results/simulate.json does it.*\n"
)


def make_reconstruction_tables(content):
    """Table by survey, and table by survey, class and signal-to-noise ratio."""
    methods = ("net", "smooth", "pca")
    by_set, by_group = [], []
    for entry in content["sets"]:
        name = entry["set"] + (" \\*" if entry["errors_estimated"] else "")
        figures = [show(entry.get(f"{kind}_{m}")) for kind in ("chi2", "held", "r2") for m in methods]
        by_set.append(
            [name, entry["n"], f"{entry['freedom']:.0f}", f"{entry['pixels']:.0f}", *figures, show(entry["covered"])]
        )
        for group in entry["groups"]:
            by_group.append([
                name, group["class"] or "–", show_snr(group), group["n"], show(group["chi2_net"]),
                show(group["held_net"]), show(group.get("held_pca")), show(group["r2_net"]),
            ])  # fmt: skip
    header = ["set", "n", "dof", "pixels"]
    header += [f"{kind} {m}" for kind in ("chi2", "held out", "R2") for m in methods]
    header.append("1 sigma")
    title = f"Median over the spectra of each set; weights {content['sha256'][:12]}"
    group_header = ["set", "class", "S/N", "n", "chi2", "held out", "held out pca", "R2"]
    return {
        "reconstruction": make_table(title, header, by_set),
        "reconstruction_groups": make_table("The same by class and S/N per pixel", group_header, by_group),
    }


def describe_training(name):
    """How a packaged set was trained, in a paragraph: one run after the other, the first one first."""
    runs = [read_metadata(find_weights(name))["training"]]
    while runs[0].get("before"):
        runs.insert(0, runs[0]["before"])
    text = [_describe_run(runs[0])]
    for run in runs[1:]:
        parts = f"{', '.join(run['train_only'])} alone" if run.get("train_only") else "all parts"
        text.append(f"After that {parts}: {_describe_run(run)}")
    return " ".join(text) + "\n"


def describe_history(content, log=()):
    """Training before the runs that the weights record, and gaps of their log, in sentences."""
    text = []
    if content is not None:
        runs = []
        for run in content["runs"]:
            seen = f" ({run['spectra']:,} spectra)" if run.get("spectra") else ""
            runs.append(f"{run['steps']:,} steps{seen} {run['what']}")
        text = [f"Before that: {'; '.join(runs)}.", *content["remarks"]]
    corrupted = sum(row["loss"] == "nan" for row in log)
    if corrupted:
        text.append(
            f"In {corrupted} of the {len(log)} rows of its log (``benchmarks/results/small_log.csv``) a batch was left "
            "out, since its loss was not finite."
        )
    return f"{' '.join(text)}\n"


def _describe_run(t):
    """One run of a training."""
    low, high = t["wavelength_range"]
    least, most = t.get("wavelength_percentiles", (1, 99))
    tokens = t.get("shards", 1) * t["batch_tokens"]
    return (
        f"{t['steps_done']:,} steps of {tokens:,} tokens, {t['spectra']:,} random views in all, in "
        f"{t['seconds'] / 3600:.1f} hours on {t['device']} with PyTorch {t['torch_version']}; AdamW at a peak of "
        f"{t['learning_rate']:g} and a cosine to zero, {t['hide_fraction']:.0%} of the spectra decoded from their "
        f"embedding alone, seed {t['seed']}. Good input pixels: {low:,.0f} to {high:,.0f} Angstrom (percentiles "
        f"{least:g} and {most:g})."
    )


def make_speed_table(content):
    """Spectra per second of the simulator, and what training makes of them."""
    columns = list(content["rates"])
    rows = [
        ["all, in their shares" if name == "all" else f"``{name}``"]
        + [f"{rates[name]:.0f}" for rates in content["rates"].values()]
        for name in content["rates"][columns[0]]
    ]
    machine = ", ".join(content["devices"].values())
    title = f"Spectra per second with {content['templates']}; {machine}; PyTorch {content['torch']}"
    lines = [make_table(title, ["family", *columns], rows)]
    for row in content["training"]:
        lines.append(
            f"A training step of ``{row['config']}`` on {content['devices'][row['device']]} consumes "
            f"{row['consumed']:.0f} spectra a second; one process that loads data for it draws {row['loaded']:.0f}.\n"
        )
    return "\n".join(lines)


def make_tables():
    """All tables: name to text."""
    tables = {"small_training": describe_training("small")}
    tables["small_history"] = describe_history(read("small_history"), read_log(RESULTS / "small_log.csv"))
    speed = read("simulate")
    tables["simulate"] = make_speed_table(speed) if speed else SPEED_NOT_MEASURED
    for path in sorted(RESULTS.glob("*_reconstruction.json")):
        made = make_reconstruction_tables(read(path.stem))
        tables |= {f"{path.stem.removesuffix('_reconstruction')}_{name}": text for name, text in made.items()}
    tables["redrock"] = make_redrock_table(read("redrock"))
    tables["comparison"] = make_comparison_table(read("redrock"), read("specutils"))
    tables["errors"] = make_errors_table(read("errors"))
    tables["small_files"] = make_files_table(read("small_files"))
    tables["wild_files"] = make_wild_table(read("wild_files"))
    tables |= make_photometry_tables(read("photometry"), read("align"))
    tables["image_retrieval"] = make_image_table(read("images"), read("images_sdss"))
    tables["properties_across"] = make_properties_table(read("properties"))
    tables["small_transients"] = make_transients_table(read("small_transients"))
    tables["sequences"] = make_sequences_table(read("sequences"))
    tables["small_outliers"] = make_outliers_table(read("small_outliers"))
    tables["small_series"] = make_series_table(read("small_series"))
    tables["exposures"] = make_exposures_table(read("exposures"), read("exposures_unlike"))
    tables["sizes"] = make_sizes_table(read("sizes"))
    tables["small_transfer"] = make_transfer_table(read("small_transfer"))
    tables["small_few_labels"] = make_few_labels_table(read("small_few_labels"))
    tables["small_few_labels_ahead"] = make_ahead_table(read("small_few_labels"))
    # the model card shows these whether they are there or not
    tables |= {f"small_{name}": NOT_MEASURED for name in NAMES}
    for path in sorted(RESULTS.glob("*_real_spectra.json")):
        made = make_redshift_tables(read(path.stem))
        tables |= {f"{path.stem.removesuffix('_real_spectra')}_{name}": text for name, text in made.items()}
    tables["stellar_heads"] = make_heads_table(read("stellar_heads"))
    tables["white_dwarfs"] = make_white_dwarf_table(read("white_dwarfs"))
    for made in (
        make_estimator_tables(read("small_redshift_estimator")),
        make_stellar_tables(read("small_stellar_parameters")),
        make_robustness_tables(read("small_robustness")),
        make_representation_tables(read("small_representation")),
        make_galaxies_tables(read("small_galaxies")),
        make_depths_tables(read("small_depths")),
    ):
        tables |= {f"small_{name}": text for name, text in made.items()}
    return tables


def read(name):
    """A file of results by its name; None if there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def main():
    TABLES.mkdir(exist_ok=True)
    for name, text in make_tables().items():
        (TABLES / f"{name}.rst").write_text(text)
    FIGURES.write_text(format_figures(make_figures(read)))
    README.write_text(replace_block(README.read_text(), make_readme_block(read)))
    plot_curve(RESULTS / "small_log.csv", TABLES / "small_loss.png")
    if read("small_redshift_estimator"):
        plot_reliability(read("small_redshift_estimator"), TABLES / "small_reliability.png")
    stellar = read("small_stellar_parameters")
    if stellar and stellar["kiel"]:
        plot_kiel_picture(stellar, TABLES / "small_kiel.png")
    plot_diagrams(IMAGES)


if __name__ == "__main__":
    main()
