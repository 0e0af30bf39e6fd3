#!/usr/bin/env bash
# Prints what Pants has to work on: the arguments for what has changed since a commit and whatever that
# reaches, or `::` for everything.
#
#   targets.sh COMMIT
#
# Everything it is where there is no such commit (the first push of a branch), and where files have
# changed that no target owns although all depend on them.
set -euo pipefail

# What Pants is set up with: its own version, the plugin and its version, options, `./pants` itself.
setup=(pants pants.toml pants.ci.toml 3rdparty/python/pants.lock 3rdparty/python/pex.lock pants-plugins)

if git rev-parse --quiet --verify "$1^{commit}" > /dev/null && git diff --quiet "$1" -- "${setup[@]}"; then
  echo "--changed-since=$1 --changed-dependents=transitive"
else
  echo "::"
fi
