# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`flowdose.infra.stack`: runs on the controller, in process, so that it can say what it waits for while it waits."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.flowdose.infra.plugins.module_utils.adoption import Adoption
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Cloud
from ansible_collections.flowdose.infra.plugins.module_utils.stack import STACK_OPTIONS, Stack
from ansible_collections.flowdose.infra.plugins.module_utils.teardown import Teardown

STATES: dict[str, type[Stack]] = {"present": Stack, "adopted": Adoption, "absent": Teardown}


class ActionModule(ActionBase):
    """The glue to Ansible; `module_utils/stack.py` does the work, `modules/stack.py` holds the documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _dummy, options = self.validate_argument_spec(argument_spec=STACK_OPTIONS)
        stack = STATES[options["state"]](Cloud.from_options(options), options["environment"], options)
        check_mode = self._task.check_mode
        result: dict[str, Any] = {"changed": False}
        try:
            stack.check()
            stack.plan()
            document = stack.document()
            # Whoever expects a plan has seen it: all there is to say then is what has become different.
            if check_mode or not options["expect_plan"]:
                # An empty plan is worth saying only where nothing else is said.
                if any(entry.action != "none" for entry in stack.entries) or (check_mode and not stack.remarks):
                    self._say(document.as_text(Display().columns))
                for remark in stack.remarks:
                    self._say(remark)
            if options["expect_plan"]:
                document.require(options["expect_plan"], options["plan_dir"], Display().columns)
            if options["plan_dir"]:
                document.save(options["plan_dir"])
            stack.approve(check_mode)
            result |= self._changes(stack)
            if not check_mode:
                stack.apply(self._say)
                result |= self._changes(stack)  # what was still being made may have turned out to be different
        except CloudError as error:
            # Without the plan, which has been shown: a failed task prints its whole result, and nobody would find why.
            return {**result, **error.as_result(), "failed": True}
        return {
            **result,
            "plan": [entry.as_dict() for entry in stack.entries],
            "plan_hash": document.hash,
            "resources": stack.results(check_mode),
        }

    def _changes(self, stack: Stack) -> dict[str, Any]:
        changing = [entry for entry in stack.entries if entry.changed]
        diff = {"diff": [entry.as_diff() for entry in changing]} if self._task.diff else {}
        return {"changed": bool(changing), **diff}

    def _say(self, text: str) -> None:
        with undisturbed():
            Display().display(text)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM wait for the end of the block.

    A worker of Ansible's writes to a queue that has one lock for all processes. One that ends while it holds the lock
    leaves ansible-playbook waiting for it forever.
    """
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)
