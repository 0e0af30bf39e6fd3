"""What a generated agent needs at run time.

Importing this package loads nothing: an agent names the modules it uses, so that its image carries
only those and what they need.
"""
