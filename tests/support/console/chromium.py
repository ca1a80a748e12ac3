"""Debian's Chromium. A module of its own: it loads nothing, where the other parts load a whole post."""

import shutil

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or "/usr/bin/chromium"
