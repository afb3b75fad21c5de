"""What finalizer scripts of the Distribution Constructor import, where the host has none of it.

Modules that are not here are looked for in an osol_install of the host's own.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
