"""``python -m irc``."""

from irc.cli.main import main

if __name__ == "__main__":
    main()
