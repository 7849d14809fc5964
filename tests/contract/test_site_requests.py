# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request that a full run of site.yml made, and every answer it got, against the specification."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from contract.openapi import check_exchange, contract, needs_specification

pytestmark = [pytest.mark.machines, needs_specification]


@pytest.fixture(scope="module")
def log() -> list[dict[str, Any]]:
    """The request log of the cloud that the playbook ran in (its state directory as for `localcloud`)."""
    command = [sys.executable, "-m", "localcloud.cli", "requests", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"no request log to check; run playbooks/site.yml first: {result.stderr}"
    entries: list[dict[str, Any]] = json.loads(result.stdout)
    return entries


def test_log_is_of_a_full_run(log: list[dict[str, Any]]) -> None:
    """A log without these would let the other tests pass for want of requests."""
    made = {contract().template(entry["path"]) for entry in log if entry["method"] == "POST" and entry["status"] < 300}
    wanted = {"/v2/account/keys", "/v2/vpcs", "/v2/droplets", "/v2/firewalls", "/v2/databases", "/v2/domains"}
    assert wanted <= made


def test_every_exchange_conforms(log: list[dict[str, Any]]) -> None:
    problems = Counter(problem for entry in log for problem in check_exchange(entry))
    assert not problems, "\n".join(f"{count} x {problem}" for problem, count in problems.most_common())


def test_nothing_was_ignored(log: list[dict[str, Any]]) -> None:
    """localcloud, as the real API, ignores keys it does not know; here that is an error of the caller."""
    warnings = [f"{entry['method']} {entry['path']}: {text}" for entry in log for text in entry["warnings"]]
    assert not warnings, "\n".join(warnings)


def test_rate_limits_were_kept_well_away_from(log: list[dict[str, Any]]) -> None:
    refused = [entry["path"] for entry in log if entry["status"] == 429 and entry["fault"] is None]
    assert not refused, refused
