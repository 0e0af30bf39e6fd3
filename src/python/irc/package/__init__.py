"""What ``package`` leaves behind: image, PEX, manifest and build context of one agent."""
