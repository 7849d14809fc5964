# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database engine can be set to: the API's names and bounds, and the server's own names."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_MAX = 2147483647  # of PostgreSQL's integers


class Range(NamedTuple):
    """A number from `low` to `high`; `whole` numbers only, unless said otherwise."""

    low: float
    high: float
    whole: bool = True


# A range, the words to choose from, a pattern, bool, str, [shape of an array's items], or the settings of an object.
Setting = Any

EVICTION_POLICIES = (
    "noeviction", "allkeys_lru", "allkeys_random", "volatile_lru", "volatile_random", "volatile_ttl",
)  # fmt: skip
POOL_MODES = ("session", "transaction", "statement")
_SWITCH = ("off", "on")

_PGBOUNCER: dict[str, Setting] = {
    "autodb_idle_timeout": Range(0, 86400),
    "autodb_max_db_connections": Range(0, _MAX),
    "autodb_pool_mode": POOL_MODES,
    "autodb_pool_size": Range(0, 10000),
    "ignore_startup_parameters": [str],
    "min_pool_size": Range(0, 10000),
    "server_idle_timeout": Range(0, 86400),
    "server_lifetime": Range(60, 86400),
    "server_reset_query_always": bool,
}
_PG: dict[str, Setting] = {
    "autovacuum_analyze_scale_factor": Range(0, 1, whole=False),
    "autovacuum_analyze_threshold": Range(0, _MAX),
    "autovacuum_freeze_max_age": Range(200_000_000, 1_500_000_000),
    "autovacuum_max_workers": Range(1, 20),
    "autovacuum_naptime": Range(0, 86400),
    "autovacuum_vacuum_cost_delay": Range(-1, 100),
    "autovacuum_vacuum_cost_limit": Range(-1, 10000),
    "autovacuum_vacuum_scale_factor": Range(0, 1, whole=False),
    "autovacuum_vacuum_threshold": Range(0, _MAX),
    "backup_hour": Range(0, 23),
    "backup_minute": Range(0, 59),
    "bgwriter_delay": Range(10, 10000),
    "bgwriter_flush_after": Range(0, 2048),
    "bgwriter_lru_maxpages": Range(0, 1073741823),
    "bgwriter_lru_multiplier": Range(0, 10, whole=False),
    "deadlock_timeout": Range(500, 1_800_000),
    "default_toast_compression": ("lz4", "pglz"),
    "idle_in_transaction_session_timeout": Range(0, 604_800_000),
    "jit": bool,
    "log_autovacuum_min_duration": Range(-1, _MAX),
    "log_error_verbosity": ("TERSE", "DEFAULT", "VERBOSE"),
    "log_line_prefix": (
        "pid=%p,user=%u,db=%d,app=%a,client=%h",
        "%m [%p] %q[user=%u,db=%d,app=%a]",
        "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h",
    ),
    "log_min_duration_statement": Range(-1, 86_400_000),
    "max_connections": Range(25, 262_143),  # where PostgreSQL itself ends
    "max_failover_replication_time_lag": Range(10, 2**63 - 1),
    "max_files_per_process": Range(1000, 4096),
    "max_locks_per_transaction": Range(64, 6400),
    "max_logical_replication_workers": Range(4, 64),
    "max_parallel_workers": Range(0, 96),
    "max_parallel_workers_per_gather": Range(0, 96),
    "max_pred_locks_per_transaction": Range(64, 640),
    "max_prepared_transactions": Range(0, 10000),
    "max_replication_slots": Range(8, 64),
    "max_slot_wal_keep_size": Range(-1, _MAX),
    "max_stack_depth": Range(2_097_152, 6_291_456),
    "max_standby_archive_delay": Range(1, 43_200_000),
    "max_standby_streaming_delay": Range(1, 43_200_000),
    "max_wal_senders": Range(20, 64),
    "max_worker_processes": Range(8, 96),
    "pg_partman_bgw.interval": Range(3600, 604_800),
    "pg_partman_bgw.role": re.compile(r"[_A-Za-z0-9][-._A-Za-z0-9]{0,63}"),
    "pg_stat_statements.track": ("all", "top", "none"),
    "pgbouncer": _PGBOUNCER,
    "shared_buffers_percentage": Range(20, 60, whole=False),
    "stat_monitor_enable": bool,
    "synchronous_replication": ("off", "quorum"),
    "temp_file_limit": Range(-1, _MAX),
    "timescaledb": {"max_background_workers": Range(1, 4096)},
    "timezone": re.compile(r"[A-Za-z0-9_+/-]{1,64}"),
    "track_activity_query_size": Range(1024, 10240),
    "track_commit_timestamp": _SWITCH,
    "track_functions": ("all", "pl", "none"),
    "track_io_timing": _SWITCH,
    "wal_sender_timeout": Range(0, 10_800_000),
    "wal_writer_delay": Range(10, 200),
    "work_mem": Range(1, 1024),
}
_VALKEY: dict[str, Setting] = {
    "frequent_snapshots": bool,
    "valkey_acl_channels_default": ("allchannels", "resetchannels"),
    "valkey_active_expire_effort": Range(1, 10),
    "valkey_io_threads": Range(1, 32),
    "valkey_lfu_decay_time": Range(1, 120),
    "valkey_lfu_log_factor": Range(0, 100),
    "valkey_maxmemory_policy": EVICTION_POLICIES,
    "valkey_notify_keyspace_events": re.compile(r"[KEg$lshzxeA]*"),
    "valkey_number_of_databases": Range(1, 128),
    "valkey_persistence": ("off", "rdb"),
    "valkey_pubsub_client_output_buffer_limit": Range(32, 512),
    "valkey_ssl": bool,
    "valkey_timeout": Range(0, 31_536_000),
}
ENGINE_SETTINGS: dict[str, dict[str, Setting]] = {"pg": _PG, "valkey": _VALKEY}

# What GET /config answers before anybody changed anything.
DEFAULT_SETTINGS: dict[str, dict[str, Any]] = {
    "pg": {"autovacuum_naptime": 60, "jit": True, "log_min_duration_statement": -1, "work_mem": 4, "timezone": "UTC"},
    "valkey": {
        "valkey_maxmemory_policy": "noeviction",
        "valkey_persistence": "rdb",
        "valkey_ssl": True,
        "valkey_timeout": 300,
        "valkey_notify_keyspace_events": "",
    },
}


def problem(engine: str, config: dict[str, Any]) -> str | None:
    """What is wrong with a configuration that is to be merged into a cluster's; None when nothing is."""
    return _object_problem(ENGINE_SETTINGS[engine], config, "")


def _object_problem(settings: dict[str, Setting], config: dict[str, Any], where: str) -> str | None:
    if unknown := sorted(set(config) - set(settings)):
        return f"{', '.join(where + key for key in unknown)} unknown"
    found = (_problem(settings[key], value, where + key) for key, value in config.items())
    return next((text for text in found if text is not None), None)


def _problem(setting: Setting, value: Any, place: str) -> str | None:
    match setting:
        case Range(low, high, whole):
            is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                return f"{place} must be a{' whole' if whole else ''} number from {low:.15g} to {high:.15g}"
        case dict():
            if not isinstance(value, dict):
                return f"{place} must be an object"
            return _object_problem(setting, value, f"{place}.")
        case [item]:
            if not isinstance(value, list) or not all(isinstance(each, item) for each in value):
                return f"{place} must be an array of strings"
        case re.Pattern():
            if not isinstance(value, str) or not setting.fullmatch(value):
                return f"{place} must match {setting.pattern}"
        case tuple():
            if value not in setting:
                return f"{place} must be one of {', '.join(setting)}"
        case _:
            if not isinstance(value, setting):
                return f"{place} must be a {'boolean' if setting is bool else 'string'}"
    return None


# -- the server's own names ------------------------------------------------------------------------------------------

# Settings that the machine really takes, with the unit the API counts in.
_PG_SERVER_UNITS = {
    "work_mem": "MB", "log_min_duration_statement": "ms", "idle_in_transaction_session_timeout": "ms",
    "deadlock_timeout": "ms", "autovacuum_naptime": "s", "temp_file_limit": "kB", "wal_writer_delay": "ms",
}  # fmt: skip
_PG_SERVER_PLAIN = (
    *("jit", "timezone", "log_error_verbosity", "track_functions", "track_io_timing", "default_toast_compression"),
    *("max_connections", "max_parallel_workers", "max_parallel_workers_per_gather"),
    *("autovacuum_analyze_scale_factor", "autovacuum_vacuum_scale_factor", "autovacuum_analyze_threshold"),
    *("autovacuum_vacuum_threshold", "autovacuum_vacuum_cost_limit"),
)


def server_settings(engine: str, config: dict[str, Any]) -> dict[str, str]:
    """Translate the API's settings to the server's own; what only DigitalOcean's platform knows is left out."""
    if engine == "valkey":
        settings = {"maxmemory-policy": str(config["valkey_maxmemory_policy"]).replace("_", "-")}
        if "valkey_timeout" in config:
            settings["timeout"] = str(config["valkey_timeout"])
        if "valkey_notify_keyspace_events" in config:
            settings["notify-keyspace-events"] = str(config["valkey_notify_keyspace_events"])
        return settings
    settings = {}
    for key, value in config.items():
        if key == "autovacuum_naptime":
            value = max(1, value)  # the API takes 0, PostgreSQL does not
        if key in _PG_SERVER_UNITS:
            settings[key] = "-1" if value == -1 else f"{value}{_PG_SERVER_UNITS[key]}"
        elif key in _PG_SERVER_PLAIN:
            settings[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return settings
