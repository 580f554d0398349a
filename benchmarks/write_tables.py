# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results to the tables of the documentation.

    python benchmarks/write_tables.py

Reads ``benchmarks/results/*`` and the metadata of the packaged weights, and writes ``docs/_tables/*``; a test checks
that they agree.
"""

import json
from pathlib import Path

from _estimator_tables import draw_reliability, make_estimator_tables
from _redrock_table import make_redrock_table
from _redshift_tables import NAMES, NOT_MEASURED, make_redshift_tables
from _robustness_table import make_robustness_tables
from _sizes_table import make_sizes_table
from _stellar_tables import draw_kiel_picture, make_heads_table, make_stellar_tables
from _tables import make_table, show, show_snr

from astro_spectok.training.history import draw_curve
from astro_spectok.weights import find_weights, read_metadata

ROOT = Path(__file__).parents[1]
RESULTS, TABLES = ROOT / "benchmarks" / "results", ROOT / "docs" / "_tables"
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
    """How a packaged set was trained, in a paragraph."""
    training = read_metadata(find_weights(name))["training"]
    before = training.get("before")
    if before is None:
        return _describe_run(training) + "\n"
    # the last run was of some parts of the network, and what came before is told first
    return f"{_describe_run(before)} After that {', '.join(training['train_only'])} alone: {_describe_run(training)}\n"


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
    speed = RESULTS / "simulate.json"
    tables = {"small_training": describe_training("small")}
    tables["simulate"] = make_speed_table(json.loads(speed.read_text())) if speed.is_file() else SPEED_NOT_MEASURED
    for path in sorted(RESULTS.glob("*_reconstruction.json")):
        content = json.loads(path.read_text())
        made = make_reconstruction_tables(content)
        tables |= {f"{path.stem.removesuffix('_reconstruction')}_{name}": text for name, text in made.items()}
    redrock = RESULTS / "redrock.json"
    tables["redrock"] = make_redrock_table(json.loads(redrock.read_text()) if redrock.is_file() else None)
    sizes = RESULTS / "sizes.json"
    tables["sizes"] = make_sizes_table(json.loads(sizes.read_text()) if sizes.is_file() else None)
    # the model card shows these whether they are there or not
    tables |= {f"small_{name}": NOT_MEASURED for name in NAMES}
    for path in sorted(RESULTS.glob("*_real_spectra.json")):
        made = make_redshift_tables(json.loads(path.read_text()))
        tables |= {f"{path.stem.removesuffix('_real_spectra')}_{name}": text for name, text in made.items()}
    tables |= {f"small_{name}": text for name, text in make_estimator_tables(read_estimator()).items()}
    tables |= {f"small_{name}": text for name, text in make_stellar_tables(read_stellar()).items()}
    heads = RESULTS / "stellar_heads.json"
    tables["stellar_heads"] = make_heads_table(json.loads(heads.read_text()) if heads.is_file() else None)
    path = RESULTS / "small_robustness.json"
    made = make_robustness_tables(json.loads(path.read_text()) if path.is_file() else None)
    return tables | {f"small_{name}": text for name, text in made.items()}


def read_estimator():
    """Results of ``redshift_estimator.py`` with the packaged weights; None if there are none."""
    path = RESULTS / "small_redshift_estimator.json"
    return json.loads(path.read_text()) if path.is_file() else None


def read_stellar():
    """Results of ``stellar_parameters.py`` with the packaged weights; None if there are none."""
    path = RESULTS / "small_stellar_parameters.json"
    return json.loads(path.read_text()) if path.is_file() else None


def main():
    TABLES.mkdir(exist_ok=True)
    for name, text in make_tables().items():
        (TABLES / f"{name}.rst").write_text(text)
    draw_curve(RESULTS / "small_log.csv", TABLES / "small_loss.png")
    if read_estimator() is not None:
        draw_reliability(read_estimator(), TABLES / "small_reliability.png")
    if read_stellar() is not None and read_stellar()["kiel"]:
        draw_kiel_picture(read_stellar(), TABLES / "small_kiel.png")


if __name__ == "__main__":
    main()
