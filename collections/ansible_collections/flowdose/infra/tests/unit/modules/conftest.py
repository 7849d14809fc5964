# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run in the test's own process."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flowdose.infra.plugins.module_utils import resource as engine

MODULES = "ansible_collections.flowdose.infra.plugins.modules"


@pytest.fixture
def run_module(account: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a module's `main` on the cloud and its clock; returns what it answered to Ansible."""

    def on_virtual_time(options: dict[str, Any]) -> engine.Cloud:
        return account.cloud(timeout=options["timeout"])

    monkeypatch.setattr(engine.Cloud, "from_options", staticmethod(on_virtual_time))
    access = {"token": account.server.token, "api_url": account.server.endpoint, "ca_file": str(account.server.ca_file)}

    def run(module_name: str, /, check: bool = False, **options: Any) -> dict[str, Any]:
        module = importlib.import_module(f"{MODULES}.{module_name}")
        with patch_module_args({**access, **options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run
