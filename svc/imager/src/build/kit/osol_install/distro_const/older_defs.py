"""Node paths of manifests of 2009, places of the build area, and words of .image_info."""

from osol_install.distro_const import _paths

globals().update(_paths.COMMON)
globals().update(_paths.names(_paths.PARAMS, _paths.IMAGE))
