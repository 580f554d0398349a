# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits in stages, fits that were cut short, the hub, and search among cells."""

import sys
import types

import numpy as np
import pytest
from _adapt import make_labelled
from astropy import units as u

from astro_spectok.adapt import SpectrumIndex, SpectrumSet
from astro_spectok.adapt.simulated import simulate_like
from astro_spectok.exceptions import WeightsError

pytest.importorskip("sklearn")

from astro_spectok.adapt import SpectrumClassifier, SpectrumRegressor
from astro_spectok.adapt.checkpoint import FitCheckpoint
from astro_spectok.adapt.deep import DeepSettings

SPECTRA, LABELS = make_labelled(24)
#: a label that no linear map of the flux gives
PRODUCT = LABELS["depth"] * np.where(LABELS["kind"] == "emission", 1, -1) * u.AA


@pytest.fixture(scope="module")
def spectra():
    return SpectrumSet(SPECTRA, medium="vacuum")


def fit(spectra, weights, depth="lora", **options):
    return SpectrumRegressor(weights, "cpu", adapt=depth, options={"epochs": 3} | options).fit(spectra, PRODUCT)


class TestCheckpoints:
    @pytest.mark.parametrize("depth", ["lora", "full"])
    def test_resumed(self, spectra, tiny_weights, tmp_path, monkeypatch, depth):
        """A fit that is killed after two passes goes on, does no pass twice, and ends as it would have."""
        whole = fit(spectra, tiny_weights, depth)
        folder, passes = tmp_path / "fits", []
        real = FitCheckpoint.write

        def write(self, rng, **state):
            real(self, rng, **state)
            passes.append(state["epoch"])
            if len(passes) == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(FitCheckpoint, "write", write)
        with pytest.raises(KeyboardInterrupt):
            fit(spectra, tiny_weights, depth, checkpoint=folder)
        assert len(list(folder.iterdir())) == 1
        again = fit(spectra, tiny_weights, depth, checkpoint=folder)
        assert passes == [1, 2, 3]
        assert list(folder.iterdir()) == []
        np.testing.assert_array_equal(again.predict(spectra), whole.predict(spectra))
        assert again.deep_.gain == whole.deep_.gain

    def test_another_fit_begins_anew(self, spectra, tiny_weights, tmp_path, monkeypatch):
        """With other settings, labels or weights what was left is not gone on from."""

        def write(self, rng, **state):
            real(self, rng, **state)
            raise KeyboardInterrupt

        real = FitCheckpoint.write
        with monkeypatch.context() as patch:
            patch.setattr(FitCheckpoint, "write", write)
            for seed in (0, 1):
                with pytest.raises(KeyboardInterrupt):
                    fit(spectra, tiny_weights, "probe", checkpoint=tmp_path, seed=seed)
        assert len(list(tmp_path.iterdir())) == 2

    def test_damaged(self, tmp_path):
        (tmp_path / "fit-a.pt").write_bytes(b"nothing")
        with pytest.raises(ValueError, match="remove it to begin anew"):
            FitCheckpoint(tmp_path, "a").read(np.random.default_rng(0))

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [({"epoch": 3}, ValueError, "out of rank, epochs"), (["rank"], TypeError, "options must be a dict"),
         ({"rank": 0}, ValueError, "rank must be an integer of at least 1; got 0"),
         ({"patience": True}, ValueError, "patience must be an integer"),
         ({"seed": "x"}, ValueError, "seed must be an integer of at least 0; got 'x'"),
         ({"rate": -1}, ValueError, "rate must be a number between 0 and 1"),
         ({"augment": 3}, TypeError, "augment must be a sequence of names")],
    )  # fmt: skip
    def test_options(self, options, error, text):
        with pytest.raises(error, match=text):
            DeepSettings.read(options)

    def test_one_augmentation(self):
        assert DeepSettings.read({"augment": "noise"}).augment == ("noise",)

    def test_no_folder(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ValueError, match="checkpoint must be a folder"):
            FitCheckpoint(tmp_path / "file", "a")

    def test_files_do_not_hold_it(self, spectra, tiny_weights, tmp_path):
        """Where checkpoints lay is of no use to others, and is no part of what a result depends on."""
        model = fit(spectra, tiny_weights, "probe", checkpoint=tmp_path / "fits")
        path = model.save(tmp_path / "m.safetensors")
        assert SpectrumRegressor.load(path, weights=tiny_weights).options == {"epochs": 3}
        assert DeepSettings(checkpoint="a").describe() == DeepSettings().describe()


class TestSimulatedFirst:
    def test_instrument(self):
        """Spectra of the simulator have their pixels, gaps and noise, and labels with units."""
        wavelength = np.linspace(4000, 7000, 900)
        error = np.full(900, 0.05)
        error[300:310] = np.inf
        own = [(wavelength * u.AA, np.ones(900) * u.Jy, error * u.Jy)]
        made, labels = simulate_like(own, 4, family="galaxies", medium="vacuum", seed=3)
        assert len(made) == len(labels) == 4
        assert labels["age"].unit == u.Gyr
        assert np.isfinite(labels["a_v"].value).any()
        batch = made.batch
        for i in range(4):
            seen = batch.wavelength[batch.grid(i)][batch.ivar[batch.pixels(i)] > 0]
            assert seen[0] > 3990
            assert seen[-1] < 7010
            assert not ((seen > wavelength[300] - 1) & (seen < wavelength[309] + 1)).any()
        np.testing.assert_allclose(made.redshift, labels["z"])
        again, _ = simulate_like(own, 4, family="galaxies", medium="vacuum", seed=3)
        np.testing.assert_array_equal(again.batch.flux, batch.flux)

    @pytest.mark.parametrize("n", [0, 2.5, True])
    def test_bad_numbers(self, n):
        with pytest.raises(ValueError, match="n must be a positive integer"):
            simulate_like(SPECTRA, n, medium="vacuum")

    def test_begins_where_simulation_ended(self, spectra, tiny_weights):
        """What was learned from simulated spectra is where training begins; the file says how many there were."""
        more, labels = make_labelled(24, seed=9)
        product = labels["depth"] * np.where(labels["kind"] == "emission", 1, -1) * 0.1 * u.nm
        model = SpectrumRegressor(tiny_weights, "cpu", adapt="lora", options={"epochs": 3})
        staged = model.fit(spectra, PRODUCT, simulated=(SpectrumSet(more, medium="vacuum"), product))
        assert staged.simulated_["n"] == 24
        assert 0 <= staged.simulated_["gain"] <= 1
        plain = fit(spectra, tiny_weights)
        if staged.simulated_["gain"]:
            assert staged.deep_.digest != plain.deep_.digest
        error = [np.std(m.predict(spectra) - PRODUCT).value for m in (staged, plain)]
        assert error[0] < 2 * error[1]

    def test_linear_has_no_stages(self, spectra, tiny_weights):
        with pytest.raises(ValueError, match="adapt must be 'probe', 'lora' or 'full'"):
            SpectrumRegressor(tiny_weights, "cpu").fit(spectra, PRODUCT, simulated=(spectra, PRODUCT))

    def test_other_labels(self, spectra, tiny_weights):
        model = SpectrumRegressor(tiny_weights, "cpu", adapt="probe", options={"epochs": 1})
        with pytest.raises(u.UnitsError, match="converts to Angstrom"):
            model.fit(spectra, PRODUCT, simulated=(spectra, PRODUCT.value * u.s))
        with pytest.raises(TypeError, match="spectra and their labels"):
            model.fit(spectra, PRODUCT, simulated=3)

    def test_other_classes(self, spectra, tiny_weights):
        model = SpectrumClassifier(tiny_weights, "cpu", adapt="probe", options={"epochs": 1})
        other = np.where(LABELS["kind"] == "emission", "emission", "neither")
        with pytest.raises(ValueError, match="must hold the classes absorption, emission"):
            model.fit(spectra, LABELS["kind"], simulated=(spectra, other))


class FakeHub(types.ModuleType):
    """A hub in a folder."""

    def __init__(self, folder):
        super().__init__("huggingface_hub")
        self.folder, self.asked = folder, []
        hub = self

        class HfApi:
            def __init__(self, token=None):
                hub.asked.append(("token", token))

            def create_repo(self, repo_id, *, private, exist_ok, repo_type):
                assert exist_ok
                assert repo_type == "model"
                (hub.folder / repo_id).mkdir(parents=True, exist_ok=True)
                hub.asked.append(("private", private))

            def upload_folder(self, *, repo_id, folder_path, repo_type, commit_message):
                import shutil

                shutil.copytree(folder_path, hub.folder / repo_id, dirs_exist_ok=True)
                return f"https://hub/{repo_id}: {commit_message}"

        self.HfApi = HfApi

    def hf_hub_download(self, repo_id, filename, *, revision=None, token=None):
        self.asked.append(("revision", revision))
        return str(self.folder / repo_id / filename)


class TestHub:
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, spectra, tiny_weights):
        return SpectrumRegressor(tiny_weights, "cpu").fit(spectra, LABELS["depth"] * u.AA)

    def test_there_and_back(self, model, spectra, tiny_weights, tmp_path, monkeypatch):
        hub = FakeHub(tmp_path)
        monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
        where = model.push_to_hub("me/lines", private=True, token="secret", card="Depths of lines.")
        assert where == "https://hub/me/lines: Upload regressor"
        assert hub.asked == [("token", "secret"), ("private", True)]
        page = (tmp_path / "me" / "lines" / "README.md").read_text()
        assert "Depths of lines." in page
        assert 'SpectrumRegressor.from_hub("me/lines")' in page
        assert "rms" in page
        again = SpectrumRegressor.from_hub("me/lines", weights=tiny_weights, revision="main")
        assert hub.asked[-1] == ("revision", "main")
        np.testing.assert_allclose(again.predict(spectra).value, model.predict(spectra).value, rtol=1e-5)

    def test_folder(self, model, spectra, tiny_weights, tmp_path):
        """A repository that was cloned needs no library, nor does one that is made in a folder, again and again."""
        for _ in range(2):
            assert model.push_to_hub(tmp_path / "mine", card="Depths") == str(tmp_path / "mine")
        assert (tmp_path / "mine" / "README.md").read_text().splitlines()[7] == "Depths"
        model.save(tmp_path / "model.safetensors")
        again = SpectrumRegressor.from_hub(tmp_path / "mine", weights=tiny_weights)
        np.testing.assert_allclose(again.predict(spectra).value, model.predict(spectra).value, rtol=1e-5)
        with pytest.raises(WeightsError, match="SpectrumClassifier"):
            SpectrumClassifier.from_hub(tmp_path, weights=tiny_weights)

    def test_no_library(self, model, monkeypatch):
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        for call in (model.push_to_hub, SpectrumRegressor.from_hub):
            with pytest.raises(ImportError, match=r"astro_spectok\[hub\]"):
                call("me/lines")

    @pytest.mark.parametrize("name", ["lines", "a/b/c", "/lines", 3])
    def test_names(self, model, name):
        with pytest.raises(ValueError, match="owner/name"):
            model.push_to_hub(name)


class TestCells:
    def test_no_faiss(self, tiny_weights, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", None)
        index = SpectrumIndex(SpectrumSet(SPECTRA[:3], medium="vacuum"), weights=tiny_weights, device="cpu")
        with pytest.raises(ImportError, match=r"astro_spectok\[faiss\]"):
            index.search(index.vectors[0], exact=False)
        with pytest.raises(ValueError, match="exact=True"):
            index.search(index.vectors[0], exact=False, where=np.ones(3, bool))

    def test_cells(self):
        """Of vectors in cells nearly all neighbours are found, with their likeness; those that are not finite never."""
        pytest.importorskip("faiss")
        from astro_spectok.adapt.cells import VectorCells

        rng = np.random.default_rng(0)
        vectors = rng.normal(size=(4000, 16)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1)[:, None]
        vectors[7] = np.nan
        number, row, likeness = VectorCells(vectors).find(vectors[:6], 5)
        exact = np.nan_to_num(vectors[:6] @ np.nan_to_num(vectors).T)
        assert 7 not in row
        assert number.tolist() == sorted(number.tolist())
        np.testing.assert_allclose(likeness, exact[number, row], atol=1e-6)
        found = [set(row[number == i]) & set(np.argsort(-exact[i])[:5]) for i in range(6)]
        assert np.mean([len(one) for one in found]) > 3.5
