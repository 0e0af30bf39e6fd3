"""Running what was compiled, from a folder that goes away: tests and a server that follows edits."""
