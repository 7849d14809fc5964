# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounds of the engines' settings, as DigitalOcean's specification has them, and the servers' own names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract.openapi import needs_specification, specification_file
from localcloud.settings import ENGINE_SETTINGS, Range, problem, server_settings

SCHEMAS = {"pg": "postgres_advanced_config", "valkey": "valkey_advanced_config"}
RANGES = [
    (engine, name, bounds)
    for engine, settings in ENGINE_SETTINGS.items()
    for name, bounds in settings.items()
    if isinstance(bounds, Range)
]


@pytest.mark.parametrize(("engine", "name", "bounds"), RANGES)
def test_bounds_belong_to_the_range(engine: str, name: str, bounds: Range) -> None:
    for value in (bounds.low, bounds.high):
        assert problem(engine, {name: value}) is None
    for value in (bounds.low - 1, bounds.high + 1, str(bounds.low), True, None):
        assert name in str(problem(engine, {name: value}))


@needs_specification
@pytest.mark.parametrize("engine", SCHEMAS)
def test_settings_are_those_of_the_specification(engine: str) -> None:
    specification = json.loads((specification_file() or pytest.fail("it was there")).read_text())
    schemas: dict[str, Any] = specification["components"]["schemas"]
    theirs = schemas[SCHEMAS[engine]]["properties"]
    ours = ENGINE_SETTINGS[engine]
    assert set(ours) == set(theirs)
    for name, schema in theirs.items():
        setting = ours[name]
        if isinstance(setting, Range) and name != "max_connections":  # theirs has no upper end
            assert (setting.low, setting.high) == (schema["minimum"], pytest.approx(schema["maximum"])), name
            assert setting.whole == (schema["type"] == "integer"), name
        elif isinstance(setting, tuple) and not isinstance(setting, Range):
            enum = schema.get("enum") or schemas[schema["$ref"].rpartition("/")[2]]["enum"]
            assert set(setting) == set(enum), name


def test_the_servers_own_names_and_units() -> None:
    config = {"work_mem": 8, "jit": False, "log_min_duration_statement": -1, "autovacuum_naptime": 0, "backup_hour": 3}
    assert server_settings("pg", config) == {
        "work_mem": "8MB",
        "jit": "false",
        "log_min_duration_statement": "-1",
        "autovacuum_naptime": "1s",  # the least that PostgreSQL takes
    }
    config = {"valkey_maxmemory_policy": "allkeys_lru", "valkey_timeout": 0, "valkey_ssl": True}
    assert server_settings("valkey", config) == {"maxmemory-policy": "allkeys-lru", "timeout": "0"}
