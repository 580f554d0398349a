# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The stellar head: what it reads, that it moves with the star, and the likelihood it is trained with."""

import dataclasses

import numpy as np
import pytest
import torch

from astro_spectok.heads import STELLAR_LABELS, StellarConfig, StellarHead, build_model
from astro_spectok.heads.line_networks import LineNetwork
from astro_spectok.heads.line_windows import WINDOWS, WindowReader, restore_pixels
from astro_spectok.heads.model import describe_model
from astro_spectok.heads.small_numbers import STELLAR_DOMAIN
from astro_spectok.heads.stellar_loss import draw_doppler_error, gather_stellar_labels, stellar_loss
from astro_spectok.network import HeadInputs, get_config
from astro_spectok.network.detail import filter_detail, local_flux
from astro_spectok.network.level import patch_level
from astro_spectok.network.patches import build_patches
from astro_spectok.stellar.domain import StellarTraining
from astro_spectok.training.views import Truth
from astro_spectok.weights import load_network, write_weights
from astro_spectok.weights.loading import name_tensors

PATCH = 32


def make_config():
    """Sizes of a network that has a stellar head."""
    return dataclasses.replace(get_config("tiny"), dct_coefficients=16)


def read(head, tokens, mask, geometry, ln_doppler, patches=None):
    """What the head answers."""
    parts = tokens[..., :-16], tokens[..., -16:]
    return head(HeadInputs(*parts, mask, geometry, patches, {"ln_doppler": ln_doppler}))


def observe_star(shift=0.0, *, tilt=0.0, low=3700.0, high=7300.0, scale=1.0):
    """Tokens of a star with lines at fixed places, mask and geometry."""
    x = torch.arange(np.log(low), np.log(high), 2.3e-4, dtype=torch.float64)
    centre = torch.linspace(np.log(3800.0), np.log(7200.0), 60, dtype=torch.float64) + shift
    depth = 0.1 + 0.3 * torch.rand(60, generator=torch.Generator().manual_seed(1))
    lines = depth * torch.exp(-0.5 * ((x[:, None] - centre) / 3e-4) ** 2)
    flux = scale * ((1 - lines.sum(1)) * torch.exp(tilt * (x - x.mean()))).float()
    ivar = torch.full_like(flux, (100 / scale) ** 2)
    patches = build_patches(x, flux, ivar, torch.tensor([0, len(x)]), PATCH)
    level = patch_level(patches)
    width = get_config("tiny").width
    learned = torch.zeros(*level.shape, width)
    learned[..., 0] = level
    return torch.cat([learned, filter_detail(patches, level, 16)], -1), patches.mask, patches.grid.geometry


@pytest.fixture(scope="module")
def head():
    torch.manual_seed(0)
    return StellarHead(StellarConfig(), make_config()).eval()


def test_shapes(head):
    """A mean and a lower triangle with a positive diagonal, finite, for any star."""
    tokens, mask, geometry = observe_star()
    mean, tril = read(head, tokens, mask, geometry, torch.zeros(1, dtype=torch.float64))
    n = len(STELLAR_LABELS)
    assert mean.shape == (1, n)
    assert tril.shape == (1, n, n)
    assert torch.isfinite(mean).all()
    assert torch.equal(tril, torch.tril(tril))
    assert (torch.diagonal(tril, dim1=1, dim2=2) > 0).all()
    assert head.names == tuple(name for name, _, _ in STELLAR_LABELS)


def read_window(number, star, ln_doppler=0.0):
    """Contrast and coverage of a star in one of the windows."""
    tokens, mask, geometry = star
    flux = local_flux(tokens[..., 0], tokens[..., -16:], mask, geometry, PATCH)
    return WindowReader(WINDOWS[number])(flux, mask, geometry, torch.full((1,), ln_doppler, dtype=torch.float64))


def test_reads_in_the_rest_frame():
    """A star that moves at 150 km/s looks as one at rest, once its velocity is given; not otherwise."""
    shift = 5e-4
    at_rest, given, missing = (
        read_window(0, star, v)[0][:, 200:-200]
        for star, v in ((observe_star(), 0.0), (observe_star(shift), shift), (observe_star(shift), 0.0))
    )
    assert (given - at_rest).std() < 0.1 * (missing - at_rest).std()


def test_velocity_reaches_the_windows(head):
    """The head reads at the velocity it is given: labels change with it, even those of networks that know nothing."""
    star = observe_star()
    slow, again, fast = (read(head, *star, torch.full((1,), v, dtype=torch.float64))[0] for v in (0.0, 0.0, 5e-4))
    assert torch.equal(slow, again)
    assert (slow - fast).abs().max() > 1e-5


def test_contrast_knows_no_calibration():
    """A slope of the calibration and a unit of the flux leave the contrast as it is."""
    contrast, covered = read_window(0, observe_star())
    assert contrast.std() > 0.03
    assert covered.mean() > 0.9
    for options in ({"tilt": 1.0}, {"scale": 1e-3}):
        other, _ = read_window(0, observe_star(**options))
        assert (other - contrast)[:, 200:-200].abs().max() < 0.03


def test_pixels_are_restored_but_for_bad_ones():
    """Good pixels show the flux as observed; bad ones, and one far noisier than the rest, what the tokens hold."""
    x = torch.arange(np.log(4000.0), np.log(5000.0), 2e-4, dtype=torch.float64)
    flux = 1 + 0.3 * torch.rand(len(x), generator=torch.Generator().manual_seed(2))
    ivar = torch.full_like(flux, 1e4)
    ivar[100], ivar[200] = 0.0, 1e4 / 50**2
    patches = build_patches(x, flux, ivar, torch.tensor([0, len(x)]), PATCH)
    filtered = torch.full_like(patches.channels[..., 0], -7.0)
    restored = restore_pixels(filtered, patches).flatten()[: len(x)]
    kept = torch.zeros(len(x), dtype=torch.bool)
    kept[[100, 200]] = True
    assert torch.equal(restored == -7.0, kept)
    torch.testing.assert_close(restored[~kept] * patches.scale, flux[~kept])


def test_bad_pixels_do_not_count():
    """Bins whose pixels are bad are not covered, whatever fills those pixels; the rest is as it was."""
    x = torch.arange(np.log(4000.0), np.log(6000.0), 2.3e-4, dtype=torch.float64)
    flux = 1 + 0.1 * torch.rand(len(x), generator=torch.Generator().manual_seed(2))
    bad = torch.zeros(len(x), dtype=torch.bool)
    bad[[400, 700, 701, 702, 703]] = True
    reader, still, shown = WindowReader(WINDOWS[0]), torch.zeros(1, dtype=torch.float64), []
    for fill in (0.1, 5.0):
        patches = build_patches(x, flux, torch.where(bad, 0.0, 1e4), torch.tensor([0, len(x)]), PATCH)
        seen = restore_pixels(torch.full_like(patches.channels[..., 0], fill), patches)
        shown.append(reader(seen, patches.mask, patches.grid.geometry, still, patches.valid))
    whole = build_patches(x, flux, torch.full_like(flux, 1e4), torch.tensor([0, len(x)]), PATCH)
    seen = restore_pixels(torch.zeros_like(whole.channels[..., 0]), whole)
    contrast, covered = reader(seen, whole.mask, whole.grid.geometry, still, whole.valid)
    torch.testing.assert_close(shown[0], shown[1])
    lost = (covered > 0) & (shown[0][1] == 0)
    centre = torch.log(torch.tensor(WINDOWS[0].low)) + WINDOWS[0].step * (torch.arange(WINDOWS[0].size) + 0.5)
    near = (centre[:, None] - x[bad]).abs().min(1).values < 2.3e-4
    assert 4 <= lost.sum() <= 7
    assert near[lost[0]].all()
    # all but broadening by a bin or two, and a continuum that hardly changes
    away = (centre[:, None] - x[bad]).abs().min(1).values > 1.2e-3
    assert (shown[0][0] - contrast)[:, away].abs().max() < 0.01


def test_head_ignores_what_tokens_hold_of_bad_pixels(head):
    """With the pixels at hand, what the tokens hold in place of bad ones changes no label; without them it does."""
    x = torch.arange(np.log(4000.0), np.log(6000.0), 2.3e-4, dtype=torch.float64)
    flux = 1 + 0.1 * torch.rand(len(x), generator=torch.Generator().manual_seed(4))
    ivar = torch.full_like(flux, 1e4)
    ivar[300:330] = ivar[900:905] = 0.0
    patches = build_patches(x, flux, ivar, torch.tensor([0, len(x)]), PATCH)
    where = patches.mask, patches.grid.geometry, torch.zeros(1, dtype=torch.float64)
    tokens = torch.zeros(*patches.mask.shape, get_config("tiny").width + 16)
    others = tokens.clone()
    others[..., -16:] = 0.3 * torch.randn(others[..., -16:].shape, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(read(head, tokens, *where, patches), read(head, others, *where, patches))
    assert (read(head, tokens, *where)[0] - read(head, others, *where)[0]).abs().max() > 1e-4


def test_unseen_windows_are_empty():
    """Where the spectrum does not reach, contrast and coverage are zero."""
    contrast, covered = read_window(2, observe_star())
    assert contrast.abs().max() == 0
    assert covered.max() == 0


def test_results_do_not_depend_on_the_batch(head):
    """A star alone and beside another one, padded, gets the same labels."""
    short = observe_star(high=5000.0)
    long = observe_star(tilt=0.5)
    rest = torch.zeros(1, dtype=torch.float64)
    n = long[0].shape[1] - short[0].shape[1]
    padded = [torch.nn.functional.pad(x.transpose(1, -1) if x.ndim == 3 else x, (0, n)) for x in short]
    padded = [x.transpose(1, -1) if x.ndim == 3 else x for x in padded]
    padded[2][:, -n:] = short[2][:, -1:]
    both = [torch.cat(pair) for pair in zip(padded, long, strict=True)]
    mean, tril = read(head, *both, rest.expand(2))
    for row, one in enumerate((short, long)):
        alone = read(head, *one, rest)
        torch.testing.assert_close(mean[row : row + 1], alone[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(tril[row : row + 1], alone[1], atol=1e-4, rtol=1e-4)


def blank(head, n=1):
    """Windows that show nothing."""
    return [(torch.zeros(n, reader.window.size), torch.zeros(n, reader.window.size)) for reader in head.readers]


def show_window(head, number, seed=3):
    """Windows of which one shows some lines."""
    windows = blank(head)
    contrast, covered = windows[number]
    contrast += 0.1 * torch.randn(contrast.shape, generator=torch.Generator().manual_seed(seed))
    covered += 1
    return windows


def test_unknown_labels_keep_their_prior(head):
    """Without any window labels are typical with their whole spread; the optical one measures three of them."""
    mean, tril = head.read_windows(blank(head))
    torch.testing.assert_close(mean[0], head.centre)
    torch.testing.assert_close(tril[0], torch.diag(head.spread))
    mean, tril = head.read_windows(show_window(head, 0))
    torch.testing.assert_close(mean[0, 3:5], head.centre[3:5])
    torch.testing.assert_close(tril[0, 3:5, 3:5], torch.diag(head.spread[3:5]))
    assert (mean[0, :3] != head.centre[:3]).all()


def test_files_with_labels_of_white_dwarfs_are_read(tmp_path):
    """Heads of earlier files had two labels more, with a network of their own, which nothing asks any more."""
    network = build_model(make_config(), {"stellar": StellarConfig()})
    config, tensors = describe_model(network), name_tensors(network)
    labels = [*config["heads"][0]["config"]["labels"], ("wd_teff", 4.2, 0.13), ("wd_logg", 8.0, 0.4)]
    config["heads"][0]["config"] = {"labels": labels}
    config["heads"][0]["domain"] = STELLAR_DOMAIN | {"compact": {"log_teff": [3.85, 4.45], "logg": [7.0, 9.0]}}
    extra = LineNetwork(WINDOWS[0], 2).state_dict()
    tensors |= {f"heads.stellar.members.3.0.{name}": tensor for name, tensor in extra.items()}
    read = load_network(write_weights(tmp_path / "former.safetensors", config, tensors)).heads["stellar"]
    assert read.names == tuple(name for name, _, _ in STELLAR_LABELS)
    for name, tensor in network.heads["stellar"].state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], tensor)
    assert StellarTraining.from_head(read).wavelength == StellarTraining.begin().wavelength
    assert not any("wd_" in str(part) for part in (read.describe(), read.gives))


def test_members_are_averaged(head):
    """The answer in the optical is the mean and the covariance of the mixture of several networks."""
    windows = show_window(head, 0)
    with torch.inference_mode():
        mean, tril = head.read_windows(windows)
        means, factors = zip(*(member(*windows[0]) for member in head.members[0]), strict=True)
    means, spread = torch.cat(means), head.spread[:3]
    torch.testing.assert_close(mean[0, :3], head.centre[:3] + spread * means.mean(0))
    wanted = (torch.cat(factors) @ torch.cat(factors).mT).mean(0) + torch.cov(means.T, correction=0)
    torch.testing.assert_close((tril @ tril.mT)[0, :3, :3], wanted * spread[:, None] * spread, atol=1e-6, rtol=1e-4)


def make_filtered():
    """A head with two networks for flux as tokens hold it, as they begin."""
    torch.manual_seed(0)
    made = StellarHead(StellarConfig(filtered=2), make_config()).eval()
    for own, member in zip(made.filtered, made.members[0], strict=False):
        own.begin(member)
    return made


def test_networks_for_tokens_begin_as_those_for_pixels():
    """Noise changes nothing yet, and their mixture is that of the networks that they began as."""
    head = make_filtered()
    windows = show_window(head, 0)
    noise = torch.randn(windows[0][0].shape, generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        mean, _ = head.read_windows(windows, noise)
        means = torch.cat([member(*windows[0])[0] for member in head.members[0][:2]])
    torch.testing.assert_close(mean[0, :3], head.centre[:3] + head.spread[:3] * means.mean(0))


def test_networks_for_tokens_read_what_tokens_show():
    """Without pixels, or where these are said to be those of tokens; pixels as observed are read by the others."""
    head, star = make_filtered(), observe_star()
    with torch.no_grad():
        head.filtered[0].out.bias += 1.0
    rest, x = torch.zeros(1, dtype=torch.float64), torch.arange(np.log(3700.0), np.log(7300.0), 2.3e-4)
    ivar = torch.full((len(x),), 1e4)
    patches = build_patches(x.double(), torch.ones(len(x)), ivar, torch.tensor([0, len(x)]), PATCH)
    parts = star[0][..., :-16], star[0][..., -16:], star[1], star[2], patches
    none = StellarHead(StellarConfig(), make_config()).eval()
    none.load_state_dict({k: v for k, v in head.state_dict().items() if not k.startswith("filtered.")})
    with torch.inference_mode():
        pixels, tokens = (
            head(HeadInputs(*parts, {"ln_doppler": rest} | more))[0]
            for more in ({}, {"filtered": torch.ones(1, dtype=torch.float64)})
        )
        alone, without = (read(one, *star, rest)[0] for one in (head, none))
        same = [read(one, *star, rest, patches)[0] for one in (head, none)]
    assert (tokens - pixels)[0, :3].abs().min() > 1e-3
    assert (alone - without)[0, :3].abs().max() > 1e-3
    torch.testing.assert_close(*same)


def test_each_of_several_is_read_by_its_own_networks():
    """Filtered flux beside pixels in one batch: as alone."""
    head = make_filtered()
    with torch.no_grad():
        head.filtered[0].out.bias += 1.0
    x, n = torch.arange(np.log(3700.0), np.log(7300.0), 2.3e-4), 2
    flux = 1 + 0.1 * torch.sin(40 * x)
    one = build_patches(x.double(), flux, torch.full_like(x, 1e4), torch.tensor([0, len(x)]), PATCH)
    both = build_patches(
        x.double().repeat(n), flux.repeat(n), torch.full((n * len(x),), 1e4), torch.arange(n + 1) * len(x), PATCH
    )

    def measure(patches, filtered):
        tokens, detail = torch.zeros(*patches.mask.shape, 4), torch.zeros(*patches.mask.shape, 16)
        given = {"ln_doppler": torch.zeros(len(filtered), dtype=torch.float64), "filtered": torch.tensor(filtered)}
        with torch.inference_mode():
            return head(HeadInputs(tokens, detail, patches.mask, patches.grid.geometry, patches, given))[0]

    found = measure(both, [1.0, 0.0])
    torch.testing.assert_close(found, torch.cat([measure(one, [1.0]), measure(one, [0.0])]), rtol=1e-5, atol=1e-5)
    assert (found[0] - found[1])[:3].abs().min() > 1e-3


def test_optical_and_infrared_are_combined(head):
    """Two windows together: a smaller error than either, and a mean between theirs where labels are not coupled."""
    optical, infrared = show_window(head, 0), show_window(head, 2)
    both = [optical[0], optical[1], infrared[2]]
    with torch.inference_mode():
        sigma = [(head.read_windows(w)[1] ** 2).sum(2).sqrt()[0, :3] for w in (optical, infrared, both)]
    assert (sigma[2] < torch.minimum(sigma[0], sigma[1])).all()


def test_triplet_counts_where_the_optical_is_not_seen(head):
    """Beside the optical window the Ca II triplet changes nothing; beside a small part of it, and alone, it counts."""
    optical, triplet = show_window(head, 0), show_window(head, 1)
    small = [tuple(x.clone() for x in pair) for pair in optical]
    for x in small[0]:
        x[:, 400:] = 0
    with torch.inference_mode():
        nothing, whole, part = (head.read_windows(windows)[0] for windows in (blank(head), optical, small))
        alone, beside, more = (
            head.read_windows([windows[0], triplet[1], windows[2]])[0] for windows in (blank(head), optical, small)
        )
    torch.testing.assert_close(beside, whole)
    assert (more != part)[0, :3].all()
    assert (alone != nothing)[0, :3].all()


def test_loss_is_the_likelihood():
    """Against scipy, with a label unknown; outliers count linearly, and nothing known counts nothing."""
    from scipy.stats import multivariate_normal

    tril = torch.tensor([[0.5, 0.0, 0.0], [0.3, 0.8, 0.0], [-0.2, 0.1, 0.4]])
    covariance = (tril @ tril.T).numpy()
    mean, labels = torch.tensor([0.1, -0.2, 0.3]), torch.tensor([0.4, torch.nan, -0.1])
    loss, count = stellar_loss(mean[None], tril[None], labels[None], torch.ones(3))
    expected = multivariate_normal(mean[[0, 2]].numpy(), covariance[np.ix_([0, 2], [0, 2])]).logpdf([0.4, -0.1])
    assert loss.item() == pytest.approx(-expected - np.log(2 * np.pi), abs=1e-4)
    assert count.item() == 2
    far = [stellar_loss(mean[None], tril[None], mean[None] + d, torch.ones(3))[0].item() for d in (100.0, 200.0, 300.0)]
    assert far[2] - far[1] == pytest.approx(far[1] - far[0], rel=1e-3)
    nothing = stellar_loss(mean[None], tril[None], torch.full((1, 3), torch.nan), torch.ones(3))
    assert [x.item() for x in nothing] == [0.0, 0]


def test_labels_of_other_scales_are_left_out():
    """Only stars drawn for the head have labels for it."""
    truths = [Truth(labels={"teff": 3.7, "log_vbroad": 1.0}), Truth(labels={"teff": 3.7}), Truth()]
    labels = gather_stellar_labels(truths, ("teff", "logg"))
    assert labels.shape == (3, 2)
    assert labels[0, 0] == pytest.approx(3.7)
    assert torch.isnan(labels[1:]).all()


def test_velocity_errors_follow_the_pixels():
    """Errors are of some km/s where pixels are fine, and a part of a pixel where they are coarse."""
    geometry = torch.zeros(4000, 1, 3, dtype=torch.float64)
    geometry[:2000, 0, 1], geometry[2000:, 0, 1] = 1e-5, 1e-2
    error = draw_doppler_error(geometry, torch.ones(4000, 1, dtype=torch.bool), np.random.default_rng(0)) * 299792.458
    fine, coarse = error[:2000], error[2000:]
    assert 1 < fine.std() < 8
    assert 200 < coarse.std() < 1500
