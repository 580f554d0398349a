# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars with labels: a small library made up, and the real one where it is at hand."""

import numpy as np
import pytest
import torch
from _paths import TRAIN, needs

from astro_spectok.simulate import Randomness
from astro_spectok.simulate.label_transfer import LabelTransfer, flatten_log_flux
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_library import choose_left_out, read_library
from astro_spectok.simulate.stellar_model import StarModel
from astro_spectok.simulate.stellar_survey import StellarSurvey, choose_stellar_instrument

BINS = 400


def make_library(n, seed):
    """Labels (n, 3) and log flux (n, BINS) of stars whose lines deepen linearly with each label."""
    labels = np.random.default_rng(seed).uniform([3.6, 1.0, -1.5], [3.85, 4.5, 0.4], (n, 3))
    lines = np.zeros((3, BINS))
    lines[np.arange(3).repeat(20), np.random.default_rng(0).choice(BINS, 60, replace=False)] = 0.2
    return labels, (labels - [3.7, 3.0, -0.5]) / [0.1, 1.0, 0.5] @ lines


def test_flatten_leaves_no_continuum():
    """A slope is taken away; unknown bins become zero and do not matter."""
    slope = np.linspace(0, 3, 2000)[None]
    slope[0, 900:950] = np.nan
    flat = flatten_log_flux(slope, 1e-4)
    assert np.abs(flat[:, 300:-300]).max() < 0.05
    assert (flat[0, 900:950] == 0).all()


def test_transfer_finds_wrong_labels():
    """One label in fifteen is off by six steps: left-out predictions are near the truth."""
    labels, spectra = make_library(150, 1)
    wrong = labels.copy()
    wrong[::15] += [0.18, 3.0, 1.8]
    transfer = LabelTransfer(spectra, wrong)
    right = np.arange(150) % 15 != 0
    off = np.abs(transfer.left_out - labels) / [0.03, 0.5, 0.3]
    assert np.median(off[right]) < 0.5
    assert np.median(off[~right]) < 2.0
    others, spectra = make_library(20, 3)
    predicted, near = transfer.predict(spectra)
    assert np.median(np.abs(predicted - others) / [0.03, 0.5, 0.3]) < 0.7
    assert (near > 0.5).all()
    assert transfer.predict(spectra + 5.0)[1].max() < 0.1


def test_model_interpolates():
    """Left-out residuals are far below the differences between stars, and residuals complete the model."""
    labels, log_flux = make_library(200, 2)
    model = StarModel(labels, log_flux)
    assert model.left_out < 0.25 * log_flux.std(1).mean()
    again = model(torch.from_numpy(labels).float()) + model.residuals
    np.testing.assert_allclose(again, log_flux, atol=2e-3)


def test_optical_instruments_are_no_sharper_than_the_library():
    """Sharp instruments are left to the infrared."""
    rng = np.random.default_rng(0)
    made = [choose_stellar_instrument(rng, 3600.0, 8900.0, 8192) for _ in range(60)]
    assert all(np.median(one.resolution) < 4000 for one in made if one is not None)
    assert sum(one is not None for one in made) > 50


def test_survey_needs_labelled_stars(tmp_path):
    """Without a set of labelled stars there is nothing to draw."""
    with pytest.raises(ValueError, match="data must hold labelled stars"):
        StellarSurvey(tmp_path)


@pytest.fixture(scope="module")
def survey(public_sets):
    """That of the public sets, made once."""
    return StellarSurvey(public_sets)


@needs(TRAIN)
def test_real_grid(survey):
    """Drawn evenly over the diagram, with all labels; the same for the same seed; the survey gives observations."""
    family = survey.families["grid"]
    first, again = (family.draw(300, Randomness(5)) for _ in range(2))
    assert torch.equal(first.flux.nan_to_num(), again.flux.nan_to_num())
    assert all(torch.isfinite(first.labels[name]).all() for name in ("teff", "logg", "fe_h", "log_vbroad"))
    assert torch.isnan(first.labels["alpha_fe"]).all()
    assert torch.isfinite(first.flux).float().mean() > 0.9
    # stars are drawn where there are few in the library as well
    assert first.labels["teff"].std() > family.labels[:, 0].std()
    for k, name in enumerate(("teff", "logg", "fe_h")):
        low, high = family.labels[:, k].min(), family.labels[:, k].max()
        assert low - 1e-5 <= first.labels[name].min() <= first.labels[name].max() <= high + 1e-5
    groups = survey.draw(8, 3)
    assert sum(len(group.objects) for group in groups) == 8
    assert {"log_vbroad"} <= set(groups[0].objects.labels)


@needs(TRAIN)
def test_left_out_stars_are_left_out(public_sets):
    """Stars left out for validation are not drawn from, in either library; stars of CFLIB have gaps."""
    names = read_library(public_sets).names
    left_out = choose_left_out(names)
    whole, part = public_sets.make(GridStars, "cpu"), GridStars(public_sets, without=left_out)
    kept = {tuple(row) for row in part.labels}
    assert 0.7 * len(whole.labels) < len(part.labels) < 0.87 * len(whole.labels)
    assert kept <= {tuple(row) for row in whole.labels}
    assert (np.bincount(part.member) > 400).all()
    objects = part.draw(100, Randomness(3))
    known = torch.isfinite(objects.flux)
    assert known.any(1).all()
    # what is not known of a star differs from one to the other
    assert (known.any(0) & ~known.all(0)).any()


@needs(TRAIN)
def test_real_libraries(public_sets):
    """CFLIB beside MILES: stars that both have, labels alike, gaps unknown with a margin, lines in the same places."""
    library = read_library(public_sets)
    place = {name: i for i, name in enumerate(library.names) if library.member[i] == 0}
    second = np.flatnonzero(library.member == 1)
    pairs = np.array([(place[library.names[i]], i) for i in second if library.names[i] in place])
    assert len(pairs) > 280
    first, second = library.labels[pairs.T]
    known = np.isfinite(first).all(1)
    assert np.allclose(first[known], second[known])
    assert np.isfinite(library.log_flux[library.member == 1]).mean() < 0.95
    wave = np.exp(library.grid.ln_wavelength().numpy())
    blue = (wave > 4000) & (wave < 6700)
    good = pairs[np.isfinite(library.log_flux[pairs][:, :, blue]).all((1, 2))][:60]
    lines = np.diff(library.log_flux[good][:, :, blue], axis=2)
    lines -= lines.mean(2, keepdims=True)
    likeness = (lines[:, 0] * lines[:, 1]).sum(1) / np.sqrt((lines**2).sum(2).prod(1))
    moved = (lines[:, 0, 2:] * lines[:, 1, :-2]).sum(1) / np.sqrt((lines**2).sum(2).prod(1))
    assert np.median(likeness) > 0.9
    assert (likeness > moved).mean() > 0.95
