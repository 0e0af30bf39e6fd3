"""The intermediate representation, as data."""
