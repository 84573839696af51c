"""Whatever the document allows is answered without a failure of ours."""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from serving import Backend

EXAMPLES = int(os.environ.get("IAM_EXAMPLES", "8"))


@pytest.fixture(scope="module")
def everything(sandbox_env, tmp_path_factory):
    """A backend of its own: what is thrown at it is nobody's business afterwards."""
    with Backend(tmp_path_factory.mktemp("contract"), sandbox_env, IAM_WORKER="off", IAM_MAX_WAIT="0") as backend:
        with backend.client("IAM.Admin") as caller:
            yield schemathesis.openapi.from_url(f"{backend.url}/openapi.json"), dict(caller.headers), backend


@pytest.fixture
def described(everything):
    return everything[0]


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_that_the_document_allows_fails(case, everything):
    _, headers, backend = everything
    if case.path.endswith("/events") and case.method.upper() == "GET":
        headers = headers | {"Accept": "text/event-stream"}
    answer = case.call(base_url=backend.url, headers={"Authorization": headers["authorization"]}, timeout=60)
    case.validate_response(answer, checks=[not_a_server_error])
