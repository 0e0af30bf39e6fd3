"""The compiler's version; part of every cache key and generated header."""

VERSION = "0.1.0"
