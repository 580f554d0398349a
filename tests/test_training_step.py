# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of one training step: every part of the objective, and every parameter."""

import copy
import dataclasses
import math

import pytest
import torch
from _distributed import CONFIG, NETWORK

from astro_spectok.heads import ModelConfig, build_model
from astro_spectok.network import get_config
from astro_spectok.training import loop
from astro_spectok.training.batches import ViewDataset
from astro_spectok.training.history import Meter
from astro_spectok.training.objective import reconstruction_loss
from astro_spectok.training.processes import Processes
from astro_spectok.training.step import TrainingStep

HEADLESS = ModelConfig(get_config("tiny"))
#: a single shard makes a step
SINGLE = dataclasses.replace(CONFIG, shards=1)
RECONSTRUCTION = {"loss", "loss_hidden", "deviation", "alignment", "nearest"}
HEADS = {"redshift", "right", "right_class", "types", "right_type"}


@pytest.fixture(scope="module")
def batch():
    """Simulated objects of several classes, some hidden."""
    config = dataclasses.replace(CONFIG, batch_tokens=160, hide_fraction=0.4)
    drawn = ViewDataset(None, config, NETWORK)[0]
    # short views of the analytic sky: few could be compared
    return dataclasses.replace(drawn, aligned=drawn.measurable.clone())


def make_step(network_config=NETWORK, **changed):
    """A step of a fresh network."""
    torch.manual_seed(6)
    return without_dropout(TrainingStep(build_model(network_config), dataclasses.replace(CONFIG, **changed)).train())


def without_dropout(step):
    """The same, with gradients that depend on batch and parameters alone."""
    for module in step.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return step


def hide_all(batch, hide):
    """The same spectra, all of them to be decoded from the embedding alone or none; None leaves them as they are."""
    return batch if hide is None else dataclasses.replace(batch, hide=torch.full_like(batch.hide, hide))


def forget(batch, *, hide=None):
    """The same spectra with nothing known of them, and without a partner or a redshift."""
    n = len(batch.hide)
    return dataclasses.replace(
        hide_all(batch, hide),
        cls=torch.full((n,), -1),
        ln_one_plus_z=torch.zeros(n, dtype=torch.float64),
        measurable=torch.zeros(n, dtype=torch.bool),
        targets=batch.targets | {"spectral_type": {"stellar_type": torch.full((n,), -1)}},
        aligned=torch.zeros(n, dtype=torch.bool),
    )


def test_figures_are_columns_of_the_log(batch):
    """With their numbers of terms; those of a head only where there is one."""
    loss, figures = make_step()(batch)
    assert figures.keys() == RECONSTRUCTION | HEADS
    heads = make_step().network.heads.values()
    assert figures.keys() < set(Meter([figure for head in heads for figure in head.figures]).columns)
    assert make_step(HEADLESS)(batch)[1].keys() == RECONSTRUCTION
    assert loss.ndim == 0
    assert torch.isfinite(loss)
    assert not any(total.requires_grad for total, _ in figures.values())
    n = {key: int(number) for key, (_, number) in figures.items()}
    assert n["loss"] + n["loss_hidden"] == len(batch.hide)
    assert n["loss_hidden"] == batch.hide.sum() > 0
    assert n["alignment"] == n["nearest"] == batch.aligned.sum()
    assert n["types"] == n["right_type"] == (batch.targets["spectral_type"]["stellar_type"] >= 0).sum() > 0
    assert 0 < n["redshift"] == n["right"] == n["right_class"] <= (batch.measurable & (batch.cls >= 0)).sum()


def test_reconstruction_is_that_of_the_network(batch):
    """The same as the network alone gives, the hidden ones apart."""
    step = make_step()
    figures = step(batch)[1]
    mean, log_sigma = step.network(batch.patches, batch.grid, batch.resolution, hide=batch.hide)
    pixels, deviation = reconstruction_loss(mean, log_sigma, batch.flux, batch.variance)
    for key, values in (("loss", pixels[~batch.hide]), ("loss_hidden", pixels[batch.hide]),
                        ("deviation", deviation[~batch.hide])):  # fmt: skip
        torch.testing.assert_close(figures[key][0], values.sum(), rtol=1e-4, atol=1e-4)


def test_loss_is_the_weighted_sum_of_its_parts(batch):
    """Each weight scales its own part, and zero leaves it out."""
    names = ("reconstruction_weight", "alignment_weight", "redshift", "spectral_type")

    def measure(weights):
        own = {name: weights[name] for name in names[:2]}
        return make_step(**own, head_weights={name: weights[name] for name in names[2:]})(batch)[0]

    none = dict.fromkeys(names, 0.0)
    parts = {name: measure(none | {name: 1.0}) for name in names}
    assert measure(none) == 0
    assert all(part != 0 for part in parts.values())
    weights = dict(zip(names, (1.0, 0.7, 0.3, 0.2), strict=True))
    wanted = sum(weight * parts[name] for name, weight in weights.items())
    torch.testing.assert_close(measure(weights), wanted)
    usual = {"reconstruction_weight": 1.0, "alignment_weight": 1.0, "redshift": 1.0, "spectral_type": 0.1}
    torch.testing.assert_close(make_step()(batch)[0], measure(usual))


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("hide", [None, True, False])
def test_gradient_reaches_every_parameter(batch, unknown, hide):
    """In every batch: processes that train together would wait for one that is left out."""
    step = make_step()
    step(forget(batch, hide=hide) if unknown else hide_all(batch, hide))[0].backward()
    missing = [name for name, parameter in step.named_parameters() if parameter.grad is None]
    assert missing == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in step.parameters())
    if not unknown and hide is None:
        still = {name for name, parameter in step.named_parameters() if not parameter.grad.any()}
        assert still == set()


def test_nothing_known_costs_nothing_but_the_prior(batch):
    """Neither labels, nor alignment, nor a redshift; an answer all the same costs."""
    _, figures = make_step()(forget(batch))
    for key in ("types", "right_type", "alignment", "redshift", "right", "right_class", "nearest"):
        assert [float(x) for x in figures[key]] == [0, 0]
    weights = {"reconstruction_weight": 0.0, "alignment_weight": 0.0}
    assert make_step(**weights)(forget(batch))[0] > 0
    assert make_step(**weights)(dataclasses.replace(forget(batch), measurable=batch.measurable | True))[0] == 0


def make_run(out, config, optimizer=None, network_config=NETWORK):
    """A run of a fresh network, ready for single steps."""
    step = without_dropout(TrainingStep(loop._make_network(network_config, 0), config).train())
    optimizer = optimizer(step.network) if optimizer else loop._make_optimizer(step.network, config)
    return loop._Run(out, config, {}, step, optimizer, Processes("cpu"), None)


def test_corrupted_batch_leaves_the_network_as_it_is(batch, tmp_path):
    """A gradient that is not finite is no step."""
    run = make_run(tmp_path, SINGLE)
    corrupted = copy.deepcopy(batch)
    before = {name: tensor.clone() for name, tensor in run.step_module.network.state_dict().items()}
    corrupted.patches.channels[0] = torch.nan
    run._train_step(iter([corrupted]), 1e-3)
    assert not math.isfinite(run.meter.flush(1)["gradient"])
    assert all(torch.equal(t, before[name]) for name, t in run.step_module.network.state_dict().items())
    run._train_step(iter([batch]), 1e-3)
    row = run.meter.flush(2)
    assert math.isfinite(row["gradient"])
    assert math.isfinite(row["alignment"])
    assert not torch.equal(run.step_module.network.input.weight, before["input.weight"])


def make_plain_optimizer(network):
    """Steps that are the gradient itself."""
    return torch.optim.SGD([{"params": list(network.parameters()), "rate": 1.0}], lr=1.0)


def test_shards_of_a_step_are_averaged(tmp_path):
    """One step of two shards goes along the mean of their gradients."""
    config = dataclasses.replace(SINGLE, shards=2, clip_norm=1e9)
    dataset = ViewDataset(None, config, NETWORK)
    batches = [dataset[0], dataset[1]]
    run = make_run(tmp_path, config, make_plain_optimizer)
    before = {name: parameter.detach().clone() for name, parameter in run.step_module.network.named_parameters()}
    gradients = []
    for batch in batches:
        step = copy.deepcopy(run.step_module)
        loss, _ = step(batch)
        loss.backward()
        gradients.append({name: parameter.grad for name, parameter in step.network.named_parameters()})
    rate = 0.01
    run._train_step(iter(batches), rate)
    for name, parameter in run.step_module.network.named_parameters():
        wanted = -rate * (gradients[0][name] + gradients[1][name]) / 2
        torch.testing.assert_close(parameter.detach() - before[name], wanted, rtol=1e-3, atol=2e-7, msg=name)


def test_gradients_of_head_and_rest_are_clipped_apart(batch, tmp_path):
    """Each to the norm in the settings; the larger one, unclipped, goes into the log."""
    run = make_run(tmp_path, dataclasses.replace(SINGLE, clip_norm=1e-3))
    run.step_module(batch)[0].backward()
    network = run.step_module.network
    head = [p.grad for p in network.heads["redshift"].parameters()]
    rest = [p.grad for name, p in network.named_parameters() if not name.startswith("heads.redshift.")]
    norms = [torch.linalg.vector_norm(torch.cat([g.flatten() for g in part])).item() for part in (head, rest)]
    assert min(norms) > 1e-3
    assert run._clip_gradients().item() == pytest.approx(max(norms), rel=1e-5)
    for part in (head, rest):
        norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in part])).item()
        assert norm == pytest.approx(1e-3, rel=1e-3)
    alone = make_run(tmp_path, SINGLE, network_config=HEADLESS)
    alone.step_module(batch)[0].backward()
    assert alone._clip_gradients() > 0


def test_templates_learn_faster():
    """By the factor in the settings, without decay; matrices alone decay."""
    heads = NETWORK.heads | {"redshift": dataclasses.replace(NETWORK.heads["redshift"], template_rate=3.0)}
    network = loop._make_network(dataclasses.replace(NETWORK, heads=heads), 0)
    groups = loop._make_optimizer(network, SINGLE).param_groups
    assert [group["rate"] for group in groups] == [1.0, 1.0, 3.0]
    assert [group["weight_decay"] for group in groups] == [SINGLE.weight_decay, 0, 0]
    assert groups[2]["params"] == [network.heads["redshift"].templates]
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    assert len(loop._make_optimizer(loop._make_network(HEADLESS, 0), SINGLE).param_groups) == 2
