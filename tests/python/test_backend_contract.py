"""Whatever the document allows is answered without a failure of ours."""

from __future__ import annotations

import json
import os
import pathlib

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from serving import Backend

EXAMPLES = int(os.environ.get("IAM_EXAMPLES", "10"))

# What is served is the same: test_the_document_of_the_api_is_the_one_that_was_agreed_upon.
schema = schemathesis.openapi.from_dict(json.loads((pathlib.Path(__file__).parent / "openapi.json").read_text()))


@pytest.fixture(scope="module")
def everything(sandbox_env, tmp_path_factory):
    """A backend of its own: what is thrown at it is nobody's business afterwards."""
    folder = tmp_path_factory.mktemp("contract")
    with Backend(folder, sandbox_env, IAM_WORKER="off", IAM_MAX_WAIT="0") as backend, backend.client("IAM.Admin") as caller:
        yield backend.url, {"Authorization": caller.headers["authorization"]}


OPERATIONS = {found.ok().label: found.ok() for found in schema.get_all_operations()}


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_no_request_that_the_document_allows_fails(label, everything):
    url, headers = everything

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[label].as_strategy())
    def ask(case):
        answer = case.call(base_url=url, headers=headers, timeout=60)
        assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.status_code} {answer.text}"
        assert answer.headers["x-request-id"]

    ask()


def test_every_operation_is_asked():
    document = schema.raw_schema["paths"]
    assert len(OPERATIONS) == sum(len(operations) for operations in document.values()) > 60
