# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the stack as a process of its own, to be killed: `python -m faults.process ENDPOINT CA_FILE SPEED DATA`.

The token comes in DIGITALOCEAN_TOKEN; DATA is JSON. It sleeps `SPEED` times faster than it would.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from ansible_collections.flowdose.infra.plugins.module_utils.client import Client
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Cloud
from ansible_collections.flowdose.infra.plugins.module_utils.stack import Stack
from faults import environment


def no_spaces() -> Any:
    raise AssertionError("no buckets in this environment")


def main() -> None:
    endpoint, ca_file, speed, data = sys.argv[1:]

    def sleep(seconds: float) -> None:
        time.sleep(seconds / float(speed))

    def client() -> Client:
        return Client(os.environ["DIGITALOCEAN_TOKEN"], api_url=endpoint, ca_file=ca_file, sleep=sleep)

    stack = Stack(Cloud(client, no_spaces, sleep=sleep), environment.NAME, json.loads(data))
    stack.check()
    stack.plan()
    stack.apply(lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
