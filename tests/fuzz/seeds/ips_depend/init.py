#!/usr/bin/python3.9
from . import core
from .core import ripe
