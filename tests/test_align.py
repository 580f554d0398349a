# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Alignment: pairs to one space and back from a file, runs that go on, images, retrieval, bad input in words."""

import numpy as np
import pytest
import torch
from _adapt import make_labelled
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS

from astro_spectok.adapt import SpectrumIndex
from astro_spectok.align import ContrastiveAligner, ImageTower
from astro_spectok.align.batches import SimilarBatches
from astro_spectok.align.features import read_features
from astro_spectok.align.images import read_images
from astro_spectok.align.retrieval import measure_retrieval
from astro_spectok.exceptions import WeightsError
from astro_spectok.heads.photometry_tower import contrast_views
from astro_spectok.heads.token_nodes import find_places, gather_nodes

SIZES = {"tower_size": 8, "size": 12, "hidden": 24, "batch": 32, "device": "cpu"}


@pytest.fixture(scope="module")
def pairs():
    """Spectra, and samples that say the same of them in three numbers."""
    spectra, labels = make_labelled(60)
    samples = np.stack([labels["depth"], labels["width"] / 10, labels["kind"] == "emission"], 1)
    return spectra, torch.tensor(samples, dtype=torch.float32)


@pytest.fixture(scope="module")
def features(pairs, tiny_weights):
    return ContrastiveAligner(torch.nn.Linear(3, 8), weights=tiny_weights, **SIZES).read_spectra(pairs[0])


def make_aligner(weights, **options):
    """A small one whose tower begins in the same state."""
    torch.manual_seed(4)
    return ContrastiveAligner(torch.nn.Linear(3, 8), weights=weights, **SIZES | options)


class TestAligner:
    def test_learns(self, pairs, features, tiny_weights):
        """Pairs that trained nothing are found far more often than by chance, and those of training more still."""
        aligner = make_aligner(tiny_weights, steps=60, rate=1e-2).fit(features, pairs[1], validation=0.25)
        before = make_aligner(tiny_weights, steps=1).fit(features, pairs[1])
        found = aligner.evaluate(features, pairs[1])["spectrum to sample"]
        assert found["recall@10"] > 0.5 > before.evaluate(features, pairs[1])["spectrum to sample"]["recall@10"]
        kept = aligner.validation_["sample to spectrum"]
        assert kept["n"] == 15
        assert kept["median_rank"] < 6
        assert [row["step"] for row in aligner.history_] == [60]

    def test_index(self, pairs, features, tiny_weights):
        """Vectors are searched with the index, both ways; NaN in a sample is a row of NaN."""
        aligner = make_aligner(tiny_weights, steps=3).fit(features, pairs[1])
        samples = pairs[1][:5].clone()
        samples[2, 0] = torch.nan
        vectors = aligner.embed_samples(samples)
        assert np.isnan(vectors).all(1).tolist() == [False, False, True, False, False]
        index = SpectrumIndex.from_vectors(aligner.embed_spectra(features), {"id": np.arange(60)}, weights=tiny_weights)
        found = index.search(vectors[:2], 3)
        assert len(found) == 6
        expected = np.argsort(-(aligner.embed_spectra(features) @ vectors[0]))[:3]
        assert found["row"][:3].tolist() == expected.tolist()

    def test_goes_on(self, pairs, features, tiny_weights, tmp_path, monkeypatch):
        """A run that was cut short ends where an uninterrupted one does."""
        import astro_spectok.align.pair_training as module

        monkeypatch.setattr(module, "KEEP_EVERY", 2)
        whole = make_aligner(tiny_weights, steps=6).fit(features, pairs[1])

        def stop(text, counts=[]):  # noqa: B006
            counts.append(text)
            if len(counts) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make_aligner(tiny_weights, steps=6).fit(features, pairs[1], folder=tmp_path, report=stop)
        resumed = make_aligner(tiny_weights, steps=6).fit(features, pairs[1], folder=tmp_path)
        np.testing.assert_allclose(resumed.embed_samples(pairs[1]), whole.embed_samples(pairs[1]), atol=1e-6)
        with pytest.raises(ValueError, match="the same settings"):
            make_aligner(tiny_weights, steps=7).fit(features, pairs[1], folder=tmp_path)

    def test_file(self, pairs, features, tiny_weights, redshift_weights, tmp_path):
        """What comes back gives the same vectors; other weights, other towers and damage are refused."""
        aligner = make_aligner(tiny_weights, steps=3).fit(features, pairs[1])
        path = aligner.save(tmp_path / "pair.safetensors", card="for tests")
        back = ContrastiveAligner.load(path, torch.nn.Linear(3, 8), weights=tiny_weights, device="cpu")
        np.testing.assert_array_equal(back.embed_samples(pairs[1]), aligner.embed_samples(pairs[1]))
        np.testing.assert_array_equal(back.embed_spectra(features), aligner.embed_spectra(features))
        assert back.card_ == "for tests"
        with pytest.raises(WeightsError, match="weights must be those of this aligner"):
            ContrastiveAligner.load(path, torch.nn.Linear(3, 8), weights=redshift_weights, device="cpu")
        with pytest.raises(WeightsError, match="cannot be used as an aligner"):
            ContrastiveAligner.load(path, torch.nn.Linear(4, 8), weights=tiny_weights)
        with pytest.raises(WeightsError, match="tower must be given"):
            ContrastiveAligner.load(path, weights=tiny_weights)
        with pytest.raises(FileNotFoundError, match="where there is none"):
            ContrastiveAligner.load(tmp_path / "none.safetensors")

    @pytest.mark.parametrize(
        ("change", "options", "match"),
        [
            (lambda s: s[:5], {}, "samples must be one for each of the 60"),
            (lambda s: s, {"ids": (np.arange(60), np.arange(60)[::-1])}, "ids must be the same.*row 0: .*0.*59"),
            (lambda s: s, {"groups": np.zeros(60)}, "at least 4 pairs of different objects"),
            (lambda s: s * torch.nan, {}, "at least 4 pairs"),
            (lambda s: s, {"validation": 1.5}, "validation must be a share"),
            (lambda s: s, {"classes": ["a"] * 59}, "classes must be one value for each of the 60 spectra"),
            (lambda s: s, {"classes": ["a"] * 60, "redshift": ["x"] * 60}, "redshift must be one number for each"),
        ],
    )
    def test_wrong_pairs(self, pairs, features, tiny_weights, change, options, match):
        with pytest.raises(ValueError, match=match):
            make_aligner(tiny_weights, steps=1).fit(features, change(pairs[1]), **options)

    def test_wrong_settings(self):
        with pytest.raises(TypeError, match=r"tower must be a torch.nn.Module"):
            ContrastiveAligner(lambda x: x)
        with pytest.raises(ValueError, match="tower_size must be a positive integer"):
            ContrastiveAligner(torch.nn.Linear(3, 8))
        with pytest.raises(ValueError, match="must be fitted or loaded first"):
            make_aligner(None).embed_samples(np.zeros((2, 3)))


class TestParts:
    def test_several_positives(self):
        """Rows of one object are no negatives of each other: they may be alike at no loss."""
        vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]), dim=1)
        groups = torch.tensor([0, 0, 1, 1])
        together, right = contrast_views(vectors, vectors, 0.01, groups)
        apart, _ = contrast_views(vectors, vectors, 0.01)
        assert float(together) == pytest.approx(np.log(2), abs=1e-4)
        assert right == 1.0
        assert float(apart) == pytest.approx(np.log(2), abs=1e-4)
        alone, _ = contrast_views(vectors[[0, 2]], vectors[[0, 2]], 0.01, groups[[0, 2]])
        assert float(alone) == pytest.approx(0, abs=1e-4)

    def test_similar_batches(self):
        """Some batches hold one class in a narrow range of redshifts, others all; no row twice."""
        rng = np.random.default_rng(0)
        cls, z = rng.integers(2, size=1000), rng.uniform(0, 5, 1000)
        batches = SimilarBatches(np.arange(1000), cls, z)
        drawn = [batches.draw(40, rng) for _ in range(40)]
        assert all(len(np.unique(rows)) == len(rows) for rows in drawn)
        spread = [np.median(np.diff(np.sort(z[rows]))) for rows in drawn]
        assert min(spread) < 0.02 < max(spread)

    def test_nodes(self):
        """Tokens are averaged where they lie; those that are masked count for nothing."""
        places = torch.from_numpy(find_places()[[10, 10, 50, 70]])[None]
        values = torch.tensor([[[1.0], [3.0], [5.0], [1e9]]])
        nodes, filled = gather_nodes(values, torch.tensor([[True, True, True, False]]), places)
        assert torch.nonzero(filled[0])[:, 0].tolist() == [10, 50]
        assert nodes[0, [10, 50], 0].tolist() == [2.0, 5.0]

    def test_features_of_bad_spectra(self, pairs, tiny_weights):
        """A spectrum that cannot be used has no tokens, and no vector."""
        from astro_spectok.engine import Runner
        from astro_spectok.spectra import to_batch

        wavelength, flux, error = pairs[0][0]
        spectra = [pairs[0][0], (wavelength, flux * np.nan, error)]
        found = read_features(Runner(tiny_weights, "cpu"), to_batch(spectra, on_error="flag"))
        assert found.usable.tolist() == [True, False]

    def test_retrieval_of_groups(self):
        vectors = np.eye(4)[[0, 1, 2, 3]]
        other = np.eye(4)[[1, 0, 2, 3]]
        assert measure_retrieval(vectors, other, ranks=(1,))["recall@1"] == 0.5
        assert measure_retrieval(vectors, other, ranks=(1,), groups=[0, 0, 1, 2])["recall@1"] == 1.0
        with pytest.raises(ValueError, match="vectors of the same objects"):
            measure_retrieval(vectors, other[:3])


class TestImages:
    def test_tower(self):
        """Unit and noise level change nothing; colours do."""
        torch.manual_seed(1)
        tower = ImageTower(("g", "r")).eval()
        images = torch.randn(2, 2, 32, 32)
        images[:, :, 12:20, 12:20] += 20
        red = images.clone()
        red[:, 1] *= 3
        with torch.inference_mode():
            # a power of two: rounding, which may turn a step of the fit, is the same on any processor
            plain, scaled, other = tower(images), tower(2.0**-30 * images), tower(red)
        torch.testing.assert_close(plain, scaled, rtol=1e-4, atol=1e-4)
        assert (other - plain).abs().max() > 0.01

    def test_forms(self, tmp_path):
        """Arrays, dicts of CCDData with masks, files that name their bands, and positions on large images."""
        cube = np.arange(2 * 20 * 24, dtype=np.float32).reshape(2, 20, 24)
        plain = read_images(cube, ("g", "r"), 16)
        np.testing.assert_array_equal(plain[0], cube[:, 2:18, 4:20])
        planes = {"r": CCDData(cube[1], unit="adu"), "g": CCDData(cube[0], unit="adu", mask=cube[0] == cube[0, 5, 5])}
        found = read_images([planes], ("g", "r"), 16)
        assert np.isnan(found).sum() == 1
        fits.writeto(tmp_path / "a.fits", cube, fits.Header({"BANDS": "rg"}))
        np.testing.assert_array_equal(read_images([tmp_path / "a.fits"], ("g", "r"), 16)[0], plain[0][::-1])
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [33.0, 33.0]
        wcs.wcs.cdelt = [-1e-4, 1e-4]
        large = {"g": CCDData(np.arange(4096.0).reshape(64, 64), unit="adu", wcs=wcs)}
        places = SkyCoord([150.0, 160.0], [2.0, 2.0], unit="deg")
        cut = read_images(large, ("g",), 16, positions=places)
        np.testing.assert_array_equal(cut[0, 0], large["g"].data[24:40, 24:40])
        assert np.isnan(cut[1]).all()

    @pytest.mark.parametrize(
        ("images", "bands", "error", "match"),
        [
            (np.zeros((3, 20, 20)), ("g", "r"), ValueError, "for the bands"),
            (np.zeros((3, 20, 20)), "grz", TypeError, "sequence of names"),
            ([np.zeros((3, 20, 20))], ("g",), TypeError, "without bands"),
            (None, ("g",), TypeError, "images must be an array, files, or dicts .* got NoneType"),
            ([__file__], ("g",), ValueError, "must be a FITS file"),
            (np.zeros((2, 20, 20)), ("g", "g"), ValueError, "bands must be different names; got g, g"),
            ([{"g": np.zeros((20, 20))}], ("g", "r"), ValueError, "must have the bands g, r; image 0 has g"),
        ],
    )
    def test_wrong_images(self, images, bands, error, match):
        with pytest.raises(error, match=match):
            read_images(images, bands, 16)

    def test_units_and_masks(self, tmp_path):
        """Bands come in the unit of the first; masked arrays, quantities and files of a band are read as NDData are."""
        plane = np.arange(400, dtype=np.float32).reshape(20, 20)
        masked = np.ma.array(plane, mask=plane == 190)
        fits.writeto(tmp_path / "r.fits", plane)
        found = read_images({"g": masked, "r": tmp_path / "r.fits"}, ("g", "r"), 20)[0]
        assert np.argwhere(np.isnan(found)).tolist() == [[0, 9, 10]]
        np.testing.assert_array_equal(found[1], plane)
        assert np.isnan(read_images(masked[None, None], ("g",), 20)).sum() == 1
        mixed = {"g": CCDData(plane, unit="nJy"), "r": plane * 1e-3 * u.uJy}
        found = read_images(mixed, ("g", "r"), 20)[0]
        np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
        for other in (CCDData(plane, unit="adu"), plane):
            with pytest.raises(u.UnitsError, match="one unit in all bands; image 0 has nJy"):
                read_images({"g": mixed["g"], "r": other}, ("g", "r"), 20)
        with pytest.raises(TypeError, match="image 0, band 'g' is dict"):
            read_images([{"g": {}}], ("g",), 20)

    def test_unlike_scales(self):
        """Colours of pixels that show unlike parts of the sky would be wrong."""
        planes = {}
        for band, scale in (("g", 1e-4), ("r", 1.1e-4)):
            wcs = WCS(naxis=2)
            wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [10.0, 10.0]
            wcs.wcs.cdelt = [-scale, scale]
            planes[band] = CCDData(np.zeros((20, 20)), unit="adu", wcs=wcs)
        for options in ({}, {"positions": SkyCoord(150, 2, unit="deg")}):
            with pytest.raises(ValueError, match=r"pixels of one size in all bands; got, in arcsec, g 0\.36, r 0\.396"):
                read_images(planes, ("g", "r"), 16, **options)

    def test_unnamed_bands(self, tmp_path):
        fits.writeto(tmp_path / "a.fits", np.zeros((2, 20, 20), np.float32))
        with pytest.raises(ValueError, match="must name the bands of its 2 planes"):
            read_images([tmp_path / "a.fits"], ("g", "r"), 16)
        with pytest.raises(ValueError, match="images must have the shape"):
            ImageTower(("g", "r"))(torch.zeros(1, 3, 32, 32))
        with pytest.raises(TypeError, match="bands must be names"):
            ImageTower("grz")

    def test_measured_once(self, features, tiny_weights, monkeypatch):
        """Not in each step; images with NaN are left out, and those of another form refused in words."""
        from astro_spectok.align import image_tower

        measured = []

        def measure(images):
            measured.append(len(images))
            return torch.ones(len(images), 11)

        monkeypatch.setattr(image_tower, "measure_light", measure)
        images = torch.randn(60, 1, 16, 16)
        images[7, 0, 3, 3] = torch.nan
        tower = ImageTower(image_tower.ImageTowerConfig(("r",), blocks=0))
        aligner = ContrastiveAligner(tower, size=8, steps=3, batch=20, weights=tiny_weights, device="cpu")
        aligner.fit(features, images)
        assert measured == [59]
        assert np.isnan(aligner.embed_samples(images)).all(1).nonzero()[0].tolist() == [7]
        with pytest.raises(ValueError, match="images must have the shape"):
            aligner.embed_samples(images[:, :, :8])

    def test_file_makes_its_tower(self, features, tiny_weights, tmp_path):
        """An image tower needs not be given to be read again."""
        images = torch.randn(60, 1, 16, 16)
        tower = ImageTower(("r",))
        aligner = ContrastiveAligner(tower, size=8, steps=2, batch=20, weights=tiny_weights, device="cpu")
        aligner.fit(features, images)
        back = ContrastiveAligner.load(
            aligner.save(tmp_path / "images.safetensors"), weights=tiny_weights, device="cpu"
        )  # fmt: skip
        assert back.tower.config.bands == ("r",)
        np.testing.assert_allclose(back.embed_samples(images), aligner.embed_samples(images), atol=1e-6)
