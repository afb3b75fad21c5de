#!/usr/bin/python2.7
import zlib
