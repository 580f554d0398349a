# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Folders of pairs of an image and a spectrum: drawn, read a part at a time, learned from in one command, bad ones."""

import sys

import numpy as np
import pytest
import torch
from _align import write_photometry_weights
from _multimodal import make_rows, write_hdf5

from astro_spectok.align import ContrastiveAligner, ImageTower, TimmTower, align_images, find_filter
from astro_spectok.align.embed_photometry import load_photometry_head
from astro_spectok.align.image_tower import ImageTowerConfig
from astro_spectok.align.image_training import DEMONSTRATION
from astro_spectok.align.light import measure_light
from astro_spectok.align.pair_files import MeasuredImages, PairFolder, StoredImages
from astro_spectok.cli import main
from astro_spectok.exceptions import WeightsError
from astro_spectok.heads.photometry_tower import Photometry
from astro_spectok.training.image_shapes import SURVEYS, _find_half, _spread, draw_shapes

h5py = pytest.importorskip("h5py")


def write_pairs(path, n, seed=0, *, bands=("g", "r", "z"), size=20, ids=None, **changes):
    """A file of pairs whose image is as bright as the slope of the spectrum says."""
    rows = make_rows(n, seed=seed)
    rng = np.random.default_rng(seed)
    slope = rng.normal(size=n)
    length = rows["flux"].shape[1]
    rows["flux"] = (5 + slope[:, None] * np.linspace(-1, 1, length) + 0.01 * rng.normal(size=(n, length))).astype("f4")
    write_hdf5(path, rows)
    images = rng.normal(size=(n, len(bands), size, size)).astype(np.float32)
    images[:, 0, size // 2, size // 2] += 30 * np.exp(slope)
    columns = {"image_flux": images, "image_band": np.tile(np.array(bands, "S4"), (n, 1))} | changes
    with h5py.File(path, "r+") as file:
        del file["object_id"], file["Z"]
        columns.setdefault("object_id", np.array([f"{path.stem}-{i}" for i in range(n)] if ids is None else ids, "S"))
        for name, values in columns.items():
            if values is not None:
                file[name] = values
    return images


@pytest.fixture
def folder(tmp_path):
    write_pairs(tmp_path / "pairs" / "a.hdf5", 24, seed=1)
    write_pairs(tmp_path / "pairs" / "deep" / "b.h5", 16, seed=2, bands=("z", "i", "g", "r"), size=24)
    return tmp_path / "pairs"


class TestFolder:
    def test_parts_are_read(self, folder, tiny_weights, tmp_path):
        """Bands by name whatever their order, images from the middle, features as of all spectra at once."""
        from astro_spectok.engine import Runner

        pairs = PairFolder(folder)
        assert (len(pairs), pairs.bands, pairs.size, pairs.simulated) == (40, ("g", "r", "z"), 20, False)
        assert pairs.classes is None
        assert pairs.ids[[0, 24]].tolist() == ["a-0", "b-0"]
        second = write_pairs(tmp_path / "again.hdf5", 16, seed=2, bands=("z", "i", "g", "r"), size=24)
        for most in (2**30, 0):  # kept in memory, and read each time
            taken = StoredImages(pairs, most).take(np.array([26, 3, 24])).numpy()
            np.testing.assert_array_equal(taken[[2, 0]], second[[0, 2]][:, [2, 3, 0], 2:22, 2:22])
        runner = Runner(tiny_weights, "cpu")
        kept = tmp_path / "kept"
        features = pairs.read_features(runner, kept)
        assert len(features) == 40
        assert features.usable.all()
        assert len(list(kept.glob("features-*.npz"))) == 2
        again = pairs.read_features(runner, kept)
        np.testing.assert_array_equal(again.arrays["nodes"], features.arrays["nodes"])
        np.testing.assert_array_equal(again.arrays["offsets"], features.arrays["offsets"])

    def test_optics(self, tmp_path):
        """Full widths of the point-spread function become pixels, by band; pixels of unlike size are refused."""
        fwhm, scale = np.array([[1.2, 0.9], [np.nan, 0.6], [1.5, -1.0]]), np.full((3, 2), 0.3)
        changes = {"image_psf_fwhm": fwhm, "image_scale": scale}
        write_pairs(tmp_path / "a.hdf5", 3, bands=("r", "g"), **changes)
        found = PairFolder(tmp_path, ("g", "r")).read_fwhm(0)
        np.testing.assert_allclose(found, [[3, 4], [2, np.nan], [np.nan, 5]], rtol=1e-6)
        write_pairs(tmp_path / "b.hdf5", 3, bands=("r", "g"))
        assert PairFolder(tmp_path).read_fwhm(1) is None
        write_pairs(tmp_path / "c.hdf5", 3, bands=("r", "g"), image_scale=np.full((3, 2), 0.262))
        with pytest.raises(ValueError, match=r"c.hdf5 must have pixels of the same size .* from 0.262 to 0.3"):
            PairFolder(tmp_path)

    def test_measured_once(self, folder, tmp_path):
        """Photometry of the images beside them, NaN where there is none, kept for the next time."""
        with h5py.File(folder / "a.hdf5", "r+") as file:
            file["image_flux"][3, 1, 10, 10] = np.nan
        pairs = PairFolder(folder)
        measured = MeasuredImages(pairs, tmp_path / "kept")
        images, light = measured.take([0, 39])
        torch.testing.assert_close(light, measure_light(images), rtol=1e-3, atol=1e-3)
        assert torch.isnan(measured.light).all(1).tolist() == [i == 3 for i in range(40)]
        (path,) = (tmp_path / "kept").iterdir()
        np.savez(path, light=np.zeros((40, light.shape[1]), np.float32))
        assert (MeasuredImages(pairs, tmp_path / "kept").light == 0).all()

    def test_some_bands(self, folder):
        pairs = PairFolder(folder, ("z", "g"), 16)
        assert StoredImages(pairs).take([0]).shape == (1, 2, 16, 16)
        assert PairFolder(folder, ("z",)).digest() != pairs.digest()

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"image_flux": None}, "must hold image_flux of the shape .* got none"),
            ({"image_flux": np.zeros((6, 20, 20))}, "must hold image_flux .* got the shape"),
            ({"image_band": None}, "must name the 3 bands of its images in image_band"),
            ({"image_band": np.array(["g", "r"], "S1")}, "the same 3 bands in all rows"),
            ({"object_id": np.array(list("abcde"), "S1")}, "6 spectra, 6 images, 5 object_id; match them by id"),
            ({"image_flux": np.zeros((4, 3, 20, 20))}, "6 spectra, 4 images"),
        ],
    )
    def test_wrong_files(self, tmp_path, changes, match):
        """Each is named, with what it lacks."""
        write_pairs(tmp_path / "x.hdf5", 6, **changes)
        with pytest.raises(ValueError, match=match) as error:
            PairFolder(tmp_path)
        assert "x.hdf5" in str(error.value)

    def test_wrong_options(self, folder, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"must be a folder of .h5, .hdf5, .parquet files"):
            PairFolder(tmp_path / "none")
        with pytest.raises(ValueError, match="must have the bands g, y; it lacks y, and has g, r, z"):
            PairFolder(folder, ("g", "y"))
        with pytest.raises(ValueError, match="size must be an integer from 16 to 20"):
            PairFolder(folder, size=21)


def write_parquet(path, source, layout, **changes):
    """The pairs of a file of HDF5 in Parquet, two row groups, in one of the layouts that are met."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    with h5py.File(source) as file:
        columns = {name: dataset[:] for name, dataset in file.items()}
    columns["image_band"] = columns["image_band"].astype(str)
    columns = {name: values.tolist() for name, values in columns.items()} | changes
    n = len(columns["object_id"])
    columns["object_id"] = [name.decode() for name in columns["object_id"]]
    if layout != "flat":
        spectra = {name[9:]: columns.pop(name) for name in list(columns) if name.startswith("spectrum_")}
        images = {name[6:]: columns.pop(name) for name in list(columns) if name.startswith("image_")}
        columns["spectrum"] = [{name: values[i] for name, values in spectra.items()} for i in range(n)]
        columns["image"] = [{name: values[i] for name, values in images.items()} for i in range(n)]
    if layout == "list of structs":
        columns["image"] = [
            [dict(zip(row, one, strict=True)) for one in zip(*row.values(), strict=True)] for row in columns["image"]
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=4)


class TestParquet:
    @pytest.mark.parametrize("layout", ["flat", "struct of lists", "list of structs"])
    def test_same_pairs(self, tmp_path, tiny_weights, layout):
        """As from HDF5: images, ids, and features of spectra, of each row group."""
        from astro_spectok.engine import Runner

        write_pairs(tmp_path / "hdf5" / "a.hdf5", 6, seed=4, bands=("z", "g"))
        write_parquet(tmp_path / "parquet" / "a.parquet", tmp_path / "hdf5" / "a.hdf5", layout)
        first, second = (PairFolder(tmp_path / name, ("g", "z")) for name in ("hdf5", "parquet"))
        assert second.counts == [4, 2]
        assert second.ids.tolist() == first.ids.tolist()
        assert second.size == first.size == 20
        rows = np.array([5, 0, 3])
        np.testing.assert_array_equal(StoredImages(second).take(rows), StoredImages(first).take(rows))
        runner = Runner(tiny_weights, "cpu")
        features = second.read_features(runner, tmp_path / "kept").arrays
        np.testing.assert_allclose(
            features["nodes"].astype(float), first.read_features(runner).arrays["nodes"].astype(float), atol=0.02
        )
        assert len(list((tmp_path / "kept").glob("features-*.npz"))) == 2

    @pytest.mark.parametrize("layout", ["flat", "struct of lists", "list of structs"])
    def test_optics(self, tmp_path, layout):
        optics = {"image_psf_fwhm": np.full((6, 2), 1.2), "image_scale": np.full((6, 2), 0.3)}
        write_pairs(tmp_path / "hdf5" / "a.hdf5", 6, bands=("z", "g"), **optics)
        write_parquet(tmp_path / "parquet" / "a.parquet", tmp_path / "hdf5" / "a.hdf5", layout)
        pairs = PairFolder(tmp_path / "parquet")
        np.testing.assert_allclose(np.concatenate([pairs.read_fwhm(0), pairs.read_fwhm(1)]), 4, rtol=1e-6)

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"image_flux": [[[1.0]]] * 6}, "must hold image_flux of the shape .* in row 0"),
            ({"image_band": [["g"]] * 6}, "the same 2 bands in all rows of image_band"),
        ],
    )
    def test_wrong_files(self, tmp_path, changes, match):
        write_pairs(tmp_path / "hdf5" / "a.hdf5", 6, seed=4, bands=("z", "g"))
        write_parquet(tmp_path / "parquet" / "a.parquet", tmp_path / "hdf5" / "a.hdf5", "flat", **changes)
        with pytest.raises(ValueError, match=match) as error:
            PairFolder(tmp_path / "parquet")
        assert "a.parquet" in str(error.value)


class TestTraining:
    def test_one_command(self, folder, tiny_weights, tmp_path, capsys):
        """A file with recall of both directions, which goes on from what an earlier run left, and comes back whole."""
        out = tmp_path / "tower.safetensors"
        options = ["--weights", str(tiny_weights), "--width", "4", "--steps", "8", "--batch", "16", "--device", "cpu"]
        words = ["align", str(folder), "-o", str(out), *options, "--validation", "0.3", "--card", "of tests"]
        assert main(words) == 0
        said = capsys.readouterr().out
        assert "40 pairs, 0 left out" in said
        assert "recall@10" in said
        aligner = ContrastiveAligner.load(out, weights=tiny_weights, device="cpu")
        assert aligner.card_ == "of tests"
        assert aligner.tower.config.bands == ("g", "r", "z")
        assert aligner.validation_["sample to spectrum"]["n"] == 12
        images = StoredImages(PairFolder(folder)).take([0, 1])
        before = aligner.embed_samples(images)
        assert main([*words, "--overwrite"]) == 0  # from the checkpoint: nothing is trained
        assert "encoded" not in capsys.readouterr().out
        after = ContrastiveAligner.load(out, weights=tiny_weights, device="cpu").embed_samples(images)
        np.testing.assert_array_equal(after, before)
        assert main(words) == 1
        assert "overwrite" in capsys.readouterr().err

    def test_left_out_and_said(self, folder, tiny_weights, tmp_path):
        """Images with NaN train nothing; of simulated pairs the card says that they are; ids twice are one object."""
        with h5py.File(folder / "a.hdf5", "r+") as file:
            file["image_flux"][3, 1, 10, 10] = np.nan
            file.attrs["simulated"] = True
            file["object_id"][1] = file["object_id"][0]
        said = []
        made = align_images(
            folder, tmp_path / "t.safetensors", weights=tiny_weights, width=4, steps=2, batch=8, device="cpu",
            card="mine", report=said.append,
        )  # fmt: skip
        assert any("40 pairs, 1 left out" in text for text in said)
        assert (
            ContrastiveAligner.load(tmp_path / "t.safetensors", weights=tiny_weights).card_ == f"{DEMONSTRATION} mine"
        )
        assert made._about["n_left_out"] == 1

    def test_begins_with_photometry(self, folder, tmp_path, capsys):
        """Untrained, images lie where the head puts the fluxes that are measured on them; then it learns."""
        weights = write_photometry_weights(tmp_path / "weights.safetensors")
        _, head = load_photometry_head(weights)
        filters = ("decamDR1-g", "decamDR1-r", "decamDR1-z")
        tower = ImageTower.begin_with(head, ("g", "r", "z"), filters, width=4).eval()
        images = StoredImages(PairFolder(folder)).take(np.arange(4))
        light = measure_light(images)
        places = torch.tensor([[np.log(x.effective), np.log(x.width)] for x in map(find_filter, filters)])
        known = torch.ones(4, 3, dtype=torch.bool)
        seen = Photometry(light[:, :3], light[:, 3:6], *places.T.float()[:, None].expand(2, 4, 3), known)
        with torch.inference_mode():
            own = torch.nn.functional.normalize(tower(images), dim=1)
            torch.testing.assert_close(own, head.read_photometry(seen)[0], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(tower((images, light)), tower(images), rtol=1e-4, atol=1e-4)
        words = ["align", str(folder), "-o", str(tmp_path / "t.safetensors"), "--weights", str(weights), "--width", "4"]
        words += ["--steps", "2", "--batch", "8", "--device", "cpu", "--filters", ",".join(filters)]
        assert main(words) == 0
        assert "images measured" in capsys.readouterr().out
        aligner = ContrastiveAligner.load(tmp_path / "t.safetensors", weights=weights, device="cpu")
        assert aligner.tower.config.filters == filters
        assert aligner.size == head.config.size
        assert np.abs(aligner.embed_samples(images) - own.numpy()).max() < 0.3
        with pytest.raises(ValueError, match="size must be 12, the numbers that the tower gives"):
            ContrastiveAligner(tower, size=16)
        few = ContrastiveAligner(tower, size=12, steps=1, weights=weights, device="cpu")
        with pytest.raises(ValueError, match="size, queries and hidden those of the head; got 12, 8 and 128"):
            few.fit(PairFolder(folder).read_features(few._load()), StoredImages(PairFolder(folder)))

    def test_wrong_filters(self, folder, tiny_weights, tmp_path):
        options = {"weights": tiny_weights, "steps": 1, "device": "cpu"}
        with pytest.raises(WeightsError, match="must have a head 'photometry'"):
            align_images(folder, tmp_path / "t.safetensors", filters=["decamDR1-g"] * 3, **options)
        with pytest.raises(ValueError, match="filters must be one for each of the bands g, r; got decamDR1-g"):
            ImageTower(ImageTowerConfig(("g", "r"), filters=("decamDR1-g",)))
        with pytest.raises(ValueError, match="light must be what measure_light gives"):
            ImageTower(("g",))((torch.zeros(2, 1, 16, 16), torch.zeros(2, 3)))

    def test_turns(self):
        """While it is trained, a tower sees images turned; afterwards as they are."""
        tower = ImageTower(("g",))
        torch.nn.init.normal_(tower.see[1].weight)
        image = torch.zeros(16, 1, 16, 16)
        image[:, :, 2, 5] = 9.0
        with torch.inference_mode():
            assert tower.train()(image).std(0).max() > 1e-4
            assert tower.eval()(image).std(0).max() < 1e-6


class TestShapes:
    def test_half_light(self):
        """Of a disc its own radius; a small bulge makes it smaller; half of the light is inside."""
        share, ratio = np.array([0.0, 1.0, 0.5]), np.array([0.3, 0.3, 0.3])
        found = _find_half(share, ratio)
        np.testing.assert_allclose(found[:2], [1, 0.3], rtol=1e-3)
        assert 0.3 < found[2] < 1

    def test_redder(self):
        """A component that is redder has less of the blue band, and shares in the reference are kept."""
        share = _spread(np.array([0.4]), np.array([-0.3, 0.0, 0.3]), np.array([[0.6]]))[0]
        assert share[0] < share[1] < share[2]
        assert share[1] == pytest.approx(0.4)

    def test_follow_the_objects(self):
        """Stars are points, galaxies are not; colours are those of the spectrum; the same seed gives the same."""
        from astro_spectok.simulate import Survey
        from astro_spectok.training.photometry_draws import measure_filters
        from astro_spectok.training.photometry_pairs import find_truth

        imaging = SURVEYS["legacy"]
        (group, *_) = Survey(families=["galaxies"], instruments=["sdss"]).draw(60, 3)
        star = Survey(families=["stars"], instruments=["sdss"]).draw(4, 3)[0].objects
        for objects in (group.objects, star):
            truth = find_truth(objects, [3], 0)
            flux = measure_filters(truth, objects.cls.numpy(), imaging.filters).flux.astype(float)
            shapes = draw_shapes(objects, truth, flux, imaging, np.random.default_rng(4))
            again = draw_shapes(objects, truth, flux, imaging, np.random.default_rng(4))
            np.testing.assert_array_equal(shapes.magnitude, again.magnitude)
            np.testing.assert_allclose(shapes.point + shapes.bulge + shapes.disc, 1)
            kept = shapes.kept
            assert kept.any()
            colour = -2.5 * np.log10(flux[kept, 0] / flux[kept, 1])
            np.testing.assert_allclose((shapes.magnitude[:, 0] - shapes.magnitude[:, 1])[kept], colour, atol=1e-6)
            assert (shapes.magnitude[kept, 1] <= imaging.limit + 1e-6).all()
            point = shapes.point[kept]
            assert (point == (objects.cls[0] == 2)).all()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Six simulated pairs."""
    pytest.importorskip("galsim")
    out = tmp_path_factory.mktemp("drawn")
    words = ["simulate", "-n", "6", "-o", str(out), "--seed", "2", "--images", "legacy", "--snr", "10", "10"]
    assert main([*words, "--instruments", "sdss"]) == 0
    return out


class TestDrawn:
    def test_folder(self, drawn, tiny_weights):
        """What is written is read; the flux in the image is that of its column; errors are those of the sky."""
        from astro_spectok.engine import Runner

        pairs = PairFolder(drawn)
        assert (len(pairs), pairs.bands, pairs.size, pairs.simulated) == (6, ("g", "r", "z"), 32, True)
        assert set(pairs.classes) <= {"GALAXY", "QSO", "STAR"}
        assert pairs.read_features(Runner(tiny_weights, "cpu")).usable.all()
        with h5py.File(pairs.paths[0]) as file:
            images, flux = file["image_flux"][:, 1], file["FLUX_R"][:]
            sigma = file["image_ivar"][:, 1, 0, 0] ** -0.5
            star = file["spectype"][:] == b"STAR"
        border = np.concatenate([images[:, 0], images[:, -1]], 1)
        assert np.median(border[star].std(1) / sigma[star]) == pytest.approx(1, abs=0.3)
        np.testing.assert_allclose(images.sum((1, 2))[star], flux[star], rtol=0.2, atol=6 * 32 * sigma.max())

    def test_same_seed(self, drawn, tmp_path):
        """The same again, and nothing is drawn twice."""
        from astro_spectok.training.image_pairs import write_image_pairs

        (path,) = write_image_pairs(tmp_path, 6, seed=2, instruments=("sdss",), snr=(10, 10))
        with h5py.File(path) as one, h5py.File(next(drawn.glob("*.hdf5"))) as other:
            for name in one:
                np.testing.assert_array_equal(one[name][:], other[name][:])
        made = path.stat().st_mtime_ns
        write_image_pairs(tmp_path, 6, seed=2, instruments=("sdss",), snr=(10, 10))
        assert path.stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n": 0}, "n must be an integer of 1 or more"),
        ({"size": 8}, "size must be an integer of 16 or more"),
        ({"imaging": "hst"}, "imaging must be one of legacy, sdss; got 'hst'"),
        ({"families": ("sky",)}, "families must be out of galaxies, quasars, stars"),
    ],
)
def test_wrong_draws(tmp_path, options, match):
    pytest.importorskip("galsim")
    from astro_spectok.training.image_pairs import write_image_pairs

    with pytest.raises(ValueError, match=match):
        write_image_pairs(tmp_path, **{"n": 2} | options)


def test_simulate_refuses(tmp_path, capsys):
    """Options that have no meaning for pairs."""
    assert main(["simulate", "-n", "2", "-o", str(tmp_path), "--images", "legacy", "--views", "2"]) == 1
    assert "views must be left out with --images" in capsys.readouterr().err


def test_without_galsim(tmp_path, monkeypatch):
    """The extra is named."""
    import sys

    from astro_spectok.training.image_pairs import write_image_pairs

    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(ImportError, match=r"astro_spectok\[images\]"):
        write_image_pairs(tmp_path, 2)


class FakeTimm:
    """As much of timm as a tower asks for; a network that has images of one size."""

    def __init__(self, fixed=False):
        self.fixed = fixed

    def list_models(self):
        return ["resnet18", "vit_tiny_patch16_224"]

    def create_model(self, name, *, pretrained, in_chans, num_classes):
        layers = torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(4 * in_chans, num_classes)
        network = torch.nn.Sequential(*layers)
        network.default_cfg = {"input_size": (3, 32, 32), "fixed_input_size": self.fixed}
        return network


class TestTimm:
    @pytest.mark.parametrize("fixed", [False, True])
    def test_vectors_do_not_depend_on_the_unit(self, monkeypatch, fixed):
        monkeypatch.setitem(sys.modules, "timm", FakeTimm(fixed))
        tower = TimmTower("resnet18", ("g", "r"), size=5).eval()
        images = torch.from_numpy(np.random.default_rng(1).normal(1, 1, (3, 2, 20, 20))).float()
        assert tower(images).shape == (3, 5)
        torch.testing.assert_close(tower(images * 100), tower((images, None)), rtol=1e-4, atol=1e-5)

    def test_from_pairs_to_a_file_and_back(self, folder, tiny_weights, monkeypatch, tmp_path):
        """A tower is made again by the name of its network, with what it has learned."""
        monkeypatch.setitem(sys.modules, "timm", FakeTimm())
        options = {"network": "resnet18", "steps": 2, "device": "cpu", "weights": tiny_weights}
        aligner = align_images(folder, tmp_path / "tower.safetensors", **options)
        again = ContrastiveAligner.load(tmp_path / "tower.safetensors", weights=tiny_weights, device="cpu")
        images = np.random.default_rng(2).normal(size=(2, len(aligner.tower.config.bands), 16, 16)).astype(np.float32)
        assert again.tower.config == aligner.tower.config
        np.testing.assert_array_equal(again.embed_samples(images), aligner.embed_samples(images))
        with pytest.raises(ValueError, match="filters must not be given with network"):
            align_images(folder, tmp_path / "b.safetensors", filters=("sdss2010-g",), **options)

    def test_words(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "timm", FakeTimm())
        with pytest.raises(ValueError, match="got 'resnet-18'; near: resnet18"):
            TimmTower("resnet-18", ("g", "r"))
        with pytest.raises(TypeError, match="bands must be names"):
            TimmTower("resnet18", "gr")
        with pytest.raises(ValueError, match="size must be a positive integer"):
            TimmTower("resnet18", ("g", "r"), size=0)
        with pytest.raises(ValueError, match=r"images must have the shape \(n, 2, height, width\)"):
            TimmTower("resnet18", ("g", "r"))(torch.zeros(1, 3, 20, 20))
        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(ImportError, match=r"needs timm: pip install 'astro_spectok\[timm\]'"):
            TimmTower("resnet18", ("g", "r"))
