//! Longer texts of the description.

pub(super) const INFO: &str = "\
Carrel gives people virtual desktops on KVM. What is asked for is a *command*; an accepted command \
is durable, and becomes *facts*; what became of it is an *operation*.

- `POST /v1/commands/{Name}` sends a command. Send an `Idempotency-Key`: the same id with the same \
body is done once, and gets the first answer again, whatever happened to the connection. `504` \
means that nobody knows whether it was accepted; the same id tells.
- `Prefer: wait=<seconds>` waits for the operation to finish.
- `?dry_run=true` says what would happen, and does nothing.
- `GET /v1/{kind}` reads what is known. `min_position`, with the `position` of an accepted command, \
waits until that is in what is read.
- `GET /v1/events` is the log itself.

`x-roles` of an operation says who may use it: `client` is a person who uses desktops, `viewer`, \
`operator` and `admin` run the system, and `none` has not signed in. Others get `401` or `403`.

Refusals are `application/problem+json` (RFC 9457). `code` never changes its meaning, `type` is a \
page about it, and `clears` says what would help.";

pub(super) const BEARER: &str =
    "A token of `POST /v1/login`, or one that an administrator has issued (`IssueToken`).";
