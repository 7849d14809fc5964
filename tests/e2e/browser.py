# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium, headless, trusting one certificate authority more than it comes with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# As root there is no sandbox; the rest keeps the browser from looking for hosts that a closed network does not reach.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def browser(ca_file: Path, home: Path) -> Iterator[BrowserContext]:
    """A browser whose user (with `home` as home folder) trusts `ca_file`; certificates are verified as for anybody.

    Navigation and element waits time out after 30 seconds.
    """
    database = home / ".pki/nssdb"
    database.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    subprocess.run([*certutil, "-A", "-n", "localcloud", "-t", "C,,", "-i", str(ca_file)], check=True)
    # SSLKEYLOGFILE and the like of the caller's environment are left out.
    env: dict[str, str | float | bool] = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    with sync_playwright() as playwright:
        running = playwright.chromium.launch_persistent_context(
            str(home / "profile"), executable_path=CHROMIUM, headless=True, args=FLAGS, env=env, locale="en-US"
        )
        running.set_default_timeout(30_000)
        try:
            yield running
        finally:
            running.close()
