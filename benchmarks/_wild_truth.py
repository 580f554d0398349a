# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is known of the files that ``wild_files.py`` tries: wavelengths, medium, class and redshift."""

import csv

__all__ = ["AXES", "read_truth"]

#: name of a file: lowest and highest wavelength in Angstrom as the file means it, worked out by hand from header or
#: table, and the medium as the observatory or pipeline states it (None: nobody does). Several orders or rows: of all
AXES = {
    "UVES.fits": (3732.0562, 4999.7384, "air"),
    "TRES.fits": (3850.1696, 9096.9313, None),
    "multispec_equispec.fits": (14740.266, 24465.757, None),
    "SDSSJ220248.31+123656.3.fits": (3553.8574, 10356.190, "vacuum"),
    "NGC4151sic2a.fits": (917.18604, 1005.4690, None),
    "popler_sample.fits": (3045.4875, 3045.7160, None),
    "swp02283.mxlo": (1050.0, 2121.1797, None),
    "hd229238_irs.fits": (50167.72, 398667.1, None),
    "hd229238_sxd_spex.fits": (8002.0009, 24481.629, None),
    "HD229238_SXD.txt": (8045.9297, 24247.272, "vacuum"),
    "sample_sdss.fits": (3798.3939, 9221.4667, "vacuum"),
    "hr2421.fit": (3064.15, 7803.4085, None),
    "M101_Nucleus_irs.ipac": (52571.59, 382990.04, None),
    "VV114_MIRI_ch1_SHORT_s1d.fits": (49005.0, 57395.0, None),
    "g9-124Tspec.fits": (4602.6040, 7184.2895, None),
    "ngc6300_nuc.fits": (4415.392, 6986.5052, None),
    "001927_prism_clear_v5.0_1D.fits": (6025.5005, 54523.607, "vacuum"),
    "000110_prism_clear_v5.0_1D.fits": (6025.5005, 54523.607, "vacuum"),
    "001882_prism_clear_v5.0_1D.fits": (6025.5005, 54523.607, "vacuum"),
    "static-test-driz-center-bkg_933.spec.fits": (5800.0, 53340.375, "vacuum"),
    "spec1d_b27-J1217p3905_KASTb_2015May20T045733.560.fits": (3428.3845, 5515.7822, "vacuum"),
    "rj59.1923.fits": (4976.5635, 6421.2553, None),
    "sun_harps_ganymede.fits": (3783.1439, 6913.3209, "air"),
    "sun-450-530.fits": (4500.0, 5299.99, None),
    "alphadra_20220513233026.fits": (6474.9933, 6699.8907, "air"),
    "spec-57287-KP193637N444141V03_sp10-161.fits.gz": (3699.9853, 9099.1327, "vacuum"),
    "med-58625-TD192102N424113K01_sp12-076.fits.gz": (4898.125, 6845.1045, "vacuum"),
    "coadd-main-dark-9144.fits": (3600.0, 9824.0, "vacuum"),
    "sample_spectrum.fits": (3590.8735, 10399.206, "vacuum"),
    "test.flm": (3500.0, 6360.0, None),
    "pfsArm-000001-r1.fits": (6300.0, 9699.17, "vacuum"),
    "ZTF20abwdwoa_20200902_P60_v1.ascii": (3776.7, 9223.3, None),
    "zac_spec.dat": (3402.86, 9099.86, None),
    "tns_2020add_2020-01-20_SOAR_Goodman_UCSC.flm": (5250.0, 8862.0, None),
    "sn1979C.p07.dat": (4508.4619, 7478.4268, None),
    "calibrator.csv": (3360.0, 10200.0, "vacuum"),
    "sn1994I.lnw": (2501.69, 9993.24, None),
    "bd02d3375.fits": (1710.457, 318750.56, "vacuum"),
    "gd108.fits": (971.072, 11993.0195, None),
    "sn1999aa-19991205-uvoir.flm": (4000.0, 10000.0, None),
    "spec1d.1245.066.12004136.fits": (6485.869, 9110.927, "air"),
    "synthetic/eso_phase3_onerow.fits": (3650.0, 9197.9885, "air"),
    "synthetic/gaia_xp_sampled.csv": (3360.0, 10200.0, "vacuum"),
    "synthetic/image1d_bunit_ADU.fits": (3650.0, 9197.9885, None),
    "synthetic/image1d_bunit_relflux.fits": (3650.0, 9197.9885, None),
    "synthetic/image1d_bunit_sdss.fits": (3650.0, 9197.9885, None),
    "synthetic/image_extensions_data_err.fits": (3650.0, 9197.9885, "vacuum"),
    "synthetic/iraf_four_bands.fits": (3650.0, 9197.9885, None),
    "synthetic/loglam_dcflag_no_wat.fits": (3650.0, 9197.9885, None),
    "synthetic/pypeit_spec1d.fits": (3650.0, 9197.9885, "vacuum"),
    "synthetic/sn_header.csv": (3650.0, 9197.9885, None),
    "synthetic/sn_plain.ascii": (3650.0, 9197.9885, None),
    "synthetic/sn_plain.flm": (3650.0, 9197.9885, None),
    "synthetic/spSpec-52000-0001-001.fit": (3801.8940, 9223.5902, "vacuum"),
    "synthetic/table_units_uppercase.fits": (3650.0, 9197.9885, None),
}
#: the stand-ins hold one galaxy, but for those that were made only for their layout
_STAND_IN = {
    name: ("GALAXY", [0.0857])
    for name in AXES
    if name.startswith("synthetic/") and not name.endswith(("spSpec-52000-0001-001.fit", "gaia_xp_sampled.csv"))
}


def _read_number(text):
    """A redshift of the labels, such as ``0.347?`` or ``0 (rest)``; None for others."""
    try:
        return float(text.split("(")[0].strip().rstrip("?"))
    except ValueError:
        return None


def read_truth(folder):
    """What ``labels.csv`` and `AXES` say of each file there is.

    Parameters
    ----------
    folder : `~pathlib.Path`

    Returns
    -------
    dict
        By name: ``wave`` (low, high; None if it must be refused), ``medium``, ``class`` and ``z`` (list; None where
        unknown).
    """
    with open(folder / "labels.csv", newline="") as file:
        labels = {row["file"]: row for row in csv.DictReader(file)}
    truth = {}
    for path in sorted([*folder.iterdir(), *folder.glob("synthetic/*")]):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name == "labels.csv":
            continue
        label = labels.get(name)
        low, high, medium = AXES.get(name, (None, None, None))
        known, z = _STAND_IN.get(name, (None, None))
        if label is not None:
            known = label["class"].rstrip("?").split(" ")[0] or None
            numbers = [_read_number(part) for part in label["z"].split(",")]
            z = None if None in numbers else numbers
        truth[name] = {
            "what": label["instrument"] if label else "stand-in",
            "wave": None if low is None else (low, high),
            "medium": medium,
            "class": known if known in ("GALAXY", "QSO", "STAR", "SN") and low is not None else None,
            "z": z,
        }
    return truth
