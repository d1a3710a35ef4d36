"""What schemathesis is told about Carrel beyond its configuration: two more checks, and what it
leaves alone, each of which docs/threats.md lists. Loaded by schemathesis.toml."""

import atexit
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


# As whom this run asks, and how often they were refused because of who they are.
ROLE = os.environ["CARREL_API_ROLE"]
TOKEN = os.environ["CARREL_API_TOKEN"]
THOROUGH = os.environ["CARREL_API_THOROUGH"] == "true"
refused = 0

# Said before anybody looks at who asks: too much at once, and headers that are too long.
BEFORE = {429, 431}
# People who use desktops may ask for one, and not say where they sit.
SOMETIMES = {("client", "RequestDesktop")}


@schemathesis.serializer("application/offset+octet-stream")
def octets(ctx, value):
    """A piece of a file is sent as it is."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return bytes(getattr(value, "data", value))


@schemathesis.check
def only_who_may_is_let_in(ctx, response, case):
    """Who may use an operation is what its x-roles say."""
    global refused
    operation = case.operation
    # What was asked may be another method, or with an empty parameter another address.
    elsewhere = case.method.upper() != operation.method.upper() or code_of(response) == "CRL-1005"
    if elsewhere or response.status_code in BEFORE:
        return
    by_token = response.request.headers.get("Authorization") == f"Bearer {TOKEN}"
    role = ROLE if by_token else "none"
    status = response.status_code
    if role not in operation.definition.raw["x-roles"]:
        expected = 401 if role == "none" else 403
        assert status == expected, f"{role} may not, and is answered {status}"
        refused += 1
    elif (role, operation.definition.raw["operationId"]) not in SOMETIMES:
        assert status != 403, f"{role} may, and is refused"


@atexit.register
def tell_how_often():
    with open(os.environ["CARREL_API_REFUSED"], "w", encoding="utf-8") as told:
        told.write(str(refused))


def code_of(response):
    return response.json().get("code") if response.status_code >= 400 and response.content else None


@schemathesis.check
def what_is_as_described_is_read(ctx, response, case):
    """Data that the schema allows can be read, whatever is decided about it then."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    problem = response.json()
    said = problem.get("detail", "")
    unsayable = any(re.search(pattern, said) for pattern in UNSAYABLE)
    assert problem.get("code") not in UNREAD or unsayable, f"it could not be read: {said}"


# What every command takes, and one piece of code reads for all of them: the edges of these are
# tried on one, and with --thorough on each.
OF_EVERY_COMMAND = {"Idempotency-Key", "Prefer", "dry_run"}
THE_ONE = "CreateMachine"


@schemathesis.hook
def filter_case(context, case):
    """Nobody saws off the branch they sit on, nor tries the same thing a hundred times."""
    name = case.operation.path.rsplit("/", 1)[-1]
    if not THOROUGH and "/commands/" in case.operation.path and name != THE_ONE:
        phase = case.meta.phase.data if case.meta else None
        if getattr(phase, "parameter", None) in OF_EVERY_COMMAND:
            return False
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
