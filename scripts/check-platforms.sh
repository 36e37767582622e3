#!/bin/sh
# Looks for conditions on the system outside of where they may be: src/os, src/poll, src/task (which switch of fibers)
# and bide/os. Everything else has a seam there, see docs/architecture.md.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

if git grep -nE '^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif).*(_WIN32|__linux__|__APPLE__|BSD__|__DragonFly__|__sun|__ANDROID__)' \
    -- src include ':!src/os' ':!src/poll' ':!src/task' ':!include/bide/os'; then
    echo "check-platforms: these belong into a seam" >&2
    exit 1
fi
echo "no condition on the system outside of its seams"
