//! Values as people read them.

/// Data on one line, without anything that a terminal would take for an order.
pub(crate) fn one_line(data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        Ok(text) => text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect(),
        Err(_) => format!("<{} bytes>", data.len()),
    }
}

/// At most so many characters.
pub(crate) fn shortened(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}\u{2026}")
}

/// Whether a name matches a pattern in which * stands for anything and ? for one character.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut in_name) = (0, 0);
    // Where to go on after what a * stands for was taken to be one byte longer.
    let mut again = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                again = Some((at + 1, in_name));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            Some(_) | None => {
                let Some((after_star, from)) = again else { return false };
                again = Some((after_star, from + 1));
                (at, in_name) = (after_star, from + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_shells_do() {
        for (pattern, name) in [
            ("machine.started", "machine.started"),
            ("machine.*", "machine.started"),
            ("*", "x"),
            ("*.started", "machine.started"),
            ("m*e.st*d", "machine.started"),
            ("machine.start??", "machine.started"),
            ("**", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("machine", "machine.started"),
            ("machine.?", "machine."),
            ("*.stopped", "machine.started"),
            ("", "x"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn nothing_in_data_commands_the_terminal() {
        assert_eq!(one_line(b"a\x1b[2J\r\nb"), "a [2J  b");
        assert_eq!(one_line(b"\xff\xfe"), "<2 bytes>");
        assert_eq!(shortened("abcdef", Some(4)), "abc\u{2026}");
        assert_eq!(shortened("abcd", Some(4)), "abcd");
    }
}
