//! Words that must not be found, in every form in which bytes may hold them.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A text, and the forms of it.
pub(crate) struct Canary {
    text: &'static str,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Canary {
    pub(crate) fn new(text: &'static str) -> Self {
        let json = serde_json::to_string(text).expect("JSON");
        let escaped: String = text.chars().map(escaped).collect();
        let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
        let mut forms = vec![
            ("plain", text.as_bytes().to_vec()),
            ("JSON", json.trim_matches('"').as_bytes().to_vec()),
            ("escaped JSON", escaped.into_bytes()),
            ("UTF-16LE", utf16(u16::to_le_bytes)),
            ("UTF-16BE", utf16(u16::to_be_bytes)),
        ];
        // Its letters in base64 depend on how many bytes stand before it; those at its ends depend
        // on its neighbours, and are left out.
        for before in 0..3 {
            let padded: Vec<u8> = [0].repeat(before).into_iter().chain(text.bytes()).collect();
            for (name, encoded) in [
                ("base64", STANDARD_NO_PAD.encode(&padded)),
                ("base64 of URLs", URL_SAFE_NO_PAD.encode(&padded)),
            ] {
                let whole = &encoded[if before == 0 { 0 } else { 4 }..encoded.len() - 4];
                forms.push((name, whole.as_bytes().to_vec()));
            }
        }
        Self { text, forms }
    }

    /// In which form it is in there.
    pub(crate) fn form_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let is_in = |form: &[u8]| bytes.windows(form.len()).any(|it| it == form);
        self.forms.iter().find(|(_, form)| is_in(form)).map(|(name, _)| *name)
    }

    /// Every file below a folder that has it, and in which form.
    pub(crate) fn found_below(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                found.extend(self.found_below(&path));
                continue;
            }
            let bytes = fs::read(&path).expect("a file");
            // What is set aside for later is zeros, and much of it.
            let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if let Some(form) = self.form_in(&bytes[..written]) {
                found.push(format!("{} in {form} in {}", self.text, path.display()));
            }
        }
        found
    }
}

fn escaped(letter: char) -> String {
    match letter.is_ascii() {
        true => letter.to_string(),
        false => letter.encode_utf16(&mut [0; 2]).iter().map(|it| format!("\\u{it:04x}")).collect(),
    }
}

#[test]
fn a_canary_is_found_in_every_form() {
    let canary = Canary::new("Gedimino 53, p\u{ed}\u{161}em");
    for (name, form) in &canary.forms {
        let around = [b"before".as_slice(), form, b"behind"].concat();
        assert!(canary.form_in(&around).is_some(), "{name}");
    }
    assert_eq!(canary.form_in(b"Gedimino 54"), None);
    for before in ["", "a", "ab"] {
        let encoded = STANDARD_NO_PAD.encode(format!("{before}{} and more", canary.text));
        assert_eq!(canary.form_in(encoded.as_bytes()), Some("base64"), "{before:?}");
    }
}
