"""What schemathesis is told about Carrel beyond its configuration: one more check, and what it
leaves alone. Loaded by schemathesis.toml."""

import os
import re
import uuid

import schemathesis

# By the edge itself, before anything is decided: a body or a parameter can't be read.
UNREAD = {"CRL-1001", "CRL-1002"}

# What a schema can't say, by the detail of the refusal.
UNSAYABLE = [
    # A cursor was made by the server, for one question.
    r"this is no cursor of Carrel",
    r"this cursor belongs to another",
    # The log may be shorter than any number.
    r"min_position is \d+, and the log ends at \d+",
    # Each of the filters may be given, and all of them at once may not.
    r"too many parameters",
    # A header without a value.
    r"If-Match takes one ETag as it was given",
    # One thing is said in two places.
    r"If-Match and if_version say different versions",
    # JSON Schema takes 7.0 for an integer, and nobody who writes one means it.
    r"invalid type: floating point",
    # It counts letters, and what is kept is counted in bytes; and no name may look like an id.
    r"the name of a person is 1 to 128 bytes",
    r"a text is at most 1024 bytes long",
    r"is at most 1024 bytes long",
    r", and not a UUID",
]

# Accounts by which this very run asks, and their tokens.
KEPT = set(filter(None, os.environ.get("CARREL_API_KEPT", "").split(",")))
ENDS_ACCOUNTS = {"DeleteAdmin", "SetAdminPassword", "SetAdminRoles", "RevokeToken"}


@schemathesis.check
def what_is_as_described_is_read(ctx, response, case):
    """Data that the schema allows can be read, whatever is decided about it then."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    problem = response.json()
    said = problem.get("detail", "")
    unsayable = any(re.search(pattern, said) for pattern in UNSAYABLE)
    assert problem.get("code") not in UNREAD or unsayable, f"it could not be read: {said}"


@schemathesis.hook
def filter_case(context, case):
    """Nobody saws off the branch they sit on."""
    name = case.operation.path.rsplit("/", 1)[-1]
    if name not in ENDS_ACCOUNTS or not isinstance(case.body, dict):
        return True
    return not any(str(value) in KEPT for value in case.body.values())


@schemathesis.hook
def before_call(context, case, **kwargs):
    """The example of an id would be used again and again, and each time for another command."""
    headers = case.headers or {}
    for name in headers:
        if name.lower() == "idempotency-key" and is_uuid(headers[name]):
            headers[name] = str(uuid.uuid4())


def is_uuid(text):
    try:
        uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return False
    return True
