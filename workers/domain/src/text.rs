//! Text that may stand in a domain.
//!
//! It is checked once, where it is made, so that whoever renders it has nothing left to doubt. What
//! is refused has no place in XML at all, or would come back changed.

use std::fmt;

/// QEMU takes no longer ones for an SMBIOS field, and nobody reads them.
const LABEL_BYTES_MAX: usize = 255;
/// `PATH_MAX` of Linux, with the byte that ends it.
const PATH_BYTES_MAX: usize = 4095;
/// libvirt makes names of files from it, with up to 20 bytes of its own.
const NAME_BYTES_MAX: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it is empty")]
    Empty,
    #[error("it has more than {0} bytes")]
    Long(usize),
    #[error("it has a character that XML can't hold")]
    Character,
    #[error("it begins or ends with white space")]
    Space,
    #[error("it is no absolute path without detours")]
    Path,
    #[error("it is no name for a file")]
    Name,
}

/// XML 1.0 holds some control characters only as references, others not at all, and parsers turn
/// the rest into spaces.
fn is_held(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}')
}

fn check(text: &str, bytes_max: usize) -> Result<(), Unfit> {
    if text.is_empty() {
        Err(Unfit::Empty)
    } else if text.len() > bytes_max {
        Err(Unfit::Long(bytes_max))
    } else if !text.chars().all(is_held) {
        Err(Unfit::Character)
    } else if text.trim() != text {
        Err(Unfit::Space)
    } else {
        Ok(())
    }
}

/// A path of the host. Nobody can lead out of a folder by it.
fn check_path(text: &str) -> Result<(), Unfit> {
    check(text, PATH_BYTES_MAX)?;
    let mut parts = text.split('/');
    let is_absolute = parts.next() == Some("");
    let is_straight = parts.all(|part| !matches!(part, "" | "." | ".."));
    if is_absolute && is_straight { Ok(()) } else { Err(Unfit::Path) }
}

/// libvirt names files after a domain.
fn check_name(text: &str) -> Result<(), Unfit> {
    check(text, NAME_BYTES_MAX)?;
    if text.contains('/') || matches!(text, "." | "..") { Err(Unfit::Name) } else { Ok(()) }
}

fn check_label(text: &str) -> Result<(), Unfit> {
    check(text, LABEL_BYTES_MAX)
}

macro_rules! texts {
    ($($(#[$about:meta])* $name:ident by $check:ident;)*) => {$(
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            pub fn new(text: &str) -> Result<Self, Unfit> {
                $check(text)?;
                Ok(Self(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    )*};
}

texts! {
    /// What a domain is called on its host.
    Name by check_name;
    /// One line: a title, a serial number, the name of a bridge, of a CPU model.
    Label by check_label;
    /// A file of the host, by its absolute path.
    HostFile by check_path;
}

#[cfg(test)]
mod tests {
    use super::{HostFile, Label, Name, Unfit};

    #[test]
    fn what_xml_cannot_hold_is_refused() {
        for text in ["a\0", "a\nb", "a\tb", "\u{1}", "a\u{ffff}", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(Label::new(text), Err(Unfit::Character), "{text:?}");
        }
        assert_eq!(Label::new(""), Err(Unfit::Empty));
        assert_eq!(Label::new(" a"), Err(Unfit::Space));
        assert!(Label::new("<'\"&]]>ä💡").is_ok());
    }

    #[test]
    fn a_path_makes_no_detour() {
        for text in ["a", "/", "//a", "/a/", "/a/../b", "/./a", "/a//b"] {
            assert_eq!(HostFile::new(text), Err(Unfit::Path), "{text:?}");
        }
        assert!(HostFile::new("/a/..b/c,d").is_ok());
    }

    #[test]
    fn a_name_is_no_path() {
        for text in ["a/b", ".", ".."] {
            assert_eq!(Name::new(text), Err(Unfit::Name), "{text:?}");
        }
    }
}
