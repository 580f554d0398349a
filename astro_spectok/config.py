# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Settings of the package, in Astropy's configuration system (``astro_spectok.conf``)."""

from astropy import config as _config

__all__ = ["conf"]


class _Item(_config.ConfigItem):
    """A setting that lives in ``astro_spectok.cfg`` of this package, not in Astropy's own folder."""

    rootname = "astro_spectok"

    def __init__(self, default, description, cfgtype=None):
        # the module is named so that the file needs no section headings
        super().__init__(default, description, cfgtype=cfgtype, module="astro_spectok")


class Conf(_config.ConfigNamespace):
    """Settings of `astro_spectok`.

    Change one for a session (``conf.max_pixels = 2**20``), for a block
    (``with conf.set_temp("precision", "float32")``), or for good in
    ``astro_spectok.cfg`` in the folder that
    ``astropy.config.get_config_dir_path("astro_spectok")`` names. A value of the wrong
    type or outside its range raises `TypeError`.

    Examples
    --------
    >>> from astro_spectok import conf
    >>> conf.default_weights
    'small'
    >>> with conf.set_temp("precision", "bfloat16"):
    ...     conf.precision
    'bfloat16'
    >>> conf.precision
    'auto'
    """

    rootname = "astro_spectok"

    default_weights = _Item("small", "Registry name, or path to a .safetensors file, of the weights to use by default.")
    weights_mirrors = _Item(
        [],
        "Base URLs (the folder that holds the files) to try first, in order, before the sources "
        "that the registry lists for a set of weights.",
        cfgtype="string_list",
    )
    download_timeout = _Item(
        30.0, "Seconds without any answer after which a source of weights is given up.", cfgtype="float(min=0.1)"
    )
    max_pixels = _Item(2**20, "The most pixels that one spectrum may have.", cfgtype="integer(min=1)")
    batch_tokens = _Item(16384, "The most tokens that go through the network at once.", cfgtype="integer(min=1)")
    precision = _Item(
        ["auto", "float32", "bfloat16"],
        "Arithmetic of the network: 'auto' takes bfloat16 where the hardware is good at it.",
    )


conf = Conf()
