# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights files of format 1, in which all heads stood under fixed names: what they hold, as format 2 says it."""

from astro_spectok.heads.redshift import RedshiftConfig
from astro_spectok.heads.small_numbers import REDSHIFT_RULES, RELIABLE, STELLAR_DOMAIN, STELLAR_RULES
from astro_spectok.heads.spectral_type import SpectralTypeConfig
from astro_spectok.heads.stellar import StellarConfig
from astro_spectok.network.config import NetworkConfig

__all__ = ["convert_format_1"]

#: tensors of parts by the names that they had
_HEADS = {"redshift_head": "redshift", "type_head": "spectral_type", "stellar_head": "stellar"}
#: of a head that there is no longer: labels of galaxies and stars from tokens, which nothing reads
_GONE = "label_head"
#: width in ln(1 + z) of the training targets of the posterior, where the file does not give it
_TARGET_SIGMA = 1.5e-4
_RENAMED = {"pooling.from_posterior": "pooling.from_summaries"}


def convert_format_1(config, metadata, tensors=None):
    """A file of format 1 as one of format 2.

    Parameters
    ----------
    config : dict
        Of the network and its heads together.
    metadata : dict
        What else the file says of itself.
    tensors : dict of str to tensor, optional

    Returns
    -------
    config : dict
        ``backbone`` and ``heads``, as of `~astro_spectok.heads.ModelConfig.to_dict`.
    metadata : dict
        Without what is now said of a head.
    tensors : dict of str to tensor, or None
        Under ``backbone.`` and ``heads.NAME.``.
    """
    old, metadata = dict(config), dict(metadata)
    names = ("redshift", "stellar_types", "type_step", "stellar_labels", "posterior_periods", "labels")
    redshift, types, step, labels, periods, _ = (old.pop(name, None) for name in names)
    calibration, stellar = metadata.pop("calibration", None) or {}, metadata.pop("stellar", None) or {}
    training = metadata.get("training") or {}
    heads = []
    if redshift:
        values = dict(redshift) | {"summary_periods": periods or 0}
        values["target_sigma"] = training.get("redshift_sigma", _TARGET_SIGMA)
        made = RedshiftConfig.from_dict(values)
        old["observed_range"] = list(made.observed_range)
        if periods:
            old["summaries"] = [["redshift", len(made.classes) * (2 * periods + 1)]]
        heads.append(
            _describe("redshift", made, calibration=calibration, rules=REDSHIFT_RULES | {"reliable": RELIABLE})
        )
    if types and step:
        heads.append(_describe("spectral_type", SpectralTypeConfig(tuple(types), step)))
    if labels:
        errors = {name: stellar.pop(name) for name in ("error_scale", "error_floor") if name in stellar}
        made = StellarConfig.from_dict({"labels": labels})
        domain = STELLAR_DOMAIN | stellar
        heads.append(_describe("stellar", made, calibration=errors, domain=domain, rules=STELLAR_RULES))
    for head in heads:
        head["provenance"] = {"training": training} if training else {}
    kept = {one["name"] for one in heads}
    return {"backbone": NetworkConfig.from_dict(old).to_dict(), "heads": heads}, metadata, _rename(tensors, kept)


def _describe(kind, config, **about):
    """A head of the usual name."""
    empty = {"domain": {}, "calibration": {}, "rules": {}}
    return {"name": kind, "kind": kind, "config": config.to_dict()} | empty | about


def _rename(tensors, kept):
    """Tensors by their new names, without those of heads that there are no longer."""
    if tensors is None:
        return None
    out = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part in _HEADS:
            if _HEADS[part] in kept:
                out[f"heads.{_HEADS[part]}.{rest}"] = tensor
        elif part != _GONE:
            for before, after in _RENAMED.items():
                name = name.replace(before, after)
            out[f"backbone.{name}"] = tensor
    return out
