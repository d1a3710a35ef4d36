//! What somebody has written, as a string of another language.

use std::fmt::Write as _;

/// A string of JSON, which is one of YAML 1.1 and 1.2, too, read by any of them as it was written.
///
/// JSON (RFC 8259, 7) takes what is not ASCII as it is, but YAML does not take all of it (YAML
/// 1.2.2, 5.1), and breaks lines at U+0085, U+2028 and U+2029. So it is escaped but for what lies
/// above U+FFFF: JSON would write that as two halves, which YAML does not put together again.
pub(crate) fn json(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' | '\u{10000}'.. => quoted.push(character),
            _ => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Text of an XML element (XML 1.0, 2.4). Control characters have no place in it at all: whoever
/// calls has refused them.
pub(crate) fn xml(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => quoted.push_str("&amp;"),
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '"' => quoted.push_str("&quot;"),
            '\'' => quoted.push_str("&apos;"),
            _ => quoted.push(character),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::escape::unescape;

    use super::{json, xml};

    /// Those that some reader takes for something else.
    const ODD: &str = "\0\u{7}\t\r\n\"\\'#: -\u{7f}\u{80}\u{85}\u{a0}\u{2028}\u{2029}\u{feff}\
        \u{fffd}\u{fffe}\u{ffff}\u{10000}\u{10ffff}{}[]&*!|>%@`~<ä";

    #[track_caller]
    fn is_read_as_it_was(text: &str) {
        let quoted = json(text);
        assert_eq!(serde_json::from_str::<String>(&quoted).expect("JSON"), text);
        assert_eq!(serde_yaml_ng::from_str::<String>(&quoted).expect("YAML"), text);
        assert_eq!(quoted.lines().count(), 1);
    }

    #[test]
    fn odd_characters_are_read_as_they_were() {
        is_read_as_it_was(ODD);
        is_read_as_it_was("");
        for word in ["yes", "null", "1e3", "~", "---", "- a", "a: b", "${x}", "{{ x }}"] {
            is_read_as_it_was(word);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_it_was(text in any::<String>(), odd in 0..ODD.chars().count()) {
            let odd: String = ODD.chars().skip(odd).collect();
            is_read_as_it_was(&format!("{text}{odd}"));
        }

        #[test]
        fn no_text_is_markup(text in "\\PC*") {
            let quoted = xml(&text);
            prop_assert!(!quoted.contains(['<', '>', '"', '\'']));
            prop_assert_eq!(unescape(&quoted).expect("XML"), text);
        }
    }
}
