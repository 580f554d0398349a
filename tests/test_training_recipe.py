# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Recipes: what they may hold, what is said of mistakes, and that the packaged ones say what they are meant to."""

from dataclasses import replace

import pytest

from astro_spectok.heads import ModelConfig, get_model_config
from astro_spectok.training import TrainingConfig
from astro_spectok.training.factory import list_recipes, read_recipe
from astro_spectok.training.factory.recipe import FREE
from astro_spectok.training.factory.stages import find_stage
from astro_spectok.weights import find_weights, read_metadata


@pytest.fixture
def write(tmp_path):
    """Write a recipe; its path."""

    def write_recipe(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write_recipe


def test_recipe_is_read(write):
    """Settings that are not given are as usual; networks are changed for a run as it says."""
    text = """
        network = "small"
        [[pretrain]]
        steps = 5
        [pretrain.heads]
        redshift = { step = 2e-4 }
        labels = { kind = "stellar" }
        [[pretrain]]
        network = { embedding_nodes = 0, width = 320 }
        heads = { redshift = false, stellar = false }
        train_only = ["decoder"]
        [spectral_type]
        epochs = 2
    """
    recipe = read_recipe(write(text))
    assert recipe.name == "mine"
    assert list(recipe.stages) == ["pretrain-1", "pretrain-2", "spectral_type"]
    first, second, types = recipe.stages.values()
    heads = {name: config for name, _, config in first.model.list_heads()}
    assert (first.training.steps, heads["redshift"].step, heads["redshift"].channels) == (5, 2e-4, 8)
    assert list(heads) == ["redshift", "spectral_type", "stellar", "labels"]
    assert (second.training.steps, list(second.model.heads), second.train_only) == (
        20000,
        ["spectral_type"],
        ("decoder",),
    )
    assert (second.model.network.width, second.model.network.summaries) == (320, ())
    assert (types.epochs, types.stars) == (2, 92000)


def test_former_names_are_read(write):
    """Recipes written earlier say ``local_cosines``."""
    recipe = read_recipe(write("network = {base = 'tiny', local_cosines = 4}\n[[pretrain]]"))
    assert recipe.stages["pretrain-1"].model.network.dct_coefficients == 4


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("[spectral_type", ValueError, r"must be TOML \(.*correct it"),
        ("x = 1", ValueError, r"there is no 'x'; a recipe holds name, network, heads, pretrain, .*correct its name"),
        ("name = 'x'", ValueError, "must hold one of the stages pretrain, templates"),
        ("stellar = 3", TypeError, r"stellar must be a table \[stellar\], got 3"),
        ("network = 3\n[stellar]", TypeError, "network must be the name of a configuration or a table, got 3"),
        ("pretrain = 3", TypeError, r"pretrain must be tables \[\[pretrain\]\], got 3"),
        ("[[pretrain]]\nsteps = 3", ValueError, r"network must be given where there is \[\[pretrain\]\]"),
        ("[stellar]\nstep = 3", ValueError, "stellar.step is not a setting of the stage, which has steps, seed, go_on"),
        ("[stellar]\nsteps = -1", ValueError, "stellar.steps must be at least 0, got -1; give another number"),
        ("[stellar]\nsteps = 1.5", TypeError, "stellar.steps must be a whole number, got 1.5"),
        ("[spectral_type]\nepochs = -1", ValueError, "spectral_type.epochs must be above 0, got -1"),
        ("[templates]\nseed = true", TypeError, "templates.seed must be a whole number, got True"),
        ("network = 'tiny'\n[[pretrain]]\nstepz = 3", ValueError, "pretrain-1.stepz is not a setting"),
        ("network = 'tiny'\n[[pretrain]]\n[[pretrain]]\nseed = -1", ValueError, "pretrain-2.seed must be at least 0"),
        ("network = 'tiny'\n[[pretrain]]\ntrain_only = 'x'", TypeError, "pretrain-1.train_only must be a list"),
        (
            "network = 'tiny'\n[[pretrain]]\nnetwork = 1",
            TypeError,
            "pretrain-1.network must be a table of what differs",
        ),
        ("network = {width = 3}\n[[pretrain]]", ValueError, "network.base must name the configuration"),
        ("network = 'huge'\n[[pretrain]]", ValueError, "pretrain-1: no model config 'huge'; there are tiny, small"),
        ("network = {base = 'tiny', widht = 3}\n[[pretrain]]", ValueError, "network.widht is not a size of a network"),
        ("network = {base = 'tiny', width = 3}\n[[pretrain]]", ValueError, "pretrain-1: width must be a multiple"),
        (
            "network = 'small'\n[[pretrain]]\nheads = {redshift = 3}",
            TypeError,
            "pretrain-1: heads.redshift must be a t",
        ),
        (
            "network = 'small'\n[[pretrain]]\nheads = {x = {}}",
            ValueError,
            "pretrain-1: `kind` must be one of the heads",
        ),
        ("network = 'small'\n[[pretrain]]\nhead_weights = {redshift = -1}", ValueError, "pretrain-1.head_weights"),
    ],
)
def test_mistakes_are_named(write, text, error, message):
    """With the key, the rule and the remedy."""
    with pytest.raises(error, match=message):
        read_recipe(write(text))


def test_recipe_that_is_not_there(tmp_path):
    names = "calibrate, embedding, galaxy, heads, library, photometry, small, stars, stellar_tokens, tiny, transients"
    with pytest.raises(FileNotFoundError, match=f"packaged recipes {names}; got '.*none.toml'"):
        read_recipe(tmp_path / "none.toml")


def test_packaged_recipes():
    """All can be read; the names of their files are those of what they make, unless that is for other weights."""
    recipes = {name: read_recipe(name) for name in list_recipes()}
    assert {name for name, recipe in recipes.items() if recipe.name == name} == {
        "galaxy",
        "heads",
        "library",
        "small",
        "stars",
        "stellar_tokens",
        "tiny",
    }
    assert list(recipes["small"].stages)[6:] == [*list(recipes["tiny"].stages)[2:], "transients"]
    for name in ("galaxy", "photometry", "transients"):
        assert recipes[name].stages[name] == recipes["small"].stages[name]


def test_recipe_of_the_packaged_weights():
    """The last two runs are those that the packaged weights record, and the network with its heads is theirs."""
    recipe = read_recipe("small")
    runs = [one for name, one in recipe.stages.items() if name.startswith("pretrain")]
    metadata = read_metadata(find_weights("small"))
    last = metadata["training"]
    for run, record in ((runs[-1], last), (runs[-2], last["before"])):
        settings = run.training.to_dict()
        # what has to do with a head that is trained apart, or with speed
        compared = settings.keys() - {*FREE, "stellar_fraction", "head_weights"}
        # a setting that is newer than the weights was off
        known = TrainingConfig().to_dict() | record
        assert {key: settings[key] for key in compared} == {key: known[key] for key in compared}
        heads = {name: config for name, _, config in run.model.list_heads()}
        assert list(heads) == ["redshift"]
        assert heads["redshift"].target_sigma == record["redshift_sigma"]
    assert set(runs[-1].train_only) <= set(last["train_only"])
    stored = ModelConfig.from_dict(metadata["astro_spectok_config"])
    whole = replace(runs[-1].model, heads=get_model_config("small").heads | runs[-1].model.heads)
    assert whole.network == stored.network
    made, held = ({name: one for name, _, one in model.list_heads()} for model in (whole, stored))
    assert {"redshift", "spectral_type", "stellar"} == made.keys()
    # nothing is in the file that no stage makes
    assert held.keys() == {find_stage(name).part for name in recipe.stages} - {"backbone", "templates"}
    # networks that read tokens were added by a recipe of their own, as that of the packaged weights says
    filtered = read_recipe("stellar_tokens").stages["stellar"].filtered
    made["stellar"] = replace(made["stellar"], filtered=filtered)
    assert all(held[name] == config for name, config in made.items())
