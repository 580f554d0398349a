# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Recipe`: one file that says how a set of weights is made, stage by stage."""

import hashlib
import tomllib
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path

from astro_spectok.heads import ModelConfig, find_kind, get_model_config
from astro_spectok.network import NetworkConfig
from astro_spectok.training.config import TrainingConfig
from astro_spectok.training.factory.settings import (
    CalibrateRedshiftSettings,
    CalibrateStellarSettings,
    EmbeddingSettings,
    GalaxySettings,
    LibrarySettings,
    PhotometrySettings,
    SpectralTypeSettings,
    StellarSettings,
    TemplateSettings,
    TransientSettings,
    read_settings,
)

__all__ = ["PretrainSettings", "Recipe", "list_recipes", "read_recipe"]

#: recipes that come with the package
RECIPES = Path(__file__).parents[2] / "data" / "recipes"
#: tables of a recipe after those of pretraining, in the order in which they are carried out
SETTINGS = {
    "templates": TemplateSettings,
    "library": LibrarySettings,
    "spectral_type": SpectralTypeSettings,
    "stellar": StellarSettings,
    "stellar_left_out": StellarSettings,
    "embedding": EmbeddingSettings,
    "galaxy": GalaxySettings,
    "photometry": PhotometrySettings,
    "calibrate_redshift": CalibrateRedshiftSettings,
    "calibrate_stellar": CalibrateStellarSettings,
    "transients": TransientSettings,
}
#: settings of a training run that change its speed and not its result
FREE = ("workers", "log_every", "checkpoint_every")


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of one run of pretraining.

    Attributes
    ----------
    training : `~astro_spectok.training.TrainingConfig`
    model : `~astro_spectok.heads.ModelConfig`
        The network and the heads that are trained with it; from the run before they get all that they share with its in
        name and shape.
    train_only : tuple of str
        Parts of the network that are trained; all if empty.
    """

    training: TrainingConfig
    model: ModelConfig
    train_only: tuple = ()

    def to_dict(self):
        """Settings that the result depends on, as JSON holds them."""
        training = {name: value for name, value in self.training.to_dict().items() if name not in FREE}
        return training | {"train_only": list(self.train_only), "model": self.model.to_dict()}


@dataclass(frozen=True)
class Recipe:
    """Recipe of a set of weights.

    Attributes
    ----------
    name : str
        Of the weights: their file is called so.
    stages : dict of str to settings
        In the order in which they are carried out: ``pretrain-1`` and so on (`PretrainSettings`), and those of
        `~astro_spectok.training.factory.settings`.
    sha256 : str
        Digest of the file.
    """

    name: str
    stages: dict
    sha256: str


def list_recipes():
    """Names of the recipes that come with the package: list of str."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def read_recipe(recipe: str | PathLike[str]) -> Recipe:
    """A recipe, checked: a wrong setting is reported before hours of work go into it.

    Parameters
    ----------
    recipe : str or path-like
        Name of a recipe that comes with the package, or the path of a TOML file.

    Returns
    -------
    Recipe

    Raises
    ------
    FileNotFoundError
        There is neither a file nor a packaged recipe of that name.
    TypeError, ValueError
        The file is no TOML, or a table or a setting is none that there is, or breaks its rule: the message names it.

    Examples
    --------
    >>> from astro_spectok.training.factory import read_recipe
    >>> recipe = read_recipe("tiny")
    >>> list(recipe.stages)[:3], recipe.stages["spectral_type"].stars
    (['pretrain-1', 'pretrain-2', 'templates'], 40)
    """
    path = RECIPES / f"{recipe}.toml" if str(recipe) in list_recipes() else Path(recipe)
    if not path.is_file():
        msg = (
            f"recipe must be a TOML file or one of the packaged recipes {', '.join(list_recipes())}; got "
            f"{str(recipe)!r}, where there is no file; check the path"
        )
        raise FileNotFoundError(msg)
    content = path.read_bytes()
    try:
        table = tomllib.loads(content.decode())
    except ValueError as error:
        msg = f"recipe: {path} must be TOML ({error}); correct it, or start from one of {', '.join(list_recipes())}"
        raise ValueError(msg) from error
    _check_tables(table)
    usual = {name: table.get(name) for name in ("network", "heads")}
    runs = table.get("pretrain", [])
    if runs and usual["network"] is None:
        msg = 'network must be given where there is [[pretrain]]; write network = "small", say, above the first table'
        raise ValueError(msg)
    stages = {f"pretrain-{k}": _read_run(one, usual, f"pretrain-{k}") for k, one in enumerate(runs, 1)}
    for name, kind in SETTINGS.items():
        if name in table:
            stages[name] = read_settings(kind, table[name], name)
    return Recipe(table.get("name", path.stem), stages, hashlib.sha256(content).hexdigest())


def _check_tables(table):
    """Refuse a recipe whose parts are none that there are, or of another kind."""
    kinds = {"name": str, "network": (str, dict), "heads": dict, "pretrain": list} | dict.fromkeys(SETTINGS, dict)
    for key, value in table.items():
        if key not in kinds:
            msg = f"recipe: there is no {key!r}; a recipe holds {', '.join(kinds)}; remove it, or correct its name"
            raise ValueError(msg)
        if not isinstance(value, kinds[key]) or (key == "pretrain" and not all(isinstance(x, dict) for x in value)):
            form = {"name": "a text", "network": "the name of a configuration or a table"}.get(key, f"a table [{key}]")
            msg = f"{key} must be {'tables [[pretrain]]' if key == 'pretrain' else form}, got {value!r}; write it so"
            raise TypeError(msg)
    if not any(key in table for key in (*SETTINGS, "pretrain")):
        msg = f"recipe must hold one of the stages {', '.join(('pretrain', *SETTINGS))}, got none; add a table"
        raise ValueError(msg)


def _read_run(table, usual, stage):
    """One run of pretraining."""
    table = dict(table)
    parts = table.pop("train_only", [])
    if not (isinstance(parts, list) and all(isinstance(x, str) for x in parts)):
        msg = f'{stage}.train_only must be a list of parts of the network, got {parts!r}; write ["decoder"], say'
        raise TypeError(msg)
    own = {name: table.pop(name, {}) for name in usual}
    for name, values in own.items():
        if not isinstance(values, dict):
            msg = f"{stage}.{name} must be a table of what differs, got {values!r}; write [pretrain.{name}] above it"
            raise TypeError(msg)
    training = read_settings(TrainingConfig, table, stage)
    try:
        model = _read_model(usual, own)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{stage}: {error}") from error
    return PretrainSettings(training, model, tuple(parts))


def _read_model(usual, own):
    """A model that there is by name, changed as the recipe says, and as the run says."""
    network = {"base": usual["network"]} if isinstance(usual["network"], str) else dict(usual["network"])
    if "base" not in network:
        msg = 'network.base must name the configuration that the others change; write base = "small", say'
        raise ValueError(msg)
    model = get_model_config(network.pop("base"))
    sizes, known = model.network.to_dict(), [one.name for one in fields(NetworkConfig)]
    for name, value in (network | own["network"]).items():
        name = NetworkConfig._former_names.get(name, name)
        if name not in known:
            msg = f"network.{name} is not a size of a network, which has {', '.join(known)}; correct its name"
            raise ValueError(msg)
        sizes[name] = value
    heads = model.to_dict()["heads"]
    heads = {one.pop("name"): one for one in heads}
    for changes in (usual["heads"] or {}, own["heads"]):
        for name, values in changes.items():
            if values is False:
                heads.pop(name, None)
            elif isinstance(values, dict):
                heads[name] = _change_head(heads.get(name), name, values)
            else:
                msg = f"heads.{name} must be a table of settings, or false for no such head; got {values!r}"
                raise TypeError(msg)
    # heads that are not there say nothing to the embedding
    sizes["summaries"] = [one for one in sizes["summaries"] if one[0] in heads]
    return ModelConfig(NetworkConfig.from_dict(sizes), heads)


def _change_head(head, name, values):
    """A head as JSON holds it, with other settings; a new one is of the given kind, or of the kind that is its name."""
    values = dict(values)
    kind = values.pop("kind", name if head is None else head["kind"])
    cls = find_kind(kind).config_class
    before = {} if head is None or head["kind"] != kind else head["config"]
    return {"kind": kind, "config": cls.from_dict(before | values).to_dict()}
