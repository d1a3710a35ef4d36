//! What can be wrong with a request before or after it is decided, each with a code and a page.
//!
//! The model's own refusals have codes below CRL-1000; those of the edge begin there.

/// What the page about a fault says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// When it happens.
    pub meaning: &'static str,
    pub clears: &'static str,
}

macro_rules! faults {
    ($($name:ident $code:literal $status:literal $title:literal, $meaning:literal, clears $clears:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $meaning] $name,)*
        }

        impl Fault {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub const fn page(self) -> &'static Page {
                match self {
                    $(Self::$name => &Page {
                        code: $code, status: $status, title: $title, meaning: $meaning,
                        clears: $clears,
                    },)*
                }
            }

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

faults! {
    MalformedBody "CRL-1001" 400 "Malformed body",
        "The body is not JSON, or not what this takes: a field is unknown, missing, or has a wrong value. `path` says where.",
        clears "Correct the field that is named. The schema of the operation shows all of them.";
    MalformedRequest "CRL-1002" 400 "Malformed request",
        "A part of the path, a query parameter or a header is not what this takes.",
        clears "Correct what is named. The operation's documentation shows what it takes.";
    NotSignedIn "CRL-1003" 401 "Not signed in",
        "There is no token, or it is not known: it has ended, was revoked, or never was.",
        clears "Sign in (`POST /v1/login`), and send the token as `Authorization: Bearer <token>`.";
    NotAllowed "CRL-1004" 403 "Not allowed",
        "Whoever is signed in may not do this.",
        clears "Ask an administrator to do it, or for the role that may.";
    NoSuchRoute "CRL-1005" 404 "No such address",
        "Nothing is at this address.",
        clears "See `/v1/openapi.json` for what there is.";
    NoSuchMethod "CRL-1006" 405 "No such method",
        "The address is there, but doesn't take this method. `Allow` says which it takes.",
        clears "Use a method that it takes.";
    TooSlow "CRL-1007" 408 "Too slow",
        "The body did not arrive in time.",
        clears "Send it again on a faster line, or send less at once. Nothing was done.";
    TooLarge "CRL-1008" 413 "Too large",
        "The body is larger than what this takes.",
        clears "Send less at once: several commands, or several arrays.";
    NotJson "CRL-1009" 415 "Not JSON",
        "The body is said to be something else than JSON.",
        clears "Send JSON, with `Content-Type: application/json`.";
    IdReused "CRL-1010" 422 "Id reused",
        "The id was used before, for a command with another body. Nothing was done.",
        clears "Send a new command under a new id. The same command again has the same body.";
    TooManyRequests "CRL-1011" 429 "Too many requests",
        "Whoever asks has too many requests under way at once: somebody who is signed in, or an address from which people ask who are not. Nothing was done.",
        clears "Wait for answers before asking for more.";
    SignInRefused "CRL-1012" 401 "Sign-in refused",
        "The name or the password is wrong, or this person may not sign in. Which of it, nobody is told.",
        clears "Try again with the right name and password. An administrator can set another password.";
    SignInLater "CRL-1013" 429 "Sign-in later",
        "There were too many failed sign-ins to this account from here. Nothing was looked at.",
        clears "Wait as long as `Retry-After` says.";
    Overloaded "CRL-1014" 503 "Overloaded",
        "More is asked than can be done now. Nothing was done.",
        clears "Ask again after as long as `Retry-After` says.";
    Unavailable "CRL-1015" 503 "Unavailable",
        "The log takes nothing now, or can't be read: a disk is full or failed, or it is just opening. Nothing was written.",
        clears "The log of the server says why. Ask again when that is mended.";
    OutcomeUnknown "CRL-1016" 504 "Outcome unknown",
        "The command was accepted or not; nobody can say yet.",
        clears "Send the same command with the same `Idempotency-Key`: it is done once, and the answer is the first one.";
    Internal "CRL-1017" 500 "Internal error",
        "Something is wrong with the server. Its log says what, under the trace's id.",
        clears "Tell whoever runs it, with the trace's id.";
    NoSuchThing "CRL-1018" 404 "No such thing",
        "Nothing of that kind has this id or name, or it is not one of yours.",
        clears "List the things of that kind, and use the id or name of one that is there.";
    NoCondition "CRL-1019" 400 "Condition not taken",
        "`If-Match` came with a command that doesn't change one thing's settings, so there is no version to compare.",
        clears "Send the command without `If-Match`. Commands that have a field `if_version` take it.";
    NotSeenYet "CRL-1020" 503 "Not seen yet",
        "What is read has not come as far as `min_position` in time.",
        clears "Ask again. If that doesn't help, `/readyz` says which read model stands still.";
    ReadsUnavailable "CRL-1021" 503 "Reads unavailable",
        "What is read is not there now: its database can't be reached, or it met a fact that this version doesn't know.",
        clears "The log of the server says why, and `/readyz` which. Commands are taken meanwhile.";
    TooManyFollowers "CRL-1022" 503 "Too many followers",
        "As many follow the log already as may.",
        clears "Ask for pages (`Accept: application/json`), or follow when somebody else has ended.";
    NotUntilItRuns "CRL-1023" 409 "Not now",
        "There is no machine that this could be done to.",
        clears "Ask for the desktop first (`connect`), and do this while you have it.";
    RebuildUnderWay "CRL-1024" 409 "Rebuild under way",
        "Read models are being built anew already, to be used or to be compared.",
        clears "Ask again when that is over; the log of the server says when.";
    StorageUnseen "CRL-1025" 409 "Storage not seen",
        "The server to which a file is sent does not see the medium's storage: hosts are simulated, or it is on a host elsewhere.",
        clears "Put the file onto the storage by hand, under the medium's id: \"By hand\" in upload.md says where.";
    NotFromThere "CRL-1026" 409 "Not from there",
        "What is sent of a file does not begin where the part that has arrived ends. Nothing was taken.",
        clears "Ask how far it is (`HEAD`), and go on from there.";
    FileThere "CRL-1027" 409 "File there",
        "The medium has its file. It stays as it is.",
        clears "There is nothing more to do. Other bytes are another medium (`AddMedia`).";
    OtherLength "CRL-1028" 409 "Other length",
        "The file that is announced has another length than the medium was said to have.",
        clears "Send the file that the medium was made for, or make a medium for this one (`AddMedia`).";
    UploadUnderWay "CRL-1029" 409 "Upload under way",
        "Somebody is sending this file, or a line that was cut has not been noticed yet.",
        clears "Ask how far it is (`HEAD`) a moment later, and go on from there.";
    NoRoomForUploads "CRL-1030" 409 "No room for uploads",
        "The storage would have less room left than it keeps, or as many files are awaited as may be.",
        clears "Make room, finish or give up (`DELETE`) what is being sent, or use another storage.";
    OtherBytes "CRL-1031" 409 "Other bytes",
        "All of the file has arrived, and its SHA-256 is not the one that the medium was said to have. It was thrown away.",
        clears "Send it again from the beginning (`POST`), or make a medium with the right digest (`AddMedia`).";
    OtherTus "CRL-1032" 412 "Other version of tus",
        "`Tus-Resumable` is not there, or is another version than 1.0.0.",
        clears "Send `Tus-Resumable: 1.0.0`.";
    NotOctets "CRL-1033" 415 "Not octets",
        "A piece of a file is said to be something else than that.",
        clears "Send it with `Content-Type: application/offset+octet-stream`.";
    InUse "CRL-1034" 409 "In use",
        "Somebody has this machine, and what is on its screen is theirs.",
        clears "Ask again when they have left. `MessageMachine` shows them a message.";
    NotRunning "CRL-1036" 409 "Not running",
        "The machine is off, or no host of Carrel's runs it, so it shows and says nothing.",
        clears "Start it first (`StartMachine`).";
    StorageUnready "CRL-1037" 409 "Storage not ready",
        "The medium's storage is one that this server uses, and can't be used now: nothing is put where it should be mounted.",
        clears "Do what the message says, and send the file again: it goes on where it was.";
    NoAnswer "CRL-1035" 503 "No answer",
        "The machine's host was asked, and has not answered: it is busy or silent, or the machine has no agent that runs.",
        clears "Ask again. `carrel get hypervisors` says whether the host is there; the guest needs qemu-guest-agent, or Windows its QEMU Guest Agent.";
}

/// The pages of all faults as files of docs/errors, and a list of them.
pub fn pages() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Fault::ALL
        .iter()
        .map(|fault| {
            let page = fault.page();
            let meaning = page.meaning.replace(". ", ".\n");
            let text = format!(
                "# {}: {}\n\nStatus {}.\n\n## When it happens\n\n{meaning}\n\n## What clears it\n\n{}\n",
                page.code, page.title, page.status, page.clears
            );
            (format!("{}.md", page.code), text)
        })
        .collect();
    let mut list = String::from(
        "# What the HTTP edge itself refuses\n\n| code | status | what |\n|---|---|---|\n",
    );
    for fault in Fault::ALL {
        let page = fault.page();
        let row = format!("| [{0}]({0}.md) | {1} | {2} |\n", page.code, page.status, page.title);
        list.push_str(&row);
    }
    files.push(("http.md".to_owned(), list));
    files
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use carrel_model::rejection::{RETIRED, Rejection};

    use super::Fault;

    #[test]
    fn codes_are_given_once() {
        let of_the_model: BTreeSet<&str> = Rejection::pages().map(|page| page.code).collect();
        let mut given = BTreeSet::new();
        for fault in Fault::ALL {
            let code = fault.page().code;
            assert!(given.insert(code), "{code} is given twice");
            assert!(!of_the_model.contains(code) && !RETIRED.contains(&code), "{code}");
            assert!(code.starts_with("CRL-1"), "{code} is one of the model's");
        }
    }
}
