"""The declarative operations, one family a file."""
