# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Provenance of weights: the stages that made their parts, as JSON can hold it."""

from astro_spectok.training.factory.assembly import PROVENANCE_KEY, find_head
from astro_spectok.training.factory.stages import find_stage
from astro_spectok.weights.format import CONFIG_KEY, read_metadata
from astro_spectok.weights.integrity import compute_sha256

__all__ = ["describe_heads", "describe_rest", "describe_stages"]

#: parts of the weights that are no heads
_APART = ("backbone", "templates")


def describe_stages(records):
    """Record of stages for the weights.

    Parameters
    ----------
    records : dict of str to dict
        Of stages, as of `~astro_spectok.training.factory.folders.StageFolder`.

    Returns
    -------
    list of dict
        ``stage``, ``part``, ``settings`` (seeds and steps among them), ``data`` (digests of sets), ``needs`` (digests
        of what earlier stages wrote), ``templates`` (of those that come with the package, where they were used),
        ``outputs``, ``date``, ``seconds``, ``device``, ``version``, ``commit`` and more of the code.
    """
    return [
        {
            "stage": name, "part": find_stage(name).part, "settings": record["inputs"]["settings"],
            "data": record["inputs"]["data"] or "analytic templates", "needs": record["inputs"]["needs"],
            "templates": record["inputs"].get("templates", {}), "outputs": record["outputs"], "date": record["date"],
            "seconds": record["seconds"], "device": record["device"], **record["code"],
        }
        for name, record in records.items()
    ]  # fmt: skip


def describe_heads(stages, model, base, heads):
    """Stages of each head that has stages of its own.

    Parameters
    ----------
    stages : list of dict
        As of `describe_stages`.
    model : `~astro_spectok.heads.ModelConfig`
    base : path-like
        Weights that heads without a file of their own stay in.
    heads : dict of str to path-like
        Files of the others, by their names.

    Returns
    -------
    dict of str to dict
        ``stages``, and the record in the weights of each head that stays as it is, by the name of the head.
    """
    stored = {one["name"]: one for one in read_metadata(base)[CONFIG_KEY]["heads"]}
    out = {}
    for kind in dict.fromkeys(one["part"] for one in stages if one["part"] not in _APART):
        name = find_head(model, kind) or kind
        before = {} if name in heads else stored[name].get("provenance", {})
        out[name] = before | {"stages": [one for one in stages if one["part"] == kind]}
    return out


def describe_rest(stages, recipe, start=None):
    """Stages of the weights, except for the heads that have stages of their own.

    Parameters
    ----------
    stages : list of dict
        As of `describe_stages`.
    recipe : `~astro_spectok.training.factory.Recipe`
    start : `~pathlib.Path`, optional
        Weights that the recipe went on from.

    Returns
    -------
    dict
        ``recipe``, ``stages``, and ``start`` where there is one: its file, digest, and its own record.
    """
    about = {
        "recipe": {"name": recipe.name, "sha256": recipe.sha256},
        "stages": [one for one in stages if one["part"] in _APART],
    }
    if start is not None:
        before = read_metadata(start).get(PROVENANCE_KEY)
        about["start"] = {"file": start.name, "sha256": compute_sha256(start), PROVENANCE_KEY: before}
    return about
