//! Writes what is made from the edge: the description of the API, and the pages of its refusals.
//! Run it in the repository after a change of routes, of what they take or give, or of faults.

use std::{fs, io};

use carrel_api::{fault, openapi};

fn main() -> io::Result<()> {
    write("schemas/openapi.json", &openapi::written())?;
    for (name, text) in fault::pages() {
        write(&format!("docs/errors/{name}"), &text)?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "says what it does")]
fn write(path: &str, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).ok().as_deref() == Some(text) {
        return Ok(());
    }
    println!("writes {path}");
    fs::write(path, text)
}
