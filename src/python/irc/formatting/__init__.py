"""The canonical form of flows: how they are laid out, with their comments kept."""
