# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the collection as those do who publish it: the linter of its documentation, and Galaxy's importer.

Both come from requirements-docs.txt, in an environment of their own. The importer is given what
`ansible-galaxy collection build` makes; what it says as a warning counts as an error.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from side_venv import environment_of, side_venv
from stages import COLLECTION, ROOT, StageFailed, main, run, say, stage

# ansible-test has a stage of its own; the tags are Galaxy's idea of categories.
IMPORTER = "[galaxy-importer]\nrun_ansible_test = False\nrun_ansible_doc = True\ncheck_required_tags = True\n"
LINT = [
    *("lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self"),
    *("--disallow-unknown-collection-refs", "."),
]


def import_artefact(venv: Path) -> None:
    """Build the collection and import it; the importer says what it finds in its log only."""
    env = environment_of(venv)
    with tempfile.TemporaryDirectory(prefix="flowdose-") as name:
        folder = Path(name)
        build = [str(venv / "bin/ansible-galaxy"), "collection", "build", str(COLLECTION), "--output-path", name]
        run(build, env=env, timeout=120, quiet=True)
        (artefact,) = folder.glob("*.tar.gz")
        config = folder / "importer.cfg"
        config.write_text(IMPORTER)
        done = subprocess.run(
            [str(venv / "bin/python"), "-m", "galaxy_importer.main", str(artefact)],
            cwd=folder,
            env=env | {"GALAXY_IMPORTER_CONFIG": str(config)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
    complaints = re.findall(r"^(?:WARNING|ERROR|CRITICAL).*$|^.*Traceback.*$", done.stdout, re.M)
    if complaints or done.returncode or "Importer processing completed successfully" not in done.stdout:
        say(done.stdout)
        raise StageFailed("Galaxy's importer is not content: " + ("; ".join(complaints) or "see above"))


def body() -> None:
    venv = side_venv("docs", (ROOT / "requirements-docs.txt").read_text())
    with stage("antsibull-docs", "every option, return value and reference in the documentation"):
        run([str(venv / "bin/antsibull-docs"), *LINT], cwd=COLLECTION, env=environment_of(venv), timeout=300)
    with stage("galaxy-importer", "the built collection, as Galaxy would take it"):
        import_artefact(venv)


if __name__ == "__main__":
    main(body)
