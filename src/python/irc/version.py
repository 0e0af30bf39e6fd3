"""The version of irc: of the compiler, of the runtime and of the plugin, each of which links here.

It is part of every cache key and generated header.
"""

VERSION = "0.1.0"
