# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures that stand in sentences of the documentation, as substitutions: ``|name|`` on a page is replaced by them."""

import math

from astro_spectok.heads.embedding_config import EmbeddingConfig
from astro_spectok.network import get_config
from astro_spectok.redshift.templates import load_rest_templates
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.utils.constants import LIGHT_SPEED
from astro_spectok.weights import find_weights, get_entry, load_network, read_metadata
from astro_spectok.weights.format import CONFIG_KEY

__all__ = ["describe_config", "format_figures", "make_figures"]

HEAD = """.. Written by benchmarks/write_tables.py from benchmarks/results/ and the packaged weights; do not edit.
"""
NOT_MEASURED = "(not measured)"


def make_figures(read, name="small"):
    """All figures.

    Parameters
    ----------
    read : callable
        Gives the content of a file of results by its name, None if it is not there.
    name : str
        Packaged set of weights.

    Returns
    -------
    dict of str to str
        Text by the name of the substitution.
    """
    network = load_network(name)
    figures = _describe_weights(name, network) | _describe_paper() | _describe_templates() | _describe_flags(network)
    for file, describe in (
        (f"{name}_real_spectra", _describe_real),
        (f"{name}_redshift_estimator", _describe_estimator),
        (f"{name}_stellar_parameters", _describe_stellar),
        (f"{name}_reconstruction", _describe_reconstruction),
        (f"{name}_representation", _describe_representation),
        (f"{name}_transients", _describe_transients),
        ("photometry", _describe_photometry),
        ("redrock", _describe_redrock),
        ("survey", _describe_survey),
        ("survey_kill", _describe_kills),
    ):
        content = read(file)
        figures |= describe(content) if content else {}
    return {key: figures.get(key) or NOT_MEASURED for key in (*figures, *ALWAYS)}


def format_figures(figures):
    """The file that pages include."""
    return HEAD + "".join(f"\n.. |{key}| replace:: {text}" for key, text in sorted(figures.items())) + "\n"


#: what pages use of results; there is a text for each of these even without results
ALWAYS = (
    "recall-galaxy", "recall-qso", "recall-star", "types-stated", "types-t-exact",
    "vandels-claimed", "vandels-right", "clear-miles", "clear-lamost", "held-worse", "stellar-pulls", "rv-pull-apogee",
    "simulated-all", "simulated-stars", "library-first", "library-ten", "library-teff", "library-logg", "library-feh",
    "lamost-lines", "lamost-all", "sdss-lines", "sdss-all", "warps-lines", "warps-all",
    "rank-lamost", "rank-spex", "rank-vandels", "hidden-blocks", "hidden-half", "transient-redshift",
    "transient-group", "transient-sure", "transient-sure-redshift", "grz-scatter", "grz-outliers", "ugrizjhk-scatter",
    "ugrizjhk-outliers",
    "redrock-ratio", "redrock-ratio-own", "lamost-class", "sdss-class", "survey-redshift", "survey-embed",
    "survey-gflops", "survey-parquet", "survey-desi", "survey-files", "survey-stated", "survey-most", "survey-rss-most",
    "survey-rss-few", "survey-dr1-8", "survey-dr1-64", "survey-dr1-1000", "survey-start", "survey-start-specutils",
    "survey-kills", "survey-kill-runs",
)  # fmt: skip


def describe_config(config):
    """Sizes of a network and its heads: substitutions without a prefix.

    Parameters
    ----------
    config : dict
        As `~astro_spectok.heads.ModelConfig.to_dict` gives it.
    """
    heads = {head["name"]: head["config"] for head in config["heads"]}
    config, redshift = config["backbone"], heads["redshift"]
    high = dict(zip(redshift["classes"], (pair[1] for pair in redshift["z_range"]), strict=True))
    return {
        "patch": str(config["patch"]),
        "width": str(config["width"]),
        "heads": str(config["heads"]),
        "encoder-blocks": str(config["encoder_layers"]),
        "decoder-blocks": str(config["decoder_layers"]),
        "token-size": str(config["width"] + config["dct_coefficients"]),
        "detail-size": str(config["dct_coefficients"]),
        "embedding-size": str(_count_embedding(heads, config)),
        "landmarks": str(heads.get("embedding", {}).get("line_landmarks", 0)),
        "embedding-nodes": str(config["embedding_nodes"]),
        "posterior-periods": str(redshift["summary_periods"]),
        "longest-period": f"{config['longest_period']:g}",
        "shortest-period": _write(config["shortest_period"]),
        "contrast-step": _write(config["contrast_step"]),
        "redshift-channels": str(redshift["channels"]),
        "redshift-step": _write(redshift["step"]),
        "redshift-step-velocity": f"{LIGHT_SPEED * math.expm1(redshift['step']):.0f} km/s",
        "galaxy-redshift": f"{high['GALAXY']:g}",
        "qso-redshift": f"{high['QSO']:g}",
        "star-velocity": f"{LIGHT_SPEED * high['STAR']:.0f} km/s",
        "star-types": str(len(heads["spectral_type"]["types"])),
    }


def _count_embedding(heads, backbone):
    """How many numbers an embedding has: those of the head, where there is one."""
    if "embedding" not in heads:
        return backbone["embedding_size"]
    return sum(EmbeddingConfig.from_dict(heads["embedding"]).sizes.values())


def _write(number):
    """A small number as people write it: 1e-4, not 0.0001."""
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _describe_weights(name, network):
    """What a file of weights holds, and the network that is made of it."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    training = StellarTraining.from_head(network.heads["stellar"])
    windows = [f"{low:.0f} to {high:.0f}" for low, high in training.wavelength]
    return describe_config(read_metadata(find_weights(name))[CONFIG_KEY]) | {
        "parameters": f"{parameters / 1e6:.1f} million",
        "megabytes": f"{get_entry(name).size / 1e6:.1f} MB",
        "wavelength-range": "{:,.0f} to {:,.0f} Angstrom".format(*get_entry(name).wavelength_range),
        "stellar-windows": f"{', '.join(windows[:-1])} and {windows[-1]} Angstrom",
        "h-band-resolution": f"{training.limit_resolution(len(windows) - 1)[0]:.0f}",
    }


def _describe_paper():
    """Sizes of the network of the paper, as the configuration of that name has them."""
    paper = get_config("paper")
    return {
        "paper-blocks": f"{paper.encoder_layers} + {paper.decoder_layers}",
        "paper-width": str(paper.width),
        "paper-heads": str(paper.heads),
    }


def _describe_templates():
    """How many components the packaged templates have."""
    templates = load_rest_templates()
    sizes = {templates.at_resolution(name, templates.resolution).shape[1] - 1 for name in templates.classes}
    return {"rest-components": " to ".join(str(size) for size in sorted({min(sizes), max(sizes)}))}


def _describe_flags(network):
    """From where on something is flagged, as the heads have it."""
    redshift, stellar = network.heads["redshift"].rules, network.heads["stellar"].rules
    return {
        "flag-evidence": f"{redshift['least_evidence']:g} nat",
        "flag-evidence-star": f"{redshift['stellar_evidence']:g} nat",
        "flag-sure-star": f"{redshift['sure']:g}",
        "flag-information": f"{redshift['least_information']:g} nat",
        "flag-comparable": _percent(redshift["comparable"]),
        "flag-vicinity": f"{redshift['vicinity']:g}",
        "flag-confident": f"{redshift['confident']:g}",
        "flag-left": _percent(redshift["unexplained"]),
        "flag-star": f"{stellar['flagged']:g}",
        "flag-no-star": f"{stellar['refused']:g}",
        "flag-type": f"{stellar['suspect']:g}",
        "flag-type-sure": f"{stellar['certain']:g}",
        "flag-tail": _percent(stellar["tail"]),
        "flag-snr": f"{stellar['least_snr']:g}",
    }


def _percent(share):
    return f"{100 * share:.0f} %"


def _find(rows, **wanted):
    """The first row with these values; None if there is none."""
    return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), None)


def _describe_real(content):
    """Retrieval, and types of stars."""
    figures = {}
    rows = content.get("simulated", {}).get("retrieval", [])
    for name in ("GALAXY", "QSO", "STAR"):
        row = _find(rows, pair="desi", noise="as real", method="embedding", **{"class": name})
        figures[f"recall-{name.lower()}"] = row and _percent(row["recall"])
    every = _find(content["types"], set="lamost_real", type="all")
    figures["types-stated"] = every and f"{every['stated']:.2f}"
    row = _find(content["types"], set="splat_spex_real", type="T")
    figures["types-t-exact"] = row and _percent(row["exact"])
    return figures


def _describe_estimator(content):
    """Classes that are right; what is claimed and what is right of VANDELS, over all bins of ``p_best``."""
    rows = [row for row in content["reliability"] if row["set"] == "vandels_real"]
    n = sum(row["n"] for row in rows)
    if not n:
        return {}
    figures = {f"vandels-{key}": _percent(sum(row["n"] * row[key] for row in rows) / n) for key in ("claimed", "right")}
    for key, name in (("lamost-class", "LAMOST: stars, class right"), ("sdss-class", "SDSS/BOSS: class right")):
        bar = _find(content["bars"], name=name)
        figures[key] = bar and _percent(bar["measured"])
    return figures


def _describe_stellar(content):
    """Widths of the pulls of real stars, and of velocities in the H band."""
    pulls = [row["pull"] for row in content["real"] if "APOGEE" not in row["set"] and row["label"] != "rv"]
    velocity = _find(content["real"], set="APOGEE emulator, S/N 100", label="rv")
    clear = {row["set"]: _percent(row["clear"]) for row in content["clear"]}
    return {
        "clear-miles": clear.get("MILES"),
        "clear-lamost": clear.get("LAMOST"),
        "stellar-pulls": pulls and f"{min(pulls):.2f} to {max(pulls):.2f}",
        "rv-pull-apogee": velocity and f"{velocity['pull']:.2f}",
    }


def _describe_reconstruction(content):
    """Sets whose hidden pixels smoothing predicts better than the network."""
    worse = [row["set"] for row in content["sets"] if row["held_net"] > row["held_smooth"]]
    return {"held-worse": ", ".join(f"``{name}``" for name in worse) or "none"}


def _describe_representation(content):
    """Same objects that are found again, labels of neighbours, effective ranks, and hidden pixels within one error."""
    figures = {}
    for what in ("blocks", "half"):
        shares = [row["within_1"] for row in content[f"hidden_{what}"]]
        figures[f"hidden-{what}"] = shares and f"{min(shares):.2f} to {max(shares):.2f}"
    if lines := _find(content["instruments"], method="embed(lines), other half"):
        figures |= {"library-first": f"{lines['recall_1']:.2f}", "library-ten": f"{lines['recall_10']:.2f}"}
        figures |= {"library-teff": f"{lines['teff']:.0f} K", "library-logg": f"{lines['logg']:.2f} dex"}
        figures["library-feh"] = f"{lines['feh']:.2f} dex"
    for part, method in (("all", "embed()"), ("stars", "embed(stars)")):
        row = _find(content["simulated"], among="stars", method=method)
        figures[f"simulated-{part}"] = row and f"{row['recall_1']:.2f}"
    for part, method in (("lines", "embed(lines)"), ("all", "embed()")):
        rows = {
            "lamost": _find(content["repeats"], set="lamost_real", method=method),
            "sdss": _find(content["repeats"], set="sdss_more_real", method=method),
            "warps": _find(content["warps"], method=method),
        }
        figures |= {f"{name}-{part}": row and f"{row['recall_1']:.2f}" for name, row in rows.items()}
    for name in ("lamost", "splat_spex", "vandels"):
        row = _find(content["ranks"], set=f"{name}_real")
        figures[f"rank-{name.rpartition('_')[2]}"] = row and f"{row['embed']:.0f}"
    return figures


def _describe_transients(content):
    """Of the supernovae of other objects: redshifts and groups that are right, and how many have no flag."""
    row = content["sets"]["superfit"]["astro_spectok"]
    sure = row["warn_0_scores"]
    return {
        "transient-redshift": _percent(row["z_right"]),
        "transient-group": _percent(row["balanced"]),
        "transient-sure": _percent(row["warn_0"]),
        "transient-sure-redshift": _percent(sure["z_right"]),
    }


def _describe_photometry(content):
    """Scatter and outliers of redshifts at a signal-to-noise ratio of 20, with the fewest bands and the most."""
    figures = {}
    for bands in ("grz", "ugrizJHK"):
        row = _find(content["sets"], bands=bands, snr=20.0, method="tower")
        figures[f"{bands.lower()}-scatter"] = row and _percent(row["sigma_nmad"])
        figures[f"{bands.lower()}-outliers"] = row and _percent(row["outliers"])
    return figures


def _describe_redrock(content):
    """How many times as many spectra as redrock."""
    one, own = (_find(content["sets"], name=name) for name in ("one grid", "grids of their own"))
    return {"redrock-ratio": one and f"{one['ratio']:.0f}", "redrock-ratio-own": own and f"{own['ratio']:.0f}"}


#: spectra of DESI DR1, and the cores that estimates are made for
DR1, CORES = 28e6, (8, 64, 1000)


def _word_hours(hours):
    """A time in minutes, hours or days, whichever is read most easily."""
    if hours < 2:
        return f"{60 * hours:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def _describe_survey(content):
    """Rates of one thread and memory; and what they mean for DESI DR1, an estimate."""
    redshift, memory = content["speed"]["redshift"], content["memory"]
    figures = {f"survey-{task}": f"{1 / content['speed'][task]['arrays']:.0f}" for task in ("redshift", "embed")}
    figures |= {
        f"survey-{where}": _percent(redshift["arrays"] / redshift[where]) for where in ("parquet", "desi", "files")
    }
    figures["survey-stated"] = _percent(redshift["arrays"] / redshift["files, medium stated"])
    for cores in CORES:
        hours = DR1 * redshift["desi"] / cores / 3600
        figures[f"survey-dr1-{cores}"] = _word_hours(hours)
    if start := content.get("start"):
        figures |= {"survey-start": f"{start['redshift']:.1f}", "survey-start-specutils": f"{start['specutils']:.1f}"}
    return figures | {
        "survey-gflops": f"{content['gflops']:.0f}",
        "survey-most": f"{memory[-1]['n']:,}",
        "survey-rss-most": f"{memory[-1]['rss']:.0f}",
        "survey-rss-few": f"{memory[0]['rss']:.0f}",
    }


def _describe_kills(content):
    """Kills after which all went on; a run that hung, or rows that were lost, have no figures."""
    if content["hung"]:
        return {}
    return {"survey-kills": str(content["kills"]), "survey-kill-runs": str(content["runs"])}
