# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start localcloud, deploy the shop on it, and say where it is. Called by `make demo` once the tools are installed.

Read from the environment (the Makefile's variables): SPEED, SOURCE, REF, ARGS.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import urls
from stages import ROOT, main, run, say, stage, tool

SITE = ["playbooks/site.yml", "-i", "inventories/development"]


def source_arguments(source: str, ref: str) -> list[str]:
    """What makes the playbooks deploy another application; a folder is named from where `make` was typed."""
    wanted = {}
    if source:
        folder = Path(source).expanduser()
        wanted["flowdose_source"] = str(folder.resolve()) if folder.is_dir() else source
    if ref:
        wanted["flowdose_ref"] = ref
    return ["-e", json.dumps(wanted)] if wanted else []


def deploy(arguments: list[str]) -> None:
    """Start localcloud and run the site playbook."""
    with stage("localcloud", "networks, DNS, certificates, object storage, API; the first time it builds its images"):
        run([tool("localcloud"), "up", "--speed", os.environ.get("SPEED") or "20"], timeout=1800)
    with stage("site.yml", "droplets, databases and names; then the apps are built, started and checked"):
        run([tool("ansible-playbook"), *SITE, *arguments], timeout=3600)


def body() -> None:
    extra = shlex.split(os.environ.get("ARGS", ""))
    deploy([*source_arguments(os.environ.get("SOURCE", ""), os.environ.get("REF", "")), *extra])
    found = urls.addresses()
    ca, password = Path(found["ca"]), Path(found["admin_password_file"])
    say(
        f"\nThe shop is up, on this machine only:\n"
        f"  store  {found['store']}\n"
        f"  admin  {found['admin']}\n"
        f"  api    {found['api']}\n"
        f"\nLog in to the admin as {found['admin_email']}; the password is in {shown(password)}\n"
        f"The certificates are signed by {shown(ca)}: let your browser trust it, or try\n"
        f"  curl --cacert {shown(ca)} {found['store']}\n"
        f"\n`make demo` again deploys what changed, `make down` removes it all."
    )


def shown(path: Path) -> Path:
    """A path as a person in the repository would type it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    main(body)
