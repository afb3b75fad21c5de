"""Node paths of manifests since 2010, places of the build area, and words of .image_info."""

from osol_install.distro_const import _paths

globals().update(_paths.COMMON)
globals().update(_paths.names(_paths.IMAGE, _paths.PARAMS))
