#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spaces_bucket
short_description: Buckets of Spaces
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a bucket, sets its access, CORS rules, versioning and lifecycle, or deletes it when it is empty.
  - Needs a Spaces key, not the API token.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.spaces
  - flowdose.infra.resource
  - flowdose.infra.resource.protected
options:
  name:
    description: Name of the bucket, unique among all customers.
    type: str
    required: true
  region:
    description: Slug of the region. It cannot be changed.
    type: str
    required: true
  acl:
    description: Whether the list of the objects is for the owner or for everybody. Objects have ACLs of their own.
    type: str
    choices: [private, public-read]
  policy:
    description:
      - Bucket policy as JSON or as a mapping; an empty mapping removes it.
      - A bucket with a policy cannot have limited-access keys, nor the other way round.
    type: json
  cors:
    description: All CORS rules; an empty list removes them.
    type: list
    elements: dict
    suboptions:
      allowed_origins:
        description: Origins such as V(https://shop.example.com), or V(*).
        type: list
        elements: str
        required: true
      allowed_methods:
        description: Methods.
        type: list
        elements: str
        choices: [GET, HEAD, PUT, POST, DELETE]
        required: true
      allowed_headers:
        description: Headers that a request may carry.
        type: list
        elements: str
        default: []
      expose_headers:
        description: Headers of the answer that scripts may read.
        type: list
        elements: str
        default: []
      max_age:
        description: Seconds for which a browser may keep the answer.
        type: int
  versioning:
    description: Whether earlier versions of objects are kept.
    type: bool
  lifecycle:
    description: All rules about what goes by itself, one for each prefix; an empty list removes them.
    type: list
    elements: dict
    suboptions:
      prefix:
        description: How the keys of the objects begin that it is about; all objects when not given.
        type: str
        default: ''
      expiration_days:
        description: Days after which objects are deleted; with versioning they become earlier versions.
        type: int
      noncurrent_expiration_days:
        description: Days after which earlier versions are deleted.
        type: int
      abort_multipart_days:
        description: Days after which the parts of an upload that was never completed are deleted.
        type: int
      enabled:
        description: Whether the rule is in force.
        type: bool
        default: true
"""

EXAMPLES = r"""
- name: A bucket for the images of the shop
  flowdose.infra.spaces_bucket:
    name: staging-flowdose-bucket
    region: fra1
    acl: private
    cors:
      - allowed_origins: ["https://admin-staging.example.com"]
        allowed_methods: [GET, PUT]
        allowed_headers: ["*"]
    versioning: true
    lifecycle:
      - {noncurrent_expiration_days: 30, abort_multipart_days: 7}
"""

RETURN = r"""
spaces_bucket:
  description: The bucket; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its name.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
    region:
      description: Slug of its region.
      returned: always
      type: str
      sample: fra1
    endpoint:
      description: Address of the S3 API of its region.
      returned: always
      type: str
      sample: https://fra1.digitaloceanspaces.com
    url:
      description: Address of the bucket.
      returned: always
      type: str
      sample: https://staging-flowdose-bucket.fra1.digitaloceanspaces.com
    acl:
      description: Canned ACL.
      returned: when O(acl) is given
      type: str
    policy:
      description: Bucket policy, actions and resources as sorted lists.
      returned: when O(policy) is given
      type: dict
    cors:
      description: CORS rules.
      returned: when O(cors) is given
      type: list
      elements: dict
    versioning:
      description: Whether earlier versions are kept.
      returned: when O(versioning) is given
      type: bool
    lifecycle:
      description: Lifecycle rules.
      returned: when O(lifecycle) is given
      type: list
      elements: dict
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.spaces_bucket import SpacesBucket


def main() -> None:
    run(SpacesBucket)


if __name__ == "__main__":
    main()
