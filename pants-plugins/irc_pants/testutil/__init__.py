"""What tests of rules share."""
