# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection to Spaces, DigitalOcean's S3. The only place that imports boto3, and only when a bucket is declared."""

from __future__ import annotations

import base64
import hashlib
import sys
import threading
from typing import Any

from ansible.module_utils.basic import env_fallback

from .client import CloudError

SPACES_OPTIONS: dict[str, dict[str, Any]] = {
    "spaces_endpoint": {"type": "str", "fallback": (env_fallback, ["SPACES_ENDPOINT"])},
    "spaces_access_key": {"type": "str", "no_log": False, "fallback": (env_fallback, ["SPACES_ACCESS_KEY_ID"])},
    "spaces_secret_key": {"type": "str", "no_log": True, "fallback": (env_fallback, ["SPACES_SECRET_ACCESS_KEY"])},
}

HINTS = {
    "InvalidAccessKeyId": "Check `spaces_access_key` or SPACES_ACCESS_KEY_ID: keys are made in the control panel or "
    "with the API's Spaces keys, and differ from the API token.",
    "SignatureDoesNotMatch": "Check `spaces_secret_key` or SPACES_SECRET_ACCESS_KEY.",
    "AccessDenied": "The key has no right to this. Creating buckets and bucket policies need a key with full access.",
    "BucketAlreadyExists": "Bucket names are shared by all customers and all regions: somebody else has this one, or "
    "you have it in another region, which it cannot leave. Choose another.",
}


class Spaces:
    """Clients of boto3, one per region."""

    def __init__(
        self, endpoint: str | None, access_key: str | None, secret_key: str | None, ca_file: str | None
    ) -> None:
        if not access_key or not secret_key:
            raise CloudError(
                "No Spaces key was given.",
                hint="Set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY, or the options `spaces_access_key` and "
                "`spaces_secret_key`. Buckets cannot be managed with the API token.",
            )
        self._endpoint = endpoint
        self._keys = (access_key.strip(), secret_key.strip())
        self._ca_file = ca_file
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Spaces:
        return cls(
            options["spaces_endpoint"], options["spaces_access_key"], options["spaces_secret_key"], options["ca_file"]
        )

    def endpoint(self, region: str) -> str:
        return self._endpoint or f"https://{region}.digitaloceanspaces.com"

    def connect(self, region: str) -> Any:
        """The boto3 client of a region; they may be used by several threads."""
        with self._lock:
            if region not in self._clients:
                try:
                    import boto3
                    from botocore.config import Config
                except ImportError as error:
                    raise CloudError(
                        f"The Python package boto3 is missing in {sys.executable}: {error}.",
                        hint="Install it there (pip install boto3), or let the task run with the project's own Python.",
                    ) from error
                # Buckets in the path: works for every endpoint, also one whose buckets have no names in the DNS.
                # Every call made here sets or reads, so that botocore may repeat it.
                config = Config(
                    s3={"addressing_style": "path"},
                    retries={"mode": "standard", "total_max_attempts": 4},
                    connect_timeout=10,
                    read_timeout=60,
                )
                self._clients[region] = boto3.session.Session().client(
                    "s3",
                    region_name=region,
                    endpoint_url=self.endpoint(region),
                    aws_access_key_id=self._keys[0],
                    aws_secret_access_key=self._keys[1],
                    verify=self._ca_file,
                    config=config,
                )
                self._clients[region].meta.events.register("before-call.s3", _add_digest)
            return self._clients[region]

    def call(self, attempted: str, region: str, operation: str, absent: tuple[str, ...] = (), **kwargs: Any) -> Any:
        """One operation of boto3's S3 client, such as `put_bucket_acl`; None for an error whose code is in `absent`."""
        client = self.connect(region)
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(client, operation)(**kwargs)
        except ClientError as error:
            answer = error.response.get("Error", {})
            code = str(answer.get("Code"))
            if code in absent:
                return None
            meta = error.response.get("ResponseMetadata", {})
            raise CloudError(
                str(answer.get("Message") or code),
                attempted=attempted,
                status=meta.get("HTTPStatusCode"),
                id=code,
                request_id=meta.get("RequestId"),
                hint=HINTS.get(code),
            ) from error
        except BotoCoreError as error:
            raise CloudError(
                str(error),
                attempted=attempted,
                hint=f"Spaces is at {self.endpoint(region)} (spaces_endpoint), CA file {self._ca_file or 'not set'}.",
            ) from error


def _add_digest(model: Any, params: dict[str, Any], **kwargs: Any) -> None:
    """Where S3 wants a digest of the body, boto3 sends a newer one since 1.36, which not every other S3 knows."""
    if model.http_checksum.get("requestChecksumRequired"):
        digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
        params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
