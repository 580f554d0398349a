# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`embed_table` and `embed_files`: rows, units and provenance, in memory and on disk."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from conftest import assert_same_vectors, make_spectrum

from astro_spectok import embed, embed_table
from astro_spectok.embedding import embed_files
from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.spectra import InputFlag
from astro_spectok.utils.writing import write_table


class TestTable:
    """`embed_table`, and tables on disk."""

    @pytest.fixture
    def table(self, weights):
        spectra = [make_spectrum(meta={"name": "first"}), make_spectrum(10), make_spectrum(900, seed=2)]
        with pytest.warns(FlaggedSpectraWarning):
            return embed_table(spectra, weights=weights)

    def test_columns(self, table):
        assert table.colnames == ["name", "embedding", "snr", "n_good", "wave_min", "wave_max", "warn", "message"]
        assert table["wave_min"].unit == table["wave_max"].unit == u.AA
        np.testing.assert_allclose(table["wave_max"].value, [7000, np.nan, 7000], rtol=1e-12)
        assert list(table["n_good"]) == [700, 0, 900]
        np.testing.assert_allclose(table["snr"][[0, 2]], 50, rtol=0.2)
        assert table["name"][0] == "first"
        assert list(table["warn"]) == [2, 256, 0]
        assert "at least 32 good pixels" in table["message"][1]
        assert {"weights", "weights_sha256", "astro_spectok", "astropy", "specutils", "torch"} <= set(table.meta)

    def test_one_bad_spectrum_is_a_row(self, tiny_weights):
        with pytest.warns(FlaggedSpectraWarning):
            table = embed_table(make_spectrum(10), weights=tiny_weights)
        assert np.isnan(table["embedding"]).all()

    @pytest.mark.parametrize("ending", ["ecsv", "fits", "fit", "FITS", "parquet"])
    def test_round_trip(self, table, tmp_path, ending):
        if ending == "parquet":
            pytest.importorskip("pyarrow")
        path = tmp_path / f"embeddings.{ending}"
        write_table(table, path)
        back = QTable.read(path, format={"parquet": "parquet", "ecsv": "ascii.ecsv"}.get(ending, "fits"))
        assert back.colnames == table.colnames
        assert len(back) == 3
        for name in ("embedding", "snr", "n_good", "warn"):
            column = back[name]
            # NaN comes back from FITS as masked
            column = column.filled(np.nan) if getattr(column, "mask", None) is not None else column
            np.testing.assert_array_equal(column, table[name])
        assert back["wave_min"].unit == u.AA
        np.testing.assert_array_equal(back["wave_min"][[0, 2]].value, table["wave_min"][[0, 2]].value)
        assert back["message"][1] == table["message"][1]
        found = {key.lower(): value for key, value in back.meta.items()}
        if ending.lower().startswith("fit"):
            found["call"] = found["call"].replace('"', "'")
        assert found == found | {key.lower(): value for key, value in table.meta.items()}


class TestFiles:
    """`embed_files`: what the shell command does."""

    @pytest.fixture
    def paths(self, tmp_path):
        """Two spectra and a file that is none."""
        out = [tmp_path / f"{name}.fits" for name in "abc"]
        for path, seed in ((out[0], 0), (out[2], 1)):
            make_spectrum(seed=seed).write(path, format="tabular-fits")
        out[1].write_text("not even FITS")
        return out

    def test_rows(self, tiny_weights, paths):
        with pytest.warns(FlaggedSpectraWarning, match=r"1 of 3 spectra .* number 1: .*b.fits is a text"):
            table = embed_files(paths, weights=tiny_weights)
        assert table.colnames[0] == "file"
        assert list(table["file"]) == [str(path) for path in paths]
        assert list(table["name"]) == ["a.fits", "b.fits", "c.fits"]
        for row, seed in ((0, 0), (2, 1)):
            assert_same_vectors(table["embedding"][row], embed(make_spectrum(seed=seed), weights=tiny_weights))
        assert np.isnan(table["embedding"][1]).all()

    def test_one_path(self, tiny_weights, paths):
        assert len(embed_files(str(paths[0]), weights=tiny_weights)) == 1
        assert len(embed_files(paths[0], weights=tiny_weights)) == 1

    def test_missing_file_is_a_row(self, tiny_weights, paths):
        with pytest.warns(FlaggedSpectraWarning, match="no such file"):
            table = embed_files([paths[0], paths[0].with_name("none.fits")], weights=tiny_weights)
        assert table["warn"][1] & InputFlag.BAD_INPUT

    def test_no_path(self):
        with pytest.raises(ValueError, match="paths must name at least one file"):
            embed_files([])

    def test_wrong_option_is_no_flag(self, tiny_weights, paths):
        with pytest.raises(ValueError, match="medium must be 'vacuum', 'air' or None"):
            embed_files(paths, weights=tiny_weights, medium="water")
