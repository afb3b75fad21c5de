"""Values of the manifest in the forms that scripts want them in.

The object is a ManifestRead, or anything that has its get_values.
"""

import logging
import os

from osol_install.distro_const.dc_defs import DC_LOGGER_NAME


def get_manifest_value(manifest_obj, path, is_key=False):
    """The first value; None where there is none, or an empty one."""
    values = manifest_obj.get_values(path, is_key)
    return str(values[0]) if values and values[0] else None


def get_manifest_list(manifest_obj, path, is_key=False):
    """All values that are not empty."""
    return [str(value) for value in manifest_obj.get_values(path, is_key) if value]


def get_manifest_boolean(manifest_obj, path, is_key=False):
    """Whether the first value is "true", in any case; None where there is none."""
    value = get_manifest_value(manifest_obj, path, is_key)
    return None if value is None else value.lower() == "true"


def cleanup_dir(mntpt):
    """Removes what is below a directory; what cannot be removed stays."""
    for root, dirs, files in os.walk(mntpt, topdown=False):
        names = [(os.unlink, name) for name in files] + [(os.rmdir, name) for name in dirs]
        for remove, name in names:
            try:
                remove(os.path.join(root, name))
            except OSError:
                pass


def setup_dc_logging():
    """The constructor's logger; what it is told goes to standard error, and so to both logs."""
    log = logging.getLogger(DC_LOGGER_NAME)
    log.setLevel(logging.DEBUG)
    console = logging.StreamHandler()
    console.setLevel(logging.INFO)
    log.addHandler(console)
    return log
