# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from contract.openapi import check_request, check_response, specification_file
from localcloud.testing import RunningCloud, running_cloud
from plain_api import Api


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    """A cloud whose every answer, whatever the test asks, is held against DigitalOcean's specification at the end."""
    with running_cloud() as running:
        yield running
        exchanges = running.requests
    if specification_file() is not None:
        problems = [problem for entry in exchanges for problem in _problems(entry)]
        assert not problems, "\n".join(problems)


def _problems(entry: dict[str, Any]) -> list[str]:
    if entry["fault"] is not None or any("localcloud has no" in text for text in entry["warnings"]):
        return []
    name = f"{entry['method']} {entry['path']} {entry['status']}"
    problems = check_response(entry["method"], entry["path"], entry["status"], entry["response"])
    if entry["status"] < 400 and not entry["warnings"]:  # what was taken must have been sound
        problems += check_request(entry["method"], entry["path"], entry["body"], entry["query"])
    return [f"{name}: {problem}" for problem in problems]


@pytest.fixture
def api(cloud: RunningCloud) -> Api:
    return Api(cloud)


@pytest.fixture
def read_only(cloud: RunningCloud) -> Api:
    return Api(cloud, cloud.read_only_token)
