"""Whatever the document allows, and whatever it does not, is answered without a failure of ours."""

from __future__ import annotations

import json
import os
import pathlib

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from serving import Backend

#: Of either kind, for each operation.
EXAMPLES = int(os.environ.get("IAM_EXAMPLES", "7"))

# What is served is the same: test_the_document_of_the_api_is_the_one_that_was_agreed_upon.
schema = schemathesis.openapi.from_dict(json.loads((pathlib.Path(__file__).parent / "openapi.json").read_text()))


@pytest.fixture(scope="module")
def everything(sandbox_env, tmp_path_factory):
    """A backend of its own: what is thrown at it is nobody's business afterwards."""
    folder = tmp_path_factory.mktemp("contract")
    with Backend(folder, sandbox_env, IAM_WORKER="off", IAM_MAX_WAIT="0") as backend, backend.client("IAM.Admin") as caller:
        yield backend.url, {"Authorization": caller.headers["authorization"]}


OPERATIONS = {found.ok().label: found.ok() for found in schema.get_all_operations()}


def can_be_wrong(operation):
    """Whether a request can break its rules: any text is a text, in a path and in a header."""
    definition = operation.definition.raw
    shapes = [parameter["schema"] for parameter in definition.get("parameters", [])]
    kinds = [{one.get("type") for one in shape.get("anyOf", [shape])} - {"null"} for shape in shapes]
    bare = [{*shape} <= {"type", "title", "anyOf", "examples", "description", "default"} for shape in shapes]
    return "requestBody" in definition or not all(bare) or any(kind != {"string"} for kind in kinds)


BREAKABLE = {label for label, operation in OPERATIONS.items() if can_be_wrong(operation)}


def bounded(test):
    """The same few examples every time, and no search for a smaller one."""
    return settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(test)


def answered(case, everything):
    """The answer to it, which is no failure."""
    url, headers = everything
    answer = case.call(base_url=url, headers=headers, timeout=60)
    assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.status_code} {answer.text}"
    assert answer.headers["x-request-id"]
    return answer


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_no_request_that_the_document_allows_fails(label, everything):
    @bounded
    @given(case=OPERATIONS[label].as_strategy())
    def ask(case):
        answered(case, everything)

    ask()


@pytest.mark.parametrize("label", sorted(BREAKABLE))
def test_no_request_that_the_document_forbids_fails(label, everything):
    asked = []

    @bounded
    @given(case=OPERATIONS[label].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def ask(case):
        asked.append(answered(case, everything).status_code)

    ask()
    assert asked


def test_every_operation_is_asked():
    document = schema.raw_schema["paths"]
    assert len(OPERATIONS) == sum(len(operations) for operations in document.values()) > 60
    assert len(BREAKABLE) > 30
