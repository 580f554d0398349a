# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The library of transients: what is read, what is stored, and what its calibration is fitted to."""

from types import SimpleNamespace

import numpy as np
import pytest
from _transients import FEATURES, WAVELENGTH, make_flux, make_head, make_hosts, make_spectra

from astro_spectok.heads import TransientConfig
from astro_spectok.redshift.reliance import FEATURES as ANSWER
from astro_spectok.training.factory import read_recipe
from astro_spectok.training.transient_calibration import calibrate_transients, draw_cases, share_types
from astro_spectok.training.transient_head import make_library
from astro_spectok.training.transient_mixtures import draw_mixtures
from astro_spectok.training.transient_rules import PARTS, _fit, choose_templates
from astro_spectok.training.transient_thresholds import find_certain, fit_thresholds
from astro_spectok.training.transient_types import read_transients


@pytest.fixture(scope="module")
def made():
    return make_head()


def write_set(path, objects, kinds, z=0.0):
    """A public set in miniature."""
    flux = [
        make_flux("Ia", 2.0) * (1 + np.random.default_rng(k).normal(0, 0.02, len(WAVELENGTH)))
        for k in range(len(kinds))
    ]
    n, size = len(kinds), len(WAVELENGTH)
    np.savez(
        path, wave=np.tile(WAVELENGTH * (1 + z), n), flux=np.concatenate(flux), ivar=np.ones(n * size),
        offsets=np.arange(n + 1) * size, object=np.array(objects), subclass=np.array(kinds), age=np.full(n, 5.0),
        z=np.full(n, z), cls=np.full(n, "SN"),
    )  # fmt: skip


def test_sets_are_read_with_one_scheme(tmp_path):
    """At rest; the first set decides on the type of an object, types that are not told apart are left out."""
    write_set(tmp_path / "snid_sesne_real.npz", ["1994i", "2005ap"], ["Ic-norm", "Ic-SL"])
    write_set(
        tmp_path / "osc_pre1990_real.npz", ["SN1994I", "SN1957A", "SN1988Z", "SN1989X"], ["Ib", "Ia", "II", ""], z=0.1
    )
    spectra = read_transients(tmp_path)
    assert [(one.object, one.kind) for one in spectra] == [
        ("1994i", "Ic"), ("2005ap", "SLSN"), ("1994i", "Ic"), ("1988z", "IIn")
    ]  # fmt: skip
    for one in spectra:
        assert np.exp(one.ln_wavelength[0]) == pytest.approx(WAVELENGTH[0], rel=1e-6)
    assert read_transients(tmp_path / "nothing") == []


class TestLibrary:
    def test_what_is_stored(self, made):
        """All spectra, in their order, in a few numbers each; the components give them back."""
        head, spectra = made
        library = head.get_library()
        assert len(library.templates) == len(spectra) == 72
        assert [library.config.types[k] for k in library.kind] == [one.kind for one in spectra]
        np.testing.assert_array_equal(library.phase, [one.phase for one in spectra])
        assert head.domain["objects"] == dict.fromkeys(("Ia", "II", "Ic"), 6)
        assert head.get_library() is library

    def test_kept_numbers_are_made_anew(self, made):
        head, _ = made
        before = head.get_library()
        head.load_state_dict(head.state_dict())
        assert head.get_library() is not before

    def test_chosen_templates(self, made):
        """Of each type as many, none twice."""
        library = made[0].get_library()
        chosen = choose_templates(library, 4)
        assert len(set(chosen)) == 12
        assert np.bincount(library.kind[chosen]).tolist() == [4, 4, 4]

    def test_too_few(self):
        config = TransientConfig(components=4, hosts=2, low=3000.0, high=9500.0)
        with pytest.raises(ValueError, match="16 spectra of transients"):
            make_library(make_spectra(objects=1), make_hosts(config), config)


class TestCalibration:
    def test_observations(self, made):
        """Types alike; redshifted, in hosts, with errors that are those of the noise."""
        head, spectra = made
        hosts = make_hosts(head.config)
        ln_host = np.log(head.config.low) + head.config.step * (np.arange(head.config.bins) + 0.5)
        drawn = draw_mixtures(spectra, hosts, ln_host, 60, np.random.default_rng(1))
        assert {spectra[one.row].kind for one in drawn} == set(FEATURES)
        assert all(0 < one.z < 0.71 and 0 <= one.share <= 0.9 for one in drawn)
        one = draw_mixtures(spectra, hosts, ln_host, 5, np.random.default_rng(1))[0]
        np.testing.assert_array_equal(one.flux, drawn[0].flux)

    def test_fit(self, made):
        """Objects that are left out are recognised, and all numbers that are fitted are sensible."""
        head, spectra = made
        cases = draw_cases(spectra, make_hosts(head.config), head.config, 40, np.random.default_rng(2))
        near = [one for one in cases if one.z < 0.35]
        calibration, figures = calibrate_transients(head, spectra, near)
        assert figures["right_type"] > 0.8
        assert figures["right_z"] > 0.8
        assert calibration.z_floor > 0
        assert calibration.z_reach > 0
        assert calibration.phase_floor > 0
        assert set(calibration.offset) == set(FEATURES)
        assert type(calibration)(**calibration.to_dict()).temperature == calibration.temperature


class TestRules:
    def test_left_out(self):
        """Probabilities are of rules that have not seen the object: a feature of chance tells nothing."""
        rng, n = np.random.default_rng(5), 200
        transient, part = np.arange(n) % 2 == 0, rng.integers(PARTS, size=n)
        chance = rng.normal(size=(n, 22))
        told = chance.copy()
        told[:, 3] += np.where(transient, 2.0, -2.0)
        cls = np.full(n, "GALAXY")
        for features, low, high in ((chance, 0.35, 0.65), (told, 0.93, 1.0)):
            rules, figures, p = _fit(cls, features, transient, part)
            assert low < np.mean((p > 0.5) == transient) < high
            assert len(rules["GALAXY"]["weights"]) == figures["GALAXY"]["features"]

    def test_types_of_a_group_share(self, made):
        """Ia, II and Ibc count the same before a spectrum is seen."""
        assert share_types(made[0].get_library()).tolist() == pytest.approx([1 / 3] * 3)


def test_rare_types_share_less():
    """Those of no group have a third of what a group has."""
    config = SimpleNamespace(types=("Ia", "II", "Ib", "SLSN"))
    share = share_types(SimpleNamespace(config=config, kind=np.arange(4), group=np.arange(4)))
    assert share.tolist() == pytest.approx([0.3, 0.3, 0.3, 0.1])


def test_thresholds_of_groups():
    """A type that is unsure within a sure group counts as right, and redshifts count where the group is sure."""

    def answer(p, p_z, z):
        return SimpleNamespace(
            type_probability=dict(zip(("Ia", "Ib", "Ic"), p, strict=True)),
            find_redshift=lambda: (np.log1p(z), 0.0, p_z),
        )

    case, thin = SimpleNamespace(row=0, z=0.1), SimpleNamespace(row=6, z=0.1)
    right, wrong = answer((0.1, 0.45, 0.45), 0.9, 0.1), answer((0.6, 0.2, 0.2), 0.99, 0.4)
    answered = [(case, None, one) for one in [right] * 18 + [wrong] * 2]
    spectra = [SimpleNamespace(kind="Ic", phase=np.nan, object=str(k)) for k in range(6)]
    # of a type of one object nothing is learned when that is left out
    answered += [(thin, None, wrong)] * 40
    spectra.append(SimpleNamespace(kind="Ia", phase=np.nan, object="6"))
    found = fit_thresholds(answered, None, spectra, np.array([0.2]))
    assert (found["group"], found["redshift"]) == (0.9, 0.9)


def test_recipe():
    assert list(read_recipe("transients").stages) == ["transients"]


def test_hosts_that_are_certain():
    """From the evidence on of which all redshifts are right, of galaxies without another flag."""
    evidence = np.array([60.0, 80.0, 100.0, 200.0, 300.0, 400.0])
    features = np.zeros((6, len(ANSWER)))
    features[:, ANSWER.index("evidence")] = np.log1p(evidence)
    table = {
        "cls": np.array(["GALAXY"] * 5 + ["STAR"]), "zwarn": np.array([0, 0, 0, 4, 0, 0]), "features": features,
        "z": np.full(6, 0.1),
    }  # fmt: skip
    assert find_certain(table, [0.2, 0.1, 0.1, 0.2, 0.1, 0.2]) == pytest.approx(80)
    assert find_certain(table, [0.1] * 6) == pytest.approx(60)
    # never below the least that is asked, and the most where there is nothing to see it by
    assert find_certain(table | {"zwarn": np.ones(6)}, [0.1] * 6) == 500
